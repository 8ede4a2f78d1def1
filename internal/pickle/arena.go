package pickle

// An arena hands out nodes and slots from chunks that grow, so that a small
// pickle costs one allocation and a large one few. Its nodes are never reused:
// a chunk lives as long as one node in it is referred to.
type arena struct {
	strs    slab[Str]
	tuples  slab[Tuple]
	lists   slab[List]
	dicts   slab[Dict]
	objects slab[Object]
	globals slab[Global]
	slots   []Node
	next    int // size of the next chunk of slots
}

// A block is what the request of a manager's client needs, in one piece.
type block struct {
	strs   [6]Str
	tuples [4]Tuple
	lists  [1]List
	dicts  [1]Dict
	slots  [16]Node
}

// chunk bounds: the first chunk beyond the block, and the largest.
const (
	firstChunk = 8
	lastChunk  = 256
)

func newArena() arena {
	b := new(block)
	return arena{
		strs:   slab[Str]{free: b.strs[:]},
		tuples: slab[Tuple]{free: b.tuples[:]},
		lists:  slab[List]{free: b.lists[:]},
		dicts:  slab[Dict]{free: b.dicts[:]},
		slots:  b.slots[:],
		next:   2 * firstChunk,
	}
}

// copyOf returns a copy of items with no room to grow, so that appending to it
// touches nobody else's slots.
func (a *arena) copyOf(items []Node) []Node {
	n := len(items)
	if n == 0 {
		return nil
	}
	if n > len(a.slots) {
		if n >= a.next {
			return append(make([]Node, 0, n), items...)
		}
		a.slots = make([]Node, a.next)
		a.next = min(a.next*2, lastChunk)
	}
	s := a.slots[:n:n]
	a.slots = a.slots[n:]
	copy(s, items)
	return s
}

type slab[T any] struct {
	free []T
	next int
}

func (s *slab[T]) take() *T {
	if len(s.free) == 0 {
		s.next = min(max(s.next*2, firstChunk), lastChunk)
		s.free = make([]T, s.next)
	}
	p := &s.free[0]
	s.free = s.free[1:]
	return p
}
