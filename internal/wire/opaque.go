package wire

import (
	"bytes"
	"fmt"
	"strconv"
)

// An opaque value is a value that only one language can open. Its payload is
//
//	u8 n, language tag of n bytes, head, data
//
// where the data are the language's own, and the head is what everybody else must
// know: a list of up to four, which whoever makes the value works out from the
// data alone.
//
//	references  a list of the references inside the data: they are held, granted
//	            and counted as those of any other value
//	same        how it is compared. None, or left out: by its data, byte for byte.
//	            Bytes: with other opaque values of the language, by these bytes. A
//	            list of one value: it is that value's equal, and is found, counted
//	            and ordered as that value
//	class       None; the name of its class, for errors; or a list of that and a
//	            value: among opaque values of the language and class it is ordered as
//	            the value
//	unhashable  None, or the name of the type for which it cannot be a key
//
// What follows from the head is a function of bytes, so servers and clients agree
// on it without knowing the language.

// OpaqueHead is the head of an opaque value. The zero value is that of one
// without references which is compared by its data.
type OpaqueHead struct {
	// Refs are the references inside the data.
	Refs []Ref
	// Stands is the value that this one is compared as, or nil.
	Stands []byte
	// Same is compared in place of the data, unless Stands is there.
	Same []byte
	// Class is the name of its class, or empty. Order, a value, orders it among
	// those of the same class; nil if nothing does.
	Class string
	Order []byte
	// Unhashable is the name of a type that cannot be a key, or empty.
	Unhashable string
}

// Append appends the head.
func (h *OpaqueHead) Append(b []byte) []byte {
	n := 0
	switch {
	case h.Unhashable != "":
		n = 4
	case h.Class != "":
		n = 3
	case h.Stands != nil || h.Same != nil:
		n = 2
	case len(h.Refs) > 0:
		n = 1
	}
	b = AppendArrayHeader(b, n)
	if n > 0 {
		b = AppendArrayHeader(b, len(h.Refs))
		for _, r := range h.Refs {
			b = AppendRef(b, r)
		}
	}
	if n > 1 {
		switch {
		case h.Stands != nil:
			b = append(AppendArrayHeader(b, 1), h.Stands...)
		case h.Same != nil:
			b = AppendBin(b, h.Same)
		default:
			b = AppendNil(b)
		}
	}
	if n > 2 {
		switch {
		case h.Order != nil:
			b = append(AppendStr(AppendArrayHeader(b, 2), h.Class), h.Order...)
		case h.Class != "":
			b = AppendStr(b, h.Class)
		default:
			b = AppendNil(b)
		}
	}
	if n > 3 {
		b = AppendStr(b, h.Unhashable)
	}
	return b
}

// AppendOpaque appends a value that only the language lang (1 to MaxLangBytes
// bytes, such as "python") can open. The head is one that OpaqueHead.Append made,
// or empty: then it is that of the zero OpaqueHead.
func AppendOpaque(dst []byte, lang string, head, data []byte) []byte {
	if len(head) == 0 {
		head = noHead
	}
	dst = AppendExtHeader(dst, ExtOpaque, 1+len(lang)+len(head)+len(data))
	dst = append(dst, byte(len(lang)))
	dst = append(dst, lang...)
	dst = append(dst, head...)
	return AppendLong(dst, data)
}

var noHead = []byte{0x90}

// OpaqueView is an opaque value whose parts lie in the buffer that it was read
// from.
type OpaqueView struct {
	Lang, Data []byte
	Head       []byte // as it is encoded
	refs       []byte // the list of references, or nothing
	stands     []byte // the value that it stands for, or nothing
	same       []byte // the bytes that it is compared by, or nothing
	class      []byte // the name of its class, and what orders it there, or nothing
	order      []byte
	unhashable []byte
}

// ParseOpaque reads v as exactly one opaque value, without allocating.
func ParseOpaque(v []byte) (OpaqueView, bool) {
	h, ok := parse(v)
	if !ok || h.typ != TypeOpaque || h.end != len(v) {
		return OpaqueView{}, false
	}
	o, err := opaqueAt(h.payload(v))
	return o, err == nil
}

// opaqueAt reads the payload of an opaque value.
func opaqueAt(p []byte) (o OpaqueView, err error) {
	bad := func(got string) (OpaqueView, error) {
		return OpaqueView{}, &SyntaxError{0, "an opaque value with " + got, "a head of [references, same, class, unhashable]"}
	}
	at := 1 + int(p[0])
	o.Lang = p[1:at]
	rest := p[at:]
	h, ok := parse(rest)
	if !ok || h.typ != TypeList || h.n > 4 {
		return bad("no head")
	}
	pos := h.off
	for i := range h.n {
		n, err := Skip(rest[pos:])
		if err != nil {
			return bad("a head that is cut off")
		}
		f := rest[pos : pos+n]
		pos += n
		fh, _ := parse(f)
		switch {
		case i == 0 && fh.typ == TypeList:
			o.refs = f
		case i > 0 && fh.typ == TypeNil:
		case i == 1 && fh.typ == TypeBytes:
			o.same = fh.payload(f)
		case i == 1 && fh.typ == TypeList && fh.n == 1:
			o.stands = f[fh.off:]
		case i == 2 && fh.typ == TypeList && fh.n == 2 && TypeOf(f[fh.off:]) == TypeStr:
			c, _ := parse(f[fh.off:])
			o.class, o.order = c.payload(f[fh.off:]), f[fh.off+c.end:]
		case i == 2 && fh.typ == TypeStr:
			o.class = fh.payload(f)
		case i == 3 && fh.typ == TypeStr:
			o.unhashable = fh.payload(f)
		default:
			return bad("a field of type " + fh.typ.String() + " at place " + strconv.Itoa(i) + " of its head")
		}
	}
	o.Head, o.Data = rest[:pos], rest[pos:]
	return o, nil
}

// opaque checks the opaque value at depth whose payload is p. Its head nests two
// deeper than it.
func (s *scanner) opaque(at int, p []byte, depth int, inKey bool) error {
	o, err := opaqueAt(p)
	if err == nil {
		head := scanner{b: o.Head, depth: s.depth}
		_, err = head.value(0, len(o.Head), depth, false)
	}
	if err == nil {
		err = o.ForEachRef(func(RefView) error {
			if inKey {
				return refInKey(at)
			}
			s.refs = true
			return nil
		})
	}
	if e, ok := err.(*SyntaxError); ok {
		e.Offset = at // the value's: inside it others count
	}
	return err
}

// ForEachRef calls f for every reference in the head.
func (o *OpaqueView) ForEachRef(f func(RefView) error) error {
	if o.refs == nil {
		return nil
	}
	h, _ := parse(o.refs)
	pos := h.off
	for range h.n {
		r, ok := parse(o.refs[pos:])
		if !ok || r.typ != TypeRef {
			return &SyntaxError{0, "an opaque value with " + r.typ.String() + " among its references", "references alone"}
		}
		view, _ := refAt(o.refs[pos:], &r)
		if err := f(view); err != nil {
			return err
		}
		pos += r.end
	}
	return nil
}

// appendIdentity appends what is left of an opaque value that stands for no plain
// one when it is a key: an opaque value of the bytes that it is compared by.
func (o *OpaqueView) appendIdentity(dst []byte) []byte {
	size := 2 + len(o.Lang)
	if o.same == nil {
		dst = AppendExtHeader(dst, ExtOpaque, size+len(o.Data))
		dst = append(append(dst, byte(len(o.Lang))), o.Lang...)
		return append(append(dst, noHead...), o.Data...)
	}
	var buf [5]byte
	dst = AppendExtHeader(dst, ExtOpaque, size+1+len(AppendBinHeader(buf[:0], len(o.same)))+len(o.same))
	dst = append(append(dst, byte(len(o.Lang))), o.Lang...)
	return AppendBin(append(dst, 0x92, 0x90), o.same)
}

// identical reports whether the value is what appendIdentity makes of it, but for
// the header.
func (o *OpaqueView) identical() bool {
	if o.same == nil {
		return len(o.Head) == 1 && o.Head[0] == noHead[0]
	}
	var buf [5]byte
	return len(o.Data) == 0 && o.Head[0] == 0x92 && o.Head[1] == 0x90 &&
		len(o.Head) == 2+len(AppendBinHeader(buf[:0], len(o.same)))+len(o.same)
}

// plainOf follows an opaque value to the plain one that it stands for. It returns
// v itself for any other.
func plainOf(v []byte) []byte {
	for range DefaultDepth {
		h, ok := parse(v)
		if !ok || h.typ != TypeOpaque {
			return v
		}
		o, err := opaqueAt(h.payload(v))
		if err != nil || o.stands == nil {
			return v
		}
		v = o.stands
	}
	return v
}

// equalOpaque compares two opaque values that stand for no plain ones.
func equalOpaque(p, q []byte) bool {
	a, err := opaqueAt(p)
	if err != nil {
		return false
	}
	b, err := opaqueAt(q)
	if err != nil || !bytes.Equal(a.Lang, b.Lang) {
		return false
	}
	if a.same != nil || b.same != nil {
		return a.same != nil && b.same != nil && bytes.Equal(a.same, b.same)
	}
	return bytes.Equal(a.Data, b.Data)
}

// compareOpaque orders two opaque values that stand for no plain ones, if they
// can be ordered.
func compareOpaque(p, q []byte, depth int) (n int, ok bool, err error) {
	a, errA := opaqueAt(p)
	b, errB := opaqueAt(q)
	if errA != nil || errB != nil || a.order == nil || b.order == nil || !bytes.Equal(a.Lang, b.Lang) || !bytes.Equal(a.class, b.class) {
		return 0, false, nil
	}
	n, err = compare(a.order, b.order, depth+1)
	return n, true, err
}

func appendOpaqueRepr(dst, p []byte) []byte {
	o, err := opaqueAt(p)
	if err != nil {
		return append(dst, "<malformed opaque value>"...)
	}
	dst = append(append(dst, "<opaque "...), o.Lang...)
	dst = strconv.AppendInt(append(dst, " value, "...), int64(len(o.Data)), 10)
	return append(dst, " bytes>"...)
}

// checkHead checks the head that a program gives an opaque value.
func checkHead(lang string, head []byte) error {
	if len(head) == 0 {
		return nil
	}
	p := append(append([]byte{byte(len(lang))}, lang...), head...)
	o, err := opaqueAt(p)
	if err == nil {
		err = (&scanner{depth: DefaultDepth}).opaque(0, p, 0, false)
	}
	if err == nil && len(o.Data) > 0 {
		err = fmt.Errorf("%d bytes after it", len(o.Data))
	}
	if err != nil {
		return unencodable("the head of an opaque value: %v", err)
	}
	return nil
}
