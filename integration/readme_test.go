//go:build unix

package integration

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// readme returns the shell commands of README.md, block by block.
func readme(t *testing.T) [][]string {
	t.Helper()
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var blocks [][]string
	for _, m := range regexp.MustCompile("(?ms)^```sh\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, strings.Split(strings.TrimSpace(m[1]), "\n"))
	}
	return blocks
}

// tour is what the README's mgrctl commands print, in a pipe: a regular
// expression for each command.
var tour = map[string]string{
	"mgrctl ping": `(?s).*role\tadmin\n.*`,
	`mgrctl queue put jobs '{"url": "https://example.org"}'`: ``,
	"mgrctl create jobs Queue":                               ``,
	"mgrctl create config dict":                              ``,
	"mgrctl queue get jobs":                                  `\{"url": ?"https://example\.org"\}\n`,
	"mgrctl dict set config retries 3":                       ``,
	"mgrctl dict incr config retries":                        `4\n`,
	"mgrctl lock run deploy --create -- echo deployed":       `deployed\n`,
	"mgrctl ls": `(?s).*config\tdict\t.*deploy\tLock\t.*jobs\tQueue\t.*`,
}

// TestReadme runs the README's commands as they stand there, and checks what
// they print.
func TestReadme(t *testing.T) {
	var commands []string
	for _, block := range readme(t) {
		commands = append(commands, block...)
	}
	rest := slices.DeleteFunc(slices.Clone(commands), func(c string) bool { _, ok := tour[c]; return ok })
	want := []string{"go run ./examples/wordcount", "go test ./...", "go install ./cmd/managerd ./cmd/mgrctl", "managerd"}
	if !slices.Equal(rest, want) || len(commands) != len(want)+len(tour) {
		t.Fatalf("the README has the commands %q, this test knows %q and those of the tour", commands, want)
	}
	t.Run("wordcount", func(t *testing.T) {
		t.Parallel()
		out := shell(t, "..", os.Environ(), want[0])
		if !regexp.MustCompile(`(?s)\Aserver listens on tcp://127\.0\.0\.1:\d+\n.*\nchecked: \d{3,} words, \d{3,} of them different\n\z`).MatchString(out) {
			t.Errorf("it printed\n%s", out)
		}
	})
	t.Run("tour", func(t *testing.T) {
		t.Parallel()
		home, bin := t.TempDir(), t.TempDir()
		env := append(slices.DeleteFunc(clean(home), func(v string) bool { return strings.HasPrefix(v, "PATH=") }),
			"PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
		shell(t, "..", append(os.Environ(), "GOBIN="+bin), want[2])
		work := t.TempDir()
		// Another server on this machine may have the default port; the tour
		// goes by the socket.
		serverEnv := env
		if l, err := net.Listen("tcp", "127.0.0.1:21600"); err != nil {
			serverEnv = append(slices.Clone(env), "SYNCMANAGER_LISTEN=unix://"+filepath.Join(home, "run", "syncmanager", "managerd.sock"))
		} else {
			l.Close()
		}
		cmd := exec.Command(filepath.Join(bin, "managerd"))
		cmd.Env = serverEnv
		server := start(t, cmd)
		until(t, "the server listens", func() bool {
			select {
			case <-server.exited:
				t.Fatalf("managerd: %v\n%s", server.err, server.stderr)
			default:
			}
			return strings.Contains(server.stderr.String(), "listening")
		})
		for _, command := range commands {
			pattern, ok := tour[command]
			if !ok {
				continue
			}
			out := shell(t, work, env, command)
			if !regexp.MustCompile(`\A` + pattern + `\z`).MatchString(out) {
				t.Errorf("$ %s\n%swant %q", command, out, pattern)
			}
		}
		server.cmd.Process.Signal(os.Interrupt)
		if err := server.wait(); err != nil {
			t.Errorf("managerd: %v", err)
		}
	})
}

// shell runs a command as a shell does, and returns what it prints on standard
// output.
func shell(t *testing.T, dir string, env []string, command string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 4*limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", command)
	cmd.Dir, cmd.Env = dir, env
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("$ %s\n%s%s%v", command, out, &stderr, err)
	}
	return string(out)
}
