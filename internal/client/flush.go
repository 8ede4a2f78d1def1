package client

import (
	"slices"
	"time"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// done notes that the caller has what the reply carried.
func (s *Session) done(serial uint64) {
	s.mu.Lock()
	s.doneLocked(serial)
	cn := s.ackDueLocked()
	s.mu.Unlock()
	if cn != nil {
		cn.out.Flush()
	}
}

// ackDueLocked appends an ACK frame if enough is collected for one, and returns
// the connection that is to be flushed then, else nil.
func (s *Session) ackDueLocked() *conn {
	if s.conn == nil || !s.acks.due() {
		return nil
	}
	s.conn.append(s.acks.append)
	return s.conn
}

func (s *Session) doneLocked(serial uint64) {
	s.acks.add(serial)
	s.flushSoon()
}

// flushSoon sees to it that flushNow runs soon. It takes no lock.
func (s *Session) flushSoon() {
	if !s.flushing.Load() && s.flushing.CompareAndSwap(false, true) {
		s.flush.Reset(s.config.AckDelay)
	}
}

// flushNow sends what may wait for a moment: acknowledgements, releases, and
// the question whether abandoned calls are known to be.
func (s *Session) flushNow() {
	s.flushing.Store(false)
	s.mu.Lock()
	cn := s.conn
	if cn == nil || s.dead != nil {
		s.mu.Unlock()
		return
	}
	// A CANCEL may overtake its CALL in fragments. The serial must not be
	// acknowledged before that CALL has arrived, hence only a PING behind all
	// that was written proves it.
	if s.gone > 0 {
		if cn.out.Pending() == 0 {
			token := s.pingLocked(cn, nil)
			for _, c := range s.calls.All() {
				if c.state == stateAbandoned && c.confirm == 0 {
					c.confirm = token
				}
			}
			s.gone = 0
		} else {
			s.flushSoon()
		}
	}
	for s.releaseLocked(cn) {
	}
	if s.acks.dirty() {
		cn.append(s.acks.append)
	}
	s.mu.Unlock()
	cn.out.Flush()
}

// confirmLocked ends the abandoned calls that the server knows of.
func (s *Session) confirmLocked(token uint64) {
	for _, c := range s.calls.All() {
		if serial := c.serial; c.state == stateAbandoned && c.confirm != 0 && c.confirm <= token {
			s.calls.Remove(serial)
			s.settled = max(s.settled, serial)
			s.doneLocked(serial)
			c.recycle()
		}
	}
}

// releaseLocked sends one call that gives references back. It reports whether
// it did.
func (s *Session) releaseLocked(cn *conn) bool {
	c := s.record()
	args := s.refs.takeBack(c.args[:0])
	if args == nil {
		s.records.Put(c)
		return false
	}
	s.serial++
	c.method, c.args, c.serial = &ServerRelease, args, s.serial
	c.state, c.sent = stateOneway, true
	s.calls.Put(c.serial, c)
	s.acks.sent = s.acks.watermark
	m := c.message(s.acks.watermark)
	cn.append(func(b []byte) []byte { return wire.AppendCall(b, &m) })
	return true
}

// resendLocked repeats on a new connection what the server may not have seen
// or whose reply may be lost, in the order of the serials.
func (s *Session) resendLocked(cn *conn) {
	serials := make([]uint64, 0, s.calls.Len())
	for _, c := range s.calls.All() {
		serials = append(serials, c.serial)
	}
	slices.Sort(serials)
	now := time.Now()
	for _, serial := range serials {
		c := s.calls.Get(serial)
		switch c.state {
		case stateRetired:
			// Its reply may be kept and grant references: have it undone.
			c.state = stateAbandoned
			fallthrough
		case stateAbandoned:
			c.confirm = 0
			cn.append(func(b []byte) []byte { return wire.AppendCancel(b, serial, wire.CancelAbandon) })
			continue
		}
		m := c.message(s.acks.watermark)
		if m.Flags&wire.CallTimeout != 0 && !c.deadline.IsZero() {
			m.Timeout = uint64(max(c.deadline.Sub(now), 0))
		}
		c.sent = true
		if c.isLarge() {
			c.loans = append(c.loans, sendLarge(cn.out, c, &m))
			continue
		}
		cn.append(func(b []byte) []byte { return wire.AppendCall(b, &m) })
	}
	s.gone = 0
	for _, c := range s.calls.All() {
		if c.state == stateAbandoned {
			s.gone++
		}
	}
	s.repeatPingsLocked(cn)
	s.flushSoon()
}
