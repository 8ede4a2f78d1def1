package engine

// Waiters is a list of parked calls, first come, first served. The zero value
// is an empty list. Calls of sessions without a connection keep their places,
// but First passes them over: what is handed out goes to somebody who can use
// it. Any does not: what wakes everybody wakes them too.
type Waiters struct {
	present, absent queue
}

// Len returns how many calls wait, those of absent sessions included.
func (w *Waiters) Len() int { return w.present.n + w.absent.n }

// First returns the call that is served next, or nil.
func (w *Waiters) First() *Call { return w.present.head }

// Any returns the call that has waited longest, whether its session has a
// connection or not, or nil.
func (w *Waiters) Any() *Call {
	p, a := w.present.head, w.absent.head
	if p == nil || a != nil && a.place < p.place {
		return a
	}
	return p
}

// Next returns the call behind c that is served after it, or nil.
func (c *Call) Next() *Call { return c.next }

// queue is the order of the calls in one half of a Waiters.
type queue struct {
	head, tail *Call
	last       *Call // inserted before others: the next is likely to follow it
	n          int
}

// insert links c by its place. A new call has the last place; a call of a
// session that is back has its old one, mostly behind the one inserted before.
func (q *queue) insert(c *Call) {
	after := q.tail
	if after != nil && after.place > c.place {
		if q.last != nil {
			after = q.last
		}
		for after.next != nil && after.next.place < c.place {
			after = after.next
		}
		for after != nil && after.place > c.place {
			after = after.prev
		}
		q.last = c
	}
	c.prev = after
	if after == nil {
		c.next = q.head
		q.head = c
	} else {
		c.next = after.next
		after.next = c
	}
	if c.next == nil {
		q.tail = c
	} else {
		c.next.prev = c
	}
	c.queue = q
	q.n++
}

// unlink takes c out of the queue that it is in.
func (c *Call) unlink() {
	q := c.queue
	if q.last == c {
		q.last = c.prev
	}
	if c.prev == nil {
		q.head = c.next
	} else {
		c.prev.next = c.next
	}
	if c.next == nil {
		q.tail = c.prev
	} else {
		c.next.prev = c.prev
	}
	c.prev, c.next, c.queue = nil, nil, nil
	q.n--
}

// half returns the part of the list that calls of the session stand in.
func (w *Waiters) half(s *Session) *queue {
	if s.connected {
		return &w.present
	}
	return &w.absent
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
