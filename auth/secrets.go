package auth

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
	"log/slog"
)

// The labels keep what is computed for one purpose from serving another. The
// number is the version of the handshake.
const (
	labelClient  = "syncmanager/1 client"
	labelServer  = "syncmanager/1 server"
	labelSession = "syncmanager/1 session"
	labelBinding = "syncmanager/1 binding"
	labelResume  = "syncmanager/1 resume"
	labelKeyID   = "syncmanager/1 key id"
)

const (
	nonceSize = 32
	proofSize = sha256.Size
)

// derivedKeys is what an authkey becomes by HKDF-SHA256 without salt. The
// authkey itself is never the key of a MAC.
type derivedKeys struct {
	prk    []byte   // the pseudorandom key, from which session keys come
	client [32]byte // for the client's proof
	server [32]byte // for the server's proof
	id     [32]byte // tells authkeys apart; never sent
}

func deriveKeys(k Key) (derivedKeys, error) {
	prk, err := hkdf.Extract(sha256.New, k.raw(), nil)
	if err != nil {
		return derivedKeys{}, fmt.Errorf("deriving keys: %w", err)
	}
	d := derivedKeys{prk: prk}
	for _, part := range []struct {
		label string
		key   *[32]byte
	}{{labelClient, &d.client}, {labelServer, &d.server}, {labelKeyID, &d.id}} {
		b, err := hkdf.Expand(sha256.New, prk, part.label, len(part.key))
		if err != nil {
			return derivedKeys{}, fmt.Errorf("deriving keys: %w", err)
		}
		copy(part.key[:], b)
	}
	return d, nil
}

func (d *derivedKeys) equal(other *derivedKeys) bool { return hmac.Equal(d.id[:], other.id[:]) }

// transcript is what both sides have seen of a connection.
type transcript struct {
	channel     Channel // as this side sees it, whatever the peer says
	clientHello []byte  // as sent, without the length in front
	serverHello []byte
}

// write feeds the fields that follow a label to h. Each has its length in front,
// so that no two transcripts are the same bytes.
func (t *transcript) write(h hash.Hash, label string, more []byte) {
	writeField(h, []byte(label))
	writeField(h, []byte(t.channel.Kind))
	writeField(h, t.channel.Exporter)
	writeField(h, t.clientHello)
	writeField(h, t.serverHello)
	writeField(h, more)
}

func writeField(w io.Writer, b []byte) {
	var n [2]byte
	binary.BigEndian.PutUint16(n[:], uint16(len(b))) // fields are messages or shorter
	w.Write(n[:])
	w.Write(b)
}

func (t *transcript) clientProof(d *derivedKeys) [proofSize]byte {
	h := hmac.New(sha256.New, d.client[:])
	t.write(h, labelClient, nil)
	return [proofSize]byte(h.Sum(nil))
}

// serverProof covers the client's proof as well.
func (t *transcript) serverProof(d *derivedKeys, client [proofSize]byte) [proofSize]byte {
	h := hmac.New(sha256.New, d.server[:])
	t.write(h, labelServer, client[:])
	return [proofSize]byte(h.Sum(nil))
}

// binding is a hash that no other connection has. It is no secret without TLS.
func (t *transcript) binding() [32]byte {
	h := sha256.New()
	t.write(h, labelBinding, nil)
	return [32]byte(h.Sum(nil))
}

// sessionKey derives the secret of the session that begins on a connection.
func (t *transcript) sessionKey(d *derivedKeys, client, server [nonceSize]byte) (SessionKey, error) {
	binding := t.binding()
	info := labelSession + string(client[:]) + string(server[:]) + string(binding[:])
	b, err := hkdf.Expand(sha256.New, d.prk, info, len(SessionKey{}))
	if err != nil {
		return SessionKey{}, fmt.Errorf("deriving the session key: %w", err)
	}
	return SessionKey(b), nil
}

// SessionKey is the secret that client and server share for the life of one
// session. It never travels. fmt, encoding/json and log/slog print a
// fingerprint of it; as an array in an unexported field it would be printed, so
// a struct that keeps one there should not be printed.
type SessionKey [32]byte

func (k SessionKey) fingerprint() string { return "sessionkey:sha256:" + fingerprint(k[:]) }

// String returns the fingerprint.
func (k SessionKey) String() string { return k.fingerprint() }

// GoString returns the fingerprint.
func (k SessionKey) GoString() string { return k.fingerprint() }

// Format writes the fingerprint, whatever the verb.
func (k SessionKey) Format(f fmt.State, _ rune) { io.WriteString(f, k.fingerprint()) }

// MarshalText returns the fingerprint.
func (k SessionKey) MarshalText() ([]byte, error) { return []byte(k.fingerprint()), nil }

// LogValue returns the fingerprint.
func (k SessionKey) LogValue() slog.Value { return slog.StringValue(k.fingerprint()) }

// ResumeProof is what a client shows to take up session id on a new connection:
// an HMAC-SHA256 under the session's key over the id and the new connection's
// Binding. It is worth nothing on any other connection.
func ResumeProof(key SessionKey, id uint64, binding [32]byte) [32]byte {
	h := hmac.New(sha256.New, key[:])
	writeField(h, []byte(labelResume))
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], id)
	h.Write(n[:])
	h.Write(binding[:])
	return [32]byte(h.Sum(nil))
}

// VerifyResume reports whether proof is the ResumeProof of the other arguments,
// in constant time.
func VerifyResume(key SessionKey, id uint64, binding, proof [32]byte) bool {
	want := ResumeProof(key, id, binding)
	return hmac.Equal(want[:], proof[:])
}
