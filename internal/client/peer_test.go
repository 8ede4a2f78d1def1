package client

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/internal/link"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// peer is a scripted server. Each connection that the session dials appears on
// conns.
type peer struct {
	t     *testing.T
	conns chan *peerConn

	mu   sync.Mutex
	down bool // dialling fails
	n    int
}

func newPeer(t *testing.T) *peer { return &peer{t: t, conns: make(chan *peerConn, 16)} }

var errDown = errors.New("nobody listens")

func (p *peer) dial(ctx context.Context) (net.Conn, auth.Peer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n++
	if p.down {
		return nil, auth.Peer{}, errDown
	}
	a, b := link.Pipe()
	var who auth.Peer
	who.Binding[0] = byte(p.n)
	who.SessionKey[0] = byte(p.n)
	p.conns <- &peerConn{t: p.t, nc: b, in: link.NewReader(b, 0), out: link.NewOutbox(b, link.OutboxConfig{})}
	return a, who, nil
}

func (p *peer) setDown(down bool) {
	p.mu.Lock()
	p.down = down
	p.mu.Unlock()
}

// peerConn is the server's end of one connection.
type peerConn struct {
	t   *testing.T
	nc  net.Conn
	in  *link.Reader
	out *link.Outbox
}

func (c *peerConn) send(frame []byte) {
	c.t.Helper()
	if err := c.out.UnlockFlush(append(c.out.Lock(), frame...)); err != nil {
		c.t.Errorf("peer: send: %v", err)
	}
}

// next returns the next frame; its body is a copy.
func (c *peerConn) next() (wire.Kind, []byte) {
	c.t.Helper()
	kind, body, err := c.in.Next()
	if err != nil {
		c.t.Fatalf("peer: read: %v", err)
	}
	return kind, append([]byte(nil), body...)
}

// expect returns the next frame, which must be of the kind. Acknowledgements
// and pings on the way are passed over, pings answered.
func (c *peerConn) expect(want wire.Kind) []byte {
	c.t.Helper()
	for {
		kind, body := c.next()
		switch {
		case kind == want:
			return body
		case kind == wire.KindPing:
			c.pong(body)
		case kind == wire.KindAck:
		default:
			c.t.Fatalf("peer: message kind %d where %d is due", kind, want)
		}
	}
}

func (c *peerConn) pong(ping []byte) {
	token, err := wire.ParsePing(ping)
	if err != nil {
		c.t.Fatal(err)
	}
	c.send(wire.AppendPing(nil, wire.KindPong, token))
}

func (c *peerConn) expectCall() wire.Call {
	c.t.Helper()
	var m wire.Call
	if err := wire.ParseCall(c.expect(wire.KindCall), &m); err != nil {
		c.t.Fatal(err)
	}
	return m
}

const (
	testSession    = 7
	testGeneration = 99
	testLease      = 15 * time.Second
)

// welcome answers OPEN or RESUME.
func (c *peerConn) welcome(kind wire.Kind) []byte {
	c.t.Helper()
	body := c.expect(kind)
	c.send(wire.AppendWelcome(nil, &wire.Welcome{
		Version: wire.Version, Session: testSession, Generation: testGeneration, Lease: uint64(testLease / time.Millisecond),
		MaxMessage: 1 << 20, MaxOutstanding: 1000, Role: "admin", Server: "peer",
	}))
	return body
}

func (c *peerConn) reply(serial uint64, v any) {
	c.t.Helper()
	b, err := wire.Marshal(nil, v)
	if err != nil {
		c.t.Fatal(err)
	}
	c.send(wire.AppendReply(nil, serial, 0, wire.Raw(b)))
}

func (c *peerConn) replyError(serial uint64, e *wire.Error) {
	c.send(wire.AppendErrorReply(nil, serial, e))
}

// serve answers everything until the connection ends: calls with what f
// returns.
func (c *peerConn) serve(f func(m wire.Call) any) {
	for {
		kind, body, err := c.in.Next()
		if err != nil {
			return
		}
		switch kind {
		case wire.KindPing:
			c.pong(body)
		case wire.KindCall:
			var m wire.Call
			if err := wire.ParseCall(body, &m); err != nil {
				c.t.Error(err)
				return
			}
			switch v := f(m).(type) {
			case *wire.Error:
				c.replyError(m.Serial, v)
			default:
				c.reply(m.Serial, v)
			}
		case wire.KindClose:
			c.send(wire.AppendBye(nil, wire.Errorf(wire.CodeSessionExpired, "closed")))
			c.out.Shutdown(time.Second)
			return
		}
	}
}

// open opens a session with the peer and returns the first connection.
func open(t *testing.T, p *peer, config Config) (*Session, *peerConn) {
	t.Helper()
	config.Dial = p.dial
	config.Address = "pipe"
	type opened struct {
		s   *Session
		err error
	}
	ch := make(chan opened, 1)
	go func() {
		s, err := Open(context.Background(), config)
		ch <- opened{s, err}
	}()
	c := <-p.conns
	c.welcome(wire.KindOpen)
	o := <-ch
	if o.err != nil {
		t.Fatal(o.err)
	}
	return o.s, c
}

// end closes a session without a peer that listens.
func end(s *Session) { s.die(ErrClosed) }

// testRef returns a Ref of the session to an object, as if a reply had granted it.
// It is not collected: its release would come between what a test expects.
func testRef(s *Session, id uint64, typeid string) Ref {
	r := looseRef(s, id, typeid)
	kept.Store(r.h, true)
	return r
}

var kept sync.Map // of *handle

// looseRef is testRef for a Ref that may be collected.
func looseRef(s *Session, id uint64, typeid string) Ref {
	v := wire.AppendRef(nil, wire.Ref{ID: id, Secret: 1, TypeID: typeid})
	return newRef(s.register(nil, v)[0])
}

var (
	get  = Method{Type: "dict", Name: "get", Number: 16, Flags: Reads}
	put  = Method{Type: "Queue", Name: "put", Number: 16, Flags: Parks}
	take = Method{Type: "Queue", Name: "get", Number: 17, Flags: Parks}
	wait = Method{Type: "Event", Name: "wait", Number: 19, Flags: Parks | Reads}
)

func call[R any](ctx context.Context, r Ref, m *Method, args ...any) (R, error) {
	c := NewCall(r, m, len(args))
	c.Args(args)
	return Invoke[R](ctx, c)
}
