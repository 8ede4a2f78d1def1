package link

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// muxHigh is how many bytes of the mux wait at most before its writer does.
const muxHigh = 256 << 10

// largeFrame is a frame on its way out in fragments.
type largeFrame struct {
	id    uint64   // given when it begins
	total int      // kind byte and body
	left  int      // of total, not sent yet
	parts [][]byte // what is left, by reference
}

// lowQueue holds what goes out when no small frame waits: large frames and the
// bytes of the mux, which take turns. It is guarded by the outbox's mutex.
type lowQueue struct {
	active   []*largeFrame // begun or next to begin, at most MaxMessages
	declared int           // sum of their totals
	waiting  []*largeFrame
	bytes    int // left of all frames
	nextID   uint64
	turn     int // index into active; len(active) is the mux
	quiet    int // bytes of fragments since the last small frame

	mux    []byte // bytes of the mux
	muxOff int
}

func (q *lowQueue) ready() bool { return len(q.active) > 0 || q.muxLen() > 0 }

func (q *lowQueue) muxLen() int { return len(q.mux) - q.muxOff }

func (q *lowQueue) add(f *largeFrame) {
	f.left = f.total
	q.bytes += f.total
	q.waiting = append(q.waiting, f)
	q.admit()
}

// admit lets waiting frames begin, in their order, as far as the bounds on
// what is under way allow.
func (q *lowQueue) admit() {
	for len(q.waiting) > 0 && len(q.active) < MaxMessages {
		f := q.waiting[0]
		if len(q.active) > 0 && q.declared+f.total > MaxUnderWay {
			return
		}
		q.waiting[0] = nil
		q.waiting = q.waiting[1:]
		q.nextID++
		f.id = q.nextID
		q.active = append(q.active, f)
		q.declared += f.total
	}
}

// append appends the next frame: a fragment or a piece of the mux.
func (q *lowQueue) append(b []byte) []byte {
	if q.turn > len(q.active) || q.turn == len(q.active) && q.muxLen() == 0 {
		q.turn = 0
	}
	if q.turn == len(q.active) || len(q.active) == 0 {
		q.turn = 0
		return q.appendMux(b)
	}
	f := q.active[q.turn]
	b = q.appendFragment(b, f)
	if f.left > 0 {
		q.turn++
		return b
	}
	// The next one slides into this place.
	copy(q.active[q.turn:], q.active[q.turn+1:])
	q.active[len(q.active)-1] = nil
	q.active = q.active[:len(q.active)-1]
	q.declared -= f.total
	q.admit()
	return b
}

func (q *lowQueue) appendFragment(b []byte, f *largeFrame) []byte {
	b, at := BeginFrame(b, KindFragment)
	size := FragmentSize
	if q.quiet < FragmentSize {
		size = shortFragment
	}
	n := min(f.left, size)
	q.quiet += n
	var flags byte
	if f.left == f.total {
		flags |= flagFirst
	}
	if n == f.left {
		flags |= flagLast
	}
	b = binary.AppendUvarint(b, f.id)
	b = append(b, flags)
	if flags&flagFirst != 0 {
		b = binary.BigEndian.AppendUint32(b, uint32(f.total))
	}
	f.left -= n
	q.bytes -= n
	for n > 0 {
		p := f.parts[0]
		k := min(n, len(p))
		b = append(b, p[:k]...)
		n -= k
		if k == len(p) {
			f.parts[0] = nil
			f.parts = f.parts[1:]
		} else {
			f.parts[0] = p[k:]
		}
	}
	return EndFrame(b, at)
}

func (q *lowQueue) appendMux(b []byte) []byte {
	n := min(q.muxLen(), shortFragment)
	b = AppendFrame(b, KindMux, q.mux[q.muxOff:q.muxOff+n])
	q.muxOff += n
	if q.muxOff == len(q.mux) {
		q.mux, q.muxOff = q.mux[:0], 0
		if cap(q.mux) > size1 {
			q.mux = nil
		}
	}
	return b
}

// drop forgets all that waits.
func (q *lowQueue) drop() { *q = lowQueue{} }

// SendLarge queues a frame made of the kind and the parts, and flushes. The
// parts are kept by reference: they must not change until the frame is out,
// which is never told; give them away, or use Lend. A small frame is sent as
// any other.
func (o *Outbox) SendLarge(kind byte, parts ...[]byte) error {
	_, err := o.Lend(kind, parts...)
	return err
}

// Loan is memory that an outbox may still read. The zero value is none.
type Loan struct {
	o *Outbox
	f *largeFrame
}

// End makes the memory the lender's again. What has not been sent of it is
// copied, which is the way out of a call that is given up: when the peer has
// answered, there is nothing left.
func (l Loan) End() {
	if l.f == nil {
		return
	}
	l.o.mu.Lock()
	defer l.o.mu.Unlock()
	if l.f.left > 0 && l.o.err == nil {
		l.f.parts = [][]byte{bytes.Join(l.f.parts, nil)}
	}
}

// Lend is SendLarge for parts that the caller wants back: they must not change
// before the loan has ended. Without an error the frame is queued.
func (o *Outbox) Lend(kind byte, parts ...[]byte) (Loan, error) {
	total := 1
	for _, p := range parts {
		total += len(p)
	}
	if total+4 <= MaxSmall {
		b, at := BeginFrame(o.Lock(), kind)
		for _, p := range parts {
			b = append(b, p...)
		}
		return Loan{}, o.UnlockFlush(EndFrame(b, at))
	}
	f := &largeFrame{total: total, parts: make([][]byte, 0, len(parts)+1)}
	f.parts = append(append(f.parts, []byte{kind}), parts...)
	o.mu.Lock()
	if err := o.addLargeLocked(f); err != nil {
		o.mu.Unlock()
		return Loan{}, o.refused(err)
	}
	o.flushLocked()
	return Loan{o, f}, nil
}

func (o *Outbox) addLargeLocked(f *largeFrame) error {
	if o.err != nil || o.closing {
		return o.errLocked()
	}
	if int64(f.total) > math.MaxUint32 {
		return fmt.Errorf("a frame of %d bytes is above the %d that a frame can say", f.total, uint32(math.MaxUint32))
	}
	if o.low.bytes > o.limit {
		return ErrOutboxFull
	}
	o.low.add(f)
	return nil
}

// errSplit is a bug of the caller of Unlock.
var errSplit = errors.New("what was appended is not a sequence of whole frames")

// splitLocked sets the large ones among the frames from offset at aside.
func (o *Outbox) splitLocked(at int) error {
	b := o.pend.b
	small := b[:at]
	for rest := b[at:]; len(rest) > 0; {
		if len(rest) < headSize {
			o.pend.b = small
			return errSplit
		}
		n := 4 + int64(binary.BigEndian.Uint32(rest))
		if n < headSize || n > int64(len(rest)) {
			o.pend.b = small
			return errSplit
		}
		frame := rest[:n]
		rest = rest[n:]
		if n <= MaxSmall {
			small = append(small, frame...)
			continue
		}
		// The buffer goes on to be used; the frame is copied out of it, or
		// takes the buffer along when it is most of it.
		if int(n) > len(b)/2 {
			left := getBuffer(classOf(len(small)))
			left.b = append(left.b, small...)
			small = left.b
			o.pend = left
		} else {
			frame = append([]byte(nil), frame...)
		}
		if err := o.addLargeLocked(&largeFrame{total: int(n - 4), parts: [][]byte{frame[4:]}}); err != nil {
			o.pend.b = small
			return err
		}
	}
	o.pend.b = small
	if len(small)+o.inflight > o.limit {
		return ErrOutboxFull
	}
	return nil
}

// putMux queues bytes of the mux.
func (q *lowQueue) putMux(p []byte) {
	if q.muxOff > 0 && len(q.mux)+len(p) > cap(q.mux) {
		q.mux, q.muxOff = q.mux[:copy(q.mux, q.mux[q.muxOff:])], 0
	}
	q.mux = append(q.mux, p...)
}
