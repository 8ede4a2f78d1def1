package hostile

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/syncmanager/syncmanager/internal/wire"
	"github.com/syncmanager/syncmanager/managers"
	"github.com/syncmanager/syncmanager/proxy"
)

func idOf(t testing.TB, v any) uint64 {
	t.Helper()
	r, ok := v.(wire.Ref)
	if !ok {
		t.Fatalf("%v is no reference", v)
	}
	return r.ID
}

// overloaded checks the error of who meets a limit: what it is and the figure.
func overloaded(t testing.TB, err error, figure string) {
	t.Helper()
	if !errors.Is(err, proxy.ErrOverloaded) || !strings.Contains(err.Error(), figure) {
		t.Errorf("error %v; want overloaded with %q", err, figure)
	}
}

// TestLimits: each limit through a real connection: whoever meets it hears which
// it is; another client goes on.
func TestLimits(t *testing.T) {
	for name, test := range map[string]struct {
		limits managers.Limits
		run    func(s *server, m *proxy.Manager)
	}{
		"sessions": {managers.Limits{Sessions: 2}, func(s *server, m *proxy.Manager) {
			_, err := s.dial(proxy.Config{})
			overloaded(s, err, "the limit is 2")
			s.must(m.Close())
			s.client()
		}},
		"sessions of one address": {managers.Limits{PerAddress: 3}, func(s *server, m *proxy.Manager) {
			third := s.client()
			_, err := s.dial(proxy.Config{})
			overloaded(s, err, "127.0.0.1; the limit for one address is 3")
			s.must(third.Close())
			s.client()
		}},
		"depth": {managers.Limits{Depth: 6}, func(s *server, m *proxy.Manager) {
			l := must1[*proxy.List[any]](s)(proxy.NewList[any](s.ctx, m))
			s.must(l.Append(s.ctx, []any{[]any{1}}))
			is(s, "a deep value", l.Append(s.ctx, []any{[]any{[]any{[]any{[]any{[]any{1}}}}}}), proxy.ErrProtocol)
			s.must(l.Append(s.ctx, 1))
		}},
		"outstanding": {managers.Limits{Outstanding: 3}, func(s *server, m *proxy.Manager) {
			e := must1[*proxy.Event](s)(proxy.NewEvent(s.ctx, m))
			ctx, cancel := context.WithCancel(s.ctx)
			for range 3 {
				go e.Wait(ctx)
			}
			until(s, "three calls wait", func() bool {
				_, err := e.IsSet(s.ctx)
				return errors.Is(err, proxy.ErrOverloaded)
			})
			_, err := e.IsSet(s.ctx)
			overloaded(s, err, "the limit is 3")
			cancel()
			until(s, "there is room again", func() bool { return errOf(e.IsSet(s.ctx)) == nil })
		}},
		"parked": {managers.Limits{Parked: 2}, func(s *server, m *proxy.Manager) {
			e := must1[*proxy.Event](s)(proxy.NewEvent(s.ctx, m))
			for range 2 {
				go e.Wait(s.ctx)
			}
			until(s, "two calls wait", func() bool { return info(s, m, "parked") == 2 })
			overloaded(s, e.Wait(s.ctx), "the limit is 2")
			s.must(e.Set(s.ctx))
			s.must(e.Wait(s.ctx))
		}},
		"kept": {managers.Limits{Kept: 8192}, func(s *server, m *proxy.Manager) {
			p, _ := s.session(time.Minute)
			v, err := p.call(0, "create", "list")
			s.must(err)
			id := idOf(s, v)
			for err == nil {
				_, err = p.call(id, "append", 1) // and never acknowledges
			}
			overloaded(s, err, "the limit is 8192")
			p.send(wire.AppendAck(nil, &wire.Ack{Watermark: p.serial}))
			if _, err := p.call(id, "append", 1); err != nil {
				s.Errorf("after an acknowledgement: %v", err)
			}
		}},
		"objects": {managers.Limits{Objects: 3}, func(s *server, m *proxy.Manager) {
			var all []*proxy.Ref
			for range 3 {
				all = append(all, must1[*proxy.Ref](s)(m.Create(s.ctx, "dict")))
			}
			_, err := m.Create(s.ctx, "dict")
			overloaded(s, err, "the limit is 3")
			all[0].Drop()
			until(s, "there is room again", func() bool { return errOf(m.Create(s.ctx, "dict")) == nil })
		}},
		"references": {managers.Limits{References: 2}, func(s *server, m *proxy.Manager) {
			other := s.client()
			for i := range 2 {
				must1[*proxy.Ref](s)(other.Open(s.ctx, fmt.Sprint("n", i), "dict"))
			}
			first := must1[*proxy.Ref](s)(m.Open(s.ctx, "n0", "dict"))
			second := must1[*proxy.Ref](s)(m.Open(s.ctx, "n2", "dict"))
			_, err := m.Open(s.ctx, "n1", "dict")
			overloaded(s, err, "the limit is 2")
			first.Drop()
			until(s, "there is room again", func() bool { return errOf(m.Open(s.ctx, "n1", "dict")) == nil })
			second.Drop()
		}},
		"items": {managers.Limits{Items: 4}, func(s *server, m *proxy.Manager) {
			for _, typeid := range []string{"Queue", "LifoQueue", "PriorityQueue", "SimpleQueue", "JoinableQueue"} {
				r := must1[*proxy.Ref](s)(m.Create(s.ctx, typeid))
				for i := range 4 {
					_, err := proxy.Call[any](s.ctx, r, "put", i)
					s.must(err)
				}
				_, err := proxy.Call[any](s.ctx, r, "put_nowait", 9)
				overloaded(s, err, "4")
				_, err = proxy.Call[any](s.ctx, r, "get")
				s.must(err)
				_, err = proxy.Call[any](s.ctx, r, "put", 9)
				s.must(err)
			}
			d := must1[*proxy.Dict[int, int]](s)(proxy.NewDict(s.ctx, m, map[int]int{1: 1, 2: 2, 3: 3, 4: 4}))
			overloaded(s, d.Set(s.ctx, 5, 5), "4")
			s.must(d.Set(s.ctx, 4, 5))
			l := must1[*proxy.List[int]](s)(proxy.NewList(s.ctx, m, 1, 2, 3, 4))
			overloaded(s, l.Append(s.ctx, 5), "4")
			set := must1[*proxy.Ref](s)(m.Create(s.ctx, "set", []any{1, 2, 3, 4}))
			overloaded(s, errOf(proxy.Call[any](s.ctx, set, "add", 5)), "4")
			ns := must1[*proxy.Ref](s)(m.Create(s.ctx, "Namespace", map[string]any{"a": 1, "b": 2, "c": 3, "d": 4}))
			overloaded(s, errOf(proxy.Call[any](s.ctx, ns, "setattr", "e", 1)), "4")
			overloaded(s, errOf(m.Create(s.ctx, "list", []any{1, 2, 3, 4, 5})), "4")
			overloaded(s, errOf(m.Create(s.ctx, "Array", "q", []int{1, 2, 3, 4, 5})), "4")
		}},
		"bytes": {managers.Limits{Bytes: 1 << 20}, func(s *server, m *proxy.Manager) {
			q := must1[*proxy.Queue[[]byte]](s)(proxy.NewQueue[[]byte](s.ctx, m, 0))
			e := must1[*proxy.Event](s)(proxy.NewEvent(s.ctx, m))
			d := must1[*proxy.Dict[string, []byte]](s)(proxy.NewDict[string, []byte](s.ctx, m))
			s.must(d.Set(s.ctx, "k", make([]byte, 1000)))
			n := 0
			for err := error(nil); err == nil; n++ {
				err = q.Put(s.ctx, make([]byte, 10_000))
				if err != nil {
					overloaded(s, err, "the limit is 1048576")
				}
			}
			if n < 50 {
				s.Errorf("%d items of 10,000 bytes fit in a mebibyte", n)
			}
			// The rest, so that not even a parked call fits.
			for i := 0; ; i++ {
				if err := d.Set(s.ctx, fmt.Sprint("fill", i), make([]byte, 200)); err != nil {
					overloaded(s, err, "the limit is 1048576")
					break
				}
			}
			for i := 0; ; i++ {
				if err := d.Set(s.ctx, fmt.Sprint("x", i), nil); err != nil {
					break
				}
			}
			overloaded(s, e.Wait(s.ctx), "1048576")
			overloaded(s, errOf(m.Create(s.ctx, "dict")), "1048576")
			// Reads, gets, deletes and releases work.
			if v, err := d.Get(s.ctx, "k"); len(v) != 1000 || err != nil {
				s.Errorf("a read above the limit: %d bytes, %v", len(v), err)
			}
			s.must(d.Delete(s.ctx, "k"))
			e.Drop()
			for range n - 1 {
				_, err := q.Get(s.ctx)
				s.must(err)
			}
			s.must(q.Put(s.ctx, make([]byte, 10_000)))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, plain, managers.Config{Limits: test.limits})
			m := s.client()
			o := s.client()
			counter := must1[*proxy.Ref](t)(o.Create(s.ctx, "Value", "q", 0))
			test.run(s, m)
			if n, err := proxy.Call[int](s.ctx, counter, "add", 1); n != 1 || err != nil {
				t.Errorf("the other client: %d, %v", n, err)
			}
		})
	}
}

// TestLimitMessage: a message above the limit costs its sender the call, either
// way, and nothing else.
func TestLimitMessage(t *testing.T) {
	s := serve(t, plain, managers.Config{MaxMessage: 1 << 20})
	m, other := s.client(), s.client()
	l := must1[*proxy.List[[]byte]](t)(proxy.NewList[[]byte](s.ctx, m))
	is(t, "a call of 2 MiB", l.Append(s.ctx, make([]byte, 2<<20)), proxy.ErrTooLarge)
	for range 4 {
		s.must(l.Append(s.ctx, make([]byte, 400<<10)))
	}
	is(t, "an answer of 1.6 MiB", errOf(l.Copy(s.ctx)), proxy.ErrTooLarge)
	if v, err := l.Get(s.ctx, 3); len(v) != 400<<10 || err != nil {
		t.Errorf("a part of it: %d bytes, %v", len(v), err)
	}
	// Of items that do not fit together those come that do.
	q := must1[*proxy.Queue[[]byte]](t)(proxy.NewQueue[[]byte](s.ctx, m, 0))
	for range 4 {
		s.must(q.Put(s.ctx, make([]byte, 400<<10)))
	}
	for range 2 {
		if items, err := q.GetMany(s.ctx, 4); len(items) != 2 || err != nil {
			t.Errorf("four items of 400 KiB at once: %d, %v; want two", len(items), err)
		}
	}
	// One who does not care what WELCOME says.
	p, _ := s.session(time.Second)
	b := wire.AppendCall(nil, &wire.Call{Serial: 1, Name: []byte("types"), Args: arguments(t, make([]byte, 2<<20))})
	p.send(b)
	if err := p.bye(); !errors.Is(err, proxy.ErrProtocol) {
		t.Logf("the BYE was lost in the reset: %v", err)
	}
	if _, err := other.Ping(s.ctx); err != nil {
		t.Error(err)
	}
}
