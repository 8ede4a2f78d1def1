package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/yamux"
)

const (
	// DefaultMaxStreams is how many streams a Mux carries at once.
	DefaultMaxStreams = 128

	// muxWindow is the receive window of a stream. A larger one makes bulk
	// transfers faster and everybody else on the connection wait longer.
	muxWindow = 256 << 10

	// muxSlack is what may come in beyond the windows: heads and control.
	muxSlack = 1 << 20

	// muxLinger is how long a stream that was closed here waits for its peer to
	// close it. yamux keeps a timer and the whole session for as long, even when
	// the session has ended.
	muxLinger = 30 * time.Second

	yamuxHead = 12
	yamuxData = 0 // type of a yamux frame with a body
)

// ErrStreams is the error of Open when the mux carries as many streams as it
// may.
var ErrStreams = errors.New("too many streams on one connection")

// ErrBroken is the error of reading from a stream whose mux ended before the
// peer had closed the stream. It is an io.ErrUnexpectedEOF, and no io.EOF.
var ErrBroken = fmt.Errorf("the connection below ended before the stream: %w", io.ErrUnexpectedEOF)

// MuxConfig adjusts a Mux. The zero value works and refuses streams that the
// peer opens.
type MuxConfig struct {
	// Client is set on the side that dialled. The two sides must differ.
	Client bool

	// MaxStreams bounds the streams at once, of both sides together; 0 means
	// DefaultMaxStreams. Above it Open fails, and what the peer opens is
	// closed at once.
	MaxStreams int

	// Handle is called on a goroutine of its own for each stream that the peer
	// opens. It owns the stream. With nil such streams are closed at once.
	Handle func(net.Conn)
}

// Mux carries byte streams inside the MUX frames of one connection. Nothing
// runs before the first Open, or the first frame from the peer. Its methods
// are safe for concurrent use; Feed is for the read loop alone.
//
// yamux draws its timers from a package-level pool, so a mux that has started
// cannot live in a testing/synctest bubble.
type Mux struct {
	cfg  MuxConfig
	conn *muxConn

	mu      sync.Mutex // guards what follows; never held across I/O
	session *yamux.Session
	streams int
	closed  bool
}

// NewMux returns the mux of a connection whose frames go out through o.
func NewMux(o *Outbox, cfg MuxConfig) *Mux {
	if cfg.MaxStreams <= 0 {
		cfg.MaxStreams = DefaultMaxStreams
	}
	m := &Mux{cfg: cfg, conn: newMuxConn(o, cfg.MaxStreams*muxWindow+muxSlack)}
	m.conn.ends.max = 2 * cfg.MaxStreams // those that yamux itself turns away stay
	return m
}

// start begins the yamux session, once.
func (m *Mux) start() (*yamux.Session, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, ErrClosed
	}
	if m.session != nil {
		return m.session, nil
	}
	cfg := yamux.DefaultConfig()
	cfg.AcceptBacklog = m.cfg.MaxStreams
	cfg.EnableKeepAlive = false // the session above pings
	cfg.ConnectionWriteTimeout = time.Hour
	cfg.MaxStreamWindowSize = muxWindow
	cfg.StreamCloseTimeout = muxLinger
	cfg.StreamOpenTimeout = 0 // it would end all streams for one
	cfg.LogOutput = io.Discard
	begin := yamux.Server
	if m.cfg.Client {
		begin = yamux.Client
	}
	s, err := begin(m.conn, cfg)
	if err != nil {
		return nil, fmt.Errorf("mux: %w", err)
	}
	m.session = s
	go m.accept(s)
	return s, nil
}

// accept hands out the streams that the peer opens, until the session ends.
func (m *Mux) accept(s *yamux.Session) {
	for {
		st, err := s.AcceptStream()
		if err != nil {
			return
		}
		if m.cfg.Handle == nil || !m.enter() {
			st.Close()
			m.conn.forget(st.StreamID())
			continue
		}
		go m.cfg.Handle(&muxStream{Stream: st, m: m})
	}
}

// enter counts one more stream if there may be one.
func (m *Mux) enter() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || m.streams >= m.cfg.MaxStreams {
		return false
	}
	m.streams++
	return true
}

func (m *Mux) leave() {
	m.mu.Lock()
	m.streams--
	m.mu.Unlock()
}

// Open opens a stream to the peer. It does not wait for the peer: one that
// refuses closes the stream, and the first Read returns io.EOF.
func (m *Mux) Open(ctx context.Context) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s, err := m.start()
	if err != nil {
		return nil, err
	}
	if !m.enter() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.closed {
			return nil, ErrClosed
		}
		return nil, fmt.Errorf("%w: %d are open, at most %d may be", ErrStreams, m.streams, m.cfg.MaxStreams)
	}
	st, err := s.OpenStream()
	if err != nil {
		m.leave()
		return nil, fmt.Errorf("open a stream: %w", err)
	}
	return &muxStream{Stream: st, m: m}, nil
}

// Feed takes the body of a MUX frame. It never blocks. An error wraps ErrFrame
// and means that the peer sent more than the streams' windows allow.
func (m *Mux) Feed(body []byte) error {
	if _, err := m.start(); err != nil {
		return nil // closed on this side: what still comes is of no interest
	}
	return m.conn.feed(body)
}

// Streams returns how many streams are open.
func (m *Mux) Streams() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.streams
}

// Close ends all streams. What came before can still be read, then reading
// fails with ErrBroken, or with io.EOF if the peer had closed the stream. The
// connection stays.
func (m *Mux) Close() error {
	m.mu.Lock()
	s := m.session
	m.closed = true
	m.mu.Unlock()
	m.conn.finish()
	if s == nil {
		return m.conn.Close()
	}
	return s.Close() // returns when all that came has been given to the streams
}

// muxStream is a stream that counts until it is closed.
type muxStream struct {
	*yamux.Stream
	m      *Mux
	once   sync.Once
	closed atomic.Bool
}

// Read implements io.Reader.
func (s *muxStream) Read(p []byte) (int, error) {
	n, err := s.Stream.Read(p)
	switch {
	case s.closed.Load():
		return 0, net.ErrClosed
	case err == io.EOF && s.Session().IsClosed() && !s.m.conn.hasEnded(s.StreamID()):
		err = ErrBroken
	case err == yamux.ErrConnectionReset:
		err = io.EOF // refused by yamux itself: more came at once than are allowed
	}
	return n, err
}

// Close closes the stream in both directions. A stream of yamux could still be
// read: a Read under way is ended here.
func (s *muxStream) Close() error {
	var err error
	s.once.Do(func() {
		s.closed.Store(true)
		err = s.Stream.Close()
		s.Stream.SetReadDeadline(time.Unix(1, 0))
		s.m.leave()
		s.m.conn.forget(s.StreamID())
	})
	return err
}

// muxConn is the connection that yamux believes to have.
type muxConn struct {
	max int // of in

	held bool // owned by yamux's send loop: a head whose body is next

	mu   sync.Mutex // guards what follows
	o    *Outbox    // nil once closed: yamux may keep this for a while
	cond sync.Cond
	in   []byte // in[r:] came and was not read
	r    int
	err  error // why reads fail once in is empty
	ends endings

	once sync.Once
	done chan struct{}
}

func newMuxConn(o *Outbox, max int) *muxConn {
	c := &muxConn{o: o, max: max, done: make(chan struct{})}
	c.cond.L = &c.mu
	return c
}

func (c *muxConn) feed(p []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return nil
	}
	if n := len(c.in) - c.r + len(p); n > c.max {
		return fmt.Errorf("%w: %d bytes wait in the mux, its windows allow %d", ErrFrame, n, c.max)
	}
	if c.r > 0 && len(c.in)+len(p) > cap(c.in) {
		c.in, c.r = c.in[:copy(c.in, c.in[c.r:])], 0
	}
	c.in = append(c.in, p...)
	c.cond.Signal()
	return nil
}

// Read implements io.Reader for yamux's receive loop.
func (c *muxConn) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ends.settle()
	for c.r == len(c.in) {
		if c.err != nil {
			c.in, c.r = nil, 0
			return 0, c.err
		}
		c.cond.Wait()
	}
	n := copy(p, c.in[c.r:])
	c.ends.scan(p[:n])
	if c.r += n; c.r == len(c.in) {
		c.in, c.r = c.in[:0], 0
		if cap(c.in) > size2 {
			c.in = nil
		}
	}
	return n, nil
}

// Write implements io.Writer for yamux's send loop. yamux writes the head of a
// data frame and its body apart: the head waits for the body, so that both
// leave in one frame and one system call.
func (c *muxConn) Write(p []byte) (int, error) {
	head := !c.held && len(p) == yamuxHead
	c.held = head && p[1] == yamuxData && p[8]|p[9]|p[10]|p[11] != 0
	c.mu.Lock()
	o := c.o
	if head {
		c.ends.opened(p)
	}
	c.mu.Unlock()
	if o == nil {
		return 0, ErrClosed
	}
	if err := o.writeMux(p, !c.held, c.done); err != nil {
		return 0, err
	}
	return len(p), nil
}

// finish lets yamux read what came, and then fail.
func (c *muxConn) finish() {
	c.mu.Lock()
	c.o = nil
	if c.err == nil {
		c.err = ErrClosed
	}
	c.cond.Broadcast()
	c.mu.Unlock()
	c.once.Do(func() { close(c.done) })
}

// Close implements io.Closer for yamux, which has met an error unless the mux
// is finished.
func (c *muxConn) Close() error {
	c.mu.Lock()
	if c.err == nil {
		c.in, c.r = nil, 0
	}
	c.mu.Unlock()
	c.finish()
	return nil
}

// hasEnded reports whether the peer has closed an open stream.
func (c *muxConn) hasEnded(stream uint32) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ends.ended[stream]
}

// forget drops a stream that was closed on this side.
func (c *muxConn) forget(stream uint32) {
	c.mu.Lock()
	delete(c.ends.ended, stream)
	c.mu.Unlock()
}

// writeMux queues bytes of the mux. It waits while many of them wait already,
// until done is closed.
func (o *Outbox) writeMux(p []byte, flush bool, done <-chan struct{}) error {
	for {
		o.mu.Lock()
		if err := o.errLocked(); err != nil {
			o.mu.Unlock()
			return err
		}
		if o.low.muxLen() < muxHigh {
			break
		}
		changed := o.changedLocked()
		o.mu.Unlock()
		select {
		case <-changed:
		case <-done:
			return ErrClosed
		}
	}
	o.low.putMux(p)
	if !flush {
		o.mu.Unlock()
		return nil
	}
	o.flushLocked()
	return nil
}
