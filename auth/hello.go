package auth

import (
	"encoding/binary"
	"fmt"
)

// magic opens both hellos.
const magic = "syncmgr\n"

const maxKindSize = 32

// The first byte after the magic of a server hello.
const (
	helloAccepted   = 1
	helloNoVersion  = 2
	answerNo        = 0 // the only byte of a refusal
	answerShutOut   = 2 // with a u32 behind it: wrong keys are turned away for so many seconds
	shutOutSize     = 5
	serverHelloSize = len(magic) + 1 + 2 + nonceSize + saltSize + 4 + 4 + 1
)

// clientHello is the first message.
//
//	8  magic
//	2  lowest version offered
//	2  highest version offered
//	1  length of the transport kind, then the kind
//	1  length of the key name, then the name
//	32 nonce
//
// A later version may append fields: a reader that does not know the highest
// version offered ignores what follows. Numbers are big-endian.
type clientHello struct {
	min, max uint16
	kind     string
	name     string
	nonce    [nonceSize]byte
}

func (h *clientHello) append(b []byte) []byte {
	b = append(b, magic...)
	b = binary.BigEndian.AppendUint16(b, h.min)
	b = binary.BigEndian.AppendUint16(b, h.max)
	b = append(b, byte(len(h.kind)))
	b = append(b, h.kind...)
	b = append(b, byte(len(h.name)))
	b = append(b, h.name...)
	return append(b, h.nonce[:]...)
}

func decodeClientHello(b []byte) (clientHello, error) {
	d := decoder{rest: b}
	d.magic()
	h := clientHello{min: d.uint16(), max: d.uint16()}
	h.kind = d.string("transport kind", maxKindSize)
	h.name = d.string("key name", MaxNameSize)
	copy(h.nonce[:], d.bytes(nonceSize))
	if d.err == nil && h.min > h.max {
		d.fail("versions %d to %d is no range", h.min, h.max)
	}
	if d.err == nil && h.min == 0 {
		d.fail("version 0 does not exist")
	}
	if h.max <= MaxVersion {
		d.end()
	}
	if d.err == nil {
		if err := checkKind(h.kind); err != nil {
			d.fail("%v", err)
		} else if err := checkName(h.name); err != nil {
			d.fail("%v", err)
		}
	}
	if d.err != nil {
		return clientHello{}, fmt.Errorf("client hello: %w", d.err)
	}
	return h, nil
}

func checkKind(kind string) error {
	if kind == "" || len(kind) > maxKindSize {
		return fmt.Errorf("the transport kind has %d bytes, it must have 1 to %d", len(kind), maxKindSize)
	}
	for i := range len(kind) {
		if c := kind[i]; c <= ' ' || c > '~' {
			return fmt.Errorf("transport kind %q is not printable ASCII", kind)
		}
	}
	return nil
}

// serverHello is the answer.
//
//	8  magic
//	1  1
//	2  version chosen
//	32 nonce
//	16 salt for a passphrase
//	4  argon2id passes
//	4  argon2id memory in KiB
//	1  argon2id lanes
//
// The salt and the parameters are there whether or not the key is a passphrase:
// the client knows which it holds, and nobody learns which the server holds.
//
// A server that speaks no version offered answers with
//
//	8  magic
//	1  2
//	2  lowest version spoken
//	2  highest version spoken
//
// and ends the connection.
type serverHello struct {
	refused  bool
	min, max uint16 // of a refusal
	version  uint16
	nonce    [nonceSize]byte
	salt     [saltSize]byte
	params   Params
}

func (h *serverHello) append(b []byte) []byte {
	b = append(b, magic...)
	if h.refused {
		b = append(b, helloNoVersion)
		b = binary.BigEndian.AppendUint16(b, h.min)
		return binary.BigEndian.AppendUint16(b, h.max)
	}
	b = append(b, helloAccepted)
	b = binary.BigEndian.AppendUint16(b, h.version)
	b = append(b, h.nonce[:]...)
	b = append(b, h.salt[:]...)
	b = binary.BigEndian.AppendUint32(b, h.params.Time)
	b = binary.BigEndian.AppendUint32(b, h.params.Memory)
	return append(b, h.params.Threads)
}

func decodeServerHello(b []byte) (serverHello, error) {
	d := decoder{rest: b}
	d.magic()
	var h serverHello
	switch status := d.byte(); {
	case d.err != nil:
	case status == helloNoVersion:
		h.refused = true
		h.min, h.max = d.uint16(), d.uint16()
		if d.err == nil && (h.min > h.max || h.min == 0) {
			d.fail("versions %d to %d is no range", h.min, h.max)
		}
	case status == helloAccepted:
		h.version = d.uint16()
		copy(h.nonce[:], d.bytes(nonceSize))
		copy(h.salt[:], d.bytes(saltSize))
		h.params = Params{Time: d.uint32(), Memory: d.uint32(), Threads: d.byte()}
		if d.err == nil {
			if err := h.params.check(); err != nil {
				d.fail("%v", err)
			}
		}
	default:
		d.fail("status is %d, it must be %d to %d", status, helloAccepted, helloNoVersion)
	}
	d.end()
	if d.err != nil {
		return serverHello{}, fmt.Errorf("server hello: %w", d.err)
	}
	return h, nil
}

// decoder reads fields until one is wrong; what it returns then is zero.
type decoder struct {
	rest []byte
	err  error
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), ErrProtocol)
	}
}

func (d *decoder) bytes(n int) []byte {
	if d.err == nil && len(d.rest) < n {
		d.fail("%d bytes are missing", n-len(d.rest))
	}
	if d.err != nil {
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) magic() {
	if b := d.bytes(len(magic)); d.err == nil && string(b) != magic {
		if PythonSpeaks(b) {
			d.fail("%s", pythonPort)
			return
		}
		d.fail("it begins with %q, not with %q: the peer does not speak this protocol", b, magic)
	}
}

func (d *decoder) byte() byte {
	if b := d.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) uint16() uint16 {
	if b := d.bytes(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (d *decoder) uint32() uint32 {
	if b := d.bytes(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (d *decoder) string(what string, most int) string {
	n := int(d.byte())
	if d.err == nil && n > most {
		d.fail("the %s has %d bytes, at most %d are allowed", what, n, most)
	}
	return string(d.bytes(n))
}

func (d *decoder) end() {
	if d.err == nil && len(d.rest) > 0 {
		d.fail("%d bytes too many", len(d.rest))
	}
}
