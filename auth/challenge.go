package auth

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"
	"io"
)

// The messages of Python's multiprocessing.connection.
const (
	pythonChallenge = "#CHALLENGE#"
	pythonWelcome   = "#WELCOME#"
	pythonFailure   = "#FAILURE#"

	pythonMaxMessage  = 256 // bytes of any of them
	pythonNonceSize   = 40  // random bytes of a challenge
	pythonLegacySize  = 20  // bytes of a challenge before Python 3.12
	pythonMD5Size     = md5.Size
	pythonDigestLimit = len("sha3_256")
)

// MessageConn carries the messages of Python's challenge.
type MessageConn interface {
	// SendBytes sends b as one message. It must not keep b.
	SendBytes(b []byte) error

	// RecvBytes returns the next message. It fails if that is longer than most.
	RecvBytes(most int) ([]byte, error)
}

// Challenge proves an authkey as Python's multiprocessing.connection does, of
// all versions. The zero value accepts what Python accepts.
//
// Python's protocol signs whatever challenge arrives with the authkey itself, so
// a man in the middle can pass challenges on. It is for peers that speak nothing
// else, on networks that are trusted; see Client and Server for the others.
type Challenge struct {
	// RefuseMD5 refuses HMAC-MD5, with which Python up to 3.11 answers, and any
	// peer that asks for it.
	RefuseMD5 bool

	rand io.Reader // for tests; nil is crypto/rand
}

// DeliverChallenge has the peer prove key, as Challenge.Deliver does.
func DeliverChallenge(conn MessageConn, key Key) error { return Challenge{}.Deliver(conn, key) }

// AnswerChallenge proves key to the peer, as Challenge.Answer does.
func AnswerChallenge(conn MessageConn, key Key) error { return Challenge{}.Answer(conn, key) }

// Deliver sends a challenge, reads the peer's answer and tells it the verdict.
// The challenge names SHA-256; an answer of 16 bytes is the HMAC-MD5 of an older
// Python, any other has the name of its digest in front. The error matches
// ErrAuthentication if the answer is wrong or of no accepted kind. Deliver
// blocks as long as conn does.
func (c Challenge) Deliver(conn MessageConn, key Key) error {
	_, err := c.DeliverAny(conn, key)
	return err
}

// DeliverAny is Deliver for a peer that may prove any of several keys: Python's
// protocol has no names for keys. It returns which one the peer proved. The time
// that it takes tells how many keys there are, not which one was right.
func (c Challenge) DeliverAny(conn MessageConn, keys ...Key) (int, error) {
	if len(keys) == 0 {
		return 0, errors.New("auth: no authkey to challenge with")
	}
	for _, key := range keys {
		if key.IsZero() {
			return 0, errors.New("auth: no authkey to challenge with")
		}
	}
	random := c.rand
	if random == nil {
		random = rand.Reader
	}
	message := append(make([]byte, 0, len("{sha256}")+pythonNonceSize), "{sha256}"...)
	message = message[:cap(message)]
	if _, err := io.ReadFull(random, message[len("{sha256}"):]); err != nil {
		return 0, fmt.Errorf("auth: drawing a challenge: %w", err)
	}
	if err := conn.SendBytes(append([]byte(pythonChallenge), message...)); err != nil {
		return 0, fmt.Errorf("auth: sending the challenge: %w", err)
	}
	answer, err := recvPython(conn, "the answer to the challenge")
	if err != nil {
		return 0, err
	}
	proved, err := -1, error(nil)
	for i, key := range keys {
		if e := c.verify(key, message, answer); e == nil {
			proved = i
		} else {
			err = e
		}
	}
	if proved < 0 {
		if sendErr := conn.SendBytes([]byte(pythonFailure)); sendErr != nil {
			err = errors.Join(err, sendErr)
		}
		return 0, err
	}
	if err := conn.SendBytes([]byte(pythonWelcome)); err != nil {
		return 0, fmt.Errorf("auth: sending the welcome: %w", err)
	}
	return proved, nil
}

// Answer reads the peer's challenge, answers it and reads the verdict. A
// challenge of 20 bytes comes from a Python before 3.12 and is answered with the
// bare HMAC-MD5; any other names its digest. The error matches
// ErrAuthentication if the peer does not welcome the answer, or sends no
// challenge of an accepted kind. Answer blocks as long as conn does.
func (c Challenge) Answer(conn MessageConn, key Key) error {
	if key.IsZero() {
		return errors.New("auth: no authkey to answer a challenge with")
	}
	message, err := recvPython(conn, "the challenge")
	if err != nil {
		return err
	}
	message, ok := bytes.CutPrefix(message, []byte(pythonChallenge))
	if !ok {
		return fmt.Errorf("auth: the peer's first message is no challenge: %w", ErrAuthentication)
	}
	if len(message) < pythonLegacySize {
		return fmt.Errorf("auth: the challenge has %d bytes, it must have at least %d: %w",
			len(message), pythonLegacySize, ErrAuthentication)
	}
	d, _, err := c.splitDigest(message)
	if err != nil {
		return fmt.Errorf("auth: the challenge %w", err)
	}
	if err := conn.SendBytes(append([]byte(d.prefix), d.sum(key, message)...)); err != nil {
		return fmt.Errorf("auth: sending the answer to the challenge: %w", err)
	}
	verdict, err := recvPython(conn, "the verdict on the challenge")
	if err != nil {
		return err
	}
	if string(verdict) != pythonWelcome {
		return fmt.Errorf("auth: the peer refused the answer to its challenge: %w", ErrAuthentication)
	}
	return nil
}

func (c Challenge) verify(key Key, message, answer []byte) error {
	d, mac, err := c.splitDigest(answer)
	if err != nil {
		return fmt.Errorf("auth: the answer to the challenge %w", err)
	}
	if !hmac.Equal(d.sum(key, message), mac) {
		return fmt.Errorf("auth: the answer to the challenge is wrong: %w", ErrAuthentication)
	}
	return nil
}

// pythonDigest is a digest that Python accepts.
type pythonDigest struct {
	prefix string // of an answer; none for the bare MD5 of an older Python
	new    func() hash.Hash
}

func (d pythonDigest) sum(key Key, message []byte) []byte {
	h := hmac.New(d.new, key.raw())
	h.Write(message)
	return h.Sum(nil)
}

// splitDigest tells by its shape which digest a challenge or an answer is for,
// and returns what follows the digest's name.
func (c Challenge) splitDigest(b []byte) (pythonDigest, []byte, error) {
	var d pythonDigest
	rest := b
	if len(b) != pythonLegacySize && len(b) != pythonMD5Size {
		end := bytes.IndexByte(b[:min(len(b), pythonDigestLimit+2)], '}')
		if end < 0 || b[0] != '{' {
			return d, nil, fmt.Errorf("has %d bytes and names no digest: %w", len(b), ErrAuthentication)
		}
		d.prefix, rest = string(b[:end+1]), b[end+1:]
	}
	switch d.prefix {
	case "", "{md5}":
		if c.RefuseMD5 {
			return d, nil, fmt.Errorf("is for HMAC-MD5, which is refused here: %w", ErrAuthentication)
		}
		d.new = md5.New
	case "{sha256}":
		d.new = sha256.New
	case "{sha384}":
		d.new = sha512.New384
	case "{sha3_256}":
		d.new = func() hash.Hash { return sha3.New256() }
	case "{sha3_384}":
		d.new = func() hash.Hash { return sha3.New384() }
	default:
		return d, nil, fmt.Errorf("names the digest %q, which is not supported: %w", d.prefix, ErrAuthentication)
	}
	return d, rest, nil
}

func recvPython(conn MessageConn, what string) ([]byte, error) {
	b, err := conn.RecvBytes(pythonMaxMessage)
	if err != nil {
		return nil, fmt.Errorf("auth: waiting for %s: %w", what, err)
	}
	if len(b) > pythonMaxMessage {
		return nil, fmt.Errorf("auth: %s has %d bytes, at most %d are allowed: %w", what, len(b), pythonMaxMessage, ErrProtocol)
	}
	return b, nil
}

// PythonSpeaks reports whether what a server sends first begins as Python's
// challenge does: with a length below 256, and the sign #.
func PythonSpeaks(b []byte) bool {
	return len(b) >= 5 && b[0] == 0 && b[1] == 0 && b[2] == 0 && b[4] == '#'
}

// pythonPort says what such a server is.
const pythonPort = "it is a port for Python programs (managerd's python_listen); Go programs and mgrctl take an address of listen"
