package managers

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/link"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// script is a client that speaks the protocol frame by frame.
type script struct {
	t      *testing.T
	nc     net.Conn
	in     *link.Reader
	serial uint64
}

var testKey = func() auth.Key {
	k, err := auth.FromBytes([]byte("a key for tests only"))
	if err != nil {
		panic(err)
	}
	return k
}()

// newTestServer returns a server without listeners.
func newTestServer(t *testing.T, change ...func(*Config)) *Server {
	cfg := Config{AuthKey: testKey}
	for _, f := range change {
		f(&cfg)
	}
	s := NewServer(cfg)
	t.Cleanup(func() { s.Close() })
	return s
}

// dial returns a connection to the server on which authentication is over.
func dial(t *testing.T, s *Server, who auth.Peer) *script {
	ours, theirs := link.Pipe()
	s.running.Add(1)
	go func() {
		defer s.running.Done()
		s.serveConn(theirs, who, origin{remote: "pipe", host: "pipe"})
	}()
	t.Cleanup(func() { ours.Close() })
	return &script{t: t, nc: ours, in: link.NewReader(ours, 0)}
}

var someone = auth.Peer{KeyName: "default", Role: auth.RoleAdmin, Binding: [32]byte{1}, SessionKey: [32]byte{2}}

// open begins a session.
func open(t *testing.T, s *Server) *script {
	c := dial(t, s, someone)
	c.send(wire.AppendOpen(nil, &wire.Open{Version: wire.Version, Program: "test"}))
	c.welcome()
	return c
}

func (c *script) send(frame []byte) {
	c.t.Helper()
	if _, err := c.nc.Write(frame); err != nil {
		c.t.Fatalf("write: %v", err)
	}
}

func (c *script) next() (byte, []byte) {
	c.t.Helper()
	c.nc.SetReadDeadline(time.Now().Add(5 * time.Second))
	kind, body, err := c.in.Next()
	if err != nil {
		c.t.Fatalf("read: %v", err)
	}
	return kind, body
}

func (c *script) welcome() wire.Welcome {
	c.t.Helper()
	kind, body := c.next()
	if kind != wire.KindWelcome {
		c.t.Fatalf("message %d in place of WELCOME: %q", kind, body)
	}
	m, err := wire.ParseWelcome(body)
	if err != nil {
		c.t.Fatal(err)
	}
	return m
}

// call sends a call by name and returns its serial.
func (c *script) call(object uint64, method string, args ...any) uint64 {
	c.t.Helper()
	c.serial++
	b := wire.AppendArrayHeader(nil, len(args))
	for _, a := range args {
		var err error
		if b, err = wire.Marshal(b, a); err != nil {
			c.t.Fatal(err)
		}
	}
	c.send(wire.AppendCall(nil, &wire.Call{Serial: c.serial, Object: object, Name: []byte(method), Args: b}))
	return c.serial
}

// reply returns the next reply, which must be that serial's.
func (c *script) reply(serial uint64) (any, error) {
	c.t.Helper()
	kind, body := c.next()
	if kind != wire.KindReply {
		c.t.Fatalf("message %d in place of a reply: %q", kind, body)
	}
	r, err := wire.ParseReply(body)
	if err != nil || r.Serial != serial {
		c.t.Fatalf("reply %d (%v), want %d", r.Serial, err, serial)
	}
	if r.Status&wire.ReplyError != 0 {
		e, err := wire.ParseError(r.Body)
		if err != nil {
			c.t.Fatal(err)
		}
		return nil, e
	}
	v, err := wire.Decode(r.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return v, nil
}

// must makes a call that must not fail.
func (c *script) must(object uint64, method string, args ...any) any {
	c.t.Helper()
	v, err := c.reply(c.call(object, method, args...))
	if err != nil {
		c.t.Fatalf("%s: %v", method, err)
	}
	return v
}

// refused reads until BYE and returns its error.
func (c *script) refused() *wire.Error {
	c.t.Helper()
	for {
		kind, body := c.next()
		if kind != wire.KindBye {
			continue
		}
		e, err := wire.ParseError(body)
		if err != nil {
			c.t.Fatal(err)
		}
		return e
	}
}

func TestCallsOverAConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t)
		a, b := open(t, s), open(t, s)
		e := a.must(0, "open", "start", "Event").(wire.Ref)
		if again := b.must(0, "open", "start", "Event").(wire.Ref); again != e {
			t.Fatalf("two opens of one name: %v and %v", e, again)
		}
		waiting := b.call(e.ID, "wait")
		synctest.Wait()
		a.must(e.ID, "set")
		if v, err := b.reply(waiting); v != true || err != nil {
			t.Fatalf("wait = %v, %v; want true", v, err)
		}
		if v := a.must(0, "names"); len(v.([]any)[1].([]any)) != 1 {
			t.Fatalf("names = %v", v)
		}
		if v := a.must(0, "info").(map[string]any); v["sessions"] != int64(2) {
			t.Fatalf("info = %v", v)
		}
		if _, err := a.reply(a.call(e.ID, "explode")); !errors.Is(err, wire.ErrNotExposed) {
			t.Fatalf("an unknown method: %v", err)
		}
		if _, err := a.reply(a.call(12345, "set")); !errors.Is(err, wire.ErrUnknownObject) {
			t.Fatalf("an unknown object: %v", err)
		}
		a.send(wire.AppendClose(nil))
		a.refused()
	})
}

func TestDeadlineOfAWaitingCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t)
		a := open(t, s)
		e := a.must(0, "create", "Event").(wire.Ref)
		a.serial++
		start := time.Now()
		a.send(wire.AppendCall(nil, &wire.Call{Serial: a.serial, Object: e.ID, Name: []byte("wait"), Flags: wire.CallTimeout,
			Timeout: uint64(3 * time.Second), Args: wire.AppendArrayHeader(nil, 0)}))
		if v, err := a.reply(a.serial); v != false || err != nil {
			t.Fatalf("wait = %v, %v; want false", v, err)
		}
		if d := time.Since(start); d != 3*time.Second {
			t.Fatalf("waited %v, want 3s", d)
		}
	})
}

func TestLostSessionExpiresAfterItsLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t)
		a := open(t, s)
		a.must(0, "create", "Event")
		a.nc.Close()
		synctest.Wait()
		time.Sleep(DefaultLease - time.Millisecond)
		synctest.Wait()
		if n := s.stats().Objects; n != 1 {
			t.Fatalf("%d objects just before the lease runs out, want 1", n)
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if st := s.stats(); st.Objects != 0 || st.Sessions != 0 {
			t.Fatalf("after the lease: %+v", st)
		}
	})
}

func TestSilentClientIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t)
		a := open(t, s)
		a.must(0, "create", "Event")
		time.Sleep(2 * DefaultLease)
		synctest.Wait()
		if st := s.stats(); st.Sessions != 0 {
			t.Fatalf("a client that says nothing for two leases: %+v", st)
		}
	})
}

func TestResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t)
		a := dial(t, s, someone)
		a.send(wire.AppendOpen(nil, &wire.Open{Version: wire.Version}))
		w := a.welcome()
		e := a.must(0, "open", "e", "Event").(wire.Ref)
		waiting := a.call(e.ID, "wait")
		synctest.Wait()
		a.nc.Close()
		synctest.Wait()

		other := open(t, s)
		other.must(0, "open", "e", "Event")
		other.must(e.ID, "set")
		other.must(e.ID, "clear")

		who := someone
		who.Binding = [32]byte{9}
		b := dial(t, s, who)
		proof := auth.ResumeProof(someone.SessionKey, w.Session, who.Binding)
		b.send(wire.AppendResume(nil, &wire.Resume{Version: wire.Version, Session: w.Session, Generation: w.Generation, Proof: proof}))
		if again := b.welcome(); again.Session != w.Session || again.Generation != w.Generation {
			t.Fatalf("resumed as %+v, was %+v", again, w)
		}
		b.send(wire.AppendCall(nil, &wire.Call{Serial: waiting, Object: e.ID, Name: []byte("wait"), Args: []byte{0x90}}))
		if v, err := b.reply(waiting); v != true || err != nil {
			t.Fatalf("the call that waited through the break: %v, %v", v, err)
		}
	})
}

func TestResumeNeedsTheSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t)
		a := dial(t, s, someone)
		a.send(wire.AppendOpen(nil, &wire.Open{Version: wire.Version}))
		w := a.welcome()
		for what, try := range map[string]struct {
			who   auth.Peer
			proof [32]byte
		}{
			"no secret":            {someone, [32]byte{}},
			"another's secret":     {someone, auth.ResumeProof([32]byte{7}, w.Session, someone.Binding)},
			"another connection":   {someone, auth.ResumeProof(someone.SessionKey, w.Session, [32]byte{3})},
			"another key's name":   {auth.Peer{KeyName: "other", Binding: [32]byte{1}}, auth.ResumeProof(someone.SessionKey, w.Session, [32]byte{1})},
			"another session's id": {someone, auth.ResumeProof(someone.SessionKey, w.Session+1, someone.Binding)},
		} {
			b := dial(t, s, try.who)
			b.send(wire.AppendResume(nil, &wire.Resume{Version: wire.Version, Session: w.Session, Generation: w.Generation, Proof: try.proof}))
			if e := b.refused(); e.Code != wire.CodeSessionExpired {
				t.Errorf("%s: %v", what, e)
			}
		}
		b := dial(t, s, someone)
		b.send(wire.AppendResume(nil, &wire.Resume{
			Version: wire.Version, Session: w.Session, Generation: w.Generation + 1, Proof: auth.ResumeProof(someone.SessionKey, w.Session, someone.Binding),
		}))
		if e := b.refused(); e.Code != wire.CodeSessionExpired || e.Message != wire.Restarted {
			t.Errorf("the generation of another server: %v", e)
		}
		a.must(0, "types") // the session was not disturbed
	})
}

// TestBadMessages checks that an offender hears what was wrong and is cut off,
// and that nobody else notices.
func TestBadMessages(t *testing.T) {
	call := func(body string) []byte { return link.AppendFrame(nil, wire.KindCall, []byte(body)) }
	for what, c := range map[string]struct {
		frame []byte
		want  string
	}{
		"an unknown kind":         {link.AppendFrame(nil, 99, nil), "unknown message kind 99"},
		"a second OPEN":           {wire.AppendOpen(nil, &wire.Open{}), "unknown message kind 1"},
		"an empty call":           {call(""), "CALL: field serial"},
		"serial 0":                {call("\x00\x01\x00\x01\x00\x90"), "serial 0"},
		"acknowledged ahead":      {call("\x05\x00\x00\x01\x00\x90"), "acknowledged"},
		"unknown flags":           {call("\x05\x01\x00\x10\x80\x90"), "unknown flags"},
		"a truncated name":        {call("\x05\x01\x00\x00\x7f"), "method name"},
		"a frame without kind":    {[]byte{0, 0, 0, 0}, "length 0"},
		"a frame that is huge":    {[]byte{0xff, 0xff, 0xff, 0xff, 4}, "4294967295"},
		"overlapping ranges":      {link.AppendFrame(nil, wire.KindAck, []byte{0, 1, 0, 0}), "ranges overlap"},
		"an endless range":        {link.AppendFrame(nil, wire.KindAck, []byte{0, 1, 1, 0xff, 0xff, 0xff, 0xff, 0x7f}), "at most"},
		"a bad cancel":            {link.AppendFrame(nil, wire.KindCancel, []byte{1, 9}), "unknown mode 9"},
		"bytes after a cancel":    {link.AppendFrame(nil, wire.KindCancel, []byte{1, 0, 0}), "after the last field"},
		"a fragment from nowhere": {link.AppendFrame(nil, wire.KindFragment, []byte{1, 2, 'x'}), "fragment"},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newTestServer(t)
				good := open(t, s)
				kept := good.must(0, "open", "e", "Event").(wire.Ref)
				bad := open(t, s)
				e := kept.ID
				if what == "an endless range" {
					bad.must(0, "open", "e", "Event")
				}
				bad.send(c.frame)
				if got := bad.refused(); got.Code != wire.CodeProtocol || !strings.Contains(strings.ToLower(got.Message), strings.ToLower(c.want)) {
					t.Errorf("BYE says %v: %q; want a protocol error with %q", got.Code, got.Message, c.want)
				}
				good.must(e, "set")
			})
		})
	}
}

// TestBadArguments checks that arguments that are no value cost their caller
// the call and nothing more.
func TestBadArguments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t)
		c := open(t, s)
		for what, args := range map[string]string{
			"none":          "",
			"no array":      "\xc0",
			"truncated":     "\x92\xc0",
			"a lying count": "\xdd\xff\xff\xff\xff",
			"too deep":      strings.Repeat("\x91", 1000) + "\xc0",
			"two values":    "\x90\x90",
			"a bad ext":     "\x91\xc7\x01\x07x",
			"reserved":      "\x91\xc1",
		} {
			c.serial++
			c.send(wire.AppendCall(nil, &wire.Call{Serial: c.serial, Name: []byte("types"), Args: []byte(args)}))
			if _, err := c.reply(c.serial); !errors.Is(err, wire.ErrProtocol) {
				t.Errorf("%s: %v, want a protocol error", what, err)
			}
		}
		c.must(0, "types")
	})
}

func TestNothingBeforeOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t)
		c := dial(t, s, someone)
		c.call(0, "types")
		if e := c.refused(); e.Code != wire.CodeProtocol {
			t.Fatalf("a call before OPEN: %v", e)
		}
		d := dial(t, s, someone)
		time.Sleep(DefaultHandshakeTimeout + time.Second)
		synctest.Wait()
		d.nc.SetReadDeadline(time.Now().Add(time.Second))
		if _, _, err := d.in.Next(); err == nil {
			t.Fatal("a connection that says nothing stays open")
		}
	})
}

func TestShutdownTellsWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t)
		c := open(t, s)
		e := c.must(0, "create", "Event").(wire.Ref)
		waiting := c.call(e.ID, "wait")
		synctest.Wait()
		go s.Shutdown(context.Background())
		if _, err := c.reply(waiting); !errors.Is(err, wire.ErrShuttingDown) {
			t.Fatalf("a waiting call at shutdown: %v", err)
		}
		if e := c.refused(); e.Code != wire.CodeShuttingDown {
			t.Fatalf("BYE at shutdown: %v", e)
		}
		s.Shutdown(context.Background())
	})
}

// stats returns the engine's counts.
func (s *Server) stats() engine.Stats {
	s.core.mu.Lock()
	defer s.core.mu.Unlock()
	return s.core.engine.Stats()
}

// TestCallsAreTraced checks that calls are logged at debug level, and that
// nothing is at info level.
func TestCallsAreTraced(t *testing.T) {
	for level, want := range map[slog.Level]bool{slog.LevelDebug: true, slog.LevelInfo: false} {
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			s := newTestServer(t, func(c *Config) {
				c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: level}))
			})
			c := open(t, s)
			e := c.must(0, "create", "Event").(wire.Ref)
			c.must(e.ID, "set")
			synctest.Wait()
			if got := strings.Contains(log.String(), "typeid=Event method=set"); got != want {
				t.Errorf("at %v the log says of a call: %v\n%s", level, got, log.String())
			}
		})
	}
}

// TestLostHoldIsToldAfterResume checks that a session whose lock was taken away
// while it had no connection hears of it when it is back.
func TestLostHoldIsToldAfterResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t)
		a := dial(t, s, someone)
		a.send(wire.AppendOpen(nil, &wire.Open{Version: wire.Version}))
		w := a.welcome()
		lock := a.must(0, "open", "l", "Lock").(wire.Ref)
		token := a.must(lock.ID, "acquire").(int64)
		a.nc.Close()
		synctest.Wait()
		b := open(t, s)
		b.must(0, "open", "l", "Lock")
		b.must(lock.ID, "release")
		who := someone
		who.Binding = [32]byte{9}
		c := dial(t, s, who)
		c.send(wire.AppendResume(nil, &wire.Resume{
			Version: wire.Version, Session: w.Session, Generation: w.Generation, Proof: auth.ResumeProof(someone.SessionKey, w.Session, who.Binding),
		}))
		c.welcome()
		kind, body := c.next()
		if kind != wire.KindEvent {
			t.Fatalf("message %d in place of an event", kind)
		}
		if e, err := wire.ParseEvent(body); err != nil || e.Token != uint64(token) || e.Object != lock.ID {
			t.Fatalf("event %+v, %v; want the loss of hold %d of %d", e, err, token, lock.ID)
		}
	})
}

// TestInfoLeavesOutTheReserve holds that what the server says of its memory is what
// it uses.
func TestInfoLeavesOutTheReserve(t *testing.T) {
	const reserve = 256 << 20
	s := NewServer(Config{AuthKey: auth.Generate(), HeapReserve: reserve})
	defer s.Close()
	x, err := wire.Decode(s.info())
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"heap_bytes", "sys_bytes"} {
		n, _ := x.(map[string]any)[key].(int64)
		if n <= 0 || n >= reserve {
			t.Errorf("%s is %d, with a reserve of %d", key, n, reserve)
		}
	}
}
