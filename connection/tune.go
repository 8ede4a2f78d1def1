package connection

import (
	"net"
	"time"
)

// silence is how long a TCP peer may be gone without a word before the
// connection ends: the default lease of a session.
const silence = 15 * time.Second

// tune sets what every TCP connection has; package net sets TCP_NODELAY. The
// kernel asks an idle peer after a third of the time, and twice more.
func tune(c net.Conn) {
	t, ok := c.(*net.TCPConn)
	if !ok {
		return
	}
	// Where the system refuses, its own keepalive stays.
	_ = t.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: silence / 3, Interval: silence / 3, Count: 2})
	tuneSocket(t)
}
