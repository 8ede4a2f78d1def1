package wire

import (
	"fmt"
	"math"
	"math/big"
	"reflect"
	"slices"
	"time"
	"unicode/utf8"
	"unsafe"
)

// ValueError says that a Go value cannot be encoded (CodeUnserializable), that
// an encoded one does not go into the Go type that was asked for (CodeType), or
// that it is no key (CodeValue).
type ValueError struct {
	Code    Code
	Message string
}

func (e *ValueError) Error() string { return e.Message }

func unencodable(format string, args ...any) error {
	return &ValueError{CodeUnserializable, fmt.Sprintf(format, args...)}
}

func undecodable(format string, args ...any) error {
	return &ValueError{CodeType, fmt.Sprintf(format, args...)}
}

// AppendAny appends v: any value that Decode returns, a Raw, every bool, number,
// string and []byte type of Go's own, time.Duration (as nanoseconds), and
// slices and maps of the common ones. A nil slice, map or pointer is None. The
// keys of map[string]any are sorted; other maps come in Go's order. Other types
// are an error (see Marshal), as is a string that is not UTF-8 and what nests
// deeper than DefaultDepth. Errors are *ValueError; dst is then unchanged.
func AppendAny(dst []byte, v any) ([]byte, error) {
	return (&encoder{b: dst}).encode(v)
}

// encoder encodes Go values.
type encoder struct {
	b       []byte
	reflect bool // other types go through reflection
	foreign bool // bytes that user code wrote are in b and must be scanned
	keys    int  // how many keys the encoder is inside of: arrays are tuples there
	hops    int  // how many pointers the encoder is inside of
}

// encode appends v to what e.b holds; on an error the result is that alone.
func (e *encoder) encode(v any) ([]byte, error) {
	dst := e.b
	if err := e.any(v, 0); err != nil {
		return dst, err
	}
	if e.foreign {
		if err := checkWhole(e.b[len(dst):]); err != nil {
			return dst, unencodable("the encoding that a %T made of itself: %v", v, err)
		}
	}
	return e.b, nil
}

// any appends v. depth is how many containers are open.
func (e *encoder) any(v any, depth int) error {
	switch v := v.(type) {
	case nil:
		e.b = AppendNil(e.b)
	case bool:
		e.b = AppendBool(e.b, v)
	case string:
		return e.str(v)
	case []byte:
		if v == nil {
			e.b = AppendNil(e.b)
			return nil
		}
		if err := fits(len(v)); err != nil {
			return err
		}
		e.b = AppendBin(e.b, v)
	case int:
		e.b = AppendInt(e.b, int64(v))
	case int8:
		e.b = AppendInt(e.b, int64(v))
	case int16:
		e.b = AppendInt(e.b, int64(v))
	case int32:
		e.b = AppendInt(e.b, int64(v))
	case int64:
		e.b = AppendInt(e.b, v)
	case time.Duration:
		e.b = AppendInt(e.b, int64(v))
	case uint:
		e.b = AppendUint(e.b, uint64(v))
	case uint8:
		e.b = AppendUint(e.b, uint64(v))
	case uint16:
		e.b = AppendUint(e.b, uint64(v))
	case uint32:
		e.b = AppendUint(e.b, uint64(v))
	case uint64:
		e.b = AppendUint(e.b, v)
	case uintptr:
		e.b = AppendUint(e.b, uint64(v))
	case float32:
		e.b = AppendFloat(e.b, float64(v))
	case float64:
		e.b = AppendFloat(e.b, v)
	case complex64:
		e.b = AppendComplex(e.b, complex128(v))
	case complex128:
		e.b = AppendComplex(e.b, v)
	case time.Time:
		return e.time(v)
	case []any:
		return e.list(v, depth)
	case map[string]any:
		return e.sortedMap(v, depth)
	default:
		return e.special(v, depth)
	}
	return nil
}

// special appends the types of this package and the less common plain ones.
func (e *encoder) special(v any, depth int) error {
	switch v := v.(type) {
	case Tuple:
		return e.sequence(v, ExtTuple, depth)
	case Set:
		return e.sequence(v, ExtSet, depth)
	case FrozenSet:
		return e.sequence(v, ExtFrozenSet, depth)
	case ByteArray:
		if v == nil {
			e.b = AppendNil(e.b)
			return nil
		}
		if err := fits(len(v)); err != nil {
			return err
		}
		e.b = AppendByteArray(e.b, v)
	case *big.Int:
		if v == nil {
			e.b = AppendNil(e.b)
			return nil
		}
		return e.bigInt(v)
	case big.Int:
		return e.bigInt(&v)
	case LocalTime:
		// The wall clock as it reads in the time's own zone.
		_, off := v.Zone()
		return e.instant(v.Time, v.Unix()+int64(off), NaiveOffset)
	case TypedArray:
		return e.typedArray(v)
	case Opaque:
		if v.Lang == "" || len(v.Lang) > MaxLangBytes || !utf8.ValidString(v.Lang) {
			return unencodable("an opaque value of language %.40q: want 1 to %d bytes of UTF-8", v.Lang, MaxLangBytes)
		}
		if err := fits(len(v.Data) + 2 + len(v.Lang) + len(v.Head)); err != nil {
			return err
		}
		if err := checkHead(v.Lang, v.Head); err != nil {
			return err
		}
		e.b = AppendOpaque(e.b, v.Lang, v.Head, v.Data)
	case Ref:
		if v.TypeID == "" || len(v.TypeID) > MaxTypeIDBytes || !utf8.ValidString(v.TypeID) {
			return unencodable("a reference with typeid %.40q: want 1 to %d bytes of UTF-8", v.TypeID, MaxTypeIDBytes)
		}
		e.b = AppendRef(e.b, v)
	case Raw:
		e.b, e.foreign = append(e.b, v...), true
	case Pairs:
		return e.pairs(v, depth)
	case map[any]any:
		return encodeMap(e, v, depth, (*encoder).any)
	case []string:
		return encodeSlice(e, v, depth, func(e *encoder, s string, _ int) error { return e.str(s) })
	case []int:
		return encodeSlice(e, v, depth, encodeInt)
	case []int32:
		return encodeSlice(e, v, depth, encodeInt)
	case []int64:
		return encodeSlice(e, v, depth, encodeInt)
	case []uint64:
		return encodeSlice(e, v, depth, func(e *encoder, u uint64, _ int) error { e.b = AppendUint(e.b, u); return nil })
	case []float64:
		return encodeSlice(e, v, depth, func(e *encoder, f float64, _ int) error { e.b = AppendFloat(e.b, f); return nil })
	case []float32:
		return encodeSlice(e, v, depth, func(e *encoder, f float32, _ int) error { e.b = AppendFloat(e.b, float64(f)); return nil })
	case []bool:
		return encodeSlice(e, v, depth, func(e *encoder, t bool, _ int) error { e.b = AppendBool(e.b, t); return nil })
	case [][]byte:
		return encodeSlice(e, v, depth, func(e *encoder, b []byte, d int) error { return e.any(b, d) })
	case []map[string]any:
		return encodeSlice(e, v, depth, (*encoder).sortedMap)
	case map[string]string:
		return encodeMap(e, v, depth, func(e *encoder, s string, _ int) error { return e.str(s) })
	case map[string]int:
		return encodeMap(e, v, depth, encodeInt)
	case map[string]int64:
		return encodeMap(e, v, depth, encodeInt)
	case map[string]float64:
		return encodeMap(e, v, depth, func(e *encoder, f float64, _ int) error { e.b = AppendFloat(e.b, f); return nil })
	case map[string]bool:
		return encodeMap(e, v, depth, func(e *encoder, t bool, _ int) error { e.b = AppendBool(e.b, t); return nil })
	case map[string][]byte:
		return encodeMap(e, v, depth, func(e *encoder, b []byte, d int) error { return e.any(b, d) })
	case map[string][]string:
		return encodeMap(e, v, depth, func(e *encoder, s []string, d int) error { return e.any(s, d) })
	case map[int]any:
		return encodeMap(e, v, depth, (*encoder).any)
	case map[int64]any:
		return encodeMap(e, v, depth, (*encoder).any)
	case map[int]string:
		return encodeMap(e, v, depth, func(e *encoder, s string, _ int) error { return e.str(s) })
	default:
		if e.reflect {
			return e.value(reflect.ValueOf(v), depth)
		}
		return unencodable("cannot encode the Go type %T", v)
	}
	return nil
}

// fits checks that a length of n bytes can be encoded.
func fits(n int) error {
	if uint64(n) > math.MaxUint32 {
		return unencodable("a value of %d bytes is too long: at most %d", n, uint32(math.MaxUint32))
	}
	return nil
}

func (e *encoder) str(s string) error {
	if !ValidStr(unsafe.Slice(unsafe.StringData(s), len(s))) {
		return unencodable("the string %.40q is not UTF-8: send it as []byte", s)
	}
	if err := fits(len(s)); err != nil {
		return err
	}
	e.b = AppendStr(e.b, s)
	return nil
}

func (e *encoder) bigInt(v *big.Int) error {
	if n := bigIntSize(v); n > MaxBigIntBytes {
		return unencodable("an integer of %d bits is too large: at most %d", v.BitLen(), MaxBigIntBytes*8-1)
	}
	e.b = AppendBigInt(e.b, v)
	return nil
}

func (e *encoder) time(t time.Time) error {
	return e.instant(t, t.Unix(), 0)
}

// instant appends a naive datetime whose wall clock is sec, or else t itself.
func (e *encoder) instant(t time.Time, sec int64, offset int32) error {
	if sec > MaxSeconds-86400 || sec < -MaxSeconds+86400 {
		return unencodable("the time %d seconds from 1970 is out of range", sec)
	}
	if offset == NaiveOffset {
		e.b = AppendDateTime(e.b, sec, uint32(t.Nanosecond()), offset)
	} else {
		e.b = AppendTime(e.b, t)
	}
	return nil
}

func (e *encoder) typedArray(v TypedArray) error {
	size := ElementSize(v.Code)
	if size == 0 || len(v.Data)%size != 0 {
		return unencodable("a typed array with typecode %q and %d bytes: want one of bBuwhHiIlLqQfd and whole elements", v.Code, len(v.Data))
	}
	start := len(e.b)
	if err := fits(len(v.Data) + 1); err != nil {
		return err
	}
	e.b = AppendArray(e.b, v.Code, v.Data)
	if v.Code == 'u' || v.Code == 'w' {
		if _, _, err := Scan(e.b[start:], Limits{}); err != nil {
			return unencodable("a typed array of characters: %v", err)
		}
	}
	return nil
}

// open checks that a container of n may be opened at depth.
func (e *encoder) open(n, depth int) error {
	if depth >= DefaultDepth {
		return unencodable("a value that nests deeper than %d, or that contains itself", DefaultDepth)
	}
	if uint64(n) > math.MaxUint32 {
		return unencodable("a container of %d is too long: at most %d", n, uint32(math.MaxUint32))
	}
	return nil
}

func (e *encoder) list(v []any, depth int) error { return encodeSlice(e, v, depth, (*encoder).any) }

// sequence appends a tuple or set. A nil one is None.
func (e *encoder) sequence(v []any, id int8, depth int) error {
	if v == nil {
		e.b = AppendNil(e.b)
		return nil
	}
	if err := e.open(len(v), depth); err != nil {
		return err
	}
	start := len(e.b)
	for _, x := range v {
		elem := e.any
		if id != ExtTuple {
			elem = e.key
		}
		if err := elem(x, depth+1); err != nil {
			return err
		}
	}
	return e.end(start, id, len(v))
}

// end makes a tuple or set of the n elements that begin at start.
func (e *encoder) end(start int, id int8, n int) error {
	if err := fits(len(e.b) - start + 5); err != nil {
		return err
	}
	e.b = endSeq(e.b, start, id, n)
	return nil
}

// key appends a dict's key or a set's element, which must be hashable.
func (e *encoder) key(v any, depth int) error {
	start := len(e.b)
	e.keys++
	err := e.any(v, depth)
	e.keys--
	if err == nil {
		err = e.hashable(start)
	}
	return err
}

// hashable checks the key that was encoded at start.
func (e *encoder) hashable(start int) error {
	if _, _, err := checkKey(e.b, start, len(e.b), 0); err != nil {
		return unencodable("a key of a dict or an element of a set: %v", err)
	}
	return nil
}

func (e *encoder) pairs(v Pairs, depth int) error {
	if v == nil {
		e.b = AppendNil(e.b)
		return nil
	}
	if err := e.open(len(v), depth); err != nil {
		return err
	}
	e.b = AppendMapHeader(e.b, len(v))
	for _, p := range v {
		if err := e.key(p.Key, depth+1); err != nil {
			return err
		}
		if err := e.any(p.Value, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (e *encoder) sortedMap(v map[string]any, depth int) error {
	if v == nil {
		e.b = AppendNil(e.b)
		return nil
	}
	if err := e.open(len(v), depth); err != nil {
		return err
	}
	keys := make([]string, 0, len(v))
	for k := range v {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	e.b = AppendMapHeader(e.b, len(v))
	for _, k := range keys {
		if err := e.str(k); err != nil {
			return err
		}
		if err := e.any(v[k], depth+1); err != nil {
			return err
		}
	}
	return nil
}

func encodeInt[T int | int32 | int64](e *encoder, i T, _ int) error {
	e.b = AppendInt(e.b, int64(i))
	return nil
}

func encodeSlice[T any](e *encoder, v []T, depth int, elem func(*encoder, T, int) error) error {
	if v == nil {
		e.b = AppendNil(e.b)
		return nil
	}
	if err := e.open(len(v), depth); err != nil {
		return err
	}
	e.b = AppendArrayHeader(e.b, len(v))
	for _, x := range v {
		if err := elem(e, x, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func encodeMap[K comparable, V any](e *encoder, v map[K]V, depth int, elem func(*encoder, V, int) error) error {
	if v == nil {
		e.b = AppendNil(e.b)
		return nil
	}
	if err := e.open(len(v), depth); err != nil {
		return err
	}
	e.b = AppendMapHeader(e.b, len(v))
	for k, x := range v {
		if err := e.key(k, depth+1); err != nil {
			return err
		}
		if err := elem(e, x, depth+1); err != nil {
			return err
		}
	}
	return nil
}
