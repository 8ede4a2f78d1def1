package managers

import (
	"context"
	"fmt"
	"iter"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/syncmanager/syncmanager/internal/engine"
)

// TypeOptions says how a registered type is used.
type TypeOptions struct {
	// Exposed lists the methods that clients may call. Nil: all exported ones
	// but Close, which the server calls (see Register).
	Exposed []string
	// MethodToTypeid names methods whose result becomes a new shared object,
	// and its typeid:
	//
	//   - a registered one: the result itself is the object, and has the type
	//     that the constructor of the typeid returns;
	//   - a built-in one ("list", "dict", ...), which takes the result as its
	//     initial value;
	//   - "Iterator" for an iter.Seq or a slice. An iter.Seq runs on when clients
	//     ask for values, beside other methods of the object that made it: it
	//     must walk over a copy, or take a lock.
	//
	// Each call makes another shared object, also of a pointer that was returned
	// before. The two run beside each other, and Close is called for each. A nil
	// result stays nil. The method returns one value, or one and an error. A
	// typeid that is not registered is an error of Serve, and of Register once
	// the server runs.
	//
	// The result of any other method is a copy: of a struct or a pointer to one,
	// a dict of the exported fields.
	MethodToTypeid map[string]string
	// Reads lists the methods that change nothing: sessions with the role read
	// may call them, and a call whose reply was lost is simply made again. They
	// must not change objects among their arguments either: a method calls these
	// with the server's rights, whatever the client's role.
	Reads []string
	// Concurrent says that the type's methods may run at the same time on one
	// shared object. Otherwise they run one after the other. Methods of different
	// objects run at the same time in any case: what these have in common needs
	// a lock.
	Concurrent bool
	// NoCreate refuses to create objects for clients: they come from methods
	// of other types (MethodToTypeid) only. The constructor is not called then;
	// its result says which Go type the typeid stands for.
	NoCreate bool
	// Singleton makes all clients get one object, which is made at the first
	// create; as with Python's
	//	register('get_queue', callable=lambda: queue)
	// It is also the named object of that name: a key with prefixes gets it only
	// if the typeid begins with one of them.
	Singleton bool
}

// goType is a registered type: what is known of it by reflection.
type goType struct {
	typ       *engine.Type
	construct *function
	methods   map[string]*function
	toTypeid  map[string]string
	parallel  bool
}

// function is a constructor or a method, ready to be called.
type function struct {
	name     string // "Maths.Add", for errors
	fn       reflect.Value
	receiver bool // the first argument is the object
	ctx      bool // the next one is a context
	in       []reflect.Type
	variadic bool
	out      []reflect.Type // without a last error
	err      bool           // the last result is an error

	memories sync.Pool // of *argMemory: memory of arguments between calls
	pace     pace      // whether its calls are quick
}

var (
	errorType   = reflect.TypeFor[error]()
	contextType = reflect.TypeFor[context.Context]()
)

// Register makes a type known to clients under the typeid. The constructor is
// any function that returns the object, or the object and an error; it may
// take a context first. Exported methods may take a context first, any
// arguments that a value can be decoded into (structs, proxies and variadic
// ones included), and may return values, an error, or both. Proxies are of the
// types of package proxy (*proxy.Ref, *proxy.Dict[string, int]) and work through
// the server itself. Several values are one tuple. Clients get an error as a
// *proxy.RemoteError with its Go type and text, and a panic as one that matches
// proxy.ErrPanic; the server logs the panic and goes on.
//
// Objects with a method Close() or Close() error are closed when they are
// released: when no client and no other object refers to them, and they have no
// name. A type may be registered while the server runs; clients know it from then
// on.
func (s *Server) Register(typeid string, constructor any, options TypeOptions) error {
	fn := reflect.ValueOf(constructor)
	if fn.Kind() != reflect.Func {
		return fmt.Errorf("register %q: the constructor is a %T; it must be a function that returns the object", typeid, constructor)
	}
	f, err := newFunction(typeid, fn, false)
	if err != nil {
		return fmt.Errorf("register %q: %w", typeid, err)
	}
	if len(f.out) != 1 {
		return fmt.Errorf("register %q: the constructor returns %d values; it must return the object, or the object and an error", typeid, len(f.out))
	}
	return s.register(typeid, f, f.out[0], options)
}

// RegisterValue makes one existing value known to all clients: every create of
// the typeid returns it, and so does every open of the name that is the typeid.
func (s *Server) RegisterValue(typeid string, value any, options TypeOptions) error {
	v := reflect.ValueOf(value)
	if !v.IsValid() {
		return fmt.Errorf("register %q: the value is nil", typeid)
	}
	t := v.Type()
	fn := reflect.MakeFunc(reflect.FuncOf(nil, []reflect.Type{t}, false), func([]reflect.Value) []reflect.Value { return []reflect.Value{v} })
	f, err := newFunction(typeid, fn, false)
	if err != nil {
		return fmt.Errorf("register %q: %w", typeid, err)
	}
	options.Singleton = true
	return s.register(typeid, f, t, options)
}

func (s *Server) register(typeid string, construct *function, t reflect.Type, options TypeOptions) error {
	g := &goType{construct: construct, methods: make(map[string]*function), toTypeid: options.MethodToTypeid, parallel: options.Concurrent}
	g.typ = &engine.Type{
		Name: typeid, Params: construct.params(), Takes: construct.takes(), Outside: true, NoCreate: options.NoCreate, Singleton: options.Singleton,
	}
	if t.Kind() == reflect.Interface && options.Exposed == nil {
		options.Exposed = []string{}
		for m := range t.Methods() {
			options.Exposed = append(options.Exposed, m.Name)
		}
	}
	for _, name := range options.Exposed {
		if _, ok := t.MethodByName(name); !ok {
			return fmt.Errorf("register %q: %s has no exported method %s", typeid, t, name)
		}
	}
	for m := range t.Methods() {
		if options.Exposed != nil && !slices.Contains(options.Exposed, m.Name) || options.Exposed == nil && isClose(m) {
			continue
		}
		fn := m.Func
		if t.Kind() == reflect.Interface {
			fn = interfaceMethod(t, m)
		}
		f, err := newFunction(typeid+"."+m.Name, fn, true)
		if err != nil {
			return fmt.Errorf("register %q: %w", typeid, err)
		}
		g.methods[m.Name] = f
		method := engine.Method{Name: m.Name, Params: f.params(), Takes: f.takes(), Result: f.results()}
		if slices.Contains(options.Reads, m.Name) {
			method.Flags |= engine.Reads
		}
		g.typ.Methods = append(g.typ.Methods, method)
	}
	for _, names := range [][]string{options.Reads, slices.Sorted(keys(options.MethodToTypeid))} {
		for _, name := range names {
			if g.methods[name] == nil {
				return fmt.Errorf("register %q: method %s is named in the options and not exposed", typeid, name)
			}
		}
	}
	if s.setupErr != nil {
		return s.setupErr
	}
	if err := s.outside.add(g); err != nil {
		return err
	}
	if s.core.logged != nil {
		s.wantLocal = true // once the log is read
		return nil
	}
	return s.openLocal()
}

func keys[K comparable, V any](m map[K]V) iter.Seq[K] {
	return func(yield func(K) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// isClose reports whether the method is the one that the server calls at the
// end of an object; it is exposed only by name.
func isClose(m reflect.Method) bool {
	return m.Name == "Close" && m.Type.NumIn() == 1
}

// interfaceMethod returns a method of an interface as a function of the
// object.
func interfaceMethod(t reflect.Type, m reflect.Method) reflect.Value {
	in := []reflect.Type{t}
	for p := range m.Type.Ins() {
		in = append(in, p)
	}
	out := slices.Collect(m.Type.Outs())
	typ := reflect.FuncOf(in, out, m.Type.IsVariadic())
	return reflect.MakeFunc(typ, func(args []reflect.Value) []reflect.Value {
		f := args[0].MethodByName(m.Name)
		if typ.IsVariadic() {
			return f.CallSlice(args[1:])
		}
		return f.Call(args[1:])
	})
}

func newFunction(name string, fn reflect.Value, receiver bool) (*function, error) {
	t := fn.Type()
	f := &function{name: name, fn: fn, receiver: receiver, variadic: t.IsVariadic()}
	at := 0
	if receiver {
		at++
	}
	if at < t.NumIn() && t.In(at) == contextType {
		f.ctx = true
		at++
	}
	for ; at < t.NumIn(); at++ {
		in := t.In(at)
		switch in.Kind() {
		case reflect.Chan, reflect.Func, reflect.UnsafePointer, reflect.Uintptr:
			return nil, fmt.Errorf("%s: argument %d is a %s, which no value can be decoded into", name, at, in)
		}
		f.in = append(f.in, in)
	}
	for out := range t.Outs() {
		f.out = append(f.out, out)
	}
	if n := len(f.out); n > 0 && f.out[n-1] == errorType {
		f.out, f.err = f.out[:n-1], true
	}
	return f, nil
}

// takes is the part of the signature that the engine checks.
func (f *function) takes() *engine.Signature {
	s := &engine.Signature{Least: f.least(), Most: f.least()}
	if f.variadic {
		s.Most = math.MaxInt
	}
	return s
}

func (f *function) params() string {
	names := make([]string, len(f.in))
	for i, t := range f.in {
		names[i] = t.String()
		if f.variadic && i == len(f.in)-1 {
			names[i] = "..." + t.Elem().String()
		}
	}
	return strings.Join(names, ", ")
}

func (f *function) results() string {
	names := make([]string, 0, len(f.out)+1)
	for _, t := range f.out {
		names = append(names, t.String())
	}
	if f.err {
		names = append(names, "error")
	}
	return strings.Join(names, ", ")
}
