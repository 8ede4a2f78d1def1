package engine

// An owner is a handle of a session's, such as a thread, that holds locks and
// waits for locks. The calls that an owner waits in are indexed by it, so that
// a cycle of owners is found by a walk from hold to hold.

// Await records that the parked call waits, for its Owner and without a
// deadline, until target's hold ends. It is forgotten when the call is
// unparked.
func (c *Call) Await(target *Object) {
	s := c.Session
	l := s.awaiting[c.Owner]
	if l == nil {
		if s.awaiting == nil {
			s.awaiting = make(map[uint64]*List[Call])
		}
		if l, s.spare = s.spare, nil; l == nil {
			l = new(List[Call])
		}
		s.awaiting[c.Owner] = l
	}
	l.insert(&c.inOwner, c, nil)
	c.awaits, c.since = target, c.Object.engine.now
}

func (c *Call) unawait() {
	if c.awaits == nil {
		return
	}
	c.inOwner.Remove()
	c.awaits = nil
	if l := c.Session.awaiting[c.Owner]; l.Len() == 0 {
		delete(c.Session.awaiting, c.Owner)
		c.Session.spare = l
	}
}

// Awaiting returns the call that the owner has waited in since last, or nil.
// An owner that uses its handle in one place at a time has at most one.
func (s *Session) Awaiting(owner uint64) *Call {
	if l := s.awaiting[owner]; l != nil {
		return l.First()
	}
	return nil
}

// NextAwaiting returns another call that the call's owner waits in, or nil.
func (c *Call) NextAwaiting() *Call { return c.inOwner.Next() }

// Awaits returns the object of Await, and the time of the command that called
// it. The call must be one that Awaiting or NextAwaiting returned.
func (c *Call) Awaits() (target *Object, since int64) { return c.awaits, c.since }
