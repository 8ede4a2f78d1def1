package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/syncmanager/syncmanager/integration/bench/internal/bench"
	"github.com/syncmanager/syncmanager/integration/bench/internal/profile"
	"github.com/syncmanager/syncmanager/integration/bench/internal/stats"
)

func sample() *Report {
	r := &Report{
		Started: time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC), Took: 95 * time.Second,
		Rounds: 5, Duration: time.Second, Commit: "abc1234 with changes",
		Machine: Machine{OS: "Linux", Arch: "amd64", CPU: "CPU <fast> & cheap", Cores: 2, Go: "go1.26"},
		Peers: []Peer{
			{Name: "redis-server", Version: "7.0.15"},
			{Name: "python", Missing: "no python3 of version 3.11 or newer in PATH"},
		},
	}
	r.Cases = []bench.CaseResult{
		{Group: "dict", Name: "dict get, 1 caller", What: "Reads one of 1,000 entries.", Metric: "ops", Unit: "ops/s", Series: []bench.SeriesResult{
			{Name: "syncmanager", Metrics: map[string]stats.Summary{
				"ops": stats.Summarize([]float64{20000, 25000, 30000}), "p50": stats.Summarize([]float64{39, 40, 41}),
			}},
			{Name: "rueidis, unix", Metrics: map[string]stats.Summary{"ops": stats.Summarize([]float64{10000, 10000, 10000})}},
			{Name: "python", Missing: "no python3"},
			{Name: "broken", Failed: "dial tcp: refused"},
		}},
		{Group: "memory per client", Name: "idle clients", What: "Does nothing.", Metric: "bytes", Unit: "bytes", Lower: true, Series: []bench.SeriesResult{
			{Name: "syncmanager", Metrics: map[string]stats.Summary{"bytes": stats.Summarize([]float64{0.5})}},
		}},
	}
	term := func(s string) bench.Term { return bench.Term{Case: "dict get, 1 caller", Series: s, Metric: "ops"} }
	r.Bars = r.Judge([]bench.Bar{
		{Row: "dict | get", Name: "get, 1 caller", Value: term("syncmanager"), Per: []bench.Term{term("rueidis, unix")}, Limit: 2, Note: "A note."},
		{Row: "dict | get", Name: "get against python", Value: term("syncmanager"), Per: []bench.Term{term("python")}, Limit: 10, Note: "A note."},
		{Row: "idle", Name: "idle client", Value: bench.Term{Case: "idle clients", Series: "syncmanager", Metric: "bytes"}, AtMost: true, Limit: 40960, Unit: "bytes"},
	})
	return r
}

func TestText(t *testing.T) {
	var b bytes.Buffer
	if err := sample().Text(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"commit abc1234 with changes\n",
		"python: missing: no python3 of version 3.11 or newer in PATH",
		"25,000  40 %", "40.0", "missing: no python3", "failed: dial tcp: refused",
		"2 of 3 met, 0 below, 0 far below (under half of the bar), 1 not measured",
		"≥ 2.00 x", "2.50 x", "≤ 40,960 bytes", "0.5 bytes", "not measured: missing: no python3",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, b.String())
		}
	}
}

func TestMarkdown(t *testing.T) {
	var b bytes.Buffer
	if err := sample().Markdown(&b, "benchmarks"); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for _, want := range []string{`| dict \| get | get, 1 caller | ≥ 2.00 x | 2.50 x |`, "![dict](benchmarks/dict.svg)", "(benchmarks/memory-per-client.svg)", "### Dict", "Reads one of 1,000 entries."} {
		if !strings.Contains(text, want) {
			t.Errorf("the document lacks %q:\n%s", want, text)
		}
	}
	if n := strings.Count(text, "A note."); n != 1 {
		t.Errorf("a note stands %d times, want once", n)
	}
	width := -1
	for _, l := range strings.Split(strings.ReplaceAll(text, `\|`, ""), "\n") {
		if !strings.HasPrefix(l, "|") {
			width = -1
			continue
		}
		n := strings.Count(l, "|")
		if width >= 0 && n != width {
			t.Errorf("a row of %d columns in a table of %d: %s", n-1, width-1, l)
		}
		width = n
	}
}

func TestColumns(t *testing.T) {
	one := func(v float64) stats.Summary { return stats.Summarize([]float64{v}) }
	c := bench.CaseResult{Metric: "p50", Series: []bench.SeriesResult{
		{Name: "a", Metrics: map[string]stats.Summary{
			"p50": one(7), "client_cpu": one(0.82), "client_reads": one(1), "client_writes": one(1.5), "client_switches": one(2),
		}},
		{Name: "b", Metrics: map[string]stats.Summary{"p50": one(8)}},
	}}
	cols := columnsOf(c)
	if got, want := strings.Join(titles(cols), "|"), "CPU µs client|reads + writes client|switches client + server"; got != want {
		t.Fatalf("columns %s, want %s: no empty ones, and not the case's own figure again", got, want)
	}
	for i, want := range []string{"7.00|0 %|0.82|1.00 + 1.50|2.00 + –", "8.00|0 %|||"} {
		if got := strings.Join(row(c, c.Series[i], cols), "|"); got != want {
			t.Errorf("row %s, want %s", got, want)
		}
	}
}

func TestProfiles(t *testing.T) {
	dir := t.TempDir()
	r := sample()
	r.Cases = r.Cases[:1]
	last := stats.Summarize([]float64{8, 4})
	ours := r.Cases[0].Series[0].Metrics
	for _, name := range []string{"client_cpu", "server_cpu", "client_reads", "calls"} {
		ours[name] = last
	}
	prefix := bench.FileName(dir, r.Cases[0].Name, "syncmanager")
	stop, err := profile.Start(prefix + profile.Client)
	if err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); time.Since(began) < 60*time.Millisecond; { // busy
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if err := r.Profiles(dir); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(prefix + ".md")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"# Dict get, 1 caller: syncmanager\n", "with profiles running, which slows it: 30,000 ops/s", "commit abc1234 with changes", "| CPU µs | 4.00 | 4.00 |", "| read calls | 4.00 |  |",
		"## Client\n\n", "| work | share | µs for each operation |", "| function | own | with what it calls |", "## Server\n\nNo profile: ",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the text lacks %q:\n%s", want, text)
		}
	}
	if plain, err := os.ReadFile(bench.FileName(dir, r.Cases[0].Name, "rueidis, unix") + ".md"); err != nil || strings.Contains(string(plain), "slows") {
		t.Errorf("a series without profiles: %v:\n%s", err, plain)
	}
	texts, err := filepath.Glob(filepath.Join(dir, "*.md"))
	if err != nil || len(texts) != 2 {
		t.Errorf("texts: %v, %v; want one for each series that was measured", texts, err)
	}
	if err := os.WriteFile(prefix+profile.Client+".cpu.pprof", []byte("no profile"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.Profiles(dir); err == nil {
		t.Error("a profile that cannot be read must be an error")
	}
}

func TestAllocationsOfAnOperation(t *testing.T) {
	var b bytes.Buffer
	writeAllocs(&b, &profile.Summary{Allocs: []profile.Alloc{{Name: "github.com/a/b.F", Objects: 20, Bytes: 640}, {Name: "rare", Objects: 1, Bytes: 9}}}, 10_000)
	if text := b.String(); !strings.Contains(text, "| `a/b.F` | 0.002 | 0.064 |") || strings.Contains(text, "rare") {
		t.Errorf("allocations:\n%s", text)
	}
	b.Reset()
	writeAllocs(&b, &profile.Summary{}, 0)
	if !strings.Contains(b.String(), "No function") {
		t.Errorf("no allocations: %s", b.String())
	}
}

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	if err := sample().JSON(&b); err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(b.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if got := back.Cases[0].Series[0].Metrics["ops"].Median; got != 25000 {
		t.Errorf("median %v came back, want 25000", got)
	}
	if back.Bars[1].Verdict != bench.Unmeasured || back.Bars[1].Why == "" {
		t.Errorf("bar without a peer: %+v", back.Bars[1])
	}
}

type file struct{ bytes.Buffer }

func (*file) Close() error { return nil }

func TestPlots(t *testing.T) {
	files := make(map[string]*file)
	err := sample().Plots(func(name string) (io.WriteCloser, error) {
		files[name] = &file{}
		return files[name], nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 2 || files["dict.svg"] == nil || files["memory-per-client.svg"] == nil {
		t.Fatalf("files: %v", files)
	}
	for name, f := range files {
		text := f.String()
		if strings.Contains(text, "%!") || strings.Contains(text, "NaN") {
			t.Errorf("%s: %s", name, text)
		}
		d := xml.NewDecoder(strings.NewReader(text))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s is no XML: %v", name, err)
			}
		}
	}
	if got := strings.Count(files["dict.svg"].String(), "<path "); got != 2 {
		t.Errorf("%d bars with a spread, want 2", got)
	}
	if err := sample().Plots(func(string) (io.WriteCloser, error) { return nil, errors.New("full") }); err == nil {
		t.Error("a file that cannot be made must be an error")
	}
}

func TestUpdateDocument(t *testing.T) {
	path := filepath.Join(t.TempDir(), "doc.md")
	write := func(s string) {
		if err := os.WriteFile(path, []byte(s), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("# Before\n" + Begin + "\nold\n" + End + "\nafter\n")
	for range 2 { // the second run replaces the first
		if err := sample().UpdateDocument(path, ""); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(got)
	if !strings.HasPrefix(text, "# Before\n"+Begin) || !strings.HasSuffix(text, End+"\nafter\n") ||
		strings.Contains(text, "old") || strings.Count(text, "### Dict") != 1 {
		t.Errorf("document:\n%s", text)
	}
	for _, s := range []string{"nothing", Begin, End + Begin} {
		write(s)
		if err := sample().UpdateDocument(path, ""); err == nil {
			t.Errorf("a document %q must be refused", s)
		}
		if kept, _ := os.ReadFile(path); string(kept) != s {
			t.Errorf("a refused document was changed to %q", kept)
		}
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 0.01234: "0.0123", 1.234: "1.23", 12.34: "12.3", 123.4: "123", 1234: "1,234", 1234567: "1,234,567", -4321: "-4,321",
	} {
		if got := number(v); got != want {
			t.Errorf("number(%v) = %s, want %s", v, got, want)
		}
	}
}

func TestThisMachine(t *testing.T) {
	m := ThisMachine()
	if m.Go == "" || m.Cores < 1 || m.String() == "" || m.Short() == "" {
		t.Errorf("%+v", m)
	}
}
