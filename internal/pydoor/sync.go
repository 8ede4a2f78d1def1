package pydoor

import (
	"errors"
	"fmt"
	"time"

	"github.com/syncmanager/syncmanager/internal/pickle"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// Locks belong to the connection, which stands for a thread of the client: its
// number is the owner. All Python clients of a key are one session, so that a
// Lock may be released by another of them, as in Python.

var lockFamily = makeFamily(family{
	class: "AcquirerProxy",
	methods: table(
		"acquire(blocking=True, timeout=-1)", lockAcquire,
		"release()", lockRelease,
		"locked()", "locked",
	),
	create:   construct("Lock", ""),
	getvalue: unpicklable("_thread.lock"),
})

var rlockFamily = makeFamily(family{
	class: "AcquirerProxy",
	methods: table(
		"acquire(blocking=True, timeout=-1)", lockAcquire,
		"release()", ownedRelease,
		"locked()", "locked",
	),
	create:   construct("RLock", ""),
	getvalue: unpicklable("_thread.RLock"),
})

var semaphoreFamily = makeFamily(family{
	class: "AcquirerProxy",
	methods: table(
		"acquire(blocking=True, timeout=None)", semaphoreAcquire,
		"release(n: int=1)", semaphoreRelease,
		"get_value()", "get_value",
		"locked()", "locked",
	),
	create:   construct("Semaphore", "value: int=1"),
	getvalue: unpicklable("_thread.lock"),
})

var conditionFamily = makeFamily(family{
	class: "ConditionProxy",
	methods: table(
		"acquire(blocking=True, timeout=-1)", lockAcquire,
		"release()", conditionRelease,
		"wait(timeout=None)", conditionWait,
		"notify(n: int=1)", conditionNotify,
		"notify_all()", conditionNotifyAll,
		"locked()", "locked",
	),
	create:   construct("Condition", "lock=None"),
	getvalue: unpicklable("_thread.RLock"),
})

var eventFamily = makeFamily(family{
	class: "EventProxy",
	methods: table(
		"is_set()", "is_set",
		"set()", "set",
		"clear()", "clear",
		"wait(timeout=None)", eventWait,
	),
	create:   construct("Event", ""),
	getvalue: unpicklable("_thread.lock"),
})

var barrierFamily = makeFamily(family{
	class: "BarrierProxy",
	methods: table(
		"__getattribute__(name)", barrierAttribute,
		"wait(timeout=None)", barrierWait,
		"abort()", "abort",
		"reset()", "reset",
		// For a proxy that is no BarrierProxy.
		"parties()", "parties",
		"n_waiting()", "n_waiting",
		"broken()", "broken",
	),
	create:   createBarrier,
	getvalue: unpicklable("_thread.lock"),
})

// acquireTimeout reads what acquire of a lock takes.
func acquireTimeout(blocking, timeout pickle.Node) (time.Duration, error) {
	if isNone(timeout) {
		if !truth(blocking, true) {
			return 0, nil
		}
		return forever, nil
	}
	s, err := seconds(timeout)
	switch {
	case err != nil:
		return 0, err
	case !truth(blocking, true):
		if s != -1 {
			return 0, valueError("can't specify a timeout for a non-blocking call")
		}
		return 0, nil
	case s == -1:
		return forever, nil
	case s < 0:
		return 0, valueError("timeout value must be a non-negative number")
	case s*1e9 >= 1<<63:
		return 0, &pyError{"OverflowError", "timeout value is too large"}
	}
	return duration(s), nil
}

// owner is the argument that names who locks.
func (k *invocation) owner() pickle.Node { return pickle.NewUint(k.conn.id) }

func lockAcquire(k *invocation, args []pickle.Node) reply {
	timeout, err := acquireTimeout(args[0], args[1])
	if err != nil {
		return raised(err)
	}
	v, err := k.wait("acquire", timeout, k.owner())
	if err != nil {
		return raised(err)
	}
	if !success(v) {
		return returned(pickle.Bool(false))
	}
	var token uint64
	if k.ref.TypeID == "Lock" {
		token = uintOf(v)
	}
	k.conn.door.holds.locked(k.conn, k.ref.ID, token)
	return returned(pickle.Bool(true))
}

// uintOf reads a number.
func uintOf(v wire.Raw) uint64 {
	n, err := wire.Decode(v.Bytes())
	if err != nil {
		return 0
	}
	switch n := n.(type) {
	case int64:
		return uint64(n)
	case uint64:
		return n
	}
	return 0
}

// lockRelease ends the hold of whichever Python client has the Lock.
func lockRelease(k *invocation, _ []pickle.Node) reply {
	holds := k.conn.door.holds
	if token := holds.token(k.ref.ID); token != 0 {
		v, err := k.start("release", 0, appendUints(0, token))
		if err == nil {
			holds.unlocked(k.conn, k.ref.ID)
			return k.done(v, nil)
		}
		if !errors.Is(err, wire.ErrLockLost) {
			return raised(err)
		}
	}
	return k.releaseHolder()
}

// releaseHolder ends the hold that is on, unless it is one that a Python
// client may not end.
func (k *invocation) releaseHolder() reply {
	v, err := k.call("holder")
	if err != nil {
		return raised(err)
	}
	h := holderOf(v)
	switch {
	case h == nil:
		return k.done(k.call("release")) // it knows what to say
	case !k.conn.door.owns(h.session):
		return raised(runtimeError("cannot release a lock that another program holds: session %d, %s", h.session, h.program))
	case h.strict && (h.session != k.conn.session.ID() || h.owner != k.conn.id):
		return raised(runtimeError("cannot release un-acquired lock"))
	}
	v, err = k.start("release", 0, appendUints(h.owner, h.token))
	if errors.Is(err, wire.ErrLockLost) {
		return raised(runtimeError("release unlocked lock"))
	}
	if err == nil {
		k.conn.door.holds.token(k.ref.ID)
		k.conn.door.holds.unlocked(k.conn, k.ref.ID)
	}
	return k.done(v, err)
}

// ownedRelease releases what this connection holds, by its number.
func ownedRelease(k *invocation, _ []pickle.Node) reply {
	v, err := k.start("release", 0, appendUints(k.conn.id))
	if err == nil {
		k.conn.door.holds.unlocked(k.conn, k.ref.ID)
	}
	return k.done(v, err)
}

// conditionRelease asks first who holds the lock: a Lock and an RLock are
// released in different ways.
func conditionRelease(k *invocation, _ []pickle.Node) reply { return k.releaseHolder() }

func conditionWait(k *invocation, args []pickle.Node) reply {
	timeout, err := waitTimeout(args[0])
	if err != nil {
		return raised(err)
	}
	return k.result(k.wait("wait", timeout, k.owner()))
}

// waitTimeout reads what wait of a Condition, an Event and a Barrier takes.
func waitTimeout(n pickle.Node) (time.Duration, error) {
	if isNone(n) {
		return forever, nil
	}
	s, err := seconds(n)
	return duration(s), err
}

func conditionNotify(k *invocation, args []pickle.Node) reply {
	n := args[0]
	if n == nil {
		n = pickle.Int(1)
	}
	return k.done(k.call("notify", n, k.owner()))
}

func conditionNotifyAll(k *invocation, _ []pickle.Node) reply {
	return k.done(k.call("notify_all", k.owner()))
}

func semaphoreAcquire(k *invocation, args []pickle.Node) reply {
	timeout := forever
	switch {
	case !truth(args[0], true):
		if !isNone(args[1]) {
			return raised(valueError("can't specify timeout for non-blocking acquire"))
		}
		timeout = 0
	case !isNone(args[1]):
		s, err := seconds(args[1])
		if err != nil {
			return raised(err)
		}
		timeout = duration(s)
	}
	v, err := k.wait("acquire", timeout, k.owner())
	if err != nil {
		return raised(err)
	}
	if !success(v) {
		return returned(pickle.Bool(false))
	}
	k.conn.door.holds.permit(k.conn, k.ref.ID, uintOf(v))
	return returned(pickle.Bool(true))
}

func semaphoreRelease(k *invocation, args []pickle.Node) reply {
	v, err := k.call("release", args...)
	if err == nil {
		n := 1
		if i, ok := args[0].(pickle.Int); ok {
			n = int(min(i, 1<<30))
		}
		k.conn.door.holds.permitsBack(k.conn, k.ref.ID, n)
	}
	return k.done(v, err)
}

func eventWait(k *invocation, args []pickle.Node) reply {
	timeout, err := waitTimeout(args[0])
	if err != nil {
		return raised(err)
	}
	return k.result(k.wait("wait", timeout))
}

func createBarrier(_ *invocation, args []pickle.Node, kwds *pickle.Dict) ([]pickle.Node, error) {
	a, err := bind("Barrier", params("parties: int, action=None, timeout=None"), args, kwds)
	if err != nil {
		return nil, err
	}
	if !isNone(a[1]) {
		return nil, typeError("Barrier(action=...) needs Python code in the server, which runs none: let the party run it whose wait() returns 0")
	}
	return a, nil
}

func barrierWait(k *invocation, args []pickle.Node) reply {
	if isNone(args[0]) {
		return k.result(k.wait("wait", forever))
	}
	timeout, err := waitTimeout(args[0])
	if err != nil {
		return raised(err)
	}
	return k.result(k.wait("wait", timeout))
}

func barrierAttribute(k *invocation, args []pickle.Node) reply {
	switch name := textOf(args[0]); name {
	case "parties", "n_waiting", "broken":
		return k.result(k.call(name))
	default:
		return raised(attributeError("%s", fmt.Sprintf("'Barrier' object has no attribute %s", quote(name))))
	}
}
