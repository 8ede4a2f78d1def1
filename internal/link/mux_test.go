package link

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// end is one side of a connection with a mux, and its read loop.
type end struct {
	*Outbox
	mux    *Mux
	frames atomic.Int64 // MUX frames that came
	small  chan []byte  // other frames
	err    chan error   // why the read loop ended
}

func newEnd(c net.Conn, cfg MuxConfig) *end {
	e := &end{Outbox: NewOutbox(c, OutboxConfig{}), small: make(chan []byte, 1000), err: make(chan error, 1)}
	e.mux = NewMux(e.Outbox, cfg)
	go func() {
		r := NewReader(c, 0)
		for {
			kind, body, err := r.Next()
			if err == nil && kind == KindMux {
				e.frames.Add(1)
				err = e.mux.Feed(body)
			} else if err == nil {
				e.small <- bytes.Clone(body)
			}
			if err != nil {
				e.err <- err
				e.Close()
				e.mux.Close()
				return
			}
		}
	}()
	return e
}

func (e *end) stop() {
	e.mux.Close()
	e.Close()
	<-e.err
}

func echo(c net.Conn) {
	_, _ = io.Copy(c, c)
	c.Close()
}

func muxPair(t *testing.T, kind string, client, server MuxConfig) (*end, *end) {
	t.Helper()
	a, b := pair(t, kind)
	client.Client = true
	x, y := newEnd(a, client), newEnd(b, server)
	t.Cleanup(func() { x.stop(); y.stop() })
	return x, y
}

func TestMux(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			x, y := muxPair(t, kind, MuxConfig{Handle: echo}, MuxConfig{Handle: echo})
			data := make([]byte, 2<<20)
			for i := range data {
				data[i] = byte(i >> 4)
			}
			var wg sync.WaitGroup
			for i := range 6 {
				from := x
				if i%2 == 1 {
					from = y
				}
				wg.Go(func() {
					c, err := from.mux.Open(context.Background())
					if err != nil {
						t.Error(err)
						return
					}
					defer c.Close()
					go func() { _, _ = c.Write(data) }()
					got := make([]byte, len(data))
					if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, data) {
						t.Errorf("echo: %v, intact: %v", err, bytes.Equal(got, data))
					}
				})
			}
			// Frames pass while the streams are busy.
			for i := range 100 {
				if err := x.Send(kindTest, []byte{byte(i)}); err != nil {
					t.Fatal(err)
				}
				if got := <-y.small; got[0] != byte(i) {
					t.Fatalf("frame %d came instead of %d", got[0], i)
				}
			}
			wg.Wait()
		})
	}
}

// Nothing runs before the mux is used.
func TestMuxIsLazy(t *testing.T) {
	before := goroutines()
	a, _ := pair(t, "pipe")
	o := NewOutbox(a, OutboxConfig{})
	m := NewMux(o, MuxConfig{})
	// By their ids and not by their number: those of earlier tests may still end.
	for id, trace := range goroutines() {
		if _, was := before[id]; !was {
			t.Errorf("an idle connection started goroutine %s", trace)
		}
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if _, err := m.Open(context.Background()); err != ErrClosed {
		t.Errorf("Open after Close: %v", err)
	}
}

// goroutines returns the stack trace of each goroutine by its id.
func goroutines() map[string]string {
	buf := make([]byte, 1<<20)
	all := map[string]string{}
	for trace := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if fields := strings.Fields(trace); len(fields) > 1 {
			all[fields[1]] = trace
		}
	}
	return all
}

// The head of a data frame leaves together with its body.
func TestMuxOneFramePerMessage(t *testing.T) {
	x, y := muxPair(t, "tcp", MuxConfig{}, MuxConfig{Handle: echo})
	c, err := x.mux.Open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 12) // as long as a head
	ping := func() {
		if _, err := c.Write(buf); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, buf); err != nil {
			t.Fatal(err)
		}
	}
	ping()
	before := y.frames.Load()
	const n = 200
	for range n {
		ping()
	}
	if got := y.frames.Load() - before; got > n+2 {
		t.Errorf("%d frames for %d messages", got, n)
	}
}

func TestMuxStreamBound(t *testing.T) {
	x, y := muxPair(t, "pipe", MuxConfig{MaxStreams: 3}, MuxConfig{MaxStreams: 2, Handle: echo})
	var open []net.Conn
	for range 3 {
		c, err := x.mux.Open(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
	}
	if _, err := x.mux.Open(context.Background()); !errors.Is(err, ErrStreams) {
		t.Errorf("the fourth of three: %v", err)
	}
	// The peer takes two and closes the third.
	if _, err := open[2].Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("a refused stream: %v, want io.EOF", err)
	}
	for end := time.Now().Add(5 * time.Second); y.mux.Streams() != 2; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the peer has %d streams, want 2", y.mux.Streams())
		}
	}
	for _, c := range open {
		c.Close()
		c.Close() // counts once
	}
	if n := x.mux.Streams(); n != 0 {
		t.Errorf("%d streams after closing all", n)
	}
	c, err := x.mux.Open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

// A stream that nobody reads holds up neither the others nor the connection.
func TestMuxStalledStream(t *testing.T) {
	stalled := make(chan net.Conn, 2)
	x, _ := muxPair(t, "pipe", MuxConfig{}, MuxConfig{Handle: func(c net.Conn) {
		b := make([]byte, 1)
		if _, err := io.ReadFull(c, b); err == nil && b[0] == 'e' {
			echo(c)
			return
		}
		stalled <- c
	}})
	s, err := x.mux.Open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	_ = s.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := s.Write(make([]byte, 4*muxWindow)); err == nil {
		t.Error("a megabyte went to a stream that nobody reads")
	}
	e, err := x.mux.Open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Write([]byte("e123")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 3)
	if _, err := io.ReadFull(e, got); string(got) != "123" {
		t.Errorf("%q, %v", got, err)
	}
	(<-stalled).Close()
	s.Close()
	e.Close()
}

// A peer that ignores the windows is stopped at the bound of the buffer.
func TestMuxFlood(t *testing.T) {
	c := newMuxConn(nil, 1000)
	if err := c.feed(make([]byte, 900)); err != nil {
		t.Fatal(err)
	}
	if err := c.feed(make([]byte, 200)); !errors.Is(err, ErrFrame) {
		t.Errorf("error %v", err)
	}
}

// Rubbish ends the mux and leaves the connection alone.
func TestMuxRubbish(t *testing.T) {
	x, y := muxPair(t, "pipe", MuxConfig{}, MuxConfig{Handle: echo})
	c, err := x.mux.Open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if err := y.writeMux(bytes.Repeat([]byte{0xee}, 50), true, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err != ErrBroken {
		t.Errorf("reading from the stream: %v, want %v", err, ErrBroken)
	}
	if err := x.Send(kindTest, []byte("still here")); err != nil {
		t.Fatal(err)
	}
	if got := <-y.small; string(got) != "still here" {
		t.Errorf("%q", got)
	}
}

func TestMuxClose(t *testing.T) {
	x, y := muxPair(t, "tcp", MuxConfig{}, MuxConfig{Handle: echo})
	c, err := x.mux.Open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	x.mux.Close()
	if _, err := c.Read(make([]byte, 1)); err != ErrBroken {
		t.Errorf("reading from a stream of a closed mux: %v, want %v", err, ErrBroken)
	}
	if err := x.Send(kindTest, []byte("x")); err != nil {
		t.Errorf("the connection went with the mux: %v", err)
	}
	<-y.small
}

// TestMuxLetsGo closes a mux whose stream the peer has not closed: what yamux
// keeps for a while does not keep the connection.
func TestMuxLetsGo(t *testing.T) {
	x, _ := muxPair(t, "tcp", MuxConfig{}, MuxConfig{Handle: func(net.Conn) {}})
	c, err := x.mux.Open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	x.mux.Close()
	x.mux.conn.mu.Lock()
	defer x.mux.conn.mu.Unlock()
	if x.mux.conn.o != nil || x.mux.conn.in != nil {
		t.Error("a closed mux keeps its connection's outbox")
	}
}
