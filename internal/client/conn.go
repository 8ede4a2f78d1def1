package client

import (
	"context"
	"net"
	"time"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/internal/link"
	"github.com/syncmanager/syncmanager/internal/wire"
)

const (
	// outboxLimit is far above what callers may append before they wait
	// (outboxHigh): what is resent after a break must fit as well.
	outboxLimit = 1 << 30
	// outboxHigh is how many bytes wait when senders of large calls begin to.
	outboxHigh = 16 << 20
)

// conn is one connection of a session.
type conn struct {
	// Fixed at creation.
	net         net.Conn
	out         *link.Outbox
	mux         *link.Mux // carries raw connections; idle until the first is opened
	interrupter interrupter
	wake        chan struct{} // takes one: the read loop should look whose turn it is

	// Owned by whose turn it is to read.
	in    *link.Reader
	batch batch

	// Guarded by the session's mutex.
	turn    turn
	readErr error // what a caller met while it read
}

// dial makes a connection that is ready for OPEN or RESUME.
func (s *Session) dial(ctx context.Context) (*conn, auth.Peer, error) {
	nc, who, err := s.config.Dial(ctx)
	if err != nil {
		return nil, auth.Peer{}, err
	}
	out := link.NewOutbox(nc, link.OutboxConfig{Limit: outboxLimit})
	c := &conn{
		net:  nc,
		out:  out,
		mux:  link.NewMux(out, link.MuxConfig{Client: true}),
		wake: make(chan struct{}, 1),
		in:   link.NewReader(nc, s.config.MaxMessage),
	}
	c.interrupter.conn = c
	c.in.OnBytes(s.hear)
	return c, who, nil
}

// hear notes that the server says something, if only a part of a large frame.
func (s *Session) hear() {
	if !s.heard.Load() {
		s.heard.Store(true)
	}
}

// close ends the connection at once.
func (c *conn) close() {
	c.out.Close()
	c.mux.Close()
}

// append appends what the function does; nothing is written before a flush. An
// error is the connection's end, which its reader reports.
func (c *conn) append(f func([]byte) []byte) { _ = c.out.Unlock(f(c.out.Lock())) }

// greet sends OPEN or RESUME and reads the answer.
func (c *conn) greet(ctx context.Context, frame []byte) (wire.Welcome, error) {
	stop := context.AfterFunc(ctx, func() { c.net.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := c.out.UnlockFlush(append(c.out.Lock(), frame...)); err != nil {
		return wire.Welcome{}, err
	}
	kind, body, err := c.in.Next()
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return wire.Welcome{}, err
	}
	switch kind {
	case wire.KindWelcome:
		w, err := wire.ParseWelcome(body)
		if err == nil && w.Version != wire.Version {
			err = wire.Errorf(wire.CodeProtocol, "the server speaks version %d, this client %d", w.Version, wire.Version)
		}
		if err == nil && !stop() {
			err = ctx.Err() // the deadline may be set already
		}
		return w, err
	case wire.KindBye:
		return wire.Welcome{}, byeError(body)
	}
	return wire.Welcome{}, wire.Errorf(wire.CodeProtocol, "the server sent message kind %d where WELCOME is due", kind)
}

// byeError returns the error that a BYE carries.
func byeError(body []byte) error {
	e, err := wire.ParseError(body)
	if err != nil {
		return err
	}
	return e
}

// handle takes one message that is not a REPLY. body is only valid until it returns.
func (s *Session) handle(c *conn, kind wire.Kind, body []byte) error {
	switch kind {
	case wire.KindPong:
		token, err := wire.ParsePing(body)
		if err != nil {
			return err
		}
		return s.pong(token)
	case wire.KindPing:
		token, err := wire.ParsePing(body)
		if err != nil {
			return err
		}
		_ = c.out.UnlockFlush(wire.AppendPing(c.out.Lock(), wire.KindPong, token))
		return nil
	case wire.KindEvent:
		e, err := wire.ParseEvent(body)
		if err != nil {
			return err
		}
		if e.Event == wire.EventLockLost {
			s.holds.lost(e.Token)
		}
		return nil // an event of a later version is none of ours
	case wire.KindMux:
		return c.feed(body)
	case wire.KindBye:
		return byeError(body)
	}
	return wire.Errorf(wire.CodeProtocol, "the server sent the unknown message kind %d", kind)
}
