package pickle

import (
	"encoding/binary"
	"fmt"
	"math"
	"sync"
)

// Decode reads one pickle of protocol 2 to 5, which must fill data exactly. It
// copies data once, so data may be reused at once. The error is an *Error.
func Decode(data []byte, lim Limits) (Node, error) {
	lim = lim.withDefaults()
	if err := checkSize(len(data), lim); err != nil {
		return nil, err
	}
	return decode(string(data), lim)
}

// DecodeString is Decode without the copy: the nodes refer to s.
func DecodeString(s string, lim Limits) (Node, error) {
	lim = lim.withDefaults()
	if err := checkSize(len(s), lim); err != nil {
		return nil, err
	}
	return decode(s, lim)
}

func checkSize(n int, lim Limits) error {
	if n > lim.Size {
		return &Error{Kind: ErrLimit, Reason: fmt.Sprintf("%d bytes, the limit (Size) is %d", n, lim.Size)}
	}
	return nil
}

// A decoder is the stack machine. Its stack, marks and memo are reused by later
// pickles; its arena goes out with the result.
type decoder struct {
	// Fixed for one pickle.
	s     string
	lim   Limits
	proto byte

	// Owned by run.
	op      byte
	at      int // offset of op
	pos     int // offset of what comes next
	pushed  int // against lim.Nodes
	recasts int // what recast took over, against the pickle's length
	stack   []Node
	marks   []int // lengths of the stack at each MARK
	fence   int   // the last of marks, or 0
	memo    memo
	arena   arena
}

var decoders = sync.Pool{New: func() any { return new(decoder) }}

// keepCap is the largest stack or memo that a pooled decoder keeps.
const keepCap = 512

// decode runs the machine on s, which is within lim.Size.
func decode(s string, lim Limits) (Node, error) {
	d := decoders.Get().(*decoder)
	d.s, d.lim = s, lim
	d.op, d.at, d.pos, d.pushed, d.recasts, d.fence = 0, 0, 0, 0, 0, 0
	d.arena = newArena()
	n, err := d.run()
	d.release()
	return n, err
}

func (d *decoder) release() {
	d.s, d.arena = "", arena{}
	// Values popped from the stack are still in it: clear what was used.
	if cap(d.stack) > keepCap {
		d.stack = nil
	}
	clear(d.stack[:cap(d.stack)])
	d.stack = d.stack[:0]
	if cap(d.marks) > keepCap {
		d.marks = nil
	}
	d.marks = d.marks[:0]
	d.memo.reset()
	decoders.Put(d)
}

func (d *decoder) fail(kind error, format string, args ...any) error {
	e := &Error{Offset: d.at, Kind: kind, Reason: fmt.Sprintf(format, args...)}
	if d.pos > d.at {
		e.Op = opName(d.op)
	}
	return e
}

// take returns the next n bytes.
func (d *decoder) take(n uint64) (string, error) {
	left := len(d.s) - d.pos
	if n > uint64(left) {
		return "", d.fail(ErrSyntax, "needs %d bytes, %d are left", n, left)
	}
	b := d.s[d.pos : d.pos+int(n)]
	d.pos += int(n)
	return b, nil
}

// uint reads a little-endian number of size bytes.
func (d *decoder) uint(size uint64) (uint64, error) {
	b, err := d.take(size)
	if err != nil {
		return 0, err
	}
	var v uint64
	for i := len(b) - 1; i >= 0; i-- {
		v = v<<8 | uint64(b[i])
	}
	return v, nil
}

// sized reads a length of size bytes and as many bytes as it says.
func (d *decoder) sized(size uint64) (string, error) {
	n, err := d.uint(size)
	if err != nil {
		return "", err
	}
	return d.take(n)
}

// count charges one value, reference or step.
func (d *decoder) count() error {
	if d.pushed++; d.pushed > d.lim.Nodes {
		return d.fail(ErrLimit, "more than %d values and references (Nodes)", d.lim.Nodes)
	}
	if d.pushed%reserveValues == 0 && d.lim.Reserve != nil {
		return d.lim.Reserve(reserveValues * valueBytes)
	}
	return nil
}

func (d *decoder) push(n Node) error {
	if err := d.count(); err != nil {
		return err
	}
	if len(d.stack) >= d.lim.Stack {
		return d.fail(ErrLimit, "more than %d values on the stack (Stack)", d.lim.Stack)
	}
	d.stack = append(d.stack, n)
	return nil
}

// need checks that n values lie above the last mark.
func (d *decoder) need(n int) error {
	if len(d.stack)-d.fence < n {
		return d.fail(ErrSyntax, "needs %d values on the stack, has %d", n, len(d.stack)-d.fence)
	}
	return nil
}

func (d *decoder) pop() (Node, error) {
	if err := d.need(1); err != nil {
		return nil, err
	}
	n := d.stack[len(d.stack)-1]
	d.stack = d.stack[:len(d.stack)-1]
	return n, nil
}

func (d *decoder) top() Node { return d.stack[len(d.stack)-1] }

func (d *decoder) mark() error {
	if len(d.marks) >= d.lim.Depth {
		return d.fail(ErrLimit, "more than %d marks (Depth)", d.lim.Depth)
	}
	d.fence = len(d.stack)
	d.marks = append(d.marks, d.fence)
	return nil
}

// popMark takes the last mark and the values above it from the stack. The
// slice is valid until the next push.
func (d *decoder) popMark() ([]Node, error) {
	if len(d.marks) == 0 {
		return nil, d.fail(ErrSyntax, "no MARK comes before it")
	}
	items := d.stack[d.fence:]
	d.stack = d.stack[:d.fence]
	d.marks = d.marks[:len(d.marks)-1]
	d.fence = 0
	if n := len(d.marks); n > 0 {
		d.fence = d.marks[n-1]
	}
	return items, nil
}

// deepen records that the container whose height is *h now holds items.
func (d *decoder) deepen(h *int32, items ...Node) error {
	// One of them may be the container itself: its height counts as it was.
	var below int32
	for _, n := range items {
		below = max(below, n.height())
	}
	*h = max(*h, below+1)
	if int(*h) > d.lim.Depth {
		return d.fail(ErrLimit, "containers nested more than %d deep (Depth)", d.lim.Depth)
	}
	return nil
}

func (d *decoder) str(s string, err error) error {
	if err != nil {
		return err
	}
	if !Valid(s) {
		return d.fail(ErrSyntax, "text of %d bytes is not UTF-8", len(s))
	}
	n := d.arena.strs.take()
	n.S = s
	return d.push(n)
}

func (d *decoder) bytes(b string, err error) error {
	if err != nil {
		return err
	}
	return d.push(&Bytes{B: b})
}

// run executes the instructions until STOP.
func (d *decoder) run() (Node, error) {
	if len(d.s) < 2 || d.s[0] != opProto {
		return nil, d.fail(ErrUnsupported, "a pickle of protocol 2 to 5 begins with PROTO")
	}
	if d.proto = d.s[1]; d.proto < 2 || d.proto > 5 {
		return nil, d.fail(ErrUnsupported, "protocol %d, 2 to 5 are read", d.proto)
	}
	d.pos = 2
	for {
		d.at = d.pos
		if d.pos >= len(d.s) {
			return nil, d.fail(ErrSyntax, "the pickle ends without STOP")
		}
		d.op = d.s[d.pos]
		d.pos++
		if d.op == opStop {
			return d.stop()
		}
		if err := d.step(); err != nil {
			return nil, err
		}
	}
}

func (d *decoder) stop() (Node, error) {
	if d.pos != len(d.s) {
		return nil, d.fail(ErrSyntax, "%d bytes follow it", len(d.s)-d.pos)
	}
	if len(d.marks) != 0 || len(d.stack) != 1 {
		return nil, d.fail(ErrSyntax, "one value should be left, there are %d and %d marks", len(d.stack), len(d.marks))
	}
	return d.stack[0], nil
}

// step executes the instructions that push plain values, and leaves the others
// to collect and recall.
func (d *decoder) step() error {
	switch d.op {
	case opNone:
		return d.push(None{})
	case opNewTrue:
		return d.push(Bool(true))
	case opNewFalse:
		return d.push(Bool(false))
	case opBinInt1:
		v, err := d.uint(1)
		if err != nil {
			return err
		}
		return d.push(Int(v))
	case opBinInt2:
		v, err := d.uint(2)
		if err != nil {
			return err
		}
		return d.push(Int(v))
	case opBinInt:
		v, err := d.uint(4)
		if err != nil {
			return err
		}
		return d.push(Int(int32(uint32(v))))
	case opLong1, opLong4:
		return d.long()
	case opBinFloat:
		b, err := d.take(8)
		if err != nil {
			return err
		}
		var raw [8]byte
		copy(raw[:], b)
		return d.push(Float(math.Float64frombits(binary.BigEndian.Uint64(raw[:]))))
	case opShortBinUnicode:
		return d.str(d.sized(1))
	case opBinUnicode:
		return d.str(d.sized(4))
	case opBinUnicode8:
		return d.str(d.sized(8))
	case opShortBinBytes:
		return d.bytes(d.sized(1))
	case opBinBytes:
		return d.bytes(d.sized(4))
	case opBinBytes8:
		return d.bytes(d.sized(8))
	case opByteArray8:
		b, err := d.sized(8)
		if err != nil {
			return err
		}
		return d.push(&ByteArray{B: b})
	case opFrame:
		n, err := d.uint(8)
		if err != nil {
			return err
		}
		if left := len(d.s) - d.pos; n > uint64(left) {
			return d.fail(ErrSyntax, "a frame of %d bytes, %d are left", n, left)
		}
		return nil
	case opShortBinString:
		return d.ascii(d.sized(1))
	case opBinString:
		return d.ascii(d.sized(4))
	case opInt, opLong, opFloat, opString, opUnicode:
		return d.text()
	case opProto:
		return d.fail(ErrSyntax, "the protocol is announced twice")
	case opPersID, opBinPersID:
		return d.fail(ErrUnsupported, "persistent ids refer to what is not in the pickle")
	case opNextBuffer, opReadonlyBuffer:
		return d.fail(ErrUnsupported, "out-of-band buffers are not in the pickle")
	}
	return d.collect()
}

// long reads an int with a length before it.
func (d *decoder) long() error {
	size := uint64(1)
	if d.op == opLong4 {
		size = 4
	}
	n, err := d.uint(size)
	if err != nil {
		return err
	}
	if n > math.MaxInt32 {
		return d.fail(ErrSyntax, "a length of %d bytes is negative", int32(uint32(n)))
	}
	if n > uint64(d.lim.BigInt) {
		return d.fail(ErrLimit, "an int of %d bytes, the limit (BigInt) is %d", n, d.lim.BigInt)
	}
	b, err := d.take(n)
	if err != nil {
		return err
	}
	return d.push(intNode(b))
}
