package engine

// An owner is a handle of a session's, such as a thread, that holds locks and
// waits for locks. What an owner waits for is indexed by it, each object once
// however many calls wait there, so that a cycle of owners is found by a walk
// from hold to hold.

// Await is one object whose hold an owner waits for the end of.
type Await struct {
	Session *Session
	Owner   uint64
	Target  *Object

	calls   List[Call]  // those that wait, first come first; never empty
	inOwner Link[Await] // of what the owner waits for, by the targets' ids
	free    *Await      // the next unused one
}

// MaxAwaits bounds how many objects an owner may wait for at once. A thread waits
// for one.
const MaxAwaits = 1024

// Await records that the parked call waits, for its Owner and without a
// deadline, until target's hold ends. It is forgotten when the call is
// unparked.
func (c *Call) Await(target *Object) {
	s, e := c.Session, c.Object.engine
	l := s.awaiting[c.Owner]
	if l == nil {
		if s.awaiting == nil {
			s.awaiting = make(map[uint64]*List[Await])
		}
		if l, s.spare = s.spare, nil; l == nil {
			l = new(List[Await])
		}
		s.awaiting[c.Owner] = l
	}
	at := l.tail // the newest object is the most likely
	for at != nil && at.of.Target.ID > target.ID {
		at = at.prev
	}
	a := at.value()
	if a == nil || a.Target != target {
		if a = e.freeAwait; a == nil {
			a = new(Await)
		} else {
			e.freeAwait = a.free
		}
		*a = Await{Session: s, Owner: c.Owner, Target: target}
		l.insert(&a.inOwner, a, at)
	}
	a.calls.Push(&c.inAwait, c)
	c.awaits, c.since = a, e.now
}

func (c *Call) unawait() {
	a := c.awaits
	if a == nil {
		return
	}
	c.inAwait.Remove()
	c.awaits = nil
	if a.calls.Len() > 0 {
		return
	}
	a.inOwner.Remove()
	if l := a.Session.awaiting[a.Owner]; l.Len() == 0 {
		delete(a.Session.awaiting, a.Owner)
		a.Session.spare = l
	}
	e := c.Object.engine
	*a = Await{free: e.freeAwait}
	e.freeAwait = a
}

// Awaiting returns the first of the objects that the owner waits for, or nil.
func (s *Session) Awaiting(owner uint64) *Await {
	if l := s.awaiting[owner]; l != nil {
		return l.First()
	}
	return nil
}

// Awaits returns for how many objects the owner waits.
func (s *Session) Awaits(owner uint64) int {
	if l := s.awaiting[owner]; l != nil {
		return l.Len()
	}
	return 0
}

// Next returns the next object that the owner waits for, or nil.
func (a *Await) Next() *Await { return a.inOwner.Next() }

// Since returns when the first call that still waits there began to.
func (a *Await) Since() int64 { return a.calls.First().since }
