package hostile

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/syncmanager/syncmanager/managers"
	"github.com/syncmanager/syncmanager/proxy"
)

// Worker is a registered type whose methods misbehave.
type Worker struct {
	started chan struct{}
	ended   chan error
	runs    atomic.Int64
}

func (w *Worker) Add(a, b int) int { w.runs.Add(1); return a + b }

func (w *Worker) Fail() error { return errors.New("the printer is on fire") }

func (w *Worker) Panic(what string) int {
	var none []int
	if what == "index" {
		return none[5]
	}
	panic(what)
}

// Hang runs until its caller gives up.
func (w *Worker) Hang(ctx context.Context) error {
	w.started <- struct{}{}
	<-ctx.Done()
	w.ended <- ctx.Err()
	return ctx.Err()
}

// Sleep runs that long, whatever its caller does.
func (w *Worker) Sleep(ms int) int {
	time.Sleep(time.Duration(ms) * time.Millisecond)
	return ms
}

func (w *Worker) Closed() bool { return false }

// worker serves one Worker as the typeid "Worker", whose calls may run at once.
func worker(t testing.TB) (*server, *Worker, *proxy.Manager, *proxy.Ref) {
	t.Helper()
	w := &Worker{started: make(chan struct{}, 16), ended: make(chan error, 16)}
	s := serve(t, plain, managers.Config{}, func(srv *managers.Server) {
		if err := srv.RegisterValue("Worker", w, managers.TypeOptions{Concurrent: true}); err != nil {
			t.Fatal(err)
		}
	})
	m := s.client()
	return s, w, m, must1[*proxy.Ref](t)(m.Create(s.ctx, "Worker"))
}

// TestCallsThatTimeOutLeaveTheClientAble: after calls whose time ran out, whose
// late answers come while others are under way, the client calls as before.
func TestCallsThatTimeOutLeaveTheClientAble(t *testing.T) {
	s, _, m, ref := worker(t)
	q := must1[*proxy.Queue[int]](t)(proxy.NewQueue[int](s.ctx, m, 0))
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(s.ctx, time.Duration(i%5)*time.Millisecond)
			defer cancel()
			// The server's verdict may be the result after all.
			if n, err := proxy.Call[int](ctx, ref, "Sleep", 30); err == nil && n != 30 || err != nil && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Sleep: %d, %v; want a deadline exceeded, or 30", n, err)
			}
			if _, err := q.Get(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Get: %v, want a deadline exceeded", err)
			}
		})
	}
	for i := range 500 {
		if sum, err := proxy.Call[int](s.ctx, ref, "Add", i, 1); sum != i+1 || err != nil {
			t.Fatalf("Add(%d, 1) among calls that time out = %d, %v", i, sum, err)
		}
	}
	wg.Wait()
	for i := range 100 {
		s.must(q.Put(s.ctx, i))
		if n, err := q.Get(s.ctx); n != i || err != nil {
			t.Fatalf("an item after calls that timed out: %d, %v; want %d", n, err, i)
		}
	}
	until(t, "nothing waits in the server", func() bool { return info(t, m, "parked") == 0 && info(t, m, "running") <= 1 })
}

// TestMethodThatReturnsOnlyAnError: the caller gets that error.
func TestMethodThatReturnsOnlyAnError(t *testing.T) {
	s, _, _, ref := worker(t)
	_, err := proxy.Call[struct{}](s.ctx, ref, "Fail")
	var remote *proxy.RemoteError
	if !errors.As(err, &remote) || !strings.Contains(err.Error(), "the printer is on fire") || remote.Type != "*errors.errorString" {
		t.Fatalf("Fail: %v (%#v); want its own error", err, remote)
	}
}

// TestPanicInAMethod: the caller hears of it, the log has the stack, and the
// server, the object and all others go on.
func TestPanicInAMethod(t *testing.T) {
	s, _, m, ref := worker(t)
	g := beside(t, s.client())
	for _, what := range []string{"boom", "index"} {
		for range 20 {
			_, err := proxy.Call[int](s.ctx, ref, "Panic", what)
			is(t, "a method that panics", err, proxy.ErrPanic)
		}
	}
	if sum, err := proxy.Call[int](s.ctx, ref, "Add", 1, 2); sum != 3 || err != nil {
		t.Errorf("the same object afterwards: %d, %v", sum, err)
	}
	if _, err := m.Ping(s.ctx); err != nil {
		t.Errorf("ping: %v", err)
	}
	if s.log.find("a method panicked", "Worker.Panic", "boom", "peer_test.go") == "" {
		t.Error("the log has no stack of the panic")
	}
	g.end()
}

// TestProxyAfterTheCollectorRan: a proxy in use is never released by the
// collector; one that was released says so.
func TestProxyAfterTheCollectorRan(t *testing.T) {
	s := serve(t, plain, managers.Config{})
	m := s.client()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				runtime.GC()
			}
		}
	})
	outer := must1[*proxy.Dict[string, *proxy.List[int]]](t)(proxy.NewDict[string, *proxy.List[int]](s.ctx, m))
	for i := range 300 {
		l := must1[*proxy.List[int]](t)(proxy.NewList(s.ctx, m, i))
		s.must(outer.Set(s.ctx, "k", l)) // the last use of l
		got := must1[*proxy.List[int]](t)(outer.Get(s.ctx, "k"))
		if v, err := got.Get(s.ctx, 0); v != i || err != nil {
			t.Fatalf("list %d, while the collector runs: %d, %v", i, v, err)
		}
	}
	close(stop)
	wg.Wait()
	l := must1[*proxy.List[int]](t)(proxy.NewList(s.ctx, m, 1))
	l.Drop()
	runtime.GC()
	is(t, "a released proxy", errOf(l.Len(s.ctx)), proxy.ErrDropped)
	until(t, "the server has let go of what the client has", func() bool {
		runtime.GC()
		return info(t, m, "objects") == 2
	})
	runtime.KeepAlive(outer)
}

// TestReferencesOfVanishedClients: what 50 clients held that are gone without a
// word goes within their lease.
func TestReferencesOfVanishedClients(t *testing.T) {
	s := serve(t, plain, managers.Config{})
	m := s.client()
	q := must1[*proxy.Queue[int]](t)(proxy.OpenQueue[int](s.ctx, m, "q", 0))
	start := time.Now()
	for i := range 50 {
		p, _ := s.session(time.Second)
		for j := range 10 {
			v, err := p.call(0, "create", "dict", []any{[]any{"k", fmt.Sprint(i, j)}})
			s.must(err)
			if v == nil {
				t.Fatal("no reference")
			}
		}
		p.start(0, "open", "q", "Queue")
		p.nc.Close()
	}
	if n := info(t, m, "objects"); n < 11 {
		t.Fatalf("%d objects before the leases ran out", n)
	}
	until(t, "all of it is gone", func() bool { return info(t, m, "objects") == 1 && info(t, m, "sessions") == 1 })
	if d := time.Since(start); d > 10*time.Second {
		t.Errorf("it took %v; the leases are 1s", d)
	}
	s.must(q.Put(s.ctx, 1))
	if n, err := q.Get(s.ctx); n != 1 || err != nil {
		t.Errorf("the queue that they shared: %d, %v", n, err)
	}
}

// TestCancelledCallStopsOnTheServer: the context of a method ends when its
// caller gives up, or is gone.
func TestCancelledCallStopsOnTheServer(t *testing.T) {
	s, w, m, ref := worker(t)
	ctx, cancel := context.WithCancel(s.ctx)
	done := make(chan error, 1)
	go func() { done <- errOf(proxy.Call[struct{}](ctx, ref, "Hang")) }()
	soon(t, "the call begins", w.started)
	cancel()
	is(t, "the cancelled call", soon(t, "the call ends for its caller", done), context.Canceled)
	is(t, "the method", soon(t, "the method ends", w.ended), context.Canceled)

	ctx, cancel = context.WithTimeout(s.ctx, 50*time.Millisecond)
	defer cancel()
	is(t, "a call whose time runs out", errOf(proxy.Call[struct{}](ctx, ref, "Hang")), context.DeadlineExceeded)
	soon(t, "the call began", w.started)
	soon(t, "the method ends with its caller's time", w.ended)

	// A client that is gone.
	p, _ := s.session(time.Second)
	v, err := p.call(0, "create", "Worker")
	s.must(err)
	p.start(idOf(t, v), "Hang")
	soon(t, "the call begins", w.started)
	p.nc.Close()
	soon(t, "the method ends with its caller's session", w.ended)
	until(t, "nothing runs", func() bool { return info(t, m, "running") <= 1 })
}

// TestWhoWaitsForWhom: holders and waiters of plain locks tell an administrator
// of a cycle that is no error for the server.
func TestWhoWaitsForWhom(t *testing.T) {
	s := serve(t, plain, managers.Config{})
	admin, a, b := s.client(), s.client(), s.client()
	ctx, cancel := context.WithCancel(s.ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	lock := func(m *proxy.Manager, name string) *proxy.Lock {
		return must1[*proxy.Lock](t)(proxy.OpenLock(s.ctx, m, name))
	}
	must1[*proxy.Hold](t)(lock(a, "first").Acquire(s.ctx))
	must1[*proxy.Hold](t)(lock(b, "second").Acquire(s.ctx))
	wg.Go(func() { lock(a, "second").Acquire(ctx) })
	wg.Go(func() { lock(b, "first").Acquire(ctx) })
	until(t, "both wait", func() bool { return info(t, admin, "parked") == 2 })
	for name, want := range map[string][2]uint64{
		"first":  {a.SessionID(), b.SessionID()},
		"second": {b.SessionID(), a.SessionID()},
	} {
		l := lock(admin, name)
		holder := must1[*proxy.LockInfo](t)(l.Holder(s.ctx))
		waiting := must1[[]proxy.WaiterInfo](t)(admin.Waiting(s.ctx, l.Reference().ID()))
		if holder.Session != want[0] || len(waiting) != 1 || waiting[0].Session != want[1] || waiting[0].Method != "acquire" || !waiting[0].Connected {
			t.Errorf("%s: held by %+v, waited for by %+v; want sessions %d and %d", name, holder, waiting, want[0], want[1])
		}
	}
	is(t, "what waits on nothing", errOf(admin.Waiting(s.ctx, 1<<40)), proxy.ErrUnknownObject)
}
