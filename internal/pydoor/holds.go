package pydoor

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// holds remembers the locks that Python clients have, for three purposes: a
// release by another thread or process names the hold that it ends, the holds
// of closed connections can be released, and administrators see who has a lock
// whose connection is gone.
type holds struct {
	door *Door

	mu       sync.Mutex         // guards what follows
	tokens   map[uint64]uint64  // of Locks, by object
	conns    map[uint64]*heldBy // by connection
	departed []uint64           // of these, the connections that have ended, oldest first
	timers   map[*time.Timer]struct{}
	over     bool
}

// heldBy is what a connection took and did not give back itself. Others may
// have released it: the engine knows.
type heldBy struct {
	session *session
	owner   uint64
	who     Client         // when the connection has ended
	locks   map[uint64]int // levels, by object
	permits map[uint64][]uint64
}

func newHolds(d *Door) *holds {
	return &holds{door: d, tokens: make(map[uint64]uint64), conns: make(map[uint64]*heldBy), timers: make(map[*time.Timer]struct{})}
}

// byConnLocked returns what the connection holds.
func (h *holds) byConnLocked(c *conn) *heldBy {
	b := h.conns[c.id]
	if b == nil {
		b = &heldBy{session: c.session, owner: c.id, locks: make(map[uint64]int), permits: make(map[uint64][]uint64)}
		h.conns[c.id] = b
	}
	return b
}

// locked notes that the connection has a lock. Only those of Locks have their
// token noted.
func (h *holds) locked(c *conn, object, token uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if token != 0 {
		h.tokens[object] = token
	}
	h.byConnLocked(c).locks[object]++
}

// token returns the hold of a Lock that was noted last, or 0, and forgets it.
func (h *holds) token(object uint64) uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.tokens[object]
	delete(h.tokens, object)
	return t
}

// unlocked notes that the connection has released one level of a lock.
func (h *holds) unlocked(c *conn, object uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if b := h.conns[c.id]; b != nil {
		if b.locks[object]--; b.locks[object] <= 0 {
			delete(b.locks, object)
		}
	}
}

// permit notes that the connection has a permit of a semaphore.
func (h *holds) permit(c *conn, object, id uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	b := h.byConnLocked(c)
	b.permits[object] = append(b.permits[object], id)
}

// permitsBack notes that the connection has released n permits.
func (h *holds) permitsBack(c *conn, object uint64, n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if b := h.conns[c.id]; b != nil {
		if ids := b.permits[object]; n < len(ids) {
			b.permits[object] = ids[n:]
		} else {
			delete(b.permits, object)
		}
	}
}

// forget drops what is noted of an object that was released.
func (h *holds) forget(object uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.tokens, object)
}

// connClosed keeps in mind what the connection holds, or releases it: when an
// administrator has ended the connection at once, else when operators want
// that.
func (h *holds) connClosed(c *conn) {
	h.mu.Lock()
	held := h.conns[c.id]
	if held == nil || len(held.locks)+len(held.permits) == 0 || h.over {
		delete(h.conns, c.id)
		h.mu.Unlock()
		return
	}
	held.who = c.describe(time.Now())
	held.who.Waits = false
	h.departed = append(h.departed, c.id)
	if len(h.departed) > maxDeparted {
		h.dropLocked(h.departed[0])
	}
	after := h.door.config.ReleaseHolds
	kicked := c.kicked.Load()
	if after != 0 && !kicked {
		var t *time.Timer
		t = time.AfterFunc(max(after, 0), func() {
			h.mu.Lock()
			delete(h.timers, t)
			h.mu.Unlock()
			h.release(c.id)
		})
		h.timers[t] = struct{}{}
	}
	h.mu.Unlock()
	if kicked {
		h.release(c.id)
	}
}

// dropLocked forgets a connection that has ended.
func (h *holds) dropLocked(conn uint64) {
	delete(h.conns, conn)
	if i := slices.Index(h.departed, conn); i >= 0 {
		h.departed = slices.Delete(h.departed, i, i+1)
	}
}

// release releases what a connection holds that has ended, and reports whether
// it was known.
func (h *holds) release(conn uint64) bool {
	h.mu.Lock()
	held := h.conns[conn]
	if h.over || !slices.Contains(h.departed, conn) {
		held = nil
	}
	if held != nil {
		h.dropLocked(conn)
	}
	h.mu.Unlock()
	if held == nil {
		return false
	}
	for object := range held.locks {
		held.session.endHold(object, held.owner)
	}
	for object, ids := range held.permits {
		for _, id := range ids {
			_, _ = held.session.call(object, "release_permit", appendUints(id))
		}
	}
	return true
}

// departedAfter returns the connections that have ended and are remembered,
// with numbers above after. Idle is the time that they lived.
func (h *holds) departedAfter(after uint64) []Client {
	h.mu.Lock()
	defer h.mu.Unlock()
	var rows []Client
	for _, id := range h.departed {
		if id > after {
			rows = append(rows, h.conns[id].who)
		}
	}
	return rows
}

// count returns how many locks and permits a connection has, as the engine
// knows it. A connection that has ended and has none is forgotten.
func (h *holds) count(conn uint64) int {
	h.mu.Lock()
	held := h.conns[conn]
	if held == nil {
		h.mu.Unlock()
		return 0
	}
	locks := slices.Collect(maps.Keys(held.locks))
	var permits [][2]uint64
	for object, ids := range held.permits {
		for _, id := range ids {
			permits = append(permits, [2]uint64{object, id})
		}
	}
	h.mu.Unlock()
	n := 0
	for _, object := range locks {
		if v, err := held.session.call(object, "holder", appendUints()); err == nil {
			if by := holderOf(v); by != nil && by.session == held.session.ID() && by.owner == conn {
				n++
			}
		}
	}
	for _, p := range permits {
		if v, err := held.session.call(p[0], "holders", appendUints(p[1]-1)); err == nil && firstToken(v) == p[1] {
			n++
		}
	}
	if n == 0 {
		h.mu.Lock()
		if slices.Contains(h.departed, conn) {
			h.dropLocked(conn)
		}
		h.mu.Unlock()
	}
	return n
}

// firstToken returns the token of the first row of a semaphore's holders, or 0.
func firstToken(v wire.Raw) uint64 {
	d, err := wire.Decode(v.Bytes())
	rows, _ := d.([]any)
	if err != nil || len(rows) == 0 {
		return 0
	}
	row, _ := rows[0].(map[string]any)
	n, _ := row["token"].(int64)
	return uint64(n)
}

// stop lets nothing more be released.
func (h *holds) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.over = true
	for t := range h.timers {
		t.Stop()
	}
}

// holder is who has a lock.
type holder struct {
	session, owner, token uint64
	strict                bool // its owner alone may release it
	program               string
}

// holderOf reads the reply of a lock's method holder; nil if nobody has it.
func holderOf(v wire.Raw) *holder {
	d, err := wire.Decode(v.Bytes())
	m, ok := d.(map[string]any)
	if err != nil || !ok {
		return nil
	}
	number := func(key string) uint64 {
		switch n := m[key].(type) {
		case int64:
			return uint64(n)
		case uint64:
			return n
		}
		return 0
	}
	h := &holder{session: number("session"), owner: number("owner"), token: number("token")}
	h.strict, _ = m["owned"].(bool)
	h.program, _ = m["program"].(string)
	return h
}

// endHold releases all levels of an owner's hold.
func (s *session) endHold(object, owner uint64) {
	for {
		v, err := s.call(object, "holder", appendUints())
		if err != nil {
			return // the lock is gone
		}
		h := holderOf(v)
		if h == nil || h.session != s.ID() || h.owner != owner {
			return
		}
		if _, err := s.call(object, "release", appendUints(h.owner, h.token)); err != nil {
			return
		}
	}
}

// call makes a call that does not wait for others.
func (s *session) call(object uint64, method string, args []byte) (wire.Raw, error) {
	c := s.Start(&engine.Command{Object: object, Name: []byte(method), Args: args})
	<-c.Ready()
	v, err := c.Result()
	c.Accept()
	return v, err
}

// appendUints returns arguments that are numbers.
func appendUints(ns ...uint64) []byte {
	b := wire.AppendArrayHeader(nil, len(ns))
	for _, n := range ns {
		b = wire.AppendUint(b, n)
	}
	return b
}
