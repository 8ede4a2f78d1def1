package link

import "encoding/binary"

const (
	yamuxSYN = 1 // flag: begins a stream
	yamuxFIN = 4 // flag: its sender sends no more
)

// endings knows which streams the peer has closed. yamux forgets it when its
// session ends, and lets a stream that broke read like one that was closed.
type endings struct {
	max   int             // of streams
	ended map[uint32]bool // by stream that is open here

	// What came, frame by frame.
	head []byte // of a frame, until all of it came
	left uint32 // of its body
	fins []uint32
}

// opened takes the head of a frame that begins a stream, of either side.
func (e *endings) opened(head []byte) {
	if binary.BigEndian.Uint16(head[2:])&yamuxSYN == 0 || len(e.ended) >= e.max {
		return
	}
	if e.ended == nil {
		e.ended = make(map[uint32]bool)
	}
	if id := binary.BigEndian.Uint32(head[4:]); !e.ended[id] {
		e.ended[id] = false
	}
}

// scan looks through bytes that yamux is about to be given.
func (e *endings) scan(p []byte) {
	for len(p) > 0 {
		n := min(len(p), yamuxHead-len(e.head))
		if e.head = append(e.head, p[:n]...); len(e.head) < yamuxHead {
			return
		}
		if n > 0 {
			e.opened(e.head)
			if e.head[1] == yamuxData {
				e.left = binary.BigEndian.Uint32(e.head[8:])
			}
			p = p[n:]
		}
		n = int(min(uint32(len(p)), e.left))
		p = p[n:]
		if e.left -= uint32(n); e.left > 0 {
			return
		}
		if binary.BigEndian.Uint16(e.head[2:])&yamuxFIN != 0 {
			e.fins = append(e.fins, binary.BigEndian.Uint32(e.head[4:]))
		}
		e.head = e.head[:0]
	}
}

// settle is called when yamux has worked through all that was scanned.
func (e *endings) settle() {
	for _, id := range e.fins {
		if _, ok := e.ended[id]; ok {
			e.ended[id] = true
		}
	}
	e.fins = e.fins[:0]
}
