package engine

// Waiters is a list of parked calls, first come, first served. The zero value
// is an empty list. Calls of sessions without a connection keep their places,
// but First passes them over: what is handed out goes to somebody who can use
// it. Any does not: what wakes everybody wakes them too.
type Waiters struct {
	present, absent List[Call]
	last            *Call // entered before others: the next is likely to follow it
}

// Len returns how many calls wait, those of absent sessions included.
func (w *Waiters) Len() int { return w.present.n + w.absent.n }

// First returns the call that is served next, or nil.
func (w *Waiters) First() *Call { return w.present.First() }

// Any returns the call that has waited longest, whether its session has a
// connection or not, or nil.
func (w *Waiters) Any() *Call {
	p, a := w.present.First(), w.absent.First()
	if p == nil || a != nil && a.place < p.place {
		return a
	}
	return p
}

// Next returns the call behind c that is served after it, or nil.
func (c *Call) Next() *Call { return c.inQueue.Next() }

// enter puts c where its session's connection and its place say. A new call has
// the last place; a call of a session that is back has its old one, mostly
// behind the one that entered before.
func (w *Waiters) enter(c *Call) {
	l := &w.absent
	if c.Session.connected {
		l = &w.present
	}
	after := l.tail
	if after != nil && after.of.place > c.place {
		if w.last != nil && w.last.inQueue.list == l {
			after = &w.last.inQueue
		}
		for after.next != nil && after.next.of.place < c.place {
			after = after.next
		}
		for after != nil && after.of.place > c.place {
			after = after.prev
		}
		w.last = c
	}
	l.insert(&c.inQueue, c, after)
}
