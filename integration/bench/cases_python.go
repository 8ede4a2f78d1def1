package main

import (
	"time"

	"github.com/syncmanager/syncmanager/integration/bench/internal/bench"
	"github.com/syncmanager/syncmanager/integration/bench/internal/load"
)

const (
	pythonProcesses = 8
	pythonSize      = 30 << 10 // bytes of a value that Python writes in two parts
	// Shorter rounds would see noise, and of what Python does a few times a
	// second one or two operations. A short run takes half.
	pythonTime     = 500 * time.Millisecond
	pythonSlowTime = time.Second
)

// python compares one and the same Python client, unmodified
// multiprocessing.managers, on managerd's door for Python and on Python's own
// server.
func (s *suite) python() {
	const row = "Python clients, against Python's own server"
	for _, c := range []struct {
		name, what string
		unix, slow bool
		processes  int
		r          load.Request
		limit      float64
	}{
		{
			name: "create + drop over TCP", limit: 50, slow: true, r: load.Request{Op: load.OpCreate},
			what: "manager.dict() and del. It takes four connections, whose small writes meet Nagle's algorithm and delayed acknowledgements: Python's server does a few a second.",
		},
		{
			name: "create + drop over a unix socket", unix: true, limit: 1, r: load.Request{Op: load.OpCreate},
			what: "manager.dict() and del, which takes four connections.",
		},
		{
			name: "dict get over TCP, 1 process", limit: 1, r: load.Request{Op: load.OpGet},
			what: "Reads one of 1,000 entries (16-byte keys and values) of a shared dict.",
		},
		{
			name: "dict get over TCP, 8 processes", processes: pythonProcesses, limit: 1.5, r: load.Request{Op: load.OpGet},
			what: "Reads one of 1,000 entries (16-byte keys and values) of a shared dict, from eight client processes with one thread each.",
		},
		{
			name: "30 KB values over TCP", limit: 20, slow: true, r: load.Request{Op: load.OpCopy, Size: pythonSize},
			what: "Stores a value of 30 KB (a str of 30,720 characters) in a shared dict and reads it back; the pair is one operation. Python writes such messages in two parts, and waits for the delayed acknowledgement of the first.",
		},
		{
			name: "30 KB values over a unix socket", unix: true, limit: 0.9, r: load.Request{Op: load.OpCopy, Size: pythonSize},
			what: "Stores a value of 30 KB (a str of 30,720 characters) in a shared dict and reads it back; the pair is one operation.",
		},
	} {
		ours, theirs := doorTCP, python
		if c.unix {
			ours, theirs = doorUnix, pythonUnix
			theirs.label = python.label // the case names the transport
		}
		c.r.Callers = 1
		name := "Python client: " + c.name
		series := func(t target) bench.Series {
			one := s.loop(t, c.r)
			if c.processes > 0 {
				one = s.several(t.label, t, c.processes, c.r)
			}
			if c.slow {
				return atLeast(pythonSlowTime, one)
			}
			return atLeast(pythonTime, one)
		}
		s.add(bench.Case{
			Group: "python", Name: name, Series: []bench.Series{series(ours), series(theirs)},
			What: c.what + " The same client script on both servers.",
		})
		s.bar(bench.Bar{
			Row: row, Name: name + " / Python's server", Value: ops(name, ours), Per: []bench.Term{ops(name, theirs)}, Limit: c.limit,
		})
	}
}
