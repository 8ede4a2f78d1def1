// Package hostile holds the tests of peers that lie, flood, stall or steal, and
// of what one client's misfortune may cost another.
package hostile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/connection"
	"github.com/syncmanager/syncmanager/internal/link"
	"github.com/syncmanager/syncmanager/internal/wire"
	"github.com/syncmanager/syncmanager/managers"
	"github.com/syncmanager/syncmanager/proxy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// limit is how long a test waits for what must happen.
const limit = 30 * time.Second

const (
	tcp   = "tcp://127.0.0.1:0"
	plain = "tcp+plain://127.0.0.1:0"
)

// server is a server in this process.
type server struct {
	testing.TB
	ctx  context.Context
	key  auth.Key
	srv  *managers.Server
	addr connection.Address
	log  *journal
	done chan error
}

// serve runs a server until the test ends. Without a keyring it has one key,
// with the role admin.
func serve(t testing.TB, addr string, cfg managers.Config, setup ...func(*managers.Server)) *server {
	t.Helper()
	s := &server{TB: t, key: auth.Generate(), log: new(journal), done: make(chan error, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	s.ctx = ctx
	if cfg.Keyring == nil {
		cfg.AuthKey = s.key
	}
	cfg.Logger = slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelInfo}))
	s.srv = managers.NewServer(cfg)
	for _, f := range setup {
		f(s.srv)
	}
	s.must(s.srv.Listen(ctx, addr))
	a, err := connection.ParseAddress(s.srv.Addrs()[0])
	s.must(err)
	s.addr = a
	go func() { s.done <- s.srv.Serve(ctx) }()
	t.Cleanup(func() {
		s.srv.Close()
		if err := <-s.done; !errors.Is(err, managers.ErrServerClosed) {
			t.Errorf("server: %v", err)
		}
		cancel()
		if bugs := s.log.find(`msg="bug`); bugs != "" {
			t.Errorf("the server logged bugs:\n%s", bugs)
		}
	})
	return s
}

func (s *server) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// dial connects a client with the key of the server's that has the name.
func (s *server) dial(cfg proxy.Config) (*proxy.Manager, error) {
	if cfg.AuthKey == nil {
		cfg.AuthKey = s.key
	}
	m, err := proxy.Connect(s.ctx, s.addr.String(), cfg)
	if err == nil {
		s.Cleanup(func() { m.Close() })
	}
	return m, err
}

// client is dial that must succeed.
func (s *server) client(cfg ...proxy.Config) *proxy.Manager {
	s.Helper()
	m, err := s.dial(append(cfg, proxy.Config{})[0])
	s.must(err)
	return m
}

// info returns a count that the server says of itself.
func info(t testing.TB, m *proxy.Manager, name string) int {
	t.Helper()
	all, err := m.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n, ok := all[name].(int64)
	if !ok {
		t.Fatalf("info has no count %q: %v", name, all)
	}
	return int(n)
}

// until polls until the condition holds.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			buf := make([]byte, 1<<20)
			t.Fatalf("did not happen within %v: %s\n%s", limit, what, buf[:runtime.Stack(buf, true)])
		}
	}
}

// must1 returns the result of a call that must succeed.
func must1[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// is checks that an error matches.
func is(t testing.TB, what string, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("%s: error %v, want %v", what, err, target)
	}
}

// errOf returns the error of a call.
func errOf[T any](_ T, err error) error { return err }

// soon receives what must come.
func soon[T any](t testing.TB, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(limit):
		buf := make([]byte, 1<<20)
		t.Fatalf("did not come within %v: %s\n%s", limit, what, buf[:runtime.Stack(buf, true)])
		panic("unreachable")
	}
}

// journal keeps a log.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

// find returns the lines that have all the words.
func (j *journal) find(words ...string) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var found []string
next:
	for line := range strings.Lines(j.text.String()) {
		for _, w := range words {
			if !strings.Contains(line, w) {
				continue next
			}
		}
		found = append(found, line)
	}
	return strings.Join(found, "")
}

// peer speaks the protocol frame by frame, well or badly.
type peer struct {
	testing.TB
	nc     net.Conn
	in     *link.Reader
	who    auth.Peer
	serial uint64
}

// tryPeer authenticates a new connection.
func (s *server) tryPeer(cfg auth.ClientConfig) (*peer, error) {
	stream, err := connection.DialStream(s.ctx, s.addr, connection.StreamConfig{})
	if err != nil {
		return nil, err
	}
	if cfg.Credential == nil {
		cfg.Credential = s.key
	}
	cfg.Channel = stream.Channel
	who, err := auth.Client(s.ctx, stream.Conn, cfg)
	if err != nil {
		stream.Close()
		return nil, err
	}
	s.Cleanup(func() { stream.Close() })
	return &peer{TB: s.TB, nc: stream.Conn, in: link.NewReader(stream.Conn, 0), who: who}, nil
}

// peer is an authenticated connection.
func (s *server) peer() *peer {
	s.Helper()
	p, err := s.tryPeer(auth.ClientConfig{})
	s.must(err)
	return p
}

// session is a peer with a session.
func (s *server) session(lease time.Duration) (*peer, wire.Welcome) {
	s.Helper()
	p := s.peer()
	w, err := p.open(lease)
	s.must(err)
	return p, w
}

func (p *peer) open(lease time.Duration) (wire.Welcome, error) {
	p.send(wire.AppendOpen(nil, &wire.Open{Version: wire.Version, Program: "peer", Lease: uint64(lease / time.Millisecond)}))
	return p.welcome()
}

func (p *peer) welcome() (wire.Welcome, error) {
	kind, body, err := p.next()
	switch {
	case err != nil:
		return wire.Welcome{}, err
	case kind == wire.KindWelcome:
		return wire.ParseWelcome(body)
	case kind == wire.KindBye:
		e, err := wire.ParseError(body)
		return wire.Welcome{}, errors.Join(err, e)
	}
	return wire.Welcome{}, fmt.Errorf("message kind %d in place of WELCOME", kind)
}

// send writes bytes; whether they arrive is told by what comes back.
func (p *peer) send(b []byte) bool {
	p.nc.SetWriteDeadline(time.Now().Add(limit))
	_, err := p.nc.Write(b)
	return err == nil
}

func (p *peer) next() (byte, []byte, error) {
	p.nc.SetReadDeadline(time.Now().Add(limit))
	return p.in.Next()
}

// arguments encodes an argument list.
func arguments(t testing.TB, args ...any) []byte {
	t.Helper()
	b := wire.AppendArrayHeader(nil, len(args))
	for _, a := range args {
		var err error
		if b, err = wire.Marshal(b, a); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// start makes a call and returns its serial.
func (p *peer) start(object uint64, method string, args ...any) uint64 {
	p.Helper()
	p.serial++
	p.send(wire.AppendCall(nil, &wire.Call{Serial: p.serial, Object: object, Name: []byte(method), Args: arguments(p, args...)}))
	return p.serial
}

// reply reads until the reply of that serial.
func (p *peer) reply(serial uint64) (any, error) {
	p.Helper()
	for {
		kind, body, err := p.next()
		if err != nil {
			return nil, err
		}
		switch kind {
		case wire.KindReply:
			r, err := wire.ParseReply(body)
			if err != nil {
				return nil, err
			}
			if r.Serial != serial {
				continue
			}
			if r.Status&wire.ReplyError != 0 {
				e, err := wire.ParseError(r.Body)
				if err != nil {
					return nil, err
				}
				return nil, e
			}
			return wire.Decode(r.Body)
		case wire.KindBye:
			e, err := wire.ParseError(body)
			if err != nil {
				return nil, err
			}
			return nil, e
		}
	}
}

func (p *peer) call(object uint64, method string, args ...any) (any, error) {
	p.Helper()
	return p.reply(p.start(object, method, args...))
}

// bye reads until BYE or the end, and returns why.
func (p *peer) bye() error {
	for {
		kind, body, err := p.next()
		if err != nil {
			return err
		}
		if kind == wire.KindBye {
			e, err := wire.ParseError(body)
			if err != nil {
				return err
			}
			return e
		}
	}
}

// good is a client that works beside the hostile ones and must not notice them.
type good struct {
	t     testing.TB
	m     *proxy.Manager
	stop  chan struct{}
	done  chan struct{}
	calls int
	worst time.Duration
	err   error
}

// beside starts a good client: it adds to a dict, takes a lock and passes items
// through a queue.
func beside(t testing.TB, m *proxy.Manager) *good {
	t.Helper()
	ctx := t.Context()
	d := must1[*proxy.Dict[string, int]](t)(proxy.OpenDict[string, int](ctx, m, "good/dict"))
	l := must1[*proxy.Lock](t)(proxy.OpenLock(ctx, m, "good/lock"))
	q := must1[*proxy.Queue[int]](t)(proxy.OpenQueue[int](ctx, m, "good/queue", 0))
	g := &good{t: t, m: m, stop: make(chan struct{}), done: make(chan struct{})}
	step := func() error {
		h, err := l.Acquire(ctx)
		if err != nil {
			return err
		}
		if n, err := d.AddDefault(ctx, "n", 1, 0); err != nil || n != g.calls+1 {
			return fmt.Errorf("add %d: %d, %w", g.calls+1, n, err)
		}
		if err := q.Put(ctx, g.calls); err != nil {
			return err
		}
		if n, err := q.Get(ctx); err != nil || n != g.calls {
			return fmt.Errorf("get %d: %d, %w", g.calls, n, err)
		}
		return h.Release(ctx)
	}
	go func() {
		defer close(g.done)
		for {
			select {
			case <-g.stop:
				return
			default:
			}
			start := time.Now()
			if g.err = step(); g.err != nil {
				return
			}
			g.worst = max(g.worst, time.Since(start))
			g.calls++
		}
	}()
	return g
}

// end stops the good client and checks that it was never disturbed.
func (g *good) end() {
	g.t.Helper()
	close(g.stop)
	soon(g.t, "the good client's last call", g.done)
	if g.err != nil {
		g.t.Fatalf("the good client failed after %d rounds: %v", g.calls, g.err)
	}
	if g.calls == 0 {
		g.t.Fatal("the good client made no round")
	}
	if g.worst > 5*time.Second {
		g.t.Errorf("the good client waited %v for one round", g.worst)
	}
	g.t.Logf("good client: %d rounds of 5 calls, the slowest %v", g.calls, g.worst)
}

// heap returns the bytes in use after a collection.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
