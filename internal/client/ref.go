package client

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// Ref is a proxy: a reference to one shared object, through one session. It is
// a small value; copies are the same proxy. The zero Ref refers to nothing, and
// calls on it fail.
//
// An object without a name lives in the server as long as something refers to
// it. A Ref counts until Drop is called or the garbage collector finds that
// nobody has it. All methods are safe for concurrent use.
type Ref struct{ h *handle }

// handle is what the copies of one Ref share.
type handle struct {
	object  atomic.Pointer[object] // nil once dropped
	typeid  string                 // for errors after that
	name    string                 // it was opened by this name; fixed before anybody else has the handle
	cleanup runtime.Cleanup        // drops the hold if nobody drops it
}

// newRef returns a Ref that takes over one hold of the object.
func newRef(o *object) Ref {
	h := &handle{typeid: o.ref.TypeID}
	h.object.Store(o)
	h.cleanup = runtime.AddCleanup(h, (*object).collected, o)
	return Ref{h}
}

// acquire returns the object with a hold for the caller.
func (r Ref) acquire() (*object, error) {
	if r.h == nil {
		return nil, wire.Errorf(wire.CodeValue, "this proxy refers to nothing: it was never opened, created, attached or received")
	}
	o := r.h.object.Load()
	ok := o != nil && o.acquire()
	runtime.KeepAlive(r.h) // until then, its hold is the object's life
	if !ok {
		return nil, wire.Errorf(wire.CodeDropped, "this proxy of a %s was dropped", r.h.typeid)
	}
	return o, nil
}

// IsZero reports whether the Ref refers to nothing.
func (r Ref) IsZero() bool { return r.h == nil }

// Drop gives the proxy up: calls under way end as usual, later ones fail with
// ErrDropped. It does not block, and may be called again. Other proxies
// of the same object are not affected.
func (r Ref) Drop() {
	if r.h == nil {
		return
	}
	if o := r.h.object.Swap(nil); o != nil {
		r.h.cleanup.Stop()
		runtime.KeepAlive(r.h)
		o.drop()
	}
}

// TypeID returns the object's typeid, also after Drop.
func (r Ref) TypeID() string {
	if r.h == nil {
		return ""
	}
	return r.h.typeid
}

// ID returns the object's ident, without its secret part; 0 after Drop.
func (r Ref) ID() uint64 {
	if r.h == nil {
		return 0
	}
	o := r.h.object.Load()
	if o == nil {
		return 0
	}
	return o.ref.ID
}

// SessionOf returns the session that the Ref belongs to, nil after Drop.
func SessionOf(r Ref) *Session {
	if r.h == nil {
		return nil
	}
	o := r.h.object.Load()
	if o == nil {
		return nil
	}
	return o.session
}

// String says what the Ref refers to. It holds no secret; see Token.
func (r Ref) String() string {
	if r.h == nil {
		return "<no object>"
	}
	o := r.h.object.Load()
	if o == nil {
		return "<" + r.h.typeid + r.h.quoted() + ", dropped>"
	}
	return fmt.Sprintf("<%s%s, id %#x>", o.ref.TypeID, r.h.quoted(), o.ref.ID)
}

// quoted returns the name for a text.
func (h *handle) quoted() string {
	if h.name == "" {
		return ""
	}
	return " " + strconv.Quote(h.name)
}

// SetName notes the name that the object was opened by, for texts, in a Ref that
// nobody else has yet.
func SetName(r Ref, name string) {
	if r.h != nil {
		r.h.name = name
	}
}

// NameOf returns the name that was set.
func NameOf(r Ref) string { return r.h.name }

// AppendWire appends the reference. It makes a Ref part of any value.
func (r Ref) AppendWire(b []byte) ([]byte, error) {
	if r.h == nil {
		return wire.AppendNil(b), nil
	}
	o := r.h.object.Load()
	if o == nil {
		return b, wire.Errorf(wire.CodeDropped, "this proxy of a %s was dropped", r.h.typeid)
	}
	return wire.AppendRef(b, o.ref), nil
}

// UnmarshalWire decodes a reference into a Ref of the session ctx.
func (r *Ref) UnmarshalWire(v []byte, ctx any) error {
	ref, err := DecodeRef(v, ctx)
	if err == nil {
		*r = ref
	}
	return err
}

// EncodeMsgpack encodes the reference inside of a type that encodes itself.
func (r Ref) EncodeMsgpack(enc *msgpack.Encoder) error { return wire.EncodeAny(enc, r) }

// DecodeMsgpack decodes a reference inside of a type that decodes itself.
func (r *Ref) DecodeMsgpack(dec *msgpack.Decoder) error { return DecodeMsgpack(dec, r) }

// DecodeMsgpack decodes the next value of dec with the type's own method. It is
// for the DecodeMsgpack methods of proxies.
func DecodeMsgpack(dec *msgpack.Decoder, into wire.Unmarshaler) error {
	raw, err := dec.DecodeRaw()
	if err != nil {
		return err
	}
	return into.UnmarshalWire(raw, wire.ContextOf(dec))
}

// DecodeRef returns a Ref of the session ctx for an encoded reference to an
// object of one of the typeids, or of any if none are given. None gives the zero
// Ref. Errors match ErrType or ErrValue.
func DecodeRef(v []byte, ctx any, typeids ...string) (Ref, error) {
	if wire.TypeOf(v) == wire.TypeNil {
		return Ref{}, nil
	}
	view, ok := wire.ParseRef(v)
	if !ok {
		return Ref{}, wire.Errorf(wire.CodeType, "got %s, want a shared object", wire.TypeName(v))
	}
	if !typeMatches(view.TypeID, typeids) {
		return Ref{}, wire.Errorf(wire.CodeType, "got a proxy of a %s, want one of a %s", view.TypeID, strings.Join(typeids, " or "))
	}
	s, ok := ctx.(*Session)
	if !ok || s == nil {
		return Ref{}, wire.Errorf(wire.CodeValue, "a reference to a %s outside of a session", view.TypeID)
	}
	o := s.refs.find(view.ID, view.Secret)
	if o == nil {
		return Ref{}, wire.Errorf(wire.CodeValue, "a reference to a %s that was not granted to this session", view.TypeID)
	}
	return newRef(o), nil
}

func typeMatches(typeid []byte, typeids []string) bool {
	for _, t := range typeids {
		if t == string(typeid) {
			return true
		}
	}
	return len(typeids) == 0
}

// Reference returns the Ref itself. With it, a Ref goes wherever a proxy does.
func (r Ref) Reference() Ref { return r }

// Again returns another proxy of the same object, which is dropped on its own.
func (r Ref) Again() (Ref, error) {
	o, err := r.acquire()
	if err != nil {
		return Ref{}, err
	}
	again := newRef(o)
	again.h.name = r.h.name
	return again, nil
}

// Repr returns what Python's repr prints for the object.
func (r Ref) Repr(ctx context.Context) (string, error) {
	return Invoke[string](ctx, NewCall(r, &ObjectRepr, 0))
}

// Value returns a copy of the object's value, as it decodes into an interface:
// a dict as a map, a list or a queue as a slice.
func (r Ref) Value(ctx context.Context) (any, error) {
	return Invoke[any](ctx, NewCall(r, &ObjectValue, 0))
}

// Methods returns the methods that the object exposes.
func (r Ref) Methods(ctx context.Context) ([]MethodInfo, error) {
	t, err := Invoke[TypeInfo](ctx, NewCall(r, &ObjectDescribe, 0))
	return t.Methods, err
}

// TypeInfo describes an object type.
type TypeInfo struct {
	TypeID  string       `msgpack:"typeid"`
	Params  string       `msgpack:"params"` // of the constructor, for people
	Methods []MethodInfo `msgpack:"methods"`
}

// MethodInfo describes an exposed method.
type MethodInfo struct {
	Name   string `msgpack:"name"`
	Number uint32 `msgpack:"number"`
	Params string `msgpack:"params"` // for people: "key, default=None"
	Result string `msgpack:"result"` // for people
	Reads  bool   `msgpack:"reads"`  // it changes nothing
}

// String returns the method's signature, "get(key, default=None) value".
func (m MethodInfo) String() string {
	s := m.Name + "(" + m.Params + ")"
	if m.Result != "" {
		s += " " + m.Result
	}
	return s
}
