package load

import (
	"context"
	"fmt"
	"net"
	"net/rpc"

	"github.com/syncmanager/syncmanager/integration/bench/internal/serve"
)

// rpcDriver is Go's net/rpc with gob: one client, shared by all callers.
type rpcDriver struct{ client *rpc.Client }

func connectRPC(ctx context.Context, s Spec) (Driver, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, s.Network, s.Addr)
	if err != nil {
		return nil, err
	}
	return &rpcDriver{client: rpc.NewClient(conn)}, nil
}

func (d *rpcDriver) Prepare(_ context.Context, r Request) error {
	switch r.Op {
	case OpGet, OpSet:
	default:
		return nil
	}
	for _, k := range keys(r.Keys, 0) {
		var ok bool
		if err := d.client.Call("Store.Set", serve.Entry{Key: k, Value: value(r.Size)}, &ok); err != nil {
			return fmt.Errorf("fill: %w", err)
		}
	}
	return nil
}

func (d *rpcDriver) Op(_ context.Context, r Request, i int) (Op, error) {
	names, v, w := r.names, value(r.Size), newWalk(i)
	switch r.Op {
	case OpGet:
		return func() error {
			var got string
			if err := d.client.Call("Store.Get", names[w.next(len(names))], &got); err != nil {
				return err
			}
			return sized(got, len(v))
		}, nil
	case OpSet:
		return func() error {
			var ok bool
			return d.client.Call("Store.Set", serve.Entry{Key: names[w.next(len(names))], Value: v}, &ok)
		}, nil
	case OpQueue:
		return func() error {
			var ok bool
			if err := d.client.Call("Store.Put", v, &ok); err != nil {
				return err
			}
			var got string
			if err := d.client.Call("Store.Take", false, &got); err != nil {
				return err
			}
			return sized(got, len(v))
		}, nil
	case OpAdd:
		return func() error {
			var sum int
			if err := d.client.Call("Store.Add", serve.Pair{A: 4, B: 3}, &sum); err != nil {
				return err
			}
			if sum != 7 {
				return fmt.Errorf("4 + 3 gave %d", sum)
			}
			return nil
		}, nil
	}
	return nil, &UnknownOpError{"net/rpc", r.Op}
}

func (d *rpcDriver) Close() error { return d.client.Close() }

// sized is the check of every read: an answer of another size would be
// different work.
func sized(got string, want int) error {
	if len(got) != want {
		return fmt.Errorf("got a value of %d bytes, want %d", len(got), want)
	}
	return nil
}
