package managers

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"time"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/connection"
	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/objects"
	"github.com/syncmanager/syncmanager/internal/pydoor"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// PythonConfig says how Python clients are served; see ListenPython. The zero
// value is what Python's own manager does.
type PythonConfig struct {
	// RefuseMD5 turns away clients before Python 3.12, which prove the authkey
	// with HMAC-MD5.
	RefuseMD5 bool
	// Advertise is the address that clients are told for nested proxies:
	// "host:port" for those that came over TCP, a path for those of a unix
	// socket. Empty: the address that the
	// client itself used. It must be set behind a NAT or a port forwarding.
	Advertise string
	// MaxMessage bounds one message of a Python client, and a reply to one, in
	// bytes. 0: DefaultPythonMaxMessage.
	MaxMessage int
	// MaxMemory bounds the bytes that the messages of all Python clients and what
	// they are decoded into take at a time. Beyond it they hear "overloaded".
	// 0: DefaultPythonMaxMemory.
	MaxMemory int64
	// IdleReferences drops the references of Python clients to an object that
	// none of them has used for so long. 0: never.
	IdleReferences time.Duration
	// DropDeadProcesses drops the references that a process of this machine
	// took over a unix socket, when the process is gone. Linux only.
	DropDeadProcesses bool
	// ReleaseHolds releases the locks and permits of a connection, which stands
	// for a thread of a client, so long after it was closed; negative: at once.
	// 0: never, as in Python, where any process may release a Lock.
	ReleaseHolds time.Duration
}

// Defaults of PythonConfig.
const (
	DefaultPythonMaxMessage = 512 << 20
	DefaultPythonMaxMemory  = 4 << 30
)

// python is the door for Python clients, made when it is first needed.
type python struct {
	door *pydoor.Door
}

// ListenPython listens on the addresses for Python programs, which use
// multiprocessing.managers as they are: tcp://host:port (without encryption:
// Python's protocol has none) or unix:///path. They are served as
// the addresses of Listen are. If one fails, none is kept.
//
// The clients prove the same authkeys as others, but for passphrases. They see
// the same objects. What one of them creates lives as long as any Python client
// of that key refers to it.
func (s *Server) ListenPython(ctx context.Context, addrs ...string) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	if err := s.openPython(); err != nil {
		return err
	}
	return s.listenAll(ctx, addrs, listenPython)
}

// openPython makes the door.
func (s *Server) openPython() error {
	c := s.config.Python
	if c.DropDeadProcesses && runtime.GOOS != "linux" {
		return fmt.Errorf("managers: PythonConfig.DropDeadProcesses works on Linux only, not on %s", runtime.GOOS)
	}
	depth := s.config.Limits.engineConfig().MaxDepth
	if depth <= 0 || depth > engine.DefaultMaxDepth {
		depth = engine.DefaultMaxDepth
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.python.door != nil {
		return nil
	}
	s.python.door = pydoor.New(pydoor.Config{
		Keys:     s.keys.All,
		Open:     s.openPythonSession,
		Refused:  s.refusePython,
		Shutdown: s.shutdownByPython,
		Reads:    readsOf(objects.Types()),
		Logger:   s.log, MaxMessage: cmp.Or(c.MaxMessage, DefaultPythonMaxMessage), MaxMemory: cmp.Or(c.MaxMemory, DefaultPythonMaxMemory), Depth: depth, HandshakeTimeout: s.config.HandshakeTimeout,
		Options: pydoor.Options{
			RefuseMD5: c.RefuseMD5, Advertise: c.Advertise, IdleReferences: c.IdleReferences,
			DropDeadProcesses: c.DropDeadProcesses, ReleaseHolds: c.ReleaseHolds,
		},
	})
	return nil
}

// readsOf returns a function that tells whether a method of one of the types
// changes nothing. Of others it says so too: the engine decides.
func readsOf(types []*engine.Type) func(typeid, method string) bool {
	changes := make(map[[2]string]bool)
	for _, t := range types {
		for i := range t.Methods {
			if m := &t.Methods[i]; m.Flags&(engine.Reads|engine.Anyone) == 0 {
				changes[[2]string{t.Name, m.Name}] = true
			}
		}
	}
	return func(typeid, method string) bool { return !changes[[2]string{typeid, method}] }
}

// pythonDoor returns the door, nil if there is none.
func (s *Server) pythonDoor() *pydoor.Door {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.python.door
}

// openPythonSession opens the session that all Python clients of a key share.
func (s *Server) openPythonSession(e auth.Entry) (pydoor.Session, error) {
	// The keys may have changed since the client proved his.
	now, ok := s.keys.Lookup(e.Name)
	was, isKey := e.Credential.(auth.Key)
	is, same := now.Credential.(auth.Key)
	if !ok || isKey != same || isKey && !is.Equal(was) {
		return nil, wire.Errorf(wire.CodeDenied, "key %q was removed", e.Name)
	}
	e = now
	return s.newDirect(engine.SessionInfo{
		Program: "Python clients", KeyName: e.Name, Role: engine.Role(e.Role), Prefixes: e.Prefixes, Shared: true,
	})
}

// refusePython lets a stranger with a wrong key wait for his "no", longer each
// time.
func (s *Server) refusePython(ctx context.Context, remote string) {
	host := auth.LimiterHost(&net.UnixAddr{Net: "unix"})
	if a, err := netip.ParseAddrPort(remote); err == nil {
		host = auth.LimiterHost(net.TCPAddrFromAddrPort(a))
	}
	delay, _ := s.failed(host, "remote", remote, "protocol", "python")
	select {
	case <-time.After(delay):
	case <-ctx.Done():
	}
}

func (s *Server) shutdownByPython(key, remote string) {
	s.log.Info("shutdown was asked for", "key", key, "remote", remote, "protocol", "python")
	s.RequestShutdown()
}

// pythonPrefix stands before the addresses of Python listeners in Addrs.
const pythonPrefix = "python+"

// listenPython listens on one address.
func listenPython(ctx context.Context, addr string) (listener, error) {
	parsed, ok := strings.CutPrefix(addr, "tcp://")
	if ok {
		parsed = "tcp+plain://" + parsed
	} else {
		parsed = addr
	}
	a, err := connection.ParseAddress(parsed)
	if err == nil && a.Transport != connection.TCPPlain && a.Transport != connection.Unix {
		err = fmt.Errorf("%w: Python clients come over tcp://host:port or unix:///path", connection.ErrAddress)
	}
	if err != nil {
		return nil, fmt.Errorf("listen for Python on %q: %w", addr, err)
	}
	l, err := connection.ListenStream(ctx, a, connection.StreamConfig{})
	if err != nil {
		return nil, err
	}
	return pythonListener{l}, nil
}

type pythonListener struct{ *connection.StreamListener }

func (l pythonListener) Addr() string {
	a := l.StreamListener.Addr()
	if a.Transport == connection.TCPPlain {
		a.Transport = connection.TCP
	}
	return pythonPrefix + a.String()
}

func (l pythonListener) Accept(ctx context.Context) (newcomer, error) {
	c, err := l.StreamListener.Accept(ctx)
	if err != nil {
		return nil, err
	}
	return pythonStream{stream{c}}, nil
}

// pythonStream is a newcomer who speaks Python's protocol.
type pythonStream struct{ stream }

// servePython serves a newcomer who speaks Python's protocol.
func (s *Server) servePython(raw pythonStream, place *stranger) {
	remote := raw.RemoteAddr()
	err := s.pythonDoor().ServeConn(s.context, raw.Stream.Conn, func() { s.strangers.leave(place) })
	s.strangers.leave(place) // if it never authenticated
	if err != nil {
		s.log.Debug("connection ended", "remote", remoteText(remote), "protocol", "python", "err", err)
	}
}

// closePython ends the connections of Python clients.
func (s *Server) closePython() {
	if door := s.pythonDoor(); door != nil {
		door.Close()
	}
}

// connections lists the connections of Python clients, which are no sessions of
// their own: [next, rows].
func (s *Server) connections(args []byte) ([]byte, *wire.Error) {
	after, limit := uint64(0), 1000
	r, err := wire.NewReader(args)
	if err == nil && r.More() {
		after, err = r.Uint()
	}
	if err == nil && r.More() {
		var n int64
		n, err = r.Int()
		limit = int(n)
	}
	if err != nil {
		return nil, wire.Errorf(wire.CodeType, "server.connections: %v", err)
	}
	var rows []pydoor.Client
	next := uint64(0)
	if door := s.pythonDoor(); door != nil {
		rows, next = door.Clients(after, limit)
	}
	b := wire.AppendArrayHeader(nil, 2)
	b = wire.AppendUint(b, next)
	b = wire.AppendArrayHeader(b, len(rows))
	for i := range rows {
		b = pydoor.AppendClient(b, &rows[i])
	}
	return b, nil
}

// disconnect ends one connection of a Python client, with what it holds.
func (s *Server) disconnect(args []byte) ([]byte, *wire.Error) {
	r, err := wire.NewReader(args)
	var id uint64
	if err == nil {
		id, err = r.Uint()
	}
	if err != nil {
		return nil, wire.Errorf(wire.CodeType, "server.disconnect: %v", err)
	}
	if door := s.pythonDoor(); door == nil || !door.Disconnect(id) {
		return nil, wire.Errorf(wire.CodeNotFound, "no connection %d of a Python program", id)
	}
	return wire.AppendBool(nil, true), nil
}
