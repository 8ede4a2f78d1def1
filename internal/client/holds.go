package client

import (
	"sync"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// holds are the locks and permits that this process has and wants to know the
// end of.
type holds struct {
	mu   sync.Mutex // guards what follows; taken alone
	m    map[holdKey]func(error)
	over error // the session's end
}

type holdKey struct{ object, token uint64 }

// Watch has lost called, once, when the hold with that fencing token ends
// without having been released: the server said so, or the session is over. It
// must not block. The returned function ends the watch.
func (s *Session) Watch(object, token uint64, lost func(error)) (stop func()) {
	return s.holds.watch(object, token, lost)
}

func (h *holds) watch(object, token uint64, lost func(error)) func() {
	k := holdKey{object, token}
	h.mu.Lock()
	over := h.over
	if over == nil {
		if h.m == nil {
			h.m = make(map[holdKey]func(error))
		}
		h.m[k] = lost
	}
	h.mu.Unlock()
	if over != nil {
		lost(over)
		return func() {}
	}
	return func() {
		h.mu.Lock()
		delete(h.m, k)
		h.mu.Unlock()
	}
}

// lost ends one hold.
func (h *holds) lost(object, token uint64) {
	k := holdKey{object, token}
	h.mu.Lock()
	f := h.m[k]
	delete(h.m, k)
	h.mu.Unlock()
	if f != nil {
		f(wire.ErrLockLost)
	}
}

// lose ends all holds: the session is over.
func (h *holds) lose(err error) {
	h.mu.Lock()
	if h.over == nil {
		h.over = err
	}
	m := h.m
	h.m = nil
	h.mu.Unlock()
	for _, f := range m {
		f(err)
	}
}
