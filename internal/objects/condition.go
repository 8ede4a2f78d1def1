package objects

import (
	"encoding/binary"
	"fmt"

	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// condition is Python's threading.Condition, over an RLock of its own or over a
// Lock or RLock that was passed in.
//
// A wait gives the lock up and stands among waiters. Notified, it moves to the
// lock's waiters and returns True once it has the lock as before. When its time
// is up it moves there too and returns False. A wait that is cancelled returns
// without the lock. What notify gave to a wait that then ended, without its
// caller having heard of it, goes to the next.
type condition struct {
	o       *engine.Object
	m       *mutex // own, or that of lock
	own     mutex
	lock    *engine.Object // nil: its own
	waiters engine.Waiters
}

func conditionType() *engine.Type {
	return &engine.Type{Name: "Condition", Params: "lock: ref|None = None", New: newCondition, Load: loadCondition, Methods: []engine.Method{
		{Name: "acquire", Params: "owner: uint = 0", Result: "token, or False", Flags: engine.Parks, Fn: onMutex((*mutex).acquireAs), Leave: leaveAcquire, Undo: undoAcquire},
		{Name: "release", Params: "owner: uint = 0, token: uint = 0", Result: "None", Fn: onMutex((*mutex).release)},
		{Name: "wait", Params: "owner: uint = 0", Result: "bool", Flags: engine.Parks, Fn: on(conditionWait), Leave: leaveWait, Granted: waitGranted, Undo: undoWait},
		{Name: "notify", Params: "n: int = 1, owner: uint = 0", Result: "None", Fn: on(conditionNotify)},
		{Name: "notify_all", Params: "owner: uint = 0", Result: "None", Fn: on(conditionNotifyAll)},
		{Name: "locked", Result: "bool", Flags: engine.Reads, Fn: onMutex((*mutex).isLocked)},
		{Name: "holder", Result: "dict, or None", Flags: engine.Reads, Fn: onMutex((*mutex).holder)},
		{Name: "token", Params: "owner: uint = 0", Result: "int", Flags: engine.Reads, Fn: on(conditionToken)},
	}}
}

// conditionOf returns a condition over an RLock of its own.
func conditionOf(o *engine.Object) *condition {
	k := &condition{o: o, own: mutex{o: o, reentrant: true}}
	k.m = &k.own
	return k
}

// over makes it a condition over a lock, and reports whether the object is one.
func (k *condition) over(target *engine.Object) bool {
	l, ok := target.State.(*lock)
	if ok {
		k.m, k.lock = &l.mutex, target
	}
	return ok
}

func newCondition(o *engine.Object, c *engine.Call) error {
	k := conditionOf(o)
	if c.Given() {
		target := c.Ref()
		if !k.over(target) {
			return wire.Errorf(wire.CodeType, "Condition(): its lock is a %s; it must be a Lock or an RLock", target.Type.Name)
		}
		o.Pin(target)
	}
	o.State = k
	return nil
}

// AppendState is that of the condition's lock.
func (k *condition) AppendState(b []byte) []byte { return k.m.AppendState(b) }

func (k *condition) core() *mutex { return k.m }

func conditionWait(k *condition, o *engine.Object, c *engine.Call) error {
	owner := c.Uint()
	m := k.m
	if !m.heldBy(c.Session, owner) {
		return errNotWait
	}
	h := m.hold
	if m.strict() {
		c.Stage = stageOwned
	}
	c.Owner, c.N = h.Owner, h.Count
	if c.NoWait() {
		// Others get their turn with the lock all the same.
		c.Stage |= stageTimedOut
		m.end(false)
		k.reacquire(c)
		return nil
	}
	if c.Park(&k.waiters) {
		m.end(false)
	}
	return nil
}

// reacquire gets the lock back for a wait whose time is up.
func (k *condition) reacquire(c *engine.Call) {
	m := k.m
	if m.hold == nil && c.Session.Connected() {
		m.give(c)
		return
	}
	strict := c.Stage&stageOwned != 0
	if strict && m.hold != nil {
		if err := m.deadlock(c); err != nil {
			we := err.(*wire.Error)
			we.Message = "the wait gave up the lock and cannot have it back: " + we.Message
			we.Safe = false
			c.Fail(we)
			return
		}
	}
	c.Stay(&m.waiters)
	if strict {
		c.Await(m.o)
	}
}

// waitGranted returns from a wait that has its lock back.
func waitGranted(o *engine.Object, c *engine.Call) {
	c.Hold.Count = c.N
	c.ReturnBool(c.Stage&stageNotified != 0)
}

// leaveWait ends a wait without a notification, or one that cannot use it.
func leaveWait(o *engine.Object, c *engine.Call, why engine.Leaving) {
	k := o.State.(*condition)
	if why == engine.LeaveTimeout {
		c.Stage |= stageTimedOut
		k.reacquire(c)
		return
	}
	if why != engine.LeaveCancel && why != engine.LeaveGone && why != engine.LeaveDenied {
		return
	}
	passOn := c.Stage&(stageNotified|stageAll) == stageNotified
	if passOn {
		k.notify(false)
		k.m.serve()
	}
	c.Fail(errWaitCancelled)
}

var errWaitCancelled = &wire.Error{Code: wire.CodeCancelled, Message: "the wait was cancelled; its lock is not held"}

// undoWait takes back a lock, and a notification, that nobody heard of.
func undoWait(o *engine.Object, c *engine.Call) {
	k := o.State.(*condition)
	if c.Hold == nil || c.Hold != k.m.hold {
		return // it was heard of: the lock was released since
	}
	if c.Stage&(stageNotified|stageAll) == stageNotified {
		k.notify(false)
	}
	k.m.end(false)
}

// notify moves the wait that is next to the lock's waiters and reports whether
// there was one. Those whose sessions have no connection come last.
func (k *condition) notify(all bool) bool {
	c := k.waiters.First()
	if c == nil {
		c = k.waiters.Any()
	}
	if c == nil {
		return false
	}
	c.Stage |= stageNotified
	if all {
		c.Stage |= stageAll
	}
	c.MoveTo(&k.m.waiters, false)
	if c.Stage&stageOwned != 0 {
		c.Await(k.m.o)
	}
	return true
}

func conditionNotify(k *condition, o *engine.Object, c *engine.Call) error {
	n := c.Int()
	owner := c.Uint()
	if !k.m.heldBy(c.Session, owner) {
		return errNotNotify
	}
	for ; n > 0 && k.notify(false); n-- {
	}
	c.ReturnNil()
	return nil
}

func conditionNotifyAll(k *condition, o *engine.Object, c *engine.Call) error {
	owner := c.Uint()
	if !k.m.heldBy(c.Session, owner) {
		return errNotNotify
	}
	for k.waiters.Any() != nil {
		k.notify(true)
	}
	c.ReturnNil()
	return nil
}

// conditionToken returns the fencing token of the owner's hold: a wait ends
// with a new one.
func conditionToken(k *condition, o *engine.Object, c *engine.Call) error {
	owner := c.Uint()
	if !k.m.heldBy(c.Session, owner) {
		return wire.Errorf(wire.CodeNotHeld, "owner %d does not hold %s", owner, objectText(k.m.o))
	}
	c.ReturnInt(int64(k.m.hold.Token))
	return nil
}

// Serve hands the lock on if it is free.
func (k *condition) Serve(o *engine.Object) { k.m.serve() }

// DropHold ends a hold of the condition's own lock.
func (k *condition) DropHold(o *engine.Object, h *engine.Hold) { k.own.dropHold(h) }

// HeldBy reports whether the hold with that fencing token is on.
func (k *condition) HeldBy(token uint64) bool { return k.m.HeldBy(token) }

// Lists returns the lock's list, in which a notified wait stands, and its own.
func (k *condition) Lists() []*engine.Waiters { return []*engine.Waiters{&k.m.waiters, &k.waiters} }

// Dump appends the lock that was passed in, or the state of its own.
func (k *condition) Dump(b []byte) ([]byte, engine.Rows) {
	if k.lock != nil {
		return binary.AppendUvarint(b, k.lock.ID), nil
	}
	return k.own.dump(append(b, 0)), nil
}

func loadCondition(o *engine.Object, d *engine.Decoder) {
	k := conditionOf(o)
	if id := d.Uint(); id != 0 {
		d.Object(id, k.over)
	} else {
		k.own.load(d)
	}
	o.State = k
}

// Repr prints what Python does; the object's ident stands for the address.
func (k *condition) Repr() engine.View {
	return engine.Text(fmt.Sprintf("<Condition(%s, %d)>", k.m.repr(), k.waiters.Len()))
}

// Value returns whether the lock is held.
func (k *condition) Value() (wire.Raw, engine.View) {
	return wire.Raw(wire.AppendBool(nil, k.m.hold != nil)), nil
}

// Each calls yield with the lock that was passed in.
func (k *condition) Each(yield func(wire.Raw) bool) {
	if k.lock != nil {
		yield(wire.Raw(k.lock.AppendRef(nil)))
	}
}
