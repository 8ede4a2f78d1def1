package proc

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of /proc/stat (USER_HZ), the same on all of Linux' common
// architectures.
const tick = 10 * time.Millisecond

// Stolen returns for how long, of all cores together and since the machine was
// started, others had a core that this machine wanted: what Linux calls steal time.
// It is 0 on hardware of one's own. It needs /proc.
func Stolen() (time.Duration, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, fmt.Errorf("stolen time: %w", err)
	}
	return parseStolen(string(text))
}

// parseStolen reads the eighth number of the first line.
func parseStolen(text string) (time.Duration, error) {
	line, _, _ := strings.Cut(text, "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, fmt.Errorf("stolen time: /proc/stat begins with %q, want cpu and 8 numbers or more", line)
	}
	n, err := strconv.ParseInt(fields[8], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("stolen time: %w", err)
	}
	return time.Duration(n) * tick, nil
}
