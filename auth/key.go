package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
)

// MaxKeySize is the greatest length of an authkey in bytes. The least is 1.
const MaxKeySize = 4096

// generatedSize is the number of random bytes behind a generated key.
const generatedSize = 32

// Key is an authkey: 1 to MaxKeySize bytes that both sides hold. The zero Key
// holds none and is refused wherever a key is needed. Copies share their bytes,
// which never change, so a Key is safe for concurrent use.
//
// No way of printing a Key shows its bytes: fmt, encoding/json, encoding.Text
// and log/slog give its fingerprint. Keys are compared with Equal; == does not
// compile.
type Key struct {
	bytes hidden[[]byte] // nil for the zero Key; a func also keeps == from compiling
}

// hidden keeps a value from fmt. It calls no methods on unexported fields, and
// given a verb that does not fit it even follows pointers there; a func prints
// as an address in every case.
type hidden[T any] func() T

func hide[T any](v T) hidden[T] { return func() T { return v } }

// newKey returns the key that consists of b, which the caller gives away.
func newKey(b []byte) Key { return Key{bytes: hide(b)} }

// Generate draws a new key of 256 random bits. Its bytes are 64 lower-case
// hexadecimal digits, so that it can be kept in a text file or an environment
// variable and given to Python as it stands.
func Generate() Key {
	var b [generatedSize]byte
	rand.Read(b[:]) // never fails
	return newKey(hex.AppendEncode(nil, b[:]))
}

// FromBytes returns the key that consists of a copy of b. It fails unless b has
// 1 to MaxKeySize bytes.
func FromBytes(b []byte) (Key, error) {
	if err := checkKeySize(len(b)); err != nil {
		return Key{}, fmt.Errorf("auth: %w", err)
	}
	return newKey(slices.Clone(b)), nil
}

func checkKeySize(n int) error {
	switch {
	case n == 0:
		return fmt.Errorf("the authkey is empty, it needs 1 to %d bytes", MaxKeySize)
	case n > MaxKeySize:
		return fmt.Errorf("the authkey has more than %d bytes", MaxKeySize)
	}
	return nil
}

// Bytes returns a copy of the key's bytes, as Python's multiprocessing uses
// them. It returns nil for the zero Key.
func (k Key) Bytes() []byte { return slices.Clone(k.raw()) }

// raw returns the key's bytes, which must not be changed or kept.
func (k Key) raw() []byte {
	if k.bytes == nil {
		return nil
	}
	return k.bytes()
}

// IsZero reports whether k holds no key.
func (k Key) IsZero() bool { return k.bytes == nil }

// Equal reports whether both keys have the same bytes. How long it takes says
// nothing about where they differ.
func (k Key) Equal(other Key) bool {
	a, b := sha256.Sum256(k.raw()), sha256.Sum256(other.raw())
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// Fingerprint names the key without showing it, like
// "authkey:sha256:1a2b3c4d5e6f". Equal keys have equal fingerprints. Who sees a
// fingerprint can test guesses against it, which is hopeless for a generated
// key and is not for a short word.
func (k Key) Fingerprint() string {
	if k.IsZero() {
		return "authkey:none"
	}
	return "authkey:sha256:" + fingerprint(k.raw())
}

func fingerprint(secret []byte) string {
	h := sha256.New()
	io.WriteString(h, "syncmanager/1 fingerprint\x00")
	h.Write(secret)
	return hex.EncodeToString(h.Sum(nil)[:6])
}

// String returns the fingerprint.
func (k Key) String() string { return k.Fingerprint() }

// GoString returns the fingerprint.
func (k Key) GoString() string { return k.Fingerprint() }

// Format writes the fingerprint, whatever the verb.
func (k Key) Format(f fmt.State, _ rune) { io.WriteString(f, k.Fingerprint()) }

// MarshalText returns the fingerprint.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.Fingerprint()), nil }

// MarshalJSON returns the fingerprint as a JSON string.
func (k Key) MarshalJSON() ([]byte, error) { return json.Marshal(k.Fingerprint()) }

// LogValue returns the fingerprint.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.Fingerprint()) }

// Credential is what one side holds to prove itself: a Key or a Passphrase.
type Credential interface {
	fmt.Stringer

	// derive returns the key that stands for the credential under a server's
	// salt and parameters, which a Key ignores.
	derive(salt [saltSize]byte, p Params) (Key, error)
}

func (k Key) derive([saltSize]byte, Params) (Key, error) {
	if k.IsZero() {
		return Key{}, errors.New("no authkey: the Key is the zero value; use Generate, FromBytes, LoadFile or FromEnv")
	}
	return k, nil
}
