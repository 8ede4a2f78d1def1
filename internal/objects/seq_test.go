package objects

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/syncmanager/syncmanager/internal/wire"
)

func TestSeq(t *testing.T) {
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, 9))
		var q seq
		var want []string
		type frozen struct {
			seq  seq
			want []string
		}
		var views []frozen
		check := func(q *seq, want []string) {
			t.Helper()
			var got []string
			size := int64(0)
			for v := range q.all {
				got = append(got, string(v))
				size += int64(len(v))
			}
			if !slices.Equal(got, want) || q.n != len(want) || size != q.bytes {
				t.Fatalf("seed %d: %d elements of %d bytes (counted %d of %d), the model has %d", seed, len(got), size, q.n, q.bytes, len(want))
			}
			for i, b := range q.blocks {
				if len(b.items) == 0 || len(b.items) > blockCap {
					t.Fatalf("block %d has %d elements", i, len(b.items))
				}
			}
			if q.n > 2000 && len(q.blocks) > 8*q.n/blockCap {
				t.Fatalf("%d blocks for %d elements", len(q.blocks), q.n)
			}
		}
		for range 1500 {
			v := raw(r.IntN(1 << 20))
			switch op := r.IntN(20); {
			case op < 3:
				q.push(v)
				want = append(want, string(v))
			case op < 6:
				i := r.IntN(len(want) + 1)
				if op == 3 {
					i = 0
				}
				q.insert(i, v)
				want = slices.Insert(want, i, string(v))
			case op < 9 && len(want) > 0:
				i := r.IntN(len(want))
				switch op {
				case 6:
					i = 0
				case 7:
					i = len(want) - 1
				}
				if got := q.remove(i); string(got) != want[i] {
					t.Fatalf("removed %s", show(got))
				}
				want = slices.Delete(want, i, i+1)
			case op < 12 && len(want) > 0:
				i := r.IntN(len(want))
				if got := q.get(i); string(got) != want[i] {
					t.Fatalf("element %d is %s", i, show(got))
				}
				q.set(i, v)
				want[i] = string(v)
			case op < 14:
				var with seq
				var model []string
				for range r.IntN(600) {
					with.push(v)
					model = append(model, string(v))
				}
				start := r.IntN(len(want) + 1)
				stop := start + r.IntN(len(want)-start+1)
				out := q.splice(start, stop, &with)
				check(&out, want[start:stop])
				want = slices.Concat(want[:start], model, want[stop:])
			case op == 14:
				start := r.IntN(len(want) + 1)
				stop := start + r.IntN(len(want)-start+1)
				var got []string
				part := q.slice(start, stop)
				for v := range part.all {
					got = append(got, string(v))
				}
				if !slices.Equal(got, want[start:stop]) {
					t.Fatalf("slice(%d, %d) differs", start, stop)
				}
				got = nil
				q.from(start, func(v wire.Raw) bool { got = append(got, string(v)); return true })
				if !slices.Equal(got, want[start:]) {
					t.Fatalf("from(%d) differs", start)
				}
			case op == 15 && r.IntN(10) == 0:
				views = append(views, frozen{q.clone(), slices.Clone(want)})
			case op == 16 && len(views) > 0 && r.IntN(5) == 0 && len(want) < 10_000:
				v := &views[r.IntN(len(views))]
				q.join(&v.seq)
				want = append(slices.Clone(want), v.want...)
			case op == 17 && len(want) > 0 && len(want) < 2000 && r.IntN(20) == 0:
				n := 1 + r.IntN(5)
				q.multiply(n)
				want = slices.Repeat(want, n)
			case op == 18 && len(want) > 20_000:
				q.clear()
				want = nil
			}
			if r.IntN(50) == 0 {
				check(&q, want)
			}
		}
		check(&q, want)
		for i := range views {
			check(&views[i].seq, views[i].want)
		}
	}
}
