package proxy

import (
	"context"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/syncmanager/syncmanager/internal/client"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// Ref is a proxy of an object of any type. The typed proxies are built on it. It
// is a small value; copies are the same proxy. The zero Ref refers to nothing,
// and calls on it fail.
//
// It has the methods that all proxies have (Drop, Token, TypeID, String,
// Repr, Methods, Reference) and
//
//	func (r Ref) ID() uint64    // the object's number in listings
//	func (r Ref) IsZero() bool  // whether it refers to nothing
//	func (r Ref) Value(ctx context.Context) (any, error) // as ValueOf[any]
//
// A proxy of a custom type embeds a Ref, not a pointer to one. It can then be a
// result, an element or an argument as it is:
//
//	type Account struct{ proxy.Ref }
//
//	func (a Account) Balance(ctx context.Context) (int, error) {
//		return proxy.Call[int](ctx, a, "Balance")
//	}
//
//	account, err := proxy.Call[Account](ctx, bank, "Open", "ann")
type Ref = client.Ref

type (
	// TypeInfo describes an object type:
	//
	//	TypeID  string
	//	Params  string // of the constructor, for people
	//	Methods []MethodInfo
	TypeInfo = client.TypeInfo

	// MethodInfo describes an exposed method. Its String is the signature.
	//
	//	Name   string
	//	Number uint32
	//	Params string // for people: "key, default=None"
	//	Result string // for people
	//	Reads  bool   // it changes nothing
	MethodInfo = client.MethodInfo
)

// Proxy is what refers to a shared object: a Ref or a typed proxy.
type Proxy interface {
	// Reference returns the untyped proxy of the same object; dropping one drops
	// the other.
	Reference() Ref
}

// refOf returns the Ref of p, and of nothing the zero Ref, whose calls fail.
func refOf(p Proxy) Ref {
	if p == nil {
		return Ref{}
	}
	if r, ok := p.(*Ref); ok && r == nil {
		return Ref{}
	}
	return p.Reference()
}

// object is what all typed proxies have in common.
type object struct{ r Ref }

// Reference returns the untyped proxy of the same object. Both are one proxy:
// dropping one drops the other.
func (o object) Reference() Ref { return o.r }

// Drop gives the proxy up: later calls fail with ErrDropped. It does not block,
// and may be called again. An object without a name lives until nothing refers
// to it. The garbage collector drops proxies as well. It is not the Release of a
// lock, which others then can acquire; a lock stays held when its proxy is
// dropped.
func (o object) Drop() { o.r.Drop() }

// Token returns the object's name across processes, which Attach takes. It is ""
// after Drop.
func (o object) Token() string { return o.r.Token() }

// TypeID returns the object's typeid.
func (o object) TypeID() string { return o.r.TypeID() }

// String says what the proxy refers to.
func (o object) String() string { return o.r.String() }

// Repr returns what Python's repr prints for the object.
func (o object) Repr(ctx context.Context) (string, error) { return o.r.Repr(ctx) }

// Methods returns the methods that the object exposes.
func (o object) Methods(ctx context.Context) ([]MethodInfo, error) { return o.r.Methods(ctx) }

// AppendWire makes the proxy part of any value.
func (o object) AppendWire(b []byte) ([]byte, error) { return o.r.AppendWire(b) }

// EncodeMsgpack encodes the proxy inside of a type that encodes itself.
func (o object) EncodeMsgpack(enc *msgpack.Encoder) error { return o.r.EncodeMsgpack(enc) }

// base is object for the typed proxies of one kind.
type base[K kind] struct{ object }

// UnmarshalWire decodes a reference to an object of the type.
func (b *base[K]) UnmarshalWire(v []byte, ctx any) error {
	var k K
	r, err := client.DecodeRef(v, ctx, k.typeid())
	if err == nil {
		b.r = r
	}
	return err
}

// DecodeMsgpack decodes a reference inside of a type that decodes itself.
func (b *base[K]) DecodeMsgpack(dec *msgpack.Decoder) error { return client.DecodeMsgpack(dec, b) }

// typeid returns the typeid of the objects that the proxy is of.
func (b *base[K]) typeid() string {
	var k K
	return k.typeid()
}

// Typed is a pointer to a proxy: to one of this package's types, or to a struct
// that embeds a Ref.
type Typed[D any] interface {
	*D
	Proxy
	// UnmarshalWire is not for programs to call.
	UnmarshalWire(v []byte, ctx any) error
}

// builtIn is a pointer to a proxy of one of this package's types.
type builtIn[D any] interface {
	Typed[D]
	typeid() string
}

// As returns another proxy of the object that p refers to, of the type D: for
// one that was received as a Ref. It is dropped on its own. ErrType if the object
// is of another type.
//
//	jobs, err := proxy.As[proxy.Queue[Job]](ref)
func As[D any, P Typed[D]](p Proxy) (*D, error) {
	r := refOf(p)
	if r.IsZero() {
		return nil, wire.Errorf(wire.CodeType, "%T refers to nothing; want a proxy that was opened, created, attached or received", p)
	}
	r, err := r.Again()
	return own[D, P](&r, err)
}

// Attach returns a proxy, of the type D, of the object that a token names. The
// token comes from the Token method of any proxy, also of another program, of an
// object in the same server. ErrUnknownObject if the object is gone, ErrType if
// it is of another type.
//
//	jobs, err := proxy.Attach[proxy.Queue[Job]](ctx, m, token)
func Attach[D any, P Typed[D]](ctx context.Context, m *Manager, token string) (*D, error) {
	r, err := m.Attach(ctx, token)
	return own[D, P](r, err)
}

// create and open are behind the functions of all types.

func create[D any, P builtIn[D]](ctx context.Context, m *Manager, args ...any) (*D, error) {
	r, err := m.Create(ctx, P(new(D)).typeid(), args...)
	return own[D, P](r, err)
}

func open[D any, P builtIn[D]](ctx context.Context, m *Manager, name string, args ...any) (*D, error) {
	r, err := m.Open(ctx, name, P(new(D)).typeid(), args...)
	return own[D, P](r, err)
}

// own makes a typed proxy of a Ref that nobody else has, and drops the Ref.
func own[D any, P Typed[D]](r *Ref, err error) (*D, error) {
	if err != nil {
		return nil, err
	}
	defer r.Drop()
	v, err := r.AppendWire(nil)
	if err != nil {
		return nil, err
	}
	d := new(D)
	if err := P(d).UnmarshalWire(v, client.SessionOf(*r)); err != nil {
		return nil, err
	}
	client.SetName(P(d).Reference(), client.NameOf(*r))
	return d, nil
}

// begin begins a call with n arguments. A hold in the context guards what does
// not merely read.
func (o object) begin(ctx context.Context, m *client.Method, n int) *client.Call {
	c := client.NewCall(o.r, m, n)
	if m.Flags&client.Reads == 0 {
		if h, ok := ctx.Value(guardKey{}).(*Hold); ok {
			c.Guard(h.lock, h.Token())
		}
	}
	return c
}

// The functions below make a call with a number of arguments and return its
// result. R = struct{} takes any.

func call0[R any](ctx context.Context, o object, m *client.Method) (R, error) {
	return client.Invoke[R](ctx, o.begin(ctx, m, 0))
}

func call1[R, A any](ctx context.Context, o object, m *client.Method, a A) (R, error) {
	c := o.begin(ctx, m, 1)
	client.Arg(c, a)
	return client.Invoke[R](ctx, c)
}

func call2[R, A, B any](ctx context.Context, o object, m *client.Method, a A, b B) (R, error) {
	c := o.begin(ctx, m, 2)
	client.Arg(c, a)
	client.Arg(c, b)
	return client.Invoke[R](ctx, c)
}

func call3[R, A, B, C any](ctx context.Context, o object, m *client.Method, a A, b B, d C) (R, error) {
	c := o.begin(ctx, m, 3)
	client.Arg(c, a)
	client.Arg(c, b)
	client.Arg(c, d)
	return client.Invoke[R](ctx, c)
}

func exec0(ctx context.Context, o object, m *client.Method) error {
	return client.Exec(ctx, o.begin(ctx, m, 0))
}

func exec1[A any](ctx context.Context, o object, m *client.Method, a A) error {
	c := o.begin(ctx, m, 1)
	client.Arg(c, a)
	return client.Exec(ctx, c)
}

func exec2[A, B any](ctx context.Context, o object, m *client.Method, a A, b B) error {
	c := o.begin(ctx, m, 2)
	client.Arg(c, a)
	client.Arg(c, b)
	return client.Exec(ctx, c)
}

// end0, end1 and end2 are exec for a call that ends a hold: it takes effect also
// when the context is over.

func end0(ctx context.Context, o object, m *client.Method) error {
	return client.ExecSurely(ctx, o.begin(ctx, m, 0))
}

func end1[A any](ctx context.Context, o object, m *client.Method, a A) error {
	c := o.begin(ctx, m, 1)
	client.Arg(c, a)
	return client.ExecSurely(ctx, c)
}

func end2[A, B any](ctx context.Context, o object, m *client.Method, a A, b B) error {
	c := o.begin(ctx, m, 2)
	client.Arg(c, a)
	client.Arg(c, b)
	return client.ExecSurely(ctx, c)
}

// wait says how long a call may wait in the server.
type wait struct {
	bounded bool
	d       time.Duration
}

var (
	forever = wait{}
	noWait  = wait{bounded: true}
)

func within(d time.Duration) wait { return wait{bounded: true, d: d} }

func (w wait) apply(c *client.Call) {
	if w.bounded {
		c.Timeout(w.d)
	}
}

// Call calls an exposed method of any object by its name and decodes the result
// into R. It is the way to call custom types:
//
//	sum, err := proxy.Call[int](ctx, maths, "Add", 4, 3)
//
// R = struct{} takes any result, R = any the natural Go type of the value, with
// *Ref for a reference.
func Call[R any](ctx context.Context, p Proxy, method string, args ...any) (R, error) {
	c := object{refOf(p)}.begin(ctx, &byName, len(args))
	c.ByName(method)
	c.Args(args)
	return client.Invoke[R](ctx, c)
}

var byName = client.Method{}

// CallTimeout is Call with a bound on how long the call may wait in the server.
// What happens then is the method's own affair: most fail with ErrTimeout.
func CallTimeout[R any](ctx context.Context, p Proxy, timeout time.Duration, method string, args ...any) (R, error) {
	c := object{refOf(p)}.begin(ctx, &byName, len(args))
	c.ByName(method)
	c.Timeout(timeout)
	c.Args(args)
	return client.Invoke[R](ctx, c)
}

// ValueOf returns a copy of the object's value: of a dict a map, of a list or a
// queue a slice, of a Namespace a struct or a map.
func ValueOf[T any](ctx context.Context, p Proxy) (T, error) {
	return client.Invoke[T](ctx, client.NewCall(refOf(p), &client.ObjectValue, 0))
}
