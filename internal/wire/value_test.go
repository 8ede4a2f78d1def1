package wire

import (
	"encoding/hex"
	"math"
	"math/big"
	"strings"
	"testing"
)

// unhex decodes hexadecimal bytes; spaces are for the reader.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func list(vs ...[]byte) []byte {
	b := AppendArrayHeader(nil, len(vs))
	for _, v := range vs {
		b = append(b, v...)
	}
	return b
}

func dict(kvs ...[]byte) []byte {
	b := AppendMapHeader(nil, len(kvs)/2)
	for _, v := range kvs {
		b = append(b, v...)
	}
	return b
}

func seq(id int8, vs ...[]byte) []byte {
	var b []byte
	for _, v := range vs {
		b = append(b, v...)
	}
	return endSeq(b, 0, id, len(vs))
}

func tuple(vs ...[]byte) []byte     { return seq(ExtTuple, vs...) }
func set(vs ...[]byte) []byte       { return seq(ExtSet, vs...) }
func frozenset(vs ...[]byte) []byte { return seq(ExtFrozenSet, vs...) }
func vint(i int64) []byte           { return AppendInt(nil, i) }
func vfloat(f float64) []byte       { return AppendFloat(nil, f) }
func vstr(s string) []byte          { return AppendStr(nil, s) }
func vbin(s string) []byte          { return AppendBin(nil, []byte(s)) }
func vbytearray(s string) []byte    { return AppendByteArray(nil, []byte(s)) }
func vbool(b bool) []byte           { return AppendBool(nil, b) }
func vnil() []byte                  { return AppendNil(nil) }
func vcomplex(c complex128) []byte  { return AppendComplex(nil, c) }

func vbig(s string) []byte {
	i, ok := new(big.Int).SetString(s, 0)
	if !ok {
		panic(s)
	}
	return AppendBigInt(nil, i)
}

func nan() float64 { return math.NaN() }

// nested returns n lists inside each other.
func nested(n int) []byte {
	b := []byte(strings.Repeat("\x91", n-1))
	return append(b, 0x90)
}

// deepTuple returns n tuples inside each other.
func deepTuple(n int) []byte {
	b := tuple()
	for range n - 1 {
		b = tuple(b)
	}
	return b
}
