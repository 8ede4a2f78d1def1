package engine

// Waiters is a list of parked calls, first come, first served. The zero value
// is an empty list. Calls of a session without a connection count in Len but
// are not in the list that First and Next walk.
type Waiters struct {
	head, tail *Call
	n          int
}

// Len returns how many calls wait, those of absent sessions included.
func (w *Waiters) Len() int { return w.n }

// First returns the call that is served next, or nil.
func (w *Waiters) First() *Call { return w.head }

// Next returns the call behind c in its list, or nil.
func (c *Call) Next() *Call { return c.next }

// insert links c in the order of its place in the queue. A new call has the
// last place; a call of a session that is back has its old one.
func (w *Waiters) insert(c *Call) {
	after := w.tail
	for after != nil && after.place > c.place {
		after = after.prev
	}
	c.prev = after
	if after == nil {
		c.next = w.head
		w.head = c
	} else {
		c.next = after.next
		after.next = c
	}
	if c.next == nil {
		w.tail = c
	} else {
		c.next.prev = c
	}
}

// unlink takes c out of the walk.
func (w *Waiters) unlink(c *Call) {
	if c.prev == nil {
		w.head = c.next
	} else {
		c.prev.next = c.next
	}
	if c.next == nil {
		w.tail = c.prev
	} else {
		c.next.prev = c.prev
	}
	c.prev, c.next = nil, nil
}

// callList is a session's list of calls in one state, in the order in which
// they entered it.
type callList struct {
	head, tail *Call
	n          int
}

func (l *callList) push(c *Call) {
	c.sPrev, c.sNext, c.sList = l.tail, nil, l
	if l.tail == nil {
		l.head = c
	} else {
		l.tail.sNext = c
	}
	l.tail = c
	l.n++
}

// leave takes the call out of its session's list, if it is in one.
func (c *Call) leave() {
	l := c.sList
	if l == nil {
		return
	}
	if c.sPrev == nil {
		l.head = c.sNext
	} else {
		c.sPrev.sNext = c.sNext
	}
	if c.sNext == nil {
		l.tail = c.sPrev
	} else {
		c.sNext.sPrev = c.sPrev
	}
	c.sPrev, c.sNext, c.sList = nil, nil, nil
	l.n--
}
