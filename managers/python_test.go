package managers

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// directOf returns a server, not listening, with a direct session.
func directOf(t *testing.T) (*Server, *direct) {
	t.Helper()
	s := NewServer(Config{AuthKey: auth.Generate()})
	t.Cleanup(func() { s.Close() })
	d, err := s.newDirect(engine.SessionInfo{Program: "test", Role: engine.RoleAdmin})
	if err != nil {
		t.Fatal(err)
	}
	return s, d
}

// openQueue returns the named queue.
func (d *direct) openQueue(t *testing.T, name string) wire.Ref {
	t.Helper()
	b := wire.AppendStr(wire.AppendStr(wire.AppendArrayHeader(nil, 2), name), "Queue")
	v, err := d.Call(t.Context(), engine.Command{Method: engine.MethodOpen, Args: b})
	if err != nil {
		t.Fatal(err)
	}
	r, _ := wire.ParseRef(v.Bytes())
	return r.Ref()
}

func (d *direct) must(t *testing.T, object uint64, method string, args ...any) any {
	t.Helper()
	b := wire.AppendArrayHeader(nil, len(args))
	for _, a := range args {
		b, _ = wire.AppendAny(b, a)
	}
	v, err := d.Call(t.Context(), engine.Command{Object: object, Name: []byte(method), Args: b})
	if err != nil {
		t.Fatalf("%s: %v", method, err)
	}
	out, err := wire.Decode(v.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// What an abandoned call took is given back, before its reply and after it.
func TestDirectAbandon(t *testing.T) {
	s, d := directOf(t)
	q := d.openQueue(t, "q")
	get := engine.Command{Object: q.ID, Name: []byte("get"), Args: wire.AppendArrayHeader(nil, 0)}

	early := d.start(&get)
	early.Abandon()
	d.must(t, q.ID, "put", "item")
	late := d.start(&get)
	<-late.Ready()
	if v, err := late.Result(); err != nil || string(v) != "\xa4item" {
		t.Fatalf("got %q, %v", v, err)
	}
	if n := d.must(t, q.ID, "qsize"); n != int64(0) {
		t.Errorf("%v items, want none", n)
	}
	late.Abandon()
	if n := d.must(t, q.ID, "qsize"); n != int64(1) {
		t.Errorf("%v items, want the one that came back", n)
	}

	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	d.must(t, q.ID, "get")
	if _, err := d.Call(ctx, get); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a get whose context ended: %v", err)
	}
	if n := s.core.engine.Stats().Parked; n != 0 {
		t.Errorf("%d calls wait", n)
	}
}

// Replies are acknowledged, at the latest when the session has been idle for a
// moment.
func TestDirectAcknowledges(t *testing.T) {
	_, d := directOf(t)
	q := d.openQueue(t, "q")
	parked := d.start(&engine.Command{Object: d.openQueue(t, "other").ID, Name: []byte("get"), Args: wire.AppendArrayHeader(nil, 0)})
	for range 1000 {
		d.must(t, q.ID, "put", 1)
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		rows := d.must(t, 0, "sessions").([]any)[1].([]any)
		row := rows[0].(map[string]any)
		if row["kept"].(int64) <= 1 {
			break // the sessions call itself keeps none
		}
		if time.Now().After(end) {
			t.Fatalf("%v replies are kept", row["kept"])
		}
	}
	d.close()
	<-parked.Ready()
	if _, err := parked.Result(); !errors.Is(err, wire.ErrSessionExpired) {
		t.Errorf("a call of a session that is over: %v", err)
	}
	parked.Accept()
	if _, err := d.Call(t.Context(), engine.Command{Method: engine.MethodTypes, Args: wire.AppendArrayHeader(nil, 0)}); !errors.Is(err, wire.ErrSessionExpired) {
		t.Errorf("a call after the end: %v", err)
	}
}

func TestListenPython(t *testing.T) {
	s := NewServer(Config{AuthKey: auth.Generate()})
	defer s.Close()
	socket := filepath.Join(t.TempDir(), "py.sock")
	for _, bad := range []string{"127.0.0.1:1", "pipe://x", "tcp+plain+x://a:1", "tcp://nohost"} {
		if err := s.ListenPython(t.Context(), bad); err == nil {
			t.Errorf("it listens on %q", bad)
		}
	}
	if err := s.ListenPython(t.Context()); err == nil {
		t.Error("it listens on nothing")
	}
	if err := s.ListenPython(t.Context(), "unix://"+socket, "tcp://127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(s.Addrs(), " "); !strings.Contains(got, "python+unix://"+socket) || !strings.Contains(got, "python+tcp://127.0.0.1:") {
		t.Errorf("addresses: %s", got)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(context.Background()) }()

	// A stranger who says nothing does not keep the server from ending.
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if err := <-done; !errors.Is(err, ErrServerClosed) {
		t.Errorf("Serve: %v", err)
	}
	if err := s.ListenPython(t.Context(), "unix://"+socket); !errors.Is(err, ErrServerClosed) {
		t.Errorf("listening after the end: %v", err)
	}
}

// TestPythonFailuresCount holds that failed attempts of Python clients count for
// the address that those of others count for.
func TestPythonFailuresCount(t *testing.T) {
	s := NewServer(Config{AuthKey: auth.Generate(), Limits: Limits{Failures: 1}})
	t.Cleanup(func() { s.Close() })
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for remote, host := range map[string]string{
		"192.0.2.1:5": "192.0.2.1", "[::ffff:192.0.2.2]:5": "192.0.2.2", "[2001:db8:1:2::1]:5": "2001:db8:1:2::/64", "@": "unix", "": "unix",
	} {
		s.refusePython(gone, remote)
		if s.limiter.ShutOut(host, time.Now()) == 0 {
			t.Errorf("a failed attempt from %q does not count for %s", remote, host)
		}
	}
}
