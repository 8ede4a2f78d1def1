package link

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
)

// Reader takes frames from a stream in batches. It is not safe for concurrent
// use: one goroutine is the read loop.
type Reader struct {
	src io.Reader
	tls *TLSConn // src, if it is one
	hot *hot     // the socket under src, if it is one
	tap func()   // called when bytes have come; may be nil
	max int      // largest frame, kind byte and body

	buf   *buffer // nil before the first read and after Release
	b     []byte  // buf.b up to its capacity
	r, w  int     // what is buffered: b[r:w]
	lows  int     // reads in a row that used little of the buffer
	whole whole   // a frame that does not fit into the buffer
	parts assembler
	into  uint64 // of the message in parts whose fragment comes in
	need  int    // bytes of that fragment which are still to come

	have  bool // kind, body and owned are the next frame
	kind  byte
	body  []byte
	owned bool // of the frame returned last or to be returned next

	bad  error // what is buffered cannot be trusted
	ioEr error // of the last read
}

// NewReader returns a reader of frames of up to max bytes (kind byte and
// body); 0 means DefaultMaxFrame.
func NewReader(src io.Reader, max int) *Reader {
	r := &Reader{src: src}
	switch c := src.(type) {
	case *TLSConn:
		r.tls = c
		if r.hot = newHot(c.under.Conn); r.hot != nil {
			c.under.hot = r.hot
		}
	case net.Conn:
		if r.hot = newHot(c); r.hot != nil {
			r.src = r.hot
		}
	}
	r.SetMax(max)
	return r
}

// OnBytes has f called whenever bytes have come, before a frame is whole. It is set
// before the first read.
func (r *Reader) OnBytes(f func()) { r.tap = f }

// read reads from the stream.
func (r *Reader) read(p []byte) (int, error) {
	n, err := r.src.Read(p)
	if n > 0 && r.tap != nil {
		r.tap()
	}
	return n, err
}

// SetMax changes the largest frame that is accepted from now on; 0 means
// DefaultMaxFrame.
func (r *Reader) SetMax(max int) {
	if max <= 0 {
		max = DefaultMaxFrame
	}
	r.max = max
	r.parts.max = max
}

// Next returns the next frame. It blocks only if Buffered is false. The body
// stands in the reader's buffer and is valid until the next call of Next that
// finds Buffered false; bodies of one batch are therefore valid together. A
// body for which Owned is true is the caller's for good.
//
// At the end of the stream the error is io.EOF if no frame was begun, and
// io.ErrUnexpectedEOF inside one. An error that wraps ErrFrame says that the
// peer broke the rules; it sticks. A read deadline that passed ends one call of
// Next and not the stream: the next call goes on where that one stopped.
func (r *Reader) Next() (kind byte, body []byte, err error) {
	for !r.scan() {
		if err := r.fill(); err != nil {
			return 0, nil, err
		}
	}
	if r.bad != nil && !r.have {
		return 0, nil, r.bad
	}
	r.have = false
	return r.kind, r.body, nil
}

// Buffered tells whether Next returns without reading from the stream.
func (r *Reader) Buffered() bool { return r.scan() }

// Owned tells whether the body that Next returned last is the caller's to
// keep. That is so for large frames.
func (r *Reader) Owned() bool { return r.owned }

// Release gives the buffers back, at the end of the read loop. No body of a
// small frame is used after it, nor the reader.
func (r *Reader) Release() {
	if r.hot != nil {
		r.hot.Cool()
	}
	putBuffer(r.buf)
	r.buf, r.b, r.r, r.w, r.have = nil, nil, 0, 0, false
	r.parts = assembler{max: r.max}
	r.whole, r.need = whole{}, 0
}

// scan makes the next frame ready out of what is buffered, and takes in
// fragments on the way. It returns false if more must be read first.
func (r *Reader) scan() bool {
	for {
		if r.have || r.bad != nil {
			return true
		}
		b := r.b[r.r:r.w]
		if r.need > 0 {
			if len(b) == 0 {
				return false
			}
			r.piece(b[:min(len(b), r.need)])
			continue
		}
		if r.whole.total > 0 || len(b) < 4 {
			return false
		}
		n := int64(binary.BigEndian.Uint32(b))
		if n == 0 {
			r.bad = fmt.Errorf("%w: length 0, at least the kind byte must follow", ErrFrame)
			continue
		}
		if n > int64(r.max) {
			r.bad = fmt.Errorf("%w: frame of %d bytes is above the limit of %d", ErrFrame, n, r.max)
			continue
		}
		if len(b) > 4 && b[4] == KindFragment {
			if len(b)-headSize < int(min(n-1, fragmentHead)) {
				return false
			}
			r.fragment(b[headSize:], int(n-1))
			continue
		}
		if n+4 > size2 {
			if len(b) == 4 {
				return false // the kind is still to come
			}
			// It will not fit: it gets memory of its own as it arrives.
			r.whole.begin(int(n))
			r.r += 4
			r.r += r.whole.take(r.b[r.r:r.w])
			r.finishWhole()
			continue
		}
		if int64(len(b)) < n+4 {
			return false
		}
		frame := b[4 : n+4]
		r.r += int(n) + 4
		r.have, r.kind, r.body, r.owned = true, frame[0], frame[1:len(frame):len(frame)], false
	}
}

// fragment begins a FRAGMENT whose body has n bytes, of which b has come.
func (r *Reader) fragment(b []byte, n int) {
	id, head, err := r.parts.head(b[:min(len(b), n)], n)
	if err != nil {
		r.bad = err
		return
	}
	r.r += headSize + head
	r.into, r.need = id, n-head
}

// piece takes bytes of the fragment that comes in out of the buffer.
func (r *Reader) piece(b []byte) {
	at := r.parts.find(r.into)
	r.parts.msgs[at].take(b)
	r.r += len(b)
	r.arrived(at, len(b))
}

// arrived notes n more bytes of the fragment that comes in.
func (r *Reader) arrived(at, n int) {
	r.need -= n
	if !r.parts.msgs[at].done() {
		return
	}
	msg, err := r.parts.finish(at)
	if err != nil {
		r.bad = err
		return
	}
	r.deliver(msg)
}

// deliver makes a large frame, kind byte and body, the next one.
func (r *Reader) deliver(msg []byte) {
	r.have, r.kind, r.body, r.owned = true, msg[0], msg[1:], true
}

func (r *Reader) finishWhole() {
	if r.whole.done() {
		msg := r.whole.b
		r.whole = whole{}
		r.deliver(msg)
	}
}

// fill reads once. What was handed out in place is void after it.
func (r *Reader) fill() error {
	if err := r.ioEr; err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			r.ioEr = nil // the stream goes on
		}
		return r.end(err)
	}
	if r.whole.total > 0 {
		n, err := r.read(r.whole.space(r.whole.left()))
		r.whole.wrote(n)
		r.ioEr = err
		r.finishWhole()
		return nil
	}
	if r.need >= size0 && r.r == r.w {
		// Straight to where it stays.
		at := r.parts.find(r.into)
		m := &r.parts.msgs[at]
		n, err := r.read(m.space(r.need))
		m.wrote(n)
		r.ioEr = err
		r.arrived(at, n)
		return nil
	}
	r.room()
	free := len(r.b) - r.w
	n, err := r.read(r.b[r.w:])
	for more := r.tls != nil && n > 0; more && err == nil && n < free; {
		var m int
		m, err = r.tls.readHeld(r.b[r.w+n:])
		n += m
		more = m > 0
	}
	r.w += n
	r.ioEr = err
	switch {
	case n == free:
		r.lows = 0
		r.resize(r.class() + 1)
	case n < len(r.b)/4:
		r.lows++
	default:
		r.lows = 0
	}
	return nil
}

// room sees to it that there is free space to read into.
func (r *Reader) room() {
	if r.buf == nil {
		r.resize(0)
	}
	if r.r == r.w {
		r.r, r.w = 0, 0
		if r.lows >= 4 && r.class() > 0 {
			r.lows = 0
			r.resize(r.class() - 1)
		}
		return
	}
	if r.r > 0 && (len(r.b)-r.w < size0/2 || r.r >= r.w-r.r) {
		r.w = copy(r.b, r.b[r.r:r.w])
		r.r = 0
	}
	if r.w == len(r.b) {
		r.resize(r.class() + 1)
	}
}

func (r *Reader) class() int { return classOf(len(r.b)) }

// resize moves what is buffered into a buffer of the class. The old buffer is
// given up only where nothing handed out can point into it: before a read, or
// right after one.
func (r *Reader) resize(class int) {
	if class > 2 || r.buf != nil && class == r.class() {
		return
	}
	old, b := r.buf, r.b[r.r:r.w]
	r.buf = getBuffer(class)
	// A pooled buffer may be somewhat larger than its class says.
	r.b = r.buf.b[:[...]int{size0, size1, size2}[class]]
	r.w = copy(r.b, b)
	r.r = 0
	putBuffer(old)
}

// end says how the stream ended.
func (r *Reader) end(err error) error {
	if err == io.EOF && (r.r < r.w || r.whole.total > 0 || len(r.parts.msgs) > 0) {
		return io.ErrUnexpectedEOF
	}
	return err
}
