package auth

import (
	"errors"
	"fmt"
	"time"
)

var (
	// ErrAuthentication says that the peer did not prove the authkey, or that it
	// refused our proof. A wrong key, an unknown key name, an altered message and
	// a man in the middle all end in this error; the peer is told "no" and
	// nothing else.
	ErrAuthentication = errors.New("authentication failed")

	// ErrProtocol says that what the peer sent is not a handshake of this
	// protocol: it is malformed, too long or out of order.
	ErrProtocol = errors.New("malformed handshake")
)

// VersionError says that client and server have no protocol version in common.
// Both sides return it. What it says of the peer is not authenticated.
type VersionError struct {
	ClientMin, ClientMax uint16 // what the client offered
	ServerMin, ServerMax uint16 // what the server speaks
}

// Error names both ranges.
func (e *VersionError) Error() string {
	return fmt.Sprintf("auth: no common protocol version: the client speaks %s, the server speaks %s",
		versionRange(e.ClientMin, e.ClientMax), versionRange(e.ServerMin, e.ServerMax))
}

func versionRange(low, high uint16) string {
	if low == high {
		return fmt.Sprintf("version %d", low)
	}
	return fmt.Sprintf("versions %d to %d", low, high)
}

// ShutOutError says that the server refused the key, and that so many attempts from
// the client's address failed that it turns wrong keys from there away for a while.
// A right key gets in. It matches ErrAuthentication.
type ShutOutError struct {
	For time.Duration // in whole seconds
}

// Error says until when.
func (e *ShutOutError) Error() string {
	return fmt.Sprintf("auth: the server refused the key, and turns wrong keys from this address away for another %v: too many attempts from it failed", e.For)
}

// Unwrap returns ErrAuthentication.
func (e *ShutOutError) Unwrap() error { return ErrAuthentication }

// RefusedError is what Server returns, and passes to ServerConfig.Refusing, for
// a client that did not prove its key. It is for the server's log: the client
// learns neither field. It matches ErrAuthentication.
type RefusedError struct {
	KeyName string // the name that the client gave
	Known   bool   // whether the keyring holds that name
}

// Error names the key and says whether it exists.
func (e *RefusedError) Error() string {
	why := "unknown key name"
	if e.Known {
		why = "wrong proof for key name"
	}
	return fmt.Sprintf("auth: %s %q: %v", why, e.KeyName, ErrAuthentication)
}

// Unwrap returns ErrAuthentication.
func (e *RefusedError) Unwrap() error { return ErrAuthentication }
