package pydoor

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// quickConn is a TCP connection that acknowledges at once. Python's clients
// send a message's head and body in two writes; with the usual delayed
// acknowledgement the second waits 40 ms for that of the first. The kernel
// falls back to delaying by itself, so the option is set before every read.
type quickConn struct {
	*net.TCPConn
	raw syscall.RawConn
	set func(fd uintptr)
}

func (c *quickConn) Read(b []byte) (int, error) {
	_ = c.raw.Control(c.set) // a failure costs speed and nothing else
	return c.TCPConn.Read(b)
}

// wrap prepares a connection for the door.
func wrap(nc net.Conn) net.Conn {
	t, ok := nc.(*net.TCPConn)
	if !ok {
		return nc
	}
	_ = t.SetNoDelay(true)
	raw, err := t.SyscallConn()
	if err != nil {
		return nc
	}
	return &quickConn{t, raw, func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1)
	}}
}

// peerPID returns the process at the other end of a unix socket, or 0.
func peerPID(nc net.Conn) int {
	u, ok := nc.(*net.UnixConn)
	if !ok {
		return 0
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return 0
	}
	pid := 0
	_ = raw.Control(func(fd uintptr) {
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			pid = int(cred.Pid)
		}
	})
	return pid
}

// processGone reports whether no process has the id.
func processGone(pid int) bool { return unix.Kill(pid, 0) == unix.ESRCH }
