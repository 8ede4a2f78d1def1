package pickle

import (
	"cmp"
	"errors"
	"fmt"
	"math"
)

// Defaults for the fields of Limits.
const (
	DefaultSize   = 64 << 20
	DefaultNodes  = 1 << 22
	DefaultDepth  = 10_000
	DefaultStack  = 1 << 22
	DefaultMemo   = 1 << 22
	DefaultBigInt = 1 << 20
)

// maxDecimalInt bounds the digits of an int that is written as text. Reading
// them takes quadratic time; Python itself refuses more than 4300.
const maxDecimalInt = 4300

// Limits bounds what Decode accepts. A field that is 0 or less means its
// default.
type Limits struct {
	// Size is the number of bytes of the pickle.
	Size int
	// Nodes is how many values and references to values the pickle may
	// push, and how many steps it may take on objects.
	Nodes int
	// Depth is how deep containers may be nested, and how many marks may be
	// set at a time. It is counted when a value is put into its container:
	// a pickle that changes a container later can build a deeper graph, so
	// code that recurses over one needs a guard of its own.
	Depth int
	// Stack is how many values may wait on the stack at a time.
	Stack int
	// Memo is how many values may be remembered for reference.
	Memo int
	// BigInt is the number of bytes of one integer.
	BigInt int
	// Reserve, if it is there, is asked for memory before it is taken, for many
	// values at a time; its error ends the decoding.
	Reserve func(bytes int) error
}

// Memory is asked for reserveValues values at a time, of valueBytes each: what most
// take with their place in a container.
const (
	reserveValues = 4096
	valueBytes    = 64
)

func (l Limits) withDefaults() Limits {
	def := func(v, d int) int {
		if v <= 0 {
			return d
		}
		return v
	}
	return Limits{
		Size:   def(l.Size, DefaultSize),
		Nodes:  def(l.Nodes, DefaultNodes),
		Depth:  min(def(l.Depth, DefaultDepth), math.MaxInt32-1),
		Stack:  def(l.Stack, DefaultStack),
		Memo:   def(l.Memo, DefaultMemo),
		BigInt: def(l.BigInt, DefaultBigInt),

		Reserve: l.Reserve,
	}
}

// What is wrong with a pickle, or with a graph to be encoded.
var (
	// ErrSyntax: the bytes are no pickle that Python would load.
	ErrSyntax = errors.New("not a valid pickle")
	// ErrLimit: a limit would be exceeded.
	ErrLimit = errors.New("limit exceeded")
	// ErrUnsupported: the pickle refers to what is outside it, or uses a
	// protocol that is not read here.
	ErrUnsupported = errors.New("not supported")
)

// Error is the error of Decode. It matches one of ErrSyntax, ErrLimit and
// ErrUnsupported with errors.Is.
type Error struct {
	// Op is the name of the instruction, as in Python's pickletools, or
	// empty if the fault is not in one.
	Op string
	// Offset is where in the pickle the instruction begins, in bytes.
	Offset int
	// Reason says what was found and what would be right.
	Reason string
	// Kind is ErrSyntax, ErrLimit or ErrUnsupported.
	Kind error
}

// Error returns the text: instruction, offset and reason.
func (e *Error) Error() string {
	return fmt.Sprintf("pickle: %s at offset %d: %s", cmp.Or(e.Op, "input"), e.Offset, e.Reason)
}

// Unwrap returns Kind.
func (e *Error) Unwrap() error { return e.Kind }
