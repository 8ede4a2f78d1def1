package report

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"regexp"
	"strings"

	"github.com/syncmanager/syncmanager/integration/bench/internal/bench"
)

// A plot is a column of horizontal bars, grouped by case: each bar is a median,
// the line across its end reaches from the worst to the best round. It is
// written by hand because that is all it takes: a plotting library would bring
// fonts and a dozen dependencies for rectangles.
const (
	plotWidth  = 960
	labelWidth = 260 // left of the bars
	valueWidth = 150 // right of them
	barHeight  = 16
	barGap     = 4
	caseGap    = 18
	titleSize  = 20
	noteSize   = 11
	margin     = 16
)

// palette is readable with the usual colour blindnesses (Okabe and Ito).
var palette = []string{"#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8A7A00", "#666666"}

// plotName is the file name of a group's plot.
func plotName(group string) string {
	return strings.Trim(notFile.ReplaceAllString(strings.ToLower(group), "-"), "-") + ".svg"
}

var notFile = regexp.MustCompile(`[^a-z0-9]+`)

// Plots writes one SVG per group through create, which opens a file by name.
func (r *Report) Plots(create func(name string) (io.WriteCloser, error)) error {
	for _, group := range r.groups() {
		f, err := create(plotName(group))
		if err != nil {
			return fmt.Errorf("plot of %s: %w", group, err)
		}
		_, err = f.Write(r.plot(group))
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
		if err != nil {
			return fmt.Errorf("plot of %s: %w", group, err)
		}
	}
	return nil
}

// plot draws a group.
func (r *Report) plot(group string) []byte {
	var body bytes.Buffer
	y := margin + titleSize
	text(&body, margin, y, titleSize, "start", "#111", group)
	y += noteSize + 6
	text(&body, margin, y, noteSize, "start", "#555",
		fmt.Sprintf("medians of %d rounds; the line at a bar's end spans all rounds; %s", r.Rounds, r.Machine.Short()))
	y += caseGap
	for _, c := range r.of(group) {
		y = drawCase(&body, c, y) + caseGap
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" font-family="system-ui, sans-serif">`+"\n", plotWidth, y)
	fmt.Fprintf(&out, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", plotWidth, y)
	out.Write(body.Bytes())
	out.WriteString("</svg>\n")
	return out.Bytes()
}

// drawCase draws one case from y down and returns where it ended. Every case
// has a scale of its own: their units differ.
func drawCase(b *bytes.Buffer, c bench.CaseResult, y int) int {
	title := fmt.Sprintf("%s (%s; more is better)", c.Name, c.Unit)
	if c.Lower {
		title = fmt.Sprintf("%s (%s; less is better)", c.Name, c.Unit)
	}
	text(b, margin, y+barHeight-4, 13, "start", "#111", title)
	y += barHeight + barGap + 2
	top := 0.0
	for _, s := range c.Series {
		if m, ok := s.Metrics[c.Metric]; ok {
			top = math.Max(top, m.Max)
		}
	}
	scale := 0.0
	if top > 0 {
		scale = (plotWidth - labelWidth - valueWidth - margin) / top
	}
	for _, s := range c.Series {
		base := y + barHeight - 4
		text(b, labelWidth-8, base, 12, "end", "#111", s.Name)
		m, ok := s.Metrics[c.Metric]
		if !ok {
			text(b, labelWidth, base, 12, "start", "#a00", clip(orElse(s.Why(), "not measured")))
			y += barHeight + barGap
			continue
		}
		fmt.Fprintf(b, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n",
			labelWidth, y, math.Max(m.Median*scale, 0.5), barHeight, colour(s.Name))
		mid, low, high := y+barHeight/2, labelWidth+m.Min*scale, labelWidth+m.Max*scale
		fmt.Fprintf(b, `<path d="M%.1[1]f %[2]dH%.1[3]fM%.1[1]f %[4]dv8M%.1[3]f %[4]dv8" stroke="#111" fill="none"/>`+"\n", low, mid, high, mid-4)
		text(b, int(high)+6, base, 12, "start", "#111", number(m.Median))
		y += barHeight + barGap
	}
	return y
}

// colour gives a series the same colour in every plot.
func colour(name string) string {
	// Variants of one peer ("rueidis, unix") share its colour.
	name, _, _ = strings.Cut(name, ",")
	fixed := map[string]string{
		"syncmanager": palette[0], "rueidis": palette[1], "go-redis": palette[5],
		"net/rpc": palette[2], "python": palette[3], "echo": palette[7],
	}
	if c, ok := fixed[name]; ok {
		return c
	}
	h := fnv.New32a()
	h.Write([]byte(name))
	return palette[h.Sum32()%uint32(len(palette))]
}

func text(b *bytes.Buffer, x, y, size int, anchor, fill, s string) {
	fmt.Fprintf(b, `<text x="%d" y="%d" font-size="%d" text-anchor="%s" fill="%s">`, x, y, size, anchor, fill)
	// A bytes.Buffer does not fail.
	_ = xml.EscapeText(b, []byte(s))
	b.WriteString("</text>\n")
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
