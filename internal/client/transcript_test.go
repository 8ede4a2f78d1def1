package client

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/syncmanager/syncmanager/internal/wire"
)

var update = flag.Bool("update", false, "write the transcripts in testdata")

// transcript is a conversation as people read it.
type transcript struct{ strings.Builder }

func (tr *transcript) note(format string, args ...any) { fmt.Fprintf(tr, "# "+format+"\n", args...) }

// client reads a frame from the client and writes it down.
func (tr *transcript) client(c *peerConn) (wire.Kind, []byte) {
	c.t.Helper()
	kind, body := c.next()
	fmt.Fprintf(tr, "C %s\n", describe(c.t, kind, body))
	return kind, body
}

func (tr *transcript) call(c *peerConn) wire.Call {
	c.t.Helper()
	kind, body := tr.client(c)
	var m wire.Call
	if err := wire.ParseCall(body, &m); kind != wire.KindCall || err != nil {
		c.t.Fatalf("message kind %d, %v, want a call", kind, err)
	}
	return m
}

// server sends a frame and writes it down.
func (tr *transcript) server(c *peerConn, frame []byte) {
	c.t.Helper()
	fmt.Fprintf(tr, "S %s\n", describe(c.t, frame[4], frame[5:]))
	c.send(frame)
}

func (tr *transcript) reply(c *peerConn, serial uint64, v any) {
	c.t.Helper()
	b, err := wire.Marshal(nil, v)
	if err != nil {
		c.t.Fatal(err)
	}
	tr.server(c, wire.AppendReply(nil, serial, 0, wire.Raw(b)))
}

// describe returns a frame in one line. What differs from run to run is left
// out.
func describe(t *testing.T, kind wire.Kind, body []byte) string {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	switch kind {
	case wire.KindOpen:
		m, err := wire.ParseOpen(body)
		check(err)
		return fmt.Sprintf("OPEN version=%d lease=%dms program=%q host=... pid=...", m.Version, m.Lease, m.Program)
	case wire.KindResume:
		m, err := wire.ParseResume(body)
		check(err)
		return fmt.Sprintf("RESUME version=%d session=%d proof=%x...", m.Version, m.Session, m.Proof[:4])
	case wire.KindWelcome:
		m, err := wire.ParseWelcome(body)
		check(err)
		return fmt.Sprintf("WELCOME version=%d session=%d generation=%d lease=%dms max_message=%d role=%s server=%q",
			m.Version, m.Session, m.Generation, m.Lease, m.MaxMessage, m.Role, m.Server)
	case wire.KindCall:
		var m wire.Call
		check(wire.ParseCall(body, &m))
		s := fmt.Sprintf("CALL serial=%d acked=%d object=%d method=%d", m.Serial, m.Acked, m.Object, m.Method)
		if m.Method == 0 {
			s += fmt.Sprintf(" name=%s", m.Name)
		}
		if m.Flags&wire.CallTimeout != 0 {
			s += fmt.Sprintf(" timeout=%v", time.Duration(m.Timeout))
		}
		if m.Flags&wire.CallGuard != 0 {
			s += fmt.Sprintf(" guard=%d token=%d", m.Guard, m.Token)
		}
		return s + fmt.Sprintf(" args=%x", m.Args)
	case wire.KindReply:
		m, err := wire.ParseReply(body)
		check(err)
		if m.Status&wire.ReplyError != 0 {
			e, err := wire.ParseError(m.Body)
			check(err)
			return fmt.Sprintf("REPLY serial=%d error=%s %q", m.Serial, e.Code, e.Message)
		}
		return fmt.Sprintf("REPLY serial=%d status=%d value=%x", m.Serial, m.Status, m.Body)
	case wire.KindCancel:
		m, err := wire.ParseCancel(body)
		check(err)
		return fmt.Sprintf("CANCEL serial=%d mode=%s", m.Serial, [...]string{"ask", "abandon"}[m.Mode])
	case wire.KindAck:
		m, err := wire.ParseAck(body, nil)
		check(err)
		return fmt.Sprintf("ACK watermark=%d ranges=%v", m.Watermark, m.Ranges)
	case wire.KindPing, wire.KindPong:
		token, err := wire.ParsePing(body)
		check(err)
		return fmt.Sprintf("%s token=%d", map[wire.Kind]string{wire.KindPing: "PING", wire.KindPong: "PONG"}[kind], token)
	case wire.KindEvent:
		m, err := wire.ParseEvent(body)
		check(err)
		return fmt.Sprintf("EVENT event=%d object=%d token=%d", m.Event, m.Object, m.Token)
	case wire.KindClose:
		return "CLOSE"
	case wire.KindBye:
		e, err := wire.ParseError(body)
		check(err)
		return fmt.Sprintf("BYE error=%s %q", e.Code, e.Message)
	}
	t.Fatalf("message kind %d", kind)
	return ""
}

// TestConversation plays one conversation with all that a client says, and
// compares it with testdata/conversation.txt.
func TestConversation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tr transcript
		p := newPeer(t)
		ctx := context.Background()
		opened := make(chan *Session, 1)
		go func() {
			s, err := Open(ctx, Config{Dial: p.dial, Address: "pipe", Program: "program", Lease: 15 * time.Second})
			if err != nil {
				t.Error(err)
			}
			opened <- s
		}()
		c := <-p.conns
		tr.note("A session begins.")
		tr.client(c)
		welcome := wire.AppendWelcome(nil, &wire.Welcome{
			Version: 1, Session: testSession, Generation: testGeneration, Lease: 15000, MaxMessage: 1 << 20, Role: "admin", Server: "server 1.0",
		})
		tr.server(c, welcome)
		s := <-opened
		defer end(s)

		tr.note("It creates a dict. The reply grants one count of object 5.")
		created := make(chan Ref, 1)
		go func() {
			c := s.NewServerCall(&ServerCreate, 1)
			Arg(c, "dict")
			r, err := Invoke[Ref](ctx, c)
			if err != nil {
				t.Error(err)
			}
			created <- r
		}()
		m := tr.call(c)
		tr.reply(c, m.Serial, wire.Ref{ID: 5, Secret: 0x1234, TypeID: "dict"})
		d := <-created

		tr.note("A call by number, and one by name. The second acknowledges the first.")
		r := goCall(ctx, d, &get, "key")
		m = tr.call(c)
		tr.reply(c, m.Serial, 42)
		<-r
		r = goCall(ctx, d, &Method{Name: "getitem", Flags: Reads}, "other")
		m = tr.call(c)
		tr.server(c, wire.AppendErrorReply(nil, m.Serial, wire.Errorf(wire.CodeKey, "'other'")))
		<-r

		tr.note("A call waits with a timeout of its own, under a guard.")
		lock := testRef(s, 6, "Lock")
		r = make(chan result, 1)
		waits := make(chan error, 1)
		go func() {
			c := NewCall(d, &put, 1)
			c.Timeout(10 * time.Second)
			c.Guard(lock, 17)
			Arg(c, true)
			waits <- Exec(ctx, c)
		}()
		first := tr.call(c)
		tr.note("Another one is answered meanwhile, and acknowledged above the watermark.")
		r = goCall(ctx, d, &get, "key")
		m = tr.call(c)
		tr.reply(c, m.Serial, nil)
		<-r
		tr.client(c)

		tr.note("A third is cancelled by its caller, in time.")
		cancelled, cancel := context.WithCancel(ctx)
		r = goCall(cancelled, d, &take)
		m = tr.call(c)
		cancel()
		tr.client(c)
		tr.server(c, wire.AppendErrorReply(nil, m.Serial, wire.ErrCancelled))
		if got := <-r; !errors.Is(got.err, context.Canceled) {
			t.Error(got.err)
		}
		tr.client(c)

		tr.note("The connection breaks. The session is resumed on a new one: it repeats what it")
		tr.note("acknowledged above the watermark, and the call that was not answered.")
		c.out.Close()
		c = <-p.conns
		tr.client(c)
		tr.server(c, welcome)
		tr.client(c)
		m = tr.call(c)
		if m.Serial != first.Serial {
			t.Errorf("serial %d, want %d", m.Serial, first.Serial)
		}
		tr.reply(c, m.Serial, nil)
		if err := <-waits; err != nil {
			t.Error(err)
		}
		tr.client(c)

		tr.note("The dict is released. Releases are calls, so they happen once.")
		d.Drop()
		m = tr.call(c)
		tr.reply(c, m.Serial, nil)
		tr.client(c)

		tr.note("A third of the lease later the client renews it.")
		_, body := tr.client(c)
		token, err := wire.ParsePing(body)
		if err != nil {
			t.Fatal(err)
		}
		tr.server(c, wire.AppendPing(nil, wire.KindPong, token))

		tr.note("The server says that a hold is over.")
		lost := make(loss, 1)
		if err := s.holds.watch(17, lost); err != nil {
			t.Fatal(err)
		}
		tr.server(c, wire.AppendEvent(nil, &wire.Event{Event: wire.EventLockLost, Object: 6, Token: 17}))
		if err := <-lost; !errors.Is(err, wire.ErrLockLost) {
			t.Error(err)
		}

		tr.note("The session ends in good order.")
		closed := make(chan error, 1)
		go func() { closed <- s.Close() }()
		tr.client(c)
		tr.server(c, wire.AppendBye(nil, wire.Errorf(wire.CodeSessionExpired, "the session was closed by its client")))
		<-closed

		const file = "testdata/conversation.txt"
		if *update {
			if err := os.WriteFile(file, []byte(tr.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := tr.String(); got != strings.ReplaceAll(string(want), "\r\n", "\n") {
			t.Errorf("the conversation is not that in %s (run with -update if that is right):\n%s", file, got)
		}
	})
}
