package pickle

import (
	"errors"
	"fmt"
)

// A frame is a container that is being written.
type frame struct {
	n Node
	// i counts the children begun. For an object they are the callable, the
	// arguments, the keyword arguments if there are any, and then the items
	// of its steps.
	i int
	// step and item are the place in an object's steps.
	step, item int
}

// Node writes a graph. Nodes that were written before in this pickle are
// written as references.
func (w *Writer) Node(n Node) {
	w.save(n)
	for len(w.frames) > 0 && w.err == nil {
		// The frame may move when its child is pushed: no pointer to it
		// is used after save.
		f := &w.frames[len(w.frames)-1]
		switch n := f.n.(type) {
		case *Tuple:
			w.tuple(f, n)
		case *List:
			w.items(f, n.Items, batch, opAppend, opAppends)
		case *Dict:
			w.items(f, n.Items, 2*batch, opSetItem, opSetItems)
		case *Set:
			w.items(f, n.Items, batch, 0, opAddItems)
		case *FrozenSet:
			w.frozenSet(f, n)
		case *Object:
			w.object(f, n)
		}
	}
	w.frames = w.frames[:0]
}

func (w *Writer) pop() { w.frames = w.frames[:len(w.frames)-1] }

func (w *Writer) push(n Node) { w.frames = append(w.frames, frame{n: n}) }

// remember gives the value that was just written a memo entry.
func (w *Writer) remember(n Node) { w.refs[n] = w.memoize() }

// recall writes a reference to n if there is a memo entry for it.
func (w *Writer) recall(n Node) bool {
	i, ok := w.refs[n]
	if !ok || i == pending {
		return false
	}
	w.get(i)
	return true
}

// enter begins what can be remembered only once it is complete. Python enters
// it once more for each time that it is met inside itself, until the innermost
// is complete; all outer ones are then thrown away and replaced by a reference.
func (w *Writer) enter(n Node, size int) {
	if _, again := w.refs[n]; again {
		if w.revisit += size + 1; w.revisit > maxRevisit {
			w.fail(ErrTangled)
			return
		}
	}
	w.refs[n] = pending
	w.push(n)
}

// save writes n if it is a leaf, and begins it if it is a container.
func (w *Writer) save(n Node) {
	switch n := n.(type) {
	case None:
		w.None()
	case Bool:
		w.Bool(bool(n))
	case Int:
		w.Int(int64(n))
	case Float:
		w.Float(float64(n))
	case Ext:
		w.ext(n)
	case *Global:
		if !w.recall(n) {
			w.Global(n.Module, n.Name)
			if len(n.Module)+len(n.Name) > 2*maxInterned {
				w.refs[n] = w.memoLen - 1
			}
		}
	case *BigInt:
		if !w.recall(n) {
			w.bigInt(n.LE)
			w.remember(n)
		}
	case *Str:
		if len(n.S) < minRef {
			w.Str(n.S)
		} else if !w.recall(n) {
			w.Str(n.S)
			w.remember(n)
		}
	case *Bytes:
		if len(n.B) < minRef {
			w.Bytes(n.B)
		} else if !w.recall(n) {
			w.Bytes(n.B)
			w.remember(n)
		}
	case *ByteArray:
		if !w.recall(n) {
			w.ByteArray(n.B)
			w.remember(n)
		}
	case *Tuple:
		if len(n.Items) == 0 {
			w.op(opEmptyTuple)
		} else if !w.recall(n) {
			w.OpenTuple(len(n.Items))
			w.enter(n, len(n.Items))
		}
	case *FrozenSet:
		if !w.recall(n) {
			w.op(opMark)
			w.enter(n, len(n.Items))
		}
	case *Object:
		if !w.recall(n) {
			w.enter(n, 3)
		}
	case *List:
		w.mutable(n, opEmptyList)
	case *Set:
		w.mutable(n, opEmptySet)
	case *Dict:
		if len(n.Items)%2 != 0 {
			w.fail(fmt.Errorf("pickle: a dict of %d items; keys and values must come in pairs", len(n.Items)))
			return
		}
		w.mutable(n, opEmptyDict)
	default:
		w.fail(fmt.Errorf("pickle: cannot encode a node of type %T", n))
	}
}

// mutable begins what is remembered while it is empty and filled afterwards.
func (w *Writer) mutable(n Node, empty byte) {
	if !w.recall(n) {
		w.op(empty)
		w.remember(n)
		w.push(n)
	}
}

// key writes the key of a dict, which is found again by content.
func (w *Writer) key(n Node) {
	s, ok := n.(*Str)
	if !ok || len(s.S) > maxInterned {
		w.save(n)
		return
	}
	if !w.recall(n) {
		w.Key(s.S)
		w.refs[n] = w.keys[s.S]
	}
}

// items writes the next item of a mutable container in batches as Python does.
// A batch of one item, or one pair, takes the instruction one if there is one.
func (w *Writer) items(f *frame, items []Node, size int, one, many byte) {
	pair := size / batch
	i := f.i
	if i > 0 && (i%size == 0 || i == len(items)) {
		// A batch ends here. How many items did it have?
		if n := (i-1)%size + 1; n == pair && one != 0 {
			w.op(one)
		} else {
			w.op(many)
		}
	}
	if i == len(items) {
		w.pop()
		return
	}
	if i%size == 0 && (one == 0 || len(items)-i > pair) {
		w.op(opMark)
	}
	f.i++
	if pair == 2 && i%2 == 0 {
		w.key(items[i])
		return
	}
	w.save(items[i])
}

func (w *Writer) tuple(f *frame, t *Tuple) {
	n := len(t.Items)
	if f.i < n {
		f.i++
		w.save(t.Items[f.i-1])
		return
	}
	w.pop()
	if w.refs[t] == pending {
		w.CloseTuple(n)
		w.remember(t)
		return
	}
	// The tuple contains itself and was completed inside: drop the items.
	if n > 3 {
		w.op(opPopMark)
	} else {
		w.op([]byte{opPop, opPop, opPop}[:n]...)
	}
	w.recall(t)
}

func (w *Writer) frozenSet(f *frame, s *FrozenSet) {
	if f.i < len(s.Items) {
		f.i++
		w.save(s.Items[f.i-1])
		return
	}
	w.pop()
	if w.refs[s] == pending {
		w.op(opFrozenSet)
		w.remember(s)
		return
	}
	w.op(opPopMark)
	w.recall(s)
}

func (w *Writer) object(f *frame, o *Object) {
	last := 2 // children before the object is made
	if o.Op == OpNewObjEx {
		last = 3
	}
	f.i++
	switch {
	case f.i == 1:
		w.save(o.Callable)
	case f.i == 2 && o.Args != nil:
		w.save(o.Args)
	case f.i == 3 && last == 3 && o.Kwargs != nil:
		w.save(o.Kwargs)
	case f.i <= last:
		w.fail(errors.New("pickle: an object without arguments; Args must be set, and Kwargs for OpNewObjEx"))
	case f.i == last+1:
		w.make(o)
	default:
		w.steps(f, o)
	}
}

// make writes the instruction that makes the object.
func (w *Writer) make(o *Object) {
	switch o.Op {
	case OpReduce:
		w.op(opReduce)
	case OpNewObj:
		w.op(opNewObj)
	case OpNewObjEx:
		w.op(opNewObjEx)
	default:
		w.fail(fmt.Errorf("pickle: unknown ObjectOp %d", o.Op))
	}
	if w.refs[o] == pending {
		w.remember(o)
		return
	}
	// It was completed inside its own arguments, steps and all.
	w.op(opPop)
	w.recall(o)
	w.pop()
}

// steps writes the next item of the object's steps.
func (w *Writer) steps(f *frame, o *Object) {
	if f.step == len(o.Steps) {
		w.pop()
		return
	}
	s := &o.Steps[f.step]
	ok := true
	var one, many byte // the instructions that end the step
	switch s.Op {
	case StepAppend:
		one, many = opAppend, opAppends
	case StepSetItems:
		many = opSetItems
		ok = len(s.Items)%2 == 0
	case StepAddItems:
		many = opAddItems
	case StepBuild:
		one, ok = opBuild, len(s.Items) == 1
	case StepCall:
		ok = len(s.Items) == 2
	default:
		ok = false
	}
	if !ok {
		w.fail(fmt.Errorf("pickle: an object's step %d with %d items cannot be written", s.Op, len(s.Items)))
		return
	}
	marked := many != 0 && (one == 0 || len(s.Items) != 1)
	if f.item == 0 && marked {
		w.op(opMark)
	}
	if f.item < len(s.Items) {
		f.item++
		w.save(s.Items[f.item-1])
		return
	}
	switch {
	case marked:
		w.op(many)
	case s.Op == StepCall:
		w.op(opReduce, opPop)
	default:
		w.op(one)
	}
	f.step++
	f.item = 0
}

func (w *Writer) ext(code Ext) {
	switch {
	case code <= 0:
		w.fail(fmt.Errorf("pickle: extension code %d is not positive", code))
	case code <= 0xff:
		w.op(opExt1, byte(code))
	case code <= 0xffff:
		w.op(opExt2, byte(code), byte(code>>8))
	default:
		w.op(opExt4, byte(code), byte(code>>8), byte(code>>16), byte(code>>24))
	}
}
