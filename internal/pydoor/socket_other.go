//go:build !linux

package pydoor

import "net"

// wrap prepares a connection for the door.
func wrap(nc net.Conn, _ *seat) net.Conn {
	if t, ok := nc.(*net.TCPConn); ok {
		_ = t.SetNoDelay(true)
	}
	return nc
}

// ackAtOnce does nothing where acknowledgements cannot be hurried.
func ackAtOnce(net.Conn, bool) {}

// seat is for a connection that waits in the kernel; here none does.
type seat struct{}

func newSeat() *seat { return nil }

func warm(net.Conn)   {}
func cool(net.Conn)   {}
func forget(net.Conn) {}

// peerPID returns the process at the other end of a unix socket, or 0.
func peerPID(net.Conn) int { return 0 }

// processGone reports whether no process has the id.
func processGone(int) bool { return false }
