package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{7}, 7},
		{[]float64{3, 1, 2}, 2},
		{[]float64{4, 1, 3, 2}, 2.5},
		{[]float64{5, 5, 5, 1000, 5}, 5},
		{[]float64{-1, 1}, 0},
	} {
		before := slices.Clone(tt.values)
		if got := Median(tt.values); got != tt.want {
			t.Errorf("Median(%v) = %v, want %v", tt.values, got, tt.want)
		}
		if !slices.Equal(before, tt.values) {
			t.Errorf("Median changed its argument from %v to %v", before, tt.values)
		}
	}
	if got := Median(nil); !math.IsNaN(got) {
		t.Errorf("Median(nil) = %v, want NaN", got)
	}
}

func TestSummarize(t *testing.T) {
	s := Summarize([]float64{10, 12, 8, 10, 11})
	if s.Median != 10 || s.Min != 8 || s.Max != 12 {
		t.Errorf("got %+v, want median 10, min 8, max 12", s)
	}
	if got := s.Spread(); got != 0.4 {
		t.Errorf("Spread() = %v, want 0.4", got)
	}
	if !slices.Equal(s.Values, []float64{10, 12, 8, 10, 11}) {
		t.Errorf("Values = %v, want the order of measuring", s.Values)
	}
	if s := Summarize(nil); s.Median != 0 || s.Spread() != 0 {
		t.Errorf("summary of nothing = %+v, want zeros", s)
	}
}

func TestBuckets(t *testing.T) {
	last := -1
	for v := uint64(0); v < 1<<22; v += 1 + v/500 {
		b := bucketOf(v)
		if b < last {
			t.Fatalf("bucketOf(%d) = %d, below that of a smaller value (%d)", v, b, last)
		}
		last = b
		mid := float64(middleOf(b))
		if v > 0 && math.Abs(mid-float64(v))/float64(v) > 0.008 && math.Abs(mid-float64(v)) > 0.5 {
			t.Fatalf("value %d is reported as %v: more than 0.8 %% off", v, mid)
		}
	}
	for _, v := range []uint64{1 << 40, 1 << 50, math.MaxInt64} {
		if got := bucketOf(v); got != buckets-1 {
			t.Errorf("bucketOf(%d) = %d, want the last, %d", v, got, buckets-1)
		}
	}
}

func TestQuantiles(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var a, b Histogram
	values := make([]float64, 0, 20001)
	for i := range 20001 {
		d := time.Duration(math.Exp(rng.Float64()*12)) * time.Nanosecond * 10
		values = append(values, float64(d))
		if i%2 == 0 {
			a.Record(d)
		} else {
			b.Record(d)
		}
	}
	a.Merge(&b)
	slices.Sort(values)
	if a.Count() != uint64(len(values)) {
		t.Fatalf("Count() = %d, want %d", a.Count(), len(values))
	}
	if got := a.Max(); float64(got) != values[len(values)-1] {
		t.Errorf("Max() = %v, want %v", got, values[len(values)-1])
	}
	for _, q := range []float64{0, 0.01, 0.5, 0.9, 0.99, 0.999, 1} {
		want := values[int(q*float64(len(values)-1))]
		got := float64(a.Quantile(q))
		if math.Abs(got-want) > want*0.01+1 {
			t.Errorf("Quantile(%v) = %v, want %v within 1 %%", q, got, want)
		}
	}
}

func TestEmptyHistogram(t *testing.T) {
	var h Histogram
	if h.Quantile(0.5) != 0 || h.Max() != 0 || h.Count() != 0 {
		t.Error("an empty histogram must report zeros")
	}
	h.Record(-time.Second)
	if h.Quantile(1) != 0 || h.Count() != 1 {
		t.Error("a negative duration must count as zero")
	}
}
