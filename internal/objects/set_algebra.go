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

// operands takes the iterables that a set is combined with.
func operands(c *engine.Call, op setOp) (all []setOperand, n int, refs bool, err error) {
	for c.Args.More() {
		x, err := operand(c)
		if err != nil {
			return nil, 0, false, err
		}
		all = append(all, x)
		n += x.n()
		refs = refs || x.refs
	}
	return all, n, refs, nil
}

// tables returns the operands' elements.
func tables(all []setOperand, pause engine.Pause) ([]*table, error) {
	ts := make([]*table, len(all))
	for i := range all {
		var err error
		if ts[i], err = all[i].elements(pause); err != nil {
			return nil, err
		}
	}
	return ts, nil
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
func (t *table) which(in *table, want bool, pause engine.Pause) []wire.Raw {
	var keys []wire.Raw
	for e := range t.live().paced(pause) {
		if in.has(e.key) == want {
			keys = append(keys, e.key)
		}
	}
	return keys
}

func (ch change) apply(op setOp, others []*table, pause engine.Pause) {
	for _, other := range others {
		switch op {
		case opUnion:
			for e := range other.live().paced(pause) {
				ch.add(e)
			}
		case opSymmetric:
			for e := range other.live().paced(pause) {
				if !ch.remove(e.key) {
					ch.add(e)
				}
			}
		default:
			if op == opDifference && other.n < ch.t.n {
				for e := range other.live().paced(pause) {
					ch.remove(e.key)
				}
				continue
			}
			p := pacer{pause: pause}
			for _, key := range ch.t.which(other, op == opDifference, pause) {
				if p.over(len(key)) {
					return
				}
				ch.remove(key)
			}
		}
		if pause.Over() {
			return
		}
	}
}

func nothing(wire.Raw) {}

// combined is what an operation gives, and the elements of the set that are gone.
type combined struct {
	table table
	gone  []wire.Raw
	err   error
}

// combine returns what the operation gives, and leaves the table as it is.
func (t *table) combine(op setOp, operands []setOperand, pause engine.Pause) combined {
	others, err := tables(operands, pause)
	if err != nil {
		return combined{err: err}
	}
	r := combined{table: t.clone()}
	change{&r.table, nothing, func(v wire.Raw) {
		if hasRef(v.Bytes()) {
			r.gone = append(r.gone, v)
		}
	}}.apply(op, others, pause)
	return r
}

// algebra replies with the result of an operation.
func (s *set) algebra(o *engine.Object, c *engine.Call) error {
	op := setOpOf(c.Method.Name)
	others, n, _, err := operands(c, op)
	if err != nil {
		return err
	}
	if s.table.n+n <= smallView && s.table.bytes <= smallBytes {
		r := s.table.combine(op, others, nil)
		if r.err == nil {
			c.Return(wire.OwnedRaw(appendSet(nil, r.table.live(), nil)))
		}
		return r.err
	}
	left := s.table.frozen()
	c.Compute(func(pause engine.Pause) (wire.Raw, error) {
		r := left.combine(op, others, pause)
		if r.err != nil {
			return "", r.err
		}
		return wire.OwnedRaw(appendSet(nil, r.table.live(), pause)), nil
	})
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
	if op == opUnion || op == opSymmetric {
		if err := o.Engine().CheckGrowth(n, 0); err != nil {
			return err
		}
	}
	if work > operandsHere && !refs {
		was := s.table.frozen()
		c.Outside(func(pause engine.Pause) any { return was.combine(op, others, pause) })
		return nil
	}
	if err := byParts(c, byReference(others)); refs && err != nil {
		return err
	}
	sets, err := tables(others, nil)
	if err != nil {
		return err
	}
	if limit := o.Engine().MaxItems(); (op == opUnion || op == opSymmetric) && limit > 0 && s.table.n+n > limit {
		if err := checkRoom(o, s.table.combine(op, others, nil).table.n); err != nil {
			return err
		}
	}
	var old []wire.Raw
	change{&s.table, func(v wire.Raw) { o.KeepRaw(v, refs) }, func(v wire.Raw) { old = append(old, v) }}.apply(op, sets, nil)
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
	r := result.(combined)
	if r.err == nil && r.table.n > s.table.n {
		r.err = checkRoom(o, r.table.n)
	}
	if r.err != nil {
		c.Fail(r.err)
		return
	}
	o.Recharge(r.table.n-s.table.n, r.table.bytes-s.table.bytes)
	s.table = r.table
	o.Release(r.gone)
	c.ReturnNil()
}

// compareSets returns how two sets stand to each other, as a bool.
func compareSets(name string, a, other *table, pause engine.Pause) bool {
	switch name {
	case "issubset":
		return a.n <= other.n && a.within(other, pause)
	case "issuperset":
		return other.n <= a.n && other.within(a, pause)
	case "equal":
		return a.n == other.n && a.within(other, pause)
	}
	if other.n < a.n {
		a, other = other, a
	}
	for e := range a.live().paced(pause) {
		if other.has(e.key) {
			return false
		}
	}
	return true
}

func (t *table) within(other *table, pause engine.Pause) bool {
	for e := range t.live().paced(pause) {
		if !other.has(e.key) {
			return false
		}
	}
	return true
}

// relation replies how the set stands to another iterable.
func (s *set) relation(o *engine.Object, c *engine.Call) error {
	if c.Method.Name == "equal" && !isSet(c) {
		c.ReturnBool(false)
		return nil
	}
	x, err := operand(c)
	if err != nil {
		return err
	}
	name := c.Method.Name
	if s.table.n+x.n() <= smallView && s.table.bytes <= smallBytes {
		other, err := x.elements(nil)
		if err == nil {
			c.ReturnBool(compareSets(name, &s.table, other, nil))
		}
		return err
	}
	left := s.table.frozen()
	c.Compute(func(pause engine.Pause) (wire.Raw, error) {
		other, err := x.elements(pause)
		if err != nil {
			return "", err
		}
		return wire.Raw(wire.AppendBool(nil, compareSets(name, left, other, pause))), nil
	})
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
