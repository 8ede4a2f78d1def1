package load

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"

	"github.com/syncmanager/syncmanager/integration/bench/internal/serve"
)

// framed is the limit of values over one connection: all callers write their
// frames to it one after the other, and answers come in the same order. A caller
// that is alone reads its answer itself; else one goroutine reads for all.
type framed struct {
	conn net.Conn

	// Owned by whoever reads: the reader, or a caller that is alone.
	in *bufio.Reader

	mu   sync.Mutex // guards what follows, and is held while a frame is written
	head [serve.FramedHead]byte

	work chan *framedCall // what the reader reads next, in order
	once sync.Once
}

type framedCall struct {
	got  []byte
	done chan error
}

func connectFramed(ctx context.Context, s Spec) (Driver, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, s.Network, s.Addr)
	if err != nil {
		return nil, err
	}
	return &framed{conn: conn, in: bufio.NewReaderSize(conn, 64<<10), work: make(chan *framedCall, 1<<10)}, nil
}

func (f *framed) Prepare(context.Context, Request) error { return nil }

func (f *framed) Op(_ context.Context, r Request, _ int) (Op, error) {
	var sent []byte
	want := 0
	switch r.Op {
	case OpValueSet:
		sent = pattern(r.Size)
	case OpValueGet:
		want = r.Size
	default:
		return nil, &UnknownOpError{"framed", r.Op}
	}
	if r.Callers == 1 {
		return func() error {
			if err := f.write(sent, want, nil); err != nil {
				return err
			}
			return f.read(make([]byte, want))
		}, nil
	}
	f.once.Do(func() { go f.serve() })
	c := &framedCall{done: make(chan error, 1)}
	return func() error {
		c.got = make([]byte, want)
		if err := f.write(sent, want, c); err != nil {
			return err
		}
		return <-c.done
	}, nil
}

// write sends a frame, and puts the call into the reader's line.
func (f *framed) write(sent []byte, want int, c *framedCall) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	binary.BigEndian.PutUint32(f.head[:], uint32(len(sent)))
	binary.BigEndian.PutUint32(f.head[4:], uint32(want))
	out := net.Buffers{f.head[:], sent}
	if _, err := out.WriteTo(f.conn); err != nil {
		return err
	}
	if c != nil {
		f.work <- c
	}
	return nil
}

// read reads one answer into b.
func (f *framed) read(b []byte) error {
	var head [serve.FramedHead]byte
	if _, err := io.ReadFull(f.in, head[:]); err != nil {
		return err
	}
	if err := many(int(binary.BigEndian.Uint32(head[:])), len(b)); err != nil {
		return err
	}
	_, err := io.ReadFull(f.in, b)
	return err
}

// serve reads for all callers until the driver is closed.
func (f *framed) serve() {
	for c := range f.work {
		c.done <- f.read(c.got)
	}
}

func (f *framed) Close() error {
	close(f.work)
	return f.conn.Close()
}
