package load

import (
	"fmt"
	"strings"
)

// key is the name of entry number i: 16 bytes, the same for every peer.
func key(i int) string { return fmt.Sprintf("key:%012d", i) }

// keys are the names of the first n entries.
func keys(n int) []string {
	names := make([]string, max(n, 1))
	for i := range names {
		names[i] = key(i)
	}
	return names
}

// value is what is stored: size bytes of text, 16 if size is 0.
func value(size int) string {
	if size <= 0 {
		size = 16
	}
	return strings.Repeat("v", size)
}

// walk is a caller's own way through the keys: a full-period generator, seeded
// by the caller's number, that costs a few nanoseconds.
type walk struct{ state uint64 }

func newWalk(caller int) *walk {
	return &walk{state: uint64(caller+1) * 0x9E3779B97F4A7C15}
}

// next returns a number in 0..n-1.
func (w *walk) next(n int) int {
	w.state ^= w.state << 13
	w.state ^= w.state >> 7
	w.state ^= w.state << 17
	return int(w.state % uint64(n))
}

// pick returns n successive names from a random place.
func (w *walk) pick(names []string, n int) []string {
	if n >= len(names) {
		return names
	}
	at := w.next(len(names) - n + 1)
	return names[at : at+n]
}
