package managers

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestStallIsSeenAtOnce: who asks right after the process continued sees the
// stall, though the beat has not been yet; and it counts once.
func TestStallIsSeenAtOnce(t *testing.T) {
	var c stallClock
	if c.total() != 0 {
		t.Fatal("a stall before anybody watched")
	}
	c.last = time.Now().Add(-5 * time.Second)
	first := c.total()
	if first < 4*time.Second || first > 6*time.Second {
		t.Fatalf("after a stop of 5s: %v", first)
	}
	if again := c.total(); again != first || c.known() != first {
		t.Fatalf("the stall counts again: %v and %v, want %v", again, c.known(), first)
	}
	c.last = time.Now().Add(-stallBeat - stallLeast/2)
	if got := c.total(); got != first {
		t.Fatalf("a beat that was a little late counts: %v, want %v", got, first)
	}
}

// TestStallBeforeTheFirstBeat: a server that is stopped right after it began to
// serve, before the goroutine that watches has run, knows of it.
func TestStallBeforeTheFirstBeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t)
		if err := s.Listen(t.Context(), "pipe"); err != nil {
			t.Fatal(err)
		}
		s.stall.start()
		time.Sleep(5 * time.Second)
		done := make(chan struct{})
		close(done)
		s.stall.watch(done)
		if got := time.Duration(s.stall.known()); got < 4*time.Second {
			t.Errorf("a stop of 5s before the first beat counts %v", got)
		}
	})
}
