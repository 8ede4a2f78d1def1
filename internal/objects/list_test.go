package objects

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/syncmanager/syncmanager/integration/long"
	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// TestListLikePython makes the calls that testdata/list.py made on a list of
// CPython 3.13, and compares the answers.
func TestListLikePython(t *testing.T) {
	f, err := os.Open("testdata/list.jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	likePython(t, z, true)
}

// TestListLikeThisPython does the same with the python3 of this machine. The
// texts of errors differ between versions.
func TestListLikeThisPython(t *testing.T) {
	long.Test(t)
	required := strings.Contains(os.Getenv("SYNCMANAGER_TEST_REQUIRE"), "python")
	python, err := exec.LookPath("python3")
	if err != nil {
		if required {
			t.Fatal("python3 is required and not installed")
		}
		t.Skip("no python3 here")
	}
	if err := exec.Command(python, "-c", "").Run(); err != nil && !required {
		t.Skipf("python3 does not run: %v", err)
	}
	out, err := exec.Command(python, "testdata/list.py", "2", "1000").Output()
	if err != nil {
		t.Fatalf("testdata/list.py: %v", err)
	}
	likePython(t, bytes.NewReader(out), false)
}

func likePython(t *testing.T, in io.Reader, texts bool) {
	w := newWorld(t, 1)
	defer w.close()
	c := w.clients[0]
	l := c.create("list")
	lines := bufio.NewScanner(in)
	n := 0
	for lines.Scan() {
		var row struct {
			Method         string
			Args           []any
			Result         *string
			Error, Message string
			List           string
		}
		d := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		d.UseNumber()
		if err := d.Decode(&row); err != nil {
			t.Fatal(err)
		}
		n++
		a := c.start(l, row.Method, fromJSON(row.Args).([]any)...)
		got, want := a.text(), ""
		if row.Result != nil {
			want = *row.Result
		} else {
			want = row.Error + ": " + row.Message
			if a.err != nil {
				got = a.err.Code.Python() + ": " + a.err.Message
			}
			if !texts || row.Method == "sort" { // the pair that a sort fails at is the algorithm's
				want = row.Error
				got, _, _ = strings.Cut(got, ":")
			}
		}
		if got != want {
			t.Fatalf("call %d: %s(%s):\n got %s\nwant %s", n, row.Method, lines.Bytes(), got, want)
		}
		if got := c.do(l, "repr"); got != "'"+row.List+"'" {
			t.Fatalf("call %d: after %s:\n got %s\nwant %s", n, lines.Bytes(), got, row.List)
		}
	}
	if n < 1000 {
		t.Fatalf("%d calls", n)
	}
}

func fromJSON(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		if n, ok := new(big.Int).SetString(v.String(), 10); ok {
			return wire.Raw(wire.AppendBigInt(nil, n))
		}
		f, _ := v.Float64()
		return f
	case []any:
		for i := range v {
			v[i] = fromJSON(v[i])
		}
		return v
	}
	return v
}

func TestList(t *testing.T) {
	w := newWorld(t, 1)
	defer w.close()
	c := w.clients[0]
	l := c.create("list", vtuple{1, 2, 3})
	run(t, c, l, []step{
		do("value").gives("[1, 2, 3]"),
		do("copy").gives("[1, 2, 3]"),
		do("page").gives("[0, 3, [1, 2, 3]]"),
		do("page", 0, 2).gives("[2, 3, [1, 2]]"),
		do("page", 2, 2, 3).gives("[0, 3, [3]]"),
		do("page", 9).gives("[0, 3, []]"),
		do("append", "x").gives("None"),
		do("page", 2, 2, 3).gives("error changed: the list changed during iteration: version 4, not 3"),
		do("setitem", 0, 9).gives("None"),
		do("page", 2, 2, 4).gives("[0, 4, [3, 'x']]"),
		do("sort").gives("error type: '<' not supported between instances of 'str' and 'int'"),
		do("value").gives("[9, 2, 3, 'x']"),
		do("extend", l).gives("None"),
		do("extend", vset{5}).gives("None"),
		do("extend", vdict{"k", 1}).gives("None"),
		do("extend", []byte("A")).gives("None"),
		do("extend", wire.Raw(wire.AppendArray(nil, 'h', []byte{1, 0, 255, 255}))).gives("None"),
		do("value").gives("[9, 2, 3, 'x', 9, 2, 3, 'x', 5, 'k', 65, 1, -1]"),
		do("setslice", 0, 8, nil, l).gives("None"),
		do("len").gives("18"),
		do("concat", l).gives("[9, 2, 3, 'x', 9, 2, 3, 'x', 5, 'k', 65, 1, -1, 5, 'k', 65, 1, -1, 9, 2, 3, 'x', 9, 2, 3, 'x', 5, 'k', 65, 1, -1, 5, 'k', 65, 1, -1]"),
		do("concat", vtuple{1}).gives(`error type: can only concatenate list (not "tuple") to list`),
		do("index", 99).gives("error value: 99 is not in list"),
		do("clear").gives("None"),
		do("pop").gives("error index: pop from empty list"),
		do("extend", []any{1, 2}).gives("None"),
		do("imul", 3).gives("None"),
		do("value").gives("[1, 2, 1, 2, 1, 2]"),
		do("imul", -1).gives("None"),
		do("value").gives("[]"),
		do("repeat", int64(1)<<62).gives("[]"),
		do("append", strings.Repeat("x", 1000)).gives("None"),
		do("repeat", int64(1)<<40).gives("error too_large: repeat: 1099511627776 times 1003 bytes; at most 1073741824 in one reply"),
		do("append").gives("error type: list.append(value) takes 1 argument, got 0"),
		do("pop", 1, 2).gives("error type: list.pop(index=-1) takes at most 1 argument, got 2"),
		do("insert", 0).gives("error type: list.insert(index, value) takes 2 arguments, got 1"),
	})
	c.want("error type: 'NoneType' object is not iterable", server, "create", "list", nil)
	c.want("error type: 'Event' object is not iterable", l, "extend", c.create("Event"))
}

// TestListLarge takes the ways of lists that are worked on outside.
func TestListLarge(t *testing.T) {
	w := newWorld(t, 2)
	defer w.close()
	c := w.clients[0]
	l := w.share("list")
	var all []any
	for i := range 6000 {
		all = append(all, (i*7919)%6007)
	}
	c.ok(l, "extend", all)
	w.manual = true
	sorted := c.start(l, "sort")
	if len(w.work) != 1 {
		t.Fatalf("%d things to do outside", len(w.work))
	}
	length := c.start(l, "len")
	length.is("waiting")
	w.complete(0)
	sorted.is("None")
	length.is("6000")
	w.manual = false
	c.want("[0, 1, 2]", l, "getslice", 0, 3)
	c.want("None", l, "sort", true)
	c.want("[6006, 6005, 6004]", l, "getslice", 0, 3)
	c.want("None", l, "reverse")
	c.want("[0, 1, 2]", l, "getslice", nil, 3)
	c.want("True", l, "contains", 5000)
	c.want("1", l, "count", 5000)
	at := c.do(l, "index", 5000)
	c.want("5000", l, "getitem", raw2int(at))
	c.want(at, l, "index", 5000.0, 100)
	c.want("error value: -5 is not in list", l, "index", -5)
	c.want("None", l, "remove", 5000)
	c.want("False", l, "contains", 5000)
	c.want("error value: list.remove(x): x not in list", l, "remove", 5000)
	c.want("None", l, "append", "x")
	c.want("error type: '<' not supported between instances of 'str' and 'int'", l, "sort")
	c.want("6000", l, "len")
	c.want("[6006, 'x']", l, "getslice", -2)
	c.want("None", l, "delslice", nil, nil, 2)
	c.want("[1, 3, 5]", l, "getslice", nil, 3)
	c.want("3000", l, "len")
	c.want("None", l, "imul", 2)
	// Searches of an object that is removed meanwhile.
	w.manual = true
	gone := c.start(l, "remove", 17)
	c.ok(server, "remove", "shared")
	w.complete(0)
	gone.is(`error removed: list "shared" was removed`)
}

func raw2int(text string) (n int) {
	fmt.Sscan(text, &n)
	return n
}

// TestListReferences checks that a list holds what it contains, and no longer.
func TestListReferences(t *testing.T) {
	w := newWorld(t, 2)
	defer w.close()
	a, b := w.clients[0], w.clients[1]
	l := w.share("list")
	for _, s := range []struct {
		name string
		put  func(e wire.Ref)
		drop func(e wire.Ref)
	}{
		{"append, pop", func(e wire.Ref) { a.ok(l, "append", e) }, func(e wire.Ref) { b.ok(l, "pop"); b.release(e, 1) }},
		{"insert, remove", func(e wire.Ref) { a.ok(l, "insert", 0, e) }, func(e wire.Ref) { a.ok(l, "remove", e) }},
		{"setitem", func(e wire.Ref) { a.ok(l, "append", 1); a.ok(l, "setitem", 0, e) }, func(wire.Ref) { a.ok(l, "setitem", 0, 1) }},
		{"extend, delslice", func(e wire.Ref) { a.ok(l, "extend", []any{e, e, 1, e}) }, func(wire.Ref) { a.ok(l, "delslice", nil, nil, 1) }},
		{"delslice with a step", func(e wire.Ref) { a.ok(l, "extend", []any{e, 2, e, 1, e}) }, func(wire.Ref) { a.ok(l, "delslice", nil, nil, 2) }},
		{"setslice", func(e wire.Ref) { a.ok(l, "setslice", 0, 0, nil, []any{e, e}) }, func(wire.Ref) { a.ok(l, "setslice", nil, nil, nil, "xyz") }},
		{"setslice with a step", func(e wire.Ref) { a.ok(l, "extend", "abcd"); a.ok(l, "setslice", nil, nil, 2, []any{e, e}) }, func(wire.Ref) {
			a.ok(l, "setslice", nil, nil, -1, "dcba")
		}},
		{"imul", func(e wire.Ref) { a.ok(l, "append", e); a.ok(l, "imul", 5) }, func(wire.Ref) { a.ok(l, "delslice", 1, nil); a.ok(l, "imul", 0) }},
		{"sort, reverse", func(e wire.Ref) {
			a.ok(l, "append", e)
			a.ok(l, "sort")
			a.ok(l, "reverse")
			a.ok(l, "delitem", 0)
			a.ok(l, "append", e)
		}, func(wire.Ref) { a.ok(l, "clear") }},
		{"self", func(e wire.Ref) { a.ok(l, "append", e); a.ok(l, "extend", l); a.ok(l, "iadd", l) }, func(wire.Ref) { a.ok(l, "clear") }},
		{"copies", func(e wire.Ref) {
			other := a.create("list", []any{e})
			a.ok(l, "extend", a.create("list", other))
			a.ok(l, "extend", a.create("set", other))
			a.release(other, 1)
		}, func(e wire.Ref) {
			b.ok(l, "concat", []any{})
			b.ok(l, "repeat", 3)
			b.release(e, 2+6)
			a.ok(l, "clear")
		}},
	} {
		w2 := w.objects()
		a.ok(l, "clear")
		e := a.create("Event")
		s.put(e)
		a.release(e, 1)
		if w.objects() <= w2 {
			t.Fatalf("%s: the list does not hold its value", s.name)
		}
		s.drop(e)
		if _, refusal := w.e.Resolve(e); refusal == nil && s.name != "copies" {
			t.Fatalf("%s: the value was not let go", s.name)
		}
	}
	w.must(&engine.Command{Op: engine.OpCollect})
}

func TestListLimit(t *testing.T) {
	w := newWorld(t, 1, func(c *engine.Config) { c.MaxItems = 3 })
	defer w.close()
	c := w.clients[0]
	run(t, c, c.create("list"), []step{
		do("extend", []any{1, 2}).gives("None"),
		do("extend", []any{1, 2}).gives("error overloaded: a list of 4 entries; the limit is 3"),
		do("imul", 2).gives("error overloaded: a list of 4 entries; the limit is 3"),
		do("imul", int64(1)<<62).gives("error overflow: 2 entries 4611686018427387904 times are too many"),
		do("setslice", 1, 2, nil, []any{5, 6}).gives("None"),
		do("setslice", 1, 2, nil, []any{5, 6}).gives("error overloaded: a list of 4 entries; the limit is 3"),
		do("append", 1).gives("error overloaded: a list of 4 entries; the limit is 3"),
		do("insert", 0, 1).gives("error overloaded: a list of 4 entries; the limit is 3"),
		do("value").gives("[1, 5, 6]"),
	})
}
