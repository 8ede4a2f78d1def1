package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/syncmanager/syncmanager/integration/bench/internal/bench"
	"github.com/syncmanager/syncmanager/integration/bench/internal/proc"
	"github.com/syncmanager/syncmanager/integration/bench/internal/report"
)

// The defaults of the flags, for full runs and for short ones.
const (
	defaultRounds   = 5
	shortRounds     = 3
	defaultDuration = 500 * time.Millisecond
	shortDuration   = 100 * time.Millisecond
	retries         = 2    // of what would fail the check: a neighbour can spoil a measurement
	repeats         = 1    // of a round of a case of which a neighbour took more than mostStolen
	mostStolen      = 0.05 // of the processor time
)

func main() {
	if len(os.Args) == 3 && os.Args[1] == childArg {
		if err := runChild(os.Args[2], os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("usage")

// options are the flags.
type options struct {
	rounds     int
	duration   time.Duration
	short      bool
	pattern    string
	json       string
	svg        string
	profile    string
	check      bool
	list       bool
	against    string
	updateDocs bool
}

func parse(args []string, stderr io.Writer) (*options, error) {
	o := new(options)
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.IntVar(&o.rounds, "rounds", 0, fmt.Sprintf("how often every series is measured; the median counts (default %d, short %d)", defaultRounds, shortRounds))
	f.DurationVar(&o.duration, "duration", 0, fmt.Sprintf("of one measurement (default %v, short %v)", defaultDuration, shortDuration))
	f.BoolVar(&o.short, "short", false, "a cut of about one minute: only the series that are judged, shorter, with smaller counts")
	f.StringVar(&o.pattern, "run", "", "only the cases whose group or name matches the `regexp`")
	f.StringVar(&o.json, "json", "", "also write all figures to this `file`")
	f.StringVar(&o.svg, "svg", "", "also write one plot per group into this `directory`")
	f.StringVar(&o.profile, "profile", "", "write CPU and allocation profiles of the last round, of clients (of several the first) and server, into this `directory`, and a text for each series that sums them up; the embedded server takes the place of managerd")
	f.BoolVar(&o.check, "check", false, "fail if a figure falls below half of its bar or cannot be judged, or a case fails, three times in a row; a peer that is not installed is no failure")
	f.BoolVar(&o.list, "list", false, "name the cases and end")
	f.StringVar(&o.against, "against", "", fmt.Sprintf("compare with another `commit`: both builds take turns in every round, at least %d; fails if CPU per operation is above %.2f x of that commit's in a case, a rate below %.2f x, or their geometric mean below %.2f x", againstRounds, mostCPU, leastRate, leastMean))
	f.BoolVar(&o.updateDocs, "update-docs", false, fmt.Sprintf("write table and plots into docs/benchmarks.md of this repository: a full run of at least %d rounds and -duration %v, a quarter of an hour", defaultRounds, defaultDuration))
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, err
		}
		return nil, errUsage
	}
	fail := func(format string, args ...any) (*options, error) {
		fmt.Fprintf(stderr, format+"\n", args...)
		return nil, errUsage
	}
	if f.NArg() > 0 {
		return fail("unknown argument %q; see -help", f.Arg(0))
	}
	if o.rounds < 0 || o.duration < 0 {
		return fail("-rounds %d, -duration %v: neither may be negative", o.rounds, o.duration)
	}
	if o.updateDocs && (o.short || o.pattern != "" || o.profile != "") {
		return fail("-update-docs needs a full run: leave out -short, -run and -profile")
	}
	if o.against != "" && (o.check || o.updateDocs || o.profile != "" || o.svg != "") {
		return fail("-against compares two commits: leave out -check, -update-docs, -profile and -svg")
	}
	if o.against != "" && o.rounds == 0 {
		o.rounds = againstRounds
	}
	if o.rounds == 0 {
		o.rounds = defaultRounds
		if o.short {
			o.rounds = shortRounds
		}
	}
	if o.duration == 0 {
		o.duration = defaultDuration
		if o.short {
			o.duration = shortDuration
		}
	}
	if o.updateDocs && (o.rounds < defaultRounds || o.duration < defaultDuration) {
		return fail("-update-docs needs at least -rounds %d and -duration %v, not %d and %v", defaultRounds, defaultDuration, o.rounds, o.duration)
	}
	return o, nil
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	pattern, err := regexp.Compile(o.pattern)
	if err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	e, err := newEnv(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	peers, err := e.findPeers(ctx)
	if err != nil {
		return err
	}
	s := newSuite(e, o.short)
	s.choose(pattern)
	if len(s.cases) == 0 {
		return fmt.Errorf("-run %q matches no case; -list names them", o.pattern)
	}
	if o.list {
		return list(stdout, s.cases)
	}
	if o.against != "" {
		return runAgainst(ctx, e, s, pattern, o, stdout, stderr)
	}
	if o.profile != "" {
		if err := os.MkdirAll(o.profile, 0o755); err != nil {
			return fmt.Errorf("-profile: %w", err)
		}
		e.profile = true
	}
	missing := make(map[string]string)
	for _, p := range peers {
		if p.Missing != "" {
			missing[p.Name] = p.Missing
		}
	}
	r := &report.Report{
		Started: time.Now(), Short: o.short, Rounds: o.rounds, Duration: o.duration,
		Commit: commit(ctx, e.root), Machine: report.ThisMachine(), Peers: peers,
	}
	how := bench.Options{
		Rounds: o.rounds, Duration: o.duration, Short: o.short, Missing: missing, Profile: o.profile, Log: stderr,
		Disturb: bench.Disturbance{Stolen: proc.Stolen, Cores: runtime.NumCPU(), Most: mostStolen},
	}
	if !o.short && o.profile == "" { // profiles are of one measurement
		how.Disturb.Repeats = repeats
	}
	res, err := bench.Run(ctx, s.cases, how)
	if err != nil {
		return err
	}
	for again := 0; o.check && again < retries; again++ {
		cases := s.doubtful(res)
		if len(cases) == 0 {
			break
		}
		fmt.Fprintf(stderr, "once more, since figures fell below half of their bars: %d cases\n", len(cases))
		more, err := bench.Run(ctx, cases, how)
		if err != nil {
			return err
		}
		res.Replace(more)
	}
	r.Took, r.Result = time.Since(r.Started), *res
	r.Bars = res.Judge(s.bars)
	if err := write(r, o, e.root, stdout); err != nil {
		return err
	}
	if o.check {
		return check(r, stderr)
	}
	return nil
}

// runAgainst compares with another commit.
func runAgainst(ctx context.Context, e *env, s *suite, pattern *regexp.Regexp, o *options, stdout, stderr io.Writer) (err error) {
	defer func() { err = errors.Join(err, e.removeOther()) }()
	if err := e.buildOther(ctx, o.against); err != nil {
		return err
	}
	other := suiteOf(e, o.short, true)
	other.choose(pattern)
	res, err := bench.Run(ctx, alternate(s.cases, other.cases), bench.Options{
		Rounds: o.rounds, Duration: o.duration, Short: o.short, Log: stderr,
		Disturb: bench.Disturbance{Stolen: proc.Stolen, Cores: runtime.NumCPU(), Most: mostStolen},
	})
	if err != nil {
		return err
	}
	return compare(stdout, res, e.other.name)
}

// commit names the commit of the repository at root, with a word if what is not
// documentation differs from it. It is empty if git does not know.
func commit(ctx context.Context, root string) string {
	name, err := git(ctx, root, "rev-parse", "--short", "HEAD")
	if err != nil {
		return ""
	}
	changes, err := git(ctx, root, "status", "--porcelain", "--", ".", ":!docs")
	if err != nil {
		return ""
	}
	if changes != "" {
		name += " with changes"
	}
	return name
}

// doubtful returns the cases whose figures would fail the check.
func (s *suite) doubtful(res *bench.Result) []bench.Case {
	again := make(map[string]bool)
	for _, c := range res.Cases {
		again[c.Name] = slices.ContainsFunc(c.Series, func(s bench.SeriesResult) bool { return s.Failed != "" })
	}
	bars := make(map[string]bench.Bar)
	for _, b := range s.bars {
		bars[b.Name] = b
	}
	for _, j := range res.Judge(s.bars) {
		if j.Verdict != bench.Missed {
			continue
		}
		for _, t := range bars[j.Name].Terms() {
			again[t.Case] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(s.cases), func(c bench.Case) bool { return !again[c.Name] })
}

// choose leaves the cases that match, and in a short run of those only the
// series that a bar names.
func (s *suite) choose(pattern *regexp.Regexp) {
	judged := make(map[[2]string]bool)
	for _, b := range s.bars {
		for _, t := range b.Terms() {
			judged[[2]string{t.Case, t.Series}] = true
		}
	}
	var kept []bench.Case
	for _, c := range s.cases {
		if !pattern.MatchString(c.Group) && !pattern.MatchString(c.Name) {
			continue
		}
		if s.short {
			all := c.Series
			c.Series = nil
			for _, series := range all {
				if judged[[2]string{c.Name, series.Name}] {
					c.Series = append(c.Series, series)
				}
			}
		}
		if len(c.Series) > 0 {
			kept = append(kept, c)
		}
	}
	s.cases = kept
}

func list(w io.Writer, cases []bench.Case) error {
	for _, c := range cases {
		if _, err := fmt.Fprintf(w, "%s: %s\n", c.Group, c.Name); err != nil {
			return err
		}
	}
	return nil
}

// write writes the table and what else was asked for.
func write(r *report.Report, o *options, root string, stdout io.Writer) error {
	if err := r.Text(stdout); err != nil {
		return err
	}
	if o.json != "" {
		f, err := os.Create(o.json)
		if err != nil {
			return fmt.Errorf("-json: %w", err)
		}
		if err := errors.Join(r.JSON(f), f.Close()); err != nil {
			return fmt.Errorf("-json: %w", err)
		}
	}
	if o.svg != "" {
		if err := plots(r, o.svg); err != nil {
			return fmt.Errorf("-svg: %w", err)
		}
	}
	if o.profile != "" {
		if err := r.Profiles(o.profile); err != nil {
			return err
		}
	}
	if !o.updateDocs {
		return nil
	}
	const name = "benchmarks"
	docs := filepath.Join(root, "docs")
	return errors.Join(r.UpdateDocument(filepath.Join(docs, name+".md"), name), plots(r, filepath.Join(docs, name)))
}

// plots writes the plots into a directory, which is made if it is missing.
func plots(r *report.Report, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return r.Plots(func(name string) (io.WriteCloser, error) {
		return os.Create(filepath.Join(dir, name))
	})
}

// check fails if a bar is missed by more than half, a case did not run, or a bar
// could not be judged. A peer that is not installed leaves bars unchecked, which
// is said and is no failure.
func check(r *report.Report, stderr io.Writer) error {
	failures, unchecked := new(grouped), new(grouped)
	for _, c := range r.Cases {
		for _, s := range c.Series {
			if s.Failed != "" {
				failures.add(s.Failed, c.Name+", "+s.Name)
			}
		}
	}
	for _, b := range r.Bars {
		switch b.Verdict {
		case bench.Missed:
			failures.add(fmt.Sprintf("%.3g %s is less than half of the bar of %.3g", b.Got, b.Unit, b.Limit), b.Name)
		case bench.Unmeasured:
			unchecked.add(b.Why, b.Name)
			if !b.Missing && !strings.HasPrefix(b.Why, "failed: ") { // a failed series stands there already
				failures.add("not measured: "+b.Why, b.Name)
			}
		}
	}
	for _, line := range unchecked.lines() {
		fmt.Fprintln(stderr, "not checked:", line)
	}
	fmt.Fprintf(stderr, "check: %d bars, %d not checked\n", len(r.Bars), unchecked.count())
	if all := failures.lines(); len(all) > 0 {
		return errors.New("check failed:\n" + strings.Join(all, "\n"))
	}
	return nil
}

// grouped lists what has the same reason in one line, in the order of adding.
type grouped struct {
	reasons []string
	names   map[string][]string
}

func (g *grouped) add(reason, name string) {
	if g.names == nil {
		g.names = make(map[string][]string)
	}
	if g.names[reason] == nil {
		g.reasons = append(g.reasons, reason)
	}
	g.names[reason] = append(g.names[reason], name)
}

func (g *grouped) count() (n int) {
	for _, names := range g.names {
		n += len(names)
	}
	return n
}

func (g *grouped) lines() []string {
	var out []string
	for _, reason := range g.reasons {
		names := g.names[reason]
		line := names[0]
		if len(names) > 1 {
			line = fmt.Sprintf("%s and %d more", names[0], len(names)-1)
		}
		out = append(out, line+": "+reason)
	}
	return out
}
