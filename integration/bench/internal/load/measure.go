package load

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/syncmanager/syncmanager/integration/bench/internal/stats"
	"github.com/syncmanager/syncmanager/proxy"
)

// Workloads of our own client that are no closed loop.
const (
	OpContendLock      = "contended lock"
	OpContendSemaphore = "contended semaphore"
	OpPark             = "park"       // let Callers wait for an item of a queue, over Clients sessions
	OpWake             = "wake"       // wake Count of them, one by one
	OpUnpark           = "unpark"     // let all go
	OpIdle             = "idle"       // connect Count sessions
	OpIdleClose        = "idle-close" // close them
	OpNeighbours       = "neighbours" // Callers get while one more copies Size bytes
	OpWalk             = "walk"       // walk a large object again and again: Name says how
)

// Measure runs the workloads that are no closed loop.
func (d *manager) Measure(ctx context.Context, r Request) (Sample, bool, error) {
	run, ok := map[string]func(context.Context, Request) (Sample, error){
		OpFill:        d.fillAfresh,
		OpContendLock: d.contend, OpContendSemaphore: d.contend,
		OpPark: d.park, OpWake: d.wake, OpUnpark: d.unpark,
		OpIdle: d.connectIdle, OpIdleClose: d.closeIdle,
		OpNeighbours: d.neighbours, OpWalk: d.walkLarge,
	}[r.Op]
	if !ok {
		return nil, false, nil
	}
	s, err := run(ctx, r)
	if err != nil {
		return nil, true, fmt.Errorf("%s: %w", r.Op, err)
	}
	return s, true, nil
}

// fillAfresh fills the dict of r.
func (d *manager) fillAfresh(ctx context.Context, r Request) (Sample, error) {
	if err := fill(ctx, d, d.dictOf(r), r, value(r.Size)); err != nil {
		return nil, err
	}
	return Sample{"entries": float64(r.Keys)}, nil
}

// parked are callers that wait in Queue.get.
type parked struct {
	puts   *proxy.Queue[string] // a session of its own, so that its put passes no one's reply
	got    chan time.Time       // when a caller was woken
	cancel context.CancelFunc
	done   sync.WaitGroup
	left   int
	failed atomic.Pointer[error] // the first error that was not asked for
}

// park lets r.Callers wait for an item of one queue.
func (d *manager) park(ctx context.Context, r Request) (Sample, error) {
	if d.parked != nil {
		return nil, errors.New("callers are parked already")
	}
	m, err := d.session(ctx, max(r.Clients, 1))
	if err != nil {
		return nil, err
	}
	before, err := count(ctx, m, "parked")
	if err != nil {
		return nil, err
	}
	puts, err := proxy.OpenQueue[string](ctx, m, queueName, 0)
	if err != nil {
		return nil, err
	}
	waits, cancel := context.WithCancel(ctx)
	p := &parked{puts: puts, got: make(chan time.Time, 1), cancel: cancel, left: r.Callers}
	d.parked = p
	queues := make([]*proxy.Queue[string], max(r.Clients, 1))
	for i := range queues {
		s, err := d.session(ctx, i)
		if err != nil {
			return nil, err
		}
		if queues[i], err = proxy.OpenQueue[string](ctx, s, queueName, 0); err != nil {
			return nil, err
		}
	}
	for i := range r.Callers {
		p.done.Go(func() { p.wait(waits, queues[i%len(queues)]) })
	}
	if err := until(ctx, func() (bool, error) {
		n, err := count(ctx, m, "parked")
		return n-before >= r.Callers, err
	}); err != nil {
		return nil, err
	}
	return Sample{"parked": float64(r.Callers)}, nil
}

// wait is the life of one parked caller.
func (p *parked) wait(ctx context.Context, q *proxy.Queue[string]) {
	_, err := q.Get(ctx)
	at := time.Now()
	switch {
	case err == nil:
		p.got <- at
	case ctx.Err() == nil:
		p.failed.CompareAndSwap(nil, &err)
	}
}

// wake wakes r.Count parked callers, one after the other, and times each from
// the call of put to the return of get. A plain call of the same client is
// timed in between.
func (d *manager) wake(ctx context.Context, r Request) (Sample, error) {
	p := d.parked
	if p == nil || p.left < r.Count {
		return nil, fmt.Errorf("fewer than %d callers are parked", r.Count)
	}
	var woken, plain stats.Histogram
	v := value(r.Size)
	err := r.window(func() error {
		for range r.Count {
			began := time.Now()
			if _, err := p.puts.QSize(ctx); err != nil {
				return err
			}
			plain.Record(time.Since(began))
			began = time.Now()
			if err := p.puts.Put(ctx, v); err != nil {
				return err
			}
			woken.Record((<-p.got).Sub(began))
			p.left--
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s := Sample{"calls": float64(r.Count), "plain_p50": micros(plain.Quantile(0.5)), "plain_p99": micros(plain.Quantile(0.99))}
	latency(s, &woken)
	return s, nil
}

// unpark lets all parked callers go.
func (d *manager) unpark(_ context.Context, _ Request) (Sample, error) {
	p := d.parked
	if p == nil {
		return nil, errors.New("nobody is parked")
	}
	d.parked = nil
	p.cancel()
	p.done.Wait()
	if err := p.failed.Load(); err != nil {
		return nil, *err
	}
	return Sample{}, nil
}

// dialers is how many idle clients connect at a time.
const dialers = 32

// connectIdle connects r.Count sessions and keeps them.
func (d *manager) connectIdle(ctx context.Context, r Request) (Sample, error) {
	var (
		wg    sync.WaitGroup
		next  atomic.Int64
		mu    sync.Mutex
		first error
	)
	connect := func() {
		for next.Add(1) <= int64(r.Count) {
			m, err := proxy.Connect(ctx, d.addr, d.config)
			mu.Lock()
			if err != nil {
				first = errors.Join(first, err)
				mu.Unlock()
				return
			}
			d.idle = append(d.idle, m)
			mu.Unlock()
		}
	}
	var elapsed time.Duration
	err := r.window(func() error {
		began := time.Now()
		for range min(dialers, r.Count) {
			wg.Go(connect)
		}
		wg.Wait()
		elapsed = time.Since(began)
		return first
	})
	if err != nil {
		return nil, fmt.Errorf("after %d sessions: %w", len(d.idle), err)
	}
	return Sample{"calls": float64(r.Count), "per_second": float64(r.Count) / elapsed.Seconds()}, nil
}

// closeIdle closes what connectIdle has opened.
func (d *manager) closeIdle(context.Context, Request) (Sample, error) {
	var (
		wg   sync.WaitGroup
		all  error
		mu   sync.Mutex
		gate = make(chan struct{}, dialers)
	)
	for _, m := range d.idle {
		gate <- struct{}{}
		wg.Go(func() {
			defer func() { <-gate }()
			if err := m.Close(); err != nil {
				mu.Lock()
				all = errors.Join(all, err)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	d.idle = nil
	return Sample{}, all
}

// neighbours measures small calls while one goroutine of the same client stores
// and reads a large value again and again.
func (d *manager) neighbours(ctx context.Context, r Request) (Sample, error) {
	m, err := d.session(ctx, 0)
	if err != nil {
		return nil, err
	}
	bulk, err := bulkOp(ctx, m, r)
	if err != nil {
		return nil, err
	}
	small := Request{Op: OpGet, Callers: r.Callers, Keys: r.Keys, Every: 1, Millis: r.Millis, Warm: r.Warm, Hold: r.Hold, Profile: r.Profile}
	var (
		stop   atomic.Bool
		copies int
		failed error
		wg     sync.WaitGroup
	)
	wg.Go(func() {
		for !stop.Load() && failed == nil {
			failed = bulk()
			copies++
		}
	})
	s, err := Run(ctx, d, small, r.pause)
	stop.Store(true)
	wg.Wait()
	if err := errors.Join(err, failed); err != nil {
		return nil, err
	}
	s["copies"] = float64(copies)
	return s, nil
}

// count is one of the numbers that the server tells of itself.
func count(ctx context.Context, m *proxy.Manager, name string) (int, error) {
	info, err := m.Info(ctx)
	if err != nil {
		return 0, err
	}
	n, ok := info[name].(int64)
	if !ok {
		return 0, fmt.Errorf("the server's info has no number %q", name)
	}
	return int(n), nil
}

// untilWait bounds how long a state of the server is waited for.
const untilWait = time.Minute

// until asks again and again until done.
func until(ctx context.Context, done func() (bool, error)) error {
	deadline := time.Now().Add(untilWait)
	for {
		ok, err := done()
		if err != nil || ok {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("did not come to pass within %v", untilWait)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}
