package engine

import (
	"slices"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// Session is one authenticated client, across its connections.
type Session struct {
	// Fixed when it is opened.
	ID   uint64
	Info SessionInfo

	// Peer is the server's: the connection that replies go to, or nil. The
	// engine only passes it on.
	Peer any
	// Epoch counts resumptions and losses. A proposal to expire the
	// session names the epoch that it was made in.
	Epoch uint64

	connected bool
	over      bool
	watermark uint64         // every serial up to here is acknowledged
	acked     wire.SerialSet // above the watermark
	calls     wire.Serials[*Call]
	parked    List[Call] // in the order in which they entered it, as the next two
	running   List[Call]
	awaiting  map[uint64]*List[Await] // by owner, see Call.Await
	spare     *List[Await]            // for awaiting
	kept      List[Call]
	keptBytes int64
	refs      map[uint64]sessionRef
	marks     map[uint64]bool // cancels that came first; true: abandoned
	holds     List[Hold]
	objects   int
	lost      []Lost // holds that ended without its doing, the last maxLost
	opened    int64
	part      []byte // of a large frame, see AppendPart
}

type sessionRef struct {
	object *Object
	count  int64
}

// limited reports whether the limits on calls, objects and references hold for
// the session. Those on kept replies and on sessions hold for no trusted one.
func (s *Session) limited() bool { return !s.Info.Trusted || s.Info.Shared }

// Over reports whether the session has ended, or is just ending.
func (s *Session) Over() bool { return s.over }

// Connected reports whether the session has a connection.
func (s *Session) Connected() bool { return s.connected }

func (e *Engine) openSession(info *SessionInfo) error {
	if e.ending && !info.Trusted {
		return wire.ErrShuttingDown
	}
	if limit := e.config.MaxSessions; limit > 0 && len(e.sessions) >= limit && !info.Trusted {
		return wire.Errorf(wire.CodeOverloaded, "%d sessions are open; the limit is %d", len(e.sessions), limit)
	}
	s := &Session{ID: e.id(), Info: *info, Epoch: 1, connected: true, opened: e.now}
	e.sessions[s.ID] = s
	e.fx.Opened = s.ID
	return nil
}

// resume gives the session's waiters their places back, and then serves them.
func (e *Engine) resume(s *Session) {
	s.Epoch++
	for _, l := range s.lost {
		e.tellLost(s, l)
	}
	if s.connected {
		return
	}
	s.connected = true
	for c := s.parked.First(); c != nil; c = c.inSession.Next() {
		if c.list == nil {
			continue
		}
		c.inQueue.Remove()
		c.list.enter(c)
	}
	// Serving changes the list: take the objects first.
	var objects []*Object
	for c := s.parked.First(); c != nil; c = c.inSession.Next() {
		if len(objects) == 0 || objects[len(objects)-1] != c.Object {
			objects = append(objects, c.Object)
		}
	}
	for _, o := range objects {
		if o.busy == nil { // else at the end of its work
			e.serve(o)
		}
	}
}

// lose takes the session's waiters out of the walk: they keep their places and
// are passed over.
func (e *Engine) lose(s *Session) {
	s.Epoch++
	s.Peer = nil
	e.forgetComputing(s)
	s.sideline()
}

// sideline marks the session as absent, and its waiters with it.
func (s *Session) sideline() {
	s.connected = false
	for c := s.parked.First(); c != nil; c = c.inSession.Next() {
		if c.list != nil {
			c.inQueue.Remove()
			c.list.enter(c)
		}
	}
}

// endSession lets go of all that the session had: its parked calls leave, what
// its unacknowledged replies handed over is given back, its holds end, its
// references go.
func (e *Engine) endSession(s *Session, err *wire.Error) {
	s.over = true
	e.forgetComputing(s)
	// What is given back below must not be handed to the session's own calls.
	s.sideline()
	e.strip(s)
	ids := make([]uint64, 0, len(s.refs))
	for id := range s.refs {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		s.release(e, id, s.refs[id].count)
	}
	delete(e.sessions, s.ID)
	e.fx.Ended = append(e.fx.Ended, Ended{Session: s.ID, Peer: s.Peer, Err: err})
	s.Peer = nil
}

// strip takes from a session all but its references.
func (e *Engine) strip(s *Session) {
	for c := s.parked.First(); c != nil; c = s.parked.First() {
		e.depart(c, LeaveGone)
	}
	for c := s.running.First(); c != nil; c = c.inSession.Next() {
		c.given = true
		e.fx.Cancels = append(e.fx.Cancels, c.work)
	}
	for c := s.kept.First(); c != nil; c = s.kept.First() {
		s.forget(c)
		e.undo(c)
		e.drop(c)
	}
	for h := s.holds.First(); h != nil; h = s.holds.First() {
		h.Unlink()
		if holder, ok := h.Object.State.(Holder); ok {
			e.safely(h.Object, "DropHold", func() { holder.DropHold(h.Object, h) })
		}
	}
}

// grant adds n counts to the session's reference to o.
func (s *Session) grant(o *Object, n int64) {
	if s.refs == nil {
		s.refs = make(map[uint64]sessionRef)
	}
	r, ok := s.refs[o.ID]
	if !ok {
		r.object = o
		o.pin()
		o.refs++
	}
	r.count += n
	s.refs[o.ID] = r
}

// release takes n counts away; the reference goes with the last. What is not
// held is ignored: a name may have been removed meanwhile.
func (s *Session) release(e *Engine, id uint64, n int64) {
	r, ok := s.refs[id]
	if !ok {
		return
	}
	r.count -= n
	if r.count > 0 {
		s.refs[id] = r
		return
	}
	delete(s.refs, id)
	r.object.refs--
	e.unpin(r.object)
}

// ack is OpAck. The ranges ascend and lie apart.
func (s *Session) ack(e *Engine, watermark uint64, ranges []wire.Range) error {
	if err := checkRanges(ranges); err != nil {
		return err
	}
	if most := spareRanges + s.calls.Len(); len(s.acked)+len(ranges) > most {
		return wire.Errorf(wire.CodeProtocol, "%d ranges of serials are acknowledged above %d; at most %d", len(s.acked)+len(ranges), s.watermark, most)
	}
	if watermark > s.watermark {
		s.advance(e, watermark)
	}
	for len(ranges) > 0 && ranges[0].To <= s.watermark {
		ranges = ranges[1:]
	}
	s.acked.Merge(ranges)
	s.acked.DropTo(s.watermark)
	s.settle(e, ranges)
	return nil
}

// spareRanges is how many ranges a session may have beyond one for each of its
// calls. A client that acknowledges what it received needs no more: between
// two ranges lies a call without an answer.
const spareRanges = 1 << 16

// checkRanges refuses ranges that are not ascending and apart.
func checkRanges(ranges []wire.Range) error {
	var last uint64
	for _, r := range ranges {
		switch {
		case r.From <= last || r.To < r.From:
			return wire.Errorf(wire.CodeProtocol, "acknowledgement of serials %d to %d after %d: ranges ascend and lie apart", r.From, r.To, last)
		case r.To-r.From >= wire.MaxAckRun:
			return wire.Errorf(wire.CodeProtocol, "acknowledgement of serials %d to %d: at most %d in one range", r.From, r.To, wire.MaxAckRun)
		}
		last = r.To
	}
	return nil
}

// advance moves the watermark up.
func (s *Session) advance(e *Engine, watermark uint64) {
	up := [1]wire.Range{{From: s.watermark + 1, To: watermark}}
	s.watermark = watermark
	if len(s.acked) > 0 {
		s.acked.DropTo(watermark)
	}
	s.settle(e, up[:])
}

// settle forgets the kept replies and marks of acknowledged serials. It walks
// these when they are fewer than the serials.
func (s *Session) settle(e *Engine, ranges []wire.Range) {
	have, said := uint64(s.kept.Len()+len(s.marks)), uint64(0)
	for _, r := range ranges {
		if said += r.To - r.From + 1; said > have || r.To-r.From >= have {
			said = have + 1
			break
		}
	}
	switch {
	case have == 0:
	case said <= have:
		for _, r := range ranges {
			for n := uint64(0); n <= r.To-r.From; n++ {
				s.done(e, r.From+n)
			}
		}
	default:
		in := wire.SerialSet(ranges)
		var next *Call
		for c := s.kept.First(); c != nil; c = next {
			next = c.inSession.Next()
			if in.Has(c.Serial) {
				s.forget(c)
				e.drop(c)
			}
		}
		for serial := range s.marks { // only takes out: no order shows
			if in.Has(serial) {
				delete(s.marks, serial)
			}
		}
	}
}

// done forgets the kept reply of an acknowledged serial, and its mark.
func (s *Session) done(e *Engine, serial uint64) {
	if c := s.calls.Get(serial); c != nil && c.state == callDone {
		s.forget(c)
		e.drop(c)
	}
	if len(s.marks) > 0 {
		delete(s.marks, serial)
	}
}

// forget takes a kept reply out of the session.
func (s *Session) forget(c *Call) {
	c.inSession.Remove()
	s.calls.Remove(c.Serial)
	s.keptBytes -= c.keptSize()
}
