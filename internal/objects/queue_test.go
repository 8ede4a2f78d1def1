package objects

import (
	"fmt"
	"strings"
	"testing"

	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// share creates a named object and gives every session of the world a
// reference to it.
func (w *world) share(typeid string, args ...any) wire.Ref {
	w.t.Helper()
	var r wire.Ref
	for _, c := range w.clients {
		r = c.named("shared", typeid, args...)
	}
	return r
}

func TestQueue(t *testing.T) {
	for _, typeid := range []string{"Queue", "JoinableQueue"} {
		w := newWorld(t, 2)
		a, b := w.clients[0], w.clients[1]
		q := w.share(typeid, 2)
		a.want("True", q, "empty")
		a.want("None", q, "put", 1)
		a.want("False", q, "full")
		a.want("None", q, "put", "two")
		a.want("True", q, "full")
		a.want("2", q, "qsize")
		a.want("2", q, "maxsize")
		a.want("1", q, "peek")
		a.want("[1, 'two']", q, "value")
		if got := a.do(q, "repr"); !strings.HasPrefix(got, "'<queue.Queue object at 0x") {
			t.Fatal(got)
		}
		a.want("error full: queue is full", q, "put_nowait", 3)
		a.startIn(0, q, "put", 3).is("error full: queue is full")
		late := a.startIn(10, q, "put", 3)
		w.tick(10)
		late.is("error full: queue is full")
		p := a.start(q, "put", 3)
		p.is("waiting")
		b.want("1", q, "get")
		p.is("None")
		b.want("'two'", q, "get")
		b.want("3", q, "get_nowait")
		b.want("error empty: queue is empty", q, "get_nowait")
		b.want("error empty: queue is empty", q, "peek")
		b.startIn(0, q, "get").is("error empty: queue is empty")
		g := b.startIn(7, q, "get")
		w.tick(7)
		g.is("error empty: queue is empty")
		g = b.start(q, "get")
		g.cancel(false)
		g.is("error cancelled: call was cancelled")
		a.want("3", q, "unfinished")
		j := b.start(q, "join")
		for range 3 {
			j.is("waiting")
			a.want("None", q, "task_done")
		}
		j.is("None")
		b.want("None", q, "join")
		a.want("error value: task_done() called too many times", q, "task_done")
		a.want("error type: "+typeid+".put(item, delay=None) takes 1 to 2 arguments, got 0", q, "put")
		a.want("error type: "+typeid+".put(item, delay=None) takes 1 to 2 arguments, got 3", q, "put", 1, 2, 3)
		a.want("True", q, "empty")
		w.close()
	}
}

func TestQueueMany(t *testing.T) {
	w := newWorld(t, 2)
	defer w.close()
	a, b := w.clients[0], w.clients[1]
	q := w.share("Queue", 3)
	a.want("None", q, "put_many", []any{})
	a.want("None", q, "put_many", []any{1, 2})
	a.startIn(0, q, "put_many", []any{3, 4}).is("error full: queue is full")
	a.want("2", q, "qsize")
	p := a.start(q, "put_many", []any{3, 4, 5, 6, 7})
	second := a.start(q, "put", 8)
	p.is("waiting")
	b.want("3", q, "qsize")
	b.want("[1, 2]", q, "get_many", 2)
	p.is("waiting")
	b.want("[3, 4, 5]", q, "get_many", 100)
	p.is("None")
	second.is("None")
	b.want("[6, 7, 8]", q, "get_many", 100)
	b.want("error value: get_many of 0 items; ask for 1 or more", q, "get_many", 0)
	g := b.start(q, "get_many", 2)
	h := b.start(q, "get_many", 2)
	a.want("None", q, "put_many", vtuple{1, 2, 3})
	g.is("[1, 2]")
	h.is("[3]")

	// One that ends half way says how far it came.
	part := a.startIn(5, q, "put_many", []any{1, 2, 3, 4, 5})
	gone := a.start(q, "put_many", []any{6, 7})
	w.tick(5)
	part.is("error full: queue is full; 3 of 5 items were put")
	if part.err.Safe || show(part.err.Detail) != "3" {
		t.Fatalf("safe %v, detail %s", part.err.Safe, show(part.err.Detail))
	}
	b.want("[1]", q, "get_many", 1)
	gone.cancel(false)
	gone.is("error cancelled: call was cancelled; 1 of 2 items were put")
	b.want("[2, 3, 6]", q, "get_many", 9)
}

func TestQueueShutdown(t *testing.T) {
	w := newWorld(t, 3)
	defer w.close()
	a, b, c := w.clients[0], w.clients[1], w.clients[2]
	q := w.share("Queue", 1)
	a.want("None", q, "put", 1)
	p := b.start(q, "put", 2)
	many := b.start(q, "put_many", []any{3, 4})
	j := b.start(q, "join")
	a.want("None", q, "shutdown")
	p.is("error shut_down: queue is shut down")
	many.is("error shut_down: queue is shut down")
	a.want("error shut_down: queue is shut down", q, "put", 2)
	a.want("1", q, "get")
	a.want("error shut_down: queue is shut down", q, "get")
	a.want("error shut_down: queue is shut down", q, "peek")
	j.is("waiting")
	a.want("None", q, "task_done")
	j.is("None")

	w.now++
	d := a.create("Queue")
	a.ok(d, "put_many", []any{1, 2, 3})
	a.want("1", d, "get")
	jd := a.start(d, "join")
	a.want("None", d, "shutdown", true)
	a.want("error shut_down: queue is shut down", d, "get")
	a.want("1", d, "unfinished")
	a.want("None", d, "task_done")
	jd.is("None")

	// Getters hear of it, those without a connection too.
	e := a.named("e", "Queue")
	b.named("e", "Queue")
	c.named("e", "Queue")
	g, h := b.start(e, "get"), c.start(e, "get_many", 3)
	c.lose()
	a.want("None", e, "shutdown")
	g.is("error shut_down: queue is shut down")
	c.resume()
	h.is("error shut_down: queue is shut down")
}

func TestQueueRedelivery(t *testing.T) {
	for _, immediate := range []bool{false, true} {
		w := newWorld(t, 3)
		a, b, c := w.clients[0], w.clients[1], w.clients[2]
		q := w.share("Queue", 4)
		a.ok(q, "put_many", []any{1, 2, 3, 4})
		b.keep, c.keep = true, true
		b.want("1", q, "get")
		c.want("[2, 3]", q, "get_many", 2)
		a.ok(q, "put_many", []any{5, 6, 7})
		a.want("7", q, "unfinished")
		if immediate {
			a.ok(q, "shutdown", true)
			a.want("3", q, "unfinished")
			c.expire()
			a.want("1", q, "unfinished")
			b.expire()
			a.want("0", q, "unfinished")
			a.want("0", q, "qsize")
			w.close()
			continue
		}
		c.lose()
		c.expire()
		b.expire()
		a.want("[1, 2, 3, 4, 5, 6, 7]", q, "value")
		a.want("True", q, "full")
		a.want("7", q, "unfinished")
		for i := 1; i <= 7; i++ {
			g := a.start(q, "get")
			g.is(fmt.Sprint(i))
			if again := g.status&wire.ReplyRedelivered != 0; again != (i <= 3) {
				t.Fatalf("item %d: delivered again: %v", i, again)
			}
		}
		w.close()
	}
}

func TestQueueAbandonedGet(t *testing.T) {
	w := newWorld(t, 2)
	defer w.close()
	a, b := w.clients[0], w.clients[1]
	q := w.share("Queue")
	inner := a.create("Queue")
	a.ok(q, "put", []any{inner})
	a.release(inner, 1)
	b.keep = true
	g := b.start(q, "get")
	waits := a.start(q, "get")
	g.cancel(true)
	if !waits.done || waits.err != nil || waits.status&wire.ReplyRedelivered == 0 {
		t.Fatalf("%+v", waits)
	}
	a.want("0", inner, "qsize") // the reply granted the reference
	if w.objects() != 2 {
		t.Fatalf("%d objects", w.objects())
	}
	a.ok(q, "qsize")
	a.release(inner, 1)
	if w.objects() != 1 {
		t.Fatalf("%d objects after the release", w.objects())
	}
}

func TestQueuePurge(t *testing.T) {
	w := newWorld(t, 2)
	defer w.close()
	a, b := w.clients[0], w.clients[1]
	q := w.share("Queue", 2)
	before := w.e.Stats().Bytes
	a.ok(q, "put_many", []any{"a", "b"})
	p := b.start(q, "put", "c")
	j := b.start(q, "join")
	a.want("2", q, "purge")
	p.is("None")
	j.is("None") // it asked before c was put
	a.want("1", q, "purge")
	a.ok(q, "qsize")
	if got := w.e.Stats().Bytes; got != before {
		t.Fatalf("%d bytes, not %d", got, before)
	}
}

func TestQueueOrders(t *testing.T) {
	w := newWorld(t, 2)
	defer w.close()
	a, b := w.clients[0], w.clients[1]
	q := a.create("LifoQueue", 3)
	a.ok(q, "put_many", []any{1, 2, 3})
	a.want("[3, 2, 1]", q, "value")
	a.want("3", q, "peek")
	a.keep = true
	g := a.start(q, "get")
	a.want("2", q, "get")
	a.ok(q, "put", 4)
	g.cancel(true)
	a.want("[4, 3, 1]", q, "value")
	a.want("[4, 3, 1]", q, "get_many", 5)
	a.keep = false

	p := w.share("PriorityQueue", 4)
	a.ok(p, "put", 3)
	a.ok(p, "put", 1.5)
	a.want("error type: '<' not supported between instances of 'str' and 'float'", p, "put", "x")
	a.want("error type: '<' not supported between instances of 'str' and 'int'", p, "put_many", []any{1, "x"})
	a.want("[1.5, 3]", p, "value")
	a.ok(p, "put_priority", 1, "first")
	a.ok(p, "put_priority", 1, "second")
	x := b.start(p, "put", "x") // refused at once
	x.is("error type: '<' not supported between instances of 'str' and 'int'")
	y := b.start(p, "put", 0)
	a.want("'first'", p, "get")
	y.is("None")
	a.want("(0, 0)", p, "get_priority")
	a.want("(1, 'second')", p, "get_priority")
	a.want("[1.5, 3]", p, "get_many", 9)

	// One that waits for room is compared again when it gets it.
	for range 4 {
		a.ok(p, "put", 1)
	}
	z := b.start(p, "put", 2)
	s := b.start(p, "put_many", []any{3})
	a.want("4", p, "purge")
	z.is("None")
	s.is("None")
	a.ok(p, "put_many", []any{4, 5})
	z = b.start(p, "put", 9)
	s = b.start(p, "put_many", []any{9, "bad"})
	a.ok(p, "get")
	a.ok(p, "get")
	a.ok(p, "get")
	s.is("error type: '<' not supported between instances of 'str' and 'int'; 1 of 2 items were put")
	z.is("None")

	// Tuples are compared as far as they must be.
	tq := a.create("PriorityQueue")
	for i := range 602 {
		a.ok(tq, "put", vtuple{i % 7, i})
	}
	a.want("error type: '<' not supported between instances of 'str' and 'int'", tq, "put", vtuple{3, "x"})
	a.ok(tq, "put", vtuple{-1, "x"})
	a.want("(-1, 'x')", tq, "get")
	for i := range 602 {
		if i%86 == 0 && i/86 < 7 {
			a.want(fmt.Sprintf("(%d, %d)", i/86, i/86), tq, "peek")
		}
		if i < 516 {
			a.ok(tq, "get")
		}
	}

	sq := a.create("SimpleQueue")
	a.ok(sq, "put", 1)
	a.want("1", sq, "qsize")
	a.want("1", sq, "get")
	a.want("True", sq, "empty")
	a.want("error not_exposed: SimpleQueue has no exposed method \"task_done\"", sq, "task_done")
}

// An item that comes back to a PriorityQueue whose items have another type by
// now is not lost.
func TestPriorityQueueStranger(t *testing.T) {
	w := newWorld(t, 2)
	defer w.close()
	a, b := w.clients[0], w.clients[1]
	p := w.share("PriorityQueue")
	a.ok(p, "put_priority", 1, "one")
	b.keep = true
	b.want("'one'", p, "get")
	a.ok(p, "put", "text")
	b.expire()
	a.want("(1, 'one')", p, "get_priority")
	a.want("'text'", p, "get")
}

func TestQueueRefusesNaNBatch(t *testing.T) {
	w := newWorld(t, 1)
	defer w.close()
	a := w.clients[0]
	p := a.create("PriorityQueue")
	nan := wire.Raw("\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00")
	a.ok(p, "put_many", []any{5, nan, 3})
	before := a.do(p, "value")
	a.do(p, "put_many", []any{4, nan, 1, nan, 9, "x"})
	a.want(before, p, "value")
	a.want("3", p, "unfinished")
}

func TestQueueLimit(t *testing.T) {
	w := newWorld(t, 1, func(c *engine.Config) { c.MaxItems = 3 })
	defer w.close()
	a := w.clients[0]
	q := a.create("Queue")
	a.want("error overloaded: a Queue of 4 entries; the limit is 3", q, "put_many", []any{1, 2, 3, 4})
	a.ok(q, "put_many", []any{1, 2, 3})
	a.want("error overloaded: a Queue of 4 entries; the limit is 3", q, "put", 4)
}

// A removed queue lets everybody go, and gives all memory back.
func TestQueueRemoved(t *testing.T) {
	w := newWorld(t, 2)
	defer w.close()
	a, b := w.clients[0], w.clients[1]
	q := w.share("Queue", 1)
	a.ok(q, "put", 1)
	p, m := b.start(q, "put", 2), b.start(q, "put_many", []any{3, 4})
	a.ok(server, "remove", "shared")
	p.is(`error removed: Queue "shared" was removed`)
	m.is(`error removed: Queue "shared" was removed`)
	a.release(q, 1)
	b.release(q, 1)
	if s := w.e.Stats(); s.Objects != 0 || s.Bytes != 0 || s.Parked != 0 {
		t.Fatalf("%+v", s)
	}
}

// A view does not change when the queue does.
func TestQueueView(t *testing.T) {
	w := newWorld(t, 1)
	defer w.close()
	a := w.clients[0]
	for _, typeid := range []string{"Queue", "LifoQueue", "PriorityQueue"} {
		q := a.create(typeid)
		for i := range 700 {
			a.ok(q, "put", i*37%700)
			if i%97 == 0 {
				a.ok(q, "value")
			}
			if i%5 == 0 {
				a.ok(q, "get")
			}
		}
		a.ok(q, "value")
		for a.do(q, "empty") == "False" {
			a.ok(q, "get_many", 3)
			a.ok(q, "value")
		}
	}
}

func TestQueueAllocs(t *testing.T) {
	w := newWorld(t, 1)
	a := w.clients[0]
	q := a.create("Queue")
	put, get := a.hot(q, "put", "some item"), a.hot(q, "get")
	for range 1000 {
		put()
		get()
	}
	if n := testing.AllocsPerRun(1000, func() { put(); get() }); n > 1 {
		t.Errorf("put and get: %v allocations, want at most 1", n)
	}
	w.closed = true // hot calls are not in the journal
}

// Strict order among 50 getters, with some that time out, cancel, lose their
// connection, come back in time or too late.
func TestQueueFairness(t *testing.T) {
	w := newWorld(t, 51)
	defer w.close()
	q := w.share("Queue")
	var got []*answer
	for i, c := range w.clients[1:] {
		timeout := int64(1 << 40)
		if i%10 == 3 {
			timeout = 5
		}
		got = append(got, c.startIn(timeout, q, "get"))
	}
	for i, c := range w.clients[1:] {
		switch i % 10 {
		case 4:
			got[i].cancel(false)
		case 5, 6:
			c.lose()
		case 7:
			c.expire()
		}
	}
	w.tick(5)
	for i, c := range w.clients[1:] {
		if i%10 == 6 {
			c.resume() // back in its old place
		}
	}
	put := w.clients[0]
	n := 0
	for i := range 50 {
		switch i % 10 {
		case 3, 4, 5, 7:
			continue
		}
		got[i].is("waiting")
		put.ok(q, "put", n)
		got[i].is(fmt.Sprint(n))
		n++
	}
	put.ok(q, "put", n)
	put.ok(q, "put", n+1)
	for i, c := range w.clients[1:] {
		switch i % 10 {
		case 3:
			got[i].is("error empty: queue is empty")
		case 4:
			got[i].is("error cancelled: call was cancelled")
		case 5:
			c.resume() // too late for its turn, and still before all who come later
			if i < 20 {
				got[i].is(fmt.Sprint(n + i/10))
			} else {
				got[i].is("waiting")
			}
		}
	}
}

// A queue holds what is referred to by its items, its keys and by puts that
// wait, and lets go of it however they end.
func TestQueueReferences(t *testing.T) {
	w := newWorld(t, 2)
	defer w.close()
	a := w.clients[0]
	live := func(n int, what string) {
		t.Helper()
		if got := w.objects(); got != n {
			t.Fatalf("%s: %d objects, not %d", what, got, n)
		}
	}
	p := a.create("PriorityQueue", 1)
	x, y, z := a.create("Lock"), a.create("Lock"), a.create("Lock")
	a.ok(p, "put_priority", vtuple{1, x}, y)
	waits := a.start(p, "put", vtuple{0, z})
	for _, r := range []wire.Ref{x, y, z} {
		a.release(r, 1)
	}
	live(4, "all are held")
	waits.cancel(false)
	live(3, "the put was cancelled")
	a.release(p, 1)
	live(0, "the queue is gone")

	q := a.create("Queue")
	a.ok(q, "put", []any{q})
	a.release(q, 1)
	live(1, "a cycle")
	a.ok(server, "collect")
	live(0, "collected")
}

// A put_many that ends half way says so, whatever ended it.
func TestQueuePartly(t *testing.T) {
	for how, want := range map[string]string{
		"shutdown": "error shut_down: queue is shut down; 2 of 3 items were put",
		"remove":   "error removed: object was removed; 2 of 3 items were put",
		"end":      "error shutting_down: server is shutting down; 2 of 3 items were put",
	} {
		w := newWorld(t, 1)
		a := w.clients[0]
		q := w.share("Queue", 2)
		p := a.start(q, "put_many", []any{1, 2, 3})
		switch how {
		case "shutdown":
			a.ok(q, "shutdown")
		case "remove":
			a.ok(server, "remove", "shared")
		case "end":
			w.must(&engine.Command{Op: engine.OpShutdown})
		}
		p.is(want)
		if p.err.Safe {
			t.Fatal("it cannot simply be repeated")
		}
		w.close()
	}
}

// Holds of a condition and permits of a semaphore guard calls as locks do.
func TestGuards(t *testing.T) {
	w := newWorld(t, 1)
	defer w.close()
	a := w.clients[0]
	d := a.create("dict")
	for _, typeid := range []string{"RLock", "Condition", "Semaphore"} {
		l := a.create(typeid)
		token, err := wire.NewReader(append([]byte{0x91}, a.ok(l, "acquire")...))
		if err != nil {
			t.Fatal(err)
		}
		n, _ := token.Uint()
		guarded := func() *answer {
			return a.send(engine.Command{Object: d.ID, Name: []byte("set"), Args: encList([]any{"k", 1}), Guard: l.ID, Token: n})
		}
		guarded().is("None")
		a.ok(l, "release")
		guarded().within(wire.CodeLockLost)
	}
}
