package managers

import (
	"context"
	"fmt"
	"net"

	"github.com/syncmanager/syncmanager/auth"
)

// listener is where newcomers arrive.
type listener interface {
	Accept() (newcomer, error)
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

func listen(ctx context.Context, addr string) (listener, error) {
	return nil, fmt.Errorf("listen %s: no such transport", addr)
}
