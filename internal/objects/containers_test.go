package objects

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// history makes random calls on one object of each container type.
type history struct {
	t    *testing.T
	w    *world
	r    *rand.Rand
	refs []wire.Ref
	wait []*answer

	listed int64 // references that listings had, in all
}

// anyValue returns a random value; flat ones can be keys.
func (h *history) anyValue(depth int) any {
	r := h.r
	list := func() (all []any) {
		for range r.IntN(4) {
			all = append(all, h.anyValue(depth-1))
		}
		return all
	}
	n := 22
	if depth <= 0 {
		n = 14
	}
	switch r.IntN(n) {
	case 0:
		return nil
	case 1:
		return r.IntN(2) == 0
	case 2:
		return r.Int64N(1 << 40)
	case 3:
		return float64(r.IntN(5))
	case 4:
		return r.Float64()
	case 5, 6:
		return string(rune('a' + r.IntN(6)))
	case 7:
		return []byte{byte(r.IntN(4))}
	case 8:
		return wire.Raw(wire.AppendArray(nil, 'h', make([]byte, 2*r.IntN(4))))
	case 9:
		return []any{math.NaN(), math.Inf(-1), uint64(math.MaxUint64), -1, ""}[r.IntN(5)]
	case 14, 15:
		return list()
	case 16:
		return vtuple(list())
	case 17:
		return vdict{h.anyValue(0), h.anyValue(depth - 1), "k", h.anyValue(depth - 1)}
	case 18:
		return vset{r.IntN(5), "s"}
	case 19:
		return vfrozen{r.IntN(5), "s"}
	case 20, 21:
		return h.refs[r.IntN(len(h.refs))]
	}
	return r.IntN(9)
}

// args returns random arguments; most have the shape that the method's
// parameters ask for.
func (h *history) args(m *engine.Method) (all []any) {
	r := h.r
	if r.IntN(8) == 0 {
		for range r.IntN(5) {
			all = append(all, h.anyValue(2))
		}
		return all
	}
	for p := range strings.SplitSeq(m.Params, ",") {
		name, _, optional := strings.Cut(strings.Trim(p, " ]*"), "=")
		if optional && r.IntN(3) == 0 || name == "" {
			break
		}
		switch strings.TrimSuffix(name, "[") {
		case "index", "start", "stop", "step", "n", "after", "from":
			all = append(all, r.IntN(14)-6)
		case "limit":
			all = append(all, r.IntN(6))
		case "version":
			all = append(all, r.IntN(40))
		case "what":
			all = append(all, "keys")
		case "absent", "reverse":
			all = append(all, r.IntN(2) == 0)
		case "name":
			all = append(all, string(rune('a'+r.IntN(6))))
		case "delta":
			all = append(all, r.IntN(9))
		case "iterable", "iterables", "keys", "list", "array":
			all = append(all, []any{[]any{r.IntN(9), h.anyValue(1)}, "abc", h.refs[r.IntN(len(h.refs))], vset{1, 2}, []any{}}[r.IntN(5)])
		case "pairs":
			all = append(all, []any{vdict{r.IntN(9), h.anyValue(1), "a", 2}, []any{vtuple{r.IntN(9), h.anyValue(1)}}, h.refs[0]}[r.IntN(3)])
		default:
			all = append(all, h.anyValue(r.IntN(3)))
		}
	}
	return all
}

// state returns the dump of an object's state.
func (h *history) state(o wire.Ref) []byte {
	object, err := h.w.e.Resolve(o)
	if err != nil {
		h.t.Fatal(err)
	}
	return stateOf(object)
}

// step makes one random call and checks that a refused one changed nothing.
func (h *history) step(i int) {
	r := h.r
	c := h.w.clients[r.IntN(len(h.w.clients))]
	if s := h.w.e.Session(c.id); !s.Connected() {
		if r.IntN(4) == 0 {
			c.resume()
		}
		return
	}
	switch r.IntN(60) {
	case 0:
		c.lose()
		return
	case 1:
		h.w.manual = !h.w.manual
	case 2:
		h.w.must(&engine.Command{Op: engine.OpCollect})
	case 3:
		h.w.tick(5)
	case 4:
		for _, a := range h.wait {
			if !a.done {
				a.cancel(r.IntN(2) == 0)
				break
			}
		}
	}
	for len(h.w.work) > 0 && (!h.w.manual || r.IntN(3) == 0) {
		h.w.complete(r.IntN(len(h.w.work)))
	}
	o := h.refs[r.IntN(len(h.refs))]
	methods := h.w.e.Type(o.TypeID).Methods
	m := &methods[r.IntN(len(methods))]
	args := h.args(m)
	quiet := len(h.w.work) == 0
	before := h.state(o)
	var a *answer
	if r.IntN(4) == 0 {
		a = c.startIn(int64(r.IntN(10)), o, m.Name, args...)
	} else {
		a = c.start(o, m.Name, args...)
	}
	switch {
	case !a.done:
		h.wait = append(h.wait, a)
		return
	case !quiet:
		return
	case a.err != nil && !bytes.Equal(h.state(o), before):
		h.t.Fatalf("step %d: %s.%s(%s) failed (%v) and changed the object from %s to %s", i, o.TypeID, m.Name, show(raw(args)), a.err,
			show(wire.Raw(before)), show(wire.Raw(h.state(o))))
	case a.err != nil && a.err.Code == wire.CodeInternal:
		h.t.Fatalf("step %d: %s.%s(%s): %v", i, o.TypeID, m.Name, show(raw(args)), a.err)
	case m.Flags&engine.Reads != 0 && !bytes.Equal(h.state(o), before):
		h.t.Fatalf("step %d: %s.%s reads, and changed the object", i, o.TypeID, m.Name)
	}
	h.check(o)
}

// check verifies the inner structure of an object.
func (h *history) check(o wire.Ref) {
	object, _ := h.w.e.Resolve(o)
	switch s := object.State.(type) {
	case *dict:
		s.table.check(h.t)
	case *set:
		s.table.check(h.t)
	case *namespace:
		s.table.check(h.t)
	case *list:
		n := 0
		for range s.seq.all {
			n++
		}
		if n != s.seq.n {
			h.t.Fatalf("a list of %d elements says %d", n, s.seq.n)
		}
	}
}

// references compares how many references to each object the server lists with
// how many are in the states of all objects.
func (h *history) references() {
	h.t.Helper()
	i := slices.IndexFunc(h.w.clients, func(c *client) bool { return h.w.e.Session(c.id).Connected() })
	if i < 0 {
		return
	}
	var page struct {
		Next uint64
		Rows []struct {
			ID         uint64 `msgpack:"id"`
			References int64  `msgpack:"references"`
		}
	}
	raw := h.w.clients[i].ok(server, "objects")
	if err := wire.Unmarshal(raw.Bytes(), &page, nil); err != nil || page.Next != 0 {
		h.t.Fatalf("objects: %+v, %v", page, err)
	}
	model := make(map[uint64]int64)
	for _, o := range h.refs {
		object, _ := h.w.e.Resolve(o)
		object.State.Each(func(v wire.Raw) bool {
			_ = wire.ForEachRef(v.Bytes(), func(r wire.Ref) error {
				model[r.ID]++
				return nil
			})
			return true
		})
	}
	for _, o := range page.Rows {
		if o.References != model[o.ID] {
			h.t.Fatalf("%d references to object %d are listed, and the model has %d", o.References, o.ID, model[o.ID])
		}
		h.listed += model[o.ID]
	}
}

// newHistory returns a history of containers of every type.
func newHistory(t *testing.T, seed uint64) *history {
	w := newWorld(t, 3, func(c *engine.Config) { c.MaxItems = 300 })
	h := &history{t: t, w: w, r: rand.New(rand.NewPCG(seed, 3))}
	make := func(name, typeid string, args ...any) {
		var o wire.Ref
		for _, c := range w.clients {
			o = c.named(name, typeid, args...)
		}
		h.refs = append(h.refs, o)
	}
	make("d", "dict")
	make("e", "dict")
	make("l", "list")
	make("m", "list")
	make("s", "set")
	make("n", "Namespace")
	make("v", "Value", "i", 1)
	make("w", "Value", "h", 1, true)
	make("a", "Array", "h", []any{1, 2, 3})
	return h
}

// TestContainerHistories makes random calls from several sessions that come and
// go. Each history is replayed, and in the end nothing may be held by error.
func TestContainerHistories(t *testing.T) {
	for seed := range uint64(12) {
		h := newHistory(t, seed)
		w := h.w
		named := len(h.refs)
		sizes := func() string {
			return regexp.MustCompile(`'sessions': \d`).ReplaceAllString(w.clients[0].do(server, "objects"), "")
		}
		before := sizes()
		for range 3 {
			h.refs = append(h.refs, w.clients[0].create("Event"))
			for _, c := range w.clients[1:] {
				c.ok(server, "attach", h.refs[len(h.refs)-1])
			}
		}
		for i := range 1500 {
			h.step(i)
			if i%50 == 0 {
				h.references()
			}
		}
		if h.listed == 0 {
			t.Fatalf("seed %d: no listing had a reference", seed)
		}
		w.manual = false
		for len(w.work) > 0 {
			w.complete(0)
		}
		for _, c := range w.clients {
			if !w.e.Session(c.id).Connected() {
				c.resume()
			}
		}
		// Empty all containers, and let go of all references: the named
		// objects alone may be left, and they take what they took at first.
		c := w.clients[0]
		for _, o := range h.refs[named:] {
			c.ok(o, "set") // lets those who wait go
		}
		for _, o := range h.refs[:named] {
			switch o.TypeID {
			case "dict", "list", "set":
				c.ok(o, "clear")
			case "Value":
				c.ok(o, "set", 1)
			case "Namespace":
				names, _ := readerOf(c.ok(o, "value")).Pairs()
				for names.More() {
					c.ok(o, "delattr", wire.Raw(names.Next()))
					names.Next()
				}
			case "Array":
				c.ok(o, "setslice", nil, nil, nil, arr('h', 1, 0, 2, 0, 3, 0))
			}
		}
		for _, c := range w.clients {
			c.releaseAll()
		}
		if got := w.objects(); got != named {
			t.Fatalf("seed %d: %d objects are left, want %d: %s", seed, got, named, c.do(server, "objects"))
		}
		if after := sizes(); after != before {
			t.Fatalf("seed %d: the objects took\n%s\nand take\n%s", seed, before, after)
		}
		w.close()
	}
}

// dictModel is Python's dict with keys and values that are small ints.
type dictModel struct {
	keys []int
	at   map[int]int
}

func (m *dictModel) set(k, v int) {
	if _, ok := m.at[k]; !ok {
		m.keys = append(m.keys, k)
	}
	m.at[k] = v
}

func (m *dictModel) delete(k int) {
	delete(m.at, k)
	m.keys = slices.DeleteFunc(m.keys, func(x int) bool { return x == k })
}

func (m *dictModel) String() string {
	var b strings.Builder
	for i, k := range m.keys {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%d: %d", k, m.at[k])
	}
	return "{" + b.String() + "}"
}

// TestDictModel compares a dict that several sessions use with a model.
func TestDictModel(t *testing.T) {
	for seed := range uint64(10) {
		w := newWorld(t, 3)
		r := rand.New(rand.NewPCG(seed, 4))
		d := w.share("dict")
		m := &dictModel{at: make(map[int]int)}
		keys := 3 + r.IntN(200)
		for range 800 {
			c := w.clients[r.IntN(3)]
			before := c.serial
			k, v := r.IntN(keys), r.IntN(10)
			old, ok := m.at[k]
			missing := fmt.Sprintf("error key: %d", k)
			was := fmt.Sprint(old)
			switch r.IntN(16) {
			case 0, 1, 2:
				c.want("None", d, "set", k, v)
				m.set(k, v)
			case 3:
				if !ok {
					was = missing
				}
				c.want(was, d, "getitem", k)
				c.want(pyBool(ok), d, "contains", float64(k))
			case 4:
				if !ok {
					was = "77"
				}
				c.want(was, d, "get", k, 77)
			case 5:
				if ok {
					c.want("None", d, "delete", k)
				} else {
					c.want(missing, d, "delete", k)
				}
				m.delete(k)
			case 6:
				if !ok {
					was = "-1"
				}
				c.want(was, d, "pop", k, -1)
				m.delete(k)
			case 7:
				if len(m.keys) == 0 {
					break
				}
				k = m.keys[len(m.keys)-1]
				c.want(fmt.Sprintf("(%d, %d)", k, m.at[k]), d, "popitem")
				m.delete(k)
			case 8:
				if !ok {
					was = fmt.Sprint(v)
					m.set(k, v)
				}
				c.want(was, d, "setdefault", k, v)
			case 9:
				c.want("None", d, "update", vdict{k, v, k + 1, v})
				m.set(k, v)
				m.set(k+1, v)
			case 10:
				c.want(fmt.Sprint(old+v), d, "add", k, v)
				m.set(k, old+v)
			case 11:
				if !ok {
					c.want(missing, d, "swap", k, v)
				} else {
					c.want(was, d, "swap", k, v)
					m.set(k, v)
				}
			case 12:
				swap := ok && old == v
				c.want(pyBool(swap), d, "compare_and_swap", k, v, v+1)
				if swap {
					m.set(k, v+1)
				}
				c.want(pyBool(m.at[k+1] == 3), d, "compare_and_delete", k+1, 3)
				if m.at[k+1] == 3 {
					m.delete(k + 1)
				}
			case 13:
				n := 0
				for _, x := range []int{k, k + 1, k + 2} {
					if _, ok := m.at[x]; ok {
						n++
						m.delete(x)
					}
				}
				c.want(fmt.Sprint(n), d, "delete_many", []any{k, k + 1, k + 2, k})
			case 14:
				c.want(fmt.Sprint(len(m.keys)), d, "len")
				c.want("'"+m.String()+"'", d, "repr")
			case 15:
				if r.IntN(30) == 0 {
					c.want("None", d, "clear")
					m = &dictModel{at: make(map[int]int)}
				}
			}
			c.again(r, before)
			if r.IntN(20) == 0 {
				c.want(m.String(), d, "copy")
			}
		}
		w.close()
	}
}

// TestByteLimit checks that what would pass the limit on bytes is refused
// before it is stored.
func TestByteLimit(t *testing.T) {
	w := newWorld(t, 1, func(c *engine.Config) { c.MaxBytes = 100_000 })
	defer w.close()
	c := w.clients[0]
	l, d, s := c.create("list", []any{"value"}), c.create("dict"), c.create("set")
	long := make([]byte, 3000)
	for i := range long {
		long[i] = byte(i)
	}
	var keys []any
	for i := range 2900 {
		keys = append(keys, vtuple{i, 1})
	}
	for _, call := range []struct {
		o      wire.Ref
		method string
		args   []any
	}{
		{l, "imul", []any{1 << 20}}, {l, "extend", []any{long}}, {l, "setslice", []any{0, 0, nil, long}}, {server, "create", []any{"list", long}},
		{d, "update", []any{keys}}, {server, "create", []any{"dict", keys}}, {s, "update", []any{keys}}, {server, "create", []any{"set", keys}},
	} {
		if got := c.do(call.o, call.method, call.args...); !strings.Contains(got, "would pass the limit of 100000") {
			t.Errorf("%s: %.200s", call.method, got)
		}
	}
	c.want("['value']", l, "value")
	c.want("0", d, "len")
	c.want("set()", s, "value")
}

// TestFreezeContainers freezes containers between calls and encodes them at the
// end: chunks that a frozen state reads are not changed.
func TestFreezeContainers(t *testing.T) {
	h := newHistory(t, 5)
	h.w.journal.Twin = nil
	var many []any
	for i := range 290 {
		many = append(many, i)
	}
	q := h.w.clients[0].named("q", "Queue")
	h.w.clients[0].ok(q, "put_many", many)
	h.w.clients[0].ok(h.w.clients[0].named("big", "list"), "extend", many)
	type moment struct {
		records []engine.Record
		want    []byte
	}
	var moments []moment
	for i := range 600 {
		if i%20 == 0 {
			moments = append(moments, moment{frozen(h.w.e), h.w.e.Dump(nil)})
		}
		h.step(i)
		h.w.clients[0].do(q, "get")
	}
	for i, m := range moments {
		var got []byte
		for _, r := range m.records {
			_, _ = r.Pieces(nil, func(p []byte) error {
				got = append(got, p...)
				return nil
			})
		}
		if !bytes.Equal(got, m.want) {
			t.Fatalf("moment %d has changed since", i)
		}
	}
}

// frozen returns the records of a state.
func frozen(e *engine.Engine) (records []engine.Record) {
	e.Records(func(r engine.Record) { records = append(records, r) })
	return records
}
