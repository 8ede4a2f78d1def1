package proc

import (
	"testing"
	"time"
)

func TestParseStolen(t *testing.T) {
	got, err := parseStolen("cpu  3470888 143392 1118395 2373738 9246 0 186358 87 0 0\ncpu0 1 2 3 4 5 6 7 8 9 10\n")
	if err != nil || got != 870*time.Millisecond {
		t.Errorf("%v, %v, want 870ms", got, err)
	}
	for _, text := range []string{"", "cpu 1 2 3", "intr 1 2 3 4 5 6 7 8 9", "cpu 1 2 3 4 5 6 7 x 9"} {
		if got, err := parseStolen(text); err == nil {
			t.Errorf("%q gave %v, want an error", text, got)
		}
	}
}
