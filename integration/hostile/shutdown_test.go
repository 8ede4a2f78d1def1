package hostile

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/syncmanager/syncmanager/internal/wire"
	"github.com/syncmanager/syncmanager/managers"
	"github.com/syncmanager/syncmanager/proxy"
)

// TestShutdownInGoodOrder: no new sessions; calls that wait hear of it at once;
// calls that run finish within the grace period; then the clients hear why, and
// the sockets close.
func TestShutdownInGoodOrder(t *testing.T) {
	w := &Worker{started: make(chan struct{}, 1), ended: make(chan error, 1)}
	s := serve(t, plain, managers.Config{ShutdownGrace: limit}, func(srv *managers.Server) {
		if err := srv.RegisterValue("Worker", w, managers.TypeOptions{Concurrent: true}); err != nil {
			t.Fatal(err)
		}
	})
	ctx := s.ctx
	over := make(chan error, 1)
	m := s.client(proxy.Config{OnExpired: func(err error) { over <- err }})
	idle, early := s.client(), s.peer() // authenticated, and without a session
	worker := must1[*proxy.Ref](t)(m.Create(ctx, "Worker"))
	q := must1[*proxy.Queue[int]](t)(proxy.NewQueue[int](ctx, m, 0))
	l := must1[*proxy.Lock](t)(proxy.NewLock(ctx, m))
	must1[*proxy.Hold](t)(l.Acquire(ctx))
	c := must1[*proxy.Condition](t)(proxy.NewCondition(ctx, m, nil))
	e := must1[*proxy.Event](t)(proxy.NewEvent(ctx, m))
	waiting := map[string]chan error{}
	wait := func(what string, f func() error) {
		done := make(chan error, 1)
		waiting[what] = done
		go func() { done <- f() }()
	}
	wait("get", func() error { return errOf(q.Get(ctx)) })
	wait("acquire", func() error { return errOf(l.Acquire(ctx)) })
	wait("event", func() error { return e.Wait(ctx) })
	wait("condition", func() error {
		h, err := c.Acquire(ctx, m.NewOwner())
		if err != nil {
			return err
		}
		return c.Wait(ctx, h)
	})
	until(t, "four calls wait", func() bool { return info(t, m, "parked") == 4 })
	running := make(chan error, 1)
	go func() {
		n, err := proxy.Call[int](ctx, worker, "Sleep", 2500)
		if err == nil && n != 2500 {
			err = errors.New("another result")
		}
		running <- err
	}()
	until(t, "a call runs", func() bool { return info(t, m, "running") >= 2 })

	start := time.Now()
	shut := make(chan error, 1)
	go func() { shut <- s.srv.Shutdown(ctx) }()
	for what, done := range waiting {
		is(t, what+" at shutdown", soon(t, what+" ends", done), proxy.ErrShuttingDown)
	}
	if d := time.Since(start); d > 2*time.Second {
		t.Errorf("those who wait heard of it after %v", d)
	}
	is(t, "a call during the grace period", errOf(q.QSize(ctx)), proxy.ErrShuttingDown)
	if _, err := early.open(0); !errors.Is(err, proxy.ErrShuttingDown) {
		t.Errorf("a session that opens at shutdown: %v", err)
	}
	if nc, err := net.Dial("tcp", s.hostPort()); err == nil {
		nc.Close()
		t.Error("the listener is open during the grace period")
	}
	if err := soon(t, "the running call ends", running); err != nil {
		t.Errorf("a call that ran when the shutdown began: %v", err)
	}
	s.must(soon(t, "the server ends", shut))
	if d := time.Since(start); d < 400*time.Millisecond || d > 5*time.Second {
		t.Errorf("the shutdown took %v; a call had 2.5s to run", d)
	}
	err := soon(t, "the client hears why", over)
	is(t, "the client's end", err, proxy.ErrShuttingDown)
	is(t, "the client's end", err, proxy.ErrSessionExpired)
	is(t, "a call afterwards", errOf(q.QSize(ctx)), proxy.ErrShuttingDown)
	until(t, "the idle client hears it, too", func() bool { return errors.Is(idle.Err(), proxy.ErrShuttingDown) })
}

// TestShutdownDoesNotWaitForEver: a call that does not end in the grace period
// has its context cancelled, and costs the others nothing.
func TestShutdownDoesNotWaitForEver(t *testing.T) {
	w := &Worker{started: make(chan struct{}, 1), ended: make(chan error, 1)}
	s := serve(t, plain, managers.Config{ShutdownGrace: 200 * time.Millisecond}, func(srv *managers.Server) {
		if err := srv.RegisterValue("Worker", w, managers.TypeOptions{}); err != nil {
			t.Fatal(err)
		}
	})
	m := s.client()
	worker := must1[*proxy.Ref](t)(m.Create(s.ctx, "Worker"))
	done := make(chan error, 1)
	go func() { done <- errOf(proxy.Call[struct{}](s.ctx, worker, "Hang")) }()
	soon(t, "the call begins", w.started)
	start := time.Now()
	if err := s.srv.Shutdown(s.ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "1 calls did not end") {
		t.Errorf("Shutdown: %v; want to hear of the call that did not end", err)
	}
	if d := time.Since(start); d < 200*time.Millisecond || d > 5*time.Second {
		t.Errorf("the shutdown took %v; the grace period is 200ms", d)
	}
	is(t, "the method", soon(t, "the method ends", w.ended), context.Canceled)
	if err := soon(t, "its caller hears", done); err == nil {
		t.Error("the caller of a call that was broken off heard nothing")
	}
}

// TestShutdownWithDeafClients: clients that do not read do not hold it up.
func TestShutdownWithDeafClients(t *testing.T) {
	s := serve(t, plain, managers.Config{ShutdownGrace: time.Second})
	for range 20 {
		p, _ := s.session(time.Minute)
		p.nc.(*net.TCPConn).SetReadBuffer(4096)
		var b []byte
		for range 20_000 {
			b = wire.AppendPing(b, wire.KindPing, 1<<60)
		}
		p.nc.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
		p.nc.Write(b)
	}
	start := time.Now()
	s.must(s.srv.Shutdown(s.ctx))
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("the shutdown took %v", d)
	}
}
