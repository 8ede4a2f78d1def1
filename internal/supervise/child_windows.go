package supervise

import (
	"errors"
	"os"
	"os/exec"
)

var terminate os.Signal = os.Kill

func start(cmd *exec.Cmd) error {
	return errors.New("worker processes are not supported on Windows, where they could outlive this program")
}

func await(c *Child) {}

func endGroup(pid int) {}

func exitOf(s *os.ProcessState) Exit { return Exit{Code: s.ExitCode()} }
