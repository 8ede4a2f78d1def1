package proxy_test

import (
	"context"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/syncmanager/syncmanager/proxy"
)

// lostText waits for the end of a hold that somebody else released, and checks
// that its cause says so once.
func lostText(t *testing.T, what string, h *proxy.Hold) {
	t.Helper()
	select {
	case <-h.Context().Done():
	case <-time.After(20 * time.Second):
		t.Fatalf("%s: the holder does not hear of it", what)
	}
	wantErr(t, what, h.Err(), proxy.ErrLockLost)
	if said := h.Err().Error(); strings.Count(said, proxy.ErrLockLost.Error()) != 1 {
		t.Errorf("%s: the cause is %q", what, said)
	}
}

func TestRLockReleaseToken(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	addr, key := serve(t)
	m, other := connect(t, addr, key), connect(t, addr, key)
	l, err := proxy.OpenRLock(ctx, m, "l")
	must(t, err)
	theirs, err := proxy.OpenRLock(ctx, other, "l")
	must(t, err)

	me := m.NewOwner()
	h, err := l.Acquire(ctx, me)
	must(t, err)
	again, err := l.Acquire(ctx, me)
	must(t, err)
	wantErr(t, "an own one, with an Owner", l.ReleaseToken(ctx, h.Token()), proxy.ErrNotHeld)
	wantErr(t, "another token", theirs.ReleaseToken(ctx, h.Token()+1), proxy.ErrLockLost)
	want[bool](t, "Locked")(l.Locked(ctx))(true)
	must(t, theirs.ReleaseToken(ctx, h.Token()))
	want[bool](t, "Locked")(l.Locked(ctx))(false)
	lostText(t, "the first hold", h)
	lostText(t, "the second hold", again)
	wantErr(t, "twice", theirs.ReleaseToken(ctx, h.Token()), proxy.ErrLockLost)
	wantErr(t, "Release of a lost hold", h.Release(ctx), proxy.ErrLockLost)

	h, err = l.Acquire(ctx, proxy.Owner{})
	must(t, err)
	must(t, l.ReleaseToken(ctx, h.Token()))
	want[bool](t, "Locked")(l.Locked(ctx))(false)
}

func TestReleasePermit(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	addr, key := serve(t)
	m, other := connect(t, addr, key), connect(t, addr, key)
	s, err := proxy.OpenSemaphore(ctx, m, "s", 2)
	must(t, err)
	theirs, err := proxy.OpenSemaphore(ctx, other, "s", 2)
	must(t, err)
	a, err := s.Acquire(ctx)
	must(t, err)
	b, err := s.Acquire(ctx)
	must(t, err)
	must(t, theirs.ReleasePermit(ctx, b.Token()))
	want[int](t, "GetValue")(s.GetValue(ctx))(1)
	lostText(t, "the permit", b)
	if a.Err() != nil {
		t.Errorf("the other permit is over: %v", a.Err())
	}
	wantErr(t, "twice", theirs.ReleasePermit(ctx, b.Token()), proxy.ErrLockLost)
	must(t, s.ReleasePermit(ctx, a.Token()))
	want[int](t, "GetValue")(s.GetValue(ctx))(2)

	bounded, err := proxy.NewBoundedSemaphore(ctx, m, 1)
	must(t, err)
	p, err := bounded.Acquire(ctx)
	must(t, err)
	must(t, bounded.ReleasePermit(ctx, p.Token()))
	want[int](t, "GetValue")(bounded.GetValue(ctx))(1)
	wantErr(t, "twice", bounded.ReleasePermit(ctx, p.Token()), proxy.ErrLockLost)
}

func TestSimpleQueueReceiveTimeout(t *testing.T) {
	ctx, m := manager(t)
	q, err := proxy.NewSimpleQueue[string](ctx, m)
	must(t, err)
	for _, d := range []time.Duration{0, time.Millisecond} {
		_, err = q.ReceiveTimeout(ctx, d)
		wantErr(t, "ReceiveTimeout of none", err, proxy.ErrEmpty)
	}
	must(t, q.Put(ctx, "a"))
	d, err := q.ReceiveTimeout(ctx, 0)
	must(t, err)
	if d.Value != "a" || d.Attempt != 1 {
		t.Errorf("%+v", d)
	}
	must(t, d.Nack(ctx, proxy.NackOptions{}))
	d, err = q.ReceiveTimeout(ctx, 20*time.Second)
	must(t, err)
	if d.Value != "a" || d.Attempt != 2 {
		t.Errorf("after Nack: %+v", d)
	}
	must(t, d.Ack(ctx))
	want[bool](t, "Empty")(q.Empty(ctx))(true)
}

// TestPairsInOrder holds that a dict which was filled from a map has the keys in
// their order.
func TestPairsInOrder(t *testing.T) {
	ctx, m := manager(t)
	sorted := strings.Fields("a b c d e f g h i j k l m n o p")
	pairs := make(map[string]int)
	for i, k := range sorted {
		pairs[k] = i
	}
	fill := map[string]func(*proxy.Dict[string, int]) error{
		"Update":  func(d *proxy.Dict[string, int]) error { return d.Update(ctx, pairs) },
		"SetMany": func(d *proxy.Dict[string, int]) error { _, err := d.SetMany(ctx, pairs); return err },
	}
	for name, f := range fill {
		d, err := proxy.NewDict[string, int](ctx, m)
		must(t, err)
		must(t, f(d))
		keys, err := d.Keys(ctx)
		must(t, err)
		if !slices.Equal(keys, sorted) {
			t.Errorf("%s: %v", name, keys)
		}
		for k, v := range pairs {
			want[int](t, k)(d.Get(ctx, k))(v)
		}
	}
}

// TestObjectReferences: listings tell how many references to an object other
// objects keep, and which objects a session refers to.
func TestObjectReferences(t *testing.T) {
	ctx, m := manager(t)
	inner, err := proxy.NewList[int](ctx, m)
	must(t, err)
	outer, err := proxy.NewList(ctx, m, inner, inner)
	must(t, err)
	row := func(references int64) {
		t.Helper()
		page, err := m.ObjectsPage(ctx, proxy.ObjectsQuery{Session: m.SessionID(), Limit: 100})
		must(t, err)
		if len(page.Rows) != 2 || page.Rows[0].References != references || page.Rows[0].Sessions != 1 || page.Rows[1].References != 0 {
			t.Errorf("%+v, want %d references to the first", page, references)
		}
	}
	row(2)
	must(t, outer.Clear(ctx))
	row(0)
	all, err := m.ObjectsPage(ctx, proxy.ObjectsQuery{Limit: 100})
	must(t, err)
	if len(all.Rows) != 2 {
		t.Errorf("all objects: %+v", all)
	}
	_, err = m.ObjectsPage(ctx, proxy.ObjectsQuery{Session: 9999, Limit: 100})
	wantErr(t, "a session that is not there", err, proxy.ErrNotFound)
	runtime.KeepAlive(inner) // a proxy that nobody has releases its object
	runtime.KeepAlive(outer)
}
