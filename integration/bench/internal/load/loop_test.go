package load

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
)

// fake is a driver whose operations count.
type fake struct {
	calls atomic.Int64
	fail  error
}

func (f *fake) Prepare(context.Context, Request) error { return nil }
func (f *fake) Close() error                           { return nil }
func (f *fake) Op(_ context.Context, r Request, _ int) (Op, error) {
	if r.Op != OpGet {
		return nil, &UnknownOpError{"fake", r.Op}
	}
	return func() error {
		if f.calls.Add(1) > 100 && f.fail != nil {
			return f.fail
		}
		return nil
	}, nil
}

func TestCountedLoop(t *testing.T) {
	f := new(fake)
	s, err := Run(t.Context(), f, Request{Op: OpGet, Callers: 7, Count: 5000, Every: 10}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := f.calls.Load(); n != 5000 || s["calls"] != 5000 {
		t.Errorf("%d operations ran and %v were counted, want 5000", n, s["calls"])
	}
	if s["ops"] <= 0 || s["max"] <= 0 {
		t.Errorf("sample: %v", s)
	}
	if s, err = Run(t.Context(), f, Request{Op: OpGet, Callers: 1, Count: 100, Batch: 10}, nil); err != nil {
		t.Fatal(err)
	}
	if s["calls"] != 100 {
		t.Errorf("a batch counts its calls %v times", s["calls"])
	}
}

func TestTimedLoop(t *testing.T) {
	f := new(fake)
	paused := 0
	s, err := Run(t.Context(), f, Request{Op: OpGet, Callers: 2, Millis: 5, Warm: 1, Hold: true}, func() error {
		paused++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if float64(f.calls.Load()) < s["calls"] || s["calls"] < 1 || paused != 2 {
		t.Errorf("%d operations, %d pauses, sample %v", f.calls.Load(), paused, s)
	}
}

func TestFailuresStopTheLoop(t *testing.T) {
	boom := errors.New("boom")
	if _, err := Run(t.Context(), &fake{fail: boom}, Request{Op: OpGet, Callers: 3, Millis: int(time.Hour / time.Millisecond)}, nil); !errors.Is(err, boom) {
		t.Errorf("a failing operation: %v", err)
	}
	if _, err := Run(t.Context(), new(fake), Request{Op: OpGet, Callers: 1, Millis: 1, Hold: true}, func() error { return boom }); !errors.Is(err, boom) {
		t.Errorf("a parent that goes: %v", err)
	}
	if _, err := Run(t.Context(), new(fake), Request{Op: OpGet}, nil); err == nil {
		t.Error("no callers must be an error")
	}
	var unknown *UnknownOpError
	if _, err := Run(t.Context(), new(fake), Request{Op: OpLock, Callers: 1}, nil); !errors.As(err, &unknown) {
		t.Errorf("an unknown workload: %v", err)
	}
	if _, err := Run(t.Context(), new(fake), Request{Op: OpGet, Callers: 1, Count: 1, Profile: t.TempDir() + "/no/where"}, nil); err == nil {
		t.Error("a profile that cannot be written must be an error")
	}
}

func TestSampling(t *testing.T) {
	var c caller
	var stopped atomic.Bool
	var budget atomic.Int64
	budget.Store(100)
	if err := c.repeat(func() error { return nil }, &stopped, &budget, true, 16); err != nil {
		t.Fatal(err)
	}
	if c.ops != 100 || c.lat.Count() != 7 {
		t.Errorf("%d operations, %d of them timed; want 100 and 7", c.ops, c.lat.Count())
	}
}

func TestValuesAreTheSameForAll(t *testing.T) {
	names := keys(1_000, 0)
	if len(names) != 1000 || names[7] != "key:000000000007" {
		t.Errorf("keys: %d, %q", len(names), names[7])
	}
	for _, n := range names {
		if len(n) != 16 {
			t.Fatalf("key %q has %d bytes, want 16", n, len(n))
		}
	}
	table := keys(10, 1_000)
	if len(table) != 1000 || table[7] != names[7] || table[999] != names[9] {
		t.Errorf("10 keys in a table of 1,000: %d, %q, %q", len(table), table[7], table[999])
	}
	if unsafe.StringData(table[7]) == unsafe.StringData(table[17]) {
		t.Error("the strings of a table share their memory")
	}
	if len(value(0)) != 16 || len(value(40)) != 40 {
		t.Error("a value has another size than asked for")
	}
	w, seen := newWalk(3), make(map[int]bool)
	for range 20_000 {
		n := w.next(1000)
		if n < 0 || n >= 1000 {
			t.Fatalf("next(1000) = %d", n)
		}
		seen[n] = true
	}
	if len(seen) < 990 {
		t.Errorf("20,000 steps reached %d of 1,000 keys", len(seen))
	}
	if got := w.pick(names, 100); len(got) != 100 {
		t.Errorf("pick gave %d names", len(got))
	}
	if got := w.pick(names[:5], 100); len(got) != 5 {
		t.Errorf("pick of all gave %d names", len(got))
	}
}

func TestPattern(t *testing.T) {
	sent := pattern(1000)
	if len(sent) != 1000 || bytes.IndexByte(sent, 0) >= 0 {
		t.Errorf("a pattern of %d bytes, a zero at %d", len(sent), bytes.IndexByte(sent, 0))
	}
	if err := samePattern(slices.Clone(sent), sent); err != nil {
		t.Error(err)
	}
	for _, at := range []int{0, 999} {
		got := slices.Clone(sent)
		got[at] = 0
		if samePattern(got, sent) == nil {
			t.Errorf("byte %d is another, and nobody notices", at)
		}
	}
	if samePattern(sent[:999], sent) == nil || samePattern(nil, nil) != nil {
		t.Error("a length is judged wrongly")
	}
}

// settling is a driver that takes its time afterwards.
type settling struct {
	fake
	settled int
}

func (s *settling) Settle(context.Context, Request) error {
	s.settled++
	time.Sleep(50 * time.Millisecond)
	return nil
}

func TestSettlingIsMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := new(settling)
		s, err := Run(t.Context(), d, Request{Op: OpGet, Callers: 1, Count: 10}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if d.settled != 1 || s["ops"] != 200 {
			t.Errorf("settled %d times, %v operations a second; want once, and 10 in 50 ms", d.settled, s["ops"])
		}
	})
}

func TestUnknownPeer(t *testing.T) {
	if _, err := Connect(t.Context(), Spec{Peer: "nobody"}); err == nil {
		t.Error("an unknown peer must be an error")
	}
	_, err := Connect(t.Context(), Spec{Peer: "net/rpc", Network: "tcp", Addr: "127.0.0.1:1"})
	if err == nil || !strings.Contains(err.Error(), "net/rpc at tcp 127.0.0.1:1") {
		t.Errorf("a peer that is not there: %v", err)
	}
}
