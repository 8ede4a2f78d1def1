package wire

import "slices"

// Range is a run of serials, both ends included.
type Range struct{ From, To uint64 }

// SerialSet is a set of serials as ascending ranges that do not touch: what is
// done with, above a watermark. Its memory is that of the gaps, not of the
// serials. The zero value is empty.
type SerialSet []Range

// find returns the place of the first range that ends at n or later.
func (s SerialSet) find(n uint64) int {
	if len(s) == 0 || n > s[len(s)-1].To {
		return len(s) // new serials come at the end
	}
	at, _ := slices.BinarySearchFunc(s, n, func(r Range, n uint64) int {
		if r.To < n {
			return -1
		}
		return 1
	})
	return at
}

// Has reports whether the serial is in the set.
func (s SerialSet) Has(n uint64) bool {
	at := s.find(n)
	return at < len(s) && s[at].From <= n
}

// Len returns how many serials are in the set.
func (s SerialSet) Len() uint64 {
	var n uint64
	for _, r := range s {
		n += r.To - r.From + 1
	}
	return n
}

// Add puts a serial into the set.
func (s *SerialSet) Add(n uint64) { s.AddRange(Range{n, n}) }

// AddRange puts a range into the set, and joins it with those that it touches.
func (s *SerialSet) AddRange(r Range) {
	old := *s
	from := old.find(r.From)
	if from > 0 && old[from-1].To+1 == r.From {
		from--
	}
	to := from
	for to < len(old) && (old[to].From <= r.To || old[to].From == r.To+1) {
		r.From, r.To = min(r.From, old[to].From), max(r.To, old[to].To)
		to++
	}
	if to == from {
		*s = slices.Insert(old, from, r)
		return
	}
	old[from] = r
	*s = slices.Delete(old, from+1, to)
}

// Merge puts ascending ranges that lie apart into the set, in time proportional
// to both.
func (s *SerialSet) Merge(ranges []Range) {
	old := *s
	if len(old) == 0 || len(ranges) == 0 || ranges[0].From > old[len(old)-1].From {
		for _, r := range ranges {
			s.AddRange(r)
		}
		return
	}
	both := make(SerialSet, 0, len(old)+len(ranges))
	for len(old) > 0 || len(ranges) > 0 {
		from := &old
		if len(old) == 0 || len(ranges) > 0 && ranges[0].From < old[0].From {
			from = (*SerialSet)(&ranges)
		}
		both.AddRange((*from)[0])
		*from = (*from)[1:]
	}
	*s = both
}

// DropTo takes all serials up to n out of the set.
func (s *SerialSet) DropTo(n uint64) {
	at := s.find(n)
	if at < len(*s) && (*s)[at].To == n {
		at++
	}
	rest := slices.Delete(*s, 0, at)
	if len(rest) > 0 && rest[0].From <= n {
		rest[0].From = n + 1
	}
	*s = rest
}
