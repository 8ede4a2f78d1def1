package objects

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// barrier is Python's threading.Barrier. Of CPython's states two are left,
// filling and broken: the last party releases all in one step, so nobody sees
// the barrier drain or being reset.
//
// A party that leaves before all are there breaks the barrier: its time was
// up, it cancelled, or its session is over. The error names it.
type barrier struct {
	id      uint64
	parties int64
	timeout int64 // of a wait that brings none, in nanoseconds; negative: none
	broken  *wire.Error
	waiters engine.Waiters
}

func barrierType() *engine.Type {
	return &engine.Type{Name: "Barrier", Params: "parties: int, action=None, timeout=None", New: newBarrier, Load: loadBarrier, Methods: []engine.Method{
		{Name: "wait", Result: "int", Flags: engine.Parks, Fn: on(barrierWait), Leave: leaveBarrier},
		{Name: "reset", Result: "None", Fn: on(barrierReset)},
		{Name: "abort", Result: "None", Fn: on(barrierAbort)},
		{Name: "parties", Result: "int", Flags: engine.Reads, Fn: on(barrierParties)},
		{Name: "n_waiting", Result: "int", Flags: engine.Reads, Fn: on(barrierWaiting)},
		{Name: "broken", Result: "bool", Flags: engine.Reads, Fn: on(barrierBroken)},
	}}
}

func newBarrier(o *engine.Object, c *engine.Call) error {
	b := &barrier{id: o.ID, parties: c.Int(), timeout: -1}
	if b.parties < 1 {
		return wire.Errorf(wire.CodeValue, "parties must be >= 1")
	}
	if !c.Args.Nil() {
		return wire.Errorf(wire.CodeType, "Barrier(): a manager runs no action; leave it out, and let the party that gets index 0 do it")
	}
	if !c.Args.Nil() {
		seconds, err := c.Args.Float()
		if err != nil {
			return err
		}
		switch {
		case seconds != seconds:
			return wire.Errorf(wire.CodeValue, "Barrier(): its timeout is not a number of seconds")
		case seconds*1e9 >= math.MaxInt64:
			b.timeout = math.MaxInt64 - 1
		default:
			b.timeout = int64(max(seconds, 0) * 1e9)
		}
	}
	o.State = b
	return nil
}

func barrierWait(b *barrier, o *engine.Object, c *engine.Call) error {
	if b.broken != nil {
		return b.broken
	}
	c.N = int64(b.waiters.Len())
	if c.N+1 < b.parties {
		if b.timeout >= 0 {
			c.DefaultTimeout(b.timeout)
		}
		c.Park(&b.waiters)
		return nil
	}
	for w := b.waiters.Any(); w != nil; w = b.waiters.Any() {
		w.ReturnInt(w.N)
	}
	c.ReturnInt(c.N)
	return nil
}

// leaveBarrier breaks the barrier: a party is missing.
func leaveBarrier(o *engine.Object, c *engine.Call, why engine.Leaving) {
	b := o.State.(*barrier)
	var what string
	switch why {
	case engine.LeaveTimeout:
		what = "waited in vain until its time was up"
	case engine.LeaveCancel:
		what = "cancelled its wait"
	case engine.LeaveGone:
		what = "is gone"
	default:
		return
	}
	b.fail(wire.Errorf(wire.CodeBrokenBarrier, "the barrier is broken: %s %s", partyText(c.Session), what), true)
	if why == engine.LeaveTimeout {
		c.Fail(b.broken)
	}
}

// fail ends all waits, and breaks the barrier.
func (b *barrier) fail(err *wire.Error, broken bool) {
	if broken && b.broken == nil {
		b.broken = err
	}
	for w := b.waiters.Any(); w != nil; w = b.waiters.Any() {
		w.Fail(err)
	}
}

func barrierReset(b *barrier, o *engine.Object, c *engine.Call) error {
	b.broken = nil
	if b.waiters.Any() != nil {
		b.fail(wire.Errorf(wire.CodeBrokenBarrier, "the barrier was reset by %s", partyText(c.Session)), false)
	}
	c.ReturnNil()
	return nil
}

func barrierAbort(b *barrier, o *engine.Object, c *engine.Call) error {
	b.fail(wire.Errorf(wire.CodeBrokenBarrier, "the barrier is broken: aborted by %s", partyText(c.Session)), true)
	c.ReturnNil()
	return nil
}

func barrierParties(b *barrier, o *engine.Object, c *engine.Call) error {
	return returnInt(c, b.parties)
}

func barrierWaiting(b *barrier, o *engine.Object, c *engine.Call) error {
	return returnInt(c, int64(b.waiters.Len()))
}

func barrierBroken(b *barrier, o *engine.Object, c *engine.Call) error {
	return returnBool(c, b.broken != nil)
}

// Serve has nothing to give: the last party serves all.
func (b *barrier) Serve(o *engine.Object) {}

// Lists returns the only list.
func (b *barrier) Lists() []*engine.Waiters { return []*engine.Waiters{&b.waiters} }

// Dump appends the whole state.
func (b *barrier) Dump(dst []byte) ([]byte, engine.Rows) {
	dst = binary.AppendVarint(dst, b.parties)
	dst = binary.AppendVarint(dst, b.timeout)
	return engine.AppendFailure(dst, b.broken), nil
}

func loadBarrier(o *engine.Object, d *engine.Decoder) {
	o.State = &barrier{id: o.ID, parties: d.Int(), timeout: d.Int(), broken: d.Failure()}
}

// Repr prints what Python does; the object's ident stands for the address.
func (b *barrier) Repr() engine.View {
	if b.broken != nil {
		return engine.Text(fmt.Sprintf("<threading.Barrier at 0x%x: broken>", b.id))
	}
	return engine.Text(fmt.Sprintf("<threading.Barrier at 0x%x: waiters=%d/%d>", b.id, b.waiters.Len(), b.parties))
}

// Value returns how many parties wait.
func (b *barrier) Value() (wire.Raw, engine.View) {
	return wire.Raw(wire.AppendInt(nil, int64(b.waiters.Len()))), nil
}

// Each calls yield with nothing: a barrier keeps no values.
func (b *barrier) Each(yield func(wire.Raw) bool) {}
