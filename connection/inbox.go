package connection

import (
	"encoding/binary"
	"io"
)

// inbox collects one message at a time out of a stream, across any number of
// reads and failed attempts.
type inbox struct {
	b    []byte // buffer; b[r:w] came and was not taken. nil while idle
	r, w int

	begun bool   // the head of a message was taken
	need  int    // its length
	big   []byte // what came of it, if it does not fit into b

	err error // of the last read; a timeout is told once, all others stick
}

// whole tells whether a message is complete. Errors are those of the stream or
// of the limits.
func (in *inbox) whole(most, limit int) (bool, error) {
	if !in.begun {
		if in.w-in.r < headSize {
			return false, in.failure()
		}
		in.need = int(binary.BigEndian.Uint32(in.b[in.r:]))
		in.begun = true
		in.r += headSize
	}
	if in.need > limit || in.need < 0 {
		err := &MessageTooLong{Size: uint32(in.need), Limit: limit}
		in.err = err
		return false, err
	}
	if most > 0 && in.need > most {
		return false, &MessageTooLong{Size: uint32(in.need), Limit: most}
	}
	if in.need > readSize {
		in.spill()
		if len(in.big) == in.need {
			return true, nil
		}
	} else if in.w-in.r >= in.need {
		return true, nil
	}
	return false, in.failure()
}

// spill moves what came of a large message from b to big.
func (in *inbox) spill() {
	n := min(in.w-in.r, in.need-len(in.big))
	in.grow(len(in.big) + n)
	in.big = append(in.big, in.b[in.r:in.r+n]...)
	in.r += n
}

// grow makes room for n bytes in big. Memory follows what has arrived, by
// doubling, up to the message's length.
func (in *inbox) grow(n int) {
	if n <= cap(in.big) {
		return
	}
	b := make([]byte, len(in.big), min(max(n, 2*cap(in.big), 16*readSize), in.need))
	copy(b, in.big)
	in.big = b
}

func (in *inbox) failure() error {
	err := in.err
	switch {
	case err == nil:
	case isTimeout(err):
		in.err = nil
	case err == io.EOF && in.torn():
		return io.ErrUnexpectedEOF
	}
	return err
}

// torn tells whether the stream stands inside a message.
func (in *inbox) torn() bool { return in.begun || in.w > in.r }

// ready tells whether receiving would not block at once: something has come,
// or the stream has ended.
func (in *inbox) ready() bool { return in.torn() || in.err != nil && !isTimeout(in.err) }

// read reads once with the function given.
func (in *inbox) read(from func([]byte) (int, error)) {
	if in.err != nil {
		return
	}
	if in.begun && in.need > readSize {
		in.grow(len(in.big) + 1)
		n, err := from(in.big[len(in.big):cap(in.big)])
		in.big = in.big[:len(in.big)+n]
		in.err = err
		return
	}
	if in.b == nil {
		in.b = make([]byte, headSize+readSize)
	}
	if in.r > 0 {
		in.w = copy(in.b, in.b[in.r:in.w])
		in.r = 0
	}
	n, err := from(in.b[in.w:])
	in.w += n
	in.err = err
}

// view returns the whole message, in place.
func (in *inbox) view() []byte {
	if in.need > readSize {
		return in.big
	}
	return in.b[in.r : in.r+in.need]
}

// own returns the whole message for the caller to keep, and is done with it.
func (in *inbox) own() []byte {
	msg := in.view()
	if in.need <= readSize {
		msg = append(make([]byte, 0, len(msg)), msg...)
	}
	in.done()
	return msg
}

// done makes way for the next message.
func (in *inbox) done() {
	if in.need <= readSize {
		in.r += in.need
	}
	in.begun, in.need, in.big = false, 0, nil
	if in.r == in.w {
		in.r, in.w = 0, 0
	}
}
