package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/syncmanager/syncmanager/integration/bench/internal/load"
	"github.com/syncmanager/syncmanager/integration/bench/internal/proc"
)

// env is what the cases of a run share: the servers and the load generators,
// each started when it is first needed and kept for all rounds. Only ask may be
// called by several goroutines at a time.
type env struct {
	// Fixed at creation.
	self    string // this program
	dir     string // for sockets, keys and binaries; removed at the end
	root    string // the repository's module
	key     string // the authkey, as text
	python  string // the interpreter, if any
	redis   string // redis-server, if any
	profile bool   // children will be profiled; the embedded server takes the place of managerd
	other   *build // another commit, for targets of it; nil: none

	mu         sync.Mutex // guards what follows; it is not held while something starts
	servers    map[string]*proc.Child
	generators map[string]*proc.Child
	broken     map[string]error // servers that did not start; trying again takes long
	all        []*proc.Child
}

// target is one side of a comparison: a client library over one transport
// against one server.
type target struct {
	label   string // in tables and plots
	peer    string // of load.Connect; "python" for Python's own client
	network string // "tcp", "tls", "unix"
	server  string // of env.server
	addr    string // which of the server's addresses; the network if empty
	apart   string // a server and generators that only targets of the same word share; the common ones if empty
	other   bool   // server and generators are those of env.other
}

// The peers by the names that a run reports as missing.
const (
	peerRedis  = "redis-server"
	peerPython = "python"
)

// needs are the peers without which t cannot run.
func (t target) needs() []string {
	switch {
	case t.server == "redis":
		return []string{peerRedis}
	case t.peer == peerPython: // its client, on whichever server
		return []string{peerPython}
	}
	return nil
}

// answers reports whether t's server is this program, which can be asked for its
// counters and profiles.
func (e *env) answers(t target) bool {
	switch t.server {
	case roleManager, roleRPC, roleEcho:
		return true
	}
	return t.server == "managerd" && e.profile
}

func newEnv(ctx context.Context) (*env, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("own program: %w", err)
	}
	root, err := moduleRoot(ctx)
	if err != nil {
		return nil, err
	}
	// A short path: a unix socket's is limited to about a hundred bytes.
	dir, err := os.MkdirTemp("", "smbench")
	if err != nil {
		return nil, fmt.Errorf("working directory: %w", err)
	}
	var key [32]byte
	rand.Read(key[:])
	return &env{
		self: self, dir: dir, root: root, key: hex.EncodeToString(key[:]),
		servers: make(map[string]*proc.Child), generators: make(map[string]*proc.Child), broken: make(map[string]error),
	}, nil
}

// moduleRoot is the directory of the product's module, next to this one.
func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/syncmanager/syncmanager").Output()
	if err != nil {
		return "", fmt.Errorf("the repository was not found; run this in integration/bench: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// Close ends all processes and removes the working directory.
func (e *env) Close() error {
	e.mu.Lock()
	children := e.all
	e.all = nil
	e.mu.Unlock()
	// Clients first, and none waits for the other.
	var wg sync.WaitGroup
	for i := len(children) - 1; i >= 0; i-- {
		wg.Go(children[i].Close)
	}
	wg.Wait()
	if err := os.RemoveAll(e.dir); err != nil {
		return fmt.Errorf("working directory: %w", err)
	}
	return nil
}

// start starts a child, which Close ends if nobody did before.
func (e *env) start(ctx context.Context, name string, config any, argv ...string) (*proc.Child, error) {
	c, err := proc.Start(ctx, name, config, argv...)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	e.all = append(e.all, c)
	e.mu.Unlock()
	return c, nil
}

// server returns the server of t, started when first asked for.
func (e *env) server(ctx context.Context, t target) (*proc.Child, error) {
	return e.kept(e.servers, fmt.Sprintf("%s/%s/%t", t.server, t.apart, t.other), func() (*proc.Child, error) { return e.newServer(ctx, t) })
}

// newServer starts a server that nobody else uses.
func (e *env) newServer(ctx context.Context, t target) (*proc.Child, error) {
	name := fmt.Sprintf("%s/%t", t.server, t.other)
	e.mu.Lock()
	err := e.broken[name]
	e.mu.Unlock()
	if err != nil {
		return nil, err
	}
	c, err := e.startServer(ctx, t.server, t.other)
	if err != nil {
		e.mu.Lock()
		e.broken[name] = err
		e.mu.Unlock()
	}
	return c, err
}

func (e *env) startServer(ctx context.Context, name string, other bool) (*proc.Child, error) {
	own := serverConfig{Dir: e.dir, Key: e.key, Profile: e.profile}
	switch name {
	case roleEcho, roleRPC, roleManager:
		return e.start(ctx, name+" server", own, e.program(other), childArg, name)
	case "redis":
		return e.startRedis(ctx)
	case "python", "python-unix":
		return e.startPython(ctx, name)
	case "managerd":
		if e.profile {
			return e.start(ctx, roleManager+" server", own, e.program(other), childArg, roleManager)
		}
		return e.startManagerd(ctx, other)
	}
	return nil, fmt.Errorf("no server %q", name)
}

// address is where t's server takes its clients.
func (e *env) address(server *proc.Child, t target) (string, error) {
	name := t.addr
	if name == "" {
		name = t.network
	}
	addr, ok := server.Addrs[name]
	if !ok {
		return "", fmt.Errorf("%s: the server has no address %q", t.label, name)
	}
	return addr, nil
}

// generator returns load generator number n of t, connected to the shared
// server, started when first asked for.
func (e *env) generator(ctx context.Context, t target, n int) (*proc.Child, error) {
	name := fmt.Sprintf("%s/%s/%s/%s/%s/%t/%d", t.peer, t.network, t.server, t.addr, t.apart, t.other, n)
	return e.kept(e.generators, name, func() (*proc.Child, error) {
		server, err := e.server(ctx, t)
		if err != nil {
			return nil, err
		}
		return e.newGenerator(ctx, t, server)
	})
}

// kept returns what is kept under a name, made when first asked for.
func (e *env) kept(in map[string]*proc.Child, name string, start func() (*proc.Child, error)) (*proc.Child, error) {
	e.mu.Lock()
	c := in[name]
	e.mu.Unlock()
	if c != nil {
		return c, nil
	}
	c, err := start()
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	in[name] = c
	e.mu.Unlock()
	return c, nil
}

// newGenerator starts a load generator on a given server.
func (e *env) newGenerator(ctx context.Context, t target, server *proc.Child) (*proc.Child, error) {
	addr, err := e.address(server, t)
	if err != nil {
		return nil, err
	}
	spec := load.Spec{Peer: t.peer, Network: t.network, Addr: addr, Key: e.key, Profile: e.profile}
	name := fmt.Sprintf("%s load", t.label)
	if t.peer == peerPython {
		return e.start(ctx, name, spec, e.python, "-B", filepath.Join(e.dir, "load.py"))
	}
	return e.start(ctx, name, spec, e.program(t.other), childArg, roleLoad)
}

// program is this program, or that of the other commit.
func (e *env) program(other bool) string {
	if other {
		return e.other.bench
	}
	return e.self
}

// hangs is how much longer than planned a request may take.
const hangs = 2 * time.Minute

// ask makes a request of a child. One that does not answer in time is killed,
// and its error says so.
func (e *env) ask(c *proc.Child, planned time.Duration, req, resp any) error {
	var late atomic.Bool
	timer := time.AfterFunc(planned+hangs, func() {
		late.Store(true)
		c.Kill()
	})
	err := c.Do(req, resp)
	if !timer.Stop() && late.Load() {
		e.forget(c)
		return errors.Join(fmt.Errorf("no answer within %v", planned+hangs), err)
	}
	return err
}

// forget makes the next use of a dead child start a new one.
func (e *env) forget(c *proc.Child) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, kept := range []map[string]*proc.Child{e.servers, e.generators} {
		for name, child := range kept {
			if child == c {
				delete(kept, name)
			}
		}
	}
}
