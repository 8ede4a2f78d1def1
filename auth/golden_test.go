package auth

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// field is one part of a message: how long it is and what it holds.
type field struct {
	size int
	what string
}

func clientHelloFields(kind, name string) []field {
	return []field{
		{len(magic), "magic"}, {2, "lowest version offered"}, {2, "highest version offered"},
		{1, "length of the transport kind"}, {len(kind), fmt.Sprintf("transport kind %q", kind)},
		{1, "length of the key name"}, {len(name), fmt.Sprintf("key name %q", name)},
		{nonceSize, "client nonce"},
	}
}

func serverHelloFields(p Params) []field {
	return []field{
		{len(magic), "magic"}, {1, "a version was chosen"}, {2, "version chosen"}, {nonceSize, "server nonce"},
		{saltSize, "salt for a passphrase"}, {4, fmt.Sprintf("argon2id passes: %d", p.Time)},
		{4, fmt.Sprintf("argon2id memory in KiB: %d", p.Memory)}, {1, fmt.Sprintf("argon2id lanes: %d", p.Threads)},
	}
}

var (
	versionRefusalFields = []field{
		{len(magic), "magic"}, {1, "no version in common"}, {2, "lowest version spoken"}, {2, "highest version spoken"},
	}
	clientProofFields = []field{{proofSize, "HMAC-SHA256"}}
	serverProofFields = clientProofFields
	refusalFields     = []field{{1, "no"}}
)

// script is a golden file in the making.
type script struct {
	t   *testing.T
	out strings.Builder
}

func (s *script) note(format string, args ...any) { fmt.Fprintf(&s.out, "# "+format+"\n", args...) }

func (s *script) value(name string, b []byte) { fmt.Fprintf(&s.out, "%-14s %x\n", name, b) }

// message writes one message, length included, a field a line.
func (s *script) message(from, name string, msg []byte, fields []field) {
	fmt.Fprintf(&s.out, "\n%s: %s\n", from, name)
	fmt.Fprintf(&s.out, "  %04x  # length: %d\n", len(msg), len(msg))
	for _, f := range fields {
		if len(msg) < f.size {
			s.t.Fatalf("%s: the message ends within %q", name, f.what)
		}
		fmt.Fprintf(&s.out, "  %x  # %s\n", msg[:f.size], f.what)
		msg = msg[f.size:]
	}
	if len(msg) > 0 {
		s.t.Fatalf("%s: %d bytes are left over", name, len(msg))
	}
}

func (s *script) compare(file string) {
	s.t.Helper()
	path := filepath.Join("testdata", file)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			s.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(s.out.String()), 0o644); err != nil {
			s.t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	want = bytes.ReplaceAll(want, []byte("\r\n"), []byte("\n"))
	if got := s.out.String(); got != string(want) {
		s.t.Errorf("the transcript differs from %s (-update rewrites it); it is now:\n%s", path, got)
	}
}

// counting returns n bytes that count up from first.
func counting(first byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = first + byte(i)
	}
	return b
}

func TestGoldenHandshakes(t *testing.T) {
	const name, text = "worker", "0123456789abcdef"
	exporter := counting(0xe0, ExporterSize)
	pass, err := NewPassphrase("correct horse")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		file, about string
		channel     Channel
		client      Credential
		server      Credential
		refused     bool
	}{
		{"handshake_tls.txt", "A handshake over TLS.", Channel{TransportTLS, exporter}, mustKey(t, text), mustKey(t, text), false},
		{"handshake_unix.txt", "A handshake over a unix socket.", Channel{TransportUnix, nil}, mustKey(t, text), mustKey(t, text), false},
		{"handshake_passphrase.txt", `A handshake in memory, with the passphrase "correct horse".`, pipeChannel, pass, pass, false},
		{"handshake_refused.txt", "A handshake over TCP without TLS; the server has another key.", Channel{TransportTCP, nil}, mustKey(t, text), mustKey(t, "another"), true},
	} {
		t.Run(test.file, func(t *testing.T) {
			var secret [32]byte
			copy(secret[:], counting(0x80, 32))
			ring := &Keyring{secret: hide(secret), params: cheap}
			set, err := ring.build([]Entry{{Name: name, Credential: test.server, Role: RoleWrite}})
			if err != nil {
				t.Fatal(err)
			}
			ring.grants.Store(set)
			c := ClientConfig{KeyName: name, Credential: test.client, Channel: test.channel, rand: bytes.NewReader(counting(0x00, nonceSize))}
			s := ServerConfig{Keyring: ring, Channel: test.channel, rand: bytes.NewReader(counting(0x40, nonceSize))}
			var sent [4][]byte
			client, server := middle(t, c, s, func(at int, msg []byte) []byte {
				sent[at] = msg
				return msg
			})
			if test.refused {
				wantRefused(t, "client", client)
				wantRefused(t, "server", server)
			} else {
				checkPair(t, client, server)
			}

			key, err := test.client.derive(ring.salt(name), cheap)
			if err != nil {
				t.Fatal(err)
			}
			keys, err := deriveKeys(key)
			if err != nil {
				t.Fatal(err)
			}
			out := script{t: t}
			out.note("%s", test.about)
			out.note("Values in hexadecimal; what both sides know and nobody sends:")
			out.value("authkey", key.raw())
			if test.channel.Exporter != nil {
				out.value("exporter", test.channel.Exporter)
			}
			out.value("client key", keys.client[:])
			out.value("server key", keys.server[:])
			out.message("client", "client hello", sent[atClientHello], clientHelloFields(test.channel.Kind, name))
			out.message("server", "server hello", sent[atServerHello], serverHelloFields(cheap))
			out.message("client", "client proof", sent[atClientProof], clientProofFields)
			if test.refused {
				out.message("server", "refusal", sent[atServerProof], refusalFields)
			} else {
				out.message("server", "server proof", sent[atServerProof], serverProofFields)
				out.out.WriteString("\n")
				out.note("The session that both sides have now:")
				out.value("binding", client.session.Binding[:])
				out.value("session key", client.session.SessionKey[:])
				out.out.WriteString("\n")
				out.note("What would resume session 7 on this connection:")
				proof := ResumeProof(client.session.SessionKey, 7, client.session.Binding)
				out.value("resume proof", proof[:])
			}
			out.compare(test.file)
		})
	}
}

func TestGoldenVersionRefusal(t *testing.T) {
	hello := clientHello{min: 2, max: 3, kind: TransportUnix, name: DefaultName, nonce: [nonceSize]byte(counting(0, nonceSize))}
	refusal := serverHello{refused: true, min: 1, max: 1}
	out := script{t: t}
	out.note("A client that speaks versions 2 and 3 meets a server that speaks version 1.")
	out.message("client", "client hello", hello.append(nil), clientHelloFields(hello.kind, hello.name))
	out.message("server", "version refusal", refusal.append(nil), versionRefusalFields)
	out.compare("handshake_version.txt")
}
