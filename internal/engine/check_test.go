package engine

import (
	"slices"
	"testing"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// check looks at the whole state: every count is the sum of what it counts, and
// every list is linked both ways. After a panic, what a damaged object held may
// stay behind, and objects with it.
func check(t testing.TB, e *Engine, damaged bool) {
	t.Helper()
	fail := func(format string, args ...any) {
		t.Helper()
		t.Fatalf("inconsistent state: "+format, args...)
	}
	if e.fx != nil || len(e.dead) != 0 {
		fail("effects or dead objects are left")
	}
	holds := make(map[*Object]int)
	refs := make(map[*Object]int)
	kept := make(map[*Object]int)
	made := make(map[uint64]int)
	bytes := int64(0)
	n := 0
	var prev *Object
	for o := e.first; o != nil; prev, o = o, o.next {
		if n++; o.prev != prev || e.objects[o.ID] != o || prev != nil && prev.ID >= o.ID {
			fail("object %d stands wrong in the list", o.ID)
		}
		bytes += o.bytes
		made[o.maker]++
		if o.State != nil {
			o.State.Each(func(raw wire.Raw) bool {
				_ = wire.ForEachRef(raw.Bytes(), func(r wire.Ref) error {
					if target := e.objects[r.ID]; target != nil {
						holds[target]++
						kept[target]++
						if !o.hasRefs {
							fail("object %d holds a reference and does not know it", o.ID)
						}
					}
					return nil
				})
				return true
			})
		}
		if o.Name != "" && !o.removed {
			holds[o]++
			if e.named[o.Name] != o {
				fail("name %q is not object %d", o.Name, o.ID)
			}
		}
		checkParked(fail, o)
		var h *Hold
		for x := o.held.head; x != nil; h, x = x, x.oNext {
			if x.oPrev != h || !x.on || x.Object != o || o.removed || o.poisoned || e.sessions[x.Session.ID] != x.Session {
				fail("hold %d of object %d", x.Token, o.ID)
			}
		}
		if o.held.tail != h {
			fail("the tail of object %d's holds", o.ID)
		}
		if (o.removed || o.poisoned) && o.parked.head != nil {
			fail("calls wait for object %d, which is gone", o.ID)
		}
		if o.busy == nil && o.waiting.Len() != 0 {
			fail("calls wait for object %d, which is not busy", o.ID)
		}
	}
	if e.last != prev || n != len(e.objects) {
		fail("%d objects in the list, %d in the map", n, len(e.objects))
	}
	checkParked(fail, &e.root)
	n, prev = 0, nil
	for o := e.firstRef; o != nil; prev, o = o, o.rNext {
		if n++; o.rPrev != prev || !o.hasRefs || e.objects[o.ID] != o {
			fail("object %d stands wrong in the list of those with references", o.ID)
		}
	}
	for o := e.first; o != nil; o = o.next {
		if o.hasRefs {
			n--
		}
	}
	if n != 0 || e.lastRef != prev {
		fail("the list of objects with references")
	}
	if !slices.IsSorted(e.names) || len(e.names) != len(e.named) {
		fail("%d names, %d named objects", len(e.names), len(e.named))
	}
	for _, name := range e.names {
		if o := e.named[name]; o == nil || o.Name != name || o.removed {
			fail("name %q", name)
		}
	}
	parked, running := 0, 0
	for id, s := range e.sessions {
		if s.ID != id || s.over {
			fail("session %d", id)
		}
		parked += s.parked.n
		running += s.running.n
		bytes += checkSession(fail, e, s)
		if s.objects != made[id] {
			fail("session %d made %d objects, not %d", id, made[id], s.objects)
		}
		for oid, r := range s.refs {
			if r.object.ID != oid || e.objects[oid] != r.object || r.count <= 0 {
				fail("reference of session %d to object %d", id, oid)
			}
			holds[r.object]++
			refs[r.object]++
		}
		for c := s.parked.head; c != nil; c = c.sNext {
			holds[c.Object]++
		}
	}
	for id, c := range e.work {
		if c.work != id || c.state != callOutside {
			fail("work %d", id)
		}
		if c.Session.over {
			running++
		}
		holds[c.Object]++
		if c.Stage == stageConstruct {
			o := e.objects[uint64(c.N)]
			if o == nil || o.busy != c {
				fail("work %d makes an object that is gone", id)
			}
			holds[o]++
		}
	}
	for o := e.first; o != nil; o = o.next {
		if o.holds != holds[o] && !damaged || o.holds < holds[o] || o.holds <= 0 {
			fail("object %d (%s) has %d holds, counted %d", o.ID, o.Type.Name, o.holds, holds[o])
		}
		if o.kept != kept[o] && !damaged || o.kept < kept[o] {
			fail("object %d (%s) has %d references in values, counted %d", o.ID, o.Type.Name, o.kept, kept[o])
		}
		if o.refs != refs[o] {
			fail("object %d (%s) has %d sessions, counted %d", o.ID, o.Type.Name, o.refs, refs[o])
		}
		if o.busy != nil && e.work[o.busy.work] != o.busy {
			fail("object %d is busy for ever", o.ID)
		}
	}
	if e.parked != parked || len(e.work) != running {
		fail("%d calls parked, counted %d; %d outside, counted %d", e.parked, parked, len(e.work), running)
	}
	if e.bytes != bytes {
		fail("%d bytes, counted %d", e.bytes, bytes)
	}
	for i, c := range e.timers {
		if c.timer != i || c.state != callParked || i > 0 && e.timers.Less(i, (i-1)/2) {
			fail("timer %d", i)
		}
	}
}

func checkParked(fail func(string, ...any), o *Object) {
	var prev *Call
	for c := o.parked.head; c != nil; prev, c = c, c.oNext {
		if c.oPrev != prev || c.Object != o || c.state != callParked || c.Session.calls.Get(c.Serial) != c {
			fail("parked call %d of object %d", c.Serial, o.ID)
		}
	}
	if o.parked.tail != prev {
		fail("the tail of object %d's parked calls", o.ID)
	}
}

// checkSession returns the bytes that its parked calls count.
func checkSession(fail func(string, ...any), e *Engine, s *Session) int64 {
	bytes := int64(0)
	for _, l := range []struct {
		list  *callList
		state callState
	}{{&s.parked, callParked}, {&s.running, callOutside}, {&s.kept, callDone}} {
		var prev *Call
		n, kept := 0, int64(0)
		for c := l.list.head; c != nil; prev, c = c, c.sNext {
			if n++; c.sPrev != prev || c.sList != l.list || c.state != l.state || c.Session != s || s.calls.Get(c.Serial) != c {
				fail("call %d of session %d", c.Serial, s.ID)
			}
			switch c.state {
			case callParked:
				bytes += parkedCost + int64(len(c.args))
				checkQueue(fail, c)
				if c.timer >= 0 && (c.timer >= len(e.timers) || e.timers[c.timer] != c) {
					fail("the timer of call %d", c.Serial)
				}
			case callOutside:
				if e.work[c.work] != c {
					fail("the work of call %d", c.Serial)
				}
			case callDone:
				kept += c.keptSize()
				if c.Serial <= s.watermark || s.acked.has(c.Serial) {
					fail("the reply of call %d is kept, and acknowledged", c.Serial)
				}
			}
		}
		if n != l.list.n || l.list.tail != prev {
			fail("a list of session %d's calls", s.ID)
		}
		if l.state == callDone && kept != s.keptBytes {
			fail("session %d keeps %d bytes, counted %d", s.ID, s.keptBytes, kept)
		}
	}
	if s.calls.Len() != s.parked.n+s.running.n+s.kept.n {
		fail("session %d has %d calls", s.ID, s.calls.Len())
	}
	if len(s.marks) > maxMarks || !s.connected && s.Peer != nil {
		fail("session %d: %d marks, connected %v", s.ID, len(s.marks), s.connected)
	}
	last := s.watermark
	for _, r := range s.acked {
		if r.From <= last || r.To < r.From {
			fail("session %d: acknowledged %d to %d after %d", s.ID, r.From, r.To, last)
		}
		last = r.To
	}
	var h *Hold
	for x := s.holds.head; x != nil; h, x = x, x.sNext {
		if x.sPrev != h || x.Session != s || !x.on {
			fail("hold %d of session %d", x.Token, s.ID)
		}
	}
	if s.holds.tail != h {
		fail("the tail of session %d's holds", s.ID)
	}
	return bytes
}

// checkQueue looks at the half list that a parked call stands in.
func checkQueue(fail func(string, ...any), c *Call) {
	if c.list == nil || c.queue != c.list.half(c.Session) {
		fail("call %d waits in no list", c.Serial)
	}
	q, n, found, last := c.queue, 0, false, q0(c.queue)
	var prev *Call
	for x := q.head; x != nil; prev, x = x, x.next {
		if n++; x.prev != prev || x.queue != q || prev != nil && prev.place >= x.place {
			fail("the list that call %d waits in", c.Serial)
		}
		found = found || x == c
		last = last || x == q.last
	}
	if n != q.n || q.tail != prev || !found || !last {
		fail("the list that call %d waits in", c.Serial)
	}
}

func q0(q *queue) bool { return q.last == nil }
