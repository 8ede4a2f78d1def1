//go:build unix

package supervise

import (
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
)

// guardianScript keeps the list of groups that it reads ("+ 12", "- 12") and
// kills them at the end of its input. Signals of the terminal do not end it.
const guardianScript = `trap '' HUP INT QUIT TERM TSTP TTIN TTOU
l=
while read -r op g; do
	case $op in
	+) l="$l -$g" ;;
	-) n=; for x in $l; do [ "$x" = "-$g" ] || n="$n $x"; done; l=$n ;;
	esac
done
[ -z "$l" ] || kill -s KILL -- $l`

// guardian is the one of this process.
var guardian struct {
	mu   sync.Mutex // guards what follows; held while a line is written to the pipe
	pipe *os.File   // nil: none runs
}

// guard has the guardian kill the group when this process dies. It starts one if
// none runs.
func guard(group int) error {
	guardian.mu.Lock()
	defer guardian.mu.Unlock()
	if guardian.pipe != nil {
		if tell('+', group) == nil {
			return nil
		}
		// Somebody has killed it. A new one learns of the groups that start from
		// now on; the parent-death signal remains for the others.
		guardian.pipe.Close()
		guardian.pipe = nil
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	cmd := exec.Command("/bin/sh", "-c", guardianScript)
	cmd.Stdin = r
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		w.Close()
		return fmt.Errorf("the shell that ends worker processes when this program is killed: %w", err)
	}
	go func() { _ = cmd.Wait() }()
	guardian.pipe = w
	return tell('+', group)
}

// unguard takes the group out of the guardian's list.
func unguard(group int) {
	guardian.mu.Lock()
	defer guardian.mu.Unlock()
	if guardian.pipe != nil {
		_ = tell('-', group)
	}
}

// tell writes one line. A pipe takes so few bytes as a whole (POSIX, PIPE_BUF),
// and the guardian reads at once, so this does not wait.
func tell(op byte, group int) error {
	_, err := fmt.Fprintf(guardian.pipe, "%c %d\n", op, group)
	return err
}
