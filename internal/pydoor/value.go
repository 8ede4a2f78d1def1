package pydoor

import (
	"strings"

	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/pickle"
	"github.com/syncmanager/syncmanager/internal/wire"
)

var namespaceFamily = makeFamily(family{
	class: "NamespaceProxy",
	methods: table(
		"__getattribute__(name)", "getattr",
		"__setattr__(name, value)", nothing("setattr"),
		"__delattr__(name)", nothing("delattr"),
		// For a proxy that is no NamespaceProxy.
		"getattr(name)", "getattr",
		"setattr(name, value)", nothing("setattr"),
		"delattr(name)", nothing("delattr"),
		"list()", "list",
	),
	create: func(k *invocation, args []pickle.Node, kwds *pickle.Dict) ([]pickle.Node, error) {
		if len(args) > 0 {
			return nil, typeError("Namespace() takes 0 positional arguments but %d were given", len(args))
		}
		if kwds == nil || kwds.Len() == 0 {
			return nil, nil
		}
		k.iterates = true
		return []pickle.Node{kwds}, nil
	},
	getvalue: func(k *invocation) reply {
		attrs, err := k.call("value")
		if err != nil {
			return raised(err)
		}
		return emitted(func(e *encoder) { e.instance("Namespace", func() { e.value(attrs) }) })
	},
})

// instance writes an instance of one of Python's manager classes, whose
// attributes a function writes as a dict.
func (e *encoder) instance(class string, attributes func()) {
	e.w.Global(managersModule, class)
	e.w.OpenTuple(0)
	e.w.CloseTuple(0)
	e.w.NewObj()
	attributes()
	e.w.Build()
}

var valueFamily = makeFamily(family{
	class: "ValueProxy",
	repr:  valueRepr,
	methods: table(
		"get()", "get",
		"set(value)", nothing("set"),
		// What Python lacks.
		"add(delta: number)", "add",
		"compare_and_swap(old, new)", "compare_and_swap",
	),
	create: func(_ *invocation, args []pickle.Node, kwds *pickle.Dict) ([]pickle.Node, error) {
		a, err := bind("Value", params("typecode, value, lock=True"), args, kwds)
		if err != nil {
			return nil, err
		}
		return a[:2], nil
	},
	getvalue: func(k *invocation) reply {
		code, err := k.call("typecode")
		if err != nil {
			return raised(err)
		}
		v, err := k.call("get")
		if err != nil {
			return raised(err)
		}
		return emitted(func(e *encoder) {
			e.instance("Value", func() {
				e.w.OpenDict()
				e.w.Str("_typecode")
				e.value(code)
				e.w.Str("_value")
				e.value(v)
				e.w.CloseDict()
			})
		})
	},
})

// valueRepr prints a Value as Python does, whose typecode may be a class, as in
// Value(str, ”). The engine cannot read classes.
func valueRepr(k *invocation) reply {
	code, err := k.call("typecode")
	if err != nil {
		return raised(err)
	}
	class, ok := classOf(code)
	if !ok {
		return k.result(k.call("repr"))
	}
	v, err := k.call("get")
	if err != nil {
		return raised(err)
	}
	text := append([]byte("Value("), class...)
	text = append(text, ", "...)
	text = wire.AppendRepr(text, v.Bytes(), engine.AppendProxyName)
	return returned(pickle.NewStr(string(append(text, ')'))))
}

// classOf returns what Python's repr prints for a value that is a class.
func classOf(v wire.Raw) (string, bool) {
	any, err := wire.Decode(v.Bytes())
	if err != nil {
		return "", false
	}
	o, ok := any.(wire.Opaque)
	if !ok || o.Lang != language {
		return "", false
	}
	node, err := pickle.Decode(o.Data, pickle.Limits{Nodes: 16})
	if err != nil {
		return "", false
	}
	g, ok := node.(*pickle.Global)
	if !ok {
		return "", false
	}
	name := g.Name
	if g.Module != "builtins" {
		name = g.Module + "." + name
	}
	return "<class '" + name + "'>", true
}

var arrayFamily = makeFamily(family{
	class: "ArrayProxy",
	methods: table(
		"__len__()", "len",
		"__getitem__(index: int)", sliced("getitem", "getslice"),
		"__setitem__(index: int, value)", arraySetItem,
		"tolist()", "tolist",
	),
	create: func(k *invocation, args []pickle.Node, kwds *pickle.Dict) ([]pickle.Node, error) {
		a, err := bind("Array", params("typecode, sequence, lock=True"), args, kwds)
		if err != nil {
			return nil, err
		}
		if a[1], err = k.iterable(a[1]); err == nil && !text(a[0]) {
			a[1] = numbers(a[1])
		}
		return a[:2], err
	},
})

// text reports whether a typecode is one of text.
func text(code pickle.Node) bool { return textOf(code) == "u" || textOf(code) == "w" }

func arraySetItem(k *invocation, args []pickle.Node) reply {
	if v, ok := numberOf(args[1]); ok {
		args[1] = v
	}
	if start, stop, step, ok := pickle.AsSlice(args[0]); ok {
		return k.result(k.call("setslice", start, stop, step, args[1]))
	}
	return k.result(k.call("setitem", args...))
}

// iteratorFamily is that of iterators that live in the engine: the results of
// methods of types registered in Go.
var iteratorFamily = makeFamily(family{
	class: "IteratorProxy",
	methods: table(
		"__next__()", "next",
		"close()", "close",
	),
	create: func(*invocation, []pickle.Node, *pickle.Dict) ([]pickle.Node, error) {
		return nil, typeError("an Iterator comes from the methods of other objects")
	},
})

// customFamily is that of a type registered in Go.
func customFamily(names []string) *family {
	f := family{methods: make(map[string]method, len(names)), exposed: names}
	for _, name := range names {
		f.methods[name] = method{params: signature{rest: true}, run: custom(name)}
	}
	if f.exposed == nil {
		f.exposed = []string{}
	}
	f.create = func(k *invocation, args []pickle.Node, kwds *pickle.Dict) ([]pickle.Node, error) {
		return args, noKwds(k.method, kwds)
	}
	return makeFamily(f)
}

// custom passes a call on that runs for as long as it takes.
func custom(name string) func(k *invocation, args []pickle.Node) reply {
	return func(k *invocation, args []pickle.Node) reply { return k.result(k.wait(name, forever, args...)) }
}

var setFamily = makeFamily(family{
	class: "SetProxy",
	methods: table(
		"__contains__(value)", "contains",
		"__len__()", "len",
		"__iter__()", setIter,
		"__and__(other)", setOperator("intersection", "&"),
		"__rand__(other)", setOperator("intersection", "&"),
		"__or__(other)", setOperator("union", "|"),
		"__ror__(other)", setOperator("union", "|"),
		"__xor__(other)", setOperator("symmetric_difference", "^"),
		"__rxor__(other)", setOperator("symmetric_difference", "^"),
		"__sub__(other)", setOperator("difference", "-"),
		"__rsub__(other)", setRsub,
		"__iand__(other)", setInPlace("intersection_update", "&="),
		"__ior__(other)", setInPlace("update", "|="),
		"__ixor__(other)", setInPlace("symmetric_difference_update", "^="),
		"__isub__(other)", setInPlace("difference_update", "-="),
		"__le__(other)", setCompare("issubset", "<="),
		"__ge__(other)", setCompare("issuperset", ">="),
		"__lt__(other)", setProper("issubset", "<"),
		"__gt__(other)", setProper("issuperset", ">"),
		"__eq__(other)", "equal",
		"add(value)", nothing("add"),
		"discard(value)", nothing("discard"),
		"remove(value)", nothing("remove"),
		"pop()", "pop",
		"clear()", "clear",
		"copy()", "copy",
		"union(*others)", setMethod("union"),
		"intersection(*others)", setMethod("intersection"),
		"difference(*others)", setMethod("difference"),
		"symmetric_difference(other)", setMethod("symmetric_difference"),
		"update(*others)", setMethod("update"),
		"intersection_update(*others)", setMethod("intersection_update"),
		"difference_update(*others)", setMethod("difference_update"),
		"symmetric_difference_update(other)", setMethod("symmetric_difference_update"),
		"isdisjoint(other)", setMethod("isdisjoint"),
		"issubset(other)", setMethod("issubset"),
		"issuperset(other)", setMethod("issuperset"),
	),
	create: func(k *invocation, args []pickle.Node, kwds *pickle.Dict) ([]pickle.Node, error) {
		if err := noKwds("set", kwds); err != nil {
			return nil, err
		}
		if len(args) > 1 {
			return nil, typeError("set expected at most 1 argument, got %d", len(args))
		}
		return unfold(k, args)
	},
})

// setMethod passes a call with iterables on.
func setMethod(name string) func(k *invocation, args []pickle.Node) reply {
	return func(k *invocation, args []pickle.Node) reply {
		all, err := unfold(k, args)
		if err != nil {
			return raised(err)
		}
		v, err := k.call(name, all...)
		if strings.HasSuffix(name, "update") {
			return k.done(v, err)
		}
		return k.result(v, err)
	}
}

// isSet refuses what the operators do not take.
func isSet(n pickle.Node, operator string) error {
	switch n.(type) {
	case *pickle.Set, *pickle.FrozenSet:
		return nil
	}
	if p, ok := pickle.AsProxy(n); ok && p.Token.TypeID == "set" {
		return nil
	}
	return typeError("unsupported operand type(s) for %s: 'set' and '%s'", operator, typeName(n))
}

func setOperator(name, operator string) func(k *invocation, args []pickle.Node) reply {
	return func(k *invocation, args []pickle.Node) reply {
		if err := isSet(args[0], operator); err != nil {
			return raised(err)
		}
		return k.result(k.call(name, args...))
	}
}

func setInPlace(name, operator string) func(k *invocation, args []pickle.Node) reply {
	return func(k *invocation, args []pickle.Node) reply {
		if err := isSet(args[0], operator); err != nil {
			return raised(err)
		}
		return k.done(k.call(name, args...))
	}
}

func setCompare(name, operator string) func(k *invocation, args []pickle.Node) reply {
	return func(k *invocation, args []pickle.Node) reply {
		if err := isSet(args[0], operator); err != nil {
			return raised(typeError("'%s' not supported between instances of 'set' and '%s'", operator, typeName(args[0])))
		}
		return k.result(k.call(name, args...))
	}
}

// setProper is a comparison that equal sets fail.
func setProper(name, operator string) func(k *invocation, args []pickle.Node) reply {
	return func(k *invocation, args []pickle.Node) reply {
		if err := isSet(args[0], operator); err != nil {
			return raised(typeError("'%s' not supported between instances of 'set' and '%s'", operator, typeName(args[0])))
		}
		same, err := k.call("equal", args...)
		if err != nil {
			return raised(err)
		}
		if wire.Truth(same.Bytes()) {
			return returned(pickle.Bool(false))
		}
		return k.result(k.call(name, args...))
	}
}

// setRsub is other - s.
func setRsub(k *invocation, args []pickle.Node) reply {
	if err := isSet(args[0], "-"); err != nil {
		return raised(err)
	}
	// The engine has no reversed difference. The client has other, so it is
	// told to take away what both have:
	//	other.difference(both)
	both, err := k.call("intersection", args...)
	if err != nil {
		return raised(err)
	}
	return emitted(func(e *encoder) {
		e.call("builtins", "getattr", func() { e.w.Node(args[0]) }, func() { e.w.Str("difference") })
		e.w.OpenTuple(1)
		e.value(both)
		e.w.CloseTuple(1)
		e.w.Reduce()
	})
}
