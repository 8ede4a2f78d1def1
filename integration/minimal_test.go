package integration

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/syncmanager/syncmanager/managers"
	"github.com/syncmanager/syncmanager/proxy"
)

// TestMinimalClient runs a client in another language, which was written from
// docs/protocol.md alone and uses nothing of ours. Go reads what it left.
func TestMinimalClient(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		missing(t, "no python3 in PATH: the client of docs/protocol.md in another language cannot run")
	}
	want := strings.Join([]string{
		"welcome 1 admin",
		"object 7 Queue",
		"get {'n': [1, -2, 2.5, None, True], 's': 'h\u00e9'}",
		"bytes 300000",
		"error 15 'queue is empty'",
		"pong True",
		"released 31",
		"bye 43",
	}, "\n") + "\n"
	for _, transport := range []string{"unix", "tcp+plain"} {
		t.Run(transport, func(t *testing.T) {
			e := newEnvOf(t, transport, managers.Config{})
			key := filepath.Join(t.TempDir(), "authkey")
			e.must(os.WriteFile(key, append(e.key.Bytes(), '\n'), 0o600))
			ctx, cancel := context.WithTimeout(e.ctx, limit)
			defer cancel()
			cmd := exec.CommandContext(ctx, python, "testdata/minimal_client.py", e.addr, key)
			cmd.Env = append(os.Environ(), "PYTHONIOENCODING=utf-8", "PYTHONDONTWRITEBYTECODE=1")
			var stderr strings.Builder
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err != nil || stderr.Len() > 0 {
				t.Fatalf("%v\n%s%s", err, out, stderr.String())
			}
			if string(out) != want {
				t.Errorf("the client printed\n%swant\n%s", out, want)
			}
			q := must1[*proxy.Queue[string]](t)(proxy.OpenQueue[string](ctx, e.m, "minimal", 0))
			eq(t, "the item that it left", "for another")(q.TryGet(ctx))
		})
	}
}
