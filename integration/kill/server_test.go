//go:build unix

package kill

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/connection"
	"github.com/syncmanager/syncmanager/integration/long"
	"github.com/syncmanager/syncmanager/internal/link"
	"github.com/syncmanager/syncmanager/internal/wire"
	"github.com/syncmanager/syncmanager/proxy"
)

// peer speaks the protocol frame by frame. It judges no lease of its own, as an
// honest client does: what it finds is the server's doing.
type peer struct {
	nc  net.Conn
	in  *link.Reader
	who auth.Peer
}

func (s *server) peer() *peer {
	s.Helper()
	a, err := connection.ParseAddress(s.addr)
	s.must(err)
	stream, err := connection.DialStream(s.ctx, a, connection.StreamConfig{})
	s.must(err)
	s.Cleanup(func() { stream.Close() })
	who, err := auth.Client(s.ctx, stream.Conn, auth.ClientConfig{Credential: s.key, Channel: stream.Channel})
	s.must(err)
	return &peer{nc: stream.Conn, in: link.NewReader(stream.Conn, 0), who: who}
}

// next returns the next message of that kind.
func (p *peer) next(t testing.TB, kind wire.Kind) []byte {
	t.Helper()
	for {
		p.nc.SetReadDeadline(time.Now().Add(limit))
		k, body, err := p.in.Next()
		switch {
		case err != nil:
			t.Fatalf("waiting for message %d: %v", kind, err)
		case k == kind:
			return body
		case k == wire.KindBye:
			e, _ := wire.ParseError(body)
			t.Fatalf("waiting for message %d: BYE %v", kind, e)
		}
	}
}

func (p *peer) send(t testing.TB, b []byte) {
	t.Helper()
	if _, err := p.nc.Write(b); err != nil {
		t.Fatal(err)
	}
}

// call makes a call and decodes its answer.
func (p *peer) call(t testing.TB, serial, object uint64, method string, args ...any) any {
	t.Helper()
	b := wire.AppendArrayHeader(nil, len(args))
	for _, a := range args {
		var err error
		if b, err = wire.Marshal(b, a); err != nil {
			t.Fatal(err)
		}
	}
	p.send(t, wire.AppendCall(nil, &wire.Call{Serial: serial, Object: object, Name: []byte(method), Args: b}))
	r, err := wire.ParseReply(p.next(t, wire.KindReply))
	if err != nil || r.Serial != serial || r.Status&wire.ReplyError != 0 {
		t.Fatalf("%s: reply %d, %q, %v", method, r.Serial, r.Body, err)
	}
	v, err := wire.Decode(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (p *peer) open(t testing.TB, lease time.Duration) wire.Welcome {
	t.Helper()
	p.send(t, wire.AppendOpen(nil, &wire.Open{Version: wire.Version, Lease: uint64(lease / time.Millisecond)}))
	w, err := wire.ParseWelcome(p.next(t, wire.KindWelcome))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// TestStoppedServer: a server that is stopped for several leases and continues
// expires nobody: neither clients that went on talking, nor those whose
// connection was lost before.
func TestStoppedServer(t *testing.T) {
	long.Test(t)
	s := serve(t)
	const lease = 2 * time.Second
	talks := s.peer()
	talks.open(t, lease)
	lock := talks.call(t, 1, 0, "open", "a", "Lock").(wire.Ref).ID
	talks.call(t, 2, lock, "acquire")
	gone := s.peer()
	w := gone.open(t, lease)
	lost := gone.call(t, 1, 0, "open", "b", "Lock").(wire.Ref).ID
	gone.call(t, 2, lost, "acquire")
	gone.nc.Close()
	s.log.wait(t, "lost its connection")

	s.signal(syscall.SIGSTOP)
	for range 12 { // three leases
		talks.send(t, wire.AppendPing(nil, wire.KindPing, 1))
		time.Sleep(lease / 4)
	}
	s.signal(syscall.SIGCONT)
	back := s.peer()
	back.send(t, wire.AppendResume(nil, &wire.Resume{
		Version: wire.Version, Session: w.Session, Generation: w.Generation, Proof: auth.ResumeProof(gone.who.SessionKey, w.Session, back.who.Binding),
	}))
	back.next(t, wire.KindWelcome)
	if v := back.call(t, 3, lost, "locked"); v != true {
		t.Errorf("the lock of the client that had no connection: locked = %v", v)
	}
	if v := talks.call(t, 3, lock, "locked"); v != true {
		t.Errorf("the lock of the client that went on talking: locked = %v", v)
	}
	for range 4 {
		talks.send(t, wire.AppendPing(nil, wire.KindPing, 1))
		back.send(t, wire.AppendPing(nil, wire.KindPing, 1))
		time.Sleep(lease / 4)
	}
	if line, more := s.log.find("expired"); more == nil {
		t.Errorf("the server that was stopped has expired somebody: %s", line)
	}
	// And a client that stays away still expires.
	talks.nc.Close()
	s.log.wait(t, "has expired")
}

// TestStoppedServerAndClients: clients of a server that is stopped for less than
// their lease keep their locks; their calls wait and succeed.
func TestStoppedServerAndClients(t *testing.T) {
	long.Test(t)
	s := serve(t)
	holder, worker := s.program("hold", 6*time.Second), s.program("add", 6*time.Second)
	holder.out.wait(t, "held")
	worker.out.wait(t, "added 10")
	s.signal(syscall.SIGSTOP)
	time.Sleep(3 * time.Second)
	n := len(worker.out.list())
	s.signal(syscall.SIGCONT)
	worker.out.wait(t, fmt.Sprintf("added %d", n+100))
	m := s.client()
	l := must1[*proxy.Lock](t)(proxy.OpenLock(s.ctx, m, "lock"))
	if info := must1[*proxy.LockInfo](t)(l.Holder(s.ctx)); info == nil || info.PID != int64(holder.cmd.Process.Pid) {
		t.Errorf("the lock's holder is %+v", info)
	}
	worker.signal(syscall.SIGSTOP)
	d := must1[*proxy.Dict[string, int]](t)(proxy.OpenDict[string, int](s.ctx, m, "shared"))
	v, err := d.Get(s.ctx, "n")
	s.must(err)
	// The last one may not have been confirmed; what was is read soon.
	until(t, "the sum is that of the confirmed additions", func() bool {
		added := len(worker.out.list())
		return v == added || v == added+1
	})
	for _, p := range []*program{holder, worker} {
		for _, word := range []string{"lost", "expired", "failed"} {
			if line, more := p.out.find(word); more == nil {
				t.Errorf("a client says %q", line)
			}
		}
	}
}

// TestKilledServer: a server that was killed and started again without its state
// is another one: its clients are told at once, their calls fail, nothing is
// silently made anew; a new Connect works. The socket that it left behind is
// taken over.
func TestKilledServer(t *testing.T) {
	s := newServer(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	s.must(err)
	port := l.Addr().String()
	l.Close()
	socket := filepath.Join(s.dir, "s", "managerd.sock")
	s.args[1] = "tcp+plain://" + port
	s.args = append(s.args, "--listen", "unix://"+socket)
	s.start()
	over := make(chan error, 1)
	m := s.client(proxy.Config{OnExpired: func(err error) { over <- err }})
	q := must1[*proxy.Queue[int]](t)(proxy.OpenQueue[int](s.ctx, m, "queue", 0))
	lock := must1[*proxy.Lock](t)(proxy.OpenLock(s.ctx, m, "lock"))
	h := must1[*proxy.Hold](t)(lock.Acquire(s.ctx))
	s.must(q.Put(s.ctx, 1))
	must1[int](t)(q.Get(s.ctx))
	waiting := make(chan error, 1)
	go func() { waiting <- errOf(q.Get(s.ctx)) }()
	until(t, "a call waits", func() bool { return info(t, m, "parked") == 1 })
	generation := m.Generation()
	s.kill()
	// A call while there is no server waits within its context.
	ctx, cancel := context.WithTimeout(s.ctx, 200*time.Millisecond)
	is(t, "a call while there is no server", q.Put(ctx, 2), context.DeadlineExceeded)
	cancel()
	s.start()
	is(t, "OnExpired", soon(t, "the client knows that the server is another one", over), proxy.ErrSessionExpired)
	is(t, "the call that waited", soon(t, "the call that waited fails", waiting), proxy.ErrSessionExpired)
	is(t, "a call", q.Put(s.ctx, 3), proxy.ErrSessionExpired)
	is(t, "the hold", h.Err(), proxy.ErrLockLost)
	if h.Context().Err() == nil {
		t.Error("the hold's context goes on")
	}
	again := s.client()
	if again.Generation() == generation {
		t.Error("the new server has the generation of the old one")
	}
	is(t, "what the old server had", errOf(again.Lookup(s.ctx, "queue")), proxy.ErrNotFound)
	other, err := proxy.Connect(s.ctx, "unix://"+socket, proxy.Config{AuthKey: s.key})
	s.must(err)
	other.Close()
	// Fencing tokens grow across the two.
	newLock := must1[*proxy.Lock](t)(proxy.OpenLock(s.ctx, again, "lock"))
	if n := must1[*proxy.Hold](t)(newLock.Acquire(s.ctx)).Token(); n <= h.Token() {
		t.Errorf("fencing token %d after %d of the killed server", n, h.Token())
	}
}

// TestTerminatedServer: SIGTERM ends the server in good order: those who wait
// hear why, and the program ends without an error.
func TestTerminatedServer(t *testing.T) {
	s := serve(t)
	over := make(chan error, 1)
	m := s.client(proxy.Config{OnExpired: func(err error) { over <- err }})
	e := must1[*proxy.Event](t)(proxy.NewEvent(s.ctx, m))
	waiting := make(chan error, 1)
	go func() { waiting <- e.Wait(s.ctx) }()
	until(t, "a call waits", func() bool { return info(t, m, "parked") == 1 })
	s.signal(syscall.SIGTERM)
	is(t, "a call that waits", soon(t, "the waiting call ends", waiting), proxy.ErrShuttingDown)
	is(t, "the client", soon(t, "the client hears why", over), proxy.ErrShuttingDown)
	if err := soon(t, "the program ends", s.done); err != nil {
		t.Errorf("managerd ended with %v:\n%s", err, strings.Join(s.log.list(), "\n"))
	}
}

// TestKeysReadAgain: SIGHUP makes managerd read its keys again: a removed key
// ends its sessions, another role takes effect on those that are open; keys that
// cannot be read leave the old ones in use.
func TestKeysReadAgain(t *testing.T) {
	s := newServer(t)
	keys := map[string]auth.Key{}
	for _, name := range []string{"admin", "gone", "changed"} {
		keys[name] = auth.Generate()
		s.must(keys[name].WriteFile(filepath.Join(s.dir, name)))
	}
	file := filepath.Join(s.dir, "managerd.yaml")
	write := func(entries ...string) {
		text := "keys:\n"
		for _, e := range entries {
			name, role, _ := strings.Cut(e, " ")
			text += fmt.Sprintf("  - {name: %s, file: %s, role: %s}\n", name, filepath.Join(s.dir, name), role)
		}
		s.must(os.WriteFile(file, []byte(text), 0o600))
	}
	write("admin admin", "gone write", "changed write")
	s.args = []string{"--config", file, "--listen", "tcp+plain://127.0.0.1:0"}
	s.start()
	over := make(chan error, 1)
	admin := s.client(proxy.Config{KeyName: "admin", AuthKey: keys["admin"]})
	gone := s.client(proxy.Config{KeyName: "gone", AuthKey: keys["gone"], OnExpired: func(err error) { over <- err }})
	changed := s.client(proxy.Config{KeyName: "changed", AuthKey: keys["changed"]})
	must1[*proxy.Ref](t)(gone.Create(s.ctx, "dict"))
	must1[*proxy.Ref](t)(changed.Create(s.ctx, "dict"))

	// A key file that is missing: nothing changes.
	write("admin admin", "missing write")
	s.signal(syscall.SIGHUP)
	s.log.wait(t, "old ones stay")
	must1[*proxy.Ref](t)(gone.Create(s.ctx, "dict"))

	write("admin admin", "changed read")
	s.signal(syscall.SIGHUP)
	s.log.wait(t, "keys reloaded")
	is(t, "the client whose key was removed", soon(t, "its session ends", over), proxy.ErrDenied)
	is(t, "a write under a role that reads now", errOf(changed.Create(s.ctx, "dict")), proxy.ErrDenied)
	if _, err := changed.Types(s.ctx); err != nil {
		t.Errorf("a read: %v", err)
	}
	if _, err := admin.Sessions(s.ctx, 0, 10); err != nil {
		t.Errorf("the administrator: %v", err)
	}
	_, err := proxy.Connect(s.ctx, s.addr, proxy.Config{KeyName: "gone", AuthKey: keys["gone"]})
	is(t, "a removed key", err, proxy.ErrAuthentication)
	if errors.Is(gone.Err(), nil) {
		t.Error("the client of a removed key lives")
	}
	line := s.log.wait(t, "its key was removed")
	if !strings.Contains(line, `"key":"gone"`) {
		t.Errorf("the log does not say whose key was removed: %s", line)
	}
}
