//go:build linux || darwin

package connection

import (
	"net"

	"golang.org/x/sys/unix"
)

// unsentLow is how much the kernel takes beyond what it could send. Without
// it megabytes of a large value sit in front of every later small frame.
const unsentLow = 128 << 10

// tune sets what every TCP connection has. Package net sets TCP_NODELAY and
// keepalive. A failure costs speed and nothing else.
func tune(c net.Conn) {
	t, ok := c.(*net.TCPConn)
	if !ok {
		return
	}
	rc, err := t.SyscallConn()
	if err != nil {
		return
	}
	_ = rc.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsentLow)
	})
}
