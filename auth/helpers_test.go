package auth

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
)

// cheap is the least that Params.Validate allows.
var cheap = Params{Time: 2, Memory: MinMemory, Threads: 1}

var pipeChannel = Channel{Kind: TransportPipe}

func mustKey(t testing.TB, s string) Key {
	t.Helper()
	k, err := FromBytes([]byte(s))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func mustRing(t testing.TB, entries ...Entry) *Keyring {
	t.Helper()
	r, err := NewKeyringParams(cheap, entries...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// single is a keyring of one raw key under the default name.
func single(t testing.TB, key string) *Keyring {
	return mustRing(t, Entry{Name: DefaultName, Credential: mustKey(t, key), Role: RoleAdmin})
}

func clientWith(t testing.TB, key string) ClientConfig {
	return ClientConfig{Credential: mustKey(t, key), Channel: pipeChannel}
}

func serverWith(ring *Keyring) ServerConfig {
	return ServerConfig{Keyring: ring, Channel: pipeChannel}
}

type outcome struct {
	session Peer
	err     error
}

// start runs f in a goroutine and closes conn if it fails, as callers do.
func start(conn net.Conn, f func() (Peer, error)) <-chan outcome {
	done := make(chan outcome, 1)
	go func() {
		s, err := f()
		if err != nil {
			conn.Close()
		}
		done <- outcome{s, err}
	}()
	return done
}

func startClient(ctx context.Context, conn net.Conn, c ClientConfig) <-chan outcome {
	return start(conn, func() (Peer, error) { return Client(ctx, conn, c) })
}

func startServer(ctx context.Context, conn net.Conn, c ServerConfig) <-chan outcome {
	return start(conn, func() (Peer, error) { return Server(ctx, conn, c) })
}

// shake runs both sides over an in-memory pair.
func shake(t testing.TB, c ClientConfig, s ServerConfig) (client, server outcome) {
	t.Helper()
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	cd, sd := startClient(t.Context(), a, c), startServer(t.Context(), b, s)
	return <-cd, <-sd
}

// Positions of the messages of a handshake, as middle sees them.
const (
	atClientHello = iota
	atServerHello
	atClientProof
	atServerProof
)

// middle runs both sides with somebody between them who passes each message
// through alter; nil ends the connection.
func middle(t testing.TB, c ClientConfig, s ServerConfig, alter func(at int, msg []byte) []byte) (client, server outcome) {
	t.Helper()
	a, am := net.Pipe()
	bm, b := net.Pipe()
	for _, conn := range []net.Conn{a, am, bm, b} {
		defer conn.Close()
	}
	cd, sd := startClient(t.Context(), a, c), startServer(t.Context(), b, s)
	go func() {
		defer am.Close()
		defer bm.Close()
		for at := range 4 {
			from, to := am, bm
			if at%2 == 1 {
				from, to = bm, am
			}
			msg, err := readFramed(from)
			if err != nil {
				return
			}
			if msg = alter(at, msg); msg == nil || writeFramed(to, msg) != nil {
				return
			}
		}
	}()
	return <-cd, <-sd
}

func readFramed(r io.Reader) ([]byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	msg := make([]byte, binary.BigEndian.Uint16(head[:]))
	_, err := io.ReadFull(r, msg)
	return msg, err
}

func writeFramed(w io.Writer, msg []byte) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(msg))), msg...))
	return err
}

// wantRefused checks that a side ended in ErrAuthentication and got nothing.
func wantRefused(t testing.TB, side string, o outcome) {
	t.Helper()
	wantError(t, side, o, ErrAuthentication)
}

func wantError(t testing.TB, side string, o outcome, want error) {
	t.Helper()
	if !errors.Is(o.err, want) {
		t.Errorf("%s: error %v, want one that matches %v", side, o.err, want)
	}
	wantNothing(t, side, o)
}

func wantNothing(t testing.TB, side string, o outcome) {
	t.Helper()
	s := o.session
	if s.KeyName != "" || s.Role != 0 || s.SessionKey != (SessionKey{}) || s.Binding != [32]byte{} {
		t.Errorf("%s: a failed handshake gave a session: %+v", side, s)
	}
	if o.err == nil {
		t.Errorf("%s: no error", side)
	}
}
