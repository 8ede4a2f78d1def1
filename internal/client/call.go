package client

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/syncmanager/syncmanager/internal/link"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// Flags say how a call may be given up when its context ends.
type Flags uint8

const (
	// Reads marks a method that changes nothing and hands nothing over: its
	// caller leaves at once. All others wait for the server's verdict.
	Reads Flags = 1 << iota
	// Parks marks a method that may wait in the server.
	Parks
)

// Method names a method of a type.
type Method struct {
	Type   string // for errors
	Name   string
	Number uint32 // 0: call by name
	Flags  Flags
}

// String returns type and name, "Queue.get".
func (m *Method) String() string {
	if m.Type == "" {
		return m.Name
	}
	return m.Type + "." + m.Name
}

type callState uint8

const (
	stateNew       callState = iota // being built
	stateWaiting                    // a caller waits for the reply
	stateAnswered                   // the record holds the reply or an error
	stateOneway                     // nobody waits, but it takes effect
	stateRetired                    // its caller has left; the reply is dropped
	stateAbandoned                  // the server has been, or is to be, told to undo it
)

// Call is one call: arguments that are encoded once, and then the reply. It
// is taken from a pool by NewCall, belongs to one goroutine, and ends with
// Result or Drop; nothing of it may be used after that.
type Call struct {
	// Set by NewCall and the methods before Do.
	session *Session
	target  *object // nil: the server itself; held
	method  *Method
	name    string // overrides the method's name; for calls by name
	args    []byte // one array, without large
	large   []byte // bytes inside args, by reference: the caller's until Do returns
	largeAt int    // where in args
	flags   byte
	timeout time.Duration
	guard   uint64
	fence   uint64
	plain   bool      // its result is nothing to give back; see Exec
	surely  bool      // it takes effect even if its caller leaves; see ExecSurely
	watcher Watcher   // of the hold that it acquires, or nil
	err     error     // the first failure while it was built
	pins    []*object // named in args; held

	// The reply, once Do has returned nil.
	reply    []byte
	buf      []byte
	redone   bool
	acked    bool      // the reply was acknowledged when it came
	grants   []*object // named in the reply; held while it is decoded
	answered error     // why there is no reply

	ready chan struct{} // takes one

	// Guarded by the session's mutex from Do on.
	serial   uint64
	state    callState
	sent     bool // a connection has taken it
	asked    bool // CANCEL was sent
	confirm  uint64
	deadline time.Time // of the timeout
	loans    []link.Loan
}

// record returns an empty record. Records are pooled by session: their channels
// must not move between synctest bubbles.
func (s *Session) record() *Call {
	if c, ok := s.records.Get().(*Call); ok {
		c.session = s
		return c
	}
	return &Call{session: s, ready: make(chan struct{}, 1)}
}

// maxKeptBuffer is the largest buffer that a pooled record keeps.
const maxKeptBuffer = 16 << 10

// NewCall begins a call of the method on the object, with n arguments, which
// are added with Arg and the like. Failures are kept and returned by Do.
func NewCall(target Ref, m *Method, n int) *Call {
	o, err := target.acquire()
	if err != nil {
		c := &Call{method: m}
		c.err = err
		return c
	}
	c := o.session.newCall(m, n)
	c.target = o
	return c
}

// NewServerCall begins a call of one of the server's own methods.
func (s *Session) NewServerCall(m *Method, n int) *Call {
	return s.newCall(m, n)
}

func (s *Session) newCall(m *Method, n int) *Call {
	c := s.record()
	c.method = m
	c.args = wire.AppendArrayHeader(c.args[:0], n)
	return c
}

// recycle gives the record back. All holds must be gone or are dropped here.
func (c *Call) recycle() {
	for i, o := range c.pins {
		o.drop()
		c.pins[i] = nil
	}
	for i, o := range c.grants {
		o.drop()
		c.grants[i] = nil
	}
	if c.target != nil {
		c.target.drop()
	}
	s := c.session
	if s == nil {
		return // it was never more than an error
	}
	args, buf, pins, grants, ready := c.args[:0], c.buf[:0], c.pins[:0], c.grants[:0], c.ready
	if cap(args) > maxKeptBuffer {
		args = nil
	}
	if cap(buf) > maxKeptBuffer {
		buf = nil
	}
	if cap(pins) > 64 {
		pins = nil
	}
	if cap(grants) > 64 {
		grants = nil
	}
	*c = Call{args: args, buf: buf, pins: pins, grants: grants, ready: ready}
	s.records.Put(c)
}

// Timeout bounds how long the call may wait in the server; 0 or less means not
// at all. It is the method's own timeout, with the method's own answer to it,
// and has nothing to do with the context's.
func (c *Call) Timeout(d time.Duration) {
	c.flags |= wire.CallTimeout
	c.timeout = max(d, 0)
}

// Guard makes the call conditional on a hold: the server refuses it with
// ErrLockLost if that hold of the lock is over.
func (c *Call) Guard(lock Ref, token uint64) {
	o, err := lock.acquire()
	if err == nil && c.session != nil && o.session != c.session {
		o.drop()
		err = wire.Errorf(wire.CodeValue, "the guarding lock belongs to another session")
	}
	if err != nil {
		c.fail(err)
		return
	}
	c.pins = append(c.pins, o)
	c.flags |= wire.CallGuard
	c.guard, c.fence = o.ref.ID, token
}

// ByName makes it a call of the method of that name.
func (c *Call) ByName(name string) { c.name = name }

// Redelivered reports whether the reply's item was in a reply before, whose
// receiver died.
func (c *Call) Redelivered() bool { return c.redone }

func (c *Call) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

// label names the method for errors: Queue.get.
func (c *Call) label() string {
	if c.target != nil {
		return c.target.ref.TypeID + "." + c.labelName()
	}
	if c.name != "" {
		return c.name // complete: see leaveLocked
	}
	return c.method.String()
}

var errNoVerdict = errors.New("no verdict")

// Do makes the call and waits for the reply. When it returns nil, the reply is
// there, and the caller must end the call with Result, Drop or GiveBack. When it
// returns an error, the call is over. A reply that is an error is one.
//
// It waits through breaks of the connection. When the context ends first, a
// call that only reads is given up at once; any other is cancelled, and Do
// returns the result in case that it was too late, or a *CallError, whose
// outcome is unknown if the server does not say within Config.Verdict.
func (c *Call) Do(ctx context.Context) error {
	if c.err != nil {
		err := c.err
		c.recycle()
		return err
	}
	s := c.session
	if ctx.Err() != nil && !c.surely {
		err := ctxError(ctx, c.label(), false)
		c.recycle()
		return err
	}
	if n := c.argLen() + len(c.name) + callOverhead; n > s.maxSend {
		err := wire.Errorf(wire.CodeTooLarge, "%s: arguments of %d bytes; the server takes at most %d", c.label(), c.argLen(), s.maxSend-callOverhead)
		c.recycle()
		return err
	}
	if c.isLarge() {
		if err := s.makeRoom(ctx, c); err != nil {
			c.recycle()
			return err
		}
	}
	var start time.Time
	if s.trace {
		start = time.Now()
	}
	mine, err := s.send(c)
	if err != nil {
		c.recycle()
		return err
	}
	if mine != nil {
		s.readReply(ctx, mine, c)
	}
	if done := ctx.Done(); done == nil {
		<-c.ready
	} else {
		select {
		case <-c.ready:
		case <-done:
			if err := s.leave(ctx, c); err != nil {
				s.endLoans(c)
				c.recycle()
				return err
			}
		}
	}
	s.endLoans(c)
	return c.settle(start)
}

// callOverhead bounds what a CALL frame has beyond name and arguments.
const callOverhead = 96

// settle looks at the reply. The record holds one, or an error of the session.
func (c *Call) settle(start time.Time) error {
	s := c.session
	err := c.answered
	if err == nil {
		if err = c.open(); err == nil {
			if s.trace {
				s.traceCall(c, start, nil)
			}
			return nil
		}
		c.done()
	}
	if s.trace {
		s.traceCall(c, start, err)
	}
	c.recycle()
	return err
}

func (s *Session) traceCall(c *Call, start time.Time, err error) {
	attrs := []slog.Attr{
		slog.Uint64("session", s.id), slog.Uint64("serial", c.serial), slog.String("method", c.label()), slog.Duration("took", time.Since(start)),
	}
	if c.target != nil {
		attrs = append(attrs, slog.Uint64("object", c.target.ref.ID))
	}
	if err != nil {
		attrs = append(attrs, slog.Any("err", err))
	}
	s.log.LogAttrs(context.Background(), slog.LevelDebug, "call", attrs...)
}

// open checks the reply's body and registers the references in it.
func (c *Call) open() error {
	n, found, err := wire.Scan(c.reply, wire.Limits{})
	switch {
	case err != nil:
		return c.garbage(err)
	case n != len(c.reply):
		return c.garbage(wire.Errorf(wire.CodeProtocol, "%d bytes after the value", len(c.reply)-n))
	}
	if found {
		c.grants = c.session.register(c.grants, c.reply)
	}
	return nil
}

// garbage ends the session: what the server sends cannot be trusted.
func (c *Call) garbage(err error) error {
	e := wire.Errorf(wire.CodeProtocol, "session %d: the reply to %s is malformed: %v", c.session.id, c.label(), err)
	c.session.die(e)
	return e
}

// register counts the references in a value that the server sent.
func (s *Session) register(into []*object, value []byte) []*object {
	_ = wire.ForEachRefView(value, func(r wire.RefView) error { // the value was scanned
		into = append(into, s.refs.register(s, r))
		return nil
	})
	return into
}

// Reply returns the reply's value, valid until the call ends.
func (c *Call) Reply() []byte { return c.reply }

// Drop acknowledges the reply and ends the call.
func (c *Call) Drop() {
	c.done()
	c.recycle()
}

// done acknowledges the reply.
func (c *Call) done() {
	if !c.acked {
		c.session.done(c.serial)
	}
}

// GiveBack ends the call as if its reply had never come: the server takes back
// what it handed over, where the method can. It is for a reply that the caller
// cannot use.
func (c *Call) GiveBack() {
	if c.acked { // it holds at most references, which recycle drops
		c.recycle()
		return
	}
	s := c.session
	for _, o := range c.grants {
		s.refs.ungrant(o)
	}
	s.abandon(c.serial)
	c.recycle()
}

// Keep ends the call but for its acknowledgement, which the returned functions
// give or refuse; the first call of either counts. Until then the server takes
// the reply back should this session die.
func (c *Call) Keep() (ack, giveBack func()) {
	if c.acked {
		c.recycle()
		return func() {}, func() {}
	}
	s, serial := c.session, c.serial
	var once sync.Once
	ack = func() { once.Do(func() { s.done(serial) }) }
	giveBack = func() { once.Do(func() { s.abandon(serial) }) }
	c.recycle()
	return ack, giveBack
}

// largeArg is from how many bytes on an argument is sent by reference, and a
// call in fragments.
const largeArg = link.MaxSmall / 2

// isLarge reports whether the call goes out in fragments, by reference.
func (c *Call) isLarge() bool { return c.large != nil || len(c.args) > largeArg }

func (c *Call) argLen() int { return len(c.args) + len(c.large) }

// lend appends a large argument, whose header is in args already.
func (c *Call) lend(b []byte) { c.large, c.largeAt = b, len(c.args) }

// sendLarge sends a large call without copying its arguments. What the caller
// lent is his again when Do returns, and the rest is not used again
// (maxKeptBuffer): the outbox may still read it after an abandoned call has
// ended. An error is the connection's end, which resends.
func sendLarge(out *link.Outbox, c *Call, m *wire.Call) link.Loan {
	head := wire.AppendCallHead(make([]byte, 0, 64+len(m.Name)), m)
	if c.large == nil {
		_ = out.SendLarge(wire.KindCall, head, m.Args)
		return link.Loan{}
	}
	loan, _ := out.Lend(wire.KindCall, append(head, m.Args[:c.largeAt]...), c.large, bytes.Clone(m.Args[c.largeAt:]))
	return loan
}

// endLoans sees to it that nothing reads what the caller lent.
func (s *Session) endLoans(c *Call) {
	if c.large == nil {
		return
	}
	s.mu.Lock()
	loans := c.loans
	c.loans, c.large = nil, nil
	s.mu.Unlock()
	for _, l := range loans {
		l.End()
	}
}

// send gives the call its serial and sends it if there is a connection.
func (s *Session) send(c *Call) (mine *conn, err error) {
	s.mu.Lock()
	if s.dead != nil {
		err := s.dead
		s.mu.Unlock()
		return nil, err
	}
	s.serial++
	c.serial = s.serial
	c.state = stateWaiting
	s.calls.Put(c.serial, c)
	if c.flags&wire.CallTimeout != 0 {
		c.deadline = time.Now().Add(c.timeout)
	}
	cn := s.conn
	if cn == nil {
		s.mu.Unlock()
		return nil, nil
	}
	if s.takeTurnLocked(cn) {
		mine = cn
	}
	c.sent = true
	s.acks.sent = s.acks.watermark
	m := c.message(s.acks.watermark)
	out := cn.out
	if c.isLarge() {
		s.mu.Unlock()
		loan := sendLarge(out, c, &m)
		s.mu.Lock()
		c.loans = append(c.loans, loan)
		s.mu.Unlock()
		return mine, nil
	}
	b := out.Lock()
	// Only a caller that was alone for a while is: the first of many that come
	// back at once would cost both sides a message of its own.
	alone := s.calls.Len() == 1 && s.calm >= calmRuns
	s.mu.Unlock()
	// The record stays alive: only its caller, this goroutine, ends it. An
	// error here is the connection's end, which resends.
	if b = wire.AppendCall(b, &m); alone {
		_ = out.UnlockFlush(b)
	} else {
		_ = out.UnlockFlushAfterYield(b)
	}
	return mine, nil
}

// message returns the CALL of the record.
func (c *Call) message(acked uint64) wire.Call {
	m := wire.Call{
		Serial: c.serial, Acked: acked, Method: uint64(c.method.Number), Flags: c.flags, Timeout: uint64(c.timeout),
		Guard: c.guard, Token: c.fence, Args: c.args,
	}
	if c.target != nil {
		m.Object = c.target.ref.ID
	}
	switch {
	case c.name != "":
		m.Method, m.Name = 0, wire.Raw(c.name).Bytes()
	case m.Method == 0:
		m.Name = wire.Raw(c.method.Name).Bytes()
	}
	return m
}

// makeRoom waits while too much of other large calls is on its way out.
func (s *Session) makeRoom(ctx context.Context, c *Call) error {
	s.mu.Lock()
	cn := s.conn
	s.mu.Unlock()
	if cn == nil {
		return nil
	}
	if err := cn.out.Wait(ctx, outboxHigh); err != nil && ctx.Err() != nil {
		return ctxError(ctx, c.label(), false)
	}
	return nil
}
