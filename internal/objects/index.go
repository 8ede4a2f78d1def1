package objects

import (
	"hash/maphash"
	"math/bits"
)

// seed makes keys that were chosen to collide harmless. It influences no
// output: a table's order is that of insertion.
var seed = maphash.MakeSeed()

func hashOf(key []byte) uint32 { return uint32(maphash.Bytes(seed, key) >> 32) }

// owner marks who may write to a part of a container. A part whose owner is
// another than the container's may be shared with a view or with another
// container, and is copied before it is changed.
type owner struct{ _ byte }

// index finds entries by the hash of their keys. It is an extendible hash
// table: a directory by the upper bits of the hash, and segments of bounded
// size by the lower ones. So no insert moves more than one segment's entries,
// however large the table is, and a copy shares all segments.
type index struct {
	dir   []*segment
	depth uint8  // bits of the hash that choose in dir
	owner *owner // nil: every segment may be shared
}

// segment is an open addressing table with linear probing. A slot holds the
// hash in its upper half and the entry's ref in its lower one; 0 is empty.
type segment struct {
	owner *owner
	depth uint8 // bits of the hash that all entries share
	n     int
	slots []uint64
}

const (
	minSlots = 16
	maxSlots = 4096
	// maxDepth leaves as many bits of the hash as a segment's slots need.
	maxDepth = 20
)

func (x *index) segment(h uint32) *segment { return x.dir[h>>(32-x.depth)] }

// own returns the segment of the hash, for writing.
func (x *index) own(h uint32) *segment {
	if x.owner == nil {
		x.owner = new(owner)
	}
	s := x.segment(h)
	if s.owner == x.owner {
		return s
	}
	d := &segment{owner: x.owner, depth: s.depth, n: s.n, slots: append([]uint64(nil), s.slots...)}
	x.replace(h, s.depth, d)
	return d
}

// replace puts a segment into all places of the directory that have the first
// depth bits of the hash.
func (x *index) replace(h uint32, depth uint8, s *segment) {
	n := 1 << (x.depth - depth)
	from := int(h>>(32-x.depth)) &^ (n - 1)
	for i := range n {
		x.dir[from+i] = s
	}
}

// add enters a ref; there must be none yet for its key.
func (x *index) add(h, ref uint32) {
	if x.dir == nil {
		x.owner = new(owner)
		x.dir = []*segment{{owner: x.owner, slots: make([]uint64, minSlots)}}
	}
	s := x.own(h)
	for s.n >= len(s.slots)-len(s.slots)/16*3 {
		x.grow(h, s)
		s = x.segment(h)
	}
	s.put(uint64(h)<<32 | uint64(ref))
	s.n++
}

func (s *segment) put(slot uint64) {
	mask := uint32(len(s.slots) - 1)
	i := uint32(slot>>32) & mask
	for s.slots[i] != 0 {
		i = (i + 1) & mask
	}
	s.slots[i] = slot
}

// resize moves the entries to another number of slots.
func (s *segment) resize(n int) {
	old := s.slots
	s.slots = make([]uint64, n)
	for _, slot := range old {
		if slot != 0 {
			s.put(slot)
		}
	}
}

// grow makes room in the segment of the hash: more slots, or two segments.
func (x *index) grow(h uint32, s *segment) {
	if len(s.slots) < maxSlots || s.depth == maxDepth {
		s.resize(2 * len(s.slots))
		return
	}
	if s.depth == x.depth {
		dir := make([]*segment, 2*len(x.dir))
		for i, s := range x.dir {
			dir[2*i], dir[2*i+1] = s, s
		}
		x.dir = dir
		x.depth++
	}
	depth := s.depth + 1
	var half [2]*segment
	for i := range half {
		half[i] = &segment{owner: x.owner, depth: depth, slots: make([]uint64, maxSlots)}
	}
	for _, slot := range s.slots {
		if slot != 0 {
			to := half[slot>>(64-depth)&1]
			to.put(slot)
			to.n++
		}
	}
	bit := uint32(1) << (32 - depth)
	x.replace(h&^bit, depth, half[0])
	x.replace(h|bit, depth, half[1])
}

// slotOf returns where the ref stands in the segment; it must be there.
func (s *segment) slotOf(h, ref uint32) uint32 {
	mask := uint32(len(s.slots) - 1)
	want := uint64(h)<<32 | uint64(ref)
	i := h & mask
	for s.slots[i] != want {
		i = (i + 1) & mask
	}
	return i
}

// move changes a ref.
func (x *index) move(h, from, to uint32) {
	s := x.own(h)
	s.slots[s.slotOf(h, from)] = uint64(h)<<32 | uint64(to)
}

// remove takes a ref out and closes the gap.
func (x *index) remove(h, ref uint32) {
	s := x.own(h)
	mask := uint32(len(s.slots) - 1)
	gap := s.slotOf(h, ref)
	for i := gap; ; {
		i = (i + 1) & mask
		slot := s.slots[i]
		if slot == 0 {
			break
		}
		if home := uint32(slot>>32) & mask; (i-home)&mask >= (i-gap)&mask {
			s.slots[gap] = slot
			gap = i
		}
	}
	s.slots[gap] = 0
	s.n--
	if len(s.slots) > minSlots && s.n < len(s.slots)/8 {
		s.resize(max(minSlots, 1<<bits.Len(uint(2*s.n))))
	}
}
