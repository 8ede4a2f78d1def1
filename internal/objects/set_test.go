package objects

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

func TestSet(t *testing.T) {
	w := newWorld(t, 1)
	defer w.close()
	c := w.clients[0]
	s := c.create("set")
	run(t, c, s, []step{
		do("repr").gives("'set()'"),
		do("value").gives("set()"),
		do("pop").gives("error key: 'pop from an empty set'"),
		do("add", 1).gives("True"),
		do("add", 1.0).gives("False"),
		do("add", "a").gives("True"),
		do("add", vtuple{1, 2}).gives("True"),
		do("add", []any{}).gives("error type: unhashable type: 'list'"),
		do("repr").gives("'{1, 'a', (1, 2)}'"),
		do("contains", true).gives("True"),
		do("contains", 2).gives("False"),
		do("contains", vdict{}).gives("error type: unhashable type: 'dict'"),
		do("remove", 2).gives("error key: 2"),
		do("remove", "a").gives("None"),
		do("discard", "a").gives("False"),
		do("discard", vtuple{1.0, 2}).gives("True"),
		do("len").gives("1"),
		do("update", []any{3, 4}, "xy", vset{5}).gives("None"),
		do("update").gives("None"),
		do("copy").gives("{1, 3, 4, 'x', 'y', 5}"),
		do("union", []any{9}, "z").gives("{1, 3, 4, 'x', 'y', 5, 9, 'z'}"),
		do("union").gives("{1, 3, 4, 'x', 'y', 5}"),
		do("intersection", []any{"x", 1.0, 5, 5}).gives("{1, 'x', 5}"),
		do("intersection", []any{1, 5}, vtuple{5}).gives("{5}"),
		do("difference", []any{"x", 1.0, 5}).gives("{3, 4, 'y'}"),
		do("difference", "x", "y").gives("{1, 3, 4, 5}"),
		do("symmetric_difference", []any{7, 1, 7}).gives("{3, 4, 'x', 'y', 5, 7}"),
		do("symmetric_difference").gives("error type: set.symmetric_difference(iterable) takes 1 argument, got 0"),
		do("symmetric_difference", "a", "b").gives("error type: set.symmetric_difference(iterable) takes 1 argument, got 2"),
		do("union", 5).gives("error type: 'int' object is not iterable"),
		do("update", []any{1}, []any{[]any{}}).gives("error type: unhashable type: 'list'"),
		do("issubset", []any{1, 3, 4, "x", "y", 5, 6}).gives("True"),
		do("issubset", []any{1, 3}).gives("False"),
		do("issuperset", []any{1, 3}).gives("True"),
		do("issuperset", []any{1, 2}).gives("False"),
		do("isdisjoint", "ab").gives("True"),
		do("isdisjoint", "ax").gives("False"),
		do("equal", vset{5, "y", "x", 4.0, 3, true}).gives("True"),
		do("equal", vfrozen{5, "y", "x", 4.0, 3, true}).gives("True"),
		do("equal", []any{5, "y", "x", 4.0, 3, true}).gives("False"),
		do("equal", s).gives("True"),
		do("intersection_update", "xyz", s).gives("None"),
		do("value").gives("{'x', 'y'}"),
		do("symmetric_difference_update", []any{"y", "q", "q"}).gives("None"),
		do("value").gives("{'x', 'q'}"),
		do("symmetric_difference_update", s).gives("None"),
		do("value").gives("set()"),
		do("update", "abc").gives("None"),
		do("difference_update", "b", "c").gives("None"),
		do("value").gives("{'a'}"),
		do("update", "bcd").gives("None"),
		do("scan", 0, 2).gives("[13, 26, ['a', 'b']]"),
		do("scan", 13, 2, 26).gives("[0, 26, ['c', 'd']]"),
		do("scan", 13, 2, 25).gives("error changed: the set changed during iteration: version 26, not 25"),
		do("pop").gives("'a'"),
		do("pop").gives("'b'"),
		do("clear").gives("None"),
		do("len").gives("0"),
	})
	c.want("{1, 'a'}", c.create("set", []any{1, "a", 1.0}), "value")
	c.want("{'k'}", c.create("set", c.create("dict", vdict{"k", 1})), "value")
	c.want("error type: unhashable type: 'list'", server, "create", "set", []any{[]any{}})
}

func TestSetReferences(t *testing.T) {
	w := newWorld(t, 1)
	defer w.close()
	c := w.clients[0]
	s := c.create("set")
	for _, drop := range []func(e wire.Ref){
		func(e wire.Ref) { c.ok(s, "remove", e) },
		func(e wire.Ref) { c.ok(s, "discard", e) },
		func(e wire.Ref) { c.ok(s, "pop"); c.release(e, 1) },
		func(e wire.Ref) { c.ok(s, "clear") },
		func(e wire.Ref) { c.ok(s, "difference_update", []any{e}) },
		func(e wire.Ref) { c.ok(s, "symmetric_difference_update", s) },
		func(e wire.Ref) { c.ok(s, "intersection_update", []any{1}) },
		func(e wire.Ref) {
			c.ok(s, "union", []any{1})
			c.release(e, 1)
			c.ok(s, "intersection_update")
			c.ok(s, "clear")
		},
	} {
		before := w.objects()
		e := c.create("Event")
		c.ok(s, "add", e)
		c.ok(s, "add", e)
		other := c.create("set", s)
		c.ok(s, "update", other)
		c.release(other, 1)
		c.release(e, 1)
		if w.objects() != before+1 {
			t.Fatalf("%d objects, want %d", w.objects(), before+1)
		}
		drop(e)
		if w.objects() != before {
			t.Fatalf("%d objects, want %d", w.objects(), before)
		}
	}
}

func TestSetLimit(t *testing.T) {
	w := newWorld(t, 1, func(c *engine.Config) { c.MaxItems = 3 })
	defer w.close()
	c := w.clients[0]
	run(t, c, c.create("set"), []step{
		do("update", "abc").gives("None"),
		do("add", "d").gives("error overloaded: a set of 4 entries; the limit is 3"),
		do("update", "abcabc", "a").gives("None"),
		do("update", "abcd").gives("error overloaded: a set of 4 entries; the limit is 3"),
		do("symmetric_difference_update", "abd").gives("None"),
		do("value").gives("{'c', 'd'}"),
		do("symmetric_difference_update", "ab").gives("error overloaded: a set of 4 entries; the limit is 3"),
	})
}

// intSet is a set of small integers in the order of insertion.
type intSet []int

func (s intSet) String() string {
	if len(s) == 0 {
		return "set()"
	}
	return "{" + strings.Trim(strings.ReplaceAll(fmt.Sprint([]int(s)), " ", ", "), "[]") + "}"
}

func (s intSet) minus(t intSet) (r intSet) {
	in := make(map[int]bool)
	for _, x := range t {
		in[x] = true
	}
	for _, x := range s {
		if !in[x] {
			r = append(r, x)
		}
	}
	return r
}

func (s intSet) and(t intSet) intSet { return s.minus(s.minus(t)) }

// unique drops what comes again.
func (s intSet) unique() (r intSet) {
	in := make(map[int]bool)
	for _, x := range s {
		if !in[x] {
			in[x] = true
			r = append(r, x)
		}
	}
	return r
}

// TestSetAlgebra compares all operations, in both forms, with a model; some
// are large enough to run outside.
func TestSetAlgebra(t *testing.T) {
	w := newWorld(t, 1)
	defer w.close()
	c := w.clients[0]
	r := rand.New(rand.NewPCG(1, 2))
	s, shared := c.create("set"), c.create("set")
	var have, other intSet
	model := map[string]func(a, b intSet) intSet{
		"union":                func(a, b intSet) intSet { return append(slices.Clone(a), b.unique().minus(a)...) },
		"intersection":         func(a, b intSet) intSet { return a.and(b) },
		"difference":           func(a, b intSet) intSet { return a.minus(b) },
		"symmetric_difference": func(a, b intSet) intSet { return append(a.minus(b), b.unique().minus(a)...) },
	}
	ops := []string{"union", "intersection", "difference", "symmetric_difference"}
	for i := range 120 {
		size := 1 + r.IntN(30)
		if i%15 == 0 {
			size = 7000
		}
		var b intSet
		var args []any
		for range size {
			x := r.IntN(2 * size)
			b = append(b, x)
			args = append(args, x)
		}
		var operand any = args
		switch r.IntN(4) {
		case 0:
			c.ok(shared, "clear")
			c.ok(shared, "update", args)
			operand = shared
		case 1:
			operand, b = shared, other
		}
		if operand == any(shared) {
			other = b.unique()
			b = other
		}
		op := ops[r.IntN(4)]
		want := model[op](have, b)
		c.want(want.String(), s, op, operand)
		c.want(have.String(), s, "value")
		c.want(pyBool(len(have.minus(b)) == 0), s, "issubset", operand)
		c.want(pyBool(len(b.minus(have)) == 0), s, "issuperset", operand)
		c.want(pyBool(len(b.and(have)) == 0), s, "isdisjoint", operand)
		inPlace := op + "_update"
		if op == "union" {
			inPlace = "update"
		}
		c.want("None", s, inPlace, operand)
		have = want
		c.want(have.String(), s, "value")
		if len(have) > 20_000 {
			c.ok(s, "clear")
			have = nil
		}
	}
}

func pyBool(v bool) string {
	if v {
		return "True"
	}
	return "False"
}
