package client

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// result is what a call on another goroutine came to.
type result struct {
	v   any
	err error
}

func goCall(ctx context.Context, r Ref, m *Method, args ...any) <-chan result {
	ch := make(chan result, 1)
	go func() {
		v, err := call[any](ctx, r, m, args...)
		ch <- result{v, err}
	}()
	return ch
}

func TestRepliesInAnyOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := open(t, newPeer(t), Config{})
		defer end(s)
		d := testRef(s, 5, "dict")
		r1 := goCall(context.Background(), d, &get, "a")
		m1 := c.expectCall()
		r2 := goCall(context.Background(), d, &get, "b")
		m2 := c.expectCall()
		if m1.Serial != 1 || m2.Serial != 2 || m1.Object != 5 || m1.Method != 16 || m1.Acked != 0 {
			t.Fatalf("calls %+v, %+v", m1, m2)
		}
		c.reply(m2.Serial, "two")
		c.replyError(m1.Serial, wire.Errorf(wire.CodeKey, "'a'"))
		if r := <-r2; r.v != "two" || r.err != nil {
			t.Errorf("second call: %v", r)
		}
		if r := <-r1; !errors.Is(r.err, wire.ErrKey) {
			t.Errorf("first call: %v", r)
		}
	})
}
