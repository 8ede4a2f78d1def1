package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/syncmanager/syncmanager/integration/bench/internal/bench"
	"github.com/syncmanager/syncmanager/integration/bench/internal/load"
	"github.com/syncmanager/syncmanager/integration/bench/internal/proc"
)

// The counts of the memory cases. A short run takes a part of them; what is
// judged is per waiter, per client and per entry.
const (
	parkedCallers  = 100_000
	parkedSessions = 10
	wakes          = 1000
	idleClients    = 10_000
	manyEntries    = 1_000_000
	fewEntries     = 10
	churned        = 1_000_000
	churners       = 50
	churnWarm      = 20_000

	// slowWork is what a request of these cases may take beside its round.
	slowWork = 3 * time.Minute
)

// scaled is a count, or part of it in a short run.
func scaled(n, part int, round bench.Round) int {
	if round.Short {
		return n / part
	}
	return n
}

// memory asks the server for what it takes, after a collection if collect.
func (p pair) memory(collect bool) (proc.Memory, error) {
	var m proc.Memory
	err := p.e.ask(p.server, 0, serverRequest{Collect: collect}, &m)
	return m, err
}

// memory measures what the server holds for those who wait, idle and store.
func (s *suite) memory() {
	s.parked()
	s.idle()
	s.million()
	s.delays()
	s.churn()
}

func (s *suite) parked() {
	const name, row = "parked Queue.get", "100,000 calls parked in Queue.get on one server"
	s.add(bench.Case{
		Group: "memory", Name: name, Metric: "bytes", Unit: "bytes each", Lower: true,
		What: "100,000 goroutines of one process wait in Queue.get over 10 sessions (a tenth of them in a short run). " +
			"Bytes are the growth of the server's resident size, after a forced collection before and after. " +
			"p50 and p99 are from the call of put to the return of the get that it wakes.",
		Series: []bench.Series{{Name: embedded.label, Run: s.alone(embedded, measureParked)}},
	})
	s.bar(bench.Bar{Row: row, Name: "server memory of a parked call", Value: metric(name, embedded, "bytes"), AtMost: true, Limit: 1024, Unit: "bytes"})
	for _, q := range []string{"p50", "p99"} {
		s.bar(bench.Bar{
			Row: row, Name: "waking one / a plain call (queue.qsize), " + q, AtMost: true, Limit: 2,
			Value: metric(name, embedded, q), Per: []bench.Term{metric(name, embedded, "plain_"+q)},
		})
	}
	s.bar(bench.Bar{Row: row, Name: "goroutines of the server per parked call", Value: metric(name, embedded, "goroutines"), AtMost: true, Limit: 0.01, Unit: "goroutines"})
}

func measureParked(p pair, round bench.Round) (map[string]float64, error) {
	n := scaled(parkedCallers, 10, round)
	// A caller per session first: what a session takes is another case.
	park := load.Request{Op: load.OpPark, Callers: parkedSessions, Clients: parkedSessions, Size: valueSize}
	if _, err := p.do(park); err != nil {
		return nil, err
	}
	if _, err := p.do(load.Request{Op: load.OpUnpark}); err != nil {
		return nil, err
	}
	before, err := p.memory(true)
	if err != nil {
		return nil, err
	}
	park.Callers = n
	if _, err := p.do(park); err != nil {
		return nil, err
	}
	after, err := p.memory(true)
	if err != nil {
		return nil, err
	}
	woken, err := p.measure(load.Request{Op: load.OpWake, Count: min(wakes, n/2), Size: valueSize}, round)
	if err != nil {
		return nil, err
	}
	woken["bytes"] = (after.RSS - before.RSS) / float64(n)
	woken["heap"] = (after.Heap - before.Heap) / float64(n)
	woken["goroutines"] = (after.Goroutines - before.Goroutines) / float64(n)
	_, err = p.do(load.Request{Op: load.OpUnpark})
	return woken, err
}

func (s *suite) idle() {
	const name, row = "idle authenticated clients", "10,000 idle authenticated clients"
	plain, tls := embedded, embedded
	tls.label, tls.network = "syncmanager, TLS", "tls"
	var series []bench.Series
	for _, t := range []target{plain, tls} {
		series = append(series, bench.Series{Name: t.label, Run: s.alone(t, measureIdle)})
	}
	s.add(bench.Case{
		Group: "memory", Name: name, Metric: "bytes", Unit: "bytes each", Lower: true,
		What:   "10,000 sessions of one process (a twentieth of them in a short run), connected 32 at a time and then idle. Bytes are the growth of the server's resident size.",
		Series: series,
	})
	s.bar(bench.Bar{Row: row, Name: "server memory of an idle client, plain", Value: metric(name, plain, "bytes"), AtMost: true, Limit: 40 << 10, Unit: "bytes"})
	s.bar(bench.Bar{Row: row, Name: "server memory of an idle client, TLS", Value: metric(name, tls, "bytes"), AtMost: true, Limit: 64 << 10, Unit: "bytes"})
	s.bar(bench.Bar{Row: row, Name: "new clients a second, TLS", Value: metric(name, tls, "per_second"), Limit: 1000, Unit: "clients/s"})
}

func measureIdle(p pair, round bench.Round) (map[string]float64, error) {
	n := scaled(idleClients, 20, round)
	before, err := p.memory(true)
	if err != nil {
		return nil, err
	}
	got, err := p.measure(load.Request{Op: load.OpIdle, Count: n}, round)
	if err != nil {
		return nil, err
	}
	after, err := p.memory(true)
	if err != nil {
		return nil, err
	}
	got["bytes"] = (after.RSS - before.RSS) / float64(n)
	got["goroutines"] = (after.Goroutines - before.Goroutines) / float64(n)
	_, err = p.do(load.Request{Op: load.OpIdleClose})
	return got, err
}

func (s *suite) million() {
	const name, row = "a dict of 1,000,000 entries", "1,000,000 entries (16-byte keys and values) in one dict"
	fill := func(p pair, round bench.Round) load.Request {
		return load.Request{Op: load.OpFill, Keys: scaled(manyEntries, 20, round), Size: valueSize, Name: load.LargeDict}
	}
	ours := func(p pair, round bench.Round) (map[string]float64, error) {
		r := fill(p, round)
		before, err := p.memory(true)
		if err != nil {
			return nil, err
		}
		if _, err := p.do(r); err != nil {
			return nil, err
		}
		after, err := p.memory(true)
		return map[string]float64{"bytes": (after.RSS - before.RSS) / float64(r.Keys)}, err
	}
	redis := func(p pair, round bench.Round) (map[string]float64, error) {
		r := fill(p, round)
		before, err := proc.RSS(p.server.PID)
		if err != nil {
			return nil, err
		}
		if _, err := p.do(r); err != nil {
			return nil, err
		}
		after, err := proc.RSS(p.server.PID)
		return map[string]float64{"bytes": float64(after-before) / float64(r.Keys)}, err
	}
	s.add(bench.Case{
		Group: "memory", Name: name, Metric: "bytes", Unit: "bytes per entry", Lower: true,
		What: "Growth of the server's resident size by an entry with a 16-byte key and a 16-byte value (a twentieth of the entries in a short run). Redis: one hash, after MEMORY PURGE.",
		Series: []bench.Series{
			{Name: embedded.label, Run: s.alone(embedded, ours)},
			{Name: "redis", Needs: rueidis.needs(), Run: s.alone(rueidis, redis)},
		},
	})
	s.bar(bench.Bar{
		Row: row, Name: "memory / Redis' for the same hash", AtMost: true, Limit: 1.5,
		Value: metric(name, embedded, "bytes"), Per: []bench.Term{{Case: name, Series: "redis", Metric: "bytes"}},
	})

	byEntries := func(t target, n int) bench.Series {
		return s.series(t, func(t target) func(context.Context, bench.Round) (map[string]float64, error) {
			return s.shared(t, func(p pair, round bench.Round) (map[string]float64, error) {
				large := scaled(manyEntries, 20, round)
				r := load.Request{Op: load.OpGet, Callers: 50, Keys: min(n, large), Table: large}
				return repeat(r)(p, round)
			})
		})
	}
	const get = "dict get by number of entries, 50 callers"
	few := oursPlain
	few.apart = "large" // a million entries are nothing that other cases should carry along
	many := few
	few.label, many.label = "10 entries", "1,000,000 entries"
	s.add(bench.Case{
		Group: "memory", Name: get,
		What:   "Reads a random entry of a small and of a large dict (a twentieth of the entries in a short run). Keys come from a table of as many strings for both, so that the client's work is the same.",
		Series: []bench.Series{byEntries(few, fewEntries), byEntries(many, manyEntries)},
	})
	s.bar(bench.Bar{Row: row, Name: "get of 1,000,000 entries / of 10", Value: ops(get, many), Per: []bench.Term{ops(get, few)}, Limit: 0.8})
}

// walked is the server of the large objects that are walked.
var walked = target{label: oursPlain.label, peer: oursPlain.peer, network: oursPlain.network, server: oursPlain.server, apart: "walked"}

// delays measures how long other calls wait for one that walks a large object.
func (s *suite) delays() {
	const name, row = "calls beside a walk of 1,000,000 entries", "1,000,000 entries (16-byte keys and values) in one dict"
	c := bench.Case{
		Group: "memory", Name: name, Metric: "max", Unit: "µs, the slowest", Lower: true,
		What: "One caller gets one of 1,000 entries while another process walks a large object again and again: all items of a dict, a copy of it, a sort of a list of strings (a twentieth of the entries in a short run). " +
			"Raw echo beside items is the control: one caller of the 64-byte TCP echo, which has nothing to do with managerd, during the same walk. It shows how much of a delay is the machine's, on whose cores the processes take turns.",
	}
	get := load.Request{Op: load.OpGet, Callers: 1}
	for _, how := range []string{load.WalkItems, load.WalkCopy, load.WalkSort} {
		c.Series = append(c.Series, bench.Series{Name: how, Run: s.delay(how, walked, get)})
		s.bar(bench.Bar{
			Row: row, Name: "slowest call beside " + how, AtMost: true, Limit: 10, Unit: "ms", Worst: true,
			Value: bench.Term{Case: name, Series: how, Metric: "max_ms"},
		})
	}
	control := echoTCP
	control.label = "raw echo beside " + load.WalkItems
	c.Series = append(c.Series, bench.Series{
		Name: control.label, Run: s.delay(load.WalkItems, control, load.Request{Op: load.OpEcho, Callers: 1}),
	})
	s.add(c)
}

// walkAhead is for what comes between the beginning of a walk and the measurement
// beside it.
const walkAhead = 300 * time.Millisecond

// delay measures one caller of t while another process walks a large object on
// a server that only these cases use.
func (s *suite) delay(how string, t target, r load.Request) func(context.Context, bench.Round) (map[string]float64, error) {
	var ready *proc.Child // the walker that has filled its object
	return func(ctx context.Context, round bench.Round) (map[string]float64, error) {
		server, err := s.e.server(ctx, walked)
		if err != nil {
			return nil, err
		}
		walker, err := s.e.generator(ctx, walked, 1)
		if err != nil {
			return nil, err
		}
		other, err := s.e.generator(ctx, t, 0)
		if err != nil {
			return nil, err
		}
		beside, err := s.e.server(ctx, t) // the same, but for raw echo
		if err != nil {
			return nil, err
		}
		entries := scaled(manyEntries, 20, round)
		walk := pair{s.e, walked, server, walker}
		if ready != walker {
			for _, r := range []load.Request{
				{Op: load.OpFill, Keys: entries, Size: valueSize, Name: load.LargeDict},
				{Op: load.OpWalk, Keys: entries, Name: how},
			} {
				if _, err := walk.do(r); err != nil {
					return nil, err
				}
			}
			ready = walker
		}
		least := time.Second
		if round.Short {
			least = time.Second / 2
		}
		round.Duration = max(round.Duration, least)
		done := make(chan error, 1)
		go func() {
			_, err := walk.do(load.Request{Op: load.OpWalk, Keys: entries, Name: how, Millis: int((round.Duration + round.Warm + walkAhead) / time.Millisecond)})
			done <- err
		}()
		got, err := pair{s.e, t, beside, other}.measure(timed(r, round), round)
		if err := errors.Join(err, <-done); err != nil {
			return nil, err
		}
		got["max_ms"] = got["max"] / 1000
		return got, nil
	}
}

// churn measures objects that come and go.
func (s *suite) churn() {
	const name, row = "1,000,000 anonymous objects", "1,000,000 anonymous objects created and released by 50 callers"
	s.add(bench.Case{
		Group: "memory", Name: name, Metric: "ops", Unit: "objects/s",
		What: "50 callers create and release dicts without a name, 1,000,000 in all (a tenth in a short run), after 20,000 that warm up. " +
			"Memory is the server's resident size after a forced collection, as a share of what it was before.",
		Series: []bench.Series{{Name: embedded.label, Run: s.alone(embedded, measureChurn)}},
	})
	s.bar(bench.Bar{Row: row, Name: "created and released", Value: ops(name, embedded), Limit: 100_000, Unit: "objects/s"})
	s.bar(bench.Bar{
		Row: row, Name: "memory afterwards / before", AtMost: true, Limit: 1.1,
		Value: metric(name, embedded, "rss_after"), Per: []bench.Term{metric(name, embedded, "rss_before")},
	})
}

func measureChurn(p pair, round bench.Round) (map[string]float64, error) {
	r := load.Request{Op: load.OpCreate, Callers: churners, Count: churnWarm, Every: sampled}
	if _, err := p.do(r); err != nil {
		return nil, err
	}
	before, err := p.memory(true)
	if err != nil {
		return nil, err
	}
	r.Count = scaled(churned, 10, round)
	got, err := p.measure(r, round)
	if err != nil {
		return nil, err
	}
	after, err := p.memory(true)
	got["rss_before"], got["rss_after"] = before.RSS, after.RSS
	return got, err
}

// allocations counts what a call allocates on either side.
func (s *suite) allocations() {
	const row = "server, steady state"
	const settle = 500 * time.Millisecond // fewer calls would count the opening of the objects
	for _, c := range []struct {
		op    string
		name  string
		calls float64 // that one operation is
	}{
		{load.OpGet, "allocations of a dict get", 1},
		{load.OpQueue, "allocations of a queue put or get", 2},
	} {
		s.add(bench.Case{
			Group: "allocations", Name: c.name, Metric: "server_allocs", Unit: "server allocations per call", Lower: true,
			What:   "Allocations of the whole server process, and of the whole client process, divided by the calls that 50 callers made.",
			Series: []bench.Series{{Name: embedded.label, Run: s.countAllocations(c.op, c.calls, settle)}},
		})
		s.bar(bench.Bar{Row: row, Name: c.name + ", server", Value: metric(c.name, embedded, "server_allocs"), AtMost: true, Limit: 1, Unit: "per call"})
		s.bar(bench.Bar{Row: row, Name: c.name + ", client", Value: metric(c.name, embedded, "client_allocs"), AtMost: true, Limit: 3, Unit: "per call"})
	}
}

func (s *suite) countAllocations(op string, calls float64, least time.Duration) func(context.Context, bench.Round) (map[string]float64, error) {
	return s.shared(embedded, func(p pair, round bench.Round) (map[string]float64, error) {
		round.Duration = max(round.Duration, least)
		r := timed(load.Request{Op: op, Callers: 50}, round)
		if _, err := p.do(r); err != nil {
			return nil, err
		}
		r.Warm = 0 // what is not counted as a call must not run in between
		got, err := p.measure(r, round)
		if err != nil {
			return nil, err
		}
		if got["calls"] == 0 {
			return nil, fmt.Errorf("%s: no call was made", op)
		}
		got["server_allocs"] /= calls
		got["client_allocs"] = got["allocs"] / calls
		return got, nil
	})
}
