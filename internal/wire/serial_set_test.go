package wire

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestSerialSet drives the set beside a map.
func TestSerialSet(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		var s SerialSet
		want := map[uint64]bool{}
		bottom := uint64(0)
		for range 200 {
			n := 1 + r.Uint64N(120)
			switch r.IntN(8) {
			case 0:
				s.DropTo(n)
				for x := range want {
					if x <= n {
						delete(want, x)
					}
				}
			case 1, 2:
				var ranges []Range
				for at := n; len(ranges) < r.IntN(5); {
					x := Range{at, at + r.Uint64N(4)}
					ranges = append(ranges, x)
					at = x.To + 1 + r.Uint64N(6)
					for i := x.From; i <= x.To; i++ {
						want[i] = true
					}
				}
				s.Merge(slices.Clone(ranges))
			case 3:
				x := Range{n, n + r.Uint64N(30)}
				s.AddRange(x)
				for i := x.From; i <= x.To; i++ {
					want[i] = true
				}
			default:
				s.Add(n)
				want[n] = true
			}
			last := bottom
			for i, x := range s {
				if x.To < x.From || i > 0 && x.From <= last+1 {
					t.Fatalf("seed %d: ranges %v", seed, s)
				}
				last = x.To
			}
			if s.Len() != uint64(len(want)) {
				t.Fatalf("seed %d: %d serials in %v, want %d", seed, s.Len(), s, len(want))
			}
			for x := range uint64(160) {
				if s.Has(x) != want[x] {
					t.Fatalf("seed %d: Has(%d) = %v in %v", seed, x, s.Has(x), s)
				}
			}
		}
	}
}

// TestSerialSetEnds holds the largest serials.
func TestSerialSetEnds(t *testing.T) {
	const most = ^uint64(0)
	var s SerialSet
	s.Add(most)
	s.AddRange(Range{most - 5, most - 1})
	s.Add(1)
	if want := (SerialSet{{1, 1}, {most - 5, most}}); !slices.Equal(s, want) {
		t.Errorf("%v, want %v", s, want)
	}
	s.AddRange(Range{2, most})
	s.DropTo(most - 1)
	if want := (SerialSet{{most, most}}); !slices.Equal(s, want) {
		t.Errorf("%v, want %v", s, want)
	}
	s.DropTo(most)
	if len(s) != 0 || s.Has(most) {
		t.Errorf("%v is left", s)
	}
}

// TestSerialSetOrder costs nothing when serials end in their order.
func TestSerialSetOrder(t *testing.T) {
	s := make(SerialSet, 0, 4)
	n := uint64(1)
	if got := testing.AllocsPerRun(100, func() {
		s.Add(n + 1)
		s.Add(n)
		s.DropTo(n)
		n++
	}); got != 0 {
		t.Errorf("%.1f allocations", got)
	}
}
