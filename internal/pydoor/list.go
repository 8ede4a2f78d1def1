package pydoor

import (
	"github.com/syncmanager/syncmanager/internal/pickle"
)

var listFamily = makeFamily(family{
	class: "ListProxy",
	methods: table(
		"__contains__(value)", "contains",
		"__getitem__(index: int)", sliced("getitem", "getslice"),
		"__setitem__(index: int, value)", listSetItem,
		"__delitem__(index: int)", sliced("delitem", "delslice"),
		"__len__()", "len",
		"__add__(other)", "concat",
		"__iadd__(other)", listExtend,
		"__mul__(n: int)", "repeat",
		"__rmul__(n: int)", "repeat",
		"__imul__(n: int)", nothing("imul"),
		"__reversed__()", listReversed,
		"append(value)", "append",
		"extend(iterable)", listExtend,
		"insert(index: ssize, value)", "insert",
		"pop(index: ssize=-1)", "pop",
		"remove(value)", "remove",
		"index(value, start: int=0, stop: int=None)", "index",
		"count(value)", "count",
		"reverse()", "reverse",
		"sort(*, key=None, reverse=False)", listSort,
		"clear()", "clear",
		"copy()", "copy",
	),
	create: func(k *invocation, args []pickle.Node, kwds *pickle.Dict) ([]pickle.Node, error) {
		if err := noKwds("list", kwds); err != nil {
			return nil, err
		}
		if len(args) > 1 {
			return nil, typeError("list expected at most 1 argument, got %d", len(args))
		}
		return unfold(k, args)
	},
})

// unfold makes iterables of what the engine cannot iterate over.
func unfold(k *invocation, args []pickle.Node) ([]pickle.Node, error) {
	out := make([]pickle.Node, len(args))
	for i, a := range args {
		var err error
		if out[i], err = k.iterable(a); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// sliced calls one of two methods, by whether the index is a slice.
func sliced(item, slice string) func(k *invocation, args []pickle.Node) reply {
	return func(k *invocation, args []pickle.Node) reply {
		if start, stop, step, ok := pickle.AsSlice(args[0]); ok {
			return k.result(k.call(slice, start, stop, step))
		}
		return k.result(k.call(item, args...))
	}
}

func listSetItem(k *invocation, args []pickle.Node) reply {
	start, stop, step, ok := pickle.AsSlice(args[0])
	if !ok {
		return k.result(k.call("setitem", args...))
	}
	v, err := k.iterable(args[1])
	if err != nil {
		return raised(err)
	}
	return k.result(k.call("setslice", start, stop, step, v))
}

func listExtend(k *invocation, args []pickle.Node) reply {
	v, err := k.iterable(args[0])
	if err != nil {
		return raised(err)
	}
	return k.done(k.call("extend", v))
}

func listSort(k *invocation, args []pickle.Node) reply {
	if !isNone(args[0]) {
		return raised(typeError("sort(key=...) needs Python code in the server, which runs none: sort a copy, and assign it to [:]"))
	}
	return k.done(k.call("sort", pickle.Bool(truth(args[1], false))))
}

// listReversed answers an iterator over a copy, as Python does when it pickles
// one.
func listReversed(k *invocation, _ []pickle.Node) reply {
	all, err := k.call("value")
	if err != nil {
		return raised(err)
	}
	return emitted(func(e *encoder) {
		e.call("builtins", "reversed", func() { e.value(all) })
	})
}
