package engine

import (
	"crypto/aes"
	"slices"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// Load reads what Dump appended, or the records of a snapshot in any order, into
// an engine that is new and knows the types. next returns the next bytes, in
// parts of any size, and nil at their end. After an error the engine is of no
// use. It is bounded by its input: it never panics, and takes no more memory
// than a few times the bytes that were read.
//
// No session has a Peer. A state in which work of the engine's own was outside
// (see Engine.Runs) cannot be loaded.
func (e *Engine) Load(next func() ([]byte, error)) error {
	l := &loader{e: e, in: source{next: next}, sessions: make(map[uint64]*Session), read: make(map[*Session]bool)}
	if len(e.sessions)+len(e.objects) > 0 || e.idents != nil {
		return wire.Errorf(wire.CodeInternal, "a state is loaded into an engine that is new")
	}
	return l.run()
}

// LoadBytes is Load of bytes that are all there.
func (e *Engine) LoadBytes(b []byte) error {
	return e.Load(func() ([]byte, error) {
		part := b
		b = nil
		return part, nil
	})
}

// loader puts a state together.
type loader struct {
	e        *Engine
	in       source
	ended    bool
	parked   int                 // as the head says
	bytes    int64               // as the head says
	sessions map[uint64]*Session // those that others name, too
	read     map[*Session]bool   // those that were read
	calls    []loadedCall
	refs     []loadedRefs
	later    []func() *wire.Error
}

// loadedCall is a call whose objects may not have been read yet.
type loadedCall struct {
	*Call
	session, object uint64
	method          uint32
	hold, holder    uint64
	timed           bool
	list, behind    uint64
	awaits          uint64
}

type loadedRefs struct {
	session uint64
	ids     []uint64
	counts  []int64
}

// source is the bytes of a state.
type source struct {
	next func() ([]byte, error)
	b    []byte
	err  error // of next
}

// fill makes sure that there is a byte.
func (s *source) fill() bool {
	for len(s.b) == 0 {
		if s.next == nil {
			return false
		}
		s.b, s.err = s.next()
		if s.err != nil || s.b == nil {
			s.b, s.next = nil, nil
			return false
		}
	}
	return true
}

func (s *source) byte() (byte, bool) {
	if !s.fill() {
		return 0, false
	}
	v := s.b[0]
	s.b = s.b[1:]
	return v, true
}

// piece returns the next piece of a record, nil at its end.
func (s *source) piece() (_ []byte, ok bool) {
	var n uint64
	for shift := 0; ; shift += 7 {
		c, ok := s.byte()
		if !ok || shift > 56 {
			return nil, false
		}
		n |= uint64(c&0x7f) << shift
		if c < 0x80 {
			break
		}
	}
	if n == 0 {
		return nil, true
	}
	if s.fill() && uint64(len(s.b)) >= n {
		p := s.b[:n]
		s.b = s.b[n:]
		return p, true
	}
	var p []byte // grows with what is there, not with what the length says
	for uint64(len(p)) < n {
		if !s.fill() {
			return nil, false
		}
		part := s.b[:min(uint64(len(s.b)), n-uint64(len(p)))]
		p = append(p, part...)
		s.b = s.b[len(part):]
	}
	return p, true
}

func (l *loader) run() error {
	for n := 0; ; n++ {
		kind, ok := l.in.byte()
		if !ok {
			break
		}
		if l.ended || (n == 0) != (kind == recordHead) {
			return wire.Errorf(wire.CodeValue, "a record of kind %d where none belongs", kind)
		}
		if err := l.record(kind); err != nil {
			return err
		}
	}
	if l.in.err != nil {
		return l.in.err
	}
	if !l.ended {
		return errCut
	}
	return l.finish()
}

var errCut = wire.Errorf(wire.CodeValue, "the state is cut short")

var recordNames = [...]string{recordHead: "head", recordSession: "session", recordRefs: "references", recordObject: "object", recordCall: "call", recordEnd: "end"}

// record reads one record.
func (l *loader) record(kind byte) error {
	if int(kind) >= len(recordNames) || kind == 0 {
		return wire.Errorf(wire.CodeValue, "a record of kind %d", kind)
	}
	cut, whole := false, false
	d := &Decoder{what: recordNames[kind], load: l}
	d.more = func() []byte {
		p, ok := l.in.piece()
		cut = cut || !ok
		whole = whole || p == nil
		return p
	}
	switch kind {
	case recordHead:
		l.head(d)
	case recordSession:
		l.session(d)
	case recordRefs:
		l.references(d)
	case recordObject:
		l.object(d)
	case recordCall:
		l.call(d)
	case recordEnd:
		l.end(d)
	}
	d.end()
	switch {
	case l.in.err != nil:
		return l.in.err
	case cut:
		return errCut
	case d.err != nil:
		return d.err
	}
	return nil
}

func (l *loader) head(d *Decoder) {
	e := l.e
	if v := d.Uint(); v != FormatVersion && !d.Failed() {
		d.Fail("format version %d; this program reads %d", v, FormatVersion)
	}
	e.config.read(d)
	if d.Bool() {
		block, err := aes.NewCipher(e.config.Seed[:])
		if err != nil {
			d.Fail("%v", err)
		}
		e.idents = block
	}
	e.now = d.Int()
	e.lastID, e.lastPlace, e.fence = d.Uint(), d.Uint(), d.Uint()
	l.bytes = d.Int()
	l.parked = int(min(d.Uint(), 1<<40))
	e.term = d.Uint()
	if tables := d.tables(); !d.Failed() && tables != nil {
		if err := e.setTables(tables); err != nil {
			d.Fail("%v", err)
		}
	}
}

// sessionOf returns the session of that number, which may be read later.
func (l *loader) sessionOf(id uint64) *Session {
	s := l.sessions[id]
	if s == nil {
		s = &Session{ID: id}
		l.sessions[id] = s
	}
	return s
}

func (l *loader) session(d *Decoder) {
	s := l.sessionOf(d.Uint())
	if l.read[s] {
		d.Fail("number %d comes twice", s.ID)
		return
	}
	l.read[s] = true
	s.Info.read(d)
	s.Epoch = d.Uint()
	s.connected, s.over = d.Bool(), d.Bool()
	s.watermark = d.Uint()
	last := s.watermark
	for _, r := range d.ranges() {
		if r.From <= last || r.To < r.From {
			d.Fail("acknowledged %d to %d after %d", r.From, r.To, last)
		}
		last = r.To
		s.acked = append(s.acked, r)
	}
	for n := d.Uint(); n > 0 && !d.Failed(); n-- {
		s.mark(d.Uint(), d.Bool())
	}
	for n := d.Uint(); n > 0 && !d.Failed(); n-- {
		s.lost = append(s.lost, Lost{Object: d.Uint(), Token: d.Uint()})
	}
	s.objects = int(d.Uint())
	s.keptBytes = d.Int()
	s.opened = d.Int()
	if part := d.bytes(); len(part) > 0 {
		s.part = slices.Clone(part)
	}
	if !s.over && !d.Failed() {
		l.e.sessions[s.ID] = s
	}
}

func (i *SessionInfo) read(d *Decoder) {
	i.Program, i.Host, i.PID, i.Remote, i.KeyName = d.Text(), d.Text(), d.Uint(), d.Text(), d.Text()
	i.Role = Role(d.Byte())
	i.Prefixes = d.texts()
	d.fixed(i.Secret[:])
	i.Trusted, i.Shared = d.Bool(), d.Bool()
	i.Lease = d.Int()
	d.fixed(i.KeyPrint[:])
	i.MaxMessage = int(d.Int())
}

func (l *loader) references(d *Decoder) {
	r := loadedRefs{session: d.Uint()}
	for n := d.Uint(); n > 0 && !d.Failed(); n-- {
		r.ids = append(r.ids, d.Uint())
		r.counts = append(r.counts, d.Int())
	}
	l.refs = append(l.refs, r)
}

func (l *loader) object(d *Decoder) {
	e := l.e
	o := &Object{ID: d.Uint(), engine: e}
	name, isOutside := d.Text(), d.Bool()
	o.Type = e.types[name]
	if o.Type == nil || o.Type.Outside != isOutside {
		d.Fail("%d has the typeid %.140q, which is not registered", o.ID, name)
		return
	}
	d.what = o.Type.Name
	o.maker = d.Uint()
	o.Created = d.Int()
	o.Name = d.Text()
	o.removed, o.lost, o.poisoned = d.Bool(), d.Bool(), d.Bool()
	o.referring = d.Uint()
	o.pins, o.refs, o.kept = int(d.Int()), int(d.Int()), int(d.Int())
	o.bytes = d.Int()
	if work := d.Uint(); work != 0 {
		l.later = append(l.later, func() *wire.Error {
			if o.busy = e.work[work]; o.busy == nil {
				return wire.Errorf(wire.CodeValue, "object %d is busy with work %d, which is unknown", o.ID, work)
			}
			return nil
		})
	}
	last := uint64(0)
	d.hold = make(map[uint64]*Hold)
	for n := d.Uint(); n > 0 && !d.Failed(); n-- {
		h := &Hold{Object: o, Token: d.Uint()}
		session := d.Uint()
		h.Owner, h.Since, h.Count = d.Uint(), d.Int(), d.Int()
		if h.Token <= last {
			d.Fail("hold %d after %d", h.Token, last)
		}
		last = h.Token
		o.holds.Push(&h.inObject, h)
		d.hold[h.Token] = h
		h.Session = l.sessionOf(session)
	}
	if o.pins <= 0 || e.objects[o.ID] != nil || o.ID == 0 {
		d.Fail("object %d comes twice, or nothing pins it", o.ID)
	}
	if has := d.Bool(); has && !d.Failed() {
		l.state(o, d)
	}
	if d.Failed() {
		return
	}
	e.objects[o.ID] = o
}

// state reads the state of an object.
func (l *loader) state(o *Object, d *Decoder) {
	switch {
	case o.Type.Outside:
		o.State = outside{o}
	case o.Type.Load == nil:
		d.Fail("the type has no Load")
	default:
		defer func() {
			if p := recover(); p != nil {
				d.Fail("its state is none")
			}
		}()
		o.Type.Load(o, d)
		if o.State == nil {
			d.Fail("its state is none")
		}
	}
}

func (l *loader) call(d *Decoder) {
	c := &Call{timer: -1}
	lc := loadedCall{Call: c, session: d.Uint()}
	c.Serial = d.Uint()
	lc.object = d.Uint()
	lc.method = uint32(min(d.Uint(), 1<<31))
	c.state = callState(d.Byte())
	c.order = d.Uint()
	c.Item = wire.Raw(d.Text())
	for n := d.Uint(); n > 0 && !d.Failed(); n-- {
		c.Items = append(c.Items, wire.Raw(d.Text()))
	}
	c.N, c.Owner, c.Stage = d.Int(), d.Uint(), d.Byte()
	if lc.hold = d.Uint(); lc.hold != 0 {
		lc.holder = d.Uint()
	}
	c.guard, c.token = d.Uint(), d.Uint()
	c.argRefs, c.redone, c.granted, c.given = d.Bool(), d.Bool(), d.Bool(), d.Bool()
	c.timeout = d.Int()
	switch c.state {
	case callParked:
		lc.readWait(d)
	case callOutside:
		c.work = d.Uint()
		if d.Bool() {
			d.Fail("work %d was outside when the state was written down; a snapshot waits for such work", c.work)
		}
	case callDone:
		c.err = d.Failure()
		c.value = wire.Raw(d.Text())
		if d.Bool() {
			c.view = rawView(d.Text())
		}
	default:
		d.Fail("a call in state %d", c.state)
	}
	l.calls = append(l.calls, lc)
}

func (c *loadedCall) readWait(d *Decoder) {
	c.place = d.Uint()
	if c.timed = d.Bool(); c.timed {
		c.deadline = d.Int()
	}
	c.deferred = d.Bool()
	if args := d.bytes(); len(args) > 0 {
		c.args = slices.Clone(args)
	}
	if c.list = d.Uint(); c.list == 0 {
		c.behind = d.Uint()
	}
	if c.awaits = d.Uint(); c.awaits != 0 {
		c.since = d.Int()
	}
}

// rawView is a View that was encoded once.
type rawView string

// Append appends the value.
func (v rawView) Append(b []byte, _ Pause) []byte {
	return wire.AppendLong(wire.Grow(b, len(v)), string(v))
}

// Size implements Sized.
func (v rawView) Size() int { return len(v) }

func (l *loader) end(d *Decoder) {
	sessions, objects, calls := d.Uint(), d.Uint(), d.Uint()
	waiting := 0
	for i := range l.calls {
		if l.calls[i].state != callDone {
			waiting++
		}
	}
	if uint64(len(l.sessions)) != sessions || uint64(len(l.e.objects)) != objects || uint64(waiting) != calls {
		d.Fail("%d sessions, %d objects and %d calls were written, %d, %d and %d read", sessions, objects, calls,
			len(l.sessions), len(l.e.objects), waiting)
	}
	l.ended = true
}

// finish links what was read: lists, names, timers.
func (l *loader) finish() error {
	for _, step := range []func() *wire.Error{l.linkObjects, l.linkRefs, l.linkCalls, l.check} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (l *loader) linkObjects() *wire.Error {
	e := l.e
	all := make([]*Object, 0, len(e.objects))
	var holds []*Hold
	made := make(map[uint64]int)
	for _, o := range e.objects {
		all = append(all, o)
	}
	slices.SortFunc(all, func(a, b *Object) int { return compareUint(a.ID, b.ID) })
	var referring []*Object
	for _, o := range all {
		e.all.Push(&o.inAll, o)
		e.bytes += o.bytes
		if o.referring != 0 {
			referring = append(referring, o)
		}
		for h := o.holds.First(); h != nil; h = h.inObject.Next() {
			holds = append(holds, h)
		}
		made[o.maker]++
		if o.Name == "" || o.removed {
			continue
		}
		if _, had := e.names.Set(o.Name, o); had {
			return wire.Errorf(wire.CodeValue, "the name %q comes twice", o.Name)
		}
	}
	slices.SortFunc(referring, func(a, b *Object) int { return compareUint(a.referring, b.referring) })
	for _, o := range referring {
		e.refer.Push(&o.inRefs, o)
	}
	slices.SortFunc(holds, func(a, b *Hold) int { return compareUint(a.Token, b.Token) })
	for i, h := range holds {
		if i > 0 && holds[i-1].Token == h.Token {
			return wire.Errorf(wire.CodeValue, "hold %d comes twice", h.Token)
		}
		if h.Session.over {
			return wire.Errorf(wire.CodeValue, "hold %d of session %d, which is over", h.Token, h.Session.ID)
		}
		h.Session.holds.Push(&h.inSession, h)
	}
	for _, s := range l.sessions {
		if !l.read[s] {
			return wire.Errorf(wire.CodeValue, "session %d is named, and is not there", s.ID)
		}
		if s.objects != made[s.ID] && !s.over {
			return wire.Errorf(wire.CodeValue, "session %d made %d objects, counted %d", s.ID, s.objects, made[s.ID])
		}
	}
	return nil
}

func (l *loader) linkRefs() *wire.Error {
	count := make(map[*Object]int)
	for i := range l.refs {
		r := &l.refs[i]
		s := l.sessions[r.session]
		for k, id := range r.ids {
			o := l.e.objects[id]
			if s == nil || s.over || o == nil || r.counts[k] <= 0 || s.refs[id].object != nil {
				return wire.Errorf(wire.CodeValue, "session %d has no such reference to object %d", r.session, id)
			}
			if s.refs == nil {
				s.refs = make(map[uint64]sessionRef)
			}
			s.refs[id] = sessionRef{o, r.counts[k]}
			count[o]++
		}
	}
	for o := l.e.all.First(); o != nil; o = o.inAll.Next() {
		if o.refs != count[o] || o.pins < o.refs+o.kept {
			return wire.Errorf(wire.CodeValue, "object %d has %d references of sessions, counted %d, in %d pins", o.ID, o.refs, count[o], o.pins)
		}
	}
	return nil
}

func (l *loader) linkCalls() *wire.Error {
	slices.SortFunc(l.calls, func(a, b loadedCall) int { return compareUint(a.order, b.order) })
	for i := range l.calls {
		if err := l.linkCall(&l.calls[i]); err != nil {
			return err
		}
		if i > 0 && l.calls[i-1].order == l.calls[i].order {
			return l.calls[i].wrong("its place in its session is another call's")
		}
	}
	for _, link := range l.later {
		if err := link(); err != nil {
			return err
		}
	}
	// Behind the states: their lists are there, and linked to each other.
	waiting := make([]*loadedCall, 0, len(l.calls))
	for i := range l.calls {
		if c := &l.calls[i]; c.state == callParked {
			waiting = append(waiting, c)
		}
	}
	slices.SortFunc(waiting, func(a, b *loadedCall) int { return compareUint(a.place, b.place) })
	for i, c := range waiting {
		if i > 0 && waiting[i-1].place == c.place {
			return c.wrong("its place is another call's")
		}
		if err := l.linkWait(c); err != nil {
			return err
		}
	}
	return nil
}

func (c *loadedCall) wrong(what string) *wire.Error {
	return wire.Errorf(wire.CodeValue, "call %d of session %d: %s", c.Serial, c.session, what)
}

// linkCall enters a call into its session.
func (l *loader) linkCall(c *loadedCall) *wire.Error {
	e := l.e
	s := l.sessions[c.session]
	o := &e.root
	if c.object != 0 {
		o = e.objects[c.object]
	}
	if s == nil || c.Serial == 0 || s.calls.Get(c.Serial) != nil {
		return c.wrong("its session is unknown, or it comes twice")
	}
	c.Session, c.Call.Object = s, o
	if o == nil {
		// Its reply is kept beyond its object: only to be sent again.
		if c.state != callDone {
			return c.wrong("its object is unknown")
		}
		o = &Object{ID: c.object, engine: e, Type: new(Type)}
		c.Call.Object = o
	}
	if c.Method = o.Type.numbered(c.method); c.Method == nil && o.State == nil {
		c.Method = &Method{number: c.method}
	}
	if c.Method == nil {
		return c.wrong("its method is unknown")
	}
	if c.hold != 0 {
		if holder := e.objects[c.holder]; holder != nil {
			for h := holder.holds.First(); h != nil; h = h.inObject.Next() {
				if h.Token == c.hold {
					c.Hold = h
				}
			}
		}
		if c.Hold == nil {
			return c.wrong("its hold is unknown")
		}
	}
	s.calls.Put(c.Serial, c.Call)
	switch c.state {
	case callParked:
		if s.over {
			return c.wrong("it waits, and its session is over")
		}
		s.parked.Push(&c.inSession, c.Call)
		o.parked.Push(&c.inObject, c.Call)
		e.parked++
		e.bytes += parkedCost + int64(len(c.args))
	case callOutside:
		if c.work == 0 || e.work[c.work] != nil {
			return c.wrong("its work is another call's")
		}
		s.running.Push(&c.inSession, c.Call)
		e.work[c.work] = c.Call
		if c.Stage == stageConstruct && e.objects[uint64(c.N)] == nil {
			return c.wrong("the object that it makes is unknown")
		}
	case callDone:
		if s.over || c.Serial <= s.watermark || s.acked.Has(c.Serial) {
			return c.wrong("its reply is kept, and nobody waits for it")
		}
		s.kept.Push(&c.inSession, c.Call)
	}
	return nil
}

// linkWait enters a parked call into the list that it waits in.
func (l *loader) linkWait(c *loadedCall) *wire.Error {
	e := l.e
	var list *Waiters
	if c.list == 0 {
		if behind := e.objects[c.behind]; behind != nil {
			c.Call.behind, list = behind, &behind.waiting
		}
	} else if w, ok := c.Object.State.(Waitable); ok {
		if lists := w.Lists(); c.list <= uint64(len(lists)) {
			list = lists[c.list-1]
		}
	}
	if list == nil {
		return c.wrong("the list that it waits in is unknown")
	}
	c.enlist(list)
	if c.timed {
		e.timers.add(c.Call)
	}
	if c.awaits != 0 {
		target := e.objects[c.awaits]
		if target == nil {
			return c.wrong("the lock that it waits for is unknown")
		}
		since := c.since
		c.Call.Await(target)
		c.since = since
	}
	return nil
}

// check holds the sums against what was read.
func (l *loader) check() *wire.Error {
	e := l.e
	if e.bytes != l.bytes || e.parked != l.parked {
		return wire.Errorf(wire.CodeValue, "the state counts %d bytes and %d waiting calls; they are %d and %d", l.bytes, l.parked, e.bytes, e.parked)
	}
	for _, s := range e.sessions {
		size := int64(0)
		for c := s.kept.First(); c != nil; c = c.inSession.Next() {
			size += c.keptSize()
		}
		if size != s.keptBytes {
			return wire.Errorf(wire.CodeValue, "session %d keeps replies of %d bytes, counted %d", s.ID, s.keptBytes, size)
		}
	}
	return nil
}
