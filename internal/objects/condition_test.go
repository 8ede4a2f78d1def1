package objects

import (
	"strings"
	"testing"

	"github.com/syncmanager/syncmanager/internal/wire"
)

func TestCondition(t *testing.T) {
	w := newWorld(t, 3)
	defer w.close()
	a, b, c := w.clients[0], w.clients[1], w.clients[2]
	k := w.share("Condition")
	a.want("error not_held: cannot wait on un-acquired lock", k, "wait", 1)
	a.want("error not_held: cannot notify on un-acquired lock", k, "notify", 1, 1)
	a.want("error not_held: cannot notify on un-acquired lock", k, "notify_all", 1)
	a.want("error not_held: cannot release un-acquired lock", k, "release", 1)
	a.want("1", k, "acquire", 1)
	a.want("1", k, "acquire", 1)
	a.want("error not_held: cannot wait on un-acquired lock", k, "wait", 2)
	b.want("error not_held: cannot wait on un-acquired lock", k, "wait", 1)
	x := a.start(k, "wait", 1) // gives up both levels
	b.want("2", k, "acquire", 5)
	y := b.startIn(100, k, "wait", 5)
	c.want("3", k, "acquire")
	if got := a.do(k, "repr"); !strings.HasPrefix(got, "'<Condition(<locked _thread.RLock object owner=0 count=1 at 0x") || !strings.HasSuffix(got, ">, 2)>'") {
		t.Fatal(got)
	}
	c.want("None", k, "notify", 5)
	x.is("waiting")
	c.want("None", k, "release")
	x.is("True")
	y.is("waiting")
	w.tick(1000) // notified: no deadline any more
	y.is("waiting")
	a.want("4", k, "token", 1)
	a.want("None", k, "release", 1)
	a.want("None", k, "release", 1)
	y.is("True")
	a.want(`error not_held: owner 1 does not hold Condition "shared"`, k, "token", 1)

	// A wait whose time is up has the lock again, though it must wait for it.
	z := b.startIn(10, k, "wait", 5)
	c.ok(k, "acquire")
	w.tick(10)
	z.is("waiting")
	c.ok(k, "release")
	z.is("False")
	b.want("True", k, "locked")
	b.startIn(0, k, "wait", 5).is("False")
	// ... also one that does not wait: others have their turn first.
	v := c.start(k, "acquire")
	z = b.startIn(0, k, "wait", 5)
	z.is("waiting")
	if !v.done {
		t.Fatal("not served")
	}
	c.ok(k, "release")
	z.is("False")

	// A cancelled one does not.
	g := b.start(k, "wait", 5)
	g.cancel(false)
	g.is("error cancelled: the wait was cancelled; its lock is not held")
	b.want("False", k, "locked")
	b.want("error not_held: cannot release un-acquired lock", k, "release", 5)
}

func TestConditionLock(t *testing.T) {
	for _, typeid := range []string{"Lock", "RLock"} {
		w := newWorld(t, 2)
		a, b := w.clients[0], w.clients[1]
		l := w.share(typeid)
		k := a.named("cond", "Condition", l)
		b.named("cond", "Condition", l)
		q := a.create("Queue")
		a.want("error type: Condition(): its lock is a Queue; it must be a Lock or an RLock", server, "create", "Condition", q)
		a.start(server, "create", "Condition", 3).within(wire.CodeType, "Condition(lock=None): argument", "got int, want object reference")

		a.want("1", l, "acquire") // the lock itself is the condition's
		x := a.start(k, "wait")
		x.is("waiting")
		y := b.start(k, "acquire")
		y.is("2")
		b.ok(k, "notify_all")
		b.ok(l, "release")
		x.is("True")
		a.want("3", k, "token")
		a.ok(k, "release")
		a.want("False", l, "locked")

		// The lock lives while the condition does, its name gone or not.
		a.ok(l, "acquire")
		x = a.start(k, "wait")
		b.ok(k, "acquire")
		z := a.start(k, "acquire")
		a.ok(server, "remove", "shared")
		z.is("6") // the hold is over, and the condition goes on with it
		a.ok(k, "notify")
		a.release(l, 1)
		b.release(l, 1)
		a.ok(k, "release")
		x.is("True")
		a.ok(k, "release")
		a.ok(server, "remove", "cond")
		a.release(k, 1)
		b.release(k, 1)
		a.release(q, 1)
		if n := w.objects(); n != 0 {
			t.Fatalf("%d objects are left", n)
		}
		w.close()
	}
}

// A notification that died with its waiter goes to the next.
func TestConditionPassOn(t *testing.T) {
	for _, how := range []string{"expire before the lock", "cancel before the lock", "expire unacknowledged", "abandon", "heard of"} {
		w := newWorld(t, 4)
		a, b, c, d := w.clients[0], w.clients[1], w.clients[2], w.clients[3]
		k := w.share("Condition")
		b.ok(k, "acquire")
		b.keep = true
		x := b.start(k, "wait")
		c.ok(k, "acquire")
		y := c.start(k, "wait")
		d.ok(k, "acquire")
		z := d.start(k, "wait")
		a.ok(k, "acquire")
		a.ok(k, "notify")
		switch how {
		case "expire before the lock":
			b.expire()
			a.ok(k, "release")
		case "cancel before the lock":
			x.cancel(false)
			a.ok(k, "release")
			x.is("error cancelled: the wait was cancelled; its lock is not held")
		case "expire unacknowledged":
			a.ok(k, "release")
			x.is("True")
			b.expire()
		case "abandon":
			a.ok(k, "release")
			x.is("True")
			x.cancel(true)
		case "heard of":
			a.ok(k, "release")
			b.ok(k, "release")
			b.expire()
			y.is("waiting")
			w.close()
			continue
		}
		y.is("True")
		z.is("waiting")
		c.ok(k, "release")
		z.is("waiting")
		w.close()
	}
}

// A notification of all is nobody's to pass on, and reaches those who have no
// connection now.
func TestConditionNotifyAll(t *testing.T) {
	w := newWorld(t, 4)
	defer w.close()
	a, b, c, d := w.clients[0], w.clients[1], w.clients[2], w.clients[3]
	k := w.share("Condition")
	b.ok(k, "acquire")
	b.keep = true
	x := b.start(k, "wait")
	c.ok(k, "acquire")
	y := c.start(k, "wait")
	c.lose()
	a.ok(k, "acquire")
	a.ok(k, "notify_all")
	late := a.start(k, "wait")
	x.is("True")
	b.expire() // nobody heard of its True
	late.is("waiting")
	y.is("waiting")
	d.want("False", k, "locked")
	c.resume()
	y.is("True")
	late.is("waiting")
}

func TestConditionNotifyPresentFirst(t *testing.T) {
	w := newWorld(t, 3)
	defer w.close()
	a, b, c := w.clients[0], w.clients[1], w.clients[2]
	k := w.share("Condition")
	b.ok(k, "acquire")
	x := b.start(k, "wait")
	b.lose()
	c.ok(k, "acquire")
	y := c.start(k, "wait")
	a.ok(k, "acquire")
	a.ok(k, "notify")
	a.ok(k, "release")
	y.is("True")
	c.ok(k, "notify") // only the absent one is left: kept for it
	c.ok(k, "release")
	x.is("waiting")
	b.resume()
	x.is("True")
}

// The reacquisition of a wait whose time is up closes a cycle.
func TestConditionDeadlock(t *testing.T) {
	w := newWorld(t, 2)
	defer w.close()
	a, b := w.clients[0], w.clients[1]
	k := w.share("Condition")
	l := a.named("other", "RLock")
	b.named("other", "RLock")
	a.ok(l, "acquire", 1)
	a.ok(k, "acquire", 1)
	x := a.startIn(10, k, "wait", 1)
	b.ok(k, "acquire", 2)
	y := b.start(l, "acquire", 2)
	y.is("waiting")
	w.tick(10)
	x.within(wire.CodeDeadlock, "the wait gave up the lock and cannot have it back: deadlock: owner 1 of", `waits for Condition "shared"`, "owner 2 of", `waits for RLock "other"`)
	if x.err.Safe {
		t.Fatal("the wait cannot simply be repeated")
	}
	a.ok(l, "release", 1)
	if !y.done {
		t.Fatal("not served")
	}

	// A notified wait that stands for the lock is part of a cycle too.
	b.ok(l, "release", 2)
	a.ok(l, "acquire", 1)
	b.ok(k, "release", 2)
	a.ok(k, "acquire", 1)
	z := a.start(k, "wait", 1)
	b.ok(k, "acquire", 2)
	b.ok(k, "notify", 1, 2)
	b.start(l, "acquire", 2).within(wire.CodeDeadlock, "owner 2", `RLock "other"`, "owner 1", `Condition "shared"`)
	b.ok(k, "release", 2)
	z.is("True")
}
