package link

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// TestMuxEnd ends a mux below two streams: one that its peer has closed, and
// one that it has not. Both give what came; only the first ends with io.EOF.
func TestMuxEnd(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			served := make(chan net.Conn, 2)
			x, y := muxPair(t, kind, MuxConfig{}, MuxConfig{Handle: func(c net.Conn) { served <- c }})
			var opened, accepted []net.Conn
			for range 2 {
				c, err := x.mux.Open(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				opened, accepted = append(opened, c), append(accepted, <-served)
			}
			for _, c := range opened {
				if _, err := c.Write([]byte("all of it")); err != nil {
					t.Fatal(err)
				}
			}
			opened[0].Close()
			// A small frame may overtake those of the mux that still wait.
			if err := x.Wait(context.Background(), 0); err != nil {
				t.Fatal(err)
			}
			if err := x.Send(kindTest, []byte("now")); err != nil {
				t.Fatal(err)
			}
			<-y.small
			y.mux.Close()
			for i, want := range []error{io.EOF, ErrBroken} {
				c := accepted[i]
				b := make([]byte, 9)
				if _, err := io.ReadFull(c, b); err != nil || string(b) != "all of it" {
					t.Errorf("%q, %v", b, err)
				}
				if n, err := c.Read(b); n != 0 || err != want {
					t.Errorf("stream %d ended with %d bytes and %v, want %v", i, n, err, want)
				}
			}
			if !errors.Is(ErrBroken, io.ErrUnexpectedEOF) || errors.Is(ErrBroken, io.EOF) {
				t.Errorf("ErrBroken is %v", ErrBroken)
			}
		})
	}
}

// TestMuxStreamClose closes a stream whose peer neither sends nor closes: who
// reads from it does not wait for the peer.
func TestMuxStreamClose(t *testing.T) {
	hold := make(chan struct{})
	x, _ := muxPair(t, "pipe", MuxConfig{}, MuxConfig{Handle: func(c net.Conn) { <-hold; c.Close() }})
	defer close(hold)
	c, err := x.mux.Open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	read := make(chan error, 1)
	go func() {
		_, err := c.Read(make([]byte, 1))
		read <- err
	}()
	c.Close()
	select {
	case err := <-read:
		if err != net.ErrClosed {
			t.Errorf("reading from a stream while it is closed: %v", err)
		}
	case <-time.After(muxLinger / 2): // after all of it yamux ends the stream
		t.Fatal("closing a stream does not end a read")
	}
	if _, err := c.Read(make([]byte, 1)); err != net.ErrClosed {
		t.Errorf("reading from a closed stream: %v", err)
	}
	if _, err := c.Write([]byte("x")); err == nil {
		t.Error("a closed stream can be written")
	}
	if err := c.Close(); err != nil {
		t.Errorf("closing it again: %v", err)
	}
}

// TestEndings cuts frames anywhere: a stream has ended when its last frame has
// come whole.
func TestEndings(t *testing.T) {
	frame := func(kind byte, flags byte, id byte, length int, body string) string {
		return string([]byte{0, kind, 0, flags, 0, 0, 0, id, 0, 0, byte(length >> 8), byte(length)}) + body
	}
	const window = 1
	begins := frame(window, yamuxSYN, 1, 0, "") + frame(window, yamuxSYN, 3, 700, "")
	ends := begins + frame(yamuxData, 0, 1, 20, "01234567890123456789") +
		frame(window, yamuxFIN, 3, 700, "") + // a window's length is of no body
		frame(yamuxData, yamuxFIN, 1, 3, "abc") +
		frame(window, yamuxFIN, 9, 0, "") // not open
	for cut := range len(ends) + 1 {
		e := endings{max: 2}
		e.scan([]byte(ends[:cut]))
		for id, ended := range e.ended {
			if ended {
				t.Fatalf("cut at %d: stream %d has ended before it is settled", cut, id)
			}
		}
		e.settle()
		if want := cut >= len(ends)-yamuxHead; e.ended[1] != want {
			t.Errorf("cut at %d: stream 1 has ended: %v", cut, e.ended[1])
		}
		if want := cut >= len(ends)-2*yamuxHead-3; e.ended[3] != want {
			t.Errorf("cut at %d: stream 3 has ended: %v", cut, e.ended[3])
		}
		e.scan([]byte(ends[cut:]))
		e.settle()
		if len(e.ended) != 2 || !e.ended[1] || !e.ended[3] {
			t.Errorf("cut at %d: in the end %v", cut, e.ended)
		}
	}
	e := endings{max: 1}
	e.scan([]byte(begins))
	if len(e.ended) != 1 {
		t.Errorf("%d streams are known, at most 1 may be", len(e.ended))
	}
}
