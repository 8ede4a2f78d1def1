package link

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

func TestTryRead(t *testing.T) {
	overAll(t, func(t *testing.T, a, b net.Conn) {
		r := TryReaderOf(b)
		if r == nil {
			t.Skip("no non-blocking reads on this system")
		}
		buf := make([]byte, 3)
		if _, err := r.TryRead(buf); !errors.Is(err, ErrWouldBlock) {
			t.Fatalf("with nothing sent: %v", err)
		}
		if _, err := a.Write([]byte("abcde")); err != nil {
			t.Fatal(err)
		}
		if got := tryUntil(t, r, buf); got != "abc" {
			t.Fatalf("%q", got)
		}
		if n, err := r.TryRead(buf); string(buf[:n]) != "de" || err != nil {
			t.Fatalf("the rest: %q, %v", buf[:n], err)
		}
		if _, err := r.TryRead(buf); !errors.Is(err, ErrWouldBlock) {
			t.Fatalf("with all read: %v", err)
		}
		// Blocking reads go on working.
		if _, err := a.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if n, err := b.Read(buf); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		a.Close()
		_ = b.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := b.Read(buf); err != io.EOF {
			t.Fatal(err)
		}
	})
}

// tryUntil tries until something has come: the kernel may take a moment.
func tryUntil(t *testing.T, r TryReader, buf []byte) string {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); ; {
		n, err := r.TryRead(buf)
		if err == nil {
			return string(buf[:n])
		}
		if !errors.Is(err, ErrWouldBlock) || time.Now().After(end) {
			t.Fatal(err)
		}
	}
}
