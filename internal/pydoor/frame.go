package pydoor

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// headRoom is how many bytes a message's head may take; replies are built
// behind them, so that head and body go out in one write.
const headRoom = 12

// errTooLong says that a message passes the limit.
var errTooLong = errors.New("message too long")

// readLength reads a message's head: a signed 32-bit length, or -1 and an
// unsigned 64-bit one.
func readLength(r io.Reader) (uint64, error) {
	var b [8]byte
	if _, err := io.ReadFull(r, b[:4]); err != nil {
		return 0, err
	}
	switch n := int32(binary.BigEndian.Uint32(b[:])); {
	case n >= 0:
		return uint64(n), nil
	case n != -1:
		return 0, fmt.Errorf("pydoor: a message of length %d", n)
	}
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return 0, noEOF(err)
	}
	return binary.BigEndian.Uint64(b[:]), nil
}

// firstRead is how much is reserved for a message before its bytes have come.
const firstRead = 64 << 10

// readMessage reads one message of at most limit bytes.
func readMessage(r *bufio.Reader, limit int) ([]byte, error) {
	n, err := readLength(r)
	if err != nil {
		return nil, err
	}
	return readBody(r, n, limit, nil, func(int) error { return nil })
}

// readBody reads the n bytes of a message, of at most limit, into memory if
// that has room. More is reserved as the bytes come; when reserve refuses it, the
// bytes that have come are returned with its error.
func readBody(r *bufio.Reader, n uint64, limit int, memory []byte, reserve func(n int) error) ([]byte, error) {
	if n > uint64(limit) {
		return nil, fmt.Errorf("pydoor: a message of %d bytes; the limit is %d: %w", n, limit, errTooLong)
	}
	size := int(n)
	b := memory[:min(size, cap(memory))]
	if len(b) < size && len(b) < firstRead {
		b = make([]byte, min(size, firstRead))
	}
	for at := 0; ; {
		if _, err := io.ReadFull(r, b[at:]); err != nil {
			return nil, noEOF(err)
		}
		at = len(b)
		if at == size {
			return b, nil
		}
		next := min(size, 4*at)
		if err := reserve(next); err != nil {
			return b, err
		}
		more := make([]byte, next)
		copy(more, b)
		b = more
	}
}

// noEOF tells a message that was cut off from the end of the stream.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// frame writes the head in front of a message that begins at headRoom, and
// returns both.
func frame(b []byte) []byte {
	n := len(b) - headRoom
	if n <= math.MaxInt32 {
		binary.BigEndian.PutUint32(b[headRoom-4:], uint32(n))
		return b[headRoom-4:]
	}
	binary.BigEndian.PutUint32(b, math.MaxUint32)
	binary.BigEndian.PutUint64(b[4:], uint64(n))
	return b
}
