package objects

import (
	"fmt"

	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// lock is Python's threading.Lock or RLock.
//
// A Lock may be released by anybody. A release that names a token ends that
// hold and no other. A Lock that was acquired with owned=True, and every RLock,
// has an owner, a number that the client chose for one of its threads; waiting
// for such a hold takes part in the search for deadlocks.
type lock struct{ mutex }

func newLock(reentrant bool) func(o *engine.Object, c *engine.Call) error {
	return func(o *engine.Object, c *engine.Call) error {
		l := &lock{mutex{o: o, reentrant: reentrant}}
		o.State = l
		return nil
	}
}

func lockType() *engine.Type {
	return &engine.Type{Name: "Lock", New: newLock(false), Load: loadLock(false), Methods: []engine.Method{
		{Name: "acquire", Params: "owner: uint = 0, owned=False", Result: "token, or False", Flags: engine.Parks, Fn: onMutex((*mutex).acquire), Leave: leaveAcquire, Undo: undoAcquire},
		{Name: "release", Params: "owner: uint = 0, token: uint = 0", Result: "None", Fn: onMutex((*mutex).release)},
		{Name: "locked", Result: "bool", Flags: engine.Reads, Fn: onMutex((*mutex).isLocked)},
		{Name: "holder", Result: "dict, or None", Flags: engine.Reads, Fn: onMutex((*mutex).holder)},
	}}
}

func (l *lock) core() *mutex { return &l.mutex }

// Dump appends the whole state; whether it is an RLock, the typeid says.
func (l *lock) Dump(b []byte) ([]byte, engine.Rows) { return l.dump(b), nil }

func loadLock(reentrant bool) func(o *engine.Object, d *engine.Decoder) {
	return func(o *engine.Object, d *engine.Decoder) {
		l := &lock{mutex{o: o, reentrant: reentrant}}
		l.load(d)
		o.State = l
	}
}

// Lists returns the only list.
func (l *lock) Lists() []*engine.Waiters { return []*engine.Waiters{&l.waiters} }

// Serve hands the lock on if it is free.
func (l *lock) Serve(o *engine.Object) { l.serve() }

// DropHold ends a hold.
func (l *lock) DropHold(o *engine.Object, h *engine.Hold) { l.dropHold(h) }

// Repr prints what Python does; the object's ident stands for the address.
func (l *lock) Repr() engine.View { return engine.Text(l.repr()) }

func (m *mutex) repr() string {
	state, owner, count := "unlocked", uint64(0), int64(0)
	if m.hold != nil {
		state, owner, count = "locked", m.hold.Owner, m.hold.Count
	}
	if m.reentrant {
		return fmt.Sprintf("<%s _thread.RLock object owner=%d count=%d at 0x%x>", state, owner, count, m.o.ID)
	}
	return fmt.Sprintf("<%s _thread.lock object at 0x%x>", state, m.o.ID)
}

// Value returns whether the lock is held.
func (l *lock) Value() (wire.Raw, engine.View) {
	return wire.Raw(wire.AppendBool(nil, l.hold != nil)), nil
}

// Each calls yield with nothing: a lock keeps no values.
func (l *lock) Each(yield func(wire.Raw) bool) {}
