package pydoor

import (
	"io"
	"net"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socket is a connection to a Python client, on TCP or a unix socket. It knows
// three things that net does not.
//
// It can acknowledge at once. Python's clients send what belongs together in two
// writes: the head and the body of a large message, the last message of the
// handshake and the first request. With the usual delayed acknowledgement the
// second waits 40 ms for that of the first. The kernel falls back to delaying by
// itself, so the option is set before every read that waits for such a second
// part. Between small requests it is not: there the reply is the
// acknowledgement, and a packet of its own costs time.
//
// And it can wait in the kernel. A client that calls again as soon as it has its
// reply leaves the server idle for some microseconds, again and again; to put
// the goroutine to sleep, wake it by the poller, and put the runtime's own
// threads to sleep and wake them costs more than the call. So the one connection
// that is busy reads in blocking mode, as Python's server does. That takes a
// processor of the scheduler while it waits; so it is one connection at most,
// while no other makes requests, and when it has waited for hotWait it does so
// as others do.
//
// And it tells the scheduler nothing of calls of the kernel that do not wait. The
// reader that a write wakes takes the processor; to the scheduler the write would
// then be one that takes long, and it would start another thread.
type socket struct {
	net.Conn // a *net.TCPConn or a *net.UnixConn

	// Fixed at creation.
	raw  syscall.RawConn
	tcp  bool
	seat *seat

	// Owned by who reads.
	quick bool // acknowledges at once
	warm  int  // requests that were answered at once, while it is not hot
	timed bool // the socket has its timeout
	hot   bool // it is in blocking mode, and has the seat
	buf   []byte
	n     int
	err   error

	out []byte // owned by who writes: what is left
	bad error

	ackFunc, heatFunc, coolFunc func(fd uintptr)
	readFunc, writeFunc         func(fd uintptr) bool
}

const (
	// hotAfter is how many requests in a row, of all that the door gets, make a
	// connection hot.
	hotAfter = 16
	// hotWait is how long a hot connection waits in the kernel. The kernel may round it up to a few milliseconds.
	hotWait = 2 * time.Millisecond
)

// seat is for the one connection of a door that may be hot.
type seat struct {
	last  atomic.Pointer[socket] // made the last request
	taken atomic.Bool
}

func newSeat() *seat {
	s := new(seat)
	// The only processor must not wait for one connection.
	s.taken.Store(runtime.GOMAXPROCS(0) == 1)
	return s
}

// wrap prepares a connection for the door.
func wrap(nc net.Conn, seat *seat) net.Conn {
	c := &socket{Conn: nc, seat: seat}
	var err error
	switch nc := nc.(type) {
	case *net.TCPConn:
		_ = nc.SetNoDelay(true)
		c.raw, err = nc.SyscallConn()
		c.tcp, c.quick = true, true
	case *net.UnixConn:
		c.raw, err = nc.SyscallConn()
	default:
		return nc
	}
	if err != nil {
		return nc
	}
	c.ackFunc = func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1) }
	c.heatFunc, c.coolFunc, c.readFunc, c.writeFunc = c.heat, c.chill, c.read, c.write
	return c
}

func (c *socket) Read(b []byte) (int, error) {
	if c.quick {
		_ = c.raw.Control(c.ackFunc) // a failure costs speed and nothing else
	}
	if len(b) == 0 {
		return 0, nil
	}
	c.buf = b
	err := c.raw.Read(c.readFunc)
	c.buf = nil
	switch {
	case err != nil:
		return 0, err
	case c.err != nil:
		return 0, c.err
	case c.n == 0:
		return 0, io.EOF
	}
	return c.n, nil
}

// read reads, in blocking mode or not, and reports whether that ended.
func (c *socket) read(fd uintptr) bool {
	for {
		var n int
		var err error
		if c.hot {
			n, err = unix.Read(int(fd), c.buf)
		} else {
			n, err = transfer(unix.SYS_RECVFROM, fd, c.buf)
		}
		switch err {
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			if c.hot {
				c.chill(fd)
			}
			return false
		}
		c.n, c.err = max(n, 0), err
		return true
	}
}

// Write writes all of b.
func (c *socket) Write(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	c.out, c.bad = b, nil
	err := c.raw.Write(c.writeFunc)
	n := len(b) - len(c.out)
	c.out = nil
	if err == nil {
		err = c.bad
	}
	return n, err
}

// write writes what is left, and reports whether that ended.
func (c *socket) write(fd uintptr) bool {
	for len(c.out) > 0 {
		n, err := transfer(unix.SYS_SENDTO, fd, c.out)
		switch err {
		case nil:
			c.out = c.out[n:]
		case unix.EINTR:
		case unix.EAGAIN:
			return false
		default:
			c.bad = err
			return true
		}
	}
	return true
}

// transferMost is how much is copied while the scheduler knows nothing of it.
const transferMost = 64 << 10

// transfer sends or receives without waiting, whatever the mode of the socket.
func transfer(call uintptr, fd uintptr, b []byte) (int, error) {
	b = b[:min(len(b), transferMost)]
	n, _, errno := unix.RawSyscall6(call, fd, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// heat puts the socket into blocking mode.
func (c *socket) heat(fd uintptr) {
	if !c.timed {
		wait := unix.NsecToTimeval(int64(hotWait))
		if unix.SetsockoptTimeval(int(fd), unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait) != nil {
			return
		}
		c.timed = true
	}
	c.hot = unix.SetNonblock(int(fd), false) == nil
}

// chill ends the blocking mode.
func (c *socket) chill(fd uintptr) {
	_ = unix.SetNonblock(int(fd), true) // of an open socket it does not fail
	c.hot, c.warm = false, 0
	c.seat.taken.Store(false)
}

// ackAtOnce says whether the reads that follow wait for the second part of
// something.
func ackAtOnce(nc net.Conn, on bool) {
	if c, ok := nc.(*socket); ok {
		c.quick = on && c.tcp
	}
}

// warm notes that a request was answered at once.
func warm(nc net.Conn) {
	c, ok := nc.(*socket)
	if !ok {
		return
	}
	if c.seat.last.Load() != c {
		c.seat.last.Store(c)
		cool(c)
		return
	}
	if c.hot {
		return
	}
	if c.warm++; c.warm < hotAfter {
		return
	}
	c.warm = 0
	if c.seat.taken.CompareAndSwap(false, true) {
		if _ = c.raw.Control(c.heatFunc); !c.hot {
			c.seat.taken.Store(false)
		}
	}
}

// cool ends what warm began: the connection is about to wait for long, or is at
// its end.
func cool(nc net.Conn) {
	c, ok := nc.(*socket)
	if !ok {
		return
	}
	c.warm = 0
	if c.hot && c.raw.Control(c.coolFunc) != nil {
		c.hot = false // it is closed
		c.seat.taken.Store(false)
	}
}

// forget makes the door forget the connection, which is at its end.
func forget(nc net.Conn) {
	cool(nc)
	if c, ok := nc.(*socket); ok {
		c.seat.last.CompareAndSwap(c, nil)
	}
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
