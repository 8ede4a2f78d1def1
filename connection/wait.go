package connection

import (
	"context"
	"errors"
	"time"

	"github.com/syncmanager/syncmanager/internal/link"
)

// tryTime is how long Poll(0) waits on a stream that has no non-blocking read.
const tryTime = 2 * time.Millisecond

var longAgo = time.Unix(1, 0)

// Poll tells whether there is something to receive: at least a part of a
// message, or the end of the stream, which the next receive then returns. It
// waits up to the timeout, 0 meaning not at all and less than 0 without a bound,
// or until the context ends, whose error it then returns.
//
// It fails when the read deadline passes. While another goroutine receives,
// Poll waits for it first.
func (c *Conn) Poll(ctx context.Context, timeout time.Duration) (bool, error) {
	if !c.canRecv {
		return false, ErrWriteOnly
	}
	switch {
	case timeout < 0:
		return c.readyWithin(ctx)
	case timeout == 0 && c.try != nil:
		if err := ctx.Err(); err != nil {
			return false, err
		}
		select {
		case c.receiving <- struct{}{}:
		default:
			return false, nil // another goroutine is about to take what comes
		}
		defer func() { <-c.receiving }()
		return c.readyNow()
	}
	bounded, cancel := context.WithTimeout(ctx, max(timeout, tryTime))
	defer cancel()
	ok, err := c.readyWithin(bounded)
	if err != nil && bounded.Err() != nil && errors.Is(err, bounded.Err()) {
		return false, ctx.Err() // nil if only the timeout is over
	}
	return ok, err
}

// readyNow looks without waiting. Receiving is held.
func (c *Conn) readyNow() (bool, error) {
	if c.in.ready() {
		return true, nil
	}
	c.in.read(c.try.TryRead)
	if errors.Is(c.in.err, link.ErrWouldBlock) {
		c.in.err = nil
	}
	if c.in.ready() {
		return true, nil
	}
	err := c.in.failure() // the read deadline
	if err != nil {
		err = c.recvError(err)
	}
	return false, err
}

// readyWithin waits until there is something to receive or the context ends.
// It leaves nothing behind that reads.
func (c *Conn) readyWithin(ctx context.Context) (bool, error) {
	select {
	case c.receiving <- struct{}{}:
	case <-ctx.Done():
		return false, ctx.Err()
	}
	defer func() { <-c.receiving }()
	if c.in.ready() {
		return true, nil
	}
	if c.try != nil {
		if ok, err := c.readyNow(); ok || err != nil {
			return ok, err
		}
	}
	if err := ctx.Err(); err != nil {
		return false, err
	}
	// The end of the context interrupts the read by way of the deadline, and
	// the caller's own deadline is put back after it.
	over := false // guarded by c.mu: it is too late to interrupt
	stop := context.AfterFunc(ctx, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if !over {
			c.interrupted = true
			_ = c.c.SetReadDeadline(longAgo)
		}
	})
	c.in.read(c.c.Read)
	if !stop() {
		c.mu.Lock()
		over = true
		c.interrupted = false
		_ = c.c.SetReadDeadline(c.readDeadline)
		c.mu.Unlock()
	}
	if c.in.ready() {
		return true, nil
	}
	err := c.in.failure()
	if e := ctx.Err(); e != nil {
		return false, e
	}
	if err != nil {
		err = c.recvError(err)
	}
	return false, err
}

// Wait waits until at least one of the connections has something to receive,
// and returns all that have, in the order given. The end of a stream counts,
// and so does any other error: the next receive returns it. A connection on
// which another goroutine is receiving is ready when that is done and more has
// come. When the context ends first, it returns none and the context's error;
// with no connections that is all that it waits for.
//
// Wait uses a goroutine for each connection while it waits, and none after.
func Wait(ctx context.Context, conns ...*Conn) ([]*Conn, error) {
	type seen struct {
		i     int
		ready bool
	}
	ready := make([]bool, len(conns))
	any := false
	var slow []int
	for i, c := range conns {
		ok, err := c.glance()
		ready[i] = ok || err != nil
		any = any || ready[i]
		if !ready[i] {
			slow = append(slow, i)
		}
	}
	if !any {
		inner, cancel := context.WithCancel(ctx)
		defer cancel()
		results := make(chan seen, len(slow))
		for _, i := range slow {
			go func() {
				ok, err := conns[i].readyWithin(inner)
				results <- seen{i, ok || err != nil && inner.Err() == nil}
			}()
		}
		if len(slow) == 0 {
			<-ctx.Done()
		}
		for range slow {
			r := <-results
			if r.ready {
				ready[r.i], any = true, true
				cancel() // the others give what they know, and end
			}
		}
	}
	if !any {
		return nil, ctx.Err()
	}
	var out []*Conn
	for i, c := range conns {
		if ready[i] {
			out = append(out, c)
		}
	}
	return out, nil
}

// glance looks without waiting, where that can be done. An end that only sends
// has nothing to wait for, which is an error like any other.
func (c *Conn) glance() (bool, error) {
	if !c.canRecv {
		return false, ErrWriteOnly
	}
	select {
	case c.receiving <- struct{}{}:
	default:
		return false, nil
	}
	defer func() { <-c.receiving }()
	if c.try == nil {
		return c.in.ready(), nil
	}
	return c.readyNow()
}
