//go:build unix

package main

import (
	"bufio"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// asMain is set for the copies of the test binary that are managerd.
const asMain = "MANAGERD_TEST_AS_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asMain) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestSystemd runs the server under a socket as systemd has one, and follows
// what it says of itself: ready, reloading and ready again, stopping.
func TestSystemd(t *testing.T) {
	dir, err := os.MkdirTemp("", "sd") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "notify")
	sock, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer sock.Close()
	hear := func() string {
		t.Helper()
		b := make([]byte, 4096)
		_ = sock.SetReadDeadline(time.Now().Add(30 * time.Second))
		n, err := sock.Read(b)
		if err != nil {
			t.Fatalf("nothing was heard: %v", err)
		}
		return string(b[:n])
	}

	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asMain+"=1", "NOTIFY_SOCKET="+path, "HOME="+dir, "XDG_CONFIG_HOME="+dir,
		"SYNCMANAGER_LISTEN=unix://"+filepath.Join(dir, "s"), "SYNCMANAGER_AUTHKEY_FILE="+filepath.Join(dir, "key"))
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	lines := make(chan string, 100)
	go func() {
		for s := bufio.NewScanner(log); s.Scan(); {
			lines <- s.Text()
		}
		_, _ = io.Copy(io.Discard, log)
		close(lines)
	}()

	if got := hear(); got != "READY=1" {
		t.Errorf("first it says %q", got)
	}
	// It is ready when it says so.
	if c, err := net.Dial("unix", filepath.Join(dir, "s")); err != nil {
		t.Errorf("it is ready, but %v", err)
	} else {
		c.Close()
	}
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	got := hear()
	if first, rest, _ := strings.Cut(got, "\n"); first != "RELOADING=1" || runtime.GOOS == "linux" && !strings.HasPrefix(rest, "MONOTONIC_USEC=") {
		t.Errorf("at SIGHUP it says %q", got)
	}
	if got := hear(); got != "READY=1" {
		t.Errorf("after the reload it says %q", got)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if got := hear(); got != "STOPPING=1" {
		t.Errorf("at SIGTERM it says %q", got)
	}
	var all []string
	for line := range lines {
		all = append(all, line)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v\n%s", err, strings.Join(all, "\n"))
	}
	// Not on a terminal, the log is JSON.
	for _, line := range all {
		if !strings.HasPrefix(line, `{"time":`) {
			t.Errorf("the log has %q", line)
		}
	}
}

// TestNoSystemd holds that a socket which is not there is no hindrance.
func TestNoSystemd(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "gone"))
	notify("READY=1")
	t.Setenv("NOTIFY_SOCKET", "")
	notify("READY=1")
}
