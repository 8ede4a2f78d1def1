package objects

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/syncmanager/syncmanager/integration/long"
	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// world is an engine under test. Every command goes through a journal, and
// close replays it on a fresh engine.
type world struct {
	t       testing.TB
	e       *engine.Engine
	journal engine.Journal
	fx      engine.Effects
	now     int64
	clients []*client
	work    []engine.Work // not completed yet
	manual  bool          // work outside waits for complete
	closed  bool
	views   []keptView
	panics  bool // a panic is expected
}

// keptView is a view that was sent: it must give the same bytes for ever.
type keptView struct {
	view engine.View
	was  []byte
	what string
}

// client is a session of a world.
type client struct {
	w       *world
	id      uint64
	serial  uint64
	acked   uint64
	answers map[uint64]*answer
	keep    bool           // acknowledge nothing by itself
	held    map[uint64]int // counts of references that replies granted
}

// answer is a call and, once done, its reply.
type answer struct {
	c       *client
	serial  uint64
	command engine.Command
	done    bool
	times   int // how often a reply came
	value   wire.Raw
	err     *wire.Error
	status  byte
}

// newWorld returns a world with n sessions.
func newWorld(t testing.TB, n int, change ...func(*engine.Config)) *world {
	w := &world{t: t, e: engine.New(Types()...), now: 1}
	w.journal.Twin = &engine.Twin{New: func() *engine.Engine { return engine.New(Types()...) }, Large: 64 << 10, Every: 1000}
	if !long.Enabled() {
		w.journal.Twin.Large, w.journal.Twin.Every = 1, 100
	}
	cfg := engine.DefaultConfig()
	cfg.Seed = [16]byte{1, 2, 3}
	for _, f := range change {
		f(&cfg)
	}
	w.must(&engine.Command{Op: engine.OpConfigure, Config: &cfg})
	for range n {
		w.open()
	}
	return w
}

// open begins one more session.
func (w *world) open() *client {
	c := &client{w: w, answers: make(map[uint64]*answer), held: make(map[uint64]int)}
	w.fx.Reset()
	cmd := engine.Command{Op: engine.OpOpen, Now: w.now, Open: &engine.SessionInfo{
		Program: "test", Host: "host", PID: uint64(100 + len(w.clients)), Remote: "10.0.0.1:1", KeyName: "key", Role: engine.RoleAdmin,
	}}
	if err := w.journal.Apply(w.e, &cmd, &w.fx); err != nil {
		w.t.Fatalf("open: %v", err)
	}
	c.id = w.fx.Opened
	w.e.Session(c.id).Peer = c
	w.clients = append(w.clients, c)
	return c
}

// must applies a command that must not be refused.
func (w *world) must(cmd *engine.Command) {
	w.t.Helper()
	if err := w.apply(cmd); err != nil {
		w.t.Fatalf("command %d refused: %v", cmd.Op, err)
	}
}

// apply applies a command and hands its effects around.
func (w *world) apply(cmd *engine.Command) error {
	w.t.Helper()
	cmd.Now = w.now
	w.fx.Reset()
	err := w.journal.Apply(w.e, cmd, &w.fx)
	w.effects()
	for !w.manual && len(w.work) > 0 {
		w.complete(0)
	}
	return err
}

func (w *world) effects() {
	w.t.Helper()
	for _, p := range w.fx.Panics {
		if !w.panics {
			w.t.Fatalf("%s.%s panicked: %s\n%s", p.Type, p.Method, p.Value, p.Stack)
		}
	}
	for i := range w.fx.Replies {
		r := &w.fx.Replies[i]
		c, ok := r.Peer.(*client)
		if !ok {
			w.t.Fatalf("a reply for peer %v", r.Peer)
		}
		a := c.answers[r.Serial]
		if a == nil {
			w.t.Fatalf("session %d: a reply to call %d, which is unknown", r.Session, r.Serial)
		}
		a.done, a.err, a.status, a.value = true, r.Err, r.Status, r.Value
		a.times++
		if r.View != nil {
			b := r.View.Append(nil, nil)
			a.value = wire.Raw(b)
			w.views = append(w.views, keptView{r.View, b, fmt.Sprintf("call %d of session %d", r.Serial, r.Session)})
		}
		if a.err == nil {
			if n, _, err := wire.Scan(a.value.Bytes(), wire.Limits{}); err != nil || n != len(a.value) {
				w.t.Fatalf("call %d: the reply %x is no value: %v", r.Serial, string(a.value), err)
			}
			if a.times == 1 {
				_ = wire.ForEachRef(a.value.Bytes(), func(ref wire.Ref) error {
					c.held[ref.ID]++
					return nil
				})
			}
		}
	}
	if twin := w.journal.Twin; twin != nil && twin.Failed != nil {
		w.t.Fatal(twin.Failed)
	}
	w.work = append(w.work, w.fx.Work...)
	for _, id := range w.fx.Cancels {
		// Work for a reply is forgotten; a change is made nevertheless.
		w.work = slices.DeleteFunc(w.work, func(x engine.Work) bool { return x.ID == id && x.Method.Flags&engine.Reads != 0 })
	}
}

// complete runs work i of those outside, and brings back its result.
func (w *world) complete(i int) {
	w.t.Helper()
	work := w.work[i]
	w.work = append(w.work[:i:i], w.work[i+1:]...)
	cmd := &engine.Command{Op: engine.OpComplete, Work: work.ID}
	if work.Run == nil {
		w.t.Fatalf("work %d has nothing to run", work.ID)
	}
	cmd.Result = work.Run(nil)
	w.must(cmd)
}

// tick lets time pass, in nanoseconds.
func (w *world) tick(d int64) {
	w.t.Helper()
	w.now += d
	w.must(&engine.Command{Op: engine.OpTick})
}

// close checks what must hold at the end of every test: no view has changed,
// and the journal gives the same replies and the same state once more.
func (w *world) close() {
	w.t.Helper()
	if w.closed {
		return
	}
	w.closed = true
	for _, v := range w.views {
		if got := v.view.Append(nil, nil); !bytes.Equal(got, v.was) {
			w.t.Fatalf("the view of %s changed from %s to %s", v.what, show(wire.Raw(v.was)), show(wire.Raw(got)))
		}
	}
	e := engine.New(Types()...)
	sum, err := engine.Replay(e, w.journal.Log, new(client))
	if err != nil {
		w.t.Fatalf("replay: %v", err)
	}
	if sum != w.journal.Sum() {
		w.t.Fatalf("a replay gave other replies")
	}
	if got, want := e.Dump(nil), w.journal.State(w.e); !bytes.Equal(got, want) {
		w.t.Fatalf("a replay gave another state:\n%x\n%x", got, want)
	}
}

// start sends a call and does not wait for its reply.
func (c *client) start(o wire.Ref, method string, args ...any) *answer {
	c.w.t.Helper()
	return c.send(engine.Command{Object: o.ID, Name: []byte(method), Args: encList(args)})
}

// startIn is start with a timeout in nanoseconds.
func (c *client) startIn(timeout int64, o wire.Ref, method string, args ...any) *answer {
	c.w.t.Helper()
	return c.send(engine.Command{Object: o.ID, Name: []byte(method), Args: encList(args), HasTimeout: true, Timeout: timeout})
}

// send sends a call whose Op, Session and Serial are filled in.
func (c *client) send(cmd engine.Command) *answer {
	c.w.t.Helper()
	c.serial++
	if !c.keep {
		for {
			a := c.answers[c.acked+1]
			if a == nil || !a.done {
				break
			}
			c.acked++
			delete(c.answers, c.acked)
		}
	}
	cmd.Op, cmd.Session, cmd.Serial, cmd.Acked = engine.OpCall, c.id, c.serial, c.acked
	a := &answer{c: c, serial: c.serial, command: cmd}
	c.answers[c.serial] = a
	c.w.must(&cmd)
	return a
}

// resend sends the call once more, as a client does after it resumed.
func (a *answer) resend() {
	a.c.w.t.Helper()
	cmd := a.command
	cmd.Acked = 0
	a.c.w.must(&cmd)
}

// cancel asks for the call's end; abandon says that its outcome is not wanted.
func (a *answer) cancel(abandon bool) {
	a.c.w.t.Helper()
	a.c.w.must(&engine.Command{Op: engine.OpCancel, Session: a.c.id, Serial: a.serial, Abandon: abandon})
}

// lose takes the session's connection away.
func (c *client) lose() {
	c.w.t.Helper()
	c.w.must(&engine.Command{Op: engine.OpLose, Session: c.id, Epoch: c.w.e.Session(c.id).Epoch})
}

// resume gives the session a connection, and sends again what has no answer.
func (c *client) resume() {
	c.w.t.Helper()
	c.w.e.Session(c.id).Peer = c
	c.w.must(&engine.Command{Op: engine.OpResume, Session: c.id})
	for s := c.acked + 1; s <= c.serial; s++ {
		if a := c.answers[s]; a != nil && !a.done {
			a.resend()
		}
	}
}

// again loses, now and then, the session's connection before the reply to its
// last call has come, if that is not the one with the serial: the call is sent
// once more, gets the same reply, and must not take effect twice. Nobody may
// have called anything since.
func (c *client) again(r *rand.Rand, before uint64) {
	c.w.t.Helper()
	if c.serial == before || r.IntN(6) > 0 {
		return
	}
	a := c.answers[c.serial]
	was, times := a.text(), a.times
	c.lose()
	c.resume()
	a.resend()
	if got := a.text(); got != was || a.times == times {
		c.w.t.Fatalf("call %d (%s) had the reply %s, and sent again %s, in %d replies", a.serial, a.command.Name, was, got, a.times)
	}
}

// expire ends the session, as when its lease has run out.
func (c *client) expire() {
	c.w.t.Helper()
	c.w.must(&engine.Command{Op: engine.OpExpire, Session: c.id, Epoch: c.w.e.Session(c.id).Epoch})
}

// server is the reference of object 0.
var server = wire.Ref{}

// create makes an object.
func (c *client) create(typeid string, args ...any) wire.Ref {
	c.w.t.Helper()
	return c.ref(c.start(server, "create", append([]any{typeid}, args...)...))
}

// named opens an object by name.
func (c *client) named(name, typeid string, args ...any) wire.Ref {
	c.w.t.Helper()
	return c.ref(c.start(server, "open", append([]any{name, typeid}, args...)...))
}

func (c *client) ref(a *answer) wire.Ref {
	c.w.t.Helper()
	a.mustEnd()
	if a.err != nil {
		c.w.t.Fatalf("call %d: %v", a.serial, a.err)
	}
	r, ok := wire.ParseRef(a.value.Bytes())
	if !ok {
		c.w.t.Fatalf("call %d: got %s, want a reference", a.serial, show(a.value))
	}
	return r.Ref()
}

// release gives n counts of a reference back.
func (c *client) release(o wire.Ref, n int) {
	c.w.t.Helper()
	c.ok(server, "release", []any{int64(o.ID), n})
	c.held[o.ID] -= n
}

// releaseAll gives back every reference that the session was granted.
func (c *client) releaseAll() {
	c.w.t.Helper()
	for _, id := range slices.Sorted(maps.Keys(c.held)) {
		if n := c.held[id]; n > 0 {
			c.release(wire.Ref{ID: id}, n)
		}
	}
}

func (a *answer) mustEnd() {
	a.c.w.t.Helper()
	if !a.done {
		a.c.w.t.Fatalf("call %d of session %d (%s) has no answer", a.serial, a.c.id, a.command.Name)
	}
}

// text is the answer as show prints it: a value, "error: message", or
// "waiting".
func (a *answer) text() string {
	switch {
	case !a.done:
		return "waiting"
	case a.err != nil:
		return "error " + a.err.Code.String() + ": " + a.err.Message
	}
	return show(a.value)
}

// do sends a call and returns its answer's text.
func (c *client) do(o wire.Ref, method string, args ...any) string {
	c.w.t.Helper()
	return c.start(o, method, args...).text()
}

// ok sends a call that must return a value, and returns it.
func (c *client) ok(o wire.Ref, method string, args ...any) wire.Raw {
	c.w.t.Helper()
	a := c.start(o, method, args...)
	a.mustEnd()
	if a.err != nil {
		c.w.t.Fatalf("%s(%s): %v", method, show(wire.Raw(encList(args))), a.err)
	}
	return a.value
}

// want sends a call and compares the text of its answer.
func (c *client) want(want string, o wire.Ref, method string, args ...any) {
	c.w.t.Helper()
	if got := c.do(o, method, args...); got != want {
		c.w.t.Fatalf("%s(%s):\n got %s\nwant %s", method, show(wire.Raw(encList(args))), got, want)
	}
}

// is compares the text of an answer that was asked for earlier.
func (a *answer) is(want string) {
	a.c.w.t.Helper()
	if got := a.text(); got != want {
		a.c.w.t.Fatalf("call %d (%s):\n got %s\nwant %s", a.serial, a.command.Name, got, want)
	}
}

// objects returns how many objects live.
func (w *world) objects() int { return w.e.Stats().Objects }

// hot returns a function that applies one call, built once, again and again
// under new serials, for benchmarks and allocation budgets. It must be answered
// at once, and not with an error. A view is encoded, as the server does.
func (c *client) hot(o wire.Ref, method string, args ...any) func() {
	c.w.t.Helper()
	number := uint32(0)
	t := c.w.e.Type(o.TypeID)
	for i := range t.Methods {
		if t.Methods[i].Name == method {
			number = t.Methods[i].Number()
		}
	}
	if number == 0 {
		c.w.t.Fatalf("%s has no method %s", o.TypeID, method)
	}
	cmd := &engine.Command{Op: engine.OpCall, Session: c.id, Object: o.ID, Method: number, Args: encList(args)}
	fx := &c.w.fx
	c.w.journal.Twin = nil // these calls pass it by
	var encoded []byte
	return func() {
		cmd.Acked = c.serial
		c.serial++
		cmd.Serial = c.serial
		fx.Reset()
		if err := c.w.e.Apply(cmd, fx); err != nil {
			c.w.t.Fatal(err)
		}
		if len(fx.Replies) != 1 {
			c.w.t.Fatalf("%s.%s gave %d replies", o.TypeID, method, len(fx.Replies))
		}
		r := &fx.Replies[0]
		if r.Err != nil {
			c.w.t.Fatal(r.Err)
		}
		if r.View != nil {
			encoded = r.View.Append(encoded[:0], nil)
		}
	}
}

// stateOf returns the whole state of an object, as it is written down.
func stateOf(o *engine.Object) []byte {
	b, rows := o.State.Dump(nil)
	if rows != nil {
		b, _ = rows.AppendRows(b, 0, maxInt)
	}
	return b
}
