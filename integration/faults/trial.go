package faults

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/proxy"
)

// Trial is mixed work of many sessions under faults.
type Trial struct {
	Seed    uint64
	Server  string // its address
	AuthKey auth.Credential
	Lease   time.Duration
	Dial    time.Duration // of one attempt to connect; 0 means a twentieth of Lease
	Relay   RelayConfig   // Seed and Lease are set for each session

	Survivors int // sessions whose promises must be kept
	Dying     int // sessions that are cut off for good at some time
	Ops       int // of each session
	Pause     time.Duration
	Blobs     int // when above 0: now and then a value of up to that many bytes

	// Echo, when set, is the name under which the server has an Echo serve raw
	// connections, which the sessions use beside their calls.
	Echo string

	Log func(format string, args ...any)
}

const (
	trialRounds  = 3 // of the barrier
	trialPermits = 2
)

// seat is one session of a trial.
type seat struct {
	trial *Trial
	books *books
	index int
	dying bool
	rng   *rand.Rand
	relay *Relay
	m     *proxy.Manager
	items int
	blobs map[string]bool // what this session's blob may be
	talks *talks

	queue   *proxy.Queue[int]
	dict    *proxy.Dict[string, int]
	large   *proxy.Dict[int, string]
	lock    *proxy.Lock
	permits *proxy.Semaphore
	barrier *proxy.Barrier // of the survivors
	value   *proxy.Value[int]
	doomed  *proxy.Barrier // of two survivors and one who dies
}

// Run carries the trial out. It returns what does not balance, or why it could
// not be finished before the context ended, which is the same: somebody waited
// for nothing.
func (t *Trial) Run(ctx context.Context) error {
	b := newBooks()
	auditor, seats, end, err := t.open(ctx, b)
	defer end()
	if err != nil {
		return err
	}
	var all, talking sync.WaitGroup
	done := make(chan struct{})
	for _, s := range seats {
		all.Go(func() { s.work(ctx) })
		if t.Echo != "" {
			talking.Go(func() { s.talks.run(ctx, done) })
		}
	}
	all.Wait()
	close(done)
	talking.Wait()
	if ctx.Err() != nil {
		b.fail("the work was not done in time: somebody waits for nothing")
		return errors.Join(b.failures...)
	}
	for _, s := range seats {
		if !s.dying {
			s.relay.Calm()
			if t.Echo != "" {
				talking.Go(func() { s.talks.last(ctx) })
			}
		}
	}
	talking.Wait()
	if err := auditor.await(ctx); err != nil {
		return err
	}
	return auditor.audit(ctx, seats)
}

// open opens the sessions: one for an audit, without a relay, and those that
// work. end closes all; it is never nil.
func (t *Trial) open(ctx context.Context, b *books) (auditor *seat, seats []*seat, end func(), err error) {
	end = func() {
		for _, s := range seats {
			s.relay.Calm()
			s.m.Close()
			s.relay.Close()
		}
		if auditor != nil {
			auditor.m.Close()
		}
	}
	if auditor, err = t.newSeat(ctx, b, -1, t.Server); err != nil {
		return nil, nil, end, fmt.Errorf("the auditor: %w", err)
	}
	if err := auditor.dict.Set(ctx, "fence", 0); err != nil {
		return auditor, nil, end, err
	}
	for i := range t.Survivors + t.Dying {
		cfg := t.Relay
		cfg.Seed, cfg.Lease = t.Seed<<8|uint64(i), t.Lease
		if t.Log != nil {
			cfg.Log = func(format string, args ...any) {
				t.Log("client %d: %s", i, fmt.Sprintf(format, args...))
			}
		}
		r, err := Listen(ctx, t.Server, cfg)
		if err != nil {
			return auditor, seats, end, err
		}
		s, err := t.newSeat(ctx, b, i, r.Addr())
		if err != nil {
			r.Close()
			return auditor, seats, end, fmt.Errorf("client %d: %w", i, err)
		}
		s.relay = r
		seats = append(seats, s)
		if s.dying {
			b.died[i] = true
		}
	}
	return auditor, seats, end, nil
}

// newSeat opens a session and its objects. The first attempt may meet a fault.
func (t *Trial) newSeat(ctx context.Context, b *books, i int, addr string) (*seat, error) {
	s := &seat{trial: t, books: b, index: i, dying: i >= t.Survivors, rng: rand.New(rand.NewPCG(t.Seed, uint64(i+1)))}
	s.talks = newTalks(s)
	var err error
	for range 20 {
		s.m, err = proxy.Connect(ctx, addr, proxy.Config{AuthKey: t.AuthKey, Lease: t.Lease, DialTimeout: cmp.Or(t.Dial, t.Lease/20)})
		if err == nil || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	open := func(err2 error) { err = errors.Join(err, err2) }
	s.queue, err = proxy.OpenQueue[int](ctx, s.m, "queue", 0)
	var e error
	s.dict, e = proxy.OpenDict[string, int](ctx, s.m, "shared")
	open(e)
	s.large, e = proxy.OpenDict[int, string](ctx, s.m, "large")
	open(e)
	s.lock, e = proxy.OpenLock(ctx, s.m, "lock")
	open(e)
	s.permits, e = proxy.OpenSemaphore(ctx, s.m, "permits", trialPermits)
	open(e)
	s.barrier, e = proxy.OpenBarrier(ctx, s.m, "barrier", t.Survivors, 0)
	open(e)
	s.value, e = proxy.OpenValue(ctx, s.m, "value", "q", 0)
	open(e)
	s.doomed, e = proxy.OpenBarrier(ctx, s.m, "doomed", 3, 0)
	open(e)
	return s, err
}

// work is what one session does.
func (s *seat) work(ctx context.Context) {
	t := s.trial
	if s.dying {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		life := upTo(s.rng, t.Pause*time.Duration(t.Ops))
		killer := time.AfterFunc(life, s.relay.Kill)
		defer killer.Stop()
		for i := 0; s.m.Err() == nil && ctx.Err() == nil; i++ {
			if i == t.Ops/2 && s.index == t.Survivors {
				_, _ = s.doomed.Wait(ctx) // fails with the session, or before
			}
			s.step(ctx)
		}
		return
	}
	for round := range trialRounds {
		for range t.Ops / trialRounds {
			s.step(ctx)
		}
		n, err := s.barrier.Wait(ctx)
		if err != nil {
			s.failed("barrier.wait", err)
			return
		}
		s.books.passed(s.index, round, n, t.Survivors)
	}
	if s.index < 2 {
		_, err := s.doomed.WaitTimeout(ctx, t.Lease)
		if err != nil && !errors.Is(err, proxy.ErrBrokenBarrier) {
			s.failed("barrier.wait with one who dies", err)
		}
	}
}

// failed enters an error that a session that survives must not meet.
func (s *seat) failed(what string, err error) {
	if !s.dying {
		s.books.fail("client %d: %s: %w", s.index, what, err)
	}
}

// unknown reports whether a call that failed may have taken effect.
func unknown(err error) bool { return !proxy.SafeToRetry(err) }

// impatient returns a context that ends soon, for one call in four.
func (s *seat) impatient(ctx context.Context) (context.Context, context.CancelFunc, bool) {
	if s.rng.IntN(4) > 0 {
		return ctx, func() {}, false
	}
	c, cancel := context.WithTimeout(ctx, upTo(s.rng, s.trial.Lease/20))
	return c, cancel, true
}

func (s *seat) step(ctx context.Context) {
	time.Sleep(upTo(s.rng, s.trial.Pause))
	c, cancel, impatient := s.impatient(ctx)
	defer cancel()
	switch n := s.rng.IntN(10); {
	case s.trial.Blobs > 0 && s.rng.IntN(5) == 0:
		s.blob(c, impatient)
	case n < 3:
		s.put(c, impatient)
	case n < 6:
		s.get(c, impatient)
	case n < 8:
		s.add(c, impatient)
	case n < 9:
		h, err := s.lock.Acquire(c)
		s.held(ctx, "lock", 1, h, err, impatient)
	default:
		h, err := s.permits.Acquire(c)
		s.held(ctx, "permits", trialPermits, h, err, impatient)
	}
}

func (s *seat) put(ctx context.Context, impatient bool) {
	s.items++
	item := (s.index+1)<<20 | s.items
	s.books.put(item, false)
	err := s.queue.Put(ctx, item)
	switch {
	case err == nil:
		s.books.put(item, true)
	case !impatient:
		s.failed("queue.put", err)
	}
}

func (s *seat) get(ctx context.Context, impatient bool) {
	d, err := s.queue.ReceiveTimeout(ctx, upTo(s.rng, s.trial.Lease/20))
	if err != nil {
		if !impatient && !errors.Is(err, proxy.ErrEmpty) {
			s.failed("queue.get", err)
		}
		return
	}
	place := s.books.received(s.index, d.Value, d.Attempt > 1)
	if s.rng.IntN(8) == 0 {
		if err := d.Nack(ctx, proxy.NackOptions{}); err != nil && !impatient {
			s.failed("queue.nack", err)
		}
		return
	}
	if !s.dying {
		s.books.final(d.Value, place)
	}
	if err := d.Ack(ctx); err != nil && !impatient {
		s.failed("queue.ack", err)
	}
}

func (s *seat) add(ctx context.Context, impatient bool) {
	key := fmt.Sprintf("key %d", s.rng.IntN(3))
	n, err := s.dict.AddDefault(ctx, key, 1, 0)
	switch {
	case err == nil:
		s.books.added(key, n)
		return
	case !impatient:
		s.failed("dict.add", err)
	}
	if unknown(err) {
		s.books.added(key, 0)
	}
}

// blob writes or reads this session's own large value. It travels in fragments,
// which a cancel overtakes; a write that was given up must not come later than
// the next.
func (s *seat) blob(ctx context.Context, impatient bool) {
	if s.blobs == nil || s.rng.IntN(2) == 0 {
		s.items++
		v := strings.Repeat(fmt.Sprint(s.items, " "), 1+s.rng.IntN(s.trial.Blobs/8))
		err := s.large.Set(ctx, s.index, v)
		switch {
		case err == nil:
			s.blobs = map[string]bool{v: true}
			return
		case !impatient:
			s.failed("dict.set of a large value", err)
		}
		if unknown(err) && s.blobs != nil {
			s.blobs[v] = true
		}
		return
	}
	v, err := s.large.Get(ctx, s.index)
	switch {
	case err != nil && !impatient:
		s.failed("dict.get of a large value", err)
	case err == nil && !s.blobs[v]:
		s.books.fail("client %d wrote a large value and read another, of %d bytes that begin with %.8q", s.index, len(v), v)
	}
}

// held is what a session does with a lock or permit that it may have got.
func (s *seat) held(ctx context.Context, lock string, limit int, h *proxy.Hold, err error, impatient bool) {
	if err != nil {
		if !impatient {
			s.failed(lock+".acquire", err)
		}
		return
	}
	s.books.acquired(s.index, lock, limit, h)
	time.Sleep(upTo(s.rng, s.trial.Pause))
	if limit == 1 {
		old, err := s.dict.Swap(proxy.WithHold(ctx, h), "fence", int(h.Token()))
		switch {
		case err != nil:
			s.failed("dict.swap under the lock", err)
		case uint64(old) >= h.Token():
			s.books.fail("client %d wrote under token %d after token %d had written", s.index, h.Token(), old)
		}
	}
	s.books.releasing(lock, h)
	if err := h.Release(ctx); err != nil {
		s.failed(lock+".release", err)
	}
}

// await waits until the dead are gone and the others are at rest: connected,
// with nothing that waits or is not acknowledged. It does so for a lease and a
// half at most; audit says what is wrong then.
func (s *seat) await(ctx context.Context) error {
	for end := time.Now().Add(s.trial.Lease * 3 / 2); time.Now().Before(end); time.Sleep(s.trial.Lease / 20) {
		page, err := s.m.Sessions(ctx, 0, 1000)
		if err != nil {
			return err
		}
		if len(page.Rows) == s.trial.Survivors+1 && !slices.ContainsFunc(page.Rows, s.restless) {
			break
		}
	}
	return nil
}

// restless reports whether another session has something under way.
func (s *seat) restless(row proxy.SessionInfo) bool {
	return row.ID != s.m.SessionID() && (row.Parked != 0 || row.Kept != 0 || !row.Connected)
}

// audit looks at what is left once the dead are gone and all is quiet.
func (s *seat) audit(ctx context.Context, seats []*seat) error {
	drained := make(map[int]bool)
	for {
		d, err := s.queue.ReceiveTimeout(ctx, 0)
		if errors.Is(err, proxy.ErrEmpty) {
			break
		}
		if err != nil {
			return err
		}
		s.books.received(s.index, d.Value, d.Attempt > 1)
		drained[d.Value] = true
		if err := d.Ack(ctx); err != nil {
			return err
		}
	}
	if _, err := s.lock.TryAcquire(ctx); err != nil {
		s.books.fail("the lock is not free: %w", err)
	}
	if n, err := s.permits.GetValue(ctx); err != nil || n != trialPermits {
		s.books.fail("%d permits are left (%v), want %d", n, err, trialPermits)
	}
	page, err := s.m.Sessions(ctx, 0, 1000)
	if err != nil {
		return err
	}
	if len(page.Rows) != s.trial.Survivors+1 {
		s.books.fail("%d sessions are there, want %d survivors and the auditor", len(page.Rows), s.trial.Survivors)
	}
	for _, row := range page.Rows {
		if s.restless(row) {
			s.books.fail("session %d is not at rest: %+v", row.ID, row)
		}
	}
	for _, other := range seats {
		if err := other.m.Err(); !other.dying && err != nil {
			s.books.fail("client %d did not survive: %w", other.index, err)
		} else if other.dying && err == nil {
			s.books.fail("client %d, cut off for longer than its lease, believes in its session", other.index)
		}
	}
	values, err := s.dict.Copy(ctx)
	if err != nil {
		return err
	}
	return s.books.balance(drained, values, s.trial.Survivors, trialRounds)
}
