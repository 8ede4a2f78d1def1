package client

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/internal/link"
	"github.com/syncmanager/syncmanager/internal/wire"
)

func TestResumeRepeatsTheUnanswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t)
		s, c := open(t, p, Config{})
		defer end(s)
		d := testRef(s, 5, "dict")
		answered := goCall(context.Background(), d, &get, 1)
		m1 := c.expectCall()
		pending := goCall(context.Background(), d, &get, 2)
		m2 := c.expectCall()
		c.reply(m1.Serial, "one")
		<-answered
		c.out.Close()
		synctest.Wait()
		during := goCall(context.Background(), d, &get, 3)
		c = <-p.conns
		body := c.welcome(wire.KindResume)
		r, err := wire.ParseResume(body)
		if err != nil {
			t.Fatal(err)
		}
		// The proof is of the first connection's key, for the second one.
		var key auth.SessionKey
		key[0] = 1
		var binding [32]byte
		binding[0] = 2
		if r.Session != testSession || r.Proof != auth.ResumeProof(key, testSession, binding) {
			t.Errorf("resume %+v", r)
		}
		again, after := c.expectCall(), c.expectCall()
		if again.Serial != m2.Serial || !bytes.Equal(again.Args, m2.Args) || again.Acked != m1.Serial {
			t.Errorf("repeated %+v, want %+v", again, m2)
		}
		if after.Serial != m2.Serial+1 {
			t.Errorf("then %+v", after)
		}
		c.reply(after.Serial, "three")
		c.reply(again.Serial, "two")
		if r := <-pending; r.v != "two" {
			t.Errorf("got %v", r)
		}
		if r := <-during; r.v != "three" {
			t.Errorf("got %v", r)
		}
	})
}

func TestResumeKeepsTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t)
		s, c := open(t, p, Config{})
		defer end(s)
		q := testRef(s, 5, "Queue")
		done := make(chan error, 1)
		go func() {
			c := NewCall(q, &take, 0)
			c.Timeout(10 * time.Second)
			done <- Exec(context.Background(), c)
		}()
		if m := c.expectCall(); m.Timeout != uint64(10*time.Second) {
			t.Errorf("timeout %v", time.Duration(m.Timeout))
		}
		p.setDown(true)
		c.out.Close()
		time.Sleep(3 * time.Second)
		p.setDown(false)
		c = <-p.conns
		c.welcome(wire.KindResume)
		m := c.expectCall()
		if left := time.Duration(m.Timeout); left > 7*time.Second || left < 4*time.Second {
			t.Errorf("repeated with a timeout of %v, want what is left of 10 s", left)
		}
		c.replyError(m.Serial, wire.ErrEmpty)
		if err := <-done; !errors.Is(err, wire.ErrEmpty) {
			t.Errorf("got %v", err)
		}
	})
}

func TestResumeRepeatsAcknowledgements(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t)
		s, c := open(t, p, Config{})
		defer end(s)
		d := testRef(s, 5, "dict")
		goCall(context.Background(), d, &get, 1) // never answered: pins the watermark
		c.expectCall()
		for range 3 {
			r := goCall(context.Background(), d, &get, 2)
			m := c.expectCall()
			c.reply(m.Serial, nil)
			<-r
		}
		a, err := wire.ParseAck(c.expectRaw(wire.KindAck), nil)
		if err != nil || a.Watermark != 0 || len(a.Ranges) != 1 || a.Ranges[0] != (wire.Range{From: 2, To: 4}) {
			t.Fatalf("acknowledgement %+v, %v", a, err)
		}
		c.out.Close()
		c = <-p.conns
		c.welcome(wire.KindResume)
		a, err = wire.ParseAck(c.expectRaw(wire.KindAck), nil)
		if err != nil || a.Watermark != 0 || len(a.Ranges) != 1 || a.Ranges[0] != (wire.Range{From: 2, To: 4}) {
			t.Errorf("repeated acknowledgement %+v, %v", a, err)
		}
		if m := c.expectCall(); m.Serial != 1 {
			t.Errorf("repeated %+v", m)
		}
	})
}

func TestRestartedServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t)
		gone := make(chan error, 1)
		s, c := open(t, p, Config{OnExpired: func(err error) { gone <- err }})
		r := goCall(context.Background(), testRef(s, 5, "dict"), &get, 1)
		c.expectCall()
		c.out.Close()
		c = <-p.conns
		c.expect(wire.KindResume)
		c.send(wire.AppendWelcome(nil, &wire.Welcome{Version: 1, Session: testSession, Generation: testGeneration + 1, Lease: 15000}))
		if got := <-r; !errors.Is(got.err, wire.ErrSessionExpired) {
			t.Errorf("got %v, want ErrSessionExpired", got.err)
		}
		if err := <-gone; !errors.Is(err, wire.ErrSessionExpired) {
			t.Errorf("OnExpired(%v)", err)
		}
		if err := s.Err(); !errors.Is(err, wire.ErrSessionExpired) {
			t.Errorf("Err() = %v", err)
		}
		<-s.Done()
	})
}

func TestRefusedResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t)
		s, c := open(t, p, Config{})
		c.out.Close()
		c = <-p.conns
		c.expect(wire.KindResume)
		c.send(wire.AppendBye(nil, wire.Errorf(wire.CodeSessionExpired, "session 7 is unknown or has expired")))
		<-s.Done()
		if err := s.Err(); !errors.Is(err, wire.ErrSessionExpired) {
			t.Errorf("Err() = %v", err)
		}
	})
}

func TestLeaseRunsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t)
		s, c := open(t, p, Config{})
		lost := make(loss, 1)
		if err := s.holds.watch(12, lost); err != nil {
			t.Fatal(err)
		}
		opened := time.Now()
		r := goCall(context.Background(), testRef(s, 5, "dict"), &get, 1)
		c.expectCall()
		p.setDown(true)
		c.out.Close()
		got := <-r
		if !errors.Is(got.err, wire.ErrSessionExpired) {
			t.Errorf("got %v, want ErrSessionExpired", got.err)
		}
		if after := time.Since(opened); after != testLease-testLease/16 {
			t.Errorf("expired after %v of a lease of %v", after, testLease)
		}
		if err := <-lost; !errors.Is(err, wire.ErrSessionExpired) {
			t.Errorf("the hold was lost with %v", err)
		}
	})
}

func TestSilentPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t)
		s, c := open(t, p, Config{})
		defer end(s)
		go func(in *link.Reader) {
			for { // it reads and says nothing
				if _, _, err := in.Next(); err != nil {
					return
				}
			}
		}(c.in)
		start := time.Now()
		c = <-p.conns // the session dials again
		c.welcome(wire.KindResume)
		if after := time.Since(start); after > testLease*3/4 {
			t.Errorf("a silent peer was found after %v", after)
		}
	})
}

func TestLeaseIsRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := open(t, newPeer(t), Config{})
		go c.serve(func(wire.Call) any { return nil })
		time.Sleep(10 * testLease)
		if err := s.Err(); err != nil {
			t.Errorf("an idle session is over: %v", err)
		}
		if _, err := s.Ping(context.Background()); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestPingThroughABreak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t)
		s, c := open(t, p, Config{})
		defer end(s)
		done := make(chan error, 1)
		go func() {
			_, err := s.Ping(context.Background())
			done <- err
		}()
		c.expectRaw(wire.KindPing)
		c.out.Close()
		c = <-p.conns
		c.welcome(wire.KindResume)
		go c.serve(nil)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := open(t, newPeer(t), Config{OnExpired: func(err error) { t.Errorf("OnExpired(%v)", err) }})
		q := testRef(s, 5, "Queue")
		r := goCall(context.Background(), q, &take)
		m := c.expectCall()
		c.reply(m.Serial, "item")
		<-r
		pending := goCall(context.Background(), q, &take)
		if next := c.expectCall(); next.Acked != m.Serial {
			t.Errorf("the next call acknowledges %d, want %d", next.Acked, m.Serial)
		}
		r = goCall(context.Background(), q, &take)
		m = c.expectCall()
		c.reply(m.Serial, "another")
		<-r
		closed := make(chan error, 1)
		go func() { closed <- s.Close() }()
		if got := <-pending; !errors.Is(got.err, ErrClosed) {
			t.Errorf("call under way: %v", got.err)
		}
		// What was received is acknowledged before.
		a, err := wire.ParseAck(c.expectRaw(wire.KindAck), nil)
		if err != nil || len(a.Ranges) != 1 || a.Ranges[0] != (wire.Range{From: m.Serial, To: m.Serial}) {
			t.Errorf("acknowledgement %+v, %v", a, err)
		}
		c.expectRaw(wire.KindClose)
		c.send(wire.AppendBye(nil, wire.Errorf(wire.CodeSessionExpired, "closed")))
		if err := <-closed; err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if _, err := call[any](context.Background(), q, &take); !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
		time.Sleep(time.Minute)
	})
}

func TestCloseWithoutAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := open(t, newPeer(t), Config{})
		start := time.Now()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took != DefaultCloseTimeout {
			t.Errorf("Close took %v", took)
		}
	})
}

func TestCloseDuringABreak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t)
		s, c := open(t, p, Config{})
		r := goCall(context.Background(), testRef(s, 5, "Queue"), &take)
		m := c.expectCall()
		c.reply(m.Serial, "item")
		<-r
		c.out.Close()
		closed := make(chan error, 1)
		go func() { closed <- s.Close() }()
		c = <-p.conns
		c.welcome(wire.KindResume)
		a, err := wire.ParseAck(c.expectRaw(wire.KindAck), nil)
		if err != nil || a.Watermark != m.Serial {
			t.Errorf("acknowledgement %+v, %v", a, err)
		}
		c.expect(wire.KindClose)
		start := time.Now()
		c.out.Close() // without a word: the session makes sure
		c = <-p.conns
		c.expect(wire.KindResume)
		c.send(wire.AppendBye(nil, wire.Errorf(wire.CodeSessionExpired, "session 7 is unknown or has expired")))
		if err := <-closed; err != nil || time.Since(start) > time.Second {
			t.Errorf("Close() = %v after %v", err, time.Since(start))
		}
	})
}

func TestOpenFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t)
		p.setDown(true)
		if _, err := Open(context.Background(), Config{Dial: p.dial, Address: "pipe"}); !errors.Is(err, errDown) {
			t.Errorf("dial: %v", err)
		}
		p.setDown(false)
		ch := make(chan error, 1)
		try := func(ctx context.Context) *peerConn {
			go func() {
				_, err := Open(ctx, Config{Dial: p.dial, Address: "pipe"})
				ch <- err
			}()
			return <-p.conns
		}
		c := try(context.Background())
		c.expect(wire.KindOpen)
		c.send(wire.AppendBye(nil, wire.Errorf(wire.CodeOverloaded, "2 sessions are open; the limit is 2")))
		if err := <-ch; !errors.Is(err, wire.ErrOverloaded) {
			t.Errorf("refused: %v", err)
		}
		c = try(context.Background())
		c.expect(wire.KindOpen)
		c.send(wire.AppendPing(nil, wire.KindPong, 1))
		if err := <-ch; !errors.Is(err, wire.ErrProtocol) {
			t.Errorf("nonsense: %v", err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		try(ctx)
		if err := <-ch; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("silence: %v", err)
		}
	})
}

func TestCloseWithoutAServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t)
		s, c := open(t, p, Config{})
		p.setDown(true)
		c.out.Close()
		time.Sleep(time.Second)
		start := time.Now()
		if err := s.Close(); err != nil || time.Since(start) != 0 {
			t.Errorf("Close() = %v after %v, want one attempt to connect", err, time.Since(start))
		}
	})
}
