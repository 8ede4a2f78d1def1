//go:build unix

package supervise

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestMain lets this binary be a supervisor that the tests kill.
func TestMain(m *testing.M) {
	if os.Getenv("SUPERVISE_TEST_PARENT") != "" {
		c, err := Start(Spec{Args: []string{"/bin/sh", "-c", "sleep 1000 & echo $$ $!; wait"}})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		c.Exit()
		return
	}
	os.Exit(m.Run())
}

func sh(t *testing.T, script string, spec Spec) *Child {
	t.Helper()
	spec.Args = []string{"/bin/sh", "-c", script}
	c, err := Start(spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Kill(); c.Exit() })
	return c
}

// alive reports whether a process exists and is no zombie.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return !errors.Is(err, os.ErrNotExist)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}

// gone waits until the process is not alive.
func gone(t *testing.T, pid int, within time.Duration) {
	t.Helper()
	for end := time.Now().Add(within); alive(pid); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("process %d is alive after %v", pid, within)
		}
	}
}

func TestExitIsReported(t *testing.T) {
	for script, want := range map[string]string{
		"exit 0": "exit code 0", "exit 7": "exit code 7", "kill -9 $$": "signal: killed", "kill -15 $$": "signal: terminated",
	} {
		if got := sh(t, script, Spec{}).Exit().String(); got != want {
			t.Errorf("%s: %s, want %s", script, got, want)
		}
	}
}

func TestMissingProgramIsNamed(t *testing.T) {
	_, err := Start(Spec{Args: []string{"/no/such/program"}, Pipes: true, Output: func([]byte, bool) {}})
	if err == nil || !strings.Contains(err.Error(), "/no/such/program") || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestOutputComesLineByLine(t *testing.T) {
	var mu sync.Mutex
	got := map[bool][]string{}
	c := sh(t, `printf 'a\n\nb'; echo e >&2; head -c 200000 /dev/zero | tr '\0' x; printf '\nlast\n'`, Spec{Output: func(line []byte, stderr bool) {
		mu.Lock()
		defer mu.Unlock()
		got[stderr] = append(got[stderr], string(line))
	}})
	c.Exit()
	out := got[false]
	if len(out) != 4 || out[0] != "a" || out[1] != "" || len(out[2]) != maxLine || out[3] != "last" {
		t.Errorf("%d lines", len(out))
	}
	if len(got[true]) != 1 || got[true][0] != "e" {
		t.Errorf("standard error: %q", got[true])
	}
}

func TestPipes(t *testing.T) {
	c := sh(t, "cat <&3 >&4", Spec{Pipes: true})
	go func() {
		for range 1000 {
			fmt.Fprintln(c.In, strings.Repeat("x", 1000))
		}
		c.In.Close()
	}()
	b, err := io.ReadAll(c.Out)
	if err != nil || len(b) != 1001*1000 {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}

func TestGroupEndsWithTheChild(t *testing.T) {
	pids := make(chan int, 1)
	c := sh(t, "sleep 1000 & echo $!; exit 3", Spec{Output: func(line []byte, _ bool) {
		pid, _ := strconv.Atoi(string(line))
		pids <- pid
	}})
	grandchild := <-pids
	if c.Exit().Code != 3 {
		t.Errorf("got %v", c.Exit())
	}
	gone(t, grandchild, time.Second)
}

func TestStopAsksThenKills(t *testing.T) {
	ready := make(chan bool, 2)
	hear := func([]byte, bool) { ready <- true }
	polite := sh(t, "trap 'exit 4' TERM; echo; while :; do sleep 0.01; done", Spec{Output: hear})
	<-ready
	if e := polite.Stop(time.Minute); e.Code != 4 {
		t.Errorf("asked to end: %v", e)
	}
	deaf := sh(t, "trap '' TERM; echo; while :; do sleep 0.01; done", Spec{Output: hear})
	<-ready
	if e := deaf.Stop(20 * time.Millisecond); e.Signal != syscall.SIGKILL {
		t.Errorf("does not listen: %v", e)
	}
	if err := deaf.Signal(syscall.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("a signal after the end: %v", err)
	}
}

// TestNothingOutlivesTheSupervisor kills a supervisor by SIGKILL and looks for
// its child and grandchild; without the parent-death signal, which the child has
// and the grandchild has not, the guardian alone must do it.
func TestNothingOutlivesTheSupervisor(t *testing.T) {
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), "SUPERVISE_TEST_PARENT=1")
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	var child, grandchild int
	if _, serr := fmt.Sscan(line, &child, &grandchild); err != nil || serr != nil {
		t.Fatalf("the supervisor said %q: %v %v", line, err, serr)
	}
	if !alive(child) || !alive(grandchild) {
		t.Fatal("they do not run")
	}
	_ = parent.Process.Kill()
	gone(t, child, time.Second)
	gone(t, grandchild, time.Second)
	_ = parent.Wait()
}

func TestKeeperStartsAgain(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var starts atomic.Int32
	k := Keeper{N: 2, Run: func(ctx context.Context, slot int) (*Child, error) {
		if starts.Add(1) == 6 {
			cancel()
		}
		c, err := Start(Spec{Args: []string{"/bin/sh", "-c", "exit 1"}})
		if err != nil {
			return nil, err
		}
		c.Exit()
		return c, nil
	}}
	began := time.Now()
	k.Keep(ctx)
	if n := starts.Load(); n < 6 {
		t.Errorf("%d starts", n)
	}
	if d := time.Since(began); d < firstPause {
		t.Errorf("6 starts of 2 children in %v: no pause between them", d)
	}
}
