// Package examples holds programs to read and to start from.
package examples

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestExamplesCanBeCopied builds each example where a program of its own would
// stand: copied into an empty module beside a clone of the repository.
func TestExamplesCanBeCopied(t *testing.T) {
	t.Parallel()
	clone, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile("../go.sum")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*/main.go")
	if err != nil || len(files) < 6 {
		t.Fatalf("examples: %q, %v", files, err)
	}
	dir := t.TempDir()
	module := "module example\n\ngo 1.26\n\nrequire github.com/syncmanager/syncmanager v0.0.0\nreplace github.com/syncmanager/syncmanager => " + clone + "\n"
	write := func(name string, content []byte) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", []byte(module))
	write("go.sum", sums)
	for _, f := range files {
		source, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		write(f, source)
	}
	cmd := exec.Command("go", "build", "-mod=mod", "./...") // of several programs: compiled, not linked
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOPROXY=off", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("go build: %v\n%s", err, out)
	}
}

// TestExamples builds each example, runs it, and compares what it prints.
func TestExamples(t *testing.T) {
	bin := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", bin, "./...").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte(strings.Repeat("the cat and the hat\n", 50)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		args []string
		want string // a regular expression for all that it prints
	}{
		{"sharedqueue", nil, `put hello\nput from\nput another machine\ngot hello\ngot from\ngot another machine\n`},
		{"workerfarm", nil, `360 = \[2 2 2 3 3 5\]\n97 = \[97\]\n1001 = \[7 11 13\]\n65536 = \[2( 2){15}\]\n999983 = \[999983\]\n`},
		{"customtype", nil, `ann has 100\nbob has 0\na remote error: true .*no such account: eve\nDeposit\(string, int\) int, error\nStatement\(\*proxy\.List\[string\]\) error\n`},
		{"nested", nil, `red \[ann dan\]\nblue \[bob eve\]\nobjects before the dict is cleared: 3\n`},
		{"rendezvous", nil, `(set: 3\ngo!\n|go!\nset: 3\n)finished\n`},
		{"wordcount", []string{"-workers", "3", text}, `(?s)server listens on tcp://127\.0\.0\.1:\d+\n.*producer: 50 lines of 1 files\n.*   100 the\n    50 and\n    50 cat\n    50 hat\nchecked: 250 words, 4 of them different\n`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(filepath.Join(bin, c.name), c.args...)
			cmd.Env = append(os.Environ(), "SYNCMANAGER_ADDRESS=")
			out, err := cmd.CombinedOutput()
			if err != nil || !regexp.MustCompile(`\A(`+c.want+`)\z`).Match(out) {
				t.Errorf("%v\n--- it printed\n%s--- want\n%s", err, out, c.want)
			}
		})
	}
}
