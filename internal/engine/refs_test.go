package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// TestGrants: a reply grants one count for each reference in it, and releases
// carry counts.
func TestGrants(t *testing.T) {
	w := newWorld(t, 1)
	o, item := w.create(1, "box"), w.create(1, "box")
	count := func() int64 { return w.e.sessions[1].refs[item.ID].count }
	w.want("None", 1, o.ID, "add", []any{item, 1, []any{item}})
	w.start(1, o.ID, "peek")
	if count() != 3 {
		t.Fatalf("%d counts", count())
	}
	w.start(1, o.ID, "all") // a view, which is encoded outside
	w.complete()
	if count() != 5 {
		t.Fatalf("%d counts", count())
	}
	take := w.start(1, o.ID, "take")
	if count() != 7 {
		t.Fatalf("%d counts", count())
	}
	w.cancel(1, take, true) // never arrived: its counts never were
	if count() != 5 {
		t.Fatalf("%d counts", count())
	}
	release := w.call(1, 0, "release", []any{item.ID, 2, 12345, 1})
	w.must(release)
	w.must(release)
	if count() != 3 {
		t.Fatalf("%d counts after a release that came twice", count())
	}
	w.want("None", 1, 0, "release", []any{item.ID, 0})
	w.want("None", 1, 0, "release", []any{item.ID, uint64(1<<64 - 1)})
	w.want("error unknown_object", 1, item.ID, "len")
	w.want("error type", 1, 0, "release", []any{item.ID})
	w.want("error type", 1, 0, "release", []any{item.ID, "x"})
	w.want("error type", 1, 0, "release", 5)
	w.want("error type", 1, 0, "release")
	w.start(1, o.ID, "peek") // the box still holds it
	w.want("0", 1, item.ID, "len")
	w.close()
}

// TestForged: a session may call and pass on only what it was given.
func TestForged(t *testing.T) {
	w := newWorld(t, 2)
	o := w.create(1, "box")
	mine := w.create(2, "box")
	w.want("error unknown_object", 2, o.ID, "len")
	for _, r := range []wire.Ref{
		{ID: o.ID, Secret: o.Secret + 1, TypeID: "box"}, {ID: o.ID, Secret: o.Secret, TypeID: "crate"},
		{ID: o.ID + 100, Secret: o.Secret, TypeID: "box"}, {ID: 1, Secret: o.Secret, TypeID: "box"}, {ID: 0, TypeID: "server"},
	} {
		w.want("error unknown_object", 2, 0, "attach", r)
		w.want("error unknown_object", 2, mine.ID, "add", []any{1, r})
	}
	if got := w.ref(2, 0, "attach", o); got != o {
		t.Fatalf("%+v", got)
	}
	w.want("0", 2, o.ID, "len")
	w.want("error type", 2, 0, "attach", 5)
	w.close()
}

// TestObjectsDie: an object lives while a session, a value, a name or a call
// under way holds it.
func TestObjectsDie(t *testing.T) {
	w := newWorld(t, 1)
	inner, outer := w.create(1, "box"), w.create(1, "box")
	w.want("None", 1, outer.ID, "add", []any{inner})
	w.want("None", 1, 0, "release", []any{inner.ID, 1})
	w.want("1", 1, outer.ID, "len")
	if w.objects() != 2 {
		t.Fatalf("%d objects", w.objects())
	}
	w.want("None", 1, 0, "release", []any{outer.ID, 1})
	if w.objects() != 0 || w.e.bytes != 0 {
		t.Fatalf("%d objects, %d bytes", w.objects(), w.e.bytes)
	}
	o := w.create(1, "box")
	take := w.start(1, o.ID, "take")
	w.want("None", 1, 0, "release", []any{o.ID, 1})
	if w.objects() != 1 {
		t.Fatal("an object died under a parked call")
	}
	w.cancel(1, take, false)
	if w.objects() != 0 {
		t.Fatal("nothing holds it, and it lives")
	}
	// The reply of a call keeps no object alive, and is kept itself.
	o = w.create(1, "box")
	add := w.call(1, o.ID, "add", 1)
	w.must(add)
	w.want("None", 1, 0, "release", []any{o.ID, 1})
	w.must(add)
	w.is("None", 1, add.Serial)
	if w.objects() != 0 {
		t.Fatal("a kept reply holds its object")
	}
	// A deep chain goes at once.
	w.quick = true
	last := w.create(1, "box")
	for range 4_000 {
		next := w.create(1, "box")
		w.start(1, next.ID, "add", last)
		w.start(1, 0, "release", []any{last.ID, 1})
		last = next
	}
	w.start(1, 0, "release", []any{last.ID, 1})
	if w.objects() != 0 {
		t.Fatalf("%d objects", w.objects())
	}
	w.close()
}

// TestCollect: containers that hold nothing but each other go; those that
// something else reaches stay, with what they hold.
func TestCollect(t *testing.T) {
	w := newWorld(t, 1)
	cycle := func() (a, b wire.Ref) {
		a, b = w.create(1, "box"), w.create(1, "box")
		leaf := w.create(1, "box")
		w.want("None", 1, a.ID, "add", []any{b, b})
		w.want("None", 1, b.ID, "add", []any{a, leaf})
		w.want("None", 1, 0, "release", []any{b.ID, 1, leaf.ID, 1})
		return a, b
	}
	a, _ := cycle()
	w.want("None", 1, a.ID, "add", a)
	w.want("0", 1, 0, "collect")
	kept, _ := cycle()
	w.want("None", 1, kept.ID, "add", a)
	named := w.ref(1, 0, "open", "n", "box")
	w.want("None", 1, named.ID, "add", kept)
	for _, o := range []wire.Ref{a, kept, named} {
		w.want("None", 1, 0, "release", []any{o.ID, 1})
	}
	w.want("0", 1, 0, "collect")
	// A parked call holds a cycle, too.
	alone := w.create(1, "box")
	w.want("None", 1, alone.ID, "add", []any{alone})
	wait := w.start(1, alone.ID, "wait")
	w.want("None", 1, 0, "release", []any{alone.ID, 1})
	w.want("0", 1, 0, "collect")
	w.cancel(1, wait, true)
	w.want("1", 1, 0, "collect")
	w.want("True", 1, 0, "remove", "n")
	w.must(&Command{Op: OpCollect})
	if w.objects() != 0 || w.e.bytes != 0 {
		t.Fatalf("%d objects, %d bytes", w.objects(), w.e.bytes)
	}
	w.close()
}

// TestCollectIsCheap: objects without references cost it nothing.
func TestCollectIsCheap(t *testing.T) {
	w := newWorld(t, 1)
	w.quick = true
	const n = 300_000 // to walk them takes longer than the bound
	var fx Effects
	for range n {
		o := w.e.newObject(w.e.types["box"], nil)
		o.State = new(box)
		o.pin()
	}
	cycle := w.create(1, "box")
	w.start(1, cycle.ID, "add", cycle)
	w.start(1, 0, "release", []any{cycle.ID, 1})
	best := time.Hour
	for range 3 {
		start := time.Now()
		if err := w.e.Apply(&Command{Op: OpCollect}, &fx); err != nil {
			t.Fatal(err)
		}
		best = min(best, time.Since(start))
	}
	if best > time.Millisecond || w.objects() != n {
		t.Fatalf("%v, %d objects", best, w.objects())
	}
}

// TestNames: open gets or makes, lookup gets, remove ends.
func TestNames(t *testing.T) {
	w := newWorld(t, 2)
	o := w.ref(1, 0, "open", "n", "box", 1, 2)
	if again := w.ref(2, 0, "open", "n", "box", 3); again != o {
		t.Fatalf("%+v after %+v", again, o)
	}
	w.want("2", 2, o.ID, "len")
	w.want("error type", 2, 0, "open", "n", "crate")
	w.want("error value", 2, 0, "open", "", "box")
	w.want("error value", 2, 0, "open", string(make([]byte, maxName+1)), "box")
	w.want("error value", 2, 0, "open", "m", string(make([]byte, maxTypeID+1)))
	w.want("error unknown_type", 2, 0, "open", "m", "nothing")
	w.want("error denied", 2, 0, "open", "m", "closed")
	w.want("error type", 2, 0, "open", 1, "box")
	w.want("error type", 2, 0, "open", "m")
	w.want("error not_found", 2, 0, "lookup", "m")
	w.want("error value", 2, 0, "open", "m", "fails")
	w.want("error not_found", 2, 0, "lookup", "m")
	w.start(2, o.ID, "take")
	w.start(2, o.ID, "take")
	take := w.start(2, o.ID, "take")
	w.want("error not_found", 1, 0, "remove", "m")
	w.want("True", 1, 0, "remove", "n")
	w.is("error removed", 2, take)
	w.want("error removed", 1, o.ID, "len")
	w.want("error not_found", 1, 0, "lookup", "n")
	if w.ref(1, 0, "open", "n", "crate") == o {
		t.Fatal("the removed object is back")
	}
	// A name outlives every session; an object without one does not.
	w.create(1, "box")
	w.end(1)
	w.end(2)
	if w.objects() != 1 {
		t.Fatalf("%d objects", w.objects())
	}
	w.close()
}

// TestConstructOutside: a constructor that runs outside is waited for; when it
// fails, who waited makes the object anew.
func TestConstructOutside(t *testing.T) {
	w := newWorld(t, 3)
	first := w.start(1, 0, "open", "n", "ext", 1)
	second := w.start(2, 0, "open", "n", "ext", 2)
	third := w.startIn(5, 3, 0, "open", "n", "ext", 3)
	w.want("error type", 3, 0, "open", "n", "box")
	early := w.ref(3, 0, "lookup", "n")
	w.tick(5)
	w.is("error timeout", 3, third)
	w.complete(func(c *Command) { c.Error = wire.Errorf(wire.CodeRemote, "it failed") })
	w.is("error remote", 1, first)
	w.want("error removed", 3, early.ID, "go")
	if len(w.work) != 1 || string(w.work[0].Args) != string(list(2)) {
		t.Fatalf("%+v", w.work)
	}
	third = w.start(3, 0, "open", "n", "ext", 3)
	w.complete()
	w.is(w.text(2, second), 3, third)
	// Removed while it was made, and the constructor then fails: other names
	// are left alone.
	w.start(1, 0, "open", "m", "ext")
	w.want("True", 1, 0, "remove", "m")
	w.ref(1, 0, "open", "m", "box")
	w.complete(func(c *Command) { c.Error = wire.Errorf(wire.CodeRemote, "it failed") })
	w.ref(1, 0, "lookup", "m")
	// Who waited for the removed one gets the new one, or its refusal.
	w.start(1, 0, "open", "k", "ext")
	waits := w.start(2, 0, "open", "k", "ext")
	w.want("True", 1, 0, "remove", "k")
	w.complete()
	w.is("waiting", 2, waits)
	w.complete()
	if got := w.text(2, waits); got == "waiting" || got[:5] == "error" {
		t.Fatal(got)
	}
	// An anonymous one whose maker gave up dies when it is made.
	serial := w.start(1, 0, "create", "ext")
	n := w.objects()
	w.cancel(1, serial, true)
	w.complete()
	if w.objects() != n-1 || len(w.fx.Closed) != 1 {
		t.Fatalf("%d objects of %d, closed %v", w.objects(), n, w.fx.Closed)
	}
	w.close()
}

// TestSingleton: every create of a singleton's type returns one object.
func TestSingleton(t *testing.T) {
	w := newWorld(t, 2)
	first := w.start(1, 0, "create", "single")
	second := w.start(2, 0, "create", "single")
	w.complete()
	third := w.start(2, 0, "create", "single")
	if len(w.work) != 0 || w.text(1, first) != w.text(2, second) || w.text(1, first) != w.text(2, third) {
		t.Fatalf("%s, %s, %s", w.text(1, first), w.text(2, second), w.text(2, third))
	}
	w.close()
}

// TestOutsideResults: what user code returns is checked like what a client
// sends.
func TestOutsideResults(t *testing.T) {
	w := newWorld(t, 1)
	w.start(1, 0, "create", "ext")
	w.complete()
	ext, _ := wire.ParseRef(w.reply(1, 1).Value.Bytes())
	box := w.create(1, "box")
	forged := box
	forged.Secret++
	result := func(want string, change func(c *Command)) Reply {
		t.Helper()
		serial := w.start(1, ext.ID, "go")
		w.complete(change)
		if want != "" {
			w.is(want, 1, serial)
		}
		return w.reply(1, serial)
	}
	result("5", func(c *Command) { c.Value = []byte{5} })
	result("error unserializable", func(c *Command) { c.Value = nil })
	result("error unserializable", func(c *Command) { c.Value = []byte{0xc1} })
	result("error unserializable", func(c *Command) { c.Value = []byte{5, 5} })
	result("error unserializable", func(c *Command) { c.Value = appendValue(nil, forged) })
	result("error remote", func(c *Command) { c.Error = wire.Errorf(wire.CodeRemote, "no") })
	result("error unknown_type", func(c *Command) { c.NewType, c.Value = "none", list() })
	result("error unserializable", func(c *Command) { c.NewType, c.Value = "box", list(forged) })
	result("error unserializable", func(c *Command) { c.NewType, c.Value = "box", []byte{0x91} })
	result("error internal", func(c *Command) { c.NewType, c.Value = "explodes", list() })
	result("error value", func(c *Command) { c.NewType, c.Value = "fails", list() })
	result("", func(c *Command) { c.Value = appendValue(nil, box) })
	if n := w.e.sessions[1].refs[box.ID].count; n != 2 {
		t.Fatalf("%d counts", n)
	}
	// A new object holds the references in its arguments.
	made, _ := wire.ParseRef(result("", func(c *Command) { c.NewType, c.Value = "box", list(box) }).Value.Bytes())
	w.want("None", 1, 0, "release", []any{box.ID, 2})
	if w.e.objects[box.ID] == nil {
		t.Fatal("the new object does not hold what it contains")
	}
	w.want("None", 1, 0, "release", []any{made.ID, 1})
	if w.e.objects[box.ID] != nil {
		t.Fatal("it is held for ever")
	}
	result("", func(c *Command) { c.NewType = "ext" })
	if len(w.fx.Created) != 1 {
		t.Fatalf("%+v", w.fx.Created)
	}
	w.close()
}

// TestListedReferences: a listing tells how many sessions refer to an object, and
// how many references to it objects keep.
func TestListedReferences(t *testing.T) {
	w := newWorld(t, 2)
	item := w.ref(1, 0, "open", "item", "box")
	box, other := w.create(1, "box"), w.create(1, "box")
	row := func(sessions, references int64) {
		t.Helper()
		type info struct {
			Sessions   int64 `msgpack:"sessions"`
			References int64 `msgpack:"references"`
		}
		var page struct {
			Next string
			Rows []info
		}
		err := wire.Unmarshal(w.reply(1, w.start(1, 0, "names", "item")).Value.Bytes(), &page, nil)
		got := page.Rows
		if err != nil || len(got) != 1 || got[0].Sessions != sessions || got[0].References != references {
			t.Fatalf("%+v, %v; want %d and %d", got, err, sessions, references)
		}
	}
	row(1, 0)
	w.want("None", 1, box.ID, "add", []any{item, 1, []any{item}})
	w.want("None", 1, other.ID, "add", item)
	row(1, 3)
	w.want("None", 1, item.ID, "add", item) // itself
	row(1, 4)
	w.ref(2, 0, "attach", item)
	row(2, 4)
	w.want("None", 1, 0, "release", []any{other.ID, 1})
	row(2, 3)
	w.start(1, item.ID, "take")
	w.start(1, box.ID, "take")
	row(2, 0)
	w.close()
}

// TestListings: pages go on where the last one ended, also when the object of
// the cursor is gone.
func TestListings(t *testing.T) {
	w := newWorld(t, 1)
	w.quick = true
	var all []wire.Ref
	for range 25 {
		all = append(all, w.create(1, "box"))
	}
	w.e.lastID += 3 * maxScan / 2 // as if many had come and gone
	last := w.create(1, "box")
	w.start(1, 0, "release", []any{all[9].ID, 1})
	seen, after, pages := 0, uint64(0), 0
	for {
		v, err := wire.Decode(w.reply(1, w.start(1, 0, "objects", after, 10)).Value.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		page := v.([]any)
		seen += len(page[1].([]any))
		pages++
		next := fmt.Sprint(page[0])
		if next == "0" {
			break
		}
		if after == 0 { // the cursor's object goes away
			w.start(1, 0, "release", []any{all[10].ID, 1})
		}
		_, _ = fmt.Sscan(next, &after)
	}
	if seen != 25 || pages < 3 {
		t.Fatalf("%d objects on %d pages", seen, pages)
	}
	for _, cursor := range []uint64{all[24].ID + 1, last.ID, 1<<64 - 1} {
		if got := w.text(1, w.start(1, 0, "objects", cursor, 10)); got[:6] == "error " {
			t.Fatal(got)
		}
	}
	// Those of one session.
	two := w.open(RoleAdmin)
	w.ref(two, 0, "attach", all[3])
	w.ref(two, 0, "attach", last)
	ids := func(args ...any) (list []uint64, next uint64) {
		t.Helper()
		var page struct {
			Next uint64
			Rows []struct {
				ID uint64 `msgpack:"id"`
			}
		}
		if err := wire.Unmarshal(w.reply(1, w.start(1, 0, "objects", args...)).Value.Bytes(), &page, nil); err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Rows {
			list = append(list, r.ID)
		}
		return list, page.Next
	}
	if got, next := ids(0, 10, two); len(got) != 2 || got[0] != all[3].ID || got[1] != last.ID || next != 0 {
		t.Fatalf("session %d refers to %v, next %d", two, got, next)
	}
	if got, next := ids(0, 1, two); len(got) != 1 || got[0] != all[3].ID || next != all[3].ID {
		t.Fatalf("the first of session %d: %v, next %d", two, got, next)
	}
	if got, next := ids(all[3].ID, 1, two); len(got) != 1 || got[0] != last.ID || next != 0 {
		t.Fatalf("the second of session %d: %v, next %d", two, got, next)
	}
	for range maxScan {
		w.create(1, "box")
	}
	mine := w.create(two, "box")
	if got, next := ids(last.ID, 10, two); len(got) != 0 || next == 0 {
		t.Fatalf("%v, next %d; want a page without rows that is not the last", got, next)
	} else if got, next = ids(next, 10, two); len(got) != 1 || got[0] != mine.ID || next != 0 {
		t.Fatalf("%v, next %d", got, next)
	}
	if got, _ := ids(0, 10, 0); len(got) != 10 {
		t.Fatalf("of all sessions: %v", got)
	}
	w.want("error not_found", 1, 0, "objects", 0, 10, 999)
	w.want("error type", 1, 0, "objects", 0, 10, "x")
	w.want("error value", 1, 0, "objects", 0, 0)
	w.want("error value", 1, 0, "objects", 0, maxPage+1)
}
