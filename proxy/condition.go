package proxy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/syncmanager/syncmanager/internal/client"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// Condition is a proxy of a shared condition variable: a lock whose holder may
// wait for a notification. It has an RLock of its own, or the Lock or RLock that
// it was made with.
//
//	h, err := cond.Acquire(ctx, owner)
//	...
//	defer h.Release(ctx)
//	for !ready() {
//		if err := cond.Wait(ctx, h); err != nil {
//			return err
//		}
//	}
type Condition struct {
	base[conditionKind]
}

// NewCondition makes a condition without a name, over the Lock or RLock that is
// given, or over an RLock of its own if lock is nil.
func NewCondition(ctx context.Context, m *Manager, lock Proxy) (*Condition, error) {
	if lock == nil {
		return create[Condition](ctx, m)
	}
	return create[Condition](ctx, m, lock.Reference())
}

// OpenCondition opens the condition of that name, and makes one over an RLock of
// its own if there is none.
func OpenCondition(ctx context.Context, m *Manager, name string) (*Condition, error) {
	return open[Condition](ctx, m, name)
}

func (k *Condition) acquire(ctx context.Context, owner Owner, w wait) (*Hold, error) {
	c := k.begin(ctx, &conditionAcquire, 1)
	w.apply(c)
	client.Arg(c, owner.id)
	return acquire(ctx, k.object, c, owner, k)
}

func (k *Condition) end(ctx context.Context, h *hold) error {
	return end2(ctx, k.object, &conditionRelease, h.owner.id, h.token.Load())
}

// Acquire waits for the lock, as long as it takes or until the context ends, and
// takes it. Over an RLock, an owner that has it has it once more.
func (k *Condition) Acquire(ctx context.Context, owner Owner) (*Hold, error) {
	return k.acquire(ctx, owner, forever)
}

// AcquireTimeout is Acquire that waits that long at most, and returns ErrTimeout
// then.
func (k *Condition) AcquireTimeout(ctx context.Context, owner Owner, d time.Duration) (*Hold, error) {
	return k.acquire(ctx, owner, within(d))
}

// TryAcquire is Acquire that does not wait: ErrTimeout if the lock is held.
func (k *Condition) TryAcquire(ctx context.Context, owner Owner) (*Hold, error) {
	return k.acquire(ctx, owner, noWait)
}

// Wait gives the lock up, waits for a notification, and returns when it has the
// lock again; the hold then has a new token. When the context ends first, Wait
// returns without the lock, and the hold is over; WaitTimeout keeps it. The hold
// must be one of this condition.
func (k *Condition) Wait(ctx context.Context, h *Hold) error {
	_, err := k.wait(ctx, h, forever)
	return err
}

// WaitTimeout is Wait for that long at most. It reports whether a notification
// came. In both cases it has the lock again, which may take longer.
func (k *Condition) WaitTimeout(ctx context.Context, h *Hold, d time.Duration) (bool, error) {
	return k.wait(ctx, h, within(d))
}

func (k *Condition) wait(ctx context.Context, h *Hold, w wait) (bool, error) {
	if h == nil {
		return false, wire.Errorf(wire.CodeNotHeld, "wait on %s needs the hold that Acquire returned, not nil", k)
	}
	if err := h.Err(); err != nil {
		return false, err
	}
	c := k.begin(ctx, &conditionWait, 1)
	w.apply(c)
	client.Arg(c, h.owner.id)
	notified, err := client.Invoke[bool](ctx, c)
	if errors.Is(err, ErrNotHeld) && h.lock.ID() != k.r.ID() {
		return false, err // the hold of another lock, which it stays
	}
	if err != nil {
		h.over(lost(fmt.Errorf("a wait ended without the lock: %w", err)))
		return false, err
	}
	h.unwatch()
	// The lock is held again and must be given back if its token is not learnt.
	c = k.begin(ctx, &conditionToken, 1)
	client.Arg(c, h.owner.id)
	token, err := client.InvokeAcquire(context.WithoutCancel(ctx), c, (*watcher)(h.hold))
	if err != nil {
		h.over(lost(err))
		return notified, err
	}
	h.has(token)
	return notified, nil
}

// WaitFor waits until ready returns true. ready is called with the lock held,
// before each wait and after each notification, and gets ctx. It may call the
// server, as for a shared predicate:
//
//	err := cond.WaitFor(ctx, h, func(ctx context.Context) (bool, error) {
//		turn, err := proxy.Attr[int](ctx, state, "turn")
//		return turn == mine, err
//	})
//
// An error of ready is returned at once, with the lock held.
func (k *Condition) WaitFor(ctx context.Context, h *Hold, ready func(context.Context) (bool, error)) error {
	for {
		if ok, err := ready(ctx); ok || err != nil {
			return err
		}
		if err := k.Wait(ctx, h); err != nil {
			return err
		}
	}
}

// WaitForTimeout is WaitFor for that long at most. It reports what ready
// returned last.
func (k *Condition) WaitForTimeout(ctx context.Context, h *Hold, d time.Duration, ready func(context.Context) (bool, error)) (bool, error) {
	end := time.Now().Add(d)
	for {
		if ok, err := ready(ctx); ok || err != nil {
			return ok, err
		}
		left := time.Until(end)
		if left <= 0 {
			return false, nil
		}
		if _, err := k.WaitTimeout(ctx, h, left); err != nil {
			return false, err
		}
	}
}

// Notify wakes up to n of those who wait, the first come first. The lock must be
// held.
func (k *Condition) Notify(ctx context.Context, h *Hold, n int) error {
	if h == nil {
		return wire.Errorf(wire.CodeNotHeld, "notify on %s needs the hold that Acquire returned, not nil", k)
	}
	if err := h.Err(); err != nil && !errors.Is(err, ErrLockLost) {
		return err
	}
	return exec2(ctx, k.object, &conditionNotify, n, h.owner.id)
}

// NotifyAll wakes all who wait. The lock must be held.
func (k *Condition) NotifyAll(ctx context.Context, h *Hold) error {
	if h == nil {
		return wire.Errorf(wire.CodeNotHeld, "notify on %s needs the hold that Acquire returned, not nil", k)
	}
	if err := h.Err(); err != nil && !errors.Is(err, ErrLockLost) {
		return err
	}
	return exec1(ctx, k.object, &conditionNotifyAll, h.owner.id)
}

// Release releases the lock once for the owner of an RLock, or a Lock whoever
// has it.
func (k *Condition) Release(ctx context.Context, owner Owner) error {
	return end1(ctx, k.object, &conditionRelease, owner.id)
}

// Locked reports whether somebody has the lock.
func (k *Condition) Locked(ctx context.Context) (bool, error) {
	return call0[bool](ctx, k.object, &conditionLocked)
}

// Holder returns who has the lock, nil if nobody does.
func (k *Condition) Holder(ctx context.Context) (*LockInfo, error) {
	return call0[*LockInfo](ctx, k.object, &conditionHolder)
}
