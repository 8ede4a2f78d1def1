package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// snippets returns what the README shows in a language, block by block, each with
// its line.
func snippets(t *testing.T, language string) (blocks []snippet) {
	t.Helper()
	raw, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(raw), "\r\n", "\n")
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatchIndex(text, -1) {
		blocks = append(blocks, snippet{text[m[2]:m[3]], strings.Count(text[:m[2]], "\n") + 1})
	}
	return blocks
}

type snippet struct {
	text string
	line int
}

// goPrograms are what the README's Go snippets are parts of, in their order. %s
// stands for each paragraph of a snippet. What a program prints ends with what the
// test wants.
var goPrograms = []struct{ program, want string }{
	{`package main

import (
	"context"
	"fmt"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/proxy"
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	ctx := context.Background()
%s
%s
%s
%s
%s
	fmt.Println(job.URL, n, hold.Err())
}
`, "https://example.org 1 <nil>\n"},
	{`package main

import (
	"context"
	"fmt"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/managers"
	"github.com/syncmanager/syncmanager/proxy"
)

type Maths struct{}

func (Maths) Add(a, b int) int { return a + b }

func NewMaths() Maths { return Maths{} }

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	ctx := context.Background()
	key := auth.Generate()
	go func() {
%s
	}()
	m, err := proxy.Connect(ctx, "tcp://127.0.0.1:21600", proxy.Config{AuthKey: key})
	for err != nil {
		m, err = proxy.Connect(ctx, "tcp://127.0.0.1:21600", proxy.Config{AuthKey: key})
	}
	defer m.Close()
%s
	fmt.Println(sum)
}
`, "7\n"},
}

var assignsErr = regexp.MustCompile(`^(?:(\w+), )?err :?= `)

// complete makes a program of a snippet: with the checks of err that it leaves
// out.
func complete(t *testing.T, s snippet, program string) string {
	t.Helper()
	var paragraphs []any
	for paragraph := range strings.SplitSeq(strings.TrimSpace(s.text), "\n\n") {
		var b strings.Builder
		for line := range strings.SplitSeq(paragraph, "\n") {
			b.WriteString(line + "\n")
			if m := assignsErr.FindStringSubmatch(line); m != nil {
				b.WriteString("check(err)\n")
				if m[1] != "" {
					fmt.Fprintf(&b, "_ = %s\n", m[1])
				}
			}
		}
		paragraphs = append(paragraphs, b.String())
	}
	if n := strings.Count(program, "%s"); n != len(paragraphs) {
		t.Fatalf("README.md:%d: the snippet has %d paragraphs, this test knows %d", s.line, len(paragraphs), n)
	}
	return fmt.Sprintf(program, paragraphs...)
}

// TestReadmeGo builds and runs the README's Go snippets. The addresses alone are
// others: that of a managerd, and a name in the program's own memory.
func TestReadmeGo(t *testing.T) {
	blocks := snippets(t, "go")
	if len(blocks) != len(goPrograms) {
		t.Fatalf("the README has %d Go snippets, this test knows %d", len(blocks), len(goPrograms))
	}
	d := managerd(t, "--listen", "tcp://127.0.0.1:0")
	addresses := strings.NewReplacer(`"tcp://server:21600"`, fmt.Sprintf("%q", d.addrs[0]), `"tcp://127.0.0.1:21600"`, `"pipe://readme"`)
	for i, s := range blocks {
		source := addresses.Replace(complete(t, s, goPrograms[i].program))
		bin := buildInModule(t, fmt.Sprintf("README.md:%d", s.line), source)
		cmd := exec.CommandContext(t.Context(), bin)
		cmd.Dir, cmd.Env = filepath.Dir(d.key), clean(t.TempDir()) // there is the file "authkey"
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.HasSuffix(string(out), goPrograms[i].want) {
			t.Errorf("README.md:%d: %v, it printed %q, want %q\n%s", s.line, err, out, goPrograms[i].want, source)
		}
	}
}

// buildInModule builds a program as if it was a package of this module, which it
// does not write to.
func buildInModule(t *testing.T, what, source string) string {
	t.Helper()
	dir := t.TempDir()
	file, overlay, bin := filepath.Join(dir, "main.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "snippet.exe")
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(map[string]map[string]string{"Replace": {filepath.Join(here, "testdata", "snippet", "main.go"): file}})
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string][]byte{file: []byte(source), overlay: b} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-overlay", overlay, "-o", bin, "./testdata/snippet").CombinedOutput(); err != nil {
		t.Fatalf("%s does not build: %v\n%s\n%s", what, err, out, source)
	}
	return bin
}

// TestReadmePython runs the README's Python snippets against a managerd, and then
// what any client does.
func TestReadmePython(t *testing.T) {
	blocks := snippets(t, "python")
	if len(blocks) != 1 {
		t.Fatalf("the README has %d Python snippets, this test knows one", len(blocks))
	}
	all := pythons(t)
	d := managerd(t, "--listen", "tcp://127.0.0.1:0", "--python-listen", "tcp://127.0.0.1:0")
	port := ""
	for _, a := range d.addrs {
		if at, ok := strings.CutPrefix(a, "python+tcp://127.0.0.1:"); ok {
			port = at
		}
	}
	program := strings.Replace(blocks[0].text, `("127.0.0.1", 21601)`, `("127.0.0.1", `+port+`)`, 1)
	if port == "" || program == blocks[0].text {
		t.Fatalf("README.md:%d: the snippet has no address ('127.0.0.1', 21601), or the server listens at %q", blocks[0].line, d.addrs)
	}
	// A proxy that comes out of a value connects with the key of the process.
	program += "\nq = m.Queue()\nq.put({'n': [1]})\nprint(q.get())\nq.put(m.list([7]))\nprint(q.get()[0])\n"
	for _, i := range all {
		cmd := i.command(t.Context(), "-c", program)
		cmd.Dir = filepath.Dir(d.key) // there is the file "authkey"
		if out, err := cmd.CombinedOutput(); err != nil || string(out) != "{'n': [1]}\n7\n" {
			t.Errorf("Python %s: README.md:%d: %v\n%s", i.version, blocks[0].line, err, out)
		}
	}
}
