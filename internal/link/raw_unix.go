//go:build unix

package link

import (
	"io"
	"net"
	"os"
	"syscall"
)

// rawWriter writes to a socket, without a call that blocks: the socket may be in
// blocking mode for its reader (hot). One goroutine uses it at a time.
type rawWriter struct {
	rc   syscall.RawConn
	once func(fd uintptr) bool // made once, so that a write allocates nothing
	all  func(fd uintptr) bool

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
		w.send(fd)
		return true
	}
	w.all = func(fd uintptr) bool {
		w.send(fd)
		return len(w.p) == 0 || w.err != nil
	}
	return w
}

// send sends what fits.
func (w *rawWriter) send(fd uintptr) {
	for len(w.p) > 0 {
		n, err := trySend(fd, w.p)
		switch err {
		case nil:
			w.p, w.n = w.p[n:], w.n+n
		case syscall.EINTR:
		case syscall.EAGAIN, syscall.ENOBUFS:
			return
		default:
			w.err = err
			return
		}
	}
}

// TryWrite implements TryWriter.
func (w *rawWriter) TryWrite(p []byte) (int, error) { return w.write(p, w.once) }

// Write writes all of p, and waits for the socket by the runtime's poller.
func (w *rawWriter) Write(p []byte) (int, error) { return w.write(p, w.all) }

func (w *rawWriter) write(p []byte, how func(fd uintptr) bool) (int, error) {
	w.p, w.n, w.err = p, 0, nil
	err := w.rc.Write(how)
	w.p = nil
	if err == nil {
		err = w.err
	}
	return w.n, err
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
			n, err = tryReceive(fd, p)
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
