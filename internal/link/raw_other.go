//go:build !unix

package link

import "net"

// tryWriterOf returns the non-blocking writer of the connection, or nil if it
// has none: sockets have none on this system, and a goroutine writes.
func tryWriterOf(c net.Conn) TryWriter {
	w, _ := c.(TryWriter)
	return w
}

func socketReader(net.Conn) TryReader { return nil }
