package link

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestPipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe()
		if a.LocalAddr().String() != "pipe" || a.RemoteAddr().Network() != "pipe" {
			t.Errorf("addresses %v, %v", a.LocalAddr(), a.RemoteAddr())
		}
		// Writes are buffered up to a bound, then block.
		data := bytes.Repeat([]byte("0123456789abcdef"), PipeBuffer/16)
		if n, err := a.Write(data); n != PipeBuffer || err != nil {
			t.Fatal(n, err)
		}
		var blocked error = errors.New("still blocked")
		go func() { _, blocked = a.Write([]byte("more")) }()
		synctest.Wait()
		if blocked == nil {
			t.Fatal("a write beyond the buffer does not block")
		}
		got := make([]byte, len(data)+4)
		if _, err := io.ReadFull(b, got); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if blocked != nil || !bytes.Equal(got, append(data, "more"...)) {
			t.Errorf("write: %v, data intact: %v", blocked, bytes.Equal(got, data))
		}
		// What was written before Close is read, then io.EOF.
		_, _ = a.Write([]byte("bye"))
		a.Close()
		if got, err := io.ReadAll(b); string(got) != "bye" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		if _, err := b.Write([]byte("x")); err != io.ErrClosedPipe {
			t.Errorf("write to a closed peer: %v", err)
		}
		if _, err := a.Write([]byte("x")); err != net.ErrClosed {
			t.Errorf("write after close: %v", err)
		}
		if _, err := a.Read(got); err != net.ErrClosed {
			t.Errorf("read after close: %v", err)
		}
	})
}

func TestPipeDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe()
		defer a.Close()
		defer b.Close()
		start := time.Now()
		_ = a.SetDeadline(start.Add(2 * time.Second))
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 2*time.Second {
			t.Errorf("read: %v after %v", err, time.Since(start))
		}
		synctest.Wait() // for the other timer
		if _, err := a.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("write: %v", err)
		}
		_ = a.SetDeadline(time.Time{})
		if _, err := a.Write([]byte("x")); err != nil {
			t.Errorf("write without deadline: %v", err)
		}
		// One that passed has no say after a later one is set.
		_ = b.SetReadDeadline(time.Now().Add(-time.Second))
		_ = b.SetReadDeadline(time.Now().Add(time.Second))
		if n, err := b.Read(make([]byte, 9)); n != 1 || err != nil {
			t.Error(n, err)
		}
		_ = a.SetWriteDeadline(time.Now().Add(time.Second))
		n, err := a.Write(make([]byte, PipeBuffer+1))
		if n != PipeBuffer || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("write: %d bytes, %v", n, err)
		}
	})
}

// Writes of several goroutines are not mixed.
func TestPipeWholeWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe()
		const size = PipeBuffer * 3 / 2
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				if _, err := a.Write(bytes.Repeat([]byte{byte(i)}, size)); err != nil {
					t.Error(err)
				}
			})
		}
		got := make([]byte, size)
		for range 4 {
			if _, err := io.ReadFull(b, got); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, bytes.Repeat(got[:1], size)) {
				t.Fatal("two writes are mixed")
			}
		}
		wg.Wait()
		a.Close()
		b.Close()
	})
}
