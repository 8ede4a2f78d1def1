package pickle

import (
	"encoding/base64"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"
)

func TestIntsAgreeWithMathBig(t *testing.T) {
	var all []*big.Int
	for shift := range 80 {
		for d := int64(-2); d <= 2; d++ {
			v := new(big.Int).Lsh(big.NewInt(1), uint(shift))
			v.Add(v, big.NewInt(d))
			all = append(all, v, new(big.Int).Neg(v))
		}
	}
	for _, v := range all {
		n := mustDecode(t, mustEncode(t, NewBigInt(v)))
		switch n := n.(type) {
		case Int:
			if !v.IsInt64() || v.Int64() != int64(n) {
				t.Errorf("%v came back as %d", v, n)
			}
		case *BigInt:
			if v.IsInt64() || n.Big().Cmp(v) != 0 {
				t.Errorf("%v came back as %v", v, n.Big())
			}
			if u, ok := n.Uint64(); ok != v.IsUint64() || ok && u != v.Uint64() {
				t.Errorf("%v as uint64: %d, %v", v, u, ok)
			}
		}
		if v.IsUint64() && !Equal(NewUint(v.Uint64()), n) {
			t.Errorf("NewUint(%v) differs", v)
		}
	}
}

func TestNewIntBytes(t *testing.T) {
	for be, want := range map[string]string{
		"": "0", "\x00": "0", "\xff": "-1", "\xff\xff\xff": "-1", "\x00\x80": "128", "\x80": "-128",
		"\x00\x80" + strings.Repeat("\x00", 7):     "9223372036854775808",
		"\x80" + strings.Repeat("\x00", 7):         "-9223372036854775808",
		"\xff\x7f" + strings.Repeat("\xff", 7):     "-9223372036854775809",
		"\x00\x00\x7f" + strings.Repeat("\xff", 7): "9223372036854775807",
	} {
		var got string
		switch n := NewIntBytes(be).(type) {
		case Int:
			got = big.NewInt(int64(n)).String()
		case *BigInt:
			got = n.Big().String()
		}
		if got != want {
			t.Errorf("NewIntBytes(%q) = %s, want %s", be, got, want)
		}
	}
}

func TestValid(t *testing.T) {
	for s, want := range map[string]bool{
		"": true, "a": true, "é€😀": true, "\xed\xa0\x80": true, "a\xed\xbf\xbfb": true,
		"\xed\x9f\xbf": true, "\xed\x9f\xbf\xed\xa0\x80": true, "\xed\xa0\x80\xed\xb0\x80": true,
		"\xff": false, "\xc3": false, "\xed\xa0": false, "\xed": false, "\xed\xa0\x41": false,
		"\xed\xc0\x80": false, "\xed\xa0\x80\xff": false, "\xff\xed\xa0\x80": false, "\xf0\x82\x82\xac": false,
	} {
		if got := Valid(s); got != want {
			t.Errorf("Valid(%q) = %v, want %v", s, got, want)
		}
	}
}

func TestTextInstructions(t *testing.T) {
	for data, want := range map[string]Node{
		p("I00\n."):                     Bool(false),
		p("I01\n."):                     Bool(true),
		p("I-12\n."):                    Int(-12),
		p("L12L\n."):                    Int(12),
		p("L-9223372036854775809L\n."):  &BigInt{LE: "\xff\xff\xff\xff\xff\xff\xff\x7f\xff"},
		p("F1.5\n."):                    Float(1.5),
		p("F-inf\n."):                   Float(math.Inf(-1)),
		p("F1e999\n."):                  Float(math.Inf(1)),
		p(`S'a\'\n\x41\101\q'` + "\n."): NewStr("a'\nAA\\q"),
		p(`S""` + "\n."):                NewStr(""),
		p(`Va\u20ac\U0001f600\\u0041` + "\xe9\n."): NewStr("a€😀\\\\u0041é"),
		p(`V\ud800` + "\n."):                       NewStr("\xed\xa0\x80"),
		p("U\x02ab."):                              NewStr("ab"),
		p("T\x02\x00\x00\x00ab."):                  NewStr("ab"),
		p("(NNl."):                                 NewList(None{}, None{}),
		p("(NK\x01d."):                             NewDict(None{}, Int(1)),
		p("Np5\n0g5\n."):                           None{},
		p("(im\nC\n."):                             &Object{Op: OpNewObj, Callable: &Global{"m", "C"}, Args: NewTuple()},
		p("(Nim\nC\n."):                            &Object{Op: OpReduce, Callable: &Global{"m", "C"}, Args: NewTuple(None{})},
		p("(cm\nC\nNo."):                           &Object{Op: OpReduce, Callable: &Global{"m", "C"}, Args: NewTuple(None{})},
		p("N(NN0\x31."):                            None{},
		p("N(0."):                                  None{},
	} {
		n, err := DecodeString(data, Limits{})
		if err != nil || !Equal(n, want) {
			t.Errorf("%q: %#v, error %v, want %#v", data, n, err, want)
		}
	}
	for _, data := range []string{
		p("Ix\n."), p("L\n."), p("F0x1p3\n."), p("Fx\n."), p("Sab\n."), p("S'a\"\n."), p(`S'\x4'` + "\n."), p(`S'\'` + "\n."),
		p(`V\u12` + "\n."), p(`V\U00110000` + "\n."), p("N0g-1\n."), p("Npx\n."), p("Np99999999999\n."),
	} {
		if n, err := DecodeString(data, Limits{}); err == nil {
			t.Errorf("%q: %#v, want an error", data, n)
		}
	}
}

func TestPython2NamesAreTranslatedBelowProtocol3(t *testing.T) {
	for _, tt := range []struct{ data, module, name string }{
		{"\x80\x02c__builtin__\nxrange\n.", "builtins", "range"},
		{"\x80\x02c__builtin__\nset\n.", "builtins", "set"},
		{"\x80\x02cexceptions\nKeyError\n.", "builtins", "KeyError"},
		{"\x80\x02ccopy_reg\n_reconstructor\n.", "copyreg", "_reconstructor"},
		{"\x80\x02cQueue\nEmpty\n.", "queue", "Empty"},
		{"\x80\x02cmymodule\nset\n.", "mymodule", "set"},
		{"\x80\x03c__builtin__\nset\n.", "__builtin__", "set"},
	} {
		n, err := DecodeString(tt.data, Limits{})
		if err != nil || !Equal(n, &Global{tt.module, tt.name}) {
			t.Errorf("%q: %v, error %v, want %s.%s", tt.data, n, err, tt.module, tt.name)
		}
	}
}

// Plain types are the same nodes in every protocol.
func TestPlainTypesInEveryProtocol(t *testing.T) {
	want := map[string]Node{}
	for _, r := range recordings(t) {
		switch name := strings.TrimRight(r.name, "0123456789"); name {
		case "bytes", "bytearray", "sets", "bigset", "frozenset_cycle", "set_cycle":
			n := mustDecode(t, r.data)
			// The order of sets is that of the version.
			key := r.name
			if strings.Contains(key, "set") {
				key += r.versions
			}
			if want[key] == nil {
				want[key] = n
			}
			if !Equal(n, want[key]) {
				t.Errorf("%v: not as in another protocol", r)
			}
		}
	}
	if n, ok := want["bytearray1"].(*ByteArray); !ok || n.B != "a" {
		t.Errorf("bytearray1 is %#v", want["bytearray1"])
	}
}

func TestRecognisePlainTypes(t *testing.T) {
	for _, r := range recordings(t) {
		n := mustDecode(t, r.data)
		switch r.name {
		case "complex0":
			if v, ok := AsComplex(n); !ok || v != 1+2i {
				t.Errorf("%v: %v, %v", r, v, ok)
			}
		case "range":
			start, stop, step, ok := AsRange(n.(*List).Items[1])
			if !ok || start != Int(1) || stop != Int(10) || step != Int(2) {
				t.Errorf("%v: %v %v %v, %v", r, start, stop, step, ok)
			}
		case "slice":
			start, stop, step, ok := AsSlice(n.(*List).Items[1])
			if !ok || start != (None{}) || stop != Int(-1) || step != Int(2) {
				t.Errorf("%v: %v %v %v, %v", r, start, stop, step, ok)
			}
		case "token":
			v, ok := AsToken(n.(*List).Items[0])
			if !ok || v.TypeID != "dict" || v.ID != "7f00" || !Equal(v.Address, NewTuple(NewStr("127.0.0.1"), Int(5000))) {
				t.Errorf("%v: %v, %v", r, v, ok)
			}
			if !Equal(NewToken(v), n.(*List).Items[0]) {
				t.Errorf("%v: NewToken differs", r)
			}
		case "proxy":
			v, ok := AsProxy(n)
			if !ok || *v.Class != (Global{"multiprocessing.managers", "DictProxy"}) || v.Token.ID != "7f" || v.Serializer != "pickle" || v.Kwds.Len() != 0 {
				t.Errorf("%v: %v, %v", r, v, ok)
			}
			if !Equal(NewProxy(v), n) {
				t.Errorf("%v: NewProxy differs", r)
			}
		case "datetime":
			v, ok := AsDatetime(n.(*List).Items[0])
			if want := time.Date(2024, 2, 29, 12, 30, 15, 123456000, time.UTC); !ok || v.Aware || v.Fold || !v.Wall().Equal(want) {
				t.Errorf("%v: %v, %v", r, v, ok)
			}
			if d, ok := AsTimedelta(n.(*List).Items[4]); !ok || d != -24*time.Hour+5*time.Second+7*time.Microsecond {
				t.Errorf("%v: %v, %v", r, d, ok)
			}
			if v, ok := AsDatetime(n.(*List).Items[5]); !ok || v.Fold != (r.protocol >= "4") {
				t.Errorf("%v: fold %v, %v", r, v, ok)
			}
			if _, ok := AsDatetime(n.(*List).Items[2]); ok {
				t.Errorf("%v: a date is no datetime", r)
			}
		case "datetime_tz":
			for i, want := range []Datetime{
				{Year: 2024, Month: 1, Day: 1, Aware: true},
				{Year: 2024, Month: 1, Day: 1, Aware: true, Offset: 330 * time.Minute},
				{Year: 2024, Month: 1, Day: 1, Aware: true, Offset: -3 * time.Hour, Name: "X"},
			} {
				if v, ok := AsDatetime(n.(*List).Items[i]); !ok || v != want {
					t.Errorf("%v: %v, %v, want %v", r, v, ok, want)
				}
				if o, ok := NewDatetime(want); !ok || r.protocol == "4" && !Equal(o, n.(*List).Items[i]) {
					t.Errorf("%v: NewDatetime differs", r)
				}
			}
		case "array_b", "array_B", "array_h", "array_H", "array_i", "array_I", "array_l", "array_L", "array_q", "array_Q":
			tc := r.name[6]
			var data []byte
			for _, v := range []byte{1, 2, 127} {
				data = append(data, v)
				data = append(data, make([]byte, ArrayItemSize(tc)-1)...)
			}
			for i, want := range []string{"", string(data)} {
				if v, ok := AsArray(n.(*List).Items[i]); !ok || v != (Array{tc, want}) {
					t.Errorf("%v: %q, %v, want %q", r, v, ok, want)
				}
			}
		case "array_u", "array_w":
			if v, ok := AsArray(n); !ok || v != (Array{r.name[6], "a\x00\x00\x00\x00\xf6\x01\x00"}) {
				t.Errorf("%v: %q, %v", r, v, ok)
			}
		case "array_f":
			if v, ok := AsArray(n); !ok || v != (Array{'f', "\x00\x00\xc0\x3f\x00\x00\x00\xc0"}) {
				t.Errorf("%v: %q, %v", r, v, ok)
			}
		}
	}
	// What multiprocessing makes of an array is bytes in a bytes recording.
	n := find(t, "mp_views").(*List)
	if v, ok := AsArray(n.Items[1]); !ok || v != (Array{'i', "\x01\x00\x00\x00"}) {
		t.Errorf("array of multiprocessing: %q, %v", v, ok)
	}
}

func TestArraysOfOtherMachines(t *testing.T) {
	other := func(tc string, format int, data string) Node {
		return NewCall("array", "_array_reconstructor", &Global{"array", "array"}, NewStr(tc), Int(format), &Bytes{B: data})
	}
	for _, tt := range []struct {
		n    Node
		want string
		ok   bool
	}{
		{other("l", 8, "\xfe\xff\xff\xff"), "\xfe\xff\xff\xff\xff\xff\xff\xff", true}, // 32 bits on Windows
		{other("L", 7, "\x00\x00\x01\x02"), "\x02\x01\x00\x00\x00\x00\x00\x00", true},
		{other("d", 17, "\x3f\xf0\x00\x00\x00\x00\x00\x00"), "\x00\x00\x00\x00\x00\x00\xf0\x3f", true},
		{other("f", 15, "\x3f\xc0\x00\x00"), "\x00\x00\xc0\x3f", true},
		{other("u", 18, "\x3d\xd8\x00\xde\x00\xd8"), "\x00\xf6\x01\x00\x00\xd8\x00\x00", true},
		{other("h", 8, "\x00\x00\x01\x00"), "", false}, // out of range
		{other("H", 5, "\xff\xff"), "", false},
		{other("i", 8, "\x00\x00\x01"), "", false},
		{other("i", 22, ""), "", false},
		{other("i", -1, ""), "", false},
		{other("i", 20, "a\x00\x00\x00"), "", false},
		{other("x", 8, ""), "", false},
		{other("ii", 8, ""), "", false},
		{NewCall("array", "array", NewStr("i"), &Bytes{B: "abc"}), "", false},
		{NewCall("array", "array", NewStr("B"), NewList(Int(256))), "", false},
		{NewCall("array", "array", NewStr("Q"), NewList(NewUint(1<<63))), "\x00\x00\x00\x00\x00\x00\x00\x80", true},
		{NewCall("array", "array", NewStr("q"), NewList(NewUint(1<<63))), "", false},
		{NewCall("array", "array", NewStr("d"), NewList(Int(1))), "\x00\x00\x00\x00\x00\x00\xf0\x3f", true},
		{NewCall("array", "array", NewStr("u"), NewList(NewStr("ab"))), "", false},
		{NewCall("array", "array"), "", false},
		{NewCall("array", "_array_reconstructor", NewStr("i")), "", false},
	} {
		if v, ok := AsArray(tt.n); ok != tt.ok || ok && v.Data != tt.want {
			t.Errorf("%q: %q, %v, want %q, %v", tt.n.(*Object).Args.Items, v.Data, ok, tt.want, tt.ok)
		}
	}
}

func TestUnlikelyDatetimesAreNotRecognised(t *testing.T) {
	dt := func(b string, more ...Node) Node {
		return NewCall("datetime", "datetime", append([]Node{&Bytes{B: b}}, more...)...)
	}
	ok := "\x07\xe8\x02\x1d\x00\x00\x00\x00\x00\x00"
	if _, good := AsDatetime(dt(ok)); !good {
		t.Fatal("a good one is not recognised")
	}
	zone := func(args ...Node) Node { return NewCall("datetime", "timezone", args...) }
	for name, n := range map[string]Node{
		"short":       dt(ok[:9]),
		"30 Feb":      dt("\x07\xe8\x02\x1e\x00\x00\x00\x00\x00\x00"),
		"month 13":    dt("\x07\xe8\x0d\x01\x00\x00\x00\x00\x00\x00"),
		"year 0":      dt("\x00\x00\x01\x01\x00\x00\x00\x00\x00\x00"),
		"hour 24":     dt("\x07\xe8\x02\x01\x18\x00\x00\x00\x00\x00"),
		"microsecond": dt("\x07\xe8\x02\x01\x00\x00\x00\xff\xff\xff"),
		"zone None":   dt(ok, None{}),
		"zoneinfo":    dt(ok, NewCall("zoneinfo", "ZoneInfo._unpickle", NewStr("Europe/Berlin"), Int(1))),
		"zone args":   dt(ok, zone()),
		"zone name":   dt(ok, zone(NewTimedelta(0), Int(1))),
		"zone a day":  dt(ok, zone(NewTimedelta(24*time.Hour))),
		"long delta":  dt(ok, zone(NewCall("datetime", "timedelta", Int(999999999), Int(0), Int(0)))),
		"subclass":    NewCall("mine", "datetime", &Bytes{B: ok}),
	} {
		if v, good := AsDatetime(n); good {
			t.Errorf("%s: recognised as %v", name, v)
		}
	}
	for _, d := range []Datetime{{}, {Year: 10000, Month: 1, Day: 1}, {Year: 2023, Month: 2, Day: 29}, {Year: 2023, Month: 2, Day: 2, Offset: 24 * time.Hour, Aware: true}} {
		if _, good := NewDatetime(d); good {
			t.Errorf("NewDatetime(%v) made one", d)
		}
	}
}

// What is made in Go is what Python understands: compared by repr.
func TestPythonReadsWhatGoMakes(t *testing.T) {
	must := func(o *Object, ok bool) Node {
		if !ok {
			t.Fatal("not made")
		}
		return o
	}
	tests := []struct {
		n    Node
		want string
	}{
		{NewComplex(1 - 2i), "(1-2j)"},
		{&ByteArray{B: "ab"}, "bytearray(b'ab')"},
		{&ByteArray{}, "bytearray(b'')"},
		{must(NewArray(Array{'i', "\x01\x00\x00\x00"})), "array('i', [1])"},
		{must(NewArray(Array{'L', "\x01\x00\x00\x00\x00\x00\x00\x80"})), "array('L', [9223372036854775809])"},
		{must(NewArray(Array{'u', "a\x00\x00\x00"})), "array('u', 'a')"},
		{must(NewArray(Array{'d', "\x00\x00\x00\x00\x00\x00\xf0\x3f"})), "array('d', [1.0])"},
		{must(NewDatetime(Datetime{Year: 2024, Month: 2, Day: 29, Microsecond: 5})), "datetime.datetime(2024, 2, 29, 0, 0, 0, 5)"},
		{must(NewDatetime(Datetime{Year: 2024, Month: 2, Day: 29, Aware: true})), "datetime.datetime(2024, 2, 29, 0, 0, tzinfo=datetime.timezone.utc)"},
		{must(NewDatetime(Datetime{Year: 1, Month: 1, Day: 1, Aware: true, Offset: -90 * time.Minute, Name: "N"})).(*Object).Args.Items[1], "datetime.timezone(datetime.timedelta(days=-1, seconds=81000), 'N')"},
		{NewTimedelta(-time.Microsecond), "datetime.timedelta(days=-1, seconds=86399, microseconds=999999)"},
		{NewException("builtins", "KeyError", NewStr("k")), "KeyError('k')"},
		{NewException("queue", "Empty"), "queue.Empty()"},
		{NewToken(Token{"dict", NewTuple(NewStr("h"), Int(1)), "7f"}), "Token(typeid='dict', address=('h', 1), id='7f')"},
		{NewNamespace(NewDict(NewStr("x"), Int(1))), "Namespace(x=1)"},
		{NewNamespace(nil), "Namespace()"},
		{NewInstance("multiprocessing.managers", "Value", NewDict(NewStr("_typecode"), NewStr("i"), NewStr("_value"), Int(5))), "Value('i', 5)"},
		{NewStr("\xed\xa0\x80"), `'\ud800'`},
		{NewUint(math.MaxUint64), "18446744073709551615"},
		{NewList(&Set{}, &FrozenSet{}, &Set{Items: []Node{Int(1)}}), "[set(), frozenset(), {1}]"},
		{&Global{"builtins", "len"}, "len"},
	}
	var in strings.Builder
	for _, tt := range tests {
		b64 := base64.StdEncoding.EncodeToString
		in.WriteString(b64(mustEncode(t, tt.n)) + " " + b64([]byte(tt.want)) + "\n")
	}
	for _, python := range pythons(t) {
		if out := runPython(t, python, []byte(in.String()), "repr"); out != "" {
			t.Errorf("%s: %s", python, out)
		}
	}
}
