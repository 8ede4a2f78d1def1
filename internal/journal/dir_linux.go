package journal

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncFile syncs content and size; what else changes, such as times, may wait.
func syncFile(f *os.File) error {
	for {
		if err := unix.Fdatasync(int(f.Fd())); err != unix.EINTR {
			return err
		}
	}
}
