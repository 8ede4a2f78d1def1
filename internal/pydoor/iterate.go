package pydoor

import (
	"errors"
	"math/big"
	"strconv"
	"strings"

	"github.com/syncmanager/syncmanager/internal/pickle"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// each calls yield for every value that Python iterates over, until an error.
type each func(yield func(pickle.Node) error) error

// sequence is an iterable argument whose values are made one by one while they are
// written: a range of millions costs nothing before roles and bounds are checked.
type sequence struct {
	pickle.None // it is a Node
	each        each
}

// errStopEach ends an iteration early.
var errStopEach = errors.New("enough")

// iterable prepares an argument that Python iterates over.
func (k *invocation) iterable(n pickle.Node) (pickle.Node, error) {
	k.iterates = true
	return iterable(n)
}

// iterable unfolds what Python iterates over and the engine does not: ranges,
// views, iterators, what zip, map, enumerate, reversed, filter and itertools make,
// and instances of classes derived from the containers. The pickle of each says
// what it goes over, and the rest needs no code of the program's. What needs such
// code is refused. Anything else is returned as it is.
func iterable(n pickle.Node) (pickle.Node, error) {
	o, ok := n.(*pickle.Object)
	if !ok || pickle.FormOf(o) == pickle.FormProxy {
		return n, nil
	}
	if plain := containerOf(o); plain != nil {
		return plain, nil
	}
	if (&inward{depth: 2}).plain(o) {
		return n, nil
	}
	walk, err := iteratorOf(o, 0)
	if err != nil {
		return nil, err
	}
	return &sequence{each: walk}, nil
}

// containerOf returns the container that an instance of a class derived from one,
// or of one of Python's own, has the contents of; nil if it is no such instance.
func containerOf(o *pickle.Object) pickle.Node {
	var data pickle.Node
	if state, ok := o.State().(*pickle.Dict); ok {
		data = state.Get("data")
	}
	switch knownAs(o) {
	case "collections.Counter":
		if len(o.Args.Items) == 1 {
			return o.Args.Items[0]
		}
	case "collections.UserDict", "collections.UserList", "collections.UserString":
		return data
	case "collections.ChainMap":
		if state, ok := o.State().(*pickle.Dict); ok {
			return chained(state.Get("maps"))
		}
	case "builtins.list", "builtins.tuple":
		if len(o.Args.Items) == 1 && o.Op == pickle.OpReduce {
			return o.Args.Items[0]
		}
	}
	if plain := standsFor(o); plain != nil {
		return plain
	}
	items, pairs := stepItems(o, pickle.StepAppend), stepItems(o, pickle.StepSetItems)
	g, _ := o.Callable.(*pickle.Global)
	switch {
	case pairs != nil:
		return pickle.NewDict(pairs...)
	case items != nil:
		return pickle.NewList(items...)
	case g == nil || g.Module != "collections":
	case g.Name == "OrderedDict", g.Name == "defaultdict":
		return pickle.NewDict()
	case g.Name == "deque":
		return pickle.NewList()
	}
	return nil
}

// chained merges the dicts of a ChainMap: the first that has a key wins.
func chained(maps pickle.Node) pickle.Node {
	list, ok := maps.(*pickle.List)
	if !ok {
		return nil
	}
	var pairs []pickle.Node
	ids, places := newIdentifier(), make(map[string]int)
	for i := len(list.Items) - 1; i >= 0; i-- {
		d, ok := list.Items[i].(*pickle.Dict)
		if !ok {
			return nil
		}
		for key, v := range d.All() {
			id := string(ids.of(key))
			if at, again := places[id]; again {
				pairs[at+1] = v
				continue
			}
			places[id] = len(pairs)
			pairs = append(pairs, key, v)
		}
	}
	return pickle.NewDict(pairs...)
}

// maxIterators bounds iterators that go over each other.
const maxIterators = 100

// iteratorOf returns what goes over a value.
func iteratorOf(n pickle.Node, depth int) (each, error) {
	if depth > maxIterators {
		return nil, valueError("iterators that go over each other more than %d times", maxIterators)
	}
	if walk, ok := containerEach(n); ok {
		return walk, nil
	}
	o, ok := n.(*pickle.Object)
	if !ok {
		return nil, typeError("'%s' object is not iterable", typeName(n))
	}
	if plain := containerOf(o); plain != nil {
		return iteratorOf(plain, depth+1)
	}
	if start, stop, step, ok := pickle.AsRange(o); ok {
		return rangeEach(start, stop, step)
	}
	if a, ok := pickle.AsArray(o); ok {
		return arrayEach(a), nil
	}
	if walk, ok := numpyEach(o); ok {
		return walk, nil
	}
	args := o.Args.Items
	state := o.State()
	inner := func(n pickle.Node) (each, error) { return iteratorOf(n, depth+1) }
	name := knownAs(o)
	switch {
	case name == "builtins.iter" && len(args) == 1:
		walk, err := inner(args[0])
		from, _ := state.(pickle.Int)
		return skipped(walk, int64(from)), err
	case strings.HasSuffix(name, "._deque_iterator") && len(args) == 2:
		walk, err := inner(args[0])
		from, _ := args[1].(pickle.Int)
		return skipped(walk, int64(from)), err
	case name == "builtins.reversed" && len(args) == 1:
		return reversedEach(args[0], state)
	case name == "builtins.enumerate" && len(args) == 2:
		walk, err := inner(args[0])
		return enumerated(walk, bigOf(args[1])), err
	case name == "builtins.zip", name == "itertools.zip_longest":
		return zipped(args, state, name == "builtins.zip", depth)
	case name == "builtins.map" && len(args) == 2:
		f, err := functionOf(args[0])
		if err != nil {
			return nil, err
		}
		walk, err := inner(args[1])
		return func(yield func(pickle.Node) error) error {
			return walk(func(n pickle.Node) error {
				v, err := f(n)
				if err != nil {
					return err
				}
				return yield(v)
			})
		}, err
	case (name == "builtins.filter" || name == "itertools.filterfalse") && len(args) == 2:
		if g, ok := args[0].(*pickle.Global); !isNone(args[0]) && !(ok && *g == pickle.Global{Module: "builtins", Name: "bool"}) {
			return nil, needsCode("filter() by", args[0])
		}
		walk, err := inner(args[1])
		return filtered(walk, name == "builtins.filter"), err
	case name == "itertools.chain":
		return chainEach(args, state, depth)
	case name == "itertools.islice":
		return sliceEach(args, state, depth)
	case name == "itertools.repeat" && len(args) == 2:
		times := bigOf(args[1])
		return func(yield func(pickle.Node) error) error {
			for i := int64(0); big.NewInt(i).Cmp(times) < 0; i++ {
				if err := yield(args[0]); err != nil {
					return err
				}
			}
			return nil
		}, nil
	case name == "itertools.repeat", name == "itertools.count", name == "itertools.cycle":
		return nil, valueError("%s() never ends: pass itertools.islice(..., n) of it", name)
	}
	return nil, needsCode("iterating over", o)
}

// needsCode is the error for what only Python can do.
func needsCode(what string, n pickle.Node) error {
	name := className(n)
	if g, ok := n.(*pickle.Global); ok {
		name = g.Module + "." + g.Name
	}
	return typeError("%s '%s' needs Python code in the server, which runs none: pass list(...) of it", what, clipped(name))
}

// containerEach goes over a plain container.
func containerEach(n pickle.Node) (each, bool) {
	if items, ok := itemsOf(n); ok {
		return func(yield func(pickle.Node) error) error {
			for _, n := range items {
				if err := yield(n); err != nil {
					return err
				}
			}
			return nil
		}, true
	}
	raw := ""
	switch n := n.(type) {
	case *pickle.Dict:
		return func(yield func(pickle.Node) error) error {
			for key := range n.All() {
				if err := yield(key); err != nil {
					return err
				}
			}
			return nil
		}, true
	case *pickle.Str:
		return func(yield func(pickle.Node) error) error {
			for s := n.S; s != ""; {
				size := charSize(s)
				if err := yield(pickle.NewStr(s[:size])); err != nil {
					return err
				}
				s = s[size:]
			}
			return nil
		}, true
	case *sequence:
		return n.each, true
	case *pickle.Bytes:
		raw = n.B
	case *pickle.ByteArray:
		raw = n.B
	default:
		return nil, false
	}
	return func(yield func(pickle.Node) error) error {
		for i := range len(raw) {
			if err := yield(pickle.Int(raw[i])); err != nil {
				return err
			}
		}
		return nil
	}, true
}

// charSize returns the bytes of the first character of a str, a surrogate's too.
func charSize(s string) int {
	switch c := s[0]; {
	case c < 0x80:
		return 1
	case c < 0xe0:
		return min(2, len(s))
	case c < 0xf0:
		return min(3, len(s))
	}
	return min(4, len(s))
}

// itemsOf returns the items of a list, tuple or set.
func itemsOf(n pickle.Node) ([]pickle.Node, bool) {
	switch n := n.(type) {
	case *pickle.List:
		return n.Items, true
	case *pickle.Tuple:
		return n.Items, true
	case *pickle.Set:
		return n.Items, true
	case *pickle.FrozenSet:
		return n.Items, true
	}
	return nil, false
}

func rangeEach(start, stop, step pickle.Node) (each, error) {
	a, b, s := bigOf(start), bigOf(stop), bigOf(step)
	if s.Sign() == 0 {
		return nil, valueError("range() arg 3 must not be zero")
	}
	return func(yield func(pickle.Node) error) error {
		for at := new(big.Int).Set(a); at.Cmp(b) == -s.Sign(); at.Add(at, s) {
			if err := yield(pickle.NewBigInt(at)); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// arrayEach goes over an array.array.
func arrayEach(a pickle.Array) each {
	return func(yield func(pickle.Node) error) error {
		array := wire.TypedArray{Code: a.Typecode, Data: []byte(a.Data)}
		for i := range array.Len() {
			var n pickle.Node
			switch v := array.At(i).(type) {
			case int64:
				n = pickle.Int(v)
			case uint64:
				n = pickle.NewUint(v)
			case float64:
				n = pickle.Float(v)
			case string:
				n = pickle.NewStr(v)
			}
			if err := yield(n); err != nil {
				return err
			}
		}
		return nil
	}
}

// numpyEach goes over a numpy array of one dimension. Its elements are numpy's
// scalars, as they are in Python.
func numpyEach(o *pickle.Object) (each, bool) {
	var kind, raw pickle.Node
	var shape *pickle.Tuple
	module := ""
	switch name := knownAs(o); {
	case strings.HasSuffix(name, ".multiarray._reconstruct"):
		// _reconstruct(ndarray, (0,), b'b') with (1, shape, dtype, fortran, data)
		state, ok := o.State().(*pickle.Tuple)
		if !ok || len(state.Items) != 5 {
			return nil, false
		}
		module = strings.TrimSuffix(name, "._reconstruct")
		shape, _ = state.Items[1].(*pickle.Tuple)
		kind, raw = state.Items[2], state.Items[4]
	case strings.HasSuffix(name, ".numeric._frombuffer"):
		// _frombuffer(data, dtype, shape, order)
		if len(o.Args.Items) != 4 {
			return nil, false
		}
		module = strings.TrimSuffix(name, ".numeric._frombuffer") + ".multiarray"
		raw, kind = o.Args.Items[0], o.Args.Items[1]
		shape, _ = o.Args.Items[2].(*pickle.Tuple)
	}
	if !strings.HasPrefix(module, "numpy.") || shape == nil || len(shape.Items) != 1 {
		return nil, false
	}
	data := ""
	switch b := raw.(type) {
	case *pickle.Bytes:
		data = b.B
	case *pickle.ByteArray:
		data = b.B
	}
	t, ok := numpyType(kind)
	n, isInt := shape.Items[0].(pickle.Int)
	if !ok || !isInt || n < 0 || int64(n) != int64(len(data)/t.size) || len(data)%t.size != 0 {
		return nil, false
	}
	return func(yield func(pickle.Node) error) error {
		for i := 0; i < len(data); i += t.size {
			if err := yield(pickle.NewCall(module, "scalar", kind, &pickle.Bytes{B: data[i : i+t.size]})); err != nil {
				return err
			}
		}
		return nil
	}, true
}

// skipped leaves out the first n values.
func skipped(walk each, n int64) each {
	return func(yield func(pickle.Node) error) error {
		left := n
		return walk(func(v pickle.Node) error {
			if left > 0 {
				left--
				return nil
			}
			return yield(v)
		})
	}
}

// reversedEach goes over a sequence from its end, or from the place in the state.
func reversedEach(n, state pickle.Node) (each, error) {
	walk, err := iteratorOf(n, 1)
	if err != nil {
		return nil, err
	}
	return func(yield func(pickle.Node) error) error {
		items, err := collect(walk)
		if err != nil {
			return err
		}
		from := len(items) - 1
		if at, ok := state.(pickle.Int); ok {
			from = min(from, int(at))
		}
		for ; from >= 0; from-- {
			if err := yield(items[from]); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// collect makes a list of what is gone over.
func collect(walk each) ([]pickle.Node, error) {
	var items []pickle.Node
	err := walk(func(n pickle.Node) error {
		if len(items) == maxCollected {
			return valueError("an iterable of more than %d values at this place; pass a list", maxCollected)
		}
		items = append(items, n)
		return nil
	})
	return items, err
}

// maxCollected bounds what must be in memory at once to be gone over.
const maxCollected = 1 << 24

func enumerated(walk each, at *big.Int) each {
	return func(yield func(pickle.Node) error) error {
		i, one := new(big.Int).Set(at), big.NewInt(1)
		return walk(func(n pickle.Node) error {
			number := pickle.NewBigInt(i)
			i.Add(i, one)
			return yield(pickle.NewTuple(number, n))
		})
	}
}

// zipped goes over several iterables side by side, until the shortest ends, or the
// longest: then what is missing is the state, or None.
func zipped(args []pickle.Node, fill pickle.Node, shortest bool, depth int) (each, error) {
	walks := make([]each, len(args))
	for i, a := range args {
		var err error
		if walks[i], err = iteratorOf(a, depth+1); err != nil {
			return nil, err
		}
	}
	if fill == nil {
		fill = pickle.None{}
	}
	return func(yield func(pickle.Node) error) error {
		columns := make([][]pickle.Node, len(walks))
		rows := -1
		for i, walk := range walks {
			var err error
			if i == len(walks)-1 && shortest && i > 0 {
				// The last need not be longer than the others.
				columns[i], err = collectSome(walk, rows)
			} else {
				columns[i], err = collect(walk)
			}
			if err != nil {
				return err
			}
			if n := len(columns[i]); rows < 0 || shortest && n < rows || !shortest && n > rows {
				rows = n
			}
		}
		for r := range max(rows, 0) {
			row := make([]pickle.Node, len(columns))
			for i, c := range columns {
				row[i] = fill
				if r < len(c) {
					row[i] = c[r]
				}
			}
			if err := yield(pickle.NewTuple(row...)); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// collectSome makes a list of the first n values.
func collectSome(walk each, n int) ([]pickle.Node, error) {
	var items []pickle.Node
	err := walk(func(v pickle.Node) error {
		if len(items) >= n {
			return errStopEach
		}
		items = append(items, v)
		return nil
	})
	if errors.Is(err, errStopEach) {
		err = nil
	}
	return items, err
}

func filtered(walk each, keep bool) each {
	return func(yield func(pickle.Node) error) error {
		return walk(func(n pickle.Node) error {
			if truth(n, false) != keep {
				return nil
			}
			return yield(n)
		})
	}
}

// chainEach goes over a chain(): chain() with the state (iterables[, current]).
func chainEach(args []pickle.Node, state pickle.Node, depth int) (each, error) {
	t, ok := state.(*pickle.Tuple)
	if !ok || len(args) > 0 || len(t.Items) == 0 || len(t.Items) > 2 {
		return func(func(pickle.Node) error) error { return nil }, nil // it is over
	}
	var first each
	var err error
	if len(t.Items) == 2 {
		if first, err = iteratorOf(t.Items[1], depth+1); err != nil {
			return nil, err
		}
	}
	rest, err := iteratorOf(t.Items[0], depth+1)
	if err != nil {
		return nil, err
	}
	return func(yield func(pickle.Node) error) error {
		if first != nil {
			if err := first(yield); err != nil {
				return err
			}
		}
		return rest(func(n pickle.Node) error {
			walk, err := iteratorOf(n, depth+1)
			if err != nil {
				return err
			}
			return walk(yield)
		})
	}, nil
}

// sliceEach goes over an islice(): islice(iterator, next, stop, step) with the
// number of values that were taken from the iterator.
func sliceEach(args []pickle.Node, state pickle.Node, depth int) (each, error) {
	if len(args) != 4 {
		return func(func(pickle.Node) error) error { return nil }, nil // it is over
	}
	walk, err := iteratorOf(endless(args[0]), depth+1)
	if err != nil {
		return nil, err
	}
	taken, _ := state.(pickle.Int)
	next, ok1 := args[1].(pickle.Int)
	step, ok2 := args[3].(pickle.Int)
	stop, bounded := args[2].(pickle.Int)
	if !ok1 || !ok2 || step < 1 {
		return nil, valueError("an islice() of numbers that make no sense")
	}
	if lazy, ok := args[0].(*pickle.Object); ok && !bounded && lazy != endless(args[0]) {
		return nil, valueError("an islice() that never ends")
	}
	return func(yield func(pickle.Node) error) error {
		at, next := int64(taken), int64(next)
		err := walk(func(n pickle.Node) error {
			if bounded && at >= int64(stop) {
				return errStopEach
			}
			if at++; at-1 < next {
				return nil
			}
			next += int64(step)
			return yield(n)
		})
		if errors.Is(err, errStopEach) {
			return nil
		}
		return err
	}, nil
}

// endless makes what never ends long, where it is sliced.
func endless(n pickle.Node) pickle.Node {
	o, ok := n.(*pickle.Object)
	if !ok {
		return n
	}
	args := o.Args.Items
	far := pickle.Int(1 << 62)
	switch knownAs(o) {
	case "itertools.repeat":
		if len(args) == 1 {
			return pickle.NewCall("itertools", "repeat", args[0], far)
		}
	case "itertools.count":
		step := pickle.Node(pickle.Int(1))
		if len(args) == 2 {
			step = args[1]
		}
		if len(args) > 0 && isInt(args[0]) && isInt(step) && bigOf(step).Sign() > 0 {
			return pickle.NewCall("builtins", "range", args[0], pickle.NewBigInt(new(big.Int).Lsh(big.NewInt(1), 1000)), step)
		}
	}
	return n
}

func isInt(n pickle.Node) bool {
	switch n.(type) {
	case pickle.Int, *pickle.BigInt:
		return true
	}
	return false
}

// function is a function of Python's own that needs no code of a program's.
type function func(n pickle.Node) (pickle.Node, error)

// functionOf returns a function that map() may call here.
func functionOf(n pickle.Node) (function, error) {
	g, ok := n.(*pickle.Global)
	if ok && g.Module == "builtins" {
		if f, ok := functions[g.Name]; ok {
			return f, nil
		}
	}
	return nil, needsCode("map() of", n)
}

// functions are Python's own that have a meaning for plain values. The map is filled
// once, since its functions lead back to it.
var functions map[string]function

func init() {
	functions = map[string]function{
		"str": func(n pickle.Node) (pickle.Node, error) {
			if s, ok := n.(*pickle.Str); ok {
				return s, nil
			}
			return reprOf(n)
		},
		"repr":  reprOf,
		"int":   toInt,
		"float": toFloat,
		"bool":  func(n pickle.Node) (pickle.Node, error) { return pickle.Bool(truth(n, false)), nil },
		"len": func(n pickle.Node) (pickle.Node, error) {
			walk, ok := containerEach(n)
			if !ok {
				return nil, typeError("object of type '%s' has no len()", typeName(n))
			}
			count := pickle.Int(0)
			_ = walk(func(pickle.Node) error { count++; return nil })
			return count, nil
		},
		"abs": func(n pickle.Node) (pickle.Node, error) {
			switch n := n.(type) {
			case pickle.Int, *pickle.BigInt:
				return pickle.NewBigInt(new(big.Int).Abs(bigOf(n))), nil
			case pickle.Float:
				return max(n, -n), nil
			}
			return nil, typeError("bad operand type for abs(): '%s'", typeName(n))
		},
		"tuple": func(n pickle.Node) (pickle.Node, error) {
			items, err := collectOf(n)
			return pickle.NewTuple(items...), err
		},
		"list": func(n pickle.Node) (pickle.Node, error) {
			items, err := collectOf(n)
			return pickle.NewList(items...), err
		},
	}
}

func collectOf(n pickle.Node) ([]pickle.Node, error) {
	walk, err := iteratorOf(n, 1)
	if err != nil {
		return nil, err
	}
	return collect(walk)
}

// reprOf returns Python's repr of a plain value.
func reprOf(n pickle.Node) (pickle.Node, error) {
	w := inward{depth: 64, limit: 1 << 20, heads: true}
	if err := w.tree(n, 1); err != nil {
		return nil, err
	}
	if _, ok := n.(*pickle.Object); ok && !(&inward{depth: 2}).plain(n.(*pickle.Object)) {
		return nil, needsCode("repr() of", n)
	}
	return pickle.NewStr(string(wire.AppendRepr(nil, w.b, nil))), nil
}

func toInt(n pickle.Node) (pickle.Node, error) {
	if v, ok := numberOf(n); ok {
		n = v
	}
	switch n := n.(type) {
	case pickle.Bool:
		if n {
			return pickle.Int(1), nil
		}
		return pickle.Int(0), nil
	case pickle.Int, *pickle.BigInt:
		return n, nil
	case pickle.Float:
		if i, _ := big.NewFloat(0).SetFloat64(finite(n)).Int(nil); finite(n) == float64(n) {
			return pickle.NewBigInt(i), nil
		}
		return nil, valueError("cannot convert float NaN or infinity to integer")
	case *pickle.Str:
		text := strings.TrimSpace(n.S)
		if v, ok := new(big.Int).SetString(strings.ReplaceAll(text, "_", ""), 10); ok && len(text) <= 4300 && !strings.Contains(text, "__") && strings.Trim(text, "_") == text {
			return pickle.NewBigInt(v), nil
		}
		repr, _ := reprOf(n)
		return nil, valueError("invalid literal for int() with base 10: %s", clipped(textOf(repr)))
	}
	return nil, typeError("int() argument must be a string, a bytes-like object or a real number, not '%s'", typeName(n))
}

// finite returns a float, 0 for what is not finite.
func finite(f pickle.Float) float64 {
	if v := float64(f); v-v == 0 {
		return v
	}
	return 0
}

func toFloat(n pickle.Node) (pickle.Node, error) {
	if v, ok := numberOf(n); ok {
		n = v
	}
	switch n := n.(type) {
	case pickle.Bool, pickle.Int, *pickle.BigInt:
		i, err := toInt(n)
		if err != nil {
			return nil, err
		}
		f, _ := new(big.Float).SetInt(bigOf(i)).Float64()
		return pickle.Float(f), nil
	case pickle.Float:
		return n, nil
	case *pickle.Str:
		text := strings.ToLower(strings.TrimSpace(n.S))
		if f, err := strconv.ParseFloat(text, 64); err == nil && !strings.ContainsAny(text, "xp_") {
			return pickle.Float(f), nil
		}
		repr, _ := reprOf(n)
		return nil, valueError("could not convert string to float: %s", clipped(textOf(repr)))
	}
	return nil, typeError("float() argument must be a string or a real number, not '%s'", typeName(n))
}
