package objects

import (
	"strings"

	"fmt"
	"github.com/syncmanager/syncmanager/internal/engine"
	"math"
	"math/big"
	"runtime"
	"testing"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// TestLargeViews asks for whole containers that are encoded outside the lock,
// and changes them afterwards; close then checks that no view has changed.
func TestLargeViews(t *testing.T) {
	w := newWorld(t, 1)
	defer w.close()
	c := w.clients[0]
	const n = 700
	var pairs vdict
	var values []any
	for i := range n {
		pairs = append(pairs, i, i)
		values = append(values, i)
	}
	d, l, s := c.create("dict", pairs), c.create("list", values), c.create("set", values)
	a := c.create("Array", "i", values)
	for round := range 3 {
		for _, m := range []string{"keys", "values", "items", "copy", "value", "repr"} {
			c.ok(d, m)
		}
		c.ok(d, "merge", vdict{5, 6, "new", 1})
		c.ok(d, "get_many", values)
		c.ok(l, "copy")
		c.ok(l, "value")
		c.ok(l, "repr")
		c.ok(l, "getslice", 3, 600, 2)
		c.ok(l, "getslice", nil, nil, -3)
		c.ok(l, "concat", l)
		c.ok(l, "repeat", 2)
		c.ok(s, "copy")
		c.ok(s, "repr")
		c.ok(s, "union", []any{n, n + 1})
		c.ok(s, "difference", l)
		c.ok(s, "issubset", l)
		c.ok(a, "value")
		c.ok(a, "tolist")
		c.ok(a, "getslice", nil, nil, 3)
		if len(w.views) < 18*(round+1) {
			t.Fatalf("%d views", len(w.views))
		}
		for i := round; i < n; i += 5 {
			c.do(d, "delete", i)
			c.ok(d, "set", i+1, "changed")
			c.ok(l, "setitem", i/2, "changed")
			c.ok(l, "insert", i/3, "new")
			c.ok(l, "pop", i/4)
			c.ok(s, "discard", i)
			c.ok(s, "add", -i)
			c.ok(a, "setitem", i, -1)
		}
	}
}

func TestRepeatShares(t *testing.T) {
	w := newWorld(t, 1)
	defer w.close()
	c := w.clients[0]
	l := c.create("list", []any{1, 2, 3})
	c.ok(l, "imul", 1001)
	c.want("3003", l, "len")
	c.want("1001", l, "count", 2)
	c.want("[3, 1, 2]", l, "getslice", 2000, 2003)
	c.ok(l, "setitem", 1500, "x")
	c.want("1", l, "count", "x")
	c.want("1000", l, "count", 1)
}

// TestTypecodes checks the bounds of every typecode, packed and back.
func TestTypecodes(t *testing.T) {
	w := newWorld(t, 1)
	defer w.close()
	c := w.clients[0]
	big1 := new(big.Int).Lsh(big.NewInt(1), 64)
	for code, bounds := range map[string][2]any{
		"b": {math.MinInt8, math.MaxInt8}, "B": {0, math.MaxUint8},
		"h": {math.MinInt16, math.MaxInt16}, "H": {0, math.MaxUint16},
		"i": {math.MinInt32, math.MaxInt32}, "I": {0, math.MaxUint32},
		"l": {int64(math.MinInt64), int64(math.MaxInt64)}, "L": {0, uint64(math.MaxUint64)},
		"q": {int64(math.MinInt64), int64(math.MaxInt64)}, "Q": {0, uint64(math.MaxUint64)},
	} {
		want := show(raw([]any{bounds[0], 1, bounds[1]}))
		a := c.create("Array", code, []any{bounds[0], true, bounds[1]})
		c.want(want, a, "tolist")
		for i, bound := range bounds {
			sum, err := wire.Add(enc(bound), enc(2*i-1))
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range []any{sum, wire.Raw(wire.AppendBigInt(nil, new(big.Int).Mul(big1, big.NewInt(int64(2*i-1)))))} {
				got := c.start(a, "setitem", 0, v)
				if got.err == nil || got.err.Code != wire.CodeOverflow {
					t.Errorf("%s: %s was taken: %s", code, show(raw(v)), got.text())
				}
			}
		}
		c.want(want, a, "tolist")
	}
	surrogate := wire.Raw("\xa3\xed\xb2\x80")
	a := c.create("Array", "w", []any{surrogate, "é", "\U0001F600"})
	if got := c.ok(a, "getitem", 0); got != surrogate {
		t.Errorf("a lone surrogate came back as %x", string(got))
	}
	c.want("'\U0001F600'", a, "getitem", 2)
	c.want("[b'', 'a']", c.create("list", []any{[]byte{}, "a"}), "value")
	c.want("'é'", c.create("list", "aé"), "getitem", 1)
	if got := c.ok(c.create("list", wire.Raw("\xa4a\xed\xb2\x80")), "getitem", 1); got != surrogate {
		t.Errorf("a lone surrogate came back as %x", string(got))
	}
}

// TestLargeViewsDoNotGrow measures how much memory the encoding of large views
// takes: what grows by appending is copied again and again, and the collector,
// with every call, waits for the end of each copy.
func TestLargeViewsDoNotGrow(t *testing.T) {
	w := newWorld(t, 1)
	defer w.close()
	c := w.clients[0]
	const n = 20_000
	var pairs vdict
	var values []any
	for i := range n {
		s := fmt.Sprintf("a text of %6d", i)
		pairs = append(pairs, s, s)
		values = append(values, s)
	}
	d, l, s, q := c.create("dict", pairs), c.create("list", values), c.create("set", values), c.create("Queue")
	c.ok(q, "put_many", values)
	var numbers []any
	for i := range n {
		numbers = append(numbers, i)
	}
	a := c.create("Array", "d", numbers)
	for _, test := range []struct {
		o      wire.Ref
		method string
		args   []any
		most   float64 // memory for each byte of the reply
	}{
		{d, "keys", nil, 1.1}, {d, "values", nil, 1.1}, {d, "items", nil, 1.1}, {d, "copy", nil, 1.1}, {d, "repr", nil, 2.8},
		{d, "get_many", []any{values}, 1.1},
		{l, "copy", nil, 1.1}, {l, "repr", nil, 2.8}, {l, "getslice", []any{1, n - 1}, 1.1}, {l, "getslice", []any{nil, nil, 2}, 1.1},
		{l, "getslice", []any{nil, nil, -1}, 2.1}, // with a table to walk back
		{l, "concat", []any{values}, 1.1}, {l, "repeat", []any{2}, 1.1}, {s, "copy", nil, 1.1}, {s, "repr", nil, 2.8},
		{q, "value", nil, 1.1}, {a, "value", nil, 1.1},
	} {
		v := w.viewOf(c, test.o, test.method, test.args...)
		if len(v.was) < 128<<10 {
			t.Fatalf("%s: a reply of %d bytes is not large", test.method, len(v.was))
		}
		if got := float64(memoryOf(func() { v.view.Append(nil, nil) })) / float64(len(v.was)); got > test.most {
			t.Errorf("%s of a %s takes %.2f bytes for each byte of the reply, want at most %.2f", test.method, test.o.TypeID, got, test.most)
		}
		if s, ok := v.view.(engine.Sized); ok && (s.Size() > len(v.was) || s.Size() < len(v.was)-16 && test.method != "repr") {
			t.Errorf("%s of a %s says that it has %d bytes and has %d", test.method, test.o.TypeID, s.Size(), len(v.was))
		}
	}
}

// TestKeysOfLargeValues asks for small keys of large values: the reply takes
// its own size.
func TestKeysOfLargeValues(t *testing.T) {
	w := newWorld(t, 1)
	defer w.close()
	c := w.clients[0]
	d := c.create("dict")
	large := strings.Repeat("v", 64<<10)
	for i := range 100 {
		c.ok(d, "set", i, large)
	}
	v := w.viewOf(c, d, "keys")
	if got := memoryOf(func() { v.view.Append(nil, nil) }); got > 4096 {
		t.Errorf("the keys, %d bytes, take %d bytes of memory", len(v.was), got)
	}
	// A few large entries are not copied under the lock either.
	l := c.create("list", []any{large})
	w.viewOf(c, l, "repeat", 5)
	w.viewOf(c, l, "value")
}

// viewOf makes a call, which must be answered with a view.
func (w *world) viewOf(c *client, o wire.Ref, method string, args ...any) keptView {
	w.t.Helper()
	before := len(w.views)
	c.ok(o, method, args...)
	if len(w.views) != before+1 {
		w.t.Fatalf("%s of a %s was not answered with a view", method, o.TypeID)
	}
	return w.views[before]
}

// memoryOf returns how many bytes f allocates.
func memoryOf(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestLongWorkPauses counts how often work on a large list gives way.
func TestLongWorkPauses(t *testing.T) {
	var q seq
	const n = 10_000
	for i := range n {
		q.push(wire.Raw(wire.AppendInt(nil, int64(i*7919%n))))
	}
	for what, work := range map[string]func(pause engine.Pause){
		"sort":   func(pause engine.Pause) { q.sorted(false, pause) },
		"search": func(pause engine.Pause) { q.find([]byte{0xc0}, 0, n, false, pause) },
	} {
		pauses := 0
		work(func() bool { pauses++; return true })
		if pauses < n/pauseEvery {
			t.Errorf("%s of %d elements pauses %d times, want at least %d", what, n, pauses, n/pauseEvery)
		}
	}
}
