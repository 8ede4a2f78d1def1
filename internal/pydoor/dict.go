package pydoor

import (
	"slices"

	"github.com/syncmanager/syncmanager/internal/pickle"
	"github.com/syncmanager/syncmanager/internal/wire"
)

var dictFamily = makeFamily(family{
	class: "DictProxy",
	methods: table(
		"__contains__(key)", "contains",
		"__delitem__(key)", "delete",
		"__getitem__(key)", "getitem",
		"__setitem__(key, value)", "set",
		"__len__()", "len",
		"__iter__()", dictIter,
		"__reversed__()", dictReversed,
		"__or__(other)", dictOr,
		"__ror__(other)", dictRor,
		"__ior__(other)", dictUpdate1,
		"get(key, default=None)", "get",
		"setdefault(key, default=None)", "setdefault",
		"popitem()", "popitem",
		"keys()", "keys",
		"values()", "values",
		"items()", "items",
		"clear()", "clear",
		"copy()", "copy",
		"fromkeys(iterable, value=None)", dictFromKeys,
		// What Python lacks.
		"swap(key, value)", "swap",
		"compare_and_swap(key, old, new, absent=False)", "compare_and_swap",
		"compare_and_delete(key, old)", "compare_and_delete",
	),
	create: func(k *invocation, args []pickle.Node, kwds *pickle.Dict) ([]pickle.Node, error) {
		if len(args) > 1 {
			return nil, typeError("dict expected at most 1 argument, got %d", len(args))
		}
		return dictArgs(k, args, kwds)
	},
})

func init() {
	// pop's default counts when it is given, be it None.
	dictFamily.methods["pop"] = method{params: signature{names: []string{"key", "default"}, required: 1}, run: plain("pop")}
	dictFamily.methods["add"] = method{params: params("key, delta: number, default: number=0"), run: plain("add")}
	dictFamily.methods["update"] = method{run: dictUpdate, raw: true}
	dictFamily.exposed = dictFamily.names()
}

// dictArgs makes one argument of the positional one and the keywords.
func dictArgs(k *invocation, args []pickle.Node, kwds *pickle.Dict) ([]pickle.Node, error) {
	k.iterates = true
	hasKwds := kwds != nil && kwds.Len() > 0
	if len(args) == 0 {
		if hasKwds {
			return []pickle.Node{kwds}, nil
		}
		return nil, nil
	}
	first, err := k.iterable(args[0])
	if err != nil {
		return nil, err
	}
	first = pairwise(first)
	if !hasKwds {
		return []pickle.Node{first}, nil
	}
	if d, ok := first.(*pickle.Dict); ok {
		return []pickle.Node{pickle.NewDict(append(append([]pickle.Node(nil), d.Items...), kwds.Items...)...)}, nil
	}
	walk, ok := containerEach(first)
	if !ok {
		k.then = kwds // a proxy: the engine knows what is in it
		return []pickle.Node{first}, nil
	}
	return []pickle.Node{&sequence{each: func(yield func(pickle.Node) error) error {
		if err := walk(yield); err != nil {
			return err
		}
		for _, pair := range pairsOf(kwds) {
			if err := yield(pair); err != nil {
				return err
			}
		}
		return nil
	}}}, nil
}

// pairwise makes pairs of the named tuples and the like in an iterable of pairs.
func pairwise(n pickle.Node) pickle.Node {
	items, ok := itemsOf(n)
	if !ok || !slices.ContainsFunc(items, func(n pickle.Node) bool { _, ok := n.(*pickle.Object); return ok }) {
		return n
	}
	return &sequence{each: func(yield func(pickle.Node) error) error {
		for _, n := range items {
			if o, ok := n.(*pickle.Object); ok {
				if plain := containerOf(o); plain != nil {
					n = plain
				}
			}
			if err := yield(n); err != nil {
				return err
			}
		}
		return nil
	}}
}

func pairsOf(d *pickle.Dict) []pickle.Node {
	pairs := make([]pickle.Node, 0, d.Len())
	for key, v := range d.All() {
		pairs = append(pairs, pickle.NewTuple(key, v))
	}
	return pairs
}

func dictUpdate(k *invocation, args []pickle.Node) reply {
	if len(args) > 1 {
		return raised(typeError("update expected at most 1 argument, got %d", len(args)))
	}
	all, err := dictArgs(k, args, k.kwds)
	if err != nil {
		return raised(err)
	}
	if len(all) == 0 {
		return returned(pickle.None{})
	}
	v, err := k.call("update", all...)
	if err == nil && k.then != nil {
		v, err = k.call("update", k.then)
	}
	return k.done(v, err)
}

func dictUpdate1(k *invocation, args []pickle.Node) reply {
	other, err := k.iterable(args[0])
	if err != nil {
		return raised(err)
	}
	return k.done(k.call("update", other))
}

// isMapping refuses what | does not take.
func isMapping(n pickle.Node, left, right string) error {
	switch n.(type) {
	case *pickle.Dict:
		return nil
	}
	if p, ok := pickle.AsProxy(n); ok && p.Token.TypeID == "dict" {
		return nil
	}
	return typeError("unsupported operand type(s) for |: '%s' and '%s'", left, right)
}

func dictOr(k *invocation, args []pickle.Node) reply {
	other, err := k.iterable(args[0])
	if err == nil {
		err = isMapping(other, "dict", typeName(args[0]))
	}
	if err != nil {
		return raised(err)
	}
	return k.result(k.call("merge", other))
}

// dictRor is other | d: the entries of other come first, those of d win.
func dictRor(k *invocation, args []pickle.Node) reply {
	other, err := k.iterable(args[0])
	if err == nil {
		err = isMapping(other, typeName(args[0]), "dict")
	}
	if err != nil {
		return raised(err)
	}
	d, ok := other.(*pickle.Dict)
	if !ok {
		return raised(typeError("unsupported operand type(s) for |: '%s' and 'dict'", typeName(args[0])))
	}
	w := k.writer()
	if err := w.value(d); err != nil {
		return raised(err)
	}
	left := wire.Raw(w.b)
	right, err := k.call("value")
	if err != nil {
		return raised(err)
	}
	// Python sets the pairs one after the other: a key that comes twice keeps
	// its place and takes the last value.
	return emitted(func(e *encoder) {
		e.w.OpenDict()
		e.pairsOf(left)
		e.pairsOf(right)
		e.w.CloseDict()
	})
}

// pairsOf writes the pairs of a dict.
func (e *encoder) pairsOf(v wire.Raw) {
	b := v.Bytes()
	switch {
	case len(b) > 0 && b[0]&0xf0 == 0x80:
		e.pairs(b[1:], int(b[0]&0x0f), 0)
	case len(b) > 0 && (b[0] == 0xde || b[0] == 0xdf):
		n, p := e.size(b[1:], 2<<(b[0]-0xde))
		e.pairs(p, n, 0)
	default:
		e.fail("a dict was expected")
	}
}

// dictReversed answers an iterator over a copy of the keys, as Python does when
// it pickles one.
func dictReversed(k *invocation, _ []pickle.Node) reply {
	keys, err := k.call("keys")
	if err != nil {
		return raised(err)
	}
	return emitted(func(e *encoder) {
		e.call("builtins", "reversed", func() { e.value(keys) })
	})
}

func dictFromKeys(k *invocation, args []pickle.Node) reply {
	keys, err := k.iterable(args[0])
	if err != nil {
		return raised(err)
	}
	value := args[1]
	if value == nil {
		value = pickle.None{}
	}
	walk, ok := containerEach(keys)
	if !ok {
		return raised(typeError("'%s' object is not iterable", typeName(keys)))
	}
	items, err := collect(walk)
	if err != nil {
		return raised(err)
	}
	pairs := make([]pickle.Node, 0, 2*len(items))
	for _, key := range items {
		pairs = append(pairs, key, value)
	}
	return returned(pickle.NewDict(pairs...))
}
