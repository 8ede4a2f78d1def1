package objects

import (
	"bytes"
	"crypto/sha256"
	"encoding/gob"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/syncmanager/syncmanager/integration/long"
	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// record is what a replay needs, and what must come of it.
type record struct {
	Log     []byte
	Replies [32]byte
	State   [32]byte
}

// recordsFile names the file of records to the process that replays them.
const recordsFile = "SYNCMANAGER_REPLAY_RECORDS"

// TestReplayRecords replays records that another process made. It has nothing to
// do unless that process started it.
func TestReplayRecords(t *testing.T) {
	name := os.Getenv(recordsFile)
	if name == "" {
		t.Skip("started by TestReplayElsewhere")
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var records []record
	if err := gob.NewDecoder(bytes.NewReader(b)).Decode(&records); err != nil {
		t.Fatal(err)
	}
	for i, r := range records {
		e := engine.New(Types()...)
		replies, err := engine.Replay(e, r.Log, new(client))
		if err != nil {
			t.Fatalf("record %d: %v", i, err)
		}
		if replies != r.Replies {
			t.Errorf("record %d gives other replies here", i)
		}
		if sha256.Sum256(e.Dump(nil)) != r.State {
			t.Errorf("record %d gives another state here", i)
		}
	}
	fmt.Printf("replayed %d records\n", len(records))
}

// TestReplayElsewhere records histories, and replays them in another process,
// which has another seed for its hashes, and on another architecture: there too
// the replies and the states are the same.
func TestReplayElsewhere(t *testing.T) {
	var records []record
	add := func(w *world) {
		w.manual = false
		for len(w.work) > 0 {
			w.complete(0)
		}
		records = append(records, record{w.journal.Log, w.journal.Sum(), sha256.Sum256(w.journal.State(w.e))})
	}
	for seed := range int64(4) {
		add(runWaits(t, seed, 250, "Lock", nil, &lockModel{}).w)
		add(runWaits(t, seed, 250, "Semaphore", []any{2}, &semaphoreModel{initial: 2, value: 2}).w)
		add(runWaits(t, seed, 250, "Barrier", []any{3}, &barrierModel{parties: 3}).w)
		h := newHistory(t, uint64(seed))
		for i := range 600 {
			h.step(i)
		}
		add(h.w)
	}
	add(oddities(t))
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(records); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "records")
	if err := os.WriteFile(name, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	replay := func(t *testing.T, argv ...string) {
		cmd := exec.Command(argv[0], append(argv[1:], "-test.run=^TestReplayRecords$", "-test.v")...)
		cmd.Env = append(os.Environ(), recordsFile+"="+name)
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), fmt.Sprintf("replayed %d records", len(records))) {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	t.Run("another process", func(t *testing.T) { replay(t, os.Args[0]) })
	t.Run("arm64", func(t *testing.T) {
		required := strings.Contains(os.Getenv("SYNCMANAGER_TEST_REQUIRE"), "qemu")
		if !long.Enabled() && !required {
			t.Skip("the long tests build a test binary for arm64")
		}
		qemu, err := exec.LookPath("qemu-aarch64-static")
		if err != nil {
			if required {
				t.Fatal(err)
			}
			t.Skip("no qemu-aarch64-static (package qemu-user-static): arm64 is not tried")
		}
		binary := filepath.Join(t.TempDir(), "objects.test")
		build := exec.Command("go", "test", "-c", "-o", binary, ".")
		build.Env = append(os.Environ(), "GOARCH=arm64", "GOOS=linux", "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		replay(t, qemu, binary)
	})
}

// oddities makes what processors and releases of Go may do differently: sums and
// conversions that are no number, sorts of what has no order, panics.
func oddities(t *testing.T) *world {
	w := newWorld(t, 1)
	c := w.clients[0]
	inf, nan := math.Inf(1), math.NaN()
	d := c.create("dict", vdict{"x", inf, "y", wire.Raw(wire.AppendComplex(nil, complex(inf, 1)))})
	c.ok(d, "add", "x", -inf)
	c.ok(d, "add", "y", wire.Raw(wire.AppendComplex(nil, complex(-inf, nan))))
	v := c.create("Value", "f", 1.5, true)
	c.do(v, "set", nan)
	c.do(v, "add", 1e300)
	a := c.create("Array", "f", []any{nan, inf, 1e-60, 0.1})
	c.ok(a, "tolist")
	c.ok(a, "getitem", 0)
	for _, n := range []int{5, 40, 900, 3000} {
		var all []any
		for i := range n {
			if i%7 == 3 {
				all = append(all, nan)
			}
			all = append(all, float64((i*7919)%n))
		}
		l := c.create("list", all)
		c.ok(l, "sort")
		c.ok(l, "sort", true)
		c.ok(l, "append", "text")
		if got := c.do(l, "sort"); !strings.HasPrefix(got, "error type") {
			t.Fatalf("sort of floats and a str: %s", got)
		}
	}
	return w
}
