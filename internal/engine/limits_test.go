package engine

import (
	"strings"
	"testing"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// TestLimitOutstanding bounds the calls of a session that are under way.
func TestLimitOutstanding(t *testing.T) {
	w := newWorld(t, 2, func(c *Config) { c.MaxOutstanding = 3 })
	o := w.create(1, "box")
	first := w.start(1, o.ID, "take")
	w.start(1, o.ID, "take")
	w.start(1, 0, "info")
	w.want("error overloaded", 1, o.ID, "len")
	w.want("error overloaded", 1, 0, "open", "name", "ext")
	w.want("None", 1, 0, "release", []any{12345, 1}) // letting go always works
	if w.create(2, "box"); w.reply(2, 1).Err != nil {
		t.Fatal("another session is limited, too")
	}
	w.cancel(1, first, false)
	w.want("0", 1, o.ID, "len")
	w.close()
}

// TestLimitParked bounds the calls of a session that wait.
func TestLimitParked(t *testing.T) {
	w := newWorld(t, 1, func(c *Config) { c.MaxParked = 2 })
	o := w.create(1, "box")
	first := w.start(1, o.ID, "take")
	w.start(1, o.ID, "take")
	w.want("error overloaded", 1, o.ID, "take")
	w.want("0", 1, o.ID, "len")
	w.cancel(1, first, false)
	w.want("waiting", 1, o.ID, "take")
	w.close()
}

// TestLimitKept bounds the replies that a session does not acknowledge: first
// for calls that change something, then for all.
func TestLimitKept(t *testing.T) {
	w := newWorld(t, 1, func(c *Config) { c.MaxKept = 8 * keptCost })
	o := w.create(1, "box", strings.Repeat("x", 10*keptCost))
	take := w.start(1, o.ID, "take")
	w.want("error overloaded", 1, o.ID, "add", 1)
	w.want("0", 1, o.ID, "len")
	w.want("None", 1, 0, "release", []any{12345, 1})
	w.ack(1, 0, wire.Range{From: take, To: take})
	w.want("None", 1, o.ID, "add", 1)
	for range 20 {
		w.start(1, 0, "release", []any{12345, 1})
		w.start(1, 0, "attach", o)
	}
	if n := w.e.sessions[1].kept.n; n != 9 {
		t.Fatalf("%d replies are kept", n)
	}
	w.want("error overloaded", 1, o.ID, "len")
	c := w.call(1, o.ID, "len") // a call that acknowledges helps itself
	c.Acked = c.Serial - 1
	w.must(c)
	w.is("1", 1, c.Serial)
	w.close()
}

// TestLimitObjects bounds the living objects that a session made.
func TestLimitObjects(t *testing.T) {
	w := newWorld(t, 2, func(c *Config) { c.MaxObjects = 2 })
	o := w.create(1, "box")
	w.ref(1, 0, "open", "n", "box")
	w.want("error overloaded", 1, 0, "create", "box")
	w.want("error overloaded", 1, 0, "open", "m", "box")
	w.ref(1, 0, "open", "n", "box")
	w.create(2, "box")
	w.want("None", 1, 0, "release", []any{o.ID, 1})
	w.create(1, "box")
	w.close()
}

// TestLimitRefs bounds the objects that a session holds.
func TestLimitRefs(t *testing.T) {
	w := newWorld(t, 2, func(c *Config) { c.MaxRefs = 2 })
	o, l := w.ref(1, 0, "open", "a", "box"), w.create(1, "latch")
	other := w.ref(2, 0, "open", "b", "box")
	w.want("error overloaded", 1, 0, "create", "box")
	w.want("error overloaded", 1, 0, "open", "b", "box")
	w.want("error overloaded", 1, 0, "open", "c", "box")
	w.want("error overloaded", 1, 0, "lookup", "b")
	w.want("error overloaded", 1, 0, "attach", other)
	w.ref(1, 0, "open", "a", "box") // it holds that one already
	w.ref(1, 0, "attach", l)
	w.want("None", 1, 0, "release", []any{o.ID, 2})
	w.ref(1, 0, "lookup", "b")
	w.close()
}

// TestLimitSessions bounds the sessions.
func TestLimitSessions(t *testing.T) {
	w := newWorld(t, 2, func(c *Config) { c.MaxSessions = 2 })
	err := w.apply(&Command{Op: OpOpen, Open: &SessionInfo{Role: RoleWrite}})
	if wire.AsError(err).Code != wire.CodeOverloaded || len(w.e.sessions) != 2 {
		t.Fatalf("%d sessions: %v", len(w.e.sessions), err)
	}
	w.must(&Command{Op: OpOpen, Open: &SessionInfo{Role: RoleAdmin, Trusted: true}})
	w.e.sessions[w.fx.Opened].Peer = peer
	w.end(1)
	w.end(2)
	w.open(RoleWrite)
	w.close()
}

// TestLimitBytes: when memory is short nothing may grow, be made or wait; what
// reads or lets go still works.
func TestLimitBytes(t *testing.T) {
	w := newWorld(t, 1, func(c *Config) { c.MaxBytes = 4000 })
	o, spare := w.create(1, "box", 1), w.create(1, "box")
	w.want("None", 1, o.ID, "add", strings.Repeat("x", 4000))
	w.want("error overloaded", 1, o.ID, "add", 1)
	w.want("error overloaded", 1, 0, "create", "box")
	w.want("error overloaded", 1, 0, "open", "n", "box")
	w.want("error overloaded", 1, spare.ID, "take")
	w.want("2", 1, o.ID, "len")
	w.want("1", 1, o.ID, "take")
	w.want("None", 1, 0, "release", []any{spare.ID, 1})
	w.want("None", 1, o.ID, "drop")
	w.create(1, "box")
	// The arguments of calls that wait for a busy object count.
	w.start(1, o.ID, "reverse")
	before := w.e.bytes
	w.want("waiting", 1, o.ID, "add", strings.Repeat("x", 1000))
	if got := w.e.bytes - before; got < parkedCost+1000 {
		t.Fatalf("%d bytes counted", got)
	}
	w.complete()
	w.close()
}

// TestLimitDepth bounds the nesting of values, and bad arguments are refused.
func TestLimitDepth(t *testing.T) {
	w := newWorld(t, 1, func(c *Config) { c.MaxDepth = 4 })
	o := w.create(1, "box")
	w.want("None", 1, o.ID, "add", []any{[]any{[]any{}}})
	w.want("error protocol", 1, o.ID, "add", []any{[]any{[]any{[]any{}}}})
	for _, args := range [][]byte{nil, {5}, {0x91}, {0x90, 0x90}, {0xc1}, {0x80}} {
		c := w.call(1, o.ID, "add")
		c.Args = args
		w.must(c)
		w.is("error protocol", 1, c.Serial)
	}
	w.close()
}

// TestShared: a door's session has those that its clients can meet.
func TestShared(t *testing.T) {
	w := newWorld(t, 0, func(c *Config) {
		c.MaxOutstanding, c.MaxParked, c.MaxKept, c.MaxObjects, c.MaxRefs, c.MaxSessions = 3, 2, 1, 2, 2, 1
	})
	w.must(&Command{Op: OpOpen, Open: &SessionInfo{Role: RoleAdmin, Trusted: true, Shared: true}})
	w.e.sessions[1].Peer = peer
	o := w.create(1, "box")
	w.create(1, "crate")
	w.want("error overloaded", 1, 0, "create", "box")
	w.want("waiting", 1, o.ID, "take")
	w.want("waiting", 1, o.ID, "take")
	w.want("error overloaded", 1, o.ID, "take")
	w.start(1, 0, "info")
	w.want("error overloaded", 1, o.ID, "len")
	w.close()
}

// TestTrusted: the server's own sessions have no limits of a session's.
func TestTrusted(t *testing.T) {
	w := newWorld(t, 0, func(c *Config) {
		c.MaxOutstanding, c.MaxParked, c.MaxKept, c.MaxObjects, c.MaxRefs, c.MaxSessions = 1, 1, 1, 1, 1, 1
	})
	w.must(&Command{Op: OpOpen, Open: &SessionInfo{Role: RoleAdmin, Trusted: true}})
	w.e.sessions[1].Peer = peer
	for range 3 {
		w.want("waiting", 1, w.create(1, "box").ID, "take")
	}
	w.close()
}

// TestRoles: read reads, write writes, admin administers; names can be bounded.
func TestRoles(t *testing.T) {
	w := newWorld(t, 1)
	reader, writer, none := w.open(RoleRead), w.open(RoleWrite), w.open(0)
	o := w.ref(1, 0, "open", "n", "box", 1)
	for _, s := range []uint64{reader, writer, none} {
		w.ref(s, 0, "open", "n", "box")
		w.want("1", s, o.ID, "peek")
		w.want("1", s, o.ID, "len")
		w.want("error denied", s, o.ID, "admin")
		w.want("error denied", s, 0, "sessions")
		w.want("error denied", s, 0, "objects")
		w.want("error denied", s, 0, "kick", 1)
		w.want("error denied", s, 0, "waiting", o.ID)
		w.want("error denied", s, 0, "collect")
		w.want("error denied", s, 0, "shutdown")
	}
	for _, s := range []uint64{reader, none} {
		for _, method := range []string{"add", "take", "drop", "reverse"} {
			w.want("error denied", s, o.ID, method, 1)
		}
		w.want("error denied", s, 0, "create", "box")
		w.want("error denied", s, 0, "open", "m", "box")
		w.want("error denied", s, 0, "remove", "n")
		w.want("waiting", s, o.ID, "wait")
		w.want("None", s, 0, "release", []any{o.ID, 1})
	}
	w.want("None", writer, o.ID, "add", 1)
	w.want("None", 1, o.ID, "admin")
	w.want("error value", 1, 0, "kick", 1)
	w.want("error not_found", 1, 0, "kick", 999)
	w.want("True", 1, 0, "kick", reader)
	if len(w.fx.Ended) != 1 || w.fx.Ended[0].Session != reader {
		t.Fatalf("%+v", w.fx.Ended)
	}
	bound := w.open(RoleWrite, "team/", "n")
	w.ref(bound, 0, "open", "team/x", "box")
	w.ref(bound, 0, "lookup", "n")
	w.create(bound, "box")
	w.ref(1, 0, "open", "other", "box")
	w.want("error denied", bound, 0, "lookup", "other")
	w.want("error denied", bound, 0, "remove", "other")
	w.want("error denied", bound, 0, "open", "other", "box")
	w.want("error denied", bound, 0, "create", "single") // it has a name
	if got := w.do(bound, 0, "names"); strings.Contains(got, "other") || !strings.Contains(got, "team/x") {
		t.Fatal(got)
	}
	w.close()
}

// TestRegrant: a session goes on with what its key allows now.
func TestRegrant(t *testing.T) {
	w := newWorld(t, 1)
	s := w.open(RoleWrite)
	o := w.create(s, "box")
	w.must(&Command{Op: OpRegrant, Session: s, Open: &SessionInfo{Role: RoleRead, Prefixes: []string{"team/"}}})
	w.want("error denied", s, o.ID, "add", 1)
	w.want("0", s, o.ID, "len")
	w.want("error denied", s, 0, "lookup", "other")
	w.must(&Command{Op: OpRegrant, Session: s, Open: &SessionInfo{Role: RoleAdmin}})
	w.want("None", s, o.ID, "add", 1)
	w.want("error not_found", s, 0, "lookup", "other")
	// What waits, and may not be done any more, is not done later.
	w.must(&Command{Op: OpRegrant, Session: s, Open: &SessionInfo{Role: RoleWrite}})
	w.want("1", s, o.ID, "take")
	takes, waits := w.start(s, o.ID, "take"), w.start(s, o.ID, "wait")
	w.must(&Command{Op: OpRegrant, Session: s, Open: &SessionInfo{Role: RoleRead}})
	w.is("error denied", s, takes)
	w.is("waiting", s, waits)
	if err := w.apply(&Command{Op: OpRegrant, Session: 999, Open: &SessionInfo{}}); err == nil {
		t.Fatal("a session that is not there was given rights")
	}
	w.close()
}

// TestActs: who administers is told for the log.
func TestActs(t *testing.T) {
	w := newWorld(t, 2)
	w.ref(1, 0, "open", "n", "box")
	for _, act := range []struct {
		method, subject string
		args            []any
	}{
		{"kick", "session 2 (", []any{2}},
		{"collect", "", nil},
		{"remove", `box "n"`, []any{"n"}},
		{"shutdown", "", nil},
	} {
		w.start(1, 0, act.method, act.args...)
		if len(w.fx.Acts) != 1 || w.fx.Acts[0].Session != 1 || w.fx.Acts[0].Method != act.method || !strings.HasPrefix(w.fx.Acts[0].Subject, act.subject) {
			t.Errorf("%s: acts %+v", act.method, w.fx.Acts)
		}
	}
	if w.want("error not_found", 1, 0, "kick", 999); len(w.fx.Acts) != 0 {
		t.Errorf("an act that came to nothing: %+v", w.fx.Acts)
	}
	w.complete()
	w.close()
}

// TestMethods: a method is named by number or by name, and must be there.
func TestMethods(t *testing.T) {
	w := newWorld(t, 1)
	o := w.create(1, "box")
	w.want("error not_exposed", 1, o.ID, "nothing")
	w.want("error not_exposed", 1, o.ID, "create")
	w.want("'<box>'", 1, o.ID, "repr")
	w.want("[]", 1, o.ID, "value")
	for _, n := range []uint32{4, 15, FirstMethod + 1000, 1 << 31, 1<<32 - 1} {
		c := w.call(1, o.ID, "len")
		c.Method = n
		w.must(c)
		w.is("error not_exposed", 1, c.Serial)
	}
	c := w.call(1, o.ID, "")
	c.Method = FirstMethod
	w.must(c)
	w.is("0", 1, c.Serial)
	if err := w.apply(&Command{Op: 99, Session: 1}); err == nil {
		t.Fatal("an unknown command was accepted")
	}
	w.close()
}

// TestAllocations holds the hot paths to their budgets.
func TestAllocations(t *testing.T) {
	w := newWorld(t, 1)
	o := w.create(1, "box", 7)
	l := w.create(1, "latch")
	var fx Effects
	hot := func(object uint64, method string, args ...any) func() {
		c := w.call(1, object, method, args...)
		w.serials[1]--
		number := uint32(0)
		for _, m := range w.e.objects[object].Type.Methods {
			if m.Name == method {
				number = m.number
			}
		}
		c.Method = number
		return func() {
			c.Acked = w.serials[1]
			w.serials[1]++
			c.Serial = w.serials[1]
			fx.Reset()
			if err := w.e.Apply(c, &fx); err != nil || len(fx.Replies) != 1 || fx.Replies[0].Err != nil {
				t.Fatalf("%v, %+v", err, fx.Replies)
			}
		}
	}
	for _, test := range []struct {
		name string
		most float64
		run  func()
	}{
		{"read", 0, hot(o.ID, "peek")},
		{"kept", 0, hot(o.ID, "drop")},
		{"kept and refused", 1, func() {
			run := Command{Op: OpCall, Session: 1, Acked: w.serials[1], Serial: w.serials[1] + 1, Object: l.ID, Method: FirstMethod + 1, Args: []byte{0x90}}
			w.serials[1]++
			fx.Reset()
			if err := w.e.Apply(&run, &fx); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		for range 100 {
			test.run()
		}
		if got := testing.AllocsPerRun(1000, test.run); got > test.most {
			t.Errorf("%s: %v allocations, the budget is %v", test.name, got, test.most)
		}
	}
	check(t, w.e, false)
}
