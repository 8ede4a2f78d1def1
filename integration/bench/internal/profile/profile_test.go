package profile

import (
	"os"
	"path/filepath"
	"testing"
)

func TestStart(t *testing.T) {
	stop, err := Start("")
	if err != nil || stop() != nil {
		t.Fatalf("no prefix, no profile: %v", err)
	}
	prefix := filepath.Join(t.TempDir(), "one")
	if stop, err = Start(prefix); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(prefix + "2"); err == nil {
		t.Error("a second profile at the same time must be an error")
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{".cpu.pprof", ".allocs-before.pprof", ".allocs.pprof"} {
		if info, err := os.Stat(prefix + suffix); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", suffix, err)
		}
	}
	if _, err := Start(filepath.Join(prefix, "nowhere")); err == nil {
		t.Error("a file that cannot be made must be an error")
	}
}
