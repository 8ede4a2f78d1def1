package proxy_test

import (
	"context"
	"testing"

	"github.com/syncmanager/syncmanager/proxy"
)

// TestZeroProxies: what was never opened fails, and does not panic.
func TestZeroProxies(t *testing.T) {
	ctx := context.Background()
	var d proxy.Dict[string, int]
	wantErr(t, "Dict.Set", d.Set(ctx, "a", 1), proxy.ErrValue)
	var q proxy.Queue[int]
	_, err := q.Get(ctx)
	wantErr(t, "Queue.Get", err, proxy.ErrValue)
	var l proxy.Lock
	_, err = l.Acquire(ctx)
	wantErr(t, "Lock.Acquire", err, proxy.ErrValue)
	var k proxy.Condition
	_, err = k.Acquire(ctx, proxy.Owner{})
	wantErr(t, "Condition.Acquire", err, proxy.ErrValue)
	wantErr(t, "Condition.Release", k.Release(ctx, proxy.Owner{}), proxy.ErrValue)
	_, err = proxy.Call[int](ctx, nil, "x")
	wantErr(t, "Call on nothing", err, proxy.ErrValue)
	_, err = proxy.Call[int](ctx, (*proxy.Ref)(nil), "x")
	wantErr(t, "Call on a nil Ref", err, proxy.ErrValue)
	_, err = proxy.As[proxy.Lock](nil)
	wantErr(t, "As of nothing", err, proxy.ErrType)
	d.Drop()
	if d.Token() != "" || d.TypeID() != "" || d.String() == "" {
		t.Errorf("zero proxy: token %q, typeid %q, %v", d.Token(), d.TypeID(), &d)
	}
}
