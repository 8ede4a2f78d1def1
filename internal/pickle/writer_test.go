package pickle

import (
	"math"
	"strings"
	"testing"
)

func TestWriterWritesValues(t *testing.T) {
	w := NewWriter([]byte("head"), 0)
	w.OpenTuple(5)
	w.OpenList()
	for _, v := range []int64{0, 255, 256, 65535, 65536, -1, math.MaxInt32, math.MinInt32, math.MaxInt32 + 1, math.MinInt64, math.MaxInt64} {
		w.Int(v)
	}
	w.Uint(5)
	w.Uint(math.MaxUint64)
	w.CloseList()
	w.OpenDict()
	for range 2 {
		w.Key("key")
		w.Bool(true)
	}
	w.Key(strings.Repeat("k", 100))
	w.None()
	w.CloseDict()
	w.OpenSet()
	w.Float(1.5)
	w.CloseSet()
	w.OpenFrozenSet()
	w.Str("s")
	w.Bytes("b")
	w.CloseFrozenSet()
	shared := NewList(NewStr("text"))
	w.OpenTuple(3)
	w.Node(shared)
	w.Node(shared)
	w.Global("m", "C")
	w.OpenTuple(0)
	w.CloseTuple(0)
	w.NewObj()
	w.OpenDict()
	w.CloseDict()
	w.Build()
	w.CloseTuple(3)
	w.CloseTuple(5)
	b, err := w.Finish()
	if err != nil || !strings.HasPrefix(string(b), "head\x80\x04\x95") {
		t.Fatalf("%q, error %v", b, err)
	}
	ints := NewList()
	for _, v := range []int64{0, 255, 256, 65535, 65536, -1, math.MaxInt32, math.MinInt32, math.MaxInt32 + 1, math.MinInt64, math.MaxInt64, 5} {
		ints.Items = append(ints.Items, Int(v))
	}
	ints.Items = append(ints.Items, NewUint(math.MaxUint64))
	want := NewTuple(
		ints,
		NewDict(NewStr("key"), Bool(true), NewStr("key"), Bool(true), NewStr(strings.Repeat("k", 100)), None{}),
		&Set{Items: []Node{Float(1.5)}},
		&FrozenSet{Items: []Node{NewStr("s"), &Bytes{B: "b"}}},
		NewTuple(shared, shared, NewInstance("m", "C", NewDict())),
	)
	if n := mustDecode(t, b[4:]); !Equal(n, want) {
		t.Errorf("wrote something else: %q", b)
	}
}

func TestWriterFailsAtTheLimit(t *testing.T) {
	w := NewWriter(nil, 100)
	w.OpenList()
	for range 1000 {
		w.Str("0123456789")
	}
	w.CloseList()
	if b, err := w.Finish(); err == nil || len(b) != 0 {
		t.Errorf("%d bytes, error %v", len(b), err)
	}
	if w.buf != nil {
		t.Error("a finished Writer keeps its buffer")
	}
}

func TestEqualSeesDifferences(t *testing.T) {
	l := NewList(Int(1))
	cycle := NewList()
	cycle.Items = []Node{cycle}
	twice := NewList(NewList())
	twice.Items[0].(*List).Items = []Node{twice}
	obj := func(op ObjectOp, steps ...Step) Node {
		return &Object{Op: op, Callable: &Global{"m", "C"}, Args: NewTuple(), Steps: steps}
	}
	all := []Node{
		nil, None{}, Bool(true), Int(1), Float(1), Float(math.Copysign(0, -1)), Float(0), Ext(1),
		&BigInt{LE: "a"}, NewStr("a"), &Bytes{B: "a"}, &ByteArray{B: "a"}, &Global{"a", "b"},
		NewList(), NewTuple(), NewDict(), &Set{}, &FrozenSet{},
		NewTuple(l, l), NewTuple(l, NewList(Int(1))), cycle, twice,
		obj(OpReduce), obj(OpNewObj), obj(OpNewObj, Step{StepBuild, []Node{None{}}}),
		obj(OpNewObj, Step{StepAppend, []Node{None{}}}), obj(OpNewObj, Step{StepAppend, []Node{Int(1)}}),
		&Object{Op: OpNewObjEx, Callable: &Global{"m", "C"}, Args: NewTuple(), Kwargs: NewDict()},
		&Object{Op: OpNewObjEx, Callable: &Global{"m", "C"}, Args: NewTuple()},
	}
	for i, a := range all {
		for j, b := range all {
			if got := Equal(a, b); got != (i == j) {
				t.Errorf("Equal(%d: %T, %d: %T) = %v", i, a, j, b, got)
			}
		}
	}
	if !Equal(Float(math.NaN()), Float(math.NaN())) {
		t.Error("a NaN differs from itself")
	}
}

func TestCyclic(t *testing.T) {
	for _, r := range recordings(t) {
		want := strings.Contains(r.name, "_cycle") || r.name == "mylist" || r.name == "parents" || r.name == "setter"
		if got := Cyclic(mustDecode(t, r.data)); got != want {
			t.Errorf("%v: cyclic %v, want %v", r, got, want)
		}
	}
	// Shared over and over, but without a cycle.
	var n Node = NewList()
	for range 100 {
		n = NewTuple(n, n)
	}
	if Cyclic(n) {
		t.Error("a graph without cycles is said to have one")
	}
}
