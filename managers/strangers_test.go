package managers

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// visitor is a connection that notes that it was cut off.
type visitor struct {
	name string
	cut  *[]string
}

func (v visitor) Close() error { *v.cut = append(*v.cut, v.name); return nil }

// TestStrangersOfOneHost holds that a host which has all the places that one host
// may have loses its oldest stranger, whatever room there is for others.
func TestStrangersOfOneHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cut []string
		var log bytes.Buffer
		s := newStrangers(5, 2, slog.New(slog.NewTextHandler(&log, nil)))
		enter := func(host string, n int) *stranger {
			p, ok := s.enter(host, visitor{fmt.Sprint(host, n), &cut})
			if !ok {
				t.Fatal("no place")
			}
			return p
		}
		want := func(names ...string) {
			t.Helper()
			if !slices.Equal(cut, names) {
				t.Errorf("cut off: %q, want %q", cut, names)
			}
		}
		enter("a", 1)
		second := enter("a", 2)
		enter("b", 1)
		want()
		enter("a", 3)
		want("a1")
		s.leave(second)
		enter("a", 4)
		want("a1")
		enter("b", 2)
		enter("c", 1) // all five places are taken
		want("a1")
		enter("d", 1) // so the oldest of the busiest makes room
		want("a1", "b1")
		enter("b", 3)
		want("a1", "b1", "a3")

		if n := strings.Count(log.String(), "strangers are cut off"); n != 1 || !strings.Contains(log.String(), "host=a limit=2 cut=1") {
			t.Errorf("the log says it %d times:\n%s", n, &log)
		}
		time.Sleep(warnEvery)
		enter("b", 4)
		if !strings.Contains(log.String(), "host=b limit=2 cut=3") {
			t.Errorf("the log does not say how many were cut off since:\n%s", &log)
		}
	})
}
