//go:build !linux

package proc

import (
	"errors"
	"time"
)

// cpuTime is told by Linux only.
func cpuTime(int) (time.Duration, error) { return 0, errors.ErrUnsupported }
