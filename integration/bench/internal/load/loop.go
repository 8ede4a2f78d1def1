package load

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/syncmanager/syncmanager/integration/bench/internal/stats"
)

// Run performs one request: it prepares the driver, warms up and measures. With
// r.Hold it calls pause before and after what it measures.
func Run(ctx context.Context, d Driver, r Request, pause func() error) (Sample, error) {
	r.pause = pause
	if m, ok := d.(Measurer); ok {
		if s, done, err := m.Measure(ctx, r); done || err != nil {
			return s, err
		}
	}
	if r.Callers < 1 {
		return nil, fmt.Errorf("%s: %d callers; at least one is needed", r.Op, r.Callers)
	}
	if err := d.Prepare(ctx, r); err != nil {
		return nil, fmt.Errorf("%s: prepare: %w", r.Op, err)
	}
	r.names = keys(r.Keys, r.Table)
	ops := make([]Op, r.Callers)
	for i := range ops {
		op, err := d.Op(ctx, r, i)
		if err != nil {
			return nil, err
		}
		ops[i] = op
	}
	if r.Warm > 0 {
		if _, err := loop(ops, time.Duration(r.Warm)*time.Millisecond, 0, 1<<30); err != nil {
			return nil, fmt.Errorf("%s: warming up: %w", r.Op, err)
		}
		if _, err := settle(ctx, d, r); err != nil {
			return nil, fmt.Errorf("%s: warming up: %w", r.Op, err)
		}
	}
	runtime.GC()
	var got *tally
	var after time.Duration
	err := r.window(func() (err error) {
		if got, err = loop(ops, time.Duration(r.Millis)*time.Millisecond, r.Count, max(r.Every, 1)); err != nil {
			return err
		}
		after, err = settle(ctx, d, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.Op, err)
	}
	got.elapsed += after
	return got.sample(r), nil
}

// settle lets d wait for what the operations have left to be done, and returns
// how long that took.
func settle(ctx context.Context, d Driver, r Request) (time.Duration, error) {
	s, ok := d.(Settler)
	if !ok {
		return 0, nil
	}
	began := time.Now()
	err := s.Settle(ctx, r)
	return time.Since(began), err
}

// tally is what a loop has counted.
type tally struct {
	ops     int64
	elapsed time.Duration
	mallocs uint64
	lat     stats.Histogram
}

func (t *tally) sample(r Request) Sample {
	ops := float64(t.ops)
	if r.Batch > 0 {
		ops *= float64(r.Batch)
	}
	s := Sample{
		"ops":    ops / t.elapsed.Seconds(),
		"calls":  float64(t.ops),
		"allocs": float64(t.mallocs) / float64(max(t.ops, 1)),
	}
	latency(s, &t.lat)
	return s
}

// latency adds the quantiles of h to s, in microseconds.
func latency(s Sample, h *stats.Histogram) {
	if h.Count() == 0 {
		return
	}
	s["p50"] = micros(h.Quantile(0.5))
	s["p99"] = micros(h.Quantile(0.99))
	s["max"] = micros(h.Max())
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// loop lets one goroutine repeat each of ops until d is over, or until count
// operations were done in total if count is above 0. The time ends with the
// last operation, so that none is counted that took no time. The first error
// stops all.
func loop(ops []Op, d time.Duration, count, every int) (*tally, error) {
	var (
		stopped atomic.Bool
		budget  atomic.Int64
		first   error
		once    sync.Once
		wg      sync.WaitGroup
		start   = make(chan struct{})
		each    = make([]caller, len(ops))
	)
	budget.Store(int64(count))
	for i, op := range ops {
		wg.Go(func() {
			<-start
			if err := each[i].repeat(op, &stopped, &budget, count > 0, every); err != nil {
				once.Do(func() { first = err })
				stopped.Store(true)
			}
		})
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	close(start)
	if count <= 0 {
		timer := time.AfterFunc(d, func() { stopped.Store(true) })
		defer timer.Stop()
	}
	wg.Wait()
	total := &tally{elapsed: time.Since(began)}
	if first != nil {
		return nil, first
	}
	runtime.ReadMemStats(&after)
	total.mallocs = after.Mallocs - before.Mallocs
	for i := range each {
		total.ops += each[i].ops
		total.lat.Merge(&each[i].lat)
	}
	return total, nil
}

// caller is the count of one goroutine. Its histogram keeps the counters of
// different callers on different cache lines.
type caller struct {
	ops int64
	lat stats.Histogram
}

func (c *caller) repeat(op Op, stopped *atomic.Bool, budget *atomic.Int64, counted bool, every int) error {
	for !stopped.Load() {
		if counted && budget.Add(-1) < 0 {
			return nil
		}
		if c.ops%int64(every) != 0 {
			if err := op(); err != nil {
				return err
			}
			c.ops++
			continue
		}
		began := time.Now()
		if err := op(); err != nil {
			return err
		}
		c.lat.Record(time.Since(began))
		c.ops++
	}
	return nil
}
