package wire

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/syncmanager/syncmanager/integration/long"
)

// oracle is a running Python that answers questions about pairs of values.
type oracle struct {
	in  *bufio.Writer
	out *bufio.Scanner
}

// The values travel as Python source. Python answers with a line of JSON for
// each line of JSON that it reads.
const oracleSource = `
import sys, json, datetime, array
def attempt(f):
    try: return [True, f()]
    except Exception as e: return [False, type(e).__name__ + ": " + str(e)]
def is_nan_inside(x):
    if isinstance(x, (tuple, frozenset)): return any(map(is_nan_inside, x))
    return x != x
for line in sys.stdin:
    src_a, src_b = json.loads(line)
    a, b = eval(src_a), eval(src_b)
    print(json.dumps({
        "repr": ascii(repr(a)),
        "type": type(a).__name__ if type(a).__module__ == "builtins" else type(a).__module__ + "." + type(a).__name__,
        "eq": a == b,
        "truth": bool(a),
        "lt": attempt(lambda: bool(a < b)),
        "add": attempt(lambda: repr(a + b)),
        "hash": attempt(lambda: hash(a) and None),
        "nan": is_nan_inside(a),
    }), flush=True)
`

type verdict struct {
	Repr, Type string
	Eq, Truth  bool
	Lt, Add    [2]any
	Hash       [2]any
	NaN        bool
}

func startOracle(t *testing.T) *oracle {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		if strings.Contains(os.Getenv("SYNCMANAGER_TEST_REQUIRE"), "python") {
			t.Fatal("python3 is required and not installed")
		}
		t.Skip("python3 is not installed: values are checked against the committed tables alone")
	}
	cmd := exec.Command(python, "-c", oracleSource)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("python3: %v\n%s", err, stderr.Bytes())
		}
	})
	o := &oracle{bufio.NewWriter(in), bufio.NewScanner(out)}
	o.out.Buffer(nil, 1<<24)
	return o
}

func (o *oracle) ask(t *testing.T, a, b string) verdict {
	t.Helper()
	line, err := json.Marshal([]string{a, b})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = o.in.Write(append(line, '\n'))
	if err := o.in.Flush(); err != nil {
		t.Fatal(err)
	}
	if !o.out.Scan() {
		t.Fatalf("python3 gave no answer to %s and %s", a, b)
	}
	var v verdict
	if err := json.Unmarshal(o.out.Bytes(), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// generator makes random values: as bytes and as Python source.
type generator struct{ *rand.Rand }

var someInts = []string{"0", "1", "-1", "2", "127", "128", "-32", "-33", "-129", "255", "256", "65535", "65536", "-32769",
	"4294967295", "4294967296", "-2147483649", "9007199254740992", "9007199254740993", "9223372036854775807", "9223372036854775808",
	"-9223372036854775808", "-9223372036854775809", "18446744073709551615", "18446744073709551616", "1180591620717411303424",
	"1180591620717411303425", "-1180591620717411303424", "170141183460469231731687303715884105728"}

var someFloats = []float64{0, math.Copysign(0, -1), 1, -1, 2, 0.5, 0.1, 1.5, 1e16, 1e15, 123456789012345680, 9999999999999998, 1e-4, 1e-5, 0.00012345,
	1e22, 1e100, 5e-324, 1.7976931348623157e308, 9007199254740992, 9223372036854775808, 18446744073709551616, 0x1p70, -0x1p70, 0x1p127,
	math.Inf(1), math.Inf(-1), math.NaN(), 255, 256, 65536}

var someTexts = []string{"", "a", "b", "ab", "'", `"`, `'"`, "\\", "\n\r\t\x00\x1f\x7f", "\u0080\u00a0\u00ad\u00e9", "\u0378\u200b\u2028\u3000\ufeff",
	"\ue000\U000e0001\U0001f600\U0010ffff", "grün", "\xed\xa0\x80", "\xed\xb0\x80\xed\xa0\x80", "\U00010000", "\uffff", "日本"}

func (g generator) pick(n int) bool { return g.IntN(n) == 0 }

func pyFloat(f float64) string {
	switch {
	case f != f:
		return "float('nan')"
	case math.IsInf(f, 0):
		return fmt.Sprintf("float('%v')", f)
	}
	return fmt.Sprintf("float.fromhex('%x')", f)
}

func pyBytes(b []byte) string {
	return fmt.Sprintf("bytes.fromhex('%x')", b)
}

func pyStr(s string) string { return pyBytes([]byte(s)) + ".decode('utf-8', 'surrogatepass')" }

// value returns a value that may be a key if hashable is set.
func (g generator) value(depth int, hashable bool) (v []byte, py string) {
	kinds := 15
	if depth <= 0 {
		kinds = 9
	}
	switch g.IntN(kinds) {
	case 0:
		return vnil(), "None"
	case 1:
		if g.pick(2) {
			return vbool(true), "True"
		}
		return vbool(false), "False"
	case 2, 3:
		s := someInts[g.IntN(len(someInts))]
		i, _ := new(big.Int).SetString(s, 10)
		return AppendBigInt(nil, i), "(" + s + ")"
	case 4:
		f := someFloats[g.IntN(len(someFloats))]
		return vfloat(f), pyFloat(f)
	case 5:
		re, im := someFloats[g.IntN(len(someFloats))], 0.0
		if g.pick(2) {
			im = someFloats[g.IntN(len(someFloats))]
		}
		return vcomplex(complex(re, im)), fmt.Sprintf("complex(%s, %s)", pyFloat(re), pyFloat(im))
	case 6:
		s := someTexts[g.IntN(len(someTexts))]
		return vstr(s), pyStr(s)
	case 7:
		s := []byte(someTexts[g.IntN(len(someTexts))])
		if hashable || g.pick(2) {
			return AppendBin(nil, s), pyBytes(s)
		}
		return AppendByteArray(nil, s), "bytearray(" + pyBytes(s) + ")"
	case 8:
		return g.datetime()
	case 9:
		if hashable {
			break
		}
		return g.array()
	case 10, 11:
		n := g.IntN(4)
		v, py = g.elements(n, depth, hashable)
		if hashable || g.pick(2) {
			return EndTuple(v, 0, n), "(" + py + ")"
		}
		return append(AppendArrayHeader(nil, n), v...), "[" + py + "]"
	case 12, 13:
		n := g.IntN(4)
		v, py = g.elements(n, depth, true)
		if hashable || g.pick(2) {
			return EndFrozenSet(v, 0, n), "frozenset([" + py + "])"
		}
		return EndSet(v, 0, n), "set([" + py + "])"
	case 14:
		if hashable {
			break
		}
		n := g.IntN(3)
		v = AppendMapHeader(nil, n)
		var parts []string
		for range n {
			k, pk := g.value(depth-2, true)
			x, px := g.value(depth-1, false)
			v = append(append(v, k...), x...)
			parts = append(parts, pk+": "+px)
		}
		return v, "{" + strings.Join(parts, ", ") + "}"
	}
	return g.value(0, hashable)
}

func (g generator) elements(n, depth int, hashable bool) (v []byte, py string) {
	for range n {
		x, p := g.value(depth-1, hashable)
		v = append(v, x...)
		py += p + ","
	}
	return v, py
}

func (g generator) datetime() ([]byte, string) {
	sec, micro := int64(g.IntN(3))*3600, uint32(g.IntN(2))*1500
	if g.pick(3) {
		sec = int64(g.IntN(2_000_000_000))*2 - 2_000_000_000
	}
	py := fmt.Sprintf("(datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=%d, microseconds=%d))", sec, micro)
	switch g.IntN(3) {
	case 0:
		return AppendDateTime(nil, sec, micro*1000, NaiveOffset), py
	case 1:
		return AppendTimestamp(nil, sec, micro*1000), py + ".replace(tzinfo=datetime.timezone.utc)"
	}
	off := int32([]int{3600, -3600, 7200, 19800, -86399, 86399, 0, 61}[g.IntN(8)])
	return AppendDateTime(nil, sec, micro*1000, off), py + fmt.Sprintf(".replace(tzinfo=datetime.timezone(datetime.timedelta(seconds=%d)))", off)
}

func (g generator) array() ([]byte, string) {
	code := "bBhHiIqQfd"[g.IntN(10)]
	data := make([]byte, g.IntN(3)*ElementSize(code))
	for i := range data {
		data[i] = []byte{0, 0, 1, 0x3f, 0x80, 0xff}[g.IntN(6)]
	}
	return AppendArray(nil, code, data), fmt.Sprintf("array.array('%c', %s)", code, pyBytes(data))
}

// reliable reports whether Python gives the value an order that can be
// compared with ours: its sets have one of their own.
func reliable(v []byte) bool { return !hasSet(v) }

// hasSet reports whether a set of more than one element is v or inside it.
func hasSet(v []byte) bool {
	h, _ := parse(v)
	n := h.n
	switch h.typ {
	case TypeSet, TypeFrozenSet:
		if n > 1 {
			return true
		}
	case TypeList, TypeTuple:
	case TypeDict:
		n *= 2
	default:
		return false
	}
	for pos := h.off; n > 0; n-- {
		m, _ := Skip(v[pos:])
		if hasSet(v[pos : pos+m]) {
			return true
		}
		pos += m
	}
	return false
}

// distinct reports whether no dict or set inside v has an element twice:
// Python's parser drops those, encodings keep them.
func distinct(v []byte) bool {
	h, _ := parse(v)
	n, step := h.n, 1
	switch h.typ {
	case TypeSet, TypeFrozenSet:
		keys, ok := keySet(v, &h)
		if ok && len(keys) != h.n {
			return false
		}
	case TypeDict:
		values, ok := valuesByKey(v, &h)
		if ok && len(values) != h.n {
			return false
		}
		step = 2
	case TypeList, TypeTuple:
	default:
		return true
	}
	for i, pos := 0, h.off; i < n*step; i++ {
		m, _ := Skip(v[pos:])
		if !distinct(v[pos : pos+m]) {
			return false
		}
		pos += m
	}
	return true
}

func asciiRepr(s string) string {
	out := appendStrRepr(nil, []byte(s))
	var b strings.Builder
	for _, r := range string(out) {
		switch {
		case r < 0x80:
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	return b.String()
}

func TestAgainstPython(t *testing.T) {
	o := startOracle(t)
	g := generator{rand.New(rand.NewPCG(1, 2))}
	pairs := 4000
	if !long.Enabled() {
		pairs = 500
	}
	for range pairs {
		a, pa := g.value(3, false)
		b, pb := g.value(3, false)
		switch g.IntN(4) {
		case 0: // pairs of one kind tell more
			ta := TypeOf(a)
			for range 20 {
				if tb := TypeOf(b); tb == ta || ta.isNumber() && tb.isNumber() {
					break
				}
				b, pb = g.value(3, false)
			}
		case 1:
			b, pb = a, pa
		}
		if !distinct(a) || !distinct(b) {
			continue
		}
		want := o.ask(t, pa, pb)
		if got := Equal(a, b); got != want.Eq {
			t.Errorf("Equal(%s, %s) = %v, Python says %v", pa, pb, got, want.Eq)
		}
		if got := TypeName(a); got != want.Type && want.Type != "array.array" {
			t.Errorf("TypeName(%s) = %s, Python says %s", pa, got, want.Type)
		}
		if got := Truth(a); got != want.Truth {
			t.Errorf("Truth(%s) = %v, Python says %v", pa, got, want.Truth)
		}
		if reliable(a) {
			if got := asciiRepr(string(AppendRepr(nil, a, nil))); got != want.Repr {
				t.Errorf("repr of %s is %s, Python says %s", pa, got, want.Repr)
			}
		}
		checkOrder(t, a, b, pa, pb, want)
		checkSum(t, a, b, pa, pb, want)
		checkKeys(t, a, b, pa, pb, want)
	}
}

func checkOrder(t *testing.T, a, b []byte, pa, pb string, want verdict) {
	c, err := Compare(a, b)
	if want.Lt[0] == true {
		if err != nil || c < 0 != want.Lt[1].(bool) {
			t.Errorf("Compare(%s, %s) = %d, %v, Python says %v", pa, pb, c, err, want.Lt[1])
		}
	} else if err == nil || "TypeError: "+err.Error() != want.Lt[1] {
		t.Errorf("Compare(%s, %s) = %d, %v, Python says %v", pa, pb, c, err, want.Lt[1])
	}
}

func checkSum(t *testing.T, a, b []byte, pa, pb string, want verdict) {
	sum, err := Add(a, b)
	if want.Add[0] != true {
		msg := want.Add[1].(string)
		if err == nil || !strings.HasSuffix(msg, ": "+err.Error()) {
			t.Errorf("Add(%s, %s) = %x, %v, Python says %v", pa, pb, sum, err, msg)
		}
		return
	}
	if err != nil {
		t.Errorf("Add(%s, %s): %v, Python says %v", pa, pb, err, want.Add[1])
		return
	}
	if _, _, err := Scan(sum.Bytes(), Limits{}); err != nil {
		t.Errorf("Add(%s, %s) = %x: %v", pa, pb, sum, err)
	}
	if reliable(a) && reliable(b) {
		if got := string(AppendRepr(nil, sum.Bytes(), nil)); got != want.Add[1] {
			t.Errorf("%s + %s = %s, Python says %s", pa, pb, got, want.Add[1])
		}
	}
}

func checkKeys(t *testing.T, a, b []byte, pa, pb string, want verdict) {
	ka, _, err := AppendKey(nil, a)
	switch {
	case want.Hash[0] != true:
		if err == nil || "TypeError: "+err.Error() != want.Hash[1] && !(want.NaN && err == ErrNaNKey) {
			t.Errorf("AppendKey(%s): %v, Python says %v", pa, err, want.Hash[1])
		}
	case want.NaN:
		if err != ErrNaNKey {
			t.Errorf("AppendKey(%s): %v, want %v", pa, err, ErrNaNKey)
		}
	case err != nil:
		t.Errorf("AppendKey(%s): %v", pa, err)
	default:
		if kb, _, err := AppendKey(nil, b); err == nil && TypeOf(a) != TypeSet && bytes.Equal(ka, kb) != want.Eq {
			t.Errorf("keys %x of %s and %x of %s, Python says equal: %v", ka, pa, kb, pb, want.Eq)
		}
	}
}
