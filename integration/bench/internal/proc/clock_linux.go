package proc

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// cpuTime is the user and system time of all threads of a process, also of
// those that have ended: the kernel's own clock of the process, in nanoseconds.
// /proc/PID/stat tells the same in steps of 10 ms.
func cpuTime(pid int) (time.Duration, error) {
	if pid <= 0 {
		return 0, fmt.Errorf("no process has the id %d", pid)
	}
	// As clock_getcpuclockid(3) makes it: the id's complement, and 2 for the
	// clock that the scheduler keeps.
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|2), &t); err != nil {
		return 0, fmt.Errorf("CPU time of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}
