package client

import (
	"bytes"
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

// TestLargeBytesAreTheCallers checks that large results do not share memory
// with later ones.
func TestLargeBytesAreTheCallers(t *testing.T) {
	for _, n := range []int{maxKeptBuffer - 10, maxKeptBuffer, 60_000, 100_000} {
		want := bytes.Repeat([]byte{7}, n)
		b := wire.AppendBin(nil, want)
		got, err := decode[[]byte](new(Call), b)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes came back as %d (%v)", n, len(got), err)
		}
		if shared := &got[0] == &b[len(b)-n]; shared != (len(b) > maxKeptBuffer) {
			t.Errorf("%d bytes: shared with the reply: %v", n, shared)
		}
		if cap(got) != len(got) && len(b) > maxKeptBuffer {
			t.Errorf("%d bytes: %d of capacity", n, cap(got))
		}
	}
}
