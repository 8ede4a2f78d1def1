package auth

import (
	"bytes"
	"errors"
	"testing"
)

func FuzzDecodeClientHello(f *testing.F) {
	h := clientHello{min: 1, max: 1, kind: TransportTLS, name: DefaultName}
	f.Add(h.append(nil))
	h.max = 7
	f.Add(append(h.append(nil), "more"...))
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := decodeClientHello(b)
		if err != nil {
			if !errors.Is(err, ErrProtocol) || h != (clientHello{}) {
				t.Errorf("%+v, %v", h, err)
			}
			return
		}
		if again := h.append(nil); !bytes.HasPrefix(b, again) || len(b) != len(again) && h.max <= MaxVersion {
			t.Errorf("%x was decoded as %x", b, again)
		}
		if CheckName(h.name) != nil || checkKind(h.kind) != nil || h.min < 1 || h.min > h.max {
			t.Errorf("a bad hello was accepted: %+v", h)
		}
	})
}

func FuzzDecodeServerHello(f *testing.F) {
	f.Add((&serverHello{version: 1, params: DefaultParams()}).append(nil))
	f.Add((&serverHello{refused: true, min: 1, max: 2}).append(nil))
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := decodeServerHello(b)
		if err != nil {
			if !errors.Is(err, ErrProtocol) || h != (serverHello{}) {
				t.Errorf("%+v, %v", h, err)
			}
			return
		}
		if again := h.append(nil); !bytes.Equal(b, again) {
			t.Errorf("%x was decoded as %x", b, again)
		}
		if !h.refused && h.params.Validate() != nil {
			t.Errorf("parameters out of bounds were accepted: %+v", h.params)
		}
	})
}

// FuzzServer plays any bytes to a server. Nobody gets in who has no key.
func FuzzServer(f *testing.F) {
	ring := single(f, "key")
	hello := (&clientHello{min: 1, max: 1, kind: TransportPipe, name: DefaultName}).append(nil)
	framed := append([]byte{0, byte(len(hello))}, hello...)
	f.Add(append(append(framed, 0, proofSize), make([]byte, proofSize)...))
	f.Add([]byte{0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		session, err := Server(t.Context(), played{in: bytes.NewBuffer(b)}, serverWith(ring))
		wantNothing(t, "server", outcome{session, err})
	})
}

// FuzzPythonChallenge plays any challenge and any answer.
func FuzzPythonChallenge(f *testing.F) {
	f.Add([]byte("#CHALLENGE#{sha256}0123456789012345678901234567890123456789"))
	f.Add([]byte("#CHALLENGE#01234567890123456789"))
	f.Add([]byte("{sha3_384}"))
	f.Add([]byte("0123456789012345"))
	f.Fuzz(func(t *testing.T, b []byte) {
		key := mustKey(t, "key")
		for _, c := range []Challenge{{}, {RefuseMD5: true}} {
			if err := c.Deliver(&scripted{in: [][]byte{b}}, key); err == nil {
				t.Errorf("the answer %q was accepted", b)
			}
			s := &scripted{in: [][]byte{b, []byte(pythonWelcome)}}
			if err := c.Answer(s, key); err == nil && len(s.out) != 1 {
				t.Errorf("the challenge %q got %d answers", b, len(s.out))
			}
		}
	})
}
