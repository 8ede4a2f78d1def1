package integration

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/syncmanager/syncmanager/proxy"
)

// serverMethods calls the methods of the server object.
func serverMethods(e *env) {
	ctx := e.ctx
	if d, err := e.m.Ping(ctx); err != nil || d <= 0 {
		e.Errorf("ping took %v, %v", d, err)
	}
	types := must1[[]string](e)(e.m.Types(ctx))
	for _, typeid := range []string{"dict", "Iterator", "Barrier", "Counter"} {
		if !slices.Contains(types, typeid) {
			e.Errorf("types has no %s: %v", typeid, types)
		}
	}
	says(e, "describe_type of what is not there", errOf(e.m.Describe(ctx, "Nope")), proxy.ErrUnknownType, "Nope")

	// Named objects
	name := "server." + strings.ReplaceAll(e.addr, "/", "_")
	d := must1[*proxy.Dict[string, int]](e)(proxy.OpenDict[string, int](ctx, e.m, name))
	d2 := must1[*proxy.Dict[string, int]](e)(proxy.OpenDict[string, int](ctx, e.m2, name))
	e.must(d.Set(ctx, "a", 1))
	eq(e, "the same object by name", 1)(d2.Get(ctx, "a"))
	says(e, "open as another type", errOf(proxy.OpenList[int](ctx, e.m, name)), proxy.ErrType, name, "dict", "list")
	says(e, "lookup of what is not there", errOf(e.m.Lookup(ctx, "nope")), proxy.ErrNotFound, "nope")
	r := must1[*proxy.Ref](e)(e.m2.Lookup(ctx, name))
	if r.TypeID() != "dict" {
		e.Errorf("lookup found a %s", r.TypeID())
	}
	for i := range 5 {
		must1[*proxy.Event](e)(proxy.OpenEvent(ctx, e.m, fmt.Sprintf("%s.%d", name, i)))
	}
	names := must1[[]proxy.ObjectInfo](e)(e.m.Names(ctx, name))
	if len(names) != 6 || names[0].Name != name || names[5].Name != name+".4" || names[0].TypeID != "dict" || *names[0].Len != 1 {
		e.Errorf("names: %+v", names)
	}
	page := must1[proxy.NamesPage](e)(e.m.NamesPage(ctx, proxy.NamesQuery{Prefix: name, After: name + ".1", Limit: 2}))
	if len(page.Rows) != 2 || page.Rows[0].Name != name+".2" || page.Next != name+".3" {
		e.Errorf("a page of names: %+v", page)
	}

	// Listings
	runtime.GC() // proxies that earlier cases left go now, and not between the two counts
	e.until("the listing and the count agree", func() bool { return len(e.objects()) == e.info("objects") })
	sessions := must1[proxy.Page[proxy.SessionInfo]](e)(e.m.Sessions(ctx, 0, 1000))
	at := slices.IndexFunc(sessions.Rows, func(s proxy.SessionInfo) bool { return s.ID == e.m2.SessionID() })
	if at < 0 || !sessions.Rows[at].Connected || sessions.Rows[at].Role != "admin" {
		e.Errorf("sessions: %+v", sessions.Rows)
	}

	eq(e, "who waits on an object that nobody waits on", []proxy.WaiterInfo{})(e.m.Waiting(ctx, e.objects()[0].ID))

	// Connections of Python programs, of which there are none
	connections := must1[proxy.Page[proxy.ConnectionInfo]](e)(e.m.Connections(ctx, 0, 10))
	if len(connections.Rows) != 0 {
		e.Errorf("connections: %+v", connections.Rows)
	}
	is(e, "ending a connection that is not there", e.m.Disconnect(ctx, 1), proxy.ErrNotFound)

	// A session that is ended
	m := e.connect()
	h := must1[*proxy.Hold](e)(must1[*proxy.Lock](e)(proxy.OpenLock(ctx, m, name+".lock")).Acquire(ctx))
	e.must(e.m.Kick(ctx, m.SessionID()))
	soon(e, "the session is over", m.Done())
	is(e, "a call of a session that was ended", errOf(m.Ping(ctx)), proxy.ErrSessionExpired)
	is(e, "its hold", h.Err(), proxy.ErrLockLost)
	lock := must1[*proxy.Lock](e)(proxy.OpenLock(ctx, e.m, name+".lock"))
	eq(e, "its lock", false)(lock.Locked(ctx))

	// Removing
	waiting := later(func() error { return errOf(lock.AcquireTimeout(ctx, limit)) })
	e.must(soon(e, "the lock", waiting))
	waiting = later(func() error { return errOf(lock.Acquire(ctx)) })
	e.parked(1)
	e.must(e.m2.Remove(ctx, name+".lock"))
	is(e, "a wait at an object that is removed", soon(e, "it ends", waiting), proxy.ErrRemoved)
	is(e, "a call of it", errOf(lock.Locked(ctx)), proxy.ErrRemoved)
	is(e, "removing it again", e.m2.Remove(ctx, name+".lock"), proxy.ErrNotFound)

	is(e, "a snapshot of a server without a data directory", e.m.Snapshot(ctx), proxy.ErrValue)

	// What is released is gone, cycles as well.
	a := must1[*proxy.List[any]](e)(proxy.NewList[any](ctx, e.m))
	b := must1[*proxy.List[any]](e)(proxy.NewList[any](ctx, e.m))
	e.must(a.Append(ctx, b))
	e.must(b.Append(ctx, a))
	ida, idb := a.Reference().ID(), b.Reference().ID()
	a.Drop()
	b.Drop()
	e.until("the cycle is collected", func() bool {
		must1[int](e)(e.m.Collect(ctx))
		return !e.alive(ida) && !e.alive(idb)
	})
}

// objects lists all objects.
func (e *env) objects() (all []proxy.ObjectInfo) {
	e.Helper()
	for after := uint64(0); ; {
		p := must1[proxy.Page[proxy.ObjectInfo]](e)(e.m.Objects(e.ctx, after, 100))
		all = append(all, p.Rows...)
		if after = p.Next; after == 0 {
			return all
		}
	}
}

// alive reports whether there is an object of that id.
func (e *env) alive(id uint64) bool {
	e.Helper()
	return slices.ContainsFunc(e.objects(), func(o proxy.ObjectInfo) bool { return o.ID == id })
}

// TestShutdownByClient ends a server through a client, in good order.
func TestShutdownByClient(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			e := newEnv(t, transport)
			q := must1[*proxy.Queue[int]](e)(proxy.OpenQueue[int](e.ctx, e.m2, "q", 0))
			waiting := later(func() error { return errOf(q.Get(e.ctx)) })
			e.parked(1)
			e.must(e.m.Shutdown(e.ctx))
			is(t, "a call that waits", soon(t, "it ends", waiting), proxy.ErrShuttingDown)
		})
	}
}
