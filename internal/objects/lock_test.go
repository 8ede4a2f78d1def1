package objects

import (
	"strings"
	"testing"

	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// lost returns the tokens of the holds that the last command took away.
func (w *world) lost() (tokens []uint64) {
	for _, l := range w.fx.Lost {
		tokens = append(tokens, l.Token)
	}
	return tokens
}

// within checks that an answer is an error that has the words, in order.
func (a *answer) within(code wire.Code, words ...string) {
	a.c.w.t.Helper()
	a.mustEnd()
	if a.err == nil || a.err.Code != code {
		a.c.w.t.Fatalf("call %d: got %s, want an error %s", a.serial, a.text(), code)
	}
	rest := a.err.Message
	for _, word := range words {
		at := strings.Index(rest, word)
		if at < 0 {
			a.c.w.t.Fatalf("call %d: no %q (after the others) in %q", a.serial, word, a.err.Message)
		}
		rest = rest[at+len(word):]
	}
}

func TestLock(t *testing.T) {
	w := newWorld(t, 3)
	defer w.close()
	a, b, c := w.clients[0], w.clients[1], w.clients[2]
	l := w.share("Lock")
	a.want("False", l, "locked")
	a.want("None", l, "holder")
	a.want("error not_held: release unlocked lock", l, "release")
	w.now = 50
	a.want("1", l, "acquire")
	b.startIn(0, l, "acquire").is("False")
	x, y, z := b.startIn(10, l, "acquire"), c.start(l, "acquire"), b.start(l, "acquire")
	a.want("{'session': 1, 'program': 'test', 'host': 'host', 'pid': 100, 'remote': '10.0.0.1:1', 'owner': 0, 'token': 1, 'since': 50, 'count': 1, 'owned': False, 'waiting': 3}", l, "holder")
	w.tick(10)
	x.is("False")
	a.want("True", l, "value")
	if got := a.do(l, "repr"); !strings.HasPrefix(got, "'<locked _thread.lock object at 0x") {
		t.Fatal(got)
	}

	// Anybody may release it; the holder hears of it.
	b.want("None", l, "release")
	y.is("2")
	// A release that names a hold ends no other.
	a.want(`error lock_lost: hold 1 of Lock "shared" is over`, l, "release", 0, 1)
	z.is("waiting")
	c.want("None", l, "release", 0, 2)
	z.is("3")
	c.want(`error lock_lost: hold 2 of Lock "shared" is over`, l, "release", 0, 2)
	b.expire()
	a.want("False", l, "locked")
	a.want("error type: Lock.acquire(owner=0, owned=False): argument 1: got str, want int", l, "acquire", "x")
	a.want("error type: Lock.release(owner=0, token=0) takes at most 2 arguments, got 3", l, "release", 1, 2, 3)
	a.want("False", l, "locked")
}

func TestLockLost(t *testing.T) {
	w := newWorld(t, 2)
	defer w.close()
	a, b := w.clients[0], w.clients[1]
	l := w.share("Lock")
	d := a.create("dict")
	a.ok(l, "acquire")
	guarded := func(token uint64) *answer {
		return a.send(engine.Command{Object: d.ID, Name: []byte("set"), Args: encList([]any{"k", 1}), Guard: l.ID, Token: token})
	}
	guarded(1).is("None")
	r := b.start(l, "release")
	r.is("None")
	if got := w.lost(); len(got) != 1 || got[0] != 1 {
		t.Fatalf("lost: %v", got)
	}
	guarded(1).within(wire.CodeLockLost)
	a.want("2", l, "acquire")
	guarded(1).within(wire.CodeLockLost)
	guarded(2).is("None")
	a.ok(l, "release")
	if got := w.lost(); len(got) != 0 {
		t.Fatalf("lost: %v", got)
	}
}

func TestLockUndo(t *testing.T) {
	w := newWorld(t, 3)
	defer w.close()
	a, b, c := w.clients[0], w.clients[1], w.clients[2]
	l := w.share("Lock")
	a.keep = true
	got := a.start(l, "acquire")
	got.is("1")
	x, y := b.start(l, "acquire"), c.start(l, "acquire")
	got.cancel(true)
	x.is("2")
	b.ok(l, "release")
	y.is("3")
	// The reply to the first is undone once only, and never takes what another has.
	a.expire()
	a.w.clients[1].want("True", l, "locked")

	r := c.create("RLock")
	c.keep = true
	first := c.start(r, "acquire", 5)
	c.ok(r, "acquire", 5)
	first.cancel(true)
	c.want("True", r, "locked")
	c.ok(r, "release", 5)
	c.want("False", r, "locked")
}

func TestRLock(t *testing.T) {
	w := newWorld(t, 2)
	defer w.close()
	a, b := w.clients[0], w.clients[1]
	l := w.share("RLock")
	a.want("1", l, "acquire", 7)
	a.want("1", l, "acquire", 7)
	a.startIn(0, l, "acquire", 8).is("False")
	b.startIn(0, l, "acquire", 7).is("False") // the owner is a session and a number
	b.want("error not_held: cannot release un-acquired lock", l, "release", 7)
	a.want("error not_held: cannot release un-acquired lock", l, "release", 8)
	a.want(`error lock_lost: hold 9 of RLock "shared" is over`, l, "release", 7, 9)
	x := b.start(l, "acquire", 1)
	if got := a.do(l, "repr"); !strings.HasPrefix(got, "'<locked _thread.RLock object owner=7 count=2 at 0x") {
		t.Fatal(got)
	}
	a.want("None", l, "release", 7)
	x.is("waiting")
	a.want("None", l, "release", 7, 1)
	x.is("2")
	a.want("error not_held: cannot release un-acquired lock", l, "release", 7)
	y := a.start(l, "acquire", 7)
	b.expire() // the hold of a dead session goes on to the next
	y.is("3")
	a.ok(l, "release", 7)
	a.want("False", l, "locked")
	a.want("error not_held: cannot release un-acquired lock", l, "release", 7)
}

// Strict order among waiters, with some that time out, cancel, lose their
// connection and come back.
func TestLockFairness(t *testing.T) {
	w := newWorld(t, 51)
	defer w.close()
	l := w.share("Lock")
	w.clients[0].ok(l, "acquire")
	type waiter struct {
		c *client
		a *answer
	}
	var waiters []waiter
	for i, c := range w.clients[1:] {
		timeout := int64(1 << 40)
		if i%10 == 3 {
			timeout = 5
		}
		waiters = append(waiters, waiter{c, c.startIn(timeout, l, "acquire")})
	}
	for i, x := range waiters {
		switch i % 10 {
		case 4:
			x.a.cancel(false)
		case 5, 6, 7:
			x.c.lose()
		}
	}
	w.tick(5)
	for i, x := range waiters {
		if i%10 == 6 {
			x.c.resume() // before its turn: back in its old place
		}
		if i%10 == 7 && i < 20 {
			x.c.expire()
		}
	}
	w.clients[0].ok(l, "release")
	var want []int
	for i := range waiters {
		switch i % 10 {
		case 3, 4, 5, 7:
		default:
			want = append(want, i)
		}
	}
	for n, i := range want {
		x := waiters[i]
		if !x.a.done || x.a.err != nil || show(x.a.value) == "False" {
			t.Fatalf("turn %d: waiter %d has %s", n, i, x.a.text())
		}
		if n+1 < len(want) {
			if next := waiters[want[n+1]]; next.a.done {
				t.Fatalf("two holders: %d and %d", i, want[n+1])
			}
		}
		if n == 10 {
			waiters[5].c.resume() // its turn is past: it is the next
		}
		x.c.ok(l, "release")
		if n == 10 {
			early := waiters[5]
			if !early.a.done {
				t.Fatal("the waiter that came back is not served first")
			}
			early.c.ok(l, "release")
		}
	}
	for i, x := range waiters {
		switch {
		case i%10 == 3:
			x.a.is("False")
		case i%10 == 4:
			x.a.is("error cancelled: call was cancelled")
		}
	}
	for i, x := range waiters {
		if i%10 == 5 && i != 5 || i%10 == 7 && i >= 20 {
			x.c.resume()
			if !x.a.done {
				t.Fatalf("waiter %d came back to a free lock and waits", i)
			}
			x.c.ok(l, "release")
		}
	}
}

func TestDeadlock(t *testing.T) {
	w := newWorld(t, 3)
	defer w.close()
	a, b, c := w.clients[0], w.clients[1], w.clients[2]
	open := func(name, typeid string) (r wire.Ref) {
		for _, x := range w.clients {
			r = x.named(name, typeid)
		}
		return r
	}
	r1, r2, l3, plain := open("r1", "RLock"), open("r2", "RLock"), open("l3", "Lock"), open("plain", "Lock")
	a.ok(r1, "acquire", 1)
	b.ok(r2, "acquire", 2)
	c.ok(l3, "acquire", 3, true)
	w.now += 1e9
	x := a.start(r2, "acquire", 1)
	w.now += 2e9
	y := b.start(l3, "acquire", 2, true)
	// Another owner of the same client is no part of it, nor is a wait that ends by itself.
	other := c.start(r1, "acquire", 4)
	short := c.startIn(5, r1, "acquire", 3)
	w.tick(5)
	short.is("False")
	z := c.start(r1, "acquire", 3)
	z.within(wire.CodeDeadlock,
		"deadlock: owner 3 of session 3 (test on host, pid 102) waits for RLock \"r1\", held for 3.000000005s by owner 1 of session 1 (test on host, pid 100)",
		"; owner 1 of session 1 (test on host, pid 100) waits for RLock \"r2\" since 2.000000005s, held for 3.000000005s by owner 2 of session 2",
		"; owner 2 of session 2 (test on host, pid 101) waits for Lock \"l3\" since 5ns, held for 3.000000005s by owner 3 of session 3")
	if show(z.err.Detail) == "" || !z.err.Safe {
		t.Fatalf("%+v", z.err)
	}
	y.is("waiting")
	c.ok(l3, "release")
	if show(y.value) == "" || y.err != nil {
		t.Fatal(y.text())
	}
	b.ok(r2, "release", 2)
	a.ok(r1, "release", 1)
	if !x.done || !other.done {
		t.Fatal("not served")
	}

	// A lock with an owner cannot be acquired twice by it: a cycle of one.
	b.start(l3, "acquire", 2, true).within(wire.CodeDeadlock, "owner 2", `Lock "l3"`, "owner 2")
	// A plain lock may be released by anybody: no cycle.
	a.ok(plain, "acquire")
	a.start(plain, "acquire").is("waiting")
}

// The search ends also where owners wait in several calls at once.
func TestDeadlockManyCalls(t *testing.T) {
	w := newWorld(t, 1)
	defer w.close()
	a := w.clients[0]
	var locks []wire.Ref
	for i := range 20 {
		l := a.create("RLock")
		a.ok(l, "acquire", i)
		locks = append(locks, l)
	}
	// Owner i waits for all locks above its own.
	for i := range 20 {
		for j := i + 1; j < 20; j++ {
			a.start(locks[j], "acquire", i).is("waiting")
		}
	}
	a.start(locks[0], "acquire", 19).within(wire.CodeDeadlock, "owner 19", "owner 0")
	a.start(locks[5], "acquire", 100).is("waiting")
}

// An owner that waits in many calls is looked at once, and one that waits for many
// locks is told where the limit is.
func TestDeadlockSearchIsBounded(t *testing.T) {
	w := newWorld(t, 1)
	defer w.close()
	a := w.clients[0]
	one, two := a.create("RLock"), a.create("RLock")
	a.ok(one, "acquire", 1)
	a.ok(two, "acquire", 2)
	for range 3 * maxCycleWalk {
		a.start(two, "acquire", 1)
	}
	a.start(one, "acquire", 2).within(wire.CodeDeadlock, "owner 2", "owner 1")
	a.start(one, "acquire", 3).is("waiting")
	for i := range engine.MaxAwaits {
		l := a.create("RLock")
		a.ok(l, "acquire", 1)
		a.start(l, "acquire", 7).is("waiting")
		if i == engine.MaxAwaits-1 {
			a.start(two, "acquire", 7).within(wire.CodeOverloaded, "owner 7 waits for 1024 locks at once")
		}
	}
}

func TestLockAllocs(t *testing.T) {
	w := newWorld(t, 1)
	a := w.clients[0]
	for _, typeid := range []string{"Lock", "RLock"} {
		l := a.create(typeid)
		acquire, release := a.hot(l, "acquire"), a.hot(l, "release")
		for range 2000 { // tokens above the small integers
			acquire()
			release()
		}
		if n := testing.AllocsPerRun(1000, func() { acquire(); release() }); n > 2 {
			t.Errorf("%s: acquire and release: %v allocations, want at most 2", typeid, n)
		}
	}
	w.closed = true // hot calls are not in the journal
}
