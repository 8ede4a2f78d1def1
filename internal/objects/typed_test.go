package objects

import (
	"math"
	"strings"
	"testing"

	"github.com/syncmanager/syncmanager/internal/wire"
)

func TestNamespace(t *testing.T) {
	w := newWorld(t, 1)
	defer w.close()
	c := w.clients[0]
	n := c.create("Namespace", vdict{"b", 1})
	run(t, c, n, []step{
		do("setattr", "a", []any{"x"}).gives("None"),
		do("setattr", "_hidden", 1).gives("None"),
		do("getattr", "a").gives("['x']"),
		do("getattr", "_hidden").gives("1"),
		do("repr").gives("'Namespace(a=['x'], b=1)'"),
		do("list").gives("['b', 'a']"),
		do("value").gives("{'b': 1, 'a': ['x'], '_hidden': 1}"),
		do("getattr", "c").gives("error attribute: 'Namespace' object has no attribute 'c'"),
		do("delattr", "c").gives("error attribute: 'Namespace' object has no attribute 'c'"),
		do("delattr", "b").gives("None"),
		do("getattr", 5).gives("error type: Namespace.getattr(name): argument 1: got int, want str"),
		do("setattr", 5, 1).gives("error type: Namespace.setattr(name, value): argument 1: got int, want str"),
		do("setattr", "x").gives("error type: Namespace.setattr(name, value) takes 2 arguments, got 1"),
		do("list").gives("['a']"),
	})
	c.want("'Namespace()'", c.create("Namespace"), "repr")
	c.want("error type: Namespace(attributes={}): argument 1: got int, want str", server, "create", "Namespace", vdict{5, 1})
	c.want("error type: Namespace(attributes={}): argument 1: got int, want dict", server, "create", "Namespace", 5)

	before := w.objects()
	e := c.create("Event")
	c.ok(n, "setattr", "e", e)
	c.ok(n, "setattr", "f", e)
	c.release(e, 1)
	c.ok(n, "delattr", "e")
	if w.objects() != before+1 {
		t.Fatal("the namespace does not hold its value")
	}
	c.ok(n, "setattr", "f", 1)
	if w.objects() != before {
		t.Fatal("the value was not let go")
	}
}

func TestValue(t *testing.T) {
	w := newWorld(t, 1)
	defer w.close()
	c := w.clients[0]
	run(t, c, c.create("Value", "i", 5), []step{
		do("repr").gives("'Value('i', 5)'"),
		do("get").gives("5"),
		do("value").gives("5"),
		do("typecode").gives("'i'"),
		do("add", 2).gives("7"),
		do("compare_and_swap", 7.0, 8).gives("True"),
		do("compare_and_swap", 7, 9).gives("False"),
		do("set", "anything").gives("None"), // Python checks nothing
		do("add", "!").gives("'anything!'"),
		do("add", 1).gives(`error type: can only concatenate str (not "int") to str`),
		do("set", nil).gives("None"),
		do("get").gives("None"),
		do("set").gives("error type: Value.set(value) takes 1 argument, got 0"),
	})
	run(t, c, c.create("Value", "b", 5, true), []step{
		do("set", 127).gives("None"),
		do("set", 128).gives("error overflow: signed char is greater than maximum"),
		do("set", -129).gives("error overflow: signed char is less than minimum"),
		do("set", 1.0).gives("error type: 'float' object cannot be interpreted as an integer"),
		do("add", 1).gives("error overflow: signed char is greater than maximum"),
		do("add", -7).gives("120"),
		do("add", 0.5).gives("error type: 'float' object cannot be interpreted as an integer"),
		do("compare_and_swap", 120, 200).gives("error overflow: signed char is greater than maximum"),
		do("set", true).gives("None"),
		do("get").gives("1"),
	})
	run(t, c, c.create("Value", "f", 1, true), []step{
		do("get").gives("1.0"),
		do("set", 0.1).gives("None"),
		do("get").gives("0.10000000149011612"),
		do("set", 1e300).gives("error overflow: 1e+300 is too large for typecode 'f'"),
		do("set", "x").gives("error type: must be real number, not str"),
		do("set", math.Inf(1)).gives("None"),
	})
	run(t, c, c.create("Value", "Q", uint64(math.MaxUint64), true), []step{
		do("add", 1).gives("error overflow: unsigned long is greater than maximum"),
		do("set", -1).gives("error overflow: unsigned long is less than minimum"),
		do("get").gives("18446744073709551615"),
	})
	run(t, c, c.create("Value", "w", "é", true), []step{
		do("set", "ab").gives("error type: array item must be unicode character"),
		do("get").gives("'é'"),
	})
	c.want("'Value('nonsense', [1])'", c.create("Value", "nonsense", []any{1}), "repr")
	c.want(`error value: bad typecode "z" (must be b, B, u, w, h, H, i, I, l, L, q, Q, f or d)`, server, "create", "Value", "z", 1, true)
	c.want("error type: a typecode is a str of one character, not int", server, "create", "Value", 1, 1, true)
	c.want("error overflow: signed integer is greater than maximum", server, "create", "Value", "i", 1<<31, true)

	before := w.objects()
	e := c.create("Event")
	v := c.create("Value", "O", e)
	c.ok(v, "set", e)
	c.ok(v, "compare_and_swap", e, []any{e})
	c.release(e, 1)
	c.ok(v, "set", 1)
	c.release(v, 1)
	if w.objects() != before {
		t.Fatal("the value was not let go")
	}
}

func arr(code byte, data ...byte) wire.Raw { return wire.Raw(wire.AppendArray(nil, code, data)) }

func TestArray(t *testing.T) {
	w := newWorld(t, 1)
	defer w.close()
	c := w.clients[0]
	a := c.create("Array", "h", []any{1, -2, 3})
	run(t, c, a, []step{
		do("repr").gives("'array('h', [1, -2, 3])'"),
		do("len").gives("3"),
		do("tolist").gives("[1, -2, 3]"),
		do("typecode").gives("'h'"),
		do("getitem", -2).gives("-2"),
		do("getitem", 3).gives("error index: array index out of range"),
		do("getitem", "x").gives("error type: array indices must be integers"),
		do("setitem", 3, 1).gives("error index: array assignment index out of range"),
		do("setitem", 0, 32768).gives("error overflow: signed short integer is greater than maximum"),
		do("setitem", 0, 1.5).gives("error type: 'float' object cannot be interpreted as an integer"),
		do("setitem", 0, 300).gives("None"),
		do("getslice", nil, nil, 2).gives(show(arr('h', 44, 1, 3, 0))),
		do("getslice", nil, nil, -1).gives(show(arr('h', 3, 0, 254, 255, 44, 1))),
		do("getslice", 5).gives(show(arr('h'))),
		do("setslice", 0, 1, nil, arr('h', 7, 0)).gives("None"),
		do("setslice", 1, 1, nil, arr('h', 8, 0, 9, 0)).gives("None"),
		do("tolist").gives("[7, 8, 9, -2, 3]"),
		do("setslice", nil, nil, 2, arr('h', 0, 0, 1, 0, 2, 0)).gives("None"),
		do("tolist").gives("[0, 8, 1, -2, 2]"),
		do("setslice", nil, nil, 2, arr('h', 0, 0)).gives("error value: attempt to assign array of size 1 to extended slice of size 3"),
		do("setslice", nil, nil, nil, arr('i')).gives("error type: an array of typecode 'i' cannot be assigned to one of 'h'"),
		do("setslice", nil, nil, nil, []any{1}).gives(`error type: can only assign array (not "list") to array slice`),
		do("setslice", 1, nil, nil, a).gives("None"),
		do("tolist").gives("[0, 0, 8, 1, -2, 2]"),
		do("setslice", 1, nil, nil, arr('h')).gives("None"),
		do("value").gives(show(arr('h', 0, 0))),
		do("setslice", nil, nil, nil, arr('h')).gives("None"),
		do("repr").gives("'array('h')'"),
	})
	for _, s := range []step{
		do("repr", "i", arr('i', 1, 0, 0, 0)).gives("'array('i', [1])'"),
		do("repr", "d", arr('i', 1, 0, 0, 0)).gives("'array('d', [1.0])'"),
		do("repr", "d", []any{1, 2.5, true}).gives("'array('d', [1.0, 2.5, 1.0])'"),
		do("repr", "f", []any{0.1, 1e300}).gives("'array('f', [0.10000000149011612, inf])'"),
		do("repr", "i", []byte("abcd")).gives("'array('i', [1684234849])'"),
		do("repr", "u", "aé").gives("'array('u', 'aé')'"),
		do("repr", "w", []any{"a", "b"}).gives("'array('w', 'ab')'"),
		do("repr", "i", c.create("list", []any{4, 5})).gives("'array('i', [4, 5])'"),
		do("repr", "b", c.create("Array", "d", []any{})).gives("'array('b')'"),
		do("repr", "Q", c.create("Array", "B", []any{255})).gives("'array('Q', [255])'"),
	} {
		c.want(s.want, c.create("Array", s.args...), s.method)
	}
	for want, args := range map[string][]any{
		"error type: 'float' object cannot be interpreted as an integer":                     {"i", arr('d', 0, 0, 0, 0, 0, 0, 0, 0)},
		"error value: bytes length not a multiple of item size":                              {"i", []byte("abc")},
		"error type: cannot use a str to initialize an array with typecode 'i'":              {"i", "abc"},
		"error type: 'int' object is not iterable":                                           {"i", 5},
		`error value: bad typecode "z" (must be b, B, u, w, h, H, i, I, l, L, q, Q, f or d)`: {"z", []any{}},
		"error overflow: 1e+300 is too large for typecode 'f'":                               {"f", []any{1e300}, true},
		"error type: array item must be unicode character":                                   {"u", []any{1}},
		"error type: Array(typecode, sequence, strict=False) takes 2 to 3 arguments, got 4":  {"u", []any{}, true, 1},
		"error type: Array(typecode, sequence, strict=False) takes 2 to 3 arguments, got 1":  {"u"},
		"error overflow: unsigned byte integer is less than minimum":                         {"B", []any{1, -1}},
		"error type: 'NoneType' object is not iterable":                                      {"B", nil},
	} {
		c.want(want, server, "create", append([]any{"Array"}, args...)...)
	}
}

// TestArrayPages writes across the borders of pages beside a plain slice.
func TestArrayPages(t *testing.T) {
	w := newWorld(t, 1)
	defer w.close()
	c := w.clients[0]
	var model []byte
	for i := range 3 * pageSize {
		model = append(model, byte(i*7))
	}
	a := c.create("Array", "B", arr('B', model...))
	check := func() {
		t.Helper()
		if got := c.ok(a, "value"); got != arr('B', model...) {
			t.Fatalf("%d bytes, want %d", len(got), len(model))
		}
	}
	check()
	for _, at := range []int{0, pageSize - 3, pageSize, 2*pageSize - 1} {
		c.ok(a, "setslice", at, at+6, nil, arr('B', 1, 2, 3, 4, 5, 6))
		copy(model[at:], []byte{1, 2, 3, 4, 5, 6})
		check()
		c.ok(a, "setslice", at, at+1, nil, arr('B', 9, 8, 7))
		model = append(model[:at:at], append([]byte{9, 8, 7}, model[at+1:]...)...)
		check()
		c.ok(a, "setitem", at, 77)
		model[at] = 77
		c.want("77", a, "getitem", at)
		check()
		part := c.ok(a, "getslice", at, at+pageSize+9)
		if part != arr('B', model[at:min(len(model), at+pageSize+9)]...) {
			t.Fatal("a slice differs")
		}
	}
	c.ok(a, "setslice", nil, nil, nil, arr('B'))
	model = nil
	check()
	if got := c.do(a, "repr"); !strings.HasPrefix(got, "'array('B'") {
		t.Fatal(got)
	}
}
