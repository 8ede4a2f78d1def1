package client

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/syncmanager/syncmanager/internal/wire"
)

func (c *peerConn) expectCancel(serial uint64, mode byte) {
	c.t.Helper()
	m, err := wire.ParseCancel(c.expect(wire.KindCancel))
	if err != nil {
		c.t.Fatal(err)
	}
	if m.Serial != serial || m.Mode != mode {
		c.t.Fatalf("cancel %+v, want serial %d mode %d", m, serial, mode)
	}
}

func TestCancelTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := open(t, newPeer(t), Config{})
		defer end(s)
		ctx, cancel := context.WithCancel(context.Background())
		r := goCall(ctx, testRef(s, 5, "Queue"), &take)
		m := c.expectCall()
		cancel()
		c.expectCancel(m.Serial, wire.CancelAsk)
		c.reply(m.Serial, "item")
		if r := <-r; r.err != nil || r.v != "item" {
			t.Errorf("got %v, want the item that was handed over", r)
		}
	})
}

func TestCancelInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := open(t, newPeer(t), Config{})
		defer end(s)
		why := errors.New("why")
		ctx, cancel := context.WithCancelCause(context.Background())
		r := goCall(ctx, testRef(s, 5, "Queue"), &take)
		m := c.expectCall()
		cancel(why)
		c.expectCancel(m.Serial, wire.CancelAsk)
		c.replyError(m.Serial, wire.ErrCancelled)
		got := <-r
		if !errors.Is(got.err, context.Canceled) || !errors.Is(got.err, why) || !SafeToRetry(got.err) {
			t.Errorf("got %v (safe %v), want the context's error, safe to retry", got.err, SafeToRetry(got.err))
		}
		if got.err.Error() != "Queue.get: context canceled (why)" {
			t.Errorf("text %q", got.err)
		}
	})
}

// A caller that reads its reply itself is interrupted by the end of its context.
// That costs neither the verdict nor the connection.
func TestCancelOfReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t)
		s, c := open(t, p, Config{})
		defer end(s)
		q := testRef(s, 5, "Queue")
		for range calmRuns + 1 {
			r := goCall(context.Background(), q, &get, "k")
			c.reply(c.expectCall().Serial, "v")
			if got := <-r; got.err != nil {
				t.Fatal(got.err)
			}
			synctest.Wait()
		}
		for range 2 {
			ctx, cancel := context.WithCancel(context.Background())
			r := goCall(ctx, q, &take)
			m := c.expectCall()
			synctest.Wait()
			s.mu.Lock()
			if who := s.conn.turn; who != turnCaller {
				t.Errorf("turn %d: the caller does not read, so this test shows nothing", who)
			}
			s.mu.Unlock()
			cancel()
			c.expectCancel(m.Serial, wire.CancelAsk)
			c.replyError(m.Serial, wire.ErrCancelled)
			if got := <-r; !errors.Is(got.err, context.Canceled) || !SafeToRetry(got.err) {
				t.Errorf("got %v (safe %v), want the context's error, safe to retry", got.err, SafeToRetry(got.err))
			}
			synctest.Wait()
			for range calmRuns + 1 {
				r := goCall(context.Background(), q, &get, "k")
				c.reply(c.expectCall().Serial, "v")
				<-r
				synctest.Wait()
			}
		}
		if len(p.conns) != 0 {
			t.Error("the connection was given up")
		}
	})
}

func TestCancelWithoutVerdict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := open(t, newPeer(t), Config{})
		defer end(s)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		start := time.Now()
		r := goCall(ctx, testRef(s, 5, "Queue"), &take)
		m := c.expectCall()
		c.expectCancel(m.Serial, wire.CancelAsk)
		c.expectCancel(m.Serial, wire.CancelAbandon)
		got := <-r
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("it took %v, want 1 s to the deadline and 1 s for the verdict", took)
		}
		var ce *CallError
		if !errors.As(got.err, &ce) || !ce.Unknown || !errors.Is(got.err, context.DeadlineExceeded) || SafeToRetry(got.err) {
			t.Errorf("got %v, want an unknown outcome", got.err)
		}
		// The serial is acknowledged only once the server is known to have seen
		// that the call is abandoned.
		kind, body := c.next()
		if kind != wire.KindPing {
			t.Fatalf("message kind %d, want a ping", kind)
		}
		c.pong(body)
		a, err := wire.ParseAck(c.expectRaw(wire.KindAck), nil)
		if err != nil || a.Watermark != m.Serial {
			t.Errorf("acknowledgement %+v, %v", a, err)
		}
	})
}

// expectRaw is expect without passing anything over.
func (c *peerConn) expectRaw(want wire.Kind) []byte {
	c.t.Helper()
	kind, body := c.next()
	if kind != want {
		c.t.Fatalf("message kind %d, want %d", kind, want)
	}
	return body
}

func TestReadsLeaveAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := open(t, newPeer(t), Config{})
		defer end(s)
		ctx, cancel := context.WithCancel(context.Background())
		read := goCall(ctx, testRef(s, 5, "dict"), &get, "k")
		waits := goCall(ctx, testRef(s, 6, "Event"), &wait)
		m1, m2 := c.expectCall(), c.expectCall()
		if m1.Object != 5 {
			m1, m2 = m2, m1
		}
		cancel()
		for _, r := range []result{<-read, <-waits} {
			if !errors.Is(r.err, context.Canceled) || !SafeToRetry(r.err) {
				t.Errorf("got %v", r)
			}
		}
		// The server has nothing to do for the first, and stops the second.
		c.expectCancel(m2.Serial, wire.CancelAsk)
		c.reply(m1.Serial, wire.Ref{ID: 9, Secret: 1, TypeID: "list"})
		c.replyError(m2.Serial, wire.ErrCancelled)
		// What the dropped reply granted is given back.
		if m := c.expectCall(); m.Object != 0 || m.Method != uint64(ServerRelease.Number) || string(m.Args) != "\x91\x92\x09\x01" {
			t.Errorf("call %+v, want the release of object 9", m)
		}
	})
}

func TestCancelBeforeSending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t)
		s, c := open(t, p, Config{})
		defer end(s)
		q := testRef(s, 5, "Queue")
		p.setDown(true)
		c.out.Close()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err := call[any](ctx, q, &take)
		if !errors.Is(err, context.DeadlineExceeded) || !SafeToRetry(err) {
			t.Errorf("got %v, want an error that is safe to retry", err)
		}
		if _, err := call[any](ctx, q, &take); !errors.Is(err, context.DeadlineExceeded) || !SafeToRetry(err) {
			t.Errorf("with a context that is over: %v", err)
		}
	})
}

func TestCancelDuringBreak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t)
		s, c := open(t, p, Config{})
		defer end(s)
		ctx, cancel := context.WithCancel(context.Background())
		r := goCall(ctx, testRef(s, 5, "Queue"), &take)
		m := c.expectCall()
		p.setDown(true)
		c.out.Close()
		synctest.Wait()
		cancel()
		if got := <-r; SafeToRetry(got.err) || !errors.Is(got.err, context.Canceled) {
			t.Errorf("got %v, want an unknown outcome", got.err)
		}
		p.setDown(false)
		c = <-p.conns
		c.welcome(wire.KindResume)
		c.expectCancel(m.Serial, wire.CancelAbandon)
	})
}

func TestBreakWhileAskedToCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t)
		s, c := open(t, p, Config{})
		defer end(s)
		ctx, cancel := context.WithCancel(context.Background())
		r := goCall(ctx, testRef(s, 5, "Queue"), &take)
		m := c.expectCall()
		cancel()
		c.expectCancel(m.Serial, wire.CancelAsk)
		start := time.Now()
		c.out.Close()
		if got := <-r; SafeToRetry(got.err) || !errors.Is(got.err, context.Canceled) || time.Since(start) != 0 {
			t.Errorf("got %v after %v, want an unknown outcome at once", got.err, time.Since(start))
		}
		c = <-p.conns
		c.welcome(wire.KindResume)
		c.expectCancel(m.Serial, wire.CancelAbandon)
	})
}

func TestGiveBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := open(t, newPeer(t), Config{})
		defer end(s)
		ch := make(chan error, 1)
		go func() {
			_, err := call[int](context.Background(), testRef(s, 5, "Queue"), &take)
			ch <- err
		}()
		m := c.expectCall()
		c.reply(m.Serial, "no number")
		if err := <-ch; !errors.Is(err, wire.ErrType) {
			t.Errorf("got %v, want ErrType", err)
		}
		c.expectCancel(m.Serial, wire.CancelAbandon)
	})
}

// A large argument is sent out of the caller's memory, which is his again when
// the call has returned, even if the server has not read all of it.
func TestLargeArgumentOfCancelledCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := open(t, newPeer(t), Config{})
		defer end(s)
		store := Method{Type: "dict", Name: "set", Number: 18}
		data := bytes.Repeat([]byte("d"), 1000<<10)
		ctx, cancel := context.WithCancel(context.Background())
		r := goCall(ctx, testRef(s, 5, "dict"), &store, "k", data)
		synctest.Wait() // the pipe is full of the first fragments
		cancel()
		if got := <-r; !errors.Is(got.err, context.Canceled) || SafeToRetry(got.err) {
			t.Errorf("got %v (safe %v), want the context's error, not safe to retry", got.err, SafeToRetry(got.err))
		}
		for i := range data {
			data[i] = 'x'
		}
		for {
			kind, body := c.next()
			if kind != wire.KindCall {
				continue // the CANCELs pass it
			}
			var m wire.Call
			if err := wire.ParseCall(body, &m); err != nil {
				t.Fatal(err)
			}
			if n := bytes.Count(m.Args, []byte("d")); n != 1000<<10 {
				t.Errorf("%d bytes of %d arrived as they were", n, 1000<<10)
			}
			return
		}
	})
}
