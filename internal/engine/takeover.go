package engine

import (
	"container/heap"
	"math"
	"slices"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// errLostWork ends a call that was at work in a server that is gone.
var errLostWork = &wire.Error{Code: wire.CodeUnavailable, Message: "the server ended while the call was at work; whether it took effect is unknown"}

// takeover is OpTakeover: another server leads from here on, or the same one after
// its restart. Nobody was there meanwhile, so
//
//   - time goes on from the command's, and deadlines are moved by the gap;
//   - objects of registered Go types are lost, and the calls that were at work in
//     them end, with an unknown outcome;
//   - the server's own sessions end; a door's keeps its references alone, which
//     its clients may claim until somebody ends it;
//   - every other session has lost its connection, and may be resumed.
//
// Work of the engine's own (Work.Run) goes on: see PendingRuns.
func (e *Engine) takeover(c *Command) {
	e.term = c.Term
	e.shift(e.gap)
	e.gap = 0
	for o := e.all.First(); o != nil; {
		next := o.inAll.Next()
		if o.Type.Outside {
			e.abandon(o)
		}
		o = next
	}
	for _, id := range e.pending(false) {
		_ = e.complete(&Command{Work: id, Error: errLostWork})
	}
	for _, s := range e.allSessions() {
		s.Peer = nil
		s.part = nil
		switch {
		case s.over:
		case s.Info.Trusted && !s.Info.Shared:
			e.endSession(s, nil)
		default:
			s.Epoch++
			s.sideline()
			if s.Info.Shared {
				e.strip(s)
			}
		}
	}
	e.fx.Cancels = e.fx.Cancels[:0] // nobody is at work
}

// abandon removes an object whose value was in a server that is gone.
func (e *Engine) abandon(o *Object) {
	if o.lost {
		return
	}
	o.lost = true
	if o.Name != "" && !o.removed {
		e.dropName(o)
		return
	}
	o.removed = true
	o.dismiss(LeaveRemoved)
	o.loseHolds()
}

// pending returns the work outside, in the order in which it began: the engine's
// own, or the rest.
func (e *Engine) pending(runs bool) []uint64 {
	var ids []uint64
	for id, c := range e.work {
		if runs == (c.run != nil) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// PendingRuns returns the work of the engine's own that is outside. After a log
// was replayed, the server does it, and brings back its results.
func (e *Engine) PendingRuns() []Work {
	var all []Work
	for _, id := range e.pending(true) {
		c := e.work[id]
		all = append(all, Work{ID: id, Run: c.run, Object: c.Object.ID, Method: c.Method, Session: c.Session.ID})
	}
	return all
}

// shift moves all deadlines. All move alike, so their order stays.
func (e *Engine) shift(by int64) {
	if by == 0 {
		return
	}
	for _, t := range slices.Clone(e.timers) {
		if t.call != nil {
			t.call.deadline = min(t.call.deadline, math.MaxInt64-by) + by
			continue
		}
		e.safely(t.object, "Shift", func() { t.object.State.(Timed).Shift(t.object, by) })
	}
	heap.Init(&e.timers)
}
