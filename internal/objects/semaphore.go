package objects

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// semaphore is Python's threading.Semaphore or BoundedSemaphore.
//
// Each acquire makes a permit, whose id is a fencing token, and the permits of
// a session that is over return. A release need not name one, since a
// semaphore may be released by anybody: it ends the oldest permits of its own
// session, then the oldest of all, and adds to the value in any case.
type semaphore struct {
	o       *engine.Object
	initial int64
	bounded bool
	value   int64
	permits map[uint64]*permit  // by id
	all     engine.List[permit] // oldest first
	bySess  map[uint64]*engine.List[permit]
	waiters engine.Waiters
}

// permit is a hold.
type permit struct {
	hold      *engine.Hold
	inAll     engine.Link[permit]
	inSession engine.Link[permit]
}

// permitCost is what a permit counts for.
const permitCost = 256

func newSemaphoreType(name string, bounded bool) *engine.Type {
	return &engine.Type{
		Name: name, Params: "value: int = 1",
		New: func(o *engine.Object, c *engine.Call) error {
			s := &semaphore{o: o, initial: c.Int(), bounded: bounded}
			if s.initial < 0 {
				return wire.Errorf(wire.CodeValue, "semaphore initial value must be >= 0")
			}
			s.value = s.initial
			o.State = s
			return nil
		},
		Load: loadSemaphore(bounded),
		Methods: []engine.Method{
			{Name: "acquire", Params: "owner: uint = 0", Result: "permit, or False", Flags: engine.Parks | engine.Grows, Fn: on(semaphoreAcquire), Leave: leaveAcquire, Undo: undoPermit},
			{Name: "release", Params: "n: int = 1", Result: "None", Fn: on(semaphoreRelease)},
			{Name: "release_permit", Params: "permit: uint", Result: "None", Fn: on(semaphoreReleasePermit)},
			{Name: "get_value", Result: "int", Flags: engine.Reads, Fn: on(semaphoreValue)},
			{Name: "holders", Params: "after: uint = 0", Result: "list", Flags: engine.Reads, Fn: on(semaphoreHolders)},
			{Name: "waiting", Result: "int", Flags: engine.Reads, Fn: on(semaphoreWaiting)},
			{Name: "locked", Result: "bool", Flags: engine.Reads, Fn: on(semaphoreLocked)},
		},
	}
}

func semaphoreType() *engine.Type { return newSemaphoreType("Semaphore", false) }

func boundedSemaphoreType() *engine.Type { return newSemaphoreType("BoundedSemaphore", true) }

func semaphoreAcquire(s *semaphore, o *engine.Object, c *engine.Call) error {
	c.Owner = c.Uint()
	if s.value == 0 {
		c.Park(&s.waiters)
		return nil
	}
	if err := checkRoom(o, s.all.Len()+1); err != nil {
		return err
	}
	s.give(c)
	return nil
}

// give hands a permit to a call, which gets its reply.
func (s *semaphore) give(c *engine.Call) {
	c.Hold = s.o.NewHold(c.Session, c.Owner)
	s.value--
	s.enter(c.Hold)
	s.o.Charge(permitCost)
	c.ReturnInt(int64(c.Hold.Token))
}

// enter enters a hold as a permit.
func (s *semaphore) enter(h *engine.Hold) {
	p := &permit{hold: h}
	if s.permits == nil {
		s.permits = make(map[uint64]*permit)
		s.bySess = make(map[uint64]*engine.List[permit])
	}
	s.permits[h.Token] = p
	s.all.Push(&p.inAll, p)
	own := s.bySess[h.Session.ID]
	if own == nil {
		own = new(engine.List[permit])
		s.bySess[h.Session.ID] = own
	}
	own.Push(&p.inSession, p)
}

// forget takes a permit out. by is the session that ended it: another one than
// the holder's means that the holder lost it.
func (s *semaphore) forget(p *permit, by *engine.Session) {
	holder := p.hold.Session
	delete(s.permits, p.hold.Token)
	p.inAll.Remove()
	p.inSession.Remove()
	if s.bySess[holder.ID].Len() == 0 {
		delete(s.bySess, holder.ID)
	}
	s.o.Charge(-permitCost)
	if by == holder {
		p.hold.Unlink()
	} else {
		p.hold.Lose()
	}
}

func semaphoreRelease(s *semaphore, o *engine.Object, c *engine.Call) error {
	n := c.Int()
	switch {
	case n < 1:
		return wire.Errorf(wire.CodeValue, "n must be one or more")
	case s.bounded && n > s.initial-s.value:
		return errOverReleased
	case n > math.MaxInt64-s.value:
		return wire.Errorf(wire.CodeOverflow, "a semaphore's value is at most 2^63-1; it is %d, and %d were released", s.value, n)
	}
	for i := int64(0); i < n && s.all.Len() > 0; i++ {
		p := s.all.First()
		if own := s.bySess[c.Session.ID]; own != nil {
			p = own.First()
		}
		s.forget(p, c.Session)
	}
	s.value += n
	s.Serve(o)
	c.ReturnNil()
	return nil
}

var errOverReleased = wire.Errorf(wire.CodeValue, "Semaphore released too many times")

func semaphoreReleasePermit(s *semaphore, o *engine.Object, c *engine.Call) error {
	id := c.Uint()
	p := s.permits[id]
	if p == nil {
		return wire.Errorf(wire.CodeLockLost, "permit %d of %s is over", id, objectText(o))
	}
	s.back(p, c.Session)
	c.ReturnNil()
	return nil
}

// back returns a permit.
func (s *semaphore) back(p *permit, by *engine.Session) {
	s.forget(p, by)
	if s.value < math.MaxInt64 {
		s.value++
	}
	s.Serve(s.o)
}

func undoPermit(o *engine.Object, c *engine.Call) {
	if c.Hold == nil {
		return
	}
	s := o.State.(*semaphore)
	if p := s.permits[c.Hold.Token]; p != nil {
		s.back(p, c.Session)
	}
}

func semaphoreValue(s *semaphore, o *engine.Object, c *engine.Call) error {
	return returnInt(c, s.value)
}

func semaphoreWaiting(s *semaphore, o *engine.Object, c *engine.Call) error {
	return returnInt(c, int64(s.waiters.Len()))
}

func semaphoreLocked(s *semaphore, o *engine.Object, c *engine.Call) error {
	return returnBool(c, s.value == 0)
}

// semaphoreHolders lists up to defaultPage permits, oldest first, from the
// first whose id is above after.
// AppendState says how many permits are held and left, and who has the oldest of
// them, for listings.
func (s *semaphore) AppendState(b []byte) []byte {
	b = wire.AppendMapHeader(b, 3)
	b = wire.AppendInt(wire.AppendStr(b, "held"), int64(len(s.permits)))
	b = wire.AppendInt(wire.AppendStr(b, "permits"), s.value)
	b = wire.AppendArrayHeader(wire.AppendStr(b, "holders"), min(len(s.permits), maxListed))
	for p, n := s.all.First(), 0; p != nil && n < maxListed; p, n = p.inAll.Next(), n+1 {
		b = appendHold(wire.AppendMapHeader(b, 9), p.hold)
	}
	return b
}

func semaphoreHolders(s *semaphore, o *engine.Object, c *engine.Call) error {
	after := c.Uint()
	p := s.all.First()
	if at := s.permits[after]; at != nil {
		p = at
	}
	for p != nil && p.hold.Token <= after {
		p = p.inAll.Next()
	}
	n := 0
	var rows []byte
	for ; p != nil && n < defaultPage; p = p.inAll.Next() {
		rows = appendHold(wire.AppendMapHeader(rows, 9), p.hold)
		n++
	}
	c.Return(rawOf(append(wire.AppendArrayHeader(make([]byte, 0, len(rows)+3), n), rows...)))
	return nil
}

// Serve hands permits to those who wait, first come, first served.
func (s *semaphore) Serve(o *engine.Object) {
	for s.value > 0 {
		c := s.waiters.First()
		if c == nil {
			return
		}
		if err := checkRoom(o, s.all.Len()+1); err != nil {
			c.Fail(err)
			continue
		}
		s.give(c)
	}
}

// DropHold returns a permit whose session is over.
func (s *semaphore) DropHold(o *engine.Object, h *engine.Hold) {
	if p := s.permits[h.Token]; p != nil {
		s.back(p, h.Session)
	}
}

// HeldBy reports whether the permit with that id is out.
func (s *semaphore) HeldBy(token uint64) bool { return s.permits[token] != nil }

// Lists returns the only list.
func (s *semaphore) Lists() []*engine.Waiters { return []*engine.Waiters{&s.waiters} }

// Dump appends the values. The permits are the object's holds.
func (s *semaphore) Dump(b []byte) ([]byte, engine.Rows) {
	return binary.AppendVarint(binary.AppendVarint(b, s.initial), s.value), nil
}

func loadSemaphore(bounded bool) func(o *engine.Object, d *engine.Decoder) {
	return func(o *engine.Object, d *engine.Decoder) {
		s := &semaphore{o: o, bounded: bounded, initial: d.Int(), value: d.Int()}
		for h := range o.Holds {
			s.enter(h)
		}
		o.State = s
	}
}

// Repr prints what Python does; the object's ident stands for the address.
func (s *semaphore) Repr() engine.View {
	if s.bounded {
		return engine.Text(fmt.Sprintf("<threading.BoundedSemaphore at 0x%x: value=%d/%d>", s.o.ID, s.value, s.initial))
	}
	return engine.Text(fmt.Sprintf("<threading.Semaphore at 0x%x: value=%d>", s.o.ID, s.value))
}

// Value returns how many permits are left.
func (s *semaphore) Value() (wire.Raw, engine.View) {
	return wire.Raw(wire.AppendInt(nil, s.value)), nil
}

// Each calls yield with nothing: a semaphore keeps no values.
func (s *semaphore) Each(yield func(wire.Raw) bool) {}
