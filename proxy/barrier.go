package proxy

import (
	"context"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/syncmanager/syncmanager/internal/client"
)

// Barrier is a proxy of a shared barrier: a point at which a number of parties
// wait for each other. When a party that waits gives up or dies, the barrier
// breaks for all, and the error says which party is missing.
type Barrier struct{ object }

const barrierType = "Barrier"

// NewBarrier makes a barrier without a name for that many parties. With a
// timeout, a Wait that brings none of its own waits that long at most.
func NewBarrier(ctx context.Context, m *Manager, parties int, timeout ...time.Duration) (*Barrier, error) {
	return create[Barrier](ctx, m, barrierType, barrierArgs(parties, timeout)...)
}

// OpenBarrier opens the barrier of that name, and makes one if there is none.
func OpenBarrier(ctx context.Context, m *Manager, name string, parties int, timeout ...time.Duration) (*Barrier, error) {
	return open[Barrier](ctx, m, name, barrierType, barrierArgs(parties, timeout)...)
}

// AttachBarrier returns the barrier that the token names.
func AttachBarrier(ctx context.Context, m *Manager, token string) (*Barrier, error) {
	return attach[Barrier](ctx, m, token)
}

// barrierArgs are Python's: parties, action, timeout in seconds.
func barrierArgs(parties int, timeout []time.Duration) []any {
	args := []any{parties}
	if len(timeout) > 0 {
		args = append(args, nil)
	}
	for _, d := range timeout {
		args = append(args, d.Seconds())
	}
	return args
}

func (b *Barrier) from(r Ref) error { return b.adopt(r, barrierType) }

// UnmarshalWire decodes a reference to a barrier.
func (b *Barrier) UnmarshalWire(v []byte, ctx any) error { return b.decode(v, ctx, barrierType) }

// DecodeMsgpack decodes a reference inside of a type that decodes itself.
func (b *Barrier) DecodeMsgpack(dec *msgpack.Decoder) error { return client.DecodeMsgpack(dec, b) }

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
