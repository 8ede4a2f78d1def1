package proxy

import (
	"context"
	"time"

	"github.com/syncmanager/syncmanager/internal/client"
)

// PriorityQueue is a proxy of a queue from which the item with the least
// priority is got first, as Python compares priorities; of equal ones, what was
// put first. A priority that cannot be compared with those that are there is
// ErrType, and the item is not put.
type PriorityQueue[P, T any] struct{ tasks[T, priorityQueueKind] }

// Prioritized is an item with its priority.
type Prioritized[P, T any] struct {
	Priority P
	Value    T
}

// NewPriorityQueue makes a queue without a name. It takes maxsize items, or any
// number if maxsize is 0.
func NewPriorityQueue[P, T any](ctx context.Context, m *Manager, maxsize int) (*PriorityQueue[P, T], error) {
	return create[PriorityQueue[P, T]](ctx, m, maxsize)
}

// OpenPriorityQueue opens the queue of that name, and makes one of that maxsize
// if there is none.
func OpenPriorityQueue[P, T any](ctx context.Context, m *Manager, name string, maxsize int) (*PriorityQueue[P, T], error) {
	return open[PriorityQueue[P, T]](ctx, m, name, maxsize)
}

func (q *PriorityQueue[P, T]) putPriority(ctx context.Context, priority P, item T, w wait) error {
	c := q.begin(ctx, &priorityQueuePutPriority, 2)
	w.apply(c)
	client.Arg(c, priority)
	client.Arg(c, item)
	return client.Exec(ctx, c)
}

// Put adds the item, after it has waited for room as long as it takes or until
// the context ends. ErrShutDown once the queue is shut down.
func (q *PriorityQueue[P, T]) Put(ctx context.Context, priority P, item T) error {
	return q.putPriority(ctx, priority, item, forever)
}

// PutTimeout is Put that waits for room that long at most, and returns ErrFull
// then.
func (q *PriorityQueue[P, T]) PutTimeout(ctx context.Context, priority P, item T, d time.Duration) error {
	return q.putPriority(ctx, priority, item, within(d))
}

// TryPut is Put that does not wait: ErrFull if there is no room.
func (q *PriorityQueue[P, T]) TryPut(ctx context.Context, priority P, item T) error {
	return q.putPriority(ctx, priority, item, noWait)
}

// PutItem adds an item that is its own priority, as Python programs do.
func (q *PriorityQueue[P, T]) PutItem(ctx context.Context, item T) error {
	return q.put(ctx, item, forever)
}

// PutMany adds items that are their own priorities, as tasks of other queues.
func (q *PriorityQueue[P, T]) PutMany(ctx context.Context, items ...T) error {
	return q.tasks.PutMany(ctx, items...)
}

// GetPriority is Get that returns the item's priority as well. That of an item
// which was put without one is the item itself.
func (q *PriorityQueue[P, T]) GetPriority(ctx context.Context) (Prioritized[P, T], error) {
	return client.Invoke[Prioritized[P, T]](ctx, q.get(ctx, &priorityQueueGetPriority, forever))
}

// GetPriorityTimeout is GetPriority that waits that long at most, and returns
// ErrEmpty then. With 0 it does not wait.
func (q *PriorityQueue[P, T]) GetPriorityTimeout(ctx context.Context, d time.Duration) (Prioritized[P, T], error) {
	return client.Invoke[Prioritized[P, T]](ctx, q.get(ctx, &priorityQueueGetPriority, within(d)))
}

// SimpleQueue is a proxy of a queue without bound, tasks or end.
type SimpleQueue[T any] struct{ leases[T, simpleQueueKind] }

// NewSimpleQueue makes a queue without a name.
func NewSimpleQueue[T any](ctx context.Context, m *Manager) (*SimpleQueue[T], error) {
	return create[SimpleQueue[T]](ctx, m)
}

// OpenSimpleQueue opens the queue of that name, and makes one if there is none.
func OpenSimpleQueue[T any](ctx context.Context, m *Manager, name string) (*SimpleQueue[T], error) {
	return open[SimpleQueue[T]](ctx, m, name)
}

// Put adds the item. It never waits for room.
func (q *SimpleQueue[T]) Put(ctx context.Context, item T) error {
	return exec1(ctx, q.object, &queuePut, item)
}

// Get removes the next item and returns it, after it has waited for one as long
// as it takes or until the context ends.
func (q *SimpleQueue[T]) Get(ctx context.Context) (T, error) {
	return client.Invoke[T](ctx, q.get(ctx, &queueGet, forever))
}

// GetTimeout is Get that waits that long at most, and returns ErrEmpty then.
func (q *SimpleQueue[T]) GetTimeout(ctx context.Context, d time.Duration) (T, error) {
	return client.Invoke[T](ctx, q.get(ctx, &queueGet, within(d)))
}

// TryGet is Get that does not wait: ErrEmpty if there is no item.
func (q *SimpleQueue[T]) TryGet(ctx context.Context) (T, error) {
	return client.Invoke[T](ctx, q.get(ctx, &queueGet, noWait))
}

// QSize returns the number of items.
func (q *SimpleQueue[T]) QSize(ctx context.Context) (int, error) {
	return call0[int](ctx, q.object, &queueQsize)
}

// Empty reports whether there is no item.
func (q *SimpleQueue[T]) Empty(ctx context.Context) (bool, error) {
	return call0[bool](ctx, q.object, &queueEmpty)
}
