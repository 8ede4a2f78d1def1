package faults

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/integration/long"
	"github.com/syncmanager/syncmanager/managers"
)

var (
	seeds = flag.Int("faults.seeds", 200, "how many seeds are run in memory")
	stack = flag.Int("faults.stack", 20, "how many seeds are run over TCP and TLS; a fifth of them with raw connections")
	first = flag.Uint64("faults.seed", 1, "the first seed; with -faults.seeds 1 the only one")
)

func testKey(t testing.TB) auth.Key {
	k, err := auth.FromBytes([]byte("a key for tests only"))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// serve starts a server on the address and returns where it listens.
func serve(t testing.TB, addr string, setup ...func(*managers.Server)) string {
	s := managers.NewServer(managers.Config{AuthKey: testKey(t)})
	for _, f := range setup {
		f(s)
	}
	ctx, cancel := context.WithCancel(context.Background())
	if err := s.Listen(ctx, addr); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; !errors.Is(err, managers.ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
	})
	return s.Addrs()[0]
}

// inMemory returns a trial beside a server in the synctest bubble.
func inMemory(t *testing.T, seed uint64) *Trial {
	trial := &Trial{
		Seed: seed, Server: serve(t, "pipe"), AuthKey: testKey(t), Lease: 6 * time.Second,
		Relay:     RelayConfig{Latency: 10 * time.Millisecond, Silent: 60},
		Survivors: 5, Dying: 3, Ops: 30, Pause: 200 * time.Millisecond,
	}
	if seed%5 == 0 {
		trial.Relay.Mean, trial.Blobs = 60_000, 150_000
	}
	if testing.Verbose() && *seeds == 1 {
		start := time.Now()
		trial.Log = func(format string, args ...any) {
			t.Logf("%v "+format, append([]any{time.Since(start)}, args...)...)
		}
	}
	return trial
}

// TestBooksBalance runs mixed work of many sessions under faults in memory.
func TestBooksBalance(t *testing.T) {
	for i := range *seeds {
		seed := *first + uint64(i)
		ok := t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
				defer cancel()
				trial := inMemory(t, seed)
				if err := trial.Run(ctx); err != nil {
					t.Errorf("seed %d (repeat with -faults.seed %d -faults.seeds 1 -v):\n%v", seed, seed, err)
				}
			})
		})
		if !ok {
			break
		}
	}
}

// TestBooksBalanceOverTheStack runs the same over TCP and TLS, by the real
// clock.
func TestBooksBalanceOverTheStack(t *testing.T) {
	long.Test(t)
	for _, addr := range []string{"tcp://127.0.0.1:0", "tcp+plain://127.0.0.1:0"} {
		t.Run(addr, func(t *testing.T) {
			t.Parallel()
			places := make(chan struct{}, 10)
			var all sync.WaitGroup
			for i := range (*stack + 1) / 2 {
				seed := *first + uint64(i)
				places <- struct{}{}
				all.Go(func() {
					defer func() { <-places }()
					ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
					defer cancel()
					// A slow machine must be able to connect several times
					// within a lease.
					trial := &Trial{
						Seed: seed, Server: serve(t, addr), AuthKey: testKey(t), Lease: 12 * time.Second, Dial: 2 * time.Second,
						Relay:     RelayConfig{Latency: time.Millisecond, Silent: 10, Mean: 4000},
						Survivors: 5, Dying: 2, Ops: 45, Pause: 10 * time.Millisecond,
					}
					if err := trial.Run(ctx); err != nil {
						t.Errorf("seed %d:\n%v", seed, err)
					}
				})
			}
			all.Wait()
		})
	}
}

// TestRawConnections runs the same with raw connections beside the calls. They
// end with the connections below them, and until then nothing is wrong with
// what comes. yamux, which carries them, cannot run in a synctest bubble.
func TestRawConnections(t *testing.T) {
	long.Test(t)
	t.Run("all", func(t *testing.T) {
		places := make(chan struct{}, 6)
		var all sync.WaitGroup
		var closed, broken atomic.Int64
		for i := range (*stack + 4) / 5 {
			for _, addr := range []string{"tcp://127.0.0.1:0", "tcp+plain://127.0.0.1:0", "pipe"} {
				places <- struct{}{}
				all.Go(func() {
					defer func() { <-places }()
					c, b := rawConnections(t, addr, *first+uint64(i))
					closed.Add(int64(c))
					broken.Add(int64(b))
				})
			}
		}
		all.Wait()
		t.Logf("%d raw connections were closed, %d broke", closed.Load(), broken.Load())
		if closed.Load() == 0 || broken.Load() == 0 {
			t.Errorf("%d raw connections were closed and %d broke: this test holds nothing", closed.Load(), broken.Load())
		}
	})
	// Servers and clients are closed: nothing of yamux is left.
	until(t, "all that carried raw connections has ended", func() bool {
		buf := make([]byte, 8<<20)
		return !strings.Contains(string(buf[:runtime.Stack(buf, true)]), "yamux.(")
	})
}

// rawConnections runs a trial with raw connections to a server on the address.
// It returns how many of them were closed in good order, and how many broke.
func rawConnections(t *testing.T, addr string, seed uint64) (closed, broken int) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	echo := new(Echo)
	trial := &Trial{
		Seed: seed, Lease: 8 * time.Second, Dial: 2 * time.Second, AuthKey: testKey(t),
		Server:    serve(t, addr, func(s *managers.Server) { s.HandleConn("echo", echo.Serve) }),
		Relay:     RelayConfig{Latency: time.Millisecond, Silent: 5, Mean: 200_000},
		Survivors: 4, Dying: 1, Ops: 30, Pause: 10 * time.Millisecond, Echo: "echo",
	}
	if err := trial.Run(ctx); err != nil {
		t.Errorf("%s, seed %d:\n%v", addr, seed, err)
	}
	running := 0
	until(t, fmt.Sprintf("%s, seed %d: no raw connection is served any more", addr, seed), func() bool {
		running, closed, broken = echo.Counts()
		return running == 0
	})
	if err := echo.Err(); err != nil {
		t.Errorf("%s, seed %d:\n%v", addr, seed, err)
	}
	return closed, broken
}

// until polls until the condition holds. It is fit for any goroutine.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			buf := make([]byte, 8<<20)
			t.Errorf("did not happen: %s\n%s", what, buf[:runtime.Stack(buf, true)])
			return
		}
	}
}

// TestLinearizable records what ten clients and three that die see of each
// object under faults, and looks for an order that explains it.
func TestLinearizable(t *testing.T) {
	for i := range (*seeds + 3) / 4 {
		seed := *first + uint64(i)
		ok := t.Run(fmt.Sprint(seed), func(t *testing.T) {
			var h *History
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
				defer cancel()
				trial := inMemory(t, seed)
				trial.Survivors, trial.Ops = 10, 24
				var err error
				if h, err = trial.Record(ctx); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
			})
			if h == nil {
				return
			}
			if err := h.Check(20 * time.Second); err != nil {
				t.Errorf("seed %d (repeat with -faults.seed %d -faults.seeds 1 -v):\n%v", seed, seed, err)
			}
		})
		if !ok {
			break
		}
	}
}

// TestCheckFindsFaults checks that the check is worth something: histories that
// no order explains are found.
func TestCheckFindsFaults(t *testing.T) {
	type ops = []porcupine.Operation
	put := func(n int, from, to int64) porcupine.Operation {
		return porcupine.Operation{ClientId: int(from), Input: input{verb: opPut, arg: n}, Call: from, Output: output{}, Return: to}
	}
	take := func(n int, ok bool, from, to int64) porcupine.Operation {
		return porcupine.Operation{ClientId: int(from), Input: input{verb: opTake}, Call: from, Output: output{value: n, ok: ok}, Return: to}
	}
	on := func(verb verb, arg int, out output, from, to int64) porcupine.Operation {
		return porcupine.Operation{ClientId: int(from), Input: input{verb: verb, arg: arg}, Call: from, Output: out, Return: to}
	}
	yes := output{ok: true}
	for _, c := range []struct {
		name, object string
		ops          ops
		legal        bool
	}{
		{"an item twice", "queue", ops{put(1, 1, 2), take(1, true, 3, 4), take(1, true, 5, 6)}, false},
		{"out of order", "queue", ops{put(1, 1, 2), put(2, 3, 4), take(2, true, 5, 6), take(1, true, 7, 8)}, false},
		{"passed over", "queue", ops{put(1, 1, 2), put(2, 3, 4), take(2, true, 5, 6)}, false},
		{"from nowhere", "queue", ops{put(1, 5, 6), take(1, true, 3, 4)}, false},
		{"empty and not", "queue", ops{put(1, 1, 2), take(0, false, 3, 4), take(1, true, 5, 6)}, false},
		{"at one time", "queue", ops{put(1, 1, 3), put(2, 2, 4), take(2, true, 5, 6), take(1, true, 7, 8)}, true},
		{"two holders", "lock", ops{on(opAcquire, 0, yes, 1, 2), on(opAcquire, 1, yes, 3, 4), on(opRelease, 0, yes, 5, 6)}, false},
		{"three of two", "permits", ops{on(opAcquire, 0, yes, 1, 2), on(opAcquire, 1, yes, 3, 4), on(opAcquire, 2, yes, 5, 6)}, false},
		{"one after the other", "lock", ops{on(opAcquire, 0, yes, 1, 4), on(opRelease, 0, yes, 5, 6), on(opAcquire, 1, yes, 3, 8)}, true},
		{"a lost write", "value", ops{on(opSet, 1, output{}, 1, 2), on(opAdd, 1, output{value: 2}, 3, 4), on(opAdd, 1, output{value: 2}, 5, 6)}, false},
		{"an old value", "value", ops{on(opSet, 1, output{}, 1, 2), on(opSet, 2, output{}, 3, 4), on(opGet, 0, output{value: 1, ok: true}, 5, 6)}, false},
	} {
		h := &History{objects: map[string][]porcupine.Operation{c.object: c.ops}}
		if err := h.Check(time.Second); (err == nil) != c.legal {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
