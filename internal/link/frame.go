package link

import (
	"encoding/binary"
	"errors"
)

// Kinds of frames that this package consumes. All other kinds pass through it
// untouched.
const (
	KindFragment byte = 13 // a piece of a large frame
	KindMux      byte = 14 // bytes of the mux
)

const (
	// MaxSmall is the length in bytes, head included, up to which a frame
	// travels in one piece. A larger one is sent as fragments.
	MaxSmall = 64 << 10

	// FragmentSize is how many bytes of a large frame one fragment carries at
	// most. Few and large ones cost the least.
	FragmentSize = 256 << 10

	// shortFragment is the size while small frames pass between, which wait
	// for one fragment at most.
	shortFragment = 32 << 10

	// MaxMessages is how many large frames may be under way at once in one
	// direction.
	MaxMessages = 16

	// MaxUnderWay is how many bytes the large frames under way in one
	// direction may declare together, unless there is only one.
	MaxUnderWay = 64 << 20

	// DefaultMaxFrame is the largest frame (kind byte and body) that a Reader
	// accepts unless it is told otherwise.
	DefaultMaxFrame = 64 << 20

	headSize = 5 // u32 length, kind

	flagFirst = 1
	flagLast  = 2

	// fragmentHead is the longest head of a fragment's body: id, flags, total.
	fragmentHead = binary.MaxVarintLen64 + 1 + 4
)

// ErrFrame is what every error about the form of incoming frames wraps. The
// stream cannot be trusted after one.
var ErrFrame = errors.New("bad frame")

// BeginFrame appends the head of a frame of the kind and returns the new slice
// and where the frame begins. The body is appended next; EndFrame closes it.
func BeginFrame(b []byte, kind byte) ([]byte, int) {
	return append(b, 0, 0, 0, 0, kind), len(b)
}

// EndFrame writes the length of the frame that begins at the offset and
// reaches to the end of b.
func EndFrame(b []byte, at int) []byte {
	binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	return b
}

// AppendFrame appends a whole frame.
func AppendFrame(b []byte, kind byte, body []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(body)+1))
	b = append(b, kind)
	return append(b, body...)
}
