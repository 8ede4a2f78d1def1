package managers

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/syncmanager/syncmanager/internal/engine"
)

// reader is a goroutine that reads a connection, and what it does besides: it
// runs quick methods of registered types itself. When one of them takes long
// after all, another goroutine becomes the reader.
type reader struct {
	conn *conn // fixed at creation

	// Owned by the goroutine.
	calls int // made since it read last

	out  results
	turn atomic.Uint64 // counts calls

	mu    sync.Mutex // guards what follows; taken alone
	work  []*worker  // to be run before it reads on
	now   *worker    // is being run
	left  bool       // another goroutine reads
	watch watch
}

// errLeft ends a read loop that goes on elsewhere.
var errLeft = errors.New("another goroutine reads the connection")

// enter takes the work out of the effects.
func (r *reader) enter(fx *engine.Effects) {
	if len(fx.Work) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.work = r.conn.server.outside.enter(fx.Work, r.work)
	clear(fx.Work)
	fx.Work = fx.Work[:0]
}

// serve does the work, and reports whether the goroutine is still the reader.
func (r *reader) serve() bool {
	k := r.conn.server.outside
	r.calls = 0
	r.mu.Lock()
	for !r.left && len(r.work) > 0 {
		last := len(r.work) - 1
		w := r.work[last]
		r.now, r.work = w, r.work[:last]
		r.watch.arm(r.look)
		r.mu.Unlock()
		k.visit(w, r)
		r.mu.Lock()
		r.now = nil
	}
	left := r.left
	r.mu.Unlock()
	k.flush(&r.out)
	return !left
}

// look looks whether one call has run since the watch looked last.
func (r *reader) look() {
	r.mu.Lock()
	r.watch.armed = false
	w, turn, seen := r.now, r.turn.Load(), r.watch.seen
	r.watch.seen = turn
	if w != nil && !r.left {
		r.watch.arm(r.look)
	}
	r.mu.Unlock()
	if w == nil || turn != seen {
		return
	}
	w.in.mu.Lock()
	defer w.in.mu.Unlock()
	if w.now != nil && w.reader == r && r.turn.Load() == seen {
		r.conn.server.outside.stuckLocked(w)
	}
}

// leave makes another goroutine the reader, if this one still runs the worker.
func (r *reader) leave(w *worker) {
	r.mu.Lock()
	if r.left || r.now != w {
		r.mu.Unlock()
		return
	}
	r.left = true
	r.mu.Unlock()
	r.stop()
	s := r.conn.server
	s.running.Add(1) // the caller holds one as well
	go func() {
		defer s.running.Done()
		r.conn.serve()
	}()
	s.outside.flush(&r.out)
}

// stop leaves the work to other goroutines.
func (r *reader) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range r.work {
		go r.conn.server.outside.work(w)
	}
	r.work = nil
}
