package connection

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"
)

// lockSuffix names the lock file of a socket.
const lockSuffix = ".lock"

// listenUnix listens on a socket file. The function that it returns removes
// the file and is called after the listener was closed.
//
// Whoever holds the lock on the file beside the socket may bind, replace and
// remove it, so that of two starters one gets an error and neither takes the
// other's socket away. The lock goes with the process.
func listenUnix(path string) (net.Listener, func() error, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, nil, err
	}
	if err := checkSocketDir(path); err != nil {
		return nil, nil, err
	}
	lock, err := lockFile(path + lockSuffix)
	if err != nil {
		if errors.Is(err, errLocked) {
			err = fmt.Errorf("%w: another server has the socket (it holds %s)", ErrInUse, path+lockSuffix)
		}
		return nil, nil, err
	}
	l, err := bindUnix(path)
	if err != nil {
		lock.release()
		return nil, nil, err
	}
	ours, err := os.Lstat(path)
	if err != nil {
		l.Close()
		lock.release()
		return nil, nil, err
	}
	return l, func() error {
		var err error
		// Somebody who ignores the lock may have put a file of theirs there.
		if now, e := os.Lstat(path); e == nil && os.SameFile(now, ours) {
			err = os.Remove(path)
		}
		lock.release()
		return err
	}, nil
}

// bindUnix binds the socket, for the owner alone, in place of a dead one.
func bindUnix(path string) (net.Listener, error) {
	if err := removeDead(path); err != nil {
		return nil, err
	}
	var l *net.UnixListener
	err := withPrivateUmask(func() (err error) {
		l, err = net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		return err
	})
	if errors.Is(err, errAddrInUse) {
		return nil, fmt.Errorf("%w: %w", ErrInUse, err)
	}
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // it is removed under the lock
	return l, nil
}

// removeDead removes a socket file that nobody listens on.
func removeDead(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !isSocket(info) {
		return fmt.Errorf("%s exists and is not a socket (%s); remove it or choose another path", path, info.Mode())
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		c.Close()
		return fmt.Errorf("%w: a server answers on %s", ErrInUse, path)
	}
	if !errors.Is(err, connRefused) {
		return fmt.Errorf("%s exists, and whether a server listens on it cannot be told: %w", path, err)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("remove the dead socket: %w", err)
	}
	return nil
}
