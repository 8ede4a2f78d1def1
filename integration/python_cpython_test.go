package integration

import (
	"bufio"
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/syncmanager/syncmanager/integration/long"
)

// startManagerd builds managerd and runs it for Python clients; it returns
// their address.
func startManagerd(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "managerd")
	if out, err := exec.Command("go", "build", "-o", program, "../cmd/managerd").CombinedOutput(); err != nil {
		t.Fatalf("build managerd: %v\n%s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	c := exec.Command(program, "--listen", "unix://"+filepath.Join(dir, "go.sock"), "--python-listen", "tcp://"+addr)
	c.Env = append(os.Environ(), "SYNCMANAGER_AUTHKEY="+pythonKey)
	log, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	ready := make(chan struct{})
	go func() {
		lines := bufio.NewReader(log)
		for told := false; ; {
			line, err := lines.ReadString('\n')
			if strings.Contains(line, "listening") && !told {
				told = true
				close(ready)
			}
			if err != nil {
				_, _ = io.Copy(io.Discard, log)
				return
			}
		}
	}()
	select {
	case <-ready:
	case <-time.After(limit):
		t.Fatal("managerd did not begin to listen")
	}
	return addr
}

// CPython's own tests of shared objects, as they are installed, run against
// managerd.
func TestPythonOwnTests(t *testing.T) {
	long.Test(t)
	all := pythons(t)
	addr := startManagerd(t)
	methods := []string{"fork", "spawn"}
	for _, i := range all {
		if err := exec.Command(i.path, "-c", "import test._test_multiprocessing").Run(); err != nil {
			if i == all[len(all)-1] {
				missing(t, "Python "+i.version+" is installed without its tests (on Debian: libpython3-testsuite)")
			}
			continue
		}
		for _, method := range methods {
			t.Run(i.version+"/"+method, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
				defer cancel()
				out, err := i.command(ctx, filepath.Join("testdata", "python", "cpython.py"), addr, method).CombinedOutput()
				lines := strings.Split(strings.TrimSpace(string(out)), "\n")
				if err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				t.Log(lines[len(lines)-1])
			})
		}
	}
}
