package pydoor

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/pickle"
	"github.com/syncmanager/syncmanager/internal/wire"
)

func str(s string) pickle.Node { return pickle.NewStr(s) }

func num(n int64) pickle.Node { return pickle.Int(n) }

func slice(a, b, c pickle.Node) pickle.Node { return pickle.NewCall("builtins", "slice", a, b, c) }

var none = pickle.None{}

// want compares a result with Python's repr of it.
func (c *client) want(want string, ident pickle.Node, method string, args ...pickle.Node) {
	c.w.t.Helper()
	if got := show(c.ok(ident, method, args...)); got != want {
		c.w.t.Errorf("%s: %s, want %s", method, got, want)
	}
}

// raises expects an exception.
func (c *client) raises(class, text string, ident pickle.Node, method string, args ...pickle.Node) {
	c.w.t.Helper()
	gotClass, gotText := c.fails(ident, method, args...)
	if gotClass != class || !strings.Contains(gotText, text) {
		c.w.t.Errorf("%s: %s(%s), want %s(%s)", method, gotClass, gotText, class, text)
	}
}

func TestContainers(t *testing.T) {
	w := newWorld(t, Options{})
	c := w.thread("write")
	defer c.close()

	d := w.create("write", "dict", pickle.NewDict(str("a"), num(1)))
	c.want("None", d, "__setitem__", pickle.NewTuple(num(1), num(2)), pickle.NewList(num(3)))
	c.want("[3]", d, "__getitem__", pickle.NewTuple(num(1), num(2)))
	c.want("2", d, "__len__")
	c.want("True", d, "__contains__", str("a"))
	c.want("['a', (1, 2)]", d, "keys")
	c.want("{'a': 1, (1, 2): [3]}", d, "#GETVALUE")
	c.want(`"{'a': 1, (1, 2): [3]}"`, d, "__repr__")
	c.want("None", d, "get", str("zz"))
	c.want("7", d, "pop", str("zz"), num(7))
	c.raises("KeyError", "'zz'", d, "pop", str("zz"))
	c.raises("KeyError", "'zz'", d, "__getitem__", str("zz"))
	c.raises("TypeError", "missing required argument 'key'", d, "__getitem__")
	c.raises("TypeError", "2 were given", d, "__getitem__", num(1), num(2))
	c.raises(kindTraceback, "is not exposed", d, "__class__")
	c.want("{'a': 5, (1, 2): [3], 'b': 1}", d, "__or__", pickle.NewDict(str("a"), num(5), str("b"), num(1)))
	c.raises("TypeError", "unsupported operand", d, "__or__", num(1))
	c.want("{1: 0, 2: 0}", d, "fromkeys", pickle.NewList(num(1), num(2)), num(0))
	if err := c.write(d, "update", []pickle.Node{pickle.NewList(pickle.NewTuple(str("x"), num(1)))}, str("y"), num(2)); err != nil {
		t.Fatal(err)
	}
	if kind, v, _ := c.read(); kind != kindReturn {
		t.Fatalf("update: %s", show(v))
	}

	l := w.create("write", "list", pickle.NewCall("builtins", "range", num(0), num(5), num(1)))
	c.want("[0, 1, 2, 3, 4]", l, "#GETVALUE")
	c.want("[1, 3]", l, "__getitem__", slice(num(1), none, num(2)))
	c.want("None", l, "__setitem__", slice(num(1), num(3), none), pickle.NewList(num(9)))
	c.want("None", l, "__delitem__", num(0))
	c.want("[9, 3, 4]", l, "#GETVALUE")
	c.want("[9, 3, 4, 1]", l, "__add__", pickle.NewList(num(1)))
	c.raises("IndexError", "list index out of range", l, "__getitem__", num(9))
	c.raises("ValueError", "", l, "remove", num(77))
	if err := c.write(l, "sort", nil, str("reverse"), pickle.Bool(true)); err != nil {
		t.Fatal(err)
	}
	c.read()
	c.want("[9, 4, 3]", l, "#GETVALUE")
	if err := c.write(l, "sort", nil, str("key"), &pickle.Global{Module: "builtins", Name: "str"}); err != nil {
		t.Fatal(err)
	}
	if kind, v, _ := c.read(); kind != kindError || !strings.Contains(show(v), "opaque") {
		t.Errorf("sort(key=str): %s %s", kind, show(v))
	}

	n := w.create("write", "Namespace")
	c.want("None", n, "__setattr__", str("x"), num(1))
	c.want("1", n, "__getattribute__", str("x"))
	c.raises("AttributeError", "'Namespace' object has no attribute 'y'", n, "__getattribute__", str("y"))
	c.want("None", n, "__delattr__", str("x"))

	v := w.create("write", "Value", str("i"), num(5))
	c.want("None", v, "set", num(6))
	c.want("6", v, "get")
	a := w.create("write", "Array", str("i"), pickle.NewList(num(1), num(2)))
	c.want("array('i', [1, 2])", a, "#GETVALUE")
	c.want("2", a, "__getitem__", num(-1))
	c.raises("OverflowError", "greater than maximum", a, "__setitem__", num(0), num(1<<40))

	s := w.create("write", "set", pickle.NewList(num(1), num(2)))
	c.want("{1, 2, 3}", s, "__or__", setOf(3))
	c.raises("TypeError", "unsupported operand", s, "__or__", pickle.NewList(num(3)))
	c.want("False", s, "__lt__", setOf(1, 2))
	c.want("True", s, "__le__", setOf(1, 2))
}

func TestLocks(t *testing.T) {
	w := newWorld(t, Options{})
	a, b := w.thread("write"), w.thread("write")
	defer a.close()
	defer b.close()
	yes, no := pickle.Bool(true), pickle.Bool(false)

	lock := w.create("write", "Lock")
	a.want("True", lock, "acquire")
	b.want("False", lock, "acquire", no)
	b.want("False", lock, "acquire", yes, pickle.Float(0.001))
	b.want("None", lock, "release") // Python lets anybody release a Lock
	a.raises("RuntimeError", "release unlocked lock", lock, "release")
	a.raises("ValueError", "can't specify a timeout for a non-blocking call", lock, "acquire", no, num(1))
	a.raises("ValueError", "must be a non-negative number", lock, "acquire", yes, num(-2))

	rlock := w.create("write", "RLock")
	a.want("True", rlock, "acquire")
	a.want("True", rlock, "acquire")
	b.want("False", rlock, "acquire", no)
	b.raises("RuntimeError", "cannot release un-acquired lock", rlock, "release")
	a.want("None", rlock, "release")
	a.want("None", rlock, "release")
	b.want("True", rlock, "acquire", no)

	sem := w.create("write", "BoundedSemaphore", num(1))
	a.want("True", sem, "acquire")
	b.want("False", sem, "acquire", no)
	b.want("None", sem, "release")
	b.raises("ValueError", "Semaphore released too many times", sem, "release")

	for _, cond := range []pickle.Node{
		w.create("write", "Condition"),
		w.create("write", "Condition", proxy("AcquirerProxy", lock)),
	} {
		a.raises("RuntimeError", "cannot notify on un-acquired lock", cond, "notify")
		a.want("True", cond, "acquire")
		a.want("False", cond, "wait", pickle.Float(0.001))
		a.want("None", cond, "notify_all")
		a.want("None", cond, "release")
		a.raises("RuntimeError", "un", cond, "release")
	}

	barrier := w.create("write", "Barrier", num(1))
	a.want("0", barrier, "wait")
	a.want("1", barrier, "__getattribute__", str("parties"))
	a.raises("AttributeError", "'Barrier' object has no attribute '_cond'", barrier, "__getattribute__", str("_cond"))

	barrier = w.create("write", "Barrier", num(2))
	a.raises("BrokenBarrierError", `session 1 (Python clients, key "write") waited in vain`, barrier, "wait", pickle.Float(0.001))

	event := w.create("write", "Event")
	a.want("False", event, "wait", pickle.Float(0.001))
	a.want("None", event, "set")
	a.want("True", event, "wait")
	a.raises(kindUnserializable, "cannot pickle", event, "#GETVALUE")
}

// A Python client may release what another Python client holds, and never what
// a Go program holds.
func TestReleaseOfAnotherProgram(t *testing.T) {
	w := newWorld(t, Options{})
	a, other := w.thread("write"), w.thread("admin")
	defer a.close()
	defer other.close()
	lock := w.create("write", "Lock")
	ref, _ := parseIdent(textOf(lock))
	native := w.open(engine.SessionInfo{Program: "worker", Role: engine.RoleWrite})
	native.call(0, "attach", ref)
	native.call(ref.ID, "acquire")
	a.raises("RuntimeError", "another program holds", lock, "release")
	native.call(ref.ID, "release")

	// Clients with another key are Python clients too.
	a.want("True", lock, "acquire")
	other.want("None", lock, "release")
	native.call(ref.ID, "acquire")
	a.raises("RuntimeError", "another program holds", lock, "release")
}

func TestQueues(t *testing.T) {
	w := newWorld(t, Options{})
	c := w.thread("write")
	defer c.close()
	q := w.create("write", "Queue", num(1))
	c.want("None", q, "put", str("x"))
	c.raises("Full", "", q, "put", str("y"), pickle.Bool(false))
	c.raises("Full", "", q, "put", str("y"), pickle.Bool(true), pickle.Float(0.001))
	c.want("'x'", q, "get")
	c.raises("Empty", "", q, "get", pickle.Bool(false))
	c.raises("Empty", "", q, "get_nowait")
	c.raises("ValueError", "'timeout' must be a non-negative number", q, "get", pickle.Bool(true), num(-1))
	c.want("None", q, "task_done")
	c.raises("ValueError", "task_done() called too many times", q, "task_done")
	c.want("None", q, "shutdown")
	if kind, v := c.request(q, "get"); kind != kindError || !strings.Contains(show(v), "opaque") {
		t.Errorf("get after shutdown: %s %s", kind, show(v))
	}
}

// An item goes back to its queue when its reply could not be written, and a
// call that waits ends with its connection.
func TestItemOfADeadClient(t *testing.T) {
	w := newWorld(t, Options{})
	c := w.thread("write")
	defer c.close()
	q := w.create("write", "Queue")

	waiter := w.thread("write")
	if err := waiter.write(q, "get", nil); err != nil {
		t.Fatal(err)
	}
	for w.stats().Parked == 0 {
		time.Sleep(time.Millisecond)
	}
	waiter.close()
	if n := w.stats().Parked; n != 0 {
		t.Errorf("%d calls wait after their client has gone", n)
	}

	c.ok(q, "put", str("item"))
	late := w.thread("write")
	// net.Pipe writes when it is read: the reply meets a closed connection.
	if err := late.write(q, "get", nil); err != nil {
		t.Fatal(err)
	}
	late.close()
	c.want("'item'", q, "get")
}

func TestIteration(t *testing.T) {
	w := newWorld(t, Options{})
	c := w.thread("write")
	defer c.close()
	d := w.create("write", "dict", pickle.NewDict(str("a"), num(1), str("b"), num(2)))
	begin := func() pickle.Node {
		kind, v := c.request(d, "__iter__")
		if kind != kindProxy {
			t.Fatalf("__iter__: %s %s", kind, show(v))
		}
		token, ok := pickle.AsToken(v.(*pickle.Tuple).Items[1])
		if !ok || token.TypeID != "Iterator" {
			t.Fatalf("__iter__: %s", show(v))
		}
		return str(token.ID)
	}
	it := begin()
	c.want("'a'", it, "__next__")
	c.ok(d, "__setitem__", str("a"), num(5)) // a new value is no new key
	c.want("'b'", it, "__next__")
	c.raises("StopIteration", "", it, "__next__")
	c.raises("StopIteration", "", it, "__next__")
	w.server("write", "decref", it)
	c.raises(kindTraceback, "KeyError", it, "__next__")

	it = begin()
	c.ok(d, "__setitem__", str("c"), num(5))
	c.raises("RuntimeError", "dictionary changed size during iteration", it, "__next__")
	c.raises("RuntimeError", "dictionary changed size during iteration", it, "__next__")
	// The dict lives as long as its iterator.
	w.server("write", "decref", d)
	if n := w.stats().Objects; n != 1 {
		t.Errorf("%d objects, want the dict that is iterated over", n)
	}
	w.server("write", "decref", it)
	if n := w.stats().Objects; n != 0 {
		t.Errorf("%d objects, want none", n)
	}
}

// proxy is what a client sends for an object.
func proxy(class string, ident pickle.Node) pickle.Node {
	r, _ := parseIdent(textOf(ident))
	return pickle.NewProxy(pickle.Proxy{
		Class: &pickle.Global{Module: managersModule, Name: class}, Serializer: "pickle",
		Token: pickle.Token{TypeID: r.TypeID, Address: pickle.NewStr("wherever"), ID: textOf(ident)},
	})
}

func TestNesting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{Advertise: "example.org:21600"})
		c := w.thread("write")
		defer c.close()
		outer, inner := w.create("write", "dict"), w.create("write", "list")
		c.ok(outer, "__setitem__", str("k"), proxy("ListProxy", inner))
		w.server("write", "decref", inner)

		got, ok := pickle.AsProxy(c.ok(outer, "__getitem__", str("k")))
		if !ok || got.Class.Name != "ListProxy" || got.Token.ID != textOf(inner) {
			t.Fatalf("a nested list came back as %+v", got)
		}
		if a := show(got.Token.Address); a != "('example.org', 21600)" {
			t.Errorf("its address is %s", a)
		}
		// It leaves the dict before the client has claimed it, and lives.
		c.ok(outer, "clear")
		time.Sleep(claimTime - time.Second)
		c.want("None", inner, "append", num(1))
		w.server("write", "incref", inner)
		time.Sleep(2 * claimTime)
		c.want("[1]", inner, "#GETVALUE")
		w.server("write", "decref", inner)
		c.raises(kindTraceback, "KeyError", inner, "#GETVALUE")

		// What nobody claims goes after a while.
		other := w.create("write", "Queue")
		c.ok(outer, "__setitem__", str("q"), proxy("AutoProxy", other))
		w.server("write", "decref", other)
		got, _ = pickle.AsProxy(c.ok(outer, "pop", str("q")))
		if got.Class.Name != "AutoProxy" || !strings.Contains(show(got.Kwds), "'task_done'") {
			t.Errorf("a nested Queue came back as %+v", got)
		}
		if n := w.stats().Objects; n != 2 {
			t.Errorf("%d objects, want 2", n)
		}
		time.Sleep(claimTime + time.Second)
		if n := w.stats().Objects; n != 1 {
			t.Errorf("%d objects, want 1", n)
		}
		w.door.Close()
		time.Sleep(time.Hour) // timers of the harness
	})
}

// The last claim may go while a reply with the object is being written, and the
// reply may be lost then.
func TestReplyOfTheLastReferenceIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{})
		c := w.thread("write")
		outer, inner := w.create("write", "dict"), w.create("write", "list")
		c.ok(outer, "__setitem__", str("k"), proxy("ListProxy", inner))
		late := w.thread("write")
		if err := late.write(outer, "__getitem__", []pickle.Node{str("k")}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // net.Pipe: the reply waits for its reader
		w.server("write", "decref", inner)
		c.ok(outer, "clear")
		if n := w.stats().Objects; n != 2 {
			t.Errorf("%d objects while one is on its way, want 2", n)
		}
		late.close()
		if n := w.stats().Objects; n != 1 {
			t.Errorf("%d objects, want 1", n)
		}
		c.close()
		w.door.Close()
		time.Sleep(time.Hour) // timers of the harness
	})
}

func TestRoles(t *testing.T) {
	w := newWorld(t, Options{})
	d := w.create("write", "dict")
	r := w.thread("read")
	defer r.close()
	r.want("0", d, "__len__")
	r.raises("PermissionError", "may only read", d, "__setitem__", num(1), num(1))
	for key, may := range map[string]bool{"read": false, "write": false, "admin": true} {
		for _, method := range []string{"debug_info", "shutdown"} {
			c := w.connect(key)
			kind, v := c.request(nil, method)
			c.close()
			if got := kind == kindReturn; got != may {
				t.Errorf("%s by %s: %s %s", method, key, kind, show(v))
			}
		}
	}
	if w.shut != "admin" {
		t.Errorf("the server was shut down by %q", w.shut)
	}
	c := w.connect("read")
	defer c.close()
	c.raises(kindTraceback, "PermissionError", nil, "create", str("dict"))
}

func TestNames(t *testing.T) {
	w := newWorld(t, Options{})
	native := w.open(engine.SessionInfo{Program: "owner", Role: engine.RoleAdmin})
	native.call(0, "open", "jobs", "Queue")
	c := w.thread("write")
	defer c.close()
	q := w.create("write", "get_jobs")
	c.ok(q, "put", num(1))
	q2 := w.create("write", "jobs")
	if textOf(q) != textOf(q2) {
		t.Errorf("get_jobs is %s, jobs is %s", textOf(q), textOf(q2))
	}
	c.want("1", q2, "get")
	b := w.connect("write")
	b.raises(kindTraceback, "no type and no object of that name", nil, "create", str("get_nothing"))
	b.close()
	b = w.connect("write")
	b.raises(kindTraceback, "takes no arguments", nil, "create", str("get_jobs"), num(1))
	b.close()
	b = w.connect("write")
	b.raises(kindTraceback, "runs no Python", nil, "create", str("Pool"))
	b.close()
	if n := show(w.server("write", "number_of_objects")); n != "1" {
		t.Errorf("number_of_objects: %s", n)
	}
	if info := textOf(w.server("admin", "debug_info")); !strings.Contains(info, "refcount=2") {
		t.Errorf("debug_info: %q", info)
	}
	token := pickle.NewToken(pickle.Token{TypeID: "jobs", Address: none, ID: textOf(q)})
	if m := show(w.server("write", "get_methods", token)); !strings.Contains(m, "'get_nowait'") {
		t.Errorf("get_methods: %s", m)
	}
}

// Keys that may not create, or not open every name, open what they may.
func TestNamesAndRoles(t *testing.T) {
	w := newWorld(t, Options{})
	native := w.open(engine.SessionInfo{Program: "owner", Role: engine.RoleAdmin})
	native.call(0, "open", "web.d", "dict")
	native.call(0, "open", "d", "dict")
	// An object with the name of a type could not be found by it.
	args, err := wire.AppendAny(nil, []any{"Lock", "Lock"})
	if err != nil {
		t.Fatal(err)
	}
	refused := native.Start(&engine.Command{Method: engine.MethodOpen, Args: args})
	<-refused.Ready()
	if _, err := refused.Result(); !errors.Is(err, wire.ErrValue) {
		t.Errorf("an object named Lock: %v", err)
	}
	refused.Accept()

	r := w.thread("read")
	defer r.close()
	for _, name := range []string{"d", "get_d", "get_web.d"} {
		r.want("0", w.create("read", name), "__len__")
	}
	denied := func(key, class, typeid string) {
		t.Helper()
		c := w.connect(key)
		defer c.close()
		c.raises(kindTraceback, class, nil, "create", str(typeid))
	}
	denied("read", "PermissionError", "dict")
	denied("read", "PermissionError", "Lock")
	denied("read", "KeyError", "get_nothing")

	w.prefix("write", "web.")
	p := w.thread("write")
	defer p.close()
	for _, name := range []string{"web.d", "get_web.d"} {
		p.want("0", w.create("write", name), "__len__")
	}
	p.want("0", w.create("write", "dict"), "__len__")
	denied("write", "PermissionError", "d")
	denied("write", "PermissionError", "get_d")
	denied("write", "KeyError", "get_web.nothing")
}

func TestKeys(t *testing.T) {
	w := newWorld(t, Options{RefuseMD5: true})
	c := w.dial()
	wrong, err := auth.FromBytes([]byte("wrong"))
	if err != nil {
		t.Fatal(err)
	}
	if err := auth.AnswerChallenge(c, wrong); err == nil {
		t.Error("a wrong key was welcome")
	}
	c.close()

	// MD5: 16 bytes, as Python answered before 3.12.
	c = w.dial()
	if _, err := c.RecvBytes(256); err != nil {
		t.Fatal(err)
	}
	if err := c.SendBytes(make([]byte, 16)); err != nil {
		t.Fatal(err)
	}
	if b, err := c.RecvBytes(256); err != nil || string(b) != failure {
		t.Errorf("an MD5 answer got %q, %v", b, err)
	}
	c.close()

	// A key that is taken away ends its connections, and no others.
	gone, stays := w.thread("write"), w.thread("admin")
	w.door.DropKeys([]string{"write"})
	if _, _, err := gone.read(); err == nil {
		t.Error("a connection outlived its key")
	}
	gone.close()
	d := w.create("admin", "dict")
	stays.want("0", d, "__len__")
	stays.close()
}

// TestKeyChangesDuringHandshake holds that who has proved a key is turned away
// when that key was removed or replaced meanwhile, and also when somebody with
// the new key of that name is there already.
func TestKeyChangesDuringHandshake(t *testing.T) {
	for _, replaced := range []bool{false, true} {
		w := newWorld(t, Options{})
		old := w.thread("write")
		proved := w.keys["write"]
		c := w.dialWith(func() {
			if replaced {
				key := auth.Generate()
				w.setKey("write", &key)
				w.keys["write"] = key
			} else {
				w.setKey("write", nil)
			}
			w.door.DropKeys([]string{"write"})
			if replaced {
				w.thread("write")
			}
		})
		if err := errors.Join(auth.AnswerChallenge(c, proved), auth.DeliverChallenge(c, proved)); err != nil {
			t.Fatal(err)
		}
		if err := <-c.done; !errors.Is(err, wire.ErrDenied) {
			t.Errorf("replaced %v: the connection ended with %v", replaced, err)
		}
		if _, _, err := old.read(); err == nil {
			t.Errorf("replaced %v: a connection outlived its key", replaced)
		}
		want := 0
		if replaced {
			want = 1 // that of the new key
		}
		old.close()
		if n := w.door.Conns(); n != want {
			t.Errorf("replaced %v: %d connections, want %d", replaced, n, want)
		}
	}
}

func TestConns(t *testing.T) {
	w := newWorld(t, Options{})
	a, b := w.thread("write"), w.thread("admin")
	if n := w.door.Conns(); n != 2 {
		t.Errorf("%d connections, want 2", n)
	}
	a.close()
	b.close()
	if n := w.door.Conns(); n != 0 {
		t.Errorf("%d connections, want none", n)
	}
}

// TestValueRepr holds that a class as typecode is printed as Python does.
func TestValueRepr(t *testing.T) {
	w := newWorld(t, Options{})
	c := w.thread("write")
	defer c.close()
	for _, v := range []struct {
		code pickle.Node
		want string
	}{
		{pickle.NewStr("i"), `"Value('i', 'x')"`},
		{&pickle.Global{Module: "builtins", Name: "str"}, `"Value(<class 'str'>, 'x')"`},
		{&pickle.Global{Module: "ctypes", Name: "c_int"}, `"Value(<class 'ctypes.c_int'>, 'x')"`},
	} {
		p := w.create("write", "Value", v.code, pickle.NewStr("x"))
		for _, method := range []string{"__str__", "__repr__"} {
			c.want(v.want, p, method)
		}
	}
}

func TestReleaseHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{ReleaseHolds: 10 * time.Second})
		lock, rlock, sem := w.create("write", "Lock"), w.create("write", "RLock"), w.create("write", "Semaphore", num(1))
		cond := w.create("write", "Condition", proxy("AcquirerProxy", w.create("write", "Lock")))
		a, b := w.thread("write"), w.thread("write")
		for _, l := range []pickle.Node{lock, rlock, rlock, sem, cond} {
			a.want("True", l, "acquire")
		}
		a.close()
		all := []pickle.Node{lock, rlock, sem, cond}
		time.Sleep(9 * time.Second)
		for _, l := range all {
			b.want("False", l, "acquire", pickle.Bool(false))
		}
		time.Sleep(2 * time.Second)
		for _, l := range all {
			b.want("True", l, "acquire", pickle.Bool(false))
		}
		b.close()
		w.door.Close()
		time.Sleep(time.Hour)
	})
}

func TestIdleReferences(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{IdleReferences: time.Minute})
		c := w.thread("write")
		used := w.create("write", "dict")
		w.create("write", "dict")
		for range 4 {
			time.Sleep(30 * time.Second)
			c.want("0", used, "__len__")
		}
		if n := w.stats().Objects; n != 1 {
			t.Errorf("%d objects, want the one that is used", n)
		}
		c.close()
		w.door.Close()
		time.Sleep(time.Hour)
	})
}

// An object that the door has forgotten, and that lives, is found again by its
// ident; a guessed one is not.
func TestIdents(t *testing.T) {
	w := newWorld(t, Options{})
	c := w.thread("write")
	defer c.close()
	native := w.open(engine.SessionInfo{Program: "owner", Role: engine.RoleAdmin})
	ref := native.call(0, "open", "shared", "dict").(wire.Ref)
	c.want("0", str(formatIdent(ref)), "__len__")
	ref.Secret++
	c.raises(kindTraceback, "KeyError", str(formatIdent(ref)), "__len__")
	ref.Secret--
	ref.TypeID = "list"
	c.raises(kindTraceback, "KeyError", str(formatIdent(ref)), "__len__")
	for _, bad := range []string{"", "7f0011223344", "1.2.dict", "x.0000000000000000.dict", "1.0000000000000000.", "iter1-00"} {
		c.raises(kindTraceback, "KeyError", str(bad), "__len__")
	}
}

func setOf(ns ...int64) pickle.Node {
	s := new(pickle.Set)
	for _, n := range ns {
		s.Items = append(s.Items, num(n))
	}
	return s
}
