package wire

import (
	"fmt"
	"math"
	"testing"
)

func TestRepr(t *testing.T) {
	inf := math.Inf(1)
	i32 := AppendArray(nil, 'i', []byte{1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff})
	for _, c := range []struct {
		v    []byte
		want string
	}{
		{vnil(), "None"}, {vbool(true), "True"}, {vbool(false), "False"},
		{vint(0), "0"}, {vint(-129), "-129"}, {AppendUint(nil, math.MaxUint64), "18446744073709551615"},
		{vbig("-0x10000000000000000"), "-18446744073709551616"}, {unhex(t, "d4 04 ff"), "-1"},
		{vfloat(0), "0.0"}, {vfloat(math.Copysign(0, -1)), "-0.0"}, {vfloat(1), "1.0"}, {vfloat(0.1), "0.1"},
		{vfloat(1e15), "1000000000000000.0"}, {vfloat(9999999999999998), "9999999999999998.0"}, {vfloat(1e16), "1e+16"},
		{vfloat(1.5e300), "1.5e+300"}, {vfloat(0.0001), "0.0001"}, {vfloat(0.00001), "1e-05"}, {vfloat(5e-324), "5e-324"},
		{vfloat(inf), "inf"}, {vfloat(-inf), "-inf"}, {vfloat(nan()), "nan"}, {unhex(t, "ca 3dcccccd"), "0.10000000149011612"},
		{vcomplex(complex(1, 2)), "(1+2j)"}, {vcomplex(2i), "2j"}, {vcomplex(complex(1.5, -2)), "(1.5-2j)"},
		{vcomplex(complex(math.Copysign(0, -1), 1)), "(-0+1j)"}, {vcomplex(complex(0, math.Copysign(0, -1))), "-0j"},
		{vcomplex(complex(nan(), nan())), "(nan+nanj)"}, {vcomplex(complex(inf, -inf)), "(inf-infj)"}, {vcomplex(complex(1e16, 1e-5)), "(1e+16+1e-05j)"},
		{vstr("abc"), "'abc'"}, {vstr("it's"), `"it's"`}, {vstr(`say "it's"`), `'say "it\'s"'`}, {vstr(`"`), `'"'`},
		{vstr("\\\n\r\t\x00\x1f\x7f"), `'\\\n\r\t\x00\x1f\x7f'`}, {vstr("é\u0080\u00a0\u00ad"), `'é\x80\xa0\xad'`},
		{vstr("日\u200b\u2028\ue000\u0378"), `'日\u200b\u2028\ue000\u0378'`}, {vstr("😀\U000e0001\U0010ffff"), `'😀\U000e0001\U0010ffff'`},
		{vstr("a\xed\xb0\x80"), `'a\udc00'`}, {vstr("\xed\xa0\x80"), `'\ud800'`},
		{vbin("a'\xff\x00\n"), `b"a'\xff\x00\n"`}, {vbin(`'"`), `b'\'"'`}, {vbytearray("a"), "bytearray(b'a')"}, {vbytearray("'"), `bytearray(b"\'")`},
		{list(), "[]"}, {list(vint(1), vstr("a")), "[1, 'a']"}, {tuple(), "()"}, {tuple(vint(1)), "(1,)"}, {tuple(vint(1), vint(2)), "(1, 2)"},
		{set(), "set()"}, {set(vint(1), vint(2)), "{1, 2}"}, {frozenset(), "frozenset()"}, {frozenset(vint(1)), "frozenset({1})"},
		{dict(), "{}"}, {dict(vstr("a"), list(tuple()), vint(1), vnil()), "{'a': [()], 1: None}"},
		{AppendTimestamp(nil, 1577934245, 6000), "datetime.datetime(2020, 1, 2, 3, 4, 5, 6, tzinfo=datetime.timezone.utc)"},
		{AppendDateTime(nil, 1577934240, 0, NaiveOffset), "datetime.datetime(2020, 1, 2, 3, 4)"},
		{AppendDateTime(nil, 1577934240, 1999, NaiveOffset), "datetime.datetime(2020, 1, 2, 3, 4, 0, 1)"},
		{AppendDateTime(nil, 1577934245, 0, 3600), "datetime.datetime(2020, 1, 2, 3, 4, 5, tzinfo=datetime.timezone(datetime.timedelta(seconds=3600)))"},
		{AppendDateTime(nil, 1577934245, 0, -18000), "datetime.datetime(2020, 1, 2, 3, 4, 5, tzinfo=datetime.timezone(datetime.timedelta(days=-1, seconds=68400)))"},
		{i32, "array('i', [1, -1])"}, {AppendArray(nil, 'd', nil), "array('d')"},
		{AppendArray(nil, 'f', unhex(t, "cdcccc3d")), "array('f', [0.10000000149011612])"},
		{AppendArray(nil, 'u', []byte{'a', 0, 0, 0, 0, 0xd8, 0, 0}), `array('u', 'a\ud800')`},
		{AppendOpaque(nil, "python", nil, make([]byte, 12)), "<opaque python value, 12 bytes>"},
		{AppendRef(nil, Ref{7, 9, "list"}), "<list object, ident 7>"},
		{[]byte{0xc1}, malformed}, {nil, malformed}, {[]byte{0x92, 0x01, 0xc1}, "[1, " + malformed + "]"},
	} {
		if got := string(AppendRepr(nil, c.v, nil)); got != c.want {
			t.Errorf("repr of %x is %s, want %s", c.v, got, c.want)
		}
	}
}

func TestReprOfReferences(t *testing.T) {
	v := list(AppendRef(nil, Ref{7, 9, "list"}), tuple(AppendRef(nil, Ref{8, 1, "dict"})))
	got := AppendRepr([]byte("x"), v, func(dst []byte, r Ref) []byte { return fmt.Appendf(dst, "<%s %d>", r.TypeID, r.ID) })
	if string(got) != "x[<list 7>, (<dict 8>,)]" {
		t.Errorf("got %s", got)
	}
}

func TestReprIsBounded(t *testing.T) {
	got := string(AppendRepr(nil, nested(100_000), nil))
	if len(got) > 1000 {
		t.Errorf("got %d bytes", len(got))
	}
}

func TestTruth(t *testing.T) {
	for _, v := range [][]byte{vnil(), vbool(false), vint(0), vfloat(0), vcomplex(0), vstr(""), vbin(""), vbytearray(""), list(), tuple(), dict(), set(), frozenset(), unhex(t, "d4 04 00"), AppendArray(nil, 'i', nil), nil} {
		if Truth(v) {
			t.Errorf("%x is true", v)
		}
	}
	for _, v := range [][]byte{vbool(true), vint(-1), vfloat(nan()), vcomplex(1i), vstr("0"), list(vnil()), dict(vnil(), vnil()), AppendTimestamp(nil, 0, 0), AppendRef(nil, Ref{0, 0, "x"})} {
		if !Truth(v) {
			t.Errorf("%x is false", v)
		}
	}
}
