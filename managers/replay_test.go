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
	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/objects"
)

var (
	replaySeeds = flag.Int("faults.seeds", 40, "how many seeds are run and replayed")
	replayFirst = flag.Uint64("faults.seed", 1, "the first seed")
)

// TestReplayUnderFaults records every command of a server whose clients suffer
// faults, expire, resume and die, and replays the record through a fresh engine:
// the replies and the state must be the same.
func TestReplayUnderFaults(t *testing.T) {
	for i := range *replaySeeds {
		seed := *replayFirst + uint64(i)
		if !t.Run(fmt.Sprint(seed), func(t *testing.T) { synctest.Test(t, func(t *testing.T) { replayTrial(t, seed) }) }) {
			break
		}
	}
}

func replayTrial(t *testing.T, seed uint64) {
	var journal engine.Journal
	server := newTestServer(t, func(c *Config) { c.observe = journal.Apply })
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	if err := server.Listen(ctx, "pipe"); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx) }()
	trial := &faults.Trial{
		Seed: seed, Server: server.Addrs()[0], AuthKey: testKey, Lease: 6 * time.Second,
		Relay:     faults.RelayConfig{Latency: 10 * time.Millisecond, Silent: 60},
		Survivors: 5, Dying: 3, Ops: 30, Pause: 200 * time.Millisecond,
	}
	if seed%2 == 0 {
		if err := trial.Run(ctx); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	} else if _, err := trial.Record(ctx); err != nil {
		t.Errorf("seed %d: %v", seed, err)
	}
	server.Close()
	<-served
	synctest.Wait() // a timer may just have fired

	fresh := engine.New(objects.Types()...)
	if err := fresh.AddType(iteratorEngineType()); err != nil {
		t.Fatal(err)
	}
	sum, err := engine.Replay(fresh, journal.Log, new(int))
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	if sum != journal.Sum() {
		t.Errorf("seed %d: the replies of the replay differ", seed)
	}
	if got, want := fresh.Dump(nil), server.core.engine.Dump(nil); !bytes.Equal(got, want) {
		t.Errorf("seed %d: the state after the replay differs: %d and %d bytes", seed, len(got), len(want))
	}
}
