package managers

import (
	"errors"
	"io"
	"math"
	"net"
	"os"
	"sync"
	"time"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/link"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// conn is one authenticated connection: the read loop, and the outbox that all
// write to.
type conn struct {
	// Fixed at creation.
	server *Server
	net    net.Conn
	who    auth.Peer
	origin
	out *link.Outbox
	in  *link.Reader

	// Owned by the read loop.
	session *session // nil until OPEN or RESUME
	epoch   uint64   // of the session while this is its connection
	fx      engine.Effects
	cmd     engine.Command
	call    wire.Call
	ranges  []wire.Range
	closed  bool          // CLOSE came
	mux     *link.Mux     // nil until its first bytes
	heard   time.Time     // when the last frames were applied
	stalled time.Duration // the stalls that were known then
	renewed time.Time     // when the read deadline was last moved

	way // of a server with a log

	// Guarded by core.mu.
	late    lateCalls // wait until the client has read more
	backlog int       // what waited for the client when a batch began
	made    int       // by the batch for the client, about
}

// origin is where a connection comes from.
type origin struct {
	remote  string
	host    string // counted for limits; empty: not counted
	rekeyed uint64 // Server.rekeyed before its key was looked up
}

// trusted reports whether the other end is this process: no handshake gives an
// empty binding.
func (c *conn) trusted() bool { return c.who.Binding == [32]byte{} }

func (c *conn) outbox() *link.Outbox { return c.out }

// take is never called: a conn has an outbox.
func (c *conn) take(*engine.Reply) {}

// byeTimeout is how long the last words may take to go out.
const byeTimeout = time.Second

// ended says why and closes the connection; the session is over.
func (c *conn) ended(err *wire.Error) {
	if err == nil {
		err = byeClosed
	}
	c.bye(err)
}

var byeClosed = wire.Errorf(wire.CodeSessionExpired, "the session was closed by its client")

// bye tells the client why its connection ends, and ends it.
func (c *conn) bye(err *wire.Error) {
	_ = c.out.Unlock(wire.AppendBye(c.out.Lock(), err))
	c.out.Shutdown(byeTimeout)
}

// serveConn reads a connection until it ends.
func (s *Server) serveConn(nc net.Conn, who auth.Peer, from origin) {
	c := &conn{server: s, net: nc, who: who, origin: from}
	remote := from.remote
	c.late.room = sync.NewCond(&s.core.mu)
	// What waits is bounded by what is taken from the client: see late.go.
	c.out = link.NewOutbox(nc, link.OutboxConfig{Limit: math.MaxInt, OnError: func(err error) {
		if errors.Is(err, link.ErrStalled) {
			s.log.Warn("client cut off", "remote", remote, "err", err)
			return
		}
		s.log.Debug("connection lost", "remote", remote, "err", err)
	}})
	c.out.SetStall(s.config.HandshakeTimeout)
	c.in = link.NewReader(nc, s.config.MaxMessage)
	s.mu.Lock()
	if s.closing {
		s.mu.Unlock()
		c.bye(wire.ErrShuttingDown)
		return
	}
	s.conns[c] = struct{}{}
	s.mu.Unlock()
	if err := c.greet(); err != nil {
		c.end(err)
		return
	}
	c.serve()
}

// serve reads the connection until it ends, or another goroutine reads it.
func (c *conn) serve() {
	if c.server.core.logged != nil {
		c.end(c.readLogged())
		return
	}
	if err := c.read(); !errors.Is(err, errLeft) {
		c.end(err)
	}
}

// end ends the connection that nobody reads any more.
func (c *conn) end(err error) {
	s, remote := c.server, c.remote
	c.in.Release()
	if c.mux != nil {
		c.mux.Close()
	}
	s.core.mu.Lock()
	c.late = lateCalls{room: c.late.room, ended: true}
	s.core.mu.Unlock()
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	if c.session != nil {
		s.places.drop(c.session.id, c.out)
		if !c.closed {
			c.session.lost(c)
		}
	}
	var refused *wire.Error
	switch {
	case errors.As(err, &refused):
		s.log.Warn("connection refused", "remote", remote, "err", err)
		c.bye(refused)
	case errors.Is(err, link.ErrFrame):
		s.log.Warn("connection refused", "remote", remote, "err", err)
		c.bye(wire.Errorf(wire.CodeProtocol, "%v", err))
	default:
		if err != nil && !errors.Is(err, io.EOF) {
			s.log.Debug("connection ended", "remote", remote, "err", err)
		}
		c.out.Shutdown(byeTimeout)
	}
}

// maxBatch bounds the frames that are applied under one hold of the lock. Of a
// client with many callers more may have arrived; while the next are applied it
// works on the first replies.
const maxBatch = 64

// read is the read loop: what has arrived is applied under one hold of the
// engine's lock, up to maxBatch frames, and the replies go out together.
func (c *conn) read() error {
	k := c.server.core
	r := &reader{conn: c}
	for {
		kind, body, err := c.next()
		if err != nil {
			return err
		}
		c.fx.Reset()
		now := k.now()
		backlog := c.out.Backlog()
		k.mu.Lock()
		c.backlog, c.made = backlog, 0
		if es := k.engine.Session(c.session.id); es == nil || es.Peer != any(c) {
			// What a connection brings after another one has taken its place is
			// sent again there, and may be out of date here.
			k.mu.Unlock()
			return errReplaced
		}
		n := 0
		for {
			if err = c.handle(kind, body, now); err != nil || c.closed {
				break
			}
			if n++; n == maxBatch || !c.in.Buffered() {
				break
			}
			if kind, body, err = c.in.Next(); err != nil {
				break
			}
		}
		late, held := c.later(), c.late.bytes > maxLate
		k.settle(&c.fx)
		k.mu.Unlock()
		r.enter(&c.fx)
		k.deliver(&c.fx)
		if late {
			c.awaitRoom()
		}
		if err != nil || c.closed {
			r.stop()
			return err
		}
		if (held || backlog > c.server.config.MaxUnsent) && c.readable() {
			c.renewed = time.Time{} // it was not read meanwhile
		}
		c.renew()
		if !r.serve() {
			return errLeft
		}
	}
}

// errReplaced ends the read loop of a connection that is not its session's any
// more. The client has been told.
var errReplaced = errors.New("the session is over, or goes on with another connection")

// next returns the next frame. A silence of a whole lease means that the peer
// is gone; but only once the socket has been read dry, since it may have been
// this process that was not running.
func (c *conn) next() (byte, []byte, error) {
	kind, body, err := c.in.Next()
	if err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		_ = c.net.SetReadDeadline(time.Now().Add(dryTimeout))
		kind, body, err = c.in.Next()
		c.renewed = time.Time{}
	}
	return kind, body, err
}

// dryTimeout is how long a reader looks for bytes that have arrived already.
const dryTimeout = 100 * time.Millisecond

// renew notes that the client lives, from which its lease is counted, and moves
// the read deadline, at most every third of the lease.
func (c *conn) renew() {
	now := time.Now()
	c.heard, c.stalled = now, c.server.stall.known()
	lease := c.session.lease
	if now.Sub(c.renewed) < lease/3 {
		return
	}
	c.renewed = now
	_ = c.net.SetReadDeadline(now.Add(lease + lease/3))
}

// greet expects OPEN or RESUME.
func (c *conn) greet() error {
	_ = c.net.SetReadDeadline(time.Now().Add(c.server.config.HandshakeTimeout))
	kind, body, err := c.in.Next()
	if err != nil {
		return err
	}
	switch kind {
	case wire.KindOpen:
		m, err := wire.ParseOpen(body)
		if err != nil {
			return err
		}
		c.session, err = c.server.openSession(c, &m)
		if err != nil {
			return err
		}
	case wire.KindResume:
		m, err := wire.ParseResume(body)
		if err != nil {
			return err
		}
		c.session, err = c.server.resumeSession(c, &m)
		if err != nil {
			return err
		}
	default:
		return wire.Errorf(wire.CodeProtocol, "message kind %d before OPEN or RESUME", kind)
	}
	c.out.SetStall(c.session.lease)
	c.renew()
	return nil
}

// handle applies one message. The caller holds the engine's lock. An error
// ends the connection.
func (c *conn) handle(kind byte, body []byte, now int64) error {
	switch kind {
	case wire.KindPing:
		token, err := wire.ParsePing(body)
		if err != nil {
			return err
		}
		c.pong(token)
		return nil
	case wire.KindMux:
		return c.feedMux(body)
	}
	if err := c.parse(kind, body, now); err != nil {
		return err
	}
	k := c.server.core
	switch kind {
	case wire.KindCall:
		if !c.late.empty() || c.full() {
			c.late.put(c.call.Serial, body, c.in.Owned())
			return nil
		}
		from := len(c.fx.Replies)
		err := k.do(&c.cmd, &c.fx)
		c.count(&c.fx, from)
		return err
	case wire.KindCancel:
		if l := c.late.pull(c.cmd.Serial); l.body != nil {
			// The engine knows of the CANCEL when the call comes, and does not run it.
			if err := k.do(&c.cmd, &c.fx); err != nil {
				return err
			}
			return c.apply(l, now, &c.fx)
		}
	}
	return k.do(&c.cmd, &c.fx)
}

func (c *conn) pong(token uint64) {
	_ = c.out.UnlockFlush(wire.AppendPing(c.out.Lock(), wire.KindPong, token))
}

// parse makes c.cmd of a message that is a command.
func (c *conn) parse(kind byte, body []byte, now int64) error {
	s, cmd := c.session, &c.cmd
	switch kind {
	case wire.KindCall:
		m := &c.call
		if err := wire.ParseCall(body, m); err != nil {
			return err
		}
		*cmd = c.command(m, now, c.in.Owned())
	case wire.KindAck:
		m, err := wire.ParseAck(body, c.ranges[:0])
		if err != nil {
			return err
		}
		c.ranges = m.Ranges
		*cmd = engine.Command{Op: engine.OpAck, Now: now, Session: s.id, Acked: m.Watermark, Ranges: m.Ranges}
	case wire.KindCancel:
		m, err := wire.ParseCancel(body)
		if err != nil {
			return err
		}
		*cmd = engine.Command{Op: engine.OpCancel, Now: now, Session: s.id, Serial: m.Serial, Abandon: m.Mode == wire.CancelAbandon}
	case wire.KindClose:
		c.closed = true
		s.closed()
		*cmd = engine.Command{Op: engine.OpClose, Now: now, Session: s.id}
	default:
		return wire.Errorf(wire.CodeProtocol, "unknown message kind %d", kind)
	}
	return nil
}

// command returns the command of a CALL.
func (c *conn) command(m *wire.Call, now int64, owned bool) engine.Command {
	return engine.Command{
		Op: engine.OpCall, Now: now, Session: c.session.id, Serial: m.Serial, Acked: m.Acked, Object: m.Object,
		Method: uint32(min(m.Method, 1<<31)), Name: m.Name, HasTimeout: m.Flags&wire.CallTimeout != 0,
		Timeout: int64(min(m.Timeout, 1<<62)), Guard: m.Guard, Token: m.Token, Args: m.Args, Owned: owned,
	}
}
