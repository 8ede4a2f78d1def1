package integration

import (
	"context"
	"time"

	"github.com/syncmanager/syncmanager/proxy"
)

// leasing is what all queues have for those who confirm that work is done.
type leasing[T any] interface {
	proxy.Proxy
	Receive(context.Context) (*proxy.Delivery[T], error)
	ReceiveMany(context.Context, int, time.Duration, ...*proxy.Delivery[T]) ([]*proxy.Delivery[T], error)
	Counts(context.Context) (proxy.QueueCounts, error)
	LimitAttempts(ctx context.Context, attempts, keepDead int) error
	Dead(ctx context.Context, after uint64, limit int) ([]proxy.DeadItem[T], error)
	Requeue(context.Context, ...uint64) (int, error)
	RequeueInto(context.Context, proxy.Proxy, ...uint64) (int, error)
	PurgeDead(context.Context, ...uint64) (int, error)
}

// leaseMethods has an item go through all that can become of it. The queue is
// empty, and put puts one.
func leaseMethods[T any](e *env, q leasing[T], put func() error) {
	ctx := e.ctx
	one := must1[*proxy.Delivery[T]](e)
	counts := func(waiting, leased, dead int64) {
		eq(e, "counts", proxy.QueueCounts{Waiting: waiting, Leased: leased, Dead: dead})(q.Counts(ctx))
	}
	e.must(q.LimitAttempts(ctx, 2, 10))
	e.must(put())
	d := one(q.Receive(ctx))
	counts(0, 1, 0)
	e.must(d.Extend(ctx, time.Minute))
	e.must(d.Nack(ctx, proxy.NackOptions{Uncounted: true}))
	for attempt := 1; attempt <= 2; attempt++ {
		d = one(q.Receive(ctx))
		if d.Attempt != attempt {
			e.Errorf("attempt %d, want %d", d.Attempt, attempt)
		}
		e.must(d.Nack(ctx, proxy.NackOptions{Reason: "no"}))
	}
	counts(0, 0, 1)
	dead := must1[[]proxy.DeadItem[T]](e)(q.Dead(ctx, 0, 10))
	if len(dead) != 1 || len(dead[0].Failures) != 3 {
		e.Fatalf("dead: %+v", dead)
	}
	eq(e, "requeue", 1)(q.Requeue(ctx, dead[0].ID))
	counts(1, 0, 0)
	e.must(q.LimitAttempts(ctx, 1, 10))
	all := must1[[]*proxy.Delivery[T]](e)(q.ReceiveMany(ctx, 5, time.Minute))
	e.must(all[0].Hold().Release(ctx))
	counts(1, 0, 0)
	e.must(one(q.Receive(ctx)).Nack(ctx, proxy.NackOptions{}))
	eq(e, "purge_dead", 1)(q.PurgeDead(ctx))
	counts(0, 0, 0)
	e.must(q.LimitAttempts(ctx, 0, 10))
}
