package connection

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/syncmanager/syncmanager/auth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var testKey = auth.Generate()

// hasIPv6 tells whether this machine has an IPv6 loopback.
var hasIPv6 = sync.OnceValue(func() bool {
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		return false
	}
	l.Close()
	return true
})

// addresses returns an address to listen on of each transport.
func addresses(t testing.TB) []string {
	a := []string{"tcp://127.0.0.1:0", "tcp+plain://127.0.0.1:0", "unix://" + socketPath(t), "pipe"}
	if hasIPv6() {
		a = append(a, "tcp://[::1]:0")
	} else {
		t.Log("no IPv6 on this machine: [::1] is parsed in TestParseAddress and not connected to")
	}
	return a
}

// socketPath returns the path of a socket in a directory of its own, which is
// short enough on all systems.
func socketPath(t testing.TB) string {
	dir, err := os.MkdirTemp("", "c")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p := filepath.ToSlash(filepath.Join(dir, "s"))
	if !strings.HasPrefix(p, "/") {
		p = "/" + p
	}
	return p
}

// connect returns both ends of an authenticated connection.
func connect(t testing.TB, addr string) (client, server *Conn) {
	t.Helper()
	l, err := Listen(t.Context(), addr, ListenConfig{AuthKey: testKey})
	if err != nil {
		t.Fatal(err)
	}
	client, err = Dial(t.Context(), l.Addr().String(), DialConfig{AuthKey: testKey})
	if err != nil {
		t.Fatal(err)
	}
	server, err = l.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

// overAll runs a test over every transport, and over a bare stream.
func overAll(t *testing.T, f func(t *testing.T, a, b *Conn)) {
	for _, addr := range addresses(t) {
		name, _, _ := strings.Cut(addr, "://")
		if strings.Contains(addr, "[::1]") {
			name += "6"
		}
		t.Run(name, func(t *testing.T) {
			a, b := connect(t, addr)
			f(t, a, b)
		})
	}
	t.Run("stream", func(t *testing.T) {
		x, y := net.Pipe() // has no buffer and no non-blocking reads
		a, b := NewConn(x), NewConn(y)
		t.Cleanup(func() { a.Close(); b.Close() })
		f(t, a, b)
	})
}

func TestMessages(t *testing.T) {
	overAll(t, func(t *testing.T, a, b *Conn) {
		sizes := []int{0, 1, 5, readSize - 1, readSize, readSize + 1, oneWrite, oneWrite + 1, 3 << 20, 2}
		go func() {
			for i, n := range sizes {
				if err := a.SendBytes(bytes.Repeat([]byte{byte(i + 1)}, n)); err != nil {
					t.Error(err)
				}
			}
			a.Close()
		}()
		for i, n := range sizes {
			got, err := b.RecvBytes(0)
			if err != nil || !bytes.Equal(got, bytes.Repeat([]byte{byte(i + 1)}, n)) {
				t.Fatalf("message %d of %d bytes: %d bytes, %v", i, n, len(got), err)
			}
		}
		for range 2 {
			if _, err := b.RecvBytes(0); err != io.EOF {
				t.Errorf("at the end: %v, want io.EOF", err)
			}
		}
	})
}

func TestValues(t *testing.T) {
	type job struct {
		ID   int
		Name string `msgpack:"n"`
		At   time.Time
		Data []byte
		Next *job
	}
	overAll(t, func(t *testing.T, a, b *Conn) {
		var wg sync.WaitGroup
		defer wg.Wait()
		want := job{ID: -7, Name: "x", At: time.Unix(1700000000, 5), Data: []byte{0, 255}, Next: &job{ID: 1 << 30}}
		wg.Go(func() {
			for _, v := range []any{want, "text", nil, []any{1, 2.5, "three"}, make(chan int)} {
				if err := a.Send(v); (err != nil) != (fmt.Sprintf("%T", v) == "chan int") {
					t.Errorf("send a %T: %v", v, err)
				}
			}
			_ = a.Send(true)
		})
		var got job
		if err := b.Recv(&got); err != nil || got.ID != want.ID || got.Name != "x" || !got.At.Equal(want.At) ||
			!bytes.Equal(got.Data, want.Data) || got.Next == nil || got.Next.ID != 1<<30 {
			t.Fatalf("%+v, %v", got, err)
		}
		var s string
		if err := b.Recv(&s); err != nil || s != "text" {
			t.Fatalf("%q, %v", s, err)
		}
		var v any = 1
		if err := b.Recv(&v); err != nil || v != nil {
			t.Fatalf("%v, %v", v, err)
		}
		// What does not fit is an error, and the connection goes on.
		var n int
		if err := b.Recv(&n); !errors.Is(err, ErrValue) {
			t.Fatalf("an array into an int: %v", err)
		}
		var ok bool
		if err := b.Recv(&ok); err != nil || !ok {
			t.Fatalf("%v, %v", ok, err)
		}
	})
}

func TestLimits(t *testing.T) {
	overAll(t, func(t *testing.T, a, b *Conn) {
		go func() {
			for _, n := range []int{100, 100, 10000, 5, 2000} {
				_ = a.SendBytes(bytes.Repeat([]byte{7}, n))
			}
		}()
		// Above the caller's maximum: nothing is lost.
		var long *MessageTooLong
		if _, err := b.RecvBytes(99); !errors.As(err, &long) || long.Size != 100 || long.Limit != 99 {
			t.Fatalf("error %v", err)
		}
		if got, err := b.RecvBytes(100); len(got) != 100 || err != nil {
			t.Fatal(len(got), err)
		}
		// Into a buffer.
		var short *BufferTooShort
		buf := make([]byte, 50)
		if _, err := b.RecvBytesInto(buf); !errors.As(err, &short) || len(short.Message) != 100 || short.Size != 50 {
			t.Fatalf("error %v", err)
		}
		if _, err := b.RecvBytesInto(buf); !errors.As(err, &short) || len(short.Message) != 10000 || short.Message[9999] != 7 {
			t.Fatalf("error %v", err)
		}
		if n, err := b.RecvBytesInto(buf); n != 5 || err != nil || buf[4] != 7 {
			t.Fatal(n, err)
		}
		// Above the connection's own limit: it receives nothing more.
		b.SetMaxMessage(1000)
		for range 2 {
			if _, err := b.RecvBytes(0); !errors.As(err, &long) || long.Limit != 1000 {
				t.Fatalf("error %v", err)
			}
		}
	})
}

// A message that is torn is told apart from a stream that ended.
func TestTornMessage(t *testing.T) {
	for _, cut := range []int{1, 3, 4, 9} {
		x, y := net.Pipe()
		go func() {
			_, _ = x.Write([]byte("\x00\x00\x00\x02ok\x00\x00\x00\x09123456789")[:6+cut])
			x.Close()
		}()
		c := NewConn(y)
		if got, err := c.RecvBytes(0); string(got) != "ok" || err != nil {
			t.Fatalf("%q, %v", got, err)
		}
		for range 2 {
			if _, err := c.RecvBytes(0); err != io.ErrUnexpectedEOF {
				t.Errorf("cut after %d bytes: %v", cut, err)
			}
		}
		c.Close()
	}
}

// A length costs no memory before the bytes come.
func TestLengthLie(t *testing.T) {
	x, y := net.Pipe()
	go func() {
		_, _ = x.Write([]byte{3, 255, 255, 255, 1})
		x.Close()
	}()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := NewConn(y).RecvBytes(0)
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; err != io.ErrUnexpectedEOF || n > 1<<20 {
		t.Errorf("%v, and %d bytes allocated", err, n)
	}
	y.Close()
}

func TestConcurrentSend(t *testing.T) {
	overAll(t, func(t *testing.T, a, b *Conn) {
		const senders, each = 8, 50
		var wg sync.WaitGroup
		for s := range senders {
			wg.Go(func() {
				for i := range each {
					if err := a.SendBytes(bytes.Repeat([]byte{byte(s)}, 1+i*4000)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		var next [senders]int
		for range senders * each {
			m, err := b.RecvBytes(0)
			if err != nil {
				t.Fatal(err)
			}
			s := m[0]
			if len(m) != 1+next[s]*4000 || !bytes.Equal(m, bytes.Repeat(m[:1], len(m))) {
				t.Fatalf("message %d of sender %d: %d bytes, mixed up", next[s], s, len(m))
			}
			next[s]++
		}
		wg.Wait()
	})
}

func TestReadDeadline(t *testing.T) {
	overAll(t, func(t *testing.T, a, b *Conn) {
		_ = b.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		if _, err := b.RecvBytes(0); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("receive: %v", err)
		}
		if ok, err := b.Poll(t.Context(), -1); ok || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("poll: %v, %v", ok, err)
		}
		_ = b.SetReadDeadline(time.Time{})
		go func() { _ = a.SendBytes([]byte("late")) }()
		if got, err := b.RecvBytes(0); string(got) != "late" || err != nil {
			t.Fatalf("%q, %v", got, err)
		}
	})
}

func TestOneWayPipe(t *testing.T) {
	a, b := Pipe(false)
	defer a.Close()
	defer b.Close()
	if err := a.SendBytes(nil); err != ErrReadOnly {
		t.Errorf("send on the receiving end: %v", err)
	}
	if _, err := b.RecvBytes(0); err != ErrWriteOnly {
		t.Errorf("receive on the sending end: %v", err)
	}
	if _, err := b.Poll(t.Context(), 0); err != ErrWriteOnly {
		t.Errorf("poll on the sending end: %v", err)
	}
	if err := b.Send(5); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := a.Recv(&n); err != nil || n != 5 {
		t.Error(n, err)
	}
}

// The challenge of Python's own module runs over a Conn.
func TestChallenge(t *testing.T) {
	for _, same := range []bool{true, false} {
		a, b := Pipe(true)
		key := testKey
		if !same {
			key = auth.Generate()
		}
		answered := make(chan error, 1)
		go func() { answered <- AnswerChallenge(b, key) }()
		delivered := DeliverChallenge(a, testKey)
		err := <-answered
		if same && (delivered != nil || err != nil) {
			t.Errorf("one key: %v, %v", delivered, err)
		}
		if !same && (!errors.Is(delivered, auth.ErrAuthentication) || !errors.Is(err, auth.ErrAuthentication)) {
			t.Errorf("two keys: %v, %v", delivered, err)
		}
		a.Close()
		b.Close()
	}
}

func TestAddressesOfAConn(t *testing.T) {
	a, b := connect(t, "unix://"+socketPath(t))
	if !strings.HasPrefix(a.RemoteAddr().String(), "unix:///") || a.RemoteAddr().String() != b.LocalAddr().String() {
		t.Errorf("client's remote %v, server's local %v", a.RemoteAddr(), b.LocalAddr())
	}
	if s := b.Peer(); s.Role != auth.RoleAdmin || s.KeyName != auth.DefaultName {
		t.Errorf("session %v %v", s.Role, s.KeyName)
	}
	if a.Peer().Binding != b.Peer().Binding {
		t.Error("the two ends have different sessions")
	}
}

func TestDialContext(t *testing.T) {
	// A listener that never answers the handshake.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	for _, scheme := range []string{"tcp", "tcp+plain"} {
		if _, err := Dial(ctx, scheme+"://"+l.Addr().String(), DialConfig{AuthKey: testKey}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", scheme, err)
		}
	}
}
