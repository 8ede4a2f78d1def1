package managers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// custom runs what the engine hands outside: constructors and methods of
// registered types, the engine's own work on immutable views, and the server's
// own methods.
type custom struct {
	// Fixed at creation.
	server *Server

	mu        sync.Mutex // guards what follows; may be taken with core.mu held
	types     map[string]*goType
	instances map[uint64]*instance // by object
	running   map[uint64]*job      // by work
	results   map[uint64]*instance // objects that a method returned, by work, until they have an id
	idle      *sync.Cond           // signalled when running becomes empty
	closed    bool
}

// instance is the Go value behind an outside object.
type instance struct {
	typ *goType

	value reflect.Value // set once, before the object can be called

	mu    sync.Mutex // guards what follows
	queue []*job     // work that waits for its turn
	busy  bool
	gone  bool        // released: close it when the last job is done
	batch []done      // results that go back together
	flush *time.Timer // sends the batch when a call behind it takes long
}

// job is one piece of work under way.
type job struct {
	work   engine.Work
	ctx    context.Context
	cancel context.CancelFunc // nil if the method takes no context
	keep   []reflect.Value    // results: proxies in them stay until the engine has them
}

func newCustom(s *Server) *custom {
	k := &custom{
		server: s, types: make(map[string]*goType), instances: make(map[uint64]*instance),
		running: make(map[uint64]*job), results: make(map[uint64]*instance),
	}
	k.idle = sync.NewCond(&k.mu)
	return k
}

// add makes a type known to the engine and to k.
func (k *custom) add(g *goType) error {
	core := k.server.core
	core.mu.Lock()
	defer core.mu.Unlock()
	if err := core.engine.AddType(g.typ); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.types[g.typ.Name] = g
	return nil
}

// start begins a piece of work; it does not block.
func (k *custom) start(w engine.Work) {
	j := &job{work: w, ctx: k.server.context}
	k.mu.Lock()
	if k.closed {
		k.mu.Unlock()
		return
	}
	in := k.instances[w.Object]
	if w.Construct {
		in = &instance{typ: k.types[w.Type.Name], busy: true}
		k.instances[w.Object] = in
	}
	if f := in.function(&w); f != nil && f.ctx {
		if w.Deadline != 0 {
			wait := time.Duration(w.Deadline - k.server.core.now())
			j.ctx, j.cancel = context.WithTimeout(k.server.context, wait)
		} else {
			j.ctx, j.cancel = context.WithCancel(k.server.context)
		}
	}
	k.running[w.ID] = j
	k.server.running.Add(1)
	k.mu.Unlock()
	switch {
	case w.Run != nil:
		go func() {
			defer k.server.running.Done()
			k.finish(done{job: j, result: w.Run()})
		}()
	case w.Type == nil:
		go func() {
			defer k.server.running.Done()
			k.finish(k.server.serve(j))
		}()
	case w.Construct || in.typ.parallel:
		go func() {
			defer k.server.running.Done()
			k.finish(k.run(in, j))
		}()
	default:
		in.mu.Lock()
		in.queue = append(in.queue, j)
		first := !in.busy
		in.busy = true
		in.mu.Unlock()
		if first {
			go k.work(in)
		}
	}
}

// done is a piece of work with its result.
type done struct {
	job     *job
	value   []byte
	newType string
	err     *wire.Error
	result  any
}

// The results of quick calls go back together: at most so many, and not later
// than this after the first.
const (
	batchMost = 64
	batchTime = 50 * time.Microsecond
)

// work runs the calls of one object, one after the other, until none waits.
func (k *custom) work(in *instance) {
	for {
		in.mu.Lock()
		if len(in.queue) == 0 {
			if len(in.batch) > 0 {
				in.mu.Unlock()
				k.finishBatch(in)
				continue
			}
			in.busy = false
			gone := in.gone
			in.mu.Unlock()
			if gone {
				k.close(in)
			}
			return
		}
		j := in.queue[0]
		in.queue = in.queue[1:]
		in.mu.Unlock()

		d := k.run(in, j)

		in.mu.Lock()
		in.batch = append(in.batch, d)
		n := len(in.batch)
		if n == 1 && len(in.queue) > 0 {
			// The next call may take as long as it likes, or even wait for
			// something that this result sets off.
			if in.flush == nil {
				in.flush = time.AfterFunc(batchTime, func() { k.finishBatch(in) })
			} else {
				in.flush.Reset(batchTime)
			}
		}
		in.mu.Unlock()
		if n == batchMost {
			k.finishBatch(in)
		}
	}
}

// finishBatch brings the results of quick calls back together.
func (k *custom) finishBatch(in *instance) {
	in.mu.Lock()
	batch := in.batch
	in.batch = nil
	if in.flush != nil {
		in.flush.Stop()
	}
	in.mu.Unlock()
	if len(batch) == 0 {
		return
	}
	k.finish(batch...)
	for range batch {
		k.server.running.Done()
	}
}

// run makes one call of user code and returns its result.
func (k *custom) run(in *instance, j *job) done {
	d := done{job: j}
	value, err := k.invoke(in, j, &d)
	if err != nil {
		d.err = err
	} else if d.newType == "" && d.value == nil {
		d.value = value
	}
	if j.work.Construct {
		in.mu.Lock()
		in.busy = false
		in.mu.Unlock()
		if err != nil {
			k.mu.Lock()
			delete(k.instances, j.work.Object)
			k.mu.Unlock()
		}
	}
	return d
}

// finish brings results back into the engine.
func (k *custom) finish(all ...done) {
	core := k.server.core
	fx := takeEffects()
	cmd := engine.Command{Op: engine.OpComplete, Now: core.now()}
	core.mu.Lock()
	for i := range all {
		d := &all[i]
		cmd.Work, cmd.Value, cmd.NewType, cmd.Error, cmd.Result = d.job.work.ID, d.value, d.newType, d.err, d.result
		_ = core.do(&cmd, fx) // its caller may be gone: nobody to tell
	}
	core.settle(fx)
	core.mu.Unlock()
	core.deliver(fx)
	giveEffects(fx)
	k.mu.Lock()
	for _, d := range all {
		if d.job.cancel != nil {
			d.job.cancel()
		}
		runtime.KeepAlive(d.job.keep)
		delete(k.running, d.job.work.ID)
		delete(k.results, d.job.work.ID)
	}
	if len(k.running) == 0 {
		k.idle.Broadcast()
	}
	k.mu.Unlock()
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
func (k *custom) invoke(in *instance, j *job, d *done) (value []byte, failure *wire.Error) {
	name := j.work.Type.Name
	if j.work.Method != nil && !j.work.Construct {
		name += "." + j.work.Method.Name
	}
	defer func() {
		if p := recover(); p != nil {
			k.server.log.Error("a method panicked", "method", name, "object", j.work.Object, "panic", p, "stack", string(debug.Stack()))
			value, failure = nil, &wire.Error{Code: wire.CodePanic, Type: "panic", Message: fmt.Sprintf("%s: %v", name, p)}
		}
	}()
	if j.ctx.Err() != nil {
		return nil, wire.ErrCancelled
	}
	f := in.function(&j.work)
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
	args := make([]reflect.Value, 0, len(f.in)+2)
	if f.receiver {
		args = append(args, in.value)
	}
	if f.ctx {
		args = append(args, reflect.ValueOf(j.ctx))
	}
	release, err := k.server.attach(j.ctx, j.work.Args)
	defer release()
	if err != nil {
		return nil, wire.AsError(err)
	}
	args, failure = f.arguments(args, j.work.Args, k.server.valueContext())
	if failure != nil {
		return nil, failure
	}
	results := f.fn.Call(args)
	j.keep = results
	if f.err {
		last := results[len(results)-1]
		results = results[:len(results)-1]
		if !last.IsNil() {
			return nil, j.failure(name, last.Interface().(error))
		}
	}
	if j.work.Construct {
		return nil, k.constructed(in, results[0])
	}
	if typeid, ok := in.typ.toTypeid[j.work.Method.Name]; ok {
		return nil, k.newObject(name, j, d, typeid, results)
	}
	return k.encode(name, results)
}

// failure returns the error of user code. When it is that the call was
// cancelled or its time is up, the error says so; what the code did until then
// is done.
func (j *job) failure(name string, err error) *wire.Error {
	code := wire.CodeCancelled
	switch over := j.ctx.Err(); {
	case over == nil || !errors.Is(err, over):
		return wire.AsError(err)
	case errors.Is(over, context.DeadlineExceeded):
		code = wire.CodeTimeout
	}
	return &wire.Error{Code: code, Message: name + ": " + err.Error()}
}

// constructed keeps a new object.
func (k *custom) constructed(in *instance, v reflect.Value) *wire.Error {
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
func (k *custom) encode(name string, results []reflect.Value) ([]byte, *wire.Error) {
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

func (k *custom) marshal(name string, v reflect.Value) ([]byte, *wire.Error) {
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
func (k *custom) newObject(name string, j *job, d *done, typeid string, results []reflect.Value) *wire.Error {
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
func (k *custom) adopt(work, object uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.instances[object] = k.results[work]
}

// cancel ends the context of a call whose caller has given up.
func (k *custom) cancel(work uint64) {
	k.mu.Lock()
	j := k.running[work]
	k.mu.Unlock()
	if j != nil && j.cancel != nil {
		j.cancel()
	}
}

// release ends an object that nothing holds any more.
func (k *custom) release(object uint64) {
	k.mu.Lock()
	in := k.instances[object]
	delete(k.instances, object)
	k.mu.Unlock()
	if in == nil {
		return
	}
	in.mu.Lock()
	in.gone = true
	busy := in.busy
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
func (k *custom) close(in *instance) {
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
func (k *custom) drain(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.idle.Broadcast()
	})
	defer stop()
	k.mu.Lock()
	defer k.mu.Unlock()
	for len(k.running) > 0 {
		if ctx.Err() != nil {
			return fmt.Errorf("managers: %d calls did not end in time: %w", len(k.running), ctx.Err())
		}
		k.idle.Wait()
	}
	return nil
}

// shut takes no more work, and closes the objects that are left.
func (k *custom) shut() {
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
		busy := in.busy
		in.mu.Unlock()
		if !busy {
			k.close(in)
		}
	}
}
