package objects

import (
	"fmt"
	"slices"

	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// iterator hands out the values of a list one by one, each to one caller.
// Values whose receiver died before it acknowledged them come first again,
// and are then marked as delivered again.
type iterator struct {
	id       uint64
	list     wire.Raw   // "": closed
	at       int        // where the values begin that nobody has had
	left     int        // how many they are
	returned []iterSpan // values that came back, in order
}

// iterSpan is a value's place in the list.
type iterSpan struct{ from, to int }

func iteratorType() *engine.Type {
	return &engine.Type{Name: "Iterator", Params: "values", New: newIterator, Methods: []engine.Method{
		{Name: "next", Result: "value", Fn: on(iteratorNext), Undo: undoNext},
		{Name: "close", Result: "None", Fn: on(iteratorClose)},
	}}
}

func newIterator(o *engine.Object, c *engine.Call) error {
	values, err := c.Args.Elements(true)
	if err != nil {
		return err
	}
	i := &iterator{id: o.ID, left: values.Len()}
	if err := checkRoom(o, i.left); err != nil {
		return err
	}
	i.list = rawOf(values.Rest())
	i.at = len(wire.AppendArrayHeader(nil, i.left))
	o.KeepRaw(i.list, true)
	o.State = i
	return nil
}

func iteratorNext(i *iterator, o *engine.Object, c *engine.Call) error {
	if err := c.Args.Done(); err != nil {
		return err
	}
	s, again, ok := i.take()
	if !ok {
		return wire.ErrStop
	}
	if again {
		c.Redelivered()
	}
	c.N, c.Owner = int64(s.from), uint64(s.to)
	c.Return(i.list[s.from:s.to])
	return nil
}

// take returns the place of the next value.
func (i *iterator) take() (s iterSpan, again, ok bool) {
	switch {
	case len(i.returned) > 0:
		s = i.returned[0]
		i.returned = slices.Delete(i.returned, 0, 1)
		return s, true, true
	case i.left == 0:
		return s, false, false
	}
	n, err := wire.Skip(i.list[i.at:].Bytes())
	if err != nil {
		return s, false, false // it was checked when it came
	}
	s = iterSpan{i.at, i.at + n}
	i.at += n
	i.left--
	return s, false, true
}

func undoNext(o *engine.Object, c *engine.Call) {
	i := o.State.(*iterator)
	if i.list == "" {
		return
	}
	s := iterSpan{int(c.N), int(c.Owner)}
	at, _ := slices.BinarySearchFunc(i.returned, s, func(a, b iterSpan) int { return a.from - b.from })
	i.returned = slices.Insert(i.returned, at, s)
}

// iteratorClose lets the values go. It may be called again.
func iteratorClose(i *iterator, o *engine.Object, c *engine.Call) error {
	if err := c.Args.Done(); err != nil {
		return err
	}
	if i.list != "" {
		o.Drop(i.list)
		*i = iterator{id: i.id}
	}
	c.ReturnNil()
	return nil
}

// Len returns how many values are left.
func (i *iterator) Len() int { return i.left + len(i.returned) }

// view returns a view of the values that are left.
func (i *iterator) view() *iteratorView {
	return &iteratorView{list: i.list, at: i.at, n: i.Len(), returned: slices.Clone(i.returned)}
}

type iteratorView struct {
	list     wire.Raw
	at, n    int
	returned []iterSpan
}

// Append appends the list.
func (v *iteratorView) Append(b []byte) []byte {
	b = wire.AppendArrayHeader(b, v.n)
	for _, s := range v.returned {
		b = append(b, v.list[s.from:s.to]...)
	}
	return append(b, v.list[v.at:]...)
}

// Dump appends the values that are left, and where they stood.
func (i *iterator) Dump(b []byte) []byte {
	b = wire.AppendArrayHeader(b, 3)
	b = wire.AppendInt(b, int64(i.at))
	b = wire.AppendInt(b, int64(len(i.returned)))
	return i.view().Append(b)
}

// Repr prints what Python does; the object's ident stands for the address.
func (i *iterator) Repr() engine.View {
	return engine.Text(fmt.Sprintf("<list_iterator object at 0x%x>", i.id))
}

// Value returns the list of the values that are left.
func (i *iterator) Value() (wire.Raw, engine.View) { return "", i.view() }

// Each calls yield with the list.
func (i *iterator) Each(yield func(wire.Raw) bool) {
	if i.list != "" {
		yield(i.list)
	}
}
