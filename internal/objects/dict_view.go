package objects

import (
	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// listing says what a view of a dict shows.
type listing uint8

const (
	listKeys listing = iota
	listValues
	listItems
	listMap
	listRepr
)

// dictView is a dict as it was when the view was taken.
type dictView struct {
	entries entries
	what    listing
}

// Append appends a list of keys, values or pairs, a dict, or Python's repr.
func (v dictView) Append(b []byte, pause engine.Pause) []byte {
	b = wire.Grow(b, v.Size())
	switch v.what {
	case listMap:
		b = wire.AppendMapHeader(b, v.entries.n)
	case listRepr:
		return v.repr(b, pause)
	default:
		b = wire.AppendArrayHeader(b, v.entries.n)
	}
	for e := range v.entries.paced(pause) {
		switch v.what {
		case listKeys:
			b = append(b, e.key...)
		case listValues:
			b = append(b, e.value...)
		case listItems:
			b = appendPair(b, e.key, e.value)
		default:
			b = append(append(b, e.key...), e.value...)
		}
	}
	return b
}

// Size implements engine.Sized.
func (v dictView) Size() int {
	n := 0
	switch v.what {
	case listMap:
		n = int(v.entries.bytes)
	case listItems:
		for e := range v.entries.each {
			n += wire.TupleSize(2, len(e.key)+len(e.value))
		}
	case listKeys:
		for e := range v.entries.each {
			n += len(e.key)
		}
	case listValues:
		for e := range v.entries.each {
			n += len(e.value)
		}
	}
	return n
}

func (v dictView) repr(b []byte, pause engine.Pause) []byte {
	text := append(wire.Grow(nil, int(v.entries.bytes)+2*reprSpace*v.entries.n), '{')
	for e := range v.entries.paced(pause) {
		if len(text) > 1 {
			text = append(text, ", "...)
		}
		text = wire.AppendRepr(text, e.key.Bytes(), engine.AppendProxyName)
		text = append(text, ": "...)
		text = wire.AppendRepr(text, e.value.Bytes(), engine.AppendProxyName)
	}
	return appendText(b, append(text, '}'))
}

// appendPair appends a tuple of two.
func appendPair(b []byte, k, v wire.Raw) []byte {
	b = wire.AppendTupleHeader(b, 2, len(k)+len(v))
	return append(append(b, k...), v...)
}

// mergeView is Python's | of two dicts.
type mergeView struct {
	left  entries
	right []entry // keys and values that win
}

// merge replies with the dict that | gives, and changes nothing.
func (d *dict) merge(o *engine.Object, c *engine.Call) error {
	p, err := openPairs(c, &c.Args)
	if err != nil {
		return err
	}
	if p.table != nil {
		left, right := d.table.view(), *p.table
		c.Compute(func(pause engine.Pause) (wire.Raw, error) {
			all := make([]entry, 0, right.n)
			for e := range right.paced(pause) {
				all = append(all, *e)
			}
			return wire.OwnedRaw(mergeView{left, all}.Append(nil, pause)), nil
		})
		return nil
	}
	right := make([]entry, 0, p.n)
	p.each(c, func(k, v item) bool {
		var buf [64]byte
		if _, err = look(k.v, buf[:0]); err == nil {
			err = checkKey(c, k.v)
		}
		right = append(right, entry{key: wire.Raw(k.v), value: wire.Raw(v.v)})
		return err == nil
	})
	if err != nil {
		return err
	}
	c.ReturnView(mergeView{d.table.view(), right})
	return nil
}

// Append appends the dict: the left one's keys in their order, then those that
// are only in the right one.
func (v mergeView) Append(b []byte, pause engine.Pause) []byte {
	values := make(map[string]wire.Raw, len(v.right))
	first := make([]int, 0, len(v.right)) // where each key comes first
	keys := make([]string, len(v.right))
	p := pacer{pause: pause}
	for i, e := range v.right {
		if p.over(len(e.key)) {
			return b
		}
		k, _, _ := wire.AppendKey(nil, e.key.Bytes())
		keys[i] = string(k)
		if _, ok := values[keys[i]]; !ok {
			first = append(first, i)
		}
		values[keys[i]] = e.value
	}
	n := 0
	size := int(v.left.bytes)
	for _, e := range v.right {
		size += len(e.key) + len(e.value)
	}
	body := wire.Grow(nil, size)
	for e := range v.left.paced(pause) {
		k, _, _ := wire.AppendKey(nil, e.key.Bytes())
		value, ok := values[string(k)]
		if ok {
			delete(values, string(k))
		} else {
			value = e.value
		}
		body = append(append(body, e.key...), value...)
		n++
	}
	for _, i := range first {
		if value, ok := values[keys[i]]; ok {
			body = append(append(body, v.right[i].key...), value...)
			n++
		}
	}
	b = wire.AppendMapHeader(wire.Grow(b, size), n)
	return wire.AppendLong(b, body)
}

// getMany replies with [found, value] for each key.
func (d *dict) getMany(o *engine.Object, c *engine.Call) error {
	src, err := iterate(c, &c.Args)
	if err != nil {
		return err
	}
	if !src.here() && src.n > operandsHere {
		src.own()
		t := d.table.frozen()
		c.Compute(func(pause engine.Pause) (wire.Raw, error) {
			found, err := t.many(&src, pause)
			if err != nil {
				return "", err
			}
			return wire.OwnedRaw(found.Append(nil, pause)), nil
		})
		return nil
	}
	found, err := d.table.many(&src, nil)
	if err != nil {
		return err
	}
	reply(c, found, len(found))
	return nil
}

// many looks the keys up.
func (t *table) many(src *source, pause engine.Pause) (manyView, error) {
	var err error
	found := make(manyView, 0, src.n)
	size := 0
	src.paced(pause, func(k item) bool {
		var buf [64]byte
		var l lookup
		if l, err = look(k.v, buf[:0]); err != nil {
			return false
		}
		v, _ := t.get(&l)
		if size += len(v) + 3; size > maxReply {
			err = wire.Errorf(wire.CodeTooLarge, "get_many: the values take more than %d bytes; ask for fewer", maxReply)
			return false
		}
		found = append(found, v)
		return true
	})
	return found, err
}

// manyView is what get_many found; "" is a key that is not there.
type manyView []wire.Raw

// Size implements engine.Sized.
func (v manyView) Size() int {
	size := 0
	for _, value := range v {
		size += 2 + max(len(value), 1)
	}
	return size
}

// Append appends a list of [found, value].
func (v manyView) Append(b []byte, pause engine.Pause) []byte {
	b = wire.Grow(b, v.Size())
	b = wire.AppendArrayHeader(b, len(v))
	p := pacer{pause: pause}
	for _, value := range v {
		if p.over(len(value)) {
			break
		}
		b = wire.AppendArrayHeader(b, 2)
		b = wire.AppendBool(b, value != "")
		if value == "" {
			b = wire.AppendNil(b)
		}
		b = append(b, value...)
	}
	return b
}

// deleteMany replies with how many keys were there.
func (d *dict) deleteMany(o *engine.Object, c *engine.Call) error {
	src, err := iterate(c, &c.Args)
	if err != nil {
		return err
	}
	if !src.here() {
		if err := byParts(c, src.n); err != nil {
			return err
		}
	}
	var buf [64]byte
	src.each(func(k item) bool {
		_, err = look(k.v, buf[:0])
		return err == nil
	})
	if err != nil {
		return err
	}
	n := int64(0)
	src.each(func(k item) bool {
		l, err := look(k.v, buf[:0])
		if err != nil {
			return false
		}
		if r := d.table.find(&l); r != 0 {
			o.Drop(d.take(o, r))
			n++
		}
		return true
	})
	c.ReturnInt(n)
	return nil
}

// scan replies with a page: [next, version, rows]. next is where the next page
// begins, 0 at the end. The rows are keys, values, or keys and values in turn.
func (d *dict) scan(o *engine.Object, c *engine.Call) error {
	after, limit, err := cursor(c)
	if err != nil {
		return err
	}
	what := listItems
	switch name := c.Str(); string(name) {
	case "items":
	case "keys":
		what = listKeys
	case "values":
		what = listValues
	default:
		return wire.Errorf(wire.CodeValue, "scan: no such listing %.40q; there are 'items', 'keys' and 'values'", name)
	}
	if err := versionArg(c, d.table.version); err != nil {
		return err
	}
	c.Return(d.table.page(after, limit, what))
	return nil
}

// cursor takes where a page begins, and its limit.
func cursor(c *engine.Call) (after uint64, limit int, err error) {
	if after = c.Uint(); after >= oddKey {
		return 0, 0, wire.Errorf(wire.CodeValue, "no such cursor: %d", after)
	}
	limit, err = limitArg(c)
	return after, limit, err
}

// page encodes the entries behind a place.
func (t *table) page(after uint64, limit int, what listing) wire.Raw {
	var rows []byte
	n, next, more := 0, uint64(0), false
	t.after(after, func(e *entry) bool {
		if n == limit || len(rows) >= maxPageBytes {
			more = true
			return false
		}
		if what != listValues {
			rows = append(rows, e.key...)
		}
		if what != listKeys {
			rows = append(rows, e.value...)
		}
		next = e.place()
		n++
		return true
	})
	if !more {
		next = 0
	}
	if what == listItems {
		n *= 2
	}
	b := wire.AppendArrayHeader(make([]byte, 0, 24+len(rows)), 3)
	b = wire.AppendUint(b, next)
	b = wire.AppendUint(b, t.version)
	b = wire.AppendArrayHeader(b, n)
	return wire.OwnedRaw(append(b, rows...))
}

// Dump appends the table.
func (d *dict) Dump(b []byte) ([]byte, engine.Rows) { return d.table.dump(b) }

func loadDict(o *engine.Object, d *engine.Decoder) {
	s := new(dict)
	s.table.load(d, true)
	o.State = s
}

// Repr returns the dict as Python prints it.
func (d *dict) Repr() engine.View { return dictView{d.table.view(), listRepr} }

// Value returns the dict.
func (d *dict) Value() (wire.Raw, engine.View) {
	if d.table.small() {
		return wire.OwnedRaw(dictView{d.table.live(), listMap}.Append(nil, nil)), nil
	}
	return "", dictView{d.table.view(), listMap}
}

// Each yields the values; keys hold no references.
func (d *dict) Each(yield func(wire.Raw) bool) {
	for e := range d.table.live().each {
		if !yield(e.value) {
			return
		}
	}
}

// Len returns the number of keys.
func (d *dict) Len() int { return d.table.n }
