// Package bench runs the cases of a benchmark in interleaved rounds and judges
// the ratios between them.
//
// A case is one piece of work; its series are the ways to do it. A round runs
// every series of every case once, the series of a case next to each other and
// in an order that turns from round to round. What slows the machine for a
// while so touches all sides of a ratio, and no series always runs first.
package bench

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/syncmanager/syncmanager/integration/bench/internal/stats"
)

// Case is one piece of work, done by several series.
type Case struct {
	Group  string // the plot it belongs to
	Name   string // unique
	What   string // one sentence: what one operation is
	Metric string // the figure of the table and the plot
	Unit   string // of Metric
	Lower  bool   // less is better
	Curve  string // the curve that the case is a point of; empty: none
	At     string // where on the curve: "16", "4 KiB"
	Series []Series
}

// Series is one way to do a case's work.
type Series struct {
	Name  string   // unique within the case
	Needs []string // peers without which it cannot run
	Ours  bool     // a loop against our own server: two commits can be compared by it
	// Run measures one round. It is called by one goroutine at a time.
	Run func(ctx context.Context, r Round) (map[string]float64, error)
}

// Round says how to measure.
type Round struct {
	Number   int           // from 0
	Duration time.Duration // of what is measured by time
	Warm     time.Duration // to run before that
	Short    bool          // scale work that is measured by count down
	Profile  string        // prefix of the files to write profiles to; none if empty
}

// Options say how to run.
type Options struct {
	Rounds   int
	Duration time.Duration
	Short    bool
	Missing  map[string]string // peer -> why it cannot run
	Profile  string            // directory for profiles of the last round, under names of FileName
	Log      io.Writer         // progress, a line each; nil is silent
	Disturb  Disturbance
}

// Result is a run's outcome.
type Result struct {
	Cases     []CaseResult `json:"cases"`
	Disturbed Disturbed    `json:"disturbed"`
}

// CaseResult is a case's outcome.
type CaseResult struct {
	Group  string         `json:"group"`
	Name   string         `json:"name"`
	What   string         `json:"what"`
	Metric string         `json:"metric"`
	Unit   string         `json:"unit"`
	Lower  bool           `json:"lower_is_better,omitempty"`
	Curve  string         `json:"curve,omitempty"`
	At     string         `json:"at,omitempty"`
	Series []SeriesResult `json:"series"`
}

// SeriesResult is a series' outcome: figures, or why there are none.
type SeriesResult struct {
	Name    string                   `json:"name"`
	Missing string                   `json:"missing,omitempty"`
	Failed  string                   `json:"failed,omitempty"`
	Metrics map[string]stats.Summary `json:"metrics,omitempty"`
}

// Why says why the series has no figures, or is empty.
func (s *SeriesResult) Why() string {
	switch {
	case s.Failed != "":
		return "failed: " + s.Failed
	case s.Missing != "":
		return "missing: " + s.Missing
	}
	return ""
}

// Run measures all cases. It returns what it has when ctx ends, with ctx's
// error. A series that fails is not run again and keeps its error.
func Run(ctx context.Context, cases []Case, o Options) (*Result, error) {
	if err := check(cases); err != nil {
		return nil, err
	}
	res := begin(cases, o)
	all := make(values)
	defer all.summarize()
	began := time.Now()
	for round := range o.Rounds {
		for ci := range cases {
			c, got := &cases[ci], &res.Cases[ci]
			logf(o.Log, "%6.1f s: round %d of %d: %s", time.Since(began).Seconds(), round+1, o.Rounds, c.Name)
			figures := o.Disturb.undisturbed(ctx, c.Name, o.Log, &res.Disturbed, func() sample { return o.measure(ctx, c, got, round) })
			if ctx.Err() != nil {
				return res, ctx.Err()
			}
			for si := range got.Series {
				all.add(&got.Series[si], figures[si])
			}
		}
	}
	return res, nil
}

// measure runs the series of a case once.
func (o *Options) measure(ctx context.Context, c *Case, got *CaseResult, round int) sample {
	figures := make(sample, len(c.Series))
	for _, si := range order(len(c.Series), round) {
		out := &got.Series[si]
		if out.Why() != "" {
			continue
		}
		var err error
		if figures[si], err = c.Series[si].Run(ctx, o.round(round, c.Name, c.Series[si].Name)); ctx.Err() != nil {
			break
		}
		if err != nil {
			out.Failed = err.Error()
			logf(o.Log, "%s: %s: %v", c.Name, c.Series[si].Name, err)
		}
	}
	return figures
}

// Replace puts the cases of a later run in the place of the same ones.
func (r *Result) Replace(later *Result) {
	for _, c := range later.Cases {
		for i := range r.Cases {
			if r.Cases[i].Name == c.Name {
				r.Cases[i] = c
			}
		}
	}
}

// round is the Round number n of a series.
func (o Options) round(n int, caseName, series string) Round {
	r := Round{Number: n, Duration: o.Duration, Warm: o.Duration / 5, Short: o.Short}
	if o.Profile != "" && n == o.Rounds-1 {
		r.Profile = FileName(o.Profile, caseName, series)
	}
	return r
}

// begin lays out a result in the order of the cases.
func begin(cases []Case, o Options) *Result {
	res := &Result{}
	for _, c := range cases {
		out := CaseResult{Group: c.Group, Name: c.Name, What: c.What, Metric: c.Metric, Unit: c.Unit, Lower: c.Lower, Curve: c.Curve, At: c.At}
		for _, s := range c.Series {
			out.Series = append(out.Series, SeriesResult{Name: s.Name, Missing: missing(s, o.Missing)})
		}
		res.Cases = append(res.Cases, out)
	}
	return res
}

func missing(s Series, gone map[string]string) string {
	for _, peer := range s.Needs {
		if why := gone[peer]; why != "" {
			return why
		}
	}
	return ""
}

// order is the order of n series in a round: turned by one from round to round,
// and backwards in every second round, so that each pair runs both ways round.
func order(n, round int) []int {
	turned := make([]int, n)
	for i := range turned {
		turned[i] = (i + round/2) % n
	}
	if round%2 == 1 {
		slices.Reverse(turned)
	}
	return turned
}

func check(cases []Case) error {
	seen := make(map[string]bool)
	for _, c := range cases {
		if seen[c.Name] {
			return fmt.Errorf("two cases are called %q", c.Name)
		}
		seen[c.Name] = true
		names := make(map[string]bool)
		for _, s := range c.Series {
			if names[s.Name] {
				return fmt.Errorf("case %q has two series %q", c.Name, s.Name)
			}
			names[s.Name] = true
		}
	}
	return nil
}

// series finds a series' result, or nil.
func (r *Result) series(caseName, series string) *SeriesResult {
	for i := range r.Cases {
		if r.Cases[i].Name != caseName {
			continue
		}
		for j := range r.Cases[i].Series {
			if r.Cases[i].Series[j].Name == series {
				return &r.Cases[i].Series[j]
			}
		}
	}
	return nil
}

func logf(w io.Writer, format string, args ...any) {
	if w != nil {
		// Progress is for someone watching; nothing depends on it.
		_, _ = fmt.Fprintf(w, format+"\n", args...)
	}
}
