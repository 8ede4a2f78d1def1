package link

import (
	"encoding/binary"
	"fmt"
)

// whole collects a large frame whose memory grows as its bytes arrive.
type whole struct {
	total int // 0: none under way
	b     []byte
}

// growth is how many times as much memory as has arrived one step reserves, or
// up to twice that if it is the last one. A peer that lies about a total costs no more than that, in addresses
// rather than memory, for nothing touches it. One that does not lie costs few
// copies, which everybody on the connection waits for: a message of 64 MiB is
// moved when 64 KiB and 2 MiB of it are there.
const growth = 32

func (w *whole) begin(total int) { *w = whole{total: total} }

func (w *whole) done() bool { return w.total > 0 && len(w.b) == w.total }

func (w *whole) left() int { return w.total - len(w.b) }

// space returns where the next bytes go, at most n.
func (w *whole) space(n int) []byte {
	if len(w.b) == cap(w.b) {
		w.grow(len(w.b) + 1)
	}
	return w.b[len(w.b):min(len(w.b)+n, cap(w.b))]
}

func (w *whole) wrote(n int) { w.b = w.b[:len(w.b)+n] }

// take copies as much of p as belongs to the frame and returns how much.
func (w *whole) take(p []byte) int {
	n := min(len(p), w.left())
	w.grow(len(w.b) + n)
	w.b = append(w.b, p[:n]...)
	return n
}

// grow makes room for n bytes in all.
func (w *whole) grow(n int) {
	if n <= cap(w.b) {
		return
	}
	size := max(n, growth*cap(w.b), size2)
	if size > w.total/2 {
		size = w.total // the last step is no small one
	}
	b := unset(size)
	w.b = b[:copy(b, w.b)]
}

// partial is a message under way in fragments.
type partial struct {
	id uint64
	whole
}

// assembler puts fragments together. The bounds it keeps are those in the
// package comment.
type assembler struct {
	max      int
	msgs     []partial
	declared int // sum of their totals
}

// head takes the head of a FRAGMENT, whose body has n bytes of which b is the
// beginning, at least fragmentHead of them if there are so many. It returns the
// length of the head. What follows it belongs to the message of find(id).
func (a *assembler) head(b []byte, n int) (id uint64, head int, err error) {
	id, head = binary.Uvarint(b)
	if head <= 0 {
		return 0, 0, fmt.Errorf("%w: fragment without a message id", ErrFrame)
	}
	if len(b) == head {
		return 0, 0, fmt.Errorf("%w: fragment of message %d without flags", ErrFrame, id)
	}
	flags := b[head]
	head++
	if flags&^(flagFirst|flagLast) != 0 {
		return 0, 0, fmt.Errorf("%w: fragment of message %d with flags %#x, only 1 and 2 are known", ErrFrame, id, flags)
	}
	at := a.find(id)
	if flags&flagFirst != 0 {
		if at >= 0 {
			return 0, 0, fmt.Errorf("%w: first fragment of message %d, which is under way", ErrFrame, id)
		}
		if len(b)-head < 4 {
			return 0, 0, fmt.Errorf("%w: first fragment of message %d without a length", ErrFrame, id)
		}
		if err := a.begin(id, int64(binary.BigEndian.Uint32(b[head:]))); err != nil {
			return 0, 0, err
		}
		head += 4
		at = len(a.msgs) - 1
	} else if at < 0 {
		return 0, 0, fmt.Errorf("%w: fragment of message %d, which was not begun", ErrFrame, id)
	}
	m := &a.msgs[at]
	n -= head
	switch left := m.left(); {
	case n == 0:
		err = fmt.Errorf("%w: empty fragment of message %d", ErrFrame, id)
	case n > FragmentSize:
		err = fmt.Errorf("%w: fragment of message %d carries %d bytes, at most %d may come in one", ErrFrame, id, n, FragmentSize)
	case n > left:
		err = fmt.Errorf("%w: message %d has %d bytes more than the %d that it declared", ErrFrame, id, n-left, m.total)
	case flags&flagLast != 0 && n < left:
		err = fmt.Errorf("%w: message %d ends %d bytes short of the %d that it declared", ErrFrame, id, left-n, m.total)
	case flags&flagLast == 0 && n == left:
		err = fmt.Errorf("%w: message %d has all of its %d bytes in a fragment that is not marked as the last", ErrFrame, id, m.total)
	}
	return id, head, err
}

// finish returns a message that is complete, kind byte and body, and forgets it.
func (a *assembler) finish(at int) ([]byte, error) {
	id, msg := a.msgs[at].id, a.msgs[at].b
	a.declared -= len(msg)
	last := len(a.msgs) - 1
	a.msgs[at] = a.msgs[last]
	a.msgs[last] = partial{}
	a.msgs = a.msgs[:last]
	if k := msg[0]; k == KindFragment || k == KindMux {
		return nil, fmt.Errorf("%w: message %d has kind %d, which cannot be cut into fragments", ErrFrame, id, k)
	}
	return msg, nil
}

func (a *assembler) begin(id uint64, total int64) error {
	switch {
	case total == 0:
		return fmt.Errorf("%w: message %d declares a length of 0", ErrFrame, id)
	case total > int64(a.max):
		return fmt.Errorf("%w: message %d of %d bytes is above the limit of %d", ErrFrame, id, total, a.max)
	case len(a.msgs) == MaxMessages:
		return fmt.Errorf("%w: message %d would be one more than the %d that may be under way", ErrFrame, id, MaxMessages)
	case len(a.msgs) > 0 && int64(a.declared)+total > MaxUnderWay:
		return fmt.Errorf("%w: message %d of %d bytes brings those under way to %d, above %d", ErrFrame, id, total, int64(a.declared)+total, MaxUnderWay)
	}
	m := partial{id: id}
	m.begin(int(total))
	a.msgs = append(a.msgs, m)
	a.declared += int(total)
	return nil
}

func (a *assembler) find(id uint64) int {
	for i := range a.msgs {
		if a.msgs[i].id == id {
			return i
		}
	}
	return -1
}
