package objects

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/syncmanager/syncmanager/integration/long"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// TestContainerAllocations holds the hot methods to their budgets.
func TestContainerAllocations(t *testing.T) {
	w := newWorld(t, 1)
	c := w.clients[0]
	d := c.create("dict", vdict{"key-of-16-bytes!", "value"})
	l := c.create("list", []any{"value", 2, 3})
	s := c.create("set", []any{"member"})
	n := c.create("Namespace", vdict{"x", "value"})
	v := c.create("Value", "i", 0, true)
	a := c.create("Array", "i", []any{1, 2})
	for _, b := range []struct {
		o      wire.Ref
		method string
		args   []any
		most   float64
	}{
		{d, "get", []any{"key-of-16-bytes!"}, 0},
		{d, "get", []any{"no"}, 0},
		{d, "get", []any{1.5}, 0},
		{d, "getitem", []any{"key-of-16-bytes!"}, 0},
		{d, "contains", []any{"key-of-16-bytes!"}, 0},
		{d, "len", nil, 0},
		{d, "set", []any{"key-of-16-bytes!", "another value"}, 1},
		{d, "add", []any{"count", 1}, 1},
		{d, "compare_and_swap", []any{"key-of-16-bytes!", "a", "b"}, 0},
		{l, "getitem", []any{1}, 0},
		{l, "setitem", []any{1, "value"}, 1},
		{l, "len", nil, 0},
		{l, "contains", []any{3}, 0},
		{s, "contains", []any{"member"}, 0},
		{s, "add", []any{"member"}, 0},
		{s, "discard", []any{"no member"}, 0},
		{n, "getattr", []any{"x"}, 0},
		{n, "setattr", []any{"x", "value"}, 1},
		{v, "get", nil, 0},
		{a, "getitem", []any{1}, 1},
		{a, "setitem", []any{1, 1000}, 0},
	} {
		f := c.hot(b.o, b.method, b.args...)
		f()
		if got := testing.AllocsPerRun(200, f); got > b.most {
			t.Errorf("%s.%s: %.1f allocations, at most %.0f", b.o.TypeID, b.method, got, b.most)
		}
	}
}

// fillDict fills a dict with n entries of 16-byte keys and values.
func fillDict(c *client, o wire.Ref, n int) {
	c.w.t.Helper()
	object, err := c.w.e.Resolve(o)
	if err != nil {
		c.w.t.Fatal(err)
	}
	d := object.State.(*dict)
	for i := range n {
		k, v := raw(fmt.Sprintf("key-%012d", i)), raw(fmt.Sprintf("val-%012d", i))
		object.KeepRaw(k, false)
		object.KeepRaw(v, false)
		l, err := look(k.Bytes(), nil)
		if err != nil {
			c.w.t.Fatal(err)
		}
		d.table.insert(&l, k, v)
	}
}

// TestDictMemory measures the resident bytes of an entry.
func TestDictMemory(t *testing.T) {
	long.Test(t)
	w := newWorld(t, 1)
	c := w.clients[0]
	d := c.create("dict")
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	const n = 300_000
	before := heap()
	fillDict(c, d, n)
	each := float64(heap()-before) / n
	runtime.KeepAlive(w)
	t.Logf("%.1f bytes an entry", each)
	if each > 120 {
		t.Errorf("%.1f bytes an entry, at most 120", each)
	}
}

// BenchmarkPauses reports the longest time that one call on a large container
// holds the lock. Run it with GOGC=off to see it without the collector's share.
func BenchmarkPauses(b *testing.B) {
	const n = 1_000_000
	var state dict
	longest := func(what string, times int, f func(i int)) {
		all := make([]time.Duration, times)
		for i := range times {
			start := time.Now()
			f(i)
			all[i] = time.Since(start)
		}
		slices.Sort(all)
		b.Logf("%-28s median %v, longest %v", what, all[times/2], all[times-1])
	}
	keys := make([]wire.Raw, n)
	for i := range keys {
		keys[i] = raw(fmt.Sprintf("key-%012d", i))
	}
	runtime.GC()
	insert := func(i int) {
		l, _ := look(keys[i].Bytes(), nil)
		state.table.insert(&l, keys[i], keys[i])
	}
	longest("dict insert", n, insert)
	longest("dict view", 20, func(int) { state.table.view() })
	longest("dict clone", 20, func(int) { state.table.clone() })
	longest("dict set after a view", 5000, func(i int) {
		l, _ := look(keys[i*199].Bytes(), nil)
		state.table.replace(state.table.find(&l), keys[0])
	})
	longest("dict delete", n, func(i int) {
		l, _ := look(keys[(i*7919)%n].Bytes(), nil)
		state.table.remove(state.table.find(&l))
	})
	var q seq
	longest("list push", n, func(i int) { q.push(keys[i]) })
	longest("list view", 20, func(int) { q.clone() })
	longest("list insert at the front", 100_000, func(i int) { q.insert(0, keys[i]) })
	longest("list insert in the middle", 100_000, func(i int) { q.insert((i*7919)%q.n, keys[i]) })
	longest("list get", 100_000, func(i int) { q.get((i * 7919) % q.n) })
	longest("list pop at the front", 100_000, func(i int) { q.remove(0) })
	longest("list splice", 1000, func(i int) {
		at := (i * 7919) % (q.n - 10)
		q.splice(at, at+1, &seq{})
	})
}
