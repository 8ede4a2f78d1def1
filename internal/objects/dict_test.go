package objects

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// step is a call and the text of its answer.
type step struct {
	method string
	args   []any
	want   string
}

func do(method string, args ...any) step { return step{method: method, args: args} }

func (s step) gives(want string) step {
	s.want = want
	return s
}

// run makes the calls on one object.
func run(t *testing.T, c *client, o wire.Ref, steps []step) {
	t.Helper()
	for i, s := range steps {
		if got := c.do(o, s.method, s.args...); got != s.want {
			t.Fatalf("step %d: %s(%s):\n got %s\nwant %s", i, s.method, show(raw(s.args)), got, s.want)
		}
	}
}

func TestDict(t *testing.T) {
	w := newWorld(t, 1)
	defer w.close()
	c := w.clients[0]
	run(t, c, c.create("dict"), []step{
		do("repr").gives("'{}'"),
		do("getitem", "a").gives(`error key: 'a'`),
		do("getitem", vtuple{1, "x"}).gives(`error key: (1, 'x')`),
		do("get", "a").gives("None"),
		do("get", "a", 5).gives("5"),
		do("set", "a", 1).gives("None"),
		do("set", 2, []any{1, 2}).gives("None"),
		do("set", true, "one").gives("None"),
		do("set", 1.0, "uno").gives("None"),
		do("get", 1).gives("'uno'"),
		do("repr").gives(`'{'a': 1, 2: [1, 2], True: 'uno'}'`),
		do("len").gives("3"),
		do("contains", 1).gives("True"),
		do("contains", "b").gives("False"),
		do("keys").gives("['a', 2, True]"),
		do("values").gives("[1, [1, 2], 'uno']"),
		do("items").gives("[('a', 1), (2, [1, 2]), (True, 'uno')]"),
		do("copy").gives("{'a': 1, 2: [1, 2], True: 'uno'}"),
		do("value").gives("{'a': 1, 2: [1, 2], True: 'uno'}"),
		do("merge", vdict{"a", 3, "b", 4, 1, 5}).gives("{'a': 3, 2: [1, 2], True: 5, 'b': 4}"),
		do("merge", []any{vtuple{"c", 1}, vtuple{"c", 2}}).gives("{'a': 1, 2: [1, 2], True: 'uno', 'c': 2}"),
		do("pop", "zz").gives("error key: 'zz'"),
		do("pop", "zz", 9).gives("9"),
		do("pop", "a").gives("1"),
		do("popitem").gives("(True, 'uno')"),
		do("popitem").gives("(2, [1, 2])"),
		do("popitem").gives("error key: 'popitem(): dictionary is empty'"),
		do("setdefault", "a").gives("None"),
		do("setdefault", "a", 1).gives("None"),
		do("setdefault", "b", 1).gives("1"),
		do("update", vdict{"b", 2, "c", 3}).gives("None"),
		do("update", []any{vtuple{"d", 4}, []any{"e", 5}, "xy"}).gives("None"),
		do("items").gives("[('a', None), ('b', 2), ('c', 3), ('d', 4), ('e', 5), ('x', 'y')]"),
		do("update", []any{vtuple{"z", 4}, 5}).gives("error type: cannot convert dictionary update sequence element #1 to a sequence"),
		do("update", []any{vtuple{"z", 4}, vtuple{1}}).gives("error value: dictionary update sequence element #1 has length 1; 2 is required"),
		do("update", 5).gives("error type: 'int' object is not iterable"),
		do("update", []any{vtuple{"z", 4}, vtuple{[]any{}, 1}}).gives("error type: unhashable type: 'list'"),
		do("len").gives("6"),
		do("delete", "a").gives("None"),
		do("delete", "a").gives("error key: 'a'"),
		do("swap", "b", 20).gives("2"),
		do("swap", "zz", 20).gives("error key: 'zz'"),
		do("add", "b", 1).gives("21"),
		do("add", "b", 0.5).gives("21.5"),
		do("add", "n", 7).gives("7"),
		do("add", "m", 7, 100).gives("107"),
		do("add", "x", "z").gives("'yz'"),
		do("add", "x", 1).gives(`error type: dict 2, key 'x' holds a value of type str: can only concatenate str (not "int") to str`),
		do("add", "new", nil).gives("error type: unsupported operand type for +=: 'NoneType'"),
		do("compare_and_swap", "n", 7.0, 8).gives("True"),
		do("compare_and_swap", "n", 7, 9).gives("False"),
		do("compare_and_swap", "zz", nil, 9).gives("False"),
		do("compare_and_swap", "zz", nil, 9, true).gives("True"),
		do("compare_and_swap", "zz", nil, 10, true).gives("False"),
		do("compare_and_delete", "zz", 8).gives("False"),
		do("compare_and_delete", "zz", 9).gives("True"),
		do("compare_and_delete", "zz", 9).gives("False"),
		do("get_many", []any{"n", "no", "m"}).gives("[[True, 8], [False, None], [True, 107]]"),
		do("set_many", vdict{"n", 1, "p", 2}).gives("1"),
		do("delete_many", []any{"n", "p", "p", "q"}).gives("2"),
		do("delete_many", []any{"m", []any{}}).gives("error type: unhashable type: 'list'"),
		do("keys").gives("['b', 'c', 'd', 'e', 'x', 'm']"),
		do("clear").gives("None"),
		do("items").gives("[]"),
		do("set", []any{}, 1).gives("error type: unhashable type: 'list'"),
		do("set", math.NaN(), 1).gives("error value: NaN cannot be a key: it is not equal to itself"),
		do("get", vdict{}).gives("error type: unhashable type: 'dict'"),
		do("get").gives("error type: dict.get(key, default=None) takes 1 to 2 arguments, got 0"),
		do("get", 1, 2, 3).gives("error type: dict.get(key, default=None) takes 1 to 2 arguments, got 3"),
		do("set", 1).gives("error type: dict.set(key, value) takes 2 arguments, got 1"),
		do("len", 1).gives("error type: dict.len() takes no arguments, got 1"),
	})
	for _, s := range []step{
		do("create", "dict", []any{vtuple{"a", 1}, vtuple{"a", 2}}).gives("{'a': 2}"),
		do("create", "dict", vdict{"a", 1}).gives("{'a': 1}"),
	} {
		c.want(s.want, c.ref(c.start(server, s.method, s.args...)), "value")
	}
	c.want("error type: 'int' object is not iterable", server, "create", "dict", 5)
	c.want("error type: dict(pairs={}) takes at most 1 argument, got 2", server, "create", "dict", vdict{}, 5)
}

func TestDictScan(t *testing.T) {
	w := newWorld(t, 1)
	defer w.close()
	c := w.clients[0]
	d := c.create("dict")
	run(t, c, d, []step{
		do("scan").gives("[0, 0, []]"),
		do("update", vdict{"a", 1, "b", 2, "c", 3}).gives("None"),
		do("scan", 0, 2).gives("[2, 3, ['a', 1, 'b', 2]]"),
		do("scan", 2, 2, "keys", 3).gives("[0, 3, ['c']]"),
		do("set", "a", 9).gives("None"), // keeps its place
		do("scan", 0, nil, "values", 3).gives("[0, 3, [9, 2, 3]]"),
		do("delete", "a").gives("None"),
		do("set", "a", 7).gives("None"), // has a new place
		do("scan", 2, 10, "items", 3).gives("error changed: the dict changed during iteration: version 5, not 3"),
		do("scan", 2, 10).gives("[0, 5, ['c', 3, 'a', 7]]"),
		do("scan", 4, 10).gives("[0, 5, []]"),
		do("scan", int64(1)<<40, 10).gives("[0, 5, []]"),
		do("scan", 0, 0).gives("error value: a limit of 0 entries; it lies between 1 and 4096"),
		do("scan", 0, 5000).gives("error value: a limit of 5000 entries; it lies between 1 and 4096"),
		do("scan", uint64(1)<<63, 1).gives("error value: no such cursor: 9223372036854775808"),
		do("scan", -1).gives("error type: dict.scan(after=0, limit=1000, what='items', version=None): argument 1: got int -1, want an int from 0 to 2^64-1"),
		do("scan", 0, 1, "all").gives(`error value: scan: no such listing "all"; there are 'items', 'keys' and 'values'`),
		do("clear").gives("None"),
		do("set", "a", 1).gives("None"),
		do("scan").gives("[0, 7, ['a', 1]]"),
	})
	long := strings.Repeat("x", maxPageBytes)
	c.ok(d, "update", vdict{"b", long, "c", long})
	if got := c.do(d, "scan", 0, 10, "keys"); got != "[0, 9, ['a', 'b', 'c']]" {
		t.Fatal(got)
	}
	if got := c.do(d, "scan", 5, 10); !strings.HasPrefix(got, "[6, 9, ['b', 'xx") {
		t.Fatalf("%.80s", got)
	}
}

// TestDictScanWhileChanging scans with random changes between the pages.
func TestDictScanWhileChanging(t *testing.T) {
	for trial := range 6 {
		r := rand.New(rand.NewPCG(uint64(trial), 1))
		w := newWorld(t, 1)
		c := w.clients[0]
		d := c.create("dict")
		stays := make(map[string]bool)
		for i := range 3000 {
			c.ok(d, "set", i, 0)
			if i%7 == 0 {
				stays[fmt.Sprint(i)] = true
			}
		}
		seen := make(map[string]int)
		next, next1000 := uint64(0), 3000
		for {
			page, _ := readerOf(c.ok(d, "scan", next, 1+r.IntN(200), "keys")).Elements(false)
			next, _ = page.Uint()
			page.Next()
			rows, _ := page.Elements(false)
			for rows.More() {
				k, _ := rows.Int()
				seen[fmt.Sprint(k)]++
			}
			if next == 0 {
				break
			}
			for range r.IntN(400) {
				if k := r.IntN(3000); k%7 != 0 {
					c.do(d, "delete", k)
				}
			}
			for range r.IntN(20) {
				c.ok(d, "set", next1000, 0)
				next1000++
			}
		}
		for k, n := range seen {
			if n > 1 {
				t.Fatalf("trial %d: key %s came %d times", trial, k, n)
			}
		}
		for k := range stays {
			if seen[k] != 1 {
				t.Fatalf("trial %d: key %s was there throughout and came %d times", trial, k, seen[k])
			}
		}
	}
}

// TestDictReferences checks that a dict holds what it contains, and no longer.
func TestDictReferences(t *testing.T) {
	w := newWorld(t, 2)
	defer w.close()
	a, b := w.clients[0], w.clients[1]
	d := w.share("dict")
	steps := []struct {
		name string
		put  func(e wire.Ref)
		drop func(e wire.Ref)
	}{
		{"delete", func(e wire.Ref) { a.ok(d, "set", "k", []any{e}) }, func(wire.Ref) { a.ok(d, "delete", "k") }},
		{"overwrite", func(e wire.Ref) { a.ok(d, "setdefault", "k", e); a.release(e, 1) }, func(wire.Ref) { a.ok(d, "set", "k", 1) }},
		{"update", func(e wire.Ref) { a.ok(d, "update", vdict{"k", e, "l", e}) }, func(wire.Ref) { a.ok(d, "update", vdict{"k", 1, "l", 1}) }},
		{"clear", func(e wire.Ref) { a.ok(d, "update", []any{vtuple{"k", e}, vtuple{"k", vtuple{e, e}}}) }, func(wire.Ref) { a.ok(d, "clear") }},
		{"pop", func(e wire.Ref) { a.ok(d, "set", "k", e) }, func(e wire.Ref) {
			b.want(show(raw(e)), d, "pop", "k")
			b.release(e, 1)
		}},
		{"popitem", func(e wire.Ref) { a.ok(d, "set", "k", e) }, func(e wire.Ref) {
			b.ok(d, "popitem")
			b.release(e, 1)
		}},
		{"swap", func(e wire.Ref) { a.ok(d, "set", "k", 1); a.ok(d, "swap", "k", e) }, func(e wire.Ref) {
			a.want(show(raw(e)), d, "swap", "k", nil)
			a.release(e, 1)
		}},
		{"add", func(e wire.Ref) { a.ok(d, "set", "k", []any{e}); a.ok(d, "add", "k", []any{e}); a.release(e, 2) }, func(e wire.Ref) {
			a.ok(d, "delete_many", []any{"k"})
		}},
		{"compare_and_swap", func(e wire.Ref) { a.ok(d, "compare_and_swap", "k", nil, e, true) }, func(e wire.Ref) {
			a.want("True", d, "compare_and_delete", "k", e)
		}},
		{"copies", func(e wire.Ref) {
			other := a.create("dict", vdict{"k", e})
			third := a.create("dict", other)
			a.ok(d, "update", third)
			a.release(other, 1)
			a.release(third, 1)
		}, func(e wire.Ref) {
			b.want(fmt.Sprintf("{'k': <Event %d>}", e.ID), d, "merge", vdict{})
			b.want(fmt.Sprintf("[<Event %d>]", e.ID), d, "values")
			b.release(e, 2)
			a.ok(d, "clear")
		}},
	}
	for _, s := range steps {
		a.ok(d, "clear")
		before := w.objects()
		e := a.create("Event")
		s.put(e)
		a.release(e, 1)
		if w.objects() != before+1 {
			t.Fatalf("%s: %d objects, want %d: the dict does not hold its value", s.name, w.objects(), before+1)
		}
		s.drop(e)
		if w.objects() != before {
			t.Fatalf("%s: %d objects, want %d: the value was not let go", s.name, w.objects(), before)
		}
	}
	e := a.create("Event")
	a.want("error type: a reference cannot be a key of a dict: use the object's name or ident", d, "set", e, 1)
	a.want("error type: a reference cannot be a key of a dict: use the object's name or ident", d, "set", vtuple{1, e}, 1)
	a.want("error type: a reference cannot be a key of a dict: use the object's name or ident", d, "update", []any{vtuple{e, 1}})
	a.want("None", d, "get", e)
	a.release(e, 1)

	// A cycle goes when nobody holds it any more.
	before := w.objects()
	x, y := a.create("dict"), a.create("list")
	a.ok(x, "set", "y", y)
	a.ok(y, "append", x)
	a.release(x, 1)
	a.release(y, 1)
	if w.objects() != before+2 {
		t.Fatal("the cycle went by itself")
	}
	w.must(&engine.Command{Op: engine.OpCollect})
	if w.objects() != before {
		t.Fatal("the cycle was not collected")
	}
}

func TestDictLimit(t *testing.T) {
	w := newWorld(t, 1, func(c *engine.Config) { c.MaxItems = 3 })
	defer w.close()
	c := w.clients[0]
	run(t, c, c.create("dict"), []step{
		do("update", vdict{"a", 1, "b", 2, "c", 3}).gives("None"),
		do("set", "d", 4).gives("error overloaded: a dict of 4 entries; the limit is 3"),
		do("setdefault", "d", 4).gives("error overloaded: a dict of 4 entries; the limit is 3"),
		do("add", "d", 4).gives("error overloaded: a dict of 4 entries; the limit is 3"),
		do("compare_and_swap", "d", 4, 5, true).gives("error overloaded: a dict of 4 entries; the limit is 3"),
		do("update", vdict{"c", 4, "d", 4}).gives("error overloaded: a dict of 4 entries; the limit is 3"),
		do("update", vdict{"c", 4, "a", 4}).gives("None"),
		do("set", "a", 5).gives("None"),
		do("value").gives("{'a': 5, 'b': 2, 'c': 4}"),
	})
	c.want("error overloaded: a dict of 4 entries; the limit is 3", server, "create", "dict", vdict{1, 1, 2, 2, 3, 3, 4, 4})
}

// TestDictUpdateFromLarge merges a dict on this server that is worked on
// outside.
func TestDictUpdateFromLarge(t *testing.T) {
	w := newWorld(t, 1)
	defer w.close()
	c := w.clients[0]
	var all vdict
	for i := range 5000 {
		all = append(all, i, "new")
	}
	from := c.create("dict", all)
	d := c.create("dict", vdict{4999.0, "old", "x", 1})
	c.ok(d, "set", "e", c.create("Event"))
	w.manual = true
	update := c.start(d, "update", from)
	length := c.start(d, "len")
	length.is("waiting")
	c.ok(from, "set", 1, "later")
	c.ok(from, "delete", 2)
	w.manual = false
	w.complete(0)
	update.is("None")
	length.is("5002")
	c.want("'new'", d, "get", 1)
	c.want("[6, 5002, [4999.0, 'x', 'e', 0, 1, 2]]", d, "scan", 0, 6, "keys")
	c.want("0", d, "set_many", from)
	c.want("'later'", d, "get", 1)
}
