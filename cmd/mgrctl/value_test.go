package main

import (
	"encoding/json"
	"errors"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/syncmanager/syncmanager/internal/wire"
	"github.com/syncmanager/syncmanager/proxy"
)

// through sends a value and takes it back, without a server.
func through(t *testing.T, x any) value {
	t.Helper()
	b, err := value{arg: x}.AppendWire(nil)
	if err != nil {
		t.Fatalf("%v: %v", x, err)
	}
	var v value
	if err := v.UnmarshalWire(b, nil); err != nil {
		t.Fatalf("%v: %v", x, err)
	}
	return v
}

func TestValueJSON(t *testing.T) {
	for _, c := range []struct {
		in    any
		json  string
		plain string
	}{
		{nil, `null`, `null`},
		{true, `true`, `true`},
		{int64(-1), `-1`, `-1`},
		{new(big.Int).Lsh(big.NewInt(1), 70), `1180591620717411303424`, `1180591620717411303424`},
		{1.0, `1.0`, `1.0`},
		{1e300, `1e+300`, `1e+300`},
		{"a\"b\n", `"a\"b\n"`, "a\"b\n"},
		{"<&>é\u2028\x00\x7f", "\"<&>é\u2028\\u0000\\u007f\"", "<&>é\u2028\x00\x7f"},
		{"\xed\xa0\x80", `"\ud800"`, "\xed\xa0\x80"},
		{[]byte{0, 255}, `{"$bytes":"AP8="}`, `{"$bytes":"AP8="}`},
		{proxy.Pairs{{Key: "b", Value: 1}, {Key: "a", Value: 2}}, `{"b":1,"a":2}`, `{"b":1,"a":2}`},
		{map[int]string{1: "x"}, `{"$dict":[[1,"x"]]}`, `{"$dict":[[1,"x"]]}`},
		{map[string]int{"$set": 1}, `{"$dict":[["$set",1]]}`, `{"$dict":[["$set",1]]}`},
		{map[string]int{}, `{}`, `{}`},
		{proxy.Pairs{{Key: "$set", Value: 1}, {Key: "b", Value: 2}}, `{"$set":1,"b":2}`, `{"$set":1,"b":2}`},
		{proxy.TypedArray{Code: 'h', Data: []byte{1, 0, 2, 0}}, `[1,2]`, `[1,2]`},
		{proxy.Opaque{Lang: "python", Data: []byte("x"), Head: []byte{0x91, 0x90}}, `{"$opaque":{"lang":"python","data":"eA==","head":"kZA="}}`, `{"$opaque":{"lang":"python","data":"eA==","head":"kZA="}}`},
		{proxy.Opaque{Lang: "python", Data: []byte("x")}, `{"$opaque":{"lang":"python","data":"eA=="}}`, `{"$opaque":{"lang":"python","data":"eA=="}}`},
		{time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC), `"2026-01-02T03:04:05.000006Z"`, `2026-01-02T03:04:05.000006Z`},
	} {
		v := through(t, c.in)
		if got := string(v.asJSON()); got != c.json {
			t.Errorf("%#v: JSON %s, want %s", c.in, got, c.json)
		}
		if !json.Valid(v.asJSON()) {
			t.Errorf("%#v: %s is not JSON", c.in, v.asJSON())
		}
		if got := v.asText(); got != c.plain {
			t.Errorf("%#v: text %s, want %s", c.in, got, c.plain)
		}
	}
	var none value
	if string(none.asJSON()) != "null" {
		t.Errorf("the zero value is %s", none.asJSON())
	}
}

// TestValueRoundTrip holds that what is printed reads as what it was.
func TestValueRoundTrip(t *testing.T) {
	for _, s := range []string{
		`null`, `-7`, `18446744073709551616`, `-0.0`, `[]`, `{}`, `{"$set":[]}`, `{"$frozenset":[1,[2]]}`, `{"$bytes":""}`, `{"$bytearray":"AA=="}`,
		`{"$float":"inf"}`, `{"$float":"-inf"}`, `{"$complex":[0.5,-0.0]}`, `{"$dict":[]}`, `{"$dict":[[null,1],[[1,[2]],{"$bytes":"AA=="}]]}`,
		`{"a":{"$opaque":{"lang":"python","data":""}},"$b":[{"c":null}]}`,
	} {
		x, err := parseJSON(s)
		if err != nil {
			t.Errorf("%s: %v", s, err)
			continue
		}
		want := strings.Replace(s, `{"$dict":[]}`, `{}`, 1)
		if got := string(through(t, x).asJSON()); got != want {
			t.Errorf("%s came back as %s", s, got)
		}
	}
}

func TestParse(t *testing.T) {
	in := &input{}
	for s, want := range map[string]any{
		``: "", ` `: " ", `abc`: "abc", `nan`: "nan", `1 2`: "1 2", `[1`: "[1", `"x"`: "x", ` 7 `: int64(7), `07`: "07", `1e2`: 100.0,
		`{"$new":1}`:    proxy.Pairs{{Key: "$new", Value: int64(1)}},
		`{"a":1,"a":2}`: proxy.Pairs{{Key: "a", Value: int64(2)}},
	} {
		v, err := in.parse(s)
		if err != nil || !reflect.DeepEqual(v.arg, want) {
			t.Errorf("%q is %#v, %v; want %#v", s, v.arg, err, want)
		}
	}
	for _, s := range []string{
		`{"$bytes":1}`, `{"$bytes":"!"}`, `{"$set":1}`, `{"$time":"now"}`, `{"$time":1}`, `{"$ref":"x"}`, `{"$dict":[1]}`, `{"$complex":["a",1]}`, `{"$float":"x"}`,
		`{"$opaque":1}`, `{"$opaque":{"lang":"python","data":"!"}}`, `1e999`, strings.Repeat("[", 200) + strings.Repeat("]", 200), "\xff",
	} {
		if _, err := in.parse(s); err == nil || classify(err).exit != exitUsage {
			t.Errorf("%.40q: error %v, want one of usage", s, err)
		}
	}
	forced := &input{string: true}
	if v, err := forced.parse(`{"$bytes":1}`); err != nil || v.arg != `{"$bytes":1}` {
		t.Errorf("--string: %v, %v", v.arg, err)
	}
}

func FuzzParseJSON(f *testing.F) {
	for _, s := range []string{`{"$set":[1,{"$tuple":[]}]}`, `{"$dict":[[[1],2]]}`, `{"$time":"2026-01-02T03:04:05.5+02:00"}`, `{"$complex":[1,2.5]}`, `"\ud800"`, `1e400`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		x, err := parseJSON(s)
		if err != nil {
			return
		}
		b, err := value{arg: x}.AppendWire(nil)
		if err != nil {
			return // such as a set of lists
		}
		var v value
		if err := v.UnmarshalWire(b, nil); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		if !json.Valid(v.asJSON()) {
			t.Fatalf("%q gives %s", s, v.asJSON())
		}
	})
}

func FuzzValue(f *testing.F) {
	for _, x := range []any{1, "a", []any{1.5, proxy.Tuple{nil}}, proxy.SetValue{1}, map[string]any{"a": 1}, proxy.LocalTime{}, complex(1, 2)} {
		b, err := wire.Marshal(nil, x)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if n, refs, err := wire.Scan(b, wire.Limits{}); err != nil || n != len(b) || refs {
			return // proxy has scanned what comes, and references need a session
		}
		var v value
		if err := v.UnmarshalWire(b, nil); err != nil {
			t.Fatalf("%x: %v", b, err)
		}
		if !json.Valid(v.asJSON()) {
			t.Fatalf("%x gives %s", b, v.asJSON())
		}
	})
}

func TestYAML(t *testing.T) {
	for in, want := range map[string]string{
		`1`: "1\n", `"a b"`: "a b\n", `"7"`: "\"7\"\n", `"Yes"`: "\"Yes\"\n", `"a: b"`: "\"a: b\"\n", `"a #b"`: "\"a #b\"\n", `""`: "\"\"\n",
		`"tail "`: "\"tail \"\n", `"x\ny"`: "\"x\\ny\"\n", `"unix:///run/x"`: "unix:///run/x\n", `"-"`: "\"-\"\n", `"ends:"`: "\"ends:\"\n",
		`123456789012345678901234567890`: "123456789012345678901234567890\n", `[]`: "[]\n", `{}`: "{}\n", `null`: "null\n",
		`{"a":[1,{"b":null,"c":[]},[2,[3]]],"$x":{"y":true}}`: "a:\n  - 1\n  - b: null\n    c: []\n  - - 2\n    - - 3\n\"$x\":\n  \"y\": true\n",
		`[{"a":1},{"a":2}]`: "- a: 1\n- a: 2\n",
	} {
		got, err := yamlOf([]byte(in))
		if err != nil || string(got) != want {
			t.Errorf("%s is\n%s, %v; want\n%s", in, got, err, want)
		}
		var x, y any
		if err := yaml.Unmarshal(got, &x); err != nil {
			t.Errorf("%s is no YAML: %v", got, err)
		}
		if err := yaml.Unmarshal([]byte(in), &y); err != nil || !reflect.DeepEqual(x, y) {
			t.Errorf("%s reads as %#v, want %#v (%v)", got, x, y, err)
		}
	}
}

func TestHuman(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 10189: "10 KiB", 1047552: "1023 KiB", 1048064: "1.0 MiB", 1 << 62: "4.0 EiB"} {
		if got := humanBytes(n); got != want {
			t.Errorf("%d bytes are %q, want %q", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "0µs", 1500 * time.Microsecond: "1.5ms", 1500 * time.Millisecond: "1.5s", 15 * time.Second: "15s", 61 * time.Second: "1m1s",
		25 * time.Hour: "25h0m", 49 * time.Hour: "2d1h",
	} {
		if got := humanDuration(d); got != want {
			t.Errorf("%d is %q, want %q", d, got, want)
		}
	}
	if got := clip("äöü", 2); got != "ä…" {
		t.Errorf("clipped to %q", got)
	}
}

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		err  error
		exit int
		code string
	}{
		{errors.New("x"), exitError, "error"},
		{proxy.ErrNotFound, exitNotFound, "not_found"},
		{proxy.ErrExists, exitConflict, "exists"},
		{proxy.ErrTimeout, exitTimeout, "timeout"},
		{proxy.ErrDenied, exitDenied, "denied"},
		{proxy.ErrShuttingDown, exitUnreachable, "shutting_down"},
		{&unreachable{"a", errors.New("refused")}, exitUnreachable, "unreachable"},
		{&unreachable{"a", proxy.ErrAuthentication}, exitDenied, "authentication"},
		{&failure{err: errors.New("x"), cause: proxy.ErrKey}, exitNotFound, "key"},
		{&failure{err: proxy.ErrEmpty, exit: exitTimeout}, exitTimeout, "empty"},
	} {
		if f := classify(c.err); f.exit != c.exit || f.code != c.code {
			t.Errorf("%v: exit %d, code %q; want %d, %q", c.err, f.exit, f.code, c.exit, c.code)
		}
	}
}
