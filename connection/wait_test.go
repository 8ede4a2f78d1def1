package connection

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestPoll(t *testing.T) {
	overAll(t, func(t *testing.T, a, b *Conn) {
		for _, timeout := range []time.Duration{0, time.Millisecond} {
			if ok, err := b.Poll(t.Context(), timeout); ok || err != nil {
				t.Fatalf("Poll(%v) with nothing sent: %v, %v", timeout, ok, err)
			}
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			_ = a.SendBytes([]byte("one"))
			_ = a.SendBytes(make([]byte, 100000))
			a.Close()
		})
		if ok, err := b.Poll(t.Context(), -1); !ok || err != nil {
			t.Fatalf("Poll: %v, %v", ok, err)
		}
		if ok, err := b.Poll(t.Context(), 0); !ok || err != nil {
			t.Fatalf("Poll takes nothing away: %v, %v", ok, err)
		}
		if got, err := b.RecvBytes(0); string(got) != "one" || err != nil {
			t.Fatalf("%q, %v", got, err)
		}
		if ok, err := b.Poll(t.Context(), 10*time.Second); !ok || err != nil {
			t.Fatalf("Poll: %v, %v", ok, err)
		}
		if got, err := b.RecvBytes(0); len(got) != 100000 || err != nil {
			t.Fatal(len(got), err)
		}
		if ok, err := b.Poll(t.Context(), 10*time.Second); !ok || err != nil {
			t.Fatalf("the end of the stream counts: %v, %v", ok, err)
		}
		if _, err := b.RecvBytes(0); err != io.EOF {
			t.Fatal(err)
		}
		wg.Wait()
	})
}

func TestPollTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe(true)
		start := time.Now()
		if ok, err := b.Poll(t.Context(), 3*time.Second); ok || err != nil || time.Since(start) != 3*time.Second {
			t.Errorf("%v, %v after %v", ok, err, time.Since(start))
		}
		// The caller's own deadline is an error, and survives polls.
		_ = b.SetReadDeadline(time.Now().Add(5 * time.Second))
		if ok, err := b.Poll(t.Context(), 3*time.Second); ok || err != nil {
			t.Error(ok, err)
		}
		if ok, err := b.Poll(t.Context(), 3*time.Second); ok || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(ok, err)
		}
		if d := time.Since(start); d != 8*time.Second {
			t.Errorf("the deadline passed after %v", d)
		}
		// One that is set meanwhile ends a poll.
		_ = b.SetReadDeadline(time.Time{})
		go func() {
			time.Sleep(time.Second)
			_ = b.SetReadDeadline(time.Now())
		}()
		if ok, err := b.Poll(t.Context(), -1); ok || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(ok, err)
		}
		a.Close()
		b.Close()
	})
}

func TestWait(t *testing.T) {
	var near, far []*Conn
	for _, addr := range append(addresses(t), "pipe", "pipe") {
		a, b := connect(t, addr)
		near, far = append(near, a), append(far, b)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	if ready, err := Wait(ctx, near...); ready != nil || err != context.DeadlineExceeded {
		t.Fatalf("with nothing sent: %d ready, %v", len(ready), err)
	}
	for i := range near {
		want := []*Conn{near[i]}
		var wg sync.WaitGroup
		wg.Go(func() {
			if i%2 == 0 {
				_ = far[i].SendBytes([]byte("x"))
			} else {
				far[i].Close()
			}
		})
		ready, err := Wait(t.Context(), near...)
		if err != nil || !slices.Equal(ready, want) {
			t.Fatalf("connection %d: %d others ready, %v", i, len(ready), err)
		}
		wg.Wait()
		_, err = near[i].RecvBytes(0)
		if i%2 == 1 {
			if err != io.EOF {
				t.Fatal(err)
			}
			near[i].Close()
			// An ended connection is ready for ever; take another for it.
			near[i], far[i] = connect(t, "pipe")
		}
	}
	// All that are ready come, in the order given.
	for _, c := range far {
		if err := c.SendBytes(nil); err != nil {
			t.Fatal(err)
		}
	}
	got := map[*Conn]bool{}
	for len(got) < len(near) {
		ready, err := Wait(t.Context(), near...)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range ready {
			if _, err := c.RecvBytes(0); err != nil {
				t.Fatal(err)
			}
			got[c] = true
		}
	}
}

func TestWaitMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var near, far []*Conn
		for range 200 {
			a, b := Pipe(true)
			near, far = append(near, a), append(far, b)
		}
		start := time.Now()
		go func() {
			time.Sleep(time.Minute)
			_ = far[150].Send("x")
			_ = far[20].Send("y")
		}()
		ready, err := Wait(t.Context(), near...)
		if err != nil || len(ready) == 0 || time.Since(start) != time.Minute {
			t.Fatalf("%d ready, %v, after %v", len(ready), err, time.Since(start))
		}
		synctest.Wait()
		ready, err = Wait(t.Context(), near...)
		if err != nil || !slices.Equal(ready, []*Conn{near[20], near[150]}) {
			t.Errorf("%d ready, %v", len(ready), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if ready, err := Wait(ctx); ready != nil || err != context.DeadlineExceeded {
			t.Errorf("with no connections: %v, %v", ready, err)
		}
		for i := range near {
			near[i].Close()
			far[i].Close()
		}
	})
}

// A blocked sender does not keep the others from waiting, in a bubble too.
func TestBlockedSenders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe(true)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if err := a.SendBytes(make([]byte, 100<<10)); err != nil {
					t.Error(err)
				}
			})
		}
		time.Sleep(time.Second) // all wait, durably
		for range 3 {
			if m, err := b.RecvBytes(0); len(m) != 100<<10 || err != nil {
				t.Fatal(len(m), err)
			}
		}
		wg.Wait()
		a.Close()
		b.Close()
	})
}

func TestPollEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, b := Pipe(true)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		for _, timeout := range []time.Duration{-1, time.Minute, 0} {
			if ok, err := b.Poll(ctx, timeout); ok || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
				t.Errorf("Poll(%v): %v, %v after %v", timeout, ok, err, time.Since(start))
			}
		}
	})
}
