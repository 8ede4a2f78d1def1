package objects

import (
	"errors"

	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// dict is Python's dict. Its keys are compared by wire.AppendKey, so 1, 1.0 and
// True are one key, and the key first inserted stays. No key holds a reference.
type dict struct{ table table }

func dictType() *engine.Type {
	const reads, grows = engine.Reads, engine.Grows
	return &engine.Type{
		Name:   "dict",
		Params: "pairs={}",
		New:    newDict,
		Load:   loadDict,
		Methods: []engine.Method{
			{Name: "get", Params: "key, default=None", Result: "value", Flags: reads, Fn: on((*dict).get)},
			{Name: "getitem", Params: "key", Result: "value", Flags: reads, Fn: on((*dict).getitem)},
			{Name: "set", Params: "key, value", Result: "None", Flags: grows, Fn: on((*dict).set)},
			{Name: "delete", Params: "key", Result: "None", Fn: on((*dict).delete)},
			{Name: "contains", Params: "key", Result: "bool", Flags: reads, Fn: on((*dict).contains)},
			{Name: "len", Result: "int", Flags: reads, Fn: on((*dict).len)},
			{Name: "keys", Result: "list", Flags: reads, Fn: on((*dict).keys)},
			{Name: "values", Result: "list", Flags: reads, Fn: on((*dict).values)},
			{Name: "items", Result: "list of (key, value)", Flags: reads, Fn: on((*dict).items)},
			{Name: "pop", Params: "key, [default]", Result: "value", Fn: on((*dict).pop)},
			{Name: "popitem", Result: "(key, value)", Fn: on((*dict).popitem)},
			{Name: "setdefault", Params: "key, default=None", Result: "value", Flags: grows, Fn: on((*dict).setdefault)},
			{Name: "update", Params: "pairs", Result: "None", Flags: grows, Fn: on((*dict).update), Finish: finishUpdate},
			{Name: "clear", Result: "None", Fn: on((*dict).clear)},
			{Name: "copy", Result: "dict", Flags: reads, Fn: on((*dict).copy)},
			{Name: "merge", Params: "pairs", Result: "dict", Flags: reads, Fn: on((*dict).merge)},
			{Name: "add", Params: "key, delta, [default]", Result: "value", Flags: grows, Fn: on((*dict).add)},
			{Name: "swap", Params: "key, value", Result: "value", Flags: grows, Fn: on((*dict).swap)},
			{Name: "compare_and_swap", Params: "key, old, new, absent: bool = False", Result: "bool", Flags: grows, Fn: on((*dict).compareAndSwap)},
			{Name: "compare_and_delete", Params: "key, old", Result: "bool", Fn: on((*dict).compareAndDelete)},
			{Name: "get_many", Params: "keys", Result: "list of [found, value]", Flags: reads, Fn: on((*dict).getMany)},
			{Name: "set_many", Params: "pairs", Result: "int", Flags: grows, Fn: on((*dict).update), Finish: finishUpdate},
			{Name: "delete_many", Params: "keys", Result: "int", Fn: on((*dict).deleteMany)},
			{Name: "scan", Params: "after: uint|None = 0, limit: int|None = 1000, what: str|None = 'items', version: uint|None = None", Result: "[next, version, rows]", Flags: reads, Fn: on((*dict).scan)},
		},
	}
}

func newDict(o *engine.Object, c *engine.Call) error {
	d := new(dict)
	if !c.Args.More() {
		o.State = d
		return nil
	}
	if src := c.Args; c.Args.Len() == 1 && src.Type() == wire.TypeRef {
		from, err := resolve(c, &src)
		if err != nil {
			return err
		}
		if other, ok := from.State.(*dict); ok {
			c.Args.Next()
			if err := checkMany(o, other.table.n, 2*other.table.n, other.table.bytes); err != nil {
				return err
			}
			if from.HasRefs() {
				if err := byParts(c, other.table.n); err != nil {
					return err
				}
			}
			d.table = other.table.clone()
			o.State = d
			o.KeepAll(2*d.table.n, d.table.bytes, from.HasRefs(), d.Each)
			return nil
		}
	}
	p, err := d.check(o, c)
	if err != nil {
		return err
	}
	o.State = d
	d.fill(o, c, p)
	return nil
}

// key takes the next argument as a key to look for.
func takeKey(c *engine.Call, buf []byte) (k []byte, l lookup, err error) {
	k = c.Value()
	l, err = look(k, buf)
	return k, l, err
}

// checkKey refuses references in a key that is to be stored.
func checkKey(c *engine.Call, k []byte) error {
	if c.ArgRefs() && hasRef(k) {
		return wire.Errorf(wire.CodeType, "a reference cannot be a key of a dict: use the object's name or ident")
	}
	return nil
}

// put stores a pair whose key was checked, and returns the value that it
// replaced, for the caller to drop.
func (d *dict) put(o *engine.Object, c *engine.Call, l *lookup, k, v item, refs bool) (old wire.Raw, had bool) {
	if r := d.table.find(l); r != 0 {
		return d.table.replace(r, v.keep(o, c, refs)), true
	}
	d.table.insert(l, k.keep(o, c, false), v.keep(o, c, refs))
	return "", false
}

// checkNew refuses one more key than the limit.
func (d *dict) checkNew(o *engine.Object, c *engine.Call, k []byte) error {
	if err := checkKey(c, k); err != nil {
		return err
	}
	return checkRoom(o, d.table.n+1)
}

func (d *dict) get(o *engine.Object, c *engine.Call) error {
	var buf [64]byte
	_, l, err := takeKey(c, buf[:0])
	if err != nil {
		return err
	}
	def := c.Args.Next()
	if v, ok := d.table.get(&l); ok {
		c.Return(v)
	} else if def != nil {
		c.ReturnBytes(def)
	} else {
		c.ReturnNil()
	}
	return nil
}

func (d *dict) getitem(o *engine.Object, c *engine.Call) error {
	var buf [64]byte
	k, l, err := takeKey(c, buf[:0])
	if err != nil {
		return err
	}
	v, ok := d.table.get(&l)
	if !ok {
		return noKey(c, k)
	}
	c.Return(v)
	return nil
}

func (d *dict) set(o *engine.Object, c *engine.Call) error {
	var buf [64]byte
	k, l, err := takeKey(c, buf[:0])
	if err != nil {
		return err
	}
	v := c.Value()
	if r := d.table.find(&l); r != 0 {
		o.Drop(d.table.replace(r, o.Keep(c, v)))
	} else {
		if err := d.checkNew(o, c, k); err != nil {
			return err
		}
		d.table.insert(&l, o.Keep(c, k), o.Keep(c, v))
	}
	c.ReturnNil()
	return nil
}

// take removes an entry. The value is still held until dropped.
func (d *dict) take(o *engine.Object, r uint32) (value wire.Raw) {
	key, value := d.table.remove(r)
	o.Drop(key)
	return value
}

func (d *dict) delete(o *engine.Object, c *engine.Call) error {
	var buf [64]byte
	k, l, err := takeKey(c, buf[:0])
	if err != nil {
		return err
	}
	r := d.table.find(&l)
	if r == 0 {
		return noKey(c, k)
	}
	o.Drop(d.take(o, r))
	c.ReturnNil()
	return nil
}

func (d *dict) contains(o *engine.Object, c *engine.Call) error {
	var buf [64]byte
	_, l, err := takeKey(c, buf[:0])
	if err != nil {
		return err
	}
	c.ReturnBool(d.table.find(&l) != 0)
	return nil
}

func (d *dict) len(o *engine.Object, c *engine.Call) error {
	c.ReturnInt(int64(d.table.n))
	return nil
}

func (d *dict) keys(o *engine.Object, c *engine.Call) error   { return d.list(c, listKeys) }
func (d *dict) values(o *engine.Object, c *engine.Call) error { return d.list(c, listValues) }
func (d *dict) items(o *engine.Object, c *engine.Call) error  { return d.list(c, listItems) }
func (d *dict) copy(o *engine.Object, c *engine.Call) error   { return d.list(c, listMap) }

func (d *dict) list(c *engine.Call, what listing) error {
	if d.table.small() {
		c.Return(wire.OwnedRaw(dictView{d.table.live(), what}.Append(nil, nil)))
	} else {
		c.ReturnView(dictView{d.table.view(), what})
	}
	return nil
}

func (d *dict) pop(o *engine.Object, c *engine.Call) error {
	var buf [64]byte
	k, l, err := takeKey(c, buf[:0])
	if err != nil {
		return err
	}
	def := c.Args.Next()
	r := d.table.find(&l)
	switch {
	case r != 0:
		if err := c.Session.Fits(len(d.table.at(r).value)); err != nil {
			return err
		}
		v := d.take(o, r)
		o.Drop(v)
		c.Return(v)
	case def != nil:
		c.ReturnBytes(def)
	default:
		return noKey(c, k)
	}
	return nil
}

func (d *dict) popitem(o *engine.Object, c *engine.Call) error {
	r := d.table.last()
	if r == 0 {
		return wire.Errorf(wire.CodeKey, "'popitem(): dictionary is empty'")
	}
	last := d.table.at(r)
	if err := c.Session.Fits(wire.TupleSize(2, len(last.key)+len(last.value))); err != nil {
		return err
	}
	k, v := d.table.remove(r)
	o.Drop(k)
	o.Drop(v)
	c.Return(wire.OwnedRaw(appendPair(make([]byte, 0, 11+len(k)+len(v)), k, v)))
	return nil
}

func (d *dict) setdefault(o *engine.Object, c *engine.Call) error {
	var buf [64]byte
	k, l, err := takeKey(c, buf[:0])
	if err != nil {
		return err
	}
	if v, ok := d.table.get(&l); ok {
		c.Return(v)
		return nil
	}
	def := c.Value()
	if err := d.checkNew(o, c, k); err != nil {
		return err
	}
	if err := c.Session.Fits(len(def)); err != nil {
		return err
	}
	v := o.Keep(c, def)
	d.table.insert(&l, o.Keep(c, k), v)
	c.Return(v)
	return nil
}

// check takes the last argument as pairs, all of which can be stored.
func (d *dict) check(o *engine.Object, c *engine.Call) (*pairs, error) {
	p, err := openPairs(c, &c.Args)
	if err != nil {
		return nil, err
	}
	limit := o.Engine().MaxItems()
	tight := limit > 0 && d.table.n+p.n > limit
	var buf [64]byte
	added := 0
	p.each(c, func(k, _ item) bool {
		if k.raw != "" && !tight {
			return false // the keys of a dict are in order
		}
		var l lookup
		if l, err = look(k.v, buf[:0]); err == nil {
			err = checkKey(c, k.v)
		}
		if err == nil && tight && d.table.find(&l) == 0 {
			added++
		}
		return err == nil
	})
	if err == nil && tight {
		err = checkRoom(o, d.table.n+added)
	}
	if err == nil {
		err = o.Engine().CheckGrowth(2*p.n, 0)
	}
	return &p, err
}

// fill stores pairs that were checked, and returns how many keys are new.
func (d *dict) fill(o *engine.Object, c *engine.Call, p *pairs) int {
	var buf [64]byte
	added := 0
	p.each(c, func(k, v item) bool {
		l, err := look(k.v, buf[:0])
		if err != nil {
			return false
		}
		if old, had := d.put(o, c, &l, k, v, p.refs); had {
			o.Drop(old)
		} else {
			added++
		}
		return true
	})
	return added
}

// update serves set_many too, which replies with how many keys are new.
func (d *dict) update(o *engine.Object, c *engine.Call) error {
	p, err := d.check(o, c)
	if err != nil {
		return err
	}
	if p.table != nil && p.n > operandsHere {
		if p.refs {
			return byParts(c, p.n)
		}
		was, from := d.table.frozen(), *p.table
		c.Outside(func(pause engine.Pause) any { return was.updated(from, pause) })
		return nil
	}
	d.updated(c, d.fill(o, c, p))
	return nil
}

func (d *dict) updated(c *engine.Call, added int) {
	if c.Method.Name == "set_many" {
		c.ReturnInt(int64(added))
	} else {
		c.ReturnNil()
	}
}

// updated returns a copy with the pairs of another dict.
func (t *table) updated(from entries, pause engine.Pause) combined {
	r := combined{table: t.clone()}
	work := &r.table
	var buf [64]byte
	for e := range from.paced(pause) {
		l, err := look(e.key.Bytes(), buf[:0])
		if err != nil {
			continue // no stored key is refused
		}
		if ref := work.find(&l); ref != 0 {
			if old := work.replace(ref, e.value); hasRef(old.Bytes()) {
				r.gone = append(r.gone, old)
			}
		} else {
			work.insert(&l, e.key, e.value)
		}
	}
	return r
}

// finishUpdate installs what was merged outside. It has no references that the
// dict did not have.
func finishUpdate(o *engine.Object, c *engine.Call, result any) {
	d := o.State.(*dict)
	r := result.(combined)
	added := r.table.n - d.table.n
	o.Recharge(2*added, r.table.bytes-d.table.bytes)
	d.table = r.table
	o.Release(r.gone)
	d.updated(c, added)
}

func (d *dict) clear(o *engine.Object, c *engine.Call) error {
	o.DropAll(2*d.table.n, d.table.bytes, d.Each)
	d.table.clear()
	c.ReturnNil()
	return nil
}

// add is an atomic +=.
func (d *dict) add(o *engine.Object, c *engine.Call) error {
	var buf [64]byte
	k, l, err := takeKey(c, buf[:0])
	if err != nil {
		return err
	}
	delta := c.Value()
	def := c.Args.Next()
	r := d.table.find(&l)
	var sum wire.Raw
	switch {
	case r != 0:
		sum, err = wire.Add(d.table.at(r).value.Bytes(), delta)
	case def != nil:
		sum, err = wire.Add(def, delta)
	case !addable(delta):
		err = wire.Errorf(wire.CodeType, "unsupported operand type for +=: '%s'", wire.TypeName(delta))
	default:
		sum = wire.Raw(delta)
	}
	if err != nil {
		var unfit *wire.OperandError
		if r != 0 && errors.As(err, &unfit) {
			return wire.Errorf(wire.CodeType, "%s, key %s holds a value of type %s: %v",
				objectText(o), textOf(k), wire.TypeName(d.table.at(r).value.Bytes()), err)
		}
		return wire.AsError(err)
	}
	if err := c.Session.Fits(len(sum)); err != nil {
		return err
	}
	if r != 0 {
		o.KeepRaw(sum, c.ArgRefs() || o.HasRefs())
		o.Drop(d.table.replace(r, sum))
	} else {
		if err := d.checkNew(o, c, k); err != nil {
			return err
		}
		o.KeepRaw(sum, c.ArgRefs())
		d.table.insert(&l, o.Keep(c, k), sum)
	}
	c.Return(sum)
	return nil
}

// addable reports whether a value of the type can be added to its like.
func addable(v []byte) bool {
	switch wire.TypeOf(v) {
	case wire.TypeBool, wire.TypeInt, wire.TypeUint, wire.TypeBigInt, wire.TypeFloat, wire.TypeComplex, wire.TypeStr,
		wire.TypeBytes, wire.TypeByteArray, wire.TypeList, wire.TypeTuple, wire.TypeArray:
		return true
	}
	return false
}

func (d *dict) swap(o *engine.Object, c *engine.Call) error {
	var buf [64]byte
	k, l, err := takeKey(c, buf[:0])
	if err != nil {
		return err
	}
	v := c.Value()
	r := d.table.find(&l)
	if r == 0 {
		return noKey(c, k)
	}
	if err := c.Session.Fits(len(d.table.at(r).value)); err != nil {
		return err
	}
	old := d.table.replace(r, o.Keep(c, v))
	o.Drop(old)
	c.Return(old)
	return nil
}

// compareAndSwap stores new if the key's value equals old or, with absent, if
// there is no such key.
func (d *dict) compareAndSwap(o *engine.Object, c *engine.Call) error {
	var buf [64]byte
	k, l, err := takeKey(c, buf[:0])
	if err != nil {
		return err
	}
	old := c.Value()
	v := c.Value()
	absent := c.Truth()
	r := d.table.find(&l)
	switch {
	case (r == 0) != absent, r != 0 && !wire.Equal(d.table.at(r).value.Bytes(), old):
		c.ReturnBool(false)
		return nil
	case r != 0:
		o.Drop(d.table.replace(r, o.Keep(c, v)))
	default:
		if err := d.checkNew(o, c, k); err != nil {
			return err
		}
		d.table.insert(&l, o.Keep(c, k), o.Keep(c, v))
	}
	c.ReturnBool(true)
	return nil
}

func (d *dict) compareAndDelete(o *engine.Object, c *engine.Call) error {
	var buf [64]byte
	_, l, err := takeKey(c, buf[:0])
	if err != nil {
		return err
	}
	old := c.Value()
	r := d.table.find(&l)
	if r == 0 || !wire.Equal(d.table.at(r).value.Bytes(), old) {
		c.ReturnBool(false)
		return nil
	}
	o.Drop(d.take(o, r))
	c.ReturnBool(true)
	return nil
}
