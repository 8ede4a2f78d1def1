package integration

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/syncmanager/syncmanager/proxy"
)

// TestManyCallers runs 100 callers on one client over each transport: each
// counts, puts and gets, and takes a lock around what is not atomic.
func TestManyCallers(t *testing.T) {
	overAll(t, func(e *env) {
		const callers, rounds = 100, 20
		work(e, callers, rounds, func(int) *proxy.Manager { return e.m })
	})
}

// TestManyClients does so with 100 clients at once.
func TestManyClients(t *testing.T) {
	overAll(t, func(e *env) {
		const clients, rounds = 100, 10
		ms := make([]*proxy.Manager, clients)
		var wg sync.WaitGroup
		for i := range ms {
			wg.Go(func() {
				m, err := proxy.Connect(e.ctx, e.addr, proxy.Config{AuthKey: e.key})
				if err != nil {
					e.Errorf("client %d: %v", i, err)
					return
				}
				ms[i] = m
			})
		}
		wg.Wait()
		defer func() {
			for _, m := range ms {
				if m != nil {
					wg.Go(func() { m.Close() })
				}
			}
			wg.Wait()
		}()
		if e.Failed() {
			return
		}
		if n := e.info("connections"); n < clients {
			e.Errorf("the server has %d connections", n)
		}
		work(e, clients, rounds, func(i int) *proxy.Manager { return ms[i] })
	})
}

// work runs callers that share a dict, a queue, a lock and a barrier, and
// checks what is left.
func work(e *env, callers, rounds int, client func(int) *proxy.Manager) {
	e.Helper()
	ctx, cancel := context.WithTimeout(e.ctx, limit)
	defer cancel()
	start := time.Now()
	errs := make(chan error, callers)
	for i := range callers {
		go func() {
			err := worker(ctx, client(i), i, callers, rounds)
			if err != nil {
				err = fmt.Errorf("caller %d: %w", i, err)
				cancel()
			}
			errs <- err
		}()
	}
	for range callers {
		if err := <-errs; err != nil && !errors.Is(err, context.Canceled) {
			e.Error(err)
		}
	}
	if e.Failed() {
		return
	}
	total := callers * rounds
	d := must1[*proxy.Dict[string, int]](e)(proxy.OpenDict[string, int](ctx, e.m, "many.counts"))
	eq(e, "atomic counts", total)(d.Get(ctx, "atomic"))
	eq(e, "counts under the lock", total)(d.Get(ctx, "locked"))
	q := must1[*proxy.Queue[int]](e)(proxy.OpenQueue[int](ctx, e.m, "many.queue", 0))
	eq(e, "items left", 0)(q.QSize(ctx))
	if took := time.Since(start); took > 20*time.Second {
		e.Errorf("it took %v", took)
	}
}

func worker(ctx context.Context, m *proxy.Manager, i, callers, rounds int) error {
	d, err := proxy.OpenDict[string, int](ctx, m, "many.counts")
	if err != nil {
		return err
	}
	q, err := proxy.OpenQueue[int](ctx, m, "many.queue", 50)
	if err != nil {
		return err
	}
	l, err := proxy.OpenLock(ctx, m, "many.lock")
	if err != nil {
		return err
	}
	b, err := proxy.OpenBarrier(ctx, m, "many.barrier", callers, 0)
	if err != nil {
		return err
	}
	if _, err := b.Wait(ctx); err != nil {
		return err
	}
	for range rounds {
		if _, err := d.Add(ctx, "atomic", 1); err != nil {
			return err
		}
		// As many puts as gets, so that none waits for ever.
		put := make(chan error, 1)
		go func() { put <- q.Put(ctx, i) }()
		_, err := q.Get(ctx)
		if err := errors.Join(err, <-put); err != nil {
			return err
		}
		h, err := l.Acquire(ctx)
		if err != nil {
			return err
		}
		n, err := d.GetDefault(ctx, "locked", 0)
		if err == nil {
			err = d.Set(proxy.WithHold(ctx, h), "locked", n+1)
		}
		if err := errors.Join(err, h.Release(ctx)); err != nil {
			return err
		}
		list, err := proxy.NewList(ctx, m, i)
		if err != nil {
			return err
		}
		list.Drop()
	}
	_, err = b.Wait(ctx)
	return err
}
