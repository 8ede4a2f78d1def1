package serve

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
)

// MaxCopy is the largest value that Copy takes, in bytes.
const MaxCopy = 256 << 20

// Copy is the raw counterpart of storing a large value and reading it back: on
// each connection of l it reads eight bytes of length and that much data, and
// then writes the data back. It serves until l is closed.
func Copy(l net.Listener) error {
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			for copyOne(conn) == nil {
			}
		}()
	}
}

func copyOne(conn net.Conn) error {
	var head [8]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint64(head[:])
	if n > MaxCopy {
		return fmt.Errorf("copy of %d bytes; %d are allowed", n, MaxCopy)
	}
	data := make([]byte, n)
	if _, err := io.ReadFull(conn, data); err != nil {
		return err
	}
	_, err := conn.Write(data)
	return err
}
