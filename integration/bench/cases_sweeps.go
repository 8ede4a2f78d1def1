package main

import (
	"fmt"

	"github.com/syncmanager/syncmanager/integration/bench/internal/bench"
	"github.com/syncmanager/syncmanager/integration/bench/internal/load"
)

// The groups of the sweeps: a curve each over the number of callers, and over the
// size of values.
const (
	groupCallers = "callers"
	groupValues  = "values"
)

var framedTCP = target{label: "framed TCP (limit)", peer: "framed", network: "tcp", server: roleEcho, addr: "framed"}

// least is the smallest ratio to rueidis by the number of callers.
func least(n int) float64 {
	switch {
	case n < 64:
		return 1.5
	case n < 128:
		return 2
	case n < 256:
		return 2.5
	}
	return 3
}

// callersSweep compares small calls of 1 to 512 callers on one client.
func (s *suite) callersSweep() {
	numbers := []int{1, 2, 4, 8, 16, 32, 64, 128, 256, 512}
	if s.short {
		numbers = []int{1, 2, 8, 64, 256}
	}
	for _, w := range []struct{ op, curve, what string }{
		{load.OpCount, "counter add", "Adds 1 to one of 1,000 counters of a dict; Redis: HINCRBY."},
		{load.OpGet, "dict get", "Reads one of 1,000 entries (16-byte keys and values); Redis: GET."},
	} {
		name := func(n int) string { return fmt.Sprintf("%s by callers, %d", w.curve, n) }
		ratio, shape, tls, unix := s.curve(w.curve, "callers on one client / rueidis"), s.curve(w.curve, "callers / the best of fewer callers"),
			s.curve(w.curve, "callers, TLS / plain"), s.curve(w.curve, "callers, unix socket / plain")
		for i, n := range numbers {
			r := load.Request{Op: w.op, Callers: n}
			at, here := callers(n), name(n)
			s.add(bench.Case{
				Group: groupCallers, Name: here, Curve: w.curve, At: fmt.Sprint(n),
				What: w.what + " Echo: as many connections as callers, 64 bytes there and back.",
				Series: []bench.Series{
					s.loop(oursPlain, r), s.loop(oursTLS, r), s.loop(oursUnix, r), s.loop(rueidis, r),
					s.loop(echoTCP, load.Request{Op: load.OpEcho, Callers: n}),
				},
			})
			ratio.Points = append(ratio.Points, bench.Bar{At: at, Value: ops(here, oursPlain), Per: []bench.Term{ops(here, rueidis)}, Limit: least(n)})
			tls.Points = append(tls.Points, bench.Bar{At: at, Value: ops(here, oursTLS), Per: []bench.Term{ops(here, oursPlain)}, Limit: 0.85})
			unix.Points = append(unix.Points, bench.Bar{At: at, Value: ops(here, oursUnix), Per: []bench.Term{ops(here, oursPlain)}, Limit: 1})
			if i == 0 {
				continue
			}
			p := bench.Bar{At: at, Value: ops(here, oursPlain), Relief: []bench.Term{ops(here, echoTCP)}, Limit: 0.9}
			for _, fewer := range numbers[:i] {
				p.Per = append(p.Per, ops(name(fewer), oursPlain))
				p.Relief = append(p.Relief, ops(name(fewer), echoTCP))
			}
			shape.Points = append(shape.Points, p)
		}
		for _, b := range []bench.Bar{*ratio, *shape, *tls, *unix} {
			s.bar(b)
		}
	}
}

// curve begins a bar of a sweep.
func (s *suite) curve(curve, what string) *bench.Bar {
	return &bench.Bar{Row: "sweeps", Name: curve + ", " + what, Limit: 1}
}

// valuesSweep compares values of 64 bytes to 1 MiB.
func (s *suite) valuesSweep() {
	sizes, numbers := []int{64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20}, []int{1, 16, 64}
	if s.short {
		sizes = []int{256, 16 << 10, 1 << 20}
	}
	for _, op := range []string{load.OpValueSet, load.OpValueGet} {
		for _, n := range numbers {
			curve := op + ", " + callers(n)
			ratio, raw := s.curve(curve, "values / rueidis"), s.curve(curve, "values from 16 KiB / framed TCP")
			for _, size := range sizes {
				at, name := bytesOf(size), fmt.Sprintf("%s of %s, %s", op, bytesOf(size), callers(n))
				r := load.Request{Op: op, Callers: n, Size: size, Keys: 100}
				if size > 64<<10 {
					r.Keys = 16
				}
				s.add(bench.Case{
					Group: groupValues, Name: name, Curve: curve, At: at,
					What:   "Writes or reads one of 100 values (16 from 256 KiB on) of a dict; Redis: HSET, HGET. Framed TCP: one connection for all callers, the same bytes behind eight more, no other protocol.",
					Series: []bench.Series{s.loop(oursPlain, r), s.loop(rueidis, r), s.loop(framedTCP, r)},
				})
				limit := 1.3
				if size > 4<<10 {
					limit = 1.1
				}
				ratio.Points = append(ratio.Points, bench.Bar{At: at, Value: ops(name, oursPlain), Per: []bench.Term{ops(name, rueidis)}, Limit: limit})
				if size >= 16<<10 {
					raw.Points = append(raw.Points, bench.Bar{At: at, Value: ops(name, oursPlain), Per: []bench.Term{ops(name, framedTCP)}, Limit: 0.6})
				}
			}
			s.bar(*ratio)
			s.bar(*raw)
		}
	}
}

// bytesOf writes a size: "64 B", "4 KiB", "1 MiB".
func bytesOf(n int) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d B", n)
}
