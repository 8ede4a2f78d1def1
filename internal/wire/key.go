package wire

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"slices"
)

// ErrNaNKey is the error for a key that is or holds NaN, which is not equal to itself.
var ErrNaNKey error = &ValueError{CodeValue, "NaN cannot be a key: it is not equal to itself"}

// UnhashableError is the error for a key of a type that Python cannot hash.
// Its text is that of Python's TypeError.
type UnhashableError struct {
	Type Type
	Name string // of the type, where Type is TypeOpaque
}

func (e *UnhashableError) Error() string {
	return fmt.Sprintf("unhashable type: '%s'", cmp.Or(e.Name, e.Type.String()))
}

// AppendKey returns the canonical key of the value v: two values that Python
// calls equal, and they alone, have the same key bytes.
//
// If v is its own key (canonical is true), key is v itself and dst is not
// touched: strings, bytes, ints and most tuples are looked up without a copy.
// Otherwise the key is appended to dst and key is the appended part, so a
// caller's scratch buffer is given as buf[:0]. In neither case does AppendKey
// allocate, if dst has room, but for frozensets and numbers beyond 64 bits.
//
// The canonical form is the value's own encoding, changed as little as equality asks for:
//
//   - All lengths and integers take their shortest encoding.
//   - A number is an int where it is equal to one (True, 1.0 and 1+0j are 1,
//     -0.0 is 0), beyond 64 bits extension 4; else a 64-bit float; else a complex
//     without negative zeros.
//   - A tuple holds the keys of its elements. A frozenset holds the keys of its
//     elements in the order of their bytes, each once.
//   - An aware datetime is its instant as a timestamp. A naive one stays as it is.
//   - A reference is extension 7 with the ident alone, which is no value: keys
//     are for comparing, not for decoding.
//   - An opaque value is as its head says: the key of the value that it stands for,
//     or an opaque value of the bytes that it is compared by.
//
// NaN, also as a part of a complex, is refused with ErrNaNKey; list, dict, set,
// bytearray and typed array with an *UnhashableError; malformed input and
// bytes after the value with a *SyntaxError.
func AppendKey(dst, v []byte) (key []byte, canonical bool, err error) {
	if len(v) > 0 {
		c := v[0]
		if (c < 0x80 || c >= 0xe0) && len(v) == 1 || c&0xe0 == 0xa0 && len(v) == 1+int(c&0x1f) {
			return v, true, nil
		}
	}
	n, canonical, err := checkKey(v, 0, len(v), 0)
	if err != nil {
		return nil, false, err
	}
	if n != len(v) {
		return nil, false, &SyntaxError{n, fmt.Sprintf("%d bytes after the value", len(v)-n), "one value"}
	}
	if canonical {
		return v, true, nil
	}
	out, _ := buildKey(dst, v)
	return out[len(dst):], false, nil
}

// checkKey validates the key at b[at:end], returns where it ends and whether
// it is canonical as it stands.
func checkKey(b []byte, at, end, depth int) (next int, canonical bool, err error) {
	v := b[at:end]
	h, ok := parse(v)
	if !ok {
		return at, false, explain(b, at, end)
	}
	next = at + h.end
	var buf [16]byte
	switch h.typ {
	case TypeNil:
		return next, true, nil
	case TypeBool, TypeRef:
		return next, false, nil
	case TypeInt:
		return next, bytes.Equal(AppendInt(buf[:0], int64(h.num)), v[:h.end]), nil
	case TypeUint:
		return next, true, nil
	case TypeFloat:
		f := math.Float64frombits(h.num)
		if f != f {
			return at, false, ErrNaNKey
		}
		return next, h.end == 9 && (f != math.Trunc(f) || math.IsInf(f, 0)), nil
	case TypeStr:
		return next, h.off == len(AppendStrHeader(buf[:0], h.n)), nil
	case TypeBytes:
		return next, h.off == len(AppendBinHeader(buf[:0], h.n)), nil
	case TypeComplex:
		re, im := complexAt(v, &h)
		if re != re || im != im {
			return at, false, ErrNaNKey
		}
		return next, h.off == 2 && im != 0 && (re != 0 || !math.Signbit(re)), nil
	case TypeBigInt:
		return next, h.shortExt() && canonicalBig(h.payload(v)), nil
	case TypeOpaque:
		o, err := opaqueAt(h.payload(v))
		switch {
		case err != nil:
			return at, false, err
		case o.stands != nil:
			if depth >= DefaultDepth {
				return at, false, tooDeep(at, DefaultDepth)
			}
			n, _, err := checkKey(o.stands, 0, len(o.stands), depth+1)
			if err == nil && n != len(o.stands) {
				err = &SyntaxError{at, fmt.Sprintf("%d bytes after the value that an opaque one stands for", len(o.stands)-n), "one value"}
			}
			return next, false, err
		case o.unhashable != nil:
			return at, false, &UnhashableError{TypeOpaque, string(o.unhashable)}
		}
		return next, h.shortExt() && o.identical(), nil
	case TypeTime, TypeDateTime:
		t, ok := instantAt(v, &h)
		if !ok {
			return at, false, &SyntaxError{at, "a datetime out of range", "one that Scan accepts"}
		}
		if h.typ == TypeDateTime {
			return next, t.naive() && h.off == 2, nil
		}
		return next, bytes.Equal(AppendTimestamp(buf[:0], t.sec, t.nsec), v[:h.end]), nil
	case TypeTuple, TypeFrozenSet:
	default:
		return at, false, &UnhashableError{Type: h.typ}
	}
	if depth >= DefaultDepth {
		return at, false, tooDeep(at, DefaultDepth)
	}
	canonical = h.shortSeq()
	pos, last := at+h.off, 0
	for i := 0; i < h.n; i++ {
		to, ok, err := checkKey(b, pos, next, depth+1)
		if err != nil {
			return at, false, err
		}
		if !ok || h.typ == TypeFrozenSet && i > 0 && bytes.Compare(b[last:pos], b[pos:to]) >= 0 {
			canonical = false
		}
		last, pos = pos, to
	}
	if pos != next {
		return at, false, &SyntaxError{pos, fmt.Sprintf("%d more bytes inside the %s", next-pos, h.typ), "its end after the last element"}
	}
	return next, canonical, nil
}

// shortExt reports whether an extension that is no sequence has its shortest header.
func (h *head) shortExt() bool {
	var buf [6]byte
	return h.off == len(AppendExtHeader(buf[:0], 0, h.n))
}

// shortSeq reports whether a tuple or set has its shortest headers. The size of
// the two headers together does not depend on how they share it: a longer
// header is longer by at least one byte, and nothing else can be shorter.
func (h *head) shortSeq() bool {
	var buf [11]byte
	list := arrayHeaderSize(h.n)
	return h.off == len(AppendExtHeader(buf[:0], 0, h.end-h.off+list))+list
}

// canonicalBig reports whether p is the shortest two's complement of an
// integer outside of int64 and uint64.
func canonicalBig(p []byte) bool {
	if len(p) < 9 || p[0] == 0 && p[1] < 0x80 || p[0] == 0xff && p[1] >= 0x80 {
		return false
	}
	return len(p) > 9 || p[0] != 0
}

// buildKey appends the key of the value at the start of v, which checkKey
// accepted, and returns the value's length.
func buildKey(dst, v []byte) ([]byte, int) {
	h, _ := parse(v)
	switch h.typ {
	case TypeBool:
		return append(dst, byte(h.num)), h.end
	case TypeInt:
		return AppendInt(dst, int64(h.num)), h.end
	case TypeFloat:
		return appendFloatKey(dst, math.Float64frombits(h.num)), h.end
	case TypeStr:
		return AppendStrBytes(dst, h.payload(v)), h.end
	case TypeBytes:
		return AppendBin(dst, h.payload(v)), h.end
	case TypeComplex:
		re, im := complexAt(v, &h)
		if im == 0 {
			return appendFloatKey(dst, re), h.end
		}
		if re == 0 {
			re = 0 // drops the sign
		}
		return AppendComplex(dst, complex(re, im)), h.end
	case TypeBigInt:
		i, _ := bigAt(v, &h)
		return AppendBigInt(dst, i), h.end
	case TypeOpaque:
		o, _ := opaqueAt(h.payload(v))
		if o.stands != nil {
			dst, _ = buildKey(dst, o.stands)
			return dst, h.end
		}
		return o.appendIdentity(dst), h.end
	case TypeTime, TypeDateTime:
		t, _ := instantAt(v, &h)
		if t.naive() {
			return AppendDateTime(dst, t.sec, t.nsec, NaiveOffset), h.end
		}
		return AppendTimestamp(dst, t.utc(), t.nsec), h.end
	case TypeRef:
		r, _ := refAt(v, &h)
		return binary.BigEndian.AppendUint64(append(dst, 0xd7, ExtRef), r.ID), h.end
	case TypeTuple:
		start, pos := len(dst), h.off
		for i := 0; i < h.n; i++ {
			var n int
			dst, n = buildKey(dst, v[pos:])
			pos += n
		}
		return EndTuple(dst, start, h.n), h.end
	case TypeFrozenSet:
		// Written out here, with spans instead of slices: a second function in
		// this recursion would put the caller's dst on the heap.
		buf, keys, pos := make([]byte, 0, h.end-h.off), make([]span, 0, h.n), h.off
		for i := 0; i < h.n; i++ {
			from, n := len(buf), 0
			buf, n = buildKey(buf, v[pos:])
			keys = append(keys, span{from, len(buf)})
			pos += n
		}
		return appendSortedKeys(dst, buf, keys), h.end
	}
	return append(dst, v[:h.end]...), h.end
}

// span is a key's place in a buffer of keys.
type span struct{ from, to int }

// appendSortedKeys appends a frozenset of the keys that lie in buf.
func appendSortedKeys(dst, buf []byte, keys []span) []byte {
	slices.SortFunc(keys, func(a, b span) int { return bytes.Compare(buf[a.from:a.to], buf[b.from:b.to]) })
	keys = slices.CompactFunc(keys, func(a, b span) bool { return bytes.Equal(buf[a.from:a.to], buf[b.from:b.to]) })
	size := 0
	for _, k := range keys {
		size += k.to - k.from
	}
	dst = AppendFrozenSetHeader(dst, len(keys), size)
	for _, k := range keys {
		dst = append(dst, buf[k.from:k.to]...)
	}
	return dst
}

// appendFloatKey appends a float that is not NaN, as an int where it is integral.
func appendFloatKey(dst []byte, f float64) []byte {
	switch {
	case f != math.Trunc(f) || math.IsInf(f, 0):
		return AppendFloat(dst, f)
	case f >= -1<<63 && f < 1<<63:
		return AppendInt(dst, int64(f))
	case f >= 0 && f < 1<<64:
		return AppendUint(dst, uint64(f))
	}
	i, _ := new(big.Float).SetFloat64(f).Int(nil)
	return AppendBigInt(dst, i)
}
