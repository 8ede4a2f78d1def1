package client

import (
	"context"
	"time"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// leave ends the wait of a caller whose context is over. A nil error says that
// the record holds an answer after all.
func (s *Session) leave(ctx context.Context, c *Call) error {
	s.mu.Lock()
	switch {
	case c.state == stateAnswered:
		s.mu.Unlock()
		<-c.ready
		return nil
	case c.surely:
		return s.leaveBehind(ctx, c)
	case !c.sent:
		// No connection has seen it, so nothing happened and nothing will.
		s.calls.Remove(c.serial)
		s.doneLocked(c.serial)
		s.mu.Unlock()
		return ctxError(ctx, c.label(), false)
	case c.method.Flags&Reads != 0:
		if c.method.Flags&Parks != 0 {
			s.cancelLocked(c.serial, wire.CancelAsk)
		}
		s.leaveLocked(c, stateRetired)
		cn := s.conn
		s.mu.Unlock()
		if cn != nil {
			cn.out.Flush()
		}
		return ctxError(ctx, c.label(), false)
	case s.conn == nil:
		s.leaveLocked(c, stateAbandoned)
		s.mu.Unlock()
		return ctxError(ctx, c.label(), true)
	}
	c.asked = true
	s.cancelLocked(c.serial, wire.CancelAsk)
	cn := s.conn
	s.mu.Unlock()
	cn.out.Flush()
	t := time.NewTimer(s.config.Verdict)
	defer t.Stop()
	select {
	case <-c.ready:
	case <-t.C:
		s.mu.Lock()
		if c.state != stateAnswered {
			s.cancelLocked(c.serial, wire.CancelAbandon)
			s.leaveLocked(c, stateAbandoned)
			cn := s.conn
			s.mu.Unlock()
			if cn != nil {
				cn.out.Flush()
			}
			s.flushSoon()
			return ctxError(ctx, c.label(), true)
		}
		s.mu.Unlock()
		<-c.ready
	}
	half, _ := c.answered.(*halfWay)
	switch {
	case c.answered == errCancelled:
		return ctxError(ctx, c.label(), false)
	case half != nil:
		s.flushSoon()
		err := ctxError(ctx, c.label(), true)
		err.Verdict = half.verdict
		return err
	case c.answered == errNoVerdict:
		s.flushSoon()
		return ctxError(ctx, c.label(), true)
	}
	return nil
}

// leaveBehind ends the wait of the caller of a call that takes effect all the
// same. The session's mutex is held, and not any more when it returns.
func (s *Session) leaveBehind(ctx context.Context, c *Call) error {
	if s.conn != nil {
		s.mu.Unlock()
		t := time.NewTimer(s.config.Verdict)
		defer t.Stop()
		select {
		case <-c.ready:
			return nil
		case <-t.C:
		}
		s.mu.Lock()
	}
	if c.state == stateAnswered {
		s.mu.Unlock()
		<-c.ready
		return nil
	}
	t := s.record()
	t.method, t.serial, t.state, t.sent = c.method, c.serial, stateOneway, c.sent
	t.name, t.flags, t.guard, t.fence = c.name, c.flags, c.guard, c.fence
	t.args, c.args = c.args, t.args
	s.replaceLocked(c, t)
	s.mu.Unlock()
	return ctxError(ctx, c.label(), true)
}

// cancelLocked appends a CANCEL if there is a connection.
func (s *Session) cancelLocked(serial uint64, mode byte) {
	if s.conn != nil {
		s.conn.append(func(b []byte) []byte { return wire.AppendCancel(b, serial, mode) })
	}
}

// leaveLocked puts a record of its own in the place of one whose caller leaves.
// It keeps what the call names reachable until the server is done with it.
func (s *Session) leaveLocked(c *Call, state callState) {
	t := s.record()
	t.method, t.serial, t.state, t.sent = c.method, c.serial, state, true
	s.replaceLocked(c, t)
	if state == stateAbandoned {
		s.gone++
	}
}

// replaceLocked puts the record t in the place of c, with all that the call
// names.
func (s *Session) replaceLocked(c, t *Call) {
	t.target, c.target = c.target, nil
	t.pins, c.pins = c.pins, t.pins
	if t.target != nil {
		// For errors and logs of the caller, who still has the record.
		c.name = t.target.ref.TypeID + "." + c.labelName()
	}
	s.calls.Put(t.serial, t)
}

// labelName returns the method's name without its type.
func (c *Call) labelName() string {
	if c.name != "" {
		return c.name
	}
	return c.method.Name
}

// abandon has the server undo a call whose reply came.
func (s *Session) abandon(serial uint64) {
	s.mu.Lock()
	if s.dead != nil {
		s.mu.Unlock()
		return
	}
	t := s.record()
	t.method, t.serial, t.state, t.sent = abandoned, serial, stateAbandoned, true
	s.calls.Put(t.serial, t)
	s.gone++
	s.cancelLocked(serial, wire.CancelAbandon)
	cn := s.conn
	s.mu.Unlock()
	if cn != nil {
		cn.out.Flush()
	}
	s.flushSoon()
}

var abandoned = &Method{Name: "abandoned"}
