package journal

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

func lockFile(f *os.File) error {
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, new(windows.Overlapped))
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return ErrLocked
	}
	return err
}

// SyncDir implements FS: Windows has no way to sync a directory, and orders
// renames itself.
func (d Dir) SyncDir() error { return nil }

func noSpace(err error) bool { return errors.Is(err, windows.ERROR_DISK_FULL) }

func checkPrivate(string, fs.FileInfo) error { return nil }
