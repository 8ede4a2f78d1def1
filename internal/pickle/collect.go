package pickle

import (
	"math"
	"strings"
)

// collect executes the instructions that make containers and fill them, and
// leaves the others to call.
func (d *decoder) collect() error {
	switch d.op {
	case opMark:
		return d.mark()
	case opEmptyTuple:
		return d.push(d.arena.tuples.take())
	case opEmptyList:
		return d.push(d.arena.lists.take())
	case opEmptyDict:
		return d.push(d.arena.dicts.take())
	case opEmptySet:
		return d.push(&Set{})
	case opTuple1, opTuple2, opTuple3:
		n := int(d.op-opTuple1) + 1
		if err := d.need(n); err != nil {
			return err
		}
		items := d.stack[len(d.stack)-n:]
		d.stack = d.stack[:len(d.stack)-n]
		return d.tuple(items)
	case opTuple, opList, opDict, opFrozenSet:
		items, err := d.popMark()
		if err != nil {
			return err
		}
		switch d.op {
		case opTuple:
			return d.tuple(items)
		case opList:
			l := d.arena.lists.take()
			l.Items = d.arena.copyOf(items)
			if err := d.deepen(&l.h, items...); err != nil {
				return err
			}
			return d.push(l)
		case opDict:
			if err := d.paired(items); err != nil {
				return err
			}
			m := d.arena.dicts.take()
			m.Items = d.arena.copyOf(items)
			if err := d.deepen(&m.h, items...); err != nil {
				return err
			}
			return d.push(m)
		}
		f := &FrozenSet{Items: d.arena.copyOf(items)}
		if err := d.deepen(&f.h, items...); err != nil {
			return err
		}
		return d.push(f)
	case opAppend:
		return d.fill(StepAppend, 1)
	case opSetItem:
		return d.fill(StepSetItems, 2)
	case opBuild:
		return d.fill(StepBuild, 1)
	case opAppends:
		return d.fill(StepAppend, -1)
	case opSetItems:
		return d.fill(StepSetItems, -1)
	case opAddItems:
		return d.fill(StepAddItems, -1)
	}
	return d.call()
}

func (d *decoder) tuple(items []Node) error {
	t := d.arena.tuples.take()
	t.Items = d.arena.copyOf(items)
	if err := d.deepen(&t.h, items...); err != nil {
		return err
	}
	return d.push(t)
}

func (d *decoder) paired(items []Node) error {
	if len(items)%2 != 0 {
		return d.fail(ErrSyntax, "%d keys and values do not make pairs", len(items))
	}
	return nil
}

// fill puts n values, or with n < 0 those above the last mark, into what lies
// below them.
func (d *decoder) fill(op StepOp, n int) error {
	var items []Node
	if n < 0 {
		var err error
		if items, err = d.popMark(); err != nil {
			return err
		}
		if err := d.need(1); err != nil {
			return err
		}
	} else {
		if err := d.need(n + 1); err != nil {
			return err
		}
		items = d.stack[len(d.stack)-n:]
		d.stack = d.stack[:len(d.stack)-n]
	}
	if op == StepSetItems {
		if err := d.paired(items); err != nil {
			return err
		}
	}
	switch c := d.top().(type) {
	case *List:
		if op == StepAppend {
			c.Items = d.grow(c.Items, items)
			return d.deepen(&c.h, items...)
		}
	case *Dict:
		if op == StepSetItems {
			c.Items = d.grow(c.Items, items)
			return d.deepen(&c.h, items...)
		}
	case *Set:
		if op == StepAddItems {
			c.Items = d.grow(c.Items, items)
			return d.deepen(&c.h, items...)
		}
	case *Object:
		return d.objectStep(c, Step{Op: op, Items: d.arena.copyOf(items)})
	}
	return d.fail(ErrSyntax, "not possible on %s", typeName(d.top()))
}

func (d *decoder) grow(have, items []Node) []Node {
	if have == nil {
		return d.arena.copyOf(items)
	}
	return append(have, items...)
}

func (d *decoder) objectStep(o *Object, s Step) error {
	if err := d.count(); err != nil {
		return err
	}
	o.Steps = append(o.Steps, s)
	return d.deepen(&o.h, s.Items...)
}

// call executes the instructions that name globals and ask for calls, and
// leaves the others to recall.
func (d *decoder) call() error {
	switch d.op {
	case opReduce, opNewObj:
		if err := d.need(2); err != nil {
			return err
		}
		args, callable := d.stack[len(d.stack)-1], d.stack[len(d.stack)-2]
		d.stack = d.stack[:len(d.stack)-2]
		op := OpReduce
		if d.op == opNewObj {
			op = OpNewObj
		}
		return d.object(op, callable, args, nil)
	case opNewObjEx:
		if err := d.need(3); err != nil {
			return err
		}
		s := d.stack[len(d.stack)-3:]
		d.stack = d.stack[:len(d.stack)-3]
		kwargs, ok := s[2].(*Dict)
		if !ok {
			return d.fail(ErrSyntax, "keyword arguments are %s, not a dict", typeName(s[2]))
		}
		return d.object(OpNewObjEx, s[0], s[1], kwargs)
	case opStackGlobal:
		if err := d.need(2); err != nil {
			return err
		}
		name, ok1 := d.stack[len(d.stack)-1].(*Str)
		module, ok2 := d.stack[len(d.stack)-2].(*Str)
		if !ok1 || !ok2 {
			return d.fail(ErrSyntax, "module and name must be str")
		}
		d.stack = d.stack[:len(d.stack)-2]
		return d.global(module.S, name.S)
	case opGlobal, opInst:
		module, err := d.line()
		if err != nil {
			return err
		}
		name, err := d.line()
		if err != nil {
			return err
		}
		if !Valid(module) || !Valid(name) {
			return d.fail(ErrSyntax, "module or name is not UTF-8")
		}
		if d.op == opGlobal {
			return d.global(module, name)
		}
		args, err := d.popMark()
		if err != nil {
			return err
		}
		if err := d.count(); err != nil {
			return err
		}
		return d.instance(d.newGlobal(module, name), args)
	case opObj:
		args, err := d.popMark()
		if err != nil {
			return err
		}
		if len(args) == 0 {
			return d.fail(ErrSyntax, "no class follows the MARK")
		}
		return d.instance(args[0], args[1:])
	case opExt1:
		return d.ext(1)
	case opExt2:
		return d.ext(2)
	case opExt4:
		return d.ext(4)
	}
	return d.recall()
}

func (d *decoder) newGlobal(module, name string) *Global {
	if d.proto < 3 {
		module, name = python3Name(module, name)
	}
	g := d.arena.globals.take()
	g.Module, g.Name = module, name
	return g
}

func (d *decoder) global(module, name string) error {
	return d.push(d.newGlobal(module, name))
}

func (d *decoder) ext(size uint64) error {
	code, err := d.uint(size)
	if err != nil {
		return err
	}
	if code == 0 || code > math.MaxInt32 {
		return d.fail(ErrSyntax, "extension code %d is not positive", int32(uint32(code)))
	}
	return d.push(Ext(code))
}

func (d *decoder) object(op ObjectOp, callable, args Node, kwargs *Dict) error {
	switch callable.(type) {
	case *Global, *Object, Ext:
	default:
		return d.fail(ErrSyntax, "%s cannot be called", typeName(callable))
	}
	t, ok := args.(*Tuple)
	if !ok {
		return d.fail(ErrSyntax, "arguments are %s, not a tuple", typeName(args))
	}
	if n, err := d.recast(op, callable, t); n != nil || err != nil {
		if err != nil {
			return err
		}
		return d.push(n)
	}
	o := d.arena.objects.take()
	o.Op, o.Callable, o.Args, o.Kwargs = op, callable, t, kwargs
	if err := d.deepen(&o.h, callable, t); err != nil {
		return err
	}
	if kwargs != nil {
		if err := d.deepen(&o.h, kwargs); err != nil {
			return err
		}
	}
	return d.push(o)
}

// instance makes an object as INST and OBJ do: without arguments by __new__
// alone, otherwise by a call.
func (d *decoder) instance(class Node, args []Node) error {
	op := OpReduce
	if len(args) == 0 {
		op = OpNewObj
	}
	t := d.arena.tuples.take()
	t.Items = d.arena.copyOf(args)
	if err := d.deepen(&t.h, args...); err != nil {
		return err
	}
	return d.object(op, class, t, nil)
}

// drop executes POP. What it drops is gone, but for a call that a state setter
// asked for: that is a step of the object below it.
func (d *decoder) drop() error {
	if len(d.marks) > 0 && d.fence == len(d.stack) {
		_, err := d.popMark()
		return err
	}
	n, err := d.pop()
	if err != nil {
		return err
	}
	call, ok := n.(*Object)
	if !ok || call.Op != OpReduce || len(call.Steps) != 0 || len(call.Args.Items) == 0 || len(d.stack) == d.fence {
		return nil
	}
	if o, ok := d.top().(*Object); ok && call.Args.Items[0] == Node(o) {
		return d.objectStep(o, Step{Op: StepCall, Items: d.arena.copyOf([]Node{call.Callable, call.Args})})
	}
	return nil
}

// typeName names a node's type in an error, as Python would.
func typeName(n Node) string {
	switch n := n.(type) {
	case None:
		return "None"
	case Bool:
		return "a bool"
	case Int, *BigInt:
		return "an int"
	case Float:
		return "a float"
	case *Str:
		return "a str"
	case *Bytes:
		return "a bytes object"
	case *ByteArray:
		return "a bytearray"
	case *List:
		return "a list"
	case *Tuple:
		return "a tuple"
	case *Dict:
		return "a dict"
	case *Set:
		return "a set"
	case *FrozenSet:
		return "a frozenset"
	case *Global:
		if len(n.Module)+len(n.Name) > 100 {
			return "a class or function"
		}
		return "the class or function " + strings.ToValidUTF8(n.Module+"."+n.Name, "?")
	case Ext:
		return "an extension"
	case *Object:
		return "an object"
	}
	return "nothing"
}
