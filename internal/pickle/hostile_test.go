package pickle

import (
	"encoding/binary"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"
)

// p puts the announcement of protocol 4 before parts of a pickle.
func p(parts ...string) string { return "\x80\x04" + strings.Join(parts, "") }

func TestHostilePicklesAreRefused(t *testing.T) {
	rep := strings.Repeat
	tests := []struct {
		name string
		data string
		lim  Limits
		kind error
		want string // in the error's text
	}{
		{"empty", "", Limits{}, ErrUnsupported, "input at offset 0"},
		{"protocol 0", "I1\n.", Limits{}, ErrUnsupported, "begins with PROTO"},
		{"protocol 1", "\x80\x01N.", Limits{}, ErrUnsupported, "protocol 1, 2 to 5"},
		{"protocol 6", "\x80\x06N.", Limits{}, ErrUnsupported, "protocol 6"},
		{"no stop", p("N"), Limits{}, ErrSyntax, "ends without STOP"},
		{"nothing left", p("."), Limits{}, ErrSyntax, "one value should be left"},
		{"two left", p("NN."), Limits{}, ErrSyntax, "one value should be left, there are 2"},
		{"open mark", p("N(."), Limits{}, ErrSyntax, "1 marks"},
		{"trailing bytes", p("N.N"), Limits{}, ErrSyntax, "STOP at offset 3: 1 bytes follow"},
		{"unknown opcode", p("\xff"), Limits{}, ErrSyntax, "opcode 0xff at offset 2"},
		{"proto twice", p("\x80\x04N."), Limits{}, ErrSyntax, "PROTO at offset 2"},

		{"length beyond the end", p("X\xff\xff\xff\xffab"), Limits{}, ErrSyntax, "BINUNICODE at offset 2: needs 4294967295 bytes, 2 are left"},
		{"length of 2^64-1", p("\x8e" + rep("\xff", 8)), Limits{}, ErrSyntax, "BINBYTES8 at offset 2"},
		{"bytearray of 2^63", p("\x96" + rep("\x00", 7) + "\x80"), Limits{}, ErrSyntax, "BYTEARRAY8"},
		{"frame beyond the end", p("\x95" + rep("\xff", 8) + "N."), Limits{}, ErrSyntax, "a frame of 18446744073709551615 bytes"},
		{"cut in an argument", p("J\x01\x02"), Limits{}, ErrSyntax, "needs 4 bytes, 2 are left"},
		{"negative long", p("\x8b\xff\xff\xff\xff."), Limits{}, ErrSyntax, "length of -1 bytes is negative"},
		{"huge long", p("\x8b\xff\xff\xff\x7f."), Limits{}, ErrLimit, "LONG4 at offset 2: an int of 2147483647 bytes, the limit (BigInt) is 1048576"},
		{"decimal flood", p("L" + rep("9", 5000) + "L\n."), Limits{}, ErrLimit, "5000 digits"},
		{"decimal beyond BigInt", p("L" + rep("9", 100) + "\n."), Limits{BigInt: 16}, ErrLimit, "(BigInt) is 16"},
		{"long beyond BigInt", p("\x8a\x20" + rep("\x01", 32) + "."), Limits{BigInt: 16}, ErrLimit, "(BigInt) is 16"},
		{"bad UTF-8", p("\x8c\x02\xc3\x28."), Limits{}, ErrSyntax, "not UTF-8"},
		{"half a surrogate", p("\x8c\x02\xed\xa0."), Limits{}, ErrSyntax, "not UTF-8"},
		{"line without end", p("cos\nsystem"), Limits{}, ErrSyntax, "GLOBAL at offset 2: its line does not end"},
		{"python 2 bytes", p("U\x01\xff."), Limits{}, ErrSyntax, "0xff, which is not ASCII"},

		{"size", p(rep("N0", 50) + "N."), Limits{Size: 100}, ErrLimit, "104 bytes, the limit (Size) is 100"},
		{"nodes", p(rep("N0", 50) + "N."), Limits{Nodes: 50}, ErrLimit, "more than 50 values and references (Nodes)"},
		{"references count as nodes", p("N\x94" + rep("h\x000", 50) + "."), Limits{Nodes: 50}, ErrLimit, "BINGET"},
		{"steps count as nodes", p("cm\nc\n)\x81" + rep("Nb", 50) + "."), Limits{Nodes: 50}, ErrLimit, "(Nodes)"},
		{"stack", p(rep("N", 100)), Limits{Stack: 50}, ErrLimit, "more than 50 values on the stack (Stack)"},
		{"dup flood", p("N" + rep("2", 100)), Limits{Stack: 50}, ErrLimit, "DUP"},
		{"memo", p("N" + rep("\x94", 100) + "."), Limits{Memo: 50}, ErrLimit, "MEMOIZE at offset 53: more than 50 memo entries (Memo)"},
		{"mark flood", p(rep("(", 100)), Limits{Depth: 50}, ErrLimit, "more than 50 marks (Depth)"},
		{"deep tuple", p("N" + rep("\x85", 100) + "."), Limits{Depth: 50}, ErrLimit, "TUPLE1 at offset 53: containers nested more than 50 deep"},
		{"deep list", p(rep("]", 100) + rep("a", 99) + "."), Limits{Depth: 50}, ErrLimit, "APPEND"},
		{"deep dict", p(rep("}N", 100) + "N" + rep("s", 100) + "."), Limits{Depth: 50}, ErrLimit, "SETITEM"},
		{"deep reduce", p(rep("cm\nf\n", 100) + ")" + rep("R\x85", 100) + "."), Limits{Depth: 50}, ErrLimit, "nested"},

		{"persistent id", p("Pid\n."), Limits{}, ErrUnsupported, "PERSID"},
		{"binary persistent id", p("NQ."), Limits{}, ErrUnsupported, "BINPERSID"},
		{"out-of-band buffer", p("\x97."), Limits{}, ErrUnsupported, "NEXT_BUFFER"},
		{"read-only buffer", p("N\x98."), Limits{}, ErrUnsupported, "READONLY_BUFFER"},
		{"extension 0", p("\x82\x00."), Limits{}, ErrSyntax, "extension code 0"},
		{"negative extension", p("\x84\xff\xff\xff\xff."), Limits{}, ErrSyntax, "extension code -1"},

		{"no memo entry", p("h\x07."), Limits{}, ErrSyntax, "memo entry 7 does not exist"},
		{"put without a value", p("\x94N."), Limits{}, ErrSyntax, "needs 1 values on the stack, has 0"},
		{"no mark", p("]Ne."), Limits{}, ErrSyntax, "APPENDS at offset 4: no MARK"},
		{"reach below a mark", p("N(\x85."), Limits{}, ErrSyntax, "TUPLE1 at offset 4: needs 1"},
		{"pop of nothing", p("0N."), Limits{}, ErrSyntax, "POP"},
		{"append to None", p("NNa."), Limits{}, ErrSyntax, "not possible on None"},
		{"append to a dict", p("}Na."), Limits{}, ErrSyntax, "not possible on a dict"},
		{"build on a list", p("]}b."), Limits{}, ErrSyntax, "BUILD at offset 4: not possible on a list"},
		{"build on a class", p("cm\nC\n}b."), Limits{}, ErrSyntax, "the class or function m.C"},
		{"odd dict", p("}(Nu."), Limits{}, ErrSyntax, "1 keys and values do not make pairs"},
		{"call of a str", p("\x8c\x01a)R."), Limits{}, ErrSyntax, "a str cannot be called"},
		{"arguments no tuple", p("cm\nf\n]R."), Limits{}, ErrSyntax, "a list, not a tuple"},
		{"keywords no dict", p("cm\nf\n)]\x92."), Limits{}, ErrSyntax, "a list, not a dict"},
		{"global of ints", p("K\x01K\x02\x93."), Limits{}, ErrSyntax, "must be str"},
		{"object of nothing", p("(o."), Limits{}, ErrSyntax, "no class"},
		{"copies of one text", "\x80\x02" + "X\xe8\x03\x00\x00" + rep("x", 1000) + "q\x000(" +
			rep("c_codecs\nencode\nh\x00U\x06latin1\x86R", 100) + "t.", Limits{}, ErrLimit, "calls copy more than twice"},
		{"copies of one list", p("](" + rep("N", 1000) + "e\x940(" + rep("cbuiltins\nset\nh\x00\x85R", 100) + "t."), Limits{}, ErrLimit, "calls copy"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n, err := DecodeString(tt.data, tt.lim)
			if n != nil {
				t.Errorf("a value came out: %#v", n)
			}
			var e *Error
			if !errors.As(err, &e) || !errors.Is(err, tt.kind) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q, want one of kind %q with %q", err, tt.kind, tt.want)
			}
		})
	}
}

// A pickle that runs a command in Python is here a node, and comes out as it
// went in.
func TestCodeIsOnlyANode(t *testing.T) {
	n := mustDecode(t, []byte(p("cos\nsystem\n\x8c\x04true\x85R.")))
	g, args, ok := AsCall(n)
	if !ok || *g != (Global{"os", "system"}) || len(args) != 1 || args[0].(*Str).S != "true" {
		t.Errorf("decoded as %#v", n)
	}
}

// measure runs f and returns the bytes it allocated.
func measure(f func()) uint64 {
	var a, b runtime.MemStats
	runtime.ReadMemStats(&a)
	f()
	runtime.ReadMemStats(&b)
	return b.TotalAlloc - a.TotalAlloc
}

func TestSmallPicklesReserveLittle(t *testing.T) {
	for _, data := range []string{
		p("X\xff\xff\xff\xff"),
		p("\x8b\xff\xff\xff\x7f"),
		p("\x96\xff\xff\xff\xff\xff\xff\xff\x7f"),
		p("Nr\xff\xff\xff\xff."), // a PUT far up
		p("Np4294967295\n."),
	} {
		if n := measure(func() { _, _ = DecodeString(data, Limits{}) }); n > 64<<10 {
			t.Errorf("%q reserved %d bytes", data, n)
		}
	}
}

// The documented cost of a unit of Limits.Nodes holds for the most expensive
// instructions.
func TestMemoryPerNodeIsBounded(t *testing.T) {
	const count = 100_000
	rep := strings.Repeat
	for name, data := range map[string]string{
		"lists":     p("(" + rep("]", count) + "t."),
		"dicts":     p("(" + rep("}", count) + "t."),
		"sets":      p("(" + rep("\x8f", count) + "t."),
		"tuples":    p("N" + rep("\x85", 5000) + rep("0N"+rep("\x85", 5000), 19) + "."),
		"objects":   p("(cm\nC\n\x94" + rep(")h\x00)\x81", count/4) + "t."),
		"steps":     p("cm\nC\n)\x81" + rep("Nb", count/2) + "."),
		"put":       p("N"+rep("0Nq\x00", count)) + ".",
		"text ints": p("(" + rep("I1\n", count) + "t."),
	} {
		var nodes int
		got := measure(func() {
			if _, err := DecodeString(data, Limits{}); err != nil {
				t.Fatal(name, err)
			}
		})
		nodes = len(data) // at least one byte for each
		if got > uint64(150*nodes) {
			t.Errorf("%s: %d bytes for a pickle of %d", name, got, len(data))
		}
	}
}

// Decoding and encoding take time in proportion to the pickle, whatever it
// does.
func TestNoQuadraticTime(t *testing.T) {
	const count = 200_000
	rep := strings.Repeat
	idx := func(i int) string { return string(binary.LittleEndian.AppendUint32(nil, uint32(i))) }
	var sparse, chain strings.Builder
	for i := range count {
		sparse.WriteString("r" + idx(2*i+1))
		chain.WriteString("]\x94")
	}
	for i := 1; i < count; i++ {
		// List i goes into list i-1 while it is empty, so the depth is
		// not seen.
		chain.WriteString("j" + idx(i-1) + "j" + idx(i) + "a0")
	}
	for name, data := range map[string]string{
		"short strings": p("(" + rep("\x8c\x01a", count) + "t."),
		"memo flood":    p("N" + rep("\x94", count) + "."),
		"sparse memo":   p("N" + sparse.String() + "."),
		"one by one":    p("]" + rep("Na", count) + "."),
		"self":          p("]\x94(" + rep("h\x00", count) + "e."),
		"shared text":   p("\x8c\xff" + rep("x", 255) + "\x94(" + rep("h\x00", count) + "t\x86."),
		"shared global": p("c" + rep("m", 10_000) + "\nf\n\x94(" + rep("h\x00", count) + "t\x86."),
		"surrogates":    p("X" + idx(3*count) + rep("\xed\xa0\x80", count) + "."),
		"deep chain":    p("("+chain.String()) + "t.",
		"marks":         p("N" + rep("(1", count) + "."),
	} {
		start := time.Now()
		n, err := DecodeString(data, Limits{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		b, err := Encode(nil, n)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if len(b) > 6*len(data)+1000 {
			t.Errorf("%s: %d bytes came out as %d", name, len(data), len(b))
		}
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("%s: took %v", name, d)
		}
	}
}

// A tuple of n lists, each of which holds the tuple, costs n*n with Python's
// way of writing cycles.
func TestTangledCyclesAreRefused(t *testing.T) {
	tangle := func(n int) Node {
		tuple := &Tuple{}
		for range n {
			tuple.Items = append(tuple.Items, NewList(tuple))
		}
		return tuple
	}
	n := tangle(100)
	if !Equal(n, mustDecode(t, mustEncode(t, n))) {
		t.Error("100 cycles through a tuple changed")
	}
	if _, err := Encode(nil, tangle(5000)); !errors.Is(err, ErrTangled) {
		t.Errorf("5000 cycles through a tuple: error %v, want ErrTangled", err)
	}
	self := &Tuple{}
	self.Items = []Node{self}
	if _, err := Encode(nil, self); !errors.Is(err, ErrTangled) {
		t.Errorf("a tuple in itself: error %v, want ErrTangled", err)
	}
}

func TestEncodeRefusesBrokenGraphs(t *testing.T) {
	for name, n := range map[string]Node{
		"nil":            nil,
		"nil item":       NewList(nil),
		"odd dict":       NewDict(Int(1)),
		"no arguments":   &Object{Callable: &Global{"m", "C"}},
		"no keywords":    &Object{Op: OpNewObjEx, Callable: &Global{"m", "C"}, Args: NewTuple()},
		"no callable":    &Object{Args: NewTuple()},
		"unknown op":     &Object{Op: 9, Callable: &Global{"m", "C"}, Args: NewTuple()},
		"empty build":    &Object{Callable: &Global{"m", "C"}, Args: NewTuple(), Steps: []Step{{Op: StepBuild}}},
		"unknown step":   &Object{Callable: &Global{"m", "C"}, Args: NewTuple(), Steps: []Step{{Op: 9}}},
		"not UTF-8":      NewStr("\xff"),
		"extension of 0": Ext(0),
	} {
		dst := []byte("before")
		b, err := Encode(dst, n)
		if err == nil || string(b) != "before" {
			t.Errorf("%s: %q, error %v", name, b, err)
		}
	}
}

func TestEncodeMax(t *testing.T) {
	n := NewList(NewStr(strings.Repeat("x", 1000)), Int(1), Float(2))
	whole := mustEncode(t, n)
	if b, err := EncodeMax(nil, n, len(whole)); err != nil || len(b) != len(whole) {
		t.Errorf("with exactly enough: %d bytes, error %v", len(b), err)
	}
	for limit := 1; limit < len(whole); limit++ {
		if b, err := EncodeMax(nil, n, limit); !errors.Is(err, ErrTooLarge) || len(b) != 0 {
			t.Fatalf("with %d bytes: %d bytes, error %v, want ErrTooLarge", limit, len(b), err)
		}
	}
}
