package objects

import (
	"fmt"
	"strings"
	"time"

	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// A deadlock is a cycle of owners, each of which waits without a deadline for a
// hold that only the next can end. It is closed by the call that begins to wait
// last, and that call fails. The walk goes from the wanted lock to its holder,
// to the locks that this owner waits for, and so on, and looks at each owner
// once; most often it ends at the first holder, who waits for nothing.

// maxCycleWalk bounds how many waits for a lock one search looks at. A cycle that
// lies behind more of them is not found: its calls wait.
const maxCycleWalk = 2048

// seeker is an owner that a search has come to.
type seeker struct {
	session *engine.Session
	owner   uint64
}

// cycle returns the waits that lead from the mutex back to the owner: empty if
// the owner holds it, and false if nothing leads back.
func (m *mutex) cycle(s *engine.Session, owner uint64) ([]*engine.Await, bool) {
	var path []*engine.Await
	var seen map[seeker]bool
	at := m
	for range maxCycleWalk {
		var next *engine.Await
		if at.strict() {
			h := at.hold
			if h.Session == s && h.Owner == owner {
				return path, true
			}
			if next = h.Session.Awaiting(h.Owner); next != nil {
				if seen == nil {
					seen = make(map[seeker]bool)
				}
				if who := (seeker{h.Session, h.Owner}); seen[who] {
					next = nil
				} else {
					seen[who] = true
				}
			}
		}
		for next == nil {
			if len(path) == 0 {
				return nil, false
			}
			next = path[len(path)-1].Next()
			path = path[:len(path)-1]
		}
		path = append(path, next)
		at = coreOf(next.Target)
	}
	return nil, false
}

// maxCycleText bounds the links of a cycle that an error prints.
const maxCycleText = 16

// deadlock returns the error for a call that would close a cycle if it waited
// for the mutex, or nil. Its detail is a list of dicts, one for each owner.
func (m *mutex) deadlock(c *engine.Call) error {
	path, found := m.cycle(c.Session, c.Owner)
	if !found {
		return nil
	}
	now := m.o.Engine().Now()
	var text strings.Builder
	text.WriteString("deadlock: ")
	n := min(len(path), maxCycleText)
	detail := wire.AppendArrayHeader(nil, n+1)
	s, owner, at, since := c.Session, c.Owner, m, now
	for i := 0; i <= n; i++ {
		if i > 0 {
			wait := path[i-1]
			s, owner, since, at = wait.Session, wait.Owner, wait.Since(), coreOf(wait.Target)
			text.WriteString("; ")
		}
		h := at.hold
		fmt.Fprintf(&text, "owner %d of %s waits for %s", owner, partyText(s), objectText(at.o))
		if i > 0 {
			fmt.Fprintf(&text, " since %v", time.Duration(now-since))
		}
		fmt.Fprintf(&text, ", held for %v by owner %d of %s", time.Duration(now-h.Since), h.Owner, partyText(h.Session))
		detail = wire.AppendMapHeader(detail, 12)
		detail = appendParty(detail, s)
		detail = wire.AppendStr(detail, "owner")
		detail = wire.AppendUint(detail, owner)
		detail = wire.AppendStr(detail, "object")
		detail = wire.AppendUint(detail, at.o.ID)
		detail = wire.AppendStr(detail, "typeid")
		detail = wire.AppendStr(detail, at.o.Type.Name)
		detail = wire.AppendStr(detail, "name")
		detail = wire.AppendStr(detail, at.o.Name)
		detail = wire.AppendStr(detail, "waiting_since")
		detail = wire.AppendInt(detail, since)
		detail = wire.AppendStr(detail, "held_since")
		detail = wire.AppendInt(detail, h.Since)
		detail = wire.AppendStr(detail, "token")
		detail = wire.AppendUint(detail, h.Token)
	}
	if n < len(path) {
		fmt.Fprintf(&text, "; and %d more", len(path)-n)
	}
	err := wire.Errorf(wire.CodeDeadlock, "%s", text.String())
	err.Detail = rawOf(detail)
	return err
}

// partyText says who a session is.
func partyText(s *engine.Session) string {
	if s.Info.Host == "" { // all Python clients of a key
		return fmt.Sprintf("session %d (%s, key %q)", s.ID, s.Info.Program, s.Info.KeyName)
	}
	return fmt.Sprintf("session %d (%s on %s, pid %d)", s.ID, s.Info.Program, s.Info.Host, s.Info.PID)
}

// objectText names an object.
func objectText(o *engine.Object) string {
	if o.Name != "" {
		return fmt.Sprintf("%s %q", o.Type.Name, o.Name)
	}
	return fmt.Sprintf("%s %d", o.Type.Name, o.ID)
}
