package stats

import (
	"math/bits"
	"time"
)

// A power of two is cut into 64 buckets, so a quantile is off by less than
// 0.8 %. Values from 2^40 ns (18 minutes) on share the last bucket.
const (
	subBits  = 6
	sub      = 1 << subBits
	topPower = 40
	buckets  = (topPower - subBits + 1) * sub
)

// Histogram counts durations. Its zero value is empty and ready. It is not safe
// for concurrent use: every caller fills one of its own, merged at the end.
type Histogram struct {
	counts [buckets]uint32
	n      uint64
	max    time.Duration
}

// Record counts one duration. Negative ones count as zero.
func (h *Histogram) Record(d time.Duration) {
	d = max(d, 0)
	h.counts[bucketOf(uint64(d))]++
	h.n++
	h.max = max(h.max, d)
}

// Merge adds what o has counted.
func (h *Histogram) Merge(o *Histogram) {
	for i, c := range o.counts {
		h.counts[i] += c
	}
	h.n += o.n
	h.max = max(h.max, o.max)
}

// Count returns how many durations were recorded.
func (h *Histogram) Count() uint64 { return h.n }

// Max returns the longest duration, exactly.
func (h *Histogram) Max() time.Duration { return h.max }

// Quantile returns the duration that a share q of all recorded ones do not
// exceed, as the middle of its bucket. q is clamped to 0..1. It is 0 when
// nothing was recorded.
func (h *Histogram) Quantile(q float64) time.Duration {
	if h.n == 0 {
		return 0
	}
	q = min(max(q, 0), 1)
	rank := uint64(q*float64(h.n-1)) + 1
	var seen uint64
	for i, c := range h.counts {
		seen += uint64(c)
		if seen >= rank {
			return min(middleOf(i), h.max)
		}
	}
	return h.max
}

// bucketOf maps a value to its bucket: values below 64 have one each, the rest
// share by their leading seven bits.
func bucketOf(v uint64) int {
	if v < sub {
		return int(v)
	}
	power := bits.Len64(v) - 1
	if power >= topPower {
		return buckets - 1
	}
	shift := power - subBits
	return (shift+1)*sub + int(v>>shift) - sub
}

// middleOf is the middle of what bucketOf maps to i.
func middleOf(i int) time.Duration {
	if i < sub {
		return time.Duration(i)
	}
	shift := i/sub - 1
	low := uint64(i%sub+sub) << shift
	return time.Duration(low + (uint64(1)<<shift)/2)
}
