package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// The defaults of Config.
const (
	DefaultMaxMessage   = 256 << 20
	DefaultCloseTimeout = 2 * time.Second
	DefaultDialTimeout  = 10 * time.Second

	// DefaultVerdict is how long a call whose context has ended waits for the
	// server to say whether it took effect.
	DefaultVerdict = time.Second

	// DefaultAckDelay is how long an acknowledgement, or a release, waits for
	// company at most.
	DefaultAckDelay = 40 * time.Millisecond

	// leastDial bounds how short an attempt to reconnect may be.
	leastDial = time.Second

	// The shortest and longest pause between attempts to reconnect.
	minBackoff = 25 * time.Millisecond
	maxBackoff = 2 * time.Second
)

// Dialer makes a connection to the server and runs the handshakes on it: what
// it returns is ready for frames. It is called again whenever the connection
// broke.
type Dialer func(ctx context.Context) (net.Conn, auth.Peer, error)

// Config configures a session. Dial is required; zeros mean the defaults.
type Config struct {
	Dial    Dialer
	Address string // what tokens name as the server's address

	// Lease is how long the session outlives its connection. 0 leaves it to the
	// server, which also bounds it.
	Lease time.Duration

	// MaxMessage bounds a frame that comes in, in bytes: the server is told, and
	// answers a call whose reply would be larger with ErrTooLarge. What goes out is
	// bounded by the server.
	MaxMessage int

	// StrictFields makes a key of a dict for which a struct has no field an
	// error.
	StrictFields bool

	// Errors are this program's own errors, by the codes that the server sends
	// for them.
	Errors map[string]error

	// Program names this client in the server's listings. "" is the name of
	// the executable.
	Program string

	// Logger hears of lost and resumed connections, and, at debug level, of
	// every call. Nil is silent.
	Logger *slog.Logger

	// OnExpired is called once, on a goroutine of its own, when the session is
	// over without having been closed on this side.
	OnExpired func(error)

	DialTimeout  time.Duration // of one attempt
	CloseTimeout time.Duration // how long Close waits for the server's word
	Verdict      time.Duration // see DefaultVerdict
	AckDelay     time.Duration // see DefaultAckDelay
}

// Session is one authenticated client of a server, across its connections. All
// methods are safe for concurrent use.
type Session struct {
	// Fixed when it is opened.
	config     Config
	log        *slog.Logger
	trace      bool // the logger takes debug records
	id         uint64
	generation uint64
	key        auth.SessionKey
	lease      time.Duration
	maxSend    int // bytes of one frame, as the server said
	role       string
	server     string
	ctx        context.Context // ends with the session
	cancel     context.CancelFunc
	over       chan struct{} // closed when the run loop has ended
	hurry      chan struct{} // closed when Close is called

	refs    refs
	holds   holds
	records sync.Pool // of *Call

	// Fixed when it is opened, and safe for concurrent use.
	flush  *time.Timer // runs flushNow
	beat   *time.Timer // runs onBeat
	expiry *time.Timer // runs onExpiry

	owners   atomic.Uint64
	heard    atomic.Bool // something came since the last renewal was sent
	flushing atomic.Bool // flush is armed

	mu     sync.Mutex // guards what follows; see doc.go for the order of locks
	conn   *conn      // nil while there is no connection
	serial uint64     // the last one given
	// Replies up to this serial may come when their call is over: a second one,
	// if the first crossed the repetition of the call after a break; or that to
	// an abandoned call, which the PONG behind its CANCEL has overtaken.
	settled  uint64
	calls    wire.Serials[*Call]
	calm     int // calls in a row that found few under way; see turn.go
	acks     acks
	dead     error // why no call can be made any more
	closing  bool  // Close was called
	finished bool  // die has run
	gone     int   // calls in abandoned state without a ping that confirms them
	token    uint64
	pings    map[uint64]*ping
	renewed  time.Time // when the last acknowledged renewal was sent
}

// Open connects to a server and opens a session. The context bounds the time
// until the session is open.
func Open(ctx context.Context, config Config) (*Session, error) {
	if config.Dial == nil {
		return nil, errors.New("client: Config.Dial is missing")
	}
	config.setDefaults()
	s := &Session{config: config, log: config.Logger, over: make(chan struct{}), hurry: make(chan struct{})}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.trace = s.log.Enabled(ctx, slog.LevelDebug)
	s.refs.wake = s.flushSoon
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	bounded, cancel := context.WithTimeout(ctx, config.DialTimeout)
	defer cancel()
	c, who, err := s.dial(bounded)
	if err != nil {
		s.cancel()
		return nil, err
	}
	sent := time.Now()
	host, _ := os.Hostname() // a name for listings; empty is allowed
	w, err := c.greet(bounded, wire.AppendOpen(nil, &wire.Open{
		Version: wire.Version, Lease: uint64(max(config.Lease, 0) / time.Millisecond),
		Program: clip(config.Program), Host: clip(host), PID: uint64(os.Getpid()),
		MaxMessage: uint64(config.MaxMessage),
	}))
	if err != nil {
		c.close()
		s.cancel()
		return nil, fmt.Errorf("opening a session: %w", err)
	}
	s.id, s.generation, s.key = w.Session, w.Generation, who.SessionKey
	s.lease = time.Duration(min(w.Lease, uint64(24*time.Hour/time.Millisecond))) * time.Millisecond
	if s.lease <= 0 {
		c.close()
		s.cancel()
		return nil, wire.Errorf(wire.CodeProtocol, "the server granted a lease of %v; a lease is positive", s.lease)
	}
	s.maxSend = DefaultMaxMessage
	if w.MaxMessage > 0 {
		s.maxSend = int(min(w.MaxMessage, 1<<31-1))
	}
	s.role, s.server = w.Role, w.Server
	s.mu.Lock()
	s.conn = c
	s.renewed = sent
	s.flush = time.AfterFunc(time.Hour, s.flushNow)
	s.flush.Stop()
	s.beat = time.AfterFunc(s.beatEvery(), s.onBeat)
	s.expiry = time.AfterFunc(time.Until(s.endsLocked()), s.onExpiry)
	s.mu.Unlock()
	go s.run(c)
	return s, nil
}

func (c *Config) setDefaults() {
	if c.MaxMessage <= 0 {
		c.MaxMessage = DefaultMaxMessage
	}
	if c.DialTimeout <= 0 {
		c.DialTimeout = DefaultDialTimeout
	}
	if c.CloseTimeout <= 0 {
		c.CloseTimeout = DefaultCloseTimeout
	}
	if c.Verdict <= 0 {
		c.Verdict = DefaultVerdict
	}
	if c.AckDelay <= 0 {
		c.AckDelay = DefaultAckDelay
	}
	if c.Program == "" {
		c.Program = filepath.Base(os.Args[0])
	}
}

// clip bounds a text that the session says of itself.
func clip(s string) string { return s[:min(len(s), 256)] }

// ID returns the session's number in the server.
func (s *Session) ID() uint64 { return s.id }

// Generation returns the number that tells one run of a server from another.
func (s *Session) Generation() uint64 { return s.generation }

// Lease returns how long the session outlives its connection, as agreed.
func (s *Session) Lease() time.Duration { return s.lease }

// Role returns what the server lets this session do: admin, write or read.
func (s *Session) Role() string { return s.role }

// Server returns the server's program and version.
func (s *Session) Server() string { return s.server }

// StrictFields says whether a key of a dict for which a struct has no field is an
// error. It implements wire.StrictFielder.
func (s *Session) StrictFields() bool { return s.config.StrictFields }

// Logger returns the logger of the session. It is not nil.
func (s *Session) Logger() *slog.Logger { return s.log }

// Address returns the server's address as configured.
func (s *Session) Address() string { return s.config.Address }

// Err returns nil while calls can be made, and then why they cannot.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dead
}

// Done returns a channel that is closed when the session is over.
func (s *Session) Done() <-chan struct{} { return s.ctx.Done() }

// NewOwner returns a number that no owner of this session has had yet.
func (s *Session) NewOwner() uint64 { return s.owners.Add(1) }

// run reads one connection after the other until the session is over.
func (s *Session) run(c *conn) {
	defer close(s.over)
	for c != nil {
		err := s.read(c)
		c.close()
		if !s.lost(c, err) {
			return
		}
		c = s.reconnect()
	}
}

// lost notes that the connection is gone. It reports whether another one is
// wanted.
func (s *Session) lost(c *conn, err error) bool {
	if fatal := fatalError(s.id, err); fatal != nil {
		s.die(fatal)
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.finished {
		return false
	}
	s.conn = nil
	s.log.Warn("connection lost", "session", s.id, "server", s.config.Address, "err", err)
	for _, c := range s.calls.All() {
		if c.asked && c.state == stateWaiting {
			// Its caller waits for a verdict that cannot come soon.
			s.leaveLocked(c, stateAbandoned)
			c.answerLocked(errNoVerdict)
		}
	}
	return true
}

// fatalError returns the error that ends the session for good, if err is one.
func fatalError(id uint64, err error) error {
	var we *wire.Error
	if !errors.As(err, &we) {
		return nil
	}
	switch we.Code {
	case wire.CodeSessionExpired:
		return err
	case wire.CodeShuttingDown:
		return fmt.Errorf("%w: %w", expired(id, "the server was shut down"), err)
	case wire.CodeProtocol, wire.CodeDenied, wire.CodeTooLarge, wire.CodeInternal:
		return fmt.Errorf("session %d: %w", id, err)
	}
	return nil
}

// reconnect dials until the session is resumed or over. It returns nil in the
// second case.
func (s *Session) reconnect() *conn {
	pause := time.Duration(0)
	for {
		if pause > 0 {
			// From half the pause to all of it, so that clients of a server that
			// comes back do not come all at once.
			t := time.NewTimer(pause/2 + rand.N(pause/2+1))
			select {
			case <-t.C:
			case <-s.hurry:
			case <-s.ctx.Done():
			}
			t.Stop()
		}
		if s.ctx.Err() != nil {
			return nil
		}
		c, err := s.resume()
		if err == nil {
			return c
		}
		if fatal := fatalError(s.id, err); fatal != nil {
			s.die(fatal)
			return nil
		}
		if errors.Is(err, auth.ErrAuthentication) {
			s.die(fmt.Errorf("%w: %w", expired(s.id, "the server does not accept the key any more"), err))
			return nil
		}
		s.log.Info("reconnecting failed", "session", s.id, "server", s.config.Address, "err", err)
		select {
		case <-s.hurry:
			return nil // the last attempt of a session that closes
		default:
		}
		pause = min(max(2*pause, minBackoff), maxBackoff, max(s.lease/8, minBackoff))
	}
}

// resume makes one attempt to take the session up again. It takes a fifth of the
// lease at most, so that an attempt that gets stuck is not the last.
func (s *Session) resume() (*conn, error) {
	ctx, cancel := context.WithTimeout(s.ctx, min(s.config.DialTimeout, max(s.lease/5, leastDial)))
	defer cancel()
	c, who, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	sent := time.Now()
	w, err := c.greet(ctx, wire.AppendResume(nil, &wire.Resume{
		Version: wire.Version, Session: s.id, Generation: s.generation, Proof: auth.ResumeProof(s.key, s.id, who.Binding),
	}))
	if err != nil {
		c.close()
		return nil, fmt.Errorf("resuming session %d: %w", s.id, err)
	}
	if w.Generation != s.generation || w.Session != s.id {
		c.close()
		return nil, expired(s.id, wire.Restarted)
	}
	if !s.resumed(c, sent) {
		c.close()
		return nil, context.Canceled
	}
	s.log.Info("session resumed", "session", s.id, "server", s.config.Address)
	return c, nil
}

// resumed takes the connection into use: what was not acknowledged is
// acknowledged again, and what was not answered is sent again.
func (s *Session) resumed(c *conn, sent time.Time) bool {
	s.mu.Lock()
	if s.finished {
		s.mu.Unlock()
		return false
	}
	s.conn = c
	s.settled = s.serial
	s.acks.restart()
	s.renewLocked(sent)
	s.heard.Store(true)
	c.append(s.acks.append)
	if s.closing {
		s.sendCloseLocked(c)
	} else {
		s.resendLocked(c)
	}
	s.mu.Unlock()
	c.out.Flush()
	return true
}

// Close ends the session in good order: what was received is acknowledged, the
// server lets go of all that the session holds, and calls under way fail with
// ErrClosed. It waits for the server's word, at most Config.CloseTimeout; without
// a connection it tries once to make one. It may be called again.
func (s *Session) Close() error {
	s.mu.Lock()
	if s.closing || s.finished {
		s.mu.Unlock()
		<-s.over
		return nil
	}
	s.closing = true
	close(s.hurry)
	s.failLocked(ErrClosed)
	c := s.conn
	if c != nil {
		s.sendCloseLocked(c)
	}
	s.mu.Unlock()
	if c != nil {
		c.out.Flush()
		c.nudge()
	}
	s.holds.lose(ErrClosed)
	t := time.NewTimer(s.config.CloseTimeout)
	defer t.Stop()
	select {
	case <-s.over:
	case <-t.C:
		s.log.Warn("server did not confirm the end of the session", "session", s.id, "server", s.config.Address)
	}
	s.die(ErrClosed)
	<-s.over
	return nil
}

// sendCloseLocked says goodbye. What was handed over is acknowledged before:
// the server takes back what is not.
func (s *Session) sendCloseLocked(c *conn) {
	c.append(s.acks.append)
	c.append(wire.AppendClose)
}

// failLocked ends all calls with the error, and refuses new ones.
func (s *Session) failLocked(err error) {
	s.dead = err
	for _, c := range s.calls.All() {
		s.calls.Remove(c.serial)
		if c.state == stateWaiting {
			c.answerLocked(err)
			continue
		}
		c.recycle()
	}
}

// die ends the session. The first reason stays.
func (s *Session) die(err error) {
	s.mu.Lock()
	if s.finished {
		s.mu.Unlock()
		return
	}
	s.finished = true
	mine := s.closing
	if !mine {
		s.failLocked(err)
	}
	for token, p := range s.pings {
		delete(s.pings, token)
		if p.answer != nil {
			p.answer(s.dead) // does not block
		}
	}
	c := s.conn
	s.conn = nil
	s.beat.Stop()
	s.expiry.Stop()
	s.flush.Stop()
	s.mu.Unlock()
	s.holds.lose(err) // before Done says that the session is over
	s.cancel()
	if c != nil {
		c.close()
	}
	if mine {
		return
	}
	s.log.Error("session is over", "session", s.id, "server", s.config.Address, "err", err)
	if s.config.OnExpired != nil {
		go s.config.OnExpired(err)
	}
}
