package objects

import (
	"slices"

	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// How many elements are worked on under the lock; more are worked on outside.
const (
	searchHere  = 4096
	sortHere    = 1024
	reverseHere = 4096
)

// A search compares elements with a value. The call's N says where it began.
func (l *list) search(c *engine.Call, v []byte, start, stop int) {
	if stop-start > searchHere {
		l.searchOutside(c, v, start, stop)
		return
	}
	l.found(c.Object, c, l.seq.find(v, start, stop, c.Method.Name == "count", nil))
}

func (l *list) searchOutside(c *engine.Call, v []byte, start, stop int) {
	part, name, value := l.seq.slice(start, stop), c.Method.Name, wire.Raw(v)
	if name == "remove" {
		c.Item, c.N = value, int64(start)
		c.Outside(func(pause engine.Pause) any { return part.find(value.Bytes(), 0, part.n, false, pause) })
		return
	}
	c.Compute(func(pause engine.Pause) (wire.Raw, error) {
		n := part.find(value.Bytes(), 0, part.n, name == "count", pause)
		switch {
		case name == "contains":
			return wire.Raw(wire.AppendBool(nil, n >= 0)), nil
		case name == "count":
			return wire.Raw(wire.AppendInt(nil, int64(n))), nil
		case n < 0:
			return "", notInList(value)
		}
		return wire.Raw(wire.AppendInt(nil, int64(start+n))), nil
	})
}

// find returns how far from start the first element is that is equal, or -1;
// with all, how many are.
func (q *seq) find(v []byte, start, stop int, all bool, pause engine.Pause) int {
	i, n := 0, 0
	if start < stop {
		q.from(start, func(e wire.Raw) bool {
			if wire.Equal(e.Bytes(), v) {
				n++
				if !all {
					return false
				}
			}
			if i++; i%pauseEvery == 0 && pause.Over() {
				return false
			}
			return i < stop-start
		})
	}
	switch {
	case all:
		return n
	case n == 0:
		return -1
	}
	return i
}

func finishSearch(o *engine.Object, c *engine.Call, result any) {
	o.State.(*list).found(o, c, result.(int))
}

// found ends a search.
func (l *list) found(o *engine.Object, c *engine.Call, i int) {
	switch c.Method.Name {
	case "count":
		c.ReturnInt(int64(i))
	case "contains":
		c.ReturnBool(i >= 0)
	case "index":
		if i < 0 {
			c.Fail(notInList(c.Item))
			return
		}
		c.ReturnInt(c.N + int64(i))
	default:
		if i < 0 {
			c.Fail(errNotInList)
			return
		}
		o.Drop(l.seq.remove(i))
		c.ReturnNil()
	}
}

func notInList(v wire.Raw) error {
	return wire.Errorf(wire.CodeValue, "%s is not in list", textOf(v.Bytes()))
}

var errNotInList = wire.Errorf(wire.CodeValue, "list.remove(x): x not in list")

func (l *list) remove(o *engine.Object, c *engine.Call) error   { return l.searchAll(c) }
func (l *list) count(o *engine.Object, c *engine.Call) error    { return l.searchAll(c) }
func (l *list) contains(o *engine.Object, c *engine.Call) error { return l.searchAll(c) }

func (l *list) searchAll(c *engine.Call) error {
	v := c.Value()
	l.search(c, v, 0, l.seq.n)
	return nil
}

func (l *list) index(o *engine.Object, c *engine.Call) error {
	v := c.Value()
	place := [2]int{0, l.seq.n}
	for i := range place {
		if i == 1 && c.Args.Nil() {
			break
		}
		if !c.Args.More() {
			break
		}
		n, ok := clampInt(c)
		if !ok {
			return wire.Errorf(wire.CodeType, "slice indices must be integers or have an __index__ method")
		}
		if n < 0 {
			n = max(n+l.seq.n, 0)
		}
		place[i] = min(n, l.seq.n)
	}
	c.Item, c.N = wire.Raw(v), int64(place[0])
	l.search(c, v, place[0], place[1])
	return nil
}

// pauseEvery is after how many elements work outside the lock pauses.
const pauseEvery = 64

// order is another order of the elements, or why there is none.
type order struct {
	seq seq
	err error
}

func finishOrder(o *engine.Object, c *engine.Call, result any) {
	o.State.(*list).reorder(c, result.(order))
}

func (l *list) reorder(c *engine.Call, r order) {
	if r.err != nil {
		c.Fail(wire.AsError(r.err))
		return
	}
	r.seq.version = l.seq.version + 1
	l.seq = r.seq
	c.ReturnNil()
}

func (l *list) reverse(o *engine.Object, c *engine.Call) error {
	was := l.seq.view()
	if was.n <= reverseHere {
		l.reorder(c, was.reversed())
	} else {
		c.Outside(func(pause engine.Pause) any { return was.reversed() })
	}
	return nil
}

func (q *seq) reversed() order {
	r := seq{n: q.n, bytes: q.bytes, blocks: make([]*block, len(q.blocks))}
	for i, b := range q.blocks {
		items := slices.Clone(b.items)
		slices.Reverse(items)
		r.blocks[len(q.blocks)-1-i] = &block{owner: r.me(), items: items}
	}
	return order{seq: r}
}

func (l *list) sort(o *engine.Object, c *engine.Call) error {
	down := c.Truth()
	was := l.seq.view()
	if was.n <= sortHere {
		l.reorder(c, was.sorted(down, nil))
	} else {
		c.Outside(func(pause engine.Pause) any { return was.sorted(down, pause) })
	}
	return nil
}

// sorted returns the elements as Python's sort orders them: equal ones keep
// their order, also when it goes down.
func (q *seq) sorted(down bool, pause engine.Pause) order {
	all := make([]wire.Raw, 0, q.n)
	for v := range q.all {
		all = append(all, v)
		if len(all)%pauseEvery == 0 && pause.Over() {
			return order{err: wire.ErrCancelled}
		}
	}
	m := merger{spare: make([]wire.Raw, len(all)), down: down, pause: pause}
	m.sort(all)
	if m.err != nil {
		return order{err: m.err}
	}
	r := seq{n: q.n, bytes: q.bytes}
	for part := range slices.Chunk(all, blockCap) {
		r.blocks = append(r.blocks, &block{owner: r.me(), items: slices.Clone(part)})
		pause.Over()
	}
	return order{seq: r}
}

// merger sorts by merging. It is not Go's sort, whose result for values without
// an order (NaN), and whose choice of the pair that an error names, may be
// another with the next release: then two servers would disagree.
type merger struct {
	spare    []wire.Raw
	down     bool
	pause    engine.Pause
	compared int
	err      error
}

// sortedRun is up to how many elements are sorted by insertion.
const sortedRun = 12

// before reports whether b must stand before a, which stands before it now.
func (m *merger) before(b, a wire.Raw) bool {
	if m.compared++; m.compared%pauseEvery == 0 && m.pause.Over() {
		m.err = wire.ErrCancelled
	}
	if m.err != nil {
		return false
	}
	d, err := wire.Compare(b.Bytes(), a.Bytes())
	if err != nil {
		m.err = err
		return false
	}
	if m.down {
		return d > 0
	}
	return d < 0
}

func (m *merger) sort(all []wire.Raw) {
	if len(all) <= sortedRun {
		for i := 1; i < len(all); i++ {
			for k := i; k > 0 && m.before(all[k], all[k-1]); k-- {
				all[k], all[k-1] = all[k-1], all[k]
			}
		}
		return
	}
	half := len(all) / 2
	m.sort(all[:half])
	m.sort(all[half:])
	if !m.before(all[half], all[half-1]) {
		return // in order already
	}
	left, right := append(m.spare[:0], all[:half]...), all[half:]
	for to := 0; len(left) > 0; to++ {
		if len(right) > 0 && m.before(right[0], left[0]) {
			all[to], right = right[0], right[1:]
		} else {
			all[to], left = left[0], left[1:]
		}
	}
}

// thinned is a list without every step-th element of a part of it.
type thinned struct{ left, gone seq }

func (q *seq) thinned(low, end, step int) thinned {
	var keep, gone seq
	part := q.slice(low, end)
	i := 0
	for v := range part.all {
		if i%step == 0 {
			gone.push(v)
		} else {
			keep.push(v)
		}
		i++
	}
	left := q.clone()
	left.splice(low, end, &keep)
	return thinned{left, gone}
}

func finishThin(o *engine.Object, c *engine.Call, result any) {
	o.State.(*list).thinOut(o, c, result.(thinned))
}

func (l *list) thinOut(o *engine.Object, c *engine.Call, r thinned) {
	r.left.version = l.seq.version + 1
	l.seq = r.left
	o.DropAll(r.gone.n, r.gone.bytes, r.gone.all)
	c.ReturnNil()
}
