package integration

import (
	"errors"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/syncmanager/syncmanager/proxy"
)

func dictMethods(e *env) {
	ctx := e.ctx
	d := must1[*proxy.Dict[string, int]](e)(proxy.NewDict(ctx, e.m, map[string]int{"a": 1}))
	e.must(d.Set(ctx, "b", 2))
	eq(e, "get", 1)(d.Get(ctx, "a"))
	says(e, "getitem of what is not there", errOf(d.Get(ctx, "x")), proxy.ErrKey, "x")
	eq(e, "get with a default", 9)(d.GetDefault(ctx, "x", 9))
	eq(e, "get with a default, there", 2)(d.GetDefault(ctx, "b", 9))
	eq(e, "contains", true)(d.Contains(ctx, "b"))
	eq(e, "contains, not", false)(d.Contains(ctx, "x"))
	eq(e, "len", 2)(d.Len(ctx))
	eq(e, "keys in the order of insertion", []string{"a", "b"})(d.Keys(ctx))
	eq(e, "values", []int{1, 2})(d.Values(ctx))
	eq(e, "items", []proxy.Entry[string, int]{{Key: "a", Value: 1}, {Key: "b", Value: 2}})(d.Items(ctx))
	eq(e, "setdefault, there", 1)(d.SetDefault(ctx, "a", 7))
	eq(e, "setdefault, new", 7)(d.SetDefault(ctx, "c", 7))
	e.must(d.Update(ctx, map[string]int{"c": 3}))
	eq(e, "copy", map[string]int{"a": 1, "b": 2, "c": 3})(d.Copy(ctx))
	eq(e, "merge", map[string]int{"a": 10, "b": 2, "c": 3, "z": 26})(d.Merge(ctx, map[string]int{"a": 10, "z": 26}))
	eq(e, "merge changes nothing", 3)(d.Len(ctx))
	eq(e, "add", 11)(d.Add(ctx, "a", 10))
	eq(e, "add to what is not there", 5)(d.Add(ctx, "n", 5))
	eq(e, "add with a default", 103)(d.AddDefault(ctx, "m", 3, 100))
	eq(e, "swap", 103)(d.Swap(ctx, "m", 4))
	is(e, "swap of what is not there", errOf(d.Swap(ctx, "x", 4)), proxy.ErrKey)
	eq(e, "compare_and_swap, another", false)(d.CompareAndSwap(ctx, "m", 3, 5))
	eq(e, "compare_and_swap", true)(d.CompareAndSwap(ctx, "m", 4, 5))
	eq(e, "compare_and_swap of what is absent", true)(d.SetIfAbsent(ctx, "k", 1))
	eq(e, "compare_and_swap of what is not absent", false)(d.SetIfAbsent(ctx, "k", 2))
	eq(e, "compare_and_delete, another", false)(d.CompareAndDelete(ctx, "k", 2))
	eq(e, "compare_and_delete", true)(d.CompareAndDelete(ctx, "k", 1))
	e.must(d.Delete(ctx, "m"))
	is(e, "delete of what is not there", d.Delete(ctx, "m"), proxy.ErrKey)
	eq(e, "pop", 5)(d.Pop(ctx, "n"))
	is(e, "pop of what is not there", errOf(d.Pop(ctx, "n")), proxy.ErrKey)
	eq(e, "pop with a default", 8)(d.PopDefault(ctx, "n", 8))
	k, v, err := d.PopItem(ctx)
	if err != nil || k != "c" || v != 3 {
		e.Errorf("popitem = %v, %v, %v, want the last one: c, 3", k, v, err)
	}
	eq(e, "set_many", 2)(d.SetMany(ctx, map[string]int{"b": 20, "p": 1, "q": 2}))
	eq(e, "get_many", map[string]int{"b": 20, "q": 2})(d.GetMany(ctx, "b", "no", "q"))
	eq(e, "delete_many", 2)(d.DeleteMany(ctx, "p", "no", "q"))
	e.must(errOf(proxy.Call[[]any](ctx, d, "scan"))) // also what All is made of
	eq(e, "repr", "{'a': 11, 'b': 20}")(d.Repr(ctx))
	e.must(d.Clear(ctx))
	eq(e, "len after clear", 0)(d.Len(ctx))
	_, _, err = d.PopItem(ctx)
	is(e, "popitem of an empty dict", err, proxy.ErrKey)

	// What cannot be done changes nothing.
	any1 := must1[*proxy.Dict[string, any]](e)(proxy.NewDict[string, any](ctx, e.m))
	e.must(any1.Set(ctx, "s", "text"))
	says(e, "add of a number to a str", errOf(any1.Add(ctx, "s", 1)), proxy.ErrType, "str")
	eq(e, "the str after it", any("text"))(any1.Get(ctx, "s"))
}

// dictKeys tests keys of all kinds: equal numbers are one key, tuples recurse.
func dictKeys(e *env) {
	ctx := e.ctx
	d := must1[*proxy.Dict[any, string]](e)(proxy.NewDict[any, string](ctx, e.m))
	e.must(d.Set(ctx, 1, "one"))
	for _, same := range []any{1.0, true, int8(1), uint64(1), complex(1, 0)} {
		eq(e, "get of an equal key", "one")(d.Get(ctx, same))
	}
	e.must(d.Set(ctx, proxy.Tuple{1, "x"}, "pair"))
	eq(e, "a tuple as key", "pair")(d.Get(ctx, proxy.Tuple{1.0, "x"}))
	e.must(d.Set(ctx, nil, "none"))
	eq(e, "None as key", "none")(d.Get(ctx, nil))
	is(e, "NaN as key", d.Set(ctx, math.NaN(), "x"), proxy.ErrValue)
	is(e, "a list as key", errOf(proxy.Call[any](ctx, d, "set", []int{1}, "x")), proxy.ErrType)
	eq(e, "the key first inserted stays", []any{int64(1), proxy.Tuple{int64(1), "x"}, nil})(d.Keys(ctx))
	times := must1[*proxy.Dict[string, time.Time]](e)(proxy.NewDict[string, time.Time](ctx, e.m))
	now := time.Now()
	e.must(times.Set(ctx, "t", now))
	if got, err := times.Get(ctx, "t"); err != nil || !got.Equal(now) {
		e.Errorf("a time came back as %v, %v, want %v", got, err, now)
	}
	type job struct {
		URL  string            `msgpack:"url"`
		Tags map[string][]byte `msgpack:"tags"`
		Next *job              `msgpack:"next,omitempty"`
	}
	jobs := must1[*proxy.Dict[[2]int, job]](e)(proxy.NewDict[[2]int, job](ctx, e.m))
	j := job{"u", map[string][]byte{"a": {0, 1}}, &job{URL: "v"}}
	e.must(jobs.Set(ctx, [2]int{3, 4}, j))
	eq(e, "a struct", j)(jobs.Get(ctx, [2]int{3, 4}))
}

func listMethods(e *env) {
	ctx := e.ctx
	l := must1[*proxy.List[int]](e)(proxy.NewList(ctx, e.m, 1, 2, 3))
	eq(e, "getitem", 2)(l.Get(ctx, 1))
	eq(e, "getitem from the end", 3)(l.Get(ctx, -1))
	is(e, "getitem out of range", errOf(l.Get(ctx, 3)), proxy.ErrIndex)
	is(e, "getitem out of range below", errOf(l.Get(ctx, -4)), proxy.ErrIndex)
	e.must(l.Set(ctx, -1, 30))
	is(e, "setitem out of range", l.Set(ctx, 3, 0), proxy.ErrIndex)
	e.must(l.Append(ctx, 4))
	e.must(l.Extend(ctx, 5, 4))
	e.must(l.Extend(ctx))
	e.must(l.Insert(ctx, 0, 0))
	e.must(l.Insert(ctx, 100, 99))
	eq(e, "copy", []int{0, 1, 2, 30, 4, 5, 4, 99})(l.Copy(ctx))
	eq(e, "len", 8)(l.Len(ctx))
	eq(e, "index", 4)(l.Index(ctx, 4))
	eq(e, "index from start to stop", 6)(l.IndexIn(ctx, 4, 5, 8))
	is(e, "index out of what was asked", errOf(l.IndexIn(ctx, 4, 5, 6)), proxy.ErrValue)
	eq(e, "count", 2)(l.Count(ctx, 4))
	eq(e, "contains", true)(l.Contains(ctx, 30))
	eq(e, "contains, not", false)(l.Contains(ctx, 31))
	eq(e, "pop", 99)(l.Pop(ctx))
	eq(e, "pop at", 0)(l.PopAt(ctx, 0))
	is(e, "pop out of range", errOf(l.PopAt(ctx, 50)), proxy.ErrIndex)
	e.must(l.Remove(ctx, 4))
	is(e, "remove of what is not there", l.Remove(ctx, 77), proxy.ErrValue)
	e.must(l.Delete(ctx, 0))
	is(e, "delitem out of range", l.Delete(ctx, 10), proxy.ErrIndex)
	eq(e, "copy", []int{2, 30, 5, 4})(l.Copy(ctx))
	e.must(l.Sort(ctx))
	eq(e, "sorted", []int{2, 4, 5, 30})(l.Copy(ctx))
	e.must(l.SortReverse(ctx))
	eq(e, "sorted the other way", []int{30, 5, 4, 2})(l.Copy(ctx))
	e.must(l.Reverse(ctx))
	eq(e, "reversed", []int{2, 4, 5, 30})(l.Copy(ctx))
	eq(e, "concat", []int{2, 4, 5, 30, 1})(l.Concat(ctx, 1))
	e.must(l.Delete(ctx, -1))
	eq(e, "repeat", []int{2, 4, 5, 2, 4, 5})(l.Repeat(ctx, 2))
	e.must(l.RepeatInPlace(ctx, 2))
	eq(e, "repeated in place", 6)(l.Len(ctx))
	e.must(errOf(proxy.Call[struct{}](ctx, l, "iadd", []int{7})))
	eq(e, "extended in place", 7)(l.Get(ctx, -1))
	got := make(map[int]int)
	all, end := l.Scan(ctx, proxy.ScanOptions{PageSize: 2})
	for i, v := range all {
		got[i] = v
	}
	e.must(end())
	if !maps.Equal(got, map[int]int{0: 2, 1: 4, 2: 5, 3: 2, 4: 4, 5: 5, 6: 7}) {
		e.Errorf("pages: %v", got)
	}
	eq(e, "repr", "[2, 4, 5, 2, 4, 5, 7]")(l.Repr(ctx))
	e.must(l.Clear(ctx))
	is(e, "pop of an empty list", errOf(l.Pop(ctx)), proxy.ErrIndex)

	mixed := must1[*proxy.List[any]](e)(proxy.NewList[any](ctx, e.m, 1, "x", nil))
	says(e, "sort of what has no order", mixed.Sort(ctx), proxy.ErrType, "'<'")
	eq(e, "the list after it", []any{int64(1), "x", nil})(mixed.Copy(ctx))
}

func listSlices(e *env) {
	ctx := e.ctx
	p := func(n int) *int { return &n }
	l := must1[*proxy.List[int]](e)(proxy.NewList(ctx, e.m, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9))
	for _, c := range []struct {
		s    proxy.Slice
		want []int
	}{
		{proxy.Slice{}, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}},
		{proxy.Slice{Start: p(7)}, []int{7, 8, 9}},
		{proxy.Slice{Stop: p(-8)}, []int{0, 1}},
		{proxy.Slice{Start: p(1), Stop: p(8), Step: p(3)}, []int{1, 4, 7}},
		{proxy.Slice{Step: p(-4)}, []int{9, 5, 1}},
		{proxy.Slice{Start: p(50)}, []int{}},
		{proxy.Slice{Start: p(-100), Stop: p(2)}, []int{0, 1}},
	} {
		eq(e, "getslice", c.want)(l.GetSlice(ctx, c.s))
	}
	is(e, "a step of 0", errOf(l.GetSlice(ctx, proxy.Slice{Step: p(0)})), proxy.ErrValue)
	e.must(l.SetSlice(ctx, proxy.Slice{Start: p(1), Stop: p(3)}, []int{-1, -2, -3}))
	e.must(l.SetSlice(ctx, proxy.Slice{Start: p(-2), Step: p(-4)}, []int{80, 50, 20}))
	eq(e, "setslice", []int{0, 20, -2, -3, 3, 50, 5, 6, 7, 80, 9})(l.Copy(ctx))
	is(e, "setslice of another length with a step", l.SetSlice(ctx, proxy.Slice{Step: p(2)}, []int{1}), proxy.ErrValue)
	e.must(l.DeleteSlice(ctx, proxy.Slice{Start: p(1), Step: p(2)}))
	e.must(l.DeleteSlice(ctx, proxy.Slice{Stop: p(2)}))
	eq(e, "delslice", []int{3, 5, 7, 9})(l.Copy(ctx))
	e.must(l.SetSlice(ctx, proxy.Slice{}, nil))
	eq(e, "len", 0)(l.Len(ctx))
}

func setMethods(e *env) {
	ctx := e.ctx
	of := proxy.Of[int]
	sorted := func(v []int, err error) ([]int, error) { slices.Sort(v); return v, err }
	s := must1[*proxy.Set[int]](e)(proxy.NewSet(ctx, e.m, 1, 2, 3))
	o := must1[*proxy.Set[int]](e)(proxy.NewSet(ctx, e.m, 3, 4))
	eq(e, "add", true)(s.Add(ctx, 5))
	eq(e, "add again", false)(s.Add(ctx, 5))
	eq(e, "discard", true)(s.Discard(ctx, 5))
	eq(e, "discard of what is not there", false)(s.Discard(ctx, 5))
	is(e, "remove of what is not there", s.Remove(ctx, 5), proxy.ErrKey)
	eq(e, "contains", true)(s.Contains(ctx, 3))
	eq(e, "len", 3)(s.Len(ctx))
	eq(e, "union", []int{1, 2, 3, 4, 9})(sorted(s.Union(ctx, o, of(9))))
	eq(e, "intersection", []int{3})(s.Intersection(ctx, o))
	eq(e, "difference", []int{1})(s.Difference(ctx, o, of(2)))
	eq(e, "symmetric_difference", []int{1, 2, 4})(sorted(s.SymmetricDifference(ctx, o)))
	eq(e, "issubset", true)(s.IsSubset(ctx, of(1, 2, 3, 4)))
	eq(e, "issuperset", true)(s.IsSuperset(ctx, of(1, 2)))
	eq(e, "isdisjoint", false)(s.IsDisjoint(ctx, o))
	eq(e, "equal", true)(proxy.Call[bool](ctx, s, "equal", proxy.SetValue{3, 2, 1}))
	e.must(s.Update(ctx, o, of(10)))
	eq(e, "update", []int{1, 2, 3, 4, 10})(sorted(s.Copy(ctx)))
	e.must(s.DifferenceUpdate(ctx, of(10, 11)))
	e.must(s.SymmetricDifferenceUpdate(ctx, of(1, 7)))
	eq(e, "symmetric_difference_update", []int{2, 3, 4, 7})(sorted(s.Copy(ctx)))
	e.must(s.IntersectionUpdate(ctx, of(2, 7, 8)))
	eq(e, "intersection_update", []int{2, 7})(sorted(s.Copy(ctx)))
	var all []int
	seq, end := s.All(ctx)
	for v := range seq {
		all = append(all, v)
	}
	e.must(end())
	slices.Sort(all)
	if !slices.Equal(all, []int{2, 7}) {
		e.Errorf("scan: %v", all)
	}
	e.must(s.Remove(ctx, 2))
	eq(e, "repr", "{7}")(s.Repr(ctx))
	eq(e, "pop", 7)(s.Pop(ctx))
	is(e, "pop of an empty set", errOf(s.Pop(ctx)), proxy.ErrKey)
	e.must(o.Clear(ctx))
	eq(e, "repr of an empty set", "set()")(o.Repr(ctx))
	is(e, "a list as element", errOf(proxy.Call[bool](ctx, s, "add", []int{1})), proxy.ErrType)
}

func namespaceMethods(e *env) {
	ctx := e.ctx
	n := must1[*proxy.Namespace](e)(proxy.NewNamespace(ctx, e.m, map[string]any{"limit": 3}))
	e.must(n.Set(ctx, "name", "x"))
	e.must(n.Set(ctx, "_hidden", 1))
	eq(e, "getattr", 3)(proxy.Attr[int](ctx, n, "limit"))
	eq(e, "getattr as any", any("x"))(n.Get(ctx, "name"))
	says(e, "getattr of what is not there", errOf(n.Get(ctx, "nope")), proxy.ErrAttribute, "nope")
	eq(e, "list", []string{"limit", "name"})(n.List(ctx))
	eq(e, "repr", "Namespace(limit=3, name='x')")(n.Repr(ctx))
	e.must(n.Delete(ctx, "limit"))
	is(e, "delattr of what is not there", n.Delete(ctx, "limit"), proxy.ErrAttribute)
}

func valueMethods(e *env) {
	ctx := e.ctx
	v := must1[*proxy.Value[int]](e)(proxy.NewValue(ctx, e.m, "b", 100))
	eq(e, "get", 100)(v.Get(ctx))
	eq(e, "add", 127)(v.Add(ctx, 27))
	is(e, "add out of range", errOf(v.Add(ctx, 1)), proxy.ErrOverflow)
	is(e, "set out of range", v.Set(ctx, -129), proxy.ErrOverflow)
	eq(e, "the value after it", 127)(v.Get(ctx))
	e.must(v.Set(ctx, -128))
	eq(e, "compare_and_swap, another", false)(v.CompareAndSwap(ctx, 1, 2))
	eq(e, "compare_and_swap", true)(v.CompareAndSwap(ctx, -128, 2))
	eq(e, "typecode", "b")(v.Typecode(ctx))
	eq(e, "repr", "Value('b', 2)")(v.Repr(ctx))
	is(e, "a value of the wrong type", errOf(proxy.Call[any](ctx, v, "set", "x")), proxy.ErrType)
	says(e, "an unknown typecode", errOf(proxy.NewValue(ctx, e.m, "z", 1)), proxy.ErrValue, "z")
	f := must1[*proxy.Value[float64]](e)(proxy.NewValue(ctx, e.m, "d", 0.5))
	eq(e, "add of floats", 0.75)(f.Add(ctx, 0.25))
}

func arrayMethods(e *env) {
	ctx := e.ctx
	p := func(n int) *int { return &n }
	a := must1[*proxy.Array[int16]](e)(proxy.NewArray(ctx, e.m, "h", []int16{1, 2, 3, 4}))
	eq(e, "getitem", int16(4))(a.Get(ctx, -1))
	is(e, "getitem out of range", errOf(a.Get(ctx, 4)), proxy.ErrIndex)
	e.must(a.Set(ctx, 0, -7))
	eq(e, "getslice", []int16{-7, 3})(a.GetSlice(ctx, proxy.Slice{Step: p(2)}))
	e.must(a.SetSlice(ctx, proxy.Slice{Start: p(2)}, []int16{30, 40}))
	is(e, "setslice of another length with a step", a.SetSlice(ctx, proxy.Slice{Step: p(2)}, []int16{1}), proxy.ErrValue)
	eq(e, "len", 4)(a.Len(ctx))
	eq(e, "copy", []int16{-7, 2, 30, 40})(a.Copy(ctx))
	eq(e, "tolist", []int{-7, 2, 30, 40})(proxy.Call[[]int](ctx, a, "tolist"))
	eq(e, "typecode", "h")(a.Typecode(ctx))
	eq(e, "repr", "array('h', [-7, 2, 30, 40])")(a.Repr(ctx))
	is(e, "setitem out of range", errOf(proxy.Call[any](ctx, a, "setitem", 0, 1<<15)), proxy.ErrOverflow)
	wide := must1[*proxy.Array[int]](e)(proxy.Attach[proxy.Array[int]](ctx, e.m, a.Token()))
	is(e, "setslice out of range", wide.SetSlice(ctx, proxy.Slice{Stop: p(2)}, []int{1, 1 << 20}), proxy.ErrOverflow)
	eq(e, "the array after it", []int16{-7, 2, 30, 40})(a.Copy(ctx))
	e.must(a.SetSlice(ctx, proxy.Slice{Start: p(1), Stop: p(3)}, []int16{9}))
	eq(e, "setslice of another length", []int16{-7, 9, 40})(a.Copy(ctx))
	big := make([]float64, 100_000)
	for i := range big {
		big[i] = float64(i) / 3
	}
	d := must1[*proxy.Array[float64]](e)(proxy.NewArray(ctx, e.m, "d", big))
	eq(e, "a large array", big)(d.Copy(ctx))
}

// commonMethods calls what every object has, on an object of each type.
func commonMethods(e *env) {
	ctx := e.ctx
	lock := must1[*proxy.Ref](e)(e.m.Create(ctx, "Lock"))
	for typeid, args := range map[string][]any{
		"dict": nil, "list": nil, "set": nil, "Namespace": nil, "Value": {"q", 1}, "Array": {"q", []int{1}}, "Event": nil,
		"Queue": nil, "JoinableQueue": nil, "LifoQueue": nil, "PriorityQueue": nil, "SimpleQueue": nil, "Lock": nil, "RLock": nil,
		"Semaphore": {2}, "BoundedSemaphore": {2}, "Condition": {lock}, "Barrier": {2},
	} {
		r := must1[*proxy.Ref](e)(e.m.Create(ctx, typeid, args...))
		text := must1[string](e)(r.Repr(ctx))
		if text == "" {
			e.Errorf("%s has no repr", typeid)
		}
		if _, err := proxy.ValueOf[any](ctx, r); err != nil && !errors.Is(err, proxy.ErrType) {
			e.Errorf("the value of a %s: %v", typeid, err)
		}
		methods := must1[[]proxy.MethodInfo](e)(r.Methods(ctx))
		info := must1[proxy.TypeInfo](e)(e.m.Describe(ctx, typeid))
		if len(methods) == 0 || !slices.Equal(methods, info.Methods) {
			e.Errorf("a %s has the methods %v, its type %v", typeid, methods, info.Methods)
		}
		says(e, "a method that is not exposed", errOf(proxy.Call[any](ctx, r, "__class__")), proxy.ErrNotExposed, "__class__", typeid)
		token := r.Token()
		other := must1[*proxy.Ref](e)(e.m2.Attach(ctx, token))
		eq(e, "repr by a token", text)(other.Repr(ctx))
		r.Drop()
		is(e, "a call after Release", errOf(r.Repr(ctx)), proxy.ErrDropped)
		eq(e, "repr while another client holds it", text)(other.Repr(ctx))
		other.Drop()
	}
}
