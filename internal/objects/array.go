package objects

import (
	"encoding/binary"
	"slices"

	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// array is the Array of Python's managers, an array.array: packed elements of
// one typecode. It stands in pages, so that a view shares them.
type array struct {
	code   byte
	size   int  // of an element, in bytes
	strict bool // a float beyond 'f' is an error
	n      int
	owner  *owner
	pages  []*page // all full but the last
	seen   []*page // what view gave, until something changes
}

// page is a run of packed elements.
type page struct {
	owner *owner
	data  []byte
}

// pageSize is a page's bytes: a multiple of every element's size.
const pageSize = 8192

// maxMove bounds the bytes that one call moves under the lock beyond those that it
// carries.
const maxMove = 4 << 20

func arrayType() *engine.Type {
	const reads, grows = engine.Reads, engine.Grows
	return &engine.Type{
		Name:   "Array",
		Params: "typecode, sequence, strict=False",
		New:    newArray,
		Load:   loadArray,
		Methods: []engine.Method{
			{Name: "getitem", Params: "index", Result: "value", Flags: reads, Fn: on((*array).getitem)},
			{Name: "setitem", Params: "index, value", Result: "None", Fn: on((*array).setitem)},
			{Name: "getslice", Params: "start=None, stop=None, step=None", Result: "array", Flags: reads, Fn: on((*array).getslice)},
			{Name: "setslice", Params: "start, stop, step, array", Result: "None", Flags: grows, Fn: on((*array).setslice)},
			{Name: "len", Result: "int", Flags: reads, Fn: on((*array).len)},
			{Name: "tolist", Result: "list", Flags: reads, Fn: on((*array).tolist)},
			{Name: "typecode", Result: "str", Flags: reads, Fn: on((*array).typecode)},
		},
	}
}

func newArray(o *engine.Object, c *engine.Call) error {
	a := new(array)
	var err error
	if a.code, err = typecode(c.Value()); err != nil {
		return err
	}
	a.size = wire.ElementSize(a.code)
	content := c.Args // the typecode and strict say how to read it
	c.Value()
	a.strict = c.Truth()
	data, err := a.pack(c, &content)
	if err != nil {
		return err
	}
	if err := checkRoom(o, len(data)/a.size); err != nil {
		return err
	}
	o.State = a
	a.resize(o, 0, 0, data)
	return nil
}

// pack takes the next value, what array.array takes, as packed elements.
func (a *array) pack(c *engine.Call, r *wire.Reader) ([]byte, error) {
	switch r.Type() {
	case wire.TypeBytes, wire.TypeByteArray:
		data, err := r.Bin()
		if err == nil && len(data)%a.size != 0 {
			err = wire.Errorf(wire.CodeValue, "bytes length not a multiple of item size")
		}
		return data, err
	case wire.TypeStr:
		if a.code != 'u' && a.code != 'w' {
			return nil, wire.Errorf(wire.CodeType, "cannot use a str to initialize an array with typecode '%c'", a.code)
		}
	case wire.TypeArray:
		if code, data, ok := parseArray(r.Peek()); ok && code == a.code {
			return data, nil
		}
	}
	src, err := iterate(c, r)
	if err != nil {
		return nil, err
	}
	if !src.here() {
		if err := byParts(c, src.n); err != nil {
			return nil, err
		}
	}
	data := make([]byte, 0, src.n*a.size)
	if src.here() {
		for src.list.More() && err == nil {
			data, err = appendPacked(data, a.code, &src.list, a.strict)
		}
		return data, err
	}
	src.each(func(it item) bool {
		data, err = appendPacked(data, a.code, readerOf(wire.Raw(it.v)), a.strict)
		return err == nil
	})
	return data, err
}

// element returns the packed element i.
func (a *array) element(i int) []byte { return elementOf(a.pages, i*a.size, a.size) }

func elementOf(pages []*page, off, size int) []byte {
	return pages[off/pageSize].data[off%pageSize:][:size]
}

// own returns page p for writing.
func (a *array) own(p int) *page {
	if a.owner == nil {
		a.owner, a.seen = new(owner), nil
	}
	if was := a.pages[p]; was.owner != a.owner {
		a.pages[p] = &page{a.owner, slices.Clone(was.data)}
	}
	return a.pages[p]
}

// write copies packed elements over those from i on.
func (a *array) write(i int, data []byte) {
	for off := i * a.size; len(data) > 0; {
		n := copy(a.own(off / pageSize).data[off%pageSize:], data)
		data = data[n:]
		off += n
	}
}

// resize replaces the elements from start to stop by others, and moves what is
// behind them.
func (a *array) resize(o *engine.Object, start, stop int, data []byte) {
	from := start * a.size / pageSize
	var flat []byte
	for _, p := range a.pages[from:] {
		flat = append(flat, p.data...)
	}
	lo, hi := start*a.size-from*pageSize, stop*a.size-from*pageSize
	flat = slices.Concat(flat[:lo], data, flat[hi:])
	if a.owner == nil {
		a.owner = new(owner)
	}
	a.seen = nil
	a.pages = slices.Clip(a.pages[:from])
	for part := range slices.Chunk(flat, pageSize) {
		a.pages = append(a.pages, &page{a.owner, slices.Clone(part)})
	}
	grown := len(data)/a.size - (stop - start)
	a.n += grown
	o.Charge(int64(grown * a.size))
}

func (a *array) getitem(o *engine.Object, c *engine.Call) error {
	i, err := indexArg(c, a.n, "array index")
	if err != nil {
		return err
	}
	var buf [16]byte
	c.ReturnBytes(appendElement(buf[:0], a.code, a.element(i)))
	return nil
}

func (a *array) setitem(o *engine.Object, c *engine.Call) error {
	i, err := indexArg(c, a.n, "array assignment index")
	if err != nil {
		return err
	}
	var buf [8]byte
	packed, err := appendPacked(buf[:0], a.code, &c.Args, a.strict)
	if err != nil {
		return err
	}
	a.write(i, packed)
	c.ReturnNil()
	return nil
}

func (a *array) getslice(o *engine.Object, c *engine.Call) error {
	s, err := sliceArgs(c, a.n)
	if err != nil {
		return err
	}
	reply(c, a.view(s), s.count*a.size/8)
	return nil
}

// setslice takes a typed array of the same typecode, or an Array.
func (a *array) setslice(o *engine.Object, c *engine.Call) error {
	s, err := sliceArgs(c, a.n)
	if err != nil {
		return err
	}
	data, err := a.operand(c)
	if err != nil {
		return err
	}
	n := len(data) / a.size
	switch stop := max(s.start, s.stop); {
	case s.step == 1 && n == stop-s.start:
		a.write(s.start, data)
	case s.step == 1:
		if err := checkRoom(o, a.n-(stop-s.start)+n); err != nil {
			return err
		}
		if moved := (a.n - stop) * a.size; moved > maxMove {
			return wire.Errorf(wire.CodeTooLarge, "Array.setslice: %d bytes stand behind the slice and would be moved; at most %d: change the length nearer to the end", moved, maxMove)
		}
		a.resize(o, s.start, stop, data)
	case n != s.count:
		return wire.Errorf(wire.CodeValue, "attempt to assign array of size %d to extended slice of size %d", n, s.count)
	default:
		for i := range n {
			a.write(s.start+i*s.step, data[i*a.size:][:a.size])
		}
	}
	c.ReturnNil()
	return nil
}

func (a *array) operand(c *engine.Call) ([]byte, error) {
	v := c.Value()
	if wire.TypeOf(v) == wire.TypeRef {
		other, err := resolve(c, readerOf(wire.Raw(v)))
		if err != nil {
			return nil, err
		}
		if from, ok := other.State.(*array); ok {
			if size := from.n * from.size; size > maxMove {
				return nil, wire.Errorf(wire.CodeTooLarge, "Array.setslice: an Array of %d bytes by reference; at most %d in one call: take it in parts", size, maxMove)
			}
			v = from.view(span{0, from.n, 1, from.n}).Append(nil, nil)
		}
	}
	code, data, ok := parseArray(v)
	switch {
	case !ok:
		return nil, wire.Errorf(wire.CodeType, `can only assign array (not "%s") to array slice`, wire.TypeName(v))
	case code == a.code:
		return data, nil
	case a.strict:
		// Go packs numbers as they come: what fits is taken.
		return a.pack(c, readerOf(wire.Raw(v)))
	default:
		return nil, wire.Errorf(wire.CodeType, "an array of typecode '%c' cannot be assigned to one of '%c'", code, a.code)
	}
}

func (a *array) len(o *engine.Object, c *engine.Call) error {
	c.ReturnInt(int64(a.n))
	return nil
}

func (a *array) tolist(o *engine.Object, c *engine.Call) error {
	reply(c, arrayList{a.all()}, a.n)
	return nil
}

func (a *array) typecode(o *engine.Object, c *engine.Call) error {
	c.ReturnBytes([]byte{0xa1, a.code})
	return nil
}

// arrayView is a slice of an array as it was when the view was taken.
type arrayView struct {
	code  byte
	size  int
	pages []*page
	span  span
}

func (a *array) view(s span) arrayView {
	if a.seen == nil {
		a.owner, a.seen = nil, slices.Clone(a.pages)
	}
	return arrayView{a.code, a.size, a.seen, s}
}

func (a *array) all() arrayView { return a.view(span{0, a.n, 1, a.n}) }

// Size implements engine.Sized.
func (v arrayView) Size() int { return v.span.count * v.size }

// Append appends a typed array.
func (v arrayView) Append(b []byte, pause engine.Pause) []byte {
	n := v.span.count * v.size
	b = append(wire.AppendExtHeader(wire.Grow(b, n), wire.ExtArray, 1+n), v.code)
	if v.span.step == 1 {
		for off := v.span.start * v.size; n > 0; {
			part := v.pages[off/pageSize].data[off%pageSize:]
			part = part[:min(n, len(part))]
			b = append(b, part...)
			n -= len(part)
			off += len(part)
		}
		return b
	}
	for i := range v.span.count {
		b = append(b, elementOf(v.pages, (v.span.start+i*v.span.step)*v.size, v.size)...)
	}
	return b
}

// arrayList is an array as a list.
type arrayList struct{ all arrayView }

// Append appends the list.
func (v arrayList) Append(b []byte, pause engine.Pause) []byte {
	b = wire.AppendArrayHeader(b, v.all.span.count)
	p := pacer{pause: pause}
	for i := range v.all.span.count {
		if p.over(0) {
			break
		}
		b = appendElement(b, v.all.code, elementOf(v.all.pages, i*v.all.size, v.all.size))
	}
	return b
}

// arrayRepr is the text of an array.
type arrayRepr struct{ all arrayView }

// Append appends what Python prints.
func (v arrayRepr) Append(b []byte, pause engine.Pause) []byte {
	return appendText(b, reprOf(v.all.Append(nil, nil)))
}

// Dump appends the typecode, whether the array is strict, and its pages as rows.
func (a *array) Dump(b []byte) ([]byte, engine.Rows) {
	b = engine.AppendBool(append(b, a.code), a.strict)
	b = binary.AppendUvarint(b, uint64(a.n))
	if a.n*a.size <= smallBytes {
		b, _ = pageRows(a.pages).AppendRows(b, 0, maxInt)
		return b, nil
	}
	return b, pageRows(a.all().pages)
}

// pageRows are the pages of an array.
type pageRows []*page

// AppendRows implements engine.Rows.
func (p pageRows) AppendRows(b []byte, from uint64, limit int) ([]byte, uint64) {
	start := len(b)
	for i := int(from); i < len(p); i++ {
		if len(b)-start >= limit {
			return b, uint64(i)
		}
		b = engine.AppendText(b, p[i].data)
	}
	return b, 0
}

func loadArray(o *engine.Object, d *engine.Decoder) {
	a := &array{code: d.Byte(), strict: d.Bool(), owner: new(owner)}
	if a.size = wire.ElementSize(a.code); a.size == 0 {
		d.Fail("typecode %d", a.code)
		return
	}
	n := d.Uint()
	for left := n * uint64(a.size); left > 0 && !d.Failed(); {
		data := []byte(d.Text())
		if uint64(len(data)) != min(left, pageSize) || n > uint64(maxInt/a.size) {
			d.Fail("a page of %d bytes where %d are due", len(data), min(left, pageSize))
			return
		}
		left -= uint64(len(data))
		a.pages = append(a.pages, &page{a.owner, data})
	}
	a.n = int(n)
	o.State = a
}

// Repr returns the array as Python prints it.
func (a *array) Repr() engine.View { return arrayRepr{a.all()} }

// Value returns a typed array.
func (a *array) Value() (wire.Raw, engine.View) { return "", a.all() }

// Each yields nothing: elements are no references.
func (a *array) Each(yield func(wire.Raw) bool) {}

// Len returns the number of elements.
func (a *array) Len() int { return a.n }
