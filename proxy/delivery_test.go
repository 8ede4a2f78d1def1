package proxy_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/syncmanager/syncmanager/proxy"
)

func TestLeaseGuardsWrites(t *testing.T) {
	ctx, m := manager(t)
	q, err := proxy.NewQueue[int](ctx, m, 0)
	must(t, err)
	d, err := proxy.NewDict[string, int](ctx, m)
	must(t, err)
	must(t, q.Put(ctx, 7))
	all, err := q.ReceiveMany(ctx, 5, 50*time.Millisecond)
	must(t, err)
	item := all[0]
	under := proxy.WithHold(ctx, item.Hold())
	must(t, d.Set(under, "k", 1))
	must(t, item.Extend(ctx, time.Millisecond))
	<-item.Context().Done()
	if cause := context.Cause(item.Context()); !errors.Is(cause, proxy.ErrLockLost) {
		t.Errorf("the lease ended with %v", cause)
	}
	wantErr(t, "a write under a lost lease", d.Set(under, "k", 2), proxy.ErrLockLost)
	wantErr(t, "Ack of a lost lease", item.Ack(ctx), proxy.ErrLockLost)
	again, err := q.Receive(ctx)
	must(t, err)
	if again.Value != 7 || again.Attempt != 2 {
		t.Errorf("it came back as %+v", again)
	}
	must(t, again.Ack(ctx))
}

func TestReceiveMany(t *testing.T) {
	ctx, m := manager(t)
	q, err := proxy.NewQueue[int](ctx, m, 0)
	must(t, err)
	must(t, q.PutMany(ctx, 1, 2, 3, 4))
	first, err := q.ReceiveMany(ctx, 3, 0)
	must(t, err)
	rest, err := q.ReceiveMany(ctx, 3, 0, first...)
	must(t, err)
	if len(first) != 3 || len(rest) != 1 || rest[0].Value != 4 {
		t.Errorf("got %d and %d items", len(first), len(rest))
	}
	want[int](t, "Unfinished")(q.Unfinished(ctx))(1)
	_, err = q.ReceiveMany(ctx, 3, 0, first[0], rest[0])
	wantErr(t, "one was acknowledged before", err, proxy.ErrLockLost)
	// The other one was acknowledged.
	must(t, q.Join(ctx))
	wantErr(t, "TaskDone", q.TaskDone(ctx), proxy.ErrValue)
}

// TestPoisonIsSetAside has an item that its reader cannot decode.
func TestPoisonIsSetAside(t *testing.T) {
	ctx, m := manager(t)
	texts, err := proxy.OpenQueue[string](ctx, m, "q", 0)
	must(t, err)
	numbers, err := proxy.OpenQueue[int](ctx, m, "q", 0)
	must(t, err)
	must(t, numbers.LimitAttempts(ctx, 2, 10))
	must(t, texts.Put(ctx, "poison"))
	must(t, numbers.PutDelayed(ctx, 1, time.Millisecond))
	for range 2 {
		_, err = numbers.Receive(ctx)
		wantErr(t, "Receive", err, proxy.ErrType)
	}
	d, err := numbers.Receive(ctx)
	must(t, err)
	must(t, d.Ack(ctx))
	dead, err := texts.Dead(ctx, 0, 10)
	must(t, err)
	if len(dead) != 1 || dead[0].Value != "poison" || dead[0].Attempts != 2 || len(dead[0].Failures) != 2 ||
		!strings.Contains(dead[0].Failures[0].Reason, "str") || dead[0].Failures[0].Worker == "" {
		t.Errorf("dead: %+v", dead)
	}
	other, err := proxy.NewQueue[string](ctx, m, 0)
	must(t, err)
	want[int](t, "RequeueInto")(texts.RequeueInto(ctx, other))(1)
	want[string](t, "Get")(other.Get(ctx))("poison")
	want[proxy.QueueCounts](t, "Counts")(texts.Counts(ctx))(proxy.QueueCounts{})
}
