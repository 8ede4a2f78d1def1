package pickle

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"sync"
)

// A Writer writes one pickle of protocol 4 value by value. It is the fast way
// from another representation to a pickle, with no nodes in between; Node
// places a graph among the values.
//
// The caller must write exactly one value, and inside each container what its
// Open and Close methods say. Values written by the Writer's own methods are
// not remembered for reference, except for keys and globals; those of a graph
// are, across all calls of Node.
//
// A Writer is used by one goroutine. NewWriter takes one from a pool, and
// Finish puts it back.
type Writer struct {
	// Fixed for one pickle.
	start int // where the pickle begins in buf
	limit int // bytes, 0 for none

	// Owned by the goroutine that writes.
	buf     []byte
	err     error
	memoLen uint32
	// refs holds the memo entries of nodes. An entry of pending means that
	// the node is being written and has none yet.
	refs    map[Node]uint32
	keys    map[string]uint32
	globals map[Global]uint32
	frames  []frame
	revisit int // items written again because of cycles
}

const (
	pending = math.MaxUint32

	// headerLen is the length of PROTO and FRAME with their arguments.
	headerLen = 11
	// batch is how many items Python puts in one APPENDS or SETITEMS.
	batch = 1000
	// maxInterned is the longest text, in bytes, that is found again by its
	// content.
	maxInterned = 64
	// minRef is the shortest str or bytes that is remembered: a reference
	// to a shorter one is no shorter.
	minRef = 4
	// maxRevisit bounds what a graph of cycles may cost. See ErrTangled.
	maxRevisit = 1 << 20
)

// What Encode and Writer refuse.
var (
	// ErrTooLarge: the pickle would be longer than the limit given.
	ErrTooLarge = errors.New("pickle: encoded value is too large")
	// ErrTangled: tuples, frozensets or objects contain each other in so
	// many cycles that Python's way to write them takes quadratic time, or
	// contain themselves directly, which Python cannot build.
	ErrTangled = errors.New("pickle: cycles through tuples, frozensets or objects are too entangled")
)

var writers = sync.Pool{New: func() any {
	return &Writer{
		refs:    make(map[Node]uint32),
		keys:    make(map[string]uint32),
		globals: make(map[Global]uint32),
	}
}}

// NewWriter returns a Writer that appends to dst. If limit is above 0, the
// pickle may have at most limit bytes; a longer one fails with ErrTooLarge
// before it is written.
func NewWriter(dst []byte, limit int) *Writer {
	w := writers.Get().(*Writer)
	w.start, w.limit, w.err = len(dst), max(limit, 0), nil
	w.memoLen, w.revisit = 0, 0
	w.buf = append(dst, opProto, 4, opFrame, 0, 0, 0, 0, 0, 0, 0, 0)
	return w
}

// Finish ends the pickle and returns dst with the pickle appended, or the first
// error. On an error it returns dst as it was. The Writer must not be used
// afterwards.
func (w *Writer) Finish() ([]byte, error) {
	w.room(1)
	b, err := w.buf, w.err
	if err != nil {
		b = b[:w.start]
	} else {
		b = append(b, opStop)
		binary.LittleEndian.PutUint64(b[w.start+3:], uint64(len(b)-w.start-headerLen))
	}
	w.buf = nil
	w.refs = emptied(w.refs)
	w.keys = emptied(w.keys)
	w.globals = emptied(w.globals)
	if cap(w.frames) > keepCap {
		w.frames = nil
	}
	clear(w.frames[:cap(w.frames)])
	w.frames = w.frames[:0]
	writers.Put(w)
	return b, err
}

// emptied clears m, or replaces it if it has grown large: a map does not
// shrink.
func emptied[K comparable](m map[K]uint32) map[K]uint32 {
	if len(m) > keepCap {
		return make(map[K]uint32)
	}
	clear(m)
	return m
}

// Encode appends n to dst as one pickle of protocol 4 and returns the extended
// slice. Shared nodes and cycles are written as Python writes them. On an error
// it returns dst as it was; the errors are ErrTangled, and faults in graphs
// that were made in Go, such as a nil node.
func Encode(dst []byte, n Node) ([]byte, error) {
	return EncodeMax(dst, n, 0)
}

// EncodeMax is Encode for at most limit bytes, or any number if limit is 0. A
// longer pickle fails with ErrTooLarge.
//
// A graph that came from Decode is encoded in at most about five times the
// bytes that it came in, and a few megabytes for cycles. But subtrees that share a node each hold a copy when
// they are encoded one by one, so whoever does that to a hostile graph should
// set a limit.
func EncodeMax(dst []byte, n Node, limit int) ([]byte, error) {
	w := NewWriter(dst, limit)
	w.Node(n)
	return w.Finish()
}

func (w *Writer) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// room reports whether n more bytes may be written.
func (w *Writer) room(n int) bool {
	if w.err != nil {
		return false
	}
	if w.limit > 0 && n > w.limit-(len(w.buf)-w.start) {
		w.fail(fmt.Errorf("%w: more than %d bytes", ErrTooLarge, w.limit))
		return false
	}
	return true
}

func (w *Writer) op(ops ...byte) {
	if w.room(len(ops)) {
		w.buf = append(w.buf, ops...)
	}
}

// memoize writes MEMOIZE and returns the entry's number.
func (w *Writer) memoize() uint32 {
	w.op(opMemoize)
	w.memoLen++
	return w.memoLen - 1
}

func (w *Writer) get(i uint32) {
	if i < 256 {
		w.op(opBinGet, byte(i))
		return
	}
	w.op(opLongBinGet, byte(i), byte(i>>8), byte(i>>16), byte(i>>24))
}

// None writes None.
func (w *Writer) None() { w.op(opNone) }

// Bool writes a bool.
func (w *Writer) Bool(v bool) {
	if v {
		w.op(opNewTrue)
	} else {
		w.op(opNewFalse)
	}
}

// Int writes an int.
func (w *Writer) Int(v int64) {
	switch {
	case v >= 0 && v <= 0xff:
		w.op(opBinInt1, byte(v))
	case v >= 0 && v <= 0xffff:
		w.op(opBinInt2, byte(v), byte(v>>8))
	case v >= math.MinInt32 && v <= math.MaxInt32:
		w.op(opBinInt, byte(v), byte(v>>8), byte(v>>16), byte(v>>24))
	default:
		// The bits of v without its sign, and one for the sign.
		n := bits.Len64(uint64(v^(v>>63)))/8 + 1
		if !w.room(2 + n) {
			return
		}
		w.buf = append(w.buf, opLong1, byte(n))
		for i := range n {
			w.buf = append(w.buf, byte(v>>(8*i)))
		}
	}
}

// Uint writes an int.
func (w *Writer) Uint(v uint64) {
	if v <= math.MaxInt64 {
		w.Int(int64(v))
		return
	}
	w.op(opLong1, 9, byte(v), byte(v>>8), byte(v>>16), byte(v>>24),
		byte(v>>32), byte(v>>40), byte(v>>48), byte(v>>56), 0)
}

// bigInt writes an int of any size.
func (w *Writer) bigInt(le string) {
	n := len(le)
	switch {
	case n < 256:
		w.op(opLong1, byte(n))
	case n <= math.MaxInt32:
		w.op(opLong4, byte(n), byte(n>>8), byte(n>>16), byte(n>>24))
	default:
		w.fail(fmt.Errorf("pickle: an int of %d bytes; at most 2147483647 can be written", n))
	}
	w.raw(le)
}

// Float writes a float.
func (w *Writer) Float(v float64) {
	if w.room(9) {
		w.buf = binary.BigEndian.AppendUint64(append(w.buf, opBinFloat), math.Float64bits(v))
	}
}

// Str writes a str. The text must be UTF-8, in which surrogates may stand as
// well.
func (w *Writer) Str(s string) {
	if !Valid(s) {
		w.fail(fmt.Errorf("pickle: a str of %d bytes is not UTF-8", len(s)))
	}
	w.sized(s, opShortBinUnicode, opBinUnicode, opBinUnicode8)
}

// Key writes a str that is likely to come again in the same pickle, such as the
// key of a dict. Short ones are remembered by their content.
func (w *Writer) Key(s string) {
	if len(s) > maxInterned {
		w.Str(s)
		return
	}
	if i, ok := w.keys[s]; ok {
		w.get(i)
		return
	}
	w.Str(s)
	w.keys[s] = w.memoize()
}

// Bytes writes a bytes object.
func (w *Writer) Bytes(b string) {
	w.sized(b, opShortBinBytes, opBinBytes, opBinBytes8)
}

// ByteArray writes a bytearray.
func (w *Writer) ByteArray(b string) {
	w.Global("builtins", "bytearray")
	if b == "" {
		w.op(opEmptyTuple, opReduce)
		return
	}
	w.Bytes(b)
	w.op(opTuple1, opReduce)
}

func (w *Writer) sized(s string, short, mid, long byte) {
	n := len(s)
	switch {
	case n <= 0xff:
		w.op(short, byte(n))
	case uint64(n) <= math.MaxUint32:
		w.op(mid, byte(n), byte(n>>8), byte(n>>16), byte(n>>24))
	default:
		if w.room(9) {
			w.buf = binary.LittleEndian.AppendUint64(append(w.buf, long), uint64(n))
		}
	}
	w.raw(s)
}

// rawPiece is how much is copied at once: the garbage collector waits for the
// end of a copy.
const rawPiece = 128 << 10

func (w *Writer) raw(s string) {
	if w.room(len(s)) {
		for ; len(s) > rawPiece; s = s[rawPiece:] {
			w.buf = append(w.buf, s[:rawPiece]...)
		}
		w.buf = append(w.buf, s...)
	}
}

// Global writes a class or function by name.
func (w *Writer) Global(module, name string) {
	short := len(module)+len(name) <= 2*maxInterned
	g := Global{Module: module, Name: name}
	if short {
		if i, ok := w.globals[g]; ok {
			w.get(i)
			return
		}
	}
	w.Key(module)
	w.Key(name)
	w.op(opStackGlobal)
	i := w.memoize()
	if short {
		w.globals[g] = i
	}
}

// OpenList begins a list. Its items follow, then CloseList.
func (w *Writer) OpenList() { w.op(opEmptyList, opMark) }

// CloseList ends a list.
func (w *Writer) CloseList() { w.op(opAppends) }

// OpenDict begins a dict. Keys and values follow in turn, then CloseDict.
func (w *Writer) OpenDict() { w.op(opEmptyDict, opMark) }

// CloseDict ends a dict.
func (w *Writer) CloseDict() { w.op(opSetItems) }

// OpenSet begins a set. Its items follow, then CloseSet.
func (w *Writer) OpenSet() { w.op(opEmptySet, opMark) }

// CloseSet ends a set.
func (w *Writer) CloseSet() { w.op(opAddItems) }

// OpenFrozenSet begins a frozenset. Its items follow, then CloseFrozenSet.
func (w *Writer) OpenFrozenSet() { w.op(opMark) }

// CloseFrozenSet ends a frozenset.
func (w *Writer) CloseFrozenSet() { w.op(opFrozenSet) }

// OpenTuple begins a tuple of n items. They follow, then CloseTuple with the
// same n.
func (w *Writer) OpenTuple(n int) {
	if n > 3 {
		w.op(opMark)
	}
}

// CloseTuple ends a tuple of n items.
func (w *Writer) CloseTuple(n int) {
	switch {
	case n <= 0:
		w.op(opEmptyTuple)
	case n <= 3:
		w.op(opTuple1 + byte(n) - 1)
	default:
		w.op(opTuple)
	}
}

// Reduce makes an object from the class or function and the tuple of arguments
// written before it.
func (w *Writer) Reduce() { w.op(opReduce) }

// NewObj makes an instance, without calling its initialiser, from the class and
// the tuple of arguments written before it.
func (w *Writer) NewObj() { w.op(opNewObj) }

// Build gives the object its state; both were written before it.
func (w *Writer) Build() { w.op(opBuild) }
