package connection

import (
	"time"

	"golang.org/x/sys/unix"
)

// setUserTimeout bounds how long the peer may leave what was sent without an
// answer, while which there is no keepalive.
func setUserTimeout(fd int, d time.Duration) {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_RXT_CONNDROPTIME, int(d.Seconds()))
}
