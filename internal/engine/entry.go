package engine

import (
	"encoding/binary"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// A log entry is what a leader had ready when the log was free: the version, the
// leader's term, the time, and items. An item is a command, or frames of one
// session as they came, which are commands to the parser of this package: it is
// part of the state machine, and its version is the entry's.

// The kinds of items that are no command.
const (
	itemFrames = 0x80 + iota // session, epoch, and frames
	itemPart                 // session, epoch, last, and a part of a frame
)

// AppendEntry begins an entry. now is the time of all its commands.
func AppendEntry(b []byte, term uint64, now int64) []byte {
	b = binary.AppendUvarint(append(b, CommandVersion), term)
	return binary.AppendVarint(b, now)
}

// AppendFrames appends an item: whole frames of a session, heads included, that
// came while it had the epoch. They may be CALL, CANCEL, ACK and CLOSE.
func AppendFrames(b []byte, session, epoch uint64, frames []byte) []byte {
	b = binary.AppendUvarint(append(b, itemFrames), session)
	b = binary.AppendUvarint(b, epoch)
	return AppendText(b, frames)
}

// AppendPart appends an item: a part of a frame that is too large for one entry.
// The state keeps the parts until the last one comes, or the session's epoch ends.
func AppendPart(b []byte, session, epoch uint64, last bool, part []byte) []byte {
	b = binary.AppendUvarint(append(b, itemPart), session)
	b = binary.AppendUvarint(b, epoch)
	return AppendText(AppendBool(b, last), part)
}

// AppendCommand appends an item: a command. Its Now and Result do not count, and
// OpShutdown is refused: the end of a server is not part of the log.
func AppendCommand(b []byte, c *Command) ([]byte, error) {
	b = append(b, byte(c.Op))
	switch c.Op {
	case OpConfigure:
		b = c.Config.append(b)
	case OpOpen:
		b = c.Open.append(b)
	case OpTick, OpCollect:
	case OpTakeover:
		b = binary.AppendUvarint(b, c.Term)
	case OpTypes:
		b = appendTables(b, c.Types)
	case OpComplete:
		b = binary.AppendUvarint(b, c.Work)
		b = AppendFailure(b, c.Error)
		b = AppendText(b, c.NewType)
		b = AppendText(b, c.Value)
	case OpResume, OpLose, OpExpire, OpClose, OpCall, OpCancel, OpAck, OpRegrant:
		b = binary.AppendUvarint(b, c.Session)
		b = binary.AppendUvarint(b, c.Epoch)
		b = c.appendOfSession(b)
	default:
		return b, wire.Errorf(wire.CodeInternal, "command %d is not for a log", c.Op)
	}
	return b, nil
}

func (c *Command) appendOfSession(b []byte) []byte {
	switch c.Op {
	case OpCall:
		b = binary.AppendUvarint(b, c.Serial)
		b = binary.AppendUvarint(b, c.Acked)
		b = binary.AppendUvarint(b, c.Object)
		b = binary.AppendUvarint(b, uint64(c.Method))
		b = AppendText(b, c.Name)
		if b = AppendBool(b, c.HasTimeout); c.HasTimeout {
			b = binary.AppendVarint(b, c.Timeout)
		}
		b = binary.AppendUvarint(b, c.Guard)
		b = binary.AppendUvarint(b, c.Token)
		b = AppendText(b, c.Args)
	case OpCancel:
		b = AppendBool(binary.AppendUvarint(b, c.Serial), c.Abandon)
	case OpAck:
		b = appendRanges(binary.AppendUvarint(b, c.Acked), c.Ranges)
	case OpRegrant:
		b = append(b, byte(c.Open.Role))
		b = appendTexts(b, c.Open.Prefixes)
	}
	return b
}

func appendTexts(b []byte, texts []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(texts)))
	for _, t := range texts {
		b = AppendText(b, t)
	}
	return b
}

func (d *Decoder) texts() (texts []string) {
	for n := d.Uint(); n > 0 && !d.Failed(); n-- {
		texts = append(texts, d.Text())
	}
	return texts
}

func (d *Decoder) ranges() (ranges []wire.Range) {
	for n := d.Uint(); n > 0 && !d.Failed(); n-- {
		ranges = append(ranges, wire.Range{From: d.Uint(), To: d.Uint()})
	}
	return ranges
}

// EntryHead returns the leader's term and the time of an entry.
func EntryHead(entry []byte) (term uint64, now int64, err error) {
	d := entryDecoder(entry)
	term, now = d.head()
	return term, now, d.failure()
}

func entryDecoder(entry []byte) *Decoder { return &Decoder{b: entry, what: "log entry"} }

func (d *Decoder) head() (term uint64, now int64) {
	if v := d.Byte(); v != CommandVersion && !d.Failed() {
		d.Fail("version %d; this program reads %d", v, CommandVersion)
	}
	return d.Uint(), d.Int()
}

func (d *Decoder) failure() error {
	if d.err != nil {
		return d.err
	}
	return nil
}

// ApplyEntry applies the items of an entry in their order, and appends to fx what
// they ask for. After each command it calls done, unless that is nil, with the
// item's place in the entry, the command, which is valid until done returns, and
// the error of Apply. A frame with an error ends its item: the rest of the
// connection's frames is not applied. The entry's memory may be used again.
//
// The error of ApplyEntry says that the entry is damaged. Nothing of it may count
// then, so it is checked whole before the first command is applied.
func (e *Engine) ApplyEntry(entry []byte, fx *Effects, done func(item int, c *Command, err error)) error {
	if done == nil {
		done = func(int, *Command, error) {}
	}
	for _, apply := range []bool{false, true} {
		d := entryDecoder(entry)
		_, now := d.head()
		for i := 0; d.err == nil && len(d.b) > 0; i++ {
			var item logItem
			item.read(d)
			if d.err == nil && apply {
				e.applyItem(&item, now, fx, func(c *Command, err error) { done(i, c, err) })
			}
		}
		if d.err != nil {
			return d.err
		}
	}
	return nil
}

// logItem is an item of an entry. Its bytes are borrowed.
type logItem struct {
	kind           byte
	command        Command
	session, epoch uint64
	last           bool
	bytes          []byte
}

func (t *logItem) read(d *Decoder) {
	t.kind = d.Byte()
	switch t.kind {
	case itemFrames:
		t.session, t.epoch, t.bytes = d.Uint(), d.Uint(), d.bytes()
	case itemPart:
		t.session, t.epoch, t.last, t.bytes = d.Uint(), d.Uint(), d.Bool(), d.bytes()
	default:
		t.command.Op = Op(t.kind)
		t.command.read(d)
	}
}

func (c *Command) read(d *Decoder) {
	c.Version = CommandVersion
	switch c.Op {
	case OpConfigure:
		c.Config = new(Config)
		c.Config.read(d)
	case OpOpen:
		c.Open = new(SessionInfo)
		c.Open.read(d)
	case OpTick, OpCollect:
	case OpTakeover:
		c.Term = d.Uint()
	case OpTypes:
		c.Types = d.tables()
	case OpComplete:
		c.Work, c.Error, c.NewType, c.Value = d.Uint(), d.Failure(), d.Text(), d.bytes()
	case OpResume, OpLose, OpExpire, OpClose, OpCall, OpCancel, OpAck, OpRegrant:
		c.Session, c.Epoch = d.Uint(), d.Uint()
		c.readOfSession(d)
	default:
		d.Fail("an item of kind %d", c.Op)
	}
}

func (c *Command) readOfSession(d *Decoder) {
	switch c.Op {
	case OpCall:
		c.Serial, c.Acked, c.Object = d.Uint(), d.Uint(), d.Uint()
		c.Method = uint32(min(d.Uint(), 1<<32-1))
		c.Name = d.bytes()
		if c.HasTimeout = d.Bool(); c.HasTimeout {
			c.Timeout = d.Int()
		}
		c.Guard, c.Token, c.Args = d.Uint(), d.Uint(), d.bytes()
	case OpCancel:
		c.Serial, c.Abandon = d.Uint(), d.Bool()
	case OpAck:
		c.Acked, c.Ranges = d.Uint(), d.ranges()
	case OpRegrant:
		c.Open = &SessionInfo{Role: Role(d.Byte()), Prefixes: d.texts()}
	}
}

func (e *Engine) applyItem(t *logItem, now int64, fx *Effects, done func(c *Command, err error)) {
	switch t.kind {
	case itemFrames:
		for frames := t.bytes; len(frames) > 0; {
			c := Command{Now: now, Session: t.session, Epoch: t.epoch}
			rest, err := c.readFrame(frames)
			if err == nil {
				err = e.Apply(&c, fx)
			}
			if done(&c, err); err != nil {
				return
			}
			frames = rest
		}
	case itemPart:
		e.applyPart(t, now, fx, done)
	default:
		t.command.Now = now
		done(&t.command, e.Apply(&t.command, fx))
	}
}

// applyPart keeps a part of a frame, or applies the frame with the last one.
func (e *Engine) applyPart(t *logItem, now int64, fx *Effects, done func(c *Command, err error)) {
	s := e.sessions[t.session]
	c := Command{Now: now, Session: t.session, Epoch: t.epoch}
	if s == nil || s.Epoch != t.epoch {
		done(&c, errEpoch)
		return
	}
	e.now = max(e.now, now)
	s.part = append(s.part, t.bytes...)
	if !t.last {
		return
	}
	frame := s.part
	s.part = nil
	c.Owned = true
	rest, err := c.readFrame(frame)
	if err == nil && len(rest) > 0 {
		err = errFrames
	}
	if err == nil {
		err = e.Apply(&c, fx)
	}
	done(&c, err)
}

var errFrames = wire.Errorf(wire.CodeProtocol, "frames in the log that are none, or are cut short")

// readFrame makes a command of the first frame, and returns the others.
func (c *Command) readFrame(frames []byte) (rest []byte, err error) {
	if len(frames) < wire.HeadSize {
		return nil, errFrames
	}
	n := uint64(binary.BigEndian.Uint32(frames)) + 4
	if n < wire.HeadSize || n > uint64(len(frames)) {
		return nil, errFrames
	}
	return frames[n:], c.ReadFrame(frames[4], frames[wire.HeadSize:n])
}

// ReadFrame sets what a frame of the kind says: CALL, ACK, CANCEL or CLOSE.
// Session, Epoch, Now and Owned stay. Its memory is borrowed from the body.
func (c *Command) ReadFrame(kind byte, body []byte) error {
	switch kind {
	case wire.KindCall:
		var m wire.Call
		if err := wire.ParseCall(body, &m); err != nil {
			return err
		}
		c.SetCall(&m)
	case wire.KindAck:
		m, err := wire.ParseAck(body, nil)
		if err != nil {
			return err
		}
		c.Op, c.Acked, c.Ranges = OpAck, m.Watermark, m.Ranges
	case wire.KindCancel:
		m, err := wire.ParseCancel(body)
		if err != nil {
			return err
		}
		c.Op, c.Serial, c.Abandon = OpCancel, m.Serial, m.Mode == wire.CancelAbandon
	case wire.KindClose:
		c.Op = OpClose
	default:
		return wire.Errorf(wire.CodeProtocol, "unknown message kind %d", kind)
	}
	return nil
}

// SetCall makes the command the call of a CALL.
func (c *Command) SetCall(m *wire.Call) {
	c.Op, c.Serial, c.Acked, c.Object = OpCall, m.Serial, m.Acked, m.Object
	c.Method, c.Name = uint32(min(m.Method, 1<<31)), m.Name
	c.HasTimeout, c.Timeout = m.Flags&wire.CallTimeout != 0, int64(min(m.Timeout, 1<<62))
	c.Guard, c.Token, c.Args = m.Guard, m.Token, m.Args
}
