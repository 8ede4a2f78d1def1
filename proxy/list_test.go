package proxy_test

import (
	"slices"
	"testing"

	"github.com/syncmanager/syncmanager/proxy"
)

func TestList(t *testing.T) {
	ctx, m := manager(t)
	l, err := proxy.NewList(ctx, m, 1, 2, 3)
	must(t, err)
	is := func(what string, w ...int) {
		t.Helper()
		got, err := l.Copy(ctx)
		must(t, err)
		if !slices.Equal(got, w) {
			t.Errorf("after %s: %v, want %v", what, got, w)
		}
	}
	want[int](t, "Get(-1)")(l.Get(ctx, -1))(3)
	_, err = l.Get(ctx, 3)
	wantErr(t, "Get(3)", err, proxy.ErrIndex)
	must(t, l.Set(ctx, 0, 9))
	must(t, l.Append(ctx, 4))
	must(t, l.Extend(ctx, 5, 6))
	must(t, l.Insert(ctx, 1, 8))
	is("insert", 9, 8, 2, 3, 4, 5, 6)
	want[int](t, "Pop")(l.Pop(ctx))(6)
	want[int](t, "PopAt(0)")(l.PopAt(ctx, 0))(9)
	must(t, l.Remove(ctx, 3))
	wantErr(t, "Remove(3)", l.Remove(ctx, 3), proxy.ErrValue)
	want[int](t, "Index(4)")(l.Index(ctx, 4))(2)
	_, err = l.IndexIn(ctx, 4, 0, 2)
	wantErr(t, "IndexIn(4)", err, proxy.ErrValue)
	want[int](t, "Count(4)")(l.Count(ctx, 4))(1)
	want[bool](t, "Contains(7)")(l.Contains(ctx, 7))(false)
	is("remove", 8, 2, 4, 5)
	must(t, l.Sort(ctx))
	is("sort", 2, 4, 5, 8)
	must(t, l.SortReverse(ctx))
	must(t, l.Reverse(ctx))
	must(t, l.SortReverse(ctx))
	is("sort in reverse", 8, 5, 4, 2)
	part, err := l.GetSlice(ctx, proxy.Slice{Start: new(3), Step: new(-2)})
	must(t, err)
	if !slices.Equal(part, []int{2, 5}) {
		t.Errorf("[3::-2] = %v", part)
	}
	must(t, l.SetSlice(ctx, proxy.Slice{Start: new(1), Stop: new(3)}, []int{0}))
	is("set slice", 8, 0, 2)
	must(t, l.SetSlice(ctx, proxy.Slice{Stop: new(1)}, nil))
	must(t, l.DeleteSlice(ctx, proxy.Slice{Start: new(-1)}))
	is("delete slice", 0)
	must(t, l.RepeatInPlace(ctx, 3))
	is("repeat", 0, 0, 0)
	both, err := l.Concat(ctx, 1)
	must(t, err)
	twice, err := l.Repeat(ctx, 2)
	must(t, err)
	if len(both) != 4 || len(twice) != 6 {
		t.Errorf("Concat %v, Repeat %v", both, twice)
	}
	must(t, l.Delete(ctx, 0))
	want[int](t, "Len")(l.Len(ctx))(2)
	must(t, l.Clear(ctx))
	_, err = l.Pop(ctx)
	wantErr(t, "Pop", err, proxy.ErrIndex)
}

func TestListAll(t *testing.T) {
	ctx, m := manager(t)
	l, err := proxy.NewList[int](ctx, m)
	must(t, err)
	var values []int
	for i := range 2345 {
		values = append(values, i)
	}
	must(t, l.Extend(ctx, values...))
	seq, end := l.Scan(ctx, proxy.ScanOptions{PageSize: 100})
	n := 0
	for i, v := range seq {
		if i != n || v != n {
			t.Fatalf("element %d: index %d, value %d", n, i, v)
		}
		n++
	}
	must(t, end())
	if n != len(values) {
		t.Errorf("%d elements", n)
	}
}

func TestSet(t *testing.T) {
	ctx, m := manager(t)
	s, err := proxy.NewSet(ctx, m, 1, 2, 3)
	must(t, err)
	other, err := proxy.NewSet(ctx, m, 3, 4)
	must(t, err)
	sorted := func(what string, got []int, err error, w ...int) {
		t.Helper()
		slices.Sort(got)
		if err != nil || !slices.Equal(got, w) {
			t.Errorf("%s = %v, %v, want %v", what, got, err, w)
		}
	}
	want[bool](t, "Add(3)")(s.Add(ctx, 3))(false)
	want[bool](t, "Contains(1)")(s.Contains(ctx, 1))(true)
	want[int](t, "Len")(s.Len(ctx))(3)
	got, err := s.Union(ctx, other, proxy.Of(7))
	sorted("Union", got, err, 1, 2, 3, 4, 7)
	got, err = s.Intersection(ctx, other)
	sorted("Intersection", got, err, 3)
	got, err = s.Difference(ctx, other)
	sorted("Difference", got, err, 1, 2)
	got, err = s.SymmetricDifference(ctx, other)
	sorted("SymmetricDifference", got, err, 1, 2, 4)
	want[bool](t, "IsSubset")(s.IsSubset(ctx, proxy.Of(1, 2, 3, 4)))(true)
	want[bool](t, "IsSuperset")(s.IsSuperset(ctx, other))(false)
	want[bool](t, "IsDisjoint")(s.IsDisjoint(ctx, proxy.Of(8)))(true)
	must(t, s.Update(ctx, other))
	must(t, s.DifferenceUpdate(ctx, proxy.Of(1)))
	must(t, s.IntersectionUpdate(ctx, proxy.Of(2, 3, 4)))
	must(t, s.SymmetricDifferenceUpdate(ctx, proxy.Of(2, 9)))
	got, err = s.Copy(ctx)
	sorted("Copy", got, err, 3, 4, 9)
	want[bool](t, "Discard(9)")(s.Discard(ctx, 9))(true)
	must(t, s.Remove(ctx, 4))
	wantErr(t, "Remove(4)", s.Remove(ctx, 4), proxy.ErrKey)
	want[int](t, "Pop")(s.Pop(ctx))(3)
	_, err = s.Pop(ctx)
	wantErr(t, "Pop", err, proxy.ErrKey)
	var all []int
	seq, end := other.All(ctx)
	for v := range seq {
		all = append(all, v)
	}
	sorted("All", all, end(), 3, 4)
	must(t, other.Clear(ctx))
	pairs, err := proxy.NewSet(ctx, m, [2]string{"a", "b"})
	must(t, err)
	want[bool](t, "Contains(tuple)")(pairs.Contains(ctx, [2]string{"a", "b"}))(true)
}

func TestNamespace(t *testing.T) {
	ctx, m := manager(t)
	n, err := proxy.NewNamespace(ctx, m, map[string]any{"x": 1})
	must(t, err)
	must(t, n.Set(ctx, "y", "two"))
	want[int](t, "x")(proxy.Attr[int](ctx, n, "x"))(1)
	want[any](t, "y")(n.Get(ctx, "y"))("two")
	names, err := n.List(ctx)
	must(t, err)
	if !slices.Equal(names, []string{"x", "y"}) {
		t.Errorf("names %v", names)
	}
	must(t, n.Delete(ctx, "x"))
	_, err = n.Get(ctx, "x")
	wantErr(t, "Get(x)", err, proxy.ErrAttribute)
	v, err := proxy.ValueOf[struct {
		Y string `msgpack:"y"`
	}](ctx, n)
	must(t, err)
	if v.Y != "two" {
		t.Errorf("value %+v", v)
	}
}

func TestValue(t *testing.T) {
	ctx, m := manager(t)
	v, err := proxy.NewValue(ctx, m, "i", 7)
	must(t, err)
	must(t, v.Set(ctx, 8))
	want[int](t, "Add")(v.Add(ctx, 2))(10)
	want[bool](t, "CompareAndSwap")(v.CompareAndSwap(ctx, 10, 11))(true)
	if err := v.Set(ctx, 1<<40); err == nil {
		t.Error("an int beyond the typecode was stored")
	}
	want[int](t, "Get")(v.Get(ctx))(11)
	want[string](t, "Typecode")(v.Typecode(ctx))("i")
	if _, err := proxy.NewValue(ctx, m, "i", 1.5); err == nil {
		t.Error("a float was stored as an int")
	}
}

func TestArray(t *testing.T) {
	ctx, m := manager(t)
	a, err := proxy.NewArray(ctx, m, "d", []float64{1, 2.5, 3})
	must(t, err)
	want[float64](t, "Get(1)")(a.Get(ctx, 1))(2.5)
	must(t, a.Set(ctx, -1, 4))
	must(t, a.SetSlice(ctx, proxy.Slice{Stop: new(2)}, []float64{8, 9}))
	all, err := a.Copy(ctx)
	must(t, err)
	if !slices.Equal(all, []float64{8, 9, 4}) {
		t.Errorf("array %v", all)
	}
	want[int](t, "Len")(a.Len(ctx))(3)
	want[string](t, "Typecode")(a.Typecode(ctx))("d")
	_, err = a.Get(ctx, 3)
	wantErr(t, "Get(3)", err, proxy.ErrIndex)
	b, err := proxy.NewArray(ctx, m, "B", []uint8{1, 255})
	must(t, err)
	bytes, err := b.Copy(ctx)
	must(t, err)
	if !slices.Equal(bytes, []uint8{1, 255}) {
		t.Errorf("array %v", bytes)
	}
	if _, err := proxy.NewArray(ctx, m, "b", []int{128}); err == nil {
		t.Error("128 was stored as a signed byte")
	}
	ints, err := proxy.NewArray(ctx, m, "q", []int8{-1, 127})
	must(t, err)
	want[int8](t, "Get(0)")(ints.Get(ctx, 0))(-1)
}
