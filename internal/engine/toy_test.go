package engine

import (
	"encoding/binary"
	"slices"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// box is the tests' object: a queue of values that remembers their places, with
// methods that break every rule.
type box struct {
	items   []boxed
	last    int64
	waiters Waiters
}

type boxed struct {
	place int64
	raw   wire.Raw
	again bool
}

func toyTypes() []*Type {
	return []*Type{boxType("box"), boxType("crate"), latchType(), takesType(),
		{Name: "ext", Params: "*any", Outside: true, Methods: []Method{{Name: "go", Params: "*any"}, {Name: "here", Fn: func(o *Object, c *Call) { c.ReturnNil() }}}},
		{Name: "single", Params: "*any", Outside: true, Singleton: true},
		{Name: "closed", Params: "*items", NoCreate: true, New: newBox, Load: loadBox},
		{Name: "fails", Params: "*any", New: func(o *Object, c *Call) error { return wire.Errorf(wire.CodeValue, "no") }},
		{Name: "explodes", Params: "*any", New: func(o *Object, c *Call) error { panic("constructor") }},
	}
}

func newBox(o *Object, c *Call) error {
	b := new(box)
	o.State = b
	for c.Args.More() {
		b.add(o, c, c.Args.Next())
	}
	return nil
}

func boxType(name string) *Type {
	do := func(fn func(b *box, o *Object, c *Call)) Handler {
		return func(o *Object, c *Call) { fn(o.State.(*box), o, c) }
	}
	return &Type{Name: name, Params: "*items", New: newBox, Load: loadBox, Methods: []Method{
		{Name: "len", Flags: Reads, Fn: do(func(b *box, o *Object, c *Call) { c.ReturnInt(int64(len(b.items))) })},
		{Name: "peek", Flags: Reads, Fn: do((*box).peek)},
		{Name: "all", Flags: Reads, Fn: do(func(b *box, o *Object, c *Call) { c.ReturnView(boxView(slices.Clone(b.items))) })},
		{Name: "wait", Flags: Reads | Parks, Fn: do(func(b *box, o *Object, c *Call) { c.Park(&b.waiters) })},
		{Name: "add", Params: "item", Flags: Grows, Fn: do(func(b *box, o *Object, c *Call) {
			b.add(o, c, c.Value())
			b.Serve(o)
			c.ReturnNil()
		})},
		{Name: "take", Flags: Parks, Fn: do((*box).take), Leave: leaveBox, Undo: undoTake},
		{Name: "drop", Fn: do(func(b *box, o *Object, c *Call) {
			n, size := len(b.items), int64(0)
			for _, i := range b.items {
				size += int64(len(i.raw))
			}
			o.DropAll(n, size, b.Each)
			b.items = nil
			c.ReturnNil()
		})},
		{Name: "reverse", Fn: do(func(b *box, o *Object, c *Call) {
			items := slices.Clone(b.items)
			c.Outside(func(Pause) any { slices.Reverse(items); return items })
		}), Finish: func(o *Object, c *Call, result any) {
			// What was given back meanwhile, by Undo, stands at the end.
			b, items := o.State.(*box), result.([]boxed)
			for _, i := range b.items {
				if !slices.Contains(items, i) {
					items = append(items, i)
				}
			}
			b.items = items
			b.Serve(o)
			c.ReturnNil()
		}},
		{Name: "unfinished", Fn: do(func(b *box, o *Object, c *Call) { c.Outside(func(Pause) any { return nil }) }), Finish: func(o *Object, c *Call, result any) {}},
		{Name: "linger", Flags: Parks, Fn: do(func(b *box, o *Object, c *Call) { c.Park(&b.waiters) }), Leave: func(o *Object, c *Call, why Leaving) {
			if c.Stage == 0 {
				c.Stage = 1
				c.Stay(&o.State.(*box).waiters) // as a Condition gets its lock back
			}
		}},
		{Name: "admin", Flags: Admin, Fn: do(func(b *box, o *Object, c *Call) { c.ReturnNil() })},
		// Bugs.
		{Name: "silent", Fn: do(func(b *box, o *Object, c *Call) {})},
		{Name: "boom", Fn: do(func(b *box, o *Object, c *Call) { panic("before the reply") })},
		{Name: "boom_read", Flags: Reads, Fn: do(func(b *box, o *Object, c *Call) { c.ReturnNil(); panic("after a reply that is not kept") })},
		{Name: "boom_kept", Fn: do(func(b *box, o *Object, c *Call) { c.ReturnNil(); panic("after a reply that is kept") })},
		{Name: "boom_parked", Flags: Parks, Fn: do(func(b *box, o *Object, c *Call) { c.Park(&b.waiters); panic("while it waits") })},
		{Name: "boom_outside", Fn: do(func(b *box, o *Object, c *Call) {
			c.Outside(func(Pause) any { return nil })
			panic("while work is outside")
		})},
		{Name: "boom_finish", Fn: do(func(b *box, o *Object, c *Call) { c.Outside(func(Pause) any { return nil }) }), Finish: func(o *Object, c *Call, result any) { panic("in Finish") }},
		{Name: "boom_leave", Flags: Parks, Fn: do(func(b *box, o *Object, c *Call) { c.Park(&b.waiters) }), Leave: func(o *Object, c *Call, why Leaving) { panic("in Leave") }},
		{Name: "boom_undo", Fn: do(func(b *box, o *Object, c *Call) { c.ReturnNil() }), Undo: func(o *Object, c *Call) { panic("in Undo") }},
		{Name: "twice", Fn: do(func(b *box, o *Object, c *Call) { c.ReturnNil(); c.ReturnNil() })},
		{Name: "twice_read", Flags: Reads, Fn: do(func(b *box, o *Object, c *Call) { c.ReturnNil(); c.ReturnNil() })},
	}}
}

func (b *box) add(o *Object, c *Call, v []byte) {
	b.last++
	b.items = append(b.items, boxed{b.last, o.Keep(c, v), false})
}

func (b *box) peek(o *Object, c *Call) {
	if len(b.items) == 0 {
		c.Fail(wire.ErrEmpty)
		return
	}
	c.Return(b.items[0].raw)
}

func (b *box) take(o *Object, c *Call) {
	if len(b.items) == 0 {
		c.Park(&b.waiters)
		return
	}
	b.give(o, c)
}

func (b *box) give(o *Object, c *Call) {
	first := b.items[0]
	b.items = b.items[1:]
	o.Drop(first.raw)
	if first.again {
		c.Redelivered()
	}
	c.Item, c.N = first.raw, first.place
	c.Return(first.raw)
}

func leaveBox(o *Object, c *Call, why Leaving) {
	if why == LeaveTimeout {
		c.Fail(wire.ErrEmpty)
	}
}

func undoTake(o *Object, c *Call) {
	b := o.State.(*box)
	at, _ := slices.BinarySearchFunc(b.items, c.N, func(i boxed, n int64) int { return int(i.place - n) })
	o.KeepRaw(c.Item, true)
	b.items = slices.Insert(b.items, at, boxed{c.N, c.Item, true})
	b.Serve(o)
}

func (b *box) Serve(o *Object) {
	for len(b.items) > 0 && b.waiters.First() != nil {
		if c := b.waiters.First(); c.Method.Name == "take" {
			b.give(o, c)
		} else {
			c.ReturnNil()
		}
	}
}

func (b *box) Len() int { return len(b.items) }

func (b *box) Lists() []*Waiters { return []*Waiters{&b.waiters} }

func (b *box) Dump(buf []byte) ([]byte, Rows) {
	buf = binary.AppendVarint(buf, b.last)
	buf = binary.AppendUvarint(buf, uint64(len(b.items)))
	if len(b.items) < 3 {
		buf, _ = boxRows(b.items).AppendRows(buf, 0, 1<<20)
		return buf, nil
	}
	return buf, boxRows(slices.Clone(b.items))
}

type boxRows []boxed

func (r boxRows) AppendRows(b []byte, from uint64, limit int) ([]byte, uint64) {
	start := len(b)
	for i := int(from); i < len(r); i++ {
		if len(b)-start >= limit {
			return b, uint64(i)
		}
		b = binary.AppendVarint(b, r[i].place)
		b = append(b, r[i].raw...)
		b = AppendBool(b, r[i].again)
	}
	return b, 0
}

func loadBox(o *Object, d *Decoder) {
	b := &box{last: d.Int()}
	for n := d.Uint(); n > 0 && !d.Failed(); n-- {
		b.items = append(b.items, boxed{d.Int(), d.Value(), d.Bool()})
	}
	o.State = b
}

func (b *box) Repr() View { return Text("<box>") }

func (b *box) Value() (wire.Raw, View) { return "", boxView(slices.Clone(b.items)) }

func (b *box) Each(yield func(wire.Raw) bool) {
	for _, i := range b.items {
		if !yield(i.raw) {
			return
		}
	}
}

type boxView []boxed

func (v boxView) Append(b []byte, _ Pause) []byte {
	b = wire.AppendArrayHeader(b, len(v))
	for _, i := range v {
		b = append(b, i.raw...)
	}
	return b
}

// latch is the tests' lock.
type latch struct {
	hold    *Hold
	waiters Waiters
	broken  bool // its next use panics
}

func latchType() *Type {
	return &Type{Name: "latch",
		New:  func(o *Object, c *Call) error { o.State = new(latch); return nil },
		Load: func(o *Object, d *Decoder) { o.State = &latch{hold: d.Hold(), broken: d.Bool()} },
		Methods: []Method{
			{Name: "acquire", Flags: Parks, Fn: func(o *Object, c *Call) {
				if l := o.State.(*latch); l.hold != nil {
					c.Park(&l.waiters)
				} else {
					l.grant(o, c)
				}
			}, Undo: func(o *Object, c *Call) {
				if l := o.State.(*latch); l.hold == c.Hold {
					l.drop(o)
				}
			}},
			{Name: "release", Fn: func(o *Object, c *Call) {
				l := o.State.(*latch)
				if l.hold == nil {
					c.Fail(wire.ErrNotHeld)
					return
				}
				l.drop(o)
				c.ReturnNil()
			}},
			{Name: "break", Fn: func(o *Object, c *Call) { o.State.(*latch).broken = true; c.ReturnNil() }},
		}}
}

func (l *latch) grant(o *Object, c *Call) {
	l.hold = o.NewHold(c.Session, c.Owner)
	c.Hold = l.hold
	c.ReturnInt(int64(l.hold.Token))
}

func (l *latch) drop(o *Object) {
	l.hold.Unlink()
	l.hold = nil
	l.Serve(o)
}

func (l *latch) Serve(o *Object) {
	if l.broken {
		panic("a broken latch")
	}
	if c := l.waiters.First(); c != nil && l.hold == nil {
		l.grant(o, c)
	}
}

func (l *latch) DropHold(o *Object, h *Hold) {
	if l.broken {
		panic("a broken latch")
	}
	if l.hold == h {
		l.drop(o)
	}
}

func (l *latch) HeldBy(token uint64) bool {
	if l.broken {
		panic("a broken latch")
	}
	return l.hold != nil && l.hold.Token == token
}

func (l *latch) Lists() []*Waiters { return []*Waiters{&l.waiters} }

func (l *latch) Dump(b []byte) ([]byte, Rows) {
	return AppendBool(AppendHold(b, l.hold), l.broken), nil
}

func (l *latch) Repr() View                       { return Text("<latch>") }
func (l *latch) Value() (wire.Raw, View)          { return rawNil, nil }
func (l *latch) Each(yield func(v wire.Raw) bool) {}
