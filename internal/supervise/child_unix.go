//go:build unix

package supervise

import (
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

var terminate os.Signal = syscall.SIGTERM

// starts is served by one thread that never ends, since the parent-death signal
// of a child comes when the thread that forked it does.
var starts = sync.OnceValue(func() chan<- func() {
	ch := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range ch {
			f()
		}
	}()
	return ch
})

// start starts the command in a group of its own that the guardian knows.
func start(cmd *exec.Cmd) error {
	cmd.SysProcAttr = attributes()
	failed := make(chan error)
	starts() <- func() {
		err := cmd.Start()
		if err == nil {
			err = guard(cmd.Process.Pid)
			if err != nil {
				_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
				_ = cmd.Wait()
			}
		}
		failed <- err
	}
	return <-failed
}

// endGroup kills the group of a child that was not waited for yet, so its number
// is still its own.
func endGroup(pid int) {
	_ = syscall.Kill(-pid, syscall.SIGKILL)
}

func exitOf(s *os.ProcessState) Exit {
	if w, ok := s.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return Exit{Code: -1, Signal: w.Signal()}
	}
	return Exit{Code: s.ExitCode()}
}
