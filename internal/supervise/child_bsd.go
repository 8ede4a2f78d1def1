//go:build unix && !linux

package supervise

import "syscall"

func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// await waits for the child's end and ends what it left behind. These systems
// cannot wait for an end and leave the number taken.
func await(c *Child) {
	_ = c.cmd.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reaped = true
	endGroup(c.cmd.Process.Pid)
	unguard(c.cmd.Process.Pid)
}
