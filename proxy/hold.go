package proxy

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/syncmanager/syncmanager/internal/client"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// Owner is who holds an RLock, or a Lock that was acquired with AcquireOwned: in
// Python a thread, in Go whatever the program makes one, such as a goroutine or
// a request. Two Owners are two parties, also in one program. The zero Owner is
// the program itself.
type Owner struct{ id uint64 }

// NewOwner returns an Owner that is no other one of this Manager.
func (m *Manager) NewOwner() Owner { return Owner{m.s.NewOwner()} }

// ID returns the number that listings and deadlock reports show.
func (o Owner) ID() uint64 { return o.id }

// Hold is a lock that this program has, or a permit of a semaphore. It ends with
// Release, or when it is lost: the session is over, an administrator or somebody
// else released the lock, or the lock was removed. Its methods are safe for
// concurrent use.
type Hold struct {
	// Fixed at creation.
	lock  Ref
	owner Owner
	free  func(ctx context.Context, h *Hold) error

	token atomic.Uint64 // changes when a Condition's wait ends

	ctx    context.Context // cancelled when the hold is over
	cancel context.CancelCauseFunc

	mu   sync.Mutex // guards stop; held while nothing else is taken
	stop func()     // ends the watch
}

// hold makes the Hold of an acquire that has succeeded.
func hold(o object, token uint64, owner Owner, free func(ctx context.Context, h *Hold) error) *Hold {
	h := &Hold{lock: o.r, owner: owner, free: free}
	h.ctx, h.cancel = context.WithCancelCause(context.Background())
	h.watch(token)
	return h
}

// watch makes the token that of the hold.
func (h *Hold) watch(token uint64) {
	h.token.Store(token)
	s := client.SessionOf(h.lock)
	if s == nil {
		h.cancel(wire.Errorf(wire.CodeReleased, "the proxy of the lock was released"))
		return
	}
	stop := s.Watch(token, func(err error) { h.cancel(lost(err)) })
	h.mu.Lock()
	h.stop = stop
	h.mu.Unlock()
}

// lost returns the cause of a hold that was lost by err: it matches ErrLockLost.
func lost(err error) error {
	if errors.Is(err, ErrLockLost) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrLockLost, err)
}

// unwatch ends the watch.
func (h *Hold) unwatch() {
	h.mu.Lock()
	stop := h.stop
	h.stop = nil
	h.mu.Unlock()
	if stop != nil {
		stop()
	}
}

// over ends the hold on this side.
func (h *Hold) over(cause error) {
	h.unwatch()
	h.cancel(cause)
}

// Token returns the fencing token: a number above that of every hold before, of
// this lock or any other. Show it to whatever the lock protects, so that it can
// refuse those who come late.
func (h *Hold) Token() uint64 { return h.token.Load() }

// Owner returns who holds it.
func (h *Hold) Owner() Owner { return h.owner }

// Context returns a context that ends when the hold does. Its cause matches
// ErrLockLost if the hold was lost. The session's own clock counts: the context
// ends no later than the server lets go of the lock.
func (h *Hold) Context() context.Context { return h.ctx }

// Err returns nil while the hold is on, as far as this program knows, and then
// why it ended.
func (h *Hold) Err() error {
	if h.ctx.Err() == nil {
		return nil
	}
	return context.Cause(h.ctx)
}

// errHoldOver is the cause of a hold that its holder ended.
var errHoldOver = errors.New("the hold was released")

// Release ends the hold. It frees this hold and never somebody else's:
// ErrLockLost if it was over.
func (h *Hold) Release(ctx context.Context) error {
	err := h.free(ctx, h)
	if err == nil {
		h.over(errHoldOver)
	} else if errors.Is(err, ErrLockLost) || errors.Is(err, ErrRemoved) {
		err = lost(err)
		h.over(err)
	}
	return err
}

type guardKey struct{}

// WithHold returns a context whose calls are made on the condition that the hold
// is on: the server refuses what changes anything with ErrLockLost once it is
// over, in one step with the check. Calls that merely read are not guarded. The
// hold and the object must be of one Manager.
func WithHold(ctx context.Context, h *Hold) context.Context {
	return context.WithValue(ctx, guardKey{}, h)
}

// acquired is the result of an acquire: a fencing token, or False.
type acquired uint64

// UnmarshalWire takes False as 0.
func (a *acquired) UnmarshalWire(v []byte, ctx any) error {
	*a = 0
	if wire.TypeOf(v) == wire.TypeBool {
		return nil
	}
	return wire.Unmarshal(v, (*uint64)(a), ctx)
}

// acquire makes the call and turns False into ErrTimeout.
func acquire(ctx context.Context, o object, c *client.Call) (uint64, error) {
	token, err := client.Invoke[acquired](ctx, c)
	if err == nil && token == 0 {
		err = fmt.Errorf("%s is held: %w", o, wire.ErrTimeout)
	}
	return uint64(token), err
}

// LockInfo says who holds a lock.
type LockInfo struct {
	Session uint64 `msgpack:"session"`
	Program string `msgpack:"program"`
	Host    string `msgpack:"host"`
	PID     int64  `msgpack:"pid"`
	Remote  string `msgpack:"remote"`
	Owner   uint64 `msgpack:"owner"`
	Token   uint64 `msgpack:"token"`
	Since   int64  `msgpack:"since"` // nanoseconds since 1970, by the server's clock
	Count   int64  `msgpack:"count"` // how often its owner has it
	Owned   bool   `msgpack:"owned"` // only its owner may release it
	Waiting int64  `msgpack:"waiting"`
}
