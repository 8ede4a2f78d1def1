package load

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
)

// EchoSize is the size of one echoed message, in bytes.
const EchoSize = 64

// echo is the raw limit: one connection per caller, blocking writes and reads,
// no protocol at all.
type echo struct {
	network, addr string

	mu    sync.Mutex
	conns []net.Conn // kept from request to request
}

func connectEcho(_ context.Context, s Spec) (Driver, error) {
	return &echo{network: s.Network, addr: s.Addr}, nil
}

// Prepare opens the connections that r lacks.
func (e *echo) Prepare(ctx context.Context, r Request) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for len(e.conns) < r.Callers {
		var d net.Dialer
		conn, err := d.DialContext(ctx, e.network, e.addr)
		if err != nil {
			return fmt.Errorf("connection %d: %w", len(e.conns)+1, err)
		}
		e.conns = append(e.conns, conn)
	}
	return nil
}

func (e *echo) Op(_ context.Context, r Request, i int) (Op, error) {
	e.mu.Lock()
	conn := e.conns[i]
	e.mu.Unlock()
	switch r.Op {
	case OpEcho:
		out, in := make([]byte, EchoSize), make([]byte, EchoSize)
		return func() error {
			if _, err := conn.Write(out); err != nil {
				return err
			}
			_, err := io.ReadFull(conn, in)
			return err
		}, nil
	case OpCopy:
		return copyOp(conn, r.Size), nil
	}
	return nil, &UnknownOpError{"echo", r.Op}
}

// copyOp stores size bytes in the copy server and reads them back, one after
// the other, as a set and a get do.
func copyOp(conn net.Conn, size int) Op {
	data := pattern(size)
	out := binary.BigEndian.AppendUint64(make([]byte, 0, size+8), uint64(size))
	out = append(out, data...)
	in := make([]byte, size)
	return func() error {
		if size > 0 { // what came the last time proves nothing
			in[0], in[size-1] = 0, 0
		}
		if _, err := conn.Write(out); err != nil {
			return err
		}
		if _, err := io.ReadFull(conn, in); err != nil {
			return err
		}
		return samePattern(in, data)
	}
}

func (e *echo) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.conns {
		c.Close()
	}
	return nil
}
