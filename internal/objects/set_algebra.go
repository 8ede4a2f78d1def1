package objects

import (
	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// setOp is one of the operations on sets.
type setOp uint8

const (
	opUnion setOp = iota
	opIntersection
	opDifference
	opSymmetric
)

func setOpOf(method string) setOp {
	switch method {
	case "union", "update":
		return opUnion
	case "intersection", "intersection_update":
		return opIntersection
	case "difference", "difference_update":
		return opDifference
	}
	return opSymmetric
}

// operandsHere is up to how many elements a set is combined under the lock.
const operandsHere = 4096

// operands takes the iterables that a set is combined with.
func operands(c *engine.Call, op setOp) (all []*table, n int, refs bool, err error) {
	if op == opSymmetric && c.Args.Len() != 1 {
		_, err = one(c)
		return nil, 0, false, err
	}
	for c.Args.More() {
		t, r, err := operand(c)
		if err != nil {
			return nil, 0, false, err
		}
		all = append(all, t)
		n += t.n
		refs = refs || r
	}
	return all, n, refs, nil
}

// change is a table that is combined with others. added and gone hear of each
// element that comes or goes.
type change struct {
	t           *table
	added, gone func(wire.Raw)
}

func (ch change) add(e *entry) {
	var buf [64]byte
	l, err := look(e.key.Bytes(), buf[:0])
	if err == nil && ch.t.find(&l) == 0 {
		ch.added(e.key)
		ch.t.insert(&l, e.key, "")
	}
}

// remove deletes the element if it is there.
func (ch change) remove(key wire.Raw) bool {
	var buf [64]byte
	l, err := look(key.Bytes(), buf[:0])
	if err != nil {
		return false
	}
	r := ch.t.find(&l)
	if r != 0 {
		old, _ := ch.t.remove(r)
		ch.gone(old)
	}
	return r != 0
}

func (t *table) has(key wire.Raw) bool {
	var buf [64]byte
	l, err := look(key.Bytes(), buf[:0])
	return err == nil && t.find(&l) != 0
}

// which returns the keys that are, or are not, in another table.
func (t *table) which(in *table, want bool) []wire.Raw {
	var keys []wire.Raw
	for e := range t.live().each {
		if in.has(e.key) == want {
			keys = append(keys, e.key)
		}
	}
	return keys
}

func (ch change) apply(op setOp, others []*table) {
	for _, other := range others {
		switch op {
		case opUnion:
			for e := range other.live().each {
				ch.add(e)
			}
		case opSymmetric:
			for e := range other.live().each {
				if !ch.remove(e.key) {
					ch.add(e)
				}
			}
		default:
			if op == opDifference && other.n < ch.t.n {
				for e := range other.live().each {
					ch.remove(e.key)
				}
				continue
			}
			for _, key := range ch.t.which(other, op == opDifference) {
				ch.remove(key)
			}
		}
	}
}

func nothing(wire.Raw) {}

// combine returns what the operation gives, and leaves the table as it is.
func (t *table) combine(op setOp, others []*table) table {
	work := t.clone()
	change{&work, nothing, nothing}.apply(op, others)
	return work
}

// algebraView is the result of an operation on sets.
type algebraView struct {
	op     setOp
	left   table
	others []*table
}

// Append appends the set.
func (v algebraView) Append(b []byte) []byte {
	t := v.left.combine(v.op, v.others)
	return appendSet(b, t.live())
}

// algebra replies with the result of an operation.
func (s *set) algebra(o *engine.Object, c *engine.Call) error {
	op := setOpOf(c.Method.Name)
	others, n, _, err := operands(c, op)
	if err != nil {
		return err
	}
	reply(c, algebraView{op, s.table.clone(), others}, s.table.n+n)
	return nil
}

// inPlace keeps the result of an operation.
func (s *set) inPlace(o *engine.Object, c *engine.Call) error {
	op := setOpOf(c.Method.Name)
	others, n, refs, err := operands(c, op)
	if err != nil {
		return err
	}
	work := n
	if op == opIntersection {
		work += s.table.n
	}
	if limit := o.Engine().MaxItems(); (op == opUnion || op == opSymmetric) && limit > 0 && s.table.n+n > limit {
		t := s.table.combine(op, others)
		if err := checkRoom(o, t.n); err != nil {
			return err
		}
	}
	if op == opUnion || op == opSymmetric {
		if err := o.Engine().CheckGrowth(n, 0); err != nil {
			return err
		}
	}
	if work > operandsHere && !refs {
		was := s.table.clone()
		c.Outside(func(func()) any { return was.combine(op, others) })
		return nil
	}
	var old []wire.Raw
	change{&s.table, func(v wire.Raw) { o.KeepRaw(v, refs) }, func(v wire.Raw) { old = append(old, v) }}.apply(op, others)
	for _, v := range old {
		o.Drop(v)
	}
	c.ReturnNil()
	return nil
}

// finishSet installs what was combined outside. It has no references that the
// set did not have.
func finishSet(o *engine.Object, c *engine.Call, result any) {
	s := o.State.(*set)
	now := result.(table)
	was := s.table
	s.table = now
	o.KeepAll(now.n, now.bytes, o.HasRefs(), s.Each)
	old := set{was}
	o.DropAll(was.n, was.bytes, old.Each)
	c.ReturnNil()
}

// relationView compares two sets.
type relationView struct {
	name        string
	left, right *table
}

// Append appends a bool.
func (v relationView) Append(b []byte) []byte {
	a, other := v.left, v.right
	switch v.name {
	case "issubset":
		return wire.AppendBool(b, a.n <= other.n && a.within(other))
	case "issuperset":
		return wire.AppendBool(b, other.n <= a.n && other.within(a))
	case "equal":
		return wire.AppendBool(b, a.n == other.n && a.within(other))
	}
	if other.n < a.n {
		a, other = other, a
	}
	for e := range a.live().each {
		if other.has(e.key) {
			return wire.AppendBool(b, false)
		}
	}
	return wire.AppendBool(b, true)
}

func (t *table) within(other *table) bool {
	for e := range t.live().each {
		if !other.has(e.key) {
			return false
		}
	}
	return true
}

// relation replies how the set stands to another iterable.
func (s *set) relation(o *engine.Object, c *engine.Call) error {
	if c.Method.Name == "equal" && !isSet(c) {
		if _, err := one(c); err != nil {
			return err
		}
		c.ReturnBool(false)
		return nil
	}
	other, _, err := operand(c)
	if err != nil {
		return err
	}
	if err := c.Args.Done(); err != nil {
		return err
	}
	left := s.table.clone()
	reply(c, relationView{c.Method.Name, &left, other}, s.table.n+other.n)
	return nil
}

// isSet reports whether the next argument is a set.
func isSet(c *engine.Call) bool {
	switch c.Args.Type() {
	case wire.TypeSet, wire.TypeFrozenSet:
		return true
	case wire.TypeRef:
		peek := c.Args
		if o, err := resolve(c, &peek); err == nil {
			_, ok := o.State.(*set)
			return ok
		}
	}
	return false
}
