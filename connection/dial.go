package connection

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/syncmanager/syncmanager/auth"
)

// DialConfig adjusts Dial. The zero value works and authenticates nobody.
type DialConfig struct {
	StreamConfig

	// AuthKey is the secret that both sides prove to hold: an auth.Key or an
	// auth.Passphrase. It is nil for a listener that has none.
	AuthKey auth.Credential

	// KeyName says which of the listener's keys AuthKey is; "" means
	// auth.DefaultName.
	KeyName string

	// Timeout bounds the authkey's handshake; 0 means auth.DefaultTimeout.
	// The context bounds all of Dial.
	Timeout time.Duration

	// MaxMessage is the longest message in bytes that the connection receives;
	// 0 means DefaultMaxMessage.
	MaxMessage int
}

// Dial connects to a Listener at an address in one of the forms of
// ParseAddress. It blocks until both sides have proven the authkey, or until
// the context ends. A wrong authkey is auth.ErrAuthentication.
func Dial(ctx context.Context, addr string, cfg DialConfig) (*Conn, error) {
	a, err := ParseAddress(addr)
	if err != nil {
		return nil, err
	}
	s, err := DialStream(ctx, a, cfg.StreamConfig)
	if err != nil {
		return nil, err
	}
	var peer auth.Peer
	if cfg.AuthKey != nil {
		peer, err = auth.Client(ctx, s.Conn, auth.ClientConfig{
			KeyName:    cfg.KeyName,
			Credential: cfg.AuthKey,
			Channel:    s.Channel,
			Timeout:    cfg.Timeout,
		})
		if err != nil {
			s.Close()
			return nil, fmt.Errorf("connect to %s: %w", a, err)
		}
	}
	c := NewConn(s.Conn)
	c.peer, c.remote = peer, net.Addr(a)
	c.SetMaxMessage(cfg.MaxMessage)
	return c, nil
}

// DeliverChallenge has the peer prove the key, in the manner of Python's
// multiprocessing.connection.deliver_challenge. It blocks as long as the
// connection does. Between programs that both use this package, the handshake
// of Dial and Listen is the safer way: it proves both sides to each other and
// is tied to the TLS connection.
func DeliverChallenge(c *Conn, key auth.Key) error { return auth.DeliverChallenge(c, key) }

// AnswerChallenge proves the key to a peer that called DeliverChallenge, or
// Python's deliver_challenge.
func AnswerChallenge(c *Conn, key auth.Key) error { return auth.AnswerChallenge(c, key) }
