//go:build unix

package auth

import (
	"fmt"
	"io/fs"
	"syscall"
)

// openFlags keeps open from waiting for the writer of a named pipe.
const openFlags = syscall.O_NONBLOCK

// checkPrivate fails if group or others have any permission on the file.
func checkPrivate(info fs.FileInfo) error {
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("is open to other users (mode %04o): make it private with chmod 600", mode)
	}
	return nil
}
