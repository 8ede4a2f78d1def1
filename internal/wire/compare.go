package wire

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"math/big"
)

// OperandError is the error for an operation that the types of its operands do
// not have. Its text is that of Python's TypeError.
type OperandError struct {
	Message string
}

func (e *OperandError) Error() string { return e.Message }

// Compare orders the values a and b as Python's < does and returns -1, 0 or 1.
// Ordered are: numbers but complex ones, str by code point, bytes and bytearray,
// lists, tuples, typed arrays lexicographically (a typed array with a bytearray by
// its memory), sets by inclusion, aware
// datetimes by instant and naive ones by wall clock. Values that Python can
// compare but for which neither a < b nor b < a holds (NaN, sets that overlap)
// compare as 0, so sorting them gives some order, as in Python.
//
// Any other pair is an *OperandError, such as "'<' not supported between
// instances of 'str' and 'int'". Malformed input is a *SyntaxError.
func Compare(a, b []byte) (int, error) { return compare(a, b, 0) }

func compare(a, b []byte, depth int) (int, error) {
	ha, ok := parse(a)
	if !ok {
		return 0, explain(a, 0, len(a))
	}
	hb, ok := parse(b)
	if !ok {
		return 0, explain(b, 0, len(b))
	}
	if depth > DefaultDepth {
		return 0, tooDeep(0, DefaultDepth)
	}
	if ha.typ == TypeOpaque || hb.typ == TypeOpaque {
		pa, pb := plainOf(a), plainOf(b)
		ta, tb := TypeOf(pa), TypeOf(pb)
		if ta == TypeOpaque && tb == TypeOpaque {
			xa, _ := parse(pa)
			xb, _ := parse(pb)
			if n, ok, err := compareOpaque(xa.payload(pa), xb.payload(pb), depth); ok {
				return n, err
			}
		} else if ta != TypeOpaque && tb != TypeOpaque {
			return compare(pa, pb, depth+1)
		}
	}
	switch {
	case ha.typ.isReal() && hb.typ.isReal():
		return compareNumbers(a, b, &ha, &hb), nil
	case ha.typ == TypeStr && hb.typ == TypeStr, ha.typ.isBytes() && hb.typ.isBytes():
		// UTF-8, with surrogates too, sorts as the code points do.
		return bytes.Compare(ha.payload(a), hb.payload(b)), nil
	case ha.typ == TypeByteArray && hb.typ == TypeArray:
		return bytes.Compare(ha.payload(a), hb.payload(b)[1:]), nil
	case ha.typ == TypeArray && hb.typ == TypeByteArray:
		return bytes.Compare(ha.payload(a)[1:], hb.payload(b)), nil
	case (ha.typ == TypeList || ha.typ == TypeTuple) && hb.typ == ha.typ:
		return compareSequences(a, b, &ha, &hb, depth)
	case ha.typ == TypeArray && hb.typ == TypeArray:
		return compareArrays(ha.payload(a), hb.payload(b))
	case ha.typ.isSet() && hb.typ.isSet():
		switch sub, super := subsets(a, b, &ha, &hb); {
		case sub && !super:
			return -1, nil
		case super && !sub:
			return 1, nil
		}
		return 0, nil
	case ha.typ.isTime() && hb.typ.isTime():
		ta, _ := instantAt(a, &ha)
		tb, _ := instantAt(b, &hb)
		if ta.naive() != tb.naive() {
			return 0, &OperandError{"can't compare offset-naive and offset-aware datetimes"}
		}
		return cmp.Or(cmp.Compare(ta.utc(), tb.utc()), cmp.Compare(ta.nsec, tb.nsec)), nil
	}
	return 0, &OperandError{fmt.Sprintf("'<' not supported between instances of '%s' and '%s'", ha.name(a), hb.name(b))}
}

func (t Type) isReal() bool  { return t >= TypeBool && t <= TypeFloat }
func (t Type) isBytes() bool { return t == TypeBytes || t == TypeByteArray }
func (t Type) isSet() bool   { return t == TypeSet || t == TypeFrozenSet }
func (t Type) isTime() bool  { return t == TypeTime || t == TypeDateTime }

// compareSequences finds the first elements that differ and compares those.
func compareSequences(a, b []byte, ha, hb *head, depth int) (int, error) {
	pa, pb := ha.off, hb.off
	for i := 0; i < min(ha.n, hb.n); i++ {
		m, n, eq := equal(a[pa:], b[pb:], depth+1)
		if !eq {
			return compare(a[pa:], b[pb:], depth+1)
		}
		pa, pb = pa+m, pb+n
	}
	return cmp.Compare(ha.n, hb.n), nil
}

func compareArrays(p, q []byte) (int, error) {
	m, n := (len(p)-1)/ElementSize(p[0]), (len(q)-1)/ElementSize(q[0])
	var bufA, bufB [9]byte
	for i := 0; i < min(m, n); i++ {
		x, y := appendElement(bufA[:0], p, i), appendElement(bufB[:0], q, i)
		if _, _, eq := equal(x, y, 0); !eq {
			return compare(x, y, 0)
		}
	}
	return cmp.Compare(m, n), nil
}

// compareNumbers compares two real numbers exactly; NaN compares as 0.
func compareNumbers(a, b []byte, ha, hb *head) int {
	const exact = 1 << 53
	switch {
	case ha.typ <= TypeInt && hb.typ <= TypeInt:
		return cmp.Compare(int64(ha.num), int64(hb.num))
	case isNaN(a, ha) || isNaN(b, hb):
		return 0
	case small(ha, exact) && small(hb, exact):
		x, _ := floatOf(a, ha)
		y, _ := floatOf(b, hb)
		return cmp.Compare(x, y)
	}
	return bigFloat(a, ha).Cmp(bigFloat(b, hb))
}

// small reports whether the number converts to a float without loss.
func small(h *head, exact int64) bool {
	return h.typ == TypeFloat || h.typ <= TypeInt && int64(h.num) <= exact && int64(h.num) >= -exact
}

// bigFloat returns a real number that is not NaN, exactly.
func bigFloat(v []byte, h *head) *big.Float {
	if h.typ == TypeFloat {
		return new(big.Float).SetFloat64(math.Float64frombits(h.num))
	}
	i, _ := bigAt(v, h)
	return new(big.Float).SetInt(i)
}
