package engine

import (
	"cmp"
	"container/heap"
)

// timer is a deadline in the engine's heap: of a parked call, or of an object.
type timer struct {
	call   *Call
	object *Object
}

func (t timer) at() int64 {
	if t.call != nil {
		return t.call.deadline
	}
	return t.object.wakeAt
}

// compare orders equal deadlines: calls leave in the order in which they were
// parked, then objects wake in the order of their creation.
func (t timer) compare(u timer) int {
	if n := cmp.Compare(t.at(), u.at()); n != 0 {
		return n
	}
	switch {
	case t.call != nil && u.call != nil:
		return cmp.Compare(t.call.place, u.call.place)
	case t.call != nil:
		return -1
	case u.call != nil:
		return 1
	}
	return cmp.Compare(t.object.ID, u.object.ID)
}

func (t timer) setIndex(i int) {
	if t.call != nil {
		t.call.timer = i
	} else {
		t.object.timer = i
	}
}

// timers is a heap of all deadlines.
type timers []timer

func (t timers) Len() int           { return len(t) }
func (t timers) Less(i, j int) bool { return t[i].compare(t[j]) < 0 }
func (t timers) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].setIndex(i)
	t[j].setIndex(j)
}
func (t *timers) Push(x any) {
	e := x.(timer)
	e.setIndex(len(*t))
	*t = append(*t, e)
}
func (t *timers) Pop() any {
	old := *t
	e := old[len(old)-1]
	old[len(old)-1] = timer{}
	*t = old[:len(old)-1]
	e.setIndex(-1)
	return e
}

func (t *timers) add(c *Call)    { heap.Push(t, timer{call: c}) }
func (t *timers) remove(c *Call) { heap.Remove(t, c.timer) }

// Timed is a State with deadlines of its own, such as the ends of leases.
type Timed interface {
	// Wake ends at most n of what is due, sets the next time with WakeAt, and
	// returns how many it ended.
	Wake(o *Object, n int) int
	// Shift moves all deadlines by the time in which there was no server, and
	// sets the next time with WakeAt.
	Shift(o *Object, by int64)
}

// WakeAt sets when the object's State, which is Timed, is woken: once no command
// is earlier. It replaces the time that was set; 0 is never. A State sets it
// again when it is loaded.
func (o *Object) WakeAt(at int64) {
	e := o.engine
	switch {
	case at == o.wakeAt:
	case at == 0:
		heap.Remove(&e.timers, o.timer)
		o.wakeAt = 0
	case o.wakeAt == 0:
		o.wakeAt = at
		heap.Push(&e.timers, timer{object: o})
	default:
		o.wakeAt = at
		heap.Fix(&e.timers, o.timer)
	}
}

// NextDeadline returns when OpTick is due, or 0 when there is no deadline.
func (e *Engine) NextDeadline() int64 {
	if len(e.timers) == 0 {
		return 0
	}
	return e.timers[0].at()
}

// maxTick bounds how many deadlines one OpTick deals with, so that the lock is
// not held for long; NextDeadline then still lies in the past.
const maxTick = 1024

func (e *Engine) tick() {
	for n := maxTick; n > 0 && len(e.timers) > 0 && e.timers[0].at() <= e.now; {
		t := e.timers[0]
		if t.call != nil {
			e.depart(t.call, LeaveTimeout)
			n--
			continue
		}
		o, due, ended := t.object, t.object.wakeAt, 0
		e.safely(o, "Wake", func() { ended = o.State.(Timed).Wake(o, n) })
		if o.poisoned || ended == 0 && o.wakeAt == due {
			o.WakeAt(0) // a bug must not wake it for ever
		}
		n -= max(ended, 1)
	}
}
