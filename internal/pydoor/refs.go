package pydoor

import (
	"container/list"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// An ident, as Python clients hold it in a Token, is the reference itself:
// number, secret and typeid. So one that comes back after the door has
// forgotten it still finds its object, if that lives.

// formatIdent returns the ident of a reference.
func formatIdent(r wire.Ref) string {
	return fmt.Sprintf("%x.%016x.%s", r.ID, r.Secret, r.TypeID)
}

// parseIdent reads an ident. Those of other servers, and of the door's own
// iterators, are refused.
func parseIdent(s string) (wire.Ref, bool) {
	id, rest, ok1 := strings.Cut(s, ".")
	secret, typeid, ok2 := strings.Cut(rest, ".")
	if !ok1 || !ok2 || len(secret) != 16 || typeid == "" || len(typeid) > wire.MaxTypeIDBytes {
		return wire.Ref{}, false
	}
	n, err1 := strconv.ParseUint(id, 16, 64)
	k, err2 := strconv.ParseUint(secret, 16, 64)
	return wire.Ref{ID: n, Secret: k, TypeID: owned(typeid)}, err1 == nil && err2 == nil
}

// owned returns a typeid that does not lie in a request.
func owned(typeid string) string {
	if own, ok := typeids[typeid]; ok {
		return own
	}
	return strings.Clone(typeid)
}

// claimTime is how long an object that was handed out inside a value stays
// alive without having been claimed.
const claimTime = 60 * time.Second

// refTable counts what the clients of one key refer to. The engine holds an
// object for the session as long as it is claimed or was handed out lately.
type refTable struct {
	session *session

	mu        sync.Mutex // guards what follows
	entries   map[uint64]*refEntry
	iterators map[string]*iterator
	expiring  list.List // of *refEntry: handed out, in the order of until
	timer     *time.Timer
	armed     bool // timer runs
	stopped   bool
}

// refEntry is one object.
type refEntry struct {
	ref     wire.Ref
	counts  int64         // that the engine has granted
	claims  int64         // increments less decrements
	pids    map[int]int64 // the claims of processes, when they are told apart
	handed  int64         // times that it was handed out and not claimed yet
	until   time.Time     // when what was handed out is given up
	waiting *list.Element // in expiring
	used    time.Time
}

func (t *refTable) init(s *session) {
	t.session = s
	t.entries = make(map[uint64]*refEntry)
	t.iterators = make(map[string]*iterator)
}

// entryLocked returns the object's entry, which is made if there is none.
func (t *refTable) entryLocked(r wire.Ref) *refEntry {
	e := t.entries[r.ID]
	if e == nil {
		e = &refEntry{ref: r}
		t.entries[r.ID] = e
	}
	e.used = time.Now()
	return e
}

// handOut notes references that a client is about to get inside a value. The
// engine has granted one count for each.
func (t *refTable) handOut(refs []wire.Ref) {
	t.mu.Lock()
	defer t.mu.Unlock()
	until := time.Now().Add(claimTime)
	for _, r := range refs {
		e := t.entryLocked(r)
		e.counts++
		e.handed++
		e.until = until
		if e.waiting == nil {
			e.waiting = t.expiring.PushBack(e)
		}
	}
	t.armLocked()
}

// armLocked sets the timer for the first that expires.
func (t *refTable) armLocked() {
	first := t.expiring.Front()
	if first == nil || t.stopped || t.armed {
		return
	}
	t.armed = true
	wait := max(time.Until(first.Value.(*refEntry).until), time.Millisecond)
	if t.timer == nil {
		t.timer = time.AfterFunc(wait, t.expire)
	} else {
		t.timer.Reset(wait)
	}
}

// expire gives up what nobody claimed in time.
func (t *refTable) expire() {
	t.mu.Lock()
	t.armed = false
	now := time.Now()
	var gone []*refEntry
	for at := t.expiring.Front(); at != nil; at = t.expiring.Front() {
		e := at.Value.(*refEntry)
		if e.handed > 0 && now.Before(e.until) {
			if at.Next() != nil && e.until.After(at.Next().Value.(*refEntry).until) {
				t.expiring.MoveToBack(at) // it was handed out again
				continue
			}
			break
		}
		t.expiring.Remove(at)
		e.waiting, e.handed = nil, 0
		if t.spentLocked(e) {
			gone = append(gone, e)
		}
	}
	t.armLocked()
	t.mu.Unlock()
	for _, e := range gone {
		t.release(e.ref.ID, e.counts)
	}
}

// spentLocked drops the entry if nothing keeps it.
func (t *refTable) spentLocked(e *refEntry) bool {
	if e.claims > 0 || e.handed > 0 || t.entries[e.ref.ID] != e {
		return false
	}
	delete(t.entries, e.ref.ID)
	if e.waiting != nil {
		t.expiring.Remove(e.waiting)
		e.waiting = nil
	}
	return true
}

// takeBack undoes handOut for references that did not reach the client; the
// engine takes those counts back itself. An object that nothing else keeps goes
// with the counts that are left.
func (t *refTable) takeBack(refs []wire.Ref) {
	var gone []*refEntry
	t.mu.Lock()
	for _, r := range refs {
		if e := t.entries[r.ID]; e != nil {
			e.counts--
			e.handed = max(e.handed-1, 0)
			if t.spentLocked(e) && e.counts > 0 {
				gone = append(gone, e)
			}
		}
	}
	t.mu.Unlock()
	for _, e := range gone {
		t.release(e.ref.ID, e.counts)
	}
}

// granted notes a count that a call of the door's own was granted, and claims
// it claims times.
func (t *refTable) granted(r wire.Ref, claims int64, pid int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.entryLocked(r)
	e.counts++
	e.claimLocked(claims, pid)
}

func (e *refEntry) claimLocked(n int64, pid int) {
	e.claims += n
	if pid != 0 {
		if e.pids == nil {
			e.pids = make(map[int]int64)
		}
		e.pids[pid] += n
	}
}

// claim adds one claim to an object that is known, and reports whether it is.
func (t *refTable) claim(r wire.Ref, pid int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.entries[r.ID]
	if e == nil || e.ref != r {
		return false
	}
	e.used = time.Now()
	e.claimLocked(1, pid)
	e.handed = max(e.handed-1, 0)
	return true
}

// unclaim takes one claim away, and reports whether there was one. The object
// is released with the last.
func (t *refTable) unclaim(r wire.Ref, pid int) bool {
	t.mu.Lock()
	e := t.entries[r.ID]
	if e == nil || e.ref != r || e.claims == 0 {
		t.mu.Unlock()
		return false
	}
	e.claims--
	if pid != 0 && e.pids[pid] > 0 {
		if e.pids[pid]--; e.pids[pid] == 0 {
			delete(e.pids, pid)
		}
	}
	spent := t.spentLocked(e)
	t.mu.Unlock()
	if spent {
		t.release(r.ID, e.counts)
	}
	return true
}

// known reports whether the session holds the object. An ident whose secret
// or typeid is wrong names no object.
func (t *refTable) known(r wire.Ref) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.entries[r.ID]
	if e == nil || e.ref != r {
		return false
	}
	e.used = time.Now()
	return true
}

// release gives counts back to the engine.
func (t *refTable) release(id uint64, counts int64) {
	t.session.door.holds.forget(id)
	b := wire.AppendArrayHeader(make([]byte, 0, 24), 1)
	b = wire.AppendArrayHeader(b, 2)
	b = wire.AppendUint(b, id)
	b = wire.AppendInt(b, counts)
	call := t.session.Start(&engine.Command{Method: engine.MethodRelease, Args: b})
	<-call.Ready()
	call.Accept()
}

// count returns the number of objects, iterators included.
func (t *refTable) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(t.iterators)
	for _, e := range t.entries {
		if e.claims > 0 {
			n++
		}
	}
	return n
}

// rows returns idents with their numbers of claims, in the order of creation.
func (t *refTable) rows() []refRow {
	t.mu.Lock()
	defer t.mu.Unlock()
	rows := make([]refRow, 0, len(t.entries)+len(t.iterators))
	for _, e := range t.entries {
		if e.claims > 0 {
			rows = append(rows, refRow{e.ref, formatIdent(e.ref), e.claims})
		}
	}
	for ident, it := range t.iterators {
		rows = append(rows, refRow{ident: ident, claims: it.claims})
	}
	return rows
}

type refRow struct {
	ref    wire.Ref // zero for an iterator
	ident  string
	claims int64
}

// sweep drops claims: of idle objects, and of processes that are gone.
func (t *refTable) sweep(idle time.Duration, processes bool) {
	now := time.Now()
	gone := make(map[int]bool)
	var spent []*refEntry
	t.mu.Lock()
	if t.stopped {
		t.mu.Unlock()
		return
	}
	dead := func(pid int) bool {
		is, asked := gone[pid]
		if !asked {
			is = processGone(pid)
			gone[pid] = is
		}
		return is
	}
	for _, e := range t.entries {
		if idle > 0 && now.Sub(e.used) >= idle {
			e.claims, e.pids = 0, nil
		}
		if processes {
			for pid, n := range e.pids {
				if dead(pid) {
					e.claims = max(e.claims-n, 0)
					delete(e.pids, pid)
				}
			}
		}
		if t.spentLocked(e) {
			spent = append(spent, e)
		}
	}
	var iterators []*iterator
	for ident, it := range t.iterators {
		if idle > 0 && now.Sub(it.used) >= idle || processes && it.pid != 0 && dead(it.pid) {
			delete(t.iterators, ident)
			iterators = append(iterators, it)
		}
	}
	t.mu.Unlock()
	for _, e := range spent {
		t.release(e.ref.ID, e.counts)
	}
	for _, it := range iterators {
		t.unclaim(it.ref, 0)
	}
}

// stop ends the timer.
func (t *refTable) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = true
	if t.timer != nil {
		t.timer.Stop()
	}
}

// sweep runs until the door is closed.
func (d *Door) sweep() {
	every := 5 * time.Second
	if idle := d.config.IdleReferences; idle > 0 {
		every = min(every, max(idle/4, 10*time.Millisecond))
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-d.done:
			return
		case <-tick.C:
		}
		for _, s := range d.allSessions() {
			s.refs.sweep(d.config.IdleReferences, d.config.DropDeadProcesses)
		}
	}
}
