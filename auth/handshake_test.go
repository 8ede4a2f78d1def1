package auth

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// checkPair checks what a good handshake gives both sides.
func checkPair(t *testing.T, client, server outcome) {
	t.Helper()
	if client.err != nil || server.err != nil {
		t.Fatalf("client: %v; server: %v", client.err, server.err)
	}
	c, s := client.session, server.session
	if c.KeyName != s.KeyName || c.Version != s.Version || c.Version != MaxVersion {
		t.Errorf("client %v, server %v", c, s)
	}
	if c.Binding != s.Binding || c.Binding == [32]byte{} {
		t.Error("the bindings differ or are zero")
	}
	if c.SessionKey != s.SessionKey || c.SessionKey == (SessionKey{}) {
		t.Error("the session keys differ or are zero")
	}
	if c.Role != 0 || !s.Role.Valid() {
		t.Errorf("roles: client %v, server %v", c.Role, s.Role)
	}
}

func TestHandshake(t *testing.T) {
	exporter := bytes.Repeat([]byte{7}, ExporterSize)
	ring := mustRing(t,
		Entry{Name: DefaultName, Credential: mustKey(t, "key"), Role: RoleAdmin},
		Entry{Name: "reader", Credential: mustKey(t, "other"), Role: RoleRead, Prefixes: []string{"jobs."}})
	seen := map[any]bool{}
	for _, channel := range []Channel{
		{TransportTLS, exporter}, {TransportTCP, nil}, {TransportUnix, nil}, {TransportPipe, nil}, {TransportPipe, nil},
	} {
		client, server := shake(t,
			ClientConfig{Credential: mustKey(t, "key"), Channel: channel},
			ServerConfig{Keyring: ring, Channel: channel})
		checkPair(t, client, server)
		if seen[server.session.Binding] || seen[server.session.SessionKey] {
			t.Error("a binding or session key came twice")
		}
		seen[server.session.Binding], seen[server.session.SessionKey] = true, true
		if s := server.session; s.KeyName != DefaultName || s.Role != RoleAdmin || s.Prefixes != nil {
			t.Errorf("session %v", s)
		}
	}
	c := clientWith(t, "other")
	c.KeyName = "reader"
	client, server := shake(t, c, serverWith(ring))
	checkPair(t, client, server)
	if s := server.session; s.KeyName != "reader" || s.Role != RoleRead || !s.MayOpen("jobs.a") || s.MayOpen("x") {
		t.Errorf("session %v", s)
	}
}

func TestHandshakeWithPassphrase(t *testing.T) {
	onServer, _ := NewPassphrase("correct horse")
	ring := mustRing(t, Entry{Name: DefaultName, Credential: onServer, Role: RoleWrite})
	onClient, _ := NewPassphrase("correct horse")
	for range 2 { // the second from the key kept
		client, server := shake(t, ClientConfig{Credential: onClient, Channel: pipeChannel}, serverWith(ring))
		checkPair(t, client, server)
	}
	wrong, _ := NewPassphrase("battery staple")
	client, server := shake(t, ClientConfig{Credential: wrong, Channel: pipeChannel}, serverWith(ring))
	wantRefused(t, "client", client)
	wantRefused(t, "server", server)
	// The passphrase's bytes as a raw key are another credential.
	client, server = shake(t, clientWith(t, "correct horse"), serverWith(ring))
	wantRefused(t, "client", client)
	wantRefused(t, "server", server)
}

// tlsPair returns both ends of a TLS connection, its handshake done.
func tlsPair(t *testing.T, a, b net.Conn) (client, server *tls.Conn) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	server = tls.Server(b, &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{cert}, PrivateKey: key}},
		MinVersion:   tls.VersionTLS13, SessionTicketsDisabled: true,
	})
	client = tls.Client(a, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13})
	done := make(chan error, 1)
	go func() { done <- server.Handshake() }()
	if err := errors.Join(client.Handshake(), <-done); err != nil {
		t.Fatal(err)
	}
	return client, server
}

func tlsChannel(t *testing.T, conn *tls.Conn) Channel {
	t.Helper()
	state := conn.ConnectionState()
	exporter, err := ExporterTLS(&state)
	if err != nil {
		t.Fatal(err)
	}
	return Channel{Kind: TransportTLS, Exporter: exporter}
}

func TestHandshakeOverTLS(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	client, server := tlsPair(t, a, b)
	cc, sc := clientWith(t, "key"), serverWith(single(t, "key"))
	cc.Channel, sc.Channel = tlsChannel(t, client), tlsChannel(t, server)
	cd, sd := startClient(t.Context(), client, cc), startServer(t.Context(), server, sc)
	checkPair(t, <-cd, <-sd)
}

func TestExporterTLSNeedsAFinishedTLS13(t *testing.T) {
	for name, state := range map[string]*tls.ConnectionState{
		"none":       nil,
		"unfinished": {Version: tls.VersionTLS13},
		"TLS 1.2":    {Version: tls.VersionTLS12, HandshakeComplete: true},
	} {
		if b, err := ExporterTLS(state); err == nil || b != nil {
			t.Errorf("%s: %x, %v", name, b, err)
		}
	}
}

// A recorded handshake is played to each side in one piece, with a frame right
// behind it. Equal nonces make the recording fit.
func TestHandshakeReadsNothingBeyond(t *testing.T) {
	ring := single(t, "key")
	client := func(conn net.Conn) (Peer, error) {
		c := clientWith(t, "key")
		c.rand = bytes.NewReader(make([]byte, nonceSize))
		return Client(t.Context(), conn, c)
	}
	server := func(conn net.Conn) (Peer, error) {
		s := serverWith(ring)
		s.rand = bytes.NewReader(make([]byte, nonceSize))
		return Server(t.Context(), conn, s)
	}
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	var toClient, toServer bytes.Buffer
	cd := start(a, func() (Peer, error) { return client(recorder{a, &toClient}) })
	sd := start(b, func() (Peer, error) { return server(recorder{b, &toServer}) })
	checkPair(t, <-cd, <-sd)
	for name, side := range map[string]struct {
		run func(net.Conn) (Peer, error)
		in  *bytes.Buffer
	}{"client": {client, &toClient}, "server": {server, &toServer}} {
		side.in.WriteString("frame")
		if _, err := side.run(played{in: side.in}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := side.in.String(); got != "frame" {
			t.Errorf("%s: after the handshake %q is left to read", name, got)
		}
	}
}

// recorder keeps what is read.
type recorder struct {
	net.Conn
	in *bytes.Buffer
}

func (r recorder) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	r.in.Write(p[:n])
	return n, err
}

// played is a connection whose input is there at once and whose output goes
// nowhere.
type played struct {
	net.Conn // none
	in       *bytes.Buffer
}

func (c played) Read(p []byte) (int, error)  { return c.in.Read(p) }
func (c played) Write(p []byte) (int, error) { return len(p), nil }
func (c played) SetDeadline(time.Time) error { return nil }
func (c played) Close() error                { return nil }

func TestHandshakeRemovesTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		defer a.Close()
		defer b.Close()
		cd, sd := startClient(t.Context(), a, clientWith(t, "key")), startServer(t.Context(), b, serverWith(single(t, "key")))
		checkPair(t, <-cd, <-sd)
		time.Sleep(time.Hour)
		go a.Write([]byte("x"))
		if _, err := b.Read(make([]byte, 1)); err != nil {
			t.Error(err)
		}
	})
}

func TestSilentPeerEndsAtTheDeadline(t *testing.T) {
	for _, timeout := range []time.Duration{0, time.Second} {
		synctest.Test(t, func(t *testing.T) {
			want := timeout
			if want == 0 {
				want = DefaultTimeout
			}
			for _, side := range []string{"client", "server"} {
				a, b := net.Pipe()
				begin := time.Now()
				var o outcome
				if side == "client" {
					go io.Copy(io.Discard, b)
					c := clientWith(t, "key")
					c.Timeout = timeout
					o = <-startClient(t.Context(), a, c)
				} else {
					s := serverWith(single(t, "key"))
					s.Timeout = timeout
					o = <-startServer(t.Context(), a, s)
				}
				wantError(t, side, o, os.ErrDeadlineExceeded)
				if took := time.Since(begin); took != want {
					t.Errorf("%s: took %v, want %v", side, took, want)
				}
				a.Close()
				b.Close()
			}
		})
	}
}

func TestSlowPeerEndsAtTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		defer a.Close()
		done := startServer(t.Context(), b, serverWith(single(t, "key")))
		begin := time.Now()
		hello := (&clientHello{min: 1, max: 1, kind: TransportPipe, name: DefaultName}).append([]byte{0, 0})
		hello[1] = byte(len(hello) - 2)
		sent := 0
		for _, c := range hello { // one byte a second: each read makes progress
			if _, err := a.Write([]byte{c}); err != nil {
				break
			}
			sent++
			time.Sleep(time.Second)
		}
		wantError(t, "server", <-done, os.ErrDeadlineExceeded)
		if took := time.Since(begin); took > DefaultTimeout+time.Second || sent > 11 {
			t.Errorf("a slow client held the server for %v and %d bytes", took, sent)
		}
	})
}

func TestHandshakeEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		a, b := net.Pipe()
		defer a.Close()
		defer b.Close()
		begin := time.Now()
		wantError(t, "server", <-startServer(ctx, b, serverWith(single(t, "key"))), context.DeadlineExceeded)
		if took := time.Since(begin); took != 3*time.Second {
			t.Errorf("took %v", took)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		wantError(t, "client", <-startClient(gone, a, clientWith(t, "key")), context.Canceled)
	})
}

func TestRefusingMayDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limiter := NewLimiter(LimiterConfig{})
		s := serverWith(single(t, "key"))
		var names []string
		s.Refusing = func(ctx context.Context, e *RefusedError) time.Duration {
			names = append(names, e.Error())
			time.Sleep(limiter.Failed("pipe", time.Now()))
			return 0
		}
		c := clientWith(t, "wrong")
		for _, want := range []time.Duration{100, 200, 400} {
			begin := time.Now()
			client, server := shake(t, c, s)
			wantRefused(t, "client", client)
			wantRefused(t, "server", server)
			if took := time.Since(begin); took != want*time.Millisecond {
				t.Errorf("took %v, want %v", took, want*time.Millisecond)
			}
			c.KeyName = "nobody"
		}
		if len(names) != 3 || !strings.Contains(names[0], "wrong proof") || !strings.Contains(names[1], `unknown key name "nobody"`) {
			t.Errorf("told %q", names)
		}
	})
}

func TestConfigMistakes(t *testing.T) {
	a, _ := net.Pipe()
	ring := single(t, "key")
	exporter := make([]byte, ExporterSize)
	for want, c := range map[string]ClientConfig{
		"Credential is missing": {Channel: pipeChannel},
		"zero value":            {Channel: pipeChannel, Credential: Key{}},
		"key name":              {Channel: pipeChannel, Credential: Generate(), KeyName: "a b"},
		"transport kind":        {Credential: Generate()},
		"exporter value":        {Credential: Generate(), Channel: Channel{Kind: TransportTLS}},
		"32 bytes":              {Credential: Generate(), Channel: Channel{TransportTCP, exporter}},
		"not within":            {Credential: Generate(), Channel: pipeChannel, MaxVersion: 9},
	} {
		if want == "zero value" {
			o, _ := shake(t, c, serverWith(ring))
			if o.err == nil || !strings.Contains(o.err.Error(), want) {
				t.Errorf("client: error %v, want one that says %q", o.err, want)
			}
			continue
		}
		if _, err := Client(t.Context(), a, c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("client: error %v, want one that says %q", err, want)
		}
	}
	for want, s := range map[string]ServerConfig{
		"Keyring is missing": {Channel: pipeChannel},
		"transport kind":     {Keyring: ring},
		"exporter value":     {Keyring: ring, Channel: Channel{TransportTLS, exporter[1:]}},
		"not within":         {Keyring: ring, Channel: pipeChannel, MinVersion: 2},
	} {
		if _, err := Server(t.Context(), a, s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("server: error %v, want one that says %q", err, want)
		}
	}
}

func TestResumeProof(t *testing.T) {
	key, binding := SessionKey{1}, [32]byte{2}
	proof := ResumeProof(key, 3, binding)
	if !VerifyResume(key, 3, binding, proof) {
		t.Error("a good proof was refused")
	}
	if VerifyResume(SessionKey{9}, 3, binding, proof) || VerifyResume(key, 9, binding, proof) ||
		VerifyResume(key, 3, [32]byte{9}, proof) || VerifyResume(key, 3, binding, [32]byte{}) {
		t.Error("a proof was accepted for something else")
	}
}

func TestAllocationBudgets(t *testing.T) {
	limiter := NewLimiter(LimiterConfig{})
	now := time.Unix(0, 0)
	limiter.Failed("host", now)
	entry := Entry{Prefixes: []string{"a", "b"}}
	hello := (&clientHello{min: 1, max: 1, kind: TransportPipe, name: DefaultName}).append(nil)
	for _, test := range []struct {
		name   string
		budget float64
		f      func()
	}{
		{"Limiter.Delay", 0, func() { limiter.Delay("host", now) }},
		{"Limiter.Failed", 0, func() { limiter.Failed("host", now) }},
		{"MayOpen", 0, func() { entry.MayOpen("bc") }},
		{"decode client hello", 2, func() { decodeClientHello(hello) }},
		{"VerifyResume", 12, func() { VerifyResume(SessionKey{}, 1, [32]byte{}, [32]byte{}) }},
	} {
		if got := testing.AllocsPerRun(100, test.f); got > test.budget {
			t.Errorf("%s: %v allocations, the budget is %v", test.name, got, test.budget)
		}
	}
}

func BenchmarkHandshake(b *testing.B) {
	ring := single(b, "key")
	c, s := clientWith(b, "key"), serverWith(ring)
	b.ReportAllocs()
	for b.Loop() {
		if client, server := shake(b, c, s); client.err != nil || server.err != nil {
			b.Fatal(client.err, server.err)
		}
	}
}
