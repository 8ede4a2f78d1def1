package proxy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/syncmanager/syncmanager/internal/client"
)

// Delivery is an item that this program has under a lease. Until Ack the queue
// keeps the item. It comes back to its old place when it is given back (Nack),
// when the time of the lease is up, and when the session ends: at once if the
// Manager is closed, once the Manager's lease has run out if the program dies.
//
// A lease is a Hold: its context ends when the lease is lost, and what is written
// under WithHold is refused from then on. Methods are safe for concurrent use.
//
// Ack, Take and Nack take effect also when their context is over, as Hold.Release
// does. A Delivery that is forgotten keeps its lease; Config.Logger hears of it.
type Delivery[T any] struct {
	Value T
	// Attempt counts how often the item was handed out, this time included. A
	// time that was given back without being counted is left out.
	Attempt int

	hold *Hold
}

// Ack says that the work on the item is done: it leaves the queue, and counts as
// done for Join. ErrLockLost if the lease is over: then somebody else may have
// the item.
func (d *Delivery[T]) Ack(ctx context.Context) error { return d.ack(ctx, true) }

// Take takes the item out of the queue for good, as Get does: whoever waits in
// Join waits for a TaskDone. ErrLockLost if the lease is over.
func (d *Delivery[T]) Take(ctx context.Context) error { return d.ack(ctx, false) }

func (d *Delivery[T]) ack(ctx context.Context, done bool) error {
	c := d.leaser().begin(ctx, &queueAck, 2)
	c.ArgList(1)
	client.Arg(c, d.hold.Token())
	client.Arg(c, done)
	return d.end(client.ExecSurely(ctx, c))
}

// NackOptions says how an item is given back. The zero value puts it back at
// once and counts the attempt.
type NackOptions struct {
	// Delay is how long nobody gets it.
	Delay time.Duration
	// Reason is kept with the item (1 KiB of it), and shown when it is dead.
	Reason string
	// Uncounted leaves the attempt out of the count.
	Uncounted bool
}

// Nack gives the item back to the queue, to its old place. ErrLockLost if the
// lease is over.
func (d *Delivery[T]) Nack(ctx context.Context, options NackOptions) error {
	return d.end(d.leaser().nack(ctx, d.hold.Token(), options))
}

// Extend has the lease last that long from now; 0 means as long as the session.
// ErrLockLost if it is over.
func (d *Delivery[T]) Extend(ctx context.Context, lease time.Duration) error {
	err := exec2(ctx, d.leaser().object, &queueExtend, d.hold.Token(), lease.Seconds())
	if errors.Is(err, ErrLockLost) {
		d.hold.over(err)
	}
	return err
}

// Hold returns the lease as a hold, for WithHold. Its Release gives the item
// back without counting the attempt.
func (d *Delivery[T]) Hold() *Hold { return d.hold }

// Context returns a context that ends when the lease does. Its cause matches
// ErrLockLost if the lease was lost.
func (d *Delivery[T]) Context() context.Context { return d.hold.Context() }

func (d *Delivery[T]) leaser() leaser { return d.hold.by.(leaser) }

// end ends the lease on this side, unless the server could not be asked.
func (d *Delivery[T]) end(err error) error {
	return d.hold.ended(err)
}

// leaser is a queue as the holds of its items see it.
type leaser struct{ object }

func (l leaser) end(ctx context.Context, h *hold) error {
	return l.nack(ctx, h.token.Load(), NackOptions{Uncounted: true})
}

func (l leaser) nack(ctx context.Context, token uint64, options NackOptions) error {
	c := l.begin(ctx, &queueNack, 4)
	client.Arg(c, token)
	client.Arg(c, options.Delay.Seconds())
	client.Arg(c, options.Reason)
	client.Arg(c, !options.Uncounted)
	return client.ExecSurely(ctx, c)
}

// leases are the methods of a queue whose items are handed out under leases.
type leases[T any, K kind] struct{ base[K] }

// Receive waits for an item as Get does, and takes it under a lease that lasts as
// long as the session: see Delivery.
//
// An item that does not fit into T is an error that matches ErrType. It is given
// back as an attempt that failed, so that LimitAttempts sets it aside.
func (q *leases[T, K]) Receive(ctx context.Context) (*Delivery[T], error) {
	return q.receiveOne(ctx, forever)
}

// ReceiveTimeout is Receive that waits that long at most, and returns ErrEmpty
// then. With 0 it does not wait.
func (q *leases[T, K]) ReceiveTimeout(ctx context.Context, d time.Duration) (*Delivery[T], error) {
	return q.receiveOne(ctx, within(d))
}

func (q *leases[T, K]) receiveOne(ctx context.Context, w wait) (*Delivery[T], error) {
	all, err := q.receive(ctx, w, 1, 0, nil)
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// ReceiveMany waits for an item as Receive does, and takes up to n of those that
// are there then, 4,096 at most: one at least. Each has a lease of that time; 0
// lasts as long as the session. Before it waits, it does what Ack does for each
// of done, in the same call; when one of these leases is over, it takes nothing,
// and the error matches ErrLockLost; the others are acknowledged.
//
// Items that do not fit into T are given back as attempts that failed. The error
// is then of the first of them, beside the deliveries of the others.
func (q *leases[T, K]) ReceiveMany(ctx context.Context, n int, lease time.Duration, done ...*Delivery[T]) ([]*Delivery[T], error) {
	return q.receive(ctx, forever, n, lease, done)
}

func (q *leases[T, K]) receive(ctx context.Context, w wait, n int, lease time.Duration, done []*Delivery[T]) ([]*Delivery[T], error) {
	args := 1
	switch {
	case len(done) > 0:
		args = 3
	case lease > 0:
		args = 2
	}
	c := q.begin(ctx, &queueReceive, args)
	w.apply(c)
	client.Arg(c, n)
	if args > 1 {
		client.Arg(c, lease.Seconds())
	}
	if args > 2 {
		c.ArgList(len(done))
		for _, d := range done {
			client.Arg(c, d.hold.Token())
		}
	}
	batch := &batch{by: leaser{q.object}, session: client.SessionOf(q.r)}
	if err := client.DoReceive(ctx, c, batch); err != nil {
		return nil, err
	}
	for _, d := range done {
		d.hold.ended(nil)
	}
	all := make([]*Delivery[T], 0, len(batch.holds))
	var bad error
	next := 0
	err := client.Leased(c, func(token uint64, attempt int, item []byte) {
		h := batch.holds[next]
		next++
		h.has(token)
		v, err := client.DecodeItem[T](q.r, item)
		if err == nil {
			all = append(all, &Delivery[T]{Value: v, Attempt: attempt, hold: h.outer()})
			return
		}
		err = fmt.Errorf("an item of %s: %w", q, err)
		if bad == nil {
			bad = err
		}
		h.over(err)
		_ = batch.by.nack(context.WithoutCancel(ctx), token, NackOptions{Reason: err.Error()})
	})
	if err != nil {
		return nil, err
	}
	return all, bad
}

// batch makes the holds that the reply of a receive gives.
type batch struct {
	by      leaser
	session *client.Session
	holds   []*hold
}

// Watcher makes the next hold.
func (b *batch) Watcher() client.Watcher {
	h := &hold{lock: b.by.r, by: b.by, session: b.session}
	b.holds = append(b.holds, h)
	return (*watcher)(h)
}

// Lost is never called: the holds hear of their ends themselves.
func (b *batch) Lost(error) {}

// QueueCounts says how many items a queue has, by what they are.
type QueueCounts struct {
	Waiting int64 `msgpack:"waiting"`
	Delayed int64 `msgpack:"delayed"`
	Leased  int64 `msgpack:"leased"`
	Dead    int64 `msgpack:"dead"`
	// Dropped counts dead items that were not kept, because the list was full.
	Dropped int64 `msgpack:"dropped"`
}

// Counts returns how many items there are, by what they are. QSize is those that
// wait.
func (q *leases[T, K]) Counts(ctx context.Context) (QueueCounts, error) {
	return call0[QueueCounts](ctx, q.object, &queueCounts)
}

// LimitAttempts sets how many attempts an item has: after the last it is dead.
// It is kept with what is known of each attempt; of keepDead such items the
// oldest goes when one more comes, and the server logs it. With attempts of 0,
// as a queue is made, items come back for ever. ErrValue if keepDead is above
// 1,000,000.
func (q *leases[T, K]) LimitAttempts(ctx context.Context, attempts, keepDead int) error {
	return exec2(ctx, q.object, &queueLimitAttempts, attempts, keepDead)
}

// DeadItem is an item that has failed too often.
type DeadItem[T any] struct {
	ID       uint64           `msgpack:"id"`
	Value    T                `msgpack:"item"`
	Attempts int              `msgpack:"attempts"`
	Failures []AttemptFailure `msgpack:"failures"` // the last 16
}

// AttemptFailure is an attempt at an item that came to nothing.
type AttemptFailure struct {
	Reason string `msgpack:"reason"`
	Worker string `msgpack:"worker"` // the session that had it, for people
	At     int64  `msgpack:"at"`     // nanoseconds since 1970, by the server's clock
}

// Dead returns up to limit dead items (1,000 at most), oldest first, from the one
// behind the item with the id after; 0 begins with the oldest.
func (q *leases[T, K]) Dead(ctx context.Context, after uint64, limit int) ([]DeadItem[T], error) {
	return call2[[]DeadItem[T]](ctx, q.object, &queueDead, after, limit)
}

// Requeue puts the dead items with these ids back to their places, or all of them
// if there are none, and returns how many. Their attempts begin anew.
func (q *leases[T, K]) Requeue(ctx context.Context, ids ...uint64) (int, error) {
	if len(ids) == 0 {
		return call0[int](ctx, q.object, &queueRequeue)
	}
	return call1[int](ctx, q.object, &queueRequeue, ids)
}

// RequeueInto moves the dead items with these ids, or all of them if there are
// none, into another queue, as new items, in one step. ErrFull if there is no
// room for all.
func (q *leases[T, K]) RequeueInto(ctx context.Context, other Proxy, ids ...uint64) (int, error) {
	var list any
	if len(ids) > 0 {
		list = ids
	}
	return call2[int](ctx, q.object, &queueRequeue, list, other)
}

// PurgeDead drops the dead items with these ids, or all of them if there are
// none, and returns how many.
func (q *leases[T, K]) PurgeDead(ctx context.Context, ids ...uint64) (int, error) {
	if len(ids) == 0 {
		return call0[int](ctx, q.object, &queuePurgeDead)
	}
	return call1[int](ctx, q.object, &queuePurgeDead, ids)
}
