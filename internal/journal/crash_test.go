package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// history is what a process does with a log until the disk stops it.
type history struct {
	acked    uint64 // the last entry whose Append has returned
	written  uint64 // the last one that it was given
	snapshot uint64 // the last snapshot that is safe
	err      error
}

// small are options with which a short history has everything: segments that end,
// and no goroutine, so that the disk sees the same in each run.
var small = Options{Segment: 2048, inline: true}

// run appends entries from where the log ends on, in groups of different sizes, with
// snapshots and compactions.
func (h *history) run(d FS, groups int) {
	l, err := Open(d, small)
	if err != nil {
		h.err = err
		return
	}
	defer l.closeFiles()
	base := Position{1, 1}
	for _, s := range l.Snapshots() {
		if s.Err == nil {
			base = s.Position
			break
		}
	}
	if h.err = l.Start(base); h.err != nil {
		return
	}
	next := l.Last().Index + 1
	for i := range groups {
		to := next + uint64(i)%3
		h.written = to
		if h.err = l.Append(entries(next, to, 1, 150+int(next)%500), &Vote{Term: 1, Member: 1, Commit: next}); h.err != nil {
			return
		}
		h.acked = to
		next = to + 1
		if i%7 == 3 {
			pos := l.Last()
			_, h.err = l.WriteSnapshot(pos, []byte("a"), func(w io.Writer) error {
				_, err := w.Write(data(pos.Index, 3000))
				return err
			})
			if h.err != nil {
				return
			}
			h.snapshot = pos.Index
			s := l.Snapshots()
			l.Compact(s[len(s)-1].Position)
		}
		if i%5 == 4 {
			if h.err = l.settle(); h.err != nil {
				return
			}
		}
	}
}

// verify opens what is left and holds that all is there that was acknowledged, and
// nothing else: every entry behind the snapshot, byte for byte.
func (h *history) verify(d FS) error {
	l, err := Open(d, small)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer l.closeFiles()
	base := Position{1, 1}
	for _, s := range l.Snapshots() {
		if s.Err != nil {
			continue
		}
		r, err := l.OpenSnapshot(s)
		if err != nil {
			return err
		}
		b, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(b, data(s.Index, 3000)) {
			return fmt.Errorf("snapshot %d: %d bytes, %w", s.Index, len(b), err)
		}
		if base.Index == 1 {
			base = s.Position
		}
	}
	if base.Index < h.snapshot {
		return fmt.Errorf("the last snapshot has index %d; %d was safe", base.Index, h.snapshot)
	}
	if err := l.Start(base); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	last := l.Last().Index
	if last < h.acked || last > max(h.written, base.Index) {
		return fmt.Errorf("the log ends with %d; %d was acknowledged, and %d written", last, h.acked, h.written)
	}
	for i := base.Index + 1; i <= last; i++ {
		all, err := l.Entries(i, i+1, 0)
		if err != nil {
			return err
		}
		if n := len(all[0].Data); !bytes.Equal(all[0].Data, data(i, n)) || n < 150 {
			return fmt.Errorf("entry %d is another: %.20q", i, all[0].Data)
		}
	}
	return nil
}

// changes returns how many changes of the disk a history of that many groups makes.
func changes(t *testing.T, groups int) int {
	d := newCrashFS()
	var h history
	if h.run(d, groups); h.err != nil {
		t.Fatal(h.err)
	}
	return d.ops
}

// TestEveryCrashPoint cuts the power at each change of the disk in turn, goes on
// with what may be left, is cut again, and looks whether all is there.
func TestEveryCrashPoint(t *testing.T) {
	const groups = 30
	n := changes(t, groups)
	rounds := 12
	if testing.Short() {
		rounds = 1
	}
	for stop := 1; stop <= n; stop++ {
		for round := range rounds {
			rng := rand.New(rand.NewPCG(uint64(stop), uint64(round)))
			d := newCrashFS()
			d.stopAt = stop
			var h history
			h.run(d, groups)
			after := d.crash(rng)
			if err := h.verify(after); err != nil {
				t.Fatalf("cut at change %d, round %d: %v", stop, round, err)
			}
			after = d.crash(rng)
			after.stopAt = 1 + rng.IntN(20)
			again := h
			again.run(after, 10)
			again.acked, again.snapshot = max(again.acked, h.acked), max(again.snapshot, h.snapshot)
			again.written = max(again.written, h.written)
			if err := again.verify(after.crash(rng)); err != nil {
				t.Fatalf("cut at change %d, round %d, and again at %d: %v", stop, round, after.stopAt, err)
			}
		}
	}
	t.Logf("%d crash points", n)
}

// TestEveryFailure lets each change of the disk fail in turn: the history ends with
// the error, the log takes no more, and nothing acknowledged is lost.
func TestEveryFailure(t *testing.T) {
	const groups = 30
	n := changes(t, groups)
	for _, fail := range []error{errors.New("input/output error"), ErrNoSpace} {
		for at := 1; at <= n; at++ {
			if testing.Short() && at%3 != 0 {
				continue
			}
			d := newCrashFS()
			d.failAt, d.fail = at, fail
			var h history
			h.run(d, groups)
			// A file that is not needed any more may stay.
			if h.err != nil && !errors.Is(h.err, fail) {
				t.Fatalf("change %d failed: %v", at, h.err)
			}
			d.failAt = 0
			d.locked = false
			if err := h.verify(d.crash(rand.New(rand.NewPCG(uint64(at), 1)))); err != nil {
				t.Fatalf("change %d failed with %v: %v", at, fail, err)
			}
		}
	}
}

// TestFailedForGood holds that a log takes nothing after a sync that failed, however
// well the next one would go.
func TestFailedForGood(t *testing.T) {
	d := newCrashFS()
	l := open(t, d, small)
	if err := l.Start(Position{1, 1}); err != nil {
		t.Fatal(err)
	}
	d.failAt, d.fail = d.ops+2, errors.New("input/output error") // write, sync
	if err := l.Append(entries(2, 2, 1, 10), nil); err == nil || !strings.Contains(err.Error(), "log-00000001: sync: input/output error") {
		t.Fatalf("a sync that failed: %v", err)
	}
	if err := l.Append(entries(3, 3, 1, 10), nil); !errors.Is(err, ErrFailed) {
		t.Errorf("after it: %v", err)
	}
}

// TestLyingDisk: a disk that says that it has synced and has not is found out by the
// mark, if that came through, or what is left is a part of what was written.
func TestLyingDisk(t *testing.T) {
	found := 0
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 9))
		d := newCrashFS()
		var h history
		h.run(d, 10)
		d.locked, d.lies = false, true
		from := h.acked
		h.run(d, 20)
		after := d.crash(rng)
		err := (&history{acked: from, written: h.written}).verify(after)
		var damage *DamageError
		var format *FormatError
		if errors.As(err, &damage) || errors.As(err, &format) {
			found++
		}
	}
	if found == 0 {
		t.Error("no lie was found out")
	}
	t.Logf("%d of 300 were found out", found)
}

// closed returns the files of a log that was closed in good order.
func closed(t *testing.T) (*crashFS, history) {
	d := newCrashFS()
	var h history
	if h.run(d, 16); h.err != nil {
		t.Fatal(h.err)
	}
	l := open(t, d, small)
	if err := l.Start(l.Snapshots()[0].Position); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return d, h
}

// TestEveryFlip turns each byte of each file into another: what is read then is
// refused, or is what was written. The mark has two slots, of which one may go.
func TestEveryFlip(t *testing.T) {
	good, h := closed(t)
	names, _ := good.List()
	slices.Sort(names)
	n, refused := 0, 0
	for _, name := range names {
		size := len(good.names[name].data)
		step := 1
		if testing.Short() {
			step = 31
		}
		for at := 0; at < size; at += step {
			d := good.clone()
			d.names[name].data[at] ^= byte(1 << (at % 8))
			n++
			if err := h.check(d); err != nil {
				refused++
				if !isRefusal(err) {
					t.Fatalf("%s, byte %d of %d: %v", name, at, size, err)
				}
			}
		}
	}
	t.Logf("%d flips, %d refused", n, refused)
}

// TestEveryCut cuts each file at each length.
func TestEveryCut(t *testing.T) {
	good, h := closed(t)
	names, _ := good.List()
	for _, name := range names {
		size := len(good.names[name].data)
		step := 5
		if testing.Short() {
			step = 67
		}
		for at := 0; at < size; at += step {
			d := good.clone()
			d.names[name].data = d.names[name].data[:at]
			if err := h.check(d); err != nil && !isRefusal(err) {
				t.Fatalf("%s, cut to %d of %d: %v", name, at, size, err)
			}
		}
	}
}

// TestEveryLoss removes each file.
func TestEveryLoss(t *testing.T) {
	good, h := closed(t)
	names, _ := good.List()
	for _, name := range names {
		d := good.clone()
		delete(d.names, name)
		if err := h.check(d); err != nil && !isRefusal(err) {
			t.Fatalf("without %s: %v", name, err)
		}
	}
}

// check is verify by somebody who falls back to the older snapshot when the newer
// one cannot be read, as a server does.
func (h *history) check(d *crashFS) error {
	l, err := Open(d, small)
	if err != nil {
		return err
	}
	defer l.closeFiles()
	for _, s := range l.Snapshots() {
		if err = s.Err; err != nil {
			continue
		}
		var r *SnapshotReader
		if r, err = l.OpenSnapshot(s); err != nil {
			continue
		}
		var b []byte
		if b, err = io.ReadAll(r); err != nil {
			continue
		}
		if !bytes.Equal(b, data(s.Index, 3000)) {
			return fmt.Errorf("snapshot %d is another", s.Index)
		}
		if err := l.Start(s.Position); err != nil {
			return err
		}
		if last := l.Last().Index; last != h.acked {
			return fmt.Errorf("the log ends with %d, not %d", last, h.acked)
		}
		for i := s.Index + 1; i <= h.acked; i++ {
			all, err := l.Entries(i, i+1, 0)
			if err != nil {
				return err
			}
			if !bytes.Equal(all[0].Data, data(i, len(all[0].Data))) {
				return fmt.Errorf("entry %d is another", i)
			}
		}
		return nil
	}
	if err == nil {
		err = &FormatError{"snapshot", "there is none"}
	}
	return err
}

// isRefusal reports whether an error names a file and what is wrong with it.
func isRefusal(err error) bool {
	var damage *DamageError
	var version *VersionError
	var format *FormatError
	return errors.As(err, &damage) || errors.As(err, &version) || errors.As(err, &format)
}

// TestAcceptLoss damages the log in its middle: it is refused, with file, offset and
// index, and taken without what follows when that is asked for.
func TestAcceptLoss(t *testing.T) {
	d := newCrashFS()
	l := open(t, d, small)
	if err := l.Start(Position{1, 1}); err != nil {
		t.Fatal(err)
	}
	for i := uint64(2); i < 40; i++ {
		if err := l.Append(entries(i, i, 1, 100), nil); err != nil {
			t.Fatal(err)
		}
	}
	s, at, _ := l.find(20)
	name := segmentName(s.number)
	l.Close()
	d.names[name].data[at+60] ^= 1
	_, err := Open(d, small)
	var damage *DamageError
	if !errors.As(err, &damage) || damage.File != name || damage.Offset != at || damage.Index != 20 {
		t.Fatalf("the damage is %v", err)
	}
	o := small
	o.AcceptLoss = true
	l = open(t, d, o)
	if err := l.Start(Position{1, 1}); err != nil {
		t.Fatal(err)
	}
	check(t, l, 2, 19, 100)
	if last := l.Last().Index; last != 19 {
		t.Fatalf("the log ends with %d", last)
	}
	if err := l.Append(entries(20, 30, 2, 100), nil); err != nil {
		t.Fatal(err)
	}
	l.Close()
	l = open(t, d, small)
	check(t, l, 2, 30, 100)
	l.closeFiles()
}

// TestVersions holds that files of another version are refused by name.
func TestVersions(t *testing.T) {
	good, _ := closed(t)
	names, _ := good.List()
	for _, name := range names {
		d := good.clone()
		b := d.names[name].data
		le.PutUint32(b[8:], 2)
		if name == markName {
			for _, slot := range [][]byte{b, b[512:]} {
				le.PutUint32(slot[8:], 2)
				le.PutUint32(slot[32:], crc(slot[:32]))
			}
		}
		_, err := Open(d, small)
		var version *VersionError
		if !errors.As(err, &version) || version.File != name || version.Version != 2 {
			t.Errorf("%s of version 2: %v", name, err)
		}
	}
}
