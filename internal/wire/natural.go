package wire

import (
	"fmt"
	"math"
	"time"
)

// The Go types that stand for values which Go has no type of its own for.
type (
	// Tuple is a Python tuple.
	Tuple []any
	// Set is a Python set, in the order of its encoding.
	Set []any
	// FrozenSet is a Python frozenset, in the order of its encoding.
	FrozenSet []any
	// ByteArray is a Python bytearray.
	ByteArray []byte
	// Pairs is a dict with a key that no Go map can hold or find again.
	Pairs []Pair
	// Pair is one entry of Pairs.
	Pair struct{ Key, Value any }
	// LocalTime is a datetime without a time zone: the wall clock, read as UTC.
	LocalTime struct{ time.Time }
	// TypedArray is a Python array.array.
	TypedArray struct {
		Code byte   // typecode: one of bBuwhHiIlLqQfd
		Data []byte // the elements packed, little-endian, ElementSize(Code) bytes each
	}
	// Opaque is a value that only the language Lang can open, kept as it came.
	Opaque struct {
		Lang string // such as "python", 1 to MaxLangBytes bytes
		Data []byte
		// Head says which references are inside and how the value is compared:
		// see OpaqueHead. It must stay with the data. Empty: there are no
		// references, and it is compared by the data.
		Head []byte

		held []any // what the references were resolved to: it keeps their objects
	}
)

// Len returns the number of elements.
func (a TypedArray) Len() int {
	if size := ElementSize(a.Code); size > 0 {
		return len(a.Data) / size
	}
	return 0
}

// At returns element i, as Decode returns it: int64, uint64, float64 or string.
// It panics if i is out of range, as indexing does.
func (a TypedArray) At(i int) any {
	if i < 0 || i >= a.Len() {
		panic(fmt.Sprintf("wire: index %d of a typed array of %d", i, a.Len()))
	}
	size := ElementSize(a.Code)
	p := append(append(make([]byte, 0, 9), a.Code), a.Data[i*size:(i+1)*size]...)
	v, _ := Decode(appendElement(nil, p, 0))
	return v
}

// Options says how to decode.
type Options struct {
	// Ref turns an object reference into what the caller gets for it, such as
	// a proxy. If nil, references stay Ref.
	Ref func(Ref) (any, error)
}

// Decode returns the value v, exactly one, as the Go value that is natural for it:
//
//	None                nil
//	bool                bool
//	int                 int64; uint64 above it; *big.Int beyond
//	float, complex      float64, complex128
//	str                 string (lone surrogates as three bytes each)
//	bytes, bytearray    []byte, ByteArray
//	list, tuple         []any, Tuple
//	set, frozenset      Set, FrozenSet
//	dict                map[string]any if all keys are str, an empty one too;
//	                    map[any]any if all keys are values that Go finds again by ==;
//	                    else Pairs (a tuple, bytes, big integer, ... among the keys)
//	datetime            time.Time in UTC or a fixed zone; LocalTime if it has no zone
//	array.array         TypedArray
//	reference, opaque   Ref, Opaque
//
// The result shares no memory with v. Errors are *SyntaxError.
func Decode(v []byte) (any, error) { return DecodeWith(v, Options{}) }

// DecodeWith is Decode with options. An error of Options.Ref comes back as it is.
func DecodeWith(v []byte, opt Options) (any, error) {
	if err := checkWhole(v); err != nil {
		return nil, err
	}
	d := naturalDecoder{ref: opt.Ref}
	x, _, err := d.value(v)
	return x, err
}

// checkWhole scans v as exactly one value.
func checkWhole(v []byte) error {
	n, _, err := Scan(v, Limits{})
	if err == nil && n != len(v) {
		err = &SyntaxError{n, fmt.Sprintf("%d bytes after the value", len(v)-n), "one value"}
	}
	return err
}

// naturalDecoder decodes values that Scan has accepted.
type naturalDecoder struct {
	ref func(Ref) (any, error)
}

// value decodes the value at the start of v and returns its length.
func (d *naturalDecoder) value(v []byte) (any, int, error) {
	h, ok := parse(v)
	if !ok {
		return nil, 0, explain(v, 0, len(v))
	}
	switch h.typ {
	case TypeNil:
		return nil, h.end, nil
	case TypeBool:
		return h.num != 0, h.end, nil
	case TypeInt:
		return int64(h.num), h.end, nil
	case TypeUint:
		return h.num, h.end, nil
	case TypeBigInt:
		i, _ := bigAt(v, &h)
		switch {
		case i.IsInt64():
			return i.Int64(), h.end, nil
		case i.IsUint64():
			return i.Uint64(), h.end, nil
		}
		return i, h.end, nil
	case TypeFloat:
		return math.Float64frombits(h.num), h.end, nil
	case TypeComplex:
		re, im := complexAt(v, &h)
		return complex(re, im), h.end, nil
	case TypeStr:
		return string(h.payload(v)), h.end, nil
	case TypeBytes:
		return append(make([]byte, 0, h.n), h.payload(v)...), h.end, nil
	case TypeByteArray:
		return append(make(ByteArray, 0, h.n), h.payload(v)...), h.end, nil
	case TypeTime, TypeDateTime:
		t, _ := instantAt(v, &h)
		return t.natural(), h.end, nil
	case TypeArray:
		p := h.payload(v)
		return TypedArray{p[0], append(make([]byte, 0, len(p)-1), p[1:]...)}, h.end, nil
	case TypeOpaque:
		p := h.payload(v)
		x, err := d.opaque(p)
		return x, h.end, err
	case TypeRef:
		view, _ := refAt(v, &h)
		if d.ref == nil {
			return view.Ref(), h.end, nil
		}
		x, err := d.ref(view.Ref())
		return x, h.end, err
	case TypeDict:
		return d.dict(v, &h)
	}
	items := make([]any, h.n)
	pos := h.off
	for i := range items {
		x, n, err := d.value(v[pos:])
		if err != nil {
			return nil, 0, err
		}
		items[i] = x
		pos += n
	}
	switch h.typ {
	case TypeTuple:
		return Tuple(items), pos, nil
	case TypeSet:
		return Set(items), pos, nil
	case TypeFrozenSet:
		return FrozenSet(items), pos, nil
	}
	return items, pos, nil
}

// opaque decodes the payload of an opaque value.
func (d *naturalDecoder) opaque(p []byte) (Opaque, error) {
	o, err := opaqueAt(p)
	if err != nil {
		return Opaque{}, err
	}
	x := Opaque{Lang: string(o.Lang), Data: append(make([]byte, 0, len(o.Data)), o.Data...)}
	if len(o.Head) > len(noHead) {
		x.Head = append([]byte(nil), o.Head...)
	}
	if d.ref == nil {
		return x, nil
	}
	err = o.ForEachRef(func(r RefView) error {
		ref, err := d.ref(r.Ref())
		x.held = append(x.held, ref)
		return err
	})
	return x, err
}

func (d *naturalDecoder) dict(v []byte, h *head) (any, int, error) {
	strs, findable := true, true
	for i, pos := 0, h.off; i < h.n; i++ {
		_, _, end, ok := pair(v, pos)
		if !ok {
			return nil, 0, explain(v, pos, len(v))
		}
		k, _ := parse(v[pos:])
		strs = strs && k.typ == TypeStr
		findable = findable && findableKey(v[pos:], &k)
		pos = end
	}
	var byStr map[string]any
	var byAny map[any]any
	var pairs Pairs
	switch {
	case strs:
		byStr = make(map[string]any, h.n)
	case findable:
		byAny = make(map[any]any, h.n)
	default:
		pairs = make(Pairs, 0, h.n)
	}
	pos := h.off
	for i := 0; i < h.n; i++ {
		k, n, err := d.value(v[pos:])
		if err != nil {
			return nil, 0, err
		}
		pos += n
		x, n, err := d.value(v[pos:])
		if err != nil {
			return nil, 0, err
		}
		pos += n
		switch {
		case strs:
			byStr[k.(string)] = x
		case findable:
			byAny[k] = x
		default:
			pairs = append(pairs, Pair{k, x})
		}
	}
	switch {
	case strs:
		return byStr, pos, nil
	case findable:
		return byAny, pos, nil
	}
	return pairs, pos, nil
}

// findableKey reports whether a Go map finds the decoded key by ==.
func findableKey(v []byte, h *head) bool {
	switch h.typ {
	case TypeNil, TypeBool, TypeInt, TypeUint, TypeStr, TypeTime:
		return true
	case TypeFloat, TypeComplex:
		return !isNaN(v, h)
	case TypeBigInt:
		i, _ := bigAt(v, h)
		return i.IsInt64() || i.IsUint64()
	case TypeDateTime:
		t, _ := instantAt(v, h)
		return t.naive() || t.offset == 0
	}
	return false
}

// natural returns t as LocalTime or time.Time.
func (t instant) natural() any {
	if t.naive() {
		return LocalTime{time.Unix(t.sec, int64(t.nsec)).UTC()}
	}
	return t.time()
}

// time returns t, which is not naive, as a time.Time.
func (t instant) time() time.Time {
	u := time.Unix(t.utc(), int64(t.nsec))
	if t.offset == 0 {
		return u.UTC()
	}
	return u.In(time.FixedZone("", int(t.offset)))
}
