package wire

import (
	"bytes"
	"strings"
	"testing"
)

// The text for a message is the beginning of the whole text, and no longer than
// asked for, whatever the value is; and it costs no more than that.
func TestAppendReprMax(t *testing.T) {
	long := strings.Repeat("ä'\"\x00", 50)
	list := AppendArrayHeader(nil, 100)
	for range 100 {
		list = AppendStr(list, long)
	}
	deep := AppendArrayHeader(nil, 1)
	for range 60 {
		deep = AppendArrayHeader(deep, 1)
	}
	deep = AppendStr(deep, long)
	dict := AppendStr(AppendStr(AppendMapHeader(nil, 1), long), long)
	array := append(AppendExtHeader(nil, ExtArray, 1+800), 'd')
	array = append(array, make([]byte, 800)...)
	wide := append(AppendExtHeader(nil, ExtArray, 1+800), 'w')
	wide = append(wide, bytes.Repeat([]byte{'x', 0, 0, 0}, 200)...)
	for name, v := range map[string][]byte{
		"str": AppendStr(nil, long), "list": list, "deep": deep, "dict": dict, "array": array, "wide": wide,
		"bytes": AppendBin(nil, []byte(long)), "none": AppendNil(nil), "short": AppendStr(nil, "x"),
	} {
		whole := string(AppendRepr([]byte("head "), v, nil))
		for _, max := range []int{0, 1, 7, 100, 200, 100_000} {
			got := string(AppendReprMax([]byte("head "), v, nil, max))
			if len(whole)-5 <= max {
				if got != whole {
					t.Errorf("%s: up to %d bytes: %q, want %q", name, max, got, whole)
				}
				continue
			}
			text, cut := strings.CutSuffix(got, "...")
			if !cut || !strings.HasPrefix(whole, text) || len(text)-5 > max || len(text)-5 < max-3 {
				t.Errorf("%s: up to %d bytes: %q, whole: %.300q", name, max, got, whole)
			}
		}
	}
	huge := AppendArrayHeader(nil, 1<<20)
	for range 1 << 20 {
		huge = AppendStr(huge, "x")
	}
	for _, v := range [][]byte{huge, AppendBin(nil, make([]byte, 1<<20)), AppendStr(nil, strings.Repeat("x", 1<<20))} {
		if n := testing.AllocsPerRun(10, func() { AppendReprMax(nil, v, nil, 200) }); n > 10 {
			t.Errorf("%v allocations for 200 bytes of the text of %s", n, TypeName(v))
		}
		if b := AppendReprMax(nil, v, nil, 200); cap(b) > 4096 {
			t.Errorf("%d bytes reserved for 200 bytes of the text of %s", cap(b), TypeName(v))
		}
	}
}
