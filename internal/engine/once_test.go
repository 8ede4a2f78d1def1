package engine

import (
	"math"
	"testing"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// TestRepeatKept: a repeated call whose reply is kept gets that reply, and has
// no second effect.
func TestRepeatKept(t *testing.T) {
	w := newWorld(t, 1)
	o := w.create(1, "box")
	add := w.call(1, o.ID, "add", "x")
	w.must(add)
	w.must(add)
	if n := w.times(1, add.Serial); n != 2 {
		t.Fatalf("%d replies", n)
	}
	w.want("1", 1, o.ID, "len")
	// An error is a reply like any other.
	fails := w.call(1, 0, "create", "fails")
	w.must(fails)
	w.must(fails)
	w.is("error value", 1, fails.Serial)
	w.close()
}

// TestRepeatRead: a call that only reads is run again.
func TestRepeatRead(t *testing.T) {
	w := newWorld(t, 1)
	o := w.create(1, "box")
	length := w.call(1, o.ID, "len")
	w.must(length)
	w.is("0", 1, length.Serial)
	w.want("None", 1, o.ID, "add", 1)
	w.must(length)
	w.is("1", 1, length.Serial)
	if n := w.e.sessions[1].kept.n; n != 2 { // create and add
		t.Fatalf("%d replies are kept", n)
	}
	// One that grants a reference is kept: its count is granted once.
	w.want("None", 1, o.ID, "add", o)
	w.start(1, o.ID, "take")
	peek := w.call(1, o.ID, "peek")
	w.must(peek)
	w.must(peek)
	if n := w.e.sessions[1].refs[o.ID].count; n != 2 {
		t.Fatalf("%d counts of the box", n)
	}
	w.close()
}

// TestRepeatParked: a repeated call joins its waiter, with its first deadline.
func TestRepeatParked(t *testing.T) {
	w := newWorld(t, 1)
	o := w.create(1, "box")
	take := w.call(1, o.ID, "take")
	take.HasTimeout, take.Timeout = true, 10
	w.must(take)
	w.tick(6)
	w.must(take)
	w.is("waiting", 1, take.Serial)
	if w.e.parked != 1 || w.e.NextDeadline() != 11 {
		t.Fatalf("%d calls wait, until %d", w.e.parked, w.e.NextDeadline())
	}
	w.tick(4)
	w.is("error empty", 1, take.Serial)
	w.close()
}

// TestRepeatOutside: a repeated call joins its work outside.
func TestRepeatOutside(t *testing.T) {
	w := newWorld(t, 1)
	o := w.create(1, "box", 1, 2)
	reverse := w.call(1, o.ID, "reverse")
	w.must(reverse)
	w.must(reverse)
	if len(w.work) != 1 {
		t.Fatalf("%d works", len(w.work))
	}
	w.complete()
	w.is("None", 1, reverse.Serial)
	w.want("2", 1, o.ID, "peek")
	if err := w.apply(&Command{Op: OpComplete, Work: w.e.lastID}); err == nil {
		t.Fatal("work was completed twice")
	}
	w.close()
}

// TestRepeatAbandoned: an abandoned call that comes again is not run again.
func TestRepeatAbandoned(t *testing.T) {
	w := newWorld(t, 2)
	o := w.create(1, "box", "x")
	take := w.call(1, o.ID, "take")
	w.must(take)
	w.cancel(1, take.Serial, true)
	w.want("1", 1, o.ID, "len")
	w.must(take)
	w.want("1", 1, o.ID, "len")
	parked := w.call(1, o.ID, "wait")
	w.must(parked)
	w.cancel(1, parked.Serial, true)
	w.must(parked)
	if w.e.parked != 0 || w.times(1, parked.Serial) != 0 {
		t.Fatal("an abandoned call waits again, or was answered")
	}
	outside := w.call(1, o.ID, "reverse")
	w.must(outside)
	w.cancel(1, outside.Serial, true)
	w.must(outside)
	w.complete()
	if w.times(1, outside.Serial) != 0 {
		t.Fatal("an abandoned call was answered")
	}
	w.ack(1, w.serials[1])
	if n := len(w.e.sessions[1].marks); n != 0 {
		t.Fatalf("%d marks are left", n)
	}
	w.close()
}

// TestRepeatAcknowledged: a call that comes again after its acknowledgement, by
// a connection that is past, is refused and has no effect.
func TestRepeatAcknowledged(t *testing.T) {
	w := newWorld(t, 1)
	o := w.create(1, "box")
	wait := w.start(1, o.ID, "take")
	var adds []*Command
	for range 5 {
		adds = append(adds, w.call(1, w.create(1, "box").ID, "add", 1))
		w.must(adds[len(adds)-1])
	}
	w.ack(1, wait-1, wire.Range{From: wait + 1, To: w.serials[1]})
	if n := w.e.sessions[1].kept.n; n != 0 {
		t.Fatalf("%d replies are kept beside a parked call", n)
	}
	before := w.e.bytes
	for _, c := range adds {
		if err := w.apply(c); err == nil || w.e.bytes != before {
			t.Fatalf("an acknowledged call was run again: %v", err)
		}
	}
	if n := len(w.e.sessions[1].acked); n != 1 {
		t.Fatalf("%d ranges", n)
	}
	w.ack(1, w.serials[1])
	if n := len(w.e.sessions[1].acked); n != 0 {
		t.Fatalf("%d ranges below the watermark", n)
	}
	w.close()
}

// TestAcknowledgedInAdvance: what was acknowledged without a reply is given
// back when it comes.
func TestAcknowledgedInAdvance(t *testing.T) {
	w := newWorld(t, 2)
	o := w.create(1, "box")
	take := w.start(1, o.ID, "take")
	w.ack(1, take)
	w.must(w.call(1, o.ID, "add", "x"))
	if w.times(1, take) != 0 || w.e.sessions[1].kept.n != 1 {
		t.Fatal("an acknowledged call was answered")
	}
	w.want("1", 1, o.ID, "len")
	// It can still be cancelled.
	take = w.start(1, w.create(1, "box").ID, "take")
	w.ack(1, take)
	w.cancel(1, take, true)
	if w.e.parked != 0 {
		t.Fatal("it waits")
	}
	w.close()
}

// TestHostileAcks: acknowledgements that lie cost the server no time and no
// memory, and change nothing when they are refused.
func TestHostileAcks(t *testing.T) {
	w := newWorld(t, 1)
	w.quick = true
	w.create(1, "box")
	for _, ranges := range [][]wire.Range{
		{{From: 0, To: 5}}, {{From: 5, To: 4}}, {{From: 1, To: math.MaxUint64}}, {{From: 3, To: 4}, {From: 4, To: 5}},
		{{From: 1, To: 1 << 20}, {From: 5 << 20, To: 7 << 20}},
	} {
		if err := w.apply(&Command{Op: OpAck, Session: 1, Acked: 1, Ranges: ranges}); err == nil || w.e.sessions[1].watermark != 0 {
			t.Fatalf("%v: accepted, or half of it", ranges)
		}
	}
	var many []wire.Range
	for i := range uint64(4096) {
		many = append(many, wire.Range{From: i<<21 + 2, To: i<<21 + 1<<20})
	}
	w.ack(1, 0, many...) // billions of serials: must not be walked
	var err error
	for i := uint64(0); err == nil && i < 100; i++ {
		for j := range many {
			many[j] = wire.Range{From: (i+2)<<40 + uint64(j)*2, To: (i+2)<<40 + uint64(j)*2}
		}
		err = w.apply(&Command{Op: OpAck, Session: 1, Ranges: many})
	}
	if err == nil || len(w.e.sessions[1].acked) > spareRanges+1 {
		t.Fatalf("%d ranges: %v", len(w.e.sessions[1].acked), err)
	}
	// The last serials there are.
	w = newWorld(t, 1)
	w.serials[1] = math.MaxUint64 - 3
	w.ack(1, math.MaxUint64-3)
	w.create(1, "box")
	w.create(1, "box")
	w.create(1, "box")
	w.ack(1, math.MaxUint64-3, wire.Range{From: math.MaxUint64 - 1, To: math.MaxUint64})
	w.ack(1, math.MaxUint64)
	if err := w.apply(&Command{Op: OpCall, Session: 1, Serial: 5, Acked: 5}); err == nil {
		t.Fatal("a call that acknowledges itself was run")
	}
	w.close()
}

// TestCancelFirst: a cancel that overtakes its call leaves a mark, and so does
// abandoning one.
func TestCancelFirst(t *testing.T) {
	w := newWorld(t, 1)
	o := w.create(1, "box", 1, 2, 3)
	w.cancel(1, w.serials[1]+1, false)
	take := w.call(1, o.ID, "take")
	w.must(take)
	w.is("error cancelled", 1, take.Serial)
	w.must(take)
	w.is("error cancelled", 1, take.Serial)
	w.cancel(1, w.serials[1]+1, true)
	if got := w.do(1, o.ID, "take"); got != "waiting" {
		t.Fatalf("an abandoned call: %s", got)
	}
	w.want("3", 1, o.ID, "len")
	// A hostile client's marks are bounded.
	w.quick = true
	for i := range uint64(2 * maxMarks) {
		w.cancel(1, 1000+i, i&1 == 0)
	}
	if n := len(w.e.sessions[1].marks); n != maxMarks {
		t.Fatalf("%d marks", n)
	}
	w.ack(1, w.serials[1], wire.Range{From: 1000, To: 2000})
	if n := len(w.e.sessions[1].marks); n < maxMarks-1003 || n > maxMarks-1001 {
		t.Fatalf("%d marks after the acknowledgement", n)
	}
	w.ack(1, 1<<40)
	if n := len(w.e.sessions[1].marks); n != 0 {
		t.Fatalf("%d marks", n)
	}
	w.close()
}

// TestTimeoutAndCancel: whichever is applied first wins.
func TestTimeoutAndCancel(t *testing.T) {
	w := newWorld(t, 1)
	o := w.create(1, "box")
	first := w.startIn(5, 1, o.ID, "take")
	w.cancel(1, first, false)
	w.tick(5)
	w.is("error cancelled", 1, first)
	second := w.startIn(5, 1, o.ID, "take")
	w.tick(5)
	w.cancel(1, second, false)
	w.is("error empty", 1, second)
	third := w.startIn(5, 1, o.ID, "take")
	w.want("None", 1, o.ID, "add", "x")
	w.cancel(1, third, false)
	w.tick(5)
	w.is("'x'", 1, third)
	if w.times(1, first)+w.times(1, second)+w.times(1, third) != 3 {
		t.Fatal("a call was answered twice")
	}
	// Without time to spend it leaves at once; with all time there is, never.
	w.is("error empty", 1, w.startIn(0, 1, o.ID, "take"))
	w.is("error empty", 1, w.startIn(-7, 1, o.ID, "take"))
	w.is("waiting", 1, w.startIn(math.MaxInt64-1, 1, o.ID, "take"))
	w.tick(1 << 40)
	// Many deadlines at once are worked off in bounded steps, in order.
	w.quick = true
	var all []uint64
	for range 2*maxTick + 5 {
		all = append(all, w.startIn(3, 1, o.ID, "take"))
	}
	w.tick(3)
	if n := len(w.fx.Replies); n != maxTick || w.fx.Replies[0].Serial != all[0] || w.e.NextDeadline() > w.now {
		t.Fatalf("%d replies in one tick", n)
	}
	w.tick(0)
	w.tick(0)
	w.is("error empty", 1, all[len(all)-1])
	w.close()
}

// TestStay: a call may wait once more after its time, and then has no deadline.
func TestStay(t *testing.T) {
	for _, leave := range []func(w *world, serial uint64){
		func(w *world, serial uint64) { w.tick(5) },
		func(w *world, serial uint64) { w.cancel(1, serial, false) },
	} {
		w := newWorld(t, 1)
		o := w.create(1, "box")
		serial := w.startIn(5, 1, o.ID, "linger")
		leave(w, serial)
		w.tick(1000)
		w.is("waiting", 1, serial)
		w.want("None", 1, o.ID, "add", 1)
		w.is("None", 1, serial)
		// But not when there is nothing left to wait for.
		serial = w.startIn(5, 1, w.ref(1, 0, "open", "n", "box").ID, "linger")
		w.want("True", 1, 0, "remove", "n")
		w.is("error removed", 1, serial)
		w.close()
	}
	w := newWorld(t, 1)
	o := w.create(1, "box")
	serial := w.startIn(0, 1, o.ID, "linger") // no time of its own to spend
	w.is("waiting", 1, serial)
	w.want("None", 1, o.ID, "add", 1)
	w.is("None", 1, serial)
	w.close()
}
