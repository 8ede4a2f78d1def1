package wire

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// Version is the protocol's version. A server and a client speak the highest
// version that both know; the handshake of package auth agrees on it.
const Version = 1

// Kind tells the messages apart: the first byte of a frame.
type Kind = byte

// The messages. docs/protocol.md describes each.
const (
	KindOpen     Kind = 1
	KindResume   Kind = 2
	KindWelcome  Kind = 3
	KindCall     Kind = 4
	KindReply    Kind = 5
	KindCancel   Kind = 6
	KindAck      Kind = 7
	KindPing     Kind = 8
	KindPong     Kind = 9
	KindEvent    Kind = 10
	KindClose    Kind = 11
	KindBye      Kind = 12
	KindFragment Kind = 13
	KindMux      Kind = 14
)

// HeadSize is the length of a frame's head: four bytes of length and the kind.
const HeadSize = 5

// Open starts a session.
type Open struct {
	Version uint64
	Lease   uint64 // milliseconds wanted; 0 leaves it to the server
	Program string
	Host    string
	PID     uint64
	// MaxMessage is the largest frame that the client takes, in bytes; 0 leaves it
	// to the server.
	MaxMessage uint64
}

// Resume takes a session up again on a new connection.
type Resume struct {
	Version    uint64
	Session    uint64
	Generation uint64 // of the WELCOME that opened it
	Proof      [32]byte
}

// Welcome answers Open and Resume.
type Welcome struct {
	Version        uint64
	Session        uint64
	Generation     uint64 // another number: another server, or one that lost its state
	Lease          uint64 // milliseconds
	MaxMessage     uint64 // bytes of one frame, either way
	MaxOutstanding uint64 // calls without a reply
	Role           string
	Server         string // program and version
}

// The flags of a call.
const (
	CallTimeout = 1 << 0 // a timeout follows
	CallGuard   = 1 << 1 // a guard follows
	callFlags   = CallTimeout | CallGuard
)

// Call asks for a method of an object.
type Call struct {
	Serial  uint64
	Acked   uint64 // all serials up to here are acknowledged
	Object  uint64 // 0 is the server itself
	Method  uint64 // 0: by Name
	Name    []byte // borrowed
	Flags   byte
	Timeout uint64 // nanoseconds that the call may stay parked; with CallTimeout
	Guard   uint64 // the lock that must be held; with CallGuard
	Token   uint64 // its fencing token
	Args    []byte // one array; borrowed
}

// The statuses of a reply, as bits.
const (
	ReplyError       = 1 << 0 // an error follows, else a value
	ReplyRedelivered = 1 << 1 // the item was in a reply before whose receiver died
)

// Reply answers a call.
type Reply struct {
	Serial uint64
	Status byte
	Body   []byte // one value, or one error; borrowed
}

// The modes of a cancel.
const (
	CancelAsk     = 0 // a parked call ends with ErrCancelled; a reply comes in any case
	CancelAbandon = 1 // no reply is wanted; what the call took is given back
)

// Cancel ends a call.
type Cancel struct {
	Serial uint64
	Mode   byte
}

// Ack acknowledges replies: all up to Watermark, and the ranges above it.
type Ack struct {
	Watermark uint64
	Ranges    []Range
}

// The events.
const (
	EventLockLost = 1 // Object is the lock, Token the hold that is over
)

// Event tells a client of something that it did not ask for.
type Event struct {
	Event  byte
	Object uint64
	Token  uint64
}

// frame begins a frame of the kind; end closes it. The four bytes of the
// length are filled in by end.
func frame(b []byte, k Kind) ([]byte, int) {
	at := len(b)
	return append(b, 0, 0, 0, 0, k), at
}

func end(b []byte, at int) []byte {
	binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	return b
}

func appendString(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// AppendOpen appends the frame of an Open.
func AppendOpen(b []byte, m *Open) []byte {
	b, at := frame(b, KindOpen)
	b = binary.AppendUvarint(b, m.Version)
	b = binary.AppendUvarint(b, m.Lease)
	b = appendString(b, m.Program)
	b = appendString(b, m.Host)
	b = binary.AppendUvarint(b, m.PID)
	b = binary.AppendUvarint(b, m.MaxMessage)
	return end(b, at)
}

// AppendResume appends the frame of a Resume.
func AppendResume(b []byte, m *Resume) []byte {
	b, at := frame(b, KindResume)
	b = binary.AppendUvarint(b, m.Version)
	b = binary.AppendUvarint(b, m.Session)
	b = binary.AppendUvarint(b, m.Generation)
	b = append(b, m.Proof[:]...)
	return end(b, at)
}

// AppendWelcome appends the frame of a Welcome.
func AppendWelcome(b []byte, m *Welcome) []byte {
	b, at := frame(b, KindWelcome)
	b = binary.AppendUvarint(b, m.Version)
	b = binary.AppendUvarint(b, m.Session)
	b = binary.AppendUvarint(b, m.Generation)
	b = binary.AppendUvarint(b, m.Lease)
	b = binary.AppendUvarint(b, m.MaxMessage)
	b = binary.AppendUvarint(b, m.MaxOutstanding)
	b = appendString(b, m.Role)
	b = appendString(b, m.Server)
	return end(b, at)
}

// AppendCall appends the frame of a Call.
func AppendCall(b []byte, m *Call) []byte {
	b, at := frame(b, KindCall)
	b = AppendCallHead(b, m)
	b = append(b, m.Args...)
	return end(b, at)
}

// AppendCallHead appends the body of a Call up to its arguments, for those who
// send large arguments without copying them.
func AppendCallHead(b []byte, m *Call) []byte {
	b = binary.AppendUvarint(b, m.Serial)
	b = binary.AppendUvarint(b, m.Serial-m.Acked)
	b = binary.AppendUvarint(b, m.Object)
	b = binary.AppendUvarint(b, m.Method)
	if m.Method == 0 {
		b = binary.AppendUvarint(b, uint64(len(m.Name)))
		b = append(b, m.Name...)
	}
	b = append(b, m.Flags)
	if m.Flags&CallTimeout != 0 {
		b = binary.AppendUvarint(b, m.Timeout)
	}
	if m.Flags&CallGuard != 0 {
		b = binary.AppendUvarint(b, m.Guard)
		b = binary.AppendUvarint(b, m.Token)
	}
	return b
}

// AppendReply appends the frame of a reply that carries the value.
func AppendReply(b []byte, serial uint64, status byte, value Raw) []byte {
	b, at := frame(b, KindReply)
	b = binary.AppendUvarint(b, serial)
	b = append(b, status)
	b = append(b, value...)
	return end(b, at)
}

// AppendErrorReply appends the frame of a reply that carries the error.
func AppendErrorReply(b []byte, serial uint64, e *Error) []byte {
	b, at := frame(b, KindReply)
	b = binary.AppendUvarint(b, serial)
	b = append(b, ReplyError)
	b = AppendError(b, e)
	return end(b, at)
}

// BeginReply appends the head of a reply's frame; the value is appended by
// the caller and the frame closed with EndReply(b, at).
func BeginReply(b []byte, serial uint64, status byte) (_ []byte, at int) {
	b, at = frame(b, KindReply)
	b = binary.AppendUvarint(b, serial)
	return append(b, status), at
}

// EndReply closes a frame begun with BeginReply.
func EndReply(b []byte, at int) []byte { return end(b, at) }

// AppendCancel appends the frame of a Cancel.
func AppendCancel(b []byte, serial uint64, mode byte) []byte {
	b, at := frame(b, KindCancel)
	b = binary.AppendUvarint(b, serial)
	b = append(b, mode)
	return end(b, at)
}

// AppendAck appends the frame of an Ack. Ranges are ascending, apart, and
// above the watermark.
func AppendAck(b []byte, m *Ack) []byte {
	b, at := frame(b, KindAck)
	b = binary.AppendUvarint(b, m.Watermark)
	b = binary.AppendUvarint(b, uint64(len(m.Ranges)))
	last := m.Watermark
	for _, r := range m.Ranges {
		b = binary.AppendUvarint(b, r.From-last)
		b = binary.AppendUvarint(b, r.To-r.From)
		last = r.To
	}
	return end(b, at)
}

// AppendPing appends the frame of a Ping (or, with KindPong, of its answer).
func AppendPing(b []byte, k Kind, token uint64) []byte {
	b, at := frame(b, k)
	b = binary.AppendUvarint(b, token)
	return end(b, at)
}

// AppendEvent appends the frame of an Event.
func AppendEvent(b []byte, m *Event) []byte {
	b, at := frame(b, KindEvent)
	b = append(b, m.Event)
	b = binary.AppendUvarint(b, m.Object)
	b = binary.AppendUvarint(b, m.Token)
	return end(b, at)
}

// AppendClose appends the frame of a Close.
func AppendClose(b []byte) []byte {
	b, at := frame(b, KindClose)
	return end(b, at)
}

// AppendBye appends the frame of a Bye: why the server closes the connection.
func AppendBye(b []byte, e *Error) []byte {
	b, at := frame(b, KindBye)
	b = AppendError(b, e)
	return end(b, at)
}

// fields reads a message's fields one after the other; the first failure
// sticks and names the field.
type fields struct {
	kind string
	b    []byte
	err  error
}

func (f *fields) fail(field string) {
	if f.err == nil {
		f.err = Errorf(CodeProtocol, "%s: field %s is cut short or not a number", f.kind, field)
	}
	f.b = nil
}

func (f *fields) uint(field string) uint64 {
	// One byte is the common case and worth a branch of its own.
	if len(f.b) > 0 && f.b[0] < 0x80 {
		v := f.b[0]
		f.b = f.b[1:]
		return uint64(v)
	}
	v, n := binary.Uvarint(f.b)
	if n <= 0 {
		f.fail(field)
		return 0
	}
	f.b = f.b[n:]
	return v
}

func (f *fields) byte(field string) byte {
	if len(f.b) == 0 {
		f.fail(field)
		return 0
	}
	v := f.b[0]
	f.b = f.b[1:]
	return v
}

func (f *fields) bytes(field string, max uint64) []byte {
	n := f.uint(field)
	if n > max || n > uint64(len(f.b)) {
		f.fail(field)
		return nil
	}
	v := f.b[:n]
	f.b = f.b[n:]
	return v
}

func (f *fields) done() error {
	if f.err == nil && len(f.b) != 0 {
		return Errorf(CodeProtocol, "%s: %d bytes after the last field", f.kind, len(f.b))
	}
	return f.err
}

// maxText bounds the texts that a client says of itself, and names.
const maxText = 1024

// ParseOpen reads the body of an Open.
func ParseOpen(body []byte) (Open, error) {
	f := fields{kind: "OPEN", b: body}
	m := Open{Version: f.uint("version"), Lease: f.uint("lease")}
	// What a client says of itself ends up in listings, which hold text.
	m.Program = strings.ToValidUTF8(string(f.bytes("program", maxText)), "?")
	m.Host = strings.ToValidUTF8(string(f.bytes("host", maxText)), "?")
	m.PID = f.uint("pid")
	m.MaxMessage = f.uint("largest frame")
	return m, f.done()
}

// ParseResume reads the body of a Resume.
func ParseResume(body []byte) (Resume, error) {
	f := fields{kind: "RESUME", b: body}
	m := Resume{Version: f.uint("version"), Session: f.uint("session"), Generation: f.uint("generation")}
	if f.err == nil && len(f.b) != len(m.Proof) {
		return m, Errorf(CodeProtocol, "RESUME: a proof of %d bytes where %d are due", len(f.b), len(m.Proof))
	}
	copy(m.Proof[:], f.b)
	return m, f.err
}

// ParseWelcome reads the body of a Welcome.
func ParseWelcome(body []byte) (Welcome, error) {
	f := fields{kind: "WELCOME", b: body}
	m := Welcome{
		Version: f.uint("version"), Session: f.uint("session"), Generation: f.uint("generation"),
		Lease: f.uint("lease"), MaxMessage: f.uint("max message"), MaxOutstanding: f.uint("max outstanding"),
	}
	m.Role = string(f.bytes("role", maxText))
	m.Server = string(f.bytes("server", maxText))
	return m, f.done()
}

// ParseCall reads the body of a Call into m. Name and Args are borrowed from
// body, and Args are not looked into.
func ParseCall(body []byte, m *Call) error {
	f := fields{kind: "CALL", b: body}
	m.Serial = f.uint("serial")
	behind := f.uint("acknowledged")
	m.Object = f.uint("object")
	m.Method = f.uint("method")
	m.Name = nil
	if m.Method == 0 {
		m.Name = f.bytes("method name", maxText)
	}
	m.Flags = f.byte("flags")
	m.Timeout, m.Guard, m.Token = 0, 0, 0
	if m.Flags&CallTimeout != 0 {
		m.Timeout = f.uint("timeout")
	}
	if m.Flags&CallGuard != 0 {
		m.Guard = f.uint("guard")
		m.Token = f.uint("token")
	}
	m.Args = f.b
	switch {
	case f.err != nil:
		return f.err
	case m.Serial == 0:
		return Errorf(CodeProtocol, "CALL: serial 0; serials begin at 1")
	case behind == 0 || behind > m.Serial:
		return Errorf(CodeProtocol, "CALL %d: acknowledged %d behind; it lies between 1 and the serial", m.Serial, behind)
	case m.Flags&^callFlags != 0:
		return Errorf(CodeProtocol, "CALL %d: unknown flags %#x", m.Serial, m.Flags&^callFlags)
	}
	m.Acked = m.Serial - behind
	return nil
}

// ParseReply reads the body of a Reply. Body is borrowed.
func ParseReply(body []byte) (Reply, error) {
	f := fields{kind: "REPLY", b: body}
	m := Reply{Serial: f.uint("serial"), Status: f.byte("status")}
	m.Body = f.b
	if f.err == nil && m.Status&^(ReplyError|ReplyRedelivered) != 0 {
		return m, Errorf(CodeProtocol, "REPLY %d: unknown status %#x", m.Serial, m.Status)
	}
	return m, f.err
}

// ParseCancel reads the body of a Cancel.
func ParseCancel(body []byte) (Cancel, error) {
	f := fields{kind: "CANCEL", b: body}
	m := Cancel{Serial: f.uint("serial"), Mode: f.byte("mode")}
	if err := f.done(); err != nil {
		return m, err
	}
	if m.Mode > CancelAbandon {
		return m, Errorf(CodeProtocol, "CANCEL %d: unknown mode %d", m.Serial, m.Mode)
	}
	return m, nil
}

// MaxAckRun bounds the serials of one range of an Ack, and MaxAckRanges its
// ranges.
const (
	MaxAckRun    = 1 << 20
	MaxAckRanges = 4096
)

// ParseAck reads the body of an Ack; the ranges are appended to into.
func ParseAck(body []byte, into []Range) (Ack, error) {
	f := fields{kind: "ACK", b: body}
	m := Ack{Watermark: f.uint("watermark")}
	n := f.uint("ranges")
	if f.err == nil && n > MaxAckRanges {
		return m, Errorf(CodeProtocol, "ACK: %d ranges; at most %d", n, MaxAckRanges)
	}
	last := m.Watermark
	for ; n > 0 && f.err == nil; n-- {
		gap, length := f.uint("gap"), f.uint("length")
		r := Range{From: last + gap, To: last + gap + length}
		if gap == 0 || r.From < last || r.To < r.From {
			return m, Errorf(CodeProtocol, "ACK: ranges overlap or run over")
		}
		into = append(into, r)
		last = r.To
	}
	m.Ranges = into
	return m, f.done()
}

// ParsePing reads the body of a Ping or a Pong.
func ParsePing(body []byte) (uint64, error) {
	f := fields{kind: "PING", b: body}
	token := f.uint("token")
	return token, f.done()
}

// ParseEvent reads the body of an Event.
func ParseEvent(body []byte) (Event, error) {
	f := fields{kind: "EVENT", b: body}
	m := Event{Event: f.byte("event"), Object: f.uint("object"), Token: f.uint("token")}
	return m, f.done()
}

// ParseError reads an error that AppendError wrote: the body of a Bye, or of
// a reply with ReplyError. The Error owns its bytes.
func ParseError(body []byte) (*Error, error) {
	bad := func(what string) (*Error, error) {
		return nil, Errorf(CodeProtocol, "error: %s", what)
	}
	n, _, err := Scan(body, Limits{})
	if err != nil {
		return bad(err.Error())
	}
	if n != len(body) {
		return bad(fmt.Sprintf("%d bytes after it", len(body)-n))
	}
	r, err := NewReader(body)
	if err != nil || r.NArgs() != 5 {
		return bad("not an array of five")
	}
	code, err := r.Int()
	if err != nil || code < 1 || code > 0xffff {
		return bad("code is not a number from 1 to 65535")
	}
	e := &Error{Code: Code(code)}
	typ, err := r.Str()
	if err != nil {
		return bad("type is not a str")
	}
	e.Type = string(typ)
	msg, err := r.Str()
	if err != nil {
		return bad("message is not a str")
	}
	e.Message = string(msg)
	if d := r.Next(); len(d) != 1 || d[0] != 0xc0 {
		e.Detail = Raw(d)
	}
	flags, err := r.Int()
	if err != nil {
		return bad("flags are not a number")
	}
	e.Safe = flags&flagSafe != 0
	return e, nil
}
