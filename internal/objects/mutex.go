package objects

import (
	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// mutex is what Lock, RLock and Condition have in common: at most one hold,
// and calls that wait for it, first come, first served.
type mutex struct {
	o         *engine.Object // whose holds these are
	reentrant bool           // an RLock
	hold      *engine.Hold   // nil: unlocked
	owned     bool           // the hold has an owner who alone may release it
	waiters   engine.Waiters
}

// What is known of a call that waits for a mutex: bits of Call.Stage.
const (
	stageOwned    uint8 = 1 << iota // the hold will have an owner
	stageNotified                   // a Condition's wait that was notified
	stageAll                        // ... with all the others
	stageTimedOut                   // a Condition's wait whose time was up
)

// locker is a State that has a mutex, or stands for one.
type locker interface{ core() *mutex }

// coreOf returns the mutex of a lock.
func coreOf(o *engine.Object) *mutex { return o.State.(locker).core() }

// onMutex makes a handler of a function on the object's mutex.
func onMutex(fn func(m *mutex, c *engine.Call) error) engine.Handler {
	return func(o *engine.Object, c *engine.Call) {
		if err := fn(coreOf(o), c); err != nil {
			c.Fail(err)
		}
	}
}

// strict reports whether the hold that is on can be ended by its owner alone,
// so that who waits for it waits for that owner.
func (m *mutex) strict() bool { return m.hold != nil && (m.reentrant || m.owned) }

// heldBy reports whether the session, and the owner if there is one, has it.
func (m *mutex) heldBy(s *engine.Session, owner uint64) bool {
	h := m.hold
	return h != nil && h.Session == s && (!m.strict() || h.Owner == owner)
}

// acquire is a Lock's: owner=0, owned=False.
func (m *mutex) acquire(c *engine.Call) error {
	c.Owner = c.Uint()
	return m.take(c, c.Truth())
}

// acquireAs is an RLock's, and a Condition's: owner=0.
func (m *mutex) acquireAs(c *engine.Call) error {
	c.Owner = c.Uint()
	return m.take(c, m.reentrant)
}

// take replies with the fencing token of the hold, or False when the time is
// up.
func (m *mutex) take(c *engine.Call, owned bool) error {
	if owned {
		c.Stage = stageOwned
	}
	h := m.hold
	switch {
	case h == nil:
		m.give(c)
	case m.reentrant && h.Session == c.Session && h.Owner == c.Owner:
		h.Count++
		c.Hold = h
		c.ReturnInt(int64(h.Token))
	case c.Stage&stageOwned != 0 && c.Forever():
		if err := m.deadlock(c); err != nil {
			return err
		}
		if n := c.Session.Awaits(c.Owner); n >= engine.MaxAwaits {
			return wire.Errorf(wire.CodeOverloaded, "owner %d waits for %d locks at once; that is the limit: an owner is one thread, give others owners of their own", c.Owner, n)
		}
		if c.Park(&m.waiters) {
			c.Await(m.o)
		}
	default:
		c.Park(&m.waiters)
	}
	return nil
}

// leaveAcquire answers an acquire whose time is up.
func leaveAcquire(o *engine.Object, c *engine.Call, why engine.Leaving) {
	if why == engine.LeaveTimeout {
		c.ReturnBool(false)
	}
}

// undoAcquire releases what a reply handed over that nobody got.
func undoAcquire(o *engine.Object, c *engine.Call) {
	m := coreOf(o)
	h := c.Hold
	if h == nil || h != m.hold {
		return
	}
	if h.Count--; h.Count == 0 {
		m.end(false)
	}
}

// give hands the free mutex to a call, which gets its reply.
func (m *mutex) give(c *engine.Call) {
	h := m.o.NewHold(c.Session, c.Owner)
	m.hold, m.owned = h, c.Stage&stageOwned != 0
	c.Hold = h
	if granted := c.Method.Granted; granted != nil {
		granted(c.Object, c)
		return
	}
	c.ReturnInt(int64(h.Token))
}

// serve hands the mutex to the call that is next, if it is free.
func (m *mutex) serve() {
	for m.hold == nil {
		c := m.waiters.First()
		if c == nil {
			return
		}
		m.give(c)
	}
}

// end ends the hold that is on, and hands the mutex on. lost says that its
// holder had no part in it and must hear of it.
func (m *mutex) end(lost bool) {
	h := m.hold
	m.hold = nil
	if lost {
		h.Lose()
	} else {
		h.Unlink()
	}
	m.serve()
}

// release ends a hold, or one level of an RLock's. The owner counts for an RLock
// alone.
func (m *mutex) release(c *engine.Call) error {
	owner := c.Uint()
	token := c.Uint()
	h := m.hold
	switch {
	case token != 0 && (h == nil || h.Token != token):
		return wire.Errorf(wire.CodeLockLost, "hold %d of %s is over", token, objectText(m.o))
	case m.reentrant && token == 0 && (h == nil || h.Session != c.Session || h.Owner != owner),
		m.reentrant && token != 0 && h.Session == c.Session && h.Owner != owner:
		return errNotOwner
	case h == nil:
		return errUnlocked
	case token == 0 && m.owned && !m.reentrant && h.Session != c.Session:
		return errNotOwner
	}
	if h.Session != c.Session {
		m.end(true) // all levels: its holder can count on none
	} else if h.Count--; h.Count == 0 {
		m.end(false)
	}
	c.ReturnNil()
	return nil
}

// Python's texts.
var (
	errUnlocked  = wire.Errorf(wire.CodeNotHeld, "release unlocked lock")
	errNotOwner  = wire.Errorf(wire.CodeNotHeld, "cannot release un-acquired lock")
	errNotWait   = wire.Errorf(wire.CodeNotHeld, "cannot wait on un-acquired lock")
	errNotNotify = wire.Errorf(wire.CodeNotHeld, "cannot notify on un-acquired lock")
)

func (m *mutex) isLocked(c *engine.Call) error { return returnBool(c, m.hold != nil) }

// holder replies with who holds the mutex, or None.
func (m *mutex) holder(c *engine.Call) error {
	h := m.hold
	if h == nil {
		c.ReturnNil()
		return nil
	}
	b := wire.AppendMapHeader(make([]byte, 0, 256), 11)
	b = appendHold(b, h)
	b = wire.AppendStr(b, "owned")
	b = wire.AppendBool(b, m.strict())
	b = wire.AppendStr(b, "waiting")
	b = wire.AppendInt(b, int64(m.waiters.Len()))
	c.Return(rawOf(b))
	return nil
}

// maxListed is how many holds a listing says of one object.
const maxListed = 4

// AppendState says who holds the mutex, for listings.
func (m *mutex) AppendState(b []byte) []byte {
	b = wire.AppendMapHeader(b, 2)
	b = wire.AppendStr(b, "held")
	if m.hold == nil {
		b = wire.AppendInt(b, 0)
		return wire.AppendArrayHeader(wire.AppendStr(b, "holders"), 0)
	}
	b = wire.AppendInt(b, 1)
	b = wire.AppendArrayHeader(wire.AppendStr(b, "holders"), 1)
	return appendHold(wire.AppendMapHeader(b, 9), m.hold)
}

// appendHold appends nine pairs of a dict that describes a hold.
func appendHold(b []byte, h *engine.Hold) []byte {
	b = appendParty(b, h.Session)
	b = wire.AppendStr(b, "owner")
	b = wire.AppendUint(b, h.Owner)
	b = wire.AppendStr(b, "token")
	b = wire.AppendUint(b, h.Token)
	b = wire.AppendStr(b, "since")
	b = wire.AppendInt(b, h.Since)
	b = wire.AppendStr(b, "count")
	return wire.AppendInt(b, h.Count)
}

// appendParty appends five pairs of a dict that say who a session is.
func appendParty(b []byte, s *engine.Session) []byte {
	b = wire.AppendStr(b, "session")
	b = wire.AppendUint(b, s.ID)
	b = wire.AppendStr(b, "program")
	b = wire.AppendStr(b, s.Info.Program)
	b = wire.AppendStr(b, "host")
	b = wire.AppendStr(b, s.Info.Host)
	b = wire.AppendStr(b, "pid")
	b = wire.AppendUint(b, s.Info.PID)
	b = wire.AppendStr(b, "remote")
	return wire.AppendStr(b, s.Info.Remote)
}

// dropHold ends a hold whose session is over.
func (m *mutex) dropHold(h *engine.Hold) {
	if m.hold == h {
		m.hold = nil
		m.serve()
	}
}

// HeldBy reports whether the hold with that fencing token is on.
func (m *mutex) HeldBy(token uint64) bool { return m.hold != nil && m.hold.Token == token }

// dump appends the hold, and whether it has an owner.
func (m *mutex) dump(b []byte) []byte {
	return engine.AppendBool(engine.AppendHold(b, m.hold), m.owned)
}

// load is the inverse of dump.
func (m *mutex) load(d *engine.Decoder) { m.hold, m.owned = d.Hold(), d.Bool() }
