package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"

	"golang.org/x/crypto/argon2"
)

const (
	saltSize    = 16 // bytes of the salt that travels in a server hello
	minSaltSize = 8
	maxSaltSize = 64
	derivedSize = 32 // bytes of a key made from a passphrase
)

// The bounds on Params. Parameters that arrive from a server are held to them
// before any memory is reserved. The lower ones keep a dishonest server from
// making a client's proof cheap to guess from.
const (
	MinMemory  = 19 << 10  // KiB
	MaxMemory  = 256 << 10 // KiB
	MaxTime    = 64        // passes
	MaxThreads = 16

	// MinWork and MaxWork bound Time times Memory.
	MinWork = 38 << 10 // KiB
	MaxWork = 1 << 20  // KiB
)

// Params are the costs of argon2id (RFC 9106).
type Params struct {
	Time    uint32 // passes over the memory
	Memory  uint32 // KiB
	Threads uint8
}

// DefaultParams is the second recommended option of RFC 9106: three passes over
// 64 MiB in four lanes.
func DefaultParams() Params { return Params{Time: 3, Memory: 64 << 10, Threads: 4} }

// Validate reports the first parameter that is out of bounds.
func (p Params) Validate() error {
	if err := p.check(); err != nil {
		return fmt.Errorf("auth: %w", err)
	}
	return nil
}

func (p Params) check() error {
	work := uint64(p.Time) * uint64(p.Memory)
	switch {
	case p.Time < 1 || p.Time > MaxTime:
		return fmt.Errorf("argon2id time is %d, it must be 1 to %d", p.Time, MaxTime)
	case p.Memory < MinMemory || p.Memory > MaxMemory:
		return fmt.Errorf("argon2id memory is %d KiB, it must be %d to %d KiB", p.Memory, MinMemory, MaxMemory)
	case p.Threads < 1 || p.Threads > MaxThreads:
		return fmt.Errorf("argon2id threads is %d, it must be 1 to %d", p.Threads, MaxThreads)
	case work < MinWork || work > MaxWork:
		return fmt.Errorf("argon2id time %d times memory %d KiB is %d KiB, it must be %d to %d KiB",
			p.Time, p.Memory, work, MinWork, MaxWork)
	}
	return nil
}

// FromPassphrase derives a key of 32 bytes with argon2id. It fails unless the
// passphrase has 1 to MaxKeySize bytes, the salt 8 to 64 bytes, and p is within
// bounds. It takes a good fraction of a second and p.Memory of memory. The
// bytes of the passphrase count as they are, without Unicode normalisation.
func FromPassphrase(pass string, salt []byte, p Params) (Key, error) {
	key, err := fromPassphrase(pass, salt, p)
	if err != nil {
		return Key{}, fmt.Errorf("auth: %w", err)
	}
	return key, nil
}

func fromPassphrase(pass string, salt []byte, p Params) (Key, error) {
	if err := checkPassphrase(pass); err != nil {
		return Key{}, err
	}
	if len(salt) < minSaltSize || len(salt) > maxSaltSize {
		return Key{}, fmt.Errorf("the salt has %d bytes, it must have %d to %d", len(salt), minSaltSize, maxSaltSize)
	}
	if err := p.check(); err != nil {
		return Key{}, err
	}
	b := argon2.IDKey([]byte(pass), salt, p.Time, p.Memory, p.Threads, derivedSize)
	return newKey(b), nil
}

func checkPassphrase(pass string) error {
	switch {
	case pass == "":
		return errors.New("the passphrase is empty")
	case len(pass) > MaxKeySize:
		return fmt.Errorf("the passphrase has %d bytes, at most %d are allowed", len(pass), MaxKeySize)
	}
	return nil
}

// Passphrase is a credential that a person can remember. It becomes a key by
// argon2id under a salt that the server's keyring chooses and the handshake
// brings to the client. A Passphrase keeps the key last derived, so a client
// that reconnects does not derive it again. It is safe for concurrent use;
// copies share what they derived. The zero Passphrase is refused.
//
// A dishonest server, or a man in the middle, can try guesses at the cost of
// one derivation each against the proof that it was sent. A Passphrase must
// therefore be hard to guess; a generated Key has no such weakness.
type Passphrase struct {
	_ [0]func() // not comparable
	p *passphrase
}

type passphrase struct {
	// Fixed at creation.
	text hidden[string]

	// Guarded by mu, which is held while a key is derived so that calls that
	// need the same key share the work.
	mu     sync.Mutex
	salt   [saltSize]byte
	params Params
	key    Key
}

// NewPassphrase returns the credential for pass, which must have 1 to
// MaxKeySize bytes. It derives nothing yet.
func NewPassphrase(pass string) (Passphrase, error) {
	if err := checkPassphrase(pass); err != nil {
		return Passphrase{}, fmt.Errorf("auth: %w", err)
	}
	return Passphrase{p: &passphrase{text: hide(pass)}}, nil
}

func (p Passphrase) derive(salt [saltSize]byte, params Params) (Key, error) {
	if p.p == nil {
		return Key{}, errors.New("no passphrase: the Passphrase is the zero value; use NewPassphrase")
	}
	p.p.mu.Lock()
	defer p.p.mu.Unlock()
	if !p.p.key.IsZero() && p.p.salt == salt && p.p.params == params {
		return p.p.key, nil
	}
	key, err := fromPassphrase(p.p.text(), salt[:], params)
	if err != nil {
		return Key{}, err
	}
	p.p.salt, p.p.params, p.p.key = salt, params, key
	return key, nil
}

const hiddenPassphrase = "authkey:passphrase"

// String returns a fixed text: even a fingerprint would help to guess.
func (p Passphrase) String() string { return hiddenPassphrase }

// GoString returns the same text as String.
func (p Passphrase) GoString() string { return hiddenPassphrase }

// Format writes the same text as String, whatever the verb.
func (p Passphrase) Format(f fmt.State, _ rune) { io.WriteString(f, hiddenPassphrase) }

// MarshalText returns the same text as String.
func (p Passphrase) MarshalText() ([]byte, error) { return []byte(hiddenPassphrase), nil }

// MarshalJSON returns the same text as String, as a JSON string.
func (p Passphrase) MarshalJSON() ([]byte, error) { return json.Marshal(hiddenPassphrase) }

// LogValue returns the same text as String.
func (p Passphrase) LogValue() slog.Value { return slog.StringValue(hiddenPassphrase) }
