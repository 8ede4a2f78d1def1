package client

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// TestReplacedConnection checks that a session whose connection the server has
// replaced takes itself up again: an earlier RESUME was held up on its way and
// came after the one of this connection.
func TestReplacedConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t)
		s, c := open(t, p, Config{})
		defer end(s)
		c.send(wire.AppendBye(nil, wire.Errorf(wire.CodeUnavailable, "session 7 was resumed on another connection")))
		c.out.Close()
		c = <-p.conns
		c.expect(wire.KindResume)
		synctest.Wait()
		if err := s.Err(); err != nil {
			t.Errorf("Err() = %v, want nil", err)
		}
		c.out.Close()
	})
}

// TestUnansweredRenewal checks that a connection on which renewals get no answer
// is given up while there is time to resume, also if something is heard on it.
func TestUnansweredRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t)
		s, c := open(t, p, Config{})
		defer end(s)
		opened := time.Now()
		stop := make(chan struct{})
		defer close(stop)
		go func() {
			for { // it talks and does not listen
				select {
				case <-stop:
					return
				case <-time.After(testLease / 30):
					c.send(wire.AppendEvent(nil, &wire.Event{Event: 200}))
				}
			}
		}()
		next := <-p.conns
		next.expect(wire.KindResume)
		if after := time.Since(opened); after > testLease*3/4 {
			t.Errorf("given up after %v of a lease of %v", after, testLease)
		}
		next.out.Close()
	})
}

// TestReplyTwice checks that a call which is repeated after a break may be
// answered twice: what it waited for came between RESUME and the repeated CALL.
func TestReplyTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t)
		s, c := open(t, p, Config{})
		defer end(s)
		r := goCall(context.Background(), testRef(s, 5, "dict"), &get, 1)
		serial := c.expectCall().Serial
		c.out.Close()
		c = <-p.conns
		c.welcome(wire.KindResume)
		c.reply(serial, 3)
		if m := c.expectCall(); m.Serial != serial {
			t.Errorf("call %d was repeated, want %d", m.Serial, serial)
		}
		c.reply(serial, 3)
		if got := <-r; got.err != nil {
			t.Error(got.err)
		}
		synctest.Wait()
		if err := s.Err(); err != nil {
			t.Errorf("Err() = %v after two replies to one call", err)
		}
	})
}

// TestReplyAfterConfirmation checks that the reply to an abandoned call may come
// after the PONG which says that the server knows: it was decided before, by
// what another session did, and took longer to the outbox.
func TestReplyAfterConfirmation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := open(t, newPeer(t), Config{})
		defer end(s)
		ctx, cancel := context.WithCancel(context.Background())
		r := goCall(ctx, testRef(s, 5, "Queue"), &take)
		m := c.expectCall()
		cancel()
		c.expectCancel(m.Serial, wire.CancelAsk)
		c.expectCancel(m.Serial, wire.CancelAbandon)
		if got := <-r; SafeToRetry(got.err) {
			t.Errorf("got %v, want an unknown outcome", got.err)
		}
		c.pong(c.expect(wire.KindPing))
		c.reply(m.Serial, "item")
		synctest.Wait()
		if err := s.Err(); err != nil {
			t.Errorf("Err() = %v after a late reply to an abandoned call", err)
		}
	})
}
