//go:build unix

package link

import (
	"net"
	"syscall"
)

// rawWriter writes to a socket what it takes at once. One goroutine uses it at
// a time.
type rawWriter struct {
	rc   syscall.RawConn
	once func(fd uintptr) bool // made once, so that a write allocates nothing

	p   []byte
	n   int
	err error
}

// tryWriterOf returns the non-blocking writer of the connection, or nil if it
// has none. Only the very types of package net are asked: a type that embeds
// one may write in a way of its own.
func tryWriterOf(c net.Conn) TryWriter {
	var sc syscall.Conn
	switch c := c.(type) {
	case TryWriter:
		return c
	case *net.TCPConn:
		sc = c
	case *net.UnixConn:
		sc = c
	default:
		return nil
	}
	rc, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	w := &rawWriter{rc: rc}
	w.once = func(fd uintptr) bool {
		for {
			w.n, w.err = syscall.Write(int(fd), w.p)
			if w.err != syscall.EINTR {
				return true
			}
		}
	}
	return w
}

// TryWrite implements TryWriter.
func (w *rawWriter) TryWrite(p []byte) (int, error) {
	w.p, w.n, w.err = p, 0, nil
	err := w.rc.Write(w.once)
	w.p = nil
	if err != nil {
		return 0, err
	}
	if w.err == syscall.EAGAIN || w.err == syscall.ENOBUFS {
		return 0, nil
	}
	return max(w.n, 0), w.err
}
