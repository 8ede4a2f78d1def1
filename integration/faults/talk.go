package faults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/syncmanager/syncmanager/connection"
	"github.com/syncmanager/syncmanager/proxy"
)

// talks is what one session does on raw connections beside its calls: it opens
// one after the other, and sends numbered messages that an Echo sends back.
type talks struct {
	*seat
	rng *rand.Rand
	n   uint32 // of raw connections so far
}

func newTalks(s *seat) *talks {
	return &talks{seat: s, rng: rand.New(rand.NewPCG(s.trial.Seed, uint64(s.index)<<32|1))}
}

// run talks until done is closed, or until a session that dies is over.
func (k *talks) run(ctx context.Context, done <-chan struct{}) {
	for k.m.Err() == nil {
		select {
		case <-done:
			return
		case <-ctx.Done():
			return
		default:
		}
		if _, err := k.talk(ctx, k.rng.IntN(40)); err != nil {
			k.failed("a raw connection", err)
			return
		}
	}
}

// last talks until all of one raw connection has worked, which without faults
// must not take long.
func (k *talks) last(ctx context.Context) {
	for end := time.Now().Add(k.trial.Lease); time.Now().Before(end); {
		whole, err := k.talk(ctx, 20)
		if err != nil {
			k.failed("a raw connection", err)
		}
		if whole || err != nil {
			return
		}
	}
	k.failed("raw connections", errors.New("none works, though there are no faults any more"))
}

// talk opens a raw connection, and sends n messages and one that ends it. It
// reports whether all came back and the end did as well. The error says what no
// fault explains.
func (k *talks) talk(ctx context.Context, n int) (whole bool, err error) {
	k.n++
	opening, cancel := context.WithTimeout(ctx, k.trial.Lease/2)
	c, err := k.m.OpenConn(opening, k.trial.Echo)
	cancel()
	switch {
	case err == nil:
	case errors.Is(err, proxy.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		time.Sleep(k.trial.Lease / 100) // no connection just now
		return false, nil
	case ctx.Err() != nil:
		return false, nil
	default:
		return false, err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	all := make([]message, n+1)
	for i := range all {
		all[i] = message{client: uint32(k.index), talk: k.n, number: uint32(i), length: k.rng.IntN(400)}
		if k.rng.IntN(25) == 0 {
			all[i].length = k.rng.IntN(20_000)
		}
	}
	all[n].kind = serverCloses
	if k.rng.IntN(3) == 0 {
		all[n].kind = clientCloses
	}
	pauses := rand.New(rand.NewPCG(k.rng.Uint64(), 0))
	sent := make(chan error, 1)
	go func() {
		for _, m := range all {
			if pauses.IntN(3) == 0 {
				time.Sleep(upTo(pauses, k.trial.Pause))
			}
			if err := c.SendBytes(m.bytes()); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	broke, err := k.hear(c, all)
	switch {
	case err != nil:
		c.Close()
		<-sent
		return false, err
	case broke == nil:
		return true, <-sent
	}
	// Its end is the end for the sender as well, at once.
	select {
	case <-sent:
	case <-time.After(k.trial.Lease):
		return false, fmt.Errorf("receiving on it has failed (%w), and somebody still sends", broke)
	}
	if err := c.SendBytes(nil); err == nil {
		return false, fmt.Errorf("receiving on it has failed (%w), and sending has not", broke)
	}
	return false, nil
}

// hear receives what comes back: the messages in order, to the end or to where
// it broke.
func (k *talks) hear(c *connection.Conn, all []message) (broke, err error) {
	for _, m := range all {
		b, err := c.RecvBytes(0)
		if err == io.EOF {
			return nil, fmt.Errorf("it was closed before %v came back, and nobody has closed it", m)
		}
		if err != nil {
			return err, nil
		}
		if want := m.bytes(); !bytes.Equal(b, want) {
			got, err := parseMessage(b)
			return nil, fmt.Errorf("%v came back as %v, of %d bytes and not %d (%w)", m, got, len(b), len(want), err)
		}
	}
	if all[len(all)-1].kind == clientCloses {
		return nil, nil
	}
	b, err := c.RecvBytes(0)
	switch {
	case err == nil:
		return nil, fmt.Errorf("%d bytes came after the last message", len(b))
	case err != io.EOF:
		return err, nil
	}
	return nil, nil
}
