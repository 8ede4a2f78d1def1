package wire

import (
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"
)

func TestEqual(t *testing.T) {
	ref := func(id, secret uint64) []byte { return AppendRef(nil, Ref{id, secret, "list"}) }
	for _, c := range []struct {
		a, b []byte
		want bool
	}{
		{vint(1), vfloat(1), true}, {vint(1), vbool(true), true}, {vint(1), vcomplex(1), true}, {vint(1), vstr("1"), false},
		{vint(1<<53 + 1), vfloat(1 << 53), false}, {vbig("0x400000000000000000"), vfloat(0x1p70), true},
		{vfloat(nan()), vfloat(nan()), false}, {list(vfloat(nan())), list(vfloat(nan())), false}, {vfloat(math.Copysign(0, -1)), vint(0), true},
		{vnil(), vnil(), true}, {vnil(), vint(0), false}, {vbool(false), vnil(), false},
		{vstr("a"), unhex(t, "d9 01 61"), true}, {vstr("a"), vbin("a"), false}, {vbin("a"), vbytearray("a"), true}, {vbytearray("a"), vbytearray("b"), false},
		{list(vint(1)), list(vfloat(1)), true}, {list(vint(1)), tuple(vint(1)), false}, {tuple(list(), vint(2)), tuple(list(), vbool(true)), false}, {list(vint(1)), list(vint(1), vint(2)), false},
		{dict(vint(1), vstr("a"), vint(2), list()), dict(vfloat(2), list(), vbool(true), vstr("a")), true},
		{dict(vint(1), vstr("a")), dict(vint(1), vstr("b")), false}, {dict(vint(1), vnil()), dict(vint(2), vnil()), false}, {dict(), list(), false},
		{dict(vfloat(nan()), vnil()), dict(vfloat(nan()), vnil()), false}, {dict(list(), vnil()), dict(list(), vnil()), false},
		{set(vint(1), vint(2)), frozenset(vfloat(2), vbool(true)), true}, {set(vint(1)), set(vint(2)), false}, {set(), list(), false},
		{set(frozenset(vint(1), vint(2))), set(frozenset(vint(2), vint(1))), true},
		{AppendTimestamp(nil, 3600, 5), AppendDateTime(nil, 7200, 5, 3600), true}, {AppendTimestamp(nil, 3600, 0), AppendDateTime(nil, 3600, 0, NaiveOffset), false},
		{ref(1, 2), ref(1, 3), true}, {ref(1, 2), ref(2, 2), false}, {ref(1, 2), vint(1), false},
		{AppendOpaque(nil, "python", nil, nil), AppendOpaque(nil, "python", nil, nil), true}, {AppendOpaque(nil, "python", nil, nil), AppendOpaque(nil, "pythom", nil, nil), false},
		{AppendArray(nil, 'b', []byte{1}), AppendArray(nil, 'f', unhex(t, "0000803f")), true}, {AppendArray(nil, 'b', []byte{1}), list(vint(1)), false},
		{AppendArray(nil, 'd', unhex(t, "000000000000f87f")), AppendArray(nil, 'd', unhex(t, "000000000000f87f")), false},
		{AppendArray(nil, 'u', []byte{97, 0, 0, 0}), AppendArray(nil, 'I', []byte{97, 0, 0, 0}), false}, {AppendArray(nil, 'h', []byte{1, 0}), vbytearray("\x01\x00"), true},
		{[]byte{1, 1}, []byte{1, 1}, false}, {nil, nil, false}, {deepTuple(200), deepTuple(200), false}, {nested(128), nested(128), true},
	} {
		if got := Equal(c.a, c.b); got != c.want {
			t.Errorf("Equal(%x, %x) = %v", c.a, c.b, got)
		}
		if got := Equal(c.b, c.a); got != c.want {
			t.Errorf("Equal(%x, %x) = %v", c.b, c.a, got)
		}
	}
}

// Dicts inside dicts whose keys stand in another order must not be compared
// twice at each level.
func TestEqualIsNotExponential(t *testing.T) {
	a, b := vint(1), vint(2)
	for range 100 {
		a, b = dict(vstr("x"), a, vstr("y"), vnil()), dict(vstr("y"), vnil(), vstr("x"), b)
	}
	if Equal(a, b) {
		t.Error("equal")
	}
}

func TestEqualDictsIsNotQuadratic(t *testing.T) {
	const n = 200_000
	a, b := AppendMapHeader(nil, n), AppendMapHeader(nil, n)
	for i := range int64(n) {
		a = append(AppendInt(a, i), 0xc0)
		b = append(AppendInt(b, n-1-i), 0xc0)
	}
	if !Equal(a, b) {
		t.Error("not equal")
	}
}

func TestCompare(t *testing.T) {
	for _, c := range []struct {
		a, b []byte
		want int
	}{
		{vint(1), vint(2), -1}, {vint(-1), vint(1), -1}, {vint(1), vfloat(1.5), -1}, {vint(1<<53 + 1), vfloat(1 << 53), 1}, {vbool(true), vint(0), 1},
		{AppendUint(nil, 1<<63), vint(-1), 1}, {vbig("0x400000000000000001"), vfloat(0x1p70), 1}, {vfloat(math.Inf(-1)), vbig("-0x400000000000000001"), -1},
		{vint(1), vfloat(1), 0}, {vfloat(nan()), vint(1), 0}, {vint(math.MinInt64), AppendUint(nil, math.MaxUint64), -1},
		{vstr("a"), vstr("b"), -1}, {vstr("a"), vstr(""), 1}, {vstr("\xed\xa0\x80"), vstr("\U00010000"), -1}, {vstr("\xed\xa0\x80"), vstr("\uffff"), -1},
		{vbin("a"), vbytearray("b"), -1}, {list(vint(1), vint(2)), list(vint(1), vint(3)), -1}, {list(vint(1)), list(vint(1), vnil()), -1}, {list(vnil()), list(vnil()), 0},
		{tuple(vint(2)), tuple(vint(1), vint(1)), 1}, {tuple(list(vint(1))), tuple(list(vint(2))), -1},
		{set(vint(1)), frozenset(vint(1), vint(2)), -1}, {set(vint(1)), set(vint(2)), 0}, {set(vint(1)), set(), 1},
		{AppendTimestamp(nil, 3600, 0), AppendDateTime(nil, 3600, 0, 3600), 1}, {AppendDateTime(nil, 1, 5, NaiveOffset), AppendDateTime(nil, 1, 6, NaiveOffset), -1},
		{AppendArray(nil, 'b', []byte{1}), AppendArray(nil, 'B', []byte{2}), -1},
	} {
		for _, o := range []struct {
			a, b []byte
			want int
		}{{c.a, c.b, c.want}, {c.b, c.a, -c.want}} {
			if got, err := Compare(o.a, o.b); got != o.want || err != nil {
				t.Errorf("Compare(%x, %x) = %d, %v, want %d", o.a, o.b, got, err, o.want)
			}
		}
	}
	for _, c := range []struct {
		a, b []byte
		want string
	}{
		{vstr("a"), vint(1), "'<' not supported between instances of 'str' and 'int'"}, {vnil(), vnil(), "'<' not supported between instances of 'NoneType' and 'NoneType'"},
		{list(vstr("a")), list(vint(1)), "'<' not supported between instances of 'str' and 'int'"}, {list(), tuple(), "'<' not supported between instances of 'list' and 'tuple'"},
		{vcomplex(1), vint(1), "'<' not supported between instances of 'complex' and 'int'"}, {dict(), dict(), "'<' not supported between instances of 'dict' and 'dict'"},
		{AppendTimestamp(nil, 0, 0), AppendDateTime(nil, 0, 0, NaiveOffset), "can't compare offset-naive and offset-aware datetimes"},
		{AppendRef(nil, Ref{1, 1, "Lock"}), vint(1), "'<' not supported between instances of 'Lock' and 'int'"},
	} {
		_, err := Compare(c.a, c.b)
		var operand *OperandError
		if !errors.As(err, &operand) || err.Error() != c.want {
			t.Errorf("Compare(%x, %x): %v, want %s", c.a, c.b, err, c.want)
		}
	}
	if _, err := Compare([]byte{0xc1}, vint(1)); err == nil {
		t.Error("a malformed value was compared")
	}
}

func TestAdd(t *testing.T) {
	limit := new(big.Int).Lsh(big.NewInt(1), MaxBigIntBytes*8-1)
	limit.Sub(limit, big.NewInt(1))
	largest := AppendBigInt(nil, limit)
	for _, c := range []struct {
		a, b []byte
		want string // repr, or the error's text
	}{
		{vint(1), vint(2), "3"}, {vbool(true), vbool(true), "2"}, {vint(math.MaxInt64), vint(1), "9223372036854775808"},
		{vint(math.MinInt64), vint(-1), "-9223372036854775809"}, {AppendUint(nil, math.MaxUint64), vint(1), "18446744073709551616"}, {vbig("0x10000000000000000"), vint(-1), "18446744073709551615"},
		{vint(1), vfloat(0.5), "1.5"}, {vfloat(1), vfloat(1), "2.0"}, {vint(1), vcomplex(2i), "(1+2j)"},
		{vstr("a"), vstr("b"), "'ab'"}, {vbin("a"), vbytearray("b"), "b'ab'"}, {vbytearray("a"), vbin("b"), "bytearray(b'ab')"}, {vbin("a"), AppendArray(nil, 'b', []byte{'b'}), "b'ab'"},
		{list(vint(1)), list(vint(2)), "[1, 2]"}, {tuple(), tuple(vint(2)), "(2,)"}, {AppendArray(nil, 'b', []byte{1}), AppendArray(nil, 'b', []byte{2}), "array('b', [1, 2])"},
		{vint(1), vstr("a"), "unsupported operand type(s) for +: 'int' and 'str'"}, {vstr("a"), vint(1), `can only concatenate str (not "int") to str`},
		{list(), tuple(), `can only concatenate list (not "tuple") to list`}, {vbin(""), vstr(""), "can't concat str to bytes"}, {dict(), dict(), "unsupported operand type(s) for +: 'dict' and 'dict'"},
		{vnil(), vint(1), "unsupported operand type(s) for +: 'NoneType' and 'int'"}, {AppendArray(nil, 'b', nil), AppendArray(nil, 'B', nil), "bad argument type for built-in operation"},
		{largest, vint(1), "int too large: at most 65536 bits"}, {largest, vfloat(1), "int too large to convert to float"},
		{[]byte{1, 2}, vint(1), "malformed value at byte 1: got 1 bytes after the value, want one value"}, {vint(1), nil, "malformed value at byte 0: got the end of the bytes, want a value"},
	} {
		sum, err := Add(c.a, c.b)
		got := string(AppendRepr(nil, sum.Bytes(), nil))
		if err != nil {
			got = err.Error()
		} else if _, _, err := Scan(sum.Bytes(), Limits{}); err != nil {
			t.Errorf("Add(%.20x, %.20x) = %x: %v", c.a, c.b, sum, err)
		}
		if got != c.want {
			t.Errorf("Add(%.20x, %.20x) = %s, want %s", c.a, c.b, got, c.want)
		}
	}
	for _, n := range []int{15, 16, 31, 32, 255, 256, 65535, 65536} {
		sum, err := Add(vstr(strings.Repeat("a", n-1)), vstr("b"))
		if err != nil || string(sum) != string(vstr(strings.Repeat("a", n-1)+"b")) {
			t.Errorf("a str of %d bytes: %v", n, err)
		}
		l := append(AppendArrayHeader(nil, n-1), make([]byte, n-1)...)
		if sum, err = Add(l, list(vint(0))); err != nil || string(sum) != string(append(AppendArrayHeader(nil, n), make([]byte, n)...)) {
			t.Errorf("a list of %d: %v", n, err)
		}
	}
}
