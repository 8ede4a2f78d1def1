package connection

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/syncmanager/syncmanager/auth"
)

// listen is Listen with a cleanup.
func listen(t testing.TB, addr string, cfg ListenConfig) *Listener {
	t.Helper()
	l, err := Listen(t.Context(), addr, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func TestWrongKey(t *testing.T) {
	for _, addr := range addresses(t) {
		t.Run(addr, func(t *testing.T) {
			refused := make(chan error, 4)
			l := listen(t, addr, ListenConfig{AuthKey: testKey, Refused: func(from net.Addr, err error) {
				if from == nil {
					t.Error("refused without an address")
				}
				refused <- err
			}})
			_, err := Dial(t.Context(), l.Addr().String(), DialConfig{AuthKey: auth.Generate()})
			if !errors.Is(err, auth.ErrAuthentication) || !strings.Contains(err.Error(), l.Addr().String()) {
				t.Errorf("the client gets %v", err)
			}
			if err := <-refused; !errors.Is(err, auth.ErrAuthentication) {
				t.Errorf("the listener gets %v", err)
			}
			// The next one with the right key is let in.
			c, err := Dial(t.Context(), l.Addr().String(), DialConfig{AuthKey: testKey})
			if err != nil {
				t.Fatal(err)
			}
			s, err := l.Accept(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if l.LastAccepted() != s.RemoteAddr() {
				t.Errorf("last accepted %v, want %v", l.LastAccepted(), s.RemoteAddr())
			}
			c.Close()
			s.Close()
		})
	}
}

func TestWithoutKey(t *testing.T) {
	for _, addr := range addresses(t) {
		l := listen(t, addr, ListenConfig{})
		if l.LastAccepted() != nil {
			t.Error("accepted before the first")
		}
		c, err := Dial(t.Context(), l.Addr().String(), DialConfig{})
		if err != nil {
			t.Fatal(err)
		}
		s, err := l.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		go func() { _ = c.Send("hello") }()
		var got string
		if err := s.Recv(&got); err != nil || got != "hello" {
			t.Errorf("%s: %q, %v", addr, got, err)
		}
		c.Close()
		s.Close()
	}
}

func TestKeyring(t *testing.T) {
	reader := auth.Generate()
	ring, err := auth.NewKeyring(
		auth.Entry{Name: "ops", Credential: testKey, Role: auth.RoleAdmin},
		auth.Entry{Name: "look", Credential: reader, Role: auth.RoleRead})
	if err != nil {
		t.Fatal(err)
	}
	l := listen(t, "pipe", ListenConfig{Keyring: ring})
	c, err := Dial(t.Context(), l.Addr().String(), DialConfig{AuthKey: reader, KeyName: "look"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := l.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := s.Peer(); got.KeyName != "look" || got.Role != auth.RoleRead {
		t.Errorf("session of %s, %s", got.KeyName, got.Role)
	}
	if _, err := Listen(t.Context(), "pipe", ListenConfig{Keyring: ring, AuthKey: testKey}); err == nil {
		t.Error("both a key and a keyring were taken")
	}
	if _, err := Listen(t.Context(), "pipe", ListenConfig{AuthKey: auth.Key{}}); err == nil {
		t.Error("an empty key was taken")
	}
}

func TestAcceptEnds(t *testing.T) {
	l := listen(t, "tcp://127.0.0.1:0", ListenConfig{AuthKey: testKey})
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := l.Accept(ctx); err != context.DeadlineExceeded {
		t.Errorf("context: %v", err)
	}
	done := make(chan error)
	go func() {
		_, err := l.Accept(t.Context())
		done <- err
	}()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; !errors.Is(err, net.ErrClosed) || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Errorf("closed: %v", err)
	}
	if _, err := Dial(t.Context(), l.Addr().String(), DialConfig{}); err == nil {
		t.Error("a closed listener accepts")
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// Who was let in and not accepted is not forgotten on the other side.
func TestCloseWithWaiting(t *testing.T) {
	for _, addr := range addresses(t) {
		l := listen(t, addr, ListenConfig{AuthKey: testKey})
		c, err := Dial(t.Context(), l.Addr().String(), DialConfig{AuthKey: testKey})
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		if _, err := c.RecvBytes(0); err == nil {
			t.Errorf("%s: the connection lives on", addr)
		}
		c.Close()
	}
}

// Strangers that say nothing neither hold up the others nor pile up.
func TestSilentStrangers(t *testing.T) {
	l := listen(t, "tcp://127.0.0.1:0", ListenConfig{AuthKey: testKey, Backlog: 4})
	var silent []net.Conn
	for range 12 {
		c, err := net.Dial("tcp", l.Addr().hostPort())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		silent = append(silent, c)
	}
	c, err := Dial(t.Context(), l.Addr().String(), DialConfig{AuthKey: testKey})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := l.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	// The oldest were sent away for the newer ones.
	_ = silent[0].SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := silent[0].Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the oldest stranger: %v, want the end", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.strangers) > 4 {
		t.Errorf("%d strangers", len(l.strangers))
	}
}

// A stranger that is silent to the end goes at the timeout.
func TestHandshakeTimeout(t *testing.T) {
	refused := make(chan error, 1)
	l := listen(t, "tcp://127.0.0.1:0", ListenConfig{AuthKey: testKey, Timeout: 10 * time.Millisecond,
		Refused: func(_ net.Addr, err error) { refused <- err }})
	c, err := net.Dial("tcp", l.Addr().hostPort())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := <-refused; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("refused with %v", err)
	}
	if _, err := io.Copy(io.Discard, c); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Error(err)
	}
}

// What is not accepted waits, and no more than the backlog is let in.
func TestBacklog(t *testing.T) {
	l := listen(t, "pipe", ListenConfig{AuthKey: testKey, Backlog: 2})
	const n = 10
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			c, err := Dial(t.Context(), l.Addr().String(), DialConfig{AuthKey: testKey})
			if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, auth.ErrAuthentication) {
				return // sent away for another
			}
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = c.RecvBytes(0)
			c.Close()
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		c, err := l.Accept(ctx)
		cancel()
		if err == nil {
			if k := len(l.ready); k > 4 {
				t.Errorf("%d are ready", k)
			}
			c.Close()
			continue
		}
		select {
		case <-done:
			return
		default:
		}
	}
}

func TestPortInUse(t *testing.T) {
	l := listen(t, "tcp://127.0.0.1:0", ListenConfig{})
	if l.Addr().Port == 0 {
		t.Fatal("Addr does not say which port was picked")
	}
	_, err := Listen(t.Context(), l.Addr().String(), ListenConfig{})
	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Errorf("a port in use: %v", err)
	}
	if !strings.Contains(err.Error(), "another program listens on port") {
		t.Errorf("a port that is listened on: %v", err)
	}
	// The port of a connection's own end.
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", l.Addr().Port))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = Listen(t.Context(), "tcp://"+c.LocalAddr().String(), ListenConfig{})
	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "a connection uses port") || strings.Contains(err.Error(), "another program") {
		t.Errorf("a port of a connection: %v", err)
	}
	if _, err := Dial(t.Context(), "tcp://127.0.0.1:0", DialConfig{}); err == nil || !strings.Contains(err.Error(), "port 0 is for listening") {
		t.Errorf("dial port 0: %v", err)
	}
}

func TestMemoryNames(t *testing.T) {
	l := listen(t, "pipe://jobs", ListenConfig{})
	if _, err := Listen(t.Context(), "pipe://jobs", ListenConfig{}); !errors.Is(err, ErrInUse) {
		t.Errorf("a name in use: %v", err)
	}
	l.Close()
	if _, err := Dial(t.Context(), "pipe://jobs", DialConfig{}); err == nil || !strings.Contains(err.Error(), "pipe://jobs") {
		t.Errorf("nobody listens: %v", err)
	}
	if _, err := Dial(t.Context(), "pipe", DialConfig{}); err == nil || !strings.Contains(err.Error(), "no name") {
		t.Errorf("no name: %v", err)
	}
	a, b := listen(t, "pipe", ListenConfig{}), listen(t, "pipe", ListenConfig{})
	if a.Addr() == b.Addr() || a.Addr().Name == "" {
		t.Errorf("made-up names %v and %v", a.Addr(), b.Addr())
	}
}

func TestUnixSocket(t *testing.T) {
	addr := "unix://" + socketPath(t) + ".d/deeper/s"
	l := listen(t, addr, ListenConfig{})
	path := l.Addr().Path
	for p, want := range map[string]os.FileMode{filepath.Dir(path): 0o700, path: 0o700, path + lockSuffix: 0o600} {
		info, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Separator == '/' && info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, want %v", p, info.Mode().Perm(), want)
		}
	}
	_, err := Listen(t.Context(), addr, ListenConfig{})
	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), path) {
		t.Errorf("a live socket: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{path, path + lockSuffix} {
		if _, err := os.Stat(p); !os.IsNotExist(err) {
			t.Errorf("%s is left behind: %v", p, err)
		}
	}
	os.RemoveAll(filepath.Dir(filepath.Dir(path)))
}

func TestStaleSocket(t *testing.T) {
	path := socketPath(t)
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	// A live one that knows nothing of our lock.
	if _, err := Listen(t.Context(), "unix://"+path, ListenConfig{}); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "a server answers on "+path) {
		t.Errorf("a live socket: %v", err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	// A lock file that nobody locks is what a killed server leaves.
	if err := os.WriteFile(path+lockSuffix, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l := listen(t, "unix://"+path, ListenConfig{})
	c, err := Dial(t.Context(), l.Addr().String(), DialConfig{})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	// What is not a socket is never removed.
	file := path + ".txt"
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(t.Context(), "unix://"+file, ListenConfig{}); err == nil || !strings.Contains(err.Error(), "is not a socket") {
		t.Errorf("a file in the way: %v", err)
	}
	if b, err := os.ReadFile(file); string(b) != "precious" {
		t.Errorf("the file holds %q, %v", b, err)
	}
}

// A socket that somebody else has put there meanwhile is left alone.
func TestCloseRemovesOnlyItsOwn(t *testing.T) {
	l := listen(t, "unix://"+socketPath(t), ListenConfig{})
	path := l.Addr().Path
	if err := os.Rename(path, path+".old"); err != nil {
		t.Skip(err)
	}
	if err := os.WriteFile(path, []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

// Of many starters on one socket, at each time one has it, and a dial reaches
// that one.
func TestStartersRace(t *testing.T) {
	addr := "unix://" + socketPath(t)
	var holders, wins atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 30 {
				l, err := ListenStream(t.Context(), Address{Transport: Unix, Path: strings.TrimPrefix(addr, "unix://")}, StreamConfig{})
				if err != nil {
					if !errors.Is(err, ErrInUse) {
						t.Error(err)
					}
					continue
				}
				if n := holders.Add(1); n != 1 {
					t.Errorf("%d hold the socket", n)
				}
				wins.Add(1)
				s, err := DialStream(t.Context(), l.Addr(), StreamConfig{})
				if err != nil {
					t.Errorf("the winner's socket is gone: %v", err)
				} else {
					s.Close()
				}
				holders.Add(-1)
				if err := l.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if wins.Load() == 0 {
		t.Error("nobody got the socket")
	}
}

// The transport must be the same on both sides.
func TestWrongTransport(t *testing.T) {
	plain := listen(t, "tcp+plain://127.0.0.1:0", ListenConfig{AuthKey: testKey})
	a := plain.Addr()
	a.Transport = TCP
	_, err := Dial(t.Context(), a.String(), DialConfig{AuthKey: testKey})
	if err == nil {
		t.Error("TLS to a plain listener worked")
	}
	secure := listen(t, "tcp://127.0.0.1:0", ListenConfig{AuthKey: testKey})
	a = secure.Addr()
	a.Transport = TCPPlain
	if _, err := Dial(t.Context(), a.String(), DialConfig{AuthKey: testKey}); err == nil {
		t.Error("plain to a TLS listener worked")
	}
}

// With certificates of one's own, TLS checks them as usual.
func TestOwnTLS(t *testing.T) {
	cert, err := selfSigned()
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	l := listen(t, "tcp://127.0.0.1:0", ListenConfig{StreamConfig: StreamConfig{TLS: &tls.Config{Certificates: []tls.Certificate{cert}}}})
	_, err = Dial(t.Context(), l.Addr().String(), DialConfig{StreamConfig: StreamConfig{TLS: &tls.Config{RootCAs: pool}}})
	var host x509.HostnameError
	if !errors.As(err, &host) {
		t.Errorf("a certificate for no host: %v", err)
	}
	if _, err := Listen(t.Context(), "tcp://127.0.0.1:0", ListenConfig{StreamConfig: StreamConfig{TLS: &tls.Config{}}}); err == nil || !strings.Contains(err.Error(), "no certificate") {
		t.Errorf("no certificate: %v", err)
	}
}
