package connection

import (
	"bytes"
	"strings"
	"testing"

	"github.com/vmihailenco/msgpack/v5"
)

func TestHostileValues(t *testing.T) {
	for name, tt := range map[string]struct {
		in   string
		want string
	}{
		"empty":          {"", "empty message"},
		"cut string":     {"\xa5abc", "cut short at byte 0"},
		"cut length":     {"\xdb\x00\x00", "cut short"},
		"cut ext":        {"\xd8\x01abc", "cut short"},
		"long array":     {"\xdd\xff\xff\xff\xff\x01", "4294967295 values are announced and 1 bytes follow"},
		"long map":       {"\xdf\x7f\xff\xff\xff\x01", "4294967294 values"},
		"never used":     {"\xc1", "0xc1"},
		"two values":     {"\x01\x02", "1 bytes after the value"},
		"deep":           {strings.Repeat("\x91", 1<<20) + "\xc0", "nested deeper than 512"},
		"a map of lists": {"\x81\x91\x01\x01", "decode"},
	} {
		t.Run(name, func(t *testing.T) {
			var v any
			if err := decode([]byte(tt.in), &v); err == nil || !strings.Contains(err.Error(), tt.want) && tt.want != "decode" {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
	var m map[any]any
	if err := decode([]byte("\x81\x91\x01\x01"), &m); err == nil {
		t.Error("a list became a map key")
	}
	deep := []byte(strings.Repeat("\x91", maxDepth) + "\xc0")
	var v any
	if err := decode(deep, &v); err != nil {
		t.Errorf("nested %d deep: %v", maxDepth, err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, v := range []any{nil, 1, -5, 1 << 30, 2.5, "text", []byte{1}, []any{1, "a", nil}, map[string]any{"k": []any{map[string]any{}}}} {
		b, err := msgpack.Marshal(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte("\xc7\x03\x05abc"))
	f.Add([]byte("\xd6\xff\x00\x00\x00\x01"))
	f.Add([]byte("\xde\x00\x01\xd9\x01a\xdc\x00\x01\xc3"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var v any
		_ = decode(in, &v)
		var m map[any]any
		_ = decode(in, &m)
		var s struct{ A, B []string }
		_ = decode(in, &s)
		// The form is good exactly if the library can skip one value and has
		// nothing left.
		d := msgpack.NewDecoder(bytes.NewReader(in))
		if len(in) > 0 && checkForm(in) == nil {
			if err := d.Skip(); err != nil && !strings.Contains(err.Error(), "unknown ext") {
				t.Errorf("%x passed: %v", in, err)
			}
		}
	})
}
