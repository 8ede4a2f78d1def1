package load

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/syncmanager/syncmanager/integration/bench/internal/stats"
	"github.com/syncmanager/syncmanager/proxy"
)

// contended is a lock, or a semaphore of one permit, that everybody wants.
type contended struct {
	acquire func(context.Context) (*proxy.Hold, error)
	waiting func(context.Context) (int, error)
}

func openContended(ctx context.Context, m *proxy.Manager, op string) (contended, error) {
	if op == OpContendSemaphore {
		s, err := proxy.OpenSemaphore(ctx, m, "bench:contended semaphore", 1)
		if err != nil {
			return contended{}, err
		}
		return contended{s.Acquire, s.Waiting}, nil
	}
	l, err := proxy.OpenLock(ctx, m, "bench:contended lock")
	if err != nil {
		return contended{}, err
	}
	return contended{l.Acquire, func(ctx context.Context) (int, error) {
		info, err := l.Holder(ctx)
		if err != nil || info == nil {
			return 0, err
		}
		return int(info.Waiting), nil
	}}, nil
}

// line is one queue of waiters from the first to the last.
type line struct {
	// Guarded by mu.
	mu       sync.Mutex
	released time.Time // when the last holder called release
	order    []int     // of the waiters, as they were served
	handover stats.Histogram
	err      error
}

// contend lets r.Callers wait in a known order, and times how the lock goes
// through their hands, again and again until r.Millis are over.
func (d *manager) contend(ctx context.Context, r Request) (Sample, error) {
	m, err := d.session(ctx, 0)
	if err != nil {
		return nil, err
	}
	c, err := openContended(ctx, m, r.Op)
	if err != nil {
		return nil, err
	}
	plain := Request{Op: OpGet, Keys: r.Keys, Size: r.Size, Callers: 1}
	if err := d.Prepare(ctx, plain); err != nil {
		return nil, err
	}
	plain.names = keys(r.Keys, 0)
	get, err := d.Op(ctx, plain, 0)
	if err != nil {
		return nil, err
	}
	var (
		handover, trip stats.Histogram
		handovers      int
		inOrder        int
	)
	gets := func() error {
		for range r.Callers {
			at := time.Now()
			if err := get(); err != nil {
				return err
			}
			trip.Record(time.Since(at))
		}
		return nil
	}
	err = r.window(func() error {
		for began := time.Now(); handovers == 0 || time.Since(began) < time.Duration(r.Millis)*time.Millisecond; {
			l, err := passAlong(ctx, c, r.Callers, gets)
			if err != nil {
				return err
			}
			handover.Merge(&l.handover)
			handovers += len(l.order)
			for place, waiter := range l.order {
				if place == waiter {
					inOrder++
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s := Sample{
		"calls": float64(handovers), "in_order": 100 * float64(inOrder) / float64(handovers),
		"trip_p50": micros(trip.Quantile(0.5)), "trip_p99": micros(trip.Quantile(0.99)),
	}
	latency(s, &handover)
	return s, nil
}

// passAlong takes the lock, lines up n waiters one after the other, runs
// meanwhile, and lets go.
func passAlong(ctx context.Context, c contended, n int, meanwhile func() error) (*line, error) {
	l := new(line)
	first, err := c.acquire(ctx)
	if err != nil {
		return nil, err
	}
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { l.wait(ctx, c, i) })
		err = until(ctx, func() (bool, error) {
			waiting, err := c.waiting(ctx)
			return waiting > i, err
		})
		if err != nil {
			break
		}
	}
	if err == nil {
		err = meanwhile()
	}
	if releaseErr := l.release(ctx, first); err == nil {
		err = releaseErr
	}
	wg.Wait()
	if err != nil {
		return nil, err
	}
	if l.err != nil {
		return nil, l.err
	}
	if len(l.order) != n {
		return nil, fmt.Errorf("%d of %d waiters were served", len(l.order), n)
	}
	return l, nil
}

// wait is one waiter's turn.
func (l *line) wait(ctx context.Context, c contended, i int) {
	hold, err := c.acquire(ctx)
	at := time.Now()
	if err != nil {
		l.fail(err)
		return
	}
	l.mu.Lock()
	l.handover.Record(at.Sub(l.released))
	l.order = append(l.order, i)
	l.mu.Unlock()
	if err := l.release(ctx, hold); err != nil {
		l.fail(err)
	}
}

// release lets the lock go to the next waiter.
func (l *line) release(ctx context.Context, hold *proxy.Hold) error {
	l.mu.Lock()
	l.released = time.Now()
	l.mu.Unlock()
	return hold.Release(ctx)
}

func (l *line) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = err
	}
}
