//go:build unix

package link

import (
	"io"
	"net"
	"os"
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

// socketOf returns the socket under a connection of package net. Only the very
// types are asked: a type that embeds one may read and write in ways of its own.
func socketOf(c net.Conn) syscall.RawConn {
	var sc syscall.Conn
	switch c := c.(type) {
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
	return rc
}

// tryWriterOf returns the non-blocking writer of the connection, or nil if it
// has none.
func tryWriterOf(c net.Conn) TryWriter {
	if w, ok := c.(TryWriter); ok {
		return w
	}
	rc := socketOf(c)
	if rc == nil {
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

// rawReader reads from a socket what is there.
type rawReader struct{ rc syscall.RawConn }

// TryRead implements TryReader.
func (r rawReader) TryRead(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	var n int
	var err error
	if e := r.rc.Read(func(fd uintptr) bool {
		for {
			n, err = syscall.Read(int(fd), p)
			if err != syscall.EINTR {
				return true
			}
		}
	}); e != nil {
		return 0, e
	}
	switch {
	case err == syscall.EAGAIN:
		return 0, ErrWouldBlock
	case err != nil:
		return 0, os.NewSyscallError("read", err)
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

func socketReader(c net.Conn) TryReader {
	rc := socketOf(c)
	if rc == nil {
		return nil
	}
	return rawReader{rc}
}
