package connection

import (
	"errors"
	"io/fs"
	"syscall"
)

// errLocked says that another process, or another listener of this one, holds
// the lock.
var errLocked = errors.New("locked")

const (
	errAddrInUse = syscall.Errno(10048) // WSAEADDRINUSE
	connRefused  = syscall.Errno(10061) // WSAECONNREFUSED

	errSharingViolation = syscall.Errno(32)
	fileDeleteOnClose   = 0x04000000 // FILE_FLAG_DELETE_ON_CLOSE
)

// fileLock is a file that nobody else can open.
type fileLock struct{ h syscall.Handle }

// lockFile opens the file so that nobody else can, without waiting. The system
// removes it when it is closed.
func lockFile(path string) (*fileLock, error) {
	p, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, &fs.PathError{Op: "lock", Path: path, Err: err}
	}
	h, err := syscall.CreateFile(p, syscall.GENERIC_READ|syscall.GENERIC_WRITE, 0, nil,
		syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL|fileDeleteOnClose, 0)
	if err == errSharingViolation {
		return nil, errLocked
	}
	if err != nil {
		return nil, &fs.PathError{Op: "lock", Path: path, Err: err}
	}
	return &fileLock{h}, nil
}

func (l *fileLock) release() { syscall.CloseHandle(l.h) }

// withPrivateUmask runs f. Access is that of the directory.
func withPrivateUmask(f func() error) error { return f() }

// isSocket reports whether the file may be a socket, which os does not tell on
// all versions of Windows.
func isSocket(info fs.FileInfo) bool {
	return info.Mode().Type()&(fs.ModeSocket|fs.ModeIrregular) != 0
}
