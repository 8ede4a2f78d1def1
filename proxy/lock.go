package proxy

import (
	"context"
	"time"

	"github.com/syncmanager/syncmanager/internal/client"
)

// Lock is a proxy of a shared lock. Callers that wait are served in the order in
// which they came. A client that dies loses its locks when its lease has run
// out, and one that closes its Manager at once. All methods are safe for
// concurrent use.
//
// Release releases the lock, as in Python; Drop gives up the proxy.
type Lock struct{ base[lockKind] }

// NewLock makes a lock without a name. It is free.
func NewLock(ctx context.Context, m *Manager) (*Lock, error) { return create[Lock](ctx, m) }

// OpenLock opens the lock of that name, and makes a free one if there is none.
func OpenLock(ctx context.Context, m *Manager, name string) (*Lock, error) {
	return open[Lock](ctx, m, name)
}

func (l *Lock) acquire(ctx context.Context, w wait) (*Hold, error) {
	c := l.begin(ctx, &lockAcquire, 0)
	w.apply(c)
	return acquire(ctx, l.object, c, Owner{}, l)
}

func (l *Lock) end(ctx context.Context, h *hold) error {
	return end2(ctx, l.object, &lockRelease, 0, h.token.Load())
}

// Acquire waits for the lock, as long as it takes or until the context ends, and
// takes it. Whoever acquires it twice waits for itself.
func (l *Lock) Acquire(ctx context.Context) (*Hold, error) { return l.acquire(ctx, forever) }

// AcquireTimeout is Acquire that waits that long at most, and returns ErrTimeout
// then.
func (l *Lock) AcquireTimeout(ctx context.Context, d time.Duration) (*Hold, error) {
	return l.acquire(ctx, within(d))
}

// TryAcquire is Acquire that does not wait: ErrTimeout if the lock is held.
func (l *Lock) TryAcquire(ctx context.Context) (*Hold, error) { return l.acquire(ctx, noWait) }

// AcquireOwned is Acquire for an Owner, who alone may release the lock. With
// that the server can find deadlocks: a wait that would close a cycle of owners
// fails with ErrDeadlock, which says what the cycle is.
func (l *Lock) AcquireOwned(ctx context.Context, owner Owner) (*Hold, error) {
	c := l.begin(ctx, &lockAcquire, 2)
	client.Arg(c, owner.id)
	client.Arg(c, true)
	return acquire(ctx, l.object, c, owner, l)
}

// Release releases the lock, whoever has it, as Python's does. ErrNotHeld if
// nobody does. Hold.Release is the one that cannot hit somebody else.
func (l *Lock) Release(ctx context.Context) error { return end0(ctx, l.object, &lockRelease) }

// ReleaseToken ends the hold with that fencing token, whoever has it.
// ErrLockLost if it is over.
func (l *Lock) ReleaseToken(ctx context.Context, token uint64) error {
	return end2(ctx, l.object, &lockRelease, 0, token)
}

// Locked reports whether somebody has the lock.
func (l *Lock) Locked(ctx context.Context) (bool, error) {
	return call0[bool](ctx, l.object, &lockLocked)
}

// Holder returns who has the lock, nil if nobody does.
func (l *Lock) Holder(ctx context.Context) (*LockInfo, error) {
	return call0[*LockInfo](ctx, l.object, &lockHolder)
}

// RLock is a proxy of a shared lock that its owner may acquire again, and then
// releases as often. The owner is an Owner, which the caller passes; another
// Owner waits, also in the same program. A wait that would close a cycle of
// owners fails with ErrDeadlock.
type RLock struct{ base[rlockKind] }

// NewRLock makes a lock without a name. It is free.
func NewRLock(ctx context.Context, m *Manager) (*RLock, error) {
	return create[RLock](ctx, m)
}

// OpenRLock opens the lock of that name, and makes a free one if there is none.
func OpenRLock(ctx context.Context, m *Manager, name string) (*RLock, error) {
	return open[RLock](ctx, m, name)
}

func (l *RLock) acquire(ctx context.Context, owner Owner, w wait) (*Hold, error) {
	c := l.begin(ctx, &rlockAcquire, 1)
	w.apply(c)
	client.Arg(c, owner.id)
	return acquire(ctx, l.object, c, owner, l)
}

func (l *RLock) end(ctx context.Context, h *hold) error {
	return end2(ctx, l.object, &rlockRelease, h.owner.id, h.token.Load())
}

// Acquire waits for the lock, as long as it takes or until the context ends, and
// takes it. If the owner has it, it has it once more.
func (l *RLock) Acquire(ctx context.Context, owner Owner) (*Hold, error) {
	return l.acquire(ctx, owner, forever)
}

// AcquireTimeout is Acquire that waits that long at most, and returns ErrTimeout
// then.
func (l *RLock) AcquireTimeout(ctx context.Context, owner Owner, d time.Duration) (*Hold, error) {
	return l.acquire(ctx, owner, within(d))
}

// TryAcquire is Acquire that does not wait: ErrTimeout if another owner has it.
func (l *RLock) TryAcquire(ctx context.Context, owner Owner) (*Hold, error) {
	return l.acquire(ctx, owner, noWait)
}

// Release releases the lock once for the owner. ErrNotHeld if the owner does not
// have it.
func (l *RLock) Release(ctx context.Context, owner Owner) error {
	return end1(ctx, l.object, &rlockRelease, owner.id)
}

// ReleaseToken ends the hold with that fencing token if another program has it,
// however often it was acquired, as an administrator does. A hold of this
// Manager's zero Owner it releases once; those of its other Owners are
// ErrNotHeld, since their Hold releases them. ErrLockLost if the hold is over.
func (l *RLock) ReleaseToken(ctx context.Context, token uint64) error {
	return end2(ctx, l.object, &rlockRelease, 0, token)
}

// Locked reports whether somebody has the lock.
func (l *RLock) Locked(ctx context.Context) (bool, error) {
	return call0[bool](ctx, l.object, &rlockLocked)
}

// Holder returns who has the lock, nil if nobody does.
func (l *RLock) Holder(ctx context.Context) (*LockInfo, error) {
	return call0[*LockInfo](ctx, l.object, &rlockHolder)
}
