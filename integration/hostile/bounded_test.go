package hostile

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/syncmanager/syncmanager/internal/wire"
	"github.com/syncmanager/syncmanager/managers"
	"github.com/syncmanager/syncmanager/proxy"
)

// slowest is how long the good client may wait beside one who asks for expensive
// things. Server and clients share this process, and the machine may be shared too:
// under the lock, each of the things below took seconds.
const slowest = 500 * time.Millisecond

// endWithin ends the good client and checks its slowest round.
func (g *good) endWithin(most time.Duration) {
	g.t.Helper()
	g.end()
	if g.worst > most {
		g.t.Errorf("the good client waited %v for one round, at most %v are allowed", g.worst, most)
	}
}

// fill appends n small ints to a container by calls of 50,000 each.
func fill(p *peer, object uint64, method string, n int, value func(int) any) {
	p.Helper()
	for at := 0; at < n; at += 50_000 {
		part := make([]any, 0, 50_000)
		for i := at; i < min(at+50_000, n); i++ {
			part = append(part, value(i))
		}
		if _, err := p.call(object, method, part); err != nil {
			p.Fatal(err)
		}
	}
}

// TestAlgebraOfALargeSet: a set with itself, many times in one message, and a dict
// merged with itself, are combined outside the lock, also where references are.
func TestAlgebraOfALargeSet(t *testing.T) {
	s := serve(t, plain, managers.Config{})
	p, _ := s.session(time.Minute)
	set := must1[any](t)(p.call(0, "create", "set")).(wire.Ref)
	fill(p, set.ID, "update", 200_000, func(i int) any { return i })
	dict := must1[any](t)(p.call(0, "create", "dict")).(wire.Ref)
	list := must1[any](t)(p.call(0, "create", "list")).(wire.Ref)
	for at := 0; at < 100_000; at += 20_000 {
		pairs := make(map[string]int, 20_000)
		for i := at; i < at+20_000; i++ {
			pairs[fmt.Sprint(i)] = i
		}
		if _, err := p.call(dict.ID, "update", pairs); err != nil {
			t.Fatal(err)
		}
	}
	// One reference among the values: each reply must be searched for references.
	if _, err := p.call(dict.ID, "set", "list", list); err != nil {
		t.Fatal(err)
	}
	g := beside(t, s.client())
	operands := make([]any, 20)
	for i := range operands {
		operands[i] = set
	}
	calls := []uint64{p.start(set.ID, "intersection", operands...)}
	for range 5 {
		calls = append(calls, p.start(dict.ID, "merge", dict))
	}
	for _, serial := range calls {
		if v, err := p.reply(serial); err != nil || v == nil {
			t.Errorf("call %d: %v", serial, err)
		}
	}
	g.endWithin(slowest)
}

// TestKeyErrorOfALargeKey: the error for a key that is not there holds the beginning
// of it, and is made in no time.
func TestKeyErrorOfALargeKey(t *testing.T) {
	s := serve(t, plain, managers.Config{})
	m := s.client()
	d := must1[*proxy.Dict[string, int]](t)(proxy.NewDict[string, int](s.ctx, m))
	_, err := d.Get(s.ctx, strings.Repeat("ä", 10<<20))
	is(t, "a key of 20 MB", err, proxy.ErrKey)
	if err != nil && len(err.Error()) > 1000 {
		t.Errorf("the error has %d bytes", len(err.Error()))
	}
}

// TestNamesInDescendingOrder: names that all go to the front cost no more than
// others.
func TestNamesInDescendingOrder(t *testing.T) {
	s := serve(t, plain, managers.Config{})
	p, _ := s.session(time.Minute)
	g := beside(t, s.client())
	for i := 20_000; i > 0; i -= 1000 {
		last := uint64(0)
		for j := range 1000 {
			last = p.start(0, "open", fmt.Sprintf("%09d", i-j), "Event")
		}
		if _, err := p.reply(last); err != nil {
			t.Fatal(err)
		}
	}
	g.endWithin(slowest)
}

// TestDeadlockSearchOfManyWaits: whoever waits in many calls makes no search for
// deadlocks long.
func TestDeadlockSearchOfManyWaits(t *testing.T) {
	s := serve(t, plain, managers.Config{})
	p, _ := s.session(time.Minute)
	one := must1[any](t)(p.call(0, "create", "RLock")).(wire.Ref)
	two := must1[any](t)(p.call(0, "create", "RLock")).(wire.Ref)
	must1[any](t)(p.call(one.ID, "acquire", 1))
	must1[any](t)(p.call(two.ID, "acquire", 2))
	for range 20_000 {
		p.start(two.ID, "acquire", 1)
	}
	g := beside(t, s.client())
	last := uint64(0)
	for i := range 100 {
		last = p.start(one.ID, "acquire", 10+i)
	}
	is(t, "the last of the circle", errOf(p.call(one.ID, "acquire", 2)), proxy.ErrDeadlock)
	_ = last
	g.endWithin(slowest)
}

// TestRepeatOfOneReference: a list of one reference, repeated millions of times, is
// counted once.
func TestRepeatOfOneReference(t *testing.T) {
	s := serve(t, plain, managers.Config{})
	p, _ := s.session(time.Minute)
	list := must1[any](t)(p.call(0, "create", "list")).(wire.Ref)
	event := must1[any](t)(p.call(0, "create", "Event")).(wire.Ref)
	must1[any](t)(p.call(list.ID, "append", event))
	g := beside(t, s.client())
	if _, err := p.call(list.ID, "imul", 20_000_000); err != nil {
		t.Fatal(err)
	}
	if n, err := p.call(list.ID, "len"); err != nil || fmt.Sprint(n) != "20000000" {
		t.Errorf("%v elements, %v", n, err)
	}
	g.endWithin(slowest)
}

// TestViewsOfClientsThatAreGone: what connections asked for and closed is not made.
func TestViewsOfClientsThatAreGone(t *testing.T) {
	s := serve(t, plain, managers.Config{})
	keep, _ := s.session(time.Minute)
	list := must1[any](t)(keep.call(0, "open", "large", "list")).(wire.Ref)
	fill(keep, list.ID, "extend", 1_000_000, func(i int) any { return i })
	g := beside(t, s.client())
	before := heap()
	for range 3 {
		p, _ := s.session(time.Second)
		must1[any](t)(p.call(0, "open", "large", "list"))
		for range 1000 {
			p.start(list.ID, "copy")
		}
		p.nc.Close()
	}
	began := time.Now()
	until(t, "the memory of replies that nobody reads is free", func() bool { return heap() < before+64<<20 })
	t.Logf("free after %v", time.Since(began))
	g.endWithin(slowest)
}

// TestUndeliverableIsNotDone: what its receiver cannot take stays where it is, and
// the error is kept: a repeat of the call gets it too.
func TestUndeliverableIsNotDone(t *testing.T) {
	s := serve(t, plain, managers.Config{MaxMessage: 1 << 20})
	p, _ := s.session(time.Minute)
	dict := must1[any](t)(p.call(0, "create", "dict")).(wire.Ref)
	half := make([]byte, 600<<10)
	must1[any](t)(p.call(dict.ID, "set", "k", half))
	must1[any](t)(p.call(dict.ID, "add", "sum", half))
	is(t, "a sum that is too large", errOf(p.call(dict.ID, "add", "sum", half)), proxy.ErrTooLarge)
	if v, err := p.call(dict.ID, "get", "sum"); err != nil || len(v.([]byte)) != len(half) {
		t.Errorf("the sum took effect: %v", err)
	}
	key := strings.Repeat("k", 300<<10)
	must1[any](t)(p.call(dict.ID, "set", key, make([]byte, 500<<10)))
	must1[any](t)(p.call(dict.ID, "add", key, make([]byte, 300<<10)))
	serial := p.start(dict.ID, "popitem")
	is(t, "a pair that is too large", errOf(p.reply(serial)), proxy.ErrTooLarge)
	p.send(wire.AppendCall(nil, &wire.Call{Serial: serial, Object: dict.ID, Name: []byte("popitem"), Args: arguments(t)}))
	is(t, "the same call once more", errOf(p.reply(serial)), proxy.ErrTooLarge)
	if n, err := p.call(dict.ID, "len"); err != nil || fmt.Sprint(n) != "3" {
		t.Errorf("%v pairs are left, %v; want 3", n, err)
	}
}
