package connection

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// The kernel finds a peer that is gone within the default lease, whether
// something is under way or not.
func TestSilence(t *testing.T) {
	l := listen(t, "tcp+plain://127.0.0.1:0", ListenConfig{})
	go func() {
		if c, err := l.Accept(t.Context()); err == nil {
			defer c.Close()
			_, _ = c.RecvBytes(0)
		}
	}()
	addr := l.Addr()
	s, err := DialStream(t.Context(), addr, StreamConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Conn.Close()
	rc, err := s.Conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	get := func(level, option int) (v int) {
		if err := rc.Control(func(fd uintptr) { v, err = unix.GetsockoptInt(int(fd), level, option) }); err != nil {
			t.Fatal(err)
		}
		return v
	}
	if get(unix.SOL_SOCKET, unix.SO_KEEPALIVE) == 0 {
		t.Error("no keepalive")
	}
	idle := get(unix.IPPROTO_TCP, unix.TCP_KEEPIDLE) + get(unix.IPPROTO_TCP, unix.TCP_KEEPCNT)*get(unix.IPPROTO_TCP, unix.TCP_KEEPINTVL)
	if want := int(silence.Seconds()); idle != want {
		t.Errorf("an idle peer that is gone is found after %d s, want %d", idle, want)
	}
	if got, want := get(unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT), int(silence.Milliseconds()); got != want {
		t.Errorf("one that something was sent to is found after %d ms, want %d", got, want)
	}
}
