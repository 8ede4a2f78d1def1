package objects

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// check verifies what must hold in every table.
func (t *table) check(tb testing.TB) {
	tb.Helper()
	n, size, place := 0, int64(0), uint64(0)
	for at, c := range t.order {
		if t.byID[c.id] != c {
			tb.Fatalf("chunk %d is not under its id", c.id)
		}
		live := 0
		for i := range c.entries {
			e := &c.entries[i]
			if e.place() <= place {
				tb.Fatalf("chunk %d of %d: place %d after %d", at, len(t.order), e.place(), place)
			}
			place = e.place()
			if e.key == "" {
				continue
			}
			live++
			size += int64(len(e.key) + len(e.value))
			l, err := look(e.key.Bytes(), nil)
			if err != nil || t.find(&l) != ref(c, i) {
				tb.Fatalf("key %s is found at %d, not %d", show(e.key), t.find(&l), ref(c, i))
			}
		}
		if live != c.live || live == 0 || c.entries[len(c.entries)-1].key == "" || cap(c.entries) > chunkCap+4 {
			tb.Fatalf("chunk %d: %d live, counted %d, %d entries of %d", at, live, c.live, len(c.entries), cap(c.entries))
		}
		n += live
	}
	if n != t.n || size != t.bytes {
		tb.Fatalf("%d entries of %d bytes, counted %d of %d", n, size, t.n, t.bytes)
	}
	if t.index.dir != nil {
		slots, seen := 0, make(map[*segment]bool)
		for _, s := range t.index.dir {
			if !seen[s] {
				seen[s] = true
				slots += s.n
			}
		}
		if slots != n {
			tb.Fatalf("the index has %d entries, want %d", slots, n)
		}
	}
	// What was deleted must not take more than a few times the room.
	if n > 1000 && len(t.order) > 6*n/chunkCap {
		tb.Fatalf("%d chunks for %d entries", len(t.order), n)
	}
}

type pair struct {
	key, value string
	place      uint64
}

func (v entries) pairs() (all []pair) {
	for e := range v.each {
		all = append(all, pair{string(e.key), string(e.value), e.place()})
	}
	return all
}

// tableModel is a table beside a map from canonical keys.
type tableModel struct {
	table table
	pairs map[string]pair
}

func (m *tableModel) sorted() []pair {
	return slices.SortedFunc(maps.Values(m.pairs), func(a, b pair) int { return cmp.Compare(a.place, b.place) })
}

// change makes one random change.
func (m *tableModel) change(t *testing.T, r *rand.Rand, keys, grow int) {
	k := enc(r.IntN(keys))
	if r.IntN(4) == 0 {
		n, _ := readerOf(wire.Raw(k)).Int()
		k = enc(float64(n)) // the same key, and not its own canonical form
	}
	l, err := look(k, nil)
	if err != nil {
		t.Fatal(err)
	}
	canonical := string(l.key)
	was, ok := m.pairs[canonical]
	got := m.table.find(&l)
	if (got != 0) != ok {
		t.Fatalf("find(%s) = %d, in the model: %v", show(wire.Raw(k)), got, ok)
	}
	v := raw(r.IntN(100000))
	switch {
	case got == 0 && r.IntN(10) < grow:
		m.table.insert(&l, wire.Raw(k), v)
		m.pairs[canonical] = pair{string(k), string(v), m.table.seq}
	case got != 0 && r.IntN(3) == 0:
		if old := m.table.replace(got, v); string(old) != was.value {
			t.Fatalf("replaced %s, want %x", show(old), was.value)
		}
		was.value = string(v)
		m.pairs[canonical] = was
	case got != 0 && r.IntN(10) >= grow:
		if k, v := m.table.remove(got); string(k) != was.key || string(v) != was.value {
			t.Fatalf("removed %s: %s", show(k), show(v))
		}
		delete(m.pairs, canonical)
	}
}

// check compares the table with the model, as a whole and behind a place.
func (m *tableModel) check(t *testing.T, r *rand.Rand) {
	t.Helper()
	m.table.check(t)
	want := m.sorted()
	if !slices.Equal(m.table.live().pairs(), want) {
		t.Fatalf("%d entries differ from the model's %d", m.table.n, len(want))
	}
	if len(want) == 0 {
		if m.table.first() != 0 || m.table.last() != 0 {
			t.Fatal("an empty table has ends")
		}
		return
	}
	if e := m.table.at(m.table.first()); string(e.key) != want[0].key {
		t.Fatalf("the first is %s", show(e.key))
	}
	if e := m.table.at(m.table.last()); string(e.key) != want[len(want)-1].key {
		t.Fatalf("the last is %s", show(e.key))
	}
	at := r.IntN(len(want))
	var got []pair
	m.table.after(want[at].place, func(e *entry) bool {
		got = append(got, pair{string(e.key), string(e.value), e.place()})
		return true
	})
	if !slices.Equal(got, want[at+1:]) {
		t.Fatalf("after(%d) differs", want[at].place)
	}
}

func TestTable(t *testing.T) {
	for seed := range uint64(10) {
		r := rand.New(rand.NewPCG(seed, 7))
		m := &tableModel{pairs: make(map[string]pair)}
		type frozen struct {
			view entries
			want []pair
		}
		var views []frozen
		var others []*tableModel
		keys := 30
		if seed%2 == 1 {
			keys = 3000
		}
		for range 60 {
			grow := r.IntN(10)
			for range r.IntN(keys) {
				m.change(t, r, keys, grow)
			}
			m.check(t, r)
			switch r.IntN(8) {
			case 0, 1:
				views = append(views, frozen{m.table.view(), m.sorted()})
			case 2:
				others = append(others, m)
				m = &tableModel{table: m.table.clone(), pairs: maps.Clone(m.pairs)}
			case 3:
				if len(others) > 0 {
					others = append(others, m)
					m = others[r.IntN(len(others))]
				}
			case 4:
				if r.IntN(10) == 0 {
					m.table.clear()
					clear(m.pairs)
				}
			}
		}
		for _, o := range others {
			o.check(t, r)
		}
		for _, v := range views {
			if !slices.Equal(v.view.pairs(), v.want) {
				t.Fatalf("seed %d: a view changed", seed)
			}
		}
	}
}

// TestTableLarge walks through splits of segments, and shrinks again.
func TestTableLarge(t *testing.T) {
	var tab table
	const n = 60_000
	insert := func(i int) {
		k := raw(i)
		l, _ := look(k.Bytes(), nil)
		tab.insert(&l, k, "\xc0")
	}
	remove := func(i int) {
		l, _ := look(enc(i), nil)
		tab.remove(tab.find(&l))
	}
	for i := range n {
		insert(i)
	}
	tab.check(t)
	if len(tab.index.dir) < 8 {
		t.Fatalf("%d segments", len(tab.index.dir))
	}
	for i := range n {
		if i%10 != 3 {
			remove(i)
		}
	}
	tab.check(t)
	for i := range n {
		if i%10 == 3 && i != 50003 {
			remove(i)
		}
	}
	tab.check(t)
	if len(tab.order) != 1 || tab.n != 1 {
		t.Fatalf("%d chunks for one entry", len(tab.order))
	}
	remove(50003)
	if tab.order != nil || tab.index.dir != nil || tab.seq != n {
		t.Fatal("an empty table keeps memory")
	}
	// First in, first out keeps the memory small.
	for i := range n {
		insert(i)
		if i >= 100 {
			tab.remove(tab.first())
		}
	}
	tab.check(t)
	if len(tab.order) > 3 || len(tab.byID) > 4 {
		t.Fatalf("%d chunks, %d ids", len(tab.order), len(tab.byID))
	}
	// One key that comes and goes beside others that stay.
	var small table
	tab = small
	for i := range 3 {
		insert(i)
	}
	for range 10_000 {
		remove(1)
		insert(1)
	}
	tab.check(t)
	if len(tab.order) != 1 || cap(tab.order[0].entries) > 8 {
		t.Fatalf("%d chunks of %d", len(tab.order), cap(tab.order[0].entries))
	}
}
