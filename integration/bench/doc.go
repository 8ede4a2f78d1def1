// Command bench measures SyncManager against what users would pick instead:
// Redis with rueidis and with go-redis, Go's net/rpc, and Python's own manager,
// with raw TCP as the limit. Python's client is also run against managerd.
//
//	go run .                 all cases, five rounds of 500 ms each: a quarter of an hour
//	go run . -short -check   a cut of about a minute that fails far below a bar
//	go run . -run '^dict$'   one group
//	go run . -update-docs    all cases, and write the table and the plots of docs/benchmarks.md
//	go run . -profile DIR    profiles of the last round, and a text for each series that sums them up
//
// One run starts every server itself, on loopback and on unix sockets, and
// measures all cases interleaved: a round takes every series of every case once.
// The table names the commit that was measured. A run that is shorter, or of a
// part of the cases, cannot update the documentation.
// The table shows medians with their spread, the bars are ratios of medians.
//
// # Processes
//
// Nothing shares a process with what it is compared with. Each server is one;
// so is the load generator of each client library and transport, which does the
// same closed loop for all: as many goroutines as the case has callers, each of
// which starts its next operation when the last one has ended. Both are this
// program again (child.go), or foreign programs and Python scripts. All speak
// JSON lines on their standard input and output (internal/proc), and end when
// these do.
//
// A measurement has three steps (measure.go): the load generator prepares and
// warms up, it makes load, it answers with its figures. Between them it waits for
// the parent's word, who then reads what the kernel has counted for both sides
// (internal/proc) and starts and ends the server's profile.
//
// Most cases share the servers and generators of their sides for all rounds. Those
// that would leave thousands of sessions or a million entries behind have some of
// their own, so that no other case carries these along.
//
// # Fairness
//
// Both sides of a ratio have the same number of callers, the same keys and
// values, the same transport, and check what they read. Client libraries have
// their default options, except that client-side caches are off: a case is about
// asking the server. Servers save nothing to disk. Latency of many callers is
// sampled, one operation in 16, for all alike.
//
// The parts: cases*.go are the cases with their bars, env.go and peers.go start
// what they need, measure.go lets both sides run, internal/load makes load,
// internal/serve holds the servers, internal/proc is about processes,
// internal/profile about their profiles, internal/bench runs and judges,
// internal/report writes, internal/stats counts.
package main
