package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"math/big"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"
)

type base struct {
	ID   int `msgpack:"id"`
	Note string
}

type job struct {
	base
	Name    string            `msgpack:"name,alias:title"`
	Small   int8              `msgpack:"small,omitempty"`
	Any     any               `msgpack:"any"`
	Ptr     *int              `msgpack:"ptr"`
	Tags    []string          `msgpack:"tags"`
	Props   map[string]uint16 `msgpack:"props"`
	When    time.Time         `msgpack:"when"`
	Big     *big.Int          `msgpack:"big"`
	Pair    Tuple             `msgpack:"pair"`
	Members map[string]struct{}
	Grid    [2]float32
	Key     map[[2]int]bool
	Data    []byte
	Addr    netip.Addr
	Skip    string `msgpack:"-"`
	hidden  int
}

func TestMarshalStruct(t *testing.T) {
	n := 7
	in := job{base: base{ID: 1, Note: "n"}, Name: "x", Any: Tuple{int64(1), []byte("b"), "s"}, Ptr: &n, Tags: []string{"a"}, Props: map[string]uint16{"p": 9},
		When: time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC), Big: bigInt("0x123456789abcdef0123"), Pair: Tuple{"l", int64(2)}, Members: map[string]struct{}{"m": {}},
		Grid: [2]float32{1, 0.5}, Key: map[[2]int]bool{{1, 2}: true}, Data: []byte{1}, Addr: netip.MustParseAddr("10.0.0.1"), Skip: "gone", hidden: 1}
	b, err := Marshal(nil, in)
	if err != nil {
		t.Fatal(err)
	}
	want := `{'id': 1, 'Note': 'n', 'name': 'x', 'any': (1, b'b', 's'), 'ptr': 7, 'tags': ['a'], 'props': {'p': 9}, 'when': datetime.datetime(2020, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc), ` +
		`'big': 5373003642731685151011, 'pair': ('l', 2), 'Members': {'m'}, 'Grid': [1.0, 0.5], 'Key': {(1, 2): True}, 'Data': b'\x01', 'Addr': b'\n\x00\x00\x01'}`
	if got := string(AppendRepr(nil, b, nil)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	var out job
	if err := Unmarshal(b, &out, nil); err != nil {
		t.Fatal(err)
	}
	in.Skip, in.hidden = "", 0
	if !reflect.DeepEqual(in, out) {
		t.Errorf("came back as %+v, want %+v", out, in)
	}
	// A pointer to it, and a list of them, are the same.
	if p, err := Marshal(nil, &in); err != nil || !bytes.Equal(p, b) {
		t.Errorf("by pointer: %v", err)
	}
	var many []*job
	if l, err := Marshal(nil, []job{in, in}); err != nil || Unmarshal(l, &many, nil) != nil || len(many) != 2 || !reflect.DeepEqual(*many[1], in) {
		t.Errorf("as a list: %v, %v", many, err)
	}
}

type asArray struct {
	//lint:ignore U1000 its tag is what counts
	_msgpack struct{} `msgpack:",as_array"`
	A        int
	B        string
}

type node struct {
	Value int
	Next  *node
}

type level int8

type withNoInline struct {
	Embedded `msgpack:",noinline"`
	X        int
}

type Embedded struct{ Y int }

type withPointer struct {
	*Embedded
	X int
}

func TestMarshalShapes(t *testing.T) {
	three := 3
	for _, c := range []struct {
		v    any
		want string
	}{
		{asArray{A: 1, B: "b"}, "[1, 'b']"}, {node{1, &node{2, nil}}, "{'Value': 1, 'Next': {'Value': 2, 'Next': None}}"}, {level(-3), "-3"}, {[]level{1}, "[1]"}, {&three, "3"}, {(*int)(nil), "None"},
		{map[level]string{1: "x"}, "{1: 'x'}"}, {map[node]int{}, "{}"}, {[3]byte{1, 2, 3}, `b'\x01\x02\x03'`}, {[]uint16{1}, "[1]"}, {map[string]struct{}{}, "set()"}, {struct{ E error }{errors.New("bad")}, "{'E': 'bad'}"}, {struct{ E error }{}, "{'E': None}"},
		{withPointer{X: 1}, "{'X': 1}"}, {withPointer{&Embedded{2}, 1}, "{'Y': 2, 'X': 1}"}, {struct{ T *time.Time }{new(time.Time)}, "{'T': datetime.datetime(1, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)}"}, {[]any{node{}}, "[{'Value': 0, 'Next': None}]"}, {map[string]any{"n": &node{}}, "{'n': {'Value': 0, 'Next': None}}"}, {[]time.Time{time.Unix(0, 0)}, "[datetime.datetime(1970, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)]"},
		{struct {
			A int            `msgpack:",omitempty"`
			B string         `msgpack:",omitempty"`
			C []int          `msgpack:",omitempty"`
			D time.Time      `msgpack:",omitempty"`
			E *int           `msgpack:",omitempty"`
			F map[string]int `msgpack:",omitempty"`
			G *Embedded      `msgpack:",omitempty"`
			H bool
		}{G: &Embedded{}, C: []int{}}, "{'G': {'Y': 0}, 'H': False}"},
	} {
		b, err := Marshal(nil, c.v)
		if err != nil {
			t.Errorf("%+v: %v", c.v, err)
			continue
		}
		if got := string(AppendRepr(nil, b, nil)); got != c.want {
			t.Errorf("%+v is %s, want %s", c.v, got, c.want)
		}
		back := reflect.New(reflect.TypeOf(c.v))
		if err := Unmarshal(b, back.Interface(), nil); err != nil {
			t.Errorf("%s into %T: %v", c.want, c.v, err)
		}
	}
}

// Structs that the msgpack library encodes are read here, and the reverse.
func TestSameLayoutAsLibrary(t *testing.T) {
	in := struct {
		base
		Name string `msgpack:"name"`
		L    []int64
		P    *Embedded
		Z    int `msgpack:",omitempty"`
		N    withNoInline
		M    map[string]string
	}{base{1, "x"}, "n", []int64{1, -2}, &Embedded{3}, 0, withNoInline{Embedded{1}, 2}, map[string]string{"a": "b"}}
	theirs, err := msgpack.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := Marshal(nil, in)
	if err != nil || !Equal(ours, theirs) {
		t.Errorf("%s, %v\nthe library writes %s", AppendRepr(nil, ours, nil), err, AppendRepr(nil, theirs, nil))
	}
	out := in
	out.L, out.P, out.M = nil, nil, nil
	if err := Unmarshal(theirs, &out, nil); err != nil || !reflect.DeepEqual(in, out) {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestUnmarshalFits(t *testing.T) {
	for _, c := range []struct {
		v    []byte
		want any
	}{
		{vint(5), int8(5)}, {vint(5), uint8(5)}, {vint(-5), level(-5)}, {vint(1 << 40), int64(1 << 40)}, {AppendUint(nil, math.MaxUint64), uint64(math.MaxUint64)}, {unhex(t, "d4 04 05"), 5}, {unhex(t, "d4 04 05"), uint16(5)}, {vint(5), uint64(5)},
		{vint(5), 5.0}, {vint(5), float32(5)}, {vbig("0x400000000000000000"), 0x1p70}, {vfloat(1.5), float32(1.5)}, {vfloat(math.Inf(1)), float32(math.Inf(1))}, {vint(5), complex128(5)}, {vfloat(1), complex64(1)}, {vcomplex(1i), 1i},
		{vstr("x"), "x"}, {vbin("x"), []byte("x")}, {vbytearray("x"), []byte("x")}, {vbin("xy"), [2]byte{'x', 'y'}}, {vint(5), *bigInt("5")}, {vbig("0x10000000000000000"), *bigInt("0x10000000000000000")},
		{tuple(vint(1)), []int{1}}, {set(vint(1)), []int{1}}, {frozenset(vint(1)), map[int]struct{}{1: {}}}, {AppendArray(nil, 'h', []byte{1, 0, 2, 0}), []int{1, 2}}, {AppendArray(nil, 'h', []byte{1, 0}), []any{int64(1)}}, {tuple(vint(1)), []any{int64(1)}}, {list(vint(1), vint(2)), [2]int{1, 2}}, {tuple(vint(1), vint(2)), [2]int{1, 2}},
		{dict(vstr("a"), vint(1)), map[string]int{"a": 1}}, {dict(vstr("a"), vint(1)), map[any]int{"a": 1}}, {dict(vint(2), vint(1), vint(1), vint(2)), Pairs{{int64(2), int64(1)}, {int64(1), int64(2)}}}, {dict(vstr("b"), vint(1), vstr("a"), vint(2)), Pairs{{"b", int64(1)}, {"a", int64(2)}}},
		{list(vint(1), vstr("b")), asArray{A: 1, B: "b"}}, {dict(vstr("A"), vint(1), vstr("other"), list(list())), asArray{A: 1}}, {dict(vint(1), vint(2), vstr("Y"), vint(3)), Embedded{3}}, {dict(vstr("title"), vstr("t")), job{Name: "t"}}, {dict(vstr("Y"), vint(1)), withPointer{Embedded: &Embedded{1}}},
		{tuple(vint(1)), Raw(tuple(vint(1)))}, {vnil(), Raw("\xc0")}, {vnil(), []int(nil)}, {vnil(), (*int)(nil)}, {vnil(), Tuple(nil)}, {vnil(), map[string]int(nil)}, {vnil(), proxy{}}, {list(vnil()), []*string{nil}}, {dict(), job{}}, {dict(vstr("A"), vint(1)), struct{}{}},
		{vstr("10.0.0.1"), nil}, {vint(1e9), time.Second}, {AppendRef(nil, Ref{1, 2, "list"}), Ref{1, 2, "list"}}, {AppendTimestamp(nil, 5, 0), time.Unix(5, 0).UTC()}, {AppendDateTime(nil, 5, 0, NaiveOffset), LocalTime{time.Unix(5, 0).UTC()}},
	} {
		if c.want == nil {
			continue
		}
		got := reflect.New(reflect.TypeOf(c.want))
		if err := Unmarshal(c.v, got.Interface(), nil); err != nil || !reflect.DeepEqual(got.Elem().Interface(), c.want) {
			t.Errorf("%s into %T: %#v, %v, want %#v", AppendRepr(nil, c.v, nil), c.want, got.Elem().Interface(), err, c.want)
		}
	}
}

func TestUnmarshalRefuses(t *testing.T) {
	for _, c := range []struct {
		v    []byte
		into any
		want string
	}{
		{vint(300), new(int8), "cannot decode int 300 into the Go type int8"}, {vint(-1), new(uint), "cannot decode int -1 into the Go type uint"}, {AppendUint(nil, 1<<63), new(int64), "cannot decode int 9223372036854775808 into the Go type int64"}, {vint(200), new(level), "cannot decode int 200 into the Go type wire.level"},
		{vbig("0x10000000000000000"), new(int), "cannot decode int 18446744073709551616 into the Go type int"}, {vfloat(3), new(int), "cannot decode float into the Go type int"}, {vbool(true), new(int), "cannot decode bool into the Go type int"}, {vint(1), new(bool), "cannot decode int 1 into the Go type bool"},
		{vfloat(1e300), new(float32), "cannot decode float into the Go type float32"}, {vbool(true), new(float64), "cannot decode bool"}, {vcomplex(1), new(float64), "cannot decode complex"}, {vbin("x"), new(string), "cannot decode bytes into the Go type string"}, {vstr("x"), new([]byte), "cannot decode str into the Go type []uint8"},
		{vint(1), new([]int), "cannot decode int 1 into the Go type []int"}, {list(vint(1)), new([2]int), "cannot decode a list of 1 into the Go type [2]int"}, {vbin("x"), new([2]byte), "cannot decode 1 bytes into the Go type [2]uint8"}, {list(), new(map[string]int), "cannot decode list"}, {set(), new(map[string]int), "cannot decode set"},
		{dict(tuple(vint(1)), vint(1)), new(map[any]any), "a tuple into a key"}, {dict(vint(1), vint(1)), new(map[string]any), "cannot decode dict into the Go type map[string]interface {}"}, {vint(1), new(job), "cannot decode int 1 into the Go type wire.job"}, {list(vint(1)), new(asArray), "a list of 1 into the 2 fields"},
		{dict(vstr("small"), vint(300)), new(job), "field small of wire.job: cannot decode int 300 into the Go type int8"}, {list(vint(1), vstr("x")), new([]int), "element 1: cannot decode str into the Go type int"}, {dict(vstr("a"), vint(1<<20)), new(map[string]uint16), "a value: cannot decode int 1048576"}, {dict(vint(1), vint(1)), new(map[string]int), "a key: cannot decode int 1"},
		{vint(1), new(error), "does not implement"}, {vint(1), new(time.Time), "cannot decode int 1 into the Go type time.Time"}, {AppendDateTime(nil, 0, 0, NaiveOffset), new(time.Time), "want LocalTime"}, {AppendTimestamp(nil, 0, 0), new(LocalTime), "cannot decode datetime.datetime"}, {vstr("x"), new(big.Int), "cannot decode str"}, {vint(1), new(Ref), "cannot decode int 1 into the Go type wire.Ref"}, {list(), new(Pairs), "cannot decode list"},
		{vint(1), nil, "want a pointer"}, {vint(1), 5, "want a pointer"}, {vint(1), (*int)(nil), "want a pointer"}, {vint(1), new(chan int), "cannot decode int 1 into the Go type chan int"}, {vstr("nonsense"), new(netip.Addr), "netip.Addr: cannot decode str"},
		{vnil(), new(int), "cannot decode None into the Go type int, which has no value for it: a pointer has, *int"}, {vnil(), new(bool), "None into the Go type bool"}, {vnil(), new(string), "None"}, {vnil(), new(float64), "None"}, {vnil(), new([2]int), "None"}, {vnil(), new(time.Time), "None"}, {vnil(), new(big.Int), "None"}, {vnil(), new(job), "None into the Go type wire.job"}, {vnil(), new(netip.Addr), "None"},
		{list(vnil()), new([]string), "element 0: cannot decode None into the Go type string"}, {dict(vstr("a"), vnil()), new(map[string]int), "a value: cannot decode None"}, {dict(vstr("small"), vnil()), new(job), "field small of wire.job: cannot decode None into the Go type int8"},
		{dict(vstr("url"), vint(1), vint(2), vint(3)), new(asArray), `dict into the Go type wire.asArray, which has a field for none of its keys: the keys are "url", 2, the fields "A", "B"`}, {dict(vstr("url"), vint(1)), new(blind), "the fields none that is exported"}, {list(dict(vstr("y"), vint(1))), new([]Embedded), `element 0: cannot decode a dict into the Go type wire.Embedded`},
	} {
		var value *ValueError
		if err := Unmarshal(c.v, c.into, nil); !errors.As(err, &value) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s into %T: %v, want %q", AppendRepr(nil, c.v, nil), c.into, err, c.want)
		}
	}
	var syntax *SyntaxError
	if err := Unmarshal([]byte{1, 1}, new(int), nil); !errors.As(err, &syntax) {
		t.Errorf("got %v", err)
	}
}

// blind is a struct of which nothing can travel.
type blind struct{ x int }

// strictly is a context for which unknown fields are errors.
type strictly bool

func (s strictly) StrictFields() bool { return bool(s) }

func TestStrictFields(t *testing.T) {
	v := dict(vstr("A"), vint(1), vstr("C"), vint(2))
	var got asArray
	if err := Unmarshal(v, &got, strictly(false)); err != nil || got.A != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	for _, into := range []any{new(asArray), new([]asArray), new(map[string]asArray), new(struct{ In *asArray })} {
		v := v
		switch into.(type) {
		case *[]asArray:
			v = list(v)
		case *map[string]asArray, *struct{ In *asArray }:
			v = dict(vstr("In"), v)
		}
		err := Unmarshal(v, into, strictly(true))
		if err == nil || !strings.Contains(err.Error(), `a dict with the key "C" into the Go type wire.asArray, whose fields are "A", "B"`) {
			t.Errorf("into %T: %v", into, err)
		}
	}
	if err := Unmarshal(dict(vstr("A"), vint(1)), &got, strictly(true)); err != nil {
		t.Errorf("a field without a key: %v", err)
	}
}

type ownPointer *ownPointer

func TestMarshalRefuses(t *testing.T) {
	var p ownPointer
	p = &p
	loop := &node{}
	loop.Next = loop
	for _, c := range []struct {
		v    any
		want string
	}{
		{p, "points to itself"}, {loop, "contains itself"}, {make(chan int), "cannot encode the Go type chan int"}, {func() {}, "cannot encode"}, {struct{ F func() }{func() {}}, "cannot encode the Go type func()"}, {"\xff", "is not UTF-8"}, {struct{ S string }{"\xff"}, "is not UTF-8"}, {map[node]int{{}: 1}, "unhashable type: 'dict'"}, {map[float64]int{math.NaN(): 1}, ErrNaNKey.Error()},
		{blind{1}, "the Go type wire.blind has no exported field"}, {[]*blind{{1}}, "no exported field"}, {struct{ B blind }{}, "no exported field"},
		{badWire{}, "malformed value"}, {[]any{badWire{}}, "malformed value"}, {shrinking{}, "fewer than it was given"}, {libraryExt{}, "extension 99"},
	} {
		var value *ValueError
		if got, err := Marshal([]byte("pre"), c.v); !errors.As(err, &value) || !strings.Contains(err.Error(), c.want) || string(got) != "pre" {
			t.Errorf("%T: %q, %v, want %q", c.v, got, err, c.want)
		}
	}
	if err := Unmarshal(vint(1), new(ownPointer), nil); err == nil {
		t.Error("decoded into a pointer to itself")
	}
}

type badWire struct{}

func (badWire) AppendWire(dst []byte) ([]byte, error) { return append(dst, 0xc1), nil }

type shrinking struct{}

func (shrinking) AppendWire([]byte) ([]byte, error) { return nil, nil }

type libraryExt struct{}

func (libraryExt) EncodeMsgpack(enc *msgpack.Encoder) error { return enc.EncodeExtHeader(99, 0) }

// proxy stands for a type that travels as a reference.
type proxy struct {
	ref Ref
	ctx any
}

func (p *proxy) AppendWire(dst []byte) ([]byte, error) { return AppendRef(dst, p.ref), nil }

func (p *proxy) UnmarshalWire(v []byte, ctx any) error {
	p.ctx = ctx
	return Unmarshal(v, &p.ref, ctx)
}

// custom travels through the library's encoder and decoder.
type custom struct {
	A   int
	Any any
	ctx any
}

func (c custom) EncodeMsgpack(enc *msgpack.Encoder) error {
	if err := enc.EncodeArrayLen(2); err != nil {
		return err
	}
	if err := enc.EncodeInt(int64(c.A)); err != nil {
		return err
	}
	return EncodeAny(enc, c.Any)
}

func (c *custom) DecodeMsgpack(dec *msgpack.Decoder) error {
	c.ctx = ContextOf(dec)
	if _, err := dec.DecodeArrayLen(); err != nil {
		return err
	}
	var err error
	if c.A, err = dec.DecodeInt(); err != nil {
		return err
	}
	c.Any, err = DecodeAny(dec)
	return err
}

// temperature is a msgpack.Marshaler.
type temperature struct{ c float64 }

func (v temperature) MarshalMsgpack() ([]byte, error) { return AppendFloat(nil, v.c), nil }
func (v *temperature) UnmarshalMsgpack(b []byte) error {
	return Unmarshal(b, &v.c, nil)
}

type text struct{ s string }

func (v text) MarshalText() ([]byte, error) { return []byte("text:" + v.s), nil }
func (v *text) UnmarshalText(b []byte) error {
	v.s = strings.TrimPrefix(string(b), "text:")
	return nil
}
func (v binaryType) MarshalBinary() ([]byte, error) {
	return binary.BigEndian.AppendUint16(nil, uint16(v)), nil
}
func (v *binaryType) UnmarshalBinary(b []byte) error {
	*v = binaryType(binary.BigEndian.Uint16(b))
	return nil
}

type binaryType uint16

type resolving struct{ seen []Ref }

func (r *resolving) ResolveRef(ref Ref) (any, error) {
	r.seen = append(r.seen, ref)
	return &proxy{ref: ref}, nil
}

func TestMethodsOfTypes(t *testing.T) {
	type all struct {
		P  *proxy
		V  proxy
		C  custom
		CP *custom
		T  temperature
		X  text
		B  binaryType
		A  any
		M  map[text]int
	}
	in := all{P: &proxy{ref: Ref{1, 2, "list"}}, V: proxy{ref: Ref{3, 4, "dict"}}, C: custom{A: 1, Any: Tuple{int64(1)}}, CP: &custom{A: 2}, T: temperature{1.5}, X: text{"x"}, B: 7, A: &proxy{ref: Ref{5, 6, "Lock"}}, M: map[text]int{{"k"}: 1}}
	b, err := Marshal(nil, in)
	if err != nil {
		t.Fatal(err)
	}
	want := `{'P': <list object, ident 1>, 'V': <dict object, ident 3>, 'C': [1, (1,)], 'CP': [2, None], 'T': 1.5, 'X': 'text:x', 'B': b'\x00\x07', 'A': <Lock object, ident 5>, 'M': {'text:k': 1}}`
	if got := string(AppendRepr(nil, b, nil)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	ctx := &resolving{}
	var out all
	if err := Unmarshal(b, &out, ctx); err != nil {
		t.Fatal(err)
	}
	if out.P.ctx != ctx || out.V.ctx != ctx || out.C.ctx != ctx || out.CP.ctx != ctx {
		t.Error("the context did not reach every decoder")
	}
	if p, ok := out.A.(*proxy); !ok || p.ref.ID != 5 || len(ctx.seen) != 1 {
		t.Errorf("the reference in an interface became %v", out.A)
	}
	out.P.ctx, out.V.ctx, out.C.ctx, out.CP.ctx = nil, nil, nil, nil
	if !reflect.DeepEqual(in, out) {
		t.Errorf("came back as %+v", out)
	}
	if err := Unmarshal(list(vint(1)), new(custom), nil); err == nil || !strings.Contains(err.Error(), "wants more than") {
		t.Errorf("a decoder that reads beyond its value: %v", err)
	}
	if ContextOf(msgpack.NewDecoder(bytes.NewReader(nil))) != nil {
		t.Error("a foreign decoder has a context")
	}
}

// The package's types work inside the library's own encoder and decoder.
func TestTypesInsideLibrary(t *testing.T) {
	for _, c := range naturals() {
		if c.want == nil {
			continue
		}
		switch c.want.(type) {
		case Tuple, Set, FrozenSet, ByteArray, Pairs, LocalTime, TypedArray, Opaque, Ref:
		default:
			continue
		}
		b, err := msgpack.Marshal(c.want)
		if err != nil || !bytes.Equal(b, c.v) {
			t.Errorf("%#v: %x, %v", c.want, b, err)
		}
		got := reflect.New(reflect.TypeOf(c.want))
		if err := msgpack.Unmarshal(c.v, got.Interface()); err != nil || !reflect.DeepEqual(got.Elem().Interface(), c.want) {
			t.Errorf("%x: %#v, %v", c.v, got.Elem().Interface(), err)
		}
	}
}

func TestMarshalAllocations(t *testing.T) {
	buf := make([]byte, 0, 256)
	for _, v := range []any{"hello", []byte("hello"), 12345, int64(1 << 40), 1.5, true, nil} {
		if n := testing.AllocsPerRun(100, func() { _, _ = Marshal(buf, v) }); n != 0 {
			t.Errorf("Marshal of %T: %v allocations", v, n)
		}
	}
	var i int
	var f float64
	for v, into := range map[string]any{string(vint(5)): &i, string(vfloat(5)): &f} {
		if n := testing.AllocsPerRun(100, func() { _ = Unmarshal(Raw(v).Bytes(), into, nil) }); n != 0 {
			t.Errorf("Unmarshal into %T: %v allocations", into, n)
		}
	}
}

func BenchmarkMarshal(b *testing.B) {
	buf := make([]byte, 0, 1024)
	j := any(&node{Value: 5, Next: &node{Value: 6}})
	enc, _ := Marshal(nil, j)
	b.Run("struct", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = Marshal(buf, j)
		}
	})
	b.Run("struct back", func(b *testing.B) {
		b.ReportAllocs()
		var out node
		for b.Loop() {
			_ = Unmarshal(enc, &out, nil)
		}
	})
}
