package connection

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/vmihailenco/msgpack/v5"
)

// maxDepth is how deeply arrays and maps may be nested in a received value.
const maxDepth = 512

// ErrValue is what every error of Recv about the content of a message wraps.
// The message is gone and the connection goes on.
var ErrValue = errors.New("bad value")

// Send sends v as one message, encoded as msgpack. Structs are maps by field
// name, or by the name in a `msgpack:"..."` tag. It blocks as SendBytes does.
// A value that cannot be encoded is an error, and nothing is sent.
func (c *Conn) Send(v any) error {
	var buf bytes.Buffer
	enc := msgpack.NewEncoder(&buf)
	enc.UseCompactInts(true)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("encode a %T: %w", v, err)
	}
	return c.SendBytes(buf.Bytes())
}

// Recv receives one message and decodes it into v, which is a pointer. Into an
// *any, integers come as int64 or uint64 or a smaller type, arrays as []any
// and maps as map[string]any.
//
// A message that is not one whole msgpack value, is nested deeper than 512, or
// does not fit v is an error that wraps ErrValue. Other errors are those of
// RecvBytes.
func (c *Conn) Recv(v any) error {
	b, err := c.RecvBytes(0)
	if err != nil {
		return err
	}
	if err := decode(b, v); err != nil {
		return fmt.Errorf("%w in a message of %d bytes from %s: %w", ErrValue, len(b), c.RemoteAddr(), err)
	}
	return nil
}

func decode(b []byte, v any) (err error) {
	// The decoder trusts lengths and nests calls, so the form is looked at
	// first. What is left is a Go type that panics, such as a map key that
	// cannot be hashed.
	if err := checkForm(b); err != nil {
		return err
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("decode into a %T: %v", v, p)
		}
	}()
	if p, ok := v.(*any); ok && p != nil {
		*p = nil // else the decoder would keep to the type that is in it
	}
	return msgpack.Unmarshal(b, v)
}

var (
	errCut   = errors.New("the value is cut short")
	errEmpty = errors.New("an empty message is no value")
)

// checkForm checks that b is exactly one msgpack value, not too deep.
func checkForm(b []byte) error {
	if len(b) == 0 {
		return errEmpty
	}
	var open [maxDepth]uint64 // values still to come, at each level
	depth, at := 0, 0
	for {
		n, values, err := item(b[at:])
		if err != nil {
			return fmt.Errorf("%w at byte %d", err, at)
		}
		at += n
		if values > uint64(len(b)-at) {
			return fmt.Errorf("%w: %d values are announced and %d bytes follow", errCut, values, len(b)-at)
		}
		if values > 0 {
			if depth == maxDepth {
				return fmt.Errorf("nested deeper than %d", maxDepth)
			}
			open[depth] = values
			depth++
		} else {
			for depth > 0 && open[depth-1] == 1 {
				depth--
			}
			if depth == 0 {
				break
			}
			open[depth-1]--
		}
	}
	if at < len(b) {
		return fmt.Errorf("%d bytes after the value", len(b)-at)
	}
	return nil
}

// item returns the length of the first item of b, and how many values it
// announces to follow if it is an array or a map.
func item(b []byte) (n int, values uint64, err error) {
	if len(b) == 0 {
		return 0, 0, errCut
	}
	t := b[0]
	head := 1   // bytes before the payload
	extra := 0  // part of the payload that the length does not count
	width := 0  // of the length
	factor := 0 // values for each element
	var size uint64
	switch {
	case t <= 0x7f || t >= 0xe0 || t == 0xc0 || t == 0xc2 || t == 0xc3:
		return 1, 0, nil
	case t <= 0x8f:
		return 1, 2 * uint64(t&0x0f), nil
	case t <= 0x9f:
		return 1, uint64(t & 0x0f), nil
	case t <= 0xbf:
		size = uint64(t & 0x1f)
	case t == 0xc1:
		return 0, 0, errors.New("byte 0xc1, which msgpack never uses,")
	case t <= 0xc6: // bin
		width = 1 << (t - 0xc4)
	case t <= 0xc9: // ext
		width, extra = 1<<(t-0xc7), 1
	case t == 0xca || t == 0xcb: // float
		size = 4 << (t - 0xca)
	case t <= 0xcf: // uint
		size = 1 << (t - 0xcc)
	case t <= 0xd3: // int
		size = 1 << (t - 0xd0)
	case t <= 0xd8: // fixext
		size, extra = 1<<(t-0xd4), 1
	case t <= 0xdb: // str
		width = 1 << (t - 0xd9)
	case t <= 0xdd: // array
		width, factor = 2<<(t-0xdc), 1
	default: // map
		width, factor = 2<<(t-0xde), 2
	}
	if width > 0 {
		head += width
		if len(b) < head {
			return 0, 0, errCut
		}
		switch width {
		case 1:
			size = uint64(b[1])
		case 2:
			size = uint64(binary.BigEndian.Uint16(b[1:]))
		default:
			size = uint64(binary.BigEndian.Uint32(b[1:]))
		}
	}
	if factor > 0 {
		return head, size * uint64(factor), nil
	}
	total := uint64(head+extra) + size
	if total > uint64(len(b)) {
		return 0, 0, errCut
	}
	return int(total), 0, nil
}
