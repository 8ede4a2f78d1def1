package pickle

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// A recording is a pickle that real Python made.
type recording struct {
	name     string
	protocol string
	versions string
	data     []byte
}

func (r recording) String() string { return r.name + "/" + r.protocol + "/" + r.versions }

// recordings reads testdata/recordings.txt, which gen.py makes.
func recordings(t testing.TB) []recording {
	t.Helper()
	text, err := os.ReadFile("testdata/recordings.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all []recording
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) != 4 {
			t.Fatalf("recordings.txt: line %q has %d fields, want 4", line, len(f))
		}
		data, err := base64.StdEncoding.DecodeString(f[3])
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, recording{f[0], f[1], f[2], data})
	}
	return all
}

// find returns one recording in the highest protocol that has it.
func find(t testing.TB, name string) Node {
	t.Helper()
	var n Node
	for _, r := range recordings(t) {
		if r.name == name {
			n = mustDecode(t, r.data)
		}
	}
	if n == nil {
		t.Fatalf("no recording %q", name)
	}
	return n
}

func mustDecode(t testing.TB, data []byte) Node {
	t.Helper()
	n, err := Decode(data, Limits{})
	if err != nil {
		t.Fatalf("Decode(%q): %v", data, err)
	}
	return n
}

func mustEncode(t testing.TB, n Node) []byte {
	t.Helper()
	b, err := Encode(nil, n)
	if err != nil {
		t.Fatalf("Encode: %v", err)
	}
	return b
}

func TestRecordingsSurvive(t *testing.T) {
	for _, r := range recordings(t) {
		n, err := Decode(r.data, Limits{})
		if err != nil {
			t.Errorf("%v: %v", r, err)
			continue
		}
		b := mustEncode(t, n)
		again := mustDecode(t, b)
		if !Equal(n, again) {
			t.Errorf("%v: not equal after a round trip", r)
		}
		if c := mustEncode(t, again); !bytes.Equal(b, c) {
			t.Errorf("%v: encoded differently the second time", r)
		}
	}
}

// Protocol 4 of the same value must come out in about the length that Python
// gives it.
func TestEncodedLengthIsLikePythons(t *testing.T) {
	for _, r := range recordings(t) {
		if r.protocol != "4" {
			continue
		}
		if n := len(mustEncode(t, mustDecode(t, r.data))); n > len(r.data)+16 {
			t.Errorf("%v: %d bytes, Python writes %d", r, n, len(r.data))
		}
	}
}

func TestRecordingsHaveEveryVersion(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range recordings(t) {
		for _, v := range strings.Split(r.versions, ",") {
			seen[v] = true
		}
	}
	for minor := 6; minor <= 13; minor++ {
		if v := fmt.Sprintf("3.%d", minor); !seen[v] {
			t.Errorf("no recordings of Python %s; run testdata/gen.py merge with it", v)
		}
	}
}

// Every subtree is a pickle of its own.
func TestSubtreesStandAlone(t *testing.T) {
	for _, r := range recordings(t) {
		if len(r.data) > 2000 {
			continue
		}
		var walk func(n Node)
		seen := map[Node]bool{}
		walk = func(n Node) {
			if seen[n] {
				return
			}
			seen[n] = true
			if !Equal(n, mustDecode(t, mustEncode(t, n))) {
				t.Errorf("%v: a subtree changed", r)
			}
			Children(n, walk)
		}
		walk(mustDecode(t, r.data))
	}
}

// pythons returns the interpreters that judge: python3, and those that the
// variable PICKLE_PYTHONS names, separated as in PATH.
func pythons(t *testing.T) []string {
	var all []string
	if p, err := exec.LookPath("python3"); err == nil {
		all = append(all, p)
	}
	for _, p := range strings.Split(os.Getenv("PICKLE_PYTHONS"), string(os.PathListSeparator)) {
		if p != "" {
			all = append(all, p)
		}
	}
	if len(all) == 0 {
		if strings.Contains(os.Getenv("SYNCMANAGER_TEST_REQUIRE"), "python") {
			t.Fatal("python3 is required and not installed")
		}
		t.Skip("python3 is not installed")
	}
	return all
}

func runPython(t *testing.T, python string, stdin []byte, args ...string) string {
	t.Helper()
	cmd := exec.Command(python, append([]string{"testdata/gen.py"}, args...)...)
	cmd.Stdin = bytes.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s gen.py %v: %v\n%s", python, args, err, stderr.Bytes())
	}
	return string(out)
}

// judge has Python compare pairs of pickles and returns how many it loaded.
func judge(t *testing.T, python string, pairs []byte) int {
	t.Helper()
	judged := -1
	sc := bufio.NewScanner(strings.NewReader(runPython(t, python, pairs, "judge")))
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		var skipped int
		if n, _ := fmt.Sscanf(sc.Text(), "judged %d, skipped %d", &judged, &skipped); n == 2 {
			t.Logf("%s: %s", python, sc.Text())
			continue
		}
		t.Errorf("%s: %s", python, sc.Text())
	}
	return judged
}

func appendPair(dst []byte, name string, a, b []byte) []byte {
	enc := base64.StdEncoding.EncodeToString
	return fmt.Appendf(dst, "%s %s %s\n", name, enc(a), enc(b))
}

func TestPythonJudgesRecordings(t *testing.T) {
	all := recordings(t)
	for _, python := range pythons(t) {
		var pairs []byte
		for _, r := range all {
			pairs = appendPair(pairs, r.String(), r.data, mustEncode(t, mustDecode(t, r.data)))
		}
		// Some need a later Python, or a registry of extensions.
		if n := judge(t, python, pairs); n < len(all)*3/5 {
			t.Errorf("%s: loaded %d of %d recordings", python, n, len(all))
		}
	}
}

func TestPythonJudgesRandomValues(t *testing.T) {
	const count = 1000
	for _, python := range pythons(t) {
		var pairs []byte
		out := runPython(t, python, nil, "random", fmt.Sprint(count), "1")
		for line := range strings.Lines(out) {
			f := strings.Fields(line)
			data, err := base64.StdEncoding.DecodeString(f[2])
			if err != nil {
				t.Fatal(err)
			}
			n, err := Decode(data, Limits{})
			if err != nil {
				t.Fatalf("%s: %v", f[0], err)
			}
			pairs = appendPair(pairs, f[0], data, mustEncode(t, n))
		}
		if n := judge(t, python, pairs); n != count {
			t.Errorf("%s: judged %d values, want %d", python, n, count)
		}
	}
}

// The judge itself must see a difference.
func TestPythonJudgeSeesSharing(t *testing.T) {
	l := NewList(Int(1))
	shared := mustEncode(t, NewList(l, l))
	apart := mustEncode(t, NewList(l, NewList(Int(1))))
	out := runPython(t, pythons(t)[0], appendPair(nil, "x", shared, apart), "judge")
	if !strings.Contains(out, "x differs") {
		t.Errorf("[l, l] and [l, l'] were judged equal: %s", out)
	}
}
