package client

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// goSurely makes a call that takes effect although its context is over.
func goSurely(ctx context.Context, r Ref, token int) <-chan error {
	done := make(chan error, 1)
	go func() {
		c := NewCall(r, &put, 1)
		Arg(c, token)
		done <- ExecSurely(ctx, c)
	}()
	return done
}

func over() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func TestSurely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := open(t, newPeer(t), Config{})
		defer end(s)
		done := goSurely(over(), testRef(s, 5, "Lock"), 1)
		c.reply(c.expectCall().Serial, nil)
		if err := <-done; err != nil {
			t.Errorf("got %v, want the server's word", err)
		}
		done = goSurely(over(), testRef(s, 5, "Lock"), 1)
		c.replyError(c.expectCall().Serial, wire.ErrLockLost)
		if err := <-done; !errors.Is(err, wire.ErrLockLost) {
			t.Errorf("got %v, want the server's word", err)
		}
	})
}

// Without the server's word the caller leaves after the verdict's time. The call
// is not cancelled, and is made again on the next connection.
func TestSurelyLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t)
		s, c := open(t, p, Config{})
		defer end(s)
		start := time.Now()
		ctx, cancel := context.WithCancel(context.Background())
		done := goSurely(ctx, testRef(s, 5, "Lock"), 42)
		m := c.expectCall()
		time.Sleep(3 * time.Second)
		cancel()
		var gaveUp *CallError
		if err := <-done; !errors.As(err, &gaveUp) || !gaveUp.Unknown || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want a call whose outcome is unknown", err)
		}
		if took := time.Since(start); took != 3*time.Second+DefaultVerdict {
			t.Errorf("waited for %v", took)
		}
		c.out.Close()
		c = <-p.conns
		c.welcome(wire.KindResume)
		again := c.expectCall()
		if again.Serial != m.Serial || again.Object != m.Object || again.Method != m.Method || !bytes.Equal(again.Args, m.Args) {
			t.Errorf("made again as %+v, was %+v", again, m)
		}
		c.reply(again.Serial, nil)
		synctest.Wait()
		if n := s.calls.Len(); n != 0 {
			t.Errorf("%d calls are left", n)
		}
	})
}

// Without a connection the caller leaves at once, and the call is made as soon as
// there is one.
func TestSurelyWithoutConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t)
		s, c := open(t, p, Config{})
		defer end(s)
		p.setDown(true)
		c.out.Close()
		synctest.Wait()
		start := time.Now()
		err := <-goSurely(over(), testRef(s, 5, "Lock"), 42)
		if !errors.Is(err, context.Canceled) || SafeToRetry(err) || time.Since(start) != 0 {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
		p.setDown(false)
		c = <-p.conns
		c.welcome(wire.KindResume)
		m := c.expectCall()
		r, err := wire.NewReader(m.Args)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := r.Int(); n != 42 || err != nil || m.Object != 5 {
			t.Errorf("made as %+v (%d, %v)", m, n, err)
		}
		c.reply(m.Serial, nil)
	})
}
