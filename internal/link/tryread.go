package link

import "net"

// TryReader is implemented by connections that can read without blocking.
type TryReader interface {
	// TryRead reads what is there, or returns ErrWouldBlock. One goroutine
	// reads at a time, with TryRead or Read.
	TryRead(p []byte) (int, error)
}

// ErrWouldBlock says that there is nothing to read yet. It is a timeout in the
// sense of net.Error, which crypto/tls takes as passing.
var ErrWouldBlock net.Error = wouldBlock{}

type wouldBlock struct{}

func (wouldBlock) Error() string   { return "nothing to read yet" }
func (wouldBlock) Timeout() bool   { return true }
func (wouldBlock) Temporary() bool { return true }

// TryReaderOf returns the non-blocking reader of a connection, or nil if it
// has none. Connections of package net have one on Unix, and so have both ends
// of a Pipe and TLS connections over any of these.
func TryReaderOf(c net.Conn) TryReader {
	switch c := c.(type) {
	case TryReader:
		return c
	case *TLSConn:
		if try := TryReaderOf(c.under.Conn); try != nil {
			return tlsReader{c, try}
		}
		return nil
	}
	return socketReader(c)
}

// tlsReader reads from a TLS connection whose socket does not block meanwhile.
type tlsReader struct {
	c   *TLSConn
	try TryReader
}

// TryRead implements TryReader.
func (r tlsReader) TryRead(p []byte) (int, error) {
	r.c.under.try = r.try
	n, err := r.c.Read(p)
	r.c.under.try = nil
	return n, err
}
