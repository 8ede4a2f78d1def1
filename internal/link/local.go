package link

import "net"

// localBuffer is how many bytes the kernel holds each way between two programs
// on one machine, about: Linux doubles it.
const localBuffer = 128 << 10

// bound keeps the kernel's buffers of a loopback connection short. Left alone
// they grow to many megabytes while a large value passes, and every small frame
// waits behind those. There is no distance that so much would have to fill. On
// all other connections the kernel finds out how much that is.
func bound(c net.Conn) {
	t, ok := c.(*net.TCPConn)
	if !ok {
		return
	}
	if a, ok := t.RemoteAddr().(*net.TCPAddr); !ok || !a.IP.IsLoopback() {
		return
	}
	// An error is the connection's end, which its reader and writer meet.
	_ = t.SetReadBuffer(localBuffer)
	_ = t.SetWriteBuffer(localBuffer)
}
