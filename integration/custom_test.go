package integration

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/syncmanager/syncmanager/managers"
	"github.com/syncmanager/syncmanager/proxy"
)

// counter is a user's type, whose methods have all kinds of arguments and
// results.
type counter struct {
	n      int
	active atomic.Int32
	closed *atomic.Int32
	kept   []*proxy.Dict[string, int]
}

type point struct {
	X, Y int
	Note string `msgpack:"note"`
}

var errOdd = errors.New("odd")

func (c *counter) Add(a, b int) int { return a + b }
func (c *counter) Next() int        { c.n++; return c.n }
func (c *counter) Sum(start int, more ...int) int {
	for _, n := range more {
		start += n
	}
	return start
}
func (c *counter) Move(p point, by *point) point { return point{p.X + by.X, p.Y + by.Y, p.Note} }
func (c *counter) Half(n int) (int, error) {
	if n%2 != 0 {
		return 0, fmt.Errorf("%d is %w", n, errOdd)
	}
	return n / 2, nil
}
func (c *counter) DivMod(a, b int) (int, int) { return a / b, a % b }
func (c *counter) Missing() error             { return fmt.Errorf("no such thing: %w", proxy.ErrKey) }
func (c *counter) Explode()                   { panic("boom") }
func (c *counter) Wait(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}
func (c *counter) Alone(ctx context.Context) (int, error) {
	n := c.active.Add(1)
	defer c.active.Add(-1)
	select {
	case <-time.After(time.Millisecond):
	case <-ctx.Done():
	}
	return int(n), ctx.Err()
}
func (c *counter) Count(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}
func (c *counter) Names() []string       { return []string{"a", "b"} }
func (c *counter) Table() map[string]int { return map[string]int{"a": 1} }
func (c *counter) Child(n int) *counter  { return &counter{n: n, closed: c.closed} }
func (c *counter) Nothing() *counter     { return nil }
func (c *counter) Fill(ctx context.Context, d *proxy.Dict[string, int], key string) error {
	_, err := d.Add(ctx, key, 1)
	return err
}
func (c *counter) Keep(d *proxy.Dict[string, int])     { c.kept = append(c.kept, d) }
func (c *counter) Kept(i int) *proxy.Dict[string, int] { return c.kept[i] }
func (c *counter) Drop()                               { c.kept = nil }
func (c *counter) First(ctx context.Context, qs map[string][]*proxy.Queue[int]) (int, error) {
	return qs["a"][1].Get(ctx)
}
func (c *counter) Channel() chan int { return make(chan int) }
func (c *counter) Close()            { c.closed.Add(1) }

// closedCounters counts the counters that were closed.
var closedCounters atomic.Int32

func registerCounter(s *managers.Server) {
	err := s.Register("Counter", func(ctx context.Context, start int, note ...string) (*counter, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if start < 0 {
			return nil, fmt.Errorf("start %d is negative", start)
		}
		return &counter{n: start + len(note), closed: &closedCounters}, nil
	}, managers.TypeOptions{
		MethodToTypeid: map[string]string{
			"Count": "Iterator", "Names": "list", "Table": "dict", "Child": "Counter", "Nothing": "Counter",
		},
		Reads: []string{"Add"},
	})
	if err != nil {
		panic(err)
	}
}

// counts is a stub of one line a method, as users write them.
type counts struct{ *proxy.Ref }

func (c counts) Add(ctx context.Context, a, b int) (int, error) {
	return proxy.Call[int](ctx, c, "Add", a, b)
}

func iteratorMethods(e *env) {
	ctx := e.ctx
	c := must1[*proxy.Ref](e)(e.m.Create(ctx, "Counter", 0))
	it := must1[*proxy.Iterator[int]](e)(callAs[proxy.Iterator[int]](ctx, c, "Count", 5))
	eq(e, "next", 0)(it.Next(ctx))
	var rest []int
	all, end := it.All(ctx)
	for v := range all {
		rest = append(rest, v)
		if v == 2 {
			break
		}
	}
	e.must(end())
	if !slices.Equal(rest, []int{1, 2}) {
		e.Errorf("iterated over %v", rest)
	}
	// Another client goes on where this one stopped.
	other := must1[*proxy.Iterator[int]](e)(proxy.Attach[proxy.Iterator[int]](ctx, e.m2, it.Token()))
	eq(e, "next of another client", 3)(other.Next(ctx))
	eq(e, "next", 4)(it.Next(ctx))
	is(e, "next after the last", errOf(it.Next(ctx)), proxy.ErrStop)
	it = must1[*proxy.Iterator[int]](e)(callAs[proxy.Iterator[int]](ctx, c, "Count", 5))
	e.must(it.Close(ctx))
	is(e, "next after close", errOf(it.Next(ctx)), proxy.ErrStop)
	is(e, "create of an Iterator", errOf(e.m.Create(ctx, "Iterator")), proxy.ErrDenied)
}

// callAs calls a method that returns an object and makes it a typed proxy.
func callAs[D any, P interface {
	*D
	UnmarshalWire([]byte, any) error
}](ctx context.Context, p proxy.Proxy, method string, args ...any) (*D, error) {
	d, err := proxy.Call[D](ctx, p, method, args...)
	return &d, err
}

// TestCustomTypes calls a user's type over each transport.
func TestCustomTypes(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			e := newEnv(t, transport, registerCounter, registerOthers)
			for _, c := range []struct {
				name string
				run  func(*env)
			}{
				{"calls", customCalls}, {"errors", customErrors}, {"objects", customObjects}, {"proxies", customProxies},
				{"turns", customTurns}, {"options", customOptions}, {"end", customEnd},
			} {
				t.Run(c.name, func(t *testing.T) {
					sub := *e
					sub.TB = t
					c.run(&sub)
				})
			}
		})
	}
}

func customCalls(e *env) {
	ctx := e.ctx
	r := must1[*proxy.Ref](e)(e.m.Create(ctx, "Counter", 10, "a", "b"))
	eq(e, "a typed stub", 7)(counts{r}.Add(ctx, 4, 3))
	eq(e, "what the constructor made of its arguments", 13)(proxy.Call[int](ctx, r, "Next"))
	eq(e, "variadic, none", 1)(proxy.Call[int](ctx, r, "Sum", 1))
	eq(e, "variadic", 10)(proxy.Call[int](ctx, r, "Sum", 1, 2, 3, 4))
	eq(e, "structs", point{11, 22, "n"})(proxy.Call[point](ctx, r, "Move", point{1, 2, "n"}, map[string]any{"X": 10, "Y": 20}))
	eq(e, "several results", proxy.Tuple{int64(3), int64(1)})(proxy.Call[proxy.Tuple](ctx, r, "DivMod", 7, 2))
	eq(e, "several results as a struct", [2]int{3, 1})(proxy.Call[[2]int](ctx, r, "DivMod", 7, 2))
	eq(e, "any result", any(int64(4)))(proxy.Call[any](ctx, r, "Half", 8))
	methods := must1[[]proxy.MethodInfo](e)(r.Methods(ctx))
	at := slices.IndexFunc(methods, func(m proxy.MethodInfo) bool { return m.Name == "Sum" })
	if at < 0 || methods[at].String() != "Sum(int, ...int) int" {
		e.Errorf("the methods are %v", methods)
	}
	if slices.ContainsFunc(methods, func(m proxy.MethodInfo) bool { return m.Name == "Close" }) {
		e.Error("Close is exposed without being asked for")
	}
}

func customErrors(e *env) {
	ctx := e.ctx
	r := must1[*proxy.Ref](e)(e.m.Create(ctx, "Counter", 0))
	err := errOf(proxy.Call[int](ctx, r, "Half", 7))
	says(e, "a method's own error", err, proxy.ErrRemote, "7 is odd")
	var remote *proxy.RemoteError
	if !errors.As(err, &remote) || remote.Type != "*fmt.wrapError" {
		e.Errorf("a method's own error has the type %q", remote.Type)
	}
	is(e, "a method's error that wraps a sentinel", errOf(proxy.Call[any](ctx, r, "Missing")), proxy.ErrKey)
	says(e, "a panic", errOf(proxy.Call[any](ctx, r, "Explode")), proxy.ErrPanic, "Counter.Explode", "boom")
	if !e.log.has("Counter.Explode", "boom", "custom_test.go") {
		e.Error("the stack of a panic is not in the log")
	}
	eq(e, "the object after a panic", 2)(proxy.Call[int](ctx, r, "Add", 1, 1))
	for _, c := range []struct {
		args  []any
		words []string
	}{
		{[]any{1}, []string{"Counter.Add(int, int)", "takes 2 arguments, got 1"}},
		{[]any{1, 2, 3}, []string{"takes 2 arguments, got 3"}},
		{[]any{1, "x"}, []string{"Counter.Add", "argument 2", "got str", "want int"}},
		{[]any{1.5, 1}, []string{"argument 1", "got float", "want int"}},
		{[]any{uint64(1 << 63), 1}, []string{"argument 1"}},
	} {
		says(e, fmt.Sprintf("Add%v", c.args), errOf(proxy.Call[int](ctx, r, "Add", c.args...)), proxy.ErrType, c.words...)
	}
	says(e, "no argument for a variadic method", errOf(proxy.Call[int](ctx, r, "Sum")), proxy.ErrType, "at least 1")
	says(e, "a list for a proxy", errOf(proxy.Call[any](ctx, r, "Keep", []int{1})), proxy.ErrType, "Counter.Keep", "argument 1")
	l := must1[*proxy.List[int]](e)(proxy.NewList[int](ctx, e.m))
	says(e, "a proxy of another type", errOf(proxy.Call[any](ctx, r, "Keep", l)), proxy.ErrType, "Counter.Keep", "list", "dict")
	says(e, "a method that is not there", errOf(proxy.Call[any](ctx, r, "Nope")), proxy.ErrNotExposed, "Nope", "Counter")
	says(e, "a method that is not exposed", errOf(proxy.Call[any](ctx, r, "Close")), proxy.ErrNotExposed, "Close")
	says(e, "a result that cannot be encoded", errOf(proxy.Call[any](ctx, r, "Channel")), proxy.ErrUnserializable, "Counter.Channel", "chan int")
	says(e, "a result of the wrong type", errOf(proxy.Call[string](ctx, r, "Add", 1, 1)), proxy.ErrType, "string")
	says(e, "a constructor that fails", errOf(e.m.Create(ctx, "Counter", -1)), proxy.ErrRemote, "start -1 is negative")
	says(e, "a constructor's argument", errOf(e.m.Create(ctx, "Counter", "x")), proxy.ErrType, "Counter(int, ...string)", "argument 1", "got str", "want int")
	says(e, "an unknown typeid", errOf(e.m.Create(ctx, "Nope")), proxy.ErrUnknownType, "Nope")
	late, cancel := context.WithTimeout(ctx, short)
	defer cancel()
	is(e, "a deadline reaches the method", errOf(proxy.Call[any](late, r, "Wait")), context.DeadlineExceeded)
	// And a timeout of the call.
	err = errOf(proxy.CallTimeout[any](ctx, r, short, "Wait"))
	says(e, "a timeout reaches the method", err, proxy.ErrTimeout, "Counter.Wait", "deadline exceeded")
}

func customObjects(e *env) {
	ctx := e.ctx
	r := must1[*proxy.Ref](e)(e.m.Create(ctx, "Counter", 0))
	names := must1[*proxy.List[string]](e)(callAs[proxy.List[string]](ctx, r, "Names"))
	e.must(names.Append(ctx, "c"))
	eq(e, "a list that a method returned", []string{"a", "b", "c"})(names.Copy(ctx))
	eq(e, "the next one is another", []string{"a", "b"})(must1[*proxy.List[string]](e)(callAs[proxy.List[string]](ctx, r, "Names")).Copy(ctx))
	table := must1[*proxy.Dict[string, int]](e)(callAs[proxy.Dict[string, int]](ctx, r, "Table"))
	eq(e, "a dict that a method returned", 1)(table.Get(ctx, "a"))
	child := must1[proxy.Ref](e)(proxy.Call[proxy.Ref](ctx, r, "Child", 40))
	if child.TypeID() != "Counter" {
		e.Errorf("the child is a %s", child.TypeID())
	}
	eq(e, "a custom object that a method returned", 41)(proxy.Call[int](ctx, child, "Next"))
	none := must1[*proxy.Ref](e)(proxy.Call[*proxy.Ref](ctx, r, "Nothing"))
	if none != nil {
		e.Errorf("nil became %v", none)
	}
	id := child.ID()
	if !e.alive(id) {
		e.Error("the child is not listed")
	}
	closed := closedCounters.Load()
	child.Drop()
	// Others may go meanwhile: the garbage collector releases what earlier
	// cases left.
	e.until("a released object is closed", func() bool { return !e.alive(id) && closedCounters.Load() > closed })
}

func customProxies(e *env) {
	ctx := e.ctx
	r := must1[*proxy.Ref](e)(e.m.Create(ctx, "Counter", 0))
	d := must1[*proxy.Dict[string, int]](e)(proxy.NewDict[string, int](ctx, e.m))
	e.must(errOf(proxy.Call[any](ctx, r, "Fill", d, "k")))
	e.must(errOf(proxy.Call[any](ctx, r, "Fill", d, "k")))
	eq(e, "what the method did to its argument", 2)(d.Get(ctx, "k"))
	q := must1[*proxy.Queue[int]](e)(proxy.NewQueue[int](ctx, e.m, 0))
	e.must(q.Put(ctx, 42))
	eq(e, "a proxy inside of an argument", 42)(proxy.Call[int](ctx, r, "First", map[string]any{"a": []any{q, q}}))

	// A method may wait at a proxy, and is cancelled with its caller.
	waiting, cancel := context.WithCancel(ctx)
	left := later(func() error { return errOf(proxy.Call[int](waiting, r, "First", map[string]any{"a": []any{q, q}})) })
	e.parked(1)
	cancel()
	is(e, "a method that waits at a proxy", soon(e, "it ends", left), context.Canceled)

	// What a method keeps stays alive; what it drops goes.
	e.must(errOf(proxy.Call[any](ctx, r, "Keep", d)))
	token := d.Token()
	d.Drop()
	back := must1[*proxy.Dict[string, int]](e)(callAs[proxy.Dict[string, int]](ctx, r, "Kept", 0))
	eq(e, "the dict that was kept", 2)(back.Get(ctx, "k"))
	if back.Token() != token {
		e.Errorf("another dict came back: %s, want %s", back.Token(), token)
	}
	back.Drop()
	again := must1[*proxy.Dict[string, int]](e)(proxy.Attach[proxy.Dict[string, int]](ctx, e.m2, token))
	eq(e, "the dict that a Go object alone keeps", 2)(again.Get(ctx, "k"))
	again.Drop()
}

func customTurns(e *env) {
	ctx := e.ctx
	for typeid, want := range map[string]bool{"Counter": true, "Parallel": false} {
		r := must1[*proxy.Ref](e)(e.m.Create(ctx, typeid, 0))
		e.until(fmt.Sprintf("calls of a %s run alone: %v", typeid, want), func() bool {
			const n = 8
			most := make(chan int, n)
			for range n {
				go func() {
					v, err := proxy.Call[int](ctx, r, "Alone")
					if err != nil {
						e.Errorf("Alone: %v", err)
					}
					most <- v
				}()
			}
			alone := true
			for range n {
				alone = soon(e, "a call", most) == 1 && alone
			}
			if want && !alone {
				e.Fatal("two calls of one object ran at once")
			}
			return alone == want
		})
	}
}

// registerOthers registers types with each of the options.
func registerOthers(s *managers.Server) {
	var closed atomic.Int32
	mk := func(n int) *counter { return &counter{n: n, closed: &closed} }
	one := mk(100)
	for _, err := range []error{
		s.Register("Parallel", mk, managers.TypeOptions{Concurrent: true, Exposed: []string{"Alone"}}),
		s.Register("OnlyAdd", mk, managers.TypeOptions{Exposed: []string{"Add", "Close"}}),
		s.Register("Inner", mk, managers.TypeOptions{NoCreate: true}),
		s.Register("Outer", mk, managers.TypeOptions{MethodToTypeid: map[string]string{"Child": "Inner"}}),
		s.Register("get_counter", func() *counter { return mk(0) }, managers.TypeOptions{Singleton: true}),
		s.RegisterValue("the_counter", one, managers.TypeOptions{}),
		s.Register("Reader", func() io.Reader { return nil }, managers.TypeOptions{}),
	} {
		if err != nil {
			panic(err)
		}
	}
}

func customOptions(e *env) {
	ctx := e.ctx
	only := must1[*proxy.Ref](e)(e.m.Create(ctx, "OnlyAdd", 0))
	eq(e, "a method that is exposed", 3)(proxy.Call[int](ctx, only, "Add", 1, 2))
	says(e, "one that is not", errOf(proxy.Call[int](ctx, only, "Next")), proxy.ErrNotExposed, "Next")
	says(e, "create of a type without", errOf(e.m.Create(ctx, "Inner", 0)), proxy.ErrDenied, "Inner")
	outer := must1[*proxy.Ref](e)(e.m.Create(ctx, "Outer", 0))
	inner := must1[proxy.Ref](e)(proxy.Call[proxy.Ref](ctx, outer, "Child", 1))
	if inner.TypeID() != "Inner" {
		e.Errorf("the object of a method is a %s", inner.TypeID())
	}
	for typeid, first := range map[string]int{"get_counter": 1, "the_counter": 101} {
		a := must1[*proxy.Ref](e)(e.m.Create(ctx, typeid))
		b := must1[*proxy.Ref](e)(e.m2.Create(ctx, typeid))
		eq(e, "a singleton", first)(proxy.Call[int](ctx, a, "Next"))
		eq(e, "the same for another client", first+1)(proxy.Call[int](ctx, b, "Next"))
		named := must1[*proxy.Ref](e)(e.m.Lookup(ctx, typeid))
		eq(e, "by its name", first+2)(proxy.Call[int](ctx, named, "Next"))
	}
	says(e, "a constructor that returns nil", errOf(e.m.Create(ctx, "Reader")), proxy.ErrValue, "Reader", "nil")
	if !slices.Contains(must1[[]string](e)(e.m.Types(ctx)), "OnlyAdd") {
		e.Error("types does not list a registered type")
	}
}

// customEnd closes what is left when a client goes.
func customEnd(e *env) {
	m := e.connect()
	closed := closedCounters.Load()
	for range 5 {
		must1[*proxy.Ref](e)(m.Create(e.ctx, "Counter", 0))
	}
	m.Close()
	e.until("the objects of a client that closed are closed", func() bool { return closedCounters.Load() >= closed+5 })
}
