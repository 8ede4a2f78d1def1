package link

import (
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// hot reads a socket. The one connection of a process that is busy waits in the
// kernel: to put the goroutine to sleep, wake the poller's thread, and put the
// runtime's own threads to sleep and wake them costs more than a call. So after
// hotAfter reads that were answered soon, with none of another connection in
// between, the socket is put into blocking mode, and the runtime's poller hears
// of it no more. While it waits it takes a processor of the scheduler; so there is
// one at most, and when it has waited for hotWait, it does so as others do. A
// deadline that passes, and the end of the connection, are seen that much later.
//
// Whatever the mode, nobody else on the connection may use a call of the kernel
// that blocks: see rawWriter.
type hot struct {
	// Fixed at creation.
	rc syscall.RawConn

	// Owned by whoever reads.
	warm  int  // reads in a row that were answered soon
	timed bool // the socket has its timeout
	cold  bool // the poller's entry was not found: never hot
	on    bool // it is in blocking mode, and has the seat
	p     []byte
	n     int
	err   error

	entry pollEntry // what the poller has of the socket

	read func(fd uintptr) bool // readOnce, made once
}

const (
	hotAfter = 16
	hotWait  = 2 * time.Millisecond
)

// hotSeat is for the one reader that may be hot.
var hotSeat struct {
	last  atomic.Pointer[hot] // read last
	taken atomic.Bool
}

// newHot returns the reader of a connection, or nil if it is no socket.
func newHot(c net.Conn) *hot {
	rc := socketOf(c)
	if rc == nil {
		return nil
	}
	h := &hot{rc: rc}
	h.read = h.readOnce
	return h
}

// Read is that of a connection.
func (h *hot) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if hotSeat.last.Load() != h {
		hotSeat.last.Store(h)
		h.Cool()
	}
	var began time.Time
	if !h.on {
		began = time.Now()
	}
	h.p = p
	err := h.rc.Read(h.read)
	h.p = nil
	switch {
	case err != nil:
		h.Cool()
		return 0, err
	case h.err != nil:
		return 0, h.err
	case h.n == 0:
		return 0, io.EOF
	}
	switch {
	case h.on || h.cold:
	case time.Since(began) > hotWait:
		h.warm = 0
	default:
		h.warm++
		if h.warm >= hotAfter && runtime.GOMAXPROCS(0) > 1 && hotSeat.taken.CompareAndSwap(false, true) {
			h.warm = 0
			if h.rc.Control(h.begin) != nil || !h.on {
				hotSeat.taken.Store(false)
			}
		}
	}
	return h.n, nil
}

// readOnce reads, in blocking mode or not, and reports whether that ended.
func (h *hot) readOnce(fd uintptr) bool {
	for {
		var n int
		var err error
		if h.on {
			n, err = unix.Read(int(fd), h.p)
		} else {
			n, err = transfer(unix.SYS_RECVFROM, fd, h.p)
		}
		switch err {
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			if h.on {
				h.end(fd)
			}
			return false
		}
		h.n, h.err = max(n, 0), err
		return true
	}
}

// begin puts the socket into blocking mode.
func (h *hot) begin(fd uintptr) {
	if !h.timed {
		wait := unix.NsecToTimeval(int64(hotWait))
		if unix.SetsockoptTimeval(int(fd), unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait) != nil {
			return
		}
		h.timed = true
	}
	if h.entry.epoll == 0 {
		h.entry = findPollEntry(int(fd))
		h.cold = h.entry.epoll == 0
	}
	// A writer still hears from the poller when there is room.
	if h.cold || h.entry.listen(int(fd), h.entry.events&^(unix.EPOLLIN|unix.EPOLLRDHUP)) != nil {
		return
	}
	if h.on = unix.SetNonblock(int(fd), false) == nil; !h.on {
		_ = h.entry.listen(int(fd), h.entry.events)
	}
}

// end ends the blocking mode. The poller tells again what comes, and what has come
// meanwhile. Of an open socket neither call fails.
func (h *hot) end(fd uintptr) {
	_ = unix.SetNonblock(int(fd), true)
	_ = h.entry.listen(int(fd), h.entry.events)
	h.on, h.warm = false, 0
	hotSeat.taken.Store(false)
}

// Cool ends the blocking mode: nobody reads for a while, or another connection
// is busy as well.
func (h *hot) Cool() {
	h.warm = 0
	if !h.on {
		return
	}
	if h.rc.Control(h.end) != nil {
		h.on = false
		hotSeat.taken.Store(false)
	}
}

// pollEntry is what the runtime's poller, an epoll instance, has of a socket. The
// kernel tells it in /proc; where it does not, there is none.
type pollEntry struct {
	epoll  int // 0: not known
	events uint32
	data   uint64
}

// runtimeEpoll is the descriptor of the runtime's epoll instance, once it is known.
var runtimeEpoll atomic.Int32

// findPollEntry finds the entry of the socket.
func findPollEntry(fd int) pollEntry {
	if e := pollEntryIn(int(runtimeEpoll.Load()), fd); e.epoll != 0 {
		return e
	}
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return pollEntry{}
	}
	for _, d := range all {
		if to, err := os.Readlink("/proc/self/fd/" + d.Name()); err != nil || to != "anon_inode:[eventpoll]" {
			continue
		}
		var n int
		if _, err := fmt.Sscan(d.Name(), &n); err != nil {
			continue
		}
		if e := pollEntryIn(n, fd); e.epoll != 0 {
			runtimeEpoll.Store(int32(n))
			return e
		}
	}
	return pollEntry{}
}

// pollEntryIn finds the entry of the socket in an epoll instance.
func pollEntryIn(epoll, fd int) pollEntry {
	if epoll == 0 {
		return pollEntry{}
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", epoll))
	if err != nil {
		return pollEntry{}
	}
	for line := range strings.Lines(string(text)) {
		e := pollEntry{epoll: epoll}
		var target int
		if n, _ := fmt.Sscanf(line, "tfd: %d events: %x data: %x", &target, &e.events, &e.data); n == 3 && target == fd {
			return e
		}
	}
	return pollEntry{}
}

// listen changes what the poller hears of the socket. It always hears of errors.
func (e *pollEntry) listen(fd int, events uint32) error {
	ev := unix.EpollEvent{Events: events, Fd: int32(e.data), Pad: int32(e.data >> 32)}
	return unix.EpollCtl(e.epoll, unix.EPOLL_CTL_MOD, fd, &ev)
}

// transferMost is how much is copied while the scheduler knows nothing of it.
const transferMost = 64 << 10

// transfer sends or receives without waiting, whatever the mode of the socket. It
// tells the scheduler nothing: a reader that a write wakes takes the processor, and
// to the scheduler the write would be one that takes long, for which it would start
// another thread.
func transfer(call uintptr, fd uintptr, b []byte) (int, error) {
	b = b[:min(len(b), transferMost)]
	n, _, errno := unix.RawSyscall6(call, fd, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// trySend sends what fits at once.
func trySend(fd uintptr, p []byte) (int, error) { return transfer(unix.SYS_SENDTO, fd, p) }

// tryReceive receives what is there.
func tryReceive(fd uintptr, p []byte) (int, error) { return transfer(unix.SYS_RECVFROM, fd, p) }
