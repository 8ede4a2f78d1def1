// Package report writes the outcome of a benchmark: a table for a terminal and
// for a document, JSON, and one plot per group.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/syncmanager/syncmanager/integration/bench/internal/bench"
)

// Report is all that a run leaves.
type Report struct {
	Started  time.Time         `json:"started"`
	Took     time.Duration     `json:"took_ns"`
	Short    bool              `json:"short"`
	Rounds   int               `json:"rounds"`
	Duration time.Duration     `json:"duration_ns"`      // of one measurement
	Commit   string            `json:"commit,omitempty"` // of the repository; empty if not known
	Machine  Machine           `json:"machine"`
	Peers    []Peer            `json:"peers"`
	Bars     []bench.Judgement `json:"bars"`
	bench.Result
}

// Peer is a program or library that was measured, or why it was not.
type Peer struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	Missing string `json:"missing,omitempty"`
}

// JSON writes r, indented.
func (r *Report) JSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	if err := enc.Encode(r); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// groups are the groups of r in the order of their first case.
func (r *Report) groups() []string {
	var names []string
	seen := make(map[string]bool)
	for _, c := range r.Cases {
		if !seen[c.Group] {
			seen[c.Group] = true
			names = append(names, c.Group)
		}
	}
	return names
}

// of are the cases of a group.
func (r *Report) of(group string) []bench.CaseResult {
	var out []bench.CaseResult
	for _, c := range r.Cases {
		if c.Group == group {
			out = append(out, c)
		}
	}
	return out
}

// Counts says how many bars were met, missed by less than half, missed by
// more, and not measured.
func (r *Report) Counts() map[bench.Verdict]int {
	n := make(map[bench.Verdict]int)
	for _, b := range r.Bars {
		n[b.Verdict]++
	}
	return n
}

// number writes a figure with as many digits as it deserves: thousands are
// grouped, small ones keep three digits.
func number(v float64) string {
	switch a := math.Abs(v); {
	case a == 0:
		return "0"
	case a >= 1000:
		return grouped(strconv.FormatFloat(v, 'f', 0, 64))
	case a >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case a >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case a >= 1:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// grouped puts commas between the thousands of whole digits.
func grouped(digits string) string {
	sign := ""
	if rest, ok := strings.CutPrefix(digits, "-"); ok {
		sign, digits = "-", rest
	}
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return sign + b.String()
}

// percent writes a share of one.
func percent(v float64) string { return strconv.FormatFloat(v*100, 'f', 0, 64) + " %" }

// goal is a bar in words: "≥ 2 x" or "≤ 1,024 bytes".
func goal(b bench.Judgement) string {
	sign := "≥"
	if b.AtMost {
		sign = "≤"
	}
	return sign + " " + amount(b.Limit, b.Unit)
}

// amount is a figure of a bar: a ratio, or something with a unit.
func amount(v float64, unit string) string {
	if unit == "" {
		return number(v) + " x"
	}
	return number(v) + " " + unit
}
