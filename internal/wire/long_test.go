package wire

import (
	"bytes"
	"testing"
)

// TestAppendLong appends parts of every size around the pieces, and counts what
// is copied when many long ones follow each other.
func TestAppendLong(t *testing.T) {
	for _, n := range []int{0, 1, longPiece - 1, longPiece, longPiece + 1, 2 * longPiece, 2*longPiece + 1, 5*longPiece + 7} {
		part := make([]byte, n)
		for i := range part {
			part[i] = byte(i % 251)
		}
		want := append([]byte("before"), part...)
		if got := AppendLong([]byte("before"), part); !bytes.Equal(got, want) {
			t.Errorf("%d bytes come out as others", n)
		}
		if got := AppendLong([]byte("before"), string(part)); !bytes.Equal(got, want) {
			t.Errorf("%d bytes of a string come out as others", n)
		}
		if b := Grow([]byte("before"), n); string(b) != "before" || n >= longPiece && cap(b)-len(b) < n {
			t.Errorf("Grow by %d gives %q with room for %d", n, b, cap(b)-len(b))
		}
	}
	part := make([]byte, 2*longPiece)
	moved := 0
	var b []byte
	for range 200 {
		before := cap(b)
		if b = AppendLong(b, part); cap(b) != before {
			moved += len(b) - len(part)
		}
	}
	if moved > 2*len(b) {
		t.Errorf("%d bytes were copied to append %d", moved, len(b))
	}
}
