package objects

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/syncmanager/syncmanager/integration/long"
	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// leased is one item of a reply of receive.
type leased struct {
	token   uint64
	attempt int64
	item    string
}

// leases decodes a reply of receive.
func (a *answer) leases() []leased {
	a.c.w.t.Helper()
	a.mustEnd()
	if a.err != nil {
		a.c.w.t.Fatalf("receive: %v", a.err)
	}
	r, err := wire.NewReader(a.value.Bytes())
	if err != nil {
		a.c.w.t.Fatal(err)
	}
	var all []leased
	for r.More() {
		row, err := wire.NewReader(r.Next())
		if err != nil {
			a.c.w.t.Fatal(err)
		}
		token, _ := row.Uint()
		attempt, _ := row.Int()
		all = append(all, leased{token, attempt, show(wire.Raw(row.Next()))})
	}
	return all
}

func (c *client) receive(o wire.Ref, args ...any) []leased {
	c.w.t.Helper()
	return c.start(o, "receive", args...).leases()
}

const counts = "{'waiting': %d, 'delayed': %d, 'leased': %d, 'dead': %d, 'dropped': %d}"

func TestLease(t *testing.T) {
	for _, typeid := range []string{"Queue", "JoinableQueue", "LifoQueue", "PriorityQueue", "SimpleQueue"} {
		w := newWorld(t, 3)
		a, b := w.clients[0], w.clients[1]
		q := w.share(typeid)
		empty := w.e.Stats().Bytes
		a.want("None", q, "put", 1)
		got := b.receive(q)
		if len(got) != 1 || got[0].attempt != 1 || got[0].item != "1" {
			t.Fatalf("%s: got %v", typeid, got)
		}
		a.want("0", q, "qsize")
		a.want(fmt.Sprintf(counts, 0, 0, 1, 0, 0), q, "counts")
		a.want("error empty: queue is empty", q, "get_nowait")
		if text := a.do(q, "ack", []any{got[0].token}); !strings.HasPrefix(text, "error lock_lost") {
			t.Errorf("%s: another session's ack: %s", typeid, text)
		}
		// What is written under the lease is refused once it is over.
		var d wire.Ref
		for _, c := range w.clients {
			d = c.named("d", "dict")
		}
		guarded := func() string {
			return b.send(engine.Command{Object: d.ID, Name: []byte("set"), Args: encList([]any{"k", 1}), Guard: q.ID, Token: got[0].token}).text()
		}
		if text := guarded(); text != "None" {
			t.Errorf("%s: a guarded write: %s", typeid, text)
		}
		b.want("None", q, "ack", []any{got[0].token})
		if text := guarded(); !strings.HasPrefix(text, "error lock_lost") {
			t.Errorf("%s: a write under a lease that is over: %s", typeid, text)
		}
		if text := b.do(q, "ack", []any{got[0].token}); !strings.HasPrefix(text, "error lock_lost") {
			t.Errorf("%s: acknowledged twice: %s", typeid, text)
		}
		// The next receive acknowledges, and waits.
		a.want("None", q, "put", 2)
		got = b.receive(q, 5, 60)
		wait := b.start(q, "receive", 5, nil, []any{got[0].token})
		wait.is("waiting")
		a.want(fmt.Sprintf(counts, 0, 0, 0, 0, 0), q, "counts")
		a.want("None", q, "put", 3)
		b.want("None", q, "ack", []any{wait.leases()[0].token})
		if got := w.e.Stats().Bytes; got < empty {
			t.Errorf("%s: %d bytes, and %d when it was empty", typeid, got, empty)
		}
		w.close()
	}
}

func TestLeaseEnds(t *testing.T) {
	w := newWorld(t, 3)
	defer w.close()
	a, b, c := w.clients[0], w.clients[1], w.clients[2]
	q := w.share("Queue")
	a.want("None", q, "limit_attempts", 3, 2)
	base := w.e.Stats().Bytes
	for _, v := range []string{"x", "y", "z"} {
		a.want("None", q, "put", v)
	}
	first := b.receive(q, 1, 1e-9*10)
	w.tick(9)
	b.want("None", q, "extend", first[0].token, 1e-9*10)
	w.tick(9)
	if !w.hears(b, first[0].token, func() { w.tick(1) }) {
		t.Fatal("the holder of a lease whose time was up has not heard of it")
	}
	// It came back to its place, and remembers.
	again := b.receive(q, 2)
	if again[0].item != "'x'" || again[0].attempt != 2 || again[1].item != "'y'" || again[1].attempt != 1 {
		t.Fatalf("got %v", again)
	}
	// Not counted, and later.
	b.want("None", q, "nack", again[0].token, 5e-9, "not now", false)
	b.want("None", q, "nack", again[1].token)
	a.want(fmt.Sprintf(counts, 2, 1, 0, 0, 0), q, "counts")
	w.tick(5)
	a.want("['x', 'y', 'z']", q, "value")
	again = c.receive(q, 1)
	if again[0].attempt != 2 {
		t.Fatalf("an attempt that was not counted: %v", again)
	}
	c.expire()
	third := b.receive(q, 1)
	if third[0].item != "'x'" || third[0].attempt != 3 {
		t.Fatalf("after the session's end: %v", third)
	}
	b.want("None", q, "nack", third[0].token, nil, "broken")
	a.want(fmt.Sprintf(counts, 2, 0, 0, 1, 0), q, "counts")
	a.want("2", q, "unfinished")
	dead := a.do(q, "dead")
	for _, part := range []string{"'id': 1", "'item': 'x'", "'attempts': 3", "the time of the lease was up", "'not now'", "the session of the worker ended", "'broken'"} {
		if !strings.Contains(dead, part) {
			t.Errorf("dead: %s; want %s in it", dead, part)
		}
	}
	// Put back, and put into another queue.
	a.want("1", q, "requeue", []any{1})
	a.want("['x', 'y', 'z']", q, "value")
	for range 3 {
		all := b.receive(q, 10)
		for _, e := range all {
			b.want("None", q, "nack", e.token, nil, "no")
		}
	}
	// y had failed once before: three are dead, and the list takes two.
	a.want(fmt.Sprintf(counts, 0, 0, 0, 2, 1), q, "counts")
	a.want("0", q, "unfinished")
	a.want("None", q, "join")
	other := a.create("Queue", 1)
	if got := a.do(q, "requeue", nil, other); got != "error full: queue is full" {
		t.Fatal(got)
	}
	a.want("2", q, "purge_dead")
	a.release(other, 1)
	if got := w.e.Stats().Bytes; got != base {
		t.Errorf("%d bytes are left", got-base)
	}
}

func TestLeaseAndShutdown(t *testing.T) {
	w := newWorld(t, 2)
	defer w.close()
	a, b := w.clients[0], w.clients[1]
	q := w.share("Queue")
	a.want("None", q, "put", 1)
	a.want("None", q, "put", 2, 1e-9*10)
	got := b.receive(q)
	a.want("None", q, "shutdown")
	getter := a.start(q, "get")
	getter.is("waiting")
	w.tick(10)
	getter.is("2")
	getter = a.start(q, "get")
	getter.is("waiting")
	a.want("None", q, "task_done")
	a.want("error value: task_done() called too many times", q, "task_done")
	b.want("None", q, "ack", []any{got[0].token})
	getter.is("error shut_down: queue is shut down")
	a.want("error value: task_done() called too many times", q, "task_done")
	a.want("None", q, "join")

	q = a.create("Queue")
	a.want("None", q, "put", 1)
	a.want("None", q, "put", 2, 1)
	token := a.receive(q)[0].token
	if !w.hears(a, token, func() { a.want("None", q, "shutdown", true) }) {
		t.Error("the holder has not heard of an immediate shutdown")
	}
	a.want(fmt.Sprintf(counts, 0, 0, 0, 0, 0), q, "counts")
	a.want("None", q, "join")
}

// hears reports whether the session hears, while fn runs, that the hold is lost.
func (w *world) hears(c *client, token uint64, fn func()) bool {
	fn()
	return slices.ContainsFunc(w.fx.Lost, func(l engine.Lost) bool { return l.Peer == c && l.Token == token })
}

// TestLeaseHistories has random calls of several sessions, of which some end,
// and knows of each item where it must be.
func TestLeaseHistories(t *testing.T) {
	histories := 300
	if !long.Enabled() {
		histories = 60
	}
	for seed := range histories {
		leaseHistory(t, uint64(seed))
	}
}

func leaseHistory(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	w := newWorld(t, 3)
	defer w.close()
	kind := []string{"Queue", "LifoQueue", "PriorityQueue"}[r.IntN(3)]
	attempts := r.IntN(4)
	q := w.share(kind)
	w.clients[0].want("None", q, "limit_attempts", attempts, 5)
	base := w.e.Stats().Bytes
	type state struct {
		holder *client
		token  uint64
		failed int
		out    bool // acknowledged or got
		dead   bool
	}
	items := map[string]*state{}
	put, done := 0, 0
	held := func(c *client) (tokens []uint64) {
		for i := range put {
			if s := items[fmt.Sprint(i)]; s.holder == c {
				tokens = append(tokens, s.token)
			}
		}
		return tokens
	}
	byToken := func(token uint64) *state {
		for _, s := range items {
			if s.holder != nil && s.token == token {
				return s
			}
		}
		t.Fatalf("seed %d: token %d is nobody's", seed, token)
		return nil
	}
	fail := func(s *state, counted bool) {
		s.holder = nil
		if counted {
			s.failed++
		}
		if attempts > 0 && s.failed >= attempts {
			s.dead = true
			done++
		}
	}
	for range 150 {
		c := w.clients[r.IntN(len(w.clients))]
		mine := held(c)
		switch r.IntN(10) {
		case 0, 1, 2:
			args := []any{put}
			if r.IntN(3) == 0 {
				args = append(args, float64(1+r.IntN(20))*1e-9)
			}
			c.want("None", q, "put", args...)
			items[fmt.Sprint(put)] = &state{}
			put++
		case 3, 4, 5:
			a := c.startIn(0, q, "receive", 1+r.IntN(3))
			if a.err != nil {
				continue
			}
			for _, e := range a.leases() {
				s := items[e.item]
				if s.holder != nil || s.out || s.dead || int(e.attempt) != s.failed+1 {
					t.Fatalf("seed %d: item %s is handed out as attempt %d, though %+v", seed, e.item, e.attempt, *s)
				}
				s.holder, s.token = c, e.token
			}
		case 6:
			if len(mine) > 0 {
				token := mine[r.IntN(len(mine))]
				c.want("None", q, "ack", []any{token})
				s := byToken(token)
				s.holder, s.out = nil, true
				done++
			}
		case 7:
			if len(mine) > 0 {
				token, counted := mine[r.IntN(len(mine))], r.IntN(2) == 0
				c.want("None", q, "nack", token, float64(r.IntN(2))*5e-9, "because", counted)
				fail(byToken(token), counted)
			}
		case 8:
			w.tick(int64(r.IntN(10)))
		case 9:
			if r.IntN(4) == 0 {
				c.expire()
				for _, token := range mine {
					fail(byToken(token), true)
				}
				i := slices.Index(w.clients, c)
				fresh := w.open()
				w.clients = slices.Delete(w.clients, i, i+1)
				fresh.named("shared", kind)
			}
		}
		if got, want := w.clients[0].do(q, "unfinished"), fmt.Sprint(put-done); got != want {
			t.Fatalf("seed %d: %s items are unfinished, want %s", seed, got, want)
		}
	}
	w.tick(1000)
	for _, c := range w.clients {
		if tokens := held(c); len(tokens) > 0 {
			all := make([]any, len(tokens))
			for i := range tokens {
				all[i] = tokens[i]
			}
			c.want("None", q, "ack", all)
		}
	}
	c := w.clients[0]
	for range put {
		c.startIn(0, q, "get")
	}
	c.do(q, "purge_dead")
	c.want("0", q, "qsize")
	if got := w.e.Stats().Bytes; got != base {
		t.Fatalf("seed %d: %d bytes are left", seed, got-base)
	}
}
