package group

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/syncmanager/syncmanager/internal/journal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// counter is a machine that adds up what it is given, and remembers how many
// records there were.
type counter struct {
	mu      sync.Mutex // guards what follows
	sum, n  uint64
	term    uint64
	dropped int
	busy    int // how often Snapshot is refused yet
}

func (c *counter) Restore(r io.Reader) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sum, c.n = 0, 0
	if r == nil {
		return nil
	}
	var b [16]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return err
	}
	c.sum, c.n = binary.LittleEndian.Uint64(b[:]), binary.LittleEndian.Uint64(b[8:])
	return nil
}

func (c *counter) Apply(_ uint64, records [][]byte, tags []any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, r := range records {
		c.sum += binary.LittleEndian.Uint64(r)
		c.n++
		if tags != nil {
			tags[i].(chan uint64) <- c.n
		}
	}
}

func (c *counter) Lead(term uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.term = term
}

func (c *counter) Dropped(tags []any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropped += len(tags)
	for _, t := range tags {
		close(t.(chan uint64))
	}
}

func (c *counter) Snapshot() (func(w io.Writer) error, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy > 0 {
		c.busy--
		return nil, ErrBusy
	}
	b := binary.LittleEndian.AppendUint64(nil, c.sum)
	b = binary.LittleEndian.AppendUint64(b, c.n)
	return func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	}, nil
}

func (c *counter) get() (sum, n uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sum, c.n
}

func start(t *testing.T, dir journal.Dir, c *counter, change func(*Config)) (*Group, *journal.Log) {
	t.Helper()
	l, err := journal.Open(dir, journal.Options{Segment: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	config := Config{Log: l, Machine: c, Lineage: 77, Failed: func(err error) { t.Error(err) }}
	if change != nil {
		change(&config)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	g, err := New(config)
	if err == nil {
		err = g.Start(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
	return g, l
}

func record(n uint64) []byte {
	return append(binary.LittleEndian.AppendUint64(nil, n), make([]byte, 92)...)
}

// TestRestart proposes from many goroutines, with snapshots beside it, closes and
// starts again: each record was applied once, and its proposer was told.
func TestRestart(t *testing.T) {
	dir := journal.Dir(t.TempDir())
	var want, count uint64
	for round := range uint64(4) {
		c := &counter{busy: 2}
		g, l := start(t, dir, c, func(c *Config) { c.SnapshotRecords = 700 })
		if sum, n := c.get(); sum != want || n != count {
			t.Fatalf("round %d: %d records with the sum %d; want %d, %d", round, n, sum, count, want)
		}
		if g.Lineage() != 77 {
			t.Fatalf("the lineage is %d", g.Lineage())
		}
		if term, leads := g.Leadership(); !leads || term != round+2 {
			t.Errorf("leads %v in term %d", leads, term)
		}
		if err := g.ReadBarrier(context.Background()); err != nil {
			t.Error(err)
		}
		var all sync.WaitGroup
		for i := range uint64(50) {
			all.Go(func() {
				for j := range uint64(20) {
					told := make(chan uint64, 1)
					g.Propose(record(i*100+j), told)
					g.Throttle()
					if _, ok := <-told; !ok {
						t.Error("a proposal was dropped")
					}
				}
			})
			for j := range uint64(20) {
				want += i*100 + j
				count++
			}
		}
		all.Wait()
		if round == 2 {
			if err := g.Snapshot(); err != nil {
				t.Error(err)
			}
		}
		g.Close()
		told := make(chan uint64, 1)
		g.Propose(record(1), told)
		if _, ok := <-told; ok {
			t.Error("a closed group applies")
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestDamagedSnapshot falls back to the older snapshot and the log behind it.
func TestDamagedSnapshot(t *testing.T) {
	dir := journal.Dir(t.TempDir())
	c := new(counter)
	g, l := start(t, dir, c, nil)
	for i := range uint64(300) {
		told := make(chan uint64, 1)
		g.Propose(record(i), told)
		<-told
		if i%100 == 50 {
			if err := g.Snapshot(); err != nil {
				t.Fatal(err)
			}
		}
	}
	want, count := c.get()
	snaps := l.Snapshots()
	if len(snaps) != 2 {
		t.Fatalf("%d snapshots", len(snaps))
	}
	g.Close()
	l.Close()
	f, err := dir.Open(snaps[0].Name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{0xff}, snaps[0].Size-40); err != nil {
		t.Fatal(err)
	}
	f.Close()
	c = new(counter)
	g, l = start(t, dir, c, nil)
	defer l.Close()
	defer g.Close()
	if sum, n := c.get(); sum != want || n != count {
		t.Errorf("%d records with the sum %d; want %d, %d", n, sum, count, want)
	}
}

// TestSplit holds that an entry gives back the records that it was made of.
func TestSplit(t *testing.T) {
	var f forming
	for i := range 300 {
		f.add([]byte(fmt.Sprint(i)), nil)
	}
	records, err := Split(f.data, nil)
	if err != nil || len(records) != 300 || string(records[299]) != "299" {
		t.Fatalf("%d records, %v", len(records), err)
	}
	if _, err := Split(nil, nil); err == nil {
		t.Error("an empty entry")
	}
}

// FuzzSplit holds that no bytes make it panic, and that what it reads is written
// in one way.
func FuzzSplit(f *testing.F) {
	f.Add([]byte{entryVersion, 1, 'a', 0})
	f.Add([]byte{entryVersion, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		records, err := Split(b, nil)
		if err != nil {
			return
		}
		n := 0
		for _, r := range records {
			n += len(r)
		}
		if n > len(b) {
			t.Errorf("%d bytes of records in %d", n, len(b))
		}
	})
}

// FuzzParseAbout holds the same of a snapshot's description.
func FuzzParseAbout(f *testing.F) {
	f.Add([]byte("0123456789abcdef"))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := ParseAbout(b)
		if err != nil {
			return
		}
		if again, err := ParseAbout(a.Append(nil)); err != nil || again.Lineage != a.Lineage || again.Member != a.Member {
			t.Errorf("%v: %v, %v", a, again, err)
		}
	})
}
