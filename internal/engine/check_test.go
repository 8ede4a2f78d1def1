package engine

import (
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
	pins := make(map[*Object]int)
	refs := make(map[*Object]int)
	kept := make(map[*Object]int)
	made := make(map[uint64]int)
	bytes := int64(0)
	n := 0
	var prev *Object
	for o := e.all.First(); o != nil; prev, o = o, o.inAll.Next() {
		if n++; e.objects[o.ID] != o || prev != nil && prev.ID >= o.ID {
			fail("object %d stands wrong in the list", o.ID)
		}
		bytes += o.bytes
		made[o.maker]++
		if o.State != nil {
			o.State.Each(func(raw wire.Raw) bool {
				_ = wire.ForEachRef(raw.Bytes(), func(r wire.Ref) error {
					if target := e.objects[r.ID]; target != nil {
						pins[target]++
						kept[target]++
						if !o.HasRefs() {
							fail("object %d holds a reference and does not know it", o.ID)
						}
					}
					return nil
				})
				return true
			})
		}
		if o.Name != "" && !o.removed {
			pins[o]++
			if e.named(o.Name) != o {
				fail("name %q is not object %d", o.Name, o.ID)
			}
		}
		checkParked(fail, o)
		checkList(fail, &o.holds, func(h *Hold) *Link[Hold] { return &h.inObject })
		for h := o.holds.First(); h != nil; h = h.inObject.Next() {
			if h.Object != o || o.removed || o.poisoned || e.sessions[h.Session.ID] != h.Session {
				fail("hold %d of object %d", h.Token, o.ID)
			}
		}
		if (o.removed || o.poisoned) && o.parked.First() != nil {
			fail("calls wait for object %d, which is gone", o.ID)
		}
		if o.busy == nil && o.waiting.Len() != 0 {
			fail("calls wait for object %d, which is not busy", o.ID)
		}
	}
	checkList(fail, &e.all, func(o *Object) *Link[Object] { return &o.inAll })
	if n != len(e.objects) {
		fail("%d objects in the list, %d in the map", n, len(e.objects))
	}
	checkParked(fail, &e.root)
	checkList(fail, &e.refer, func(o *Object) *Link[Object] { return &o.inRefs })
	for o := e.refer.First(); o != nil; o = o.inRefs.Next() {
		if e.objects[o.ID] != o {
			fail("object %d is gone, and in the list of those with references", o.ID)
		}
	}
	e.names.Scan(func(name string, o *Object) bool {
		if o == nil || o.Name != name || o.removed {
			fail("name %q", name)
		}
		return true
	})
	parked, running := 0, 0
	for id, s := range e.sessions {
		if s.ID != id || s.over {
			fail("session %d", id)
		}
		parked += s.parked.Len()
		running += s.running.Len()
		bytes += checkSession(fail, e, s)
		if s.objects != made[id] {
			fail("session %d made %d objects, not %d", id, made[id], s.objects)
		}
		for oid, r := range s.refs {
			if r.object.ID != oid || e.objects[oid] != r.object || r.count <= 0 {
				fail("reference of session %d to object %d", id, oid)
			}
			pins[r.object]++
			refs[r.object]++
		}
		for c := s.parked.First(); c != nil; c = c.inSession.Next() {
			pins[c.Object]++
		}
	}
	for id, c := range e.work {
		if c.work != id || c.state != callOutside {
			fail("work %d", id)
		}
		if c.Session.over {
			running++
		}
		pins[c.Object]++
		if c.Stage == stageConstruct {
			o := e.objects[uint64(c.N)]
			if o == nil || o.busy != c {
				fail("work %d makes an object that is gone", id)
			}
			pins[o]++
		}
	}
	for o := e.all.First(); o != nil; o = o.inAll.Next() {
		if o.pins != pins[o] && !damaged || o.pins < pins[o] || o.pins <= 0 && !o.inFrozen.In() {
			fail("object %d (%s) has %d pins, counted %d", o.ID, o.Type.Name, o.pins, pins[o])
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
	for i, x := range e.timers {
		switch {
		case x.call != nil && (x.call.timer != i || x.call.state != callParked),
			x.object != nil && (x.object.timer != i || x.object.wakeAt == 0 || e.objects[x.object.ID] != x.object),
			i > 0 && e.timers.Less(i, (i-1)/2):
			fail("timer %d", i)
		}
	}
	for o := e.all.First(); o != nil; o = o.inAll.Next() {
		if o.wakeAt != 0 && (o.timer >= len(e.timers) || e.timers[o.timer].object != o) {
			fail("the timer of object %d", o.ID)
		}
	}
}

func checkParked(fail func(string, ...any), o *Object) {
	checkList(fail, &o.parked, func(c *Call) *Link[Call] { return &c.inObject })
	for c := o.parked.First(); c != nil; c = c.inObject.Next() {
		if c.Object != o || c.state != callParked || c.Session.calls.Get(c.Serial) != c {
			fail("parked call %d of object %d", c.Serial, o.ID)
		}
	}
}

// checkList looks whether the list is linked both ways.
func checkList[T any](fail func(string, ...any), l *List[T], link func(*T) *Link[T]) {
	n := 0
	var prev *Link[T]
	for x := l.head; x != nil; prev, x = x, x.next {
		if n++; x.prev != prev || x.list != l || link(x.of) != x {
			fail("link %d of a list", n)
		}
	}
	if n != l.n || l.tail != prev {
		fail("the end of a list of %d, counted %d", l.n, n)
	}
}

// checkSession returns the bytes that its parked calls count.
func checkSession(fail func(string, ...any), e *Engine, s *Session) int64 {
	bytes := int64(0)
	for _, l := range []struct {
		list  *List[Call]
		state callState
	}{{&s.parked, callParked}, {&s.running, callOutside}, {&s.kept, callDone}} {
		checkList(fail, l.list, func(c *Call) *Link[Call] { return &c.inSession })
		kept := int64(0)
		for c := l.list.First(); c != nil; c = c.inSession.Next() {
			if c.state != l.state || c.Session != s || s.calls.Get(c.Serial) != c {
				fail("call %d of session %d", c.Serial, s.ID)
			}
			switch c.state {
			case callParked:
				bytes += parkedCost + int64(len(c.args))
				checkQueue(fail, c)
				if c.timer >= 0 && (c.timer >= len(e.timers) || e.timers[c.timer].call != c) {
					fail("the timer of call %d", c.Serial)
				}
			case callOutside:
				if e.work[c.work] != c {
					fail("the work of call %d", c.Serial)
				}
			case callDone:
				kept += c.keptSize()
				if c.Serial <= s.watermark || s.acked.Has(c.Serial) {
					fail("the reply of call %d is kept, and acknowledged", c.Serial)
				}
			}
		}
		if l.state == callDone && kept != s.keptBytes {
			fail("session %d keeps %d bytes, counted %d", s.ID, s.keptBytes, kept)
		}
	}
	if s.calls.Len() != s.parked.Len()+s.running.Len()+s.kept.Len() {
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
	checkList(fail, &s.holds, func(h *Hold) *Link[Hold] { return &h.inSession })
	for h := s.holds.First(); h != nil; h = h.inSession.Next() {
		if h.Session != s || !h.inObject.In() {
			fail("hold %d of session %d", h.Token, s.ID)
		}
	}
	for owner, l := range s.awaiting {
		checkList(fail, l, func(a *Await) *Link[Await] { return &a.inOwner })
		for a := l.First(); a != nil; a = a.Next() {
			if a.Owner != owner || a.Session != s || a.calls.Len() == 0 || a.Next() != nil && a.Target.ID >= a.Next().Target.ID {
				fail("what owner %d of session %d waits for", owner, s.ID)
			}
			checkList(fail, &a.calls, func(c *Call) *Link[Call] { return &c.inAwait })
			for c := a.calls.First(); c != nil; c = c.inAwait.Next() {
				if c.Owner != owner || c.Session != s || c.awaits != a || c.state != callParked {
					fail("call %d of session %d waits for nothing", c.Serial, s.ID)
				}
			}
		}
		if l.Len() == 0 {
			fail("owner %d of session %d waits in no call", owner, s.ID)
		}
	}
	return bytes
}

// checkQueue looks at the list that a parked call stands in.
func checkQueue(fail func(string, ...any), c *Call) {
	w := c.list
	if w == nil || c.inQueue.list != &w.absent && c.inQueue.list != &w.present || c.Session.connected != (c.inQueue.list == &w.present) {
		fail("call %d waits in the wrong list", c.Serial)
	}
	checkList(fail, c.inQueue.list, func(c *Call) *Link[Call] { return &c.inQueue })
	for x := c.inQueue.list.First(); x.Next() != nil; x = x.Next() {
		if x.place >= x.Next().place {
			fail("call %d waits in the wrong place", x.Serial)
		}
	}
}
