package report

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/syncmanager/syncmanager/integration/bench/internal/bench"
	"github.com/syncmanager/syncmanager/integration/bench/internal/profile"
)

// How much of a profile is told.
const (
	hottest = 25 // functions by their own time
	widest  = 10 // functions by that of what they call too
	makers  = 12 // functions that allocate
	// fewest is how often a function must allocate to be told, for an operation.
	fewest = 0.001
)

// Profiles writes, beside the profiles of the last round in dir, one text for
// each series: what it took, and what the profiles say.
func (r *Report) Profiles(dir string) error {
	for _, c := range r.Cases {
		for _, s := range c.Series {
			if s.Why() != "" {
				continue
			}
			path := bench.FileName(dir, c.Name, s.Name)
			text, err := r.profiled(path, c, s)
			if err != nil {
				return err
			}
			if err := os.WriteFile(path+".md", text, 0o644); err != nil {
				return fmt.Errorf("profile: %w", err)
			}
		}
	}
	return nil
}

func (r *Report) profiled(prefix string, c bench.CaseResult, s bench.SeriesResult) ([]byte, error) {
	last := lastRound(s)
	sides, some, err := sidesOf(prefix, last)
	if err != nil {
		return nil, err
	}
	slowed := ""
	if some {
		slowed = " with profiles running, which slows it"
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s: %s\n\n%s\n\n", upper(c.Name), s.Name, c.What)
	fmt.Fprintf(&b, "- one round of %v%s: %s %s\n", r.Duration, slowed, number(last[c.Metric]), c.Unit)
	fmt.Fprintf(&b, "- %s\n", r.Started.UTC().Format("2006-01-02 15:04 MST"))
	if r.Commit != "" {
		fmt.Fprintf(&b, "- commit %s\n", r.Commit)
	}
	fmt.Fprintf(&b, "- %s\n\n", r.Machine)
	line(&b, "for each operation", "client", "server")
	line(&b, "---", "---:", "---:")
	for _, row := range []struct{ title, client, server string }{
		{"CPU µs", "client_cpu", "server_cpu"},
		{"read calls", "client_reads", "server_reads"},
		{"write calls", "client_writes", "server_writes"},
		{"switches", "client_switches", "server_switches"},
		{"allocations", "allocs", "server_allocs"},
	} {
		line(&b, row.title, cellOf(last, row.client), cellOf(last, row.server))
	}
	b.Write(sides)
	return b.Bytes(), nil
}

// sidesOf writes what the profiles of both sides say, and reports whether there
// is one.
func sidesOf(prefix string, last map[string]float64) (text []byte, some bool, err error) {
	var b bytes.Buffer
	clientOps := last["calls"]
	if v, ok := last["profiled"]; ok {
		clientOps = v
	}
	for _, side := range []struct {
		title, suffix string
		cpu, ops      float64
	}{
		{"Client", profile.Client, last["client_cpu"], clientOps},
		{"Server", profile.Server, last["server_cpu"], last["calls"]},
	} {
		fmt.Fprintf(&b, "\n## %s\n\n", side.title)
		sum, err := profile.Read(prefix + side.suffix)
		if errors.Is(err, fs.ErrNotExist) {
			b.WriteString("No profile: it is no Go program of this benchmark.\n")
			continue
		}
		if err != nil {
			return nil, false, err
		}
		some = true
		writeCPU(&b, sum, side.cpu)
		writeAllocs(&b, sum, side.ops)
	}
	return b.Bytes(), some, nil
}

// lastRound are the figures of the last round, which is the one with profiles.
func lastRound(s bench.SeriesResult) map[string]float64 {
	last := make(map[string]float64)
	for name, m := range s.Metrics {
		if n := len(m.Values); n > 0 {
			last[name] = m.Values[n-1]
		}
	}
	return last
}

func cellOf(figures map[string]float64, name string) string {
	if v, ok := figures[name]; ok {
		return number(v)
	}
	return ""
}

// writeCPU writes where CPU time went, of perOp microseconds for an operation.
func writeCPU(b *bytes.Buffer, s *profile.Summary, perOp float64) {
	if s.CPU == 0 {
		b.WriteString("No CPU time was sampled.\n")
		return
	}
	share := func(d time.Duration) float64 { return float64(d) / float64(s.CPU) }
	fmt.Fprintf(b, "%d ms of CPU time, in samples of 10 ms.\n\n", s.CPU.Milliseconds())
	line(b, "work", "share", "µs for each operation")
	line(b, "---", "---:", "---:")
	for _, p := range s.Parts {
		micros := ""
		if perOp > 0 {
			micros = number(perOp * share(p.CPU))
		}
		line(b, p.Name, percent(share(p.CPU)), micros)
	}
	for _, list := range []struct {
		title string
		funcs []profile.Func
	}{
		{"Most time of their own:", s.ByFlat(hottest)},
		{"Most time with what they call:", s.ByCum(widest)},
	} {
		fmt.Fprintf(b, "\n%s\n\n", list.title)
		line(b, "function", "own", "with what it calls")
		line(b, "---", "---:", "---:")
		for _, f := range list.funcs {
			line(b, code(f.Name), tenths(share(f.Flat)), tenths(share(f.Cum)))
		}
	}
}

// writeAllocs writes what was allocated in so many operations.
func writeAllocs(b *bytes.Buffer, s *profile.Summary, ops float64) {
	var rows [][]string
	for _, a := range s.Allocs {
		objects := float64(a.Objects) / max(ops, 1)
		if len(rows) == makers || objects < fewest {
			break
		}
		rows = append(rows, []string{code(a.Name), number(objects), number(float64(a.Bytes) / max(ops, 1))})
	}
	if len(rows) == 0 {
		fmt.Fprintf(b, "\nNo function allocates %v objects or more for each operation.\n", fewest)
		return
	}
	b.WriteString("\nAllocations of the measured part, estimated from samples:\n\n")
	line(b, "function", "objects for each operation", "bytes")
	line(b, "---", "---:", "---:")
	for _, row := range rows {
		line(b, row...)
	}
}

// tenths writes a share of one with a digit after the point.
func tenths(v float64) string { return fmt.Sprintf("%.1f %%", v*100) }

// code is a function's name, short enough for a table.
func code(name string) string {
	name = strings.TrimPrefix(name, "github.com/syncmanager/syncmanager/")
	return "`" + strings.TrimPrefix(name, "github.com/") + "`"
}
