// Package stats turns the rounds of a benchmark into figures: a median with
// its spread, and latency quantiles out of a fixed-size histogram.
package stats

import (
	"math"
	"slices"
)

// Summary is what the rounds of one metric come to. Values keeps them in the
// order in which they were measured.
type Summary struct {
	Values []float64 `json:"values"`
	Median float64   `json:"median"`
	Min    float64   `json:"min"`
	Max    float64   `json:"max"`
}

// Summarize returns the summary of values. With no value at all its numbers
// are zero. values is copied.
func Summarize(values []float64) Summary {
	if len(values) == 0 {
		return Summary{}
	}
	return Summary{
		Values: slices.Clone(values),
		Median: Median(values),
		Min:    slices.Min(values),
		Max:    slices.Max(values),
	}
}

// Spread is the distance between the best and the worst round as a share of
// the median: 0.1 says that they lie 10 % of the median apart. It is 0 where
// the median is 0.
func (s Summary) Spread() float64 {
	if s.Median == 0 {
		return 0
	}
	return (s.Max - s.Min) / math.Abs(s.Median)
}

// Median returns the middle value, or the mean of the two in the middle. It is
// NaN for no values. values is not changed.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	mid := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[mid]
	}
	return sorted[mid-1] + (sorted[mid]-sorted[mid-1])/2
}

// GeometricMean returns the mean of ratios: what they multiply to, shared out
// evenly. It is NaN for no values.
func GeometricMean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += math.Log(v)
	}
	return math.Exp(sum / float64(len(values)))
}
