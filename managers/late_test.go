package managers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/internal/client"
	"github.com/syncmanager/syncmanager/internal/link"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// slowLink is a connection that reads no more than so many bytes a second.
type slowLink struct {
	net.Conn
	rate int
}

func (s *slowLink) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p[:min(len(p), s.rate/100)])
	time.Sleep(time.Duration(n) * time.Second / time.Duration(s.rate))
	return n, err
}

// over opens a session of the server over links of that rate, and counts them.
func over(t *testing.T, s *Server, rate int, config client.Config) (*client.Session, *int) {
	t.Helper()
	links := new(int)
	config.Dial = func(context.Context) (net.Conn, auth.Peer, error) {
		*links++
		ours, theirs := link.Pipe()
		s.running.Add(1)
		go func() {
			defer s.running.Done()
			s.serveConn(theirs, someone, origin{remote: "pipe", host: "pipe"})
		}()
		if rate == 0 {
			return ours, someone, nil
		}
		return &slowLink{ours, rate}, someone, nil
	}
	c, err := client.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, links
}

var (
	openMethod = client.Method{Name: "open"}
	setMethod  = client.Method{Type: "dict", Name: "set"}
	getMethod  = client.Method{Type: "dict", Name: "get", Flags: client.Reads}
)

func openDict(t *testing.T, s *client.Session) client.Ref {
	t.Helper()
	c := s.NewServerCall(&openMethod, 2)
	client.Arg(c, "d")
	client.Arg(c, "dict")
	r, err := client.Invoke[client.Ref](t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func setKey(t *testing.T, d client.Ref, key string, value []byte) {
	t.Helper()
	c := client.NewCall(d, &setMethod, 2)
	client.Arg(c, key)
	client.Arg(c, value)
	if err := client.Exec(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

func getKey(ctx context.Context, d client.Ref, key string) ([]byte, error) {
	c := client.NewCall(d, &getMethod, 1)
	client.Arg(c, key)
	return client.Invoke[[]byte](ctx, c)
}

// A client that reads slowly gets all that it asked for, over one connection,
// however long it takes beside its lease.
func TestSlowReaderGetsAll(t *testing.T) {
	for _, tt := range []struct {
		name                string
		rate, unsent        int
		callers, size, each int
	}{
		{"ten times what may be unsent", 1e6, 1 << 20, 10, 1 << 20, 1},
		{"150 callers of 1 MB", 20e6, DefaultMaxUnsent, 150, 1e6, 1},
		{"small values", 1e6, 1 << 16, 50, 20_000, 5},
		{"one value above all bounds", 1e6, 1 << 16, 2, 8 << 20, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newTestServer(t, func(c *Config) { c.MaxUnsent = tt.unsent })
				writer, _ := over(t, s, 0, client.Config{})
				setKey(t, openDict(t, writer), "k", make([]byte, tt.size))
				reader, links := over(t, s, tt.rate, client.Config{Lease: 3 * time.Second})
				d := openDict(t, reader)
				var wg sync.WaitGroup
				for range tt.callers {
					wg.Go(func() {
						for range tt.each {
							if v, err := getKey(t.Context(), d, "k"); err != nil || len(v) != tt.size {
								t.Errorf("%d bytes, %v", len(v), err)
								return
							}
						}
					})
				}
				// One that gives up meanwhile is no trouble to the others.
				ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
				defer cancel()
				if _, err := getKey(ctx, d, "k"); err != nil && !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
				wg.Wait()
				if *links != 1 {
					t.Errorf("%d connections, want one", *links)
				}
			})
		})
	}
}

// Calls wait in the server, as they came, while too much is unread; what is not a
// call does not wait.
func TestCallsWaitForTheReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, func(c *Config) { c.MaxUnsent = 100_000 })
		writer, _ := over(t, s, 0, client.Config{})
		setKey(t, openDict(t, writer), "k", make([]byte, 200_000))
		c := open(t, s)
		c.call(0, "open", "d", "dict")
		c.next()
		for range 10 {
			c.call(2, "get", "k")
		}
		synctest.Wait()
		waiting := func() (n int) {
			s.core.mu.Lock()
			defer s.core.mu.Unlock()
			for conn := range s.conns {
				n += len(conn.late.list) - conn.late.head
			}
			return n
		}
		if n := waiting(); n < 7 || n > 9 {
			t.Fatalf("%d of 10 calls wait", n)
		}
		c.send(wire.AppendPing(nil, wire.KindPing, 77))
		c.send(wire.AppendCancel(nil, c.serial, wire.CancelAsk))
		seen := make(map[uint64]bool)
		for pong := false; len(seen) < 10 || !pong; {
			kind, body := c.next()
			switch kind {
			case wire.KindPong:
				if pong = true; len(seen) > 3 {
					t.Errorf("the PONG came behind %d replies", len(seen))
				}
			case wire.KindReply:
				r, err := wire.ParseReply(body)
				if err != nil {
					t.Fatal(err)
				}
				seen[r.Serial] = true
				if failed := r.Status&wire.ReplyError != 0; failed != (r.Serial == c.serial) {
					t.Errorf("call %d failed: %v; only %d was cancelled", r.Serial, failed, c.serial)
				}
			}
		}
		synctest.Wait() // the server notes what it has sent
		if n := waiting(); n != 0 {
			t.Errorf("%d calls wait at the end", n)
		}
	})
}

// A client that reads nothing is cut off after its lease, though it sends.
func TestWhoReadsNothingIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t)
		writer, _ := over(t, s, 0, client.Config{})
		setKey(t, openDict(t, writer), "k", make([]byte, 1<<20))
		c := dial(t, s, someone)
		c.send(wire.AppendOpen(nil, &wire.Open{Version: wire.Version, Lease: 5000}))
		c.welcome()
		c.call(0, "open", "d", "dict")
		c.next()
		c.call(2, "get", "k")
		began := time.Now()
		for token := uint64(1); ; token++ {
			if _, err := c.nc.Write(wire.AppendPing(nil, wire.KindPing, token)); err != nil {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		if took := time.Since(began); took < 5*time.Second || took > 7*time.Second {
			t.Errorf("cut off after %v, want a lease of 5s", took)
		}
	})
}

// The server does not send what the client would refuse.
func TestClientsOwnLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t)
		writer, _ := over(t, s, 0, client.Config{})
		d := openDict(t, writer)
		for size, fits := range map[int]bool{1000: true, 15_000: true, 20_000: false, 200_000: false} {
			setKey(t, d, fmt.Sprint(size), make([]byte, size))
			small, _ := over(t, s, 0, client.Config{MaxMessage: 16_000})
			for range 2 {
				_, err := getKey(t.Context(), openDict(t, small), fmt.Sprint(size))
				if fits && err != nil || !fits && !errors.Is(err, wire.ErrTooLarge) {
					t.Errorf("a value of %d bytes: %v", size, err)
				}
			}
			if err := small.Err(); err != nil {
				t.Errorf("the session: %v", err)
			}
		}
	})
}
