package proxy_test

import (
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/syncmanager/syncmanager/proxy"
)

func TestDict(t *testing.T) {
	ctx, m := manager(t)
	d, err := proxy.NewDict[string, int](ctx, m, map[string]int{"a": 1})
	must(t, err)
	must(t, d.Set(ctx, "b", 2))
	want[int](t, "Get(a)")(d.Get(ctx, "a"))(1)
	_, err = d.Get(ctx, "x")
	wantErr(t, "Get(x)", err, proxy.ErrKey)
	want[int](t, "GetDefault(x)")(d.GetDefault(ctx, "x", 9))(9)
	want[bool](t, "Contains(b)")(d.Contains(ctx, "b"))(true)
	want[int](t, "Len")(d.Len(ctx))(2)
	want[int](t, "Add(a)")(d.Add(ctx, "a", 10))(11)
	want[int](t, "Add(c)")(d.Add(ctx, "c", 3))(3)
	want[int](t, "AddDefault(d)")(d.AddDefault(ctx, "d", 3, 4))(7)
	want[int](t, "Swap(d)")(d.Swap(ctx, "d", 8))(7)
	_, err = d.Swap(ctx, "x", 8)
	wantErr(t, "Swap(x)", err, proxy.ErrKey)
	want[bool](t, "CompareAndSwap(d, 7)")(d.CompareAndSwap(ctx, "d", 7, 9))(false)
	want[bool](t, "CompareAndSwap(d, 8)")(d.CompareAndSwap(ctx, "d", 8, 9))(true)
	want[bool](t, "SetIfAbsent(d)")(d.SetIfAbsent(ctx, "d", 1))(false)
	want[bool](t, "SetIfAbsent(e)")(d.SetIfAbsent(ctx, "e", 5))(true)
	want[bool](t, "CompareAndDelete(e, 4)")(d.CompareAndDelete(ctx, "e", 4))(false)
	want[bool](t, "CompareAndDelete(e, 5)")(d.CompareAndDelete(ctx, "e", 5))(true)
	keys, err := d.Keys(ctx)
	must(t, err)
	if !slices.Equal(keys, []string{"a", "b", "c", "d"}) {
		t.Errorf("keys %v", keys)
	}
	values, err := d.Values(ctx)
	must(t, err)
	if !slices.Equal(values, []int{11, 2, 3, 9}) {
		t.Errorf("values %v", values)
	}
	items, err := d.Items(ctx)
	must(t, err)
	if !slices.Equal(items, []proxy.Entry[string, int]{{"a", 11}, {"b", 2}, {"c", 3}, {"d", 9}}) {
		t.Errorf("items %v", items)
	}
	merged, err := d.Merge(ctx, map[string]int{"z": 26})
	must(t, err)
	if len(merged) != 5 || merged["z"] != 26 {
		t.Errorf("merged %v", merged)
	}
	must(t, d.Delete(ctx, "a"))
	wantErr(t, "Delete(a)", d.Delete(ctx, "a"), proxy.ErrKey)
	want[int](t, "Pop(b)")(d.Pop(ctx, "b"))(2)
	_, err = d.Pop(ctx, "b")
	wantErr(t, "Pop(b)", err, proxy.ErrKey)
	want[int](t, "PopDefault(b)")(d.PopDefault(ctx, "b", 7))(7)
	want[int](t, "SetDefault(b)")(d.SetDefault(ctx, "b", 6))(6)
	k, v, err := d.PopItem(ctx)
	must(t, err)
	if k != "b" || v != 6 {
		t.Errorf("popitem %v %v", k, v)
	}
	want[int](t, "SetMany")(d.SetMany(ctx, map[string]int{"d": 1, "e": 2, "f": 3}))(2)
	some, err := d.GetMany(ctx, "d", "nothing", "f")
	must(t, err)
	if !maps.Equal(some, map[string]int{"d": 1, "f": 3}) {
		t.Errorf("GetMany %v", some)
	}
	want[int](t, "DeleteMany")(d.DeleteMany(ctx, "d", "nothing"))(1)
	all, err := d.Copy(ctx)
	must(t, err)
	if !maps.Equal(all, map[string]int{"c": 3, "e": 2, "f": 3}) {
		t.Errorf("Copy %v", all)
	}
	must(t, d.Clear(ctx))
	for i, k := range []string{"c", "e", "f"} {
		must(t, d.Set(ctx, k, min(i+2, 3)))
	}
	must(t, d.Set(ctx, "c", 3))
	must(t, d.Set(ctx, "e", 2))
	want[string](t, "Repr")(d.Repr(ctx))("{'c': 3, 'e': 2, 'f': 3}")
	must(t, d.Clear(ctx))
	want[int](t, "Len")(d.Len(ctx))(0)
	_, _, err = d.PopItem(ctx)
	wantErr(t, "PopItem", err, proxy.ErrKey)
}

func TestDictKeys(t *testing.T) {
	ctx, m := manager(t)
	d, err := proxy.NewDict[[2]int, string](ctx, m)
	must(t, err)
	must(t, d.Set(ctx, [2]int{1, 2}, "x"))
	want[string](t, "tuple key")(d.Get(ctx, [2]int{1, 2}))("x")
	keys, err := d.Keys(ctx)
	must(t, err)
	if !slices.Equal(keys, [][2]int{{1, 2}}) {
		t.Errorf("keys %v", keys)
	}
	mixed, err := proxy.NewDict[any, any](ctx, m)
	must(t, err)
	must(t, mixed.Set(ctx, 1, "one"))
	v, err := mixed.Get(ctx, 1.0)
	must(t, err)
	if v != "one" {
		t.Errorf("1.0 is %v, want the value of 1", v)
	}
}

func TestDictAll(t *testing.T) {
	ctx, m := manager(t)
	d, err := proxy.NewDict[int, int](ctx, m)
	must(t, err)
	pairs := make(map[int]int)
	for i := range 2500 {
		pairs[i] = i * i
	}
	must(t, d.Update(ctx, pairs))
	got := make(map[int]int)
	seq, end := d.All(ctx)
	for k, v := range seq {
		if _, twice := got[k]; twice {
			t.Errorf("key %d came twice", k)
		}
		got[k] = v
	}
	must(t, end())
	if !reflect.DeepEqual(got, pairs) {
		t.Errorf("%d pairs, want %d", len(got), len(pairs))
	}
	seq, end = d.Scan(ctx, proxy.ScanOptions{Strict: true, PageSize: 10})
	n := 0
	for range seq {
		if n++; n == 5 {
			must(t, d.Set(ctx, -1, 0))
		}
	}
	wantErr(t, "strict iteration", end(), proxy.ErrChanged)
}
