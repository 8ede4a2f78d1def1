package engine

import (
	"encoding/binary"
	"slices"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// FormatVersion is the version of what Dump appends and Load reads.
const FormatVersion = 1

// The kinds of records. The first record is the head, the last one the end;
// those between may come in any order, but Dump has one.
const (
	recordHead    = iota + 1 // what belongs to none of the others
	recordSession            // a session, without its calls and references
	recordRefs               // references that a session holds
	recordObject             // an object with its state and its holds
	recordCall               // a call that waits, is outside, or whose reply is kept
	recordEnd                // how many of each there were
)

// Record is one thing of the state, frozen: it stays as it is when the engine
// goes on, and is encoded outside the lock.
type Record struct {
	kind byte
	head []byte
	rows Rows // nil: head is all
	tail View // of a kept reply
}

// Rows is what is large of a state, frozen: a sequence of rows, each of which is
// encoded by itself.
type Rows interface {
	// AppendRows appends the rows from a cursor on, until about limit bytes are
	// appended or none is left, and returns the cursor of the next row, or 0. The
	// first cursor is 0. Which bytes a row has does not depend on the limit.
	AppendRows(b []byte, from uint64, limit int) (_ []byte, next uint64)
}

// pieceSize is about how many bytes of a record are encoded at once.
const pieceSize = 256 << 10

// Pieces calls write with the record's encoding, piece by piece, in memory that
// is used again, until it returns an error.
//
// A record is its kind, then pieces, each after its length, and a length of 0.
// No field lies in two pieces.
func (r *Record) Pieces(buf []byte, write func(piece []byte) error) ([]byte, error) {
	piece := func(b []byte) error {
		if len(b) == 0 {
			return nil
		}
		var n [binary.MaxVarintLen64]byte
		if err := write(n[:binary.PutUvarint(n[:], uint64(len(b)))]); err != nil {
			return err
		}
		return write(b)
	}
	if err := write([]byte{r.kind}); err != nil {
		return buf, err
	}
	if err := piece(r.head); err != nil {
		return buf, err
	}
	if r.tail != nil {
		if err := piece(AppendText(nil, r.tail.Append(nil, nil))); err != nil {
			return buf, err
		}
	}
	for from := uint64(0); r.rows != nil; {
		buf, from = r.rows.AppendRows(buf[:0], from, pieceSize)
		if err := piece(buf); err != nil {
			return buf, err
		}
		if from == 0 {
			break
		}
	}
	return buf, write([]byte{0})
}

// Dump appends the whole state: Load makes an engine of it that cannot be told
// from this one. Two engines in the same state give the same bytes.
func (e *Engine) Dump(b []byte) []byte {
	var buf []byte
	e.Records(func(r Record) {
		buf, _ = r.Pieces(buf, func(p []byte) error {
			b = append(b, p...)
			return nil
		})
	})
	return b
}

// Records calls add with the whole state, record by record, frozen: they may be
// encoded when the engine has gone on. Their bytes, joined, are what Dump appends.
func (e *Engine) Records(add func(Record)) {
	add(e.headRecord())
	sessions := e.allSessions()
	for _, s := range sessions {
		s.records(add)
	}
	e.root.records(add)
	for o := e.all.First(); o != nil; o = o.inAll.Next() {
		o.records(add)
	}
	add(e.endRecord(len(sessions)))
}

// Sessions calls yield with each session, by number.
func (e *Engine) Sessions(yield func(s *Session) bool) {
	for _, s := range e.allSessions() {
		if !s.over && !yield(s) {
			return
		}
	}
}

// Runs returns how much work of the engine's own is outside (Work.Run). While
// there is any, the state cannot be written down: closures cannot.
func (e *Engine) Runs() int { return e.runs }

// allSessions returns the sessions by number, and with them those that are over
// while work for them is still outside.
func (e *Engine) allSessions() []*Session {
	all := make([]*Session, 0, len(e.sessions))
	for _, s := range e.sessions {
		all = append(all, s)
	}
	for _, c := range e.work {
		if c.Session.over && c.Session.running.First() == c {
			all = append(all, c.Session)
		}
	}
	slices.SortFunc(all, func(a, b *Session) int { return compareUint(a.ID, b.ID) })
	return all
}

func compareUint(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func (e *Engine) headRecord() Record {
	b := binary.AppendUvarint(nil, FormatVersion)
	b = e.config.append(b)
	b = AppendBool(b, e.idents != nil)
	b = binary.AppendVarint(b, e.now)
	b = binary.AppendUvarint(b, e.lastID)
	b = binary.AppendUvarint(b, e.lastPlace)
	b = binary.AppendUvarint(b, e.fence)
	b = binary.AppendVarint(b, e.bytes)
	b = binary.AppendUvarint(b, uint64(e.parked))
	b = binary.AppendUvarint(b, e.term)
	b = appendTables(b, e.tables)
	return Record{kind: recordHead, head: b}
}

func (c *Config) append(b []byte) []byte {
	b = append(b, c.Seed[:]...)
	b = binary.AppendUvarint(b, c.FenceBase)
	b = append(b, c.IDBits)
	b = binary.AppendUvarint(b, c.Slot)
	for _, n := range c.limits() {
		b = binary.AppendVarint(b, n)
	}
	return b
}

func (c *Config) read(d *Decoder) {
	d.fixed(c.Seed[:])
	c.FenceBase, c.IDBits, c.Slot = d.Uint(), d.Byte(), d.Uint()
	if c.IDBits > 16 || c.Slot>>c.IDBits != 0 {
		d.Fail("slot %d in %d bits of ids", c.Slot, c.IDBits)
	}
	var limits [9]int64
	for i := range limits {
		limits[i] = d.Int()
	}
	c.setLimits(limits)
}

// limits returns the limits in a fixed order.
func (c *Config) limits() []int64 {
	return []int64{
		int64(c.MaxDepth), int64(c.MaxSessions), int64(c.MaxOutstanding), int64(c.MaxParked), int64(c.MaxKept),
		int64(c.MaxObjects), int64(c.MaxRefs), int64(c.MaxItems), c.MaxBytes,
	}
}

// setLimits is the inverse of limits.
func (c *Config) setLimits(n [9]int64) {
	c.MaxDepth, c.MaxSessions, c.MaxOutstanding, c.MaxParked, c.MaxKept = int(n[0]), int(n[1]), int(n[2]), int(n[3]), int(n[4])
	c.MaxObjects, c.MaxRefs, c.MaxItems, c.MaxBytes = int(n[5]), int(n[6]), int(n[7]), n[8]
}

func (e *Engine) endRecord(sessions int) Record {
	b := binary.AppendUvarint(nil, uint64(sessions))
	b = binary.AppendUvarint(b, uint64(len(e.objects)))
	b = binary.AppendUvarint(b, uint64(e.parked+len(e.work)))
	return Record{kind: recordEnd, head: b}
}

// records calls add with the records of a session: itself, its references, and
// its calls that do not wait. Those that do are with their objects.
func (s *Session) records(add func(Record)) {
	b := binary.AppendUvarint(nil, s.ID)
	b = s.Info.append(b)
	b = binary.AppendUvarint(b, s.Epoch)
	b = AppendBool(b, s.connected)
	b = AppendBool(b, s.over)
	b = binary.AppendUvarint(b, s.watermark)
	b = appendRanges(b, s.acked)
	serials := make([]uint64, 0, len(s.marks))
	for serial := range s.marks {
		serials = append(serials, serial)
	}
	slices.Sort(serials)
	b = binary.AppendUvarint(b, uint64(len(serials)))
	for _, serial := range serials {
		b = AppendBool(binary.AppendUvarint(b, serial), s.marks[serial])
	}
	b = binary.AppendUvarint(b, uint64(len(s.lost)))
	for _, l := range s.lost {
		b = binary.AppendUvarint(binary.AppendUvarint(b, l.Object), l.Token)
	}
	b = binary.AppendUvarint(b, uint64(s.objects))
	b = binary.AppendVarint(b, s.keptBytes)
	b = binary.AppendVarint(b, s.opened)
	b = AppendText(b, s.part)
	add(Record{kind: recordSession, head: b})
	if len(s.refs) > 0 {
		add(s.refsRecord())
	}
	for c := s.running.First(); c != nil; c = c.inSession.Next() {
		add(c.record())
	}
	for c := s.kept.First(); c != nil; c = c.inSession.Next() {
		add(c.record())
	}
}

func (s *Session) refsRecord() Record {
	ids := make([]uint64, 0, len(s.refs))
	for id := range s.refs {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	b := binary.AppendUvarint(nil, s.ID)
	b = binary.AppendUvarint(b, uint64(len(ids)))
	for _, id := range ids {
		b = binary.AppendVarint(binary.AppendUvarint(b, id), s.refs[id].count)
	}
	return Record{kind: recordRefs, head: b}
}

func (i *SessionInfo) append(b []byte) []byte {
	b = AppendText(b, i.Program)
	b = AppendText(b, i.Host)
	b = binary.AppendUvarint(b, i.PID)
	b = AppendText(b, i.Remote)
	b = AppendText(b, i.KeyName)
	b = appendTexts(append(b, byte(i.Role)), i.Prefixes)
	b = append(b, i.Secret[:]...)
	b = AppendBool(b, i.Trusted)
	b = AppendBool(b, i.Shared)
	b = binary.AppendVarint(b, i.Lease)
	b = append(b, i.KeyPrint[:]...)
	return binary.AppendVarint(b, int64(i.MaxMessage))
}

func appendRanges(b []byte, ranges []wire.Range) []byte {
	b = binary.AppendUvarint(b, uint64(len(ranges)))
	for _, r := range ranges {
		b = binary.AppendUvarint(binary.AppendUvarint(b, r.From), r.To)
	}
	return b
}

// records calls add with the records of an object: itself with its state and
// holds, and the calls that wait for it.
func (o *Object) records(add func(Record)) {
	if o != &o.engine.root {
		add(o.record())
	}
	for c := o.parked.First(); c != nil; c = c.inObject.Next() {
		add(c.record())
	}
}

func (o *Object) record() Record {
	b := binary.AppendUvarint(nil, o.ID)
	b = AppendText(b, o.Type.Name)
	b = AppendBool(b, o.Type.Outside)
	b = binary.AppendUvarint(b, o.maker)
	b = binary.AppendVarint(b, o.Created)
	b = AppendText(b, o.Name)
	b = AppendBool(b, o.removed)
	b = AppendBool(b, o.lost)
	b = AppendBool(b, o.poisoned)
	b = binary.AppendUvarint(b, o.referring)
	b = binary.AppendVarint(b, int64(o.pins))
	b = binary.AppendVarint(b, int64(o.refs))
	b = binary.AppendVarint(b, int64(o.kept))
	b = binary.AppendVarint(b, o.bytes)
	work := uint64(0)
	if o.busy != nil {
		work = o.busy.work
	}
	b = binary.AppendUvarint(b, work)
	b = binary.AppendUvarint(b, uint64(o.holds.Len()))
	for h := o.holds.First(); h != nil; h = h.inObject.Next() {
		b = binary.AppendUvarint(b, h.Token)
		b = binary.AppendUvarint(b, h.Session.ID)
		b = binary.AppendUvarint(b, h.Owner)
		b = binary.AppendVarint(b, h.Since)
		b = binary.AppendVarint(b, h.Count)
	}
	r := Record{kind: recordObject}
	r.head, r.rows = o.dumpState(b)
	return r
}

// dumpState appends the state. That of a damaged object may be past writing
// down; then there is none.
func (o *Object) dumpState(b []byte) (_ []byte, rows Rows) {
	if o.State == nil {
		return AppendBool(b, false), nil
	}
	n := len(b)
	if o.poisoned {
		defer func() {
			if recover() != nil {
				b, rows = AppendBool(b[:n], false), nil
			}
		}()
	}
	return o.State.Dump(AppendBool(b, true))
}

// record returns the record of a call.
func (c *Call) record() Record {
	b := binary.AppendUvarint(make([]byte, 0, 128), c.Session.ID)
	b = binary.AppendUvarint(b, c.Serial)
	b = binary.AppendUvarint(b, c.Object.ID)
	b = binary.AppendUvarint(b, uint64(c.Method.number))
	b = append(b, byte(c.state))
	b = binary.AppendUvarint(b, c.order)
	b = AppendText(b, string(c.Item))
	b = binary.AppendUvarint(b, uint64(len(c.Items)))
	for _, item := range c.Items {
		b = AppendText(b, string(item))
	}
	b = binary.AppendVarint(b, c.N)
	b = binary.AppendUvarint(b, c.Owner)
	b = append(b, c.Stage)
	if c.Hold != nil && c.Hold.inObject.In() {
		b = binary.AppendUvarint(binary.AppendUvarint(b, c.Hold.Token), c.Hold.Object.ID)
	} else {
		b = append(b, 0)
	}
	b = binary.AppendUvarint(b, c.guard)
	b = binary.AppendUvarint(b, c.token)
	b = AppendBool(b, c.argRefs)
	b = AppendBool(b, c.redone)
	b = AppendBool(b, c.granted)
	b = AppendBool(b, c.given)
	b = binary.AppendVarint(b, c.timeout)
	switch c.state {
	case callParked:
		b = c.appendWait(b)
	case callOutside:
		b = binary.AppendUvarint(b, c.work)
		b = AppendBool(b, c.run != nil)
	case callDone:
		b = AppendFailure(b, c.err)
		b = AppendText(b, string(c.value))
		b = AppendBool(b, c.view != nil)
		if c.view != nil {
			return Record{kind: recordCall, head: b, tail: c.view}
		}
	}
	return Record{kind: recordCall, head: b}
}

// appendWait appends how the call waits.
func (c *Call) appendWait(b []byte) []byte {
	b = binary.AppendUvarint(b, c.place)
	b = AppendBool(b, c.timer >= 0)
	if c.timer >= 0 {
		b = binary.AppendVarint(b, c.deadline)
	}
	b = AppendBool(b, c.deferred)
	b = AppendText(b, c.args)
	if c.behind != nil {
		b = binary.AppendUvarint(append(b, 0), c.behind.ID)
	} else {
		b = binary.AppendUvarint(b, uint64(c.listNumber()))
	}
	if c.awaits == nil {
		return append(b, 0)
	}
	return binary.AppendVarint(binary.AppendUvarint(b, c.awaits.Target.ID), c.since)
}

// listNumber returns which of the lists of its object the call stands in, from 1
// on.
func (c *Call) listNumber() int {
	if w, ok := c.Object.State.(Waitable); ok {
		for i, l := range w.Lists() {
			if l == c.list {
				return i + 1
			}
		}
	}
	panic("engine: a call of " + c.Object.Type.Name + " waits in a list that Lists does not name")
}
