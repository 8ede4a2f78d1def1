package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/syncmanager/syncmanager/connection"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// maxConnAnswer bounds what a server may say to a name.
const maxConnAnswer = 64 << 10

// OpenConn opens a message connection to the program that serves the name in
// the server (Server.HandleConn in package managers). It runs over this
// Manager's own connection, so it needs no further port or handshake, and calls
// do not wait for what it carries. The context bounds the time until it stands.
//
// A raw connection is no call: it ends with the network connection that it was
// opened on, also if the Manager connects again. What came before is received,
// then receiving fails with an error that wraps io.ErrUnexpectedEOF; io.EOF says
// that the server's program closed it. What was sent may have arrived or not.
// The name has 1 to 1024 bytes.
//
// ErrNotFound if nobody serves the name, ErrDenied if the role does not allow
// it, ErrOverloaded if there are too many at once, ErrUnavailable while there is
// no connection to the server.
func (m *Manager) OpenConn(ctx context.Context, name string) (*connection.Conn, error) {
	if n := len(name); n == 0 || n > 1024 {
		return nil, wire.Errorf(wire.CodeValue, "the name of a raw connection has %d bytes; it has 1 to 1024", n)
	}
	nc, err := m.s.OpenStream(ctx)
	if err != nil {
		return nil, fmt.Errorf("raw connection %q: %w", name, err)
	}
	c := connection.NewConn(nc)
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	err = greetConn(c, name)
	if !stop() {
		err = ctx.Err() // the deadline may be set already
	}
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("raw connection %q: %w", name, err)
	}
	return c, nil
}

// greetConn asks for the name and reads the answer: empty, or an error.
func greetConn(c *connection.Conn, name string) error {
	if err := c.SendBytes([]byte(name)); err != nil {
		return errors.Join(ErrUnavailable, err)
	}
	answer, err := c.RecvBytes(maxConnAnswer)
	switch {
	case errors.Is(err, io.EOF):
		return wire.Errorf(wire.CodeOverloaded, "the server closed it at once: it takes no more of them")
	case err != nil:
		return errors.Join(ErrUnavailable, err)
	case len(answer) == 0:
		return nil
	}
	refusal, err := wire.ParseError(answer)
	if err != nil {
		return err
	}
	return refusal
}
