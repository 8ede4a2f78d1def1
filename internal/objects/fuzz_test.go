package objects

import (
	"bytes"
	"testing"

	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// FuzzContainerCalls makes calls with arguments that are any bytes. None may
// panic, and one that fails changes nothing.
func FuzzContainerCalls(f *testing.F) {
	f.Add(uint8(0), uint8(2), encList([]any{"k", 1}))
	f.Add(uint8(1), uint8(4), encList([]any{0, 1, 2, []any{5}}))
	f.Add(uint8(2), uint8(6), encList([]any{vset{1}, "x"}))
	f.Add(uint8(4), uint8(2), encList([]any{1.5}))
	f.Add(uint8(5), uint8(3), encList([]any{0, 1, nil, arr('h', 1, 2)}))
	w := newWorld(f, 1, func(c *engine.Config) { c.MaxItems = 5000 })
	c := w.clients[0]
	shared := []wire.Ref{
		c.create("dict", vdict{"k", 1, 2.5, []any{}}), c.create("list", []any{1, 2, "x"}), c.create("set", "abc"),
		c.create("Namespace", vdict{"x", 1}), c.create("Value", "h", 1, true), c.create("Array", "h", []any{1, 2, 3}),
	}
	f.Fuzz(func(t *testing.T, which, method uint8, args []byte) {
		w.t = t
		w.journal = engine.Journal{}
		o := shared[int(which)%len(shared)]
		if n, _, err := wire.Scan(args, wire.Limits{}); err != nil || n != len(args) {
			return
		}
		methods := w.e.Type(o.TypeID).Methods
		object, _ := w.e.Resolve(o)
		before := stateOf(object)
		a := c.send(engine.Command{Object: o.ID, Method: methods[int(method)%len(methods)].Number(), Args: args})
		a.mustEnd()
		if a.err != nil && !bytes.Equal(stateOf(object), before) {
			t.Fatalf("%s failed (%v) and changed the object", methods[int(method)%len(methods)].Name, a.err)
		}
	})
}

// FuzzLoadTypes loads any bytes as a state of the built-in types. None may panic;
// what is taken for a state has a dump that is one again.
func FuzzLoadTypes(f *testing.F) {
	h := newHistory(&testing.T{}, 1)
	h.w.t = f
	c := h.w.clients[0]
	c.ok(c.create("Lock"), "acquire")
	c.ok(c.create("Semaphore", 2), "acquire")
	c.create("Condition")
	c.create("Barrier", 2)
	q := c.create("PriorityQueue")
	c.ok(q, "put", 1)
	c.ok(q, "put", 2, 5.0)
	c.ok(q, "receive", 1, 50.0)
	f.Add(h.w.e.Dump(nil))
	f.Fuzz(func(t *testing.T, state []byte) {
		e := engine.New(Types()...)
		if e.LoadBytes(state) != nil {
			return
		}
		again := e.Dump(nil)
		second := engine.New(Types()...)
		if err := second.LoadBytes(again); err != nil {
			t.Fatalf("what was loaded and dumped is no state: %v", err)
		}
		if !bytes.Equal(second.Dump(nil), again) {
			t.Fatal("what was loaded has another dump when it is loaded again")
		}
	})
}
