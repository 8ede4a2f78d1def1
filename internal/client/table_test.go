package client

import (
	"math/rand/v2"
	"testing"
)

// TestTable drives the table beside a map: calls come in the order of their
// serials, most end soon, some stay for long.
func TestTable(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		var have table
		want := map[uint64]*Call{}
		var soon []uint64
		serial := uint64(r.IntN(3))
		for range 5000 {
			switch r.IntN(5) {
			case 0, 1:
				serial++
				c := &Call{serial: serial}
				have.put(c)
				want[serial] = c
				if r.IntN(20) > 0 {
					soon = append(soon, serial)
				}
			case 2, 3:
				if len(soon) == 0 || len(soon) < r.IntN(400) {
					continue
				}
				i := r.IntN(len(soon))
				have.remove(soon[i])
				delete(want, soon[i])
				soon = append(soon[:i], soon[i+1:]...)
			case 4: // one takes the place of another
				for s := range want {
					c := &Call{serial: s}
					have.put(c)
					want[s] = c
					break
				}
			}
			if s := uint64(r.IntN(int(serial + 2))); have.get(s) != want[s] {
				t.Fatalf("seed %d: get(%d) = %p, want %p", seed, s, have.get(s), want[s])
			}
			if have.len() != len(want) {
				t.Fatalf("seed %d: %d calls, want %d", seed, have.len(), len(want))
			}
		}
		for s, c := range want {
			if have.get(s) != c {
				t.Fatalf("seed %d: get(%d) = %p, want %p", seed, s, have.get(s), c)
			}
		}
		for c := range have.all() {
			if want[c.serial] != c {
				t.Fatalf("seed %d: all yields %d, which is not there", seed, c.serial)
			}
			delete(want, c.serial)
			have.remove(c.serial)
		}
		if len(want) != 0 || have.len() != 0 {
			t.Fatalf("seed %d: all left out %d, %d remain", seed, len(want), have.len())
		}
	}
}

func BenchmarkTable(b *testing.B) {
	var t table
	calls := make([]Call, 500)
	b.ReportAllocs()
	var serial uint64
	for b.Loop() {
		serial++
		c := &calls[serial%500]
		t.remove(c.serial)
		c.serial = serial
		t.put(c)
	}
}
