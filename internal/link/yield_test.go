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
		if err := o.Unlock(AppendFrame(o.Lock(), kindTest, []byte("x"))); err != nil {
			t.Fatal(err)
		}
		o.FlushAfterYield()
		return time.Since(began)
	}
	if d := flush(); d < maxYield {
		t.Fatalf("the first flush took %v, less than the others compute", d)
	}
	o.mu.Lock()
	hurry := o.hurry
	o.mu.Unlock()
	if hurry != hurryFor {
		t.Fatalf("%d flushes do not yield after one that took long, want %d", hurry, hurryFor)
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
