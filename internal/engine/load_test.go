package engine

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// dumps plays random histories and returns some of their states.
func dumps(t testing.TB) [][]byte {
	var all [][]byte
	for seed := range uint64(12) {
		rng := rand.New(rand.NewPCG(seed, 9))
		in := make([]byte, 1500)
		for i := range in {
			in[i] = byte(rng.Uint32())
		}
		w := play(t, in, 150, true)
		if w.e.Runs() == 0 && !w.e.ending {
			all = append(all, w.e.Dump(nil))
		}
	}
	return all
}

// reload loads a state, in parts of n bytes.
func reload(state []byte, n int) (*Engine, error) {
	e := New(toyTypes()...)
	err := e.Load(func() ([]byte, error) {
		part := state[:min(n, len(state))]
		state = state[len(part):]
		if len(part) == 0 {
			return nil, nil
		}
		return part, nil
	})
	return e, err
}

// TestLoadParts loads states that arrive in parts of any size.
func TestLoadParts(t *testing.T) {
	for i, state := range dumps(t) {
		for _, n := range []int{1, 2, 7, 100, 1 << 20} {
			e, err := reload(state, n)
			if err != nil {
				t.Fatalf("state %d in parts of %d: %v", i, n, err)
			}
			check(t, e, true)
			if !bytes.Equal(e.Dump(nil), state) {
				t.Fatalf("state %d in parts of %d: another dump", i, n)
			}
		}
	}
}

// TestLoadCut cuts states at every byte: none is taken for a whole one.
func TestLoadCut(t *testing.T) {
	for i, state := range dumps(t)[:3] {
		for n := range state {
			if _, err := reload(state[:n], 1<<20); err == nil {
				t.Fatalf("state %d: %d of %d bytes were taken for all", i, n, len(state))
			}
		}
	}
}

// FuzzLoad loads any bytes. None may panic; what is taken for a state has one
// dump, which is a state again.
func FuzzLoad(f *testing.F) {
	for _, state := range dumps(f) {
		f.Add(state)
	}
	f.Fuzz(func(t *testing.T, state []byte) {
		e, err := reload(state, 1<<20)
		if err != nil {
			return
		}
		again := e.Dump(nil)
		second, err := reload(again, 1<<20)
		if err != nil {
			t.Fatalf("what was loaded and dumped is no state: %v", err)
		}
		if !bytes.Equal(second.Dump(nil), again) {
			t.Fatal("what was loaded has another dump when it is loaded again")
		}
	})
}

// TestFreeze freezes a state, lets the engine go on, and encodes it then: it is
// still the state of its moment.
func TestFreeze(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 11))
	in := make([]byte, 6000)
	for i := range in {
		in[i] = byte(rng.Uint32())
	}
	s := &script{world: newWorld(t, 3), in: in, opened: []uint64{1, 2, 3}}
	s.quick = true
	type moment struct {
		records []Record
		want    []byte
	}
	var moments []moment
	for i := range 400 {
		if i%7 == 0 {
			moments = append(moments, moment{frozen(s.e), s.e.Dump(nil)})
		}
		s.step()
	}
	for i, m := range moments {
		var got []byte
		for _, r := range m.records {
			_, _ = r.Pieces(nil, func(p []byte) error {
				got = append(got, p...)
				return nil
			})
		}
		if !bytes.Equal(got, m.want) {
			t.Fatalf("moment %d has changed since", i)
		}
	}
}

// frozen returns the records of a state.
func frozen(e *Engine) (records []Record) {
	e.Records(func(r Record) { records = append(records, r) })
	return records
}
