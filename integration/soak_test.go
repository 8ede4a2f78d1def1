package integration

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/integration/faults"
	"github.com/syncmanager/syncmanager/managers"
	"github.com/syncmanager/syncmanager/proxy"
)

// soak is how long TestSoak loads the server:
//
//	go test ./integration -run TestSoak -soak 1h -timeout 0 -v
var soak = flag.Duration("soak", 3*time.Second, "how long TestSoak runs")

// soaked is what a soak loads.
type soaked struct {
	*env
	faulty *env // the server that sessions under faults work on; nobody is connected
}

// usage is what a server must give back.
type usage struct {
	heap       uint64 // bytes, after a forced collection
	goroutines int
	files      int // open file descriptors, -1 where they cannot be counted
	objects    int
	bytes      int // by the server's own count
	sessions   int
	parked     int
}

// TestSoak creates and releases objects of all kinds under mixed load, with
// clients that come, go and give up, and then finds memory, goroutines, file
// descriptors and objects where they were. A run of half a minute or more has
// sessions under faults as well, whose books must balance.
func TestSoak(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler) // what is kept of a log would be a leak
	e := newEnvOf(t, "tcp", managers.Config{Lease: 5 * time.Second, Logger: quiet}, registerCounter)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	other := newEnvOf(t, "tcp", managers.Config{Logger: quiet})
	other.must(other.m.Close())
	other.must(other.m2.Close())
	s := soaked{e, other}
	// Pools, buffers and maps fill up to what the load needs: so it runs once
	// before the first measurement.
	s.round(seed, min(*soak/3, 5*time.Minute))
	before := measure(e)
	s.round(seed+1, *soak)
	// What timers, collections and the last acknowledgements hold goes within a
	// moment; what yamux holds of raw connections within half a minute. Pools
	// and buffers may differ by a little: a leak of 100 bytes a round would be
	// far above that in an hour.
	var after usage
	back := func() bool {
		after = measure(e)
		return after.goroutines <= before.goroutines+2 && after.files <= before.files+2 && after.objects <= before.objects &&
			after.bytes <= before.bytes+4096 && after.sessions <= before.sessions && after.parked == 0 &&
			after.heap <= before.heap+before.heap/4+2<<20
	}
	for end := time.Now().Add(time.Minute); !back() && time.Now().Before(end); {
		time.Sleep(50 * time.Millisecond)
	}
	t.Logf("before %+v", before)
	t.Logf("after  %+v", after)
	if !back() {
		t.Error("the server has not given back what it used")
		t.Logf("objects: %+v", e.objects())
		t.Logf("sessions: %+v", must1[proxy.Page[proxy.SessionInfo]](e)(e.m.Sessions(e.ctx, 0, 1000)))
	}
}

func measure(e *env) usage {
	e.Helper()
	for range 3 {
		runtime.GC() // pools are emptied by the second one
		time.Sleep(20 * time.Millisecond)
	}
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	return usage{
		heap: mem.HeapAlloc, goroutines: runtime.NumGoroutine(), files: openFiles(), objects: e.info("objects"),
		bytes: e.info("bytes"), sessions: e.info("sessions"), parked: e.info("parked"),
	}
}

// openFiles counts this process's file descriptors.
func openFiles() int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return -1
	}
	return len(list)
}

// round loads the server for a while.
func (s soaked) round(seed uint64, d time.Duration) {
	e := s.env
	e.Helper()
	ctx, cancel := context.WithCancel(context.Background()) // without a deadline that dialling would meet first
	defer time.AfterFunc(d, cancel).Stop()
	defer cancel()
	var wg sync.WaitGroup
	errs := make(chan error, 16)
	run := func(what string, f func(ctx context.Context, r *rand.Rand) error) {
		n := seed
		wg.Go(func() {
			r := rand.New(rand.NewPCG(n, uint64(len(what))))
			for ctx.Err() == nil {
				if err := f(ctx, r); err != nil && ctx.Err() == nil {
					select {
					case errs <- fmt.Errorf("%s: %w", what, err):
					default:
					}
					return
				}
			}
		})
	}
	for range 2 {
		run("objects", func(ctx context.Context, r *rand.Rand) error { return churn(ctx, e.m, r) })
		run("waits", func(ctx context.Context, r *rand.Rand) error { return giveUp(ctx, e.m2, r) })
	}
	run("custom", func(ctx context.Context, r *rand.Rand) error { return churnCustom(ctx, e.m, r) })
	if *soak >= 30*time.Second {
		seeds := seed << 20
		run("faults", func(context.Context, *rand.Rand) error { seeds++; return trial(s.faulty.addr, s.faulty.key, seeds) })
	}
	run("clients", func(ctx context.Context, r *rand.Rand) error { return comeAndGo(ctx, e, r) })
	wg.Wait()
	close(errs)
	for err := range errs {
		e.Error(err)
	}
	// Whoever was interrupted between open and remove left a name.
	for _, o := range must1[[]proxy.ObjectInfo](e)(e.m.Names(e.ctx, "soak.")) {
		e.must(e.m.Remove(e.ctx, o.Name))
	}
}

// trial has sessions work through connections that break, some of which die, on
// a server of its own: the books of a trial tell whether all is at rest. It is
// carried to its end: only then do they balance.
func trial(addr string, key auth.Key, seed uint64) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	t := &faults.Trial{
		Seed: seed, Server: addr, AuthKey: key, Lease: 6 * time.Second, Dial: 2 * time.Second,
		Relay:     faults.RelayConfig{Latency: 2 * time.Millisecond, Silent: 20},
		Survivors: 3, Dying: 2, Ops: 30, Pause: 50 * time.Millisecond,
	}
	if seed%5 == 0 {
		t.Relay.Mean, t.Blobs = 60_000, 150_000
	}
	if err := t.Run(ctx); err != nil {
		return fmt.Errorf("seed %d: %w", seed, err)
	}
	m, err := proxy.Connect(ctx, addr, proxy.Config{AuthKey: key})
	if err != nil {
		return err
	}
	defer m.Close()
	names, err := m.Names(ctx, "")
	for _, o := range names {
		err = errors.Join(err, m.Remove(ctx, o.Name))
	}
	if err != nil {
		return err
	}
	info, err := m.Info(ctx)
	if err == nil && info["objects"] != int64(0) {
		err = fmt.Errorf("seed %d: %v objects remain when all names are removed", seed, info["objects"])
	}
	return err
}

// churn makes objects, fills them, nests them and lets them go, by hand and by
// leaving them to the garbage collector.
func churn(ctx context.Context, m *proxy.Manager, r *rand.Rand) error {
	d, err := proxy.NewDict[int, any](ctx, m)
	if err != nil {
		return err
	}
	l, err := proxy.NewList[any](ctx, m)
	if err != nil {
		return err
	}
	defer func() {
		if r.IntN(10) > 0 {
			d.Drop()
			l.Drop()
		}
	}()
	for i := range r.IntN(20) {
		if err := d.Set(ctx, i, make([]byte, r.IntN(2000))); err != nil {
			return err
		}
	}
	if err := errors.Join(d.Set(ctx, -1, l), l.Append(ctx, "x")); err != nil {
		return err
	}
	if _, err := d.Items(ctx); err != nil { // grants references as well
		return err
	}
	if r.IntN(50) == 0 { // a cycle, and a value in fragments
		if err := l.Append(ctx, d); err != nil {
			return err
		}
		if err := d.Set(ctx, 0, make([]byte, 300_000)); err != nil {
			return err
		}
		return d.Clear(ctx)
	}
	name := fmt.Sprintf("soak.%d", r.IntN(20))
	if _, err := proxy.OpenQueue[int](ctx, m, name, 0); err != nil && !errors.Is(err, proxy.ErrRemoved) {
		return err
	}
	if err := m.Remove(ctx, name); err != nil && !errors.Is(err, proxy.ErrNotFound) {
		return err
	}
	return nil
}

// giveUp waits, and gives up or is served.
func giveUp(ctx context.Context, m *proxy.Manager, r *rand.Rand) error {
	q, err := proxy.NewQueue[int](ctx, m, 0)
	if err != nil {
		return err
	}
	defer q.Drop()
	l, err := proxy.NewLock(ctx, m)
	if err != nil {
		return err
	}
	defer l.Drop()
	h, err := l.Acquire(ctx)
	if err != nil {
		return err
	}
	short, cancel := context.WithTimeout(ctx, time.Duration(r.IntN(2000))*time.Microsecond)
	defer cancel()
	got := make(chan error, 2)
	go func() { got <- errOf(q.Get(short)) }()
	go func() {
		h, err := l.Acquire(short)
		if err == nil {
			err = h.Release(ctx)
		}
		got <- err
	}()
	if err := errors.Join(q.Put(ctx, 1), h.Release(ctx)); err != nil {
		return err
	}
	for range 2 {
		if err := <-got; err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	return nil
}

// churnCustom makes objects of a user's type, and objects that its methods
// return.
func churnCustom(ctx context.Context, m *proxy.Manager, r *rand.Rand) error {
	c, err := m.Create(ctx, "Counter", r.IntN(100))
	if err != nil {
		return err
	}
	defer c.Drop()
	it, err := proxy.Call[proxy.Iterator[int]](ctx, c, "Count", 5)
	if err != nil {
		return err
	}
	if _, err := it.Next(ctx); err != nil {
		return err
	}
	if r.IntN(2) == 0 {
		it.Drop()
	}
	child, err := proxy.Call[proxy.Ref](ctx, c, "Child", 1)
	if err != nil {
		return err
	}
	defer child.Drop()
	if _, err := proxy.Call[any](ctx, child, "Explode"); !errors.Is(err, proxy.ErrPanic) {
		return fmt.Errorf("Explode: %w", err)
	}
	return nil
}

// comeAndGo connects, holds something, and leaves, in good order or not.
func comeAndGo(ctx context.Context, e *env, r *rand.Rand) error {
	m, err := proxy.Connect(ctx, e.addr, proxy.Config{AuthKey: e.key})
	if err != nil {
		return err
	}
	defer m.Close()
	l, err := proxy.NewLock(ctx, m)
	if err != nil {
		return err
	}
	if _, err := l.Acquire(ctx); err != nil {
		return err
	}
	if r.IntN(20) == 0 {
		if c, err := m.OpenConn(ctx, "nobody"); !errors.Is(err, proxy.ErrNotFound) {
			return fmt.Errorf("OpenConn: %v, %w", c, err)
		}
	}
	if r.IntN(4) == 0 { // an administrator ends it
		return e.m.Kick(ctx, m.SessionID())
	}
	return nil
}
