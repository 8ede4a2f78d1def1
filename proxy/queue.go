package proxy

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/syncmanager/syncmanager/internal/client"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// Queue is a proxy of a shared queue: what was put first is got first. All
// methods are safe for concurrent use, and callers that wait are served in the
// order in which they came.
//
// An item is in one place at any time. One whose receiver dies before its
// program has it returns to the queue, to its old place. Get gives the item to
// the program for good; a program that must not lose it while it works on it uses
// Receive, which gives it under a lease.
type Queue[T any] struct{ tasks[T, queueKind] }

// JoinableQueue is a proxy of a JoinableQueue. It is a Queue under the name that
// Python's multiprocessing has for it.
type JoinableQueue[T any] struct{ tasks[T, joinableQueueKind] }

// LifoQueue is a proxy of a queue in which what was put last is got first.
type LifoQueue[T any] struct{ tasks[T, lifoQueueKind] }

// NewQueue makes a queue without a name. It takes maxsize items, or any
// number if maxsize is 0.
func NewQueue[T any](ctx context.Context, m *Manager, maxsize int) (*Queue[T], error) {
	return create[Queue[T]](ctx, m, maxsize)
}

// OpenQueue opens the queue of that name, and makes one of that maxsize if
// there is none.
func OpenQueue[T any](ctx context.Context, m *Manager, name string, maxsize int) (*Queue[T], error) {
	return open[Queue[T]](ctx, m, name, maxsize)
}

// NewJoinableQueue is NewQueue for a JoinableQueue.
func NewJoinableQueue[T any](ctx context.Context, m *Manager, maxsize int) (*JoinableQueue[T], error) {
	return create[JoinableQueue[T]](ctx, m, maxsize)
}

// OpenJoinableQueue is OpenQueue for a JoinableQueue.
func OpenJoinableQueue[T any](ctx context.Context, m *Manager, name string, maxsize int) (*JoinableQueue[T], error) {
	return open[JoinableQueue[T]](ctx, m, name, maxsize)
}

// NewLifoQueue is NewQueue for a LifoQueue.
func NewLifoQueue[T any](ctx context.Context, m *Manager, maxsize int) (*LifoQueue[T], error) {
	return create[LifoQueue[T]](ctx, m, maxsize)
}

// OpenLifoQueue is OpenQueue for a LifoQueue.
func OpenLifoQueue[T any](ctx context.Context, m *Manager, name string, maxsize int) (*LifoQueue[T], error) {
	return open[LifoQueue[T]](ctx, m, name, maxsize)
}

// tasks is what Queue, JoinableQueue and LifoQueue have in common, and
// PriorityQueue but for putting.
type tasks[T any, K kind] struct{ leases[T, K] }

func (q *tasks[T, K]) put(ctx context.Context, item T, w wait) error {
	c := q.begin(ctx, &queuePut, 1)
	w.apply(c)
	client.Arg(c, item)
	return client.Exec(ctx, c)
}

// Put adds the item, after it has waited for room as long as it takes or until
// the context ends. ErrShutDown once the queue is shut down.
func (q *tasks[T, K]) Put(ctx context.Context, item T) error { return q.put(ctx, item, forever) }

// PutDelayed is Put of an item that nobody gets before the delay has passed. It
// takes room from now on.
func (q *tasks[T, K]) PutDelayed(ctx context.Context, item T, delay time.Duration) error {
	c := q.begin(ctx, &queuePut, 2)
	client.Arg(c, item)
	client.Arg(c, delay.Seconds())
	return client.Exec(ctx, c)
}

// PutTimeout is Put that waits for room that long at most, and returns ErrFull
// then.
func (q *tasks[T, K]) PutTimeout(ctx context.Context, item T, d time.Duration) error {
	return q.put(ctx, item, within(d))
}

// TryPut is Put that does not wait: ErrFull if there is no room.
func (q *tasks[T, K]) TryPut(ctx context.Context, item T) error { return q.put(ctx, item, noWait) }

// PutMany adds the items in their order: at once if there is room for all of
// them, or else one by one as room comes. When it fails half-way, the error says
// how many were put.
func (q *tasks[T, K]) PutMany(ctx context.Context, items ...T) error {
	c := q.begin(ctx, &queuePutMany, 1)
	argSlice(c, items)
	return client.Exec(ctx, c)
}

// PutManyTimeout is PutMany that waits for room that long at most, and returns
// ErrFull then. With 0 all items are put, or none.
func (q *tasks[T, K]) PutManyTimeout(ctx context.Context, d time.Duration, items ...T) error {
	c := q.begin(ctx, &queuePutMany, 1)
	c.Timeout(d)
	argSlice(c, items)
	return client.Exec(ctx, c)
}

func (o object) get(ctx context.Context, m *client.Method, w wait) *client.Call {
	c := o.begin(ctx, m, 0)
	w.apply(c)
	return c
}

// Get removes the next item and returns it, after it has waited for one as long
// as it takes or until the context ends. ErrShutDown once the queue is shut down
// and empty.
//
// An item that does not fit into T is an error that matches ErrType, and goes
// back to the queue.
func (q *tasks[T, K]) Get(ctx context.Context) (T, error) {
	return client.Invoke[T](ctx, q.get(ctx, &queueGet, forever))
}

// GetTimeout is Get that waits that long at most, and returns ErrEmpty then.
func (q *tasks[T, K]) GetTimeout(ctx context.Context, d time.Duration) (T, error) {
	return client.Invoke[T](ctx, q.get(ctx, &queueGet, within(d)))
}

// TryGet is Get that does not wait: ErrEmpty if there is no item.
func (q *tasks[T, K]) TryGet(ctx context.Context) (T, error) {
	return client.Invoke[T](ctx, q.get(ctx, &queueGet, noWait))
}

// GetMany waits for an item as Get does, and returns up to n of those that are
// there then: one at least.
func (q *tasks[T, K]) GetMany(ctx context.Context, n int) ([]T, error) {
	return call1[[]T](ctx, q.object, &queueGetMany, n)
}

// GetManyTimeout is GetMany that waits that long at most, and returns ErrEmpty
// then.
func (q *tasks[T, K]) GetManyTimeout(ctx context.Context, n int, d time.Duration) ([]T, error) {
	c := q.begin(ctx, &queueGetMany, 1)
	c.Timeout(d)
	client.Arg(c, n)
	return client.Invoke[[]T](ctx, c)
}

// All gets item after item, as Get does, until the queue is shut down and empty
// or the context ends. The function says, after the loop, how it ended; it is
// nil when the queue was shut down.
func (q *tasks[T, K]) All(ctx context.Context) (iter.Seq[T], func() error) {
	var err error
	return func(yield func(T) bool) {
		for {
			var item T
			if item, err = q.Get(ctx); err != nil {
				if errors.Is(err, wire.ErrShutDown) {
					err = nil
				}
				return
			}
			if !yield(item) {
				return
			}
		}
	}, func() error { return err }
}

// Peek returns the item that the next Get would return, and leaves it. ErrEmpty
// if there is none.
func (q *tasks[T, K]) Peek(ctx context.Context) (T, error) {
	return call0[T](ctx, q.object, &queuePeek)
}

// QSize returns the number of items.
func (q *tasks[T, K]) QSize(ctx context.Context) (int, error) {
	return call0[int](ctx, q.object, &queueQsize)
}

// Empty reports whether there is no item. Somebody may put one at any time.
func (q *tasks[T, K]) Empty(ctx context.Context) (bool, error) {
	return call0[bool](ctx, q.object, &queueEmpty)
}

// Full reports whether there is no room. Somebody may get an item at any time.
func (q *tasks[T, K]) Full(ctx context.Context) (bool, error) {
	return call0[bool](ctx, q.object, &queueFull)
}

// MaxSize returns how many items the queue takes, 0 for any number.
func (q *tasks[T, K]) MaxSize(ctx context.Context) (int, error) {
	return call0[int](ctx, q.object, &queueMaxsize)
}

// TaskDone says that the work on one item that was got is done. It is for those
// who wait in Join, and no matter which item it is. ErrValue if it is called more
// often than items were put; those that are leased are done by Delivery.Ack.
func (q *tasks[T, K]) TaskDone(ctx context.Context) error {
	return exec0(ctx, q.object, &queueTaskDone)
}

// Unfinished returns how many items were put for which TaskDone was not called.
func (q *tasks[T, K]) Unfinished(ctx context.Context) (int, error) {
	return call0[int](ctx, q.object, &queueUnfinished)
}

// Join waits until TaskDone was called for every item that was put.
func (q *tasks[T, K]) Join(ctx context.Context) error { return exec0(ctx, q.object, &queueJoin) }

// JoinTimeout is Join that waits that long at most, and returns ErrTimeout then.
func (q *tasks[T, K]) JoinTimeout(ctx context.Context, d time.Duration) error {
	return client.Exec(ctx, q.get(ctx, &queueJoin, within(d)))
}

// Shutdown ends the queue: Put fails with ErrShutDown from now on, and Get does
// once nothing is waiting, delayed or leased. With immediate all of that is
// dropped, whoever holds a lease hears that it is lost, and Get fails at once.
func (q *tasks[T, K]) Shutdown(ctx context.Context, immediate bool) error {
	return exec1(ctx, q.object, &queueShutdown, immediate)
}

// Purge drops the items that wait or are delayed, counts them as done, and
// returns how many they were.
func (q *tasks[T, K]) Purge(ctx context.Context) (int, error) {
	return call0[int](ctx, q.object, &queuePurge)
}

// Copy returns the items in the order in which Get would return them, and leaves
// them.
func (q *tasks[T, K]) Copy(ctx context.Context) ([]T, error) { return ValueOf[[]T](ctx, q) }
