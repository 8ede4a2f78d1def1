package proxy

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

type (
	color string
	small int8
	count uint16
	ratio float32
	truth bool
	point [2]int
)

// ordered checks that the keys come as given, however the map has them.
func ordered[K comparable](t *testing.T, sorted ...K) {
	t.Helper()
	for range 20 {
		m := make(map[K]int)
		for _, i := range rand.Perm(len(sorted)) {
			m[sorted[i]] = i
		}
		if got := inOrder(m); !slices.Equal(got, sorted) {
			t.Fatalf("%v, want %v", got, sorted)
		}
	}
}

func TestInOrder(t *testing.T) {
	ordered(t, "", "a", "aa", "b", "é")
	ordered[color](t, "a", "b", "c", "d")
	ordered(t, -3, 0, 2, 10)
	ordered[int64](t, -3, 0, 2, 10)
	ordered[small](t, -3, 0, 2, 10)
	ordered[uint64](t, 0, 2, 1<<63)
	ordered[count](t, 0, 2, 10)
	ordered(t, -1.5, 0, 2.25)
	ordered[ratio](t, -1.5, 0, 2.25)
	ordered(t, false, true)
	ordered[truth](t, false, true)
	now := time.Unix(1, 0).UTC()
	ordered(t, now, now.Add(1), now.Add(time.Hour))
	ordered[string](t)
	ordered(t, "one")
	// Without an order of their own, all of them come.
	if got := inOrder(map[point]int{{1, 2}: 1, {3, 4}: 2}); len(got) != 2 || got[0] == got[1] {
		t.Errorf("%v", got)
	}
	if got := inOrder(map[any]int{1: 1, "a": 2}); len(got) != 2 {
		t.Errorf("%v", got)
	}
}
