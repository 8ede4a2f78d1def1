package proxy_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/syncmanager/syncmanager/proxy"
)

func TestLock(t *testing.T) {
	ctx, m := manager(t)
	l, err := proxy.OpenLock(ctx, m, "l")
	must(t, err)
	h, err := l.Acquire(ctx)
	must(t, err)
	want[bool](t, "Locked")(l.Locked(ctx))(true)
	_, err = l.TryAcquire(ctx)
	wantErr(t, "TryAcquire", err, proxy.ErrTimeout)
	_, err = l.AcquireTimeout(ctx, time.Millisecond)
	wantErr(t, "AcquireTimeout", err, proxy.ErrTimeout)
	info, err := l.Holder(ctx)
	must(t, err)
	if info == nil || info.Session != m.SessionID() || info.Token != h.Token() || info.Owned {
		t.Errorf("holder %+v", info)
	}
	next := make(chan *proxy.Hold, 1)
	go func() {
		h, err := l.Acquire(ctx)
		if err != nil {
			t.Error(err)
		}
		next <- h
	}()
	must(t, h.Err())
	must(t, h.Release(ctx))
	h2 := <-next
	if h2.Token() <= h.Token() {
		t.Errorf("tokens %d and then %d", h.Token(), h2.Token())
	}
	if h.Context().Err() == nil || h.Err() == nil {
		t.Error("the context of a hold that is over goes on")
	}
	// A repeated release hits nobody else.
	wantErr(t, "Release", h.Release(ctx), proxy.ErrLockLost)
	want[bool](t, "Locked")(l.Locked(ctx))(true)
	must(t, l.Release(ctx))
	wantErr(t, "Release", l.Release(ctx), proxy.ErrNotHeld)
	info, err = l.Holder(ctx)
	if info != nil || err != nil {
		t.Errorf("holder %+v, %v", info, err)
	}
}

func TestLockLost(t *testing.T) {
	ctx := context.Background()
	addr, key := serve(t)
	m, other := connect(t, addr, key), connect(t, addr, key)
	l, err := proxy.OpenLock(ctx, m, "l")
	must(t, err)
	h, err := l.Acquire(ctx)
	must(t, err)
	theirs, err := proxy.OpenLock(ctx, other, "l")
	must(t, err)
	must(t, theirs.ReleaseToken(ctx, h.Token()))
	<-h.Context().Done()
	wantErr(t, "the hold", h.Err(), proxy.ErrLockLost)
	wantErr(t, "the context's cause", context.Cause(h.Context()), proxy.ErrLockLost)

	h, err = l.Acquire(ctx)
	must(t, err)
	must(t, m.Close())
	<-h.Context().Done()
	wantErr(t, "the hold of a closed Manager", h.Err(), proxy.ErrLockLost)
	// Closing has let it go.
	h, err = theirs.TryAcquire(ctx)
	must(t, err)
	must(t, h.Release(ctx))
}

func TestGuard(t *testing.T) {
	ctx, m := manager(t)
	l, err := proxy.NewLock(ctx, m)
	must(t, err)
	d, err := proxy.NewDict[string, int](ctx, m)
	must(t, err)
	h, err := l.Acquire(ctx)
	must(t, err)
	guarded := proxy.WithHold(ctx, h)
	must(t, d.Set(guarded, "a", 1))
	must(t, l.Release(ctx))
	wantErr(t, "Set", d.Set(guarded, "a", 2), proxy.ErrLockLost)
	want[int](t, "Get")(d.Get(guarded, "a"))(1)
}

func TestDeadlock(t *testing.T) {
	ctx, m := manager(t)
	a, err := proxy.NewRLock(ctx, m)
	must(t, err)
	b, err := proxy.NewLock(ctx, m)
	must(t, err)
	one, two := m.NewOwner(), m.NewOwner()
	_, err = a.Acquire(ctx, one)
	must(t, err)
	_, err = b.AcquireOwned(ctx, two)
	must(t, err)
	waits, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() {
		_, err := b.AcquireOwned(waits, one)
		done <- err
	}()
	for {
		info, err := b.Holder(ctx)
		must(t, err)
		if info.Waiting == 1 {
			break
		}
	}
	_, err = a.Acquire(ctx, two)
	wantErr(t, "the wait that closes the cycle", err, proxy.ErrDeadlock)
	cancel()
	wantErr(t, "the other wait", <-done, context.Canceled)
}

func TestRLock(t *testing.T) {
	ctx, m := manager(t)
	l, err := proxy.NewRLock(ctx, m)
	must(t, err)
	me, you := m.NewOwner(), m.NewOwner()
	h1, err := l.Acquire(ctx, me)
	must(t, err)
	h2, err := l.Acquire(ctx, me)
	must(t, err)
	_, err = l.TryAcquire(ctx, you)
	wantErr(t, "TryAcquire", err, proxy.ErrTimeout)
	wantErr(t, "Release", l.Release(ctx, you), proxy.ErrNotHeld)
	must(t, h1.Release(ctx))
	want[bool](t, "Locked")(l.Locked(ctx))(true)
	if h2.Err() != nil {
		t.Error("the second hold ended with the first")
	}
	must(t, h2.Release(ctx))
	h, err := l.AcquireTimeout(ctx, you, time.Second)
	must(t, err)
	info, err := l.Holder(ctx)
	must(t, err)
	if info.Owner != you.ID() || !info.Owned {
		t.Errorf("holder %+v", info)
	}
	must(t, h.Release(ctx))
}

func TestSemaphore(t *testing.T) {
	ctx, m := manager(t)
	s, err := proxy.NewSemaphore(ctx, m, 2)
	must(t, err)
	p, err := s.Acquire(ctx)
	must(t, err)
	_, err = s.AcquireTimeout(ctx, time.Second)
	must(t, err)
	_, err = s.TryAcquire(ctx)
	wantErr(t, "TryAcquire", err, proxy.ErrTimeout)
	want[int](t, "GetValue")(s.GetValue(ctx))(0)
	want[bool](t, "Locked")(s.Locked(ctx))(true)
	want[int](t, "Waiting")(s.Waiting(ctx))(0)
	holders, err := s.Holders(ctx, 0)
	must(t, err)
	if len(holders) != 2 || holders[0].Token != p.Token() {
		t.Errorf("holders %+v", holders)
	}
	must(t, p.Release(ctx))
	wantErr(t, "Release", p.Release(ctx), proxy.ErrLockLost)
	must(t, s.ReleaseN(ctx, 2))
	want[int](t, "GetValue")(s.GetValue(ctx))(3)
	b, err := proxy.NewBoundedSemaphore(ctx, m, 1)
	must(t, err)
	wantErr(t, "Release", b.Release(ctx), proxy.ErrValue)
}

func TestEvent(t *testing.T) {
	ctx, m := manager(t)
	e, err := proxy.NewEvent(ctx, m)
	must(t, err)
	want[bool](t, "WaitTimeout")(e.WaitTimeout(ctx, time.Millisecond))(false)
	short, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	wantErr(t, "Wait", e.Wait(short), context.DeadlineExceeded)
	done := make(chan error, 1)
	go func() { done <- e.Wait(ctx) }()
	must(t, e.Set(ctx))
	must(t, <-done)
	want[bool](t, "IsSet")(e.IsSet(ctx))(true)
	must(t, e.Clear(ctx))
	want[bool](t, "IsSet")(e.IsSet(ctx))(false)
}

func TestBarrier(t *testing.T) {
	ctx, m := manager(t)
	b, err := proxy.NewBarrier(ctx, m, 3, 0)
	must(t, err)
	var wg sync.WaitGroup
	var mu sync.Mutex
	sum := 0
	for range 3 {
		wg.Go(func() {
			n, err := b.Wait(ctx)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			sum += n
			mu.Unlock()
		})
	}
	wg.Wait()
	if sum != 0+1+2 {
		t.Errorf("numbers add up to %d", sum)
	}
	_, err = b.WaitTimeout(ctx, time.Millisecond)
	wantErr(t, "WaitTimeout", err, proxy.ErrBrokenBarrier)
	want[bool](t, "Broken")(b.Broken(ctx))(true)
	_, err = b.Wait(ctx)
	wantErr(t, "Wait", err, proxy.ErrBrokenBarrier)
	must(t, b.Reset(ctx))
	want[int](t, "Parties")(b.Parties(ctx))(3)
	want[int](t, "NWaiting")(b.NWaiting(ctx))(0)
	must(t, b.Abort(ctx))
	short, err := proxy.NewBarrier(ctx, m, 2, 10*time.Millisecond)
	must(t, err)
	_, err = short.Wait(ctx)
	wantErr(t, "Wait", err, proxy.ErrBrokenBarrier)
}

// A hold that is not the condition's: the wait fails, and the hold stays.
func TestConditionWithAnothersHold(t *testing.T) {
	ctx, m := manager(t)
	k, err := proxy.NewCondition(ctx, m, nil)
	must(t, err)
	l, err := proxy.NewLock(ctx, m)
	must(t, err)
	h, err := l.Acquire(ctx)
	must(t, err)
	wantErr(t, "Wait", k.Wait(ctx, h), proxy.ErrNotHeld)
	must(t, h.Err())
	wantErr(t, "Wait", k.Wait(ctx, nil), proxy.ErrNotHeld)
	wantErr(t, "Notify", k.Notify(ctx, nil, 1), proxy.ErrNotHeld)
	wantErr(t, "NotifyAll", k.NotifyAll(ctx, nil), proxy.ErrNotHeld)
	must(t, h.Release(ctx))
}

func TestCondition(t *testing.T) {
	ctx, m := manager(t)
	over, err := proxy.NewLock(ctx, m)
	must(t, err)
	overR, err := proxy.NewRLock(ctx, m)
	must(t, err)
	for name, lock := range map[string]proxy.Proxy{"its own": nil, "a Lock": over, "an RLock": overR} {
		t.Run(name, func(t *testing.T) {
			made, err := proxy.NewCondition(ctx, m, lock)
			must(t, err)
			// Another proxy knows nothing of the lock.
			k, err := proxy.Attach[proxy.Condition](ctx, m, made.Token())
			must(t, err)
			d, err := proxy.NewDict[string, bool](ctx, m)
			must(t, err)
			waiter, notifier := m.NewOwner(), m.NewOwner()
			h, err := k.Acquire(ctx, waiter)
			must(t, err)
			first := h.Token()
			done := make(chan error, 1)
			go func() {
				h, err := k.Acquire(ctx, notifier) // once the other one waits
				if err != nil {
					done <- err
					return
				}
				done <- errors.Join(d.Set(ctx, "ready", true), k.NotifyAll(ctx, h), h.Release(ctx))
			}()
			must(t, k.WaitFor(ctx, h, func(ctx context.Context) (bool, error) { return d.GetDefault(ctx, "ready", false) }))
			must(t, <-done)
			if h.Token() <= first || h.Err() != nil {
				t.Errorf("after the wait: token %d, was %d; %v", h.Token(), first, h.Err())
			}
			want[bool](t, "WaitTimeout")(k.WaitTimeout(ctx, h, time.Millisecond))(false)
			must(t, k.Notify(ctx, h, 1))
			want[bool](t, "Locked")(k.Locked(ctx))(true)
			must(t, h.Release(ctx))
			want[bool](t, "Locked")(k.Locked(ctx))(false)

			_, err = k.Acquire(ctx, waiter)
			must(t, err)
			must(t, k.Release(ctx, waiter))
			wantErr(t, "Release", k.Release(ctx, waiter), proxy.ErrNotHeld)
			h, err = k.TryAcquire(ctx, waiter)
			must(t, err)
			short, cancel := context.WithTimeout(ctx, 5*time.Millisecond)
			defer cancel()
			err = k.Wait(short, h)
			wantErr(t, "Wait", err, context.DeadlineExceeded)
			wantHalfWay(t, err, "the wait was cancelled; its lock is not held")
			want[bool](t, "Locked")(k.Locked(ctx))(false)
			wantErr(t, "the hold of a cancelled wait", h.Err(), proxy.ErrLockLost)
		})
	}
}

// A Hold's context says how the hold ended, whenever it is asked for.
func TestHoldContext(t *testing.T) {
	ctx, m := manager(t)
	l, err := proxy.NewLock(ctx, m)
	must(t, err)
	for _, early := range []bool{true, false} {
		h, err := l.Acquire(ctx)
		must(t, err)
		if early && h.Context().Err() != nil {
			t.Error("the context ended before the hold")
		}
		must(t, l.ReleaseToken(ctx, h.Token()))
		wantErr(t, "Release", h.Release(ctx), proxy.ErrLockLost)
		wantErr(t, "Err", h.Err(), proxy.ErrLockLost)
		<-h.Context().Done()
		wantErr(t, "cause of the context", context.Cause(h.Context()), proxy.ErrLockLost)
	}
}
