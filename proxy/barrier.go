package proxy

import (
	"context"
	"time"

	"github.com/syncmanager/syncmanager/internal/client"
)

// Barrier is a proxy of a shared barrier: a point at which a number of parties
// wait for each other. When a party that waits gives up or dies, the barrier
// breaks for all, and the error says which party is missing.
type Barrier struct{ base[barrierKind] }

// NewBarrier makes a barrier without a name for that many parties. A Wait that
// brings no timeout of its own waits for the barrier's at most; 0 is none.
func NewBarrier(ctx context.Context, m *Manager, parties int, timeout time.Duration) (*Barrier, error) {
	return create[Barrier](ctx, m, barrierArgs(parties, timeout)...)
}

// OpenBarrier opens the barrier of that name, and makes one if there is none.
func OpenBarrier(ctx context.Context, m *Manager, name string, parties int, timeout time.Duration) (*Barrier, error) {
	return open[Barrier](ctx, m, name, barrierArgs(parties, timeout)...)
}

// barrierArgs are Python's: parties, action, timeout in seconds.
func barrierArgs(parties int, timeout time.Duration) []any {
	if timeout == 0 {
		return []any{parties}
	}
	return []any{parties, nil, timeout.Seconds()}
}

// Wait waits until all parties wait, and returns the caller's number among them,
// from 0. One party may act on having number 0. ErrBrokenBarrier if the barrier
// is or becomes broken; a context that ends breaks it.
func (b *Barrier) Wait(ctx context.Context) (int, error) {
	return call0[int](ctx, b.object, &barrierWait)
}

// WaitTimeout is Wait for that long at most; then the barrier breaks.
func (b *Barrier) WaitTimeout(ctx context.Context, d time.Duration) (int, error) {
	return client.Invoke[int](ctx, b.get(ctx, &barrierWait, within(d)))
}

// Reset makes the barrier new. Those who wait get ErrBrokenBarrier.
func (b *Barrier) Reset(ctx context.Context) error { return exec0(ctx, b.object, &barrierReset) }

// Abort breaks the barrier, until Reset.
func (b *Barrier) Abort(ctx context.Context) error { return exec0(ctx, b.object, &barrierAbort) }

// Parties returns how many parties it takes.
func (b *Barrier) Parties(ctx context.Context) (int, error) {
	return call0[int](ctx, b.object, &barrierParties)
}

// NWaiting returns how many parties wait.
func (b *Barrier) NWaiting(ctx context.Context) (int, error) {
	return call0[int](ctx, b.object, &barrierNWaiting)
}

// Broken reports whether the barrier is broken.
func (b *Barrier) Broken(ctx context.Context) (bool, error) {
	return call0[bool](ctx, b.object, &barrierBroken)
}
