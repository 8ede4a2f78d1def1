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
// It has the methods that all proxies have (Release, Token, TypeID, String,
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
	// Reference returns the untyped proxy, which shares its release.
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
// releasing one releases the other.
func (o object) Reference() Ref { return o.r }

// Release gives the proxy up: later calls fail with ErrReleased. It does not
// block, and may be called again. An object without a name lives until nothing
// refers to it. The garbage collector releases proxies as well.
func (o object) Release() { o.r.Release() }

// Token returns the object's name across processes, which Attach takes, as
// does the attach function of each type. It is "" after Release.
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

// decode makes the proxy refer to what the encoded reference does.
func (o *object) decode(v []byte, ctx any, typeids ...string) error {
	r, err := client.DecodeRef(v, ctx, typeids...)
	if err == nil {
		o.r = r
	}
	return err
}

// adopt makes r the proxy's own.
func (o *object) adopt(r Ref, typeids ...string) error {
	if err := client.Expect(r, typeids...); err != nil {
		return err
	}
	o.r = r
	return nil
}

// typed is a pointer to a typed proxy.
type typed[D any] interface {
	*D
	from(r Ref) error // takes r over if there is no error
}

// As returns a typed proxy of the object that p refers to: for one that was
// received as an untyped proxy. It is released on its own. ErrType if the object
// is of another type.
//
//	jobs, err := proxy.As[proxy.Queue[Job]](ref)
func As[D any, P typed[D]](p Proxy) (*D, error) {
	r := refOf(p)
	if !r.IsZero() {
		var err error
		if r, err = r.Again(); err != nil {
			return nil, err
		}
	}
	return own[D, P](&r, nil)
}

// create, open and attach are behind the functions of all types.

func create[D any, P typed[D]](ctx context.Context, m *Manager, typeid string, args ...any) (*D, error) {
	r, err := m.Create(ctx, typeid, args...)
	return own[D, P](r, err)
}

func open[D any, P typed[D]](ctx context.Context, m *Manager, name, typeid string, args ...any) (*D, error) {
	r, err := m.Open(ctx, name, typeid, args...)
	return own[D, P](r, err)
}

func attach[D any, P typed[D]](ctx context.Context, m *Manager, token string) (*D, error) {
	r, err := m.Attach(ctx, token)
	return own[D, P](r, err)
}

// own makes a typed proxy of a Ref that nobody else has.
func own[D any, P typed[D]](r *Ref, err error) (*D, error) {
	if err != nil {
		return nil, err
	}
	d := new(D)
	if err := P(d).from(*r); err != nil {
		r.Release()
		return nil, err
	}
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

// decodable is what UnmarshalWire of every typed proxy makes it.
var _ wire.Unmarshaler = (*Ref)(nil)
