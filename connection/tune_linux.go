package connection

import (
	"time"

	"golang.org/x/sys/unix"
)

// setUserTimeout bounds how long what was sent may stay unacknowledged, while
// which there is no keepalive.
func setUserTimeout(fd int, d time.Duration) {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(d.Milliseconds()))
}
