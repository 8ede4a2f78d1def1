package pydoor

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// quickConn is a TCP connection that can acknowledge at once. Python's clients
// send what belongs together in two writes: the head and the body of a large
// message, the last message of the handshake and the first request. With the
// usual delayed acknowledgement the second waits 40 ms for that of the first.
// The kernel falls back to delaying by itself, so the option is set before every
// read that waits for such a second part. Between small requests it is not: there
// the reply is the acknowledgement, and a packet of its own costs time.
type quickConn struct {
	*net.TCPConn
	raw  syscall.RawConn
	set  func(fd uintptr)
	lazy bool // owned by who reads
}

func (c *quickConn) Read(b []byte) (int, error) {
	if !c.lazy {
		_ = c.raw.Control(c.set) // a failure costs speed and nothing else
	}
	return c.TCPConn.Read(b)
}

// ackAtOnce says whether the reads that follow wait for the second part of
// something.
func ackAtOnce(nc net.Conn, on bool) {
	if q, ok := nc.(*quickConn); ok {
		q.lazy = !on
	}
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
	return &quickConn{TCPConn: t, raw: raw, set: func(fd uintptr) {
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
