package managers

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/syncmanager/syncmanager/integration/faults"
	"github.com/syncmanager/syncmanager/integration/long"
	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/objects"
)

var (
	replaySeeds = flag.Int("faults.seeds", 40, "how many seeds are run and replayed")
	replayStack = flag.Int("faults.stack", 4, "how many seeds are run over TCP and TLS, and replayed")
	replayFirst = flag.Uint64("faults.seed", 1, "the first seed")
)

// TestReplayUnderFaults records every command of a server whose clients suffer
// faults, expire, resume and die, and replays the record through a fresh engine:
// the replies and the state must be the same.
func TestReplayUnderFaults(t *testing.T) {
	for i := range *replaySeeds {
		seed := *replayFirst + uint64(i)
		ok := t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				replayTrial(t, "pipe", faults.Trial{
					Seed: seed, Lease: 6 * time.Second,
					Relay:     faults.RelayConfig{Latency: 10 * time.Millisecond, Silent: 60},
					Survivors: 5, Dying: 3, Ops: 30, Pause: 200 * time.Millisecond,
				})
			})
		})
		if !ok {
			break
		}
	}
}

// TestReplayOverTheStack is the same over TCP and TLS, by the real clock.
func TestReplayOverTheStack(t *testing.T) {
	for i := range *replayStack {
		seed := *replayFirst + uint64(i)
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			replayTrial(t, []string{"tcp://127.0.0.1:0", "tcp+plain://127.0.0.1:0"}[i/2%2], faults.Trial{
				Seed: seed, Lease: 5 * time.Second, Dial: time.Second / 2,
				Relay:     faults.RelayConfig{Latency: time.Millisecond, Silent: 10, Mean: 4000},
				Survivors: 5, Dying: 2, Ops: 45, Pause: 10 * time.Millisecond,
			})
		})
	}
}

// replayTrial carries the trial out on a server at the address and replays what
// the server did. Odd seeds make a history for the checker, even ones balance
// their books.
func replayTrial(t *testing.T, addr string, trial faults.Trial) {
	twin := &engine.Twin{New: func() *engine.Engine { return freshEngine(t) }, Large: 32 << 10, Every: 100}
	if !long.Enabled() {
		twin.Large, twin.Every = 1, 50
	}
	journal := engine.Journal{Twin: twin}
	server := newTestServer(t, func(c *Config) { c.observe = journal.Apply })
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	if err := server.Listen(ctx, addr); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx) }()
	seed := trial.Seed
	trial.Server, trial.AuthKey = server.Addrs()[0], testKey
	if seed%2 == 0 {
		if err := trial.Run(ctx); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	} else if _, err := trial.Record(ctx); err != nil {
		t.Errorf("seed %d: %v", seed, err)
	}
	server.Close()
	<-served

	server.core.mu.Lock() // a timer may still fire
	defer server.core.mu.Unlock()
	if twin.Failed != nil {
		t.Errorf("seed %d: %v", seed, twin.Failed)
	}
	fresh := freshEngine(t)
	sum, err := engine.Replay(fresh, journal.Log, new(int))
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	if sum != journal.Sum() {
		t.Errorf("seed %d: the replies of the replay differ", seed)
	}
	if got, want := fresh.Dump(nil), journal.State(server.core.engine); !bytes.Equal(got, want) {
		t.Errorf("seed %d: the state after the replay differs: %d and %d bytes", seed, len(got), len(want))
	}
}

// freshEngine returns an engine that knows a server's types.
func freshEngine(t *testing.T) *engine.Engine {
	e := engine.New(objects.Types()...)
	if err := e.AddType(iteratorEngineType()); err != nil {
		t.Fatal(err)
	}
	return e
}
