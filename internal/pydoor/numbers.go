package pydoor

import (
	"github.com/syncmanager/syncmanager/internal/pickle"
)

// Numbers of classes derived from int and float, of enumerations and of numpy count
// as what they are where a number is asked for.

// numberOf returns the number that a value is, if that stands in its pickle.
func numberOf(n pickle.Node) (pickle.Node, bool) {
	switch v := n.(type) {
	case pickle.Bool, pickle.Int, *pickle.BigInt, pickle.Float:
		return v, true
	case *pickle.Global, *pickle.Object:
	default:
		return nil, false
	}
	if v := standsFor(n); v != nil {
		return numberOf(v)
	}
	o, ok := n.(*pickle.Object)
	if !ok {
		return nil, false
	}
	// A class derived from a number with attributes, and a member of an
	// enumeration of the program's own: its class takes the number alone.
	g, ok := o.Callable.(*pickle.Global)
	if !ok || len(o.Args.Items) != 1 || o.Op == pickle.OpNewObjEx {
		return nil, false
	}
	switch g.Module {
	case "builtins", "itertools", "collections", "decimal", "fractions", "datetime":
		return nil, false
	}
	switch v := o.Args.Items[0].(type) {
	case pickle.Bool, pickle.Int, *pickle.BigInt, pickle.Float:
		return v, true
	}
	return nil, false
}

// integer prepares an argument that is used as an int, or as a slice of ints. What
// only code of the program's could turn into one is refused; anything else is left
// to the engine.
func integer(n pickle.Node) (pickle.Node, error) {
	o, isObject := n.(*pickle.Object)
	if !isObject {
		if v, ok := numberOf(n); ok {
			return v, nil
		}
		return n, nil
	}
	if v, ok := numberOf(o); ok {
		return v, nil
	}
	if start, stop, step, ok := pickle.AsSlice(o); ok {
		parts := []pickle.Node{start, stop, step}
		for i, p := range parts {
			var err error
			if parts[i], err = integer(p); err != nil {
				return nil, err
			}
		}
		return pickle.NewCall("builtins", "slice", parts...), nil
	}
	if (&inward{depth: 2}).plain(o) || pickle.FormOf(o) != pickle.FormOther || containerOf(o) != nil {
		return n, nil
	}
	return nil, typeError("'%s' object cannot be interpreted as an integer: its __index__, if it has one, is Python code, and this server runs none; pass operator.index(x)", className(o))
}

// size is integer for what must fit into C's ssize_t.
func ssize(n pickle.Node) (pickle.Node, error) {
	n, err := integer(n)
	if _, big := n.(*pickle.BigInt); big && err == nil {
		return nil, &pyError{"OverflowError", "Python int too large to convert to C ssize_t"}
	}
	return n, err
}

// numbers makes plain numbers of the items of an iterable, where each is one.
func numbers(n pickle.Node) pickle.Node {
	walk, ok := containerEach(n)
	if !ok {
		return n
	}
	switch n.(type) {
	case *pickle.Str, *pickle.Bytes, *pickle.ByteArray:
		return n
	}
	return &sequence{each: func(yield func(pickle.Node) error) error {
		return walk(func(item pickle.Node) error {
			item, err := integer(item)
			if err != nil {
				return err
			}
			return yield(item)
		})
	}}
}
