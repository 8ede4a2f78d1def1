package load

import (
	"fmt"
	"strings"
)

// key is the name of entry number i: 16 bytes, the same for every peer.
func key(i int) string { return fmt.Sprintf("key:%012d", i) }

// keys are the names of the first n entries, in a table of at least that many
// strings. In a longer one the names come again, each time as a string of its
// own: a table of the same size costs a client the same, however few the entries.
func keys(n, table int) []string {
	n = max(n, 1)
	names := make([]string, max(n, table))
	for i := range names {
		names[i] = key(i % n)
	}
	return names
}

// pattern is a large value: n bytes, none of them zero, so that its memory is
// written and no page of it is the kernel's empty one.
func pattern(n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(i%255 + 1)
	}
	return data
}

// samePattern is an error if got is not as long as sent, or its first or last
// byte is another.
func samePattern(got, sent []byte) error {
	if err := many(len(got), len(sent)); err != nil || len(sent) == 0 {
		return err
	}
	if last := len(sent) - 1; got[0] != sent[0] || got[last] != sent[last] {
		return fmt.Errorf("of %d bytes the first and last are %d and %d, want %d and %d", len(sent), got[0], got[last], sent[0], sent[last])
	}
	return nil
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
