package report

import (
	"slices"
	"strings"

	"github.com/syncmanager/syncmanager/integration/bench/internal/bench"
)

// column stands beside a case's own figure. Its metrics share a cell, added up
// by the reader: what one call reads and writes are two figures of one kind.
type column struct {
	title   string
	metrics []string
}

// columns are all that a case may have.
var columns = []column{
	{"p50 µs", []string{"p50"}},
	{"p99 µs", []string{"p99"}},
	{"max µs", []string{"max"}},
	{"client allocs", []string{"allocs"}},
	{"CPU µs client", []string{"client_cpu"}},
	{"CPU µs server", []string{"server_cpu"}},
	{"reads + writes client", []string{"client_reads", "client_writes"}},
	{"reads + writes server", []string{"server_reads", "server_writes"}},
	{"switches client + server", []string{"client_switches", "server_switches"}},
}

// columnsOf are the columns in which a series of c has a figure.
func columnsOf(c bench.CaseResult) []column {
	return slices.DeleteFunc(slices.Clone(columns), func(col column) bool {
		return !slices.ContainsFunc(c.Series, func(s bench.SeriesResult) bool { return col.cell(c, s) != "" })
	})
}

// cell is empty if s has none of the figures; one that is missing beside
// another is a dash.
func (col column) cell(c bench.CaseResult, s bench.SeriesResult) string {
	var parts []string
	some := false
	for _, metric := range col.metrics {
		part := "–"
		if m, ok := s.Metrics[metric]; ok && metric != c.Metric {
			part, some = number(m.Median), true
		}
		parts = append(parts, part)
	}
	if !some {
		return ""
	}
	return strings.Join(parts, " + ")
}

func titles(cols []column) []string {
	out := make([]string, len(cols))
	for i, col := range cols {
		out[i] = col.title
	}
	return out
}
