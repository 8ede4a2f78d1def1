// Package pickletest compares graphs in tests.
package pickletest

import (
	"math"

	"github.com/syncmanager/syncmanager/internal/pickle"
)

// Equal reports whether two graphs are the same: values of the same types and
// contents in the same order, shared in the same places, with the same cycles.
// Where identity does not matter, as for strings, bytes, ints, globals and the
// empty tuple, only contents are compared. Floats are equal when their bits
// are.
func Equal(a, b pickle.Node) bool {
	type pair struct{ a, b pickle.Node }
	// to and from pair the nodes of the two graphs one to one.
	to, from := make(map[pickle.Node]pickle.Node), make(map[pickle.Node]pickle.Node)
	work := []pair{{a, b}}
	both := func(x, y []pickle.Node) bool {
		if len(x) != len(y) {
			return false
		}
		for i := range x {
			work = append(work, pair{x[i], y[i]})
		}
		return true
	}
	for len(work) > 0 {
		p := work[len(work)-1]
		work = work[:len(work)-1]
		if p.a == nil || p.b == nil {
			if p.a != nil || p.b != nil {
				return false
			}
			continue
		}
		if same, leaf := sameLeaf(p.a, p.b); leaf {
			if !same {
				return false
			}
			continue
		}
		x, seenA := to[p.a]
		y, seenB := from[p.b]
		if seenA || seenB {
			if x != p.b || y != p.a {
				return false
			}
			continue
		}
		to[p.a], from[p.b] = p.b, p.a
		ok := false
		switch x := p.a.(type) {
		case *pickle.ByteArray:
			y, is := p.b.(*pickle.ByteArray)
			ok = is && x.B == y.B
		case *pickle.List:
			y, is := p.b.(*pickle.List)
			ok = is && both(x.Items, y.Items)
		case *pickle.Tuple:
			y, is := p.b.(*pickle.Tuple)
			ok = is && both(x.Items, y.Items)
		case *pickle.Dict:
			y, is := p.b.(*pickle.Dict)
			ok = is && both(x.Items, y.Items)
		case *pickle.Set:
			y, is := p.b.(*pickle.Set)
			ok = is && both(x.Items, y.Items)
		case *pickle.FrozenSet:
			y, is := p.b.(*pickle.FrozenSet)
			ok = is && both(x.Items, y.Items)
		case *pickle.Object:
			y, is := p.b.(*pickle.Object)
			ok = is && x.Op == y.Op && len(x.Steps) == len(y.Steps) &&
				(x.Kwargs == nil) == (y.Kwargs == nil) && (x.Args == nil) == (y.Args == nil)
			if !ok {
				break
			}
			work = append(work, pair{x.Callable, y.Callable})
			if x.Args != nil {
				work = append(work, pair{x.Args, y.Args})
			}
			if x.Kwargs != nil {
				work = append(work, pair{x.Kwargs, y.Kwargs})
			}
			for i := range x.Steps {
				if x.Steps[i].Op != y.Steps[i].Op || !both(x.Steps[i].Items, y.Steps[i].Items) {
					return false
				}
			}
		}
		if !ok {
			return false
		}
	}
	return true
}

// sameLeaf compares two nodes if the first has no identity of its own.
func sameLeaf(a, b pickle.Node) (same, leaf bool) {
	switch a := a.(type) {
	case pickle.None, pickle.Bool, pickle.Int, pickle.Ext:
		return a == b, true
	case pickle.Float:
		y, ok := b.(pickle.Float)
		return ok && math.Float64bits(float64(a)) == math.Float64bits(float64(y)), true
	case *pickle.BigInt:
		y, ok := b.(*pickle.BigInt)
		return ok && a.LE == y.LE, true
	case *pickle.Str:
		y, ok := b.(*pickle.Str)
		return ok && a.S == y.S, true
	case *pickle.Bytes:
		y, ok := b.(*pickle.Bytes)
		return ok && a.B == y.B, true
	case *pickle.Global:
		y, ok := b.(*pickle.Global)
		return ok && *a == *y, true
	case *pickle.Tuple:
		y, ok := b.(*pickle.Tuple)
		if len(a.Items) == 0 {
			return ok && len(y.Items) == 0, true
		}
	}
	return false, false
}

// Cyclic reports whether some container can be reached from itself. A graph
// without cycles can still share so much that it is exponentially larger as a
// tree.
func Cyclic(n pickle.Node) bool {
	if !isContainer(n) {
		return false
	}
	const open, done = 1, 2
	state := make(map[pickle.Node]uint8)
	work := []pickle.Node{n}
	for len(work) > 0 {
		n := work[len(work)-1]
		switch state[n] {
		case 0:
			state[n] = open
		case open:
			// All below it has been seen.
			state[n] = done
			fallthrough
		default:
			work = work[:len(work)-1]
			continue
		}
		cyclic := false
		pickle.Children(n, func(c pickle.Node) {
			switch {
			case !isContainer(c):
			case state[c] == open:
				cyclic = true
			case state[c] == 0:
				work = append(work, c)
			}
		})
		if cyclic {
			return true
		}
	}
	return false
}

func isContainer(n pickle.Node) bool {
	switch n.(type) {
	case *pickle.List, *pickle.Tuple, *pickle.Dict, *pickle.Set, *pickle.FrozenSet, *pickle.Object:
		return true
	}
	return false
}
