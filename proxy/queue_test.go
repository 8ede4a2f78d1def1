package proxy_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/syncmanager/syncmanager/proxy"
)

// job is a struct as programs have them.
type job struct {
	ID   int       `msgpack:"id"`
	Args []string  `msgpack:"args"`
	Due  time.Time `msgpack:"due"`
	Done *proxy.Queue[string]
}

func TestQueue(t *testing.T) {
	ctx, m := manager(t)
	q, err := proxy.NewQueue[int](ctx, m, 2)
	must(t, err)
	_, err = q.TryGet(ctx)
	wantErr(t, "TryGet", err, proxy.ErrEmpty)
	_, err = q.GetTimeout(ctx, time.Millisecond)
	wantErr(t, "GetTimeout", err, proxy.ErrEmpty)
	must(t, q.Put(ctx, 1))
	must(t, q.PutTimeout(ctx, 2, time.Second))
	wantErr(t, "TryPut", q.TryPut(ctx, 3), proxy.ErrFull)
	wantErr(t, "PutTimeout", q.PutTimeout(ctx, 3, time.Millisecond), proxy.ErrFull)
	want[int](t, "QSize")(q.QSize(ctx))(2)
	want[int](t, "MaxSize")(q.MaxSize(ctx))(2)
	want[bool](t, "Full")(q.Full(ctx))(true)
	want[bool](t, "Empty")(q.Empty(ctx))(false)
	want[int](t, "Peek")(q.Peek(ctx))(1)
	items, err := q.Copy(ctx)
	must(t, err)
	if !slices.Equal(items, []int{1, 2}) {
		t.Errorf("items %v", items)
	}
	want[int](t, "Get")(q.Get(ctx))(1)
	got, err := q.GetMany(ctx, 5)
	must(t, err)
	if !slices.Equal(got, []int{2}) {
		t.Errorf("GetMany %v", got)
	}
	want[int](t, "Unfinished")(q.Unfinished(ctx))(2)
	wantErr(t, "JoinTimeout", q.JoinTimeout(ctx, time.Millisecond), proxy.ErrTimeout)
	must(t, q.TaskDone(ctx))
	must(t, q.TaskDone(ctx))
	wantErr(t, "TaskDone", q.TaskDone(ctx), proxy.ErrValue)
	must(t, q.Join(ctx))
	must(t, q.PutMany(ctx, 7, 8))
	wantErr(t, "PutManyTimeout", q.PutManyTimeout(ctx, 0, 9, 10), proxy.ErrFull)
	want[int](t, "Purge")(q.Purge(ctx))(2)
	must(t, q.PutMany(ctx, 7, 8))
	must(t, q.Shutdown(ctx, false))
	wantErr(t, "Put", q.Put(ctx, 9), proxy.ErrShutDown)
	var all []int
	seq, end := q.All(ctx)
	for n := range seq {
		all = append(all, n)
	}
	must(t, end())
	if !slices.Equal(all, []int{7, 8}) {
		t.Errorf("All %v", all)
	}
	_, err = q.Get(ctx)
	wantErr(t, "Get", err, proxy.ErrShutDown)
}

// wantHalfWay checks the error of a call that was cancelled when it had done a
// part: it says which.
func wantHalfWay(t *testing.T, err error, verdict string) {
	t.Helper()
	var e *proxy.CallError
	if !errors.As(err, &e) || e.Verdict != verdict || !e.Unknown || proxy.SafeToRetry(err) {
		t.Errorf("%#v, want the verdict %q, and that it is not safe to try again", e, verdict)
	}
	if !strings.HasSuffix(err.Error(), "; cancelled half-way: "+verdict) {
		t.Errorf("the error is %q", err)
	}
}

func TestPutManyCancelled(t *testing.T) {
	ctx, m := manager(t)
	q, err := proxy.NewQueue[int](ctx, m, 2)
	must(t, err)
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	err = q.PutMany(short, 1, 2, 3)
	wantErr(t, "PutMany", err, context.DeadlineExceeded)
	wantHalfWay(t, err, "call was cancelled; 2 of 3 items were put")
	want[int](t, "QSize")(q.QSize(ctx))(2)
}

func TestQueueHandsOver(t *testing.T) {
	ctx, m := manager(t)
	q, err := proxy.OpenQueue[job](ctx, m, "jobs", 0)
	must(t, err)
	done, err := proxy.NewQueue[string](ctx, m, 0)
	must(t, err)
	due := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	got := make(chan job, 1)
	go func() {
		j, err := q.Get(ctx)
		if err != nil {
			t.Error(err)
		}
		if err := j.Done.Put(ctx, "ok"); err != nil {
			t.Error(err)
		}
		got <- j
	}()
	must(t, q.Put(ctx, job{ID: 1, Args: []string{"a"}, Due: due, Done: done}))
	j := <-got
	if j.ID != 1 || !j.Due.Equal(due) || !slices.Equal(j.Args, []string{"a"}) {
		t.Errorf("got %+v", j)
	}
	want[string](t, "reply")(done.Get(ctx))("ok")
}

func TestQueueCancel(t *testing.T) {
	ctx, m := manager(t)
	q, err := proxy.NewQueue[int](ctx, m, 0)
	must(t, err)
	short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	_, err = q.Get(short)
	if !errors.Is(err, context.DeadlineExceeded) || !proxy.SafeToRetry(err) {
		t.Errorf("Get: %v, want the context's error, safe to retry", err)
	}
	// The item goes to the next caller, not to the cancelled one.
	must(t, q.Put(ctx, 5))
	want[int](t, "Get")(q.Get(ctx))(5)
}

func TestReceive(t *testing.T) {
	ctx, m := manager(t)
	q, err := proxy.NewQueue[string](ctx, m, 0)
	must(t, err)
	must(t, q.PutMany(ctx, "a", "b"))
	d, err := q.Receive(ctx)
	must(t, err)
	if d.Value != "a" || d.Attempt != 1 {
		t.Errorf("received %+v", d)
	}
	must(t, d.Nack(ctx, proxy.NackOptions{}))
	wantErr(t, "Ack after Nack", d.Ack(ctx), proxy.ErrLockLost)
	d, err = q.Receive(ctx)
	must(t, err)
	if d.Value != "a" || d.Attempt != 2 {
		t.Errorf("received %+v, want a again", d)
	}
	must(t, d.Ack(ctx))
	wantErr(t, "Nack after Ack", d.Nack(ctx, proxy.NackOptions{}), proxy.ErrLockLost)
	want[string](t, "Get")(q.Get(ctx))("b")
	_, err = q.ReceiveTimeout(ctx, 0)
	wantErr(t, "ReceiveTimeout", err, proxy.ErrEmpty)
}

func TestItemOfAnotherType(t *testing.T) {
	ctx, m := manager(t)
	texts, err := proxy.OpenQueue[string](ctx, m, "q", 0)
	must(t, err)
	numbers, err := proxy.OpenQueue[int](ctx, m, "q", 0)
	must(t, err)
	must(t, texts.Put(ctx, "text"))
	_, err = numbers.Get(ctx)
	wantErr(t, "Get", err, proxy.ErrType)
	// It is not lost.
	want[string](t, "Get")(texts.Get(ctx))("text")
}

func TestLifoQueue(t *testing.T) {
	ctx, m := manager(t)
	q, err := proxy.NewLifoQueue[int](ctx, m, 0)
	must(t, err)
	must(t, q.PutMany(ctx, 1, 2, 3))
	want[int](t, "Get")(q.Get(ctx))(3)
	want[int](t, "Peek")(q.Peek(ctx))(2)
}

func TestJoinableQueue(t *testing.T) {
	ctx, m := manager(t)
	q, err := proxy.NewJoinableQueue[int](ctx, m, 3)
	must(t, err)
	must(t, q.Put(ctx, 1))
	want[int](t, "Get")(q.Get(ctx))(1)
	must(t, q.TaskDone(ctx))
	must(t, q.Join(ctx))
}

func TestPriorityQueue(t *testing.T) {
	ctx, m := manager(t)
	q, err := proxy.NewPriorityQueue[int, string](ctx, m, 0)
	must(t, err)
	must(t, q.Put(ctx, 5, "low"))
	must(t, q.Put(ctx, 1, "high"))
	must(t, q.TryPut(ctx, 5, "low too"))
	want[string](t, "Get")(q.Get(ctx))("high")
	p, err := q.GetPriority(ctx)
	must(t, err)
	if p.Priority != 5 || p.Value != "low" {
		t.Errorf("GetPriority %+v", p)
	}
	want[string](t, "Get")(q.Get(ctx))("low too")
	_, err = q.GetPriorityTimeout(ctx, 0)
	wantErr(t, "GetPriorityTimeout", err, proxy.ErrEmpty)
	mixed, err := proxy.NewPriorityQueue[any, string](ctx, m, 0)
	must(t, err)
	must(t, mixed.Put(ctx, 1, "a"))
	wantErr(t, "Put", mixed.Put(ctx, "x", "b"), proxy.ErrType)
	want[int](t, "QSize")(mixed.QSize(ctx))(1)
}

func TestSimpleQueue(t *testing.T) {
	ctx, m := manager(t)
	q, err := proxy.NewSimpleQueue[int](ctx, m)
	must(t, err)
	must(t, q.Put(ctx, 4))
	want[bool](t, "Empty")(q.Empty(ctx))(false)
	want[int](t, "QSize")(q.QSize(ctx))(1)
	want[int](t, "Get")(q.Get(ctx))(4)
	_, err = q.TryGet(ctx)
	wantErr(t, "TryGet", err, proxy.ErrEmpty)
}
