package engine

import (
	"fmt"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// Effects is what a batch of commands asks the server to do. Replies come in
// the order in which they were decided.
type Effects struct {
	Replies []Reply
	Work    []Work
	Cancels []uint64  // Work whose caller has given up
	Created []Created // outside objects that Complete made
	Closed  []uint64  // outside objects that are gone
	Lost    []Lost    // holds that ended without their holder's doing
	Ended   []Ended   // sessions that are over
	Panics  []Panic   // bugs, for the log
	Acts    []Act     // of administrators, for the log
	Notes   []Note    // what an object has to say to operators, for the log
	Opened  uint64    // the session that OpOpen began
}

// Reset empties the effects and keeps their memory.
func (fx *Effects) Reset() {
	clear(fx.Replies)
	clear(fx.Work)
	clear(fx.Lost)
	clear(fx.Ended)
	clear(fx.Panics)
	clear(fx.Acts)
	clear(fx.Notes)
	fx.Replies = fx.Replies[:0]
	fx.Work = fx.Work[:0]
	fx.Cancels = fx.Cancels[:0]
	fx.Created = fx.Created[:0]
	fx.Closed = fx.Closed[:0]
	fx.Lost = fx.Lost[:0]
	fx.Ended = fx.Ended[:0]
	fx.Panics = fx.Panics[:0]
	fx.Acts = fx.Acts[:0]
	fx.Notes = fx.Notes[:0]
	fx.Opened = 0
}

// View is a value that is encoded outside the lock, from an immutable view of
// an object. Append must give the same bytes whenever it is called.
type View interface {
	// Append ends early when pause says so.
	Append(b []byte, pause Pause) []byte
}

// Sized is a View that knows, before anything is reserved for it, how many bytes
// Append appends at least.
type Sized interface {
	View
	Size() int
}

// Reply is a message to a session: a value, a view of one, or an error.
type Reply struct {
	Peer    any // what Session.Peer was when the reply was decided
	Session uint64
	Serial  uint64
	Status  byte // wire.ReplyRedelivered or 0
	Max     int  // bytes of a message that the receiver takes; 0: any
	Large   bool // View is one of an object that takes much memory
	Value   wire.Raw
	View    View
	Err     *wire.Error
}

// Append appends the reply's frame.
func (r *Reply) Append(b []byte, pause Pause) []byte {
	switch {
	case r.Err != nil:
		return wire.AppendErrorReply(b, r.Serial, r.Err)
	case r.View != nil:
		b, at := wire.BeginReply(b, r.Serial, r.Status)
		return wire.EndReply(r.View.Append(b, pause), at)
	default:
		return wire.AppendReply(b, r.Serial, r.Status, r.Value)
	}
}

// Work is something to do outside the engine, answered by OpComplete with its
// ID. Either Run is set (the engine's own work, on immutable data), or it is
// a call of a registered type's method.
type Work struct {
	ID uint64
	// Run calls pause now and then, and ends early when it says so.
	Run    func(pause Pause) any
	Type   *Type
	Object uint64 // the outside object
	Method *Method
	// Construct tells that Object is being made, by the type's constructor.
	Construct bool
	Args      []byte // one array; owned by the receiver
	Session   uint64
	Deadline  int64 // in the time of commands, or 0
}

// Created tells which object an OpComplete with NewType made.
type Created struct {
	Work   uint64
	Object uint64
}

// Lost tells a session that a hold of its is over.
type Lost struct {
	Peer   any
	Object uint64
	Token  uint64
}

// Ended tells that a session is over, and why.
type Ended struct {
	Session uint64
	Peer    any
	Err     *wire.Error
}

// Act is something that a session did to others or to the server, and who that
// was.
type Act struct {
	Session uint64
	Key     string
	Remote  string
	Program string
	Method  string
	Subject string
}

// Note is what an object has to say to operators: data was dropped because a
// limit said so.
type Note struct {
	Object uint64
	Type   string
	Name   string
	Text   string
}

// Note tells operators something of the object.
func (o *Object) Note(format string, args ...any) {
	o.engine.fx.Notes = append(o.engine.fx.Notes, Note{Object: o.ID, Type: o.Type.Name, Name: o.Name, Text: fmt.Sprintf(format, args...)})
}

// Panic is a bug that a handler met.
type Panic struct {
	Object uint64
	Type   string
	Method string
	Value  string
	Stack  []byte
}
