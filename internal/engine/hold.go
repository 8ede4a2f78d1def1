package engine

// Hold is a lock or a permit that a session has.
type Hold struct {
	Session *Session
	Object  *Object
	Owner   uint64
	Token   uint64
	Since   int64
	Count   int64

	inSession Link[Hold]
	inObject  Link[Hold]
}

// NewHold gives the session of the call a hold of the object, with the next
// fencing token.
func (o *Object) NewHold(s *Session, owner uint64) *Hold {
	h := &Hold{Session: s, Object: o, Owner: owner, Token: o.engine.Fence(), Since: o.engine.now, Count: 1}
	s.holds.Push(&h.inSession, h)
	o.holds.Push(&h.inObject, h)
	return h
}

// Unlink ends the hold for its session. It may be called again.
func (h *Hold) Unlink() {
	h.inSession.Remove()
	h.inObject.Remove()
}

// maxLost bounds the lost holds that a session is told of again when it comes
// back. One that has lost more learns of the others when it uses them.
const maxLost = 256

// Lose ends a hold without its holder's doing, and tells the session: now, and
// again when it is resumed, since a connection that broke may not have carried
// the first word.
func (h *Hold) Lose() {
	h.Unlink()
	s := h.Session
	if s.over {
		return
	}
	l := Lost{Object: h.Object.ID, Token: h.Token}
	if len(s.lost) == maxLost {
		s.lost = append(s.lost[:0], s.lost[1:]...)
	}
	s.lost = append(s.lost, l)
	h.Object.engine.tellLost(s, l)
}

func (e *Engine) tellLost(s *Session, l Lost) {
	if s.Peer != nil {
		l.Peer = s.Peer
		e.fx.Lost = append(e.fx.Lost, l)
	}
}

// Holds calls yield with each hold of the object, the oldest first.
func (o *Object) Holds(yield func(h *Hold) bool) {
	for h := o.holds.First(); h != nil; h = h.inObject.Next() {
		if !yield(h) {
			return
		}
	}
}
