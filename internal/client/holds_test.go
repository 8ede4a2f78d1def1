package client

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// loss is a Watcher that passes on what it hears.
type loss chan error

func (l loss) Lost(err error) { l <- err }

func (l loss) heard() error {
	select {
	case err := <-l:
		return err
	default:
		return nil
	}
}

func TestHolds(t *testing.T) {
	var h holds
	var w [4]loss
	for i := range w {
		w[i] = make(loss, 2)
	}
	watch := func(token uint64, l loss) {
		t.Helper()
		if err := h.watch(token, l); err != nil {
			t.Fatal(err)
		}
	}
	watch(7, w[0])
	watch(7, w[1])
	watch(7, w[2])
	watch(8, w[3])
	h.unwatch(7, w[1])
	h.unwatch(7, w[0])
	h.unwatch(9, w[3]) // not watched
	h.lost(7)
	for i, want := range []error{nil, nil, wire.ErrLockLost, nil} {
		if got := w[i].heard(); !errors.Is(got, want) {
			t.Errorf("watcher %d heard %v, want %v", i, got, want)
		}
	}
	h.lost(7) // heard once
	if err := w[2].heard(); err != nil {
		t.Errorf("a second time: %v", err)
	}

	over := errors.New("over")
	h.lose(over)
	if err := w[3].heard(); err != over {
		t.Errorf("at the end of the session the watcher heard %v", err)
	}
	if err := h.watch(12, w[0]); err != over {
		t.Errorf("watch after the end: %v", err)
	}
}

// The server may say that a hold is over right behind the reply that gave it, also
// when another hold of the same lock is watched already.
func TestHoldLostAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := open(t, newPeer(t), Config{})
		defer end(s)
		l := testRef(s, 5, "RLock")
		for _, watched := range []loss{nil, make(loss, 1)} {
			if watched != nil {
				if err := s.holds.watch(7, watched); err != nil {
					t.Fatal(err)
				}
			}
			w := make(loss, 1)
			type acquired struct {
				token uint64
				err   error
			}
			done := make(chan acquired, 1)
			go func() {
				token, err := InvokeAcquire(context.Background(), NewCall(l, &put, 0), w)
				done <- acquired{token, err}
			}()
			m := c.expectCall()
			b := wire.AppendReply(c.out.Lock(), m.Serial, 0, wire.Raw(wire.AppendInt(nil, 7)))
			b = wire.AppendEvent(b, &wire.Event{Event: wire.EventLockLost, Object: 5, Token: 7})
			if err := c.out.UnlockFlush(b); err != nil {
				t.Fatal(err)
			}
			if got := <-done; got.token != 7 || got.err != nil {
				t.Fatalf("acquire: %+v", got)
			}
			if err := <-w; !errors.Is(err, wire.ErrLockLost) {
				t.Errorf("the new hold heard %v, want ErrLockLost", err)
			}
		}
	})
}

// An acquire that gets no hold watches none.
func TestNothingAcquired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := open(t, newPeer(t), Config{})
		defer end(s)
		l := testRef(s, 5, "Lock")
		done := make(chan uint64, 1)
		go func() {
			token, err := InvokeAcquire(context.Background(), NewCall(l, &put, 0), make(loss, 1))
			if err != nil {
				t.Error(err)
			}
			done <- token
		}()
		c.reply(c.expectCall().Serial, false)
		if token := <-done; token != 0 || len(s.holds.m) > 0 {
			t.Errorf("token %d and %d watched holds, want none", token, len(s.holds.m))
		}
	})
}
