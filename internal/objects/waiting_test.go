package objects

import (
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// A model of an object that calls may wait for: plain Go, without regard for
// cost. The driver tells it what happens, and compares each answer with what it
// predicts.
type waitModel interface {
	// call answers the call, or parks it.
	call(h *waitRun, m *modelCall)
	// leave answers a parked call that left without having been served.
	leave(h *waitRun, m *modelCall, why engine.Leaving)
	// undo takes back what an answer handed over.
	undo(h *waitRun, m *modelCall)
	// gone drops what a session holds.
	gone(h *waitRun, c *client)
	// serve gives what is there to those present.
	serve(h *waitRun)
	// check looks for what must never be.
	check(h *waitRun) string
	// pick makes up a call.
	pick(h *waitRun, rng *rand.Rand) (method string, args []any)
}

// modelCall is a call as the model sees it.
type modelCall struct {
	*answer
	method    string
	args      []any
	deadline  int64 // 0: none
	noWait    bool
	parked    bool
	finished  bool
	again     bool
	forgotten bool // its outcome is not wanted any more
	want      string
	items     []modelItem // what the answer handed over
	hold      *modelHold
	index     int
	stage     waitStage
}

// end answers the call.
func (m *modelCall) end(h *waitRun, format string, args ...any) {
	m.parked, m.finished = false, true
	m.want = fmt.Sprintf(format, args...)
	h.waiting = slices.DeleteFunc(h.waiting, func(o *modelCall) bool { return o == m })
	h.answered = append(h.answered, m)
}

// park lets the call wait.
func (m *modelCall) park(h *waitRun) bool {
	if m.noWait {
		h.model.leave(h, m, engine.LeaveTimeout)
		return false
	}
	m.parked = true
	h.waiting = append(h.waiting, m)
	return true
}

// waitRun is a random history of one object.
type waitRun struct {
	w        *world
	o        wire.Ref
	typeid   string
	args     []any
	model    waitModel
	waiting  []*modelCall // parked, in order
	answered []*modelCall // in the order of their answers
	present  map[*client]bool
	live     []*client
	token    uint64
	watch    *client // looks on
}

// first returns the call of a present session that has waited longest for one
// of the methods.
func (h *waitRun) first(methods ...string) *modelCall {
	for _, m := range h.waiting {
		if h.present[m.c] && slices.Contains(methods, m.method) {
			return m
		}
	}
	return nil
}

func (h *waitRun) open() {
	c := h.w.open()
	c.named("shared", h.typeid, h.args...)
	c.keep = len(h.w.clients)%2 == 0
	h.live = append(h.live, c)
	h.present[c] = true
}

func (h *waitRun) start(c *client, timeout int64, method string, args []any) {
	m := &modelCall{method: method, args: args, noWait: timeout == 0}
	if timeout > 0 {
		m.deadline = h.w.now + timeout
	}
	// The model must know what is acknowledged before the call has its effect:
	// client.send says it in the same command.
	if timeout >= 0 {
		m.answer = c.startIn(timeout, h.o, method, args...)
	} else {
		m.answer = c.start(h.o, method, args...)
	}
	h.model.call(h, m)
}

// cancel cancels a call that waits, or abandons one.
func (h *waitRun) cancel(m *modelCall, abandon bool) {
	if m.serial <= m.c.acked {
		return
	}
	m.cancel(abandon)
	switch {
	case m.parked && abandon:
		h.depart(m, engine.LeaveGone)
	case m.parked:
		h.depart(m, engine.LeaveCancel)
	case abandon && !m.forgotten:
		h.model.undo(h, m)
	}
	if abandon {
		m.forgotten = true
		m.done = true // a client does not send it again
	}
}

func (h *waitRun) depart(m *modelCall, why engine.Leaving) {
	h.waiting = slices.DeleteFunc(h.waiting, func(o *modelCall) bool { return o == m })
	m.parked = false
	if why == engine.LeaveGone {
		m.forgotten = true
	}
	h.model.leave(h, m, why)
	if !m.finished && !m.parked {
		m.end(h, "error cancelled: call was cancelled")
	}
}

func (h *waitRun) expire(c *client) {
	c.expire()
	h.present[c] = false
	h.live = slices.DeleteFunc(h.live, func(o *client) bool { return o == c })
	for _, m := range slices.Clone(h.waiting) {
		if m.c == c && m.parked {
			h.depart(m, engine.LeaveGone)
		}
	}
	for _, m := range slices.Clone(h.answered) {
		if m.c == c && !m.forgotten && m.serial > c.acked {
			m.forgotten = true
			h.model.undo(h, m)
		}
	}
	h.model.gone(h, c)
}

func (h *waitRun) tick(d int64) {
	h.w.tick(d)
	for {
		var next *modelCall
		for _, m := range h.waiting {
			if m.deadline != 0 && m.deadline <= h.w.now && (next == nil || m.deadline < next.deadline) {
				next = m
			}
		}
		if next == nil {
			return
		}
		h.depart(next, engine.LeaveTimeout)
	}
}

// compare compares every answer with the model's.
func (h *waitRun) compare(t *testing.T, what string) {
	t.Helper()
	for _, list := range [][]*modelCall{h.waiting, h.answered} {
		for _, m := range list {
			if m.forgotten || !h.present[m.c] {
				continue
			}
			got, want := m.text(), m.want
			if !m.finished {
				want = "waiting"
			}
			if prefix, ok := strings.CutSuffix(want, "*"); ok && strings.HasPrefix(got, prefix) {
				want = got
			}
			if got != want {
				t.Fatalf("after %s: call %d of session %d, %s(%v):\n got %s\nwant %s", what, m.serial, m.c.id, m.method, m.args, got, want)
			}
			if again := m.status&wire.ReplyRedelivered != 0; again != m.again {
				t.Fatalf("after %s: %s(%v) = %s: delivered again: %v", what, m.method, m.args, got, again)
			}
		}
	}
	// What is acknowledged or forgotten cannot change any more.
	h.answered = slices.DeleteFunc(h.answered, func(m *modelCall) bool {
		return m.forgotten || m.serial <= m.c.acked
	})
	if bad := h.model.check(h); bad != "" {
		t.Fatalf("after %s: %s", what, bad)
	}
}

// runWaits drives an object and its model through a random history.
func runWaits(t *testing.T, seed int64, steps int, typeid string, args []any, model waitModel) *waitRun {
	rng := rand.New(rand.NewSource(seed))
	w := newWorld(t, 0)
	h := &waitRun{w: w, typeid: typeid, args: args, model: model, present: make(map[*client]bool)}
	for range 4 {
		h.open()
	}
	h.watch = w.open()
	h.o = h.watch.named("shared", typeid, args...)
	for step := range steps {
		c := h.live[rng.Intn(len(h.live))]
		if x, ok := model.(interface{ holder() *client }); ok && rng.Intn(3) > 0 {
			// Who holds something is who can do most.
			if holder := x.holder(); holder != nil {
				c = holder
			}
		}
		var what string
		switch n := rng.Intn(100); {
		case n < 65 && h.present[c]:
			method, args := model.pick(h, rng)
			timeout := []int64{-1, -1, 0, 10, 30}[rng.Intn(5)]
			what = fmt.Sprintf("%s(%v) of session %d, timeout %d", method, args, c.id, timeout)
			h.start(c, timeout, method, args)
		case n < 76 && len(h.waiting) > 0:
			m := h.waiting[rng.Intn(len(h.waiting))]
			what = fmt.Sprintf("cancel of call %d of session %d", m.serial, m.c.id)
			h.cancel(m, rng.Intn(2) == 0)
		case n < 79 && len(h.answered) > 0:
			m := h.answered[rng.Intn(len(h.answered))]
			what = fmt.Sprintf("abandon of call %d of session %d", m.serial, m.c.id)
			h.cancel(m, true)
		case n < 86:
			what = fmt.Sprintf("loss of session %d", c.id)
			if h.present[c] {
				c.lose()
				h.present[c] = false
			}
		case n < 94:
			what = fmt.Sprintf("return of session %d", c.id)
			if !h.present[c] {
				h.present[c] = true
				c.resume()
				model.serve(h)
			}
		case n < 97:
			what = fmt.Sprintf("end of session %d", c.id)
			h.expire(c)
			h.open()
		default:
			what = "tick"
			h.tick(int64(rng.Intn(20)))
		}
		h.compare(t, fmt.Sprintf("seed %d, step %d: %s", seed, step, what))
	}
	return h
}

// settle brings every session back and lets all deadlines pass.
func (h *waitRun) settle(t *testing.T) {
	for _, c := range h.live {
		if !h.present[c] {
			h.present[c] = true
			c.resume()
			h.model.serve(h)
		}
	}
	h.tick(100)
	h.compare(t, "the end")
}

// Arguments of all kinds to all methods: nothing panics, and what is refused
// changes nothing.
func TestWaitingWrongArguments(t *testing.T) {
	rng := rand.New(rand.NewSource(7))
	values := []any{nil, true, -1, 0, 1, 3, uint64(1 << 63), 1.5, "x", []byte("y"), []any{1, "z"}, vtuple{1}, vset{2}, vdict{"k", 1}, wire.Ref{}}
	for _, typ := range Types() {
		switch typ.Name {
		case "Queue", "JoinableQueue", "LifoQueue", "PriorityQueue", "SimpleQueue", "Lock", "RLock", "Semaphore", "BoundedSemaphore", "Condition", "Event", "Barrier":
		default:
			continue
		}
		for range 30 {
			w := newWorld(t, 1)
			a := w.clients[0]
			q := a.create("Queue")
			random := func(most int) (args []any) {
				for range rng.Intn(most) {
					v := values[rng.Intn(len(values))]
					if _, ok := v.(wire.Ref); ok {
						v = q
					}
					args = append(args, v)
				}
				return args
			}
			made := a.start(server, "create", append([]any{typ.Name}, random(4)...)...)
			if made.err != nil {
				w.close()
				continue
			}
			o := a.ref(made)
			for range 60 {
				m := typ.Methods[rng.Intn(len(typ.Methods))]
				before := ""
				if o2 := a.start(o, "value"); o2.err == nil {
					before = o2.text() + a.do(o, "repr")
				}
				r := a.startIn(0, o, m.Name, random(4)...)
				if !r.done && m.Name != "wait" {
					t.Fatalf("%s.%s waits without a timeout", typ.Name, m.Name)
				}
				if r.done && r.err != nil && r.err.Code == wire.CodeType {
					if now := a.do(o, "value") + a.do(o, "repr"); now != before {
						t.Fatalf("%s.%s(%s): refused with %v, and yet %s became %s", typ.Name, m.Name, show(wire.Raw(r.command.Args)), r.err, before, now)
					}
				}
			}
			w.close()
		}
	}
}
