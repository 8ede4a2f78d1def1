package client

import (
	"context"
	"testing"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// TestAllocations pins what a call costs in steady state, the peer included.
func TestAllocations(t *testing.T) {
	s, c := open(t, newPeer(t), Config{})
	defer end(s)
	reply := wire.Raw(wire.AppendStr(nil, "value"))
	go c.answerAll(reply)
	d := testRef(s, 5, "dict")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	n := testing.AllocsPerRun(2000, func() {
		c := NewCall(d, &get, 1)
		Arg(c, "key")
		if _, err := Invoke[string](ctx, c); err != nil {
			t.Fatal(err)
		}
	})
	if n > allocBudget {
		t.Errorf("a call costs %v allocations, at most %d are allowed", n, allocBudget)
	}
	t.Logf("%v allocations", n)
}

// TestAcquireAllocations pins what a lock costs, the peer included: the token is
// read in place.
func TestAcquireAllocations(t *testing.T) {
	s, c := open(t, newPeer(t), Config{})
	defer end(s)
	reply := wire.Raw(wire.AppendUint(nil, 1<<40))
	go c.answerAll(reply)
	l, w := testRef(s, 5, "Lock"), make(loss, 1)
	n := testing.AllocsPerRun(2000, func() {
		token, err := InvokeAcquire(context.Background(), NewCall(l, &get, 0), w)
		if err != nil || token != 1<<40 {
			t.Fatal(token, err)
		}
		s.Unwatch(token, w)
	})
	if n > allocBudget {
		t.Errorf("an acquire costs %v allocations, at most %d are allowed", n, allocBudget)
	}
}

// answerAll gives every call the same reply.
func (c *peerConn) answerAll(reply wire.Raw) {
	var m wire.Call
	for {
		kind, body, err := c.in.Next()
		if err != nil {
			return
		}
		if kind == wire.KindCall && wire.ParseCall(body, &m) == nil {
			_ = c.out.UnlockFlush(wire.AppendReply(c.out.Lock(), m.Serial, 0, reply))
		}
	}
}
