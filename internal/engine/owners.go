package engine

// An owner is a handle of a session's, such as a thread, that holds locks and
// waits for locks. The calls that an owner waits in are indexed by it, so that
// a cycle of owners is found by a walk from hold to hold.

// Await records that the parked call waits, for its Owner and without a
// deadline, until target's hold ends. It is forgotten when the call is
// unparked.
func (c *Call) Await(target *Object) {
	s := c.Session
	if s.awaiting == nil {
		s.awaiting = make(map[uint64]*Call)
	}
	c.awaits, c.since = target, c.Object.engine.now
	c.aNext = s.awaiting[c.Owner]
	if c.aNext != nil {
		c.aNext.aPrev = c
	}
	s.awaiting[c.Owner] = c
}

func (c *Call) unawait() {
	if c.awaits == nil {
		return
	}
	switch {
	case c.aPrev != nil:
		c.aPrev.aNext = c.aNext
	case c.aNext != nil:
		c.Session.awaiting[c.Owner] = c.aNext
	default:
		delete(c.Session.awaiting, c.Owner)
	}
	if c.aNext != nil {
		c.aNext.aPrev = c.aPrev
	}
	c.awaits, c.aNext, c.aPrev = nil, nil, nil
}

// Awaiting returns the call that the owner has waited in since last, or nil.
// An owner that uses its handle in one place at a time has at most one.
func (s *Session) Awaiting(owner uint64) *Call { return s.awaiting[owner] }

// NextAwaiting returns another call that the call's owner waits in, or nil.
func (c *Call) NextAwaiting() *Call { return c.aNext }

// Awaits returns the object of Await, and the time of the command that called
// it. The call must be one that Awaiting or NextAwaiting returned.
func (c *Call) Awaits() (target *Object, since int64) { return c.awaits, c.since }
