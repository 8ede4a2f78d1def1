package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"time"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/connection"
	"github.com/syncmanager/syncmanager/internal/client"
)

// Config configures Connect. AuthKey is required; the zero value of all else
// works.
type Config struct {
	// AuthKey is what this program and the server both hold: an auth.Key or an
	// auth.Passphrase.
	AuthKey auth.Credential

	// KeyName says which of the server's keys it is. "" is the default one.
	KeyName string

	// Lease is how long the server keeps the session, with all that it holds,
	// while the connection is broken. 0 leaves it to the server, which also
	// bounds it; servers give 15 s unless told otherwise. It is also how long
	// others wait for the locks and items of a program that was killed.
	Lease time.Duration

	// Logger hears of lost connections and, at debug level, of every call. Nil
	// is silent.
	Logger *slog.Logger

	// OnExpired is called once, on a goroutine of its own, when the Manager is
	// over without Close: its lease has run out, the server was restarted, or
	// an administrator ended it. Every call fails from then on.
	OnExpired func(error)

	// TLS is for those who run a PKI; see connection.StreamConfig. With nil the
	// server needs no certificate that anybody signed: the authkey proves both
	// sides, for this very connection.
	TLS *tls.Config

	// Program names this client in the server's listings. "" is the name of
	// the executable.
	Program string

	// MaxMessage bounds one answer, in bytes. 0 means 256 MiB.
	MaxMessage int

	// StrictFields makes it an error, ErrType, to decode a dict into a struct
	// that has no field for one of its keys. Without it such keys are skipped, so
	// that programs with an older and a newer struct can share objects; only a
	// dict that has keys, and for none of them a field, is an error in any case.
	StrictFields bool

	// Errors are errors of the program's own, by codes that the server has for
	// them too (managers.Config.Errors). When a method of a user's type returned
	// such an error, or one that wraps it, what the call returns matches it with
	// errors.Is, as it would in one process.
	Errors map[string]error

	// DialTimeout bounds one attempt to connect, handshakes included. 0 means
	// 10 s.
	DialTimeout time.Duration
}

// Connect connects to a manager server and opens a session:
//
//	tcp://host:port         TLS 1.3 over TCP
//	tcp+plain://host:port   TCP without encryption
//	unix:///path            a unix socket
//	pipe://name             a server in this process
//
// The context bounds the time until the session is open, and nothing after it.
// It makes one attempt: a server that does not listen yet is an error at once,
// and the caller may try again. Errors match ErrAuthentication if client and
// server do not hold the same key, and are those of package net if the server
// cannot be reached.
func Connect(ctx context.Context, addr string, config Config) (*Manager, error) {
	a, err := connection.ParseAddress(addr)
	if err != nil {
		return nil, err
	}
	if config.AuthKey == nil {
		return nil, errors.New("proxy: Config.AuthKey is missing: it must be an auth.Key or an auth.Passphrase")
	}
	s, err := client.Open(ctx, client.Config{
		Dial:    config.dialer(a),
		Address: a.String(), Lease: config.Lease, Logger: config.Logger, OnExpired: config.OnExpired,
		Program: config.Program, MaxMessage: config.MaxMessage, DialTimeout: config.DialTimeout, StrictFields: config.StrictFields, Errors: maps.Clone(config.Errors),
	})
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	return &Manager{s}, nil
}

// dialer makes authenticated connections to the address.
func (c *Config) dialer(a connection.Address) client.Dialer {
	cfg := *c
	return func(ctx context.Context) (net.Conn, auth.Peer, error) {
		stream, err := connection.DialStream(ctx, a, connection.StreamConfig{TLS: cfg.TLS})
		if err != nil {
			return nil, auth.Peer{}, err
		}
		who, err := auth.Client(ctx, stream.Conn, auth.ClientConfig{KeyName: cfg.KeyName, Credential: cfg.AuthKey, Channel: stream.Channel})
		if err != nil {
			stream.Close()
			return nil, auth.Peer{}, fmt.Errorf("connect to %s: %w", a, err)
		}
		return stream.Conn, who, nil
	}
}
