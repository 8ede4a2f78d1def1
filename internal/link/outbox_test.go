package link

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

const kindTest byte = 4

// Frames of one goroutine arrive in its order, whoever wrote them.
func TestOrderUnderConcurrency(t *testing.T) {
	overAll(t, func(t *testing.T, a, b net.Conn) {
		const writers, frames = 8, 2000
		o := NewOutbox(a, OutboxConfig{})
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for i := range frames {
					buf := o.Lock()
					buf, at := BeginFrame(buf, kindTest)
					buf = binary.BigEndian.AppendUint32(buf, uint32(w))
					buf = binary.BigEndian.AppendUint32(buf, uint32(i))
					buf = append(buf, make([]byte, i%300)...)
					if err := o.Unlock(EndFrame(buf, at)); err != nil {
						t.Error(err)
						return
					}
					o.Flush()
				}
			})
		}
		var next [writers]uint32
		r := NewReader(b, 0)
		for range writers * frames {
			kind, body, err := r.Next()
			if err != nil || kind != kindTest {
				t.Fatalf("kind %d, error %v", kind, err)
			}
			w, i := binary.BigEndian.Uint32(body), binary.BigEndian.Uint32(body[4:])
			if i != next[w] || len(body) != 8+int(i%300) {
				t.Fatalf("writer %d: frame %d of %d bytes, want frame %d", w, i, len(body), next[w])
			}
			next[w]++
		}
		wg.Wait()
		if err := o.Wait(context.Background(), 0); err != nil {
			t.Fatal(err)
		}
		o.Close()
		if _, _, err := r.Next(); err != io.EOF {
			t.Fatalf("after close: %v, want io.EOF", err)
		}
	})
}

// Large frames arrive whole and small ones pass them.
func TestLargeFrames(t *testing.T) {
	overAll(t, func(t *testing.T, a, b net.Conn) {
		o := NewOutbox(a, OutboxConfig{})
		big := make([]byte, 3<<20)
		for i := range big {
			big[i] = byte(i * 7 >> 3)
		}
		// By reference, through Unlock in one batch with small ones, and copied.
		if err := o.SendLarge(1, big[:10], big[10:]); err != nil {
			t.Fatal(err)
		}
		buf := AppendFrame(o.Lock(), kindTest, []byte("before"))
		buf = AppendFrame(buf, 2, big[:MaxSmall])
		buf = AppendFrame(buf, kindTest, []byte("between"))
		buf = AppendFrame(buf, 3, big)
		buf = AppendFrame(buf, kindTest, []byte("after"))
		if err := o.UnlockFlush(buf); err != nil {
			t.Fatal(err)
		}
		if err := o.Send(5, big[:1<<20]); err != nil {
			t.Fatal(err)
		}
		want := map[byte][]byte{1: big, 2: big[:MaxSmall], 3: big, 5: big[:1<<20]}
		var small []string
		r := NewReader(b, 0)
		for len(want) > 0 || len(small) < 3 {
			kind, body, err := r.Next()
			if err != nil {
				t.Fatal(err)
			}
			if kind == kindTest {
				small = append(small, string(body))
				continue
			}
			if !bytes.Equal(body, want[kind]) {
				t.Fatalf("kind %d: %d bytes arrived, not those sent", kind, len(body))
			}
			if !r.Owned() {
				t.Errorf("kind %d: a large body is not owned", kind)
			}
			delete(want, kind)
		}
		if got := strings.Join(small, " "); got != "before between after" {
			t.Errorf("small frames: %q", got)
		}
	})
}

// A small frame that is sent while a large one is under way arrives before it.
func TestSmallPassesLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe()
		o := NewOutbox(a, OutboxConfig{})
		if err := o.SendLarge(1, make([]byte, 8<<20)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // the pipe is full of fragments
		if err := o.Send(kindTest, nil); err != nil {
			t.Fatal(err)
		}
		c := &countingReader{Reader: b}
		r := NewReader(c, 0)
		kind, _, err := r.Next()
		if err != nil || kind != kindTest {
			t.Fatalf("kind %d came first, error %v", kind, err)
		}
		if limit := int64(PipeBuffer + plainChunk); c.n > limit {
			t.Errorf("the small frame came after %d bytes, want at most %d", c.n, limit)
		}
		if kind, body, err := r.Next(); kind != 1 || len(body) != 8<<20 || err != nil {
			t.Fatalf("kind %d, %d bytes, %v", kind, len(body), err)
		}
		o.Close()
	})
}

type countingReader struct {
	io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}

// gate is a connection that counts writes and takes none before it is opened.
type gate struct {
	net.Conn
	open   chan struct{}
	writes atomic.Int64
}

func (g *gate) Write(p []byte) (int, error) {
	<-g.open
	g.writes.Add(1)
	return g.Conn.Write(p)
}

func TestCoalescing(t *testing.T) {
	a, b := pair(t, "tcp")
	g := &gate{Conn: a, open: make(chan struct{})}
	o := NewOutbox(g, OutboxConfig{})
	const frames = 1000
	for range frames {
		if err := o.Send(kindTest, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	close(g.open)
	r := NewReader(b, 0)
	for range frames {
		if _, _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.Wait(context.Background(), 0); err != nil {
		t.Fatal(err)
	}
	if n := g.writes.Load(); n > 2 {
		t.Errorf("%d writes for %d frames, want 2: the first and all others", n, frames)
	}
}

// A peer that does not read is cut off at the limit, and nobody blocks on it.
func TestPeerThatDoesNotRead(t *testing.T) {
	overAll(t, func(t *testing.T, a, b net.Conn) {
		failed := make(chan error, 2)
		o := NewOutbox(a, OutboxConfig{Limit: 1 << 20, OnError: func(err error) { failed <- err }})
		body := make([]byte, 32<<10)
		var err error
		for i := 0; err == nil; i++ {
			if i > 10000 {
				t.Fatal("300 MiB were taken for a peer that does not read")
			}
			err = o.Send(kindTest, body)
		}
		if !errors.Is(err, ErrOutboxFull) {
			t.Fatalf("error %v, want ErrOutboxFull", err)
		}
		if err := <-failed; !errors.Is(err, ErrOutboxFull) {
			t.Fatalf("OnError got %v", err)
		}
		if err := o.Send(kindTest, body); !errors.Is(err, ErrOutboxFull) {
			t.Fatalf("later send: %v, want the first error", err)
		}
		if _, err := io.Copy(io.Discard, b); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !strings.Contains(err.Error(), "reset") {
			t.Errorf("the peer sees %v", err)
		}
	})
}

func TestLargeFramesAtTheLimit(t *testing.T) {
	a, _ := pair(t, "pipe")
	o := NewOutbox(a, OutboxConfig{Limit: 1 << 20})
	if err := o.SendLarge(1, make([]byte, 4<<20)); err != nil {
		t.Fatalf("one frame above the limit is let through: %v", err)
	}
	if err := o.Send(kindTest, []byte("x")); err != nil {
		t.Fatalf("small frames count apart: %v", err)
	}
	if err := o.SendLarge(1, make([]byte, 4<<20)); !errors.Is(err, ErrOutboxFull) {
		t.Fatalf("error %v, want ErrOutboxFull", err)
	}
}

func TestWriteErrorSticks(t *testing.T) {
	overAll(t, func(t *testing.T, a, b net.Conn) {
		failed := make(chan error, 2)
		o := NewOutbox(a, OutboxConfig{OnError: func(err error) { failed <- err }})
		b.Close()
		var err error
		for err == nil {
			err = o.Send(kindTest, []byte("x"))
		}
		if got := <-failed; got.Error() != err.Error() || !strings.Contains(err.Error(), "write to ") {
			t.Errorf("Send says %q, OnError got %q", err, got)
		}
		if err := o.Close(); err != nil {
			t.Errorf("Close after an error: %v", err)
		}
		if len(failed) > 0 {
			t.Error("OnError was called twice")
		}
	})
}

// Shutdown lets everything out, large frames too.
func TestShutdown(t *testing.T) {
	overAll(t, func(t *testing.T, a, b net.Conn) {
		o := NewOutbox(a, OutboxConfig{OnError: func(err error) { t.Errorf("OnError: %v", err) }})
		for range 100 {
			if err := o.Send(kindTest, make([]byte, 5000)); err != nil {
				t.Fatal(err)
			}
		}
		if err := o.SendLarge(1, make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
		o.Shutdown(time.Minute)
		if err := o.Send(kindTest, nil); err != ErrClosed {
			t.Errorf("Send after Shutdown: %v", err)
		}
		r := NewReader(b, 0)
		n := 0
		for {
			_, _, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		if n != 101 {
			t.Errorf("%d frames arrived, want 101", n)
		}
		b.Close()
	})
}

func TestShutdownTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe()
		o := NewOutbox(a, OutboxConfig{})
		if err := o.SendLarge(1, make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		o.Shutdown(3 * time.Second)
		if err := o.Wait(t.Context(), 0); err != ErrClosed {
			t.Fatalf("Wait: %v", err)
		}
		if d := time.Since(start); d != 3*time.Second {
			t.Errorf("closed after %v", d)
		}
		b.Close()
	})
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe()
		o := NewOutbox(a, OutboxConfig{})
		if err := o.SendLarge(1, make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := o.Wait(ctx, 1<<10); err != context.DeadlineExceeded {
			t.Fatalf("Wait with nobody reading: %v", err)
		}
		go io.Copy(io.Discard, b)
		if err := o.Wait(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		if n := o.Pending(); n != 0 {
			t.Errorf("%d bytes pending after Wait(0)", n)
		}
		o.Close()
	})
}

// An append and flush allocates nothing, and an idle outbox keeps nothing.
func TestAllocations(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			a, b := pair(t, kind)
			go io.Copy(io.Discard, raw(b))
			o := NewOutbox(a, OutboxConfig{})
			body := make([]byte, 64)
			send := func() {
				buf := o.Lock()
				buf = AppendFrame(buf, kindTest, body)
				if err := o.Unlock(buf); err != nil {
					t.Error(err)
				}
				o.Flush()
			}
			if n := testing.AllocsPerRun(2000, send); n > allocBudget {
				t.Errorf("%v allocations for a small frame, want %d", n, allocBudget)
			}
			if err := o.Wait(context.Background(), 0); err != nil {
				t.Fatal(err)
			}
			if o.pend != nil || o.out != nil || o.cipher != nil || o.sealed != nil && o.sealed.buf != nil {
				t.Error("an idle outbox holds a buffer")
			}
		})
	}
}

// raw returns the socket under a connection, for a peer that throws away.
func raw(c net.Conn) net.Conn {
	if t, ok := c.(*TLSConn); ok {
		return t.under.Conn
	}
	return c
}

func TestBadAppend(t *testing.T) {
	a, _ := pair(t, "pipe")
	o := NewOutbox(a, OutboxConfig{})
	if err := o.Unlock(append(o.Lock(), make([]byte, MaxSmall+1)...)); err != errSplit {
		t.Errorf("error %v", err)
	}
	if err := o.Send(kindTest, nil); err != nil {
		t.Errorf("the outbox is no longer usable: %v", err)
	}
}

// UnlockFlushAfterYield writes whatever waits: a large frame alone too, which is
// set aside from the small ones.
func TestUnlockFlushAfterYield(t *testing.T) {
	overAll(t, func(t *testing.T, a, b net.Conn) {
		o := NewOutbox(a, OutboxConfig{})
		_ = b.SetReadDeadline(time.Now().Add(2 * time.Second))
		r := NewReader(b, 0)
		for _, size := range []int{10, 100 << 10, 10} {
			if err := o.UnlockFlushAfterYield(AppendFrame(o.Lock(), kindTest, make([]byte, size))); err != nil {
				t.Fatal(err)
			}
			if _, body, err := r.Next(); err != nil || len(body) != size {
				t.Fatalf("%d bytes of %d, %v", len(body), size, err)
			}
		}
	})
}

// What was lent is its owner's again when the loan has ended, sent or not.
func TestLoan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe()
		o := NewOutbox(a, OutboxConfig{})
		mine := bytes.Repeat([]byte("m"), 4<<20)
		want := bytes.Clone(mine)
		loan, err := o.Lend(1, []byte("head"), mine)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // the pipe is full of the first fragments
		loan.End()
		clear(mine)
		r := NewReader(b, 0)
		kind, body, err := r.Next()
		if kind != 1 || err != nil || !bytes.Equal(body, join([]byte("head"), want)) {
			t.Fatalf("kind %d, %d bytes, error %v: not what was lent", kind, len(body), err)
		}
		loan.End() // of a frame that is out
		Loan{}.End()
		loan, err = o.Lend(1, mine)
		if err != nil {
			t.Fatal(err)
		}
		o.Close()
		loan.End()
		clear(mine)
	})
}

// While small frames pass, fragments are short, and long otherwise.
func TestFragmentLengths(t *testing.T) {
	var q lowQueue
	q.add(&largeFrame{total: 2 << 20, parts: [][]byte{make([]byte, 2<<20)}})
	var got []int
	for q.ready() {
		if len(got) == 10 {
			q.quiet = 0 // a small frame
		}
		got = append(got, len(q.append(nil))>>10)
	}
	want := []int{32, 32, 32, 32, 32, 32, 32, 32, 256, 256, 32, 32, 32, 32, 32, 32, 32, 32, 256, 256, 256, 256}
	if len(got) < 20 || !slices.Equal(got[:12], want[:12]) {
		t.Errorf("fragments of %v KiB, want %v", got, want)
	}
}
