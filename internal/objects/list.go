package objects

import (
	"encoding/binary"

	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// list is Python's list.
type list struct{ seq seq }

func listType() *engine.Type {
	const reads, grows = engine.Reads, engine.Grows
	return &engine.Type{
		Name:   "list",
		Params: "iterable=[]",
		New:    newList,
		Load:   loadList,
		Methods: []engine.Method{
			{Name: "getitem", Params: "index", Result: "value", Flags: reads, Fn: on((*list).getitem)},
			{Name: "setitem", Params: "index, value", Result: "None", Flags: grows, Fn: on((*list).setitem)},
			{Name: "delitem", Params: "index", Result: "None", Fn: on((*list).delitem)},
			{Name: "getslice", Params: "start=None, stop=None, step=None", Result: "list", Flags: reads, Fn: on((*list).getslice)},
			{Name: "setslice", Params: "start, stop, step, iterable", Result: "None", Flags: grows, Fn: on((*list).setslice)},
			{Name: "delslice", Params: "start=None, stop=None, step=None", Result: "None", Fn: on((*list).delslice), Finish: finishThin},
			{Name: "append", Params: "value", Result: "None", Flags: grows, Fn: on((*list).append)},
			{Name: "extend", Params: "iterable", Result: "None", Flags: grows, Fn: on((*list).extend), Finish: finishExtend},
			{Name: "insert", Params: "index, value", Result: "None", Flags: grows, Fn: on((*list).insert)},
			{Name: "pop", Params: "index=-1", Result: "value", Fn: on((*list).pop)},
			{Name: "remove", Params: "value", Result: "None", Fn: on((*list).remove), Finish: finishSearch},
			{Name: "index", Params: "value, start=0, stop=None", Result: "int", Flags: reads, Fn: on((*list).index)},
			{Name: "count", Params: "value", Result: "int", Flags: reads, Fn: on((*list).count)},
			{Name: "contains", Params: "value", Result: "bool", Flags: reads, Fn: on((*list).contains)},
			{Name: "reverse", Result: "None", Fn: on((*list).reverse), Finish: finishOrder},
			{Name: "sort", Params: "reverse=False", Result: "None", Fn: on((*list).sort), Finish: finishOrder},
			{Name: "concat", Params: "list", Result: "list", Flags: reads, Fn: on((*list).concat)},
			{Name: "repeat", Params: "n", Result: "list", Flags: reads, Fn: on((*list).repeat)},
			{Name: "iadd", Params: "iterable", Result: "None", Flags: grows, Fn: on((*list).extend), Finish: finishExtend},
			{Name: "imul", Params: "n", Result: "None", Flags: grows, Fn: on((*list).imul)},
			{Name: "len", Result: "int", Flags: reads, Fn: on((*list).len)},
			{Name: "clear", Result: "None", Fn: on((*list).clear)},
			{Name: "copy", Result: "list", Flags: reads, Fn: on((*list).copy)},
			{Name: "page", Params: "from: uint|None = 0, limit: int|None = 1000, version: uint|None = None", Result: "[next, version, rows]", Flags: reads, Fn: on((*list).page)},
		},
	}
}

func newList(o *engine.Object, c *engine.Call) error {
	l := new(list)
	o.State = l
	if !c.Args.More() {
		return nil
	}
	src, err := iterate(c, &c.Args)
	if err == nil {
		err = checkMany(o, src.n, src.n, src.size())
	}
	if err == nil && !src.shared() {
		err = byParts(c, src.n)
	}
	if err != nil {
		return err
	}
	q := keepAll(o, c, &src)
	l.seq.join(&q)
	return nil
}

// keepAll keeps the elements of a source and returns them.
func keepAll(o *engine.Object, c *engine.Call, src *source) seq {
	if src.seq != nil {
		o.KeepAll(src.seq.n, src.seq.bytes, src.refs, src.seq.all)
		return *src.seq
	}
	var q seq
	src.each(func(it item) bool {
		q.push(it.keep(o, c, src.refs))
		return true
	})
	return q
}

func (l *list) getitem(o *engine.Object, c *engine.Call) error {
	i, err := indexArg(c, l.seq.n, "list index")
	if err != nil {
		return err
	}
	c.Return(l.seq.get(i))
	return nil
}

func (l *list) setitem(o *engine.Object, c *engine.Call) error {
	i, err := indexArg(c, l.seq.n, "list assignment index")
	if err != nil {
		return err
	}
	v := c.Value()
	o.Drop(l.seq.set(i, o.Keep(c, v)))
	c.ReturnNil()
	return nil
}

func (l *list) delitem(o *engine.Object, c *engine.Call) error {
	i, err := indexArg(c, l.seq.n, "list assignment index")
	if err != nil {
		return err
	}
	o.Drop(l.seq.remove(i))
	c.ReturnNil()
	return nil
}

func (l *list) getslice(o *engine.Object, c *engine.Call) error {
	s, err := sliceArgs(c, l.seq.n)
	if err != nil {
		return err
	}
	if s.count == 0 {
		c.ReturnBytes([]byte{0x90})
		return nil
	}
	low, end, step := s.forward()
	reply(c, sliceView{l.seq.slice(low, end), s.count, step, s.step < 0}, end-low)
	return nil
}

func (l *list) setslice(o *engine.Object, c *engine.Call) error {
	s, err := sliceArgs(c, l.seq.n)
	if err != nil {
		return err
	}
	src, err := iterate(c, &c.Args)
	if err != nil {
		return wire.Errorf(wire.CodeType, "must assign iterable to extended slice")
	}
	if s.step == 1 {
		stop := max(s.start, s.stop)
		if err := checkMany(o, l.seq.n-(stop-s.start)+src.n, src.n, src.size()); err != nil {
			return err
		}
		if !src.shared() {
			if err := byParts(c, src.n); err != nil {
				return err
			}
		}
		with := keepAll(o, c, &src)
		out := l.seq.splice(s.start, stop, &with)
		o.DropAll(out.n, out.bytes, out.all)
		c.ReturnNil()
		return nil
	}
	if src.n != s.count {
		return wire.Errorf(wire.CodeValue, "attempt to assign sequence of size %d to extended slice of size %d", src.n, s.count)
	}
	if !src.here() {
		if err := byParts(c, src.n); err != nil {
			return err
		}
	}
	i := s.start
	src.each(func(it item) bool {
		o.Drop(l.seq.set(i, it.keep(o, c, src.refs)))
		i += s.step
		return true
	})
	c.ReturnNil()
	return nil
}

func (l *list) delslice(o *engine.Object, c *engine.Call) error {
	s, err := sliceArgs(c, l.seq.n)
	if err != nil {
		return err
	}
	if s.count == 0 {
		c.ReturnNil()
		return nil
	}
	low, end, step := s.forward()
	switch {
	case step == 1:
		gone := l.seq.splice(low, end, &seq{})
		o.DropAll(gone.n, gone.bytes, gone.all)
		c.ReturnNil()
	case end-low <= reverseHere:
		l.thinOut(o, c, l.seq.thinned(low, end, step))
	default:
		was := l.seq.clone()
		c.Outside(func(pause engine.Pause) any { return was.thinned(low, end, step) })
	}
	return nil
}

func (l *list) append(o *engine.Object, c *engine.Call) error {
	v := c.Value()
	if err := checkRoom(o, l.seq.n+1); err != nil {
		return err
	}
	l.seq.push(o.Keep(c, v))
	c.ReturnNil()
	return nil
}

func (l *list) extend(o *engine.Object, c *engine.Call) error {
	src, err := iterate(c, &c.Args)
	if err != nil {
		return err
	}
	if err := checkMany(o, l.seq.n+src.n, src.n, src.size()); err != nil {
		return err
	}
	if !src.shared() && src.n > operandsHere {
		if src.refs {
			return byParts(c, src.n)
		}
		src.own()
		c.Outside(func(pause engine.Pause) any {
			var q seq
			src.paced(pause, func(it item) bool {
				if it.raw == "" {
					it.raw = wire.Raw(it.v)
				}
				q.push(it.raw)
				return true
			})
			return q
		})
		return nil
	}
	q := keepAll(o, c, &src)
	l.seq.join(&q)
	c.ReturnNil()
	return nil
}

// finishExtend appends what was made outside. It holds no references.
func finishExtend(o *engine.Object, c *engine.Call, result any) {
	l, q := o.State.(*list), result.(seq)
	if err := checkMany(o, l.seq.n+q.n, q.n, q.bytes); err != nil {
		c.Fail(err)
		return
	}
	o.Recharge(q.n, q.bytes)
	l.seq.join(&q)
	c.ReturnNil()
}

func (l *list) insert(o *engine.Object, c *engine.Call) error {
	i, err := intArg(c)
	if err != nil {
		return err
	}
	v := c.Value()
	if err := checkRoom(o, l.seq.n+1); err != nil {
		return err
	}
	if i < 0 {
		i += l.seq.n
	}
	l.seq.insert(min(max(i, 0), l.seq.n), o.Keep(c, v))
	c.ReturnNil()
	return nil
}

func (l *list) pop(o *engine.Object, c *engine.Call) error {
	i := -1
	if c.Args.More() {
		var err error
		if i, err = intArg(c); err != nil {
			return err
		}
	}
	if l.seq.n == 0 {
		return errPopEmpty
	}
	if i < 0 {
		i += l.seq.n
	}
	if i < 0 || i >= l.seq.n {
		return wire.Errorf(wire.CodeIndex, "pop index out of range")
	}
	if err := c.Session.Fits(len(l.seq.get(i))); err != nil {
		return err
	}
	v := l.seq.remove(i)
	o.Drop(v)
	c.Return(v)
	return nil
}

var errPopEmpty = wire.Errorf(wire.CodeIndex, "pop from empty list")

func (l *list) concat(o *engine.Object, c *engine.Call) error {
	typ, v := c.Args.Type(), c.Args.Peek()
	switch {
	case typ == wire.TypeRef:
		peek := c.Args
		if other, err := resolve(c, &peek); err != nil {
			return err
		} else if _, ok := other.State.(*list); ok {
			break
		}
		fallthrough
	case typ != wire.TypeList:
		return wire.Errorf(wire.CodeType, `can only concatenate list (not "%s") to list`, wire.TypeName(v))
	}
	src, err := iterate(c, &c.Args)
	if err != nil {
		return err
	}
	right := src.seq
	if right == nil {
		right = new(seq) // it came with the call
		src.each(func(it item) bool {
			right.push(wire.Raw(it.v))
			return true
		})
	}
	reply(c, concatView{l.seq.view(), *right}, l.seq.n+right.n)
	return nil
}

func (l *list) repeat(o *engine.Object, c *engine.Call) error {
	n, err := times(c)
	if err != nil {
		return err
	}
	if l.seq.n == 0 {
		n = 0
	}
	if n > 0 && l.seq.bytes > maxReply/int64(n) {
		return wire.Errorf(wire.CodeTooLarge, "repeat: %d times %d bytes; at most %d in one reply", n, l.seq.bytes, maxReply)
	}
	reply(c, repeatView{l.seq.view(), n}, l.seq.n*n)
	return nil
}

// times takes the factor of a repetition, 0 for a negative one.
func times(c *engine.Call) (int, error) {
	v := c.Args.Peek()
	n, ok := clampInt(c)
	if !ok {
		return 0, wire.Errorf(wire.CodeType, "can't multiply sequence by non-int of type '%s'", wire.TypeName(v))
	}
	return max(n, 0), nil
}

func (l *list) imul(o *engine.Object, c *engine.Call) error {
	n, err := times(c)
	if err != nil {
		return err
	}
	switch {
	case n == 0:
		l.empty(o)
	case l.seq.n > 0:
		if n > maxInt/l.seq.n {
			return wire.Errorf(wire.CodeOverflow, "%d entries %d times are too many", l.seq.n, n)
		}
		if err := checkMany(o, l.seq.n*n, l.seq.n*(n-1), l.seq.bytes*int64(n-1)); err != nil {
			return err
		}
		if o.HasRefs() {
			if err := byParts(c, l.seq.n); err != nil {
				return err
			}
		}
		if blocks := l.seq.repeated(n); blocks > maxBlocks {
			return wire.Errorf(wire.CodeTooLarge, "%d entries %d times take %d blocks of memory; at most %d in one call: repeat a part of it, or multiply in steps", l.seq.n, n, blocks, maxBlocks)
		}
		o.KeepTimes(l.seq.n, l.seq.bytes, n-1, l.seq.all)
		l.seq.multiply(n)
	}
	c.ReturnNil()
	return nil
}

func (l *list) empty(o *engine.Object) {
	o.DropAll(l.seq.n, l.seq.bytes, l.seq.all)
	l.seq.clear()
}

func (l *list) len(o *engine.Object, c *engine.Call) error {
	c.ReturnInt(int64(l.seq.n))
	return nil
}

func (l *list) clear(o *engine.Object, c *engine.Call) error {
	l.empty(o)
	c.ReturnNil()
	return nil
}

func (l *list) copy(o *engine.Object, c *engine.Call) error {
	if raw, view := l.Value(); view != nil {
		c.ReturnView(view)
	} else {
		c.Return(raw)
	}
	return nil
}

// page replies with elements from an index on: [next, version, rows]. next is
// where the next page begins, 0 at the end.
func (l *list) page(o *engine.Object, c *engine.Call) error {
	from, limit, err := cursor(c)
	if err != nil {
		return err
	}
	if err := versionArg(c, l.seq.version); err != nil {
		return err
	}
	var rows []byte
	n := 0
	at := int(min(from, uint64(l.seq.n)))
	l.seq.from(at, func(v wire.Raw) bool {
		if n == limit || len(rows) >= maxPageBytes {
			return false
		}
		rows = append(rows, v...)
		n++
		return true
	})
	next := at + n
	if next == l.seq.n {
		next = 0
	}
	b := wire.AppendArrayHeader(make([]byte, 0, 24+len(rows)), 3)
	b = wire.AppendUint(b, uint64(next))
	b = wire.AppendUint(b, l.seq.version)
	b = wire.AppendArrayHeader(b, n)
	c.Return(wire.OwnedRaw(append(b, rows...)))
	return nil
}

// Dump appends the version, and the elements as rows.
func (l *list) Dump(b []byte) ([]byte, engine.Rows) {
	b = binary.AppendUvarint(b, l.seq.version)
	b = binary.AppendUvarint(b, uint64(l.seq.n))
	if l.seq.n <= smallView && l.seq.bytes <= smallBytes {
		b, _ = seqRows(l.seq.blocks).AppendRows(b, 0, maxInt)
		return b, nil
	}
	return b, seqRows(l.seq.clone().blocks)
}

// seqRows are the elements of a list.
type seqRows []*block

// AppendRows implements engine.Rows. A cursor is a block and a place in it.
func (r seqRows) AppendRows(b []byte, from uint64, limit int) ([]byte, uint64) {
	start, i := len(b), int(from&(1<<16-1))
	for at := int(from >> 16); at < len(r); at++ {
		for ; i < len(r[at].items); i++ {
			if len(b)-start >= limit {
				return b, uint64(at)<<16 | uint64(i)
			}
			b = append(b, r[at].items[i]...)
		}
		i = 0
	}
	return b, 0
}

func loadList(o *engine.Object, d *engine.Decoder) {
	l := new(list)
	version := d.Uint()
	for n := d.Uint(); n > 0 && !d.Failed(); n-- {
		l.seq.push(d.Value())
	}
	l.seq.version = version
	o.State = l
}

// Repr returns the list as Python prints it.
func (l *list) Repr() engine.View { return seqRepr{l.seq.view()} }

// Value returns the list.
func (l *list) Value() (wire.Raw, engine.View) {
	if l.seq.n <= smallView && l.seq.bytes <= smallBytes {
		return wire.OwnedRaw(seqView{l.seq}.Append(nil, nil)), nil
	}
	return "", seqView{l.seq.view()}
}

// Each yields the elements.
func (l *list) Each(yield func(wire.Raw) bool) { l.seq.all(yield) }

// Len returns the number of elements.
func (l *list) Len() int { return l.seq.n }
