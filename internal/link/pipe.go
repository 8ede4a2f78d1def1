package link

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// PipeBuffer is how many bytes each direction of a Pipe holds.
const PipeBuffer = 64 << 10

// Pipe returns two connected in-memory connections. Each direction holds up to
// PipeBuffer bytes before writes block. Deadlines work as on a socket. Both
// ends may be used inside a testing/synctest bubble, and waiting on them is
// durably blocking.
//
// After Close, the peer reads what was written before and then io.EOF; its
// writes fail with io.ErrClosedPipe. The closed end itself gets net.ErrClosed.
func Pipe() (net.Conn, net.Conn) {
	ab, ba := newHalf(), newHalf()
	return &pipeConn{in: ba, out: ab}, &pipeConn{in: ab, out: ba}
}

// pipeAddr is the address of both ends of a Pipe.
type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }

type pipeConn struct{ in, out *half }

func (c *pipeConn) Read(p []byte) (int, error)  { return c.in.read(p, true) }
func (c *pipeConn) Write(p []byte) (int, error) { return c.out.write(p, true) }

// TryRead implements TryReader.
func (c *pipeConn) TryRead(p []byte) (int, error) { return c.in.read(p, false) }

// TryWrite implements TryWriter.
func (c *pipeConn) TryWrite(p []byte) (int, error) { return c.out.write(p, false) }

func (c *pipeConn) LocalAddr() net.Addr  { return pipeAddr{} }
func (c *pipeConn) RemoteAddr() net.Addr { return pipeAddr{} }

func (c *pipeConn) Close() error {
	c.in.closeReader()
	c.out.closeWriter()
	return nil
}

func (c *pipeConn) SetDeadline(t time.Time) error {
	c.in.setReadDeadline(t)
	c.out.setWriteDeadline(t)
	return nil
}

func (c *pipeConn) SetReadDeadline(t time.Time) error {
	c.in.setReadDeadline(t)
	return nil
}

func (c *pipeConn) SetWriteDeadline(t time.Time) error {
	c.out.setWriteDeadline(t)
	return nil
}

// half is one direction. All waiting is on one condition, which a synctest
// bubble knows as durably blocking; a mutex held while waiting would not be.
type half struct {
	mu      sync.Mutex
	cond    sync.Cond
	b       []byte // b[r:] was written and not read
	r       int
	writing bool // a Write is under way: others wait, so that none is torn
	wclosed bool // no more is written
	rclosed bool // nobody reads

	rd, wd deadline
}

// deadline is a point in time that wakes whoever waits.
type deadline struct {
	timer   *time.Timer
	gen     int
	expired bool
}

func newHalf() *half {
	h := &half{}
	h.cond.L = &h.mu
	return h
}

func (h *half) read(p []byte, block bool) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.rclosed:
			return 0, net.ErrClosed
		case h.rd.expired:
			return 0, os.ErrDeadlineExceeded
		case len(p) == 0:
			return 0, nil
		case h.r < len(h.b):
			n := copy(p, h.b[h.r:])
			if h.r += n; h.r == len(h.b) {
				h.b, h.r = h.b[:0], 0
				if cap(h.b) > size0 {
					h.b = nil
				}
			}
			h.cond.Broadcast()
			return n, nil
		case h.wclosed:
			return 0, io.EOF
		case !block:
			return 0, ErrWouldBlock
		}
		h.cond.Wait()
	}
}

func (h *half) write(p []byte, block bool) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.writing && !h.wclosed && !h.rclosed && !h.wd.expired {
		if !block {
			return 0, nil
		}
		h.cond.Wait()
	}
	if !h.writing {
		h.writing = true
		defer func() {
			h.writing = false
			h.cond.Broadcast()
		}()
	}
	total := 0
	for {
		switch {
		case h.wclosed:
			return total, net.ErrClosed
		case h.rclosed:
			return total, io.ErrClosedPipe
		case h.wd.expired:
			return total, os.ErrDeadlineExceeded
		}
		if n := min(len(p), PipeBuffer-(len(h.b)-h.r)); n > 0 {
			if h.r > 0 && len(h.b)+n > cap(h.b) {
				h.b, h.r = h.b[:copy(h.b, h.b[h.r:])], 0
			}
			h.b = append(h.b, p[:n]...)
			p, total = p[n:], total+n
			h.cond.Broadcast()
		}
		if len(p) == 0 || !block {
			return total, nil
		}
		h.cond.Wait()
	}
}

func (h *half) closeWriter() {
	h.mu.Lock()
	h.wclosed = true
	h.wd.stop()
	h.cond.Broadcast()
	h.mu.Unlock()
}

func (h *half) closeReader() {
	h.mu.Lock()
	h.rclosed = true
	h.b, h.r = nil, 0
	h.rd.stop()
	h.cond.Broadcast()
	h.mu.Unlock()
}

func (h *half) setReadDeadline(t time.Time)  { h.setDeadline(&h.rd, t) }
func (h *half) setWriteDeadline(t time.Time) { h.setDeadline(&h.wd, t) }

func (h *half) setDeadline(d *deadline, t time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	d.stop()
	d.expired = false
	if t.IsZero() {
		return
	}
	left := time.Until(t)
	if left <= 0 {
		d.expired = true
		h.cond.Broadcast()
		return
	}
	gen := d.gen
	d.timer = time.AfterFunc(left, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if d.gen == gen {
			d.expired = true
			h.cond.Broadcast()
		}
	})
}

// stop ends the timer; one that has fired already finds another generation.
func (d *deadline) stop() {
	d.gen++
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}
