package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/syncmanager/syncmanager/integration/bench/internal/bench"
	"github.com/syncmanager/syncmanager/integration/bench/internal/load"
	"github.com/syncmanager/syncmanager/integration/bench/internal/proc"
	"github.com/syncmanager/syncmanager/integration/bench/internal/profile"
	"github.com/syncmanager/syncmanager/integration/bench/internal/serve"
)

// measurement is what a series does in a round.
type measurement func(p pair, round bench.Round) (map[string]float64, error)

// repeat is the measurement of an ordinary loop.
func repeat(r load.Request) measurement {
	return func(p pair, round bench.Round) (map[string]float64, error) {
		return p.measure(timed(r, round), round)
	}
}

// pair is a server with a load generator of t on it.
type pair struct {
	e            *env
	t            target
	server, load *proc.Child
}

// shared runs f with the server and the load generator that all cases of t
// share.
func (s *suite) shared(t target, f measurement) func(context.Context, bench.Round) (map[string]float64, error) {
	return func(ctx context.Context, round bench.Round) (map[string]float64, error) {
		server, err := s.e.server(ctx, t)
		if err != nil {
			return nil, err
		}
		generator, err := s.e.generator(ctx, t, 0)
		if err != nil {
			return nil, err
		}
		return f(pair{s.e, t, server, generator}, round)
	}
}

// alone runs f with a server and a load generator that nobody used before.
func (s *suite) alone(t target, f measurement) func(context.Context, bench.Round) (map[string]float64, error) {
	return func(ctx context.Context, round bench.Round) (map[string]float64, error) {
		server, err := s.e.newServer(ctx, t)
		if err != nil {
			return nil, err
		}
		defer server.Close()
		generator, err := s.e.newGenerator(ctx, t, server)
		if err != nil {
			return nil, err
		}
		defer generator.Close()
		return f(pair{s.e, t, server, generator}, round)
	}
}

// do makes a request of the load generator that is not measured.
func (p pair) do(r load.Request) (load.Sample, error) {
	var got load.Sample
	err := p.e.ask(p.load, slowWork, r, &got)
	return got, err
}

// measure makes a request of the load generator, and adds what both sides used
// for each operation.
func (p pair) measure(r load.Request, round bench.Round) (load.Sample, error) {
	got, used, err := p.e.measure(p.t, p.server, []*proc.Child{p.load}, r, round)
	if err != nil {
		return nil, err
	}
	used.per(got[0]["calls"], got[0])
	return got[0], nil
}

// used is what the sides of a measurement have used, in the figures of
// proc.Count.
type used struct{ client, server map[string]float64 }

// per adds to a sample what was used for each of n operations.
func (u used) per(n float64, to map[string]float64) {
	if n <= 0 {
		return
	}
	for side, figures := range map[string]map[string]float64{"client_": u.client, "server_": u.server} {
		for name, v := range figures {
			to[side+name] = v / n
		}
	}
}

// measure lets all generators of t run r: they prepare and warm up, and when the
// last one is ready, all start. From then until the last one has ended, counts
// and profiles of both sides are taken; of the generators, the first is
// profiled. After a failure the generators are not used again: some may still
// wait for a word.
func (e *env) measure(t target, server *proc.Child, generators []*proc.Child, r load.Request, round bench.Round) (got []load.Sample, u used, err error) {
	defer func() {
		if err != nil {
			for _, g := range generators {
				e.forget(g)
				g.Close()
			}
		}
	}()
	planned := time.Duration(r.Millis+r.Warm) * time.Millisecond
	if r.Count > 0 {
		planned += slowWork
	}
	r.Hold = true
	word := func(int) any { return struct{}{} }
	if err := e.each(generators, planned, nil, func(i int) any {
		r := r
		if i == 0 && round.Profile != "" {
			r.Profile = round.Profile + profile.Client
		}
		return r
	}); err != nil {
		return nil, u, err
	}
	stop, err := e.begin(t, server, generators, round)
	if err != nil {
		return nil, u, err
	}
	err = e.each(generators, planned, nil, word)
	u, stopErr := stop()
	if err := errors.Join(err, stopErr); err != nil {
		return nil, u, err
	}
	got = make([]load.Sample, len(generators))
	return got, u, e.each(generators, 0, got, word)
}

// begin starts the counts of a measurement, and the server's profile if the
// round asks for one. The function that it returns ends them.
func (e *env) begin(t target, server *proc.Child, generators []*proc.Child, round bench.Round) (stop func() (used, error), err error) {
	ask := func(r serverRequest) (m proc.Memory, err error) {
		if e.answers(t) {
			err = e.ask(server, 0, r, &m)
		}
		return m, err
	}
	var first, last serverRequest
	if round.Profile != "" {
		first.Profile, last.Stop = round.Profile+profile.Server, true
	}
	before, err := ask(first)
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, g := range generators {
		pids = append(pids, g.PID)
	}
	ofServer, ofClient := proc.Count(server.PID), proc.Count(pids...)
	return func() (used, error) {
		u := used{client: ofClient(), server: ofServer()}
		if t.addr == serve.PythonTCP || t.addr == serve.PythonUnix {
			// This door uses recv and send, which nobody counts.
			delete(u.server, proc.Reads)
			delete(u.server, proc.Writes)
		}
		if !e.answers(t) {
			return u, nil
		}
		after, err := ask(serverRequest{})
		u.server["allocs"] = after.Mallocs - before.Mallocs
		if last.Stop && err == nil {
			_, err = ask(last)
		}
		return u, err
	}, nil
}

// each makes a request of each of the children at the same time; got, unless it
// is nil, takes the answers. It returns the first error in their order; the
// others would most often be the same.
func (e *env) each(children []*proc.Child, planned time.Duration, got []load.Sample, request func(i int) any) error {
	failed := make([]error, len(children))
	var wg sync.WaitGroup
	for i, child := range children {
		wg.Go(func() {
			var answer load.Sample
			failed[i] = e.ask(child, planned, request(i), &answer)
			if got != nil {
				got[i] = answer
			}
		})
	}
	wg.Wait()
	for _, err := range failed {
		if err != nil {
			return err
		}
	}
	return nil
}

// together is the sample of several generators that ran at the same time.
func together(got []load.Sample) load.Sample {
	total := make(load.Sample)
	mallocs := 0.0
	for _, sample := range got {
		total["ops"] += sample["ops"]
		total["calls"] += sample["calls"]
		total["p50"] += sample["p50"] / float64(len(got))
		total["p99"] = max(total["p99"], sample["p99"])
		mallocs += sample["allocs"] * sample["calls"]
	}
	if _, counted := got[0]["allocs"]; counted && total["calls"] > 0 {
		total["allocs"] = mallocs / total["calls"]
	}
	return total
}

// series is one way to do a case's work, against the server of t.
func (s *suite) series(t target, run func(target) func(context.Context, bench.Round) (map[string]float64, error)) bench.Series {
	ours := t.peer == oursPlain.peer
	t.other = ours && s.other
	return bench.Series{Name: t.label, Needs: t.needs(), Ours: ours, Run: run(t)}
}

// several is the series of n load generators of t that run r at the same time.
func (s *suite) several(label string, t target, n int, r load.Request) bench.Series {
	t.label = label
	return s.series(t, func(t target) func(context.Context, bench.Round) (map[string]float64, error) {
		return s.runSeveral(t, n, r)
	})
}

func (s *suite) runSeveral(t target, n int, r load.Request) func(context.Context, bench.Round) (map[string]float64, error) {
	return func(ctx context.Context, round bench.Round) (map[string]float64, error) {
		generators := make([]*proc.Child, n)
		for i := range generators {
			child, err := s.e.generator(ctx, t, i)
			if err != nil {
				return nil, err
			}
			generators[i] = child
		}
		server, err := s.e.server(ctx, t)
		if err != nil {
			return nil, err
		}
		got, used, err := s.e.measure(t, server, generators, timed(r, round), round)
		if err != nil {
			return nil, fmt.Errorf("%d generators: %w", n, err)
		}
		total := together(got)
		used.per(total["calls"], total)
		total["profiled"] = got[0]["calls"]
		return total, nil
	}
}
