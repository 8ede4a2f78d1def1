package client

import (
	"context"
	"errors"
	"io"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/syncmanager/syncmanager/internal/link"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// A connection is read by one goroutine at a time: the session's read loop, or
// one of few callers. A caller that reads its reply itself saves the hand-over from
// the read loop, which takes longer than the rest of the client together; it takes
// the replies of the others along. With many callers the read loop is better: it
// takes the replies of all of them at once, lets them make their next calls, and
// writes these together.
//
// The turn is taken and given up under the session's mutex. The read loop takes
// it when a caller gives it up and others wait, when a caller met an error, and
// when nobody has had it for a while: somebody must hear the server.

// turn says who reads a connection.
type turn uint8

const (
	turnNobody turn = iota
	turnLoop
	turnCaller
)

const (
	// few is how many calls may be under way while callers read, and calmRuns how
	// many calls in a row must have found no more before they do.
	few      = 4
	calmRuns = 16
	// standby is how long nobody reads before the read loop does, and maxStandby
	// how long at most after callers who wait for long: it looks ever more rarely
	// while one of them reads.
	standby    = 10 * time.Millisecond
	maxStandby = 8 * standby
)

// takeTurnLocked gives a caller the turn to read, if it may have it.
func (s *Session) takeTurnLocked(c *conn) bool {
	if s.calls.Len() > few {
		s.calm = 0
		return false
	}
	if s.calm < calmRuns {
		s.calm++
		return false
	}
	if c.turn != turnNobody || c.readErr != nil {
		return false
	}
	c.turn = turnCaller
	return true
}

// passTurn gives the turn up. The read loop takes it over if somebody waits for
// a reply, or if the connection has ended.
func (s *Session) passTurn(c *conn, err error) {
	s.mu.Lock()
	c.turn = turnNobody
	if c.readErr == nil {
		c.readErr = err
	}
	wake := s.calls.Len() > 0 || c.readErr != nil || s.closing
	s.mu.Unlock()
	if wake {
		c.nudge()
	}
}

// nudge makes the read loop look whose turn it is.
func (c *conn) nudge() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// readReply reads as a caller whose turn it is, until its reply is there or its
// context ends. In both cases, and after an error of the connection, the caller
// goes on as if the read loop had been reading.
func (s *Session) readReply(ctx context.Context, cn *conn, c *Call) {
	if ctx.Done() != nil {
		cn.interrupter.begin(ctx)
	}
	var err error
	for len(c.ready) == 0 && err == nil {
		err = s.readOne(cn, c)
	}
	if ctx.Done() != nil && cn.interrupter.end() && err == errInterrupted {
		err = nil
	}
	s.passTurn(cn, err)
}

// readOne reads what comes next, and all that came with it. own is the call whose
// reply the reader waits for, nil for the read loop.
func (s *Session) readOne(c *conn, own *Call) error {
	woken := false
	for {
		kind, body, err := c.in.Next()
		if err != nil {
			return readError(err)
		}
		// Replies stay in order with all else: the batch is delivered before a
		// message of another kind is handled.
		if kind == wire.KindReply {
			if err := c.batch.add(body, c.in.Owned()); err != nil {
				return errors.Join(s.deliver(&c.batch), err)
			}
			if len(c.batch.replies) < maxBatch && c.in.Buffered() {
				continue
			}
		}
		if len(c.batch.replies) > 0 {
			if !woken {
				woken = true
				c.out.Hold()
			}
			if err := s.deliver(&c.batch); err != nil {
				c.out.Resume()
				return err
			}
		}
		if kind != wire.KindReply {
			if err := s.handle(c, kind, body); err != nil {
				return err
			}
		}
		if !c.in.Buffered() {
			if woken {
				if own == nil || len(own.ready) == 0 {
					runtime.Gosched()
				}
				c.out.Resume()
			}
			return nil
		}
	}
}

var errInterrupted = errors.New("a read was interrupted")

// readError returns the reason for the end of a connection.
func readError(err error) error {
	switch {
	case errors.Is(err, link.ErrFrame):
		return wire.Errorf(wire.CodeProtocol, "the server sent a %v", err)
	case errors.Is(err, io.EOF):
		return errors.New("the server closed the connection")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errInterrupted
	}
	return err
}

// interrupter ends a caller's read when his context ends. It stays with the
// context from one call to the next: programs make many calls with one context,
// and watching it anew each time would cost more than the rest of the call.
type interrupter struct {
	conn *conn

	mu      sync.Mutex // guards what follows
	ctx     context.Context
	stop    func() bool
	reading bool
	hit     bool
}

// begin makes the end of the context end the reads that follow.
func (i *interrupter) begin(ctx context.Context) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.reading = true
	if i.ctx == ctx {
		return
	}
	if i.stop != nil {
		i.stop()
	}
	i.ctx = ctx
	i.stop = context.AfterFunc(ctx, func() { i.fire(ctx) })
}

func (i *interrupter) fire(ctx context.Context) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.ctx != ctx {
		return
	}
	i.ctx, i.stop = nil, nil
	if i.reading {
		i.hit = true
		_ = i.conn.net.SetReadDeadline(time.Unix(1, 0)) // an error is the connection's end
	}
}

// end takes an interruption back, and reports whether there was one.
func (i *interrupter) end() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	hit := i.hit
	i.reading, i.hit = false, false
	if hit {
		_ = i.conn.net.SetReadDeadline(time.Time{})
	}
	return hit
}

// forget lets go of the context, when no caller has read for a while.
func (i *interrupter) forget() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.stop != nil {
		i.stop()
	}
	i.ctx, i.stop = nil, nil
}

// read is the read loop: it returns when the connection ends, with the reason.
// A *wire.Error is the server's word, or what is wrong with what it sent.
func (s *Session) read(c *conn) error {
	t := time.NewTimer(standby)
	defer t.Stop()
	look := standby
	for {
		busy, over, err := s.loopTurn(c)
		if over {
			c.in.Release()
			return err
		}
		if busy {
			look = min(2*look, maxStandby)
		} else {
			look = standby
		}
		t.Reset(look)
		select {
		case <-c.wake:
		case <-t.C:
		case <-s.ctx.Done():
			c.close() // ends the read of a caller
			s.mu.Lock()
			c.readErr = errors.Join(c.readErr, s.ctx.Err())
			reading := c.turn == turnCaller
			s.mu.Unlock()
			if reading {
				<-c.wake // by passTurn
			}
		}
	}
}

// loopTurn reads until nobody waits for a reply, unless a caller reads: then busy
// is true. over tells that the connection has ended.
func (s *Session) loopTurn(c *conn) (busy, over bool, err error) {
	s.mu.Lock()
	switch {
	case c.turn == turnCaller:
		s.mu.Unlock()
		return true, false, nil
	case c.readErr != nil:
		s.mu.Unlock()
		return false, true, c.readErr
	}
	c.turn = turnLoop
	s.mu.Unlock()
	c.interrupter.forget()
	for {
		if err := s.readOne(c, nil); err != nil {
			return false, true, err
		}
		s.mu.Lock()
		if s.calls.Len() == 0 && s.calm >= calmRuns && !s.finished && !s.closing {
			c.turn = turnNobody
			s.mu.Unlock()
			return false, false, nil
		}
		s.mu.Unlock()
	}
}
