package pydoor

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/syncmanager/syncmanager/internal/pickle"
	"github.com/syncmanager/syncmanager/internal/pickle/pickletest"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// raw sends a message as it is.
func (c *client) raw(message string) {
	c.w.t.Helper()
	if _, err := c.net.Write(frame([]byte(strings.Repeat("\x00", headRoom) + message))); err != nil {
		c.w.t.Fatal(err)
	}
}

// A pickle that would run code in Python is stored, and comes back as it was.
func TestCodeIsNotRun(t *testing.T) {
	w := newWorld(t, Options{})
	c := w.thread("write")
	defer c.close()
	d := w.create("write", "dict")
	bomb := pickle.NewCall("os", "system", str("touch /tmp/pwned"))
	c.ok(d, "__setitem__", str("k"), bomb)
	if got := c.ok(d, "__getitem__", str("k")); !pickletest.Equal(got, bomb) {
		t.Errorf("it came back as %s", show(got))
	}
	// It can be a key, and is found again.
	c.ok(d, "__setitem__", pickle.NewCall("os", "system", str("x")), num(1))
	c.want("1", d, "__getitem__", pickle.NewCall("os", "system", str("x")))
}

func TestBadMessages(t *testing.T) {
	deep := "\x80\x04" + strings.Repeat("]", 20_000) + strings.Repeat("a", 19_999) + "."
	for name, message := range map[string]string{
		"empty":           "",
		"no pickle":       "hello",
		"truncated":       "\x80\x04\x95\xff\xff",
		"not a tuple":     "\x80\x04K\x01.",
		"short tuple":     "\x80\x04K\x01K\x02\x86.",
		"method no str":   "\x80\x04(NK\x01)}t.",
		"args no tuple":   "\x80\x04(NX\x03\x00\x00\x00getNNt.",
		"size that lies":  "\x80\x04B\xff\xff\xff\x7fabc.",
		"memo that lies":  "\x80\x04j\xff\xff\xff\xff.",
		"nested too deep": deep,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Options{})
			c, other := w.thread("write"), w.thread("write")
			defer other.close()
			c.raw(message)
			if kind, v, err := c.read(); err != nil || kind != kindTraceback {
				t.Errorf("%s %v, %v", kind, v, err)
			}
			d := w.create("write", "dict")
			c.want("0", d, "__len__") // it goes on
			c.close()
			other.want("0", d, "__len__")
		})
	}
}

// A message that is too long, or that there is no memory for, is answered with the
// limit, the figure and the setting, and the connection goes on.
func TestMessagesAboveTheLimits(t *testing.T) {
	w := newWorld(t, Options{})
	w.door.config.MaxMemory = 4 << 20
	c := w.thread("write")
	defer c.close()
	d := w.create("write", "dict")
	c.want("None", d, "__setitem__", str("n"), num(1))
	c.raises("ValueError", "a message of", d, "__setitem__", str("x"), &pickle.Bytes{B: strings.Repeat("x", 2<<20)})
	c.want("1", d, "__getitem__", str("n"))
	// Few bytes that become much.
	c.raises("MemoryError", "python.max_memory", d, "__setitem__", str("x"), pickle.NewTuple(slices.Repeat([]pickle.Node{pickle.None{}}, 200_000)...))
	c.want("1", d, "__getitem__", str("n"))
	if n := w.door.memory.Load(); n != 0 {
		t.Errorf("%d bytes are reserved when no message is under way", n)
	}
}

// A client that may only read is refused before a range is written out.
func TestRangeOfAReader(t *testing.T) {
	w := newWorld(t, Options{})
	changes := 0
	w.door.config.Reads = func(typeid, method string) bool {
		if method == "extend" {
			changes++
			return false
		}
		return true
	}
	writer, reader := w.thread("write"), w.thread("read")
	defer writer.close()
	defer reader.close()
	l := w.create("write", "list")
	long := pickle.NewCall("builtins", "range", num(0), num(1<<40), num(1))
	reader.raises("PermissionError", "may only read", l, "extend", long)
	creator := w.connect("read")
	defer creator.close()
	creator.raises(kindTraceback, "PermissionError", nil, "create", str("list"), long)
	writer.raises("ValueError", "python.max_message", l, "extend", long)
	writer.want("0", l, "__len__")
	if changes != 1 {
		t.Errorf("the role was looked at %d times", changes)
	}
}

func TestLengthsThatLie(t *testing.T) {
	for name, head := range map[string][]byte{
		"64 bits":  {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		"negative": {0x80, 0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Options{})
			c := w.thread("write")
			if _, err := c.net.Write(head); err != nil {
				t.Fatal(err)
			}
			for {
				if _, _, err := c.read(); err != nil {
					break
				}
			}
			c.close()
		})
	}
}

// A small pickle that is huge as a tree stays a pickle.
func TestBillionLaughs(t *testing.T) {
	w := newWorld(t, Options{})
	c := w.thread("write")
	defer c.close()
	d := w.create("write", "dict")
	var laugh pickle.Node = pickle.NewList(str("ha"))
	for range 100 {
		laugh = pickle.NewList(laugh, laugh)
	}
	c.ok(d, "__setitem__", str("k"), laugh)
	if got := c.ok(d, "__getitem__", str("k")); !pickletest.Equal(got, laugh) {
		t.Error("it came back as another value")
	}
	loop := pickle.NewList(num(1))
	loop.Items = append(loop.Items, loop, loop)
	c.ok(d, "__setitem__", str("k"), loop)
	if got := c.ok(d, "__getitem__", str("k")); !pickletest.Equal(got, loop) {
		t.Error("a list that contains itself came back as another value")
	}
}

// What is deeper than the engine's values nest stays a pickle.
func TestDeepValue(t *testing.T) {
	w := newWorld(t, Options{})
	c := w.thread("write")
	defer c.close()
	var deep pickle.Node = num(1)
	for range 1000 {
		deep = pickle.NewTuple(deep, str("x"))
	}
	l := w.create("write", "list")
	c.ok(l, "append", deep)
	if got := c.ok(l, "__getitem__", num(0)); !pickletest.Equal(got, deep) {
		t.Error("it came back as another value")
	}
}

func TestHugeReply(t *testing.T) {
	w := newWorld(t, Options{})
	c := w.thread("write")
	defer c.close()
	l := w.create("write", "list", pickle.NewList(&pickle.Bytes{B: strings.Repeat("x", 500_000)}))
	c.ok(l, "__imul__", num(4))
	if kind, v := c.request(l, "#GETVALUE"); kind != kindUnserializable || !strings.Contains(textOf(v), "1048576") {
		t.Errorf("a reply above the limit: %s %s", kind, show(v))
	}
	c.want("4", l, "__len__")
}

// A client that sends ahead while a call waits is cut off, and its call leaves.
func TestSendingAhead(t *testing.T) {
	w := newWorld(t, Options{})
	c := w.thread("write")
	q := w.create("write", "Queue")
	if err := c.write(q, "get", nil); err != nil {
		t.Fatal(err)
	}
	for {
		if err := c.write(q, "qsize", nil); err != nil {
			break
		}
	}
	c.close()
	if n := w.stats().Parked; n != 0 {
		t.Errorf("%d calls wait for a client that was cut off", n)
	}
}

func TestStrangers(t *testing.T) {
	w := newWorld(t, Options{})
	// Before it has proved the key, nobody gets more than a handshake.
	c := w.dial()
	if _, err := c.RecvBytes(256); err != nil {
		t.Fatal(err)
	}
	head := binary.BigEndian.AppendUint32(nil, 257)
	if _, err := c.net.Write(head); err != nil {
		t.Fatal(err)
	}
	if err := <-c.done; err == nil {
		t.Error("a message of 257 bytes was read before the handshake")
	}
	c.done <- nil
	c.close()

	// An answer reflected from the server's own challenge proves nothing.
	c = w.dial()
	challenge, err := c.RecvBytes(256)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SendBytes(bytes.TrimPrefix(challenge, []byte("#CHALLENGE#"))); err != nil {
		t.Fatal(err)
	}
	if b, err := c.RecvBytes(256); err != nil || string(b) != failure {
		t.Errorf("a reflected challenge got %q, %v", b, err)
	}
	c.close()
}

// script is a connection whose input is fixed: then it ends.
type script struct {
	in  *bytes.Reader
	out bytes.Buffer
}

func (s *script) Read(b []byte) (int, error)       { return s.in.Read(b) }
func (s *script) Write(b []byte) (int, error)      { return s.out.Write(b) }
func (s *script) Close() error                     { return nil }
func (s *script) LocalAddr() net.Addr              { return &net.UnixAddr{Name: "/socket", Net: "unix"} }
func (s *script) RemoteAddr() net.Addr             { return &net.UnixAddr{Net: "unix"} }
func (s *script) SetDeadline(time.Time) error      { return nil }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }

// play serves a connection that is authenticated already.
func (w *world) play(input []byte) *script {
	s := &script{in: bytes.NewReader(input)}
	c := &conn{door: w.door, net: s, id: w.door.lastConn.Add(1)}
	c.in = newReader(s)
	c.address = str("/socket")
	if err := w.door.enter(c, w.entry("write")); err != nil {
		w.t.Fatal(err)
	}
	_ = c.serve()
	w.door.leave(c)
	return s
}

// message is the frame of a request.
func message(ident pickle.Node, method string, args ...pickle.Node) []byte {
	if ident == nil {
		ident = none
	}
	b, err := pickle.Encode(make([]byte, headRoom), pickle.NewTuple(ident, str(method), pickle.NewTuple(args...), pickle.NewDict()))
	if err != nil {
		panic(err)
	}
	return frame(b)
}

// fuzzTypes are created, in this order, before the fuzzed requests come.
var fuzzTypes = []pickle.Node{
	pickle.NewTuple(str("dict")), pickle.NewTuple(str("list")), pickle.NewTuple(str("set")), pickle.NewTuple(str("Queue")),
	pickle.NewTuple(str("Lock")), pickle.NewTuple(str("RLock")), pickle.NewTuple(str("Condition")), pickle.NewTuple(str("Event")),
	pickle.NewTuple(str("Semaphore")), pickle.NewTuple(str("Namespace")), pickle.NewTuple(str("Barrier"), num(2)),
	pickle.NewTuple(str("Value"), str("i"), num(1)), pickle.NewTuple(str("Array"), str("i"), pickle.NewList(num(1))),
}

// FuzzRequests plays any bytes as the requests of a thread that has
// authenticated: no panic, no call that waits for ever.
func FuzzRequests(f *testing.F) {
	setup := func(t testing.TB) (*world, []pickle.Node) {
		w := newWorld(t, Options{})
		var idents []pickle.Node
		for _, args := range fuzzTypes {
			s := w.play(message(nil, "create", args.(*pickle.Tuple).Items...))
			b, err := readMessage(newReader(&s.out), 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			n, err := pickle.Decode(b, pickle.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			idents = append(idents, n.(*pickle.Tuple).Items[1].(*pickle.Tuple).Items[0])
		}
		return w, idents
	}
	_, idents := setup(f)
	hello := message(nil, "accept_connection", str("t"))
	for _, ident := range idents {
		r, _ := parseIdent(textOf(ident))
		for name := range families[r.TypeID].methods {
			f.Add(append(append([]byte(nil), hello...), message(ident, name, num(1), proxy("X", ident))...))
			f.Add(append(append([]byte(nil), hello...), message(ident, name)...))
		}
	}
	for _, method := range []string{"dummy", "incref", "decref", "get_methods", "number_of_objects", "debug_info", "shutdown", "create"} {
		f.Add(message(nil, method, idents[0]))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		w, _ := setup(t)
		w.play(input)
		if n := w.stats().Parked; n != 0 {
			t.Errorf("%d calls wait for a connection that is closed", n)
		}
	})
}

// FuzzValue takes any pickle in and out again: what comes in is a value that
// the engine accepts, and a second time round changes nothing.
func FuzzValue(f *testing.F) {
	for _, n := range sampleValues() {
		b, err := pickle.Encode(nil, n)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	w := newWorld(f, Options{})
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := pickle.Decode(data, pickle.Limits{Nodes: 1 << 16})
		if err != nil {
			return
		}
		in, ok := through(t, w, n, len(data))
		if !ok {
			return
		}
		again, ok := through(t, w, in, 1<<16)
		if !ok {
			t.Fatal("a value that came out does not go in again")
		}
		a, err1 := pickle.Encode(nil, in)
		b, err2 := pickle.Encode(nil, again)
		if err1 != nil || err2 != nil || !bytes.Equal(a, b) {
			t.Errorf("the second time round gave another value: %v, %v", err1, err2)
		}
	})
}

// through takes a value in and out.
func through(t testing.TB, w *world, n pickle.Node, size int) (pickle.Node, bool) {
	in := &inward{depth: 126, limit: treeLimit(size, 1<<20)}
	if err := in.value(n); err != nil {
		return nil, false
	}
	if k, _, err := wire.Scan(in.b, wire.Limits{}); err != nil || k != len(in.b) {
		t.Fatalf("the value is refused: %v", err)
	}
	c := &conn{door: w.door, address: str("/socket")}
	if err := w.door.enter(c, w.entry("write")); err != nil {
		t.Fatal(err)
	}
	defer w.door.leave(c)
	e := encoder{conn: c}
	b, err := e.encode(nil, &reply{kind: kindReturn, value: wire.Raw(in.b)})
	if err != nil {
		return nil, false // a reply that is too large, a date that Python lacks
	}
	out, err := pickle.Decode(b, pickle.Limits{})
	if err != nil {
		t.Fatalf("what came out is no pickle: %v", err)
	}
	return out.(*pickle.Tuple).Items[1], true
}

var _ io.ReadWriteCloser = (*script)(nil)
