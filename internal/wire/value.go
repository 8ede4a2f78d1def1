package wire

import (
	"encoding/binary"
	"math"
	"unsafe"
)

// Raw is one encoded value that nobody may change: what a server stores.
type Raw string

// Bytes returns a view of r for the functions of this package. The view shares
// r's memory: writing to it is a bug that breaks every holder of r.
func (r Raw) Bytes() []byte { return unsafe.Slice(unsafe.StringData(string(r)), len(r)) }

// Extension ids of the value domain. See docs/protocol.md for the layouts.
const (
	ExtTuple     = 1
	ExtSet       = 2
	ExtFrozenSet = 3
	ExtBigInt    = 4
	ExtComplex   = 5
	ExtByteArray = 6
	ExtRef       = 7
	ExtOpaque    = 8
	ExtDateTime  = 9
	ExtArray     = 10
	ExtTime      = -1
)

// Bounds that Scan enforces on every value.
const (
	// DefaultDepth is how deep containers may nest when Limits does not say.
	DefaultDepth = 128
	// MaxBigIntBytes is the longest payload of a big integer: 65,536 bits with the sign.
	MaxBigIntBytes = 8192
	// MaxTypeIDBytes is the longest typeid inside a reference.
	MaxTypeIDBytes = 128
	// MaxLangBytes is the longest language tag of an opaque value.
	MaxLangBytes = 127
	// MaxSeconds bounds the seconds of a date either way of 1970, so that
	// offsets can be added without overflow. Years are far inside of it.
	MaxSeconds = 1 << 60
	// NaiveOffset is the offset field of a datetime that has no time zone.
	NaiveOffset = math.MinInt32
)

// Type is the type of a value.
type Type uint8

// The types of the value domain.
const (
	TypeInvalid   Type = iota // not a well-formed value
	TypeNil                   // None
	TypeBool                  // bool
	TypeInt                   // int within int64
	TypeUint                  // int above int64, within uint64
	TypeBigInt                // int encoded as extension 4
	TypeFloat                 // float
	TypeComplex               // complex
	TypeStr                   // str
	TypeBytes                 // bytes
	TypeByteArray             // bytearray
	TypeList                  // list
	TypeTuple                 // tuple
	TypeDict                  // dict
	TypeSet                   // set
	TypeFrozenSet             // frozenset
	TypeTime                  // datetime in UTC
	TypeDateTime              // datetime that is naive or has an offset
	TypeArray                 // array.array
	TypeRef                   // reference to a shared object
	TypeOpaque                // value that only its own language can open
)

var typeNames = [...]string{
	TypeInvalid: "malformed value", TypeNil: "NoneType", TypeBool: "bool", TypeInt: "int", TypeUint: "int", TypeBigInt: "int",
	TypeFloat: "float", TypeComplex: "complex", TypeStr: "str", TypeBytes: "bytes", TypeByteArray: "bytearray",
	TypeList: "list", TypeTuple: "tuple", TypeDict: "dict", TypeSet: "set", TypeFrozenSet: "frozenset",
	TypeTime: "datetime.datetime", TypeDateTime: "datetime.datetime", TypeArray: "array.array",
	TypeRef: "reference", TypeOpaque: "opaque",
}

// String returns Python's name of the type, as it stands in Python's errors.
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return typeNames[TypeInvalid]
}

// IsInt reports whether t is one of the three encodings of an integer.
func (t Type) IsInt() bool { return t == TypeInt || t == TypeUint || t == TypeBigInt }

// IntOf returns the int at the start of v, and false if there is none or it does
// not fit. A bool is none.
func IntOf(v []byte) (int64, bool) {
	h, ok := parse(v)
	return int64(h.num), ok && h.typ == TypeInt
}

// TypeOf returns the type of the value at the start of v, TypeInvalid when
// there is none. It looks at the header alone.
func TypeOf(v []byte) Type {
	h, ok := parse(v)
	if !ok {
		return TypeInvalid
	}
	return h.typ
}

// TypeName returns Python's name for the type of v as Python's errors spell
// it ("datetime.datetime", "array.array"); for a reference its typeid, for an
// opaque value its class, if it says so.
func TypeName(v []byte) string {
	h, ok := parse(v)
	if !ok {
		return typeNames[TypeInvalid]
	}
	return h.name(v)
}

// head is a parsed header.
type head struct {
	typ Type
	ext bool   // a tuple or set: bounded by end
	off int    // where the payload begins; for containers, the first element
	n   int    // payload bytes; elements of a list, tuple or set; pairs of a dict
	end int    // the value's end; for a list or dict that has elements, only a lower bound
	num uint64 // an int's two's complement, a uint, a float's bits, a bool's 0 or 1
}

func (h *head) name(v []byte) string {
	switch h.typ {
	case TypeRef:
		if r, ok := refAt(v, h); ok {
			return internTypeID(r.TypeID)
		}
	case TypeOpaque:
		if o, err := opaqueAt(h.payload(v)); err == nil && o.class != nil {
			return string(o.class)
		}
	}
	return h.typ.String()
}

// payload returns the payload bytes of a value that is no container.
func (h *head) payload(v []byte) []byte { return v[h.off : h.off+h.n] }

// parse reads the header at the start of b. It is ok only when the header is
// known and complete, a payload lies within b and has a length its type
// allows, and a count could fit into the bytes that are left. Elements and
// the contents of payloads are not looked at.
func parse(b []byte) (h head, ok bool) {
	if len(b) == 0 {
		return h, false
	}
	c := b[0]
	switch {
	case c < 0x80:
		return head{typ: TypeInt, off: 1, end: 1, num: uint64(c)}, true
	case c >= 0xe0:
		return head{typ: TypeInt, off: 1, end: 1, num: uint64(int64(int8(c)))}, true
	case c < 0x90:
		return counted(b, TypeDict, 1, uint64(c&0x0f))
	case c < 0xa0:
		return counted(b, TypeList, 1, uint64(c&0x0f))
	case c < 0xc0:
		return sized(b, TypeStr, 1, uint64(c&0x1f))
	}
	switch c {
	case 0xc0:
		return head{typ: TypeNil, off: 1, end: 1}, true
	case 0xc2, 0xc3:
		return head{typ: TypeBool, off: 1, end: 1, num: uint64(c & 1)}, true
	case 0xc4, 0xc5, 0xc6:
		if n, at, ok := length(b, c-0xc4); ok {
			return sized(b, TypeBytes, at, n)
		}
	case 0xd9, 0xda, 0xdb:
		if n, at, ok := length(b, c-0xd9); ok {
			return sized(b, TypeStr, at, n)
		}
	case 0xdc, 0xdd:
		if n, at, ok := length(b, c-0xdc+1); ok {
			return counted(b, TypeList, at, n)
		}
	case 0xde, 0xdf:
		if n, at, ok := length(b, c-0xde+1); ok {
			return counted(b, TypeDict, at, n)
		}
	case 0xca:
		if len(b) >= 5 {
			f := float64(math.Float32frombits(binary.BigEndian.Uint32(b[1:])))
			return head{typ: TypeFloat, off: 1, end: 5, num: math.Float64bits(f)}, true
		}
	case 0xcb:
		if len(b) >= 9 {
			return head{typ: TypeFloat, off: 1, end: 9, num: binary.BigEndian.Uint64(b[1:])}, true
		}
	case 0xcc:
		if len(b) >= 2 {
			return head{typ: TypeInt, off: 1, end: 2, num: uint64(b[1])}, true
		}
	case 0xcd:
		if len(b) >= 3 {
			return head{typ: TypeInt, off: 1, end: 3, num: uint64(binary.BigEndian.Uint16(b[1:]))}, true
		}
	case 0xce:
		if len(b) >= 5 {
			return head{typ: TypeInt, off: 1, end: 5, num: uint64(binary.BigEndian.Uint32(b[1:]))}, true
		}
	case 0xcf:
		if len(b) >= 9 {
			u, t := binary.BigEndian.Uint64(b[1:]), TypeInt
			if u > math.MaxInt64 {
				t = TypeUint
			}
			return head{typ: t, off: 1, end: 9, num: u}, true
		}
	case 0xd0:
		if len(b) >= 2 {
			return head{typ: TypeInt, off: 1, end: 2, num: uint64(int64(int8(b[1])))}, true
		}
	case 0xd1:
		if len(b) >= 3 {
			return head{typ: TypeInt, off: 1, end: 3, num: uint64(int64(int16(binary.BigEndian.Uint16(b[1:]))))}, true
		}
	case 0xd2:
		if len(b) >= 5 {
			return head{typ: TypeInt, off: 1, end: 5, num: uint64(int64(int32(binary.BigEndian.Uint32(b[1:]))))}, true
		}
	case 0xd3:
		if len(b) >= 9 {
			return head{typ: TypeInt, off: 1, end: 9, num: binary.BigEndian.Uint64(b[1:])}, true
		}
	case 0xc7, 0xc8, 0xc9:
		if n, at, ok := length(b, c-0xc7); ok {
			return extension(b, at, n)
		}
	case 0xd4, 0xd5, 0xd6, 0xd7, 0xd8:
		return extension(b, 1, 1<<(c-0xd4))
	}
	return head{}, false
}

// length reads a length field of 1<<log bytes that follows b[0].
func length(b []byte, log byte) (n uint64, at int, ok bool) {
	switch at = 1 + 1<<log; {
	case len(b) < at:
		return 0, at, false
	case log == 0:
		return uint64(b[1]), at, true
	case log == 1:
		return uint64(binary.BigEndian.Uint16(b[1:])), at, true
	default:
		return uint64(binary.BigEndian.Uint32(b[1:])), at, true
	}
}

func sized(b []byte, t Type, at int, n uint64) (head, bool) {
	if n > uint64(len(b)-at) {
		return head{}, false
	}
	return head{typ: t, off: at, n: int(n), end: at + int(n)}, true
}

func counted(b []byte, t Type, at int, n uint64) (head, bool) {
	least := n
	if t == TypeDict {
		least *= 2
	}
	if least > uint64(len(b)-at) {
		return head{}, false
	}
	return head{typ: t, off: at, n: int(n), end: at + int(least)}, true
}

// extension reads the id at b[at] and the payload of n bytes after it.
func extension(b []byte, at int, n uint64) (h head, ok bool) {
	if at >= len(b) {
		return h, false
	}
	id := int8(b[at])
	at++
	if n > uint64(len(b)-at) {
		return h, false
	}
	h = head{off: at, n: int(n), end: at + int(n)}
	p := b[h.off:h.end]
	switch id {
	case ExtTuple, ExtSet, ExtFrozenSet:
		// Only a list header may follow, so parse does not nest further.
		if len(p) == 0 || p[0]&0xf0 != 0x90 && p[0] != 0xdc && p[0] != 0xdd {
			return h, false
		}
		in, ok := parse(p)
		if !ok {
			return h, false
		}
		h.typ = [...]Type{ExtTuple: TypeTuple, ExtSet: TypeSet, ExtFrozenSet: TypeFrozenSet}[id]
		h.ext, h.off, h.n = true, at+in.off, in.n
		return h, true
	case ExtBigInt:
		h.typ, ok = TypeBigInt, n >= 1 && n <= MaxBigIntBytes
	case ExtComplex:
		h.typ, ok = TypeComplex, n == 16
	case ExtByteArray:
		h.typ, ok = TypeByteArray, true
	case ExtRef:
		h.typ, ok = TypeRef, n > 16 && n <= 16+MaxTypeIDBytes
	case ExtOpaque:
		h.typ, ok = TypeOpaque, n >= 2 && p[0] >= 1 && p[0] <= MaxLangBytes && 1+int(p[0]) < len(p) && p[1+int(p[0])]&0xf0 == 0x90
	case ExtDateTime:
		h.typ, ok = TypeDateTime, n == 16
	case ExtArray:
		if n >= 1 {
			size := ElementSize(p[0])
			h.typ, ok = TypeArray, size > 0 && (len(p)-1)%size == 0
		}
	case ExtTime:
		h.typ, ok = TypeTime, n == 4 || n == 8 || n == 12
	}
	return h, ok
}

// ElementSize returns the bytes that one element of a typed array with the
// given typecode takes, 0 for a typecode that does not exist.
func ElementSize(code byte) int {
	switch code {
	case 'b', 'B':
		return 1
	case 'h', 'H':
		return 2
	case 'u', 'w', 'i', 'I', 'f':
		return 4
	case 'l', 'L', 'q', 'Q', 'd':
		return 8
	}
	return 0
}

// instant is the content of a datetime of either encoding.
type instant struct {
	sec    int64 // wall clock read as UTC
	nsec   uint32
	offset int32 // seconds east of UTC, NaiveOffset for a naive one
}

// utc returns the seconds since 1970 of an aware datetime.
func (t instant) utc() int64 {
	if t.offset == NaiveOffset {
		return t.sec
	}
	return t.sec - int64(t.offset)
}

func (t instant) naive() bool { return t.offset == NaiveOffset }

func instantAt(v []byte, h *head) (t instant, ok bool) {
	p := h.payload(v)
	switch {
	case h.typ == TypeDateTime:
		t = instant{int64(binary.BigEndian.Uint64(p)), binary.BigEndian.Uint32(p[8:]), int32(binary.BigEndian.Uint32(p[12:]))}
		ok = t.offset == NaiveOffset || t.offset > -86400 && t.offset < 86400
	case len(p) == 4:
		return instant{sec: int64(binary.BigEndian.Uint32(p))}, true
	case len(p) == 8:
		u := binary.BigEndian.Uint64(p)
		t, ok = instant{sec: int64(u & (1<<34 - 1)), nsec: uint32(u >> 34)}, true
	default:
		t, ok = instant{sec: int64(binary.BigEndian.Uint64(p[4:])), nsec: binary.BigEndian.Uint32(p)}, true
	}
	return t, ok && t.nsec < 1e9 && t.sec <= MaxSeconds && t.sec >= -MaxSeconds
}

func complexAt(v []byte, h *head) (re, im float64) {
	p := h.payload(v)
	return math.Float64frombits(binary.BigEndian.Uint64(p)), math.Float64frombits(binary.BigEndian.Uint64(p[8:]))
}
