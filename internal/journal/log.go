package journal

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultSegment is how long a segment is.
const DefaultSegment = 64 << 20

// spares is how many segments are left for writing when the disk is full: what
// is ready behind the one that is written when the next one cannot be made.
const spares = 2

// Options says how a log is kept. The zero value works.
type Options struct {
	Segment int64 // bytes of a segment; 0: DefaultSegment
	// Lazy makes Append return when the machine's memory has the bytes; they are
	// synced once a second.
	Lazy bool
	// AcceptLoss cuts a damaged log where the damage begins.
	AcceptLoss bool
	// Full is called when the disk is full, and when it is not any more. It must
	// not block.
	Full   func(full bool)
	Logger *slog.Logger

	readOnly bool // nothing is changed; for Check
	inline   bool // no goroutine: segments are made when they are needed; for tests
}

// Log is an open log. Append and Compact are for one goroutine; everything else is
// safe for concurrent use.
type Log struct {
	// Fixed when it is opened.
	fs       FS
	o        Options
	lock     io.Closer
	markFile File
	vote     Vote // what the log said when it was opened

	// Owned by the goroutine that appends.
	buf   []byte
	queue []placed // of the records in buf

	failed atomic.Bool
	syncs  stats

	marking sync.Mutex // guards mark, and is held while it is written
	mark    mark

	ready   chan *segment // made ahead
	recycle chan *segment // not needed any more
	broken  chan struct{} // closed when no segment can be made any more
	done    chan struct{} // closed by Close
	ended   sync.WaitGroup

	mu       sync.Mutex // guards what follows, and the segments' insides
	segs     []*segment
	prev     Position // what stands before the first entry
	last     Position
	synced   uint64 // index up to which all is safe
	unsynced bool   // something was written since; with Lazy
	full     bool
	snaps    []SnapshotInfo // oldest first
}

// Position is an entry's place in the history.
type Position struct{ Index, Term uint64 }

// Open takes the directory, and reads and checks all of its log. It changes
// nothing before all is known to be right, but removes what was not finished.
func Open(d FS, o Options) (*Log, error) {
	if o.Segment <= 0 {
		o.Segment = DefaultSegment
	}
	if o.Full == nil {
		o.Full = func(bool) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	lock, err := d.Lock()
	if err != nil {
		return nil, err
	}
	l := &Log{
		fs: d, o: o, lock: lock, ready: make(chan *segment, spares), recycle: make(chan *segment, spares+1),
		broken: make(chan struct{}), done: make(chan struct{}),
	}
	if err := l.load(); err != nil {
		l.closeFiles()
		return nil, err
	}
	return l, nil
}

// load reads the directory.
func (l *Log) load() error {
	names, err := l.fs.List()
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, name := range names {
		if strings.HasSuffix(name, ".tmp") && !l.o.readOnly {
			if err := l.fs.Remove(name); err != nil {
				return err
			}
		}
	}
	var numbers []uint64
	for _, name := range names {
		if n, ok := parseName(name, "log-", 10); ok && name == segmentName(n) {
			numbers = append(numbers, n)
		} else if index, ok := parseName(name, "snapshot-", 16); ok && name == snapshotName(index) {
			info, err := l.readSnapshotHead(name, index)
			if version := (*VersionError)(nil); errors.As(err, &version) {
				return err
			} else if err != nil {
				l.o.Logger.Error("a snapshot is damaged", "file", name, "err", err)
				info = SnapshotInfo{Name: name, Position: Position{Index: index}, Err: err}
			}
			l.snaps = append(l.snaps, info)
		}
	}
	slices.Sort(numbers)
	fresh := len(numbers) == 0 && len(l.snaps) == 0
	if fresh && l.o.readOnly {
		return errors.New("there is no log and no snapshot here")
	}
	l.markFile, l.mark, err = openMark(l.fs, fresh)
	if f := (*FormatError)(nil); errors.As(err, &f) && l.o.AcceptLoss {
		l.o.Logger.Warn("the mark is made again", "err", err)
		l.markFile, err = makeMark(l.fs)
	}
	if err != nil {
		return err
	}
	return l.scanAll(numbers)
}

// scanAll reads all segments, checks that they fit together, and cuts a torn tail.
func (l *Log) scanAll(numbers []uint64) error {
	newest := uint64(0)
	for _, s := range l.snaps {
		if s.Err == nil {
			newest = max(newest, s.Index)
		}
	}
	var text []byte
	var torn *scan // the first that did not end where its records end
	var damage *DamageError
	at := func(name string, offset int64, format string, args ...any) *DamageError {
		return &DamageError{File: name, Offset: offset, Index: l.last.Index + 1, What: fmt.Sprintf(format, args...)}
	}
	for i, n := range numbers {
		name := segmentName(n)
		if i > 0 && n != numbers[i-1]+1 {
			if l.last.Index <= newest && torn == nil && !l.o.readOnly {
				// All of it was given up for a snapshot, in no order that is known.
				if err := l.drop(); err != nil {
					return err
				}
				numbers = numbers[i:]
				return l.scanAll(numbers)
			}
			damage = at(segmentName(numbers[i-1]+1), 0, "the segment is missing")
			break
		}
		f, err := l.fs.Open(name)
		if err != nil {
			return err
		}
		seg := &segment{number: n, file: f, end: headSize}
		l.segs = append(l.segs, seg)
		var gap error
		s, err := scanSegment(f, name, n, text, func(r record, off int64) error {
			gap = l.enter(seg, r, off)
			return gap
		})
		var format *FormatError
		switch {
		case gap != nil:
			damage = at(name, s.end, "%v", gap)
		case errors.As(err, &format):
			damage = at(name, 0, "%s", format.What)
		case err != nil:
			return err
		}
		if s != nil {
			seg.seed, seg.end, text = s.seed, aligned(s.end), s.text
		}
		if damage != nil {
			break
		}
		if torn != nil && len(seg.at) > 0 && seg.first <= torn.behind {
			damage = at(segmentName(torn.number), torn.end, "the record is not valid, and later ones are")
			break
		}
		if s.behind > l.last.Index {
			damage = at(name, s.end, "the record is not valid, and later ones say that it was safely on disk")
			break
		}
		if s.torn {
			torn = s
			torn.text = nil
		}
	}
	if damage == nil && max(l.last.Index, newest) < l.mark.index {
		name, offset := "log", int64(0)
		if len(l.segs) > 0 {
			s := l.lastWritten()
			name, offset = segmentName(s.number), s.end
		}
		damage = at(name, offset, "the log ends here, and index %d was safely on disk", l.mark.index)
	}
	if damage != nil {
		if !l.o.AcceptLoss {
			return damage
		}
		l.o.Logger.Warn("what follows is given up", "index", damage.Index, "file", damage.File, "offset", damage.Offset, "damage", damage.What)
		return l.giveUp(numbers)
	}
	if torn != nil && !l.o.readOnly {
		if err := l.wipe(torn); err != nil {
			return err
		}
	}
	return nil
}

// drop removes the segments that were read.
func (l *Log) drop() error {
	for _, s := range l.segs {
		s.file.Close()
		if err := l.fs.Remove(segmentName(s.number)); err != nil {
			return err
		}
	}
	l.segs, l.prev, l.last = nil, Position{}, Position{}
	return nil
}

// enter checks that a record follows what was read, and enters it.
func (l *Log) enter(seg *segment, r record, off int64) error {
	if r.kind == kindVote {
		if r.term < l.vote.Term {
			return fmt.Errorf("a vote of term %d after one of term %d", r.term, l.vote.Term)
		}
		l.vote = Vote{r.term, le.Uint64(r.content), max(r.index, l.vote.Commit)}
		return nil
	}
	switch {
	case l.last.Index == 0:
		l.prev = Position{Index: r.index - 1}
	case r.index > l.last.Index+1:
		return fmt.Errorf("a gap: index %d follows index %d", r.index, l.last.Index)
	case r.term < l.last.Term:
		return fmt.Errorf("a gap: index %d has term %d, below term %d of index %d", r.index, r.term, l.last.Term, l.last.Index)
	case r.index <= l.last.Index && (r.term == l.last.Term || r.index <= l.prev.Index):
		return fmt.Errorf("index %d follows index %d", r.index, l.last.Index)
	}
	l.place(seg, r.index, r.term, off)
	return nil
}

// place enters an entry's place; what an entry of a higher term replaces is
// forgotten.
func (l *Log) place(seg *segment, index, term uint64, off int64) {
	if index <= l.last.Index {
		for _, s := range l.segs {
			s.cut(index)
		}
	}
	seg.add(index, term, off)
	l.last = Position{index, term}
}

// lastWritten returns the last segment that has entries, or the first.
func (l *Log) lastWritten() *segment {
	for i := len(l.segs) - 1; i > 0; i-- {
		if l.segs[i].end > headSize {
			return l.segs[i]
		}
	}
	return l.segs[0]
}

// wipe overwrites with zeros what stands behind the end of a segment, so that it
// cannot be taken for what follows records that are yet to be written.
func (l *Log) wipe(s *scan) error {
	size, err := s.file.Size()
	if err != nil || size <= s.end {
		return err
	}
	zeros := make([]byte, min(size-s.end, 1<<20))
	for at := s.end; at < size; at += int64(len(zeros)) {
		if _, err := s.file.WriteAt(zeros[:min(int64(len(zeros)), size-at)], at); err != nil {
			return err
		}
	}
	return s.file.Sync()
}

// giveUp cuts the log where the damage begins: later segments go, and what is
// behind in the last one.
func (l *Log) giveUp(numbers []uint64) error {
	keep := 0
	for i, s := range l.segs {
		if s.seed != 0 && (len(s.at) > 0 || s.end > headSize) {
			keep = i + 1
		}
	}
	for i := len(numbers) - 1; i >= keep; i-- { // from the end, so that no gap is left by a crash
		if i < len(l.segs) {
			l.segs[i].file.Close()
		}
		if err := l.fs.Remove(segmentName(numbers[i])); err != nil {
			return err
		}
	}
	l.segs = l.segs[:keep]
	if keep > 0 {
		s := l.segs[keep-1]
		if err := l.wipe(&scan{segment: segment{file: s.file, end: s.end}}); err != nil {
			return err
		}
	}
	// The mark must not stand above what is left.
	l.markFile.Close()
	var err error
	if l.markFile, err = makeMark(l.fs); err != nil {
		return err
	}
	l.mark = mark{}
	return l.fs.SyncDir()
}

// Start makes the log ready for Append. Index and term are those of the snapshot
// that it follows: a log that ends below, or begins above the next one, is
// begun anew there.
func (l *Log) Start(after Position) error {
	if l.last.Index < after.Index || len(l.segs) == 0 || l.last.Index == 0 {
		if err := l.reset(after); err != nil {
			return err
		}
	}
	if l.prev.Index > after.Index {
		return &DamageError{
			File: segmentName(l.segs[0].number), Offset: headSize, Index: after.Index + 1,
			What: fmt.Sprintf("a gap: the snapshot ends at index %d, and the log begins with %d", after.Index, l.prev.Index+1),
		}
	}
	if l.prev.Index == after.Index {
		l.prev.Term = after.Term
	}
	l.synced = l.last.Index
	// Segments that were made ahead are made ready again.
	written := slices.Index(l.segs, l.lastWritten())
	ahead := l.segs[written+1:]
	l.segs = l.segs[:written+1]
	for i, s := range ahead {
		if i < spares && !l.o.inline {
			l.ready <- s
			ahead = ahead[1:]
		}
	}
	for i := len(ahead) - 1; i >= 0; i-- { // from the end, so that a crash leaves no gap
		ahead[i].file.Close()
		if err := l.fs.Remove(segmentName(ahead[i].number)); err != nil {
			return err
		}
	}
	// What is read from the files may be in memory only, if a lazy server was
	// killed: make it safe before the mark says so.
	if err := l.segs[len(l.segs)-1].file.Sync(); err != nil {
		return err
	}
	if l.o.inline {
		return nil
	}
	next := l.segs[len(l.segs)-1].number + 1 + uint64(len(l.ready))
	l.ended.Go(func() { l.prepare(next) })
	l.ended.Go(l.watch)
	return nil
}

// reset begins an empty log behind a snapshot.
func (l *Log) reset(after Position) error {
	number := uint64(1)
	for i := len(l.segs) - 1; i >= 0; i-- {
		s := l.segs[i]
		number = max(number, s.number+1)
		s.file.Close()
		if err := l.fs.Remove(segmentName(s.number)); err != nil {
			return err
		}
	}
	l.segs = nil
	s, err := l.makeSegment(number, nil)
	if err != nil {
		return err
	}
	l.segs, l.prev, l.last = []*segment{s}, after, after
	return nil
}

// Vote returns the vote that the log held when it was opened.
func (l *Log) Vote() Vote { return l.vote }

// First returns the position before the first entry.
func (l *Log) First() Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.prev
}

// Last returns the position of the last entry.
func (l *Log) Last() Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// Append writes entries, and then the vote, if it is not nil, and returns when
// they are safe. It blocks while the disk is full. After an error other than nil
// the log takes no more.
func (l *Log) Append(entries []Entry, vote *Vote) error {
	if l.failed.Load() {
		return ErrFailed
	}
	err := l.append(entries, vote)
	if err != nil {
		l.failed.Store(true)
	}
	return err
}

func (l *Log) append(entries []Entry, vote *Vote) error {
	seg := l.segs[len(l.segs)-1]
	l.buf = l.buf[:0]
	from := seg.end
	sync := len(entries) > 0
	put := func(r record) error {
		size := padded(len(r.content))
		if at := from + int64(len(l.buf)); at+size > l.o.Segment && at > headSize {
			if err := l.write(seg, from); err != nil {
				return err
			}
			next, err := l.next(seg)
			if err != nil {
				return err
			}
			seg, from = next, next.end
		}
		r.synced = l.synced
		at := from + int64(len(l.buf))
		l.buf = appendRecord(l.buf, seg.seed, r)
		if r.kind == kindEntry {
			l.queue = append(l.queue, placed{r.index, r.term, at})
		}
		return nil
	}
	for i := range entries {
		e := &entries[i]
		if err := put(record{kind: kindEntry, typ: e.Type, index: e.Index, term: e.Term, content: e.Data}); err != nil {
			return err
		}
	}
	if vote != nil {
		sync = sync || vote.Term != l.vote.Term || vote.Member != l.vote.Member
		l.vote = *vote
		if err := put(record{kind: kindVote, index: vote.Commit, term: vote.Term, content: le.AppendUint64(nil, vote.Member)}); err != nil {
			return err
		}
	}
	for len(l.buf)%sectorSize != 0 {
		l.buf = append(l.buf, zeros[:min(sectorSize-len(l.buf)%sectorSize, len(zeros))]...)
	}
	if err := l.write(seg, from); err != nil {
		return err
	}
	if cap(l.buf) > spareMost {
		l.buf = nil
	}
	if !sync {
		return nil
	}
	if l.o.Lazy {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.unsynced = true
		return nil
	}
	return l.sync(seg)
}

var zeros [sectorSize]byte

// spareMost is how much memory the log keeps for its next write.
const spareMost = 4 << 20

// write writes what is collected, which begins at the offset of the segment.
func (l *Log) write(seg *segment, from int64) error {
	if len(l.buf) == 0 {
		return nil
	}
	if _, err := seg.file.WriteAt(l.buf, from); err != nil {
		return fmt.Errorf("%s: write at offset %d: %w", segmentName(seg.number), from, err)
	}
	l.mu.Lock()
	seg.end = from + int64(len(l.buf))
	for _, p := range l.queue {
		l.place(seg, p.index, p.term, p.at)
	}
	l.mu.Unlock()
	l.buf, l.queue = l.buf[:0], l.queue[:0]
	return nil
}

// placed is where a record will stand.
type placed struct {
	index, term uint64
	at          int64
}

// sync makes what was appended so far safe. seg is the last segment; those before
// were synced when it was begun.
func (l *Log) sync(seg *segment) error {
	l.mu.Lock()
	upTo := l.last.Index
	l.unsynced = false
	l.mu.Unlock()
	began := time.Now()
	if err := seg.file.Sync(); err != nil {
		return fmt.Errorf("%s: sync: %w", segmentName(seg.number), err)
	}
	l.syncs.note(time.Since(began))
	l.mu.Lock()
	// Only the appender can replace entries, and it does not while it is here; for
	// a lazy log the entries that were replaced since have not been acknowledged.
	l.synced = min(upTo, l.last.Index)
	l.mu.Unlock()
	return nil
}

// next ends a segment and returns the one after it.
func (l *Log) next(seg *segment) (*segment, error) {
	if err := l.syncUpTo(seg); err != nil {
		return nil, err
	}
	var next *segment
	if l.o.inline {
		var err error
		if next, err = l.makeSegment(seg.number+1, l.used()); err != nil {
			return nil, err
		}
	} else {
		select {
		case next = <-l.ready:
		case <-l.broken:
			return nil, ErrFailed
		case <-l.done:
			return nil, ErrFailed
		}
	}
	l.mu.Lock()
	l.segs = append(l.segs, next)
	synced := l.synced
	l.mu.Unlock()
	return next, l.writeMark(synced, seg.number)
}

// syncUpTo syncs a segment that ends.
func (l *Log) syncUpTo(seg *segment) error {
	if err := seg.file.Sync(); err != nil {
		return fmt.Errorf("%s: sync: %w", segmentName(seg.number), err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.synced = l.last.Index
	return nil
}

// watch writes the mark each second, and syncs a lazy log.
func (l *Log) watch() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-l.done:
			return
		case <-tick.C:
		}
		if err := l.settle(); err != nil {
			l.o.Logger.Error("the log failed", "err", err)
			l.failed.Store(true)
			return
		}
	}
}

// settle makes safe what a lazy log has, and writes the mark.
func (l *Log) settle() error {
	l.mu.Lock()
	seg, unsynced := l.segs[len(l.segs)-1], l.unsynced
	l.mu.Unlock()
	if unsynced {
		if err := l.sync(seg); err != nil {
			return err
		}
	}
	l.mu.Lock()
	synced, number := l.synced, l.segs[len(l.segs)-1].number
	l.mu.Unlock()
	return l.writeMark(synced, number)
}

// Entries reads the entries from lo to hi-1, as many as have most bytes together,
// at least one.
func (l *Log) Entries(lo, hi, most uint64) ([]Entry, error) {
	var all []Entry
	size := uint64(0)
	for i := lo; i < hi; i++ {
		e, err := l.entry(i)
		if err != nil {
			return nil, err
		}
		if size += uint64(len(e.Data)); size > most && len(all) > 0 {
			break
		}
		all = append(all, e)
	}
	return all, nil
}

// find returns the segment of an entry, and the entry's offset.
func (l *Log) find(index uint64) (*segment, int64, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := len(l.segs) - 1; i >= 0; i-- {
		if s := l.segs[i]; len(s.at) > 0 && s.first <= index && index <= s.last() {
			return s, int64(s.at[index-s.first]) * 8, true
		}
	}
	return nil, 0, false
}

func (l *Log) entry(index uint64) (Entry, error) {
	s, at, ok := l.find(index)
	if !ok {
		return Entry{}, fmt.Errorf("index %d is not in the log", index)
	}
	b := make([]byte, 4096)
	n, err := readAt(s.file, b, at)
	if err != nil {
		return Entry{}, err
	}
	if n < recordHead {
		return Entry{}, &DamageError{File: segmentName(s.number), Offset: at, Index: index, What: "the record is gone"}
	}
	if size := padded(int(le.Uint32(b))); size > int64(n) {
		if fileSize, err := s.file.Size(); err != nil || at+size > fileSize+8 {
			return Entry{}, &DamageError{File: segmentName(s.number), Offset: at, Index: index, What: "the record is not valid any more"}
		}
		b = make([]byte, size)
		if n, err = readAt(s.file, b, at); err != nil {
			return Entry{}, err
		}
	}
	r, _, ok := parseRecord(b[:n], s.seed)
	if !ok || r.index != index {
		return Entry{}, &DamageError{File: segmentName(s.number), Offset: at, Index: index, What: "the record is not valid any more"}
	}
	return Entry{Index: r.index, Term: r.term, Type: r.typ, Data: r.content}, nil
}

// Term returns the term of an entry, or of the one before the first.
func (l *Log) Term(index uint64) (uint64, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if index == l.prev.Index {
		return l.prev.Term, true
	}
	for i := len(l.segs) - 1; i >= 0; i-- {
		if s := l.segs[i]; len(s.at) > 0 && s.first <= index && index <= s.last() {
			return s.term(index), true
		}
	}
	return 0, false
}

// Compact gives up the segments that hold nothing behind the position.
func (l *Log) Compact(upTo Position) {
	l.mu.Lock()
	var gone []*segment
	for len(l.segs) > 1 {
		// The next segment's first entry tells where this one ends.
		s, next := l.segs[0], l.segs[1]
		if len(s.at) > 0 && s.last() > upTo.Index || len(next.at) == 0 || next.first > upTo.Index+1 {
			break
		}
		term := uint64(0)
		if len(s.at) > 0 {
			term = s.term(s.last())
		}
		gone, l.segs = append(gone, s), l.segs[1:]
		l.prev = Position{next.first - 1, term}
	}
	l.mu.Unlock()
	for _, s := range gone {
		for sent := false; !sent; {
			select {
			case l.recycle <- s:
				sent = true
			default:
				if old := l.used(); old != nil { // the oldest goes first, so that no gap is left
					old.file.Close()
					_ = l.fs.Remove(segmentName(old.number))
				}
			}
		}
	}
}

// Close makes all safe that was appended, writes the mark, and gives up the
// directory.
func (l *Log) Close() error {
	close(l.done)
	l.ended.Wait()
	var err error
	if !l.failed.Load() && len(l.segs) > 0 {
		err = l.settle()
	}
	l.closeFiles()
	return err
}

func (l *Log) closeFiles() {
	for _, s := range l.segs {
		s.file.Close()
	}
	if l.markFile != nil {
		l.markFile.Close()
	}
	for {
		select {
		case s := <-l.ready:
			s.file.Close()
			continue
		case s := <-l.recycle:
			s.file.Close()
			continue
		default:
		}
		break
	}
	l.lock.Close()
}
