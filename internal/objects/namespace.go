package objects

import (
	"slices"
	"strings"

	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// namespace is the Namespace of Python's managers: attributes by name. Names
// that begin with an underscore are kept, but neither listed nor printed.
type namespace struct{ table table }

func namespaceType() *engine.Type {
	const reads, grows = engine.Reads, engine.Grows
	return &engine.Type{
		Name:   "Namespace",
		Params: "attributes={}",
		New:    newNamespace,
		Load:   loadNamespace,
		Methods: []engine.Method{
			{Name: "getattr", Params: "name: str", Result: "value", Flags: reads, Fn: on((*namespace).get)},
			{Name: "setattr", Params: "name: str, value", Result: "None", Flags: grows, Fn: on((*namespace).set)},
			{Name: "delattr", Params: "name: str", Result: "None", Fn: on((*namespace).delete)},
			{Name: "list", Result: "list", Flags: reads, Fn: on((*namespace).list)},
		},
	}
}

func newNamespace(o *engine.Object, c *engine.Call) error {
	n := new(namespace)
	o.State = n
	if !c.Args.More() {
		return nil
	}
	attrs, err := c.Args.Pairs()
	if err != nil {
		return err
	}
	if err := checkRoom(o, attrs.NArgs()/2); err != nil {
		return err
	}
	check := attrs
	for check.More() {
		if _, err := check.Str(); err != nil {
			return err
		}
		check.Next()
	}
	for attrs.More() {
		k := attrs.Next()
		if err := n.put(o, c, k, attrs.Next()); err != nil {
			return err
		}
	}
	return nil
}

func (n *namespace) put(o *engine.Object, c *engine.Call, k, v []byte) error {
	var buf [64]byte
	l, err := look(k, buf[:0])
	if err != nil {
		return err
	}
	if r := n.table.find(&l); r != 0 {
		o.Drop(n.table.replace(r, o.Keep(c, v)))
		return nil
	}
	if err := checkRoom(o, n.table.n+1); err != nil {
		return err
	}
	n.table.insert(&l, o.Keep(c, k), o.Keep(c, v))
	return nil
}

// attr takes a name and finds its entry.
func (n *namespace) attr(c *engine.Call) (name []byte, r uint32, err error) {
	name = c.Value()
	var buf [64]byte
	l, err := look(name, buf[:0])
	if err != nil {
		return nil, 0, err
	}
	if r = n.table.find(&l); r == 0 {
		return nil, 0, wire.Errorf(wire.CodeAttribute, "'Namespace' object has no attribute %s", textOf(name))
	}
	return name, r, nil
}

func (n *namespace) get(o *engine.Object, c *engine.Call) error {
	_, r, err := n.attr(c)
	if err != nil {
		return err
	}
	c.Return(n.table.at(r).value)
	return nil
}

func (n *namespace) set(o *engine.Object, c *engine.Call) error {
	name := c.Value()
	v := c.Value()
	if err := n.put(o, c, name, v); err != nil {
		return err
	}
	c.ReturnNil()
	return nil
}

func (n *namespace) delete(o *engine.Object, c *engine.Call) error {
	_, r, err := n.attr(c)
	if err != nil {
		return err
	}
	k, v := n.table.remove(r)
	o.Drop(k)
	o.Drop(v)
	c.ReturnNil()
	return nil
}

// list replies with the names in the order in which they were first set.
func (n *namespace) list(o *engine.Object, c *engine.Call) error {
	reply(c, namesView{n.table.view()}, n.table.n)
	return nil
}

// public returns the text of a name, and whether it is listed.
func public(key wire.Raw) (string, bool) {
	text, err := readerOf(key).Str()
	return string(text), err == nil && !strings.HasPrefix(string(text), "_")
}

// namesView is the names of a namespace.
type namesView struct{ entries entries }

// Append appends a list of the names.
func (v namesView) Append(b []byte, pause engine.Pause) []byte {
	var names []byte
	n := 0
	for e := range v.entries.paced(pause) {
		if _, ok := public(e.key); ok {
			names = append(names, e.key...)
			n++
		}
	}
	return append(wire.AppendArrayHeader(b, n), names...)
}

// namespaceRepr is the text of a namespace.
type namespaceRepr struct{ entries entries }

// Append appends what Python prints: the attributes, their texts sorted.
func (v namespaceRepr) Append(b []byte, pause engine.Pause) []byte {
	var parts []string
	for e := range v.entries.paced(pause) {
		if name, ok := public(e.key); ok {
			parts = append(parts, name+"="+string(reprOf(e.value.Bytes())))
		}
	}
	slices.Sort(parts)
	return wire.AppendStr(b, "Namespace("+strings.Join(parts, ", ")+")")
}

// Dump appends the table.
func (n *namespace) Dump(b []byte) ([]byte, engine.Rows) { return n.table.dump(b) }

func loadNamespace(o *engine.Object, d *engine.Decoder) {
	n := new(namespace)
	n.table.load(d, true)
	o.State = n
}

// Repr returns the namespace as Python prints it.
func (n *namespace) Repr() engine.View { return namespaceRepr{n.table.view()} }

// Value returns a dict of all attributes.
func (n *namespace) Value() (wire.Raw, engine.View) { return (*dict)(n).Value() }

// Each yields the values.
func (n *namespace) Each(yield func(wire.Raw) bool) { (*dict)(n).Each(yield) }

// Len returns the number of attributes.
func (n *namespace) Len() int { return n.table.n }
