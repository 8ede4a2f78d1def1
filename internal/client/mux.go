package client

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/syncmanager/syncmanager/internal/link"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// OpenStream opens a byte stream beside the calls, on the session's connection.
// It does not wait for the server. The stream ends with the connection that it
// was opened on: resuming the session does not bring it back.
func (s *Session) OpenStream(ctx context.Context) (net.Conn, error) {
	s.mu.Lock()
	c, dead := s.conn, s.dead
	s.mu.Unlock()
	if dead != nil {
		return nil, dead
	}
	var why error = wire.ErrUnavailable
	if c != nil {
		nc, err := c.mux.Open(ctx)
		switch {
		case err == nil:
			return nc, nil
		case errors.Is(err, link.ErrStreams):
			return nil, wire.Errorf(wire.CodeOverloaded, "%v", err)
		case ctx.Err() != nil:
			return nil, ctxError(ctx, "stream", false)
		}
		why = fmt.Errorf("%w: %w", wire.ErrUnavailable, err)
	}
	return nil, why
}

// feed takes the body of a MUX frame.
func (c *conn) feed(body []byte) error {
	if err := c.mux.Feed(body); err != nil {
		return wire.Errorf(wire.CodeProtocol, "the server sent a %v", err)
	}
	return nil
}
