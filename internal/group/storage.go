package group

import (
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/syncmanager/syncmanager/internal/journal"
)

// storage is the log as raft reads it. Entries that are not applied yet are kept
// in memory; older ones are read from disk. Guarded by Group.mu.
type storage struct {
	log  *journal.Log
	conf *raftpb.ConfState
	base journal.Position // of the older snapshot: nothing before is asked for
	hard *raftpb.HardState
	last uint64
	tail []*raftpb.Entry // the last entries, in order
}

func (s *storage) InitialState() (*raftpb.HardState, *raftpb.ConfState, error) {
	return s.hard, s.conf, nil
}

func (s *storage) Entries(lo, hi, most uint64) ([]*raftpb.Entry, error) {
	if lo <= s.base.Index {
		return nil, raft.ErrCompacted
	}
	if hi > s.last+1 {
		return nil, raft.ErrUnavailable
	}
	var all []*raftpb.Entry
	size := uint64(0)
	if first := s.firstInMemory(); lo < first {
		from, err := s.log.Entries(lo, min(hi, first), most)
		if err != nil {
			return nil, err
		}
		for i := range from {
			e := &from[i]
			all = append(all, &raftpb.Entry{Index: &e.Index, Term: &e.Term, Type: raftpb.EntryType(e.Type).Enum(), Data: e.Data})
			size += uint64(len(e.Data))
		}
		if lo += uint64(len(from)); lo < min(hi, first) || size >= most {
			return all, nil
		}
	}
	if lo >= hi {
		return all, nil
	}
	first := s.firstInMemory()
	for _, e := range s.tail[lo-first : hi-first] {
		if size += uint64(len(e.GetData())); size > most && len(all) > 0 {
			break
		}
		all = append(all, e)
	}
	return all, nil
}

// firstInMemory returns the index of the first entry that is in memory, or would be.
func (s *storage) firstInMemory() uint64 { return s.last + 1 - uint64(len(s.tail)) }

func (s *storage) Term(i uint64) (uint64, error) {
	switch first := s.firstInMemory(); {
	case i == s.base.Index:
		return s.base.Term, nil
	case i < s.base.Index:
		return 0, raft.ErrCompacted
	case i > s.last:
		return 0, raft.ErrUnavailable
	case i >= first:
		return s.tail[i-first].GetTerm(), nil
	}
	if t, ok := s.log.Term(i); ok {
		return t, nil
	}
	return 0, raft.ErrCompacted
}

func (s *storage) LastIndex() (uint64, error)  { return s.last, nil }
func (s *storage) FirstIndex() (uint64, error) { return s.base.Index + 1, nil }

func (s *storage) Snapshot() (*raftpb.Snapshot, error) {
	return nil, raft.ErrSnapshotTemporarilyUnavailable
}

// append notes entries that are on disk.
func (s *storage) append(entries []*raftpb.Entry) {
	if len(entries) == 0 {
		return
	}
	first, at := s.firstInMemory(), entries[0].GetIndex()
	switch {
	case at < first:
		s.tail = s.tail[:0]
	case at <= s.last:
		s.tail = s.tail[:at-first]
	}
	s.tail = append(s.tail, entries...)
	s.last = entries[len(entries)-1].GetIndex()
}

// forget drops entries up to the index from memory.
func (s *storage) forget(index uint64) {
	first := s.firstInMemory()
	if index < first {
		return
	}
	n := min(int(index-first)+1, len(s.tail))
	clear(s.tail[:n])
	s.tail = s.tail[n:]
	if len(s.tail) == 0 {
		s.tail = nil
	}
}
