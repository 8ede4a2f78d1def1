package managers

import (
	"context"
	"reflect"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// Calls of one object run one after the other, by a worker that takes all that
// wait, and whose results go back together. When the method was quick the last
// time, that worker is the goroutine which has read the calls from the
// connection: what a client sends at once costs no change of goroutines and two
// turns of the engine, however many calls it is. Any other method has a
// goroutine; results that wait go back before it runs, and when the type is
// Concurrent it does not wait for others.
//
// A method may be quick once and take as long as it likes the next time. A
// watch finds that: it sends the results that are held up, lets the calls of a
// Concurrent type go on, and has somebody else read the connection.
const (
	// batchMost is how many results go back together at most.
	batchMost = 64
	// batchTime is how long after the first of them they go back.
	batchTime = 50 * time.Microsecond
	// quickTime is how long a quick call takes at most.
	quickTime = 10 * time.Microsecond
	// watchTime is how often the watch looks. What stands behind a call that
	// was expected to be quick waits for twice as long at most.
	watchTime = 500 * time.Microsecond
	// readerMost is how many calls a connection's reader makes before it reads
	// on and leaves the rest to another goroutine.
	readerMost = 1024
)

// instance is the Go value behind an outside object.
type instance struct {
	typ *goType

	value reflect.Value // set once, before the object can be called

	mu     sync.Mutex // guards what follows
	making bool       // the constructor runs
	queue  []*job     // work that waits for its turn, from head on
	head   int
	worker *worker // nil: no work waits
	gone   bool    // released: close it when the last job is done
	watch  watch   // looks after a worker that has a goroutine of its own
}

// worker works off an object's queue.
type worker struct {
	in *instance

	// Guarded by in.mu.
	reader *reader // whose goroutine it has, or nil
	out    *results
	own    results // out, when it has a goroutine of its own
	turn   uint64  // counts the calls that it began
	now    *job    // runs
}

// results are on their way back to the engine.
type results struct {
	mu    sync.Mutex // guards what follows; may be taken with instance.mu held
	list  []done
	spare []done    // memory
	began time.Time // the first of them
}

// add adds a result of a call that began at the time.
func (r *results) add(d done, began time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.list) == 0 {
		r.began = began
	}
	r.list = append(r.list, d)
}

func (r *results) empty() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.list) == 0
}

// due reports whether the results must go back now.
func (r *results) due(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.list) >= batchMost || len(r.list) > 0 && now.Sub(r.began) > batchTime
}

// flush brings results back into the engine.
func (k *outside) flush(r *results) {
	r.mu.Lock()
	list := r.list
	r.list, r.spare = r.spare, nil
	r.mu.Unlock()
	if len(list) == 0 {
		return
	}
	k.finish(list...)
	clear(list)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spare = list[:0]
}

// watch looks every watchTime while it is armed, and knows what it saw last.
type watch struct {
	timer *time.Timer
	armed bool
	seen  uint64
}

// arm lets look be called before long, unless it will be anyway.
func (w *watch) arm(look func()) {
	if w.armed {
		return
	}
	w.armed = true
	if w.timer == nil {
		w.timer = time.AfterFunc(watchTime, look)
	} else {
		w.timer.Reset(watchTime)
	}
}

// job is one piece of work under way.
type job struct {
	work     engine.Work
	function *function // what is called, or nil
	ctx      context.Context
	cancel   context.CancelFunc // nil if the method takes no context
	keep     []reflect.Value    // results: proxies in them stay until the engine has them
}

var jobs = sync.Pool{New: func() any { return new(job) }}

// name says what the job calls.
func (j *job) name() string {
	switch {
	case j.function != nil:
		return j.function.name
	case j.work.Type == nil:
		return j.work.Method.Name
	case j.work.Method != nil && !j.work.Construct:
		return j.work.Type.Name + "." + j.work.Method.Name
	}
	return j.work.Type.Name
}

// quick reports whether the job is expected to end at once.
func (j *job) quick() bool { return j.function != nil && j.function.pace.quick() }

// timed notes how long a job took that has ended just now, and returns the time.
func (j *job) timed(began time.Time) time.Time {
	now := time.Now()
	if j.function != nil {
		j.function.pace.note(now.Sub(began))
	}
	return now
}

// pace tells quick functions from others. One call that takes longer than
// quickTime may have been interrupted; two in a row count.
type pace struct {
	state atomic.Int32 // paceUnknown, paceQuick or paceDoubt
}

const (
	paceUnknown = iota // or slow
	paceQuick
	paceDoubt // one call took long
)

func (p *pace) quick() bool { return p.state.Load() != paceUnknown }

// slow notes that a call takes long.
func (p *pace) slow() { p.state.Store(paceUnknown) }

func (p *pace) note(took time.Duration) {
	switch was := p.state.Load(); {
	case took < quickTime:
		if was != paceQuick {
			p.state.Store(paceQuick)
		}
	case was == paceQuick:
		p.state.CompareAndSwap(paceQuick, paceDoubt)
	case was == paceDoubt:
		p.slow()
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

func (in *instance) busyLocked() bool { return in.making || in.worker != nil }

func (in *instance) waitingLocked() int { return len(in.queue) - in.head }

// takeLocked returns the job whose turn it is.
func (in *instance) takeLocked() *job {
	j := in.queue[in.head]
	in.queue[in.head] = nil
	if in.head++; in.head == len(in.queue) {
		in.queue, in.head = in.queue[:0], 0
	}
	return j
}

// start begins pieces of work; it does not block.
func (k *outside) start(all []engine.Work) {
	var first [8]*worker
	for _, w := range k.enter(all, first[:0]) {
		go k.work(w)
	}
}

// enter begins pieces of work, and appends the workers that the caller has to
// run.
func (k *outside) enter(all []engine.Work, begin []*worker) []*worker {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return begin
	}
	for i := range all {
		if w := k.startLocked(&all[i]); w != nil {
			begin = append(begin, w)
		}
	}
	return begin
}

// startLocked begins one piece of work. It returns a worker that is to be
// started, or nil.
func (k *outside) startLocked(w *engine.Work) *worker {
	j := jobs.Get().(*job)
	j.work, j.ctx = *w, k.server.context
	in := k.instances[w.Object]
	if in == nil && w.Type != nil && !w.Construct {
		// The value was in another life of the server.
		k.under++
		lost := errLostValue(w.Type.Name)
		k.alone(nil, j, func() done { return done{job: j, err: lost} })
		return nil
	}
	if w.Construct {
		in = &instance{typ: k.types[w.Type.Name], making: true}
		k.instances[w.Object] = in
	}
	j.function = in.function(w)
	if f := j.function; f != nil && f.ctx {
		if w.Deadline != 0 {
			wait := time.Duration(w.Deadline - k.server.core.now())
			j.ctx, j.cancel = context.WithTimeout(k.server.context, wait)
		} else {
			j.ctx, j.cancel = context.WithCancel(k.server.context)
		}
		k.contexts[w.ID] = j.cancel
	}
	k.under++
	switch {
	case w.Run != nil:
		k.place(j)
	case w.Type == nil:
		k.alone(in, j, func() done { return k.server.serve(j) })
	case w.Construct || in.typ.parallel && !j.quick():
		k.alone(in, j, func() done {
			began := time.Now()
			d := k.run(in, j)
			j.timed(began)
			return d
		})
	default:
		return k.enqueue(in, j)
	}
	return nil
}

func errLostValue(typeid string) *wire.Error {
	return wire.Errorf(wire.CodeUnavailable, "the %s was lost with its server: what is of a Go type lives in the server's process alone", typeid)
}

// place runs the engine's own work, which is ended when nobody wants its result.
// The caller holds k.mu.
func (k *outside) place(j *job) {
	t := &task{}
	t.run = func(pause engine.Pause) {
		d := done{job: j, err: wire.ErrCancelled}
		if !pause.Over() {
			if result := j.work.Run(pause); !t.off.Load() {
				d = done{job: j, result: result}
			}
		}
		k.finish(d)
	}
	j.cancel = t.cancel
	k.contexts[j.work.ID] = t.cancel
	if !k.server.places.add(j.work.Session, t) {
		k.alone(nil, j, func() done { return done{job: j, err: errTasks} })
	}
}

// maxTurn is how long work on large objects runs without giving way.
const maxTurn = time.Millisecond

// alone does a piece of work on a goroutine of its own.
func (k *outside) alone(in *instance, j *job, do func() done) {
	k.server.running.Add(1)
	go func() {
		defer k.server.running.Done()
		var d done
		defer func() {
			if d.job == nil {
				d = done{job: j, err: j.vanished()}
			}
			if j.work.Construct {
				k.constructed(in, j, d.err)
			}
			k.finish(d)
		}()
		d = do()
	}()
}

// constructed notes that a constructor has ended.
func (k *outside) constructed(in *instance, j *job, err *wire.Error) {
	in.mu.Lock()
	in.making = false
	in.mu.Unlock()
	if err != nil {
		k.mu.Lock()
		delete(k.instances, j.work.Object)
		k.mu.Unlock()
	}
}

// vanished is the result of a job that has ended its goroutine.
func (j *job) vanished() *wire.Error {
	return &wire.Error{Code: wire.CodePanic, Type: "panic", Message: "panic in " + j.name() + ": the method has ended its goroutine"}
}

// enqueue lets a job wait for its turn. It returns a worker that is to be
// started, or nil.
func (k *outside) enqueue(in *instance, j *job) *worker {
	in.mu.Lock()
	defer in.mu.Unlock()
	if n := len(in.queue); n == cap(in.queue) && in.head > n/2 {
		n = copy(in.queue, in.queue[in.head:])
		clear(in.queue[n:])
		in.queue, in.head = in.queue[:n], 0
	}
	in.queue = append(in.queue, j)
	if w := in.worker; w != nil {
		if w.now != nil && w.reader == nil {
			k.watchLocked(in)
		}
		return nil
	}
	return k.hireLocked(in)
}

// hireLocked gives an object a worker, which is to be started.
func (k *outside) hireLocked(in *instance) *worker {
	k.server.running.Add(1)
	w := &worker{in: in}
	w.out = &w.own
	in.worker = w
	return w
}

// visit lets a connection's reader run calls as long as they are quick. When
// one is not, or there are too many, the rest is left to another goroutine.
// When one takes long after all, the reader is told to leave.
func (k *outside) visit(w *worker, r *reader) {
	w.in.mu.Lock()
	w.reader, w.out = r, &r.out
	w.in.mu.Unlock()
	k.work(w)
}

// aloneLocked gives a worker that was a reader's a goroutine of its own.
func (w *worker) aloneLocked() { w.reader, w.out = nil, &w.own }

// work runs calls of one object until none waits, or another worker has taken
// its place.
func (k *outside) work(w *worker) {
	in := w.in
	ended := false
	defer func() {
		if !ended {
			k.vanished(w)
		}
	}()
	now := time.Now()
	in.mu.Lock()
	for in.worker == w {
		idle := in.waitingLocked() == 0
		quick := !idle && in.queue[in.head].quick()
		out, r := w.out, w.reader
		if out.due(now) || r == nil && !quick && !out.empty() {
			in.mu.Unlock()
			k.flush(out)
			now = time.Now()
			in.mu.Lock()
			continue
		}
		if idle {
			in.worker = nil
			gone := in.gone
			in.mu.Unlock()
			if gone {
				k.close(in)
			}
			k.server.running.Done()
			ended = true
			return
		}
		if r != nil && (!quick || r.calls >= readerMost) {
			w.aloneLocked()
			in.mu.Unlock()
			go k.work(w)
			ended = true
			return
		}
		j := in.takeLocked()
		w.now = j
		w.turn++
		if r != nil {
			r.calls++
			r.turn.Add(1)
		} else if in.waitingLocked() > 0 || !out.empty() {
			k.watchLocked(in)
		}
		in.mu.Unlock()
		began := now
		d := k.run(in, j)
		now = j.timed(began)
		in.mu.Lock()
		w.now = nil
		w.out.add(d, began)
	}
	out := w.out
	in.mu.Unlock()
	k.flush(out)
	k.server.running.Done()
	ended = true
}

// vanished answers a call whose method has ended its goroutine, and has another
// one do what that had to do.
func (k *outside) vanished(w *worker) {
	in := w.in
	in.mu.Lock()
	j, r := w.now, w.reader
	if j == nil {
		in.mu.Unlock()
		return // the server panics
	}
	w.now = nil
	w.aloneLocked()
	w.out.add(done{job: j, err: j.vanished()}, time.Now())
	in.mu.Unlock()
	if r != nil {
		r.leave(w)
	}
	go k.work(w)
}

// watchLocked lets somebody look, before long, whether the object's worker gets
// on.
func (k *outside) watchLocked(in *instance) {
	in.watch.arm(func() { k.look(in) })
}

// look looks after the worker of an object: whether one call has run since the
// watch looked last.
func (k *outside) look(in *instance) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.watch.armed = false
	w := in.worker
	switch {
	case w == nil || w.reader != nil:
	case w.now != nil && w.turn == in.watch.seen:
		k.stuckLocked(w)
	case in.waitingLocked() > 0 || !w.out.empty():
		in.watch.seen = w.turn
		k.watchLocked(in)
	}
}

// stuckLocked lets go on what a call holds up that takes long.
func (k *outside) stuckLocked(w *worker) {
	in, r := w.in, w.reader
	if f := w.now.function; f != nil {
		f.pace.slow()
	}
	w.aloneLocked()
	var next *worker
	if in.typ.parallel {
		// The call keeps its goroutine, and what stands behind it gets another.
		in.worker = nil
		if in.waitingLocked() > 0 {
			next = k.hireLocked(in)
		}
	}
	k.server.running.Add(1) // the worker holds one as well
	go func() {
		defer k.server.running.Done()
		k.flush(&w.own)
		if r != nil {
			r.leave(w)
		}
		if next != nil {
			k.work(next)
		}
	}()
}

// run makes one call of user code and returns its result.
func (k *outside) run(in *instance, j *job) done {
	d := done{job: j}
	value, err := k.invoke(in, j, &d)
	if err != nil {
		d.err = err
	} else if d.newType == "" && d.value == nil {
		d.value = value
	}
	return d
}

// finish brings results back into the engine.
func (k *outside) finish(all ...done) {
	core := k.server.core
	if core.logged != nil {
		core.logged.finish(all)
		return
	}
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
	k.finished(all)
}

// finished forgets jobs whose results the engine has.
func (k *outside) finished(all []done) {
	k.mu.Lock()
	for i := range all {
		j := all[i].job
		if j.cancel != nil {
			j.cancel()
			delete(k.contexts, j.work.ID)
		}
		if all[i].newType != "" {
			delete(k.results, j.work.ID)
		}
		runtime.KeepAlive(j.keep)
		*j = job{}
		jobs.Put(j)
	}
	if k.under -= len(all); k.under == 0 {
		k.idle.Broadcast()
	}
	k.mu.Unlock()
}
