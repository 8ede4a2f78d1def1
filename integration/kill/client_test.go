//go:build unix

package kill

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/syncmanager/syncmanager/integration/long"
	"github.com/syncmanager/syncmanager/proxy"
)

// TestKilledHolder: what a killed client holds goes to the next within its
// lease, under a greater fencing token.
func TestKilledHolder(t *testing.T) {
	s := serve(t)
	ctx, m := s.ctx, s.client()
	p := s.program("hold", time.Second)
	var old uint64
	fmt.Sscanf(p.out.wait(t, "held"), "held %d", &old)
	l := must1[*proxy.Lock](t)(proxy.OpenLock(ctx, m, "lock"))
	holder := must1[*proxy.LockInfo](t)(l.Holder(ctx))
	if holder == nil || holder.Program != "child-hold" || holder.PID != int64(p.cmd.Process.Pid) || holder.Token != old {
		t.Errorf("the holder is %+v", holder)
	}
	start := time.Now()
	p.kill()
	h := must1[*proxy.Hold](t)(l.AcquireTimeout(ctx, limit))
	if d := time.Since(start); d > 3*time.Second {
		t.Errorf("a killed client's lock was free after %v; its lease is 1s", d)
	}
	if h.Token() <= old {
		t.Errorf("fencing token %d after %d", h.Token(), old)
	}
	r := must1[*proxy.RLock](t)(proxy.OpenRLock(ctx, m, "rlock"))
	must1[*proxy.Hold](t)(r.AcquireTimeout(ctx, m.NewOwner(), limit))
	sem := must1[*proxy.Semaphore](t)(proxy.OpenSemaphore(ctx, m, "semaphore", 1))
	must1[*proxy.Hold](t)(sem.AcquireTimeout(ctx, limit))
	until(t, "the session is gone", func() bool { return info(t, m, "sessions") == 1 })
}

// TestKilledWaiter: a client that is killed while it waits takes no item and no
// lock with it, from the moment on that its connection is gone.
func TestKilledWaiter(t *testing.T) {
	s := serve(t)
	ctx, m := s.ctx, s.client()
	l := must1[*proxy.Lock](t)(proxy.OpenLock(ctx, m, "lock"))
	h := must1[*proxy.Hold](t)(l.Acquire(ctx))
	p := s.program("wait", 20*time.Second) // it is far from over when the items come
	until(t, "it waits for an item and for the lock", func() bool { return info(t, m, "parked") == 2 })
	p.kill()
	s.log.wait(t, "lost its connection")
	q := must1[*proxy.Queue[int]](t)(proxy.OpenQueue[int](ctx, m, "queue", 0))
	start := time.Now()
	for i := range 3 {
		s.must(q.Put(ctx, i))
		if n, err := q.GetTimeout(ctx, limit); n != i || err != nil {
			t.Errorf("the item behind a dead waiter: %d, %v; want %d", n, err, i)
		}
	}
	s.must(h.Release(ctx))
	must1[*proxy.Hold](t)(l.AcquireTimeout(ctx, limit))
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("a dead waiter held the others up for %v", d)
	}
}

// TestKilledParty: a barrier whose party is killed breaks for the others, and
// they are told who is missing.
func TestKilledParty(t *testing.T) {
	s := serve(t)
	ctx, m := s.ctx, s.client()
	p := s.program("barrier", time.Second)
	b := must1[*proxy.Barrier](t)(proxy.OpenBarrier(ctx, m, "barrier", 3, 0))
	until(t, "it waits", func() bool { n, err := b.NWaiting(ctx); return n == 1 && err == nil })
	done := make(chan error, 1)
	go func() { done <- errOf(b.Wait(ctx)) }()
	until(t, "two wait", func() bool { n, err := b.NWaiting(ctx); return n == 2 && err == nil })
	p.kill()
	err := soon(t, "the barrier breaks", done)
	is(t, "the other party", err, proxy.ErrBrokenBarrier)
	if err == nil || !strings.Contains(err.Error(), "child-barrier") || !strings.Contains(err.Error(), fmt.Sprint(p.cmd.Process.Pid)) {
		t.Errorf("the error does not name who is missing (child-barrier, pid %d): %v", p.cmd.Process.Pid, err)
	}
}

// TestKilledPutters: of clients that are killed while they put, each put that was
// confirmed is there once, in order, and at most one more.
func TestKilledPutters(t *testing.T) {
	s := serve(t)
	ctx, m := s.ctx, s.client()
	confirmed := make(map[int]int)
	for i := range 4 {
		p := s.program("put", time.Second)
		pid := p.cmd.Process.Pid
		p.out.wait(t, fmt.Sprintf("put %d %d", pid, 100+37*i))
		p.kill()
		for _, line := range p.out.list() {
			var n int
			if _, err := fmt.Sscanf(line, "put %d %d", new(int), &n); err == nil {
				confirmed[pid] = n + 1
			}
		}
	}
	until(t, "the sessions are gone", func() bool { return info(t, m, "sessions") == 1 })
	q := must1[*proxy.Queue[[2]int]](t)(proxy.OpenQueue[[2]int](ctx, m, "queue", 0))
	found := make(map[int]int)
	for {
		item, err := q.TryGet(ctx)
		if err != nil {
			is(t, "the end of the queue", err, proxy.ErrEmpty)
			break
		}
		if pid, n := item[0], item[1]; n != found[pid] {
			t.Fatalf("item %d of client %d where item %d is due", n, pid, found[pid])
		}
		found[item[0]]++
	}
	for pid, n := range confirmed {
		if got := found[pid]; got != n && got != n+1 {
			t.Errorf("client %d confirmed %d items; %d are there", pid, n, got)
		}
	}
	if len(found) != len(confirmed) {
		t.Errorf("items of %d clients, want %d", len(found), len(confirmed))
	}
}

// TestKilledGetters: of items that clients get who are killed at any moment, none
// is lost, and one comes twice only if its first receiver was killed, and is
// marked then.
func TestKilledGetters(t *testing.T) {
	s := serve(t)
	ctx, m := s.ctx, s.client()
	const n = 3000
	q := must1[*proxy.Queue[int]](t)(proxy.OpenQueue[int](ctx, m, "queue", 0))
	for i := 0; i < n; i += 500 {
		var items []int
		for j := range 500 {
			items = append(items, i+j)
		}
		s.must(q.PutMany(ctx, items...))
	}
	times := make(map[int]int) // how often an item was received
	take := func(item int, redelivered bool) {
		if times[item]++; times[item] > 1 && !redelivered {
			t.Errorf("item %d came for the %d. time and is not marked", item, times[item])
		}
	}
	var all []*program
	for range 5 {
		p := s.program("get", time.Second)
		p.out.wait(t, "got")
		until(t, "it gets items", func() bool { return len(p.out.list()) > 100 })
		p.kill()
		all = append(all, p)
		until(t, "its session is gone", func() bool { return info(t, m, "sessions") == 1 })
	}
	for _, p := range all {
		for _, line := range p.out.list() {
			var item int
			var redelivered bool
			if _, err := fmt.Sscanf(line, "got %d %t", &item, &redelivered); err == nil {
				take(item, redelivered)
			}
		}
	}
	mine := 0
	for {
		d, err := q.ReceiveTimeout(ctx, 0)
		if err != nil {
			is(t, "the end of the queue", err, proxy.ErrEmpty)
			break
		}
		take(d.Value, d.Attempt > 1)
		s.must(d.Ack(ctx))
		mine++
	}
	twice := 0
	for i := range n {
		switch c := times[i]; {
		case c == 0:
			// Received, and killed before it could say so: then it was not
			// acknowledged either, and must have come back.
			t.Errorf("item %d was lost", i)
		case c > 1:
			twice++
		}
	}
	t.Logf("%d items by killed clients, %d afterwards, %d twice", n-mine, mine, twice)
}

// TestStoppedHolder: a client that is stopped for longer than its lease loses its
// lock to another, and knows when it continues; its guarded write is refused.
func TestStoppedHolder(t *testing.T) {
	s := serve(t)
	ctx, m := s.ctx, s.client()
	p := s.program("hold", time.Second)
	var old uint64
	fmt.Sscanf(p.out.wait(t, "held"), "held %d", &old)
	p.signal(syscall.SIGSTOP)
	l := must1[*proxy.Lock](t)(proxy.OpenLock(ctx, m, "lock"))
	h := must1[*proxy.Hold](t)(l.AcquireTimeout(ctx, limit))
	if h.Token() <= old {
		t.Errorf("fencing token %d after %d", h.Token(), old)
	}
	d := must1[*proxy.Dict[string, int]](t)(proxy.OpenDict[string, int](ctx, m, "shared"))
	s.must(d.Set(proxy.WithHold(ctx, h), "k", 1))
	p.signal(syscall.SIGCONT)
	p.out.wait(t, "lost:")
	p.out.wait(t, "expired:")
	if line := p.out.wait(t, "guarded write:"); strings.Contains(line, "nil") {
		t.Errorf("the write of a client that was stopped: %s", line)
	}
	if v, err := d.Get(ctx, "k"); v != 1 || err != nil {
		t.Errorf("the value is %d, %v; want that of the new holder", v, err)
	}
	s.must(h.Release(ctx))
}

// TestStoppedForAMoment: a client that is stopped for less than its lease keeps
// everything.
func TestStoppedForAMoment(t *testing.T) {
	long.Test(t)
	s := serve(t)
	ctx, m := s.ctx, s.client()
	p := s.program("hold", 6*time.Second)
	p.out.wait(t, "held")
	p.signal(syscall.SIGSTOP)
	l := must1[*proxy.Lock](t)(proxy.OpenLock(ctx, m, "lock"))
	is(t, "the lock of a client that is stopped", errOf(l.AcquireTimeout(ctx, 3*time.Second)), proxy.ErrTimeout)
	p.signal(syscall.SIGCONT)
	is(t, "the lock of a client that was stopped", errOf(l.AcquireTimeout(ctx, 5*time.Second)), proxy.ErrTimeout)
	for _, word := range []string{"lost", "expired"} {
		if line, more := p.out.find(word); more == nil {
			t.Errorf("the client that was stopped for half its lease says %q", line)
		}
	}
}
