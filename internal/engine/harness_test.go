package engine

import (
	"bytes"
	"testing"

	"github.com/syncmanager/syncmanager/integration/long"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// world is an engine under test. Every command goes through a journal, check
// looks at the whole state after each, and close replays the journal.
type world struct {
	t       testing.TB
	e       *Engine
	journal Journal
	fx      Effects // of the last command
	now     int64
	serials map[uint64]uint64
	work    []Work
	replies map[[2]uint64][]Reply // by session and serial
	panics  int
	quick   bool // check the state at the end only
}

// peer stands for every connection.
var peer = new(int)

// newWorld returns a world with n sessions, whose ids are 1 to n.
func newWorld(t testing.TB, n int, change ...func(*Config)) *world {
	w := &world{t: t, e: New(toyTypes()...), now: 1, serials: map[uint64]uint64{}, replies: map[[2]uint64][]Reply{}}
	w.journal.Twin = &Twin{New: func() *Engine { return New(toyTypes()...) }}
	if !long.Enabled() {
		w.journal.Twin.Large, w.journal.Twin.Every = 1, 3
	}
	cfg := DefaultConfig()
	cfg.Seed = [16]byte{1, 2, 3}
	for _, f := range change {
		f(&cfg)
	}
	w.must(&Command{Op: OpConfigure, Config: &cfg})
	for range n {
		w.open(RoleAdmin)
	}
	return w
}

func (w *world) open(role Role, prefixes ...string) uint64 {
	w.t.Helper()
	w.must(&Command{Op: OpOpen, Open: &SessionInfo{Program: "test", KeyName: "key", Role: role, Prefixes: prefixes}})
	w.e.sessions[w.fx.Opened].Peer = peer
	return w.fx.Opened
}

func (w *world) must(c *Command) {
	w.t.Helper()
	if err := w.apply(c); err != nil {
		w.t.Fatalf("command %d was refused: %v", c.Op, err)
	}
}

func (w *world) apply(c *Command) error {
	w.t.Helper()
	c.Now = w.now
	if s := w.e.sessions[c.Session]; c.Op == OpResume && s != nil {
		s.Peer = peer
	}
	w.fx.Reset()
	if w.quick {
		w.journal.Twin = nil
	}
	err := w.journal.Apply(w.e, c, &w.fx)
	for _, r := range w.fx.Replies {
		if r.View != nil {
			r.Value, r.View = wire.Raw(r.View.Append(nil, nil)), nil
		}
		if r.Err == nil {
			if n, _, err := wire.Scan(r.Value.Bytes(), wire.Limits{}); err != nil || n != len(r.Value) {
				w.t.Fatalf("the reply %x is no value: %v", string(r.Value), err)
			}
		}
		key := [2]uint64{r.Session, r.Serial}
		w.replies[key] = append(w.replies[key], r)
	}
	if twin := w.journal.Twin; twin != nil && twin.Failed != nil {
		w.t.Fatal(twin.Failed)
	}
	w.work = append(w.work, w.fx.Work...)
	w.panics += len(w.fx.Panics)
	if !w.quick {
		check(w.t, w.e, w.panics > 0)
	}
	return err
}

// close replays the journal and compares.
func (w *world) close() {
	w.t.Helper()
	check(w.t, w.e, w.panics > 0)
	e := New(toyTypes()...)
	sum, err := Replay(e, w.journal.Log, peer)
	if err != nil {
		w.t.Fatalf("replay: %v", err)
	}
	if sum != w.journal.Sum() {
		w.t.Fatal("a replay gave other replies")
	}
	if got, want := e.Dump(nil), w.journal.State(w.e); !bytes.Equal(got, want) {
		w.t.Fatalf("a replay gave another state:\n%x\n%x", got, want)
	}
}

// call builds the next call of a session.
func (w *world) call(s uint64, o uint64, method string, args ...any) *Command {
	w.serials[s]++
	return &Command{Op: OpCall, Session: s, Serial: w.serials[s], Object: o, Name: []byte(method), Args: list(args...)}
}

// start sends a call and returns its serial.
func (w *world) start(s, o uint64, method string, args ...any) uint64 {
	w.t.Helper()
	c := w.call(s, o, method, args...)
	w.must(c)
	return c.Serial
}

// startIn is start with a timeout.
func (w *world) startIn(timeout int64, s, o uint64, method string, args ...any) uint64 {
	w.t.Helper()
	c := w.call(s, o, method, args...)
	c.HasTimeout, c.Timeout = true, timeout
	w.must(c)
	return c.Serial
}

// reply returns the last reply to a call; the test fails without one.
func (w *world) reply(s, serial uint64) Reply {
	w.t.Helper()
	all := w.replies[[2]uint64{s, serial}]
	if len(all) == 0 {
		w.t.Fatalf("session %d: call %d has no reply", s, serial)
	}
	return all[len(all)-1]
}

// times returns how often a call was answered.
func (w *world) times(s, serial uint64) int { return len(w.replies[[2]uint64{s, serial}]) }

// do sends a call and returns its value as text, "error NAME" or "waiting".
func (w *world) do(s, o uint64, method string, args ...any) string {
	w.t.Helper()
	return w.text(s, w.start(s, o, method, args...))
}

func (w *world) text(s, serial uint64) string {
	all := w.replies[[2]uint64{s, serial}]
	if len(all) == 0 {
		return "waiting"
	}
	r := all[len(all)-1]
	if r.Err != nil {
		return "error " + r.Err.Code.String()
	}
	return string(wire.AppendRepr(nil, r.Value.Bytes(), AppendProxyName))
}

// want sends a call and compares its text.
func (w *world) want(want string, s, o uint64, method string, args ...any) {
	w.t.Helper()
	if got := w.do(s, o, method, args...); got != want {
		w.t.Fatalf("session %d: %s = %s, want %s", s, method, got, want)
	}
}

// is compares the text of an earlier call.
func (w *world) is(want string, s, serial uint64) {
	w.t.Helper()
	if got := w.text(s, serial); got != want {
		w.t.Fatalf("session %d: call %d = %s, want %s", s, serial, got, want)
	}
}

// ref sends a call that returns a reference.
func (w *world) ref(s, o uint64, method string, args ...any) wire.Ref {
	w.t.Helper()
	r := w.reply(s, w.start(s, o, method, args...))
	if r.Err != nil {
		w.t.Fatalf("%s: %v", method, r.Err)
	}
	v, ok := wire.ParseRef(r.Value.Bytes())
	if !ok {
		w.t.Fatalf("%s returned no reference", method)
	}
	return v.Ref()
}

func (w *world) create(s uint64, typeid string, args ...any) wire.Ref {
	w.t.Helper()
	return w.ref(s, 0, "create", append([]any{typeid}, args...)...)
}

func (w *world) ack(s, watermark uint64, ranges ...wire.Range) {
	w.t.Helper()
	w.must(&Command{Op: OpAck, Session: s, Acked: watermark, Ranges: ranges})
}

func (w *world) cancel(s, serial uint64, abandon bool) {
	w.t.Helper()
	w.must(&Command{Op: OpCancel, Session: s, Serial: serial, Abandon: abandon})
}

func (w *world) lose(s uint64) {
	w.t.Helper()
	w.must(&Command{Op: OpLose, Session: s, Epoch: w.e.sessions[s].Epoch})
}

func (w *world) resume(s uint64) {
	w.t.Helper()
	w.must(&Command{Op: OpResume, Session: s})
}

func (w *world) end(s uint64) {
	w.t.Helper()
	w.must(&Command{Op: OpExpire, Session: s, Epoch: w.e.sessions[s].Epoch})
}

func (w *world) tick(d int64) {
	w.t.Helper()
	w.now += d
	w.must(&Command{Op: OpTick})
}

// complete brings back the result of the oldest work.
func (w *world) complete(change ...func(*Command)) {
	w.t.Helper()
	work := w.work[0]
	w.work = w.work[1:]
	c := &Command{Op: OpComplete, Work: work.ID, Value: []byte{0xc0}}
	if work.Run != nil {
		c.Result = work.Run(nil)
	}
	for _, f := range change {
		f(c)
	}
	w.must(c)
}

// objects returns how many objects live.
func (w *world) objects() int { return len(w.e.objects) }

// list encodes arguments.
func list(args ...any) []byte {
	b := wire.AppendArrayHeader(nil, len(args))
	for _, a := range args {
		b = appendValue(b, a)
	}
	return b
}

func appendValue(b []byte, a any) []byte {
	switch v := a.(type) {
	case nil:
		return wire.AppendNil(b)
	case int:
		return wire.AppendInt(b, int64(v))
	case uint64:
		return wire.AppendUint(b, v)
	case string:
		return wire.AppendStr(b, v)
	case []byte:
		return wire.AppendBin(b, v)
	case wire.Ref:
		return wire.AppendRef(b, v)
	case []any:
		return append(b, list(v...)...)
	}
	panic("a value of the tests that cannot be encoded")
}
