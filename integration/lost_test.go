package integration

import (
	"context"
	"testing"

	"github.com/syncmanager/syncmanager/proxy"
)

// TestHoldOfARemovedObject: who holds a lock or a permit hears at once that its
// object was removed: the hold's context ends, and what is done under it fails.
func TestHoldOfARemovedObject(t *testing.T) {
	for _, transport := range []string{"tcp", "pipe"} {
		t.Run(transport, func(t *testing.T) {
			e := newEnv(t, transport)
			owner := e.m.NewOwner()
			d := must1[*proxy.Dict[string, int]](e)(proxy.OpenDict[string, int](e.ctx, e.m, "d"))
			for name, acquire := range map[string]func() (*proxy.Hold, error){
				"lock": func() (*proxy.Hold, error) {
					return must1[*proxy.Lock](e)(proxy.OpenLock(e.ctx, e.m, "lock")).Acquire(e.ctx)
				},
				"rlock": func() (*proxy.Hold, error) {
					return must1[*proxy.RLock](e)(proxy.OpenRLock(e.ctx, e.m, "rlock")).Acquire(e.ctx, owner)
				},
				"semaphore": func() (*proxy.Hold, error) {
					return must1[*proxy.Semaphore](e)(proxy.OpenSemaphore(e.ctx, e.m, "semaphore", 2)).Acquire(e.ctx)
				},
				"condition": func() (*proxy.Hold, error) {
					return must1[*proxy.Condition](e)(proxy.OpenCondition(e.ctx, e.m, "condition")).Acquire(e.ctx, owner)
				},
			} {
				h := must1[*proxy.Hold](e)(acquire())
				e.must(h.Err())
				e.must(e.m2.Remove(e.ctx, name))
				lost(e, name, h)
				is(e, name+": a write under the hold", d.Set(proxy.WithHold(e.ctx, h), "k", 1), proxy.ErrLockLost)
				is(e, name+": release", h.Release(e.ctx), proxy.ErrLockLost)
			}
		})
	}
}

// TestHoldOfAReleasedLock: so does who gives up the last reference to a lock
// without a name.
func TestHoldOfAReleasedLock(t *testing.T) {
	e := newEnv(t, "tcp")
	l := must1[*proxy.Lock](e)(proxy.NewLock(e.ctx, e.m))
	h := must1[*proxy.Hold](e)(l.Acquire(e.ctx))
	e.must(h.Err())
	r := l.Reference()
	r.Drop()
	e.until("the object is gone", func() bool { return e.info("objects") == 0 })
	lost(e, "the lock", h)
}

// lost waits for a hold to end, and checks that it says why.
func lost(e *env, what string, h *proxy.Hold) {
	e.Helper()
	select {
	case <-h.Context().Done():
	case <-e.ctx.Done():
		e.Fatalf("%s: the holder did not hear that the hold is over", what)
	}
	is(e, what+": the hold", h.Err(), proxy.ErrLockLost)
	is(e, what+": its context", context.Cause(h.Context()), proxy.ErrLockLost)
}
