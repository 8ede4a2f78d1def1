package wire

import (
	"math/rand/v2"
	"testing"
)

// TestSerials drives the table beside a map: serials come in the order of their
// serials, most end soon, some stay for long.
func TestSerials(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		var have Serials[*int]
		want := map[uint64]*int{}
		var soon []uint64
		serial := uint64(r.IntN(3))
		for range 5000 {
			switch r.IntN(5) {
			case 0, 1:
				serial++
				c := new(int)
				have.Put(serial, c)
				want[serial] = c
				if r.IntN(20) > 0 {
					soon = append(soon, serial)
				}
			case 2, 3:
				if len(soon) == 0 || len(soon) < r.IntN(400) {
					continue
				}
				i := r.IntN(len(soon))
				have.Remove(soon[i])
				delete(want, soon[i])
				soon = append(soon[:i], soon[i+1:]...)
			case 4: // one takes the place of another
				for s := range want {
					c := new(int)
					have.Put(s, c)
					want[s] = c
					break
				}
			}
			if s := uint64(r.IntN(int(serial + 2))); have.Get(s) != want[s] {
				t.Fatalf("seed %d: Get(%d) = %p, want %p", seed, s, have.Get(s), want[s])
			}
			if have.Len() != len(want) {
				t.Fatalf("seed %d: %d serials, want %d", seed, have.Len(), len(want))
			}
		}
		for s, c := range want {
			if have.Get(s) != c {
				t.Fatalf("seed %d: Get(%d) = %p, want %p", seed, s, have.Get(s), c)
			}
		}
		for s, c := range have.All() {
			if want[s] != c {
				t.Fatalf("seed %d: All yields %d, which is not there", seed, s)
			}
			delete(want, s)
			have.Remove(s)
		}
		if len(want) != 0 || have.Len() != 0 {
			t.Fatalf("seed %d: All left out %d, %d remain", seed, len(want), have.Len())
		}
	}
}

func BenchmarkSerials(b *testing.B) {
	var t Serials[*int]
	v := new(int)
	b.ReportAllocs()
	var serial uint64
	for b.Loop() {
		serial++
		t.Remove(serial - 500)
		t.Put(serial, v)
	}
}
