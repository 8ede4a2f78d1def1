//go:build unix

package connection

import (
	"errors"
	"io/fs"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// errLocked says that another process, or another listener of this one, holds
// the lock.
var errLocked = errors.New("locked")

const (
	errAddrInUse = syscall.EADDRINUSE
	connRefused  = syscall.ECONNREFUSED
)

// fileLock is a lock that lasts as long as its file is open.
type fileLock struct{ f *os.File }

// lockFile makes the file and locks it, without waiting.
func lockFile(path string) (*fileLock, error) {
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
		if err != nil {
			return nil, err
		}
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			f.Close()
			if err == unix.EWOULDBLOCK {
				return nil, errLocked
			}
			return nil, &fs.PathError{Op: "lock", Path: path, Err: err}
		}
		// The holder before us may have removed the file after we opened it:
		// then others lock a new one, and ours is worth nothing.
		ours, err := f.Stat()
		if err != nil {
			f.Close()
			return nil, err
		}
		if now, err := os.Lstat(path); err == nil && os.SameFile(now, ours) {
			return &fileLock{f}, nil
		}
		f.Close()
	}
}

// release removes the file while it is locked, and ends the lock.
func (l *fileLock) release() {
	os.Remove(l.f.Name())
	l.f.Close()
}

// umask is one for the whole process.
var umask sync.Mutex

// withPrivateUmask runs f so that what it makes is for the owner alone. Files
// that other goroutines make meanwhile are at worst more private than asked.
func withPrivateUmask(f func() error) error {
	umask.Lock()
	defer umask.Unlock()
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	return f()
}

func isSocket(info fs.FileInfo) bool { return info.Mode().Type() == fs.ModeSocket }
