package journal

import (
	"math/bits"
	"sync"
	"time"
)

// Stats describes a log.
type Stats struct {
	LogBytes, SnapshotBytes int64
	Segments, Snapshots     int
	First, Last             uint64 // indexes of the entries
	Synced                  uint64 // index up to which all is safe
	Snapshot                uint64 // index of the last snapshot
	SnapshotTime            time.Time
	LastSync                time.Time
	SyncMedian, SyncP99     time.Duration // of the last few thousand
	Full                    bool
}

// Stats returns what the log is like now.
func (l *Log) Stats() Stats {
	var st Stats
	st.LastSync, st.SyncMedian, st.SyncP99 = l.syncs.read()
	l.mu.Lock()
	defer l.mu.Unlock()
	st.Segments, st.First, st.Last, st.Synced, st.Full = len(l.segs), l.prev.Index+1, l.last.Index, l.synced, l.full
	for _, s := range l.segs {
		st.LogBytes += s.end
	}
	st.Snapshots = len(l.snaps)
	for _, s := range l.snaps {
		st.SnapshotBytes += s.Size
		if s.Err == nil {
			st.Snapshot, st.SnapshotTime = s.Index, s.Time
		}
	}
	return st
}

// stats counts how long syncs take, in classes of a quarter of a power of two of
// microseconds. Old ones fade.
type stats struct {
	mu      sync.Mutex // guards what follows
	classes [128]uint32
	n       uint32
	last    time.Time
}

// fadeAt is after how many syncs all counts are halved.
const fadeAt = 8192

func (s *stats) note(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.classes[class(d)]++
	s.last = time.Now()
	if s.n++; s.n >= fadeAt {
		s.n = 0
		for i := range s.classes {
			s.classes[i] /= 2
			s.n += s.classes[i]
		}
	}
}

func class(d time.Duration) int {
	us := uint64(max(d.Microseconds(), 1))
	exp := bits.Len64(us) - 1
	quarter := us << 2 >> exp & 3
	return min(exp*4+int(quarter), 127)
}

// bound is the upper end of a class.
func bound(class int) time.Duration {
	exp, quarter := class/4, class%4
	return time.Duration(uint64(5+quarter)<<exp/4) * time.Microsecond
}

func (s *stats) read() (last time.Time, median, p99 time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := func(part float64) time.Duration {
		want, sum := uint32(float64(s.n)*part), uint32(0)
		for i, n := range s.classes {
			if sum += n; n > 0 && sum > want {
				return bound(i)
			}
		}
		return 0
	}
	return s.last, at(0.5), at(0.99)
}
