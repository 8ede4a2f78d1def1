package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestDocumentedUnit holds that the installed systemd takes the unit of the
// documentation without a word.
func TestDocumentedUnit(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("there is no systemd-analyze on this machine")
	}
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "```ini\n")
	unit, _, ok2 := strings.Cut(rest, "```")
	if !ok || !ok2 {
		t.Fatal("docs/operations.md has no unit")
	}
	for _, line := range []string{"Type=notify\n", "ExecReload=", "RestartPreventExitStatus=2\n", "User=syncmanager\n"} {
		if !strings.Contains(unit, "\n"+line) {
			t.Errorf("the unit has no line %q", line)
		}
	}
	// The program need not be installed for this test.
	path := filepath.Join(t.TempDir(), "managerd.service")
	if err := os.WriteFile(path, []byte(strings.Replace(unit, "/usr/local/bin/managerd", "/bin/true", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(analyze, "verify", "--man=no", path).CombinedOutput(); err != nil || strings.Contains(string(out), "managerd.service") {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}
