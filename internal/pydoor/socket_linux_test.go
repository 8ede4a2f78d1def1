package pydoor

import (
	"errors"
	"net"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// sockets returns the two ends of a connection over a unix socket, of which the
// second is the door's.
func sockets(t *testing.T, s *seat) (net.Conn, *socket) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	nc, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); nc.Close() })
	return client, wrap(nc, s).(*socket)
}

// blocking reports whether the socket is in blocking mode.
func (c *socket) blocking(t *testing.T) (yes bool) {
	err := c.raw.Control(func(fd uintptr) {
		flags, err := unix.FcntlInt(fd, unix.F_GETFL, 0)
		if err != nil {
			t.Error(err)
		}
		yes = flags&unix.O_NONBLOCK == 0
	})
	if err != nil {
		t.Fatal(err)
	}
	return yes
}

func (c *socket) warmUp() {
	for range hotAfter + 1 {
		warm(c)
	}
}

func TestBusySocketWaitsInTheKernel(t *testing.T) {
	s := new(seat)
	client, c := sockets(t, s)
	b := make([]byte, 8)
	c.warmUp()
	if !c.hot || !c.blocking(t) {
		t.Fatal("a busy connection is not hot")
	}
	client.Write([]byte("one"))
	if n, err := c.Read(b); n != 3 || err != nil {
		t.Fatalf("read %d bytes, %v", n, err)
	}
	if !c.hot {
		t.Fatal("a request that had come cooled the connection")
	}
	// One that waits for long does so as others do.
	time.AfterFunc(20*hotWait, func() { client.Write([]byte("two")) })
	if n, err := c.Read(b); n != 3 || err != nil {
		t.Fatalf("read %d bytes, %v", n, err)
	}
	if c.hot || c.blocking(t) || s.taken.Load() {
		t.Fatal("a connection that waited is hot")
	}
	c.warmUp()
	client.Close()
	if n, err := c.Read(b); n != 0 || err == nil {
		t.Fatalf("read %d bytes, %v at the end", n, err)
	}
	forget(c)
	if s.taken.Load() || s.last.Load() != nil {
		t.Fatal("a connection that ended has the seat")
	}
}

func TestOneSocketWaitsInTheKernel(t *testing.T) {
	s := new(seat)
	_, a := sockets(t, s)
	_, b := sockets(t, s)
	for range 2 * hotAfter {
		warm(a)
		warm(b)
	}
	if a.hot || b.hot {
		t.Fatal("connections that take turns are hot")
	}
	a.warmUp()
	warm(b)
	warm(a)
	if a.hot || a.blocking(t) || s.taken.Load() {
		t.Fatal("a connection stays hot while another makes requests")
	}
}

// A connection can be closed while it waits in the kernel, and fails then.
func TestCloseHotSocket(t *testing.T) {
	s := new(seat)
	_, c := sockets(t, s)
	c.warmUp()
	ended := make(chan error, 1)
	go func() {
		_, err := c.Read(make([]byte, 8))
		ended <- err
	}()
	c.Conn.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Fatalf("Read after Close: %v", err)
	}
	forget(c)
	if s.taken.Load() {
		t.Fatal("a closed connection has the seat")
	}
}
