package objects

import (
	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// cell is the Value of Python's managers: one value with a typecode. Python
// checks nothing; a strict one holds only what its typecode can.
type cell struct {
	code   wire.Raw // a str
	strict byte     // the typecode that is enforced, or 0
	value  wire.Raw
}

func valueType() *engine.Type {
	const reads, grows = engine.Reads, engine.Grows
	return &engine.Type{
		Name:   "Value",
		Params: "typecode, value, strict=False",
		New:    newValue,
		Load:   loadValue,
		Methods: []engine.Method{
			{Name: "get", Result: "value", Flags: reads, Fn: on((*cell).get)},
			{Name: "set", Params: "value", Result: "None", Flags: grows, Fn: on((*cell).set)},
			{Name: "add", Params: "delta", Result: "value", Flags: grows, Fn: on((*cell).add)},
			{Name: "compare_and_swap", Params: "old, new", Result: "bool", Flags: grows, Fn: on((*cell).compareAndSwap)},
			{Name: "typecode", Result: "str", Flags: reads, Fn: on((*cell).typecode)},
		},
	}
}

func newValue(o *engine.Object, c *engine.Call) error {
	code := c.Value()
	if c.ArgRefs() && hasRef(code) {
		return wire.Errorf(wire.CodeType, "a reference is no typecode")
	}
	value := c.Args
	v := c.Value()
	s := new(cell)
	var err error
	if c.Truth() {
		if s.strict, err = typecode(code); err != nil {
			return err
		}
	}
	o.State = s
	if s.strict != 0 {
		if v, err = s.fit(&value); err != nil {
			return err
		}
	}
	s.code = o.Keep(c, code)
	s.value = o.Keep(c, v)
	return nil
}

// typecode returns the typecode that a str names.
func typecode(v []byte) (byte, error) {
	s, err := readerOf(wire.Raw(v)).Str()
	if err != nil {
		return 0, wire.Errorf(wire.CodeType, "a typecode is a str of one character, not %s", wire.TypeName(v))
	}
	if len(s) != 1 || wire.ElementSize(s[0]) == 0 {
		return 0, wire.Errorf(wire.CodeValue, "bad typecode %.40q (must be b, B, u, w, h, H, i, I, l, L, q, Q, f or d)", s)
	}
	return s[0], nil
}

// fit takes the next value and returns it as the typecode holds it.
func (s *cell) fit(r *wire.Reader) ([]byte, error) {
	var buf [8]byte
	packed, err := appendPacked(buf[:0], s.strict, r, true)
	if err != nil {
		return nil, err
	}
	return appendElement(nil, s.strict, packed), nil
}

// take takes the next argument as a value that may be stored.
func (s *cell) take(c *engine.Call) ([]byte, error) {
	if s.strict != 0 {
		return s.fit(&c.Args)
	}
	return c.Value(), nil
}

func (s *cell) get(o *engine.Object, c *engine.Call) error {
	c.Return(s.value)
	return nil
}

func (s *cell) set(o *engine.Object, c *engine.Call) error {
	v, err := s.take(c)
	if err != nil {
		return err
	}
	s.store(o, o.Keep(c, v))
	c.ReturnNil()
	return nil
}

func (s *cell) store(o *engine.Object, v wire.Raw) {
	old := s.value
	s.value = v
	o.Drop(old)
}

// add is an atomic +=.
func (s *cell) add(o *engine.Object, c *engine.Call) error {
	delta := c.Value()
	sum, err := wire.Add(s.value.Bytes(), delta)
	if err != nil {
		return wire.AsError(err)
	}
	if s.strict != 0 {
		v, err := s.fit(readerOf(sum))
		if err != nil {
			return err
		}
		sum = wire.OwnedRaw(v)
	}
	if err := c.Session.Fits(len(sum)); err != nil {
		return err
	}
	o.KeepRaw(sum, c.ArgRefs() || o.HasRefs())
	s.store(o, sum)
	c.Return(sum)
	return nil
}

func (s *cell) compareAndSwap(o *engine.Object, c *engine.Call) error {
	old := c.Value()
	v, err := s.take(c)
	if err != nil {
		return err
	}
	same := wire.Equal(s.value.Bytes(), old)
	if same {
		s.store(o, o.Keep(c, v))
	}
	c.ReturnBool(same)
	return nil
}

func (s *cell) typecode(o *engine.Object, c *engine.Call) error {
	c.Return(s.code)
	return nil
}

// Dump appends the typecode, the one that is enforced, and the value.
func (s *cell) Dump(b []byte) ([]byte, engine.Rows) {
	b = append(append(b, s.code...), s.strict)
	return append(b, s.value...), nil
}

func loadValue(o *engine.Object, d *engine.Decoder) {
	s := &cell{code: d.Value(), strict: d.Byte(), value: d.Value()}
	if s.strict != 0 && wire.ElementSize(s.strict) == 0 {
		d.Fail("typecode %d", s.strict)
	}
	o.State = s
}

// Repr returns the text that Python prints.
func (s *cell) Repr() engine.View { return cellRepr{s.code, s.value} }

// cellRepr is the text of a Value.
type cellRepr struct{ code, value wire.Raw }

// Append appends what Python prints.
func (v cellRepr) Append(b []byte, pause engine.Pause) []byte {
	text := append([]byte("Value("), reprOf(v.code.Bytes())...)
	text = append(append(text, ", "...), reprOf(v.value.Bytes())...)
	return appendText(b, append(text, ')'))
}

// Value returns the value.
func (s *cell) Value() (wire.Raw, engine.View) { return s.value, nil }

// Each yields the value.
func (s *cell) Each(yield func(wire.Raw) bool) { yield(s.value) }
