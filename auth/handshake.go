package auth

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"slices"
	"time"
)

// The versions of the protocol that this package speaks. A version covers the
// frames that follow the handshake as well.
const (
	MinVersion = 1
	MaxVersion = 1
)

// DefaultTimeout bounds a handshake from its first byte to its last.
const DefaultTimeout = 10 * time.Second

// ClientConfig configures Client. Credential and Channel are required.
type ClientConfig struct {
	KeyName    string     // which of the server's keys; "" is DefaultName
	Credential Credential // a Key or a Passphrase
	Channel    Channel
	Timeout    time.Duration // of the whole handshake; 0 is DefaultTimeout

	// MinVersion and MaxVersion narrow the versions offered. 0 means the
	// package's own.
	MinVersion, MaxVersion uint16

	rand io.Reader // for tests; nil is crypto/rand
}

// ServerConfig configures Server. Keyring and Channel are required.
type ServerConfig struct {
	Keyring *Keyring
	Channel Channel
	Timeout time.Duration // of the whole handshake, Refusing included; 0 is DefaultTimeout

	// MinVersion and MaxVersion narrow the versions accepted. 0 means the
	// package's own.
	MinVersion, MaxVersion uint16

	// Refusing, if not nil, is called after a wrong proof and before the client
	// hears "no". A server logs there, asks its Limiter and waits; it should
	// return early when ctx is done. It is called alike for unknown names and
	// for wrong keys. If it returns more than 0, the client hears that wrong keys
	// from its address are turned away for so long, in whole seconds. A right key
	// never meets it: the proof is what is looked at first.
	Refusing func(ctx context.Context, e *RefusedError) time.Duration

	rand io.Reader // for tests; nil is crypto/rand
}

// Peer is the other side of a connection: the outcome of a handshake.
type Peer struct {
	KeyName  string
	Version  uint16   // of the protocol, as agreed
	Role     Role     // on the server only
	Prefixes []string // on the server only; of the names that may be opened, none: every name

	// Binding is a value that no other connection has, the same on both sides.
	Binding [32]byte

	// SessionKey is a secret of both sides that never travelled. With TLS nobody
	// else can know it; without, whoever has the authkey and saw the handshake can.
	SessionKey SessionKey

	keyID hidden[[32]byte] // of the authkey; on the server only
}

// KeyID tells the peer's authkey from another one of the same name. Nobody can find
// the key by it. On the server only.
func (p Peer) KeyID() [32]byte {
	if p.keyID == nil {
		return [32]byte{}
	}
	return p.keyID()
}

// RecallPeer returns what a server needs of a peer that another life of it has met:
// to let it resume its session, and to find the entry of its key.
func RecallPeer(keyName string, key SessionKey, keyID [32]byte) Peer {
	return Peer{KeyName: keyName, SessionKey: key, keyID: hide(keyID)}
}

// MayOpen reports whether the peer's key may open the object called name.
func (p Peer) MayOpen(name string) bool { return mayOpen(p.Prefixes, name) }

// Client proves to the server on conn that it holds the credential, and has the
// server prove the same. The client must send nothing before Client returns
// without error.
//
// Client blocks until the handshake is over, ctx is done or the timeout has
// passed, and reads no byte beyond the handshake. It sets the connection's
// deadline, and removes it when it succeeds. After an error the connection is
// of no use and the caller closes it. A key is derived from a Passphrase without
// regard to ctx; Params.Validate bounds what that takes.
//
// Errors match ErrAuthentication if either proof was wrong, ErrProtocol if the
// server sent something else than a handshake, *VersionError if there is no
// common version, *ShutOutError if the key is wrong as too many from this address
// were, os.ErrDeadlineExceeded after the timeout, and ctx.Err() when
// ctx is done.
func Client(ctx context.Context, conn net.Conn, config ClientConfig) (Peer, error) {
	config.KeyName = cmp.Or(config.KeyName, DefaultName)
	if err := CheckName(config.KeyName); err != nil {
		return Peer{}, err
	}
	if config.Credential == nil {
		return Peer{}, errors.New("auth: ClientConfig.Credential is missing: it must be a Key or a Passphrase")
	}
	versions, err := checkVersions(config.MinVersion, config.MaxVersion)
	if err != nil {
		return Peer{}, err
	}
	if err := config.Channel.validate(); err != nil {
		return Peer{}, err
	}
	return guard(ctx, conn, config.Timeout, func() (Peer, error) {
		return runClient(ctx, newMessages(conn), &config, versions)
	})
}

// Server lets the client on conn prove that it holds a key of the keyring, and
// proves the same in turn. The peer's Role and Prefixes are those of the key.
//
// It blocks, uses conn and fails as Client does. For a wrong proof the error is
// a *RefusedError. It is safe to run any number of them at once with one
// Keyring.
func Server(ctx context.Context, conn net.Conn, config ServerConfig) (Peer, error) {
	if config.Keyring == nil || config.Keyring.grants.Load() == nil {
		return Peer{}, errors.New("auth: ServerConfig.Keyring is missing or empty: it must come from NewKeyring")
	}
	versions, err := checkVersions(config.MinVersion, config.MaxVersion)
	if err != nil {
		return Peer{}, err
	}
	if err := config.Channel.validate(); err != nil {
		return Peer{}, err
	}
	return guard(ctx, conn, config.Timeout, func() (Peer, error) {
		return runServer(ctx, newMessages(conn), &config, versions)
	})
}

func runClient(ctx context.Context, m *messages, config *ClientConfig, versions [2]uint16) (Peer, error) {
	hello := clientHello{min: versions[0], max: versions[1], kind: config.Channel.Kind, name: config.KeyName}
	if err := fillNonce(config.rand, &hello.nonce); err != nil {
		return Peer{}, err
	}
	t := transcript{channel: config.Channel, clientHello: hello.append(nil)}
	if err := m.write("client hello", t.clientHello); err != nil {
		return Peer{}, err
	}

	var err error
	if t.serverHello, err = m.read("server hello", serverHelloSize); err != nil {
		return Peer{}, hint(config.Channel.Kind, err)
	}
	answer, err := decodeServerHello(t.serverHello)
	if err != nil {
		return Peer{}, fmt.Errorf("auth: %w", err)
	}
	if answer.refused {
		return Peer{}, &VersionError{hello.min, hello.max, answer.min, answer.max}
	}
	if answer.version < hello.min || answer.version > hello.max {
		return Peer{}, fmt.Errorf("auth: server hello: it chose version %d, offered were %d to %d: %w",
			answer.version, hello.min, hello.max, ErrProtocol)
	}

	key, err := config.Credential.derive(answer.salt, answer.params)
	if err != nil {
		return Peer{}, fmt.Errorf("auth: %w", err)
	}
	if err := ctx.Err(); err != nil { // derive may have taken long
		return Peer{}, err
	}
	keys, err := deriveKeys(key)
	if err != nil {
		return Peer{}, fmt.Errorf("auth: %w", err)
	}
	proof := t.clientProof(&keys)
	if err := m.write("client proof", proof[:]); err != nil {
		return Peer{}, err
	}

	verdict, err := m.read("server proof", proofSize)
	if err != nil {
		return Peer{}, err
	}
	if len(verdict) == shutOutSize && verdict[0] == answerShutOut {
		return Peer{}, &ShutOutError{time.Duration(binary.BigEndian.Uint32(verdict[1:])) * time.Second}
	}
	if len(verdict) == 1 && verdict[0] == answerNo {
		return Peer{}, fmt.Errorf("auth: the server refused key name %q: %w", hello.name, ErrAuthentication)
	}
	if len(verdict) != proofSize {
		return Peer{}, fmt.Errorf("auth: server proof: it has %d bytes, it must have %d: %w", len(verdict), proofSize, ErrProtocol)
	}
	if want := t.serverProof(&keys, proof); !hmac.Equal(want[:], verdict) {
		return Peer{}, fmt.Errorf("auth: the server did not prove key %q: %w", hello.name, ErrAuthentication)
	}
	peer := Peer{KeyName: hello.name, Version: answer.version, Binding: t.binding()}
	if peer.SessionKey, err = t.sessionKey(&keys, hello.nonce, answer.nonce); err != nil {
		return Peer{}, fmt.Errorf("auth: %w", err)
	}
	return peer, nil
}

// hint says in an error what a port that speaks TLS looks like from a connection
// without: it hangs up, or sends an alert.
func hint(kind string, err error) error {
	if kind != TransportTCP || errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	return fmt.Errorf("%w; the port may speak TLS: its address is a tcp:// one then, not tcp+plain://", err)
}

func runServer(ctx context.Context, m *messages, config *ServerConfig, versions [2]uint16) (Peer, error) {
	var t transcript
	var err error
	t.channel = config.Channel
	if t.clientHello, err = m.read("client hello", MaxHandshakeSize); err != nil {
		return Peer{}, err
	}
	hello, err := decodeClientHello(t.clientHello)
	if err != nil {
		return Peer{}, fmt.Errorf("auth: %w", err)
	}
	answer := serverHello{version: min(hello.max, versions[1])}
	if answer.version < hello.min || answer.version < versions[0] {
		answer = serverHello{refused: true, min: versions[0], max: versions[1]}
		refusal := &VersionError{hello.min, hello.max, versions[0], versions[1]}
		if err := m.write("version refusal", answer.append(nil)); err != nil {
			return Peer{}, errors.Join(refusal, err)
		}
		return Peer{}, refusal
	}
	if err := fillNonce(config.rand, &answer.nonce); err != nil {
		return Peer{}, err
	}
	answer.salt, answer.params = config.Keyring.salt(hello.name), config.Keyring.params
	t.serverHello = answer.append(nil)
	if err := m.write("server hello", t.serverHello); err != nil {
		return Peer{}, err
	}

	sent, err := m.read("client proof", proofSize)
	if err != nil {
		return Peer{}, err
	}
	if len(sent) != proofSize {
		return Peer{}, fmt.Errorf("auth: client proof: it has %d bytes, it must have %d: %w", len(sent), proofSize, ErrProtocol)
	}
	grant, known := config.Keyring.grant(hello.name)
	proof := t.clientProof(&grant.keys)
	if good := hmac.Equal(proof[:], sent); !good || !known {
		refused := &RefusedError{KeyName: hello.name, Known: known}
		no := []byte{answerNo}
		if config.Refusing != nil {
			if shut := config.Refusing(ctx, refused); shut > 0 {
				seconds := min((shut+time.Second-1)/time.Second, math.MaxUint32)
				no = binary.BigEndian.AppendUint32([]byte{answerShutOut}, uint32(seconds))
			}
		}
		if err := m.write("refusal", no); err != nil {
			return Peer{}, errors.Join(refused, err)
		}
		return Peer{}, refused
	}

	peer := Peer{
		KeyName:  hello.name,
		Version:  answer.version,
		Role:     grant.entry.Role,
		Prefixes: slices.Clone(grant.entry.Prefixes),
		Binding:  t.binding(),
		keyID:    hide(grant.keys.id),
	}
	if peer.SessionKey, err = t.sessionKey(&grant.keys, hello.nonce, answer.nonce); err != nil {
		return Peer{}, fmt.Errorf("auth: %w", err)
	}
	own := t.serverProof(&grant.keys, proof)
	if err := m.write("server proof", own[:]); err != nil {
		return Peer{}, err
	}
	return peer, nil
}

// checkVersions fills in the package's own versions for zeros.
func checkVersions(low, high uint16) ([2]uint16, error) {
	low, high = cmp.Or(low, MinVersion), cmp.Or(high, MaxVersion)
	if low < MinVersion || high > MaxVersion || low > high {
		return [2]uint16{}, fmt.Errorf("auth: versions %d to %d are not within %d to %d", low, high, MinVersion, MaxVersion)
	}
	return [2]uint16{low, high}, nil
}

func fillNonce(r io.Reader, nonce *[nonceSize]byte) error {
	if r == nil {
		r = rand.Reader
	}
	if _, err := io.ReadFull(r, nonce[:]); err != nil {
		return fmt.Errorf("auth: drawing a nonce: %w", err)
	}
	return nil
}

// guard runs a handshake under a deadline on the connection and under ctx.
func guard(ctx context.Context, conn net.Conn, timeout time.Duration, run func() (Peer, error)) (Peer, error) {
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	if err := ctx.Err(); err != nil {
		return Peer{}, fmt.Errorf("auth: handshake: %w", err)
	}
	if err := conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		return Peer{}, fmt.Errorf("auth: handshake: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	peer, err := run()
	cut := !stop() // ctx ended and the deadline is in the past, or soon will be
	if cut && (err == nil || errors.Is(err, os.ErrDeadlineExceeded)) {
		return Peer{}, fmt.Errorf("auth: handshake: %w", ctx.Err())
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = fmt.Errorf("auth: the handshake took more than %v: %w", timeout, err)
	}
	if err != nil {
		return Peer{}, err
	}
	// A deadline could be set before, so this fails only on a connection that has
	// been closed since, as the caller's next read will say.
	_ = conn.SetDeadline(time.Time{})
	return peer, nil
}
