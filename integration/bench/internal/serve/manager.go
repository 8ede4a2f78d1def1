package serve

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/connection"
	"github.com/syncmanager/syncmanager/managers"
)

// AdderType is the typeid of the custom type that the benchmark registers.
const AdderType = "Adder"

// The addresses for Python clients, beside those of ManagerNetworks, and the
// dict that these share. peers/common.py has the same name.
const (
	PythonTCP  = "python-tcp"
	PythonUnix = "python-unix"
	PythonDict = "bench_dict"
)

// Adder is the custom type of the benchmark.
type Adder struct{}

// Add returns the sum.
func (Adder) Add(a, b int) int { return a + b }

// Manager is an embedded manager server with the limits of managerd. It differs
// in two things: it has the type Adder, and its process collects garbage when
// asked.
type Manager struct {
	server *managers.Server
	cancel context.CancelFunc
	ended  chan error
}

// StartManager serves on plain TCP, TLS and a unix socket in dir, with the
// authkey key, and for Python clients on TCP and a unix socket. It returns the
// addresses by the names "tcp", "tls" and "unix", PythonTCP and PythonUnix.
// sockets tells the unix sockets of one dir apart.
func StartManager(dir, sockets string, key []byte) (*Manager, map[string]string, error) {
	k, err := auth.FromBytes(key)
	if err != nil {
		return nil, nil, fmt.Errorf("manager: %w", err)
	}
	srv := managers.NewServer(managers.Config{AuthKey: k})
	// Adding needs no turn; a type that does is slower by its own lock.
	options := managers.TypeOptions{Exposed: []string{"Add"}, Concurrent: true}
	if err := srv.Register(AdderType, func() Adder { return Adder{} }, options); err != nil {
		return nil, nil, fmt.Errorf("manager: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	m := &Manager{server: srv, cancel: cancel, ended: make(chan error, 1)}
	path := filepath.Join(dir, sockets+".sock")
	if err := srv.Listen(ctx, "tcp+plain://127.0.0.1:0", "tcp://127.0.0.1:0", "unix://"+path); err != nil {
		cancel()
		return nil, nil, fmt.Errorf("manager: %w", err)
	}
	python := filepath.Join(dir, sockets+"-python.sock")
	if err := srv.ListenPython(ctx, "tcp://127.0.0.1:0", "unix://"+python); err != nil {
		cancel()
		return nil, nil, fmt.Errorf("manager: %w", err)
	}
	if err := srv.CreateNamed(ctx, PythonDict, "dict"); err != nil {
		cancel()
		return nil, nil, fmt.Errorf("manager: %w", err)
	}
	addrs := make(map[string]string)
	for _, addr := range srv.Addrs() {
		scheme, rest, _ := strings.Cut(addr, "://")
		if name, ok := pythonNetworks[scheme]; ok {
			addrs[name] = rest
			continue
		}
		addrs[ManagerNetworks[connection.Transport(scheme)]] = rest
	}
	go func() { m.ended <- srv.Serve(ctx) }()
	return m, addrs, nil
}

// ManagerNetworks are the benchmark's names of a manager's transports.
var ManagerNetworks = map[connection.Transport]string{
	connection.TCPPlain: "tcp", connection.TCP: "tls", connection.Unix: "unix",
}

// pythonNetworks are the benchmark's names of the doors for Python by the scheme
// of their addresses.
var pythonNetworks = map[string]string{"python+tcp": PythonTCP, "python+unix": PythonUnix}

// Close ends the server in good order.
func (m *Manager) Close() {
	m.cancel()
	// It ends because it was told to; there is nothing else to learn.
	<-m.ended
}
