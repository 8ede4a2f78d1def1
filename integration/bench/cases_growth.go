package main

import (
	"context"
	"fmt"
	"time"

	"github.com/syncmanager/syncmanager/integration/bench/internal/bench"
	"github.com/syncmanager/syncmanager/integration/bench/internal/load"
)

// The sizes of the case with several client processes.
const (
	processes    = 8
	perProcess   = 50
	pythonThread = 50
)

// processes compares many client processes with Python's server, and with the
// same load from one process.
func (s *suite) processes() {
	const row = "8 client processes with 50 goroutines each, dict get"
	name := fmt.Sprintf("dict get, %d client processes", processes)
	r := load.Request{Op: load.OpGet, Callers: perProcess}
	ours := fmt.Sprintf("syncmanager, %d x %d", processes, perProcess)
	one := fmt.Sprintf("syncmanager, 1 x %d", processes*perProcess)
	pythons := []string{fmt.Sprintf("python, %d x 1", processes)}
	series := []bench.Series{
		s.several(ours, oursPlain, processes, r),
		s.several(one, oursPlain, 1, load.Request{Op: load.OpGet, Callers: processes * perProcess}),
		s.several(pythons[0], python, processes, load.Request{Op: load.OpGet, Callers: 1}),
	}
	if !s.short { // connecting them takes several seconds
		pythons = append(pythons, fmt.Sprintf("python, %d x %d", processes, pythonThread))
		series = append(series, s.several(pythons[1], python, processes, load.Request{Op: load.OpGet, Callers: pythonThread, Every: 1}))
	}
	s.add(bench.Case{
		Group: "processes", Name: name, Series: series,
		What: "Reads one of 1,000 entries, from processes x callers. Python's clients run with one thread and with 50 threads each; the better counts (a short run has one thread). p50 is the mean of the processes' medians.",
	})
	term := func(series string) bench.Term { return bench.Term{Case: name, Series: series, Metric: "ops"} }
	var per []bench.Term
	for _, series := range pythons {
		per = append(per, term(series))
	}
	s.bar(bench.Bar{Row: row, Name: name + " / python's server", Value: term(ours), Per: per, Limit: 10})
	s.bar(bench.Bar{
		Row: row, Name: name + " / one process with as many callers", Value: term(ours), Per: []bench.Term{term(one)}, Limit: 0.8,
	})
}

// scaleWarm is how long a new server and a new load generator run before they
// are measured.
const scaleWarm = 200 * time.Millisecond

// scale compares 1 to 1,000 clients with as many raw connections.
func (s *suite) scale() {
	caseOf := func(n int) string {
		if n == 1 {
			return "1 client with 1 caller"
		}
		return fmt.Sprintf("%d clients with 1 caller each", n)
	}
	for _, n := range []int{1, 10, 100, 1000} {
		name := caseOf(n)
		// Alone, and warmer than others since all is new: no case should carry
		// the connections of another along.
		ours := warmed(scaleWarm, s.loopAlone(oursPlain, load.Request{Op: load.OpGet, Clients: n, Callers: n}))
		echo := warmed(scaleWarm, s.loopAlone(echoTCP, load.Request{Op: load.OpEcho, Callers: n}))
		s.add(bench.Case{
			Group: "scale", Name: name, What: "As many sessions as callers, each with a connection of its own; dict get, and raw echo over as many connections. Servers and load generators are started for each measurement.",
			Series: []bench.Series{ours, echo},
		})
		if n > 1 {
			s.bar(bench.Bar{
				Row: "1 to 1,000 clients with as many callers each", Name: fmt.Sprintf("%d clients / raw echo", n),
				Value: ops(name, oursPlain), Per: []bench.Term{ops(name, echoTCP)}, Limit: 0.8,
			})
		}
	}
}

const (
	bulkSize   = 64 << 20 // bytes of a large value
	neighbours = 10       // callers of small calls beside it
	// A copy takes about a tenth of a second; shorter rounds would see a part
	// of one. It is also how long they run before they measure.
	bulkTime = time.Second
)

// bulk measures large values, and what they do to small calls.
func (s *suite) bulk() {
	const name = "64 MiB put and got"
	r := load.Request{Op: load.OpCopy, Callers: 1, Size: bulkSize, Batch: 2 * bulkSize >> 20}
	s.add(bench.Case{
		Group: "bulk", Name: name, Metric: "ops", Unit: "MiB/s, both ways",
		What:   "Stores 64 MiB of bytes in a dict and reads them back; both sides send the same written memory, no zeros, and check the first and last byte of what comes back. It runs for a second before it is measured, so that the memory is warm. Raw: sends 64 MiB to a server that reads all of it into fresh memory and sends it back; its client reads into the same memory each time, while a value that is got has memory of its own.",
		Series: []bench.Series{large(s.loop(oursPlain, r)), large(s.loop(copyTCP, r))},
	})
	s.bar(bench.Bar{
		Row: "a 64 MiB value put and got", Name: name + " / raw TCP copy", Value: ops(name, oursPlain), Per: []bench.Term{ops(name, copyTCP)}, Limit: 0.5,
	})
	const beside = "small calls beside a large value"
	alone, busy := oursPlain, oursPlain
	alone.label, busy.label = "alone", "beside 64 MiB values"
	s.add(bench.Case{
		Group: "bulk", Name: beside, Metric: "p99", Unit: "µs, p99", Lower: true,
		What: "10 callers get one of 1,000 entries, alone and while another goroutine of the same client puts and gets 64 MiB again and again.",
		Series: []bench.Series{
			large(s.loop(alone, load.Request{Op: load.OpGet, Callers: neighbours, Every: 1})),
			large(s.loop(busy, load.Request{Op: load.OpNeighbours, Callers: neighbours, Every: 1, Size: bulkSize})),
		},
	})
	s.bar(bench.Bar{
		Row: "a 64 MiB value put and got", Name: "p99 of small calls beside it / alone", AtMost: true, Limit: 10,
		Value: metric(beside, busy, "p99"), Per: []bench.Term{metric(beside, alone, "p99")},
	})
}

// large is a series of large values.
func large(s bench.Series) bench.Series { return warmed(bulkTime, atLeast(bulkTime, s)) }

// atLeast makes a series measure no shorter than d, or half of it in a short
// run.
func atLeast(d time.Duration, s bench.Series) bench.Series {
	run := s.Run
	s.Run = func(ctx context.Context, round bench.Round) (map[string]float64, error) {
		least := d
		if round.Short {
			least = d / 2
		}
		round.Duration = max(round.Duration, least)
		return run(ctx, round)
	}
	return s
}

// warmed makes a series run for d before it measures, so that its memory is
// there again after the other cases: this machine may take longer to hand it
// out than the series does to fill it.
func warmed(d time.Duration, s bench.Series) bench.Series {
	run := s.Run
	s.Run = func(ctx context.Context, round bench.Round) (map[string]float64, error) {
		round.Warm = max(round.Warm, d)
		return run(ctx, round)
	}
	return s
}
