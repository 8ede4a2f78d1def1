package group

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/syncmanager/syncmanager/internal/journal"
)

// Config says how a member runs. Machine and Log are needed.
type Config struct {
	Log     *journal.Log
	Machine Machine
	// Lineage is what a new group gets; it is not used when there is one already.
	Lineage uint64
	// Transport reaches the other members; nil while there are none.
	Transport Transport
	// SnapshotBytes and SnapshotRecords say after how much of the log a snapshot is
	// made. 0: the defaults.
	SnapshotBytes   int64
	SnapshotRecords int64
	// Failed is called once, when the log has failed: the process must end, since
	// what is on disk is not known. It is called from the writer.
	Failed func(error)
	Logger *slog.Logger
}

// The defaults of Config, and limits.
const (
	DefaultSnapshotBytes   = 256 << 20
	DefaultSnapshotRecords = 1_000_000

	entryMost   = 1 << 20  // bytes of an entry, unless it is one record
	waitingMost = 64 << 20 // bytes that are proposed and not applied, above which Throttle waits
	tick        = 50 * time.Millisecond
	self        = 1 // the id of the only member
)

// ErrClosed is returned after Close.
var ErrClosed = errors.New("group: closed")

// Group is a member. Its methods are safe for concurrent use.
type Group struct {
	// Fixed at creation.
	c       Config
	about   About
	log     *journal.Log
	wake    chan struct{} // wakes the writer
	applies chan struct{} // wakes the applier
	stop    chan struct{} // closed by Close
	leading chan struct{} // closed when this member first leads
	ended   sync.WaitGroup

	waiting struct {
		sync.Mutex            // guards what follows; taken last
		entries    []*forming // not proposed yet
		bytes      int64      // of records that are proposed and not applied
		room       sync.Cond  // signalled when bytes falls below waitingMost
		closed     bool
	}

	// Owned by the writer.
	vote journal.Vote // the last that raft gave out
	said journal.Vote // the last that was written

	// Owned by the applier.
	records   [][]byte
	bytes     int64 // applied since the last snapshot
	count     int64
	position  journal.Position
	confState *raftpb.ConfState

	mu       sync.Mutex // guards what follows
	node     *raft.RawNode
	storage  storage
	appends  []*raftpb.Message
	queue    []apply
	placed   int        // how many of proposed have their index
	proposed []*forming // on their way into the log or in it, not committed yet
	leads    bool
	term     uint64
	applied  uint64
	reads    map[uint64]chan uint64 // of ReadBarrier, by number
	lastRead uint64
	passed   sync.Cond // signalled when applied grows

	snap struct {
		sync.Mutex // guards what follows; taken last
		wanted     []chan error
		writing    bool
		compact    journal.Position // the log before may go
	}
}

// apply is what the applier gets at a time.
type apply struct {
	entries []applied
	message *raftpb.Message
}

type applied struct {
	entry *raftpb.Entry
	mine  *forming // nil unless this member proposed it
}

// New restores the machine from the newest snapshot. Nothing runs before Start.
func New(c Config) (*Group, error) {
	if c.SnapshotBytes <= 0 {
		c.SnapshotBytes = DefaultSnapshotBytes
	}
	if c.SnapshotRecords <= 0 {
		c.SnapshotRecords = DefaultSnapshotRecords
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	g := &Group{
		c: c, log: c.Log, wake: make(chan struct{}, 1), applies: make(chan struct{}, 1), stop: make(chan struct{}),
		leading: make(chan struct{}), reads: make(map[uint64]chan uint64),
	}
	g.passed.L = &g.mu
	g.waiting.room.L = &g.waiting.Mutex
	return g, g.load()
}

// Start brings the machine to where the log ends, and leads. It returns when the
// machine leads: Machine.Lead has returned. After an error the group is closed.
func (g *Group) Start(ctx context.Context) error {
	g.mu.Lock()
	err := g.node.Campaign()
	g.drainLocked()
	g.mu.Unlock()
	if err != nil {
		return err
	}
	g.ended.Go(g.write)
	g.ended.Go(g.apply)
	g.ended.Go(g.tick)
	select {
	case <-g.leading:
		return nil
	case <-ctx.Done():
		g.Close()
		return ctx.Err()
	case <-g.stop:
		return ErrClosed
	}
}

// load restores the newest snapshot that can be read, and starts the node behind it.
func (g *Group) load() error {
	snaps := g.log.Snapshots()
	if len(snaps) == 0 && g.log.Last().Index == 0 {
		about := About{Lineage: g.c.Lineage, Member: self, Conf: &raftpb.ConfState{Voters: []uint64{self}}}
		if _, err := g.log.WriteSnapshot(journal.Position{Index: 1, Term: 1}, about.Append(nil), func(io.Writer) error { return nil }); err != nil {
			return err
		}
		snaps = g.log.Snapshots()
	}
	var failures []error
	for _, s := range snaps {
		err := g.restore(s)
		if err == nil {
			return g.begin(s, snaps[len(snaps)-1])
		}
		g.c.Logger.Error("a snapshot cannot be used; the one before is tried", "file", s.Name, "err", err)
		failures = append(failures, fmt.Errorf("%s: %w", s.Name, err))
	}
	if len(failures) == 0 {
		return errors.New("there is a log and no snapshot that it follows: the files snapshot-* are missing")
	}
	return errors.Join(failures...)
}

func (g *Group) restore(s journal.SnapshotInfo) error {
	if s.Err != nil {
		return s.Err
	}
	if first := g.log.First(); g.log.Last().Index > s.Index && first.Index > s.Index {
		return fmt.Errorf("the log begins with index %d, and the snapshot ends with %d", first.Index+1, s.Index)
	}
	about, err := ParseAbout(s.About)
	if err != nil {
		return err
	}
	r, err := g.log.OpenSnapshot(s)
	if err != nil {
		return err
	}
	defer r.Close()
	if s.Index == 1 { // nothing had been applied
		if _, err := io.Copy(io.Discard, r); err != nil {
			return err
		}
		err = g.c.Machine.Restore(nil)
	} else {
		err = g.c.Machine.Restore(r)
	}
	if err != nil {
		return err
	}
	// What the machine left must be its end, with the checksum of the whole.
	if n, err := io.Copy(io.Discard, r); err != nil || n > 0 {
		return errors.Join(err, fmt.Errorf("%d bytes follow the state", n))
	}
	g.about = about
	return nil
}

// begin starts the node behind a snapshot. oldest is the one that the log is kept
// from.
func (g *Group) begin(s, oldest journal.SnapshotInfo) error {
	if err := g.log.Start(s.Position); err != nil {
		return err
	}
	vote := g.log.Vote()
	last := g.log.Last()
	g.storage = storage{log: g.log, conf: g.about.Conf, base: s.Position, last: last.Index}
	g.storage.hard = &raftpb.HardState{
		Term: new(max(vote.Term, last.Term, s.Term)), Vote: new(vote.Member),
		Commit: new(min(max(vote.Commit, s.Index), last.Index)),
	}
	if vote.Term < g.storage.hard.GetTerm() {
		g.storage.hard.Vote = new(uint64(0))
	}
	g.vote = journal.Vote{Term: g.storage.hard.GetTerm(), Member: g.storage.hard.GetVote(), Commit: g.storage.hard.GetCommit()}
	g.said = g.vote
	g.position, g.confState = s.Position, g.about.Conf
	g.applied = s.Index
	if oldest.Err == nil {
		g.snap.compact = oldest.Position
	}
	var err error
	g.node, err = raft.NewRawNode(&raft.Config{
		ID: g.about.Member, ElectionTick: 10, HeartbeatTick: 1, Storage: &g.storage, Applied: s.Index, AsyncStorageWrites: true,
		MaxSizePerMsg: entryMost, MaxCommittedSizePerReady: 4 << 20, MaxInflightMsgs: 256, CheckQuorum: true, PreVote: true,
		DisableProposalForwarding: true, StepDownOnRemoval: true, Logger: logger{g.c.Logger},
	})
	return err
}

// Lineage tells this state from others: of other servers, and of a later life that
// began with a backup.
func (g *Group) Lineage() uint64 { return g.about.Lineage }

// Propose lets a record be logged and applied. It is copied. It does not block;
// whoever proposes much calls Throttle besides.
func (g *Group) Propose(record []byte, tag any) {
	w := &g.waiting
	w.Lock()
	if w.closed {
		w.Unlock()
		g.c.Machine.Dropped([]any{tag})
		return
	}
	var f *forming
	if n := len(w.entries); n > 0 && len(w.entries[n-1].data)+len(record) <= entryMost {
		f = w.entries[n-1]
	} else {
		f = new(forming)
		w.entries = append(w.entries, f)
	}
	w.bytes += f.add(record, tag)
	w.Unlock()
	signal(g.wake)
}

// Throttle waits while much is proposed and not applied. The applier must not call
// it.
func (g *Group) Throttle() {
	w := &g.waiting
	w.Lock()
	defer w.Unlock()
	for w.bytes > waitingMost && !w.closed {
		w.room.Wait()
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// write is the writer.
func (g *Group) write() {
	var batch writing
	for {
		w := &g.waiting
		w.Lock()
		entries := w.entries
		w.entries = nil
		w.Unlock()
		g.mu.Lock()
		if len(entries) > 0 {
			g.proposeLocked(entries)
		}
		appends := g.appends
		g.appends = nil
		g.mu.Unlock()
		g.compact()
		if len(appends) == 0 {
			select {
			case <-g.wake:
				continue
			case <-g.stop:
				return
			}
		}
		if err := g.append(&batch, appends); err != nil {
			select {
			case <-g.stop: // it was closed meanwhile
			default:
				g.c.Logger.Error("the log failed; this process must end, since what is on disk is not known", "err", err)
				g.c.Failed(err)
			}
			return
		}
		g.mu.Lock()
		for _, m := range appends {
			g.storage.append(m.GetEntries())
			g.respondLocked(m)
		}
		g.drainLocked()
		g.mu.Unlock()
	}
}

// writing is the writer's memory.
type writing struct{ entries []journal.Entry }

// append writes what raft wants to be written, and syncs it.
func (g *Group) append(b *writing, appends []*raftpb.Message) error {
	b.entries = b.entries[:0]
	for _, m := range appends {
		for _, e := range m.GetEntries() {
			b.entries = append(b.entries, journal.Entry{Index: e.GetIndex(), Term: e.GetTerm(), Type: uint8(e.GetType()), Data: e.GetData()})
		}
		if m.Vote != nil {
			g.vote = journal.Vote{Term: m.GetTerm(), Member: m.GetVote(), Commit: m.GetCommit()}
		}
	}
	var vote *journal.Vote
	if g.vote != g.said && (len(b.entries) > 0 || g.vote.Term != g.said.Term || g.vote.Member != g.said.Member) {
		// That more is committed needs no write of its own: it is found out again.
		g.said = g.vote
		vote = &g.said
	}
	err := g.log.Append(b.entries, vote)
	clear(b.entries)
	return err
}

// proposeLocked gives entries to raft.
func (g *Group) proposeLocked(entries []*forming) {
	all := make([]*raftpb.Entry, len(entries))
	for i, f := range entries {
		all[i] = &raftpb.Entry{Data: f.data}
	}
	err := g.node.Step(&raftpb.Message{Type: raftpb.MsgProp.Enum(), From: new(g.about.Member), Entries: all})
	if err != nil {
		g.dropLocked(entries)
		return
	}
	g.proposed = append(g.proposed, entries...)
	g.drainLocked()
}

// dropLocked gives back what will not be applied. The applier does it, in order.
func (g *Group) dropLocked(entries []*forming) {
	for _, f := range entries {
		g.queue = append(g.queue, apply{entries: []applied{{mine: f}}})
	}
	signal(g.applies)
}

// respondLocked steps what raft wants to hear after a message was handled.
func (g *Group) respondLocked(m *raftpb.Message) {
	for _, r := range m.GetResponses() {
		if r.GetTo() == g.about.Member {
			_ = g.node.Step(r)
		} else if g.c.Transport != nil {
			g.c.Transport.Send(r)
		}
	}
}

// drainLocked hands on what the node asks for.
func (g *Group) drainLocked() {
	for g.node.HasReady() {
		rd := g.node.Ready()
		if rd.SoftState != nil {
			leads := rd.SoftState.RaftState == raft.StateLeader
			if g.leads && !leads {
				g.dropLocked(g.proposed)
				g.proposed, g.placed = nil, 0
			}
			g.leads = leads
		}
		if leads := g.leads; leads {
			g.term = g.node.BasicStatus().HardState.GetTerm()
		}
		for _, rs := range rd.ReadStates {
			n := binary.LittleEndian.Uint64(rs.RequestCtx)
			if c := g.reads[n]; c != nil {
				delete(g.reads, n)
				c <- rs.Index
			}
		}
		for _, m := range rd.Messages {
			switch m.GetTo() {
			case raft.LocalAppendThread:
				g.placeLocked(m)
				g.appends = append(g.appends, m)
				signal(g.wake)
			case raft.LocalApplyThread:
				g.queue = append(g.queue, g.matchLocked(m))
				signal(g.applies)
			default:
				if g.c.Transport != nil {
					g.c.Transport.Send(m)
				}
			}
		}
	}
}

// placeLocked notes which index each proposal got. Raft copies what it is given, and
// keeps the order.
func (g *Group) placeLocked(m *raftpb.Message) {
	for _, e := range m.GetEntries() {
		if g.placed == len(g.proposed) {
			return
		}
		if g.leads && e.GetTerm() == g.term && e.GetType() == raftpb.EntryNormal && len(e.GetData()) > 0 {
			g.proposed[g.placed].index = e.GetIndex()
			g.placed++
		}
	}
}

// matchLocked finds the proposals behind committed entries.
func (g *Group) matchLocked(m *raftpb.Message) apply {
	a := apply{message: m, entries: make([]applied, len(m.GetEntries()))}
	for i, e := range m.GetEntries() {
		a.entries[i].entry = e
		if g.placed > 0 && e.GetIndex() == g.proposed[0].index {
			a.entries[i].mine = g.proposed[0]
			g.proposed[0].size, g.proposed[0].data = int64(len(g.proposed[0].data)), nil
			g.proposed[0] = nil
			g.proposed = g.proposed[1:]
			g.placed--
		}
	}
	return a
}

// apply is the applier.
func (g *Group) apply() {
	for {
		g.mu.Lock()
		queue := g.queue
		g.queue = nil
		g.mu.Unlock()
		if len(queue) == 0 {
			select {
			case <-g.applies:
				continue
			case <-g.stop:
				return
			}
		}
		for i := range queue {
			a := &queue[i]
			for j := range a.entries {
				if err := g.applyEntry(&a.entries[j]); err != nil {
					g.c.Logger.Error("an entry of the log cannot be applied", "err", err)
					g.c.Failed(err)
					return
				}
			}
			if a.message != nil {
				g.mu.Lock()
				g.respondLocked(a.message)
				g.applied = g.position.Index
				g.storage.forget(g.applied)
				g.drainLocked()
				g.passed.Broadcast()
				g.mu.Unlock()
			}
			g.maybeSnapshot()
		}
	}
}

// applyEntry applies one entry.
func (g *Group) applyEntry(a *applied) error {
	e := a.entry
	if e == nil {
		g.passedOn(a.mine)
		g.c.Machine.Dropped(a.mine.tags)
		return nil
	}
	if e.GetIndex() != g.position.Index+1 {
		return fmt.Errorf("index %d after index %d", e.GetIndex(), g.position.Index)
	}
	g.position = journal.Position{Index: e.GetIndex(), Term: e.GetTerm()}
	data := e.GetData()
	switch e.GetType() {
	case raftpb.EntryNormal:
		if len(data) == 0 {
			return g.maybeLead(e.GetTerm())
		}
		records, err := Split(data, g.records[:0])
		if err != nil {
			return fmt.Errorf("index %d: %w", e.GetIndex(), err)
		}
		var tags []any
		if a.mine != nil {
			tags = a.mine.tags
		}
		g.c.Machine.Apply(e.GetIndex(), records, tags)
		g.count += int64(len(records))
		g.bytes += int64(len(data))
		clear(records)
		g.records = records
		if a.mine != nil {
			g.passedOn(a.mine)
		}
	case raftpb.EntryConfChange, raftpb.EntryConfChangeV2:
		var change raftpb.ConfChangeV2
		if e.GetType() == raftpb.EntryConfChange {
			var old raftpb.ConfChange
			if err := proto.Unmarshal(data, &old); err != nil {
				return err
			}
			proto.Merge(&change, old.AsV2())
		} else if err := proto.Unmarshal(data, &change); err != nil {
			return err
		}
		g.mu.Lock()
		g.confState = g.node.ApplyConfChange(&change)
		g.mu.Unlock()
	}
	return nil
}

// passedOn takes an entry that is dealt with out of what Throttle counts.
func (g *Group) passedOn(f *forming) {
	w := &g.waiting
	w.Lock()
	defer w.Unlock()
	w.bytes -= max(f.size, int64(len(f.data)))
	w.room.Broadcast()
}

// maybeLead tells the machine that this member leads, at the first entry of its term.
func (g *Group) maybeLead(term uint64) error {
	g.mu.Lock()
	leads := g.leads && g.term == term
	g.mu.Unlock()
	if !leads {
		return nil
	}
	g.c.Machine.Lead(term)
	select {
	case <-g.leading:
	default:
		close(g.leading)
	}
	return nil
}

// tick is raft's clock.
func (g *Group) tick() {
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		select {
		case <-g.stop:
			return
		case <-t.C:
		}
		g.mu.Lock()
		g.node.Tick()
		g.drainLocked()
		g.mu.Unlock()
	}
}

// Leadership returns the term, and whether this member leads in it.
func (g *Group) Leadership() (term uint64, leads bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.term, g.leads
}

// ReadBarrier returns when everything that was acknowledged anywhere before it was
// called is applied here: what is read then is not stale.
func (g *Group) ReadBarrier(ctx context.Context) error {
	g.mu.Lock()
	if !g.leads {
		g.mu.Unlock()
		return ErrNotLeader
	}
	if len(g.about.Conf.GetVoters()) == 1 && g.c.Transport == nil {
		// Nobody else acknowledges, and the applier acknowledges what it has applied.
		g.mu.Unlock()
		return nil
	}
	g.lastRead++
	n := g.lastRead
	c := make(chan uint64, 1)
	g.reads[n] = c
	g.node.ReadIndex(binary.LittleEndian.AppendUint64(nil, n))
	g.drainLocked()
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.reads, n)
	}()
	select {
	case index := <-c:
		return g.wait(ctx, index)
	case <-ctx.Done():
		return ctx.Err()
	case <-g.stop:
		return ErrClosed
	}
}

// ErrNotLeader tells that another member leads, or none.
var ErrNotLeader = errors.New("group: this member does not lead")

// wait waits until the index is applied.
func (g *Group) wait(ctx context.Context, index uint64) error {
	wake := context.AfterFunc(ctx, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.passed.Broadcast()
	})
	defer wake()
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.applied < index {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		g.passed.Wait()
	}
	return nil
}

// Step brings a message of another member.
func (g *Group) Step(m *raftpb.Message) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	err := g.node.Step(m)
	g.drainLocked()
	return err
}

// Close stops. What was proposed and is not applied yet comes back by Dropped. It
// does not close the log.
func (g *Group) Close() {
	w := &g.waiting
	w.Lock()
	if w.closed {
		w.Unlock()
		g.ended.Wait()
		return
	}
	w.closed = true
	left := w.entries
	w.entries = nil
	w.room.Broadcast()
	w.Unlock()
	close(g.stop)
	g.ended.Wait()
	g.mu.Lock()
	left = append(g.proposed, left...)
	g.proposed = nil
	queue := g.queue
	g.mu.Unlock()
	for _, a := range queue {
		for _, e := range a.entries {
			if e.mine != nil {
				g.c.Machine.Dropped(e.mine.tags)
			}
		}
	}
	for _, f := range left {
		g.c.Machine.Dropped(f.tags)
	}
	g.snap.Lock()
	defer g.snap.Unlock()
	for _, c := range g.snap.wanted {
		c <- ErrClosed
	}
	g.snap.wanted = nil
}

// logger takes raft's log. What it says of each election is for debugging.
type logger struct{ log *slog.Logger }

func (l logger) Debug(v ...any)                   {}
func (l logger) Debugf(format string, v ...any)   {}
func (l logger) Info(v ...any)                    { l.log.Debug(fmt.Sprint(v...)) }
func (l logger) Infof(format string, v ...any)    { l.log.Debug(fmt.Sprintf(format, v...)) }
func (l logger) Warning(v ...any)                 { l.log.Warn(fmt.Sprint(v...)) }
func (l logger) Warningf(format string, v ...any) { l.log.Warn(fmt.Sprintf(format, v...)) }
func (l logger) Error(v ...any)                   { l.log.Error(fmt.Sprint(v...)) }
func (l logger) Errorf(format string, v ...any)   { l.log.Error(fmt.Sprintf(format, v...)) }
func (l logger) Fatal(v ...any)                   { panic(fmt.Sprint(v...)) }
func (l logger) Fatalf(format string, v ...any)   { panic(fmt.Sprintf(format, v...)) }
func (l logger) Panic(v ...any)                   { panic(fmt.Sprint(v...)) }
func (l logger) Panicf(format string, v ...any)   { panic(fmt.Sprintf(format, v...)) }
