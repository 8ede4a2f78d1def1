package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/syncmanager/syncmanager/integration/bench/internal/bench"
	"github.com/syncmanager/syncmanager/integration/bench/internal/stats"
)

// Text writes r for a terminal.
func (r *Report) Text(w io.Writer) error {
	var b bytes.Buffer
	for _, line := range r.head() {
		fmt.Fprintln(&b, line)
	}
	for _, group := range r.groups() {
		fmt.Fprintf(&b, "\n%s\n", strings.ToUpper(group))
		tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		for _, c := range r.of(group) {
			cols := columnsOf(c)
			cells(tw, append([]string{c.Name, c.Unit, "spread"}, titles(cols)...))
			for _, s := range c.Series {
				cells(tw, append([]string{"  " + s.Name}, row(c, s, cols)...))
			}
		}
		tw.Flush()
	}
	if len(r.Bars) > 0 {
		fmt.Fprintf(&b, "\nBARS: %s\n", r.tally())
		tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		cells(tw, []string{"figure", "must be", "is", "rounds", "verdict"})
		for _, j := range r.Bars {
			cells(tw, append([]string{j.Name}, verdict(j)...))
		}
		tw.Flush()
	}
	_, err := b.WriteTo(w)
	return err
}

// Markdown writes r for a document. plots is the path of the plots as seen from
// the document; empty leaves them out.
func (r *Report) Markdown(w io.Writer, plots string) error {
	var b bytes.Buffer
	for _, line := range r.head() {
		fmt.Fprintf(&b, "- %s\n", line)
	}
	if len(r.Bars) > 0 {
		fmt.Fprintf(&b, "\n### What must be reached\n\n%s.\n\n", r.tally())
		last := ""
		line(&b, "requirement", "figure", "must be", "is", "rounds", "verdict")
		line(&b, "---", "---", "---", "---", "---", "---")
		for _, j := range r.Bars {
			title := j.Row
			if title == last {
				title = ""
			}
			last = j.Row
			line(&b, append([]string{title, j.Name}, verdict(j)...)...)
		}
		notes(&b, r.Bars)
	}
	for _, group := range r.groups() {
		fmt.Fprintf(&b, "\n### %s%s\n\n", strings.ToUpper(group[:1]), group[1:])
		if plots != "" {
			fmt.Fprintf(&b, "![%s](%s/%s)\n\n", group, plots, plotName(group))
		}
		for _, c := range r.of(group) {
			fmt.Fprintf(&b, "**%s.** %s\n\n", upper(c.Name), c.What)
			cols := columnsOf(c)
			line(&b, append([]string{"", c.Unit, "spread"}, titles(cols)...)...)
			line(&b, append([]string{"---", "---:", "---:"}, repeat("---:", len(cols))...)...)
			for _, s := range c.Series {
				line(&b, append([]string{s.Name}, row(c, s, cols)...)...)
			}
			b.WriteByte('\n')
		}
	}
	_, err := b.WriteTo(w)
	return err
}

// head are the lines that say when, where and how.
func (r *Report) head() []string {
	kind := "full run"
	if r.Short {
		kind = "short run (for a quick look; the full run counts)"
	}
	lines := []string{
		fmt.Sprintf("%s, %s: %d rounds, %v for each measurement, %v in all",
			r.Started.UTC().Format("2006-01-02 15:04 MST"), kind, r.Rounds, r.Duration, r.Took.Round(time.Second)),
	}
	if r.Commit != "" {
		lines = append(lines, "commit "+r.Commit)
	}
	lines = append(lines, r.Machine.String())
	if d := r.Disturbed; d.Known {
		lines = append(lines, fmt.Sprintf("of the processor time, %.1f %% went to other machines on the same hardware (up to %.0f %% of one case in one round); %d rounds of cases were measured again for that",
			100*d.Share, 100*d.Most, d.Repeated))
	}
	for _, p := range r.Peers {
		if p.Missing != "" {
			lines = append(lines, fmt.Sprintf("%s: missing: %s", p.Name, p.Missing))
		} else {
			lines = append(lines, fmt.Sprintf("%s: %s", p.Name, p.Version))
		}
	}
	return lines
}

// tally says in one line how the bars were met.
func (r *Report) tally() string {
	n := r.Counts()
	return fmt.Sprintf("%d of %d met, %d below, %d far below (under half of the bar), %d not measured",
		n[bench.Met], len(r.Bars), n[bench.Near], n[bench.Missed], n[bench.Unmeasured])
}

// row are the cells of a series, from its case's own figure on.
func row(c bench.CaseResult, s bench.SeriesResult, cols []column) []string {
	if why := s.Why(); why != "" {
		return append([]string{clip(why)}, repeat("", len(cols)+1)...)
	}
	own, ok := s.Metrics[c.Metric]
	if !ok {
		return append([]string{"not measured"}, repeat("", len(cols)+1)...)
	}
	out := []string{number(own.Median), spread(own)}
	for _, col := range cols {
		out = append(out, col.cell(c, s))
	}
	return out
}

func spread(s stats.Summary) string { return percent(s.Spread()) }

// verdict are the cells of a bar after its name.
func verdict(j bench.Judgement) []string {
	if j.Verdict == bench.Unmeasured {
		return []string{goal(j), "", "", string(j.Verdict) + ": " + clip(j.Why)}
	}
	if j.At != "" {
		return []string{"each its own", j.At, number(j.Low) + " to " + number(j.High) + " of it", string(j.Verdict)}
	}
	return []string{
		goal(j), amount(j.Got, j.Unit), number(j.Low) + " to " + number(j.High), string(j.Verdict),
	}
}

// notes lists what the bars' notes say, each once.
func notes(b *bytes.Buffer, bars []bench.Judgement) {
	seen := make(map[string]bool)
	for _, j := range bars {
		if j.Note == "" || seen[j.Note] {
			continue
		}
		if len(seen) == 0 {
			b.WriteString("\n")
		}
		seen[j.Note] = true
		fmt.Fprintf(b, "- %s\n", j.Note)
	}
}

func cells(w io.Writer, cols []string) {
	// A bytes.Buffer stands behind w; it cannot fail.
	_, _ = fmt.Fprintln(w, strings.TrimRight(strings.Join(cols, "\t"), "\t"))
}

func line(b *bytes.Buffer, cols ...string) {
	for i := range cols {
		cols[i] = strings.ReplaceAll(cols[i], "|", `\|`)
	}
	fmt.Fprintf(b, "| %s |\n", strings.Join(cols, " | "))
}

// clip keeps a reason on one line of readable length.
func clip(why string) string {
	why = strings.Join(strings.Fields(why), " ")
	if runes := []rune(why); len(runes) > 160 {
		why = string(runes[:157]) + "..."
	}
	return why
}

func upper(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func repeat(s string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = s
	}
	return out
}
