package client

import (
	"slices"
	"sync"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// holds are the locks and permits that this process has and wants to know the
// end of, by their fencing tokens, of which no two are the same.
type holds struct {
	mu   sync.Mutex // guards what follows; taken alone
	m    map[uint64][]*watch
	over error // the session's end
}

type watch struct{ lost func(error) }

// Watch has lost called, once, when the hold with that fencing token ends
// without having been released: the server said so, or the session is over. It
// must not block. The returned function ends the watch.
func (s *Session) Watch(token uint64, lost func(error)) (stop func()) {
	return s.holds.watch(token, lost)
}

func (h *holds) watch(token uint64, lost func(error)) func() {
	w := &watch{lost}
	h.mu.Lock()
	over := h.over
	if over == nil {
		if h.m == nil {
			h.m = make(map[uint64][]*watch)
		}
		h.m[token] = append(h.m[token], w)
	}
	h.mu.Unlock()
	if over != nil {
		lost(over)
		return func() {}
	}
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		all := slices.DeleteFunc(h.m[token], func(o *watch) bool { return o == w })
		if len(all) == 0 {
			delete(h.m, token)
		} else {
			h.m[token] = all
		}
	}
}

// lost ends one hold.
func (h *holds) lost(token uint64) {
	h.mu.Lock()
	all := h.m[token]
	delete(h.m, token)
	h.mu.Unlock()
	for _, w := range all {
		w.lost(wire.ErrLockLost)
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
	for _, all := range m {
		for _, w := range all {
			w.lost(err)
		}
	}
}
