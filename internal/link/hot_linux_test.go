package link

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"testing"
	"time"
)

// heated returns a pair of sockets, of which the reader of the first is hot.
func heated(t *testing.T, network string) (*hot, net.Conn, net.Conn) {
	t.Helper()
	if runtime.GOMAXPROCS(0) == 1 {
		t.Skip("the only processor waits for no connection")
	}
	a, b := networkPair(t, network)
	h := newHot(a)
	if h == nil {
		t.Fatal("a socket without a reader of its own")
	}
	buf := make([]byte, 16)
	for i := 0; !h.on; i++ {
		if i == 100*hotAfter {
			t.Fatal("the reader of a busy connection is not hot")
		}
		if _, err := b.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if n, err := h.Read(buf); n != 1 || err != nil {
			t.Fatalf("read %d, %v", n, err)
		}
	}
	return h, a, b
}

func networkPair(t *testing.T, network string) (a, b net.Conn) {
	t.Helper()
	addr := "127.0.0.1:0"
	if network == "unix" {
		addr = t.TempDir() + "/s"
	}
	a, b = socketPair(t, network, addr)
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

// What comes when a hot reader waits no more in the kernel is not lost, and
// neither are deadlines and the end.
func TestHotReaderCools(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			h, a, b := heated(t, network)
			buf := make([]byte, 16)
			got := make(chan error, 1)
			read := func() {
				_, err := h.Read(buf)
				got <- err
			}
			// It waits in the kernel, and then no more; when, the kernel decides.
			for wait := hotWait; h.on && wait < time.Second; wait *= 2 {
				go read()
				time.Sleep(wait)
				if _, err := b.Write([]byte("x")); err != nil {
					t.Fatal(err)
				}
				if err := <-got; err != nil {
					t.Fatal(err)
				}
			}
			if h.on || hotSeat.taken.Load() {
				t.Error("it is still hot")
			}
			if err := a.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			if read(); !errors.Is(<-got, os.ErrDeadlineExceeded) {
				t.Error("a read past its deadline ended without that error")
			}
			if err := a.SetReadDeadline(time.Time{}); err != nil {
				t.Fatal(err)
			}
			b.Close()
			if _, err := h.Read(buf); err != io.EOF {
				t.Errorf("at the end: %v, want EOF", err)
			}
		})
	}
}

func TestHotReaderEndsWithItsConnection(t *testing.T) {
	h, a, _ := heated(t, "tcp")
	time.AfterFunc(time.Millisecond, func() { a.Close() })
	if _, err := h.Read(make([]byte, 1)); err == nil {
		t.Error("a read of a closed connection returned bytes")
	}
	if h.Cool(); hotSeat.taken.Load() {
		t.Error("the seat of a closed connection is taken")
	}
}

// One connection is hot at a time, and none while two are busy.
func TestHotSeat(t *testing.T) {
	h, _, b := heated(t, "tcp")
	other, peer := networkPair(t, "tcp")
	o := newHot(other)
	buf := make([]byte, 1)
	for range 3 * hotAfter {
		for _, x := range []struct {
			h *hot
			c net.Conn
		}{{o, peer}, {h, b}} {
			if _, err := x.c.Write(buf); err != nil {
				t.Fatal(err)
			}
			if _, err := x.h.Read(buf); err != nil {
				t.Fatal(err)
			}
		}
		if h.on && o.on {
			t.Fatal("two are hot")
		}
	}
	if h.on || o.on {
		t.Error("one of two busy connections is hot")
	}
}

// A writer that must wait for the socket is woken while its reader is hot.
func TestWriteBesideHotReader(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			h, a, b := heated(t, network)
			w := tryWriterOf(a).(io.Writer)
			large := bytes.Repeat([]byte("0123456789abcdef"), 1<<18)
			wrote := make(chan error, 1)
			go func() {
				_, err := w.Write(large)
				wrote <- err
			}()
			got := make([]byte, len(large))
			reads := make(chan error, 1)
			go func() {
				time.Sleep(time.Millisecond) // the writer waits
				_, err := io.ReadFull(b, got)
				reads <- errors.Join(err, func() error { _, err := b.Write([]byte("y")); return err }())
			}()
			if _, err := h.Read(make([]byte, 1)); err != nil {
				t.Error(err)
			}
			if err := errors.Join(<-wrote, <-reads); err != nil {
				t.Error(err)
			}
			if !bytes.Equal(got, large) {
				t.Error("other bytes came")
			}
		})
	}
}
