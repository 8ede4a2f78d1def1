package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/syncmanager/syncmanager/integration/bench/internal/bench"
	"github.com/syncmanager/syncmanager/integration/bench/internal/load"
	"github.com/syncmanager/syncmanager/integration/bench/internal/proc"
	"github.com/syncmanager/syncmanager/integration/bench/internal/report"
	"github.com/syncmanager/syncmanager/integration/bench/internal/stats"
)

// TestMain lets the test binary be the children of its tests.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == childArg {
		if err := runChild(os.Args[2], os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func TestBarsNameWhatExists(t *testing.T) {
	s := newSuite(&env{}, false)
	cases := make(map[string]map[string]bool)
	for _, c := range s.cases {
		if c.Group == "" || c.What == "" || c.Metric == "" || c.Unit == "" {
			t.Errorf("case %q lacks a group, a sentence, a metric or a unit: %+v", c.Name, c)
		}
		if cases[c.Name] != nil {
			t.Errorf("two cases are called %q", c.Name)
		}
		cases[c.Name] = make(map[string]bool)
		for _, series := range c.Series {
			cases[c.Name][series.Name] = true
		}
	}
	names := make(map[string]bool)
	for _, b := range s.bars {
		if names[b.Name] {
			t.Errorf("two bars are called %q", b.Name)
		}
		names[b.Name] = true
		if b.Row == "" || b.Limit <= 0 {
			t.Errorf("bar %q has no row or no limit", b.Name)
		}
		if len(b.Per) == 0 && b.Unit == "" && len(b.Points) == 0 {
			t.Errorf("bar %q is neither a ratio nor has it a unit", b.Name)
		}
		for _, term := range b.Terms() {
			if !cases[term.Case][term.Series] {
				t.Errorf("bar %q: no series %q in case %q", b.Name, term.Series, term.Case)
			}
		}
	}
}

func TestShortKeepsWhatIsJudged(t *testing.T) {
	full, short := newSuite(&env{}, false), newSuite(&env{}, true)
	full.choose(regexp.MustCompile(""))
	short.choose(regexp.MustCompile(""))
	count := func(s *suite) (n int) {
		for _, c := range s.cases {
			n += len(c.Series)
		}
		return n
	}
	if count(short) >= count(full) {
		t.Errorf("a short run has %d series, a full one %d", count(short), count(full))
	}
	res := &bench.Result{}
	for _, c := range short.cases {
		out := bench.CaseResult{Name: c.Name}
		for _, s := range c.Series {
			out.Series = append(out.Series, bench.SeriesResult{Name: s.Name, Missing: "not run"})
		}
		res.Cases = append(res.Cases, out)
	}
	for _, j := range res.Judge(short.bars) {
		if j.Why != "missing: not run" {
			t.Errorf("bar %q: %s", j.Name, j.Why)
		}
	}
	if n := len(res.Judge(short.bars)); n != len(full.bars) {
		t.Errorf("a short run judges %d bars, a full one %d", n, len(full.bars))
	}
	one := newSuite(&env{}, false)
	one.choose(regexp.MustCompile("^scale$"))
	if len(one.cases) != 4 {
		t.Errorf("-run ^scale$ leaves %d cases, want 4", len(one.cases))
	}
}

func TestFlags(t *testing.T) {
	for args, want := range map[string]error{
		"":                        nil,
		"-short -check":           nil,
		"-help":                   flag.ErrHelp,
		"-nonsense":               errUsage,
		"stray":                   errUsage,
		"-rounds=-1":              errUsage,
		"-short -update-docs":     errUsage,
		"-run x -update-docs":     errUsage,
		"-profile d -update-docs": errUsage,

		"-against HEAD":            nil,
		"-against HEAD -check":     errUsage,
		"-against HEAD -profile d": errUsage,
		"-against HEAD -rounds 3":  nil,

		"-update-docs":                        nil,
		"-update-docs -rounds 6 -duration 1s": nil,
		"-update-docs -rounds 4":              errUsage,
		"-update-docs -duration 499ms":        errUsage,
	} {
		var stderr bytes.Buffer
		if _, err := parse(strings.Fields(args), &stderr); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", args, err, want)
		}
		if want != nil && stderr.Len() == 0 {
			t.Errorf("%q: refused without a word", args)
		}
	}
	o, err := parse([]string{"-short"}, io.Discard)
	if err != nil || o.rounds != shortRounds || o.duration != shortDuration {
		t.Errorf("-short: %+v, %v", o, err)
	}
	if o, err = parse([]string{"-short", "-rounds", "7"}, io.Discard); err != nil || o.rounds != 7 {
		t.Errorf("-short -rounds 7: %+v, %v", o, err)
	}
}

func TestCommit(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("no git in PATH")
	}
	root := t.TempDir()
	if got := commit(t.Context(), root); got != "" {
		t.Errorf("a directory without a repository is at commit %q", got)
	}
	git := func(args ...string) string {
		t.Helper()
		out, err := exec.Command("git", append([]string{"-C", root, "-c", "user.name=a", "-c", "user.email=a@example.org"}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("git %q: %v: %s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	write := func(name string) {
		t.Helper()
		path := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(name), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	git("init", "-q")
	write("code")
	git("add", "code")
	git("commit", "-q", "-m", "first")
	want := git("rev-parse", "--short", "HEAD")
	write("docs/table")
	if got := commit(t.Context(), root); got != want {
		t.Errorf("commit %q, want %q: documentation is no change", got, want)
	}
	write("more")
	if got := commit(t.Context(), root); got != want+" with changes" {
		t.Errorf("commit %q, want %q with changes", got, want)
	}
}

func TestCheck(t *testing.T) {
	r := &report.Report{Bars: []bench.Judgement{
		{Name: "good", Verdict: bench.Met}, {Name: "less", Verdict: bench.Near},
		{Name: "a", Verdict: bench.Unmeasured, Why: "missing: redis", Missing: true}, {Name: "b", Verdict: bench.Unmeasured, Why: "missing: redis", Missing: true},
	}}
	var stderr bytes.Buffer
	if err := check(r, &stderr); err != nil {
		t.Errorf("nothing is below half of its bar: %v", err)
	}
	for _, want := range []string{"not checked: a and 1 more: missing: redis", "4 bars, 2 not checked"} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("check says %q, want %q", stderr.String(), want)
		}
	}
	r.Bars = append(r.Bars, bench.Judgement{Name: "bad", Verdict: bench.Missed, Got: 0.4, Limit: 1})
	if err := check(r, io.Discard); err == nil || !strings.Contains(err.Error(), "bad") {
		t.Errorf("a bar far below: %v", err)
	}
	r.Bars = []bench.Judgement{{Name: "odd", Verdict: bench.Unmeasured, Why: "c, s is 0"}}
	if err := check(r, io.Discard); err == nil || !strings.Contains(err.Error(), "odd: not measured: c, s is 0") {
		t.Errorf("a bar that could not be judged: %v", err)
	}
	r.Bars = nil
	r.Cases = []bench.CaseResult{{Name: "c", Series: []bench.SeriesResult{{Name: "s", Failed: "boom"}}}}
	if err := check(r, io.Discard); err == nil || !strings.Contains(err.Error(), "boom") {
		t.Errorf("a failed series: %v", err)
	}
}

// What would fail the check is measured again, with all that it is compared
// with, and the later figures count.
func TestDoubtful(t *testing.T) {
	term := func(name string) bench.Term { return bench.Term{Case: name, Series: "s", Metric: "ops"} }
	s := &suite{bars: []bench.Bar{
		{Name: "bad", Value: term("a"), Per: []bench.Term{term("b")}, Limit: 1},
		{Name: "good", Value: term("c"), Per: []bench.Term{term("b")}, Limit: 1},
	}}
	rate := func(name string, ops float64) bench.CaseResult {
		return bench.CaseResult{Name: name, Series: []bench.SeriesResult{{Name: "s", Metrics: map[string]stats.Summary{"ops": stats.Summarize([]float64{ops})}}}}
	}
	for _, name := range []string{"a", "b", "c", "d"} {
		s.cases = append(s.cases, bench.Case{Name: name})
	}
	failed := bench.CaseResult{Name: "d", Series: []bench.SeriesResult{{Name: "s", Failed: "boom"}}}
	res := &bench.Result{Cases: []bench.CaseResult{rate("a", 4), rate("b", 10), rate("c", 11), failed}}
	var got []string
	for _, c := range s.doubtful(res) {
		got = append(got, c.Name)
	}
	if want := []string{"a", "b", "d"}; !slices.Equal(got, want) {
		t.Fatalf("measured again: %v, want %v", got, want)
	}
	res.Replace(&bench.Result{Cases: []bench.CaseResult{rate("a", 6), rate("b", 9), rate("d", 1)}})
	if again := s.doubtful(res); len(again) != 0 {
		t.Errorf("measured again: %v", again)
	}
}

// A commit is too slow if its CPU or its rate in one case, or its mean rate, is
// beyond the limits; a case that the other commit does not know says nothing.
func TestCompare(t *testing.T) {
	series := func(name string, rate, cpu float64) bench.SeriesResult {
		return bench.SeriesResult{Name: name, Metrics: map[string]stats.Summary{
			"ops": stats.Summarize([]float64{rate, rate}), "client_cpu": stats.Summarize([]float64{cpu, cpu}), "server_cpu": stats.Summarize([]float64{1, 1}),
		}}
	}
	for _, tt := range []struct {
		rate, cpu float64
		want      string
	}{
		{100, 9, ""}, {98, 9.2, ""}, {100, 10, "CPU above"}, {89, 9, "rate below"}, {95, 9, "geometric mean"},
	} {
		res := &bench.Result{Cases: []bench.CaseResult{
			{Name: "c", Series: []bench.SeriesResult{series(now, tt.rate, tt.cpu), series(then, 100, 9)}},
			{Name: "new", Series: []bench.SeriesResult{series(now, 1, 1), {Name: then, Failed: "no workload"}}},
		}}
		err := compare(io.Discard, res, "abc")
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("rate %v, CPU %v: %v, want %q", tt.rate, tt.cpu, err, tt.want)
		}
	}
	broken := &bench.Result{Cases: []bench.CaseResult{{Name: "c", Series: []bench.SeriesResult{{Name: now, Failed: "boom"}, series(then, 100, 9)}}}}
	if err := compare(io.Discard, broken, "abc"); err == nil {
		t.Error("what fails now alone: no error")
	}
}

func TestAlternate(t *testing.T) {
	ours, theirs := newSuite(&env{}, true), suiteOf(&env{}, true, true)
	cases := alternate(ours.cases, theirs.cases)
	if len(cases) == 0 {
		t.Fatal("no case")
	}
	for _, c := range cases {
		if len(c.Series) != 2 || c.Series[0].Name != now || c.Series[1].Name != then {
			t.Errorf("%s: %+v", c.Name, c.Series)
		}
		if strings.Contains(c.Name, "rueidis") || strings.Contains(c.Name, "echo") {
			t.Errorf("%s is none of ours", c.Name)
		}
	}
}

// testEnv is an env whose children are this test binary.
func testEnv(t *testing.T) *env {
	t.Helper()
	e, err := newEnv(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(e.dir); !os.IsNotExist(err) {
			t.Errorf("the working directory is still there: %v", err)
		}
	})
	return e
}

// brief is a round as short as it may be.
var brief = bench.Round{Duration: 20 * time.Millisecond, Warm: 5 * time.Millisecond, Short: true}

// measure runs a series once.
func measure(t *testing.T, s bench.Series, round bench.Round) map[string]float64 {
	t.Helper()
	got, err := s.Run(t.Context(), round)
	if err != nil {
		t.Fatalf("%s: %v", s.Name, err)
	}
	return got
}

// wantUsed fails t if a series lacks what both sides have used, or has one of
// the figures that are not to be had.
func wantUsed(t *testing.T, what string, got map[string]float64, not ...string) {
	t.Helper()
	if runtime.GOOS != "linux" {
		return
	}
	for _, side := range []string{"client_", "server_"} {
		for _, figure := range []string{proc.CPU, proc.Reads, proc.Writes, proc.Switches} {
			name := side + figure
			_, ok := got[name]
			if slices.Contains(not, name) {
				if ok {
					t.Errorf("%s: %s is %v, which cannot be known", what, name, got[name])
				}
				continue
			}
			// The busy connection of a process of ours uses recv and send, which
			// the kernel does not count among reads and writes.
			counted := figure == proc.CPU || figure == proc.Switches
			if !ok || counted && got[name] <= 0 {
				t.Errorf("%s: %s is %v: %v", what, name, got[name], got)
			}
		}
	}
}

func TestOwnPeers(t *testing.T) {
	s := &suite{e: testEnv(t)}
	for _, tt := range []struct {
		t target
		r load.Request
	}{
		{echoTCP, load.Request{Op: load.OpEcho, Callers: 3}},
		{copyTCP, load.Request{Op: load.OpCopy, Callers: 1, Size: 1 << 20}},
		{framedTCP, load.Request{Op: load.OpValueGet, Callers: 1, Size: 70000}},
		{framedTCP, load.Request{Op: load.OpValueSet, Callers: 3, Size: 70000}},
		{framedTCP, load.Request{Op: load.OpValueGet, Callers: 3, Size: 300}},
		{netRPC, load.Request{Op: load.OpGet, Callers: 3}},
		{netRPC, load.Request{Op: load.OpSet, Callers: 3}},
		{netRPC, load.Request{Op: load.OpQueue, Callers: 3}},
		{netRPC, load.Request{Op: load.OpAdd, Callers: 3}},
	} {
		got := measure(t, s.loop(tt.t, tt.r), brief)
		if got["ops"] <= 0 || got["p50"] <= 0 || got["calls"] < 1 {
			t.Errorf("%s %s: %v", tt.t.label, tt.r.Op, got)
		}
		wantUsed(t, tt.t.label+" "+tt.r.Op, got)
	}
	// One message a call: what both sides read and write is known.
	got := measure(t, s.loop(echoTCP, load.Request{Op: load.OpEcho, Callers: 1}), bench.Round{Duration: 100 * time.Millisecond})
	for _, name := range []string{"client_writes", "server_writes"} {
		if v, ok := got[name]; ok && (v < 1 || v > 1.5) {
			t.Errorf("echo: %s is %v for each call, want 1", name, v)
		}
	}
	if _, err := s.loop(netRPC, load.Request{Op: load.OpLock, Callers: 1}).Run(t.Context(), brief); err == nil || !strings.Contains(err.Error(), `no workload "lock"`) {
		t.Errorf("a workload that a peer does not have: %v", err)
	}
	// The generator that has failed serves on.
	measure(t, s.loop(netRPC, load.Request{Op: load.OpGet, Callers: 1}), brief)
	got = measure(t, s.several("two", echoTCP, 2, load.Request{Op: load.OpEcho, Callers: 1}), brief)
	if _, counted := got["allocs"]; got["ops"] <= 0 || !counted {
		t.Errorf("two generators: %v", got)
	}
	wantUsed(t, "two generators", got)
	if _, err := s.several("two", netRPC, 2, load.Request{Op: load.OpLock, Callers: 1}).Run(t.Context(), brief); err == nil {
		t.Error("two generators without the workload: no error")
	}
	// Some of them may have waited for a word that never came.
	measure(t, s.several("two", netRPC, 2, load.Request{Op: load.OpGet, Callers: 1}), brief)
}

func TestOwnServer(t *testing.T) {
	s := &suite{e: testEnv(t)}
	for _, op := range []string{
		load.OpGet, load.OpSet, load.OpQueue, load.OpLock, load.OpGetMany, load.OpSetMany, load.OpCreate, load.OpAdd,
		load.OpCount, load.OpValueGet, load.OpValueSet,
	} {
		for _, network := range []string{"tcp", "tls", "unix"} {
			over := embedded
			over.network = network
			r := load.Request{Op: op, Callers: 3, Clients: 2}
			if op == load.OpGetMany || op == load.OpSetMany {
				r.Batch = 10
			}
			if got := measure(t, s.loop(over, r), brief); got["ops"] <= 0 {
				t.Errorf("%s over %s: %v", op, network, got)
			}
		}
	}
	for _, op := range []string{load.OpContendLock, load.OpContendSemaphore} {
		got := measure(t, s.loop(embedded, load.Request{Op: op, Callers: 5}), brief)
		if got["in_order"] != 100 || got["trip_p50"] <= 0 {
			t.Errorf("%s: %v", op, got)
		}
		wantUsed(t, op, got)
	}
	got := measure(t, s.loop(embedded, load.Request{Op: load.OpNeighbours, Callers: 2, Size: 1 << 20}), brief)
	if got["p99"] <= 0 || got["copies"] < 1 {
		t.Errorf("neighbours: %v", got)
	}
	wantUsed(t, "neighbours", got)
	profiled := brief
	profiled.Profile = filepath.Join(t.TempDir(), "two")
	measure(t, s.several("two", embedded, 2, load.Request{Op: load.OpGet, Callers: 1}), profiled)
	for _, suffix := range []string{"-client.cpu.pprof", "-client.allocs-before.pprof", "-server.cpu.pprof", "-server.allocs.pprof"} {
		if _, err := os.Stat(profiled.Profile + suffix); err != nil {
			t.Error(err)
		}
	}
	child, err := s.e.generator(t.Context(), embedded, 0)
	if err != nil {
		t.Fatal(err)
	}
	server, err := s.e.server(t.Context(), embedded)
	if err != nil {
		t.Fatal(err)
	}
	p := pair{s.e, embedded, server, child}
	for _, r := range []load.Request{
		{Op: load.OpPark, Callers: 20, Clients: 2}, {Op: load.OpWake, Count: 5}, {Op: load.OpUnpark},
		{Op: load.OpIdle, Count: 5}, {Op: load.OpIdleClose},
		{Op: load.OpCreate, Callers: 2, Count: 50},
		{Op: load.OpFill, Keys: 2500, Name: load.LargeDict},
		{Op: load.OpWalk, Keys: 2500, Name: load.WalkItems}, {Op: load.OpWalk, Keys: 2500, Name: load.WalkCopy},
		{Op: load.OpWalk, Keys: 2500, Name: load.WalkSort},
	} {
		if _, err := p.do(r); err != nil {
			t.Errorf("%s %s: %v", r.Op, r.Name, err)
		}
	}
	if _, err := p.do(load.Request{Op: load.OpPark, Callers: 20, Clients: 2}); err != nil {
		t.Error(err)
	}
	for _, r := range []load.Request{{Op: load.OpWake, Count: 5}, {Op: load.OpIdle, Count: 5}, {Op: load.OpCreate, Callers: 2, Count: 50}} {
		got, err := p.measure(r, brief)
		if err != nil || got["calls"] != float64(r.Count) {
			t.Errorf("%s: %v, %v", r.Op, got, err)
		}
		wantUsed(t, r.Op, got)
	}
	if _, err := p.do(load.Request{Op: load.OpUnpark}); err != nil {
		t.Error(err)
	}
	if _, err := p.do(load.Request{Op: load.OpWake, Count: 1}); err == nil {
		t.Error("waking when nobody is parked must be an error")
	}
	if m, err := p.memory(false); err != nil || m.Mallocs <= 0 {
		t.Errorf("server counters: %+v, %v", m, err)
	}
}

func TestRedis(t *testing.T) {
	e := testEnv(t)
	if p := e.findRedis(t.Context()); p.Missing != "" {
		t.Skip("missing: " + p.Missing)
	}
	s := &suite{e: e}
	unix := rueidis
	unix.network = "unix"
	for _, over := range []target{rueidis, goRedis, unix} {
		for _, op := range []string{load.OpGet, load.OpSet, load.OpQueue, load.OpLock} {
			got := measure(t, s.loop(over, load.Request{Op: op, Callers: 3}), brief)
			if got["ops"] <= 0 {
				t.Errorf("%s %s: %v", over.label, op, got)
			}
			wantUsed(t, over.label+" "+op, got)
		}
	}
	for _, op := range []string{load.OpGetMany, load.OpSetMany} {
		measure(t, s.loop(rueidis, load.Request{Op: op, Callers: 1, Batch: 10}), brief)
	}
	for _, op := range []string{load.OpCount, load.OpValueGet, load.OpValueSet} {
		measure(t, s.loop(rueidis, load.Request{Op: op, Callers: 3, Size: 300}), brief)
	}
	server, err := e.server(t.Context(), rueidis)
	if err != nil {
		t.Fatal(err)
	}
	child, err := e.generator(t.Context(), rueidis, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (pair{e, rueidis, server, child}).do(load.Request{Op: load.OpFill, Keys: 2500}); err != nil {
		t.Error(err)
	}
}

func TestPython(t *testing.T) {
	e := testEnv(t)
	if p := e.findPython(t.Context()); p.Missing != "" {
		t.Skip("missing: " + p.Missing)
	}
	if err := e.writeScripts(); err != nil {
		t.Fatal(err)
	}
	s := &suite{e: e}
	for _, op := range []string{load.OpGet, load.OpSet, load.OpQueue, load.OpLock, load.OpCreate, load.OpAdd} {
		if got := measure(t, s.loop(pythonUnix, load.Request{Op: op, Callers: 2}), brief); got["ops"] <= 0 {
			t.Errorf("%s: %v", op, got)
		}
	}
	wantUsed(t, "python", measure(t, s.loop(pythonUnix, load.Request{Op: load.OpGet, Callers: 2}), brief))
	for _, over := range []target{doorTCP, doorUnix} {
		over.server = roleManager // managerd has the same doors, but is built first
		for _, op := range []string{load.OpGet, load.OpSet, load.OpCreate, load.OpCopy} {
			got := measure(t, s.loop(over, load.Request{Op: op, Callers: 1}), brief)
			if got["ops"] <= 0 {
				t.Errorf("%s over %s: %v", op, over.network, got)
			}
			wantUsed(t, op+" over "+over.network, got, "server_reads", "server_writes")
		}
	}
	if n := doorTCP.needs(); len(n) != 1 || n[0] != peerPython {
		t.Errorf("Python's client on managerd needs %q, want %q", n, peerPython)
	}
	measure(t, s.several("two", python, 2, load.Request{Op: load.OpGet, Callers: 2}), brief)
}

func TestMissingPeers(t *testing.T) {
	e := testEnv(t)
	t.Setenv("PATH", t.TempDir())
	peers, err := e.findPeers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if peers[0].Missing == "" || peers[1].Missing == "" {
		t.Errorf("peers without a PATH: %+v", peers)
	}
	if e.redis != "" || e.python != "" {
		t.Errorf("found %q and %q without a PATH", e.redis, e.python)
	}
}

func TestOneCaseFromTheCommand(t *testing.T) {
	dir := t.TempDir()
	var stdout bytes.Buffer
	args := []string{
		"-run", "^scale$", "-rounds", "1", "-duration", "5ms", "-list",
	}
	if err := run(t.Context(), args, &stdout, io.Discard); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(stdout.String(), "scale: "); n != 4 {
		t.Errorf("-list names %d cases, want 4:\n%s", n, stdout.String())
	}
	stdout.Reset()
	args = []string{
		"-run", "^(allocations of a dict get|10 clients with 1 caller each|contended lock, 50 waiters)$", "-rounds", "1", "-duration", "5ms",
		"-json", filepath.Join(dir, "out.json"), "-svg", filepath.Join(dir, "plots"), "-profile", filepath.Join(dir, "profiles"),
	}
	if err := run(t.Context(), args, &stdout, io.Discard); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(stdout.String(), "allocations of a dict get, server") {
		t.Errorf("the table:\n%s", stdout.String())
	}
	for _, name := range []string{
		"out.json", "plots/allocations.svg", "profiles/10-clients-with-1-caller-each-syncmanager-server.cpu.pprof",
		"profiles/10-clients-with-1-caller-each-syncmanager-client.allocs.pprof",
		"profiles/10-clients-with-1-caller-each-syncmanager-client.allocs-before.pprof",
		"profiles/allocations-of-a-dict-get-syncmanager-server.cpu.pprof",
		"profiles/contended-lock-50-waiters-syncmanager-client.cpu.pprof",
		"profiles/contended-lock-50-waiters-syncmanager.md", "profiles/10-clients-with-1-caller-each-echo-limit-server.cpu.pprof",
	} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	if err := run(t.Context(), []string{"-run", "no such case"}, io.Discard, io.Discard); err == nil {
		t.Error("a pattern that matches nothing must be an error")
	}
}
