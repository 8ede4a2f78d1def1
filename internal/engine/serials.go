package engine

import (
	"slices"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// serials is a set of serials as ascending ranges that do not touch: what a
// session has acknowledged above its watermark. A serial in it is done with,
// and a frame that brings it again is refused.
type serials []wire.Range

// spareRanges is how many ranges a session may have beyond one for each of its
// calls. A client that acknowledges what it received needs no more: between
// two ranges lies a call without an answer.
const spareRanges = 1 << 16

// checkRanges refuses ranges that are not ascending and apart.
func checkRanges(ranges []wire.Range) error {
	var last uint64
	for _, r := range ranges {
		switch {
		case r.From <= last || r.To < r.From:
			return wire.Errorf(wire.CodeProtocol, "acknowledgement of serials %d to %d after %d: ranges ascend and lie apart", r.From, r.To, last)
		case r.To-r.From >= maxAckRun:
			return wire.Errorf(wire.CodeProtocol, "acknowledgement of serials %d to %d: at most %d in one range", r.From, r.To, maxAckRun)
		}
		last = r.To
	}
	return nil
}

// has reports whether the serial is in the set.
func (s serials) has(n uint64) bool {
	if len(s) == 0 || n > s[len(s)-1].To {
		return false
	}
	_, ok := slices.BinarySearchFunc(s, n, func(r wire.Range, n uint64) int {
		switch {
		case r.To < n:
			return -1
		case r.From > n:
			return 1
		}
		return 0
	})
	return ok
}

// add puts one range into the set, at or behind its last.
func (s *serials) add(r wire.Range) {
	if n := len(*s); n > 0 {
		last := &(*s)[n-1]
		if r.From <= last.To || r.From == last.To+1 {
			last.To = max(last.To, r.To)
			return
		}
	}
	*s = append(*s, r)
}

// merge puts ascending ranges into the set.
func (s *serials) merge(ranges []wire.Range) {
	if len(ranges) == 0 {
		return
	}
	if n := len(*s); n == 0 || ranges[0].From > (*s)[n-1].From {
		for _, r := range ranges {
			s.add(r)
		}
		return
	}
	old, both := *s, make(serials, 0, len(*s)+len(ranges))
	for len(old) > 0 || len(ranges) > 0 {
		if len(ranges) == 0 || len(old) > 0 && old[0].From <= ranges[0].From {
			both.add(old[0])
			old = old[1:]
		} else {
			both.add(ranges[0])
			ranges = ranges[1:]
		}
	}
	*s = both
}

// dropTo takes all serials up to n out of the set.
func (s *serials) dropTo(n uint64) {
	old := *s
	i := 0
	for i < len(old) && old[i].To <= n {
		i++
	}
	if i > 0 {
		old = old[:copy(old, old[i:])]
	}
	if len(old) > 0 && old[0].From <= n {
		old[0].From = n + 1
	}
	*s = old
}
