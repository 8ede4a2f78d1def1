package managers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// outside runs what the engine hands outside: constructors and methods of
// registered types, the engine's own work on immutable views, and the server's
// own methods.
type outside struct {
	// Fixed at creation.
	server *Server

	mu        sync.Mutex // guards what follows; may be taken with core.mu held
	types     map[string]*goType
	instances map[uint64]*instance          // by object
	contexts  map[uint64]context.CancelFunc // of the work that takes one
	results   map[uint64]*instance          // objects that a method returned, by work, until they have an id
	under     int                           // pieces of work under way
	idle      *sync.Cond                    // signalled when under becomes 0
	closed    bool
}

func newOutside(s *Server) *outside {
	k := &outside{
		server: s, types: make(map[string]*goType), instances: make(map[uint64]*instance),
		contexts: make(map[uint64]context.CancelFunc), results: make(map[uint64]*instance),
	}
	k.idle = sync.NewCond(&k.mu)
	return k
}

// add makes a type known to the engine and to k.
func (k *outside) add(g *goType) error {
	core, serves := k.server.core, k.server.serves()
	core.mu.Lock()
	defer core.mu.Unlock()
	if core.logged != nil && core.logged.begun {
		return fmt.Errorf("register %q: the server has begun: all types must be registered before that, since the log is read with them", g.typ.Name)
	}
	if serves {
		if err := g.check(core.engine); err != nil {
			return err
		}
	}
	if err := core.engine.AddType(g.typ); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.types[g.typ.Name] = g
	return nil
}

// allTypes returns the types that were added.
func (k *outside) allTypes() []*engine.Type {
	k.mu.Lock()
	defer k.mu.Unlock()
	all := make([]*engine.Type, 0, len(k.types))
	for _, name := range slices.Sorted(maps.Keys(k.types)) {
		all = append(all, k.types[name].typ)
	}
	return all
}

// check finds results that are to become objects of a type that is not there.
func (k *outside) check() error {
	core := k.server.core
	core.mu.Lock()
	defer core.mu.Unlock()
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(k.types)) {
		if err := k.types[name].check(core.engine); err != nil {
			return err
		}
	}
	return nil
}

// check returns an error if a result is to become an object of a type that the
// engine does not have, other than g itself.
func (g *goType) check(e *engine.Engine) error {
	for _, method := range slices.Sorted(maps.Keys(g.toTypeid)) {
		if to := g.toTypeid[method]; to != g.typ.Name && e.Type(to) == nil {
			return fmt.Errorf("managers: MethodToTypeid of %q makes results of %s a %q, which is not registered", g.typ.Name, method, to)
		}
	}
	return nil
}

// function returns what a piece of work calls, or nil.
func (in *instance) function(w *engine.Work) *function {
	switch {
	case in == nil:
		return nil
	case w.Construct:
		return in.typ.construct
	case w.Method == nil:
		return nil
	}
	return in.typ.methods[w.Method.Name]
}

// invoke calls user code. A panic becomes an error for the caller and a stack
// in the log.
func (k *outside) invoke(in *instance, j *job, d *done) (value []byte, failure *wire.Error) {
	name := j.name()
	defer func() {
		if p := recover(); p != nil {
			k.server.log.Error("a method panicked", "method", name, "object", j.work.Object, "panic", p, "stack", string(debug.Stack()))
			value, failure = nil, &wire.Error{Code: wire.CodePanic, Type: "panic", Message: fmt.Sprintf("panic in %s: %v", name, p)}
		}
	}()
	if j.ctx.Err() != nil {
		return nil, wire.ErrCancelled
	}
	f := j.function
	if f == nil {
		switch {
		case j.work.Method.Number() == engine.MethodRepr:
			return wire.AppendStr(nil, fmt.Sprint(in.value.Interface())), nil
		case j.work.Method.Number() == engine.MethodValue:
			return k.marshal(name, in.value)
		default:
			return nil, wire.Errorf(wire.CodeNotExposed, "%s is not exposed", name)
		}
	}
	release, err := k.server.attach(j.ctx, j.work.Args)
	if release != nil {
		defer release()
	}
	if err != nil {
		return nil, wire.AsError(err)
	}
	mem := f.memory()
	args := mem.args[:0]
	if f.receiver {
		args = append(args, in.value)
	}
	if f.ctx {
		args = append(args, reflect.ValueOf(j.ctx))
	}
	args, failure = f.arguments(mem, args, j.work.Args, k.server.valueContext())
	if failure != nil {
		return nil, failure
	}
	results := f.fn.Call(args)
	f.giveMemory(mem, args)
	j.keep = results
	if f.err {
		last := results[len(results)-1]
		results = results[:len(results)-1]
		if !last.IsNil() {
			return nil, k.failure(j, name, last.Interface().(error))
		}
	}
	if j.work.Construct {
		return nil, in.keep(results[0])
	}
	if typeid, ok := in.typ.toTypeid[j.work.Method.Name]; ok {
		return nil, k.newObject(name, j, d, typeid, results)
	}
	return k.encode(name, results)
}

// failure returns the error of user code. When it is that the call was
// cancelled or its time is up, the error says so; what the code did until then
// is done.
func (k *outside) failure(j *job, name string, err error) *wire.Error {
	code := wire.CodeCancelled
	switch over := j.ctx.Err(); {
	case over == nil || !errors.Is(err, over):
		return k.server.userError(err)
	case errors.Is(over, context.DeadlineExceeded):
		code = wire.CodeTimeout
	}
	return &wire.Error{Code: code, Message: name + ": " + err.Error()}
}

// userError returns an error of user code as it travels: with its code if it has
// one in Config.Errors.
func (s *Server) userError(err error) *wire.Error {
	for _, code := range slices.Sorted(maps.Keys(s.config.Errors)) {
		if errors.Is(err, s.config.Errors[code]) {
			return &wire.Error{Code: wire.CodeRemote, Type: code, Message: err.Error()}
		}
	}
	return wire.AsError(err)
}

// keep keeps a new object.
func (in *instance) keep(v reflect.Value) *wire.Error {
	if isNil(v) {
		return wire.Errorf(wire.CodeValue, "the constructor of %s returned nil", in.typ.typ.Name)
	}
	in.value = v
	return nil
}

func isNil(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface, reflect.Map, reflect.Slice, reflect.Func, reflect.Chan:
		return v.IsNil()
	}
	return false
}

// encode encodes what a method returned: nothing, one value, or several as a
// tuple.
func (k *outside) encode(name string, results []reflect.Value) ([]byte, *wire.Error) {
	switch len(results) {
	case 0:
		return wire.AppendNil(nil), nil
	case 1:
		return k.marshal(name, results[0])
	}
	var b []byte
	for _, r := range results {
		v, err := k.marshal(name, r)
		if err != nil {
			return nil, err
		}
		b = append(b, v...)
	}
	return append(wire.AppendTupleHeader(nil, len(results), len(b)), b...), nil
}

func (k *outside) marshal(name string, v reflect.Value) ([]byte, *wire.Error) {
	b, err := wire.Marshal(nil, v.Interface())
	if err != nil {
		return nil, wire.Errorf(wire.CodeUnserializable, "%s: its result, a %s, cannot be encoded: %v", name, v.Type(), err)
	}
	if limit := k.server.config.MaxMessage; len(b) > limit {
		return nil, wire.Errorf(wire.CodeTooLarge, "%s: its result has %d bytes; the limit is %d", name, len(b), limit)
	}
	return b, nil
}

// newObject prepares the result of a method to become a shared object.
func (k *outside) newObject(name string, j *job, d *done, typeid string, results []reflect.Value) *wire.Error {
	if len(results) != 1 {
		return wire.Errorf(wire.CodeType, "%s returns %d values; to become a %s it must return one", name, len(results), typeid)
	}
	v := results[0]
	if v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	if !v.IsValid() || isNil(v) {
		d.value = wire.AppendNil(nil) // None stays None
		return nil
	}
	k.mu.Lock()
	g := k.types[typeid]
	k.mu.Unlock()
	d.newType = typeid
	if g == nil {
		arg, err := k.marshal(name, v)
		if err != nil {
			return err
		}
		d.value = append(wire.AppendArrayHeader(nil, 1), arg...)
		return nil
	}
	if typeid == iteratorType {
		it, err := newIterator(v)
		if err != nil {
			return wire.Errorf(wire.CodeType, "%s: %v", name, err)
		}
		v = reflect.ValueOf(it)
	} else if want := g.construct.out[0]; !v.Type().AssignableTo(want) {
		return wire.Errorf(wire.CodeType, "%s returned a %s; typeid %s stands for %s", name, v.Type(), typeid, want)
	}
	k.mu.Lock()
	k.results[j.work.ID] = &instance{typ: g, value: v}
	k.mu.Unlock()
	return nil
}

// adopt gives an object that a method returned its id. The engine's lock is
// held.
func (k *outside) adopt(work, object uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.instances[object] = k.results[work]
}

// cancel ends the context of a call whose caller has given up.
func (k *outside) cancel(work uint64) {
	k.mu.Lock()
	cancel := k.contexts[work]
	k.mu.Unlock()
	if cancel != nil {
		cancel()
	}
}

// release ends an object that nothing holds any more.
func (k *outside) release(object uint64) {
	k.mu.Lock()
	in := k.instances[object]
	delete(k.instances, object)
	k.mu.Unlock()
	if in == nil {
		return
	}
	in.mu.Lock()
	in.gone = true
	busy := in.busyLocked()
	in.mu.Unlock()
	if !busy {
		k.server.running.Add(1)
		go func() {
			defer k.server.running.Done()
			k.close(in)
		}()
	}
}

// close calls the object's Close, if it has one.
func (k *outside) close(in *instance) {
	if !in.value.IsValid() {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			k.server.log.Error("Close panicked", "typeid", in.typ.typ.Name, "panic", p, "stack", string(debug.Stack()))
		}
	}()
	switch c := in.value.Interface().(type) {
	case io.Closer:
		if err := c.Close(); err != nil {
			k.server.log.Warn("Close failed", "typeid", in.typ.typ.Name, "err", err)
		}
	case interface{ Close() }:
		c.Close()
	}
}

// drain waits until no work is under way.
func (k *outside) drain(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.idle.Broadcast()
	})
	defer stop()
	k.mu.Lock()
	defer k.mu.Unlock()
	for k.under > 0 {
		if ctx.Err() != nil {
			return fmt.Errorf("managers: %d calls did not end in time: %w", k.under, ctx.Err())
		}
		k.idle.Wait()
	}
	return nil
}

// shut takes no more work, and closes the objects that are left.
func (k *outside) shut() {
	k.mu.Lock()
	k.closed = true
	left := make([]*instance, 0, len(k.instances))
	for _, in := range k.instances {
		left = append(left, in)
	}
	clear(k.instances)
	k.mu.Unlock()
	for _, in := range left {
		in.mu.Lock()
		in.gone = true
		busy := in.busyLocked()
		in.mu.Unlock()
		if !busy {
			k.close(in)
		}
	}
}
