package group

import (
	"errors"
	"io"
	"time"

	"github.com/syncmanager/syncmanager/internal/journal"
)

// Snapshot makes a snapshot now, and returns when it is safe.
func (g *Group) Snapshot() error {
	c := make(chan error, 1)
	g.snap.Lock()
	select {
	case <-g.stop:
		g.snap.Unlock()
		return ErrClosed
	default:
	}
	g.snap.wanted = append(g.snap.wanted, c)
	g.snap.Unlock()
	g.poke()
	return <-c
}

// poke has the applier look whether a snapshot is due.
func (g *Group) poke() {
	g.mu.Lock()
	g.queue = append(g.queue, apply{})
	g.mu.Unlock()
	signal(g.applies)
}

// maybeSnapshot begins a snapshot when one is due. The applier calls it between
// entries.
func (g *Group) maybeSnapshot() {
	s := &g.snap
	s.Lock()
	due := !s.writing && (len(s.wanted) > 0 || g.bytes >= g.c.SnapshotBytes || g.count >= g.c.SnapshotRecords)
	if !due {
		s.Unlock()
		return
	}
	write, err := g.c.Machine.Snapshot()
	if errors.Is(err, ErrBusy) {
		s.Unlock()
		time.AfterFunc(busyPause, g.poke)
		return
	}
	wanted := s.wanted
	s.wanted, s.writing = nil, true
	s.Unlock()
	bytes, count := g.bytes, g.count
	g.bytes, g.count = 0, 0
	pos, about := g.position, About{Lineage: g.about.Lineage, Member: g.about.Member, Conf: g.confState}
	g.ended.Go(func() {
		began := time.Now()
		var info journal.SnapshotInfo
		if err == nil {
			info, err = g.log.WriteSnapshot(pos, about.Append(nil), func(w io.Writer) error { return write(stopping{w, g.stop}) })
		}
		if err != nil {
			g.c.Logger.Error("no snapshot was made", "index", pos.Index, "err", err)
		} else {
			g.c.Logger.Info("a snapshot was made", "index", pos.Index, "bytes", info.Size, "took", time.Since(began).Round(time.Millisecond),
				"log_records", count, "log_bytes", bytes)
		}
		all := g.log.Snapshots()
		s.Lock()
		s.writing = false
		if oldest := all[len(all)-1]; err == nil && oldest.Err == nil && len(all) > 1 {
			s.compact = oldest.Position
		}
		s.Unlock()
		signal(g.wake)
		for _, c := range wanted {
			c <- err
		}
		g.poke() // another may be due already
	})
}

// busyPause is how soon a snapshot is tried again that could not be begun.
const busyPause = 5 * time.Millisecond

// stopping is a writer that fails once the group is closed.
type stopping struct {
	io.Writer
	stop chan struct{}
}

func (w stopping) Write(b []byte) (int, error) {
	select {
	case <-w.stop:
		return 0, ErrClosed
	default:
		return w.Writer.Write(b)
	}
}

// compact gives up the log before the older snapshot. The writer calls it.
func (g *Group) compact() {
	g.snap.Lock()
	upTo := g.snap.compact
	g.snap.compact = journal.Position{}
	g.snap.Unlock()
	if upTo.Index == 0 {
		return
	}
	g.mu.Lock()
	if upTo.Index > g.storage.base.Index {
		g.storage.base = upTo
	}
	g.mu.Unlock()
	g.log.Compact(upTo)
}
