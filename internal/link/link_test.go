package link

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newCert makes a certificate for the tests, once.
var newCert = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})

// kinds are the streams that everything is tested over.
var kinds = []string{"pipe", "unix", "tcp", "tls", "tls+pipe"}

// pair returns two connected streams of the kind.
func pair(t testing.TB, kind string) (net.Conn, net.Conn) {
	t.Helper()
	var a, b net.Conn
	switch kind {
	case "pipe", "tls+pipe":
		a, b = Pipe()
	case "unix":
		if runtime.GOOS == "windows" {
			t.Skip("no unix sockets")
		}
		a, b = socketPair(t, "unix", filepath.Join(t.TempDir(), "s"))
	default:
		a, b = socketPair(t, "tcp", "127.0.0.1:0")
	}
	if kind == "tls" || kind == "tls+pipe" {
		a, b = secure(t, a, b)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

func socketPair(t testing.TB, network, addr string) (net.Conn, net.Conn) {
	t.Helper()
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a, err := net.Dial(network, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return a, b
}

func secure(t testing.TB, a, b net.Conn) (net.Conn, net.Conn) {
	t.Helper()
	client := TLSClient(a, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13})
	server := TLSServer(b, &tls.Config{Certificates: []tls.Certificate{newCert()}, SessionTicketsDisabled: true})
	done := make(chan error, 1)
	go func() { done <- server.Handshake() }()
	if err := client.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return client, server
}

func overAll(t *testing.T, f func(t *testing.T, a, b net.Conn)) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			a, b := pair(t, kind)
			f(t, a, b)
		})
	}
}
