package serve

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
)

// FramedHead is the length of a frame's head: how many bytes of value follow it,
// and how many the answer is to have, each a big-endian u32.
const FramedHead = 8

// Framed answers frames, one connection each goroutine, until l is closed: for
// each it reads the value into memory of its own and sends as many bytes as the
// frame asks for behind a head. It is the limit of calls that carry values over
// one connection: no serials, no objects, nothing but the bytes.
func Framed(l net.Listener) error {
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			in := bufio.NewReaderSize(conn, 64<<10)
			answer := make([]byte, MaxFramed)
			for framedOne(conn, in, answer) == nil {
			}
		}()
	}
}

// MaxFramed is the largest value of a frame, in bytes.
const MaxFramed = 4 << 20

func framedOne(conn net.Conn, in *bufio.Reader, answer []byte) error {
	var head [FramedHead]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return err
	}
	n, want := binary.BigEndian.Uint32(head[:]), binary.BigEndian.Uint32(head[4:])
	if n > MaxFramed || want > MaxFramed {
		return fmt.Errorf("a frame of %d bytes that asks for %d; %d are allowed", n, want, MaxFramed)
	}
	if n > 0 {
		if _, err := io.ReadFull(in, make([]byte, n)); err != nil {
			return err
		}
	}
	binary.BigEndian.PutUint32(head[:], want)
	out := net.Buffers{head[:], answer[:want]}
	_, err := out.WriteTo(conn)
	return err
}
