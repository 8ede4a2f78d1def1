package engine

import (
	"fmt"
	"slices"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// Flags say what a method does. The engine decides by them who may call it and
// whether its reply is kept.
type Flags uint8

const (
	// Reads marks a method that changes nothing. A session with the role read
	// may call it, and its reply is not kept.
	Reads Flags = 1 << iota
	// Parks marks a method that may wait.
	Parks
	// Grows marks a method that makes its object larger; it is refused when
	// memory is short.
	Grows
	// Admin marks a method that needs the role admin.
	Admin
	// Anyone marks a method that every role may call, as it changes the session
	// alone, or looks at the role itself. Unless it parks, no limit on calls
	// stops it.
	Anyone
)

// Handler runs a method. It must reply (Return..., Fail), park, or hand work
// outside, exactly once.
type Handler func(o *Object, c *Call)

// Leaving says why a parked call leaves without having been served.
type Leaving uint8

// The reasons to leave.
const (
	LeaveTimeout  Leaving = iota + 1
	LeaveCancel           // the caller asked
	LeaveGone             // the session is over or has abandoned the call: no reply is sent
	LeaveRemoved          // the object was removed
	LeaveShutdown         // the server ends
	LeaveDenied           // the session may not make such calls any more
)

// Method is one method of a type.
type Method struct {
	Name   string
	Params string // "key, default=None", see Signature; afterwards without the kinds
	Result string // for people: "value"
	Flags  Flags
	Fn     Handler

	// Leave is called when a parked call of the method leaves, after it was
	// taken out of its list. It may reply; if it does not, the engine does:
	// ErrTimeout, ErrCancelled, ErrRemoved, ErrShuttingDown.
	Leave func(o *Object, c *Call, why Leaving)
	// Undo gives back what a reply handed over that its caller never got.
	Undo func(o *Object, c *Call)
	// Granted is called when a call that waits on another object's list is
	// served there, in place of that object's own reply.
	Granted func(o *Object, c *Call)
	// Finish takes the result of Call.Outside.
	Finish func(o *Object, c *Call, result any)

	// Takes is made of Params, unless it is set: then these are for people alone.
	Takes *Signature

	number uint32
}

// Number returns the method's number in calls.
func (m *Method) Number() uint32 { return m.number }

// The methods that every object has.
const (
	MethodRepr     = 1
	MethodValue    = 2
	MethodDescribe = 3
	// FirstMethod is the number of a type's own first method.
	FirstMethod = 16
)

// Type is an object type.
type Type struct {
	Name string
	// Params and Takes are those of the constructor, as a Method's.
	Params string
	Takes  *Signature
	// New sets o.State from the call's remaining arguments. Nil: the type
	// cannot be created by clients.
	New func(o *Object, c *Call) error
	// Load sets o.State from what State.Dump appended. What it finds wrong it
	// tells the decoder. The object's holds are there already, no other object
	// is, and nothing is counted or kept anew.
	Load func(o *Object, d *Decoder)
	// Methods are numbered from FirstMethod on, in their order.
	Methods []Method
	// Outside marks a registered Go type: constructor and methods run outside
	// the engine.
	Outside bool
	// NoCreate refuses create and open by clients.
	NoCreate bool
	// Singleton makes every create return one object, which is named like the
	// type and made at the first create.
	Singleton bool

	byName  map[string]*Method
	known   int  // how many methods calls may name, see OpTypes
	foreign bool // made by OpTypes: the program did not register it
}

// State is what an object is made of. Each is implemented beside its type.
type State interface {
	// Dump appends the whole state, from which Type.Load makes it again: the
	// same state, the same bytes. What is large of it, it returns as rows, which
	// stay as they are when the object changes; Load reads them behind what was
	// appended.
	Dump(b []byte) ([]byte, Rows)
	// Repr returns, as a str, what Python's repr prints.
	Repr() View
	// Value returns the referent's value, or a view when it is large.
	Value() (wire.Raw, View)
	// Each calls yield with each value that the state keeps, until it returns
	// false. It is asked only when some value holds a reference.
	Each(yield func(wire.Raw) bool)
}

// Waitable is a State that calls may wait for.
type Waitable interface {
	// Serve gives them what is there; the engine calls it when a session with
	// waiters is back.
	Serve(o *Object)
	// Lists returns, in a fixed order, the lists that calls of the object may
	// stand in: its own, and those of another object's that it lets them wait in.
	Lists() []*Waiters
}

// Holder is a State that sessions hold: a lock. DropHold ends one hold, as if
// it had been released.
type Holder interface {
	DropHold(o *Object, h *Hold)
	// HeldBy reports whether the hold with that fencing token is on.
	HeldBy(token uint64) bool
}

// Sizer is a State that tells how many entries it has.
type Sizer interface{ Len() int }

// prepare numbers the methods and reads what they take.
func (t *Type) prepare() error {
	if err := prepare(&t.Params, &t.Takes); err != nil {
		return fmt.Errorf("%s: %w", t.Name, err)
	}
	t.byName = make(map[string]*Method, len(t.Methods))
	for i := range t.Methods {
		m := &t.Methods[i]
		m.number = uint32(FirstMethod + i)
		t.byName[m.Name] = m
		if err := prepare(&m.Params, &m.Takes); err != nil {
			return fmt.Errorf("%s.%s: %w", t.Name, m.Name, err)
		}
	}
	t.known = len(t.Methods)
	return nil
}

func prepare(params *string, takes **Signature) error {
	if *takes != nil {
		return nil
	}
	s, people, err := parseSignature(*params)
	*params, *takes = people, &s
	return err
}

// method returns the method that a call names, or nil.
func (t *Type) method(number uint32, name []byte) *Method {
	if number == 0 {
		if m := t.byName[string(name)]; m != nil && int(m.number-FirstMethod) < t.known {
			return m
		}
		for i := range commonMethods {
			if m := &commonMethods[i]; m.Name == string(name) {
				return m
			}
		}
		return nil
	}
	if number >= FirstMethod && int(number-FirstMethod) >= t.known {
		return nil
	}
	return t.numbered(number)
}

// numbered returns the method of that number, known or not, or nil.
func (t *Type) numbered(number uint32) *Method {
	if number == 0 {
		return nil
	}
	if number < FirstMethod {
		if int(number) <= len(commonMethods) {
			return &commonMethods[number-1]
		}
		return nil
	}
	if i := number - FirstMethod; uint64(i) < uint64(len(t.Methods)) {
		return &t.Methods[i]
	}
	return nil
}

// commonMethods are the methods of every object, by number.
var commonMethods = []Method{
	{Takes: new(Signature), Name: "repr", Result: "str", Flags: Reads, number: MethodRepr, Fn: func(o *Object, c *Call) {
		c.ReturnText(o.State.Repr())
	}},
	{Takes: new(Signature), Name: "value", Result: "value", Flags: Reads, number: MethodValue, Fn: func(o *Object, c *Call) {
		if raw, view := o.State.Value(); view != nil {
			c.ReturnView(view)
		} else {
			c.Return(raw)
		}
	}},
	{Takes: new(Signature), Name: "describe", Result: "dict", Flags: Reads, number: MethodDescribe, Fn: func(o *Object, c *Call) {
		c.ReturnBytes(describe(nil, o.Type))
	}},
}

// CommonMethods returns the methods that every object has, by number.
func CommonMethods() []Method { return slices.Clone(commonMethods) }

// Text is a View of a str that is ready.
type Text string

// Append appends the str.
func (t Text) Append(b []byte, _ Pause) []byte { return wire.AppendStr(b, string(t)) }

// describe appends what a client may learn of a type: its typeid, its
// constructor and its methods.
func describe(b []byte, t *Type) []byte {
	b = wire.AppendMapHeader(b, 3)
	b = wire.AppendStr(b, "typeid")
	b = wire.AppendStr(b, t.Name)
	b = wire.AppendStr(b, "params")
	b = wire.AppendStr(b, t.Params)
	b = wire.AppendStr(b, "methods")
	b = wire.AppendArrayHeader(b, len(t.Methods))
	for i := range t.Methods {
		m := &t.Methods[i]
		b = wire.AppendMapHeader(b, 5)
		b = wire.AppendStr(b, "name")
		b = wire.AppendStr(b, m.Name)
		b = wire.AppendStr(b, "number")
		b = wire.AppendUint(b, uint64(m.number))
		b = wire.AppendStr(b, "params")
		b = wire.AppendStr(b, m.Params)
		b = wire.AppendStr(b, "result")
		b = wire.AppendStr(b, m.Result)
		b = wire.AppendStr(b, "reads")
		b = wire.AppendBool(b, m.Flags&Reads != 0)
	}
	return b
}
