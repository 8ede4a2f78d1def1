package managers

import (
	"context"
	"net"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/connection"
)

// listener is where newcomers arrive. Tests have their own.
type listener interface {
	Accept(ctx context.Context) (newcomer, error)
	Addr() string
	Close() error
}

// newcomer is a connection before its handshakes.
type newcomer interface {
	// Handshake does what the transport needs: TLS, or nothing.
	Handshake(ctx context.Context) (net.Conn, auth.Channel, error)
	RemoteAddr() net.Addr
	Close() error
}

// listen listens on an address of any transport.
func listen(ctx context.Context, addr string) (listener, error) {
	a, err := connection.ParseAddress(addr)
	if err != nil {
		return nil, err
	}
	l, err := connection.ListenStream(ctx, a, connection.StreamConfig{})
	if err != nil {
		return nil, err
	}
	return streamListener{l}, nil
}

type streamListener struct{ *connection.StreamListener }

func (l streamListener) Addr() string { return l.StreamListener.Addr().String() }

func (l streamListener) Accept(ctx context.Context) (newcomer, error) {
	s, err := l.StreamListener.Accept(ctx)
	if err != nil {
		return nil, err
	}
	return stream{s}, nil
}

type stream struct{ *connection.Stream }

func (s stream) Handshake(ctx context.Context) (net.Conn, auth.Channel, error) {
	if err := s.Stream.Handshake(ctx); err != nil {
		return nil, auth.Channel{}, err
	}
	// The outbox writes without blocking to the connection inside.
	return s.Stream.Conn, s.Stream.Channel, nil
}
