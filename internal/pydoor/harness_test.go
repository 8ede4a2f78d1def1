package pydoor

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/objects"
	"github.com/syncmanager/syncmanager/internal/pickle"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// world is an engine with a door in front of it.
type world struct {
	t    testing.TB
	door *Door
	keys map[string]auth.Key

	mu       sync.Mutex
	entries  []auth.Entry
	engine   *engine.Engine
	start    time.Time
	sessions map[uint64]*testSession
	shut     string
}

// testSession is a Session over the world's engine.
type testSession struct {
	w       *world
	id      uint64
	serial  uint64
	pending map[uint64]*testCall
}

type testCall struct {
	s      *testSession
	serial uint64
	ready  chan struct{}
	reply  engine.Reply
}

func newWorld(t testing.TB, options Options) *world {
	w := &world{
		t: t, engine: engine.New(objects.Types()...), start: time.Now(), sessions: make(map[uint64]*testSession),
		keys: make(map[string]auth.Key),
	}
	cfg := engine.DefaultConfig()
	cfg.Seed[0] = 1
	w.apply(&engine.Command{Op: engine.OpConfigure, Config: &cfg})
	for _, role := range []auth.Role{auth.RoleAdmin, auth.RoleWrite, auth.RoleRead} {
		key, err := auth.FromBytes([]byte("the key of " + role.String()))
		if err != nil {
			t.Fatal(err)
		}
		w.keys[role.String()] = key
		w.entries = append(w.entries, auth.Entry{Name: role.String(), Credential: key, Role: role})
	}
	w.door = New(Config{
		Keys: func() []auth.Entry {
			w.mu.Lock()
			defer w.mu.Unlock()
			return slices.Clone(w.entries)
		},
		Open: func(e auth.Entry) (Session, error) {
			return w.open(engine.SessionInfo{Program: "Python clients", KeyName: e.Name, Role: engine.Role(e.Role), Prefixes: e.Prefixes, Trusted: true}), nil
		},
		Refused:  func(context.Context, string) {},
		Shutdown: func(key, _ string) { w.shut = key },
		Logger:   slog.New(slog.DiscardHandler), MaxMessage: 1 << 20, Depth: 128, HandshakeTimeout: 5 * time.Second,
		Options: options,
	})
	t.Cleanup(w.door.Close)
	return w
}

// entry returns a key's entry.
func (w *world) entry(name string) auth.Entry {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.entries[slices.IndexFunc(w.entries, func(e auth.Entry) bool { return e.Name == name })]
}

// setKey gives a name another key; nil removes it.
func (w *world) setKey(name string, key *auth.Key) {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.IndexFunc(w.entries, func(e auth.Entry) bool { return e.Name == name })
	if key == nil {
		w.entries = slices.Delete(w.entries, i, i+1)
	} else {
		w.entries[i].Credential = *key
	}
}

// prefix gives a key's entry prefixes, for sessions that begin after it.
func (w *world) prefix(name string, prefixes ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.IndexFunc(w.entries, func(e auth.Entry) bool { return e.Name == name })
	w.entries[i].Prefixes = prefixes
}

func (w *world) open(info engine.SessionInfo) *testSession {
	s := &testSession{w: w, pending: make(map[uint64]*testCall)}
	fx := w.apply(&engine.Command{Op: engine.OpOpen, Open: &info})
	s.id = fx.Opened
	w.mu.Lock()
	w.engine.Session(s.id).Peer = s
	w.sessions[s.id] = s
	w.mu.Unlock()
	return s
}

func (w *world) apply(c *engine.Command) *engine.Effects {
	w.mu.Lock()
	defer w.mu.Unlock()
	var fx engine.Effects
	c.Now = int64(time.Since(w.start)) + 1
	if err := w.engine.Apply(c, &fx); err != nil && c.Op != engine.OpCancel && c.Op != engine.OpAck && c.Op != engine.OpClose {
		w.t.Errorf("command %d: %v", c.Op, err)
	}
	for _, r := range fx.Replies {
		s := r.Peer.(*testSession)
		if call := s.pending[r.Serial]; call != nil {
			delete(s.pending, r.Serial)
			call.reply = r
			call.ready <- struct{}{}
		}
	}
	for i := range fx.Work {
		work := fx.Work[i]
		if work.Run == nil {
			w.t.Errorf("work of %v", work.Method)
			continue
		}
		go func() { w.apply(&engine.Command{Op: engine.OpComplete, Work: work.ID, Result: work.Run(nil)}) }()
	}
	for _, p := range fx.Panics {
		w.t.Errorf("%s.%s panicked: %s\n%s", p.Type, p.Method, p.Value, p.Stack)
	}
	if due := w.engine.NextDeadline(); due != 0 {
		time.AfterFunc(time.Duration(due-c.Now), func() { w.apply(&engine.Command{Op: engine.OpTick}) })
	}
	return &fx
}

func (w *world) stats() engine.Stats {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.engine.Stats()
}

func (s *testSession) ID() uint64 { return s.id }

func (s *testSession) Start(cmd *engine.Command) Call {
	s.w.mu.Lock()
	s.serial++
	c := &testCall{s: s, serial: s.serial, ready: make(chan struct{}, 1)}
	s.pending[c.serial] = c
	s.w.mu.Unlock()
	copied := *cmd
	copied.Op, copied.Session, copied.Serial = engine.OpCall, s.id, c.serial
	s.w.apply(&copied)
	return c
}

func (s *testSession) Close() { s.w.apply(&engine.Command{Op: engine.OpClose, Session: s.id}) }

// call makes a call as another client would, and expects a result.
func (s *testSession) call(object uint64, method string, args ...any) any {
	s.w.t.Helper()
	b := wire.AppendArrayHeader(nil, len(args))
	var err error
	for _, a := range args {
		if b, err = wire.AppendAny(b, a); err != nil {
			s.w.t.Fatal(err)
		}
	}
	c := s.Start(&engine.Command{Object: object, Name: []byte(method), Args: b})
	<-c.Ready()
	v, err := c.Result()
	c.Accept()
	if err != nil {
		s.w.t.Fatalf("%s%v: %v", method, args, err)
	}
	out, err := wire.Decode(v.Bytes())
	if err != nil {
		s.w.t.Fatal(err)
	}
	return out
}

func (c *testCall) Ready() <-chan struct{} { return c.ready }

func (c *testCall) Result() (wire.Raw, error) {
	switch r := &c.reply; {
	case r.Err != nil:
		return "", r.Err
	case r.View != nil:
		return wire.OwnedRaw(r.View.Append(nil, nil)), nil
	default:
		return r.Value, nil
	}
}

func (c *testCall) Accept() {
	c.s.w.apply(&engine.Command{Op: engine.OpAck, Session: c.s.id, Ranges: []wire.Range{{From: c.serial, To: c.serial}}})
}

func (c *testCall) Abandon() {
	c.s.w.apply(&engine.Command{Op: engine.OpCancel, Session: c.s.id, Serial: c.serial, Abandon: true})
	c.Accept()
}

// client is a Python client's connection, driven from Go.
type client struct {
	w    *world
	net  net.Conn
	in   *bufio.Reader
	done chan error
}

// SendBytes and RecvBytes carry the challenge.
func (c *client) SendBytes(b []byte) error {
	_, err := c.net.Write(frame(append(make([]byte, headRoom), b...)))
	return err
}

func (c *client) RecvBytes(most int) ([]byte, error) {
	return readMessage(c.in, most)
}

// dial connects without authenticating.
func (w *world) dial() *client { return w.dialWith(func() {}) }

// dialWith calls a function between the handshake and what follows.
func (w *world) dialWith(authenticated func()) *client {
	ours, theirs := net.Pipe()
	c := &client{w: w, net: ours, in: bufio.NewReader(ours), done: make(chan error, 1)}
	go func() { c.done <- w.door.ServeConn(context.Background(), theirs, authenticated) }()
	return c
}

// connect authenticates with a key.
func (w *world) connect(key string) *client {
	w.t.Helper()
	c := w.dial()
	if err := auth.AnswerChallenge(c, w.keys[key]); err != nil {
		w.t.Fatalf("answer: %v", err)
	}
	if err := auth.DeliverChallenge(c, w.keys[key]); err != nil {
		w.t.Fatalf("deliver: %v", err)
	}
	return c
}

// thread is a connection after accept_connection: a thread of a client.
func (w *world) thread(key string) *client {
	c := w.connect(key)
	c.ok(nil, "accept_connection", pickle.NewStr("MainThread"))
	return c
}

func (c *client) close() {
	c.net.Close()
	<-c.done
}

// write sends a request.
func (c *client) write(ident pickle.Node, method string, args []pickle.Node, kwds ...pickle.Node) error {
	if ident == nil {
		ident = pickle.None{}
	}
	b, err := pickle.Encode(make([]byte, headRoom), pickle.NewTuple(ident, pickle.NewStr(method), pickle.NewTuple(args...), pickle.NewDict(kwds...)))
	if err != nil {
		return err
	}
	_, err = c.net.Write(frame(b))
	return err
}

// read returns the next reply.
func (c *client) read() (kind string, value pickle.Node, err error) {
	b, err := readMessage(c.in, 1<<30)
	if err != nil {
		return "", nil, err
	}
	n, err := pickle.Decode(b, pickle.Limits{})
	if err != nil {
		return "", nil, err
	}
	t, ok := n.(*pickle.Tuple)
	if !ok || len(t.Items) != 2 {
		return "", nil, io.ErrUnexpectedEOF
	}
	return textOf(t.Items[0]), t.Items[1], nil
}

// request makes one request.
func (c *client) request(ident pickle.Node, method string, args ...pickle.Node) (string, pickle.Node) {
	c.w.t.Helper()
	if err := c.write(ident, method, args); err != nil {
		c.w.t.Fatalf("%s: %v", method, err)
	}
	kind, v, err := c.read()
	if err != nil {
		c.w.t.Fatalf("%s: %v", method, err)
	}
	return kind, v
}

// ok makes a request that succeeds.
func (c *client) ok(ident pickle.Node, method string, args ...pickle.Node) pickle.Node {
	c.w.t.Helper()
	kind, v := c.request(ident, method, args...)
	if kind != kindReturn {
		c.w.t.Fatalf("%s: %s %s", method, kind, show(v))
	}
	return v
}

// fails makes a request that raises, and returns the exception's class and
// text.
func (c *client) fails(ident pickle.Node, method string, args ...pickle.Node) (class, text string) {
	c.w.t.Helper()
	kind, v := c.request(ident, method, args...)
	switch kind {
	case kindError:
		g, a, ok := pickle.AsCall(v)
		if !ok {
			return "?", show(v)
		}
		if len(a) > 0 {
			text = show(a[0])
		}
		return g.Name, text
	case kindTraceback, kindUnserializable:
		return kind, textOf(v)
	}
	c.w.t.Fatalf("%s: %s %s, want an error", method, kind, show(v))
	return "", ""
}

// server makes a request to the server on a connection of its own.
func (w *world) server(key, method string, args ...pickle.Node) pickle.Node {
	w.t.Helper()
	c := w.connect(key)
	defer c.close()
	return c.ok(nil, method, args...)
}

// create makes an object, as a client does: with one claim on it.
func (w *world) create(key, typeid string, args ...pickle.Node) pickle.Node {
	w.t.Helper()
	v := w.server(key, "create", append([]pickle.Node{pickle.NewStr(typeid)}, args...)...)
	return v.(*pickle.Tuple).Items[0]
}

// show returns a node as text, for messages and comparisons.
func show(n pickle.Node) string {
	w := &inward{depth: 100, limit: 1 << 20}
	if err := w.value(n); err != nil {
		return err.Error()
	}
	return string(wire.AppendRepr(nil, w.b, nil))
}
