package main

import (
	"fmt"

	"github.com/syncmanager/syncmanager/integration/bench/internal/bench"
	"github.com/syncmanager/syncmanager/integration/bench/internal/load"
)

// dictCase is the name of a dict case.
func dictCase(op string, n int) string { return fmt.Sprintf("dict %s, %s", op, callers(n)) }

// dict compares reading and writing one entry.
func (s *suite) dict() {
	rows := map[int]string{
		1: "dict get and set, 1 caller, plain TCP", 50: "dict get and set, 50 goroutines on one client, plain TCP",
		500: "dict get and set, 500 goroutines",
	}
	what := map[string]string{
		load.OpGet: "Reads one of 1,000 entries (16-byte keys and values) as a string; Redis: GET.",
		load.OpSet: "Overwrites one of 1,000 entries (16-byte keys and values); Redis: SET.",
	}
	for _, n := range []int{1, 50, 500} {
		for _, op := range []string{load.OpGet, load.OpSet} {
			name := dictCase(op, n)
			r := load.Request{Op: op, Callers: n}
			series := []bench.Series{
				s.loop(oursPlain, r), s.loop(oursTLS, r), s.loop(oursUnix, r),
				s.loop(rueidis, r), s.loop(goRedis, r), s.loop(netRPC, r),
			}
			if n == 1 {
				series = append(series, s.loop(python, r), s.loop(pythonUnix, r), s.loop(echoTCP, load.Request{Op: load.OpEcho, Callers: 1}))
			}
			s.add(bench.Case{Group: "dict", Name: name, What: what[op], Series: series})
			b := bench.Bar{Row: rows[n], Name: name, Value: ops(name, oursPlain)}
			switch n {
			case 1:
				b.Name += " / the better of go-redis and rueidis"
				b.Per, b.Limit = []bench.Term{ops(name, rueidis), ops(name, goRedis)}, 1
			default:
				b.Name += " / rueidis"
				b.Per, b.Limit = []bench.Term{ops(name, rueidis)}, map[int]float64{50: 2, 500: 3}[n]
			}
			s.bar(b)
			if n == 1 {
				s.bar(bench.Bar{
					Row: rows[n], Name: name + ", latency / raw echo", AtMost: true, Limit: 1.5,
					Value: metric(name, oursPlain, "p50"), Per: []bench.Term{metric(name, echoTCP, "p50")},
					Note: "Latency / raw echo compares medians of single operations; the echo sends 64 bytes each way over TCP.",
				})
			}
		}
	}
	for _, n := range []int{1, 50, 500} {
		s.transports(dictCase(load.OpGet, n))
		s.transports(dictCase(load.OpSet, n))
	}
}

// queue compares putting and taking one item.
func (s *suite) queue() {
	for _, n := range []int{50, 500} {
		name := "queue put then get, " + callers(n)
		r := load.Request{Op: load.OpQueue, Callers: n}
		s.add(bench.Case{
			Group: "queue", Name: name,
			What: "Every caller puts a 16-byte item into one shared queue, then takes one out; the pair is one operation. Redis: LPUSH, RPOP.",
			Series: []bench.Series{
				s.loop(oursPlain, r), s.loop(oursTLS, r), s.loop(oursUnix, r),
				s.loop(rueidis, r), s.loop(goRedis, r), s.loop(netRPC, r),
			},
		})
		s.bar(bench.Bar{
			Row: "queue put then get, 50 and 500 goroutines", Name: name + " / rueidis LPUSH + RPOP",
			Value: ops(name, oursPlain), Per: []bench.Term{ops(name, rueidis)}, Limit: map[int]float64{50: 2, 500: 3}[n],
		})
		s.transports(name)
	}
}

// lock compares locks that nobody else wants, and measures how one that
// everybody wants goes from hand to hand.
func (s *suite) lock() {
	for _, n := range []int{1, 50} {
		name := "lock acquire + release, " + callers(n)
		r := load.Request{Op: load.OpLock, Callers: n}
		s.add(bench.Case{
			Group: "lock", Name: name,
			What: "Every caller acquires and releases a lock of its own; the pair is one operation. Redis: SET NX, then a compare-and-delete script.",
			Series: []bench.Series{
				s.loop(oursPlain, r), s.loop(oursTLS, r), s.loop(oursUnix, r), s.loop(rueidis, r), s.loop(goRedis, r),
			},
		})
		s.bar(bench.Bar{
			Row: "lock acquire + release, uncontended, 1 and 50 callers", Name: name + " / rueidis SET NX + script",
			Value: ops(name, oursPlain), Per: []bench.Term{ops(name, rueidis)}, Limit: map[int]float64{1: 1, 50: 2}[n],
		})
		s.transports(name)
	}
	const row = "contended lock and semaphore, 50 waiters"
	contended := []string{load.OpContendLock, load.OpContendSemaphore}
	nameOf := func(op string) string { return op + ", 50 waiters" }
	for _, op := range contended {
		name := nameOf(op)
		r := load.Request{Op: op, Callers: 50}
		s.add(bench.Case{
			Group: "lock", Name: name, Metric: "p50", Unit: "µs per handover", Lower: true,
			What: "50 callers wait in a known order. A handover is the time from the call of release by one to the return of acquire of the next. " +
				"It is compared with a dict get by one caller of the same client while all wait.",
			Series: []bench.Series{s.loop(oursPlain, r), s.loop(oursTLS, r), s.loop(oursUnix, r)},
		})
		for _, q := range []string{"p50", "p99"} {
			s.bar(bench.Bar{
				Row: row, Name: name + ", handover " + q + " / round trip " + q, AtMost: true, Limit: 2,
				Value: metric(name, oursPlain, q), Per: []bench.Term{metric(name, oursPlain, "trip_"+q)},
			})
		}
		s.bar(bench.Bar{
			Row: row, Name: name + ", handovers in the order of waiting", Value: metric(name, oursPlain, "in_order"), Limit: 100, Unit: "%", Worst: true,
		})
	}
	for _, op := range contended { // times, so the other way round than throughput
		name := nameOf(op)
		s.bar(bench.Bar{
			Row: rowTLS, Name: name + ", handover p50, plain / TLS", Limit: 0.85,
			Value: metric(name, oursPlain, "p50"), Per: []bench.Term{metric(name, oursTLS, "p50")},
		})
		s.bar(bench.Bar{
			Row: rowUnix, Name: name + ", handover p50, plain / unix", Limit: 1,
			Value: metric(name, oursPlain, "p50"), Per: []bench.Term{metric(name, oursUnix, "p50")},
		})
	}
}

// batch compares one call for many keys with single calls.
func (s *suite) batch() {
	for _, b := range []struct{ single, many string }{{load.OpGet, load.OpGetMany}, {load.OpSet, load.OpSetMany}} {
		name := fmt.Sprintf("%s of %d keys in one call, 1 caller", b.single, batchKeys)
		r := load.Request{Op: b.many, Callers: 1, Batch: batchKeys}
		s.add(bench.Case{
			Group: "batch", Name: name, Unit: "keys/s", Metric: "ops",
			What:   "One call for 100 neighbouring keys of 1,000; counted in keys. Redis: MGET, MSET.",
			Series: []bench.Series{s.loop(oursPlain, r), s.loop(rueidis, r)},
		})
		s.bar(bench.Bar{
			Row: "get/set of 100 keys in one call", Name: name + " / single calls",
			Value: ops(name, oursPlain), Per: []bench.Term{ops(dictCase(b.single, 1), oursPlain)}, Limit: 10,
		})
	}
}

// objects compares what an object costs that lives for a moment only, and the
// calls of a custom type.
func (s *suite) objects() {
	const create = "create + release of an anonymous dict, unix socket, 1 caller"
	r := load.Request{Op: load.OpCreate, Callers: 1}
	s.add(bench.Case{
		Group: "objects", Name: create,
		What:   "Creates a dict without a name and drops it. Python: manager.dict() and del, each with connections of its own, as its library does. The time ends when the server has forgotten all of them: our release returns before the server hears of it, Python's del waits for it.",
		Series: []bench.Series{s.loop(oursUnix, r), s.loop(pythonUnix, r)},
	})
	s.bar(bench.Bar{
		Row: "create + release of anonymous objects, 1 caller over a unix socket", Name: create + " / python",
		Value: ops(create, oursUnix), Per: []bench.Term{ops(create, pythonUnix)}, Limit: 20,
	})
	const add = "custom type: Add(int, int), 50 callers"
	get := embedded
	get.label = "syncmanager, dict get"
	s.add(bench.Case{
		Group: "objects", Name: add,
		What: "Calls a method of a type registered in Go by its name, in an embedded server; dict get is measured on the same server. The type is registered as Concurrent: its calls take no turns.",
		Series: []bench.Series{
			s.loop(embedded, load.Request{Op: load.OpAdd, Callers: 50}), s.loop(get, load.Request{Op: load.OpGet, Callers: 50}),
			s.loop(netRPC, load.Request{Op: load.OpAdd, Callers: 50}),
		},
	})
	s.bar(bench.Bar{
		Row: "custom type registered in Go, Add(int, int), 50 callers", Name: add + " / dict get",
		Value: ops(add, embedded), Per: []bench.Term{ops(add, get)}, Limit: 0.5,
	})
}
