//go:build unix

package kill

import (
	"context"
	"flag"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/syncmanager/syncmanager/integration/faults"
	"github.com/syncmanager/syncmanager/proxy"
)

var kills = flag.Int("kills", 10, "how often the server with a data directory is killed under load")

// durable starts a managerd with a data directory, which listens where it listened
// before when it is started again.
func durable(t testing.TB, args ...string) *server {
	t.Helper()
	s := newServer(t, args...)
	s.args = append(s.args, "--data-dir", filepath.Join(s.dir, "data"))
	s.start()
	s.args[1] = s.addr
	return s
}

// again starts the server that was killed.
func (s *server) again() {
	s.Helper()
	s.start()
}

// TestRestart holds that everything is there after a kill: a client that was
// connected goes on without an error, with its holds, its waiters and its items.
func TestRestart(t *testing.T) {
	s := durable(t)
	ctx := s.ctx
	m, other := s.client(), s.client()
	d := must1[*proxy.Dict[string, int]](t)(proxy.OpenDict[string, int](ctx, m, "d"))
	q := must1[*proxy.Queue[int]](t)(proxy.OpenQueue[int](ctx, m, "q", 0))
	empty := must1[*proxy.Queue[int]](t)(proxy.OpenQueue[int](ctx, m, "empty", 0))
	l := must1[*proxy.Lock](t)(proxy.OpenLock(ctx, m, "l"))
	s.must(d.Set(ctx, "k", 1))
	for i := range 5 {
		s.must(q.Put(ctx, i))
	}
	h := must1[*proxy.Hold](t)(l.Acquire(ctx))
	got := make(chan int, 1)
	go func() {
		n, err := empty.Get(ctx)
		if err != nil {
			t.Error(err)
		}
		got <- n
	}()
	theirs := must1[*proxy.Lock](t)(proxy.OpenLock(ctx, other, "l"))
	next := make(chan *proxy.Hold, 1)
	go func() {
		h, err := theirs.Acquire(ctx)
		if err != nil {
			t.Error(err)
		}
		next <- h
	}()
	until(t, "both wait", func() bool { return info(t, m, "parked") == 2 })
	for range 3 {
		s.kill()
		s.again()
		if n, err := d.Add(ctx, "k", 1); err != nil {
			t.Fatalf("after the restart: %d, %v", n, err)
		}
	}
	if n, err := d.Get(ctx, "k"); n != 4 || err != nil {
		t.Errorf("the count is %d, %v", n, err)
	}
	for want := range 5 {
		if n, err := q.Get(ctx); n != want || err != nil {
			t.Errorf("item %d, %v; want %d", n, err, want)
		}
	}
	s.must(d.Set(proxy.WithHold(ctx, h), "guarded", 1))
	s.must(h.Release(ctx))
	if after := soon(t, "the lock", next); after.Token() <= h.Token() {
		t.Errorf("token %d after %d", after.Token(), h.Token())
	}
	eo := must1[*proxy.Queue[int]](t)(proxy.OpenQueue[int](ctx, other, "empty", 0))
	s.must(eo.Put(ctx, 77))
	if n := soon(t, "the item", got); n != 77 {
		t.Errorf("the waiter got %d", n)
	}
}

// TestKills kills the server again and again at random moments under mixed load,
// whose books must balance: each call took effect once, tokens grew, waiters were
// served, nobody held what another held.
func TestKills(t *testing.T) {
	// A session that cannot resume for a whole lease is over, and rightly so: the
	// server is up for some hundred milliseconds at a time.
	const lease = time.Minute
	s := durable(t, "--lease", lease.String())
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(*kills)*3*time.Second+3*time.Minute)
	defer cancel()
	s.ctx = ctx
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	trial := &faults.Trial{
		Seed: seed, Server: s.addr, AuthKey: s.key, Lease: lease, Dial: 2 * time.Second,
		Relay: faults.RelayConfig{Latency: time.Millisecond, Mean: 20_000}, Survivors: 8, Dying: 0, Ops: *kills * 12, Pause: 80 * time.Millisecond,
	}
	over := make(chan error, 1)
	go func() { over <- trial.Run(ctx) }()
	until(t, "all clients are there", func() bool {
		return strings.Count(strings.Join(s.log.list(), "\n"), `"session opened"`) == trial.Survivors+1
	})
	for n := 0; ; {
		up := time.Duration(rng.IntN(500)) * time.Millisecond
		if n%5 == 4 {
			up += 2 * time.Second // all can resume
		}
		select {
		case err := <-over:
			if err != nil {
				t.Error(err)
			}
			t.Logf("%d kills", n)
			if strings.Contains(strings.Join(s.log.list(), "\n"), `"level":"ERROR"`) {
				t.Error("the server met an error")
			}
			return
		case <-time.After(up):
		}
		if n < *kills {
			s.kill()
			s.again()
			n++
		}
	}
}
