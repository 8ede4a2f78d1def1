package client

import "iter"

// table finds calls by their serial. Serials grow by one, and few calls are
// under way at a time: nearly always each has the slot that its low bits name.
// A call that outlived its neighbours moves to a map when its slot is wanted.
type table struct {
	slots []*Call // a power of two, or none yet
	old   map[uint64]*Call
	n     int
}

const (
	minSlots = 64
	maxSlots = 1 << 16
)

func (t *table) len() int { return t.n }

func (t *table) slot(serial uint64) int { return int(serial) & (len(t.slots) - 1) }

// get returns the call, or nil.
func (t *table) get(serial uint64) *Call {
	if len(t.slots) > 0 {
		if c := t.slots[t.slot(serial)]; c != nil && c.serial == serial {
			return c
		}
	}
	return t.old[serial]
}

// put enters the call by its serial, in the place of one that is there.
func (t *table) put(c *Call) {
	if len(t.slots) == 0 {
		t.slots = make([]*Call, minSlots)
	}
	if _, ok := t.old[c.serial]; ok {
		t.old[c.serial] = c
		return
	}
	at := &t.slots[t.slot(c.serial)]
	switch was := *at; {
	case was == nil:
		t.n++
	case was.serial == c.serial:
	default:
		t.n++
		if 2*t.n > len(t.slots) && len(t.slots) < maxSlots {
			t.grow()
			at = &t.slots[t.slot(c.serial)]
			was = *at
		}
		if was != nil {
			t.evict(was)
		}
	}
	*at = c
}

// evict moves a call out of the slots.
func (t *table) evict(c *Call) {
	if t.old == nil {
		t.old = make(map[uint64]*Call)
	}
	t.old[c.serial] = c
}

// grow doubles the slots. No two calls of the smaller table meet in the larger.
func (t *table) grow() {
	was := t.slots
	t.slots = make([]*Call, 2*len(was))
	for _, c := range was {
		if c != nil {
			t.slots[t.slot(c.serial)] = c
		}
	}
}

// remove takes the call of that serial out, if it is there.
func (t *table) remove(serial uint64) {
	if len(t.slots) > 0 {
		if at := &t.slots[t.slot(serial)]; *at != nil && (*at).serial == serial {
			*at = nil
			t.n--
			return
		}
	}
	if _, ok := t.old[serial]; ok {
		delete(t.old, serial)
		t.n--
	}
}

// all yields the calls in no order. The one at hand may be removed or replaced.
func (t *table) all() iter.Seq[*Call] {
	return func(yield func(*Call) bool) {
		for _, c := range t.slots {
			if c != nil && !yield(c) {
				return
			}
		}
		for _, c := range t.old {
			if !yield(c) {
				return
			}
		}
	}
}
