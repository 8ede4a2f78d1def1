package proxy

import "github.com/syncmanager/syncmanager/internal/wire"

// The Go types that stand for values which Go has no type of its own for. They
// may be arguments and results anywhere, also inside of others. What decodes
// into any becomes one of them where it must.
type (
	// Tuple is a Python tuple.
	Tuple = wire.Tuple
	// SetValue is the value of a Python set; Set is a shared one.
	SetValue = wire.Set
	// FrozenSet is a Python frozenset.
	FrozenSet = wire.FrozenSet
	// ByteArray is a Python bytearray.
	ByteArray = wire.ByteArray
	// Pairs is a dict with a key that no Go map can hold or find again.
	Pairs = wire.Pairs
	// Pair is one entry of Pairs.
	Pair = wire.Pair
	// LocalTime is a datetime without a time zone.
	LocalTime = wire.LocalTime
	// TypedArray is a Python array.array.
	TypedArray = wire.TypedArray
	// Opaque is a value that only its own language can open. It is kept and
	// handed back as it came.
	Opaque = wire.Opaque
	// Raw is any value in its encoding. It decodes from and encodes to just
	// what travels.
	Raw = wire.Raw
)
