package engine

import (
	"testing"
	"time"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// TestAbsent: the calls of a session without a connection keep their places and
// are passed over until it is back.
func TestAbsent(t *testing.T) {
	w := newWorld(t, 3)
	o := w.ref(1, 0, "open", "n", "box")
	for s := range uint64(3) {
		w.ref(s+1, 0, "lookup", "n")
	}
	first := w.start(1, o.ID, "take")
	second := w.start(2, o.ID, "take")
	third := w.start(1, o.ID, "take")
	w.lose(1)
	w.want("None", 3, o.ID, "add", "a")
	w.is("'a'", 2, second)
	w.want("None", 3, o.ID, "add", "b")
	fourth := w.start(2, o.ID, "take")
	w.is("'b'", 2, fourth)
	fifth := w.start(2, o.ID, "take")
	w.resume(1)
	w.want("None", 3, o.ID, "add", "c")
	w.is("'c'", 1, first)
	w.is("waiting", 1, third)
	w.lose(1)
	w.lose(2)
	w.want("None", 3, o.ID, "add", "d")
	w.resume(1) // what is there is served at once
	w.is("'d'", 1, third)
	w.resume(2)
	w.is("waiting", 2, fifth)
	w.close()
}

// TestAbsentReplies: the reply to a session that was away is kept for it.
func TestAbsentReplies(t *testing.T) {
	w := newWorld(t, 1)
	o := w.create(1, "box", 1, 2)
	reverse := w.call(1, o.ID, "reverse")
	w.must(reverse)
	deferred := w.call(1, o.ID, "take") // waits for the busy object
	w.must(deferred)
	w.lose(1)
	w.complete()
	if w.times(1, reverse.Serial) != 0 || w.e.parked != 0 {
		t.Fatal("a reply to nowhere, or a call that is forgotten")
	}
	w.resume(1)
	w.must(reverse)
	w.must(deferred)
	w.is("None", 1, reverse.Serial)
	w.is("2", 1, deferred.Serial)
	w.close()
}

// TestEpochs: a proposal to lose or expire a session is refused when it was
// resumed since.
func TestEpochs(t *testing.T) {
	w := newWorld(t, 1)
	for _, op := range []Op{OpLose, OpExpire} {
		epoch := w.e.sessions[1].Epoch
		w.must(&Command{Op: OpResume, Session: 1})
		if err := w.apply(&Command{Op: op, Session: 1, Epoch: epoch}); err == nil {
			t.Fatalf("command %d was not refused", op)
		}
	}
	w.lose(1)
	w.end(1)
	if len(w.fx.Ended) != 1 || w.fx.Ended[0].Err.Code != wire.CodeSessionExpired {
		t.Fatalf("%+v", w.fx.Ended)
	}
	for _, op := range []Op{OpResume, OpLose, OpExpire, OpClose, OpCancel, OpAck, OpCall} {
		if err := w.apply(&Command{Op: op, Session: 1, Serial: 1}); wire.AsError(err).Code != wire.CodeSessionExpired {
			t.Fatalf("command %d for a session that is over: %v", op, err)
		}
	}
	w.close()
}

// TestManyAbsent: losing and resuming a session with many waiters among many
// takes time in proportion to them.
func TestManyAbsent(t *testing.T) {
	w := newWorld(t, 2)
	o := w.ref(1, 0, "open", "n", "box")
	w.ref(2, 0, "lookup", "n")
	w.quick = true
	var fx Effects
	const n = 30_000
	for range n {
		for s := range uint64(2) {
			if err := w.e.Apply(w.call(s+1, o.ID, "wait"), &fx); err != nil {
				t.Fatal(err)
			}
		}
	}
	start := time.Now()
	if err := w.e.Apply(&Command{Op: OpLose, Session: 1, Epoch: 1}, &fx); err != nil {
		t.Fatal(err)
	}
	if err := w.e.Apply(&Command{Op: OpResume, Session: 1}, &fx); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > time.Second {
		t.Fatalf("%v for %d waiters", took, n)
	}
	var last uint64
	for c := w.e.objects[o.ID].State.(*box).waiters.First(); c != nil; c = c.Next() {
		if c.place <= last {
			t.Fatal("the places are mixed up")
		}
		last = c.place
	}
}

// TestSessionEnd: what unacknowledged replies handed over goes back to its old
// place, marked; holds end; references go; parked calls vanish.
func TestSessionEnd(t *testing.T) {
	w := newWorld(t, 3)
	o := w.ref(1, 0, "open", "n", "box", "a", "b", "c", "d")
	l := w.ref(1, 0, "open", "l", "latch")
	for _, s := range []uint64{2, 3} {
		w.ref(s, 0, "lookup", "n")
		w.ref(s, 0, "lookup", "l")
	}
	own := w.create(1, "box", "mine")
	a := w.start(1, o.ID, "take")
	w.want("'b'", 1, o.ID, "take")
	w.want("'c'", 1, o.ID, "take")
	w.ack(1, a) // a arrived, b and c may not have
	token := w.do(1, l.ID, "acquire")
	waiting := w.start(2, l.ID, "acquire")
	parked := w.start(1, l.ID, "acquire")
	w.end(1)
	if w.times(1, parked) != 0 || w.e.objects[own.ID] != nil || w.e.parked != 0 {
		t.Fatal("something of the session is left")
	}
	if w.text(2, waiting) == token || w.text(2, waiting) == "waiting" {
		t.Fatalf("the lock: %s after %s", w.text(2, waiting), token)
	}
	for _, want := range []string{"'b'", "'c'", "'d'"} {
		serial := w.start(3, o.ID, "take")
		w.is(want, 3, serial)
		if again := w.reply(3, serial).Status == wire.ReplyRedelivered; again != (want != "'d'") {
			t.Fatalf("%s: redelivered %v", want, again)
		}
	}
	w.close()
}

// TestSessionEndOutside: work outside goes on when its caller has died, and
// what it makes then dies with it.
func TestSessionEndOutside(t *testing.T) {
	w := newWorld(t, 2)
	o := w.ref(2, 0, "open", "n", "box", 1, 2)
	w.ref(1, 0, "lookup", "n")
	w.start(1, o.ID, "reverse")
	later := w.start(2, o.ID, "peek")
	w.start(1, 0, "create", "ext")
	w.must(&Command{Op: OpClose, Session: 1})
	if len(w.fx.Cancels) != 2 {
		t.Fatalf("%d cancels", len(w.fx.Cancels))
	}
	w.complete()
	w.is("2", 2, later)
	w.complete()
	if len(w.fx.Closed) != 1 || w.objects() != 1 {
		t.Fatalf("closed %v, %d objects", w.fx.Closed, w.objects())
	}
	w.close()
}

// TestHolds: a hold ends with its lock, and the holder hears of a removal.
func TestHolds(t *testing.T) {
	w := newWorld(t, 1)
	for range 10 {
		l := w.create(1, "latch")
		w.start(1, l.ID, "acquire")
		w.want("None", 1, 0, "release", []any{l.ID, 1})
	}
	if w.e.sessions[1].holds.head != nil {
		t.Fatal("holds of dead locks are left")
	}
	l := w.ref(1, 0, "open", "n", "latch")
	token := w.reply(1, w.start(1, l.ID, "acquire")).Value.Bytes()[0]
	c := w.call(1, 0, "types")
	c.Guard, c.Token = l.ID, uint64(token)
	w.must(c)
	w.want("True", 1, 0, "remove", "n")
	if len(w.fx.Lost) != 1 || w.fx.Lost[0].Token != uint64(token) || w.fx.Lost[0].Object != l.ID {
		t.Fatalf("%+v", w.fx.Lost)
	}
	c = w.call(1, 0, "types")
	c.Guard, c.Token = l.ID, uint64(token)
	w.must(c)
	w.is("error lock_lost", 1, c.Serial)
	again := w.ref(1, 0, "open", "n", "latch")
	if next := w.reply(1, w.start(1, again.ID, "acquire")).Value.Bytes()[0]; next <= token {
		t.Fatalf("token %d after %d", next, token)
	}
	w.close()
}

// TestGuard: a call that is conditional on a hold is refused when it is over,
// also when it had to wait.
func TestGuard(t *testing.T) {
	w := newWorld(t, 2)
	l := w.ref(1, 0, "open", "l", "latch")
	w.ref(2, 0, "lookup", "l")
	o := w.create(1, "box", 1)
	token := uint64(w.reply(1, w.start(1, l.ID, "acquire")).Value.Bytes()[0])
	guarded := func(lock uint64, token uint64, method string, args ...any) uint64 {
		c := w.call(1, o.ID, method, args...)
		c.Guard, c.Token = lock, token
		w.must(c)
		return c.Serial
	}
	w.is("None", 1, guarded(l.ID, token, "add", 2))
	w.is("error lock_lost", 1, guarded(l.ID, token+1, "add", 2))
	w.is("error lock_lost", 1, guarded(12345, token, "add", 2))
	w.is("error type", 1, guarded(o.ID, token, "add", 2))
	// It waits for a busy object, and the hold ends meanwhile.
	w.start(1, o.ID, "reverse")
	add := guarded(l.ID, token, "add", 3)
	finish := guarded(l.ID, token, "reverse")
	kept := w.start(1, o.ID, "add", 4)
	w.want("None", 2, l.ID, "release")
	w.complete()
	w.is("error lock_lost", 1, add)
	w.is("error lock_lost", 1, finish)
	w.is("None", 1, kept)
	w.want("3", 1, o.ID, "len")
	// The result of work outside is not taken when the hold is over.
	token = uint64(w.reply(1, w.start(1, l.ID, "acquire")).Value.Bytes()[0])
	finish = guarded(l.ID, token, "reverse")
	w.want("None", 2, l.ID, "release")
	w.complete()
	w.is("error lock_lost", 1, finish)
	w.want("2", 1, o.ID, "peek")
	// It does not wait for what may come when the hold is over.
	token = uint64(w.reply(1, w.start(1, l.ID, "acquire")).Value.Bytes()[0])
	w.want("None", 1, o.ID, "drop")
	w.is("error empty", 1, guarded(l.ID, token, "take"))
	w.close()
}

// TestBusy: calls of a busy object run in their order when its work is done.
func TestBusy(t *testing.T) {
	w := newWorld(t, 2)
	o := w.ref(1, 0, "open", "n", "box", "a", "b", "c")
	w.ref(2, 0, "lookup", "n")
	reverse := w.start(1, o.ID, "reverse")
	calls := []struct {
		session, serial uint64
		want            string
	}{
		{1, w.startIn(0, 1, o.ID, "take"), "'c'"}, {2, w.start(2, o.ID, "take"), "'b'"}, {1, w.start(1, o.ID, "reverse"), "None"},
		{2, w.start(2, o.ID, "add", "d"), "None"}, {1, w.start(1, o.ID, "take"), "'a'"}, {2, w.start(2, o.ID, "take"), "'d'"},
		{1, w.startIn(50, 1, o.ID, "take"), "error empty"},
	}
	cancelled := w.start(2, o.ID, "take")
	w.cancel(2, cancelled, false)
	w.is("error cancelled", 2, cancelled)
	timed := w.startIn(20, 2, o.ID, "take")
	w.tick(20)
	w.is("error timeout", 2, timed)
	for _, c := range calls {
		w.is("waiting", c.session, c.serial)
	}
	w.complete()
	w.is("None", 1, reverse)
	w.is("'b'", 2, calls[1].serial)
	w.is("waiting", 2, calls[3].serial)
	w.tick(10)
	w.complete()
	w.is("'d'", 2, calls[5].serial)
	last := calls[len(calls)-1]
	w.is("waiting", 1, last.serial)
	w.tick(20) // its 50 ns, the time that the object was busy included
	for _, c := range calls {
		w.is(c.want, c.session, c.serial)
	}
	// Work that fails leaves the object as it was.
	w.want("None", 1, o.ID, "add", "e")
	failed := w.start(1, o.ID, "reverse")
	w.complete(func(c *Command) { c.Result, c.Error = nil, wire.Errorf(wire.CodePanic, "it failed") })
	w.is("error panic", 1, failed)
	// One that gives no answer is a bug, not a call that hangs.
	silent := w.start(1, o.ID, "unfinished")
	w.complete()
	w.is("error internal", 1, silent)
	// Removal lets all go.
	w.start(1, o.ID, "reverse")
	deferred := w.start(2, o.ID, "peek")
	w.want("True", 1, 0, "remove", "n")
	w.is("error removed", 2, deferred)
	w.complete()
	w.close()
}

// TestShutdown: whoever waits hears of it, also who waits for a constructor.
func TestShutdown(t *testing.T) {
	w := newWorld(t, 2)
	take := w.start(1, w.create(1, "box").ID, "take")
	w.start(1, 0, "open", "n", "ext")
	open := w.start(2, 0, "open", "n", "ext")
	w.must(&Command{Op: OpShutdown})
	w.is("error shutting_down", 1, take)
	w.is("error shutting_down", 2, open)
	w.want("error shutting_down", 1, 0, "types")
	w.want("error shutting_down", 2, 0, "open", "n", "ext")
	w.want("None", 1, 0, "release", []any{12345, 1})
	if err := w.apply(&Command{Op: OpOpen, Open: &SessionInfo{Role: RoleWrite}}); wire.AsError(err).Code != wire.CodeShuttingDown {
		t.Fatalf("a session that opens at shutdown: %v", err)
	}
	w.complete()
	w.close()
}

// TestPanics: a bug in a type is an answer, a Panic for the log, and the end of
// that one object.
func TestPanics(t *testing.T) {
	for _, method := range []string{"boom", "boom_read", "boom_kept", "boom_parked", "boom_outside", "boom_finish", "boom_leave", "boom_undo", "twice", "twice_read"} {
		t.Run(method, func(t *testing.T) {
			w := newWorld(t, 2)
			o := w.ref(1, 0, "open", "n", "box")
			w.ref(2, 0, "lookup", "n")
			other := w.create(1, "box")
			waiting := w.start(2, o.ID, "take")
			call := w.start(1, o.ID, method)
			switch method {
			case "boom_leave":
				w.cancel(1, call, false)
			case "boom_undo":
				w.cancel(1, call, true)
			}
			for len(w.work) > 0 {
				w.complete()
			}
			if w.panics != 1 {
				t.Fatalf("%d panics", w.panics)
			}
			if got := w.text(1, call); got != "error internal" && got != "None" {
				t.Fatalf("the call: %s", got)
			}
			w.is("error internal", 2, waiting)
			w.want("error internal", 2, o.ID, "len")
			w.want("0", 1, other.ID, "len")
			// It can be released and removed, and its name used again.
			w.want("None", 2, 0, "release", []any{o.ID, 1})
			w.want("True", 1, 0, "remove", "n")
			w.ref(2, 0, "open", "n", "box")
			w.end(1)
			w.close()
		})
	}
	w := newWorld(t, 2)
	o := w.create(1, "box")
	w.want("error internal", 1, o.ID, "silent")
	w.want("0", 1, o.ID, "len")
	w.want("error internal", 1, 0, "create", "explodes")
	w.want("error internal", 1, 0, "open", "n", "explodes")
	w.want("error not_found", 1, 0, "lookup", "n")
	if w.panics != 2 || w.objects() != 1 {
		t.Fatalf("%d panics, %d objects", w.panics, w.objects())
	}
	// Outside of calls.
	l := w.ref(1, 0, "open", "l", "latch")
	w.ref(2, 0, "lookup", "l")
	w.start(1, l.ID, "acquire")
	waiting := w.start(2, l.ID, "acquire")
	w.want("None", 1, l.ID, "break")
	c := w.call(1, o.ID, "add", 1)
	c.Guard, c.Token = l.ID, 1
	w.must(c)
	w.is("error lock_lost", 1, c.Serial)
	w.is("error internal", 2, waiting)
	l = w.create(2, "latch")
	w.start(2, l.ID, "acquire")
	w.start(2, l.ID, "acquire")
	w.want("None", 2, l.ID, "break")
	before := w.panics
	w.lose(2)
	w.resume(2) // Serve
	if w.panics != before+1 {
		t.Fatal("Serve did not panic")
	}
	l = w.create(2, "latch")
	w.start(2, l.ID, "acquire")
	w.want("None", 2, l.ID, "break")
	w.end(2) // DropHold
	if w.panics != before+2 || w.e.sessions[2] != nil {
		t.Fatal("DropHold did not panic, or the session has not ended")
	}
	w.close()
}
