//go:build linux || darwin

package connection

import (
	"net"

	"golang.org/x/sys/unix"
)

// unsentLow is how much the kernel takes beyond what it could send. Without
// it megabytes of a large value sit in front of every later small frame.
const unsentLow = 128 << 10

// tuneSocket sets what package net has no method for. A failure costs speed and
// nothing else.
func tuneSocket(t *net.TCPConn) {
	rc, err := t.SyscallConn()
	if err != nil {
		return
	}
	_ = rc.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsentLow)
		setUserTimeout(int(fd), silence)
	})
}
