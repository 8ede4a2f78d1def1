package proxy

import "github.com/syncmanager/syncmanager/internal/wire"

// The Go types that stand for values which Go has no type of its own for. They
// may be arguments and results anywhere, also inside of others. What decodes
// into any becomes one of them where it must.
type (
	// Tuple is a Python tuple: a []any. Several results of one method of a
	// custom type are one Tuple, which also decodes into a slice or a struct.
	Tuple = wire.Tuple
	// SetValue is the value of a Python set, a []any; Set is a shared one.
	SetValue = wire.Set
	// FrozenSet is a Python frozenset: a []any.
	FrozenSet = wire.FrozenSet
	// ByteArray is a Python bytearray: a []byte.
	ByteArray = wire.ByteArray
	// Pairs is a dict with a key that no Go map can hold or find again: a
	// []Pair.
	Pairs = wire.Pairs
	// Pair is one entry of Pairs: a struct of Key and Value, both any.
	Pair = wire.Pair
	// LocalTime is a datetime without a time zone: a struct that embeds a
	// time.Time, whose wall clock in UTC it is.
	LocalTime = wire.LocalTime
	// TypedArray is a Python array.array:
	//
	//	Code byte   // typecode: one of bBuwhHiIlLqQfd
	//	Data []byte // the elements packed, little-endian
	TypedArray = wire.TypedArray
	// Opaque is a value that only its own language can open. It is kept and
	// handed back as it came:
	//
	//	Lang string // such as "python"
	//	Data []byte
	//	Head []byte // the references inside, and how it is compared; it stays with Data
	//
	// It keeps the objects of the references inside it.
	Opaque = wire.Opaque
	// Raw is any value in its encoding. It decodes from and encodes to just
	// what travels. It is a string of those bytes.
	Raw = wire.Raw
)
