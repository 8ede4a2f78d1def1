package pydoor

import (
	"sync"
	"time"

	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// holds remembers the locks that Python clients have, for two purposes: a
// release by another thread or process names the hold that it ends, and the
// holds of closed connections can be released.
type holds struct {
	door *Door

	mu     sync.Mutex        // guards what follows
	tokens map[uint64]uint64 // of Locks, by object
	conns  map[uint64]*heldBy
	timers map[*time.Timer]struct{}
	over   bool
}

// heldBy is what a connection holds, as far as the door has seen.
type heldBy struct {
	session *session
	locks   map[uint64]int // levels, by object
	permits map[uint64][]uint64
}

func newHolds(d *Door) *holds {
	return &holds{door: d, tokens: make(map[uint64]uint64), conns: make(map[uint64]*heldBy), timers: make(map[*time.Timer]struct{})}
}

// byConn returns what the connection holds; nil when nobody wants to know.
// The caller holds mu.
func (h *holds) byConn(c *conn) *heldBy {
	if h.door.config.ReleaseHolds == 0 {
		return nil
	}
	b := h.conns[c.id]
	if b == nil {
		b = &heldBy{session: c.session, locks: make(map[uint64]int), permits: make(map[uint64][]uint64)}
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
	if b := h.byConn(c); b != nil {
		b.locks[object]++
	}
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
	if b := h.byConn(c); b != nil {
		b.permits[object] = append(b.permits[object], id)
	}
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

// connClosed releases what the connection holds, if operators want that.
func (h *holds) connClosed(c *conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	held := h.conns[c.id]
	delete(h.conns, c.id)
	if held == nil || len(held.locks)+len(held.permits) == 0 || h.over {
		return
	}
	var t *time.Timer
	t = time.AfterFunc(max(h.door.config.ReleaseHolds, 0), func() {
		h.mu.Lock()
		delete(h.timers, t)
		over := h.over
		h.mu.Unlock()
		if !over {
			held.end(c.id)
		}
	})
	h.timers[t] = struct{}{}
}

// end releases all that is still held.
func (b *heldBy) end(owner uint64) {
	for object := range b.locks {
		b.session.endHold(object, owner)
	}
	for object, ids := range b.permits {
		for _, id := range ids {
			_, _ = b.session.call(object, "release_permit", appendUints(id))
		}
	}
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

// releaseArgs are the arguments of a release that ends this hold alone.
func (h *holder) releaseArgs() []byte {
	if h.strict {
		return appendUints(h.owner, h.token)
	}
	return appendUints(h.token)
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
		if _, err := s.call(object, "release", h.releaseArgs()); err != nil {
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
