package proxy

import (
	"context"
	"time"
)

// Semaphore is a proxy of a shared semaphore. Each permit has an id, its Hold's
// token, and returns by itself when its client is gone. Callers that wait are
// served in the order in which they came.
type Semaphore struct{ permits[semaphoreKind] }

// BoundedSemaphore is a proxy of a Semaphore that refuses to have more permits
// than it began with (ErrValue).
type BoundedSemaphore struct{ permits[boundedSemaphoreKind] }

// NewSemaphore makes a semaphore without a name, with that many permits.
func NewSemaphore(ctx context.Context, m *Manager, value int) (*Semaphore, error) {
	return create[Semaphore](ctx, m, value)
}

// OpenSemaphore opens the semaphore of that name, and makes one with that many
// permits if there is none.
func OpenSemaphore(ctx context.Context, m *Manager, name string, value int) (*Semaphore, error) {
	return open[Semaphore](ctx, m, name, value)
}

// NewBoundedSemaphore is NewSemaphore for a BoundedSemaphore.
func NewBoundedSemaphore(ctx context.Context, m *Manager, value int) (*BoundedSemaphore, error) {
	return create[BoundedSemaphore](ctx, m, value)
}

// OpenBoundedSemaphore is OpenSemaphore for a BoundedSemaphore.
func OpenBoundedSemaphore(ctx context.Context, m *Manager, name string, value int) (*BoundedSemaphore, error) {
	return open[BoundedSemaphore](ctx, m, name, value)
}

// permits is what both kinds of semaphores have in common.
type permits[K kind] struct{ base[K] }

func (s *permits[K]) acquire(ctx context.Context, w wait) (*Hold, error) {
	c := s.begin(ctx, &semaphoreAcquire, 0)
	w.apply(c)
	return acquire(ctx, s.object, c, Owner{}, s)
}

func (s *permits[K]) end(ctx context.Context, h *hold) error {
	return end1(ctx, s.object, &semaphoreReleasePermit, h.token.Load())
}

// Acquire waits for a permit, as long as it takes or until the context ends, and
// takes it.
func (s *permits[K]) Acquire(ctx context.Context) (*Hold, error) { return s.acquire(ctx, forever) }

// AcquireTimeout is Acquire that waits that long at most, and returns ErrTimeout
// then.
func (s *permits[K]) AcquireTimeout(ctx context.Context, d time.Duration) (*Hold, error) {
	return s.acquire(ctx, within(d))
}

// TryAcquire is Acquire that does not wait: ErrTimeout if no permit is left.
func (s *permits[K]) TryAcquire(ctx context.Context) (*Hold, error) { return s.acquire(ctx, noWait) }

// Release adds a permit, as Python's release does: one of this program's own
// returns, or else the oldest, or there is one more. Hold.Release returns a
// certain one.
func (s *permits[K]) Release(ctx context.Context) error {
	return end0(ctx, s.object, &semaphoreRelease)
}

// ReleaseN is Release of n permits at once.
func (s *permits[K]) ReleaseN(ctx context.Context, n int) error {
	return end1(ctx, s.object, &semaphoreRelease, n)
}

// ReleasePermit returns the permit with that id, its Hold's token, whoever has
// it. ErrLockLost if it was returned.
func (s *permits[K]) ReleasePermit(ctx context.Context, token uint64) error {
	return end1(ctx, s.object, &semaphoreReleasePermit, token)
}

// GetValue returns how many permits are left.
func (s *permits[K]) GetValue(ctx context.Context) (int, error) {
	return call0[int](ctx, s.object, &semaphoreGetValue)
}

// Waiting returns how many callers wait.
func (s *permits[K]) Waiting(ctx context.Context) (int, error) {
	return call0[int](ctx, s.object, &semaphoreWaiting)
}

// Locked reports whether no permit is left.
func (s *permits[K]) Locked(ctx context.Context) (bool, error) {
	return call0[bool](ctx, s.object, &semaphoreLocked)
}

// Holders returns who has permits, the oldest first: up to 1000 whose ids are
// above after.
func (s *permits[K]) Holders(ctx context.Context, after uint64) ([]LockInfo, error) {
	return call1[[]LockInfo](ctx, s.object, &semaphoreHolders, after)
}
