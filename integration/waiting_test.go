package integration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/syncmanager/syncmanager/proxy"
)

// short is a time that a call waits in vain.
const short = 10 * time.Millisecond

// taskQueue is what all queues but SimpleQueue have.
type taskQueue interface {
	proxy.Proxy
	Get(context.Context) (int, error)
	TryGet(context.Context) (int, error)
	GetTimeout(context.Context, time.Duration) (int, error)
	GetMany(context.Context, int) ([]int, error)
	GetManyTimeout(context.Context, int, time.Duration) ([]int, error)
	PutMany(context.Context, ...int) error
	PutManyTimeout(context.Context, time.Duration, ...int) error
	leasing[int]
	ReceiveTimeout(context.Context, time.Duration) (*proxy.Delivery[int], error)
	Peek(context.Context) (int, error)
	QSize(context.Context) (int, error)
	Empty(context.Context) (bool, error)
	Full(context.Context) (bool, error)
	MaxSize(context.Context) (int, error)
	TaskDone(context.Context) error
	Unfinished(context.Context) (int, error)
	Join(context.Context) error
	JoinTimeout(context.Context, time.Duration) error
	Shutdown(context.Context, bool) error
	Purge(context.Context) (int, error)
	Copy(context.Context) ([]int, error)
}

// puts are a queue's ways to put, which differ for a PriorityQueue.
type puts struct {
	put        func(context.Context, int) error
	tryPut     func(context.Context, int) error
	putTimeout func(context.Context, int, time.Duration) error
}

func queueMethods(e *env) {
	q := must1[*proxy.Queue[int]](e)(proxy.NewQueue[int](e.ctx, e.m, 3))
	anyQueue(e, q, puts{q.Put, q.TryPut, q.PutTimeout}, []int{1, 2, 3})
}

func joinableQueueMethods(e *env) {
	q := must1[*proxy.JoinableQueue[int]](e)(proxy.NewJoinableQueue[int](e.ctx, e.m, 3))
	anyQueue(e, q, puts{q.Put, q.TryPut, q.PutTimeout}, []int{1, 2, 3})
}

func lifoQueueMethods(e *env) {
	q := must1[*proxy.LifoQueue[int]](e)(proxy.NewLifoQueue[int](e.ctx, e.m, 3))
	anyQueue(e, q, puts{q.Put, q.TryPut, q.PutTimeout}, []int{3, 2, 1})
}

// anyQueue puts 1, 2, 3 into a queue of three places, which gives them back in
// that order.
func anyQueue(e *env, q taskQueue, p puts, order []int) {
	ctx := e.ctx
	eq(e, "maxsize", 3)(q.MaxSize(ctx))
	eq(e, "empty", true)(q.Empty(ctx))
	is(e, "get without waiting", errOf(q.TryGet(ctx)), proxy.ErrEmpty)
	is(e, "get with a timeout", errOf(q.GetTimeout(ctx, short)), proxy.ErrEmpty)
	is(e, "get_many with a timeout", errOf(q.GetManyTimeout(ctx, 2, short)), proxy.ErrEmpty)
	is(e, "receive with a timeout", errOf(q.ReceiveTimeout(ctx, short)), proxy.ErrEmpty)
	is(e, "peek", errOf(q.Peek(ctx)), proxy.ErrEmpty)
	e.must(p.put(ctx, 1))
	e.must(p.tryPut(ctx, 2))
	e.must(p.putTimeout(ctx, 3, short))
	eq(e, "full", true)(q.Full(ctx))
	is(e, "put without waiting", p.tryPut(ctx, 4), proxy.ErrFull)
	is(e, "put with a timeout", p.putTimeout(ctx, 4, short), proxy.ErrFull)
	is(e, "put_many with a timeout", q.PutManyTimeout(ctx, short, 4, 5), proxy.ErrFull)
	eq(e, "qsize", 3)(q.QSize(ctx))
	eq(e, "peek", order[0])(q.Peek(ctx))
	eq(e, "copy", order)(q.Copy(ctx))
	eq(e, "unfinished", 3)(q.Unfinished(ctx))
	is(e, "join with a timeout", q.JoinTimeout(ctx, short), proxy.ErrTimeout)
	eq(e, "get", order[0])(q.Get(ctx))
	eq(e, "get_many", order[1:])(q.GetMany(ctx, 5))

	joined := later(func() error { return q.Join(ctx) })
	e.parked(1)
	for range 3 {
		e.must(q.TaskDone(ctx))
	}
	e.must(soon(e, "join returns", joined))
	is(e, "task_done too often", q.TaskDone(ctx), proxy.ErrValue)

	// A get that waits is served by a put, of another client as well.
	got := make(chan int, 1)
	served := later(func() error { v, err := q.Get(ctx); got <- v; return err })
	e.parked(1)
	e.must(p.put(ctx, 5))
	e.must(soon(e, "a get is served", served))
	if v := <-got; v != 5 {
		e.Errorf("a get that waited got %d, want 5", v)
	}
	// A put that waits gets its place.
	e.must(q.PutMany(ctx, 1, 2, 3))
	put := later(func() error { return p.put(ctx, 4) })
	e.parked(1)
	must1[int](e)(q.Get(ctx))
	e.must(soon(e, "a put is served", put))
	eq(e, "purge", 3)(q.Purge(ctx))
	eq(e, "qsize after purge", 0)(q.QSize(ctx))

	// One that is cancelled leaves, and takes nothing with it.
	cancelled, cancel := context.WithCancel(ctx)
	left := later(func() error { return errOf(q.Get(cancelled)) })
	e.parked(1)
	cancel()
	is(e, "a get that is cancelled", soon(e, "it leaves", left), context.Canceled)
	e.parked(0)
	late, cancel := context.WithTimeout(ctx, short)
	defer cancel()
	is(e, "a get whose deadline passes", errOf(q.Get(late)), context.DeadlineExceeded)
	e.must(p.put(ctx, 6))
	eq(e, "the item after it", 6)(q.TryGet(ctx))

	// A receipt that is refused puts the item back to its place.
	e.must(q.PutMany(ctx, 1, 2, 3))
	d := must1[*proxy.Delivery[int]](e)(q.Receive(ctx))
	if d.Value != order[0] || d.Attempt != 1 {
		e.Errorf("received %v, attempt %v", d.Value, d.Attempt)
	}
	e.must(d.Nack(ctx, proxy.NackOptions{}))
	e.until("the item is back", func() bool { n, err := q.QSize(ctx); return err == nil && n == 3 })
	d = must1[*proxy.Delivery[int]](e)(q.ReceiveTimeout(ctx, 0))
	if d.Value != order[0] || d.Attempt != 2 {
		e.Errorf("received again %v, attempt %v", d.Value, d.Attempt)
	}
	e.must(d.Ack(ctx))
	eq(e, "qsize after the receipt", 2)(q.QSize(ctx))

	must1[int](e)(q.Purge(ctx))
	leaseMethods(e, q, func() error { return p.put(ctx, 8) })
	e.must(q.PutMany(ctx, 1, 2, 3))
	e.must(must1[*proxy.Delivery[int]](e)(q.ReceiveTimeout(ctx, 0)).Take(ctx))

	// After shutdown, what is there can still be got.
	e.must(q.Shutdown(ctx, false))
	is(e, "put after shutdown", p.put(ctx, 1), proxy.ErrShutDown)
	eq(e, "get_many after shutdown", order[1:])(q.GetMany(ctx, 2))
	is(e, "get after the last", errOf(q.Get(ctx)), proxy.ErrShutDown)
}

// queueShutdown ends a queue under those who wait.
func queueShutdown(e *env) {
	ctx := e.ctx
	q := must1[*proxy.Queue[int]](e)(proxy.NewQueue[int](ctx, e.m, 1))
	getting := later(func() error { return errOf(q.Get(ctx)) })
	e.parked(1)
	e.must(q.Shutdown(ctx, false))
	is(e, "a get that waits", soon(e, "it ends", getting), proxy.ErrShutDown)

	q = must1[*proxy.Queue[int]](e)(proxy.NewQueue[int](ctx, e.m, 1))
	e.must(q.Put(ctx, 1))
	putting := later(func() error { return q.Put(ctx, 2) })
	joining := later(func() error { return q.Join(ctx) })
	e.parked(2)
	e.must(q.Shutdown(ctx, true))
	is(e, "a put that waits", soon(e, "it ends", putting), proxy.ErrShutDown)
	e.must(soon(e, "join ends", joining))
	is(e, "get after shutdown at once", errOf(q.Get(ctx)), proxy.ErrShutDown)
	n := 0
	all, end := q.All(ctx)
	for range all {
		n++
	}
	if err := end(); n != 0 || err != nil {
		e.Errorf("a loop over a queue that was shut down: %d items, %v", n, err)
	}
}

// queuePython calls the methods that Python programs have and Go's proxies put
// in other words.
func queuePython(e *env) {
	ctx := e.ctx
	for _, typeid := range []string{"Queue", "JoinableQueue", "LifoQueue", "PriorityQueue", "SimpleQueue"} {
		q := must1[*proxy.Ref](e)(e.m.Create(ctx, typeid))
		e.must(errOf(proxy.Call[any](ctx, q, "put_nowait", 1)))
		e.must(errOf(proxy.CallTimeout[any](ctx, q, 0, "put", 2)))
		must1[int](e)(proxy.Call[int](ctx, q, "get_nowait"))
		must1[int](e)(proxy.Call[int](ctx, q, "get"))
		is(e, typeid+".get_nowait", errOf(proxy.Call[int](ctx, q, "get_nowait")), proxy.ErrEmpty)
		eq(e, typeid+".empty", true)(proxy.Call[bool](ctx, q, "empty"))
		eq(e, typeid+".qsize", 0)(proxy.Call[int](ctx, q, "qsize"))
	}
}

func priorityQueueMethods(e *env) {
	ctx := e.ctx
	q := must1[*proxy.PriorityQueue[int, int]](e)(proxy.NewPriorityQueue[int, int](ctx, e.m, 3))
	anyQueue(e, q, puts{q.PutItem,
		func(ctx context.Context, v int) error { return q.TryPut(ctx, v, v) },
		func(ctx context.Context, v int, d time.Duration) error { return q.PutTimeout(ctx, v, v, d) },
	}, []int{1, 2, 3})

	p := must1[*proxy.PriorityQueue[any, string]](e)(proxy.NewPriorityQueue[any, string](ctx, e.m, 0))
	e.must(p.Put(ctx, 2, "two"))
	e.must(p.Put(ctx, 1, "one"))
	e.must(p.Put(ctx, 2.0, "two, later"))
	e.must(p.Put(ctx, 0.5, "half"))
	is(e, "a priority that cannot be compared", p.Put(ctx, "x", "never"), proxy.ErrType)
	eq(e, "get_priority", proxy.Prioritized[any, string]{Priority: 0.5, Value: "half"})(p.GetPriority(ctx))
	eq(e, "get_priority with a timeout", proxy.Prioritized[any, string]{Priority: int64(1), Value: "one"})(p.GetPriorityTimeout(ctx, 0))
	eq(e, "the rest", []string{"two", "two, later"})(p.GetMany(ctx, 9))
	is(e, "get_priority of an empty queue", errOf(p.GetPriorityTimeout(ctx, short)), proxy.ErrEmpty)
}

func simpleQueueMethods(e *env) {
	ctx := e.ctx
	q := must1[*proxy.SimpleQueue[string]](e)(proxy.NewSimpleQueue[string](ctx, e.m))
	eq(e, "empty", true)(q.Empty(ctx))
	is(e, "get without waiting", errOf(q.TryGet(ctx)), proxy.ErrEmpty)
	is(e, "get with a timeout", errOf(q.GetTimeout(ctx, short)), proxy.ErrEmpty)
	got := make(chan string, 1)
	served := later(func() error { v, err := q.Get(ctx); got <- v; return err })
	e.parked(1)
	e.must(q.Put(ctx, "a"))
	e.must(soon(e, "a get is served", served))
	if v := <-got; v != "a" {
		e.Errorf("a get that waited got %q", v)
	}
	e.must(q.Put(ctx, "b"))
	eq(e, "qsize", 1)(q.QSize(ctx))
	d := must1[*proxy.Delivery[string]](e)(q.Receive(ctx))
	e.must(d.Ack(ctx))
	if d.Value != "b" {
		e.Errorf("received %q", d.Value)
	}
	leaseMethods(e, q, func() error { return q.Put(ctx, "c") })
}

func lockMethods(e *env) {
	ctx := e.ctx
	l := must1[*proxy.Lock](e)(proxy.NewLock(ctx, e.m))
	other := must1[*proxy.Lock](e)(proxy.Attach[proxy.Lock](ctx, e.m2, l.Token()))
	h := must1[*proxy.Hold](e)(l.Acquire(ctx))
	eq(e, "locked", true)(other.Locked(ctx))
	is(e, "acquire without waiting", errOf(other.TryAcquire(ctx)), proxy.ErrTimeout)
	is(e, "acquire with a timeout", errOf(other.AcquireTimeout(ctx, short)), proxy.ErrTimeout)
	waiting := make(chan *proxy.Hold, 1)
	acquired := later(func() error { h, err := other.Acquire(ctx); waiting <- h; return err })
	e.parked(1)
	info := must1[*proxy.LockInfo](e)(other.Holder(ctx))
	if info == nil || info.Session != e.m.SessionID() || info.Token != h.Token() || info.Waiting != 1 || info.PID == 0 || info.Since == 0 {
		e.Errorf("holder: %+v", info)
	}
	e.must(h.Release(ctx))
	e.must(soon(e, "the lock goes to who waits", acquired))
	h2 := <-waiting
	if h2.Token() <= h.Token() {
		e.Errorf("fencing token %d after %d", h2.Token(), h.Token())
	}
	is(e, "release of a hold that is over", h.Release(ctx), proxy.ErrLockLost)
	if h.Err() == nil || h2.Err() != nil {
		e.Errorf("the holds say %v and %v", h.Err(), h2.Err())
	}
	e.must(l.Release(ctx)) // as Python: whoever has it
	select {
	case <-h2.Context().Done():
		is(e, "why the hold ended", h2.Err(), proxy.ErrLockLost)
	case <-time.After(limit):
		e.Error("a hold that somebody else released does not end")
	}
	is(e, "release of a free lock", l.Release(ctx), proxy.ErrNotHeld)
	holder := must1[*proxy.LockInfo](e)(l.Holder(ctx))
	if holder != nil {
		e.Errorf("a free lock has the holder %+v", holder)
	}
	h = must1[*proxy.Hold](e)(l.TryAcquire(ctx))
	cancelled, cancel := context.WithCancel(ctx)
	left := later(func() error { return errOf(other.Acquire(cancelled)) })
	e.parked(1)
	cancel()
	is(e, "an acquire that is cancelled", soon(e, "it leaves", left), context.Canceled)
	e.must(other.ReleaseToken(ctx, h.Token()))
	is(e, "release by a token that is over", other.ReleaseToken(ctx, h.Token()), proxy.ErrLockLost)

	// A guarded call is refused once the hold is over.
	d := must1[*proxy.Dict[string, int]](e)(proxy.NewDict[string, int](ctx, e.m))
	h = must1[*proxy.Hold](e)(l.Acquire(ctx))
	guarded := proxy.WithHold(ctx, h)
	e.must(d.Set(guarded, "a", 1))
	e.must(l.Release(ctx))
	is(e, "a call under a hold that is over", d.Set(guarded, "a", 2), proxy.ErrLockLost)
	eq(e, "what it would have changed", 1)(d.Get(ctx, "a"))

	// Two owners that wait for each other are found out.
	k := must1[*proxy.Lock](e)(proxy.NewLock(ctx, e.m))
	a, b := e.m.NewOwner(), e.m.NewOwner()
	ha := must1[*proxy.Hold](e)(l.AcquireOwned(ctx, a))
	hb := must1[*proxy.Hold](e)(k.AcquireOwned(ctx, b))
	first := later(func() error {
		h, err := k.AcquireOwned(ctx, a)
		if err == nil {
			err = h.Release(ctx)
		}
		return err
	})
	e.parked(1)
	is(e, "a wait that closes a cycle", errOf(l.AcquireOwned(ctx, b)), proxy.ErrDeadlock)
	e.must(hb.Release(ctx))
	e.must(soon(e, "the other wait", first))
	e.must(ha.Release(ctx))
}

func rlockMethods(e *env) {
	ctx := e.ctx
	l := must1[*proxy.RLock](e)(proxy.NewRLock(ctx, e.m))
	mine, other := e.m.NewOwner(), e.m.NewOwner()
	h1 := must1[*proxy.Hold](e)(l.Acquire(ctx, mine))
	h2 := must1[*proxy.Hold](e)(l.Acquire(ctx, mine))
	is(e, "acquire by another owner", errOf(l.TryAcquire(ctx, other)), proxy.ErrTimeout)
	is(e, "acquire by another owner with a timeout", errOf(l.AcquireTimeout(ctx, other, short)), proxy.ErrTimeout)
	is(e, "release by another owner", l.Release(ctx, other), proxy.ErrNotHeld)
	info := must1[*proxy.LockInfo](e)(l.Holder(ctx))
	if info == nil || info.Count != 2 || info.Owner != mine.ID() || !info.Owned {
		e.Errorf("holder: %+v", info)
	}
	e.must(h2.Release(ctx))
	eq(e, "locked after one release", true)(l.Locked(ctx))
	waiting := make(chan *proxy.Hold, 1)
	acquired := later(func() error { h, err := l.Acquire(ctx, other); waiting <- h; return err })
	e.parked(1)
	e.must(h1.Release(ctx))
	e.must(soon(e, "the lock goes to who waits", acquired))
	e.must((<-waiting).Release(ctx))
	eq(e, "locked at the end", false)(l.Locked(ctx))
}

func semaphoreMethods(e *env) {
	ctx := e.ctx
	s := must1[*proxy.Semaphore](e)(proxy.NewSemaphore(ctx, e.m, 2))
	h1 := must1[*proxy.Hold](e)(s.Acquire(ctx))
	h2 := must1[*proxy.Hold](e)(s.TryAcquire(ctx))
	eq(e, "locked", true)(s.Locked(ctx))
	eq(e, "get_value", 0)(s.GetValue(ctx))
	is(e, "acquire without waiting", errOf(s.TryAcquire(ctx)), proxy.ErrTimeout)
	is(e, "acquire with a timeout", errOf(s.AcquireTimeout(ctx, short)), proxy.ErrTimeout)
	holders := must1[[]proxy.LockInfo](e)(s.Holders(ctx, 0))
	if len(holders) != 2 || holders[0].Token != h1.Token() || holders[1].Token != h2.Token() {
		e.Errorf("holders: %+v", holders)
	}
	if after := must1[[]proxy.LockInfo](e)(s.Holders(ctx, h1.Token())); len(after) != 1 {
		e.Errorf("holders after the first: %+v", after)
	}
	acquired := later(func() error { return errOf(s.Acquire(ctx)) })
	e.until("one waits", func() bool { n, err := s.Waiting(ctx); return err == nil && n == 1 })
	e.must(h1.Release(ctx))
	e.must(soon(e, "the permit goes to who waits", acquired))
	is(e, "release of a permit that is over", h1.Release(ctx), proxy.ErrLockLost)
	e.must(s.ReleaseN(ctx, 3))
	eq(e, "get_value after release(3)", 3)(s.GetValue(ctx))
	e.must(s.Release(ctx))
	is(e, "release(0)", s.ReleaseN(ctx, 0), proxy.ErrValue)
	is(e, "fewer than no permits", errOf(proxy.NewSemaphore(ctx, e.m, -1)), proxy.ErrValue)
}

func boundedSemaphoreMethods(e *env) {
	ctx := e.ctx
	s := must1[*proxy.BoundedSemaphore](e)(proxy.NewBoundedSemaphore(ctx, e.m, 1))
	is(e, "release above the bound", s.Release(ctx), proxy.ErrValue)
	h := must1[*proxy.Hold](e)(s.AcquireTimeout(ctx, time.Second))
	eq(e, "locked", true)(s.Locked(ctx))
	eq(e, "waiting", 0)(s.Waiting(ctx))
	if n := len(must1[[]proxy.LockInfo](e)(s.Holders(ctx, 0))); n != 1 {
		e.Errorf("%d holders", n)
	}
	e.must(h.Release(ctx))
	eq(e, "get_value", 1)(s.GetValue(ctx))

	// A client that closes gives its permits back.
	m := e.connect()
	theirs := must1[*proxy.BoundedSemaphore](e)(proxy.Attach[proxy.BoundedSemaphore](ctx, m, s.Token()))
	must1[*proxy.Hold](e)(theirs.Acquire(ctx))
	acquired := later(func() error { return errOf(s.Acquire(ctx)) })
	e.parked(1)
	m.Close()
	e.must(soon(e, "the permit of a client that closed", acquired))
}

func eventMethods(e *env) {
	ctx := e.ctx
	v := must1[*proxy.Event](e)(proxy.NewEvent(ctx, e.m))
	eq(e, "is_set", false)(v.IsSet(ctx))
	eq(e, "wait with a timeout", false)(v.WaitTimeout(ctx, short))
	var waits []<-chan error
	for range 3 {
		waits = append(waits, later(func() error { return v.Wait(ctx) }))
	}
	e.parked(3)
	e.must(v.Set(ctx))
	for _, w := range waits {
		e.must(soon(e, "set wakes all", w))
	}
	eq(e, "wait of what is set", true)(v.WaitTimeout(ctx, 0))
	e.must(v.Clear(ctx))
	eq(e, "is_set after clear", false)(v.IsSet(ctx))
	cancelled, cancel := context.WithCancel(ctx)
	left := later(func() error { return v.Wait(cancelled) })
	e.parked(1)
	cancel()
	is(e, "a wait that is cancelled", soon(e, "it leaves", left), context.Canceled)
	e.parked(0)
}

func conditionMethods(e *env) {
	k := must1[*proxy.Condition](e)(proxy.NewCondition(e.ctx, e.m, nil))
	anyCondition(e, k)
	ctx := e.ctx
	mine := e.m.NewOwner()
	h := must1[*proxy.Hold](e)(k.Acquire(ctx, mine))
	h2 := must1[*proxy.Hold](e)(k.Acquire(ctx, mine)) // an RLock of its own
	e.must(h2.Release(ctx))
	e.must(h.Release(ctx))
}

func conditionOverLock(e *env) {
	lock := must1[*proxy.Lock](e)(proxy.NewLock(e.ctx, e.m))
	k := must1[*proxy.Condition](e)(proxy.NewCondition(e.ctx, e.m, lock))
	anyCondition(e, k)
	h := must1[*proxy.Hold](e)(lock.Acquire(e.ctx))
	eq(e, "locked through its lock", true)(k.Locked(e.ctx))
	e.must(h.Release(e.ctx))
	is(e, "a condition over a dict", errOf(proxy.NewCondition(e.ctx, e.m,
		must1[*proxy.Dict[int, int]](e)(proxy.NewDict[int, int](e.ctx, e.m)))), proxy.ErrType)
}

func anyCondition(e *env, k *proxy.Condition) {
	ctx := e.ctx
	mine, other := e.m.NewOwner(), e.m.NewOwner()
	h := must1[*proxy.Hold](e)(k.Acquire(ctx, mine))
	is(e, "acquire without waiting", errOf(k.TryAcquire(ctx, other)), proxy.ErrTimeout)
	is(e, "acquire with a timeout", errOf(k.AcquireTimeout(ctx, other, short)), proxy.ErrTimeout)
	info := must1[*proxy.LockInfo](e)(k.Holder(ctx))
	if info == nil || info.Token != h.Token() {
		e.Errorf("holder: %+v, want token %d", info, h.Token())
	}
	eq(e, "wait with a timeout", false)(k.WaitTimeout(ctx, h, short))
	if h.Err() != nil {
		e.Errorf("a wait that timed out lost the lock: %v", h.Err())
	}
	e.must(h.Release(ctx))
	eq(e, "locked", false)(k.Locked(ctx))

	// notify(n) and notify_all
	waits := make(chan error, 3)
	for range 3 {
		go func() {
			o := e.m.NewOwner()
			h, err := k.Acquire(ctx, o)
			if err == nil {
				err = errors.Join(k.Wait(ctx, h), h.Release(ctx))
			}
			waits <- err
		}()
	}
	e.parked(3)
	h = must1[*proxy.Hold](e)(k.Acquire(ctx, mine))
	e.must(k.Notify(ctx, h, 1))
	e.must(h.Release(ctx))
	e.must(soon(e, "notify wakes one", waits))
	e.parked(2)
	h = must1[*proxy.Hold](e)(k.Acquire(ctx, mine))
	e.must(k.NotifyAll(ctx, h))
	e.must(h.Release(ctx))
	e.must(soon(e, "notify_all wakes all", waits))
	e.must(soon(e, "notify_all wakes all", waits))

	// wait_for
	var ready bool // guarded by the condition's lock
	waited := later(func() error {
		h, err := k.Acquire(ctx, other)
		if err != nil {
			return err
		}
		return errors.Join(k.WaitFor(ctx, h, func(context.Context) (bool, error) { return ready, nil }), h.Release(ctx))
	})
	e.parked(1)
	h = must1[*proxy.Hold](e)(k.Acquire(ctx, mine))
	ready = true
	e.must(k.NotifyAll(ctx, h))
	eq(e, "wait_for with a timeout", false)(k.WaitForTimeout(ctx, h, short, func(context.Context) (bool, error) { return false, nil }))
	e.must(h.Release(ctx))
	e.must(soon(e, "wait_for", waited))

	// A wait that is cancelled comes back without the lock.
	h = must1[*proxy.Hold](e)(k.Acquire(ctx, mine))
	cancelled, cancel := context.WithCancel(ctx)
	left := later(func() error { return k.Wait(cancelled, h) })
	e.parked(1)
	cancel()
	is(e, "a wait that is cancelled", soon(e, "it leaves", left), context.Canceled)
	is(e, "its hold", h.Err(), proxy.ErrLockLost)
	eq(e, "locked after it", false)(k.Locked(ctx))
	is(e, "notify without the lock", errOf(proxy.Call[any](ctx, k, "notify", 1)), proxy.ErrNotHeld)
	is(e, "wait without the lock", errOf(proxy.Call[any](ctx, k, "wait")), proxy.ErrNotHeld)
	is(e, "release without the lock", k.Release(ctx, mine), proxy.ErrNotHeld)
}

func barrierMethods(e *env) {
	ctx := e.ctx
	b := must1[*proxy.Barrier](e)(proxy.NewBarrier(ctx, e.m, 3, 0))
	eq(e, "parties", 3)(b.Parties(ctx))
	numbers := make(chan int, 3)
	var waits []<-chan error
	for i := range 3 {
		waits = append(waits, later(func() error { n, err := b.Wait(ctx); numbers <- n; return err }))
		if i < 2 {
			e.until("they wait", func() bool { n, err := b.NWaiting(ctx); return err == nil && n == i+1 })
		}
	}
	var got []int
	for _, w := range waits {
		e.must(soon(e, "all come through", w))
		got = append(got, <-numbers)
	}
	if slices.Sort(got); !slices.Equal(got, []int{0, 1, 2}) {
		e.Errorf("numbers %v", got)
	}
	is(e, "wait with a timeout", errOf(b.WaitTimeout(ctx, short)), proxy.ErrBrokenBarrier)
	eq(e, "broken", true)(b.Broken(ctx))
	is(e, "wait at a broken barrier", errOf(b.Wait(ctx)), proxy.ErrBrokenBarrier)
	e.must(b.Reset(ctx))
	eq(e, "broken after reset", false)(b.Broken(ctx))
	waiting := later(func() error { return errOf(b.Wait(ctx)) })
	e.parked(1)
	e.must(b.Abort(ctx))
	is(e, "a wait at abort", soon(e, "it ends", waiting), proxy.ErrBrokenBarrier)
	e.must(b.Reset(ctx))

	// A party that gives up or dies breaks it for all.
	m := e.connect()
	theirs := must1[*proxy.Barrier](e)(proxy.Attach[proxy.Barrier](ctx, m, b.Token()))
	go theirs.Wait(ctx)
	waiting = later(func() error { return errOf(b.Wait(ctx)) })
	e.parked(2)
	m.Close()
	is(e, "a wait when a party is gone", soon(e, "it ends", waiting), proxy.ErrBrokenBarrier)
	is(e, "no parties", errOf(proxy.NewBarrier(ctx, e.m, 0, 0)), proxy.ErrValue)
	timed := must1[*proxy.Barrier](e)(proxy.NewBarrier(ctx, e.m, 2, short))
	is(e, "a wait with the barrier's timeout", errOf(timed.Wait(ctx)), proxy.ErrBrokenBarrier)
}

// TestFirstComeFirstServed lets callers of two clients wait in turn, over each
// transport and for each type that hands something over.
func TestFirstComeFirstServed(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			e := newEnv(t, transport)
			ctx := e.ctx
			q := must1[*proxy.Queue[int]](e)(proxy.NewQueue[int](ctx, e.m, 0))
			q2 := must1[*proxy.Queue[int]](e)(proxy.Attach[proxy.Queue[int]](ctx, e.m2, q.Token()))
			l := must1[*proxy.Lock](e)(proxy.NewLock(ctx, e.m))
			l2 := must1[*proxy.Lock](e)(proxy.Attach[proxy.Lock](ctx, e.m2, l.Token()))
			s := must1[*proxy.Semaphore](e)(proxy.NewSemaphore(ctx, e.m, 1))
			s2 := must1[*proxy.Semaphore](e)(proxy.Attach[proxy.Semaphore](ctx, e.m2, s.Token()))
			const n = 10
			for _, c := range []struct {
				name  string
				take  func() error // what the others wait for
				wait  [2]func() (func() error, error)
				start func() error // serves the first
			}{
				{"get", func() error { return nil }, [2]func() (func() error, error){
					func() (func() error, error) { return func() error { return q.Put(ctx, 0) }, errOf(q.Get(ctx)) },
					func() (func() error, error) { return func() error { return q.Put(ctx, 0) }, errOf(q2.Get(ctx)) },
				}, func() error { return q.Put(ctx, 0) }},
				{"lock", func() error { return errOf(l.Acquire(ctx)) }, [2]func() (func() error, error){
					func() (func() error, error) { h, err := l.Acquire(ctx); return releaser(ctx, h), err },
					func() (func() error, error) { h, err := l2.Acquire(ctx); return releaser(ctx, h), err },
				}, func() error { return l.Release(ctx) }},
				{"semaphore", func() error { return errOf(s.Acquire(ctx)) }, [2]func() (func() error, error){
					func() (func() error, error) { h, err := s.Acquire(ctx); return releaser(ctx, h), err },
					func() (func() error, error) { h, err := s2.Acquire(ctx); return releaser(ctx, h), err },
				}, func() error { return s.Release(ctx) }},
			} {
				t.Run(c.name, func(t *testing.T) {
					e := *e
					e.TB = t
					e.must(c.take())
					served := make(chan int, n)
					errs := make(chan error, n)
					for i := range n {
						go func() {
							next, err := c.wait[i%2]()
							served <- i
							if err == nil {
								err = next()
							}
							errs <- err
						}()
						e.parked(i + 1)
					}
					e.must(c.start())
					var order []int
					for range n {
						order = append(order, soon(t, "the next is served", served))
						e.must(soon(t, "and passes it on", errs))
					}
					if !slices.IsSorted(order) {
						t.Errorf("served in the order %v", order)
					}
				})
			}
		})
	}
}

func releaser(ctx context.Context, h *proxy.Hold) func() error {
	return func() error {
		if h == nil {
			return fmt.Errorf("no hold")
		}
		return h.Release(ctx)
	}
}
