//go:build unix

package connection

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// checkSocketDir checks that nobody else can put a socket of theirs where the
// socket of that path is: its directory is not open to everybody (unless it is
// sticky, as /tmp is), and one that anybody could have made, because the
// directory above is open, belongs to this user or to root. A directory that is
// missing is no error.
func checkSocketDir(path string) error {
	dir := filepath.Dir(path)
	info, err := os.Stat(dir)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if openToAll(info) && info.Mode()&fs.ModeSticky == 0 {
		return fmt.Errorf("everybody may write to %s, and so replace the socket: chmod o-w %s, or choose another path", dir, dir)
	}
	above, err := os.Stat(filepath.Dir(dir))
	if err != nil || !openToAll(above) {
		return err
	}
	link, err := os.Lstat(dir) // a link may be another's, whatever it leads to
	if err != nil {
		return err
	}
	for _, i := range []fs.FileInfo{link, info} {
		if s, ok := i.Sys().(*syscall.Stat_t); ok && s.Uid != 0 && int(s.Uid) != os.Geteuid() {
			return fmt.Errorf("%s belongs to another user (uid %d), and anybody could have made it: choose another path, or set XDG_RUNTIME_DIR", dir, s.Uid)
		}
	}
	return nil
}

func openToAll(dir fs.FileInfo) bool { return dir.Mode()&0o002 != 0 }
