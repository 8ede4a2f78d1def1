package auth

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// MaxHandshakeSize is how many bytes either side accepts from the other before
// authentication is done, lengths included.
const MaxHandshakeSize = 4096

// messages reads and writes the messages of one handshake: a big-endian uint16
// length, then that many bytes. It asks the connection for exactly the bytes of
// a message, because frames follow on the same connection.
type messages struct {
	conn   io.ReadWriter
	budget int // bytes that may still come in
}

func newMessages(conn io.ReadWriter) *messages {
	return &messages{conn: conn, budget: MaxHandshakeSize}
}

// read returns the next message, which has 1 to most bytes. The name is for
// errors.
func (m *messages) read(name string, most int) ([]byte, error) {
	var head [2]byte
	if err := m.fill(name, head[:]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(head[:]))
	m.budget -= len(head)
	if n == 0 {
		return nil, fmt.Errorf("auth: %s: it is empty: %w", name, ErrProtocol)
	}
	if most = min(most, m.budget); n > most {
		return nil, fmt.Errorf("auth: %s: it has %d bytes (its length is sent as %q), at most %d are allowed: %w",
			name, n, head[:], most, ErrProtocol)
	}
	m.budget -= n
	b := make([]byte, n)
	if err := m.fill(name, b); err != nil {
		return nil, err
	}
	return b, nil
}

func (m *messages) fill(name string, b []byte) error {
	_, err := io.ReadFull(m.conn, b)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return fmt.Errorf("auth: waiting for the %s: %w", name, err)
	}
	return nil
}

// write sends b, which is shorter than MaxHandshakeSize, in one Write.
func (m *messages) write(name string, b []byte) error {
	out := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(b)), uint16(len(b)))
	if _, err := m.conn.Write(append(out, b...)); err != nil {
		return fmt.Errorf("auth: sending the %s: %w", name, err)
	}
	return nil
}
