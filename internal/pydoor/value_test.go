package pydoor

import (
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/syncmanager/syncmanager/internal/pickle"
	"github.com/syncmanager/syncmanager/internal/pickle/pickletest"
	"github.com/syncmanager/syncmanager/internal/wire"
)

func must[T any](v T, ok bool) T {
	if !ok {
		panic("a sample value cannot be made")
	}
	return v
}

// sampleValues are values of every kind.
func sampleValues() []pickle.Node {
	huge := new(big.Int).Lsh(big.NewInt(-3), 1000)
	beyond := new(big.Int).Lsh(big.NewInt(1), 8*wire.MaxBigIntBytes+8)
	loop := pickle.NewList(num(1))
	loop.Items = append(loop.Items, loop)
	instance := pickle.NewInstance("__main__", "Point", pickle.NewDict(str("x"), num(1), str("y"), pickle.NewList(num(2))))
	return []pickle.Node{
		none, pickle.Bool(true), pickle.Bool(false), num(0), num(-1), num(127), num(128), num(255), num(256), num(-32), num(-33),
		num(-128), num(-129), num(65535), num(65536), num(-32768), num(-32769), num(math.MinInt64), num(math.MaxInt64),
		pickle.NewUint(math.MaxUint64), pickle.NewUint(1 << 63), pickle.NewBigInt(huge), pickle.NewBigInt(beyond),
		pickle.Float(1.5), pickle.Float(math.Inf(-1)), pickle.Float(math.Copysign(0, -1)),
		str(""), str("ascii"), str("h\u00e9 \U0001f600"), str("\xed\xa0\x80 lone"), &pickle.Bytes{}, &pickle.Bytes{B: "\x00\xff"}, &pickle.ByteArray{B: "ba"},
		pickle.NewList(), pickle.NewList(num(1), str("x")), pickle.NewTuple(), pickle.NewTuple(num(1), pickle.NewTuple(num(2))),
		pickle.NewTuple(num(1), num(2), num(3), num(4)),
		pickle.NewDict(str("a"), num(1), pickle.NewTuple(num(1)), none), setOf(), setOf(1, 2), &pickle.FrozenSet{Items: []pickle.Node{num(1)}},
		pickle.NewComplex(complex(1, -2)), must(pickle.NewArray(pickle.Array{Typecode: 'i', Data: "\x01\x00\x00\x00"})),
		must(pickle.NewDatetime(pickle.Datetime{Year: 2024, Month: 2, Day: 29, Hour: 23, Microsecond: 999999})),
		must(pickle.NewDatetime(pickle.Datetime{Year: 1, Month: 1, Day: 1, Aware: true})),
		must(pickle.NewDatetime(pickle.Datetime{Year: 9999, Month: 12, Day: 31, Aware: true, Offset: -5 * time.Hour})),
		must(pickle.NewDatetime(pickle.Datetime{Year: 2024, Month: 1, Day: 1, Aware: true, Offset: time.Hour, Name: "CET"})),
		must(pickle.NewDatetime(pickle.Datetime{Year: 2024, Month: 1, Day: 1, Fold: true})),
		pickle.NewTimedelta(time.Second), pickle.NewCall("builtins", "range", num(0), num(3), num(1)), slice(num(1), none, none),
		&pickle.Global{Module: "builtins", Name: "len"}, pickle.Ext(7), instance, pickle.NewList(instance, str("x")), loop,
		pickle.NewException("builtins", "KeyError", str("x")), pickle.NewNamespace(pickle.NewDict(str("a"), num(1))),
	}
}

// Every value comes back as it went in.
func TestValues(t *testing.T) {
	w := newWorld(t, Options{})
	for _, n := range sampleValues() {
		got, ok := through(t, w, n, 1<<16)
		if !ok {
			t.Errorf("%s is refused", show(n))
			continue
		}
		if !pickletest.Equal(got, n) {
			t.Errorf("%s came back as %s", show(n), show(got))
		}
	}
}

// What Go programs put in, Python gets as its own types.
func TestGoValues(t *testing.T) {
	w := newWorld(t, Options{})
	c := w.thread("write")
	defer c.close()
	d := w.create("write", "dict")
	ref, _ := parseIdent(textOf(d))
	for _, test := range []struct {
		value any
		want  pickle.Node
	}{
		{uint64(math.MaxUint64), pickle.NewUint(math.MaxUint64)},
		{float32(0.5), pickle.Float(0.5)},
		{[]byte("x"), &pickle.Bytes{B: "x"}},
		{wire.Tuple{int64(1), nil}, pickle.NewTuple(num(1), none)},
		{wire.FrozenSet{int64(1)}, &pickle.FrozenSet{Items: []pickle.Node{num(1)}}},
		{map[string]any{"k": []any{true}}, pickle.NewDict(str("k"), pickle.NewList(pickle.Bool(true)))},
		{time.Unix(0, 123456789).UTC(), must(pickle.NewDatetime(pickle.Datetime{Year: 1970, Month: 1, Day: 1, Microsecond: 123456, Aware: true}))},
		{complex(1, 2), pickle.NewComplex(complex(1, 2))},
	} {
		b, err := wire.AppendAny(wire.AppendStr(wire.AppendArrayHeader(nil, 2), "k"), test.value)
		if err != nil {
			t.Fatal(err)
		}
		s := c.w.door.allSessions()[0]
		if _, err := s.call(ref.ID, "set", b); err != nil {
			t.Fatal(err)
		}
		if got := c.ok(d, "__getitem__", str("k")); !pickletest.Equal(got, test.want) {
			t.Errorf("%v came as %s", test.value, show(got))
		}
	}
	// A value that only another language can open, and a date beyond Python's.
	for _, v := range []any{wire.Opaque{Lang: "perl", Data: []byte("x")}, time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC), wire.Opaque{Lang: "python", Data: []byte("no pickle")}} {
		b, err := wire.AppendAny(wire.AppendStr(wire.AppendArrayHeader(nil, 2), "k"), v)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.w.door.allSessions()[0].call(ref.ID, "set", b); err != nil {
			t.Fatal(err)
		}
		c.raises(kindUnserializable, "cannot pickle", d, "__getitem__", str("k"))
	}
}

// Equal values of Python's own classes are equal keys, however their strings
// were shared.
func TestOpaqueKeys(t *testing.T) {
	w := newWorld(t, Options{})
	c := w.thread("write")
	defer c.close()
	d := w.create("write", "dict")
	shared := str("same text")
	c.ok(d, "__setitem__", pickle.NewCall("m", "Pair", shared, shared), num(1))
	c.want("1", d, "__getitem__", pickle.NewCall("m", "Pair", str("same text"), str("same text")))
}

func TestIterables(t *testing.T) {
	ordered := &pickle.Object{Callable: &pickle.Global{Module: "collections", Name: "OrderedDict"}, Args: pickle.NewTuple(),
		Steps: []pickle.Step{{Op: pickle.StepSetItems, Items: []pickle.Node{str("a"), num(1)}}}}
	deque := &pickle.Object{Callable: &pickle.Global{Module: "collections", Name: "deque"}, Args: pickle.NewTuple(pickle.NewTuple(), num(3)),
		Steps: []pickle.Step{{Op: pickle.StepAppend, Items: []pickle.Node{num(1)}}}}
	rng := func(a, b, c int64) pickle.Node { return pickle.NewCall("builtins", "range", num(a), num(b), num(c)) }
	for _, test := range []struct {
		in   pickle.Node
		want string
	}{
		{ordered, "{'a': 1}"},
		{deque, "[1]"},
		{pickle.NewCall("collections", "Counter", pickle.NewDict(str("a"), num(2))), "{'a': 2}"},
		{pickle.NewCall("collections", "OrderedDict"), "{}"},
		{rng(0, 3, 1), "[0, 1, 2]"}, {rng(3, 0, 1), "[]"}, {rng(3, 0, -2), "[3, 1]"}, {rng(0, 3, -1), "[]"}, {rng(0, 0, 1), "[]"},
	} {
		n, err := iterable(test.in)
		if err != nil {
			t.Error(err)
			continue
		}
		if s, ok := n.(*sequence); ok {
			items, err := collect(s.each)
			if err != nil {
				t.Error(err)
			}
			n = pickle.NewList(items...)
		}
		got := show(n)
		if got != test.want {
			t.Errorf("%s, want %s", got, test.want)
		}
	}
}

// What an iterable brings is bounded by the size of a message, each entry of it
// like a value.
func TestLargeIterables(t *testing.T) {
	w := newWorld(t, Options{})
	c := w.thread("write")
	defer c.close()
	rng := pickle.NewCall("builtins", "range", num(0), num(100000), num(1))
	text, row := str(strings.Repeat("x", 1000)), pickle.NewList()
	for range 200 {
		row.Items = append(row.Items, text)
	}
	bomb := pickle.Node(text)
	for range 9 {
		bomb = pickle.NewTuple(bomb, bomb, bomb, bomb, bomb, bomb, bomb, bomb)
	}
	pairs := pickle.NewDict()
	for i := range 200 {
		pairs.Items = append(pairs.Items, num(int64(i)), text)
	}
	l := w.create("write", "list", rng)
	c.want("99999", l, "__getitem__", num(-1))
	c.want("99999", w.create("write", "Array", str("i"), rng), "__getitem__", num(-1))
	c.ok(l, "extend", row)
	c.ok(l, "__setitem__", slice(num(0), num(0), none), row)
	c.want("100400", l, "__len__")
	c.ok(l, "extend", bomb)
	c.want("100408", l, "__len__")
	if got := c.ok(l, "__getitem__", num(-1)); !pickletest.Equal(got, bomb.(*pickle.Tuple).Items[0]) {
		t.Error("an entry that shares much came back as another")
	}
	d := w.create("write", "dict", pairs)
	c.ok(d, "update", pairs)
	c.want("200", d, "__len__")
	c.raises("ValueError", "the limit is that of a message", l, "extend", pickle.NewCall("builtins", "range", num(0), num(1<<20), num(1)))
}

func TestBind(t *testing.T) {
	s := params("a, b=None, *, c=None")
	for _, test := range []struct {
		args []pickle.Node
		kwds *pickle.Dict
		want string
	}{
		{nil, nil, "f() missing required argument 'a' (pos 1)"},
		{[]pickle.Node{num(1), num(2), num(3)}, nil, "f() takes 2 positional arguments but 3 were given"},
		{[]pickle.Node{num(1)}, pickle.NewDict(str("d"), num(1)), "f() got an unexpected keyword argument 'd'"},
		{[]pickle.Node{num(1)}, pickle.NewDict(str("a"), num(1)), "f() got multiple values for argument 'a'"},
		{[]pickle.Node{num(1)}, pickle.NewDict(str("c"), num(3), str("b"), num(2)), ""},
	} {
		got, err := bind("f", s, test.args, test.kwds)
		switch {
		case err == nil && test.want != "", err != nil && err.(*pyError).text != test.want:
			t.Errorf("%v, want %q", err, test.want)
		case err == nil && show(pickle.NewTuple(got...)) != "(1, 2, 3)":
			t.Errorf("%s", show(pickle.NewTuple(got...)))
		}
	}
}

// BenchmarkGet measures one request of a thread, without a network.
func BenchmarkGet(b *testing.B) {
	w := newWorld(b, Options{})
	s := w.play(message(nil, "create", str("dict"), pickle.NewDict(str("k"), str("0123456789abcdef"))))
	m, _ := readMessage(newReader(&s.out), 1<<20)
	n, _ := pickle.Decode(m, pickle.Limits{})
	ident := n.(*pickle.Tuple).Items[1].(*pickle.Tuple).Items[0]
	input := message(nil, "accept_connection", str("t"))
	for range b.N {
		input = append(input, message(ident, "__getitem__", str("k"))...)
	}
	b.ReportAllocs()
	b.ResetTimer()
	w.play(input)
}

// A request of a thread costs no more than this many allocations, those of the
// harness included.
func TestAllocations(t *testing.T) {
	const requests = 200
	w := newWorld(t, Options{})
	s := w.play(message(nil, "create", str("dict"), pickle.NewDict(str("k"), str("0123456789abcdef"))))
	m, _ := readMessage(newReader(&s.out), 1<<20)
	n, _ := pickle.Decode(m, pickle.Limits{})
	ident := n.(*pickle.Tuple).Items[1].(*pickle.Tuple).Items[0]
	input := message(nil, "accept_connection", str("t"))
	for range requests {
		input = append(input, message(ident, "__getitem__", str("k"))...)
	}
	if got := testing.AllocsPerRun(5, func() { w.play(input) }) / requests; got > allocBudget {
		t.Errorf("%.1f allocations for each request, want %d at most", got, allocBudget)
	}
}
