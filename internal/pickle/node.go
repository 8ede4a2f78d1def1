package pickle

import (
	"iter"
	"math"
	"math/big"
	"strings"
)

// A Node is one value of a pickle's graph. Only the types of this package
// implement it: None, Bool, Int, Float, Ext and the pointers *BigInt, *Str,
// *Bytes, *ByteArray, *List, *Tuple, *Dict, *Set, *FrozenSet, *Global and
// *Object.
//
// Nodes have no locks. They may be read and encoded by several goroutines at
// once while nobody changes them.
type Node interface {
	// height is the number of containers on the longest way down, as far
	// as the decoder saw it. It is 0 for a leaf and for nodes made in Go.
	height() int32
}

type (
	// None is Python's None.
	None struct{}
	// Bool is a bool.
	Bool bool
	// Int is an int within int64. Other ints are a *BigInt.
	Int int64
	// Float is a float.
	Float float64
	// Ext is a class or function named by a code of copyreg's extension
	// registry, from 1 to 2^31-1. Only Python programs that share a
	// registry can say what it means.
	Ext int32
)

// BigInt is an int outside int64.
type BigInt struct {
	// LE holds the two's complement bytes of the value, least significant
	// first, with no more bytes than are needed for value and sign.
	LE string
}

// Str is a str.
type Str struct {
	// S is the text as UTF-8. Surrogates, which UTF-8 forbids, are written
	// as three bytes in the same pattern (Python's surrogatepass).
	S string
}

// Bytes is a bytes object.
type Bytes struct{ B string }

// ByteArray is a bytearray.
type ByteArray struct{ B string }

// List is a list.
type List struct {
	Items []Node
	h     int32
}

// Tuple is a tuple.
type Tuple struct {
	Items []Node
	h     int32
}

// Dict is a dict.
type Dict struct {
	// Items holds keys and values in turn, in the order in which they were
	// inserted; its length is even. A hostile pickle may repeat a key: the
	// last value counts, in the place of the first.
	Items []Node
	h     int32
}

// Set is a set. Nothing here checks that the items differ or can be hashed.
type Set struct {
	Items []Node
	h     int32
}

// FrozenSet is a frozenset. Nothing here checks that the items differ or can
// be hashed.
type FrozenSet struct {
	Items []Node
	h     int32
}

// Global is a class or function by name. Name may be dotted ("Outer.Inner").
type Global struct{ Module, Name string }

// ObjectOp says how Python is asked to make an object.
type ObjectOp uint8

const (
	// OpReduce calls Callable(*Args).
	OpReduce ObjectOp = iota
	// OpNewObj calls Callable.__new__(Callable, *Args).
	OpNewObj
	// OpNewObjEx calls Callable.__new__(Callable, *Args, **Kwargs).
	OpNewObjEx
)

// Object is what Python would make by a call: an instance of a class, or
// whatever a function returns.
type Object struct {
	Op ObjectOp
	// Callable is the class or function: a *Global, an Ext, or an *Object
	// that yields one.
	Callable Node
	Args     *Tuple
	// Kwargs is nil unless Op is OpNewObjEx.
	Kwargs *Dict
	// Steps fill the object after it was made, in this order.
	Steps []Step
	h     int32
}

// StepOp says what a Step does to its object.
type StepOp uint8

const (
	// StepAppend extends the object by Items, as one does a list.
	StepAppend StepOp = iota
	// StepSetItems stores Items, which are keys and values in turn.
	StepSetItems
	// StepAddItems adds Items, as one does to a set.
	StepAddItems
	// StepBuild gives the object its state, Items[0].
	StepBuild
	// StepCall calls Items[0] with the arguments of the tuple Items[1], of
	// which the first is the object, and drops the result. Reducers that
	// return a state setter make these.
	StepCall
)

// Step is one change to an object after it was made.
type Step struct {
	Op    StepOp
	Items []Node
}

func (None) height() int32         { return 0 }
func (Bool) height() int32         { return 0 }
func (Int) height() int32          { return 0 }
func (Float) height() int32        { return 0 }
func (Ext) height() int32          { return 0 }
func (*BigInt) height() int32      { return 0 }
func (*Str) height() int32         { return 0 }
func (*Bytes) height() int32       { return 0 }
func (*ByteArray) height() int32   { return 0 }
func (*Global) height() int32      { return 0 }
func (l *List) height() int32      { return l.h }
func (t *Tuple) height() int32     { return t.h }
func (d *Dict) height() int32      { return d.h }
func (s *Set) height() int32       { return s.h }
func (s *FrozenSet) height() int32 { return s.h }
func (o *Object) height() int32    { return o.h }

// Len returns the number of pairs.
func (d *Dict) Len() int { return len(d.Items) / 2 }

// All yields the pairs in order of insertion.
func (d *Dict) All() iter.Seq2[Node, Node] {
	return func(yield func(Node, Node) bool) {
		for i := 0; i+1 < len(d.Items); i += 2 {
			if !yield(d.Items[i], d.Items[i+1]) {
				return
			}
		}
	}
}

// Get returns the value of the str key, or nil. It looks at every pair.
func (d *Dict) Get(key string) Node {
	for i := len(d.Items) - 2; i >= 0; i -= 2 {
		if k, ok := d.Items[i].(*Str); ok && k.S == key {
			return d.Items[i+1]
		}
	}
	return nil
}

// Children calls yield for what n contains, in the order in which it is
// written.
func Children(n Node, yield func(Node)) {
	all := func(items []Node) {
		for _, c := range items {
			yield(c)
		}
	}
	switch n := n.(type) {
	case *List:
		all(n.Items)
	case *Tuple:
		all(n.Items)
	case *Dict:
		all(n.Items)
	case *Set:
		all(n.Items)
	case *FrozenSet:
		all(n.Items)
	case *Object:
		yield(n.Callable)
		if n.Args != nil {
			yield(n.Args)
		}
		if n.Kwargs != nil {
			yield(n.Kwargs)
		}
		for i := range n.Steps {
			all(n.Steps[i].Items)
		}
	}
}

// State returns the last state that a step gives to the object, or nil.
func (o *Object) State() Node {
	for i := len(o.Steps) - 1; i >= 0; i-- {
		if s := &o.Steps[i]; s.Op == StepBuild && len(s.Items) == 1 {
			return s.Items[0]
		}
	}
	return nil
}

// Big returns the value.
func (b *BigInt) Big() *big.Int {
	be := make([]byte, len(b.LE))
	for i := range be {
		be[len(be)-1-i] = b.LE[i]
	}
	v := new(big.Int).SetBytes(be)
	if len(be) > 0 && be[0]&0x80 != 0 {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(8*len(be))))
	}
	return v
}

// Uint64 returns the value if it is within uint64.
func (b *BigInt) Uint64() (v uint64, ok bool) {
	n := len(b.LE)
	switch {
	case n == 0:
		return 0, true
	case n > 9 || n == 9 && b.LE[8] != 0 || b.LE[n-1]&0x80 != 0:
		return 0, false
	case n == 9:
		n = 8
	}
	for i := n - 1; i >= 0; i-- {
		v = v<<8 | uint64(b.LE[i])
	}
	return v, true
}

// NewUint returns v as an Int or a *BigInt.
func NewUint(v uint64) Node {
	if v <= math.MaxInt64 {
		return Int(v)
	}
	var le [9]byte
	for i := range 8 {
		le[i] = byte(v >> (8 * i))
	}
	return &BigInt{LE: string(le[:])}
}

// NewBigInt returns v as an Int or a *BigInt.
func NewBigInt(v *big.Int) Node {
	if v.IsInt64() {
		return Int(v.Int64())
	}
	// For a negative v the bits wanted are those of -(v+1), inverted.
	m := v
	if v.Sign() < 0 {
		m = new(big.Int).Not(v)
	}
	le := make([]byte, m.BitLen()/8+1)
	m.FillBytes(le)
	for i, j := 0, len(le)-1; i < j; i, j = i+1, j-1 {
		le[i], le[j] = le[j], le[i]
	}
	if v.Sign() < 0 {
		for i := range le {
			le[i] ^= 0xff
		}
	}
	return &BigInt{LE: string(le)}
}

// NewIntBytes returns the int whose two's complement bytes are b, most
// significant first. The bytes need not be minimal; none at all mean 0.
func NewIntBytes(b string) Node {
	le := make([]byte, len(b))
	for i := range le {
		le[i] = b[len(b)-1-i]
	}
	return intNode(string(le))
}

// intNode reads two's complement, least significant byte first.
func intNode(le string) Node {
	// Drop bytes that only repeat the sign.
	for n := len(le); n > 1; n = len(le) {
		if c := le[n-1]; c == 0 && le[n-2] < 0x80 || c == 0xff && le[n-2] >= 0x80 {
			le = le[:n-1]
			continue
		}
		break
	}
	n := len(le)
	if n > 8 {
		return &BigInt{LE: le}
	}
	if n == 0 {
		return Int(0)
	}
	v := int64(int8(le[n-1]))
	for i := n - 2; i >= 0; i-- {
		v = v<<8 | int64(le[i])
	}
	return Int(v)
}

// NewStr returns a Str.
func NewStr(s string) *Str { return &Str{S: s} }

// NewTuple returns a Tuple of the items.
func NewTuple(items ...Node) *Tuple { return &Tuple{Items: items} }

// NewList returns a List of the items.
func NewList(items ...Node) *List { return &List{Items: items} }

// NewDict returns a Dict of keys and values in turn.
func NewDict(items ...Node) *Dict { return &Dict{Items: items} }

// Valid reports whether s is UTF-8 in which surrogates may stand as well: what
// a Str must hold.
func Valid(s string) bool {
	if validUTF8(s) {
		return true
	}
	// A surrogate is ED, A0..BF, 80..BF. With each of them taken out as a
	// whole the pieces must be UTF-8.
	for {
		i := strings.IndexByte(s, 0xed)
		for i >= 0 && (i+2 >= len(s) || s[i+1] < 0xa0) {
			j := strings.IndexByte(s[i+1:], 0xed)
			if j < 0 {
				i = -1
				break
			}
			i += 1 + j
		}
		if i < 0 {
			return validUTF8(s)
		}
		if s[i+1] > 0xbf || s[i+2] < 0x80 || s[i+2] > 0xbf || !validUTF8(s[:i]) {
			return false
		}
		s = s[i+3:]
	}
}
