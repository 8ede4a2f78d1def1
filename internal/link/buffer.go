package link

import (
	"strings"
	"sync"
	"unsafe"
)

// Sizes of pooled buffers. An idle reader holds one of the smallest, an idle
// outbox none; nothing above the largest is kept.
const (
	size0 = 4 << 10
	size1 = 16 << 10
	size2 = 64 << 10
)

// buffer is a byte slice that can go into a pool without an allocation.
type buffer struct{ b []byte }

var pools = [3]sync.Pool{
	{New: func() any { return &buffer{make([]byte, 0, size0)} }},
	{New: func() any { return &buffer{make([]byte, 0, size1)} }},
	{New: func() any { return &buffer{make([]byte, 0, size2)} }},
}

// classOf returns the pool whose buffers hold n bytes, or the last one.
func classOf(n int) int {
	switch {
	case n <= size0:
		return 0
	case n <= size1:
		return 1
	}
	return 2
}

func getBuffer(class int) *buffer {
	p := pools[class].Get().(*buffer)
	p.b = p.b[:0]
	return p
}

// putBuffer takes a buffer back. The caller holds no slice of it any more.
func putBuffer(p *buffer) {
	if p == nil {
		return
	}
	switch c := cap(p.b); {
	case c > size2 || c < size0:
	case c == size2:
		pools[2].Put(p)
	case c >= size1:
		pools[1].Put(p)
	default:
		pools[0].Put(p)
	}
}

// unset returns n bytes that hold anything. The caller hands out only what it
// has written to. It is strings.Builder that knows how to have memory that is
// not cleared: clearing a large message takes as long as receiving it.
func unset(n int) []byte {
	var b strings.Builder
	b.Grow(n)
	b.WriteByte(0)
	return unsafe.Slice(unsafe.StringData(b.String()), n)
}
