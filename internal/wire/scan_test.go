package wire

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestScanAccepts(t *testing.T) {
	ref := AppendRef(nil, Ref{ID: 1, Secret: 2, TypeID: "list"})
	for _, c := range []struct {
		name string
		v    []byte
		typ  Type
		refs bool
	}{
		{"nil", vnil(), TypeNil, false},
		{"true", vbool(true), TypeBool, false},
		{"small", vint(7), TypeInt, false},
		{"negative", vint(-7), TypeInt, false},
		{"uint64", AppendUint(nil, 1<<63), TypeUint, false},
		{"long form of a small int", unhex(t, "d3 0000000000000001"), TypeInt, false},
		{"float32", unhex(t, "ca 3f800000"), TypeFloat, false},
		{"float", vfloat(1.5), TypeFloat, false},
		{"str", vstr("grün"), TypeStr, false},
		{"lone surrogate", vstr("a\xed\xa0\x80b"), TypeStr, false},
		{"surrogates and text", vstr("\xed\xb0\x80ü\xed\xa0\x80"), TypeStr, false},
		{"bytes", vbin("\xff"), TypeBytes, false},
		{"list", list(vint(1), vstr("x")), TypeList, false},
		{"dict", dict(vstr("k"), list()), TypeDict, false},
		{"tuple", tuple(vint(1), vint(300)), TypeTuple, false},
		{"empty set", set(), TypeSet, false},
		{"frozenset", frozenset(vstr("x")), TypeFrozenSet, false},
		{"big", vbig("0x10000000000000000"), TypeBigInt, false},
		{"small in big's form", unhex(t, "d4 04 01"), TypeBigInt, false},
		{"complex", vcomplex(1i), TypeComplex, false},
		{"bytearray", vbytearray("abc"), TypeByteArray, false},
		{"ref", ref, TypeRef, true},
		{"ref inside", list(dict(vstr("k"), tuple(set(ref)))), TypeList, true},
		{"opaque", AppendOpaque(nil, "python", nil, []byte{0x80, 4}), TypeOpaque, false},
		{"opaque without data", AppendOpaque(nil, "p", nil, nil), TypeOpaque, false},
		{"naive", AppendDateTime(nil, 5, 6, NaiveOffset), TypeDateTime, false},
		{"array", AppendArray(nil, 'h', []byte{1, 0}), TypeArray, false},
		{"empty array", AppendArray(nil, 'd', nil), TypeArray, false},
		{"timestamp", AppendTimestamp(nil, -1, 1), TypeTime, false},
		{"depth 128", nested(128), TypeList, false},
		{"tuples at depth 128", deepTuple(128), TypeTuple, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			padded := append(bytes.Clone(c.v), 0xc1)
			n, refs, err := Scan(padded, Limits{})
			if err != nil || n != len(c.v) || refs != c.refs {
				t.Errorf("Scan = %d, %v, %v, want %d, %v", n, refs, err, len(c.v), c.refs)
			}
			if n, err := Skip(padded); err != nil || n != len(c.v) {
				t.Errorf("Skip = %d, %v, want %d", n, err, len(c.v))
			}
			if typ := TypeOf(c.v); typ != c.typ {
				t.Errorf("TypeOf = %v, want %v", typ, c.typ)
			}
		})
	}
}

func TestScanRefuses(t *testing.T) {
	ref := AppendRef(nil, Ref{ID: 1, TypeID: "list"})
	for _, c := range []struct {
		name, want string
		v          []byte
	}{
		{"nothing", "byte 0: got the end", nil},
		{"unused code", "byte 0: got byte 0xc1", []byte{0xc1}},
		{"cut int", "byte 0: got a number cut off after 3 bytes, want 5 bytes", unhex(t, "ce 00 00")},
		{"cut str header", "the header of a str cut off after 2 bytes, want 3", unhex(t, "da 00")},
		{"cut str", "byte 0: got a str of 5 bytes with 1 left", unhex(t, "a5 61")},
		{"list that cannot fit", "a list of 4294967295 with 0 bytes left", unhex(t, "dd ffffffff")},
		{"dict that cannot fit", "a dict of 2 with 3 bytes left, want at least 4 bytes", unhex(t, "82 01 01 01")},
		{"second element missing", "byte 3: got the end of the bytes", unhex(t, "92 a1 61")},
		{"element in the middle", "byte 1: got byte 0xc1", unhex(t, "91 c1")},
		{"unknown extension", "extension 42, want one of -1 and 1 to 10", unhex(t, "d4 2a 00")},
		{"interned string of a library", "extension -128", unhex(t, "d4 80 00")},
		{"cut extension", "a extension of 16 bytes with 1 left", unhex(t, "d8 05 00")},
		{"tuple that holds no array", "a tuple with a payload of 1 bytes", unhex(t, "d4 01 c0")},
		{"tuple in a tuple's payload", "a tuple with a payload of 4 bytes", unhex(t, "d6 01 d5 01 90 90")},
		{"bytes after a tuple's end", "byte 3: got 1 more bytes inside the tuple", unhex(t, "d5 01 90 01")},
		{"set's elements run over its end", "byte 4: got a str of 3 bytes with 1 left", unhex(t, "c7 03 02 91 a3 61 62 63 64")},
		{"empty big integer", "a big integer with a payload of 0 bytes, want 1 to 8192", unhex(t, "c7 00 04")},
		{"long big integer", "a big integer", append(AppendExtHeader(nil, ExtBigInt, 8193), make([]byte, 8193)...)},
		{"short complex", "a complex with a payload of 8 bytes", unhex(t, "d7 05 0000000000000000")},
		{"ref without typeid", "a object reference", append(AppendExtHeader(nil, ExtRef, 16), make([]byte, 16)...)},
		{"ref with long typeid", "a object reference", AppendRef(nil, Ref{TypeID: strings.Repeat("x", 129)})},
		{"ref with bad typeid", "typeid is not UTF-8", AppendRef(nil, Ref{TypeID: "\xff"})},
		{"ref in a key", "byte 1: got an object reference inside a dict's key", dict(ref, vint(1))},
		{"ref deep in a key", "an object reference inside a dict's key", dict(tuple(vint(1), ref), vint(1))},
		{"opaque without language", "a opaque value", unhex(t, "d5 08 00 00")},
		{"opaque with a long tag", "a opaque value", unhex(t, "d5 08 7f 00")},
		{"opaque with bad tag", "language tag is not UTF-8", AppendOpaque(nil, "\xff", nil, nil)},
		{"nanoseconds", "a datetime out of range", AppendDateTime(nil, 0, 1e9, NaiveOffset)},
		{"offset", "a datetime out of range", AppendDateTime(nil, 0, 0, 86400)},
		{"seconds", "a datetime out of range", AppendTimestamp(nil, 1<<61, 0)},
		{"timestamp's size", "a timestamp with a payload of 2 bytes", unhex(t, "d5 ff 0000")},
		{"array of nothing", "a typed array", unhex(t, "c7 00 0a")},
		{"typecode", "a typed array", AppendArray(nil, 'x', nil)},
		{"half an element", "a typed array", AppendArray(nil, 'i', []byte{1, 2})},
		{"character beyond Unicode", "the character 0x110000", AppendArray(nil, 'u', []byte{0, 0, 0x11, 0})},
		{"bad text", "a str that is not UTF-8", vstr("a\xff")},
		{"overlong", "a str that is not UTF-8", vstr("\xc0\x80")},
		{"cut surrogate", "a str that is not UTF-8", vstr("\xed\xa0")},
		{"surrogate then junk", "a str that is not UTF-8", vstr("\xed\xa0\x80\xff")},
		{"depth", "a container at depth 129, want at most 128", nested(129)},
		{"depth of tuples", "a container at depth 129", deepTuple(129)},
		{"much depth", "a container at depth 129", nested(1 << 20)},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, _, err := Scan(c.v, Limits{})
			var syntax *SyntaxError
			if !errors.As(err, &syntax) || !strings.Contains(err.Error(), c.want) || n != 0 {
				t.Errorf("Scan = %d, %v, want %q", n, err, c.want)
			}
		})
	}
}

// A tuple inside a tuple's header must not make the parser recurse.
func TestParseDoesNotRecurse(t *testing.T) {
	var b []byte
	for range 200_000 {
		b = append(b, 0xc9, 0, 0, 0, 0, ExtTuple)
	}
	for i := 0; i < len(b); i += 6 {
		n := len(b) - i - 6
		b[i+1], b[i+2], b[i+3], b[i+4] = byte(n>>24), byte(n>>16), byte(n>>8), byte(n)
	}
	if _, _, err := Scan(b, Limits{}); err == nil {
		t.Error("Scan accepted it")
	}
	if _, err := Skip(b); err == nil {
		t.Error("Skip accepted it")
	}
}

func TestScanDepthLimit(t *testing.T) {
	for _, c := range []struct {
		v     []byte
		depth int
		ok    bool
	}{{vint(1), 1, true}, {nested(1), 1, true}, {nested(2), 1, false}, {deepTuple(3), 2, false}, {nested(129), 1000, false}} {
		if _, _, err := Scan(c.v, Limits{Depth: c.depth}); (err == nil) != c.ok {
			t.Errorf("depth %d: %x: %v", c.depth, c.v, err)
		}
	}
}

func TestScanCutAnywhere(t *testing.T) {
	v := list(dict(vstr("key"), tuple(vfloat(1), vbig("-0x123456789012345678"))), set(vbin("abc")), vcomplex(2i),
		AppendArray(nil, 'i', make([]byte, 8)), AppendRef(nil, Ref{ID: 1, TypeID: "x"}), AppendTimestamp(nil, 1, 1))
	for i := range v {
		if _, _, err := Scan(v[:i], Limits{}); err == nil {
			t.Errorf("Scan accepted the first %d of %d bytes", i, len(v))
		}
		if _, err := Skip(v[:i]); err == nil {
			t.Errorf("Skip accepted the first %d of %d bytes", i, len(v))
		}
	}
}

func TestForEachRef(t *testing.T) {
	a, b, c := Ref{1, 2, "list"}, Ref{3, 4, "Mine"}, Ref{5, 6, "dict"}
	enc := func(r Ref) []byte { return AppendRef(nil, r) }
	v := list(enc(a), dict(vstr("k"), tuple(vint(1), enc(b))), set(enc(c)), frozenset(enc(a)))
	var got []Ref
	if err := ForEachRef(v, func(r Ref) error { got = append(got, r); return nil }); err != nil {
		t.Fatal(err)
	}
	if want := []Ref{a, b, c, a}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	stop := fmt.Errorf("stop")
	if err := ForEachRef(v, func(Ref) error { return stop }); err != stop {
		t.Errorf("got %v, want the callback's error", err)
	}
	if err := ForEachRef(dict(enc(a), vnil()), func(Ref) error { return nil }); err == nil {
		t.Error("a reference as a key was accepted")
	}
	if err := ForEachRef(nested(1<<20), func(Ref) error { return nil }); err == nil {
		t.Error("a million lists inside each other were accepted")
	}
}

func TestScanAllocations(t *testing.T) {
	big := list(vstr("x"), vint(1), dict(vstr("k"), tuple(vint(1), AppendRef(nil, Ref{1, 2, "list"}))))
	for _, v := range [][]byte{vint(5), vint(-5), vstr("hello"), vfloat(1), big} {
		if n := testing.AllocsPerRun(100, func() { _, _, _ = Scan(v, Limits{}) }); n != 0 {
			t.Errorf("Scan of %x: %v allocations", v, n)
		}
		if n := testing.AllocsPerRun(100, func() { _, _ = Skip(v) }); n != 0 {
			t.Errorf("Skip of %x: %v allocations", v, n)
		}
	}
	sum := uint64(0)
	if n := testing.AllocsPerRun(100, func() {
		_ = ForEachRef(big, func(r Ref) error { sum += r.ID; return nil })
	}); n > 2 {
		t.Errorf("ForEachRef: %v allocations", n)
	}
}

func BenchmarkScan(b *testing.B) {
	for _, c := range []struct {
		name string
		v    []byte
	}{{"int", vint(7)}, {"str16", vstr("0123456789abcdef")}, {"record", dict(vstr("id"), vint(1234), vstr("name"), vstr("somebody"), vstr("tags"), list(vstr("a"), vstr("b")))}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				_, _, _ = Scan(c.v, Limits{})
			}
		})
	}
}
