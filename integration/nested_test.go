package integration

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/syncmanager/syncmanager/proxy"
)

// overAll runs a test over each transport.
func overAll(t *testing.T, run func(*env)) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) { run(newEnv(t, transport)) })
	}
}

// TestNested stores proxies in containers, passes them on, and calls through
// them.
func TestNested(t *testing.T) {
	overAll(t, func(e *env) {
		ctx := e.ctx
		d := must1[*proxy.Dict[string, *proxy.List[int]]](e)(proxy.OpenDict[string, *proxy.List[int]](ctx, e.m, "nested"))
		l := must1[*proxy.List[int]](e)(proxy.NewList(ctx, e.m, 1))
		e.must(d.Set(ctx, "l", l))
		l.Drop()

		// Another client gets the list itself, and no copy.
		theirs := must1[*proxy.Dict[string, *proxy.List[int]]](e)(proxy.OpenDict[string, *proxy.List[int]](ctx, e.m2, "nested"))
		l2 := must1[*proxy.List[int]](e)(theirs.Get(ctx, "l"))
		e.must(l2.Append(ctx, 2))
		mine := must1[*proxy.List[int]](e)(d.Get(ctx, "l"))
		eq(e, "the list through both clients", []int{1, 2})(mine.Copy(ctx))
		if mine.Token() != l2.Token() {
			e.Errorf("two lists: %s and %s", mine.Token(), l2.Token())
		}

		// In each type of container, in structs, and in tuples and maps.
		q := must1[*proxy.Queue[proxy.Proxy]](e)(proxy.NewQueue[proxy.Proxy](ctx, e.m, 0))
		e.must(q.Put(ctx, mine))
		q2 := must1[*proxy.Queue[*proxy.List[int]]](e)(proxy.Attach[proxy.Queue[*proxy.List[int]]](ctx, e.m2, q.Token()))
		eq(e, "a list out of a queue", []int{1, 2})(must1[*proxy.List[int]](e)(q2.Get(ctx)).Copy(ctx))
		type task struct {
			Name    string
			Results *proxy.Queue[string] `msgpack:"results"`
			More    map[string][]*proxy.Ref
		}
		tasks := must1[*proxy.Queue[task]](e)(proxy.OpenQueue[task](ctx, e.m, "tasks", 0))
		results := must1[*proxy.Queue[string]](e)(proxy.NewQueue[string](ctx, e.m, 0))
		ref := mine.Reference()
		worker := later(func() error {
			tasks, err := proxy.OpenQueue[task](ctx, e.m2, "tasks", 0)
			if err != nil {
				return err
			}
			got, err := tasks.Get(ctx)
			if err != nil {
				return err
			}
			n, err := proxy.Call[int](ctx, got.More["a"][1], "len")
			if err != nil {
				return err
			}
			return got.Results.Put(ctx, fmt.Sprintf("%s: %d", got.Name, n))
		})
		e.must(tasks.Put(ctx, task{"count", results, map[string][]*proxy.Ref{"a": {nil, &ref}}}))
		e.must(soon(e, "the worker ends", worker))
		eq(e, "an answer through a queue in the task", "count: 2")(results.Get(ctx))
		n := must1[*proxy.Namespace](e)(proxy.NewNamespace(ctx, e.m))
		e.must(n.Set(ctx, "both", proxy.Tuple{mine, map[string]any{"l": mine}}))
		both := must1[proxy.Tuple](e)(proxy.Attr[proxy.Tuple](ctx, n, "both"))
		in, ok := both[0].(*proxy.Ref)
		if !ok || in.Token() != mine.Token() {
			e.Errorf("a proxy in a tuple came back as %T", both[0])
		}
		eq(e, "a call through a proxy decoded as any", 1)(proxy.Call[int](ctx, in, "count", 1))

		// repr shows what is inside.
		text := must1[string](e)(d.Repr(ctx))
		if !strings.Contains(text, "'l'") {
			e.Errorf("repr: %s", text)
		}

		// A proxy of another type than asked for is an error that names both.
		wrong := must1[*proxy.Dict[string, *proxy.Lock]](e)(proxy.OpenDict[string, *proxy.Lock](ctx, e.m, "nested"))
		says(e, "a list taken for a Lock", errOf(wrong.Get(ctx, "l")), proxy.ErrType, "list", "Lock")

		// What nobody refers to any more goes, with all that it alone refers to.
		id := mine.Reference().ID()
		e.must(n.Delete(ctx, "both"))
		e.must(d.Clear(ctx))
		if !e.alive(id) {
			e.Error("the list went while proxies refer to it")
		}
		mine.Drop()
		l2.Drop()
		ref.Drop()
		in.Drop()
		both, in = nil, nil
		e.until("the list goes", func() bool { runtime.GC(); return !e.alive(id) })

		// A token of what is gone
		says(e, "attach of what is gone", errOf(e.m.Attach(ctx, l2.Token()+"x")), proxy.ErrValue)
	})
}

// TestTokens passes objects by their tokens.
func TestTokens(t *testing.T) {
	overAll(t, func(e *env) {
		ctx := e.ctx
		d := must1[*proxy.Dict[string, int]](e)(proxy.NewDict[string, int](ctx, e.m))
		token := d.Token()
		other := must1[*proxy.Dict[string, int]](e)(proxy.Attach[proxy.Dict[string, int]](ctx, e.m2, token))
		e.must(d.Set(ctx, "a", 1))
		eq(e, "by its token", 1)(other.Get(ctx, "a"))
		is(e, "as another type", errOf(proxy.Attach[proxy.List[int]](ctx, e.m2, token)), proxy.ErrType)
		is(e, "no token", errOf(e.m.Attach(ctx, "rubbish")), proxy.ErrValue)
		id := d.Reference().ID()
		d.Drop()
		other.Drop()
		e.until("it goes", func() bool { return !e.alive(id) })
		is(e, "of what is gone", errOf(e.m.Attach(ctx, token)), proxy.ErrUnknownObject)
	})
}

// TestIterationGuarantees changes containers under iterations: nothing comes
// twice, and nothing that was there throughout is left out.
func TestIterationGuarantees(t *testing.T) {
	overAll(t, func(e *env) {
		ctx := e.ctx
		const n = 2000
		d := must1[*proxy.Dict[int, int]](e)(proxy.NewDict[int, int](ctx, e.m))
		s := must1[*proxy.Set[int]](e)(proxy.NewSet[int](ctx, e.m))
		stay := make(map[int]int)
		for i := range n {
			stay[i*2] = i
		}
		e.must(d.Update(ctx, stay))
		var all []int
		for k := range stay {
			all = append(all, k)
		}
		e.must(s.Update(ctx, proxy.Of(all...)))
		stop := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() { // odd keys come and go
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				k := i%500*2 + 1
				if err := d.Set(ctx, k, 0); err != nil {
					e.Error(err)
				}
				if _, err := s.Add(ctx, k); err != nil {
					e.Error(err)
				}
				if i%2 == 1 {
					d.PopDefault(ctx, k-2, 0)
					s.Discard(ctx, k-2)
				}
			}
		})
		for _, size := range []int{7, 100, 1000} {
			seen := make(map[int]bool)
			pairs, end := d.Scan(ctx, proxy.ScanOptions{PageSize: size})
			for k := range pairs {
				if seen[k] && k%2 == 0 {
					e.Errorf("dict, pages of %d: key %d came twice", size, k)
				}
				seen[k] = true
			}
			e.must(end())
			elements := make(map[int]bool)
			seq, end := s.Scan(ctx, proxy.ScanOptions{PageSize: size})
			for k := range seq {
				if elements[k] && k%2 == 0 {
					e.Errorf("set, pages of %d: %d came twice", size, k)
				}
				elements[k] = true
			}
			e.must(end())
			for k := range stay {
				if !seen[k] || !elements[k] {
					e.Errorf("pages of %d: %d was left out (dict %v, set %v)", size, k, !seen[k], !elements[k])
				}
			}
		}
		close(stop)
		wg.Wait()
		pairs, end := d.Scan(ctx, proxy.ScanOptions{Strict: true, PageSize: 10})
		i := 0
		for range pairs {
			if i++; i == 15 {
				e.must(d.Set(ctx, -1, 0))
			}
		}
		is(e, "a strict iteration over what changes", end(), proxy.ErrChanged)
		if i > 20 {
			e.Errorf("a strict iteration went on for %d pairs", i)
		}
		// Another value for a key that is there is no change of the keys.
		pairs, end = d.Scan(ctx, proxy.ScanOptions{Strict: true, PageSize: 10})
		for k := range pairs {
			e.must(d.Set(ctx, k, 1))
			if i--; i == 0 {
				break
			}
		}
		e.must(end())
	})
}

// TestLargeValues moves values that travel in fragments, beside small calls.
func TestLargeValues(t *testing.T) {
	overAll(t, func(e *env) {
		ctx := e.ctx
		d := must1[*proxy.Dict[string, []byte]](e)(proxy.NewDict[string, []byte](ctx, e.m))
		small := must1[*proxy.Value[int]](e)(proxy.NewValue(ctx, e.m, "q", 0))
		done := make(chan struct{})
		var slowest time.Duration
		beside := later(func() error {
			for {
				select {
				case <-done:
					return nil
				default:
				}
				start := time.Now()
				if _, err := small.Add(ctx, 1); err != nil {
					return err
				}
				slowest = max(slowest, time.Since(start))
			}
		})
		var wg sync.WaitGroup
		for i, n := range []int{64<<10 - 1, 64 << 10, 64<<10 + 1, 1 << 20, 8 << 20} {
			wg.Go(func() {
				value := bytes.Repeat([]byte(fmt.Sprintf("%06d-", n)), n/7+1)[:n]
				key := fmt.Sprint(i)
				if err := d.Set(ctx, key, value); err != nil {
					e.Errorf("set of %d bytes: %v", n, err)
				}
				got, err := d.Get(ctx, key)
				if err != nil || !bytes.Equal(got, value) {
					e.Errorf("%d bytes came back as %d, %v", n, len(got), err)
				}
			})
		}
		wg.Wait()
		close(done)
		e.must(soon(e, "small calls end", beside))
		if slowest > 5*time.Second {
			e.Errorf("a small call beside large ones took %v", slowest)
		}
		all := must1[map[string][]byte](e)(d.Copy(ctx))
		if len(all) != 5 || len(all["4"]) != 8<<20 {
			e.Errorf("copy has %d values", len(all))
		}
		// A large value waits for its taker as well.
		q := must1[*proxy.Queue[[]byte]](e)(proxy.NewQueue[[]byte](ctx, e.m2, 0))
		taken := make(chan []byte, 1)
		took := later(func() error { v, err := q.Get(ctx); taken <- v; return err })
		e.parked(1)
		e.must(q.Put(ctx, all["3"]))
		e.must(soon(e, "the large item", took))
		if !bytes.Equal(<-taken, all["3"]) {
			e.Error("the large item is another one")
		}
	})
}

// TestContexts ends contexts in all stages of a call.
func TestContexts(t *testing.T) {
	overAll(t, func(e *env) {
		over, cancel := context.WithCancel(e.ctx)
		cancel()
		d := must1[*proxy.Dict[string, int]](e)(proxy.NewDict[string, int](e.ctx, e.m))
		is(e, "a call with a context that is over", d.Set(over, "a", 1), context.Canceled)
		if !proxy.SafeToRetry(d.Set(over, "a", 1)) {
			e.Error("a call that was never sent is not safe to retry")
		}
		is(e, "Connect with a context that is over", errOf(proxy.Connect(over, e.addr, proxy.Config{AuthKey: e.key})), context.Canceled)
		is(e, "create with a context that is over", errOf(e.m.Create(over, "dict")), context.Canceled)
		eq(e, "the dict after it", 0)(d.Len(e.ctx))

		// Many calls that are cancelled while they are served: no item is lost
		// and none comes twice.
		q := must1[*proxy.Queue[int]](e)(proxy.NewQueue[int](e.ctx, e.m, 0))
		const n = 200
		got := make(chan int, 10*n)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for {
					ctx, cancel := context.WithTimeout(e.ctx, 300*time.Microsecond)
					v, err := q.Get(ctx)
					cancel()
					if err == nil {
						if v < 0 {
							return
						}
						got <- v
					}
				}
			})
		}
		for i := range n {
			e.must(q.Put(e.ctx, i))
		}
		for range 4 {
			e.must(q.Put(e.ctx, -1))
		}
		wg.Wait()
		close(got)
		times := make(map[int]int)
		for v := range got {
			times[v]++
		}
		for i := range n {
			if times[i] != 1 {
				e.Errorf("item %d was got %d times", i, times[i])
			}
		}
	})
}
