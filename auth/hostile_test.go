package auth

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
)

func pass(_ int, msg []byte) []byte { return msg }

func TestMiddleItselfChangesNothing(t *testing.T) {
	client, server := middle(t, clientWith(t, "key"), serverWith(single(t, "key")), pass)
	checkPair(t, client, server)
}

func TestWrongKeyOfTheClient(t *testing.T) {
	client, server := shake(t, clientWith(t, "wrong"), serverWith(single(t, "key")))
	wantRefused(t, "client", client)
	wantRefused(t, "server", server)
}

// A server without the key lets the client's proof pass and makes one up.
func TestWrongKeyOfTheServer(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	done := startClient(t.Context(), a, clientWith(t, "key"))
	hello, proof := impersonate(t, b)
	var tr transcript
	tr.channel, tr.clientHello, tr.serverHello = pipeChannel, hello, strangersHello()
	keys, err := deriveKeys(mustKey(t, "wrong"))
	if err != nil {
		t.Fatal(err)
	}
	own := tr.serverProof(&keys, [proofSize]byte(proof))
	if err := writeFramed(b, own[:]); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, "client", <-done)
}

func strangersHello() []byte {
	return (&serverHello{version: 1, params: cheap}).append(nil)
}

// impersonate plays the server up to the client's proof.
func impersonate(t *testing.T, conn net.Conn) (hello, proof []byte) {
	t.Helper()
	hello, err := readFramed(conn)
	if err != nil {
		t.Fatal(err)
	}
	if err := writeFramed(conn, strangersHello()); err != nil {
		t.Fatal(err)
	}
	if proof, err = readFramed(conn); err != nil {
		t.Fatal(err)
	}
	return hello, proof
}

func TestReflectedProof(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	done := startClient(t.Context(), a, clientWith(t, "key"))
	_, proof := impersonate(t, b)
	if err := writeFramed(b, proof); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, "client", <-done)
}

// A whole recorded client is played to the server again.
func TestReplayedTranscript(t *testing.T) {
	ring := single(t, "key")
	var recorded [][]byte
	client, server := middle(t, clientWith(t, "key"), serverWith(ring), func(at int, msg []byte) []byte {
		recorded = append(recorded, msg)
		return msg
	})
	checkPair(t, client, server)
	conn, b := net.Pipe()
	defer conn.Close()
	done := startServer(t.Context(), b, serverWith(ring))
	writeFramed(conn, recorded[atClientHello])
	hello, err := readFramed(conn)
	if err != nil || bytes.Equal(hello, recorded[atServerHello]) {
		t.Fatalf("the server repeats its nonce, or %v", err)
	}
	writeFramed(conn, recorded[atClientProof])
	answer, err := readFramed(conn)
	if err != nil || !bytes.Equal(answer, []byte{answerNo}) {
		t.Errorf("the answer to a replayed proof is %x, %v", answer, err)
	}
	wantRefused(t, "server", <-done)

	// And a whole recorded server to a new client.
	a, conn := net.Pipe()
	defer conn.Close()
	done = startClient(t.Context(), a, clientWith(t, "key"))
	readFramed(conn)
	writeFramed(conn, recorded[atServerHello])
	readFramed(conn)
	writeFramed(conn, recorded[atServerProof])
	wantRefused(t, "client", <-done)
}

// knock plays a client that has no key, up to the server's verdict.
func knock(t *testing.T, ring *Keyring, name string) (hello serverHello, verdict []byte, o outcome) {
	t.Helper()
	conn, b := net.Pipe()
	defer conn.Close()
	done := startServer(t.Context(), b, serverWith(ring))
	writeFramed(conn, (&clientHello{min: 1, max: 1, kind: TransportPipe, name: name}).append(nil))
	msg, err := readFramed(conn)
	if err != nil {
		t.Fatal(err)
	}
	if hello, err = decodeServerHello(msg); err != nil {
		t.Fatal(err)
	}
	writeFramed(conn, make([]byte, proofSize))
	if verdict, err = readFramed(conn); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(conn); len(rest) > 0 || err != nil {
		t.Errorf("after the verdict comes %x, %v", rest, err)
	}
	return hello, verdict, <-done
}

func TestUnknownKeyNameIsAWrongKey(t *testing.T) {
	p, _ := NewPassphrase("correct horse")
	ring := mustRing(t,
		Entry{Name: "raw", Credential: mustKey(t, "key"), Role: RoleAdmin},
		Entry{Name: "pass", Credential: p, Role: RoleAdmin})
	salts := map[[saltSize]byte]string{}
	for _, name := range []string{"raw", "pass", "nobody", "nothing"} {
		first, verdict, o := knock(t, ring, name)
		second, _, _ := knock(t, ring, name)
		wantRefused(t, name, o)
		if !bytes.Equal(verdict, []byte{answerNo}) {
			t.Errorf("%s: the verdict is %x", name, verdict)
		}
		if first.salt != second.salt || first.params != second.params || first.params != cheap {
			t.Errorf("%s: salt or parameters change from one attempt to the next", name)
		}
		if first.nonce == second.nonce {
			t.Errorf("%s: the nonce does not change", name)
		}
		if other, ok := salts[first.salt]; ok {
			t.Errorf("%s and %s have one salt", name, other)
		}
		salts[first.salt] = name
		var refused *RefusedError
		if known := name == "raw" || name == "pass"; !errors.As(o.err, &refused) || refused.KeyName != name || refused.Known != known {
			t.Errorf("%s: the log gets %v", name, o.err)
		}
	}
	// A name that comes or goes does not change what strangers see of it.
	before, _, _ := knock(t, ring, "nobody")
	if _, err := ring.Replace(Entry{Name: "nobody", Credential: p, Role: RoleRead}); err != nil {
		t.Fatal(err)
	}
	if after, _, _ := knock(t, ring, "nobody"); before.salt != after.salt {
		t.Error("the salt tells when a name is added")
	}
}

func TestKeyOfAnotherNameIsRefused(t *testing.T) {
	ring := mustRing(t,
		Entry{Name: "admin", Credential: mustKey(t, "a"), Role: RoleAdmin},
		Entry{Name: "reader", Credential: mustKey(t, "r"), Role: RoleRead})
	c := clientWith(t, "r")
	c.KeyName = "admin"
	client, server := shake(t, c, serverWith(ring))
	wantRefused(t, "client", client)
	wantRefused(t, "server", server)
	// Nor does it help to rename the key on the way.
	c.KeyName = "reader"
	client, server = middle(t, c, serverWith(ring), func(at int, msg []byte) []byte {
		if at == atClientHello {
			h, err := decodeClientHello(msg)
			if err != nil {
				t.Error(err)
			}
			h.name = "admin"
			return h.append(nil)
		}
		return msg
	})
	wantRefused(t, "client", client)
	wantRefused(t, "server", server)
}

// Two sides that both speak 1 to 3 are talked down to 1.
func TestDowngradedVersionRange(t *testing.T) {
	ring := single(t, "key")
	wide := [2]uint16{1, 3}
	run := func(alter func(at int, msg []byte) []byte) (client, server outcome) {
		a, am := net.Pipe()
		bm, b := net.Pipe()
		for _, conn := range []net.Conn{a, am, bm, b} {
			defer conn.Close()
		}
		c, s := clientWith(t, "key"), serverWith(ring)
		c.KeyName = DefaultName
		cd := start(a, func() (Peer, error) { return runClient(t.Context(), newMessages(a), &c, wide) })
		sd := start(b, func() (Peer, error) { return runServer(t.Context(), newMessages(b), &s, wide) })
		go func() {
			defer am.Close()
			defer bm.Close()
			for at := range 4 {
				from, to := am, bm
				if at%2 == 1 {
					from, to = bm, am
				}
				msg, err := readFramed(from)
				if err != nil || writeFramed(to, alter(at, msg)) != nil {
					return
				}
			}
		}()
		return <-cd, <-sd
	}
	client, server := run(pass)
	if client.err != nil || server.err != nil || client.session.Version != 3 || server.session.Version != 3 {
		t.Fatalf("without interference: %+v, %+v", client, server)
	}
	client, server = run(func(at int, msg []byte) []byte { // what the client offers
		if at == atClientHello {
			binary.BigEndian.PutUint16(msg[len(magic)+2:], 1)
		}
		return msg
	})
	wantRefused(t, "client", client)
	wantRefused(t, "server", server)
	client, server = run(func(at int, msg []byte) []byte { // what the server chose
		if at == atServerHello {
			binary.BigEndian.PutUint16(msg[len(magic)+1:], 1)
		}
		return msg
	})
	wantRefused(t, "client", client)
	wantRefused(t, "server", server)
	client, _ = run(func(at int, msg []byte) []byte { // a version that was not offered
		if at == atServerHello {
			binary.BigEndian.PutUint16(msg[len(magic)+1:], 4)
		}
		return msg
	})
	wantError(t, "client", client, ErrProtocol)
}

func TestNoCommonVersion(t *testing.T) {
	ring := single(t, "key")
	for _, test := range []struct {
		client, server [2]uint16
		want           string
	}{
		{[2]uint16{2, 4}, [2]uint16{1, 1}, "the client speaks versions 2 to 4, the server speaks version 1"},
		{[2]uint16{1, 1}, [2]uint16{2, 3}, "the client speaks version 1, the server speaks versions 2 to 3"},
	} {
		a, b := net.Pipe()
		c, s := clientWith(t, "key"), serverWith(ring)
		c.KeyName = DefaultName
		cd := start(a, func() (Peer, error) { return runClient(t.Context(), newMessages(a), &c, test.client) })
		sd := start(b, func() (Peer, error) { return runServer(t.Context(), newMessages(b), &s, test.server) })
		for side, o := range map[string]outcome{"client": <-cd, "server": <-sd} {
			var v *VersionError
			if !errors.As(o.err, &v) || *v != (VersionError{test.client[0], test.client[1], test.server[0], test.server[1]}) {
				t.Errorf("%s: %v", side, o.err)
			} else if !strings.Contains(v.Error(), test.want) {
				t.Errorf("%s: %q does not say %q", side, v, test.want)
			}
			wantNothing(t, side, o)
		}
		a.Close()
		b.Close()
	}
}

// A hello of a later version has fields that this one does not know.
func TestClientHelloOfALaterVersion(t *testing.T) {
	h := clientHello{min: 1, max: MaxVersion + 1, kind: TransportPipe, name: "x"}
	if _, err := decodeClientHello(append(h.append(nil), "more"...)); err != nil {
		t.Error(err)
	}
	h.max = MaxVersion
	if _, err := decodeClientHello(append(h.append(nil), "more"...)); !errors.Is(err, ErrProtocol) {
		t.Errorf("error %v, want ErrProtocol", err)
	}
}

// Each bit of both hellos and of both proofs is flipped in turn.
func TestTamperedMessages(t *testing.T) {
	ring := single(t, "key")
	sizes := [4]int{}
	client, server := middle(t, clientWith(t, "key"), serverWith(ring), func(at int, msg []byte) []byte {
		sizes[at] = len(msg)
		return msg
	})
	checkPair(t, client, server)
	for at, size := range sizes {
		for i := range size {
			t.Run(fmt.Sprintf("message %d byte %d", at, i), func(t *testing.T) {
				client, server := middle(t, clientWith(t, "key"), serverWith(ring), func(now int, msg []byte) []byte {
					if now == at {
						msg[i] ^= 1 << (i % 8)
					}
					return msg
				})
				if at == atServerProof { // the server is done by then
					wantRefused(t, "client", client)
					return
				}
				wantNothing(t, "client", client)
				wantNothing(t, "server", server)
			})
		}
	}
}

func TestManInTheMiddleHasOtherExporters(t *testing.T) {
	c, s := clientWith(t, "key"), serverWith(single(t, "key"))
	c.Channel = Channel{TransportTLS, bytes.Repeat([]byte{1}, ExporterSize)}
	s.Channel = Channel{TransportTLS, bytes.Repeat([]byte{2}, ExporterSize)}
	client, server := middle(t, c, s, pass)
	wantRefused(t, "client", client)
	wantRefused(t, "server", server)
}

// A man in the middle ends the TLS of both sides with a certificate of his own
// and passes every message on as it is.
func TestManInTheMiddleOfTLS(t *testing.T) {
	a, am := net.Pipe()
	bm, b := net.Pipe()
	for _, conn := range []net.Conn{a, am, bm, b} {
		defer conn.Close()
	}
	client, toClient := tlsPair(t, a, am)
	toServer, server := tlsPair(t, bm, b)
	go io.Copy(toClient, toServer)
	go io.Copy(toServer, toClient)
	c, s := clientWith(t, "key"), serverWith(single(t, "key"))
	c.Channel, s.Channel = tlsChannel(t, client), tlsChannel(t, server)
	cd, sd := startClient(t.Context(), client, c), startServer(t.Context(), server, s)
	wantRefused(t, "client", <-cd)
	wantRefused(t, "server", <-sd)
}

func TestStrippedTLS(t *testing.T) {
	exporter := bytes.Repeat([]byte{1}, ExporterSize)
	withTLS, plain := Channel{TransportTLS, exporter}, Channel{TransportTCP, nil}
	for _, pair := range [][2]Channel{{withTLS, plain}, {plain, withTLS}} {
		c, s := clientWith(t, "key"), serverWith(single(t, "key"))
		c.Channel, s.Channel = pair[0], pair[1]
		client, server := middle(t, c, s, func(at int, msg []byte) []byte {
			if at == atClientHello { // the middle has the client say what the server sees
				h, err := decodeClientHello(msg)
				if err != nil {
					t.Error(err)
				}
				h.kind = pair[1].Kind
				return h.append(nil)
			}
			return msg
		})
		wantRefused(t, "client", client)
		wantRefused(t, "server", server)
	}
}

func TestOversizedMessages(t *testing.T) {
	huge := []byte{0xff, 0xff}
	t.Run("client hello", func(t *testing.T) {
		conn, b := net.Pipe()
		defer conn.Close()
		done := startServer(t.Context(), b, serverWith(single(t, "key")))
		conn.Write(huge)
		wantError(t, "server", <-done, ErrProtocol)
	})
	t.Run("client proof", func(t *testing.T) {
		_, server := middle(t, clientWith(t, "key"), serverWith(single(t, "key")), func(at int, msg []byte) []byte {
			if at == atClientProof {
				return append(msg, 0)
			}
			return msg
		})
		wantError(t, "server", server, ErrProtocol)
	})
	t.Run("server hello", func(t *testing.T) {
		a, conn := net.Pipe()
		defer conn.Close()
		done := startClient(t.Context(), a, clientWith(t, "key"))
		readFramed(conn)
		conn.Write(huge)
		wantError(t, "client", <-done, ErrProtocol)
	})
	t.Run("server proof", func(t *testing.T) {
		client, _ := middle(t, clientWith(t, "key"), serverWith(single(t, "key")), func(at int, msg []byte) []byte {
			if at == atServerProof {
				return append(msg, 0)
			}
			return msg
		})
		wantError(t, "client", client, ErrProtocol)
	})
	t.Run("in total", func(t *testing.T) {
		m := newMessages(&bytes.Buffer{})
		for m.budget > 0 {
			m.conn = bytes.NewBuffer(append([]byte{0x02, 0x00}, make([]byte, 512)...))
			if _, err := m.read("message", MaxHandshakeSize); err != nil {
				if !errors.Is(err, ErrProtocol) {
					t.Error(err)
				}
				return
			}
		}
		t.Error("the budget was overrun")
	})
}

func TestEmptyMessage(t *testing.T) {
	conn, b := net.Pipe()
	defer conn.Close()
	done := startServer(t.Context(), b, serverWith(single(t, "key")))
	conn.Write([]byte{0, 0})
	wantError(t, "server", <-done, ErrProtocol)
}

func TestShortProofs(t *testing.T) {
	for at, side := range map[int]string{atClientProof: "server", atServerProof: "client"} {
		for _, short := range [][]byte{{answerNo}, {1}, make([]byte, proofSize-1)} {
			client, server := middle(t, clientWith(t, "key"), serverWith(single(t, "key")), func(now int, msg []byte) []byte {
				if now == at {
					return short
				}
				return msg
			})
			switch {
			case side == "server":
				wantError(t, side, server, ErrProtocol)
			case short[0] == answerNo && len(short) == 1:
				wantRefused(t, side, client)
			default:
				wantError(t, side, client, ErrProtocol)
			}
		}
	}
}

// The connection ends after each number of bytes.
func TestTruncatedMessages(t *testing.T) {
	ring := single(t, "key")
	hello := (&clientHello{min: 1, max: 1, kind: TransportPipe, name: DefaultName}).append(nil)
	framed := append(binary.BigEndian.AppendUint16(nil, uint16(len(hello))), hello...)
	for n := range framed {
		in := bytes.NewBuffer(framed[:n])
		s := serverWith(ring)
		session, err := Server(t.Context(), played{in: in}, s)
		wantError(t, "server", outcome{session, err}, io.ErrUnexpectedEOF)
	}
	answer := strangersHello()
	framed = append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)
	framed = append(framed, 0, proofSize, 1, 2, 3)
	for n := range len(framed) + 1 {
		session, err := Client(t.Context(), played{in: bytes.NewBuffer(framed[:n])}, clientWith(t, "key"))
		wantError(t, "client", outcome{session, err}, io.ErrUnexpectedEOF)
	}
	for at := range 4 {
		client, server := middle(t, clientWith(t, "key"), serverWith(ring), func(now int, msg []byte) []byte {
			if now == at {
				return nil
			}
			return msg
		})
		wantNothing(t, "client", client)
		if at != atServerProof {
			wantNothing(t, "server", server)
		}
	}
}

func TestPeersOfOtherProtocols(t *testing.T) {
	ring := single(t, "key")
	for name, first := range map[string]string{
		"HTTP": "GET / HTTP/1.1\r\n\r\n",
		"SSH":  "SSH-2.0-OpenSSH_9.9\r\n",
		"TLS":  "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
		"Python": "\x00\x00\x00\x3a#CHALLENGE#{sha256}" +
			"0123456789012345678901234567890123456789",
		"another magic": "\x00\x08syncmgr\r",
	} {
		session, err := Server(t.Context(), played{in: bytes.NewBufferString(first)}, serverWith(ring))
		wantError(t, name+" client", outcome{session, err}, ErrProtocol)
		session, err = Client(t.Context(), played{in: bytes.NewBufferString(first)}, clientWith(t, "key"))
		wantError(t, name+" server", outcome{session, err}, ErrProtocol)
	}
}

// A server asks for parameters that would exhaust the client, or that would
// make its proof cheap to guess from. The client derives nothing.
func TestServerWithHostileParameters(t *testing.T) {
	p, _ := NewPassphrase("correct horse")
	for _, params := range []Params{
		{1<<32 - 1, 1<<32 - 1, 255}, {1, 4 << 20, 1}, {1000, MinMemory, 1}, {1, 8, 1}, {1, MinMemory, 1}, {0, 0, 0},
	} {
		a, conn := net.Pipe()
		done := startClient(t.Context(), a, ClientConfig{Credential: p, Channel: pipeChannel})
		readFramed(conn)
		writeFramed(conn, (&serverHello{version: 1, params: params}).append(nil))
		wantError(t, "client", <-done, ErrProtocol)
		conn.Close()
	}
	if !p.p.key.IsZero() {
		t.Error("a key was derived")
	}
}
