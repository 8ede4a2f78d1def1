package objects

import (
	"slices"
	"unicode/utf8"

	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// source is an argument that a method iterates over: a list, tuple, set, dict
// (its keys), str, bytes or typed array, or a reference to a container on this
// server. A source does not change while it is used, whatever the method does.
type source struct {
	n    int
	refs bool // the elements may hold references
	list wire.Reader
	seq  *seq       // the elements of a list on this server
	keys *entries   // the keys of a dict or set on this server
	pack *arrayView // the elements of a typed array, or of an Array on this server
}

// here reports whether the elements were in the call's own message: then a walk
// over them costs what the caller has paid for.
func (s *source) here() bool { return s.seq == nil && s.keys == nil && s.pack == nil }

// item is an element of a source. raw is set when it can be shared.
type item struct {
	v   []byte
	raw wire.Raw
}

// keep stores the item in the object.
func (i item) keep(o *engine.Object, c *engine.Call, refs bool) wire.Raw {
	if i.raw != "" {
		o.KeepRaw(i.raw, refs)
		return i.raw
	}
	return o.Keep(c, i.v)
}

// iterate takes the next value and opens it as a source.
func iterate(c *engine.Call, one *wire.Reader) (source, error) {
	var b []byte
	n := 0
	switch one.Type() {
	case wire.TypeList, wire.TypeTuple, wire.TypeSet, wire.TypeFrozenSet:
		r, err := one.Elements(true)
		return source{n: r.NArgs(), refs: c.ArgRefs(), list: r}, err
	case wire.TypeDict:
		r, err := one.Pairs()
		if err != nil {
			return source{}, err
		}
		for ; r.More(); n++ {
			b = append(b, r.Next()...)
			r.Next()
		}
	case wire.TypeStr:
		s, err := one.Str()
		if err != nil {
			return source{}, err
		}
		for ; len(s) > 0; n++ {
			size := runeLen(s)
			b = wire.AppendStrBytes(b, s[:size])
			s = s[size:]
		}
	case wire.TypeBytes, wire.TypeByteArray:
		s, err := one.Bin()
		if err != nil {
			return source{}, err
		}
		for _, x := range s {
			b = wire.AppendUint(b, uint64(x))
		}
		n = len(s)
	case wire.TypeArray:
		v := one.Next()
		code, data, ok := parseArray(v)
		if !ok {
			return source{}, wire.Errorf(wire.CodeValue, "a typed array of %d bytes that are no elements", len(v))
		}
		return packedSource(code, data), nil
	case wire.TypeRef:
		return iterateRef(c, one)
	default:
		v, err := one.Value()
		if err == nil {
			err = wire.Errorf(wire.CodeType, "'%s' object is not iterable", wire.TypeName(v))
		}
		return source{}, err
	}
	r, err := wire.NewReader(append(wire.AppendArrayHeader(make([]byte, 0, 5+len(b)), n), b...))
	return source{n: n, list: r}, err
}

// packedSource is a source over the elements of a typed array.
func packedSource(code byte, data []byte) source {
	size := wire.ElementSize(code)
	var pages []*page
	for part := range slices.Chunk(data, pageSize) {
		pages = append(pages, &page{data: part})
	}
	n := len(data) / size
	return source{n: n, pack: &arrayView{code, size, pages, span{0, n, 1, n}}}
}

// runeLen returns the length of the first character of s, which may be a lone
// surrogate in its three-byte form.
func runeLen(s []byte) int {
	r, size := utf8.DecodeRune(s)
	if r == utf8.RuneError && size == 1 && len(s) >= 3 {
		return 3
	}
	return size
}

// iterateRef opens what a reference stands for. That it exists was checked when
// the call arrived.
func iterateRef(c *engine.Call, one *wire.Reader) (source, error) {
	o, err := resolve(c, one)
	if err != nil {
		return source{}, err
	}
	switch s := o.State.(type) {
	case *list:
		view := s.seq.view()
		return source{n: view.n, refs: o.HasRefs(), seq: &view}, nil
	case *dict:
		view := s.table.view()
		return source{n: view.n, keys: &view}, nil
	case *set:
		view := s.table.view()
		return source{n: view.n, refs: o.HasRefs(), keys: &view}, nil
	case *array:
		view := s.all()
		return source{n: s.n, pack: &view}, nil
	}
	return source{}, wire.Errorf(wire.CodeType, "'%s' object is not iterable", o.Type.Name)
}

// resolve takes a reference and returns its object.
func resolve(c *engine.Call, one *wire.Reader) (*engine.Object, error) {
	r, err := one.Ref()
	if err != nil {
		return nil, err
	}
	o, refusal := c.Engine().Resolve(r.Ref())
	if refusal != nil {
		return nil, refusal
	}
	return o, nil
}

// readerOf returns a reader over one value.
func readerOf(v wire.Raw) *wire.Reader {
	r, _ := wire.NewReader(append(wire.AppendArrayHeader(make([]byte, 0, 1+len(v)), 1), v...))
	return &r
}

// shared reports whether a list can take the elements without a walk over them.
func (s *source) shared() bool { return s.here() || s.seq != nil && !s.refs }

// size returns how many bytes the elements have that the call does not carry.
func (s *source) size() int64 {
	if s.seq != nil {
		return s.seq.bytes
	}
	return 0
}

// paced is each, until the pause says that it is enough.
func (s *source) paced(pause engine.Pause, yield func(item) bool) {
	p := pacer{pause: pause}
	s.each(func(it item) bool { return !p.over(len(it.v)) && yield(it) })
}

// own makes the source one that outlives the call.
func (s *source) own() {
	switch {
	case s.pack != nil:
		for _, p := range s.pack.pages {
			if p.owner == nil { // part of the message
				p.data = slices.Clone(p.data)
			}
		}
	case s.here():
		b := wire.AppendArrayHeader(nil, s.n)
		for r := s.list; r.More(); {
			b = append(b, r.Next()...)
		}
		s.list, _ = wire.NewReader(b)
	}
}

// each calls yield with each element until it returns false. An item's v is valid
// until the next.
func (s *source) each(yield func(item) bool) {
	switch {
	case s.pack != nil:
		var buf [16]byte
		for i := range s.n {
			if !yield(item{v: appendElement(buf[:0], s.pack.code, elementOf(s.pack.pages, i*s.pack.size, s.pack.size))}) {
				return
			}
		}
	case s.seq != nil:
		for raw := range s.seq.all {
			if !yield(item{raw.Bytes(), raw}) {
				return
			}
		}
	case s.keys != nil:
		for e := range s.keys.each {
			if !yield(item{e.key.Bytes(), e.key}) {
				return
			}
		}
	default:
		for r := s.list; r.More(); {
			if !yield(item{v: r.Next()}) {
				return
			}
		}
	}
}

// pairs is an argument that a dict is filled from: a dict, or an iterable of
// pairs, or a reference to either on this server.
type pairs struct {
	n     int // at most
	refs  bool
	flat  wire.Reader // keys and values in turn
	list  *source     // elements of two each
	table *entries
}

// openPairs takes the next value and checks that it holds pairs.
func openPairs(c *engine.Call, one *wire.Reader) (pairs, error) {
	switch one.Type() {
	case wire.TypeDict:
		r, err := one.Pairs()
		return pairs{n: r.NArgs() / 2, refs: c.ArgRefs(), flat: r}, err
	case wire.TypeRef:
		peek := *one
		o, err := resolve(c, &peek)
		if err != nil {
			return pairs{}, err
		}
		if d, ok := o.State.(*dict); ok {
			*one = peek
			view := d.table.view()
			return pairs{n: view.n, refs: o.HasRefs(), table: &view}, nil
		}
	}
	src, err := iterate(c, one)
	if err != nil {
		return pairs{}, err
	}
	if !src.here() {
		if err := byParts(c, src.n); err != nil {
			return pairs{}, err
		}
	}
	i := 0
	src.each(func(it item) bool {
		switch wire.TypeOf(it.v) {
		case wire.TypeList, wire.TypeTuple, wire.TypeStr:
			var el source
			if el, err = iterate(c, readerOf(wire.Raw(it.v))); err == nil && el.n != 2 {
				err = wire.Errorf(wire.CodeValue, "dictionary update sequence element #%d has length %d; 2 is required", i, el.n)
			}
		default:
			err = wire.Errorf(wire.CodeType, "cannot convert dictionary update sequence element #%d to a sequence", i)
		}
		i++
		return err == nil
	})
	return pairs{n: src.n, refs: src.refs, list: &src}, err
}

// each calls yield with each pair until it returns false.
func (p *pairs) each(c *engine.Call, yield func(k, v item) bool) {
	switch {
	case p.table != nil:
		for e := range p.table.each {
			if !yield(item{e.key.Bytes(), e.key}, item{e.value.Bytes(), e.value}) {
				return
			}
		}
	case p.list != nil:
		p.list.each(func(it item) bool {
			el, err := iterate(c, readerOf(wire.Raw(it.v)))
			if err != nil {
				return false
			}
			k := el.list.Next()
			return yield(item{v: k}, item{v: el.list.Next()})
		})
	default:
		for r := p.flat; r.More(); {
			k := r.Next()
			if !yield(item{v: k}, item{v: r.Next()}) {
				return
			}
		}
	}
}
