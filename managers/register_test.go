package managers

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// maths is a user's type.
type maths struct {
	calls  int
	closed *atomic.Int32
}

type point struct{ X, Y int }

var errOdd = errors.New("odd")

func (m *maths) Add(a, b int) int { m.hidden(); return a + b }
func (m *maths) Sum(xs ...int) (sum int) {
	for _, x := range xs {
		sum += x
	}
	return sum
}
func (m *maths) Half(a int) (int, error) {
	if a%2 != 0 {
		return 0, fmt.Errorf("%d is %w", a, errOdd)
	}
	return a / 2, nil
}
func (m *maths) Move(p point, by point) point   { return point{p.X + by.X, p.Y + by.Y} }
func (m *maths) DivMod(a, b int) (int, int)     { return a / b, a % b }
func (m *maths) Explode()                       { panic("boom") }
func (m *maths) Wait(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
func (m *maths) Child() *maths                  { return &maths{closed: m.closed} }
func (m *maths) Count(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}
func (m *maths) Close()  { m.closed.Add(1) }
func (m *maths) hidden() { m.calls++ }

func mathsServer(t *testing.T) (*Server, *atomic.Int32) {
	s := newTestServer(t)
	var closed atomic.Int32
	err := s.Register("Maths", func(start int) (*maths, error) {
		if start < 0 {
			return nil, fmt.Errorf("start %d is negative", start)
		}
		return &maths{calls: start, closed: &closed}, nil
	}, TypeOptions{MethodToTypeid: map[string]string{"Child": "Maths", "Count": "Iterator"}})
	if err != nil {
		t.Fatal(err)
	}
	return s, &closed
}

func TestRegisteredType(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, closed := mathsServer(t)
		c := open(t, s)
		m := c.must(0, "create", "Maths", 1).(wire.Ref)
		for _, call := range []struct {
			method string
			args   []any
			want   string
		}{
			{"Add", []any{4, 3}, "7"},
			{"Sum", nil, "0"},
			{"Sum", []any{1, 2, 3}, "6"},
			{"Half", []any{8}, "4"},
			{"Move", []any{map[string]any{"X": 1, "Y": 2}, point{10, 20}}, "map[X:11 Y:22]"},
			{"DivMod", []any{7, 2}, "[3 1]"},
		} {
			if got := c.must(m.ID, call.method, call.args...); fmt.Sprint(got) != call.want {
				t.Errorf("%s(%v) = %v, want %s", call.method, call.args, got, call.want)
			}
		}
		for _, call := range []struct {
			method string
			args   []any
			want   string
			is     error
		}{
			{"Half", []any{7}, "7 is odd", wire.ErrRemote},
			{"Explode", nil, "boom", wire.ErrPanic},
			{"hidden", nil, `no exposed method "hidden"`, wire.ErrNotExposed},
			{"Close", nil, `no exposed method "Close"`, wire.ErrNotExposed},
			{"Add", []any{1}, "takes 2 arguments, got 1", wire.ErrType},
			{"Add", []any{1, "x"}, "Maths.Add(int, int): argument 2: got str, want int", wire.ErrType},
			{"DivMod", []any{1, 0}, "divide by zero", wire.ErrPanic},
		} {
			_, err := c.reply(c.call(m.ID, call.method, call.args...))
			if !errors.Is(err, call.is) || !strings.Contains(err.Error(), call.want) {
				t.Errorf("%s(%v): %v, want %q", call.method, call.args, err, call.want)
			}
		}
		if _, err := c.reply(c.call(0, "create", "Maths", -1)); err == nil || !strings.Contains(err.Error(), "start -1 is negative") {
			t.Errorf("a constructor that fails: %v", err)
		}
		child := c.must(m.ID, "Child").(wire.Ref)
		if got := c.must(child.ID, "Add", 1, 1); got != int64(2) {
			t.Errorf("the child's Add = %v", got)
		}
		it := c.must(m.ID, "Count", 2).(wire.Ref)
		for i := range int64(2) {
			if got := c.must(it.ID, "next"); got != i {
				t.Errorf("next = %v, want %d", got, i)
			}
		}
		if _, err := c.reply(c.call(it.ID, "next")); !errors.Is(err, wire.ErrStop) {
			t.Errorf("next after the last: %v", err)
		}
		c.must(0, "release", []any{child.ID, 1})
		synctest.Wait()
		if n := closed.Load(); n != 1 {
			t.Errorf("Close was called %d times after one object was released", n)
		}
	})
}

func TestMethodsOfOneObjectRunInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := mathsServer(t)
		c, d := open(t, s), open(t, s)
		m := c.must(0, "open", "m", "Maths", 0).(wire.Ref)
		d.must(0, "lookup", "m")
		waiting := c.call(m.ID, "Wait")
		synctest.Wait()
		second := d.call(m.ID, "Add", 1, 2)
		synctest.Wait()
		c.send(wire.AppendCancel(nil, waiting, wire.CancelAsk))
		if _, err := c.reply(waiting); err == nil || !strings.Contains(err.Error(), "context canceled") {
			t.Errorf("a cancelled method: %v", err)
		}
		if v, err := d.reply(second); v != int64(3) || err != nil {
			t.Errorf("the call behind it: %v, %v", v, err)
		}
	})
}

// TestResultsDoNotWaitForLaterCalls checks that the result of a quick call goes
// out while a call behind it runs.
func TestResultsDoNotWaitForLaterCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := mathsServer(t)
		c := open(t, s)
		m := c.must(0, "create", "Maths", 1).(wire.Ref)
		first := c.call(m.ID, "Wait") // holds the others up
		synctest.Wait()
		quick := c.call(m.ID, "Add", 1, 2)
		slow := c.call(m.ID, "Wait")
		synctest.Wait()
		c.send(wire.AppendCancel(nil, first, wire.CancelAsk))
		if _, err := c.reply(first); err == nil {
			t.Error("a cancelled method gave no error")
		}
		if v, err := c.reply(quick); v != int64(3) || err != nil {
			t.Errorf("the quick call: %v, %v", v, err)
		}
		c.send(wire.AppendCancel(nil, slow, wire.CancelAsk))
		c.reply(slow)
	})
}

func TestSingleton(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t)
		var closed atomic.Int32
		if err := s.RegisterValue("get_maths", &maths{closed: &closed}, TypeOptions{}); err != nil {
			t.Fatal(err)
		}
		a, b := open(t, s), open(t, s)
		if x, y := a.must(0, "create", "get_maths"), b.must(0, "create", "get_maths"); x != y {
			t.Fatalf("two clients got %v and %v", x, y)
		}
	})
}

func TestRegisterRefuses(t *testing.T) {
	s := newTestServer(t)
	for what, c := range map[string]struct {
		constructor any
		options     TypeOptions
		want        string
	}{
		"no function":        {42, TypeOptions{}, "must be a function"},
		"no result":          {func() {}, TypeOptions{}, "must return the object"},
		"an unknown method":  {func() *maths { return nil }, TypeOptions{Exposed: []string{"Nope"}}, "no exported method Nope"},
		"a channel":          {func(chan int) *maths { return nil }, TypeOptions{}, "chan int"},
		"an unexposed Reads": {func() *maths { return nil }, TypeOptions{Exposed: []string{"Add"}, Reads: []string{"Sum"}}, "Sum is named"},
	} {
		if err := s.Register("T", c.constructor, c.options); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", what, err, c.want)
		}
	}
	if err := s.Register("Event", func() *maths { return nil }, TypeOptions{}); err == nil {
		t.Error("a typeid that is taken was accepted")
	}
}

func TestDeadlineReachesTheMethod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := mathsServer(t)
		c := open(t, s)
		m := c.must(0, "create", "Maths", 1).(wire.Ref)
		c.serial++
		c.send(wire.AppendCall(nil, &wire.Call{Serial: c.serial, Object: m.ID, Name: []byte("Wait"), Flags: wire.CallTimeout,
			Timeout: uint64(2 * time.Second), Args: []byte{0x90}}))
		start := time.Now()
		if _, err := c.reply(c.serial); err == nil || !strings.Contains(err.Error(), "deadline") {
			t.Errorf("a method whose time is up: %v", err)
		}
		if d := time.Since(start); d != 2*time.Second {
			t.Errorf("it ended after %v", d)
		}
	})
}

// A typeid that no type has is found before anybody is served.
func TestServeChecksTypeids(t *testing.T) {
	s := newTestServer(t)
	err := s.Register("Maths", func() *maths { return new(maths) }, TypeOptions{MethodToTypeid: map[string]string{"Child": "Mahts"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(t.Context(), "pipe"); err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(t.Context()); err == nil || !strings.Contains(err.Error(), `Child a "Mahts", which is not registered`) {
		t.Errorf("Serve: %v", err)
	}
}
