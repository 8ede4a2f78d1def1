package faults

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/syncmanager/syncmanager/proxy"
)

// History is what the clients of a Trial saw of each object, in an order that
// holds what was over before what began.
type History struct {
	mu      sync.Mutex // guards what follows
	clock   int64
	holds   map[string]uint64 // by lock: acquires so far
	objects map[string][]porcupine.Operation
}

// verb is what an operation does.
type verb string

const (
	opGet     verb = "get"
	opSet     verb = "set"
	opAdd     verb = "add"
	opSwap    verb = "compare and swap"
	opDelete  verb = "delete"
	opPut     verb = "put"
	opTake    verb = "take"
	opAcquire verb = "acquire"
	opRelease verb = "release"
	opExpire  verb = "expire" // the server's own: at any time, after a session's end
)

// input is an operation on a register, a queue or a lock.
type input struct {
	verb verb
	arg  int // what is set, added, put; the hold's number
	old  int // what compare and swap expects
}

// output is what the client saw of it.
type output struct {
	value   int
	ok      bool // false: empty, absent, timed out
	unknown bool // the call failed, and may have taken effect
}

// absent is a register without a value.
const absent = math.MinInt

func (h *History) now() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clock++
	return h.clock
}

// do makes an operation and enters it. One that failed for certain is left
// out; one whose outcome is unknown may take effect at any later time.
func (h *History) do(client int, object string, in input, f func() (output, error)) output {
	began := h.now()
	out, err := f()
	ended := h.now()
	if err != nil {
		if proxy.SafeToRetry(err) || in.verb == opGet {
			return output{}
		}
		out, ended = output{unknown: true}, math.MaxInt64
	}
	h.enter(object, porcupine.Operation{ClientId: client, Input: in, Call: began, Output: out, Return: ended})
	return out
}

func (h *History) enter(object string, op porcupine.Operation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if op.Return == math.MaxInt64 {
		// The checker wants one client's operations one after the other.
		op.ClientId = 100 + len(h.objects[object])
	}
	h.objects[object] = append(h.objects[object], op)
}

// expires enters that a hold may end by itself from now on.
func (h *History) expires(object string, hold int) {
	h.enter(object, porcupine.Operation{Input: input{verb: opExpire, arg: hold}, Call: h.now(), Output: output{unknown: true}, Return: math.MaxInt64})
}

// hold returns a number for a hold that no other of that lock has.
func (h *History) hold(object string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := h.holds[object]
	h.holds[object]++
	return int(n)
}

// Check reports the objects whose operations no order explains, and those for
// which the time did not suffice to tell.
func (h *History) Check(patience time.Duration) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var errs []error
	for object, ops := range h.objects {
		var m porcupine.Model
		switch object {
		case "queue":
			m, ops = queueModel, narrow(ops)
		case "lock":
			m = holdModel(1)
		case "permits":
			m = holdModel(trialPermits)
		default:
			m = registerModel
		}
		switch porcupine.CheckOperationsTimeout(m, ops, patience) {
		case porcupine.Illegal:
			errs = append(errs, fmt.Errorf("%s: no order explains its %d operations:\n%s", object, len(ops), list(ops)))
		case porcupine.Unknown:
			errs = append(errs, fmt.Errorf("%s: %d operations were not decided in %v:\n%s", object, len(ops), patience, list(ops)))
		}
	}
	return errors.Join(errs...)
}

// Len returns how many operations there are.
func (h *History) Len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for _, ops := range h.objects {
		n += len(ops)
	}
	return n
}

// narrow says of a queue's operations what follows for their times from the
// rule that the first is taken first: an item is put before its taking ends and
// taken after its putting began, and of two items whose takings lie apart the
// one that was taken first was put first; one that nobody took comes last.
// Without this the search takes too long. A put whose outcome is unknown and
// whose item nobody got can stand behind all others, and is left out.
func narrow(ops []porcupine.Operation) []porcupine.Operation {
	type item struct{ put, took *porcupine.Operation }
	ops = slices.Clone(ops)
	items := make(map[int]*item)
	of := func(n int) *item {
		if items[n] == nil {
			items[n] = new(item)
		}
		return items[n]
	}
	for i := range ops {
		in, out := ops[i].Input.(input), ops[i].Output.(output)
		switch {
		case in.verb == opPut:
			of(in.arg).put = &ops[i]
		case out.ok:
			of(out.value).took = &ops[i]
		}
	}
	// before notes that a comes before b, unless that cannot be: the search will
	// say so.
	before := func(a, b *porcupine.Operation) {
		if a.Call <= b.Return {
			a.Return, b.Call = min(a.Return, b.Return), max(b.Call, a.Call)
		}
	}
	for range 3 {
		for _, a := range items {
			if a.put == nil || a.took == nil {
				continue
			}
			before(a.put, a.took)
			for _, b := range items {
				if b.put != nil && (b.took == nil || a.took.Return < b.took.Call) {
					before(a.put, b.put)
				}
			}
		}
	}
	return slices.DeleteFunc(ops, func(op porcupine.Operation) bool { return op.Return == math.MaxInt64 })
}

func list(ops []porcupine.Operation) string {
	s := ""
	for _, op := range ops {
		s += fmt.Sprintf("  [%d, %d] client %d: %+v = %+v\n", op.Call, op.Return, op.ClientId, op.Input, op.Output)
	}
	return s
}

// registerModel is a Value, or one key of a dict.
var registerModel = porcupine.Model{
	Init: func() any { return absent },
	Step: func(state, in, out any) (bool, any) {
		v, i, o := state.(int), in.(input), out.(output)
		switch i.verb {
		case opGet:
			return o.unknown || o.ok == (v != absent) && (!o.ok || o.value == v), v
		case opSet:
			return true, i.arg
		case opAdd:
			n := i.arg
			if v != absent {
				n += v
			}
			return o.unknown || o.value == n, n
		case opSwap:
			if v == i.old {
				return o.unknown || o.ok, i.arg
			}
			return o.unknown || !o.ok, v
		case opDelete:
			return o.unknown || o.ok == (v != absent) && (!o.ok || o.value == v), absent
		}
		return false, v
	},
}

// queueModel is a queue without a bound. Its state is a list of items, four
// bytes each, in a string, which can be compared.
var queueModel = porcupine.Model{
	Init: func() any { return "" },
	Step: func(state, in, out any) (bool, any) {
		q, i, o := state.(string), in.(input), out.(output)
		switch {
		case i.verb == opPut:
			return true, q + item(i.arg)
		case i.verb != opTake:
			return false, q
		case !o.ok:
			return q == "", q
		}
		first := item(o.value)
		if len(q) < len(first) || q[:len(first)] != first {
			return false, q
		}
		return true, q[len(first):]
	},
}

func item(n int) string { return string([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}) }

// holdModel is a lock or semaphore. Its state is the set of holds that are on.
func holdModel(limit int) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return uint64(0) },
		Step: func(state, in, out any) (bool, any) {
			held, i, o := state.(uint64), in.(input), out.(output)
			bit := uint64(1) << i.arg
			full := bits.OnesCount64(held) >= limit
			switch {
			case i.verb == opAcquire && o.unknown && full, i.verb == opAcquire && !o.unknown && !o.ok:
				return full, held
			case i.verb == opAcquire:
				return !full, held | bit
			case i.verb == opRelease && !o.unknown:
				return held&bit != 0, held &^ bit
			}
			return true, held &^ bit // it may be over already
		},
	}
}

// Record has the sessions of the trial work on a few objects under faults, and
// returns what they saw.
func (t *Trial) Record(ctx context.Context) (*History, error) {
	h := &History{holds: make(map[string]uint64), objects: make(map[string][]porcupine.Operation)}
	auditor, seats, end, err := t.open(ctx, newBooks())
	defer end()
	if err != nil {
		return nil, err
	}
	h.do(-1, "value", input{verb: opSet}, func() (output, error) { return output{}, auditor.value.Set(ctx, 0) })
	var all sync.WaitGroup
	for _, s := range seats {
		all.Go(func() {
			if s.dying {
				killer := time.AfterFunc(upTo(s.rng, t.Pause*time.Duration(t.Ops)), s.relay.Kill)
				defer killer.Stop()
			}
			for i := 0; i < t.Ops && s.m.Err() == nil && ctx.Err() == nil; i++ {
				s.observe(ctx, h)
			}
		})
	}
	all.Wait()
	for _, s := range seats {
		if err := s.m.Err(); err != nil && !s.dying {
			return nil, fmt.Errorf("client %d did not survive: %w", s.index, err)
		}
	}
	return h, ctx.Err()
}

// observe makes one operation.
func (s *seat) observe(ctx context.Context, h *History) {
	time.Sleep(upTo(s.rng, s.trial.Pause))
	switch n := s.rng.IntN(12); {
	case n < 4:
		c, cancel, _ := s.impatient(ctx)
		defer cancel()
		s.onDict(c, h)
	case n < 6:
		c, cancel, _ := s.impatient(ctx)
		defer cancel()
		s.onValue(c, h)
	case n < 9:
		s.onQueue(ctx, h)
	case n < 10:
		s.onHold(ctx, h, "lock", s.lock)
	default:
		s.onHold(ctx, h, "permits", s.permits)
	}
}

func (s *seat) onDict(ctx context.Context, h *History) {
	key := []string{"a", "b"}[s.rng.IntN(2)]
	arg := s.rng.IntN(4)
	found := func(v int, err error) (output, error) {
		if errors.Is(err, proxy.ErrKey) {
			return output{}, nil
		}
		return output{value: v, ok: true}, err
	}
	switch s.rng.IntN(5) {
	case 0:
		h.do(s.index, "dict "+key, input{verb: opGet}, func() (output, error) { return found(s.dict.Get(ctx, key)) })
	case 1:
		h.do(s.index, "dict "+key, input{verb: opSet, arg: arg}, func() (output, error) {
			return output{}, s.dict.Set(ctx, key, arg)
		})
	case 2:
		h.do(s.index, "dict "+key, input{verb: opAdd, arg: arg}, func() (output, error) {
			v, err := s.dict.AddDefault(ctx, key, arg, 0)
			return output{value: v}, err
		})
	case 3:
		old := s.rng.IntN(4)
		h.do(s.index, "dict "+key, input{verb: opSwap, arg: arg, old: old}, func() (output, error) {
			ok, err := s.dict.CompareAndSwap(ctx, key, old, arg)
			return output{ok: ok}, err
		})
	default:
		h.do(s.index, "dict "+key, input{verb: opDelete}, func() (output, error) { return found(s.dict.Pop(ctx, key)) })
	}
}

func (s *seat) onValue(ctx context.Context, h *History) {
	arg := s.rng.IntN(4)
	switch s.rng.IntN(4) {
	case 0:
		h.do(s.index, "value", input{verb: opGet}, func() (output, error) {
			v, err := s.value.Get(ctx)
			return output{value: v, ok: true}, err
		})
	case 1:
		h.do(s.index, "value", input{verb: opSet, arg: arg}, func() (output, error) {
			return output{}, s.value.Set(ctx, arg)
		})
	case 2:
		h.do(s.index, "value", input{verb: opAdd, arg: arg}, func() (output, error) {
			v, err := s.value.Add(ctx, arg)
			return output{value: v}, err
		})
	default:
		old := s.rng.IntN(4)
		h.do(s.index, "value", input{verb: opSwap, arg: arg, old: old}, func() (output, error) {
			ok, err := s.value.CompareAndSwap(ctx, old, arg)
			return output{ok: ok}, err
		})
	}
}

// onQueue puts or takes. Who dies takes nothing: an item that comes back is no
// operation of a queue.
func (s *seat) onQueue(ctx context.Context, h *History) {
	if s.dying || s.rng.IntN(2) == 0 {
		c, cancel, _ := s.impatient(ctx)
		defer cancel()
		s.items++
		n := (s.index+1)<<20 | s.items
		h.do(s.index, "queue", input{verb: opPut, arg: n}, func() (output, error) {
			return output{}, s.queue.Put(c, n)
		})
		return
	}
	h.do(s.index, "queue", input{verb: opTake}, func() (output, error) {
		v, err := s.queue.GetTimeout(ctx, upTo(s.rng, s.trial.Lease/20))
		if errors.Is(err, proxy.ErrEmpty) {
			return output{}, nil
		}
		return output{value: v, ok: true}, err
	})
}

// acquirer is a Lock or Semaphore.
type acquirer interface {
	AcquireTimeout(ctx context.Context, d time.Duration) (*proxy.Hold, error)
}

func (s *seat) onHold(ctx context.Context, h *History, object string, l acquirer) {
	n := h.hold(object)
	if n >= 64 {
		return // the model's set is full
	}
	var hold *proxy.Hold
	c, cancel, _ := s.impatient(ctx)
	defer cancel()
	out := h.do(s.index, object, input{verb: opAcquire, arg: n}, func() (out output, err error) {
		hold, err = l.AcquireTimeout(c, upTo(s.rng, s.trial.Lease/20))
		if errors.Is(err, proxy.ErrTimeout) {
			return output{}, nil
		}
		return output{ok: true}, err
	})
	switch {
	case out.unknown:
		h.expires(object, n) // the server undoes it
	case out.ok:
		if s.dying {
			h.expires(object, n)
		}
		time.Sleep(upTo(s.rng, s.trial.Pause))
		h.do(s.index, object, input{verb: opRelease, arg: n}, func() (output, error) {
			return output{ok: true}, hold.Release(ctx)
		})
	}
}
