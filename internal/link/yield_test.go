package link

import (
	"runtime"
	"testing"
	"time"
)

// A program whose goroutines compute must not wait for them at every flush.
func TestFlushBesideComputing(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	a, b := pair(t, "tcp")
	go func() {
		buf := make([]byte, 1<<16)
		for {
			if _, err := b.Read(buf); err != nil {
				return
			}
		}
	}()
	o := NewOutbox(a, OutboxConfig{})
	defer o.Close()
	stop := make(chan struct{})
	defer close(stop)
	for range 4 {
		go func() {
			for {
				for began := time.Now(); time.Since(began) < 3*time.Millisecond; {
				}
				select {
				case <-stop:
					return
				default:
					runtime.Gosched()
				}
			}
		}()
	}
	flush := func() time.Duration {
		began := time.Now()
		if err := o.UnlockFlushAfterYield(AppendFrame(o.Lock(), kindTest, []byte("x"))); err != nil {
			t.Fatal(err)
		}
		return time.Since(began)
	}
	hurry := func() int {
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.hurry
	}
	// Now and then the scheduler lets the one who yields go on at once.
	for i := 0; hurry() != hurryFor; i++ {
		if d := flush(); i == 100 {
			t.Fatalf("%d flushes in a row yielded, the last for %v", i, d)
		}
	}
	fast := 0
	for range 50 {
		if flush() < maxYield {
			fast++
		}
	}
	if fast < 25 { // the scheduler may preempt a few
		t.Errorf("%d of 50 flushes beside goroutines that compute were fast", fast)
	}
}
