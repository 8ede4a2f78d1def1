package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
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
	return &Mux{cfg: cfg, conn: newMuxConn(o, cfg.MaxStreams*muxWindow+muxSlack)}
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

// Close ends all streams. The connection stays.
func (m *Mux) Close() error {
	m.mu.Lock()
	s := m.session
	m.closed = true
	m.mu.Unlock()
	m.conn.Close()
	if s != nil {
		return s.Close()
	}
	return nil
}

// muxStream is a stream that counts until it is closed.
type muxStream struct {
	*yamux.Stream
	m    *Mux
	once sync.Once
}

func (s *muxStream) Close() error {
	s.once.Do(s.m.leave)
	return s.Stream.Close()
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
	for c.r == len(c.in) {
		if c.err != nil {
			return 0, c.err
		}
		c.cond.Wait()
	}
	n := copy(p, c.in[c.r:])
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
	c.held = !c.held && len(p) == yamuxHead && p[1] == yamuxData && p[8]|p[9]|p[10]|p[11] != 0
	c.mu.Lock()
	o := c.o
	c.mu.Unlock()
	if o == nil {
		return 0, ErrClosed
	}
	if err := o.writeMux(p, !c.held, c.done); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (c *muxConn) Close() error {
	c.once.Do(func() {
		c.mu.Lock()
		c.err = ErrClosed
		c.o, c.in, c.r = nil, nil, 0
		c.cond.Broadcast()
		c.mu.Unlock()
		close(c.done)
	})
	return nil
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
