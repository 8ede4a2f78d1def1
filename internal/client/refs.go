package client

import (
	"sync"
	"sync/atomic"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// object is what a session holds of one shared object. There is one for each
// ident at a time, reached by the handles of its Refs and by calls under way.
type object struct {
	// Fixed at creation.
	session *Session
	ref     wire.Ref

	// holds counts handles that were neither released nor collected, calls under
	// way and replies being decoded. At 0 the object is over and what the server
	// granted is given back.
	holds atomic.Int64

	granted uint64 // counts from the server; guarded by refs.mu
}

// acquire adds a hold unless the object is over.
func (o *object) acquire() bool {
	for {
		n := o.holds.Load()
		if n <= 0 {
			return false
		}
		if o.holds.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// drop takes a hold away.
func (o *object) drop() {
	if o.holds.Add(-1) == 0 && o.session.refs.giveBack(o) {
		o.session.refs.wake()
	}
}

// collected takes away the hold of a handle that the garbage collector found. It
// is a cleanup: it does no I/O, never blocks for long and starts no timer. A later
// call, or the session's next beat, sends what it leaves.
func (o *object) collected() {
	if o.holds.Add(-1) == 0 {
		o.session.refs.giveBack(o)
	}
}

// refs is the table of a session's objects and the counts that wait to be
// given back.
type refs struct {
	wake func() // sees to it that what waits is sent soon

	// waiting tells, without the lock, that something waits.
	waiting atomic.Bool

	mu      sync.Mutex // guards what follows; taken alone
	objects map[uint64]*object
	back    []count // released, not sent yet
}

// count is a number of counts of one object.
type count struct{ id, n uint64 }

// register adds one count for the reference and returns its object with one
// more hold. The hold is the caller's.
func (r *refs) register(s *Session, v wire.RefView) *object {
	r.mu.Lock()
	defer r.mu.Unlock()
	if o := r.objects[v.ID]; o != nil && o.ref.Secret == v.Secret && o.acquire() {
		o.granted++
		return o
	}
	o := &object{session: s, ref: v.Ref(), granted: 1}
	o.holds.Store(1)
	if r.objects == nil {
		r.objects = make(map[uint64]*object)
	}
	r.objects[v.ID] = o
	return o
}

// giveBack takes the object out of the table, unless a newer one is there, and
// queues its counts. It reports whether there are any.
func (r *refs) giveBack(o *object) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.objects[o.ref.ID] == o {
		delete(r.objects, o.ref.ID)
	}
	n := o.granted
	o.granted = 0
	if n > 0 {
		r.back = append(r.back, count{o.ref.ID, n})
		r.waiting.Store(true)
	}
	return n > 0
}

// ungrant takes a count off again that the server has taken back itself.
func (r *refs) ungrant(o *object) {
	r.mu.Lock()
	if o.granted > 0 {
		o.granted--
	}
	r.mu.Unlock()
}

// refuse queues a count that a reply granted to a caller who has left.
func (r *refs) refuse(id uint64) {
	r.mu.Lock()
	r.back = append(r.back, count{id, 1})
	r.waiting.Store(true)
	r.mu.Unlock()
}

// find returns the live object of the reference with one more hold, or nil.
func (r *refs) find(id, secret uint64) *object {
	r.mu.Lock()
	defer r.mu.Unlock()
	if o := r.objects[id]; o != nil && o.ref.Secret == secret && o.acquire() {
		return o
	}
	return nil
}

// maxRelease is how many objects one release call names at most.
const maxRelease = 2048

// takeBack returns the arguments of a release call for what waits, or nil.
func (r *refs) takeBack(b []byte) []byte {
	if !r.waiting.Load() {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	n := min(len(r.back), maxRelease)
	if n == 0 {
		return nil
	}
	b = wire.AppendArrayHeader(b, 1)
	b = wire.AppendArrayHeader(b, 2*n)
	for _, c := range r.back[:n] {
		b = wire.AppendUint(b, c.id)
		b = wire.AppendUint(b, c.n)
	}
	r.back = r.back[:copy(r.back, r.back[n:])]
	if len(r.back) == 0 {
		r.waiting.Store(false)
		if cap(r.back) > maxRelease {
			r.back = nil
		}
	}
	return b
}
