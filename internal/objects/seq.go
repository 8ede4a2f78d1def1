package objects

import (
	"slices"
	"sort"

	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// seq is what a list is made of: elements by index, in blocks, so that a
// change moves at most one block's elements and a view or a copy shares them
// all. The zero seq is empty.
type seq struct {
	n       int
	bytes   int64
	version uint64 // counts the changes of the length or the order
	owner   *owner // nil: every block may be shared
	blocks  []*block
	ends    []int    // how many elements stand up to the end of each block...
	valid   int      // ...of the first valid ones
	seen    []*block // what view gave, until something changes
}

// block is a run of elements. None is empty.
type block struct {
	owner *owner
	items []wire.Raw
}

// blockCap is how many elements a block holds: they fill an allocation of
// 4 KiB.
const blockCap = 256

// at returns the block that element i stands in, and its place in it.
func (q *seq) at(i int) (b, off int) {
	last := len(q.blocks) - 1
	if from := q.n - len(q.blocks[last].items); i >= from {
		return last, i - from
	}
	if len(q.ends) < len(q.blocks) {
		q.ends = append(q.ends, make([]int, len(q.blocks)-len(q.ends))...)
	}
	if q.valid > 0 && i < q.ends[q.valid-1] {
		b = sort.SearchInts(q.ends[:q.valid], i+1)
	} else {
		end := 0
		if q.valid > 0 {
			end = q.ends[q.valid-1]
		}
		for b = q.valid; ; b++ {
			end += len(q.blocks[b].items)
			q.ends[b] = end
			if i < end {
				break
			}
		}
		q.valid = b + 1
	}
	if b > 0 {
		i -= q.ends[b-1]
	}
	return b, i
}

// get returns element i.
func (q *seq) get(i int) wire.Raw {
	b, off := q.at(i)
	return q.blocks[b].items[off]
}

func (q *seq) me() *owner {
	if q.owner == nil {
		q.owner, q.seen = new(owner), nil
	}
	return q.owner
}

// own returns block b for writing.
func (q *seq) own(b int) *block {
	was := q.blocks[b]
	if me := q.me(); was.owner != me {
		was = &block{owner: me, items: append(make([]wire.Raw, 0, cap(was.items)), was.items...)}
		q.blocks[b] = was
	}
	return was
}

// set replaces element i and returns the old one.
func (q *seq) set(i int, v wire.Raw) wire.Raw {
	b, off := q.at(i)
	items := q.own(b).items
	old := items[off]
	items[off] = v
	q.bytes += int64(len(v) - len(old))
	return old
}

// changed says that the lengths of the blocks from b on are others.
func (q *seq) changed(b int) { q.valid, q.seen = min(q.valid, b), nil }

// push appends an element.
func (q *seq) push(v wire.Raw) {
	b := len(q.blocks) - 1
	if b < 0 || len(q.blocks[b].items) >= blockCap {
		size := blockCap
		if b < 0 {
			size = 4
		}
		b++
		q.blocks = append(q.blocks, &block{owner: q.me(), items: make([]wire.Raw, 0, size)})
	}
	to := q.own(b)
	to.grow()
	to.items = append(to.items, v)
	q.n++
	q.version++
	q.bytes += int64(len(v))
	q.changed(b)
}

// grow makes room for one more element in a block that is not full.
func (b *block) grow() {
	if n := cap(b.items); len(b.items) == n {
		b.items = append(make([]wire.Raw, 0, min(max(4, 2*n), blockCap)), b.items...)
	}
}

// insert puts an element before element i, or at the end.
func (q *seq) insert(i int, v wire.Raw) {
	if i >= q.n {
		q.push(v)
		return
	}
	b, off := q.at(i)
	if len(q.blocks[b].items) >= blockCap {
		switch {
		case off == 0 && b > 0 && len(q.blocks[b-1].items) < blockCap:
			b--
			off = len(q.blocks[b].items)
		case off == 0:
			q.blocks = slices.Insert(q.blocks, b, &block{owner: q.me(), items: make([]wire.Raw, 0, blockCap)})
		default:
			q.split(b, len(q.blocks[b].items)/2)
			if half := len(q.blocks[b].items); off > half {
				b++
				off -= half
			}
		}
	}
	to := q.own(b)
	to.grow()
	to.items = slices.Insert(to.items, off, v)
	q.n++
	q.version++
	q.bytes += int64(len(v))
	q.changed(b)
}

// split cuts block b in two before its element off.
func (q *seq) split(b, off int) {
	left := q.own(b)
	right := &block{owner: q.me(), items: append(make([]wire.Raw, 0, blockCap), left.items[off:]...)}
	clear(left.items[off:])
	left.items = left.items[:off]
	q.blocks = slices.Insert(q.blocks, b+1, right)
	q.changed(b)
}

// cut makes element i begin a block and returns the block's index.
func (q *seq) cut(i int) int {
	if i >= q.n {
		return len(q.blocks)
	}
	b, off := q.at(i)
	if off > 0 {
		q.split(b, off)
		b++
	}
	return b
}

// remove deletes element i and returns it.
func (q *seq) remove(i int) wire.Raw {
	b, off := q.at(i)
	from := q.own(b)
	old := from.items[off]
	from.items = slices.Delete(from.items, off, off+1)
	q.n--
	q.version++
	q.bytes -= int64(len(old))
	q.changed(b)
	q.mend(b)
	return old
}

// mend joins block b with a neighbour, or takes it out, when it has become
// small.
func (q *seq) mend(b int) {
	if b < 0 || b >= len(q.blocks) {
		return
	}
	n := len(q.blocks[b].items)
	if n == 0 {
		q.blocks = slices.Delete(q.blocks, b, b+1)
		q.changed(b)
		return
	}
	if n > blockCap/4 {
		return
	}
	for _, left := range [2]int{b - 1, b} {
		if left < 0 || left+1 >= len(q.blocks) {
			continue
		}
		x, y := q.blocks[left], q.blocks[left+1]
		if len(x.items)+len(y.items) > blockCap*3/4 {
			continue
		}
		joined := append(make([]wire.Raw, 0, blockCap), x.items...)
		q.blocks[left] = &block{owner: q.me(), items: append(joined, y.items...)}
		q.blocks = slices.Delete(q.blocks, left+1, left+2)
		q.changed(left)
		return
	}
}

// splice replaces the elements from start to stop by those of with, whose
// blocks are shared. It returns what was there.
func (q *seq) splice(start, stop int, with *seq) seq {
	from := q.cut(start)
	to := q.cut(stop)
	out := seqOf(slices.Clone(q.blocks[from:to]))
	q.blocks = slices.Replace(q.blocks, from, to, with.blocks...)
	q.n += with.n - out.n
	q.version++
	q.bytes += with.bytes - out.bytes
	q.changed(from)
	q.mend(from + len(with.blocks))
	q.mend(from + len(with.blocks) - 1)
	q.mend(from)
	q.mend(from - 1)
	return out
}

// seqOf returns a seq of blocks that may be shared.
func seqOf(blocks []*block) seq {
	out := seq{blocks: blocks}
	for _, b := range blocks {
		out.n += len(b.items)
		for _, v := range b.items {
			out.bytes += int64(len(v))
		}
	}
	return out
}

// join appends the elements of another seq, sharing its blocks.
func (q *seq) join(other *seq) {
	if other.n == 0 {
		return
	}
	if other.n <= blockCap {
		for v := range other.all {
			q.push(v)
		}
		return
	}
	other.owner = nil
	q.owner = nil
	from := len(q.blocks)
	q.blocks = append(q.blocks, other.blocks...)
	q.n += other.n
	q.bytes += other.bytes
	q.version++
	q.changed(from)
	q.mend(from - 1)
}

// clone returns a copy that shares all blocks until one of the two changes them.
func (q *seq) clone() seq {
	q.owner = nil
	return seq{n: q.n, bytes: q.bytes, blocks: slices.Clone(q.blocks)}
}

// view returns a copy that nobody changes. It costs nothing while the seq does not
// change either.
func (q *seq) view() seq {
	if q.seen == nil {
		q.owner = nil
		q.seen = slices.Clone(q.blocks)
	}
	return seq{n: q.n, bytes: q.bytes, blocks: q.seen}
}

// slice returns the elements from start to stop, sharing what it can.
func (q *seq) slice(start, stop int) seq {
	if start >= stop {
		return seq{}
	}
	b, off := q.at(start)
	e, end := q.at(stop - 1)
	q.owner = nil
	blocks := slices.Clone(q.blocks[b : e+1])
	last := &block{items: blocks[len(blocks)-1].items[:end+1]}
	blocks[len(blocks)-1] = last
	if off > 0 {
		blocks[0] = &block{items: blocks[0].items[off:]}
	}
	return seq{n: stop - start, blocks: blocks}
}

// clear empties the seq. The version goes on.
func (q *seq) clear() { *q = seq{version: q.version + 1} }

// all yields the elements.
func (q *seq) all(yield func(wire.Raw) bool) {
	for _, b := range q.blocks {
		for _, v := range b.items {
			if !yield(v) {
				return
			}
		}
	}
}

// paced yields the elements, until the pause says that it is enough.
func (q *seq) paced(pause engine.Pause) func(yield func(wire.Raw) bool) {
	return func(yield func(wire.Raw) bool) {
		p := pacer{pause: pause}
		for _, b := range q.blocks {
			for _, v := range b.items {
				if p.over(len(v)) || !yield(v) {
					return
				}
			}
		}
	}
}

// from yields the elements from i on.
func (q *seq) from(i int, yield func(wire.Raw) bool) {
	if i >= q.n {
		return
	}
	b, off := q.at(i)
	for ; b < len(q.blocks); b++ {
		for _, v := range q.blocks[b].items[off:] {
			if !yield(v) {
				return
			}
		}
		off = 0
	}
}
