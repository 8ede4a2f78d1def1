package wire

import (
	"bytes"
	"errors"
	"math"
	"math/big"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
)

func bigInt(s string) *big.Int {
	i, ok := new(big.Int).SetString(s, 0)
	if !ok {
		panic(s)
	}
	return i
}

// naturals pairs encodings with what Decode makes of them.
func naturals() []struct {
	v    []byte
	want any
} {
	at := time.Date(2020, 1, 2, 3, 4, 5, 6000, time.UTC)
	return []struct {
		v    []byte
		want any
	}{
		{vnil(), nil}, {vbool(true), true}, {vint(5), int64(5)}, {vint(-300), int64(-300)}, {AppendUint(nil, 1<<63), uint64(1 << 63)},
		{vbig("0x10000000000000000"), bigInt("0x10000000000000000")}, {vbig("-0x8000000000000001"), bigInt("-0x8000000000000001")},
		{vfloat(1.5), 1.5}, {vfloat(2), 2.0}, {vcomplex(complex(1, 2)), complex(1, 2)}, {vstr("grün"), "grün"}, {vstr("\xed\xa0\x80"), "\xed\xa0\x80"},
		{vbin("x"), []byte("x")}, {vbin(""), []byte{}}, {vbytearray("x"), ByteArray("x")},
		{list(), []any{}}, {list(vint(1), list()), []any{int64(1), []any{}}}, {tuple(vint(1), vstr("a")), Tuple{int64(1), "a"}},
		{set(vint(1)), Set{int64(1)}}, {frozenset(), FrozenSet{}},
		{dict(), map[string]any{}}, {dict(vstr("a"), vint(1)), map[string]any{"a": int64(1)}}, {dict(vstr("a"), vint(1), vint(2), vnil()), map[any]any{"a": int64(1), int64(2): nil}},
		{dict(tuple(vint(1)), vint(1)), Pairs{{Tuple{int64(1)}, int64(1)}}}, {dict(vint(1), vint(1), vbin("k"), vint(2)), Pairs{{int64(1), int64(1)}, {[]byte("k"), int64(2)}}},
		{AppendTimestamp(nil, at.Unix(), 6000), at}, {AppendDateTime(nil, at.Unix(), 6000, NaiveOffset), LocalTime{at}},
		{AppendDateTime(nil, at.Unix(), 6000, 3600), time.Date(2020, 1, 2, 3, 4, 5, 6000, time.FixedZone("", 3600))},
		{AppendArray(nil, 'h', []byte{1, 0}), TypedArray{'h', []byte{1, 0}}}, {AppendOpaque(nil, "python", nil, []byte{1}), Opaque{Lang: "python", Data: []byte{1}}},
		{AppendRef(nil, Ref{1, 2, "list"}), Ref{1, 2, "list"}},
	}
}

func TestNatural(t *testing.T) {
	for _, c := range naturals() {
		got, err := Decode(c.v)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("Decode(%x) = %#v, %v, want %#v", c.v, got, err, c.want)
		}
		for name, enc := range map[string]func([]byte, any) ([]byte, error){"AppendAny": AppendAny, "Marshal": Marshal} {
			b, err := enc([]byte("pre"), c.want)
			if c.want == nil && name == "Marshal" && err != nil || err != nil || string(b[:3]) != "pre" {
				t.Errorf("%s(%#v): %v", name, c.want, err)
				continue
			}
			if !bytes.Equal(b[3:], c.v) && !Equal(b[3:], c.v) {
				t.Errorf("%s(%#v) = %x, want %x", name, c.want, b[3:], c.v)
			}
		}
	}
}

func TestDecodeSharesNothing(t *testing.T) {
	v := list(vstr("abc"), vbin("abc"), AppendOpaque(nil, "p", nil, []byte("abc")), AppendArray(nil, 'b', []byte("abc")), vbytearray("abc"), AppendRef(nil, Ref{1, 2, "abc"}))
	got, err := Decode(v)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := Decode(bytes.Clone(v))
	clear(v)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v changed with the input", got)
	}
}

func TestDecodeRefs(t *testing.T) {
	v := list(AppendRef(nil, Ref{1, 2, "list"}), dict(vstr("k"), AppendRef(nil, Ref{3, 4, "dict"})))
	got, err := DecodeWith(v, Options{Ref: func(r Ref) (any, error) { return "proxy of " + r.TypeID, nil }})
	if want := []any{"proxy of list", map[string]any{"k": "proxy of dict"}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
	stop := errors.New("stop")
	if _, err := DecodeWith(v, Options{Ref: func(Ref) (any, error) { return nil, stop }}); err != stop {
		t.Errorf("got %v", err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, v := range [][]byte{nil, {1, 1}, {0xc1}, nested(200), {0xdd, 0xff, 0xff, 0xff, 0xff}} {
		var syntax *SyntaxError
		if x, err := Decode(v); !errors.As(err, &syntax) {
			t.Errorf("Decode(%.10x) = %v, %v", v, x, err)
		}
	}
}

func TestAppendAnyPlainTypes(t *testing.T) {
	for _, c := range []struct {
		v    any
		want []byte
	}{
		{int(1), vint(1)}, {int8(-1), vint(-1)}, {int16(300), vint(300)}, {int32(-70000), vint(-70000)}, {uint(1), vint(1)}, {uint8(200), vint(200)}, {uint16(1), vint(1)}, {uint32(1), vint(1)},
		{uint64(math.MaxUint64), AppendUint(nil, math.MaxUint64)}, {uintptr(3), vint(3)}, {float32(0.5), vfloat(0.5)}, {complex64(1i), vcomplex(1i)}, {time.Second, vint(1e9)},
		{*bigInt("5"), vint(5)}, {(*big.Int)(nil), vnil()}, {[]byte(nil), vnil()}, {[]any(nil), vnil()}, {map[string]any(nil), vnil()}, {Tuple(nil), vnil()}, {Pairs(nil), vnil()}, {ByteArray(nil), vnil()}, {map[string]int(nil), vnil()}, {[]string(nil), vnil()},
		{[]string{"a"}, list(vstr("a"))}, {[]int{1}, list(vint(1))}, {[]int32{1}, list(vint(1))}, {[]int64{1}, list(vint(1))}, {[]uint64{1}, list(vint(1))}, {[]float64{1}, list(vfloat(1))}, {[]float32{1}, list(vfloat(1))}, {[]bool{true}, list(vbool(true))},
		{[][]byte{[]byte("a")}, list(vbin("a"))}, {[]map[string]any{{"a": 1}}, list(dict(vstr("a"), vint(1)))}, {map[string]string{"a": "b"}, dict(vstr("a"), vstr("b"))}, {map[string]int{"a": 1}, dict(vstr("a"), vint(1))}, {map[string]int64{"a": 1}, dict(vstr("a"), vint(1))},
		{map[string]float64{"a": 1}, dict(vstr("a"), vfloat(1))}, {map[string]bool{"a": true}, dict(vstr("a"), vbool(true))}, {map[string][]byte{"a": {}}, dict(vstr("a"), vbin(""))}, {map[string][]string{"a": {}}, dict(vstr("a"), list())},
		{map[int]any{1: "x"}, dict(vint(1), vstr("x"))}, {map[int64]any{1: "x"}, dict(vint(1), vstr("x"))}, {map[int]string{1: "x"}, dict(vint(1), vstr("x"))}, {map[any]any{1: "x"}, dict(vint(1), vstr("x"))},
		{map[string]any{"b": 1, "a": 2, "c": 3}, dict(vstr("a"), vint(2), vstr("b"), vint(1), vstr("c"), vint(3))}, {Raw(tuple(vint(1))), tuple(vint(1))}, {[]any{Raw(vint(1))}, list(vint(1))},
		{LocalTime{time.Date(1970, 1, 1, 1, 0, 0, 0, time.FixedZone("", 7200))}, AppendDateTime(nil, 3600, 0, NaiveOffset)}, {time.Unix(5, 0), AppendTimestamp(nil, 5, 0)}, {time.Time{}, AppendTimestamp(nil, time.Time{}.Unix(), 0)},
	} {
		for name, enc := range map[string]func([]byte, any) ([]byte, error){"AppendAny": AppendAny, "Marshal": Marshal} {
			if got, err := enc(nil, c.v); err != nil || !bytes.Equal(got, c.want) {
				t.Errorf("%s(%#v) = %x, %v, want %x", name, c.v, got, err, c.want)
			}
		}
	}
}

func TestAppendAnyRefuses(t *testing.T) {
	loop := []any{nil}
	loop[0] = loop
	loopMap := map[string]any{}
	loopMap["self"] = loopMap
	for _, c := range []struct {
		v    any
		want string
	}{
		{struct{}{}, "cannot encode the Go type struct {}"}, {make(chan int), "cannot encode the Go type chan int"}, {"a\xff", `the string "a\xff" is not UTF-8: send it as []byte`}, {loop, "contains itself"}, {loopMap, "contains itself"},
		{Opaque{}, "an opaque value of language"}, {Ref{}, "a reference with typeid"}, {TypedArray{Code: 'x'}, "typecode 'x'"}, {TypedArray{'i', []byte{1}}, "whole elements"}, {TypedArray{'u', []byte{0, 0, 0x11, 0}}, "character 0x110000"},
		{new(big.Int).Lsh(big.NewInt(1), 70000), "too large"}, {Set{[]any{}}, "unhashable type: 'list'"}, {Pairs{{Set{}, 1}}, "unhashable type: 'set'"}, {map[any]any{math.NaN(): 1}, ErrNaNKey.Error()}, {Raw("\xc1"), "malformed value"}, {Raw(""), "malformed value"}, {[]any{Raw("\x01\x01")}, "1 bytes after the value"},
		{time.Unix(1<<61, 0), "out of range"}, {LocalTime{time.Unix(-1<<61, 0)}, "out of range"},
	} {
		var value *ValueError
		got, err := AppendAny([]byte("pre"), c.v)
		if !errors.As(err, &value) || !strings.Contains(err.Error(), c.want) || string(got) != "pre" {
			t.Errorf("AppendAny(%T) = %q, %v, want %q", c.v, got, err, c.want)
		}
	}
}

func TestTypedArrayElements(t *testing.T) {
	a := TypedArray{'H', []byte{1, 0, 0xff, 0xff}}
	if a.Len() != 2 || a.At(0) != int64(1) || a.At(1) != int64(65535) {
		t.Errorf("%d: %v %v", a.Len(), a.At(0), a.At(1))
	}
	if s := (TypedArray{'u', []byte{0xe9, 0, 0, 0}}).At(0); s != "é" {
		t.Errorf("got %q", s)
	}
	if (TypedArray{Code: 'x', Data: []byte{1}}).Len() != 0 {
		t.Error("an unknown typecode has elements")
	}
}

// Whatever the generator makes survives the way through Go values.
func TestNaturalRoundTrip(t *testing.T) {
	g := generator{rand.New(rand.NewPCG(3, 4))}
	for range 3000 {
		v, py := g.value(4, false)
		x, err := Decode(v)
		if err != nil {
			t.Fatalf("%s: %v", py, err)
		}
		back, err := AppendAny(nil, x)
		if err != nil {
			if strings.Contains(err.Error(), ErrNaNKey.Error()) {
				continue
			}
			t.Fatalf("%s: %v", py, err)
		}
		if _, _, err := Scan(back, Limits{}); err != nil {
			t.Errorf("%s: %v", py, err)
		}
		if distinct(v) && !bytes.Contains(AppendRepr(nil, v, nil), []byte("nan")) && !Equal(v, back) {
			t.Errorf("%s came back as %s", py, AppendRepr(nil, back, nil))
		}
		var again any
		if err := Unmarshal(back, &again, nil); err != nil {
			t.Errorf("%s: %v", py, err)
		}
	}
}
