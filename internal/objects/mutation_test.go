package objects

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// notDumped are the fields that a dump does not show, and why none is missed. A
// field in a struct named notState is not looked at.
var notDumped = map[string]string{
	// Indexes, lists and heaps, made again from what is dumped.
	"Engine.refer":  "order by Object.referring",
	"Engine.names":  "index of Object.Name",
	"Engine.timers": "heap of deadlines",
	"Engine.types":  "the program's",
	"Engine.runs":   "counted again",
	"Call.view":     "no built-in method whose reply is kept returns one",
	"Engine.root":   "the server itself", "Object.inRefs": "place in a list",
	"Object.waiting": "list by Call.behind",
	"Object.timer":   "place in the heap",
	"Object.wakeAt":  "set by the type when it is loaded",
	"Object.marked":  "scratch of collect", "Object.inside": "scratch of collect",
	"Session.Peer":     "the server's",
	"Session.calls":    "index of the calls",
	"Session.parked":   "order by Call.order",
	"Session.awaiting": "index of Call.awaits",
	"Session.spare":    "memory",
	"Session.holds":    "order by Hold.Token",
	"Call.sig":         "the method says it",
	"Call.counted":     "a reply that is made outside is made again by run", "Call.plain": "a hint", "Call.refs": "made again by run",
	"Engine.computing": "index of the calls", "Engine.frozen": "index of Object.frozen",
	"Object.frozen": "until the work that began before is done: a state with such work is not loaded", "Object.inFrozen": "place in a list",
	"array.seen": "a cache", "seq.seen": "a cache", "table.seen": "a cache", "table.whole": "a cache",
	"Call.free": "memory", "Call.query": "0 in every command",
	"Call.Args":     "borrowed: valid in the handler",
	"Call.argBytes": "whether memory may be taken over",
	"Call.result":   "made again by run",
	"Call.inQueue":  "place in a list", "Call.inAwait": "place in a list",
	"Hold.inSession": "place in a list",
	"Await.Session":  "index of Call.awaits", "Await.Owner": "index of Call.awaits", "Await.calls": "index of Call.awaits", "Await.inOwner": "place in a list", "Await.free": "memory",
	"Waiters.present": "order by Call.place", "Waiters.absent": "order by Call.place", "Waiters.last": "a hint",
	"Lost.Peer": "the server's",
	// Of the types.
	"mutex.o": "the object", "mutex.reentrant": "the typeid says it", "mutex.waiters": "order by Call.place",
	"condition.o": "the object", "condition.waiters": "order by Call.place",
	"semaphore.o": "the object", "semaphore.bounded": "the typeid says it", "semaphore.waiters": "order by Call.place",
	"semaphore.permits": "the object's holds", "semaphore.all": "the object's holds", "semaphore.bySess": "the object's holds",
	"event.waiters": "order by Call.place",
	"barrier.id":    "the object's", "barrier.waiters": "order by Call.place",
	"queue.id": "the object's", "queue.class": "the typeid says it", "queue.kind": "the typeid says it",
	"queue.getters": "order by Call.place", "queue.putters": "order by Call.place", "queue.joiners": "order by Call.place",
	"queueItems.spare": "memory", "queueItems.values": "counted again", "queueItems.size": "counted again", "queueItems.past": "counted again",
	"queueBlock.buf": "memory", "queueBlock.shared": "of views",
	"away.index":  "place in the heap",
	"past.again":  "always true",
	"table.bytes": "counted again", "table.owner": "of views", "table.byID": "index", "table.free": "index", "table.index": "index",
	"chunk.owner": "of views", "chunk.id": "index", "chunk.live": "counted again",
	"seq.bytes": "counted again", "seq.owner": "of views", "seq.ends": "a cache", "seq.valid": "a cache",
	"block.owner": "of views",
	"array.size":  "the typecode says it", "array.owner": "of views", "page.owner": "of views",
}

// mutable is a field of a struct, where it was met.
type mutable struct{ at []reflect.Value }

// mutator walks everything that is reachable from an engine.
type mutator struct {
	seen   map[unsafe.Pointer]map[reflect.Type]bool
	fields map[string]*mutable
}

func own(t reflect.Type) bool {
	p := t.PkgPath()
	return strings.HasSuffix(p, "internal/engine") || strings.HasSuffix(p, "internal/objects")
}

// linked reports whether the type is a list or a place in one.
func linked(t reflect.Type) bool {
	return strings.HasPrefix(t.Name(), "List[") || strings.HasPrefix(t.Name(), "Link[")
}

func (m *mutator) walk(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			m.walk(v.Elem())
		}
	case reflect.Interface:
		if !v.IsNil() {
			m.walk(v.Elem())
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			m.walk(v.Index(i))
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			m.walk(it.Value())
		}
	case reflect.Struct:
		m.walkStruct(v)
	}
}

func (m *mutator) walkStruct(v reflect.Value) {
	t := v.Type()
	if !v.CanAddr() || t == reflect.TypeFor[engine.Type]() || t == reflect.TypeFor[engine.Method]() || t == reflect.TypeFor[engine.Signature]() {
		return
	}
	at := unsafe.Pointer(v.UnsafeAddr())
	if m.seen[at] == nil {
		m.seen[at] = make(map[reflect.Type]bool)
	}
	if m.seen[at][t] {
		return
	}
	m.seen[at][t] = true
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Name == "notState" {
			continue
		}
		fv := reflect.NewAt(f.Type, unsafe.Pointer(v.Field(i).UnsafeAddr())).Elem()
		name := t.Name() + "." + f.Name
		nested := f.Type.Kind() == reflect.Struct && own(f.Type) && !linked(f.Type)
		if own(t) && !linked(t) && (!nested || notDumped[name] != "") {
			if m.fields[name] == nil {
				m.fields[name] = new(mutable)
			}
			if !nested {
				m.fields[name].at = append(m.fields[name].at, fv)
			}
		}
		if notDumped[name] == "" {
			m.walk(fv)
		}
	}
}

// flip makes the field another one, and returns how to undo that; nil if there
// is no other one.
func flip(v reflect.Value) func() {
	was := reflect.New(v.Type()).Elem()
	was.Set(v)
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(v.Int() + 1)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(v.Uint() + 1)
	case reflect.String:
		v.SetString(v.String() + "\x01")
	case reflect.Array:
		if v.Len() == 0 || v.Index(0).Kind() != reflect.Uint8 {
			return nil
		}
		v.Index(0).SetUint(v.Index(0).Uint() ^ 1)
	default:
		if v.IsZero() {
			return nil
		}
		v.SetZero()
	}
	return func() { v.Set(was) }
}

// TestEveryFieldIsDumped flips each field of each struct that is reachable from an
// engine: the dump must show it, in one of the places at least where the field
// is met.
func TestEveryFieldIsDumped(t *testing.T) {
	w := mutationWorld(t)
	m := &mutator{seen: make(map[unsafe.Pointer]map[reflect.Type]bool), fields: make(map[string]*mutable)}
	m.walk(reflect.ValueOf(w.e))
	want := w.e.Dump(nil)
	shown := func(v reflect.Value) (ok bool) {
		undo := flip(v)
		if undo == nil {
			return false
		}
		defer undo()
		defer func() {
			if recover() != nil {
				ok = true // it is looked at
			}
		}()
		return !bytes.Equal(w.e.Dump(nil), want)
	}
	names := make([]string, 0, len(m.fields))
	for name := range m.fields {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		ok := slices.ContainsFunc(m.fields[name].at, shown)
		switch reason := notDumped[name]; {
		case ok && reason != "":
			t.Errorf("%s is dumped: take it off the list", name)
		case !ok && reason == "":
			t.Errorf("%s is in no dump (%d places)", name, len(m.fields[name].at))
		}
	}
	for name := range notDumped {
		if m.fields[name] == nil {
			t.Errorf("%s was not met: take it off the list, or bring it into the test", name)
		}
	}
	if got := w.e.Dump(nil); !bytes.Equal(got, want) {
		t.Fatal("the test has left a change behind")
	}
}

// mutationWorld returns a world in which every field is in use somewhere.
func mutationWorld(t *testing.T) *world {
	w := newWorld(t, 3)
	w.journal.Twin, w.manual = nil, true
	if err := w.e.AddType(&engine.Type{Name: "ext", Outside: true, Methods: []engine.Method{{Name: "go"}}}); err != nil {
		t.Fatal(err)
	}
	w.must(&engine.Command{Op: engine.OpTypes, Types: w.e.Tables()})
	w.must(&engine.Command{Op: engine.OpOpen, Open: &engine.SessionInfo{Role: engine.RoleRead, Prefixes: []string{"p"}, Trusted: true, Shared: true, Lease: 5, Secret: [32]byte{1}, KeyPrint: [32]byte{2}}})
	a, b, c := w.clients[0], w.clients[1], w.clients[2]
	a.keep, b.keep, c.keep = true, true, true
	// An object of a registered type, lost by a takeover; and one at work.
	a.start(server, "create", "ext")
	w.now += 10
	w.must(&engine.Command{Op: engine.OpTakeover, Term: 3})
	w.work = nil
	for _, x := range w.clients {
		x.resume()
	}
	a.start(server, "create", "ext")
	d := a.named("n", "dict")
	var many vdict
	for i := range 300 {
		many = append(many, i, fmt.Sprint("v", i))
	}
	a.ok(d, "update", many)
	a.ok(d, "set", "ref", d)
	a.create("list", []any{1, 2, "x", d})
	a.create("set", "abc")
	a.create("Namespace", vdict{"x", 1})
	a.create("Value", "h", 1, true)
	a.create("Array", "h", []any{1, 2, 3}, true)
	gone := a.named("gone", "list")
	a.ok(server, "remove", "gone")
	_ = gone
	// Locks: held, waited for by owner, with a deadline; a Condition over one.
	l := a.named("l", "Lock")
	b.named("l", "Lock")
	a.ok(l, "acquire", 7, true)
	b.start(l, "acquire", 8, true)
	b.startIn(1000, l, "acquire")
	r := a.create("RLock")
	a.ok(r, "acquire", 3)
	k := a.create("Condition", r)
	a.start(k, "wait", 3)
	own := a.create("Condition")
	a.ok(own, "acquire", 1)
	s := a.create("Semaphore", 2)
	a.ok(s, "acquire")
	a.ok(a.create("Event"), "set")
	bar := a.create("Barrier", 2, nil, 5.0)
	a.ok(bar, "abort")
	// Queues: kept replies that can be undone, leases, delays, the dead, putters.
	q := a.named("q", "PriorityQueue", 9)
	b.named("q", "PriorityQueue", 9)
	for i := range 6 {
		a.ok(q, "put_priority", i, fmt.Sprint("item", i))
	}
	a.ok(q, "limit_attempts", 1, 5)
	a.ok(q, "get_many", 2)
	a.start(q, "get_priority")
	lease := b.ok(q, "receive", 1, 50.0)
	token := leaseToken(t, lease)
	b.ok(q, "nack", token, nil, "why")
	b.ok(q, "receive", 1, 50.0)
	a.start(q, "put", 100, 20.0)
	full := a.create("Queue", 1)
	a.ok(full, "put", 1)
	a.start(full, "put_many", []any{1, 2})
	a.start(full, "put", 5)
	shut := a.create("Queue")
	a.ok(shut, "shutdown", true)
	// A guard, an error that is kept, a mark, acknowledged ranges, a lost hold.
	a.send(engine.Command{Object: d.ID, Name: []byte("set"), Args: encList([]any{"k", 1}), Guard: l.ID, Token: 1})
	guarded := tokenOf(w, l)
	a.send(engine.Command{Object: d.ID, Name: []byte("set"), Args: encList([]any{"k", 1}), Guard: l.ID, Token: guarded})
	a.start(d, "pop", "nothing")
	b.start(d, "len")
	b.serial++
	w.must(&engine.Command{Op: engine.OpCancel, Session: b.id, Serial: b.serial + 5, Abandon: true})
	w.must(&engine.Command{Op: engine.OpAck, Session: c.id, Ranges: []wire.Range{{From: 40, To: 41}}})
	other := c.named("l2", "Lock")
	b.named("l2", "Lock")
	c.ok(other, "acquire")
	b.ok(other, "release", tokenOf(w, other))
	a.redelivered(q, c)
	// Work of the engine's own, and a call behind it.
	big := a.named("big", "list")
	var long []any
	for i := range 5000 {
		long = append(long, i)
	}
	a.ok(big, "extend", long)
	a.start(big, "reverse")
	a.start(big, "append", 1)
	entry := engine.AppendPart(engine.AppendEntry(nil, 3, w.now), a.id, w.e.Session(a.id).Epoch, false, []byte("part"))
	w.fx.Reset()
	if err := w.e.ApplyEntry(entry, &w.fx, nil); err != nil {
		t.Fatal(err)
	}
	c.lose()
	return w
}

// redelivered has a session lose an item that it got, and another one get it.
func (c *client) redelivered(q wire.Ref, other *client) {
	other.named("q", "PriorityQueue", 9)
	x := c.w.open()
	x.named("q", "PriorityQueue", 9)
	x.start(q, "get")
	x.expire()
	other.start(q, "get")
}

// leaseToken returns the token of the only lease in a reply.
func leaseToken(t *testing.T, v wire.Raw) uint64 {
	var rows [][]any
	if err := wire.Unmarshal(v.Bytes(), &rows, nil); err != nil || len(rows) != 1 {
		t.Fatalf("receive: %v, %v", rows, err)
	}
	return uint64(rows[0][0].(int64))
}

// tokenOf returns the token of an object's first hold.
func tokenOf(w *world, ref wire.Ref) uint64 {
	o, _ := w.e.Resolve(ref)
	for h := range o.Holds {
		return h.Token
	}
	return 0
}
