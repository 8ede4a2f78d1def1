package connection

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/internal/link"
)

// ErrInUse says that an address is taken: somebody else listens on it, or a
// connection has its port.
var ErrInUse = errors.New("address is in use")

// StreamConfig adjusts ListenStream and DialStream. The zero value works.
type StreamConfig struct {
	// TLS is for those who run a PKI. It is used with TCP alone, and copied.
	//
	// With nil, a listener makes a certificate of its own (ECDSA P-256, in
	// memory, a new one for each listener), and who dials accepts any. That is
	// safe only together with a handshake that covers the TLS exporter, as that
	// of package auth does: a man in the middle has two TLS connections with
	// two exporter values, and cannot prove the authkey on either. Without an
	// authkey, nil TLS keeps out those who listen and nobody else.
	//
	// TLS is 1.3 in any case, and session tickets are off.
	TLS *tls.Config
}

// Stream is a byte stream over one of the transports: the net.Conn and what
// package auth must know of it. Both come raw: nothing is authenticated.
//
// The embedded connection is of a type that a link.Outbox writes to without
// blocking.
type Stream struct {
	net.Conn

	// Channel is set by Handshake.
	Channel auth.Channel

	transport Transport
}

// Transport returns the kind of address that the stream came from.
func (s *Stream) Transport() Transport { return s.transport }

// Handshake runs the TLS handshake, if there is one, and sets Channel. It
// blocks until that is done or the context ends; the caller closes the stream
// after an error. DialStream has done it already.
func (s *Stream) Handshake(ctx context.Context) error {
	if s.Channel.Kind != "" {
		return nil
	}
	c, err := channelOf(ctx, s.transport, s.Conn)
	if err != nil {
		return err
	}
	s.Channel = c
	return nil
}

func channelOf(ctx context.Context, t Transport, conn net.Conn) (auth.Channel, error) {
	switch t {
	case TCPPlain:
		return auth.Channel{Kind: auth.TransportTCP}, nil
	case Unix:
		return auth.Channel{Kind: auth.TransportUnix}, nil
	case Memory:
		return auth.Channel{Kind: auth.TransportPipe}, nil
	}
	c := conn.(*link.TLSConn)
	if err := c.HandshakeContext(ctx); err != nil {
		return auth.Channel{}, fmt.Errorf("TLS: %w", hint(err))
	}
	state := c.ConnectionState()
	exp, err := auth.ExporterTLS(&state)
	if err != nil {
		return auth.Channel{}, fmt.Errorf("TLS: %w", err)
	}
	return auth.Channel{Kind: auth.TransportTLS, Exporter: exp}, nil
}

// hint says in an error what a port without TLS looks like from here: it answers
// with something else, or hangs up on the first message.
func hint(err error) error {
	const instead = "its address is a tcp+plain:// one then, not tcp://"
	var rec tls.RecordHeaderError
	var read *net.OpError
	switch {
	case errors.As(err, &rec) && auth.PythonSpeaks(rec.RecordHeader[:]):
		return fmt.Errorf("%w; it is a port for Python programs (managerd's python_listen); Go programs and mgrctl take an address of listen", err)
	case errors.As(err, &rec):
		return fmt.Errorf("%w; the other side does not speak TLS: %s", err, instead)
	case errors.Is(err, os.ErrDeadlineExceeded):
	case errors.Is(err, io.EOF), errors.As(err, &read) && read.Op == "read":
		return fmt.Errorf("%w; the port may not speak TLS: %s", plain(err), instead)
	}
	return err
}

// plain leaves out of an error's text what package net says in it of the
// operation and its addresses. It wraps what it is given.
func plain(err error) error {
	var op *net.OpError
	if !errors.As(err, &op) || op.Err == nil {
		return err
	}
	why := op.Err
	var call *os.SyscallError
	if errors.As(why, &call) {
		why = call.Err
	}
	return &plainError{text: why.Error(), err: err}
}

type plainError struct {
	text string
	err  error
}

func (e *plainError) Error() string { return e.text }
func (e *plainError) Unwrap() error { return e.err }

// DialStream connects to a listener. It blocks until the connection stands,
// TLS included, or the context ends. It authenticates nobody.
func DialStream(ctx context.Context, a Address, cfg StreamConfig) (*Stream, error) {
	if err := a.check(); err != nil {
		return nil, err
	}
	s, err := dialStream(ctx, a, cfg)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", a, err)
	}
	return s, nil
}

func dialStream(ctx context.Context, a Address, cfg StreamConfig) (*Stream, error) {
	s := &Stream{transport: a.Transport}
	var d net.Dialer
	var err error
	switch a.Transport {
	case Memory:
		s.Conn, err = dialMemory(ctx, a.Name)
	case Unix:
		s.Conn, err = d.DialContext(ctx, "unix", a.Path)
	default:
		if a.Port == 0 {
			return nil, errors.New("port 0 is for listening; the listener's Addr says which one it got")
		}
		s.Conn, err = d.DialContext(ctx, "tcp", a.hostPort())
	}
	if err != nil {
		return nil, plain(err)
	}
	tune(s.Conn)
	if a.Transport == TCP {
		s.Conn = link.TLSClient(s.Conn, clientTLS(cfg.TLS, a.Host))
	}
	if err := s.Handshake(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// StreamListener takes connections on one address. Its methods are safe for
// concurrent use.
type StreamListener struct {
	addr    Address
	tls     *tls.Config // with TCP
	inner   deadliner
	release func() error // after inner is closed: the unix socket's file
	once    sync.Once
	err     error
}

// deadliner is a listener whose Accept can be interrupted.
type deadliner interface {
	net.Listener
	SetDeadline(time.Time) error
}

// ListenStream listens on an address. The context bounds the looking up of a
// host name, no more. An address that is taken is an error that wraps ErrInUse.
//
// For a unix socket, missing directories are made, for the owner alone, and so
// is the socket. A socket file that nobody listens on is replaced. A lock on a
// file beside it (".lock") keeps a second starter out.
func ListenStream(ctx context.Context, a Address, cfg StreamConfig) (*StreamListener, error) {
	if err := a.check(); err != nil {
		return nil, err
	}
	l, err := listenStream(ctx, a, cfg)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", a, err)
	}
	return l, nil
}

func listenStream(ctx context.Context, a Address, cfg StreamConfig) (*StreamListener, error) {
	l := &StreamListener{addr: a}
	var err error
	switch a.Transport {
	case Memory:
		m, err := listenMemory(a.Name)
		if err != nil {
			return nil, err
		}
		l.inner, l.addr.Name = m, m.name
		return l, nil
	case Unix:
		inner, release, err := listenUnix(a.Path)
		if err != nil {
			return nil, err
		}
		l.inner, l.release = inner.(*net.UnixListener), release
		return l, nil
	case TCP:
		if l.tls, err = serverTLS(cfg.TLS); err != nil {
			return nil, err
		}
	}
	var lc net.ListenConfig
	inner, err := lc.Listen(ctx, "tcp", a.hostPort())
	if errors.Is(err, errAddrInUse) {
		return nil, fmt.Errorf("%w: %s: %w", ErrInUse, occupant(ctx, a), err)
	}
	if err != nil {
		return nil, err
	}
	l.inner = inner.(*net.TCPListener)
	l.addr.Port = uint16(inner.Addr().(*net.TCPAddr).Port)
	return l, nil
}

// occupant says who has an address that cannot be listened on: a listener, or a
// connection whose own end got the port from the system.
func occupant(ctx context.Context, a Address) string {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	c, err := new(net.Dialer).DialContext(ctx, "tcp", a.hostPort())
	if err != nil {
		return fmt.Sprintf("a connection uses port %d, or one that has just ended, and nobody listens on it; try again in a minute, or choose a port that the system does not give to connections", a.Port)
	}
	c.Close()
	return fmt.Sprintf("another program listens on port %d", a.Port)
}

// Addr returns the address, with the port or name that was picked.
func (l *StreamListener) Addr() Address { return l.addr }

// Accept waits for the next connection, until the context ends (its error) or
// the listener is closed (net.ErrClosed). The Handshake of the Stream is left to
// the caller, so that one slow peer does not keep the others waiting. One
// goroutine at a time may call it with a context that can end.
func (l *StreamListener) Accept(ctx context.Context) (*Stream, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = l.inner.SetDeadline(longAgo)
		close(interrupted)
	})
	c, err := l.inner.Accept()
	if !stop() {
		<-interrupted
		_ = l.inner.SetDeadline(time.Time{})
		if err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
			err = ctx.Err()
		}
	}
	if err != nil {
		return nil, err
	}
	tune(c)
	if l.tls != nil {
		c = link.TLSServer(c, l.tls)
	}
	return &Stream{Conn: c, transport: l.addr.Transport}, nil
}

// Close stops listening and removes a unix socket. Streams that were accepted
// stay.
func (l *StreamListener) Close() error {
	l.once.Do(func() {
		l.err = l.inner.Close()
		if l.release != nil {
			if err := l.release(); l.err == nil {
				l.err = err
			}
		}
	})
	return l.err
}

// remoteAddr names the peer of an accepted stream. Unix sockets and pipes have
// nothing to tell it by.
func (s *Stream) remoteAddr() net.Addr {
	switch s.transport {
	case Unix, Memory:
		return Address{Transport: s.transport}
	}
	return s.Conn.RemoteAddr()
}
