package journal

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// segment is one file of the log.
type segment struct {
	// Fixed.
	number uint64
	seed   uint32
	file   File

	// Guarded by Log.mu; the appender alone changes it.
	first uint64   // index of the first entry; 0: there is none
	at    []uint32 // where each entry stands, in units of 8 bytes
	end   int64    // behind the last record
	runs  []run    // of terms, by first index
}

// run is a stretch of entries of one term.
type run struct{ first, term uint64 }

func (s *segment) last() uint64 { return s.first + uint64(len(s.at)) - 1 }

// add enters a record that stands at the offset.
func (s *segment) add(index, term uint64, offset int64) {
	if len(s.at) == 0 {
		s.first, s.runs = index, s.runs[:0]
	}
	if n := len(s.runs); n == 0 || s.runs[n-1].term != term {
		s.runs = append(s.runs, run{index, term})
	}
	s.at = append(s.at, uint32(offset/8))
}

// cut forgets the entries from the index on.
func (s *segment) cut(index uint64) {
	if len(s.at) == 0 || index > s.last() {
		return
	}
	s.at = s.at[:max(index, s.first)-s.first]
	s.runs = slices.DeleteFunc(s.runs, func(r run) bool { return r.first >= index })
	if len(s.at) == 0 {
		s.first = 0
	}
}

func (s *segment) term(index uint64) uint64 {
	at, found := slices.BinarySearchFunc(s.runs, index, func(r run, i uint64) int {
		switch {
		case r.first < i:
			return -1
		case r.first > i:
			return 1
		}
		return 0
	})
	if !found {
		at--
	}
	return s.runs[at].term
}

func segmentName(number uint64) string { return fmt.Sprintf("log-%08d", number) }

// parseName returns the number in a name that has the prefix.
func parseName(name, prefix string, base int) (uint64, bool) {
	rest, ok := strings.CutPrefix(name, prefix)
	n, err := strconv.ParseUint(rest, base, 64)
	return n, ok && err == nil
}

// scan is what reading a segment found.
type scan struct {
	segment
	behind uint64 // the highest index that records behind the end say was safe
	torn   bool   // what stands behind the end could be taken for a record later
	text   []byte // of the file
}

// scanSegment reads a whole segment. each is called with each valid record, until
// one is not.
func scanSegment(f File, name string, number uint64, text []byte, each func(r record, at int64) error) (*scan, error) {
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if int64(cap(text)) < size {
		text = make([]byte, size)
	}
	text = text[:size]
	if n, err := readAt(f, text, 0); err != nil || int64(n) != size {
		return nil, fmt.Errorf("%s: %d of %d bytes could be read: %w", name, n, size, err)
	}
	if err := checkHead(name, text, logMagic, "segment of the log"); err != nil {
		return nil, err
	}
	if len(text) < headSize || crc(text[:32]) != le.Uint32(text[32:]) || le.Uint64(text[16:]) != number {
		return nil, &FormatError{name, "its head is damaged"}
	}
	s := &scan{segment: segment{number: number, seed: seed(number, le.Uint64(text[24:])), file: f, end: headSize}, text: text}
	for {
		r, n, ok := parseRecord(text[s.end:], s.seed)
		if next := aligned(s.end); !ok && next < size && allZero(text[s.end:next]) {
			if r, n, ok = parseRecord(text[next:], s.seed); ok {
				s.end = next
			}
		}
		if !ok {
			break
		}
		if err := each(r, s.end); err != nil {
			return s, err
		}
		s.end = min(s.end+n, size)
	}
	s.torn = !allZero(text[s.end:min(aligned(s.end), size)])
	for at := s.end + 8; at+recordHead <= size; at += 8 {
		if le.Uint32(text[at+12:]) != s.seed {
			continue
		}
		if r, _, ok := parseRecord(text[at:], s.seed); ok {
			s.behind = max(s.behind, r.synced)
			s.torn = true
		}
	}
	return s, nil
}

func allZero(b []byte) bool {
	for _, v := range b {
		if v != 0 {
			return false
		}
	}
	return true
}
