package wire

import "iter"

// Serials maps serials of calls to what belongs to them. Serials grow by one,
// and few are in use at a time: nearly always each has the slot that its low
// bits name, without hashing. One that has outlived its neighbours moves to a
// map when its slot is wanted.
//
// The zero value is empty. It is not safe for concurrent use. The order of All
// depends on what was put in, and is not random as long as nothing moved.
type Serials[V any] struct {
	slots []slot[V] // a power of two, or none yet
	old   map[uint64]V
	n     int
}

type slot[V any] struct {
	used   bool
	serial uint64
	value  V
}

const (
	minSlots = 16
	maxSlots = 4096
)

// Len returns how many serials are in use.
func (t *Serials[V]) Len() int { return t.n }

// Get returns the value of the serial, or the zero value.
func (t *Serials[V]) Get(serial uint64) V {
	if len(t.slots) > 0 {
		if at := t.at(serial); at.used && at.serial == serial {
			return at.value
		}
	}
	return t.old[serial]
}

func (t *Serials[V]) at(serial uint64) *slot[V] {
	return &t.slots[int(serial)&(len(t.slots)-1)]
}

// Put sets the value of the serial.
func (t *Serials[V]) Put(serial uint64, v V) {
	if len(t.slots) == 0 {
		t.slots = make([]slot[V], minSlots)
	}
	if len(t.old) > 0 {
		if _, ok := t.old[serial]; ok {
			t.old[serial] = v
			return
		}
	}
	at := t.at(serial)
	if at.used && at.serial != serial && 2*t.n >= len(t.slots) && len(t.slots) < maxSlots {
		t.grow()
		at = t.at(serial)
	}
	switch {
	case !at.used:
		t.n++
	case at.serial != serial:
		if t.old == nil {
			t.old = make(map[uint64]V)
		}
		t.old[at.serial] = at.value
		t.n++
	}
	*at = slot[V]{true, serial, v}
}

// grow doubles the slots. No two of the smaller table meet in the larger.
func (t *Serials[V]) grow() {
	was := t.slots
	t.slots = make([]slot[V], 2*len(was))
	for _, s := range was {
		if s.used {
			*t.at(s.serial) = s
		}
	}
}

// Remove takes the serial out, if it is there.
func (t *Serials[V]) Remove(serial uint64) {
	if len(t.slots) > 0 {
		if at := t.at(serial); at.used && at.serial == serial {
			*at = slot[V]{}
			t.n--
			return
		}
	}
	if _, ok := t.old[serial]; ok {
		delete(t.old, serial)
		t.n--
	}
}

// All yields all serials and their values. The one at hand may be removed or put
// anew.
func (t *Serials[V]) All() iter.Seq2[uint64, V] {
	return func(yield func(uint64, V) bool) {
		for i := range t.slots {
			if s := t.slots[i]; s.used && !yield(s.serial, s.value) {
				return
			}
		}
		for serial, v := range t.old {
			if !yield(serial, v) {
				return
			}
		}
	}
}
