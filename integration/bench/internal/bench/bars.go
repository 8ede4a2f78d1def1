package bench

import (
	"fmt"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/syncmanager/syncmanager/integration/bench/internal/stats"
)

// Term names one figure of a run.
type Term struct {
	Case, Series, Metric string
}

func (t Term) String() string {
	text := fmt.Sprintf("%s, %s", t.Case, t.Series)
	if t.Metric != "ops" {
		text += ", " + t.Metric
	}
	return text
}

// Bar is one figure that must be reached: Value divided by the best of Per,
// or Value itself if Per is empty.
type Bar struct {
	Row    string // the requirement that it belongs to, in its words
	Name   string // which figure of it; unique
	Value  Term
	Per    []Term
	AtMost bool    // Value must stay below Limit; else it must reach it
	Limit  float64 // the bar
	Unit   string  // of an absolute figure; empty for a ratio
	Worst  bool    // an absolute figure is judged by its worst round, not by the median
	Note   string  // what a reader must know to judge it

	// Relief lowers what Value is divided by: as much as a figure fell that stands
	// for what the machine itself can do. It has one figure for Value, in front, and
	// then one for each of Per, in their order. A figure that rose changes nothing.
	Relief []Term

	// Points are the bars of a curve, judged together in place of all above: the
	// figure is the smallest share of its own bar that one of them reaches, and
	// Limit is 1.
	Points []Bar
	At     string // as one of Points: where on the curve
}

// Terms are all figures that the bar looks at.
func (b Bar) Terms() []Term {
	all := slices.Concat(b.Per, b.Relief)
	if len(b.Points) == 0 {
		all = append(all, b.Value)
	}
	for _, p := range b.Points {
		all = append(all, p.Terms()...)
	}
	return all
}

// Verdict is how a bar was met.
type Verdict string

// Verdicts, from best to worst. A bar whose figures are missing is never met.
const (
	Met        Verdict = "met"
	Near       Verdict = "below"        // missed, by less than half
	Missed     Verdict = "far below"    // less than half of the bar
	Unmeasured Verdict = "not measured" // Why says why
)

// Judgement is a bar with what the run came to.
type Judgement struct {
	Row     string  `json:"row"`
	Name    string  `json:"name"`
	Value   string  `json:"value"`
	Per     string  `json:"per,omitempty"`
	AtMost  bool    `json:"at_most,omitempty"`
	Limit   float64 `json:"limit"`
	Unit    string  `json:"unit,omitempty"`
	Note    string  `json:"note,omitempty"`
	At      string  `json:"at,omitempty"` // of a curve: the point that was judged, with its figure and its bar
	Got     float64 `json:"got"`          // ratio of the medians, or the median
	Low     float64 `json:"round_min"`    // the same within single rounds: lowest
	High    float64 `json:"round_max"`    // and highest
	Verdict Verdict `json:"verdict"`
	Why     string  `json:"why,omitempty"`
	// Missing says that it was not measured because a peer is not installed,
	// which is no fault of the run.
	Missing bool `json:"missing,omitempty"`
}

// Judge compares a run with the bars, in their order. Bars that name a case
// outside the run are left out.
func (r *Result) Judge(bars []Bar) []Judgement {
	var out []Judgement
	for _, b := range bars {
		if r.has(b) {
			j := r.judge(b)
			j.Missing = j.Verdict == Unmeasured && r.lacks(b)
			out = append(out, j)
		}
	}
	return out
}

// lacks reports whether a series that b names was left out for want of a peer,
// and none has failed.
func (r *Result) lacks(b Bar) bool {
	missing := false
	for _, t := range b.Terms() {
		s := r.series(t.Case, t.Series)
		if s == nil || s.Failed != "" {
			return false
		}
		missing = missing || s.Missing != ""
	}
	return missing
}

// has reports whether the run holds the cases of b at all.
func (r *Result) has(b Bar) bool {
	for _, t := range b.Terms() {
		if !slices.ContainsFunc(r.Cases, func(c CaseResult) bool { return c.Name == t.Case }) {
			return false
		}
	}
	return true
}

func (r *Result) judge(b Bar) Judgement {
	j := Judgement{
		Row: b.Row, Name: b.Name, Value: b.Value.String(), AtMost: b.AtMost,
		Limit: b.Limit, Unit: b.Unit, Note: b.Note, Verdict: Unmeasured,
	}
	if len(b.Points) > 0 {
		return r.curve(b, j)
	}
	value, why := r.figure(b.Value)
	if why != "" {
		j.Why = why
		return j
	}
	if len(b.Per) == 0 {
		j.Got, j.Low, j.High = value.Median, value.Min, value.Max
		switch {
		case b.Worst && b.AtMost:
			j.Got = value.Max
		case b.Worst:
			j.Got = value.Min
		}
		j.Verdict = b.verdict(j.Got)
		return j
	}
	per, best, why := r.best(b)
	if why != "" {
		j.Why = why
		return j
	}
	j.Per = best.String()
	// A difference of two sizes can be negative; a ratio to it says nothing.
	if per.Median <= 0 {
		j.Why = fmt.Sprintf("%s is %.3g", best, per.Median)
		return j
	}
	relief, why := r.relief(b, best)
	if why != "" {
		j.Why = why
		return j
	}
	j.Got = value.Median / per.Median / relief
	j.Low, j.High = each(value.Values, per.Values, j.Got)
	j.Verdict = b.verdict(j.Got)
	return j
}

// curve judges the points of a bar by the worst of them.
func (r *Result) curve(b Bar, j Judgement) Judgement {
	for i, p := range b.Points {
		at := r.judge(p)
		if at.Verdict == Unmeasured {
			j.Why = at.Why
			return j
		}
		share := func(got float64) float64 {
			if p.AtMost {
				return p.Limit / got
			}
			return got / p.Limit
		}
		if i == 0 || share(at.Got) < j.Got {
			j.Got, j.Low, j.High = share(at.Got), share(at.Low), share(at.High)
			j.At = fmt.Sprintf("%s: %.3g of %.3g", p.At, at.Got, p.Limit)
		}
	}
	j.Verdict = b.verdict(j.Got)
	return j
}

// relief is the share to which the figure that stands for the machine fell from
// the term per to the value of b; at most 1.
func (r *Result) relief(b Bar, per Term) (share float64, why string) {
	at := slices.Index(b.Per, per)
	if at < 0 || len(b.Relief) != len(b.Per)+1 {
		return 1, ""
	}
	here, why := r.figure(b.Relief[0])
	if why != "" {
		return 0, why
	}
	there, why := r.figure(b.Relief[at+1])
	if why != "" {
		return 0, why
	}
	if here.Median <= 0 || here.Median >= there.Median {
		return 1, ""
	}
	return here.Median / there.Median, ""
}

// best is the hardest of b.Per to beat. One that was not measured makes the
// bar unmeasured: being better than the rest would be no proof.
func (r *Result) best(b Bar) (per stats.Summary, term Term, why string) {
	for i, t := range b.Per {
		s, why := r.figure(t)
		if why != "" {
			return stats.Summary{}, t, why
		}
		harder := s.Median > per.Median
		if b.AtMost {
			harder = s.Median < per.Median
		}
		if i == 0 || harder {
			per, term = s, t
		}
	}
	return per, term, ""
}

// figure finds a term's summary.
func (r *Result) figure(t Term) (s stats.Summary, why string) {
	found := r.series(t.Case, t.Series)
	if found == nil {
		return s, fmt.Sprintf("%s: no such series", t)
	}
	if why := found.Why(); why != "" {
		return s, why
	}
	s, ok := found.Metrics[t.Metric]
	if !ok {
		return s, fmt.Sprintf("%s, %s: has no figure %q", t.Case, t.Series, t.Metric)
	}
	return s, ""
}

// each returns the lowest and the highest ratio within a round, or all if
// there is none to take.
func each(values, per []float64, all float64) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for i := range min(len(values), len(per)) {
		if per[i] == 0 {
			continue
		}
		ratio := values[i] / per[i]
		low, high = min(low, ratio), max(high, ratio)
	}
	if low > high {
		return all, all
	}
	return low, high
}

// verdict judges a figure. Half of an at-most bar is twice its limit.
func (b Bar) verdict(got float64) Verdict {
	reached, half := got >= b.Limit, got >= b.Limit/2
	if b.AtMost {
		reached, half = got <= b.Limit, got <= b.Limit*2
	}
	switch {
	case reached:
		return Met
	case half:
		return Near
	}
	return Missed
}

var unfit = regexp.MustCompile(`[^a-z0-9]+`)

// FileName makes the path of a file of free text.
func FileName(dir string, parts ...string) string {
	name := strings.ToLower(strings.Join(parts, "-"))
	return filepath.Join(dir, strings.Trim(unfit.ReplaceAllString(name, "-"), "-"))
}
