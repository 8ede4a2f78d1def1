package supervise

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// await waits for the child's end, ends what it left behind, and only then lets
// the kernel have its number back.
func await(c *Child) {
	pid := c.cmd.Process.Pid
	for errors.Is(unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil), unix.EINTR) {
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	endGroup(pid)
	unguard(pid)
	_ = c.cmd.Wait()
	c.reaped = true
}
