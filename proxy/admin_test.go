package proxy_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/syncmanager/syncmanager/proxy"
)

// TestObjectsByID: an admin reaches an object without a name by the id that listings
// give it, and removes it.
func TestObjectsByID(t *testing.T) {
	ctx, m := manager(t)
	l, err := proxy.NewLock(ctx, m)
	must(t, err)
	id := l.Reference().ID()
	ref, err := m.LookupID(ctx, id)
	must(t, err)
	if ref.ID() != id || ref.TypeID() != "Lock" {
		t.Errorf("object %d is %s %d", id, ref.TypeID(), ref.ID())
	}
	h, err := l.Acquire(ctx)
	must(t, err)
	must(t, m.RemoveID(ctx, id))
	<-h.Context().Done()
	_, err = l.Acquire(ctx)
	wantErr(t, "a lock that was removed", err, proxy.ErrRemoved)
	_, err = m.LookupID(ctx, id)
	wantErr(t, "an object that was removed", err, proxy.ErrNotFound)
	wantErr(t, "an object that was removed", m.RemoveID(ctx, id), proxy.ErrNotFound)
	_, err = m.LookupID(ctx, 1<<40)
	wantErr(t, "an object that never was", err, proxy.ErrNotFound)
}

// TestListingsByType: listings choose by type, tell the state of locks and queues, and
// go on where a page ended.
func TestListingsByType(t *testing.T) {
	ctx, m := manager(t)
	var want []string
	for i := range 7 {
		name := fmt.Sprintf("l%d", i)
		l, err := proxy.OpenLock(ctx, m, name)
		must(t, err)
		if want = append(want, name); i == 3 {
			_, err = l.Acquire(ctx)
			must(t, err)
		}
		_, err = proxy.OpenQueue[int](ctx, m, fmt.Sprintf("q%d", i), i)
		must(t, err)
	}
	_, err := proxy.NewLock(ctx, m)
	must(t, err)
	var got []string
	for q := (proxy.NamesQuery{Limit: 2, Types: []string{"Lock"}, State: true}); ; {
		page, err := m.NamesPage(ctx, q)
		must(t, err)
		for _, o := range page.Rows {
			got = append(got, o.Name)
			held := int64(0)
			if o.Name == "l3" {
				held = 1
			}
			if o.State == nil || o.State.Held != held || len(o.State.Holders) != int(held) || held == 1 && o.State.Holders[0].Session != m.SessionID() {
				t.Errorf("%s: state %+v", o.Name, o.State)
			}
		}
		if q.After = page.Next; q.After == "" {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("locks %q, want %q", got, want)
	}
	page, err := m.NamesPage(ctx, proxy.NamesQuery{Prefix: "q5", Limit: 10, State: true})
	must(t, err)
	if len(page.Rows) != 1 || page.Rows[0].State.MaxSize != 5 || page.Next != "" {
		t.Errorf("%+v", page)
	}
	all, err := m.ObjectsPage(ctx, proxy.ObjectsQuery{Limit: 100, Types: []string{"Lock"}})
	must(t, err)
	if len(all.Rows) != 8 || all.Rows[0].State != nil {
		t.Errorf("%d locks, want 8: %+v", len(all.Rows), all.Rows)
	}
	_, err = m.NamesPage(ctx, proxy.NamesQuery{Limit: 1, Types: []string{"Lokc"}})
	wantErr(t, "a type that is not there", err, proxy.ErrUnknownType)
}
