package engine

import "github.com/syncmanager/syncmanager/internal/wire"

// parkedCost is what the engine counts for a parked call beyond its item.
const parkedCost = 384

// Park lets the call wait in the list and reports whether it does. Without a
// timeout to spend it leaves at once, as if the time had passed; at a limit it
// fails. When it does not wait, it may be touched no more.
func (c *Call) Park(w *Waiters) bool {
	e, s := c.Object.engine, c.Session
	if c.timeout == 0 && !c.deferred {
		c.leaving(LeaveTimeout)
		return false
	}
	cfg := &e.config
	if cfg.MaxParked > 0 && s.parked.Len() >= cfg.MaxParked && s.limited() {
		c.Fail(wire.Errorf(wire.CodeOverloaded, "%d calls of this session wait; the limit is %d", s.parked.Len(), cfg.MaxParked))
		return false
	}
	if cfg.MaxBytes > 0 && e.bytes >= cfg.MaxBytes {
		c.Fail(wire.Errorf(wire.CodeOverloaded, "the server holds %d bytes; the limit is %d; no call may wait", e.bytes, cfg.MaxBytes))
		return false
	}
	c.park(w)
	return true
}

// Stay lets a call that is leaving, or has not waited yet, wait in the list
// without a deadline, whatever the limits: one that gave up a lock in order to
// wait must get it back before it returns.
func (c *Call) Stay(w *Waiters) {
	c.timeout = noTimeout
	c.park(w)
}

func (c *Call) park(w *Waiters) {
	e, s := c.Object.engine, c.Session
	if c.state != callRunning || c.query != 0 {
		panic("engine: a call that is not running cannot wait")
	}
	c.place = e.nextPlace()
	c.order = c.place
	c.state = callParked
	s.calls.Put(c.Serial, c)
	s.parked.Push(&c.inSession, c)
	c.Object.parked.Push(&c.inObject, c)
	e.parked++
	e.bytes += parkedCost + int64(len(c.args))
	c.enlist(w)
	// A call that would not wait at all does wait for a busy object.
	if c.timeout != noTimeout && (c.timeout > 0 || !c.deferred) {
		c.deadline = e.until(c.timeout)
		e.timers.add(c)
	}
}

// queue lets a call wait until an object is not busy any more. Its handler has
// not run, or runs again.
func (c *Call) queue(o *Object) {
	c.deferred, c.behind = true, o
	c.Park(&o.waiting)
}

func (c *Call) enlist(w *Waiters) {
	c.list = w
	w.enter(c)
}

func (c *Call) delist() {
	c.inQueue.Remove()
	c.list = nil
}

// MoveTo lets a parked call wait in another list, behind those that are there.
// A deadline that it has goes on unless keepDeadline is false.
func (c *Call) MoveTo(w *Waiters, keepDeadline bool) {
	e := c.Object.engine
	if c.state != callParked {
		panic("engine: a call that does not wait cannot move")
	}
	c.delist()
	if !keepDeadline && c.timer >= 0 {
		e.timers.remove(c)
	}
	c.place = e.nextPlace()
	c.enlist(w)
}

// unpark takes a call out of everything that it waits in.
func (e *Engine) unpark(c *Call) {
	c.delist()
	if c.timer >= 0 {
		e.timers.remove(c)
	}
	c.inSession.Remove()
	c.unawait()
	c.inObject.Remove()
	e.parked--
	e.bytes -= parkedCost + int64(len(c.args))
	c.Session.calls.Remove(c.Serial)
	c.state = callRunning
	c.args, c.behind = nil, nil
}

// depart lets a parked call leave without having been served.
func (e *Engine) depart(c *Call, why Leaving) {
	e.unpark(c)
	if why == LeaveGone {
		c.given = true
	}
	c.leaving(why)
}

// leaving asks the method for its reply to a call that is not served, and
// gives the common one if it has none.
func (c *Call) leaving(why Leaving) {
	o, e := c.Object, c.Object.engine
	if leave := c.Method.Leave; leave != nil && !c.deferred && !o.poisoned {
		e.guarded(o, c, func(o *Object, c *Call) { leave(o, c, why) })
		switch {
		case c.Method == nil:
			return
		case c.state == callParked && why != LeaveTimeout && why != LeaveCancel:
			e.unpark(c) // there is nothing left to wait for
		case c.state != callRunning:
			return
		}
	}
	switch why {
	case LeaveTimeout:
		c.Fail(wire.ErrTimeout)
	case LeaveRemoved:
		if o.poisoned {
			c.Fail(poisonedError(o))
		} else {
			c.Fail(removedError(o))
		}
	case LeaveShutdown:
		c.Fail(wire.ErrShuttingDown)
	case LeaveDenied:
		c.Fail(c.Session.denied(o, c.Method))
	default:
		c.Fail(wire.ErrCancelled)
	}
}

// regrant is OpRegrant: the session's calls that wait, and that it may not make any
// more, leave.
func (e *Engine) regrant(s *Session, info *SessionInfo) {
	s.Info.Role, s.Info.Prefixes = info.Role, info.Prefixes
	var serials []uint64 // one that leaves may take others along
	for c := s.parked.First(); c != nil; c = c.inSession.Next() {
		if s.denied(c.Object, c.Method) != nil {
			serials = append(serials, c.Serial)
		}
	}
	for _, serial := range serials {
		if c := s.calls.Get(serial); c != nil && c.state == callParked {
			e.depart(c, LeaveDenied)
		}
	}
}

// cancel is OpCancel.
func (e *Engine) cancel(s *Session, serial uint64, abandon bool) {
	c := s.calls.Get(serial)
	if c == nil {
		// Not seen yet, or a call whose reply is not kept.
		if serial > s.watermark && !s.acked.Has(serial) {
			s.mark(serial, abandon)
		}
		return
	}
	if abandon {
		s.mark(serial, true) // an old connection may bring the call again
	}
	switch c.state {
	case callParked:
		if abandon {
			e.depart(c, LeaveGone)
		} else {
			e.depart(c, LeaveCancel)
		}
	case callOutside:
		if abandon {
			c.given = true
		}
		if c.Stage == stageCompute {
			e.stopComputing(c)
			c.Fail(wire.ErrCancelled)
			e.thaw()
			return
		}
		e.fx.Cancels = append(e.fx.Cancels, c.work)
	case callDone:
		if abandon {
			s.forget(c)
			e.undo(c)
			e.drop(c)
		}
	}
}

// maxMarks bounds the cancels of a session that came before their calls, and
// the abandoned calls, that are not acknowledged.
const maxMarks = 4096

// mark remembers that the serial, should it come, is not to be run.
func (s *Session) mark(serial uint64, abandon bool) {
	if _, ok := s.marks[serial]; !ok && len(s.marks) >= maxMarks {
		return
	}
	if s.marks == nil {
		s.marks = make(map[uint64]bool)
	}
	s.marks[serial] = s.marks[serial] || abandon
}

// shutdown is OpShutdown: whoever waits hears of it, and whoever calls later.
func (e *Engine) shutdown() {
	e.ending = true
	for o := e.all.First(); o != nil; o = o.inAll.Next() {
		o.dismiss(LeaveShutdown)
	}
	e.root.dismiss(LeaveShutdown)
}
