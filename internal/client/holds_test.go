package client

import (
	"errors"
	"testing"

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

// A hold may be lost before its acquirer comes to watch it.
func TestHoldLostEarly(t *testing.T) {
	var h holds
	l := make(loss, 1)
	h.lost(3)
	if err := h.watch(3, l); !errors.Is(err, wire.ErrLockLost) {
		t.Errorf("watch of a hold that was lost just before: %v, want ErrLockLost", err)
	}
	if err := h.watch(4, l); err != nil {
		t.Errorf("watch of another hold: %v", err)
	}
}
