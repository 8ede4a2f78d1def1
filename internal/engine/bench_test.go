package engine

import (
	"testing"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// BenchmarkApply measures one step of each kind, without a journal.
func BenchmarkApply(b *testing.B) {
	for _, bench := range []struct {
		name  string
		start func(w *bencher) func() // prepares; what it returns is measured
	}{
		{"read", func(w *bencher) func() {
			o := w.create(1, "box")
			return w.hot(1, o, "len")
		}},
		{"call", func(w *bencher) func() { // its reply is kept until the next call
			o := w.create(1, "box")
			return w.hot(1, o, "admin")
		}},
		{"add and take", func(w *bencher) func() {
			o := w.create(1, "box")
			add, take := w.hot(1, o, "add", "value-of-16-byte"), w.hot(1, o, "take")
			return func() { add(); take() }
		}},
		{"park and wake", func(w *bencher) func() { return w.parkAndWake(noTimeout) }},
		{"park with a deadline and wake", func(w *bencher) func() { return w.parkAndWake(1e9) }},
		{"outside and complete", func(w *bencher) func() { // a method of a registered Go type
			w.start(1, 0, "create", "ext")
			w.complete()
			o, _ := wire.ParseRef(w.reply(1, w.serials[1]).Value.Bytes())
			call, done := w.hot(1, o.Ref(), "go"), &Command{Op: OpComplete, Value: []byte{0xc0}}
			return func() {
				w.answers(0, call)
				done.Work = w.fx.Work[0].ID
				w.do(done)
			}
		}},
		{"create and release", func(w *bencher) func() {
			root, args := wire.Ref{}, make([]byte, 0, 64)
			create := w.hot(1, root, "create", "box")
			release := w.command(1, root, "release")
			return func() {
				create()
				o, _ := wire.ParseRef(w.fx.Replies[0].Value.Bytes())
				args = wire.AppendArrayHeader(args[:0], 1)
				args = wire.AppendArrayHeader(args, 2)
				args = wire.AppendUint(args, o.ID)
				args = wire.AppendUint(args, 1)
				release.Args = args
				w.call(release)
			}
		}},
		{"acknowledge", func(w *bencher) func() { // of one kept reply each, in order
			c := w.command(1, w.create(1, "box"), "admin")
			ack := &Command{Op: OpAck, Session: 1, Acked: w.serials[1]}
			return func() {
				if ack.Acked == w.serials[1] {
					w.b.StopTimer()
					for range 1000 {
						w.serials[1]++
						c.Serial = w.serials[1]
						w.do(c)
					}
					w.b.StartTimer()
				}
				ack.Acked++
				w.do(ack)
			}
		}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			w := &bencher{newWorld(b, 2), b}
			step := bench.start(w)
			b.ReportAllocs()
			for b.Loop() {
				step()
			}
			check(b, w.e, false)
		})
	}
}

// bencher is a world whose commands bypass the journal and the checks.
type bencher struct {
	*world
	b *testing.B
}

// do applies a command.
func (w *bencher) do(c *Command) {
	w.fx.Reset()
	if err := w.e.Apply(c, &w.fx); err != nil {
		w.b.Fatal(err)
	}
	for i := range w.fx.Replies {
		if err := w.fx.Replies[i].Err; err != nil {
			w.b.Fatal(err)
		}
	}
}

// call applies a call under the session's next serial; it acknowledges those
// before.
func (w *bencher) call(c *Command) {
	c.Acked = w.serials[c.Session]
	c.Serial = c.Acked + 1
	w.serials[c.Session] = c.Serial
	w.do(c)
}

// command builds a call by the number of its method, without a serial.
func (w *bencher) command(s uint64, o wire.Ref, method string, args ...any) *Command {
	t := w.e.root.Type
	if o.ID != 0 {
		t = w.e.objects[o.ID].Type
	}
	m := t.method(0, []byte(method))
	if m == nil {
		w.b.Fatalf("%s has no method %s", t.Name, method)
	}
	return &Command{Op: OpCall, Session: s, Object: o.ID, Method: m.Number(), Args: list(args...)}
}

// hot returns a function that applies one call again and again.
func (w *bencher) hot(s uint64, o wire.Ref, method string, args ...any) func() {
	c := w.command(s, o, method, args...)
	return func() { w.call(c) }
}

// parkAndWake returns a step in which one session waits for what another brings.
func (w *bencher) parkAndWake(timeout int64) func() {
	o := w.ref(1, 0, "open", "name", "box")
	w.ref(2, 0, "open", "name", "box")
	take, add := w.command(1, o, "take"), w.hot(2, o, "add", "value-of-16-byte")
	take.HasTimeout, take.Timeout = timeout != noTimeout, timeout
	return func() {
		w.answers(0, func() { w.call(take) })
		w.answers(2, add)
	}
}

// answers runs a step, which must give n replies.
func (w *bencher) answers(n int, step func()) {
	if step(); len(w.fx.Replies) != n {
		w.b.Fatalf("%d replies, want %d", len(w.fx.Replies), n)
	}
}
