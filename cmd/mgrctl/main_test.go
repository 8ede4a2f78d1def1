package main

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	"github.com/syncmanager/syncmanager/internal/defaults"
)

var update = flag.Bool("update", false, "write what the commands print into the transcripts")

// TestMain makes mgrctl a command of the transcripts, which is the test binary
// itself, and programs beside it.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"mgrctl": main, "deadlock": deadlock, "nest": nest, "anonlock": anonlock})
}

// TestTranscripts runs the conversations in testdata, each with a home directory
// and a managerd of its own.
func TestTranscripts(t *testing.T) {
	bin := buildServer(t)
	testscript.Run(t, testscript.Params{
		Dir:                "testdata",
		UpdateScripts:      *update,
		RequireUniqueNames: true,
		Setup:              func(e *testscript.Env) error { return setup(e, bin) },
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"code":    code,
			"capture": capture,
			"same":    same,
		},
	})
}

// buildServer builds managerd into a directory of its own.
func buildServer(t *testing.T) string {
	bin := t.TempDir()
	out := filepath.Join(bin, "managerd")
	if runtime.GOOS == "windows" {
		out += ".exe"
	}
	cmd := exec.Command("go", "build", "-o", out, "github.com/syncmanager/syncmanager/cmd/managerd")
	if b, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building managerd: %v\n%s", err, b)
	}
	return bin
}

// setup gives a transcript a home of its own. The path of a socket must be
// short, so that its directory is not below the home.
func setup(e *testscript.Env, bin string) error {
	run, err := os.MkdirTemp("", "mgrctl")
	if err != nil {
		return err
	}
	e.Defer(func() { os.RemoveAll(run) })
	home := filepath.Join(e.WorkDir, "home")
	if err := os.Mkdir(home, 0o700); err != nil {
		return err
	}
	e.Setenv("HOME", home)
	e.Setenv("XDG_CONFIG_HOME", filepath.Join(home, ".config"))
	e.Setenv("APPDATA", filepath.Join(home, ".config"))
	e.Setenv("XDG_RUNTIME_DIR", run)
	e.Setenv("SOCKET", "unix://"+filepath.Join(run, "syncmanager", "managerd.sock"))
	// The default TCP address is one for the whole machine.
	e.Setenv(defaults.Prefix+"LISTEN", e.Getenv("SOCKET"))
	// Under the race detector each process would sleep for a second at its end.
	e.Setenv("GORACE", strings.TrimSpace(os.Getenv("GORACE")+" atexit_sleep_ms=0"))
	e.Setenv("PATH", bin+string(filepath.ListSeparator)+e.Getenv("PATH"))
	return nil
}

// code runs a command that must end with an exit code: code 3 mgrctl ...
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND [ARG...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var ended *exec.ExitError
		if !errors.As(err, &ended) {
			ts.Fatalf("%v", err)
		}
		got = ended.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d\n[stderr]\n%s", got, want, ts.ReadFile("stderr"))
	}
}

// capture sets a variable to what the last output has at the place of the
// pattern's group: capture TOKEN 'token=(.*)'
func capture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: capture VARIABLE PATTERN")
	}
	m := regexp.MustCompile("(?m)" + args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if len(m) != 2 {
		ts.Fatalf("%q with one group is not in the output", args[1])
	}
	ts.Setenv(args[0], m[1])
}

// same checks the last output word for word: same stdout 'text', with a line
// break at the end, or same stdout if there was none.
func same(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: same FILE [LINE...]")
	}
	want := ""
	for _, line := range args[1:] {
		want += line + "\n"
	}
	if got := ts.ReadFile(args[0]); got != want {
		ts.Fatalf("%s is %q, want %q", args[0], got, want)
	}
}

// TestHelpMarks holds that exactly those verbs are marked that take --dry-run
// and --yes.
func TestHelpMarks(t *testing.T) {
	var out bytes.Buffer
	a := &app{stdin: &out, stdout: &out, stderr: &out}
	for _, cmd := range allCommands(a.command()) {
		dry, yes := cmd.Flags().Lookup("dry-run") != nil, cmd.Flags().Lookup("yes") != nil
		want := ""
		switch {
		case yes:
			want = " [destroys]"
		case dry:
			want = " [changes]"
		}
		_, mark, _ := strings.Cut(cmd.Short, "[")
		if got := mark; got != strings.TrimPrefix(want, " [") {
			t.Errorf("%s: %q, want the mark %q", cmd.CommandPath(), cmd.Short, want)
		}
		if cmd.Long != "" && !cmd.HasAvailableSubCommands() && !strings.HasSuffix(cmd.Long, strings.TrimSpace(want)) {
			t.Errorf("the help of %s ends with %.40q, want the mark %q", cmd.CommandPath(), cmd.Long[max(0, len(cmd.Long)-40):], want)
		}
	}
}

// TestVerbsHaveTranscripts holds that every verb occurs in a transcript.
func TestVerbsHaveTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	a := &app{}
	for _, cmd := range allCommands(a.command()) {
		if cmd.HasAvailableSubCommands() {
			continue
		}
		if !regexp.MustCompile(regexp.QuoteMeta(cmd.CommandPath()) + `(\s|$)`).Match(all) {
			t.Errorf("%s is in no transcript", cmd.CommandPath())
		}
	}
}

// TestExamples holds that every verb has examples, and that each is a command line
// that the program takes.
func TestExamples(t *testing.T) {
	known := 0
	for _, cmd := range allCommands((&app{}).command()) {
		if cmd.HasAvailableSubCommands() || cmd.Name() == "help" || strings.HasPrefix(cmd.CommandPath(), "mgrctl completion") || strings.HasPrefix(cmd.Name(), "__") {
			continue
		}
		x, ok := extras[verbName(cmd)]
		if !ok || cmd.Example == "" {
			t.Errorf("%s has no example", cmd.CommandPath())
			continue
		}
		known++
		for line := range strings.SplitSeq(x.examples, "\n") {
			_, call, ok := strings.Cut("\x01"+line, "mgrctl ")
			if !ok {
				t.Errorf("%s: %q", cmd.CommandPath(), line)
				continue
			}
			call, _, _ = strings.Cut(call, " < ")
			call, _, _ = strings.Cut(call, " > ")
			root := (&app{}).command() // flags keep what they were set to
			found, rest, err := root.Find(maskNegative(shellWords(t, call)))
			if err != nil || verbName(found) != verbName(cmd) {
				t.Errorf("%q is %s, %v", line, found.CommandPath(), err)
				continue
			}
			if err := found.ParseFlags(rest); err != nil {
				t.Errorf("%q: %v", line, err)
				continue
			}
			if err := found.ValidateArgs(found.Flags().Args()); err != nil {
				t.Errorf("%q: %v", line, err)
			}
		}
	}
	if known != len(extras) {
		t.Errorf("%d verbs have extras; %d are for verbs that there are not", known, len(extras)-known)
	}
}

// shellWords splits a command line as a shell does, as far as examples need it.
func shellWords(t *testing.T, line string) (list []string) {
	t.Helper()
	word, quoted, any := "", false, false
	for _, c := range line {
		switch {
		case c == '\'':
			quoted, any = !quoted, true
		case c == ' ' && !quoted:
			if any {
				list = append(list, word)
			}
			word, any = "", false
		default:
			word, any = word+string(c), true
		}
	}
	if any {
		list = append(list, word)
	}
	return list
}

// allCommands returns the command and all below it.
func allCommands(cmd *cobra.Command) []*cobra.Command {
	list := []*cobra.Command{cmd}
	for _, c := range cmd.Commands() {
		list = append(list, allCommands(c)...)
	}
	return list
}
