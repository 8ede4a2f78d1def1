package objects

import (
	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// set is Python's set, in the order of insertion. Elements are compared like
// the keys of a dict; the one first added stays.
type set struct{ table table }

func setType() *engine.Type {
	const reads, grows = engine.Reads, engine.Grows
	return &engine.Type{
		Name:   "set",
		Params: "iterable=()",
		New:    newSet,
		Load:   loadSet,
		Methods: []engine.Method{
			{Name: "add", Params: "value", Result: "bool", Flags: grows, Fn: on((*set).add)},
			{Name: "discard", Params: "value", Result: "bool", Fn: on((*set).discard)},
			{Name: "remove", Params: "value", Result: "None", Fn: on((*set).remove)},
			{Name: "pop", Result: "value", Fn: on((*set).pop)},
			{Name: "contains", Params: "value", Result: "bool", Flags: reads, Fn: on((*set).contains)},
			{Name: "len", Result: "int", Flags: reads, Fn: on((*set).len)},
			{Name: "union", Params: "*iterables", Result: "set", Flags: reads, Fn: on((*set).algebra)},
			{Name: "intersection", Params: "*iterables", Result: "set", Flags: reads, Fn: on((*set).algebra)},
			{Name: "difference", Params: "*iterables", Result: "set", Flags: reads, Fn: on((*set).algebra)},
			{Name: "symmetric_difference", Params: "iterable", Result: "set", Flags: reads, Fn: on((*set).algebra)},
			{Name: "update", Params: "*iterables", Result: "None", Flags: grows, Fn: on((*set).inPlace), Finish: finishSet},
			{Name: "intersection_update", Params: "*iterables", Result: "None", Fn: on((*set).inPlace), Finish: finishSet},
			{Name: "difference_update", Params: "*iterables", Result: "None", Fn: on((*set).inPlace), Finish: finishSet},
			{Name: "symmetric_difference_update", Params: "iterable", Result: "None", Flags: grows, Fn: on((*set).inPlace), Finish: finishSet},
			{Name: "issubset", Params: "iterable", Result: "bool", Flags: reads, Fn: on((*set).relation)},
			{Name: "issuperset", Params: "iterable", Result: "bool", Flags: reads, Fn: on((*set).relation)},
			{Name: "isdisjoint", Params: "iterable", Result: "bool", Flags: reads, Fn: on((*set).relation)},
			{Name: "equal", Params: "value", Result: "bool", Flags: reads, Fn: on((*set).relation)},
			{Name: "clear", Result: "None", Fn: on((*set).clear)},
			{Name: "copy", Result: "set", Flags: reads, Fn: on((*set).copy)},
			{Name: "scan", Params: "after: uint|None = 0, limit: int|None = 1000, version: uint|None = None", Result: "[next, version, rows]", Flags: reads, Fn: on((*set).scan)},
		},
	}
}

func newSet(o *engine.Object, c *engine.Call) error {
	s := new(set)
	o.State = s
	if !c.Args.More() {
		return nil
	}
	x, err := operand(c)
	if err == nil {
		if x.table == nil || x.refs && x.src.n == 0 {
			err = byParts(c, x.n())
		}
	}
	if err != nil {
		return err
	}
	t, err := x.elements(nil)
	if err == nil {
		err = checkMany(o, t.n, t.n, t.bytes)
	}
	if err != nil {
		return err
	}
	s.table = t.clone()
	o.KeepAll(t.n, t.bytes, x.refs, s.Each)
	return nil
}

// setOperand is an iterable that a set is combined with: a set that does not
// change, or elements to make one of.
type setOperand struct {
	table *table
	src   source
	refs  bool
}

func (x *setOperand) n() int {
	if x.table != nil {
		return x.table.n
	}
	return x.src.n
}

// byReference returns how many elements the call does not carry itself.
func byReference(all []setOperand) int {
	n := 0
	for i := range all {
		if x := &all[i]; x.src.n == 0 || !x.src.here() {
			n += x.n()
		}
	}
	return n
}

// operand takes an iterable. No object keeps its elements yet.
func operand(c *engine.Call) (setOperand, error) {
	if c.Args.Type() == wire.TypeRef {
		peek := c.Args
		o, err := resolve(c, &peek)
		if err != nil {
			return setOperand{}, err
		}
		if s, ok := o.State.(*set); ok {
			c.Args = peek
			return setOperand{table: s.table.frozen(), refs: o.HasRefs()}, nil
		}
	}
	src, err := iterate(c, &c.Args)
	if err != nil {
		return setOperand{}, err
	}
	x := setOperand{src: src, refs: src.refs}
	if src.here() {
		x.table, err = x.elements(nil)
	} else if src.pack != nil {
		x.src.own()
	}
	return x, err
}

// elements returns a table of the elements, which is not changed.
func (x *setOperand) elements(pause engine.Pause) (t *table, err error) {
	if x.table != nil {
		return x.table, nil
	}
	t = new(table)
	var buf [64]byte
	x.src.paced(pause, func(it item) bool {
		var l lookup
		if l, err = look(it.v, buf[:0]); err != nil {
			return false
		}
		if t.find(&l) == 0 {
			if it.raw == "" {
				it.raw = wire.Raw(it.v)
			}
			t.insert(&l, it.raw, "")
		}
		return true
	})
	return t, err
}

// element takes the only argument as an element to look for.
func (s *set) element(c *engine.Call, buf []byte) (v []byte, l lookup, r uint32, err error) {
	if v, l, err = takeKey(c, buf); err == nil {
		r = s.table.find(&l)
	}
	return v, l, r, err
}

// add replies whether the element is new.
func (s *set) add(o *engine.Object, c *engine.Call) error {
	var buf [64]byte
	v, l, r, err := s.element(c, buf[:0])
	if err != nil {
		return err
	}
	if r == 0 {
		if err := checkRoom(o, s.table.n+1); err != nil {
			return err
		}
		s.table.insert(&l, o.Keep(c, v), "")
	}
	c.ReturnBool(r == 0)
	return nil
}

// discard replies whether the element was there.
func (s *set) discard(o *engine.Object, c *engine.Call) error {
	var buf [64]byte
	_, _, r, err := s.element(c, buf[:0])
	if err != nil {
		return err
	}
	if r != 0 {
		v, _ := s.table.remove(r)
		o.Drop(v)
	}
	c.ReturnBool(r != 0)
	return nil
}

func (s *set) remove(o *engine.Object, c *engine.Call) error {
	var buf [64]byte
	v, _, r, err := s.element(c, buf[:0])
	if err != nil {
		return err
	}
	if r == 0 {
		return noKey(c, v)
	}
	old, _ := s.table.remove(r)
	o.Drop(old)
	c.ReturnNil()
	return nil
}

// pop takes the element that was added first.
func (s *set) pop(o *engine.Object, c *engine.Call) error {
	r := s.table.first()
	if r == 0 {
		return errPopSet
	}
	if err := c.Session.Fits(len(s.table.at(r).key)); err != nil {
		return err
	}
	v, _ := s.table.remove(r)
	o.Drop(v)
	c.Return(v)
	return nil
}

var errPopSet = wire.Errorf(wire.CodeKey, "'pop from an empty set'")

func (s *set) contains(o *engine.Object, c *engine.Call) error {
	var buf [64]byte
	_, _, r, err := s.element(c, buf[:0])
	if err != nil {
		return err
	}
	c.ReturnBool(r != 0)
	return nil
}

func (s *set) len(o *engine.Object, c *engine.Call) error {
	c.ReturnInt(int64(s.table.n))
	return nil
}

func (s *set) clear(o *engine.Object, c *engine.Call) error {
	o.DropAll(s.table.n, s.table.bytes, s.Each)
	s.table.clear()
	c.ReturnNil()
	return nil
}

func (s *set) copy(o *engine.Object, c *engine.Call) error {
	if raw, view := s.Value(); view != nil {
		c.ReturnView(view)
	} else {
		c.Return(raw)
	}
	return nil
}

// scan replies with a page of elements, as dict.scan does.
func (s *set) scan(o *engine.Object, c *engine.Call) error {
	after, limit, err := cursor(c)
	if err != nil {
		return err
	}
	if err := versionArg(c, s.table.version); err != nil {
		return err
	}
	c.Return(s.table.page(after, limit, listKeys))
	return nil
}

// Dump appends the table.
func (s *set) Dump(b []byte) ([]byte, engine.Rows) { return s.table.dump(b) }

func loadSet(o *engine.Object, d *engine.Decoder) {
	s := new(set)
	s.table.load(d, false)
	o.State = s
}

// Repr returns the set as Python prints it, in the order of insertion.
func (s *set) Repr() engine.View { return setRepr{s.table.view()} }

// Value returns the set.
func (s *set) Value() (wire.Raw, engine.View) {
	if s.table.small() {
		return wire.OwnedRaw(appendSet(nil, s.table.live(), nil)), nil
	}
	return "", setView{s.table.view()}
}

// Each yields the elements.
func (s *set) Each(yield func(wire.Raw) bool) {
	for e := range s.table.live().each {
		if !yield(e.key) {
			return
		}
	}
}

// Len returns the number of elements.
func (s *set) Len() int { return s.table.n }

// setView is a set as it was when the view was taken.
type setView struct{ entries entries }

// Append appends the set.
func (v setView) Append(b []byte, pause engine.Pause) []byte { return appendSet(b, v.entries, pause) }

// Size implements engine.Sized.
func (v setView) Size() int { return int(v.entries.bytes) }

func appendSet(b []byte, v entries, pause engine.Pause) []byte {
	size := int(v.bytes)
	b = wire.AppendSetHeader(wire.Grow(b, size), v.n, size)
	for e := range v.paced(pause) {
		b = append(b, e.key...)
	}
	return b
}

// setRepr is the text of a set.
type setRepr struct{ entries entries }

// Append appends what Python prints.
func (v setRepr) Append(b []byte, pause engine.Pause) []byte {
	if v.entries.n == 0 {
		return wire.AppendStr(b, "set()")
	}
	text := append(wire.Grow(nil, int(v.entries.bytes)+reprSpace*v.entries.n), '{')
	for e := range v.entries.paced(pause) {
		if len(text) > 1 {
			text = append(text, ", "...)
		}
		text = wire.AppendRepr(text, e.key.Bytes(), engine.AppendProxyName)
	}
	return appendText(b, append(text, '}'))
}
