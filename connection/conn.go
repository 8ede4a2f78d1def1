package connection

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"sync"
	"time"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/internal/link"
)

const (
	// DefaultMaxMessage is the longest message in bytes that a Conn receives
	// unless it is told otherwise.
	DefaultMaxMessage = 64 << 20

	headSize = 4
	readSize = 4 << 10

	// oneWrite is how long a message may be to be sent in a single write.
	oneWrite = 64 << 10
)

// Conn sends and receives messages over a byte stream. It is safe for
// concurrent use: messages of several senders stay whole, and each message
// goes to one receiver.
//
// Methods block as long as they must; the deadlines bound them as on a
// net.Conn, and Close ends them. After a deadline has cut a send short, the
// stream is of no use and later sends fail with the same error; receiving goes
// on where it stopped.
type Conn struct {
	// Fixed at creation.
	c       net.Conn
	try     link.TryReader // nil: c has only blocking reads
	canSend bool
	canRecv bool
	peer    auth.Peer
	local   net.Addr // nil: that of c
	remote  net.Addr

	// sending and receiving are held by who does it. They are channels, not
	// mutexes, so that waiting for them can be given up and is durably
	// blocking in a testing/synctest bubble.
	sending   chan struct{}
	receiving chan struct{}

	// Held: sending.
	sendErr error
	out     []byte

	// Held: receiving.
	in   inbox
	most int // longest message accepted

	mu           sync.Mutex // guards what follows, and the read deadline of c
	readDeadline time.Time
	interrupted  bool // a wait has ended: its read is being cut short
}

// NewConn returns a Conn over any stream, which it owns from now on. Nothing
// is authenticated; use DeliverChallenge and AnswerChallenge, or Dial and
// Listen, which do more.
func NewConn(c net.Conn) *Conn {
	return &Conn{
		c:         c,
		try:       link.TryReaderOf(c),
		canSend:   true,
		canRecv:   true,
		sending:   make(chan struct{}, 1),
		receiving: make(chan struct{}, 1),
		most:      DefaultMaxMessage,
	}
}

// Pipe returns two connected ends in memory. With duplex both send and
// receive; without, a only receives and b only sends, as in Python. Each
// direction holds 64 KiB before sending blocks.
func Pipe(duplex bool) (a, b *Conn) {
	x, y := link.Pipe()
	a, b = NewConn(x), NewConn(y)
	if !duplex {
		a.canSend, b.canRecv = false, false
	}
	return a, b
}

// Peer returns what the handshake of Dial or Listen found out about the other
// side. It is the zero Peer if there was none.
func (c *Conn) Peer() auth.Peer { return c.peer }

// LocalAddr returns the address of this end.
func (c *Conn) LocalAddr() net.Addr {
	if c.local != nil {
		return c.local
	}
	return c.c.LocalAddr()
}

// RemoteAddr returns the address of the other end.
func (c *Conn) RemoteAddr() net.Addr {
	if c.remote != nil {
		return c.remote
	}
	return c.c.RemoteAddr()
}

// SetMaxMessage changes the longest message in bytes that is received; 0 means
// DefaultMaxMessage. It waits for a receive under way.
func (c *Conn) SetMaxMessage(n int) {
	if n <= 0 {
		n = DefaultMaxMessage
	}
	c.receiving <- struct{}{}
	c.most = n
	<-c.receiving
}

// SetDeadline sets both deadlines.
func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline bounds receiving and polling, those under way included. The
// zero time means no bound. What was received of a message by then is kept.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.readDeadline = t
	if c.interrupted {
		return nil // it is put in place right after
	}
	return c.c.SetReadDeadline(t)
}

// SetWriteDeadline bounds sending, that under way included. The zero time
// means no bound.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.c.SetWriteDeadline(t) }

// Close closes the connection. The peer still receives what was sent.
func (c *Conn) Close() error { return c.c.Close() }

// SendBytes sends b as one message. It blocks while the peer's and the
// kernel's buffers are full. It does not keep b.
func (c *Conn) SendBytes(b []byte) error {
	if !c.canSend {
		return ErrReadOnly
	}
	if uint64(len(b)) > math.MaxUint32 {
		return fmt.Errorf("send to %s: message of %d bytes, at most %d can be announced", c.RemoteAddr(), len(b), uint32(math.MaxUint32))
	}
	c.sending <- struct{}{}
	defer func() { <-c.sending }()
	if c.sendErr != nil {
		return c.sendErr
	}
	first := min(len(b), oneWrite)
	c.out = binary.BigEndian.AppendUint32(c.out[:0], uint32(len(b)))
	c.out = append(c.out, b[:first]...)
	n, err := c.c.Write(c.out)
	if err == nil && first < len(b) {
		_, err = c.c.Write(b[first:])
	}
	if cap(c.out) > readSize {
		c.out = nil
	}
	if err != nil {
		err = fmt.Errorf("send to %s: %w", c.RemoteAddr(), err)
		if n > 0 || !isTimeout(err) {
			c.sendErr = err
		}
	}
	return err
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// RecvBytes receives one message. A message longer than most bytes is a
// *MessageTooLong and is not lost: a call with a larger most receives it. With
// most 0 or less, the connection's own limit alone counts; above that the
// connection receives nothing more.
//
// The error is io.EOF when the peer has closed the connection between two
// messages, and io.ErrUnexpectedEOF inside one.
func (c *Conn) RecvBytes(most int) ([]byte, error) {
	if !c.canRecv {
		return nil, ErrWriteOnly
	}
	c.receiving <- struct{}{}
	defer func() { <-c.receiving }()
	if err := c.fetch(most); err != nil {
		return nil, err
	}
	return c.in.own(), nil
}

// RecvBytesInto receives one message into buf and returns its length. If buf
// is too short the error is a *BufferTooShort that carries the whole message.
// Other errors are those of RecvBytes.
func (c *Conn) RecvBytesInto(buf []byte) (int, error) {
	if !c.canRecv {
		return 0, ErrWriteOnly
	}
	c.receiving <- struct{}{}
	defer func() { <-c.receiving }()
	if err := c.fetch(0); err != nil {
		return 0, err
	}
	if c.in.need > len(buf) {
		return 0, &BufferTooShort{Message: c.in.own(), Size: len(buf)}
	}
	n := copy(buf, c.in.view())
	c.in.done()
	return n, nil
}

// fetch reads until a whole message is there. Receiving is held.
func (c *Conn) fetch(most int) error {
	for {
		ok, err := c.in.whole(most, c.most)
		if err != nil {
			return c.recvError(err)
		}
		if ok {
			return nil
		}
		c.in.read(c.c.Read)
	}
}

func (c *Conn) recvError(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return err
	}
	return fmt.Errorf("receive from %s: %w", c.RemoteAddr(), err)
}
