package engine

import (
	"math"

	"github.com/syncmanager/syncmanager/internal/wire"
)

type callState uint8

const (
	callRunning callState = iota // in its handler
	callParked                   // in a Waiters list, or waiting for a busy object
	callOutside                  // work outside is under way
	callDone                     // replied; kept if its session must be able to ask again
)

// Call is one call of a session, from its arrival to the acknowledgement of
// its reply. A handler may use it until it replies, and while it is parked.
type Call struct {
	// Fixed when it arrives.
	Session *Session
	Serial  uint64
	Object  *Object
	Method  *Method
	// Args are the arguments. They are borrowed: valid in the handler only.
	Args wire.Reader

	// The handler's own while the call is parked or its reply is kept.
	Item  wire.Raw
	Items []wire.Raw
	N     int64
	Owner uint64
	Hold  *Hold
	Stage uint8

	// Owned by the engine.
	guard    uint64 // the lock whose hold the call is conditional on, or 0
	token    uint64
	sig      *Signature // of what Args are for: the method, or a constructor
	argRefs  bool
	argBytes int  // of all arguments, if they are the engine's for good, else 0
	redone   bool // the reply says that an item is delivered again
	granted  bool // the reply granted references
	counted  bool // the references of its reply were counted outside: refs
	plain    bool // the reply holds no reference
	given    bool // the caller has abandoned it
	deferred bool // parked because its object is busy, before its handler ran
	state    callState
	timeout  int64 // nanoseconds, or noTimeout
	deadline int64
	order    uint64 // of the calls of its session in one state
	place    uint64 // of those in a list
	timer    int
	work     uint64
	args     []byte // owned, while deferred
	value    wire.Raw
	view     View
	refs     []refCount // until the reply is sent
	err      *wire.Error
	list     *Waiters
	behind   *Object               // the object that it waits for because that is busy
	run      func(pause Pause) any // its work outside, if that is the engine's own
	result   any                   // of run, see Engine.Provide
	query    uint8                 // see Query
	awaits   *Await                // what its owner waits for, see Await
	since    int64                 // when that began
	free     *Call                 // the next unused one

	inQueue   Link[Call] // of list
	inSession Link[Call] // of the session's calls in one state
	inObject  Link[Call] // of the calls parked on the object
	inAwait   Link[Call] // of the calls in which the owner waits for one object
}

const noTimeout = math.MaxInt64

// NoWait reports whether the caller asked not to wait at all.
func (c *Call) NoWait() bool { return c.timeout == 0 }

// Forever reports whether the caller set no deadline.
func (c *Call) Forever() bool { return c.timeout == noTimeout }

// DefaultTimeout sets the time that the call may wait, in nanoseconds, unless
// the caller set one.
func (c *Call) DefaultTimeout(d int64) {
	if c.timeout == noTimeout {
		c.timeout = max(d, 0)
	}
}

// ArgRefs reports whether an argument holds a reference.
func (c *Call) ArgRefs() bool { return c.argRefs }

// Engine returns the engine.
func (c *Call) Engine() *Engine { return c.Object.engine }

// The values that replies most often carry.
const (
	rawNil   wire.Raw = "\xc0"
	rawFalse wire.Raw = "\xc2"
	rawTrue  wire.Raw = "\xc3"
)

// smallInts are the encodings of the integers below 1024, so that counts cost
// no allocation.
var smallInts = func() (t [1024]wire.Raw) {
	for i := range t {
		t[i] = wire.Raw(wire.AppendInt(nil, int64(i)))
	}
	return t
}()

// open panics if the call was answered. Its memory may be another call's then.
func (c *Call) open() {
	if c.Object == nil || c.state == callDone {
		panic("engine: a call was answered twice")
	}
}

// Return replies with a value that is already owned.
func (c *Call) Return(v wire.Raw) {
	c.open()
	c.value = v
	c.finish()
}

// ReturnBytes replies with a value, which is copied.
func (c *Call) ReturnBytes(v []byte) { c.Return(wire.Raw(v)) }

// ReturnView replies with a value that is encoded outside the lock.
func (c *Call) ReturnView(v View) {
	c.open()
	c.view = v
	c.finish()
}

// ReturnText replies with a view that holds no reference.
func (c *Call) ReturnText(v View) {
	c.plain = true
	c.ReturnView(v)
}

// ReturnNil replies with nil.
func (c *Call) ReturnNil() { c.Return(rawNil) }

// ReturnBool replies with a bool.
func (c *Call) ReturnBool(v bool) {
	if v {
		c.Return(rawTrue)
	} else {
		c.Return(rawFalse)
	}
}

// ReturnInt replies with an integer.
func (c *Call) ReturnInt(v int64) {
	if v >= 0 && v < int64(len(smallInts)) {
		c.Return(smallInts[v])
		return
	}
	var buf [9]byte
	c.Return(wire.Raw(wire.AppendInt(buf[:0], v)))
}

// Redelivered marks the reply: the item that it carries was in a reply before,
// whose receiver died.
func (c *Call) Redelivered() { c.redone = true }

// Fail replies with an error. One that is no *wire.Error becomes an internal
// error.
func (c *Call) Fail(err error) {
	c.open()
	we, ok := err.(*wire.Error)
	if !ok {
		we = argError(c.Object, c.Method, err)
	}
	c.err = we
	c.finish()
}

// argError turns what is wrong with the arguments into ErrType.
func argError(o *Object, m *Method, err error) *wire.Error {
	return wrongArgs(o.Type.Name+"."+m.Name, m.Params, err)
}

func wrongArgs(name, params string, err error) *wire.Error {
	if _, ok := err.(*miscount); ok {
		return wire.Errorf(wire.CodeType, "%s(%s) %v", name, params, err)
	}
	return wire.Errorf(wire.CodeType, "%s(%s): %v", name, params, err)
}

// finish sends the reply and decides whether it is kept.
func (c *Call) finish() {
	e, s := c.Object.engine, c.Session
	if c.query != 0 {
		c.bound()
		c.query = queryAnswered
		e.reply(c)
		c.state = callDone
		return
	}
	if c.state == callParked {
		e.unpark(c)
	}
	c.bound()
	refs := c.err == nil && c.mayGrant()
	if refs && !c.counted && (c.view != nil || len(c.value) > grantHere) && c.Method.Flags&(Reads|Parks) == Reads {
		value, view := c.value, c.view
		if c.value, c.view = "", nil; view != nil {
			c.computeView(view)
		} else {
			c.Compute(func(Pause) (wire.Raw, error) { return value, nil })
		}
		return
	}
	c.state = callDone
	if c.Object != &e.root {
		e.unpin(c.Object) // a kept reply does not keep the object
	}
	if s.over || c.given || c.Serial <= s.watermark || s.acked.Has(c.Serial) {
		// Nobody waits for it: give back at once what it took.
		e.undo(c)
		e.drop(c)
		return
	}
	if refs {
		c.grant()
	}
	e.reply(c)
	if c.Method.Flags&(Reads|Parks) == Reads && !c.granted {
		e.drop(c)
		return
	}
	c.Args, c.args = wire.Reader{}, nil // a kept reply does not keep what was asked
	s.calls.Put(c.Serial, c)
	c.order = e.nextPlace()
	s.kept.Push(&c.inSession, c)
	s.keptBytes += c.keptSize()
}

// keptCost is what the engine counts for a kept reply beyond its bytes.
const keptCost = 512

func (c *Call) keptSize() int64 { return int64(len(c.value)) + keptCost }

// replyHead is what a reply's message has at most beside its value.
const replyHead = 16

// Fits refuses a reply of n bytes that the session does not take. A method that
// hands something over asks before it takes it out: what cannot be delivered is not
// done.
func (s *Session) Fits(n int) error {
	if most := s.Info.MaxMessage; most > 0 && n > most-replyHead {
		return wire.Errorf(wire.CodeTooLarge, "a reply of %d bytes; the limit of its receiver is %d; nothing was done", n, most)
	}
	return nil
}

// bound makes an error of a reply that its receiver does not take. One that hands
// something over takes that back; of any other the error says that the call took
// effect.
func (c *Call) bound() {
	n := len(c.value)
	if v, ok := c.view.(Sized); ok {
		n = v.Size()
	}
	most := c.Session.Info.MaxMessage
	if c.err != nil || most <= 0 || n <= most-replyHead {
		return
	}
	switch {
	case c.Method.Flags&(Reads|Parks) == Reads:
		c.err = wire.Errorf(wire.CodeTooLarge, "the reply has %d bytes; the limit of its receiver is %d; ask for a part of it", n, most)
	case c.Method.Undo != nil:
		c.Object.engine.undo(c)
		c.err = wire.Errorf(wire.CodeTooLarge, "the reply has %d bytes; the limit of its receiver is %d; what it handed over was taken back", n, most)
	default:
		c.err = wire.Errorf(wire.CodeTooLarge, "%s.%s took effect; its result has %d bytes, and the limit of its receiver is %d",
			c.Object.Type.Name, c.Method.Name, n, most)
	}
	c.value, c.view, c.Item, c.Items = "", nil, "", nil
}

// mayGrant reports whether the reply may hold a reference.
func (c *Call) mayGrant() bool {
	return !c.plain && (c.Object.HasRefs() || c.argRefs || c.Object == &c.Object.engine.root)
}

// grant gives the session one count for each object that the reply names.
func (c *Call) grant() {
	value, e := c.value, c.Object.engine
	if c.counted {
		for _, r := range c.refs {
			if o := e.objects[r.id]; o != nil {
				c.granted = true
				c.Session.grant(o, r.n)
			}
		}
		c.refs = nil
		return
	}
	if c.view != nil {
		// The references must be counted now, while the objects live.
		value = wire.OwnedRaw(c.view.Append(nil, nil))
		c.value, c.view = value, nil
	}
	if len(value) < refSize {
		return
	}
	_ = wire.ForEachRef(value.Bytes(), func(r wire.Ref) error {
		if o := e.objects[r.ID]; o != nil {
			c.granted = true
			c.Session.grant(o, 1)
		}
		return nil
	})
}

// refSize is the least that a reference takes as a value.
const refSize = 18

func (c *Call) status() byte {
	if c.redone {
		return wire.ReplyRedelivered
	}
	return 0
}

// largeObject is how many bytes an object takes from which on its views are not
// encoded in passing, however few entries they have.
const largeObject = 16 << 10

// reply sends the call's reply to wherever its session is now.
func (e *Engine) reply(c *Call) {
	s := c.Session
	if s.Peer == nil {
		return // it will ask again
	}
	e.fx.Replies = append(e.fx.Replies, Reply{
		Max: s.Info.MaxMessage, Large: c.view != nil && c.Object.bytes > largeObject,
		Peer: s.Peer, Session: s.ID, Serial: c.Serial, Status: c.status(), Value: c.value, View: c.view, Err: c.err,
	})
}

// refuse replies with an error to a call that has no Call.
func (e *Engine) refuse(s *Session, serial uint64, err *wire.Error) {
	if s.Peer != nil {
		e.fx.Replies = append(e.fx.Replies, Reply{Peer: s.Peer, Session: s.ID, Serial: serial, Err: err})
	}
}

// drop forgets a call whose reply is not kept (any more).
func (e *Engine) drop(c *Call) {
	*c = Call{free: e.free}
	e.free = c
}

// undo gives back what a reply handed over and nobody got: references, and
// whatever the method gives back.
func (e *Engine) undo(c *Call) {
	if c.err != nil {
		return
	}
	if c.granted && !c.Session.over {
		_ = wire.ForEachRef(c.value.Bytes(), func(r wire.Ref) error {
			c.Session.release(e, r.ID, 1)
			return nil
		})
		c.granted = false
	}
	if c.Method.Undo != nil && c.Object.State != nil && !c.Object.poisoned {
		e.guarded(c.Object, c, c.Method.Undo)
	}
}

// call is OpCall: find what is asked for, and run it.
func (e *Engine) call(cmd *Command) error {
	s := e.sessions[cmd.Session]
	if s == nil {
		return wire.Errorf(wire.CodeSessionExpired, "session %d is unknown or has expired", cmd.Session)
	}
	if cmd.Epoch != 0 && cmd.Epoch != s.Epoch {
		return errEpoch
	}
	if cmd.Serial <= max(s.watermark, cmd.Acked) || s.acked.Has(cmd.Serial) {
		return wire.Errorf(wire.CodeProtocol, "call %d was acknowledged already (up to %d)", cmd.Serial, max(s.watermark, cmd.Acked))
	}
	if cmd.Acked > s.watermark {
		s.advance(e, cmd.Acked)
	}
	if c := s.calls.Get(cmd.Serial); c != nil {
		if c.state == callDone {
			e.reply(c)
		}
		return nil // parked or outside: its reply is still to come
	}
	if abandoned, ok := s.marks[cmd.Serial]; ok {
		// The mark stays until the serial is acknowledged: the frame may come
		// once more.
		if !abandoned {
			e.refuse(s, cmd.Serial, wire.ErrCancelled)
		}
		return nil
	}
	argLen, argRefs, err := wire.Scan(cmd.Args, wire.Limits{Depth: e.config.MaxDepth})
	if err != nil || argLen != len(cmd.Args) {
		if err == nil {
			err = wire.Errorf(wire.CodeProtocol, "%d bytes after the arguments", len(cmd.Args)-argLen)
		}
		e.refuse(s, cmd.Serial, wire.Errorf(wire.CodeProtocol, "call %d: arguments: %v", cmd.Serial, err))
		return nil
	}
	args, err := wire.NewReader(cmd.Args)
	if err != nil {
		e.refuse(s, cmd.Serial, wire.Errorf(wire.CodeProtocol, "call %d: arguments: %v", cmd.Serial, err))
		return nil
	}
	o, refusal := e.target(s, cmd)
	if refusal != nil {
		e.refuse(s, cmd.Serial, refusal)
		return nil
	}
	m := o.Type.method(cmd.Method, cmd.Name)
	if m == nil {
		e.refuse(s, cmd.Serial, noMethod(o, cmd))
		return nil
	}
	if refusal := e.admit(s, o, m, cmd); refusal != nil {
		e.refuse(s, cmd.Serial, refusal)
		return nil
	}
	if err := m.Takes.check(&args); err != nil {
		e.refuse(s, cmd.Serial, argError(o, m, err))
		return nil
	}
	if argRefs {
		if err := e.resolveAll(cmd.Args); err != nil {
			e.refuse(s, cmd.Serial, wire.AsError(err))
			return nil
		}
	}
	c := e.free
	if c == nil {
		c = new(Call)
	} else {
		e.free = c.free
		c.free = nil
	}
	c.Session, c.Serial, c.Object, c.Method, c.Args, c.argRefs = s, cmd.Serial, o, m, args, argRefs
	c.guard, c.token, c.sig = cmd.Guard, cmd.Token, m.Takes
	if cmd.Owned {
		c.argBytes = len(cmd.Args)
	}
	c.timer = -1
	c.timeout = noTimeout
	if cmd.HasTimeout {
		c.timeout = max(cmd.Timeout, 0)
	}
	if c.guard != 0 && m.Flags&Reads == 0 && o != &e.root {
		c.timeout = 0 // while it waited, the hold could end
	}
	if o != &e.root {
		o.pin()
	}
	if o.busy != nil && m.Flags&Anyone == 0 {
		c.args = append([]byte(nil), cmd.Args...)
		c.queue(o)
		return nil
	}
	e.run(c, cmd.Args)
	return nil
}

// run calls the method's handler.
func (e *Engine) run(c *Call, args []byte) {
	o := c.Object
	if o.Type.Outside && (c.Method.Fn == nil || c.Method.number <= MethodValue) {
		e.startWork(c, Work{Type: o.Type, Object: o.ID, Method: c.Method, Args: append([]byte(nil), args...)})
		return
	}
	e.guarded(o, c, c.Method.Fn)
	if c.state == callRunning && c.Method != nil {
		c.Fail(noAnswer(c))
	}
}

func noAnswer(c *Call) *wire.Error {
	return wire.Errorf(wire.CodeInternal, "%s.%s gave no answer: a bug in the server", c.Object.Type.Name, c.Method.Name)
}

// resolveAll checks every reference inside a value.
func (e *Engine) resolveAll(v []byte) error {
	return wire.ForEachRef(v, func(r wire.Ref) error {
		if _, refusal := e.Resolve(r); refusal != nil {
			return refusal
		}
		return nil
	})
}

// until returns when that much time has passed.
func (e *Engine) until(timeout int64) int64 {
	if timeout > math.MaxInt64-max(e.now, 0) {
		return math.MaxInt64
	}
	return e.now + timeout
}

// target finds the object of a call. The session must hold it.
func (e *Engine) target(s *Session, cmd *Command) (*Object, *wire.Error) {
	if cmd.Object == 0 {
		return &e.root, nil
	}
	ref, ok := s.refs[cmd.Object]
	if !ok {
		return nil, wire.Errorf(wire.CodeUnknownObject, "object %d: this session holds no reference to it; it was released, or never given to it", cmd.Object)
	}
	o := ref.object
	if o.removed {
		return nil, removedError(o)
	}
	if o.poisoned {
		return nil, poisonedError(o)
	}
	return o, nil
}

func removedError(o *Object) *wire.Error {
	if o.lost {
		return wire.Errorf(wire.CodeUnavailable, "%s %d was lost with its server: objects of registered types end with it; create another", o.Type.Name, o.ID)
	}
	if o.Name == "" {
		return wire.Errorf(wire.CodeRemoved, "%s %d was removed", o.Type.Name, o.ID)
	}
	return wire.Errorf(wire.CodeRemoved, "%s %q was removed", o.Type.Name, o.Name)
}

func noMethod(o *Object, cmd *Command) *wire.Error {
	if cmd.Method != 0 {
		return wire.Errorf(wire.CodeNotExposed, "%s has no method number %d", o.Type.Name, cmd.Method)
	}
	return wire.Errorf(wire.CodeNotExposed, "%s has no exposed method %.200q", o.Type.Name, cmd.Name)
}

// admit checks roles, limits and the guard.
func (e *Engine) admit(s *Session, o *Object, m *Method, cmd *Command) *wire.Error {
	if e.ending && !s.Info.Trusted && (o != &e.root || m.number != MethodRelease) {
		return wire.ErrShuttingDown
	}
	if denial := s.denied(o, m); denial != nil {
		return denial
	}
	if cfg := &e.config; m.Flags&(Anyone|Parks) != Anyone && s.limited() {
		switch {
		case cfg.MaxOutstanding > 0 && s.parked.Len()+s.running.Len() >= cfg.MaxOutstanding:
			return wire.Errorf(wire.CodeOverloaded, "%d calls of this session are under way; the limit is %d", s.parked.Len()+s.running.Len(), cfg.MaxOutstanding)
		case cfg.MaxKept > 0 && s.keptBytes > int64(cfg.MaxKept) && m.Flags&Reads == 0 && !s.Info.Trusted:
			return wire.Errorf(wire.CodeOverloaded, "replies of %d bytes are not acknowledged; the limit is %d", s.keptBytes, cfg.MaxKept)
		}
	}
	if limit := e.config.MaxKept; limit > 0 && !s.Info.Trusted && int64(s.kept.Len())*keptCost > int64(limit) {
		// Even those that may always be made: each can leave a reply.
		return wire.Errorf(wire.CodeOverloaded, "%d replies are not acknowledged; the limit is %d bytes", s.kept.Len(), limit)
	}
	if m.Flags&Grows != 0 && e.config.MaxBytes > 0 && e.bytes >= e.config.MaxBytes {
		return wire.Errorf(wire.CodeOverloaded, "the server holds %d bytes; the limit is %d; nothing may grow", e.bytes, e.config.MaxBytes)
	}
	if cmd.Guard != 0 {
		return e.guard(s, cmd.Guard, cmd.Token)
	}
	return nil
}

// denied says that the session's role does not allow the method, or nil.
func (s *Session) denied(o *Object, m *Method) *wire.Error {
	switch {
	case m.Flags&Anyone != 0:
	case s.Info.Role < RoleWrite && m.Flags&Reads == 0:
		return wire.Errorf(wire.CodeDenied, "%s.%s changes state; key %q may only read", o.Type.Name, m.Name, s.Info.KeyName)
	case m.Flags&Admin != 0 && s.Info.Role < RoleAdmin:
		return wire.Errorf(wire.CodeDenied, "%s.%s needs the role admin; key %q has %s", o.Type.Name, m.Name, s.Info.KeyName, s.Info.Role)
	}
	return nil
}

// guard refuses a call that is conditional on a hold when the hold is over.
func (e *Engine) guard(s *Session, id, token uint64) *wire.Error {
	ref, ok := s.refs[id]
	if !ok {
		return wire.Errorf(wire.CodeLockLost, "guard: this session holds no reference to lock %d", id)
	}
	o := ref.object
	h, ok := o.State.(Holder)
	if !ok {
		return wire.Errorf(wire.CodeType, "guard: %s %d is not a lock", o.Type.Name, id)
	}
	held := false
	if !o.removed {
		e.safely(o, "HeldBy", func() { held = h.HeldBy(token) })
	}
	if !held {
		return wire.Errorf(wire.CodeLockLost, "guard: hold %d of lock %d is over", token, id)
	}
	return nil
}
