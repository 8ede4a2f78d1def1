package managers

import (
	"context"
	"io"
	"time"
)

// Durability keeps a server's commands and state, so that it can die and come back
// with all that it has acknowledged. Package managers/durable has the one there is;
// see Config.Durability. Its methods are safe for concurrent use.
type Durability interface {
	// Start brings the machine to where the log ends, and returns when this server
	// leads: when the machine's Lead has returned.
	Start(ctx context.Context, m Machine) error
	// Lineage tells this state from others. It is known after Start.
	Lineage() uint64
	// Propose lets a record be logged and then applied. It copies the record, and
	// does not block. The machine gets the tag back: with the record, or by Dropped.
	Propose(record []byte, tag any)
	// Throttle waits while much is proposed and not applied. The machine must not
	// call it.
	Throttle()
	// ReadBarrier returns when what is read is not stale.
	ReadBarrier(ctx context.Context) error
	// Leadership returns the term, and whether this server leads in it.
	Leadership() (term uint64, leads bool)
	// Snapshot writes the state down, and returns when it is safe.
	Snapshot() error
	// Stats describes log and snapshots.
	Stats() DurabilityStats
	// Close stops. What is proposed and not applied comes back by Dropped.
	Close() error
}

// Machine is the server as its Durability sees it. Calls come from one goroutine,
// but for the function that Snapshot returns.
type Machine interface {
	// Restore replaces the state by that of a snapshot, or by an empty one if r is
	// nil. After an error it is called again.
	Restore(r io.Reader) error
	// Apply applies records in order. Tags are nil if another life of the server
	// proposed them. The records are the machine's for good.
	Apply(index uint64, records [][]byte, tags []any)
	// Lead tells that all of the log is applied, and this server leads.
	Lead(term uint64)
	// Dropped gives back the tags of records that will not be applied.
	Dropped(tags []any)
	// Snapshot freezes the state; write writes it down while records are applied.
	// An error that wraps ErrBusy means: not now.
	Snapshot() (write func(w io.Writer) error, err error)
	// Full tells that the disk is full, or is not any more.
	Full(full bool)
	// Failed tells that the log has failed: nothing more is acknowledged, and the
	// process must end.
	Failed(err error)
}

// DurabilityStats describes what a server has on disk.
type DurabilityStats struct {
	Directory     string
	Level         string // "disk" or "os"
	LogBytes      int64
	SnapshotBytes int64
	LastIndex     uint64 // of the log
	SnapshotIndex uint64 // of the last snapshot
	SnapshotTime  time.Time
	LastSync      time.Time
	SyncMedian    time.Duration
	SyncP99       time.Duration
	Full          bool
}
