package pickle

import (
	"encoding/binary"
	"math"
)

// Array is an array.array.
type Array struct {
	// Typecode is one of Python's: b B h H i I l L q Q for ints, f d for
	// floats, u w for text.
	Typecode byte
	// Data holds the elements, least significant byte first, each of
	// ArrayItemSize(Typecode) bytes.
	Data string
}

// ArrayItemSize returns the bytes that an element takes in an Array: 1 for b
// and B, 2 for h and H, 4 for i, I, f, u and w, 8 for l, L, q, Q and d. These
// are the sizes of C's types on 64-bit Unix. For other typecodes it is 0.
func ArrayItemSize(typecode byte) int {
	switch typecode {
	case 'b', 'B':
		return 1
	case 'h', 'H':
		return 2
	case 'i', 'I', 'f', 'u', 'w':
		return 4
	case 'l', 'L', 'q', 'Q', 'd':
		return 8
	}
	return 0
}

// A machineFormat says how elements lie in memory. The formats are numbered in
// array.array's pickles.
type machineFormat struct {
	size   int
	kind   byte // 'u'nsigned, 'i'nt, 'f'loat, 't'ext
	bigEnd bool
}

// machineFormats is read only.
var machineFormats = [...]machineFormat{
	{1, 'u', false}, {1, 'i', false},
	{2, 'u', false}, {2, 'u', true}, {2, 'i', false}, {2, 'i', true},
	{4, 'u', false}, {4, 'u', true}, {4, 'i', false}, {4, 'i', true},
	{8, 'u', false}, {8, 'u', true}, {8, 'i', false}, {8, 'i', true},
	{4, 'f', false}, {4, 'f', true}, {8, 'f', false}, {8, 'f', true},
	{2, 't', false}, {2, 't', true}, {4, 't', false}, {4, 't', true},
}

// formatOf returns the number of the format of an Array's elements, or -1.
func formatOf(typecode byte) int {
	switch typecode {
	case 'B':
		return 0
	case 'b':
		return 1
	case 'H':
		return 2
	case 'h':
		return 4
	case 'I':
		return 6
	case 'i':
		return 8
	case 'L', 'Q':
		return 10
	case 'l', 'q':
		return 12
	case 'f':
		return 14
	case 'd':
		return 16
	case 'u', 'w':
		return 20
	}
	return -1
}

// NewArray returns an array.array, or false if the typecode is unknown or Data
// is not a whole number of elements. The pickle names the format of the
// elements, so that a machine with another one converts them. Typecode w needs
// Python 3.13.
func NewArray(a Array) (*Object, bool) {
	f := formatOf(a.Typecode)
	if f < 0 || len(a.Data)%ArrayItemSize(a.Typecode) != 0 {
		return nil, false
	}
	return NewCall("array", "_array_reconstructor",
		&Global{Module: "array", Name: "array"}, NewStr(string(a.Typecode)), Int(f), &Bytes{B: a.Data}), true
}

// AsArray returns the contents of an array.array. It knows the pickles of the
// array module, which are a list of elements or bytes in a named format, and
// those of multiprocessing, which are bytes as they lay in the client's memory.
// The latter are taken to come from a 64-bit little-endian Unix, as nothing in
// them says otherwise.
func AsArray(n Node) (Array, bool) {
	args, ok := asForm(n, FormArray)
	if !ok {
		return Array{}, false
	}
	name := n.(*Object).Callable.(*Global).Name
	class := false
	if name != "array" && len(args) == 4 {
		g, ok := args[0].(*Global)
		class = ok && *g == Global{"array", "array"}
		args = args[1:]
	}
	if class == (name == "array") || len(args) < 1 {
		return Array{}, false
	}
	tc, ok := args[0].(*Str)
	if !ok || len(tc.S) != 1 || ArrayItemSize(tc.S[0]) == 0 {
		return Array{}, false
	}
	a := Array{Typecode: tc.S[0]}
	switch {
	case class:
		f, ok := args[1].(Int)
		b, ok2 := args[2].(*Bytes)
		if !ok || !ok2 || f < 0 || int(f) >= len(machineFormats) {
			return Array{}, false
		}
		a.Data, ok = convert(b.B, a.Typecode, machineFormats[f])
		return a, ok
	case len(args) == 1:
		return a, true
	case len(args) != 2:
		return Array{}, false
	}
	if l, ok := args[1].(*List); ok {
		a.Data, ok = fromList(l.Items, a.Typecode)
		return a, ok
	}
	if s, ok := args[1].(*Str); ok && (a.Typecode == 'u' || a.Typecode == 'w') {
		a.Data = string(appendUTF32(nil, s.S))
		return a, true
	}
	b, ok := args[1].(*Bytes)
	if !ok || len(b.B)%ArrayItemSize(a.Typecode) != 0 {
		return Array{}, false
	}
	a.Data = b.B
	return a, true
}

// convert turns elements of the given format into those of an Array.
func convert(data string, typecode byte, from machineFormat) (string, bool) {
	if len(data)%from.size != 0 {
		return "", false
	}
	to := machineFormats[formatOf(typecode)]
	if from == to {
		return data, true
	}
	if (from.kind == 't') != (to.kind == 't') {
		return "", false
	}
	var out []byte
	for i := 0; i < len(data); i += from.size {
		v := element(data[i:], from)
		if from.kind == 't' && from.size == 2 && v>>10 == 0xd800>>10 && i+4 <= len(data) {
			// The first half of a pair.
			if low := element(data[i+2:], from); low>>10 == 0xdc00>>10 {
				v = 0x10000 + (v-0xd800)<<10 + (low - 0xdc00)
				i += 2
			}
		}
		var n Node
		switch from.kind {
		case 'f':
			n = Float(math.Float64frombits(v))
			if from.size == 4 {
				n = Float(math.Float32frombits(uint32(v)))
			}
		case 'i':
			n = Int(int64(v))
		default:
			n = NewUint(v)
		}
		var ok bool
		if out, ok = appendElement(out, n, to); !ok {
			return "", false
		}
	}
	return string(out), true
}

// element reads the first element of data. Signed ones are extended.
func element(data string, f machineFormat) uint64 {
	var v uint64
	for j := range f.size {
		k := f.size - 1 - j
		if f.bigEnd {
			k = j
		}
		v = v<<8 | uint64(data[k])
	}
	if shift := 64 - 8*f.size; f.kind == 'i' {
		v = uint64(int64(v<<shift) >> shift)
	}
	return v
}

func fromList(items []Node, typecode byte) (string, bool) {
	to := machineFormats[formatOf(typecode)]
	var out []byte
	for _, n := range items {
		ok := false
		if s, isStr := n.(*Str); isStr && to.kind == 't' {
			before := len(out)
			out = appendUTF32(out, s.S)
			ok = len(out) == before+4
		} else if to.kind != 't' {
			out, ok = appendElement(out, n, to)
		}
		if !ok {
			return "", false
		}
	}
	return string(out), true
}

// appendElement appends a number as an element, if it is in range.
func appendElement(out []byte, n Node, to machineFormat) ([]byte, bool) {
	var v uint64
	switch n := n.(type) {
	case Float:
		if to.kind != 'f' {
			return out, false
		}
		if to.size == 4 {
			return binary.LittleEndian.AppendUint32(out, math.Float32bits(float32(n))), true
		}
		return binary.LittleEndian.AppendUint64(out, math.Float64bits(float64(n))), true
	case Int:
		v = uint64(n)
		bits := 8 * to.size
		switch to.kind {
		case 'i':
			if s := int64(v) >> (bits - 1); s != 0 && s != -1 {
				return out, false
			}
		case 'u':
			if n < 0 || bits < 64 && v>>bits != 0 {
				return out, false
			}
		case 't':
			if n < 0 || n > 0x10ffff {
				return out, false
			}
		default:
			return appendElement(out, Float(n), to)
		}
	case *BigInt:
		var ok bool
		if v, ok = n.Uint64(); !ok || to.kind != 'u' || to.size < 8 {
			return out, false
		}
	default:
		return out, false
	}
	for j := range to.size {
		out = append(out, byte(v>>(8*j)))
	}
	return out, true
}
