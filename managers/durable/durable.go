// Package durable keeps a server's state in a directory: a log of its commands and
// snapshots. A server that has it comes back after a crash with everything that it
// acknowledged: objects, sessions, holds, calls that wait, and fencing tokens.
// docs/reliability.md has the promises, docs/storage.md the bytes.
//
//	store, err := durable.Open("/var/lib/managerd", durable.Options{})
//	...
//	server := managers.NewServer(managers.Config{AuthKey: key, Durability: store})
package durable

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"sync"

	"github.com/syncmanager/syncmanager/internal/group"
	"github.com/syncmanager/syncmanager/internal/journal"
	"github.com/syncmanager/syncmanager/managers"
)

// Level says when a call counts as safe, and is answered.
type Level string

// The levels.
const (
	// Disk: when the disk says that it has it (fdatasync). Nothing that was
	// acknowledged is lost by a crash of the process, of the system, or by a power
	// cut.
	Disk Level = "disk"
	// OS: when the operating system has it. A crash of the process loses nothing; one
	// of the system, or a power cut, the last second at most.
	OS Level = "os"
)

// Options says how the state is kept. The zero value works.
type Options struct {
	Level Level // empty: Disk
	// AcceptLoss starts a server whose log is damaged without what follows the
	// damage.
	AcceptLoss bool
	// SnapshotBytes and SnapshotRecords say after how much of the log a snapshot is
	// made. 0: 256 MiB and a million.
	SnapshotBytes   int64
	SnapshotRecords int64
	// SegmentBytes is how long a file of the log is; a few are made ahead. 0: 64 MiB.
	SegmentBytes int64
	Logger       *slog.Logger
}

// Store is a data directory in use. It is a managers.Durability, for one server.
type Store struct {
	// Fixed when it is opened.
	dir  journal.Dir
	made bool
	o    Options
	log  *journal.Log

	group *group.Group // set by Start, before the machine is asked to lead

	mu      sync.Mutex       // guards what follows
	machine managers.Machine // nil before Start
	full    bool
	over    bool
}

// Open takes the directory, which is made if it is missing, and reads and checks
// all of its log. It fails if another server has it, if it is of a newer version,
// or if anything that was safely on disk is not there or is another; the error says
// where, and what can be done.
func Open(dir string, o Options) (*Store, error) {
	if o.Level == "" {
		o.Level = Disk
	}
	if o.Level != Disk && o.Level != OS {
		return nil, errors.New("durable: the level is disk or os, not " + string(o.Level))
	}
	d, made, err := journal.MakeDir(dir)
	if err != nil {
		return nil, err
	}
	s := &Store{dir: d, made: made, o: o}
	s.log, err = journal.Open(d, journal.Options{
		Segment: o.SegmentBytes, Lazy: o.Level == OS, AcceptLoss: o.AcceptLoss, Logger: o.Logger, Full: s.setFull,
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// New reports whether the directory was made by Open or held no state yet.
func (s *Store) New() bool { return s.log.Last().Index == 0 && len(s.log.Snapshots()) == 0 }

// Dir returns the directory's absolute path.
func (s *Store) Dir() string { return string(s.dir) }

// machine translates between the two sides.
type machine struct{ managers.Machine }

func (m machine) Snapshot() (func(w io.Writer) error, error) {
	write, err := m.Machine.Snapshot()
	if errors.Is(err, managers.ErrBusy) {
		err = group.ErrBusy
	}
	return write, err
}

// Start implements managers.Durability.
func (s *Store) Start(ctx context.Context, m managers.Machine) error {
	var lineage [8]byte
	rand.Read(lineage[:])
	var err error
	s.group, err = group.New(group.Config{
		Log: s.log, Machine: machine{m}, Lineage: binary.LittleEndian.Uint64(lineage[:]),
		SnapshotBytes: s.o.SnapshotBytes, SnapshotRecords: s.o.SnapshotRecords, Failed: m.Failed, Logger: s.o.Logger,
	})
	if err != nil {
		return err
	}
	if err := s.group.Start(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	s.machine = m
	full := s.full
	s.mu.Unlock()
	if full {
		m.Full(true)
	}
	return nil
}

// setFull hears of the log that the disk is full, or not any more.
func (s *Store) setFull(full bool) {
	s.mu.Lock()
	m := s.machine
	s.full = full
	s.mu.Unlock()
	if m != nil {
		m.Full(full)
	}
}

// Lineage implements managers.Durability.
func (s *Store) Lineage() uint64 { return s.group.Lineage() }

// Propose implements managers.Durability.
func (s *Store) Propose(record []byte, tag any) { s.group.Propose(record, tag) }

// Throttle implements managers.Durability.
func (s *Store) Throttle() { s.group.Throttle() }

// ReadBarrier implements managers.Durability.
func (s *Store) ReadBarrier(ctx context.Context) error { return s.group.ReadBarrier(ctx) }

// Leadership implements managers.Durability.
func (s *Store) Leadership() (term uint64, leads bool) { return s.group.Leadership() }

// Snapshot implements managers.Durability.
func (s *Store) Snapshot() error { return s.group.Snapshot() }

// Stats implements managers.Durability.
func (s *Store) Stats() managers.DurabilityStats {
	st := s.log.Stats()
	return managers.DurabilityStats{
		Directory: string(s.dir), Level: string(s.o.Level), LogBytes: st.LogBytes, SnapshotBytes: st.SnapshotBytes,
		LastIndex: st.Last, SnapshotIndex: st.Snapshot, SnapshotTime: st.SnapshotTime, LastSync: st.LastSync,
		SyncMedian: st.SyncMedian, SyncP99: st.SyncP99, Full: st.Full,
	}
}

// Close implements managers.Durability, and gives up the directory.
func (s *Store) Close() error {
	s.mu.Lock()
	over := s.over
	s.over = true
	s.mu.Unlock()
	if over {
		return nil
	}
	if s.group != nil {
		s.group.Close()
	}
	return s.log.Close()
}
