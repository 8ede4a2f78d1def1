package proc

import (
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"
)

func TestCount(t *testing.T) {
	stop := Count(os.Getpid())
	if runtime.GOOS != "linux" {
		if got := stop(); len(got) != 0 {
			t.Errorf("figures without /proc: %v", got)
		}
		return
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	const times = 1000
	one := make([]byte, 1)
	began := time.Now()
	for range times {
		if _, err := w.Write(one); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Read(one); err != nil {
			t.Fatal(err)
		}
	}
	for time.Since(began) < 30*time.Millisecond { // busy
	}
	took := float64(time.Since(began).Microseconds())
	got := stop()
	// Reading /proc, other tests and the runtime take a few calls more.
	for _, name := range []string{Reads, Writes} {
		if got[name] < times || got[name] > 1.5*times {
			t.Errorf("%v %s, want a little over %d", got[name], name, times)
		}
	}
	if got[CPU] < took/10 || got[CPU] > took*float64(runtime.NumCPU()) {
		t.Errorf("%.0f µs of CPU time in %.0f µs of a busy loop", got[CPU], took)
	}
	if got[Switches] < 1 {
		t.Errorf("figures: %v", got)
	}
	if got := Count(os.Getpid(), -1)(); len(got) != 0 {
		t.Errorf("a process that cannot be adds nothing, and looks like all: %v", got)
	}
}

// A child's time counts as soon as it is used, not in steps of 10 ms.
func TestCountOfAnother(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs Linux' /proc")
	}
	cmd := exec.Command("cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	there := func() {
		t.Helper()
		if _, err := in.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	there()
	stop := Count(cmd.Process.Pid)
	const times = 100
	for range times {
		there()
	}
	got := stop()
	if got[Reads] < times-1 || got[Reads] > times+1 || got[Writes] < times-1 || got[Writes] > times+1 {
		t.Errorf("%v reads and %v writes, want %d", got[Reads], got[Writes], times)
	}
	if got[CPU] <= 0 || got[Switches] < times/10 {
		t.Errorf("figures: %v", got)
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
}

// What threads have switched that have ended is lost, so the figure is left out.
func TestEndedThreads(t *testing.T) {
	before := usage{cpu: 0, threads: map[string]thread{"1": {0, 5}}}
	const ms = time.Millisecond
	now := usage{cpu: 100 * ms, threads: map[string]thread{"1": {50 * ms, 7}, "2": {45 * ms, 3}}}
	if got := now.since(before); got[Switches] != 5 {
		t.Errorf("switches %v, want 2 of an old thread and 3 of a new one", got[Switches])
	}
	now.cpu = 120 * ms
	if got, ok := now.since(before)[Switches]; ok {
		t.Errorf("%v switches, though a fifth of the time is of threads that are gone", got)
	}
	now = usage{cpu: ms, threads: map[string]thread{"1": {0, 6}}}
	if got, ok := now.since(before)[Switches]; !ok || got != 1 {
		t.Errorf("%v switches, want 1: its thread may still be running", got)
	}
	now.failed = map[string]error{CPU: os.ErrNotExist}
	if got := now.since(before); len(got) != 3 {
		t.Errorf("a figure that is not known: %v", got)
	}
}

func TestSchedstat(t *testing.T) {
	if got, err := parseSchedstat("409611 85638 2\n"); err != nil || got != (thread{409611, 2}) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, text := range []string{"", "1 2", "a 2 3", "1 2 c"} {
		if _, err := parseSchedstat(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}
