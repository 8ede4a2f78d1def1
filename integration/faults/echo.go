package faults

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"sync"

	"github.com/syncmanager/syncmanager/connection"
)

// Echo is the server's side of the raw connections of Trials: it sends back
// what comes, and looks whether that can be what a client sent.
type Echo struct {
	mu       sync.Mutex // guards what follows
	failures []error
	running  int
	closed   int // connections that ended in good order
	broken   int // and with the connection below
}

// Serve serves one raw connection, as a handler of managers.Server.HandleConn.
func (e *Echo) Serve(c *connection.Conn) {
	e.mu.Lock()
	e.running++
	e.mu.Unlock()
	err := e.serve(c)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.running--
	switch {
	case err == nil:
		e.closed++
	case errors.As(err, new(wrong)):
		e.failures = append(e.failures, err)
	default:
		e.broken++
	}
}

// wrong is an error that no fault of the connection explains.
type wrong struct{ error }

func (e *Echo) serve(c *connection.Conn) error {
	var first message
	for n := uint32(0); ; n++ {
		b, err := c.RecvBytes(0)
		if err == io.EOF && n > 0 {
			return wrong{fmt.Errorf("%v was closed after message %d, and its client has not closed it", first, n-1)}
		}
		if err == io.EOF {
			return nil // given up before it was used
		}
		if err != nil {
			return err
		}
		m, err := parseMessage(b)
		if err != nil {
			return wrong{fmt.Errorf("the server received after message %d of %v: %w", n, first, err)}
		}
		if n == 0 {
			first = m
		}
		if m.client != first.client || m.talk != first.talk || m.number != n {
			return wrong{fmt.Errorf("the server received %v as message %d of %v", m, n, first)}
		}
		if err := c.SendBytes(b); err != nil {
			return err
		}
		switch m.kind {
		case serverCloses:
			return nil
		case clientCloses:
			if b, err := c.RecvBytes(0); err == nil {
				return wrong{fmt.Errorf("the server received %d bytes after the last message of %v", len(b), first)}
			} else if err != io.EOF {
				return err
			}
			return nil
		}
	}
}

// Counts returns how many raw connections are served now, and how many have
// ended in good order and with the connection below them.
func (e *Echo) Counts() (running, closed, broken int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.running, e.closed, e.broken
}

// Err returns what was wrong.
func (e *Echo) Err() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return errors.Join(e.failures...)
}

// messageKind says what comes after a message.
type messageKind byte

const (
	goesOn messageKind = iota
	serverCloses
	clientCloses
)

// message is one message on a raw connection. It says whose it is, and a sum
// of its bytes says whether it is whole.
type message struct {
	kind                 messageKind
	client, talk, number uint32
	length               int // of what fills it up
}

func (m message) String() string {
	return fmt.Sprintf("client %d, talk %d, message %d", m.client, m.talk, m.number)
}

const messageHead = 4 + 1 + 3*4

func (m message) bytes() []byte {
	b := make([]byte, messageHead, messageHead+m.length)
	b[4] = byte(m.kind)
	for i, v := range []uint32{m.client, m.talk, m.number} {
		binary.BigEndian.PutUint32(b[5+4*i:], v)
	}
	r := rand.NewPCG(uint64(m.client)<<32|uint64(m.talk), uint64(m.number))
	for len(b) < cap(b) {
		b = append(b, byte(r.Uint64()))
	}
	binary.BigEndian.PutUint32(b, crc32.ChecksumIEEE(b[4:]))
	return b
}

func parseMessage(b []byte) (message, error) {
	if len(b) < messageHead {
		return message{}, fmt.Errorf("a message of %d bytes", len(b))
	}
	m := message{
		kind: messageKind(b[4]), client: binary.BigEndian.Uint32(b[5:]), talk: binary.BigEndian.Uint32(b[9:]),
		number: binary.BigEndian.Uint32(b[13:]), length: len(b) - messageHead,
	}
	if sum := crc32.ChecksumIEEE(b[4:]); sum != binary.BigEndian.Uint32(b) {
		return m, fmt.Errorf("a message whose sum is %#x and not what it says (%v)", sum, m)
	}
	return m, nil
}
