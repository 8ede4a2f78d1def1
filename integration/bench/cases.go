package main

import (
	"context"
	"fmt"
	"time"

	"github.com/syncmanager/syncmanager/integration/bench/internal/bench"
	"github.com/syncmanager/syncmanager/integration/bench/internal/load"
	"github.com/syncmanager/syncmanager/integration/bench/internal/serve"
)

// The sizes of the ordinary cases.
const (
	valueSize = 16   // bytes of a value
	dictKeys  = 1000 // entries of the shared dict
	batchKeys = 100  // keys in one call
	// sampled is which operations are timed when there are many callers: more
	// would slow the fastest peer most.
	sampled = 16
)

// The sides of the comparisons.
var (
	oursPlain = target{label: "syncmanager", peer: "syncmanager", network: "tcp", server: "managerd"}
	oursTLS   = target{label: "syncmanager, TLS", peer: "syncmanager", network: "tls", server: "managerd"}
	oursUnix  = target{label: "syncmanager, unix", peer: "syncmanager", network: "unix", server: "managerd"}
	embedded  = target{label: "syncmanager", peer: "syncmanager", network: "tcp", server: roleManager}

	rueidis    = target{label: "rueidis", peer: "rueidis", network: "tcp", server: "redis"}
	goRedis    = target{label: "go-redis", peer: "go-redis", network: "tcp", server: "redis"}
	netRPC     = target{label: "net/rpc", peer: "net/rpc", network: "tcp", server: roleRPC}
	python     = target{label: "python", peer: peerPython, network: "tcp", server: "python"}
	pythonUnix = target{label: "python, unix", peer: peerPython, network: "unix", server: "python-unix"}
	doorTCP    = target{label: "syncmanager", peer: peerPython, network: "tcp", server: "managerd", addr: serve.PythonTCP}
	doorUnix   = target{label: "syncmanager", peer: peerPython, network: "unix", server: "managerd", addr: serve.PythonUnix}
	echoTCP    = target{label: "echo (limit)", peer: "echo", network: "tcp", server: roleEcho}
	copyTCP    = target{label: "raw copy (limit)", peer: "echo", network: "tcp", server: roleEcho, addr: "copy"}
)

// suite is all that the benchmark knows: the cases, and the bars that judge
// them.
type suite struct {
	e     *env
	short bool
	other bool // our series are those of the other commit
	cases []bench.Case
	bars  []bench.Bar
}

func newSuite(e *env, short bool) *suite { return suiteOf(e, short, false) }

// suiteOf is newSuite, of this commit or of the other one.
func suiteOf(e *env, short, other bool) *suite {
	s := &suite{e: e, short: short, other: other}
	s.dict()
	s.callersSweep()
	s.valuesSweep()
	s.queue()
	s.lock()
	s.batch()
	s.processes()
	s.python()
	s.objects()
	s.scale()
	s.bulk()
	s.memory()
	s.allocations()
	return s
}

// add adds a case.
func (s *suite) add(c bench.Case) {
	if c.Metric == "" {
		c.Metric, c.Unit = "ops", "operations/s"
	}
	s.cases = append(s.cases, c)
}

// bar adds a bar.
func (s *suite) bar(b bench.Bar) { s.bars = append(s.bars, b) }

// loop is the series of t that repeats r. Only Op and the numbers that differ
// from the ordinary ones need to be set.
func (s *suite) loop(t target, r load.Request) bench.Series {
	return s.series(t, func(t target) func(context.Context, bench.Round) (map[string]float64, error) {
		return s.shared(t, repeat(r))
	})
}

// loopAlone is loop with a server and a load generator for it alone, which are
// started for each round.
func (s *suite) loopAlone(t target, r load.Request) bench.Series {
	return s.series(t, func(t target) func(context.Context, bench.Round) (map[string]float64, error) {
		return s.alone(t, repeat(r))
	})
}

// timed completes a request with the ordinary numbers and a round's times.
func timed(r load.Request, round bench.Round) load.Request {
	if r.Size == 0 {
		r.Size = valueSize
	}
	if r.Keys == 0 {
		r.Keys = dictKeys
	}
	if r.Every == 0 && r.Callers > 1 {
		r.Every = sampled
	}
	if r.Count == 0 {
		r.Millis = int(round.Duration / time.Millisecond)
		r.Warm = int(round.Warm / time.Millisecond)
	}
	return r
}

// callers is "1 caller" or "n callers".
func callers(n int) string {
	if n == 1 {
		return "1 caller"
	}
	return fmt.Sprintf("%d callers", n)
}

// ops is the term of a series' own throughput.
func ops(caseName string, t target) bench.Term {
	return bench.Term{Case: caseName, Series: t.label, Metric: "ops"}
}

// metric is the term of another figure.
func metric(caseName string, t target, name string) bench.Term {
	return bench.Term{Case: caseName, Series: t.label, Metric: name}
}

const (
	rowTLS  = "TLS on: all of dict, queue and lock"
	rowUnix = "unix socket: all of dict, queue and lock"
)

// transports adds the bars of TLS and the unix socket to a case that has all
// three of our series.
func (s *suite) transports(caseName string) {
	s.bar(bench.Bar{
		Row: rowTLS, Name: caseName + ", TLS / plain", Value: ops(caseName, oursTLS), Per: []bench.Term{ops(caseName, oursPlain)}, Limit: 0.85,
	})
	s.bar(bench.Bar{
		Row: rowUnix, Name: caseName + ", unix / plain", Value: ops(caseName, oursUnix), Per: []bench.Term{ops(caseName, oursPlain)}, Limit: 1,
	})
}
