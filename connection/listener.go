package connection

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/syncmanager/syncmanager/auth"
)

// DefaultBacklog is how many connections a Listener holds ready, or is getting
// ready, before Accept takes them.
const DefaultBacklog = 64

// ListenConfig adjusts Listen. The zero value works and authenticates nobody.
type ListenConfig struct {
	StreamConfig

	// AuthKey is the secret that both sides prove to hold: an auth.Key or an
	// auth.Passphrase. With nil, and no Keyring, everybody is let in.
	AuthKey auth.Credential

	// Keyring holds several keys instead, each with a name. Either AuthKey or
	// Keyring is set, not both.
	Keyring *auth.Keyring

	// Backlog bounds the connections that are ready for Accept, and those that
	// are in the handshake; 0 means DefaultBacklog. When too many are in the
	// handshake, the oldest of the busiest host is closed for a new one.
	Backlog int

	// Timeout bounds the handshakes of one connection, TLS and authkey
	// together; 0 means auth.DefaultTimeout.
	Timeout time.Duration

	// MaxMessage is the longest message in bytes that connections receive; 0
	// means DefaultMaxMessage.
	MaxMessage int

	// Refused is called, if it is not nil, for each connection that failed its
	// handshake, on the connection's goroutine and with the address that it
	// came from. A wrong key is an *auth.RefusedError.
	Refused func(from net.Addr, err error)
}

// Listener accepts message connections. Its methods are safe for concurrent
// use. Strangers are dealt with in the background, so that none of them delays
// Accept.
type Listener struct {
	// Fixed at creation.
	streams *StreamListener
	cfg     ListenConfig
	keyring *auth.Keyring // nil: nobody is authenticated
	limiter *auth.Limiter
	ready   chan *Conn      // up to Backlog, and what was in the handshake then
	room    chan struct{}   // Accept took one out of ready
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	wg      sync.WaitGroup

	mu        sync.Mutex // guards what follows
	strangers []*stranger
	last      net.Addr
	err       error // why no more are accepted
	closed    error // the result of Close
	once      sync.Once
}

// stranger is a connection in its handshake.
type stranger struct {
	host   string
	cancel context.CancelFunc
}

// Listen listens on an address in one of the forms of ParseAddress. The
// context bounds the looking up of a host name.
func Listen(ctx context.Context, addr string, cfg ListenConfig) (*Listener, error) {
	a, err := ParseAddress(addr)
	if err != nil {
		return nil, err
	}
	if cfg.Keyring, err = auth.KeyringOf(cfg.AuthKey, cfg.Keyring); err != nil {
		return nil, fmt.Errorf("listen on %s: %w", a, err)
	}
	if cfg.Backlog <= 0 {
		cfg.Backlog = DefaultBacklog
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = auth.DefaultTimeout
	}
	s, err := ListenStream(ctx, a, cfg.StreamConfig)
	if err != nil {
		return nil, err
	}
	l := &Listener{
		streams: s,
		cfg:     cfg,
		keyring: cfg.Keyring,
		limiter: auth.NewLimiter(auth.LimiterConfig{}),
		ready:   make(chan *Conn, 2*cfg.Backlog),
		room:    make(chan struct{}, 1),
	}
	l.ctx, l.cancel = context.WithCancel(context.WithoutCancel(ctx))
	l.wg.Go(l.run)
	return l, nil
}

// Addr returns the address, with the port or name that was picked. Its String
// is what Dial takes, unless the host is empty or stands for all addresses.
func (l *Listener) Addr() Address { return l.streams.Addr() }

// LastAccepted returns the address that the connection came from which Accept
// returned last, or nil before the first.
func (l *Listener) LastAccepted() net.Addr {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// Accept returns the next connection that passed its handshake. It waits for
// one until the context ends (its error) or the listener is closed
// (net.ErrClosed).
func (l *Listener) Accept(ctx context.Context) (*Conn, error) {
	select {
	case c := <-l.ready:
		select {
		case l.room <- struct{}{}:
		default:
		}
		l.mu.Lock()
		l.last = c.RemoteAddr()
		l.mu.Unlock()
		return c, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-l.ctx.Done():
		l.mu.Lock()
		defer l.mu.Unlock()
		return nil, l.err
	}
}

// Close stops listening, closes connections that were not accepted, and waits
// until that is done. Accepted ones stay.
func (l *Listener) Close() error {
	l.once.Do(func() {
		l.end(fmt.Errorf("listener on %s: %w", l.Addr(), net.ErrClosed))
		l.wg.Wait()
		for {
			select {
			case c := <-l.ready:
				c.Close()
				continue
			default:
			}
			break
		}
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}

// end makes the error the last word of Accept.
func (l *Listener) end(err error) {
	l.mu.Lock()
	if l.err == nil {
		l.err = err
	}
	l.mu.Unlock()
	l.cancel()
	closed := l.streams.Close()
	l.mu.Lock()
	l.closed = closed
	l.mu.Unlock()
}

// run accepts streams until the listener is closed.
func (l *Listener) run() {
	pause := time.Duration(0)
	for {
		for len(l.ready) >= l.cfg.Backlog {
			select {
			case <-l.room:
			case <-l.ctx.Done():
				return
			}
		}
		s, err := l.streams.Accept(l.ctx)
		if err == nil {
			pause = 0
			l.greet(s)
			continue
		}
		if l.ctx.Err() != nil {
			return
		}
		if errors.Is(err, net.ErrClosed) {
			l.end(fmt.Errorf("listener on %s: %w", l.Addr(), err))
			return
		}
		// Such as too many open files: it passes.
		pause = min(max(2*pause, 5*time.Millisecond), time.Second)
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-l.ctx.Done():
			t.Stop()
			return
		}
	}
}

// greet starts the handshake of a stranger, in the place of another if there
// are too many.
func (l *Listener) greet(s *Stream) {
	ctx, cancel := context.WithTimeout(l.ctx, l.cfg.Timeout)
	st := &stranger{host: auth.LimiterHost(s.RemoteAddr()), cancel: cancel}
	l.mu.Lock()
	if len(l.strangers) >= l.cfg.Backlog {
		l.evictLocked()
	}
	l.strangers = append(l.strangers, st)
	l.mu.Unlock()
	l.wg.Go(func() {
		defer cancel()
		c, err := l.admit(ctx, s)
		l.forget(st)
		if err != nil {
			s.Close()
			if l.cfg.Refused != nil && l.ctx.Err() == nil {
				l.cfg.Refused(s.RemoteAddr(), err)
			}
			return
		}
		select {
		case l.ready <- c:
		case <-l.ctx.Done():
			c.Close()
		}
	})
}

// evictLocked ends the handshake that is the oldest of the busiest host.
func (l *Listener) evictLocked() {
	count := make(map[string]int)
	busiest := l.strangers[0]
	for _, s := range l.strangers {
		count[s.host]++
	}
	for _, s := range l.strangers {
		if count[s.host] > count[busiest.host] {
			busiest = s
		}
	}
	busiest.cancel()
	l.forgetLocked(busiest)
}

func (l *Listener) forget(s *stranger) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forgetLocked(s)
}

func (l *Listener) forgetLocked(s *stranger) {
	for i, x := range l.strangers {
		if x == s {
			l.strangers = append(l.strangers[:i], l.strangers[i+1:]...)
			return
		}
	}
}

// admit runs the handshakes.
func (l *Listener) admit(ctx context.Context, s *Stream) (*Conn, error) {
	if err := s.Handshake(ctx); err != nil {
		return nil, err
	}
	var peer auth.Peer
	if l.keyring != nil {
		host := auth.LimiterHost(s.RemoteAddr())
		var err error
		peer, err = auth.Server(ctx, s.Conn, auth.ServerConfig{
			Keyring: l.keyring,
			Channel: s.Channel,
			Timeout: l.cfg.Timeout,
			Refusing: func(ctx context.Context, _ *auth.RefusedError) time.Duration {
				t := time.NewTimer(l.limiter.Failed(host, time.Now()))
				defer t.Stop()
				select {
				case <-t.C:
				case <-ctx.Done():
				}
				return l.limiter.ShutOut(host, time.Now())
			},
		})
		if err != nil {
			return nil, err
		}
	}
	c := NewConn(s.Conn)
	c.peer, c.local, c.remote = peer, l.Addr(), s.remoteAddr()
	c.SetMaxMessage(l.cfg.MaxMessage)
	return c, nil
}
