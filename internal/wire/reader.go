package wire

import (
	"fmt"
	"math"
	"math/big"
)

// TypeError says that an argument of a call has the wrong type, is out of
// range, is missing or is one too many. It stands for Python's TypeError.
type TypeError struct {
	Pos  int    // the argument's place, from 1
	Got  string // Python's name of the type that came, or what was wrong
	Want string // what would be right
}

func (e *TypeError) Error() string {
	return fmt.Sprintf("argument %d: got %s, want %s", e.Pos, e.Got, e.Want)
}

// Reader steps through the arguments of a call. Each method but Peek, Type,
// Nil, More and NArgs takes the next argument, also when it fails. A Reader
// allocates only for errors. What it returns lies in the bytes that it reads.
//
// The zero Reader has no arguments. A Reader is a value for one goroutine.
type Reader struct {
	b    []byte
	next int
	n    int
}

// NewReader returns a Reader over args, one encoded list that Scan accepted.
func NewReader(args []byte) (Reader, error) {
	h, ok := parse(args)
	if !ok || h.typ != TypeList {
		return Reader{}, &SyntaxError{0, "arguments that are a " + TypeOf(args).String(), "a list"}
	}
	return Reader{b: args[h.off:], n: h.n}, nil
}

// NArgs returns how many arguments the call has, taken ones included.
func (r *Reader) NArgs() int { return r.n }

// Len returns how many arguments are left.
func (r *Reader) Len() int { return max(r.n-r.next, 0) }

// More reports whether an argument is left.
func (r *Reader) More() bool { return r.next < r.n }

// Done returns an error if an argument is left that nobody took.
func (r *Reader) Done() error {
	if r.next < r.n {
		return &TypeError{r.next + 1, fmt.Sprintf("%d arguments", r.n), fmt.Sprintf("at most %d", r.next)}
	}
	return nil
}

// Peek returns the next argument without taking it, nil if none is left.
func (r *Reader) Peek() []byte {
	if r.next >= r.n {
		return nil
	}
	n, err := Skip(r.b)
	if err != nil {
		return nil
	}
	return r.b[:n:n]
}

// Next takes the next argument and returns its encoding, nil if none is left.
func (r *Reader) Next() []byte {
	v := r.Peek()
	if r.next < r.n {
		r.next++
		r.b = r.b[len(v):]
	}
	return v
}

// Value is Next with an error when no argument is left.
func (r *Reader) Value() ([]byte, error) {
	if v := r.Next(); v != nil {
		return v, nil
	}
	return nil, r.missing("a value")
}

// Type returns the type of the next argument, TypeInvalid if none is left.
func (r *Reader) Type() Type {
	if r.next >= r.n {
		return TypeInvalid
	}
	return TypeOf(r.b)
}

// Nil takes the next argument if it is None and reports whether it was. It
// also reports true when no argument is left: an optional one that was omitted.
func (r *Reader) Nil() bool {
	switch {
	case r.next >= r.n:
		return true
	case len(r.b) == 0 || r.b[0] != 0xc0:
		return false
	}
	r.next++
	r.b = r.b[1:]
	return true
}

// take takes the next argument and parses its header.
func (r *Reader) take(want string) (v []byte, h head, err error) {
	if r.next >= r.n {
		return nil, h, r.missing(want)
	}
	v = r.Next()
	h, ok := parse(v)
	if !ok {
		return nil, h, &TypeError{r.next, "a malformed value", want}
	}
	return v, h, nil
}

func (r *Reader) missing(want string) error {
	return &TypeError{r.next + 1, "no argument", want}
}

func (r *Reader) wrong(v []byte, want string) error {
	return &TypeError{r.next, TypeName(v), want}
}

// small takes the next argument if it is an int of one byte that is not
// negative, as most are.
func (r *Reader) small() (uint64, bool) {
	if r.next >= r.n || len(r.b) == 0 || r.b[0] > 0x7f {
		return 0, false
	}
	n := r.b[0]
	r.next++
	r.b = r.b[1:]
	return uint64(n), true
}

// Int takes an int. A bool is 0 or 1, as in Python. One that does not fit into
// 64 bits is an error; a float is one too, even if it is integral.
func (r *Reader) Int() (int64, error) {
	if n, ok := r.small(); ok {
		return int64(n), nil
	}
	v, h, err := r.take("int")
	if err != nil {
		return 0, err
	}
	switch h.typ {
	case TypeInt, TypeBool:
		return int64(h.num), nil
	case TypeBigInt:
		if i, ok := bigAt(v, &h); ok && i.IsInt64() {
			return i.Int64(), nil
		}
		fallthrough
	case TypeUint:
		return 0, &TypeError{r.next, "int " + clip(v), "an int from -2^63 to 2^63-1"}
	}
	return 0, r.wrong(v, "int")
}

// Uint takes an int that is not negative. A bool is 0 or 1.
func (r *Reader) Uint() (uint64, error) {
	if n, ok := r.small(); ok {
		return n, nil
	}
	v, h, err := r.take("int")
	if err != nil {
		return 0, err
	}
	switch h.typ {
	case TypeUint, TypeBool:
		return h.num, nil
	case TypeInt:
		if int64(h.num) >= 0 {
			return h.num, nil
		}
	case TypeBigInt:
		if i, ok := bigAt(v, &h); ok && i.IsUint64() {
			return i.Uint64(), nil
		}
	default:
		return 0, r.wrong(v, "int")
	}
	return 0, &TypeError{r.next, "int " + clip(v), "an int from 0 to 2^64-1"}
}

// Float takes a float, or an int or bool that it converts as Python does,
// rounding to nearest. An int beyond the floats is an error.
func (r *Reader) Float() (float64, error) {
	v, h, err := r.take("float")
	if err != nil {
		return 0, err
	}
	f, ok := floatOf(v, &h)
	if !ok {
		if h.typ.IsInt() {
			return 0, &TypeError{r.next, "int " + clip(v), "an int that fits into a float"}
		}
		return 0, r.wrong(v, "float")
	}
	return f, nil
}

// Bool takes a bool; an int is an error (see Truth).
func (r *Reader) Bool() (bool, error) {
	v, h, err := r.take("bool")
	if err != nil {
		return false, err
	}
	if h.typ != TypeBool {
		return false, r.wrong(v, "bool")
	}
	return h.num != 0, nil
}

// Truth takes any value and returns its truth as Python's bool() does: false
// for None, zero and what is empty.
func (r *Reader) Truth() (bool, error) {
	v, _, err := r.take("a value")
	if err != nil {
		return false, err
	}
	return Truth(v), nil
}

// Str takes a str and returns its text.
func (r *Reader) Str() ([]byte, error) {
	v, h, err := r.take("str")
	if err != nil {
		return nil, err
	}
	if h.typ != TypeStr {
		return nil, r.wrong(v, "str")
	}
	return h.payload(v), nil
}

// Bin takes bytes or a bytearray and returns its content.
func (r *Reader) Bin() ([]byte, error) {
	v, h, err := r.take("bytes")
	if err != nil {
		return nil, err
	}
	if h.typ != TypeBytes && h.typ != TypeByteArray {
		return nil, r.wrong(v, "bytes")
	}
	return h.payload(v), nil
}

// Ref takes an object reference.
func (r *Reader) Ref() (RefView, error) {
	v, h, err := r.take("object reference")
	if err != nil {
		return RefView{}, err
	}
	if ref, ok := ParseRef(v); ok {
		return ref, nil
	}
	return RefView{}, &TypeError{r.next, h.typ.String(), "object reference"}
}

// Elements takes a list or tuple, or with sets also a set or frozenset, and
// returns a Reader over its elements.
func (r *Reader) Elements(sets bool) (Reader, error) {
	want := "list or tuple"
	if sets {
		want = "list, tuple or set"
	}
	v, h, err := r.take(want)
	if err != nil {
		return Reader{}, err
	}
	switch h.typ {
	case TypeSet, TypeFrozenSet:
		if !sets {
			break
		}
		fallthrough
	case TypeList, TypeTuple:
		return Reader{b: v[h.off:], n: h.n}, nil
	}
	return Reader{}, r.wrong(v, want)
}

// Pairs takes a dict and returns a Reader over its keys and values in turn, so
// that NArgs is twice the number of pairs.
func (r *Reader) Pairs() (Reader, error) {
	v, h, err := r.take("dict")
	if err != nil {
		return Reader{}, err
	}
	if h.typ != TypeDict {
		return Reader{}, r.wrong(v, "dict")
	}
	return Reader{b: v[h.off:], n: 2 * h.n}, nil
}

// Truth returns the truth of v as Python's bool() does. References, opaque
// values and datetimes are true.
func Truth(v []byte) bool {
	h, ok := parse(v)
	if !ok {
		return false
	}
	switch h.typ {
	case TypeNil:
		return false
	case TypeBool, TypeInt, TypeUint:
		return h.num != 0
	case TypeFloat:
		return math.Float64frombits(h.num) != 0
	case TypeComplex:
		re, im := complexAt(v, &h)
		return re != 0 || im != 0
	case TypeBigInt:
		for _, c := range h.payload(v) {
			if c != 0 {
				return true
			}
		}
		return false
	case TypeArray:
		return h.n > 1
	case TypeTime, TypeDateTime, TypeRef, TypeOpaque:
		return true
	}
	return h.n > 0
}

// bigAt returns the value of any int.
func bigAt(v []byte, h *head) (*big.Int, bool) {
	switch h.typ {
	case TypeInt:
		return big.NewInt(int64(h.num)), true
	case TypeBool, TypeUint:
		return new(big.Int).SetUint64(h.num), true
	case TypeBigInt:
		return setTwosComplement(new(big.Int), h.payload(v)), true
	}
	return nil, false
}

// floatOf converts a number as Python's float() does; ok is false for what is
// no real number and for an int beyond the floats.
func floatOf(v []byte, h *head) (f float64, ok bool) {
	switch h.typ {
	case TypeFloat:
		return math.Float64frombits(h.num), true
	case TypeInt:
		return float64(int64(h.num)), true
	case TypeBool, TypeUint:
		return float64(h.num), true
	case TypeBigInt:
		i, _ := bigAt(v, h)
		f, _ = new(big.Float).SetInt(i).Float64()
		return f, !math.IsInf(f, 0)
	}
	return 0, false
}

// clip returns the int v in decimal for an error's text, the middle left out
// when it is long.
func clip(v []byte) string {
	h, ok := parse(v)
	if !ok {
		return ""
	}
	i, ok := bigAt(v, &h)
	if !ok {
		return ""
	}
	s := i.String()
	if len(s) > 40 {
		s = s[:20] + "..." + s[len(s)-17:]
	}
	return s
}
