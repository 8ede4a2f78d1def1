package objects

import (
	"encoding/binary"
	"slices"

	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// queued is one item of a queue.
type queued struct {
	raw  wire.Raw
	key  wire.Raw // what a PriorityQueue orders by; "": raw itself
	seq  uint64   // its place: counts the items ever put
	past *past    // what came of earlier attempts; nil: it was never handed out
}

// order returns what a PriorityQueue orders the item by.
func (e *queued) order() wire.Raw {
	if e.key != "" {
		return e.key
	}
	return e.raw
}

const (
	maxQueueBlock   = 256
	firstQueueBlock = 4
)

// queueItems holds the items of a queue in their order, in blocks, so that both
// ends are cheap, an item can come back to its old place anywhere, and a view
// of all costs as much as there are blocks.
type queueItems struct {
	blocks []*queueBlock
	spare  *queueBlock
	n      int
	values int   // n, and the keys among them
	size   int64 // bytes of items and keys
	past   int64 // what the pasts of the items count for
}

type queueBlock struct {
	buf    []queued // the whole memory
	items  []queued // the part in use, which ends where cap(buf) ends or before
	shared bool     // a view reads items: copy before a write
}

func newQueueBlock(size int) *queueBlock {
	b := &queueBlock{buf: make([]queued, 0, size)}
	b.items = b.buf
	return b
}

func (q *queueItems) count(e *queued, n int) {
	q.n += n
	q.values += n
	q.size += int64(n * len(e.raw))
	if e.past != nil {
		q.past += int64(n) * e.past.cost()
	}
	if e.key != "" {
		q.values += n
		q.size += int64(n * len(e.key))
	}
}

// own returns block i, copied first if a view reads it.
func (q *queueItems) own(i int) *queueBlock {
	b := q.blocks[i]
	if b.shared {
		fresh := newQueueBlock(min(max(2*len(b.items), firstQueueBlock), maxQueueBlock))
		fresh.items = append(fresh.items, b.items...)
		q.blocks[i] = fresh
		b = fresh
	}
	return b
}

// grow makes room behind the items and reports whether it could.
func (b *queueBlock) grow() bool {
	n, front := len(b.items), cap(b.buf)-cap(b.items)
	switch {
	case n < cap(b.items):
		return true
	case front > 0 && front >= cap(b.buf)/2:
		b.slide()
		return true
	case cap(b.buf) < maxQueueBlock:
		buf := make([]queued, n, min(2*cap(b.buf), maxQueueBlock))
		copy(buf, b.items)
		b.buf, b.items = buf[:0], buf
		return true
	}
	return false
}

// slide moves the items to where the memory begins.
func (b *queueBlock) slide() {
	n := copy(b.buf[:cap(b.buf)], b.items)
	used := b.buf[:cap(b.buf)]
	clear(used[n:])
	b.items = used[:n]
}

// pushBack appends an item.
func (q *queueItems) pushBack(e queued) {
	q.count(&e, 1)
	if len(q.blocks) > 0 {
		if b := q.own(len(q.blocks) - 1); b.grow() {
			b.items = append(b.items, e)
			return
		}
	}
	b := q.spare
	q.spare = nil
	if b == nil {
		size := maxQueueBlock
		if len(q.blocks) == 0 {
			size = firstQueueBlock
		}
		b = newQueueBlock(size)
	}
	b.items = append(b.items, e)
	q.blocks = append(q.blocks, b)
}

// at returns the first item, or the last; nil if there is none.
func (q *queueItems) at(last bool) *queued {
	switch {
	case q.n == 0:
		return nil
	case last:
		b := q.blocks[len(q.blocks)-1]
		return &b.items[len(b.items)-1]
	default:
		return &q.blocks[0].items[0]
	}
}

// pop takes the first item, or the last. There must be one.
func (q *queueItems) pop(last bool) queued {
	i := 0
	if last {
		i = len(q.blocks) - 1
	}
	b := q.blocks[i]
	at := 0
	if last {
		at = len(b.items) - 1
	}
	e := b.items[at]
	if !b.shared {
		b.items[at] = queued{}
	}
	if last {
		b.items = b.items[:at]
	} else {
		b.items = b.items[1:]
	}
	q.count(&e, -1)
	if len(b.items) == 0 {
		q.dropBlock(i)
	}
	return e
}

// dropBlock takes an empty block out and keeps one for use again.
func (q *queueItems) dropBlock(i int) {
	b := q.blocks[i]
	switch {
	case i == 0 && len(q.blocks) > 1:
		q.blocks[0] = nil
		q.blocks = q.blocks[1:]
	default:
		q.blocks = slices.Delete(q.blocks, i, i+1)
	}
	if !b.shared && q.spare == nil {
		b.items = b.buf[:0]
		q.spare = b
	}
}

// place returns where an item belongs: behind all for which cmp, which
// compares the new item with one that is there, says 0 or more. It compares
// with the neighbours on both sides of that place.
func (q *queueItems) place(cmp func(e *queued) (int, error)) (block, at int, err error) {
	lo, hi := 0, len(q.blocks)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		c, err := cmp(&q.blocks[mid].items[0])
		if err != nil {
			return 0, 0, err
		}
		if c < 0 {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	if lo == 0 {
		return 0, 0, nil
	}
	block = lo - 1
	items := q.blocks[block].items
	lo, hi = 1, len(items)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		c, err := cmp(&items[mid])
		if err != nil {
			return 0, 0, err
		}
		if c < 0 {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return block, lo, nil
}

// insert puts an item where place said.
func (q *queueItems) insert(block, at int, e queued) {
	if len(q.blocks) == 0 || block == len(q.blocks)-1 && at == len(q.blocks[block].items) {
		q.pushBack(e)
		return
	}
	q.count(&e, 1)
	b := q.own(block)
	if len(b.items) == maxQueueBlock {
		// Full: cut it in two.
		upper := newQueueBlock(maxQueueBlock)
		const half = maxQueueBlock / 2
		upper.items = append(upper.items, b.items[half:]...)
		clear(b.items[half:])
		b.items = b.items[:half]
		q.blocks = slices.Insert(q.blocks, block+1, upper)
		if at > half {
			b, at = upper, at-half
		}
	}
	if !b.grow() {
		b.slide()
	}
	b.items = slices.Insert(b.items, at, e)
}

// cut takes out the item at a place.
func (q *queueItems) cut(block, at int) queued {
	b := q.own(block)
	e := b.items[at]
	q.count(&e, -1)
	b.items = slices.Delete(b.items, at, at+1)
	if len(b.items) == 0 {
		q.dropBlock(block)
	}
	return e
}

// cutAfter takes out all items that were put after the sequence number, and
// calls drop with each.
func (q *queueItems) cutAfter(seq uint64, drop func(e *queued)) {
	old := *q
	*q = queueItems{}
	for _, b := range old.blocks {
		for i := range b.items {
			if e := &b.items[i]; e.seq > seq {
				drop(e)
			} else {
				q.pushBack(*e)
			}
		}
	}
}

// each calls yield with each item and each key.
func (q *queueItems) each(yield func(wire.Raw) bool) {
	for _, b := range q.blocks {
		for i := range b.items {
			if e := &b.items[i]; !yield(e.raw) || e.key != "" && !yield(e.key) {
				return
			}
		}
	}
}

// view returns a view of the list of all items, first to last or last to first.
// With keep it stays as it is when the queue changes.
func (q *queueItems) view(back, keep bool) *queueView {
	v := &queueView{n: q.n, back: back, blocks: make([][]queued, len(q.blocks))}
	for i, b := range q.blocks {
		b.shared = b.shared || keep
		v.blocks[i] = b.items
	}
	return v
}

// queueView is the list of a queue's items as they were once.
type queueView struct {
	blocks [][]queued
	n      int
	back   bool
}

// Size implements engine.Sized.
func (v *queueView) Size() int {
	size := 0
	for _, items := range v.blocks {
		for i := range items {
			size += len(items[i].raw)
		}
	}
	return size
}

// Append appends the list.
func (v *queueView) Append(b []byte, pause engine.Pause) []byte {
	b = wire.AppendArrayHeader(wire.Grow(b, v.Size()), v.n)
	for i := range v.blocks {
		items := v.blocks[i]
		if v.back {
			items = v.blocks[len(v.blocks)-1-i]
		}
		if pause.Over() {
			break
		}
		for j := range items {
			if v.back {
				b = append(b, items[len(items)-1-j].raw...)
			} else {
				b = append(b, items[j].raw...)
			}
		}
	}
	return b
}

// queueRows are items of a queue.
type queueRows [][]queued

// AppendRows implements engine.Rows. A cursor is a block and a place in it.
func (r queueRows) AppendRows(b []byte, from uint64, limit int) ([]byte, uint64) {
	start, i := len(b), int(from&(1<<32-1))
	for at := int(from >> 32); at < len(r); at++ {
		for ; i < len(r[at]); i++ {
			if len(b)-start >= limit {
				return b, uint64(at)<<32 | uint64(i)
			}
			b = r[at][i].dump(b)
		}
		i = 0
	}
	return b, 0
}

// dump appends an item: itself, its key, its place and its past.
func (e *queued) dump(b []byte) []byte {
	b = engine.AppendOptional(append(b, e.raw...), e.key)
	b = binary.AppendUvarint(b, e.seq)
	if e.past == nil {
		return append(b, 0)
	}
	b = binary.AppendVarint(append(b, 1), e.past.attempts)
	b = binary.AppendUvarint(b, uint64(len(e.past.failures)))
	for _, f := range e.past.failures {
		b = engine.AppendText(engine.AppendText(b, f.reason), f.worker)
		b = binary.AppendVarint(b, f.at)
	}
	return b
}

// readQueued is the inverse of dump.
func readQueued(d *engine.Decoder) queued {
	e := queued{raw: d.Value(), key: d.Optional(), seq: d.Uint()}
	if !d.Bool() {
		return e
	}
	e.past = &past{again: true, attempts: d.Int()}
	for n := d.Uint(); n > 0 && !d.Failed(); n-- {
		e.past.failures = append(e.past.failures, failure{reason: d.Text(), worker: d.Text(), at: d.Int()})
	}
	return e
}
