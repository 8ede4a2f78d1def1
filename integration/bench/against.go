package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"text/tabwriter"

	"github.com/syncmanager/syncmanager/integration/bench/internal/bench"
	"github.com/syncmanager/syncmanager/integration/bench/internal/stats"
)

// What a commit may be beside another one.
const (
	againstRounds = 9    // at least
	mostCPU       = 1.03 // CPU per operation, of both sides, in each case
	leastRate     = 0.90 // rate, in each case
	leastMean     = 0.97 // geometric mean of the rates
)

// The series of a comparison of commits.
const (
	now  = "now"
	then = "then"
)

// build is another commit of this repository.
type build struct {
	name  string // its short name
	root  string // its tree
	bench string // this program, with the product of that commit
}

// buildOther makes the programs of another commit, in a tree in the working
// directory. Its load generator is this one, compiled against that commit's
// client; where that cannot be compiled, the commit's own.
func (e *env) buildOther(ctx context.Context, name string) error {
	short, err := git(ctx, e.root, "rev-parse", "--short", "--verify", name+"^{commit}")
	if err != nil {
		return fmt.Errorf("-against %s: %w", name, err)
	}
	b := &build{name: short, root: filepath.Join(e.dir, "other"), bench: filepath.Join(e.dir, "bench-other")}
	if runtime.GOOS == "windows" {
		b.bench += ".exe"
	}
	if _, err := git(ctx, e.root, "worktree", "add", "--detach", b.root, short); err != nil {
		return fmt.Errorf("-against %s: %w", name, err)
	}
	e.other = b
	theirs := filepath.Join(b.root, "integration", "bench")
	ours := filepath.Join(e.root, "integration", "bench")
	kept := theirs + "-its-own"
	if err := os.Rename(theirs, kept); err != nil {
		return err
	}
	if err := os.CopyFS(theirs, os.DirFS(ours)); err != nil {
		return err
	}
	mixed := goBuild(ctx, theirs, b.bench, ".")
	if mixed == nil {
		return nil
	}
	if err := errors.Join(os.RemoveAll(theirs), os.Rename(kept, theirs)); err != nil {
		return err
	}
	return goBuild(ctx, theirs, b.bench, ".")
}

// removeOther takes the other commit's tree out of the repository.
func (e *env) removeOther() error {
	if e.other == nil {
		return nil
	}
	// The one that ran before may have ended with the context.
	_, err := git(context.Background(), e.root, "worktree", "remove", "--force", e.other.root)
	return err
}

// git runs git on the repository at root.
func git(ctx context.Context, root string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"--no-optional-locks", "-C", root}, args...)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

// alternate makes a case of each of our loops, whose two series are this commit
// and the other one.
func alternate(ours, others []bench.Case) []bench.Case {
	var out []bench.Case
	for i, c := range ours {
		for j, s := range c.Series {
			if !s.Ours {
				continue
			}
			both := c
			both.Name += ", " + s.Name
			other := others[i].Series[j]
			s.Name, other.Name = now, then
			both.Series = []bench.Series{s, other}
			out = append(out, both)
		}
	}
	return out
}

// compare writes what the other commit's figures come to beside this one's, and
// returns an error if this one is slower than it may be. Figures are medians of
// the ratios within a round.
func compare(w io.Writer, res *bench.Result, other string) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "beside %s\trate\t\tCPU µs\tthen\tratio\t\n", other)
	var rates []float64
	var wrong []string
	for _, c := range res.Cases {
		a, b := &c.Series[0], &c.Series[1]
		if why := a.Why() + b.Why(); why != "" {
			fmt.Fprintf(tw, "%s\t-\t%.80s\n", c.Name, why)
			if a.Why() != "" {
				wrong = append(wrong, c.Name+": "+why)
			}
			continue
		}
		rate := stats.Median(ratios(a.Metrics["ops"].Values, b.Metrics["ops"].Values))
		cpu := stats.Median(ratios(cpuOf(a), cpuOf(b)))
		rates = append(rates, rate)
		verdict := ""
		if rate < leastRate {
			verdict = fmt.Sprintf("rate below %.2f", leastRate)
		} else if cpu > mostCPU {
			verdict = fmt.Sprintf("CPU above %.2f", mostCPU)
		}
		if verdict != "" {
			wrong = append(wrong, c.Name+": "+verdict)
		}
		fmt.Fprintf(tw, "%s\t%.0f\t%.3f x\t%.2f\t%.2f\t%.3f x\t%s\n",
			c.Name, a.Metrics["ops"].Median, rate, stats.Median(cpuOf(a)), stats.Median(cpuOf(b)), cpu, verdict)
	}
	if len(rates) == 0 {
		return errors.Join(tw.Flush(), errors.New("no case could be compared"))
	}
	mean := stats.GeometricMean(rates)
	fmt.Fprintf(tw, "geometric mean of %d rates\t\t%.3f x\n", len(rates), mean)
	if mean < leastMean {
		wrong = append(wrong, fmt.Sprintf("the geometric mean of the rates is %.3f, below %.2f", mean, leastMean))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	if len(wrong) > 0 {
		return errors.New("slower than " + other + ":\n" + strings.Join(wrong, "\n"))
	}
	return nil
}

// cpuOf is the CPU time of both sides for an operation, in each round.
func cpuOf(s *bench.SeriesResult) []float64 {
	client, server := s.Metrics["client_cpu"].Values, s.Metrics["server_cpu"].Values
	var sum []float64
	for i := range min(len(client), len(server)) {
		sum = append(sum, client[i]+server[i])
	}
	return sum
}

// ratios are those of the rounds that both have.
func ratios(a, b []float64) []float64 {
	var out []float64
	for i := range min(len(a), len(b)) {
		if b[i] > 0 {
			out = append(out, a[i]/b[i])
		}
	}
	return out
}
