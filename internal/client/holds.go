package client

import (
	"slices"
	"sync"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// A Watcher has, or will have, a hold of a lock or a permit of a semaphore.
type Watcher interface {
	// Lost hears, once, that the hold has ended without having been released:
	// the server said so, or the session is over. It must not block, and may be
	// called before InvokeAcquire has returned.
	Lost(err error)
}

// Leases is a Watcher of a call whose reply is a list of holds, each a list that
// begins with its token, in the place of one token.
type Leases interface {
	Watcher
	// Watcher returns who hears of the end of the next one. It is called for each
	// in order, before the call has returned, and must not block.
	Watcher() Watcher
}

// granted has those that the reply gives watched.
func (h *holds) granted(reply []byte, w Watcher) error {
	leases, ok := w.(Leases)
	if !ok {
		if token, ok := tokenOf(reply); ok && token > 0 {
			return h.watch(token, w)
		}
		return nil
	}
	list, err := wire.NewReader(reply)
	if err != nil {
		return nil // whoever decodes the reply says so
	}
	for list.More() {
		lease, err := wire.NewReader(list.Next())
		if err != nil {
			return nil
		}
		token, err := lease.Uint()
		if err != nil {
			return nil
		}
		if err := h.watch(token, leases.Watcher()); err != nil {
			return err
		}
	}
	return nil
}

// Unwatch ends what InvokeAcquire began. A call of Lost may be under way.
func (s *Session) Unwatch(token uint64, w Watcher) { s.holds.unwatch(token, w) }

// holds are the locks and permits that this process has and wants to know the
// end of, by their fencing tokens, of which no two are the same.
type holds struct {
	mu   sync.Mutex // guards what follows; nothing is taken below it
	m    map[uint64]watchers
	over error // the session's end
}

// watchers are those of one hold. More than one is rare: an RLock that was
// acquired again.
type watchers struct {
	first Watcher
	more  []Watcher
}

// watch has w hear of the end of the hold. It returns an error if the session is
// over.
func (h *holds) watch(token uint64, w Watcher) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over != nil {
		return h.over
	}
	if h.m == nil {
		h.m = make(map[uint64]watchers)
	}
	all := h.m[token]
	if all.first == nil {
		all.first = w
	} else {
		all.more = append(all.more, w)
	}
	h.m[token] = all
	return nil
}

func (h *holds) unwatch(token uint64, w Watcher) {
	h.mu.Lock()
	defer h.mu.Unlock()
	all, ok := h.m[token]
	switch {
	case !ok:
	case all.first != w:
		all.more = slices.DeleteFunc(all.more, func(o Watcher) bool { return o == w })
		h.m[token] = all
	case len(all.more) == 0:
		delete(h.m, token)
	default:
		all.first, all.more = all.more[0], all.more[1:]
		h.m[token] = all
	}
}

// lost ends one hold.
func (h *holds) lost(token uint64) {
	h.mu.Lock()
	all := h.m[token]
	delete(h.m, token)
	h.mu.Unlock()
	all.lost(wire.ErrLockLost)
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
		all.lost(err)
	}
}

func (all watchers) lost(err error) {
	if all.first == nil {
		return
	}
	all.first.Lost(err)
	for _, w := range all.more {
		w.Lost(err)
	}
}
