package wire

import (
	"bytes"
	"errors"
	"math"
	"testing"
)

func mustKey(t testing.TB, v []byte) []byte {
	t.Helper()
	k, canonical, err := AppendKey(nil, v)
	if err != nil {
		t.Fatalf("AppendKey(%x): %v", v, err)
	}
	if canonical != bytes.Equal(k, v) {
		t.Fatalf("AppendKey(%x) = %x says canonical %v", v, k, canonical)
	}
	return k
}

func TestKeyClasses(t *testing.T) {
	// Values of one class are equal keys; those of different classes are not.
	classes := [][][]byte{
		{vint(1), vbool(true), vfloat(1), vcomplex(1), unhex(t, "ca 3f800000"), unhex(t, "d3 0000000000000001"), unhex(t, "d4 04 01"), unhex(t, "cf 0000000000000001"), unhex(t, "d6 04 00000001")},
		{vint(0), vbool(false), vfloat(0), vfloat(math.Copysign(0, -1)), vcomplex(complex(math.Copysign(0, -1), math.Copysign(0, -1))), unhex(t, "d4 04 00")},
		{vint(-1), vfloat(-1), unhex(t, "d4 04 ff"), unhex(t, "d1 ffff")},
		{vint(256), unhex(t, "d1 0100"), vfloat(256)},
		{vbig("0x400000000000000000"), vfloat(0x1p70), vcomplex(0x1p70)},
		{vbig("0x400000000000000001")},
		{vbig("-0x400000000000000000"), vfloat(-0x1p70), unhex(t, "c7 0b 04 ffffc00000000000000000")},
		{AppendUint(nil, 1<<63), vfloat(1 << 63), unhex(t, "c7 09 04 00 8000000000000000")},
		{vint(-1 << 63), vfloat(-1 << 63), unhex(t, "d7 04 8000000000000000")},
		{AppendUint(nil, 1<<64-1), unhex(t, "c7 09 04 00 ffffffffffffffff")},
		{vint(1<<53 + 1)},
		{vint(1 << 53), vfloat(1 << 53)},
		{vfloat(1.5), unhex(t, "ca 3fc00000"), vcomplex(1.5)},
		{vfloat(math.Inf(1)), vcomplex(complex(math.Inf(1), 0)), unhex(t, "ca 7f800000")},
		{vfloat(math.Inf(-1))},
		{vcomplex(1i), vcomplex(complex(math.Copysign(0, -1), 1))},
		{vcomplex(-1i)},
		{vnil()},
		{vstr("a"), unhex(t, "d9 01 61"), unhex(t, "da 0001 61")},
		{vbin("a"), unhex(t, "c5 0001 61")},
		{vstr("")}, {vbin("")},
		{tuple(), unhex(t, "c7 01 01 90"), unhex(t, "c7 03 01 dc0000")},
		{tuple(vint(1), vstr("x")), tuple(vfloat(1), unhex(t, "d9 01 78")), tuple(vbool(true), vstr("x"))},
		{tuple(tuple(vint(1))), tuple(tuple(vbool(true)))},
		{frozenset()},
		{frozenset(vint(1), vint(2)), frozenset(vint(2), vint(1)), frozenset(vfloat(2), vbool(true), vint(2))},
		{frozenset(vint(1), vint(2), vint(3))},
		{frozenset(frozenset(vint(1), vint(2))), frozenset(frozenset(vfloat(2), vfloat(1)))},
		{tuple(vint(1), vint(2))},
		{AppendTimestamp(nil, 3600, 0), AppendDateTime(nil, 7200, 0, 3600), unhex(t, "c7 0c ff 00000000 0000000000000e10"), unhex(t, "d8 09 0000000000000e10 00000000 00000000")},
		{AppendDateTime(nil, 3600, 0, NaiveOffset)},
		{AppendRef(nil, Ref{1, 2, "list"}), AppendRef(nil, Ref{1, 3, "dict"})},
		{AppendRef(nil, Ref{2, 2, "list"})},
		{AppendOpaque(nil, "python", nil, []byte("x")), unhex(t, "c8 0009 08 06 707974686f6e 90 78")},
		{AppendOpaque(nil, "ruby", nil, []byte("x"))},
	}
	seen := map[string]int{}
	for i, class := range classes {
		for _, v := range class {
			k := string(mustKey(t, v))
			if j, ok := seen[k]; ok && j != i {
				t.Errorf("%x of class %d has the key %x of class %d", v, i, k, j)
			} else if !ok && v[0] != class[0][0] || k != string(mustKey(t, class[0])) {
				t.Errorf("%x has the key %x, not that of %x", v, k, class[0])
			}
			seen[k] = i
		}
	}
}

func TestKeyRefuses(t *testing.T) {
	for _, c := range []struct {
		v    []byte
		want string
	}{
		{list(), "unhashable type: 'list'"},
		{dict(), "unhashable type: 'dict'"},
		{set(), "unhashable type: 'set'"},
		{vbytearray("x"), "unhashable type: 'bytearray'"},
		{AppendArray(nil, 'b', nil), "unhashable type: 'array.array'"},
		{tuple(vint(1), list()), "unhashable type: 'list'"},
		{frozenset(tuple(set())), "unhashable type: 'set'"},
		{vfloat(nan()), ErrNaNKey.Error()},
		{vcomplex(complex(0, nan())), ErrNaNKey.Error()},
		{tuple(vfloat(nan())), ErrNaNKey.Error()},
		{nil, "malformed value at byte 0: got the end of the bytes, want a value"},
		{[]byte{1, 2}, "malformed value at byte 1: got 1 bytes after the value, want one value"},
		{unhex(t, "d5 01 90 01"), "malformed value at byte 3: got 1 more bytes inside the tuple, want its end after the last element"},
		{deepTuple(200), "malformed value at byte"},
	} {
		k, _, err := AppendKey(nil, c.v)
		if err == nil || !bytes.HasPrefix([]byte(err.Error()), []byte(c.want)) || k != nil {
			t.Errorf("AppendKey(%x) = %x, %v, want %s", c.v, k, err, c.want)
		}
	}
	var unhashable *UnhashableError
	if _, _, err := AppendKey(nil, list()); !errors.As(err, &unhashable) || unhashable.Type != TypeList {
		t.Errorf("got %v", err)
	}
}

func TestKeyAppends(t *testing.T) {
	buf := append(make([]byte, 0, 64), "prefix"...)
	k, canonical, err := AppendKey(buf, vbool(true))
	if err != nil || canonical || !bytes.Equal(k, []byte{1}) || &k[0] != &buf[:7][6] {
		t.Errorf("AppendKey = %x, %v, %v", k, canonical, err)
	}
	v := vstr("hello")
	if k, canonical, _ := AppendKey(buf, v); !canonical || &k[0] != &v[0] {
		t.Error("a canonical key was copied")
	}
}

func TestKeyAllocations(t *testing.T) {
	m := map[string]int{"\xa5hello": 1}
	for _, v := range [][]byte{
		vstr("hello"), vint(5), vint(1 << 40), vbin("abc"), vfloat(1.5), tuple(vint(1), vstr("x")), vnil(),
		vbool(true), vfloat(3), tuple(vbool(true), vfloat(2)), AppendRef(nil, Ref{1, 2, "x"}), vcomplex(2),
	} {
		n := testing.AllocsPerRun(100, func() {
			var buf [64]byte
			k, _, err := AppendKey(buf[:0], v)
			if err != nil {
				t.Fatal(err)
			}
			_ = m[string(k)]
		})
		if n != 0 {
			t.Errorf("a lookup of %x takes %v allocations", v, n)
		}
	}
}

func BenchmarkKey(b *testing.B) {
	for _, c := range []struct {
		name string
		v    []byte
	}{{"str16", vstr("0123456789abcdef")}, {"int", vint(1 << 20)}, {"bool", vbool(true)}, {"tuple", tuple(vint(1), vstr("x"))}} {
		b.Run(c.name, func(b *testing.B) {
			var buf [64]byte
			for b.Loop() {
				_, _, _ = AppendKey(buf[:0], c.v)
			}
		})
	}
}
