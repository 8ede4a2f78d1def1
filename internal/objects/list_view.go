package objects

import (
	"slices"

	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// seqView is a list as it was when the view was taken.
type seqView struct{ seq seq }

// Size implements engine.Sized.
func (v seqView) Size() int { return int(v.seq.bytes) }

// Append appends the list.
func (v seqView) Append(b []byte, pause engine.Pause) []byte {
	b = wire.AppendArrayHeader(wire.Grow(b, v.Size()), v.seq.n)
	for e := range v.seq.paced(pause) {
		b = append(b, e...)
	}
	return b
}

// seqRepr is the text of a list.
type seqRepr struct{ seq seq }

// Append appends what Python prints.
func (v seqRepr) Append(b []byte, pause engine.Pause) []byte {
	text := append(wire.Grow(nil, int(v.seq.bytes)+reprSpace*v.seq.n), '[')
	for e := range v.seq.paced(pause) {
		if len(text) > 1 {
			text = append(text, ", "...)
		}
		text = wire.AppendRepr(text, e.Bytes(), engine.AppendProxyName)
	}
	return appendText(b, append(text, ']'))
}

// sliceView is every step-th element of seq, count of them.
type sliceView struct {
	seq   seq
	count int
	step  int
	down  bool // from the last to the first
}

// Size implements engine.Sized.
func (v sliceView) Size() int {
	size, i := 0, 0
	for e := range v.seq.all {
		if i%v.step == 0 {
			size += len(e)
		}
		i++
	}
	return size
}

// Append appends the slice as a list.
func (v sliceView) Append(b []byte, pause engine.Pause) []byte {
	b = wire.AppendArrayHeader(wire.Grow(b, v.Size()), v.count)
	var back []wire.Raw
	if v.down {
		back = make([]wire.Raw, 0, v.count)
	}
	i := 0
	for e := range v.seq.paced(pause) {
		if i%v.step == 0 {
			if v.down {
				back = append(back, e)
			} else {
				b = append(b, e...)
			}
		}
		i++
	}
	for _, e := range slices.Backward(back) {
		b = append(b, e...)
	}
	return b
}

// concatView is two lists, one after the other.
type concatView struct{ left, right seq }

// Size implements engine.Sized.
func (v concatView) Size() int { return int(v.left.bytes + v.right.bytes) }

// Append appends the list.
func (v concatView) Append(b []byte, pause engine.Pause) []byte {
	b = wire.AppendArrayHeader(wire.Grow(b, v.Size()), v.left.n+v.right.n)
	for e := range v.left.paced(pause) {
		b = append(b, e...)
	}
	for e := range v.right.paced(pause) {
		b = append(b, e...)
	}
	return b
}

// repeatView is a list n times.
type repeatView struct {
	seq seq
	n   int
}

// Size implements engine.Sized.
func (v repeatView) Size() int { return int(v.seq.bytes) * v.n }

// Append appends the list.
func (v repeatView) Append(b []byte, pause engine.Pause) []byte {
	b = wire.AppendArrayHeader(wire.Grow(b, v.Size()), v.seq.n*v.n)
	for range v.n {
		if pause.Over() {
			break
		}
		for e := range v.seq.paced(pause) {
			b = append(b, e...)
		}
	}
	return b
}

// maxBlocks bounds the blocks that one repetition enters under the lock.
const maxBlocks = 1 << 19

// repeated returns how many blocks the elements take n times.
func (q *seq) repeated(n int) int {
	if q.n < blockCap {
		return q.n * n / blockCap
	}
	return len(q.blocks) * n
}

// multiply repeats the elements n times, n > 0, sharing blocks.
func (q *seq) multiply(n int) {
	unit := q.clone()
	times := 1 // how often unit holds the elements
	if unit.n < blockCap {
		unit = seq{}
		for times = 0; times < n && unit.n < blockCap; times++ {
			for v := range q.all {
				unit.push(v)
			}
		}
	}
	r := seq{version: q.version + 1}
	left := n
	unit.owner = nil
	for ; left >= times; left -= times {
		r.blocks = append(r.blocks, unit.blocks...)
		r.n += unit.n
		r.bytes += unit.bytes
	}
	for range left {
		for v := range q.all {
			r.push(v)
		}
	}
	*q = r
}
