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

func (w *whole) begin(total int) { *w = whole{total: total} }

func (w *whole) done() bool { return w.total > 0 && len(w.b) == w.total }

// space returns where the next bytes go. It is never more than seven times what
// has arrived already, or 64 KiB.
func (w *whole) space() []byte {
	if len(w.b) == cap(w.b) {
		w.grow(len(w.b) + 1)
	}
	return w.b[len(w.b):cap(w.b)]
}

func (w *whole) wrote(n int) { w.b = w.b[:len(w.b)+n] }

// take copies as much of p as belongs to the frame and returns how much.
func (w *whole) take(p []byte) int {
	n := min(len(p), w.total-len(w.b))
	w.grow(len(w.b) + n)
	w.b = append(w.b, p[:n]...)
	return n
}

// grow makes room for n bytes in all, eightfold each time, up to the exact
// total: a peer that lies about the total costs no more than that, and one that
// does not costs few copies, which everybody on the connection waits for.
func (w *whole) grow(n int) {
	if n <= cap(w.b) {
		return
	}
	b := make([]byte, len(w.b), min(max(n, 8*cap(w.b), size2), w.total))
	copy(b, w.b)
	w.b = b
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

// add takes the body of one FRAGMENT. It returns the frame, kind byte and
// body, that the fragment completes, or nil.
func (a *assembler) add(body []byte) ([]byte, error) {
	id, n := binary.Uvarint(body)
	if n <= 0 {
		return nil, fmt.Errorf("%w: fragment without a message id", ErrFrame)
	}
	body = body[n:]
	if len(body) < 1 {
		return nil, fmt.Errorf("%w: fragment of message %d without flags", ErrFrame, id)
	}
	flags := body[0]
	body = body[1:]
	if flags&^(flagFirst|flagLast) != 0 {
		return nil, fmt.Errorf("%w: fragment of message %d with flags %#x, only 1 and 2 are known", ErrFrame, id, flags)
	}
	at := a.find(id)
	if flags&flagFirst != 0 {
		if at >= 0 {
			return nil, fmt.Errorf("%w: first fragment of message %d, which is under way", ErrFrame, id)
		}
		if len(body) < 4 {
			return nil, fmt.Errorf("%w: first fragment of message %d without a length", ErrFrame, id)
		}
		if err := a.begin(id, int64(binary.BigEndian.Uint32(body))); err != nil {
			return nil, err
		}
		body = body[4:]
		at = len(a.msgs) - 1
	} else if at < 0 {
		return nil, fmt.Errorf("%w: fragment of message %d, which was not begun", ErrFrame, id)
	}
	m := &a.msgs[at]
	switch left := m.total - len(m.b); {
	case len(body) == 0:
		return nil, fmt.Errorf("%w: empty fragment of message %d", ErrFrame, id)
	case len(body) > FragmentSize:
		return nil, fmt.Errorf("%w: fragment of message %d carries %d bytes, at most %d may come in one", ErrFrame, id, len(body), FragmentSize)
	case len(body) > left:
		return nil, fmt.Errorf("%w: message %d has %d bytes more than the %d that it declared", ErrFrame, id, len(body)-left, m.total)
	case flags&flagLast != 0 && len(body) < left:
		return nil, fmt.Errorf("%w: message %d ends %d bytes short of the %d that it declared", ErrFrame, id, left-len(body), m.total)
	case flags&flagLast == 0 && len(body) == left:
		return nil, fmt.Errorf("%w: message %d has all of its %d bytes in a fragment that is not marked as the last", ErrFrame, id, m.total)
	}
	m.take(body)
	if !m.done() {
		return nil, nil
	}
	msg := m.b
	a.declared -= m.total
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
