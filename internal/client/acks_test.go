package client

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// TestAcks lets serials end in random orders, with frames and lost connections
// in between, and checks that a server that hears only the frames of the last
// connection knows all.
func TestAcks(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		var a acks
		done := make(map[uint64]bool)
		known := make(map[uint64]bool) // by the server
		var watermark uint64
		hear := func(lost bool) {
			for b := a.append(nil); len(b) > 0; {
				n := 4 + int(b[0])<<24 + int(b[1])<<16 + int(b[2])<<8 + int(b[3])
				m, err := wire.ParseAck(b[5:n], nil)
				if err != nil {
					t.Fatal(err)
				}
				b = b[n:]
				if lost {
					continue
				}
				watermark = max(watermark, m.Watermark)
				for _, x := range m.Ranges {
					for s := x.From; s <= x.To; s++ {
						known[s] = true
					}
				}
			}
		}
		const serials = 300
		order := r.Perm(serials)
		for i := range order { // mostly in order, as in life
			if j := min(i+r.IntN(20), serials-1); r.IntN(4) > 0 {
				order[i], order[j] = order[j], order[i]
			}
		}
		slices.Sort(order[:serials/2])
		for i, n := range order {
			serial := uint64(n) + 1
			a.add(serial)
			done[serial] = true
			switch {
			case a.due():
				hear(false)
			case r.IntN(50) == 0:
				hear(true) // the connection ends with it
				a.restart()
			}
			if i%37 == 0 {
				hear(false)
				for s := range done {
					if s > watermark && !known[s] {
						t.Fatalf("seed %d: the server does not know that %d is done", seed, s)
					}
				}
			}
			for s := uint64(1); s <= watermark; s++ {
				if !done[s] {
					t.Fatalf("seed %d: %d is acknowledged and not done", seed, s)
				}
			}
			for s := range known {
				if !done[s] {
					t.Fatalf("seed %d: %d is acknowledged and not done", seed, s)
				}
			}
		}
		if a.watermark != serials || len(a.done) != 0 {
			t.Errorf("seed %d: at the end %+v", seed, a)
		}
		hear(false)
		if a.dirty() {
			t.Errorf("seed %d: dirty after all was said", seed)
		}
	}
}

// TestLongRange is split for servers that bound a range.
func TestLongRange(t *testing.T) {
	a := acks{done: wire.SerialSet{{From: 2, To: 3 * wire.MaxAckRun}}}
	a.restart()
	b := a.append(nil)
	m, err := wire.ParseAck(b[5:], nil)
	if err != nil {
		t.Fatal(err)
	}
	var n uint64
	for _, r := range m.Ranges {
		if r.To-r.From >= wire.MaxAckRun {
			t.Errorf("a range of %d", r.To-r.From+1)
		}
		n += r.To - r.From + 1
	}
	if n != 3*wire.MaxAckRun-1 {
		t.Errorf("%d serials", n)
	}
}
