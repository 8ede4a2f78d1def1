package wire

import (
	"bytes"
	"encoding/binary"
	"math"
)

// Equal reports whether the values a and b are equal as Python's == says:
// numbers by value across their types, list with list and tuple with tuple
// element by element, dicts without order, sets with frozensets, bytes with
// bytearrays, typed arrays by their elements (with a bytearray by their
// memory, little-endian), datetimes by instant if both
// have a zone and by wall clock if neither has, references by ident, opaque
// values as their heads say. NaN is equal to nothing, nor is what contains it.
//
// Dicts and sets are compared by canonical keys, so the cost is linear in the
// sizes (times the nesting, at most DefaultDepth). Malformed input, and what
// nests deeper, is equal to nothing.
func Equal(a, b []byte) bool {
	na, nb, eq := equal(a, b, 0)
	return eq && na == len(a) && nb == len(b)
}

// equal compares the values at the start of a and b. It returns their lengths
// only if they are equal.
func equal(a, b []byte, depth int) (na, nb int, eq bool) {
	ha, ok := parse(a)
	if !ok {
		return 0, 0, false
	}
	hb, ok := parse(b)
	if !ok {
		return 0, 0, false
	}
	if depth > DefaultDepth {
		return 0, 0, false
	}
	na, nb = ha.end, hb.end
	if ha.typ == TypeOpaque || hb.typ == TypeOpaque {
		pa, pb := plainOf(a), plainOf(b)
		ta, tb := TypeOf(pa), TypeOf(pb)
		switch {
		case ta == TypeOpaque && tb == TypeOpaque:
			ha, _ = parse(pa)
			hb, _ = parse(pb)
			return na, nb, equalOpaque(ha.payload(pa), hb.payload(pb))
		case ta == TypeOpaque || tb == TypeOpaque:
			return 0, 0, false
		}
		_, _, eq = equal(pa, pb, depth+1)
		return endOf(a, &ha), endOf(b, &hb), eq
	}
	if ha.typ.isNumber() {
		return na, nb, hb.typ.isNumber() && equalNumbers(a, b, &ha, &hb)
	}
	switch ha.typ {
	case TypeNil:
		return na, nb, hb.typ == TypeNil
	case TypeStr:
		return na, nb, hb.typ == ha.typ && bytes.Equal(ha.payload(a), hb.payload(b))
	case TypeBytes, TypeByteArray:
		if ha.typ == TypeByteArray && hb.typ == TypeArray {
			return na, nb, bytes.Equal(ha.payload(a), hb.payload(b)[1:])
		}
		return na, nb, (hb.typ == TypeBytes || hb.typ == TypeByteArray) && bytes.Equal(ha.payload(a), hb.payload(b))
	case TypeRef:
		if hb.typ != TypeRef {
			return 0, 0, false
		}
		ra, _ := refAt(a, &ha)
		rb, _ := refAt(b, &hb)
		return na, nb, ra.ID == rb.ID
	case TypeTime, TypeDateTime:
		if hb.typ != TypeTime && hb.typ != TypeDateTime {
			return 0, 0, false
		}
		ta, okA := instantAt(a, &ha)
		tb, okB := instantAt(b, &hb)
		return na, nb, okA && okB && ta.naive() == tb.naive() && ta.utc() == tb.utc() && ta.nsec == tb.nsec
	case TypeArray:
		if hb.typ == TypeByteArray {
			return na, nb, bytes.Equal(ha.payload(a)[1:], hb.payload(b))
		}
		return na, nb, hb.typ == TypeArray && equalArrays(ha.payload(a), hb.payload(b))
	case TypeSet, TypeFrozenSet:
		if hb.typ != TypeSet && hb.typ != TypeFrozenSet {
			return 0, 0, false
		}
		sub, super := subsets(a, b, &ha, &hb)
		return na, nb, sub && super
	case TypeList, TypeTuple:
		if hb.typ != ha.typ || ha.n != hb.n {
			return 0, 0, false
		}
		na, nb = ha.off, hb.off
		for i := 0; i < ha.n; i++ {
			m, n, eq := equal(a[na:], b[nb:], depth+1)
			if !eq {
				return 0, 0, false
			}
			na, nb = na+m, nb+n
		}
		return na, nb, true
	case TypeDict:
		if hb.typ != TypeDict || ha.n != hb.n {
			return 0, 0, false
		}
		return equalDicts(a, b, &ha, &hb, depth)
	}
	return 0, 0, false
}

// endOf returns where the value at the start of v ends.
func endOf(v []byte, h *head) int {
	if h.typ == TypeList || h.typ == TypeDict {
		n, _ := Skip(v)
		return n
	}
	return h.end
}

func (t Type) isNumber() bool { return t >= TypeBool && t <= TypeComplex }

func equalNumbers(a, b []byte, ha, hb *head) bool {
	if ha.typ <= TypeInt && hb.typ <= TypeInt {
		return ha.num == hb.num
	}
	if ha.typ == TypeFloat && hb.typ == TypeFloat {
		return math.Float64frombits(ha.num) == math.Float64frombits(hb.num)
	}
	if isNaN(a, ha) || isNaN(b, hb) {
		return false
	}
	var bufA, bufB [160]byte
	ka, _ := buildKey(bufA[:0], a[:ha.end])
	kb, _ := buildKey(bufB[:0], b[:hb.end])
	return bytes.Equal(ka, kb)
}

func isNaN(v []byte, h *head) bool {
	switch h.typ {
	case TypeFloat:
		f := math.Float64frombits(h.num)
		return f != f
	case TypeComplex:
		re, im := complexAt(v, h)
		return re != re || im != im
	}
	return false
}

// pair returns the key at v[at:] and where its value begins and ends.
func pair(v []byte, at int) (key []byte, val, end int, ok bool) {
	n, err := Skip(v[at:])
	if err != nil {
		return nil, 0, 0, false
	}
	val = at + n
	m, err := Skip(v[val:])
	return v[at:val], val, val + m, err == nil
}

// equalDicts compares values once only, whichever way it goes: doing it on
// trial first would double the cost at each level of nesting.
func equalDicts(a, b []byte, ha, hb *head, depth int) (na, nb int, eq bool) {
	same := true // the same keys in the same order
	na, nb = ha.off, hb.off
	for i := 0; i < ha.n; i++ {
		ka, _, endA, okA := pair(a, na)
		kb, _, endB, okB := pair(b, nb)
		if !okA || !okB {
			return 0, 0, false
		}
		same = same && bytes.Equal(ka, kb)
		if same {
			if _, _, err := checkKey(ka, 0, len(ka), 0); err != nil {
				return 0, 0, false
			}
		}
		na, nb = endA, endB
	}
	if !same {
		va, okA := valuesByKey(a, ha)
		vb, okB := valuesByKey(b, hb)
		if !okA || !okB || len(va) != len(vb) {
			return 0, 0, false
		}
		for k, v := range va {
			w, ok := vb[k]
			if !ok {
				return 0, 0, false
			}
			if _, _, eq := equal(v, w, depth+1); !eq {
				return 0, 0, false
			}
		}
		return na, nb, true
	}
	pa, pb := ha.off, hb.off
	for i := 0; i < ha.n; i++ {
		ka, _ := Skip(a[pa:])
		kb, _ := Skip(b[pb:])
		m, n, eq := equal(a[pa+ka:], b[pb+kb:], depth+1)
		if !eq {
			return 0, 0, false
		}
		pa, pb = pa+ka+m, pb+kb+n
	}
	return na, nb, true
}

// valuesByKey maps the canonical keys of a dict to its values.
func valuesByKey(v []byte, h *head) (map[string][]byte, bool) {
	m := make(map[string][]byte, h.n)
	var buf [64]byte
	at := h.off
	for i := 0; i < h.n; i++ {
		k, val, end, ok := pair(v, at)
		if !ok {
			return nil, false
		}
		key, _, err := AppendKey(buf[:0], k)
		if err != nil {
			return nil, false
		}
		m[string(key)] = v[val:end]
		at = end
	}
	return m, true
}

// keySet returns the canonical keys of a set's elements.
func keySet(v []byte, h *head) (map[string]struct{}, bool) {
	m := make(map[string]struct{}, h.n)
	var buf [64]byte
	at := h.off
	for i := 0; i < h.n; i++ {
		n, _, err := checkKey(v, at, h.end, 1)
		if err != nil {
			return nil, false
		}
		key, _, err := AppendKey(buf[:0], v[at:n])
		if err != nil {
			return nil, false
		}
		m[string(key)] = struct{}{}
		at = n
	}
	return m, true
}

// subsets reports whether the set a is a subset of b and the reverse.
func subsets(a, b []byte, ha, hb *head) (sub, super bool) {
	ka, okA := keySet(a, ha)
	kb, okB := keySet(b, hb)
	if !okA || !okB {
		return false, false
	}
	contains := func(big, small map[string]struct{}) bool {
		if len(small) > len(big) {
			return false
		}
		for k := range small {
			if _, ok := big[k]; !ok {
				return false
			}
		}
		return true
	}
	return contains(kb, ka), contains(ka, kb)
}

// equalArrays compares the payloads of two typed arrays.
func equalArrays(p, q []byte) bool {
	m, n := (len(p)-1)/ElementSize(p[0]), (len(q)-1)/ElementSize(q[0])
	if m != n {
		return false
	}
	if p[0] == q[0] && p[0] != 'f' && p[0] != 'd' {
		return bytes.Equal(p, q)
	}
	var bufA, bufB [9]byte
	for i := 0; i < m; i++ {
		if _, _, eq := equal(appendElement(bufA[:0], p, i), appendElement(bufB[:0], q, i), 0); !eq {
			return false
		}
	}
	return true
}

// appendElement appends element i of a typed array with payload p as a value
// of its own: an int, a float, or a str for a character.
func appendElement(dst, p []byte, i int) []byte {
	size := ElementSize(p[0])
	e := p[1+i*size : 1+(i+1)*size]
	switch p[0] {
	case 'b':
		return AppendInt(dst, int64(int8(e[0])))
	case 'B':
		return AppendUint(dst, uint64(e[0]))
	case 'h':
		return AppendInt(dst, int64(int16(binary.LittleEndian.Uint16(e))))
	case 'H':
		return AppendUint(dst, uint64(binary.LittleEndian.Uint16(e)))
	case 'i':
		return AppendInt(dst, int64(int32(binary.LittleEndian.Uint32(e))))
	case 'I':
		return AppendUint(dst, uint64(binary.LittleEndian.Uint32(e)))
	case 'l', 'q':
		return AppendInt(dst, int64(binary.LittleEndian.Uint64(e)))
	case 'L', 'Q':
		return AppendUint(dst, binary.LittleEndian.Uint64(e))
	case 'f':
		return AppendFloat(dst, float64(math.Float32frombits(binary.LittleEndian.Uint32(e))))
	case 'd':
		return AppendFloat(dst, math.Float64frombits(binary.LittleEndian.Uint64(e)))
	}
	var buf [4]byte
	return AppendStrBytes(dst, appendCodePoint(buf[:0], binary.LittleEndian.Uint32(e)))
}

// appendCodePoint appends c as UTF-8, a surrogate as its three bytes.
func appendCodePoint(dst []byte, c uint32) []byte {
	if c >= 0xd800 && c <= 0xdfff {
		return append(dst, 0xe0|byte(c>>12), 0x80|byte(c>>6)&0xbf, 0x80|byte(c)&0xbf)
	}
	return appendRune(dst, c)
}
