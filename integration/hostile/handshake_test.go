package hostile

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/managers"
	"github.com/syncmanager/syncmanager/proxy"
)

// hostPort returns the server's TCP address.
func (s *server) hostPort() string {
	return s.srv.Addrs()[0][bytes.IndexByte([]byte(s.srv.Addrs()[0]), '/')+2:]
}

// from connects a socket from a loopback address of its own.
func (s *server) from(ip string) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}, Timeout: limit}
	c, err := d.DialContext(s.ctx, "tcp", s.hostPort())
	if err == nil {
		s.Cleanup(func() { c.Close() })
	}
	return c, err
}

// otherLoopback skips the test where loopback has one address only.
func (s *server) otherLoopback() {
	s.Helper()
	c, err := s.from("127.0.0.2")
	if err != nil {
		s.Skipf("this machine has no second loopback address 127.0.0.2: %v", err)
	}
	c.Close()
}

// message reads or writes messages of a handshake.
func readMessage(r io.Reader) ([]byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint16(head[:]))
	_, err := io.ReadFull(r, b)
	return b, err
}

func writeMessage(w io.Writer, b []byte) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...))
	return err
}

// middle listens, and lets one connection through to the server. alter sees each
// message of the handshake: 0 client hello, 1 server hello, 2 client proof, 3
// server proof or refusal.
func (s *server) middle(wrap func(net.Conn) net.Conn, alter func(at int, msg []byte) []byte) string {
	s.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	s.must(err)
	done := make(chan struct{})
	s.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		victim, err := l.Accept()
		if err != nil {
			return
		}
		defer victim.Close()
		up, err := net.Dial("tcp", s.hostPort())
		if err != nil {
			return
		}
		defer up.Close()
		if wrap != nil {
			victim = wrap(victim)
			up = tls.Client(up, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13})
		}
		for at := range 4 {
			from, to := victim, up
			if at%2 == 1 {
				from, to = up, victim
			}
			msg, err := readMessage(from)
			if err != nil || writeMessage(to, alter(at, msg)) != nil {
				return
			}
		}
		go func() { io.Copy(up, victim); up.Close() }()
		io.Copy(victim, up)
	}()
	return l.Addr().String()
}

func unchanged(_ int, msg []byte) []byte { return msg }

// connect has a client with the right key connect to an address.
func (s *server) connectTo(addr string) error {
	ctx, cancel := context.WithTimeout(s.ctx, 5*time.Second)
	defer cancel()
	m, err := proxy.Connect(ctx, addr, proxy.Config{AuthKey: s.key})
	if err == nil {
		m.Close()
	}
	return err
}

// refusedKeys are settings under which a wrong proof does not wait long.
func quick() managers.Config { return managers.Config{HandshakeTimeout: 2 * time.Second} }

// TestReplayedHandshake: a recorded client, played to the server again, and a
// recorded server, played to a new client, are both refused.
func TestReplayedHandshake(t *testing.T) {
	s := serve(t, plain, quick())
	var recorded [4][]byte
	addr := s.middle(nil, func(at int, msg []byte) []byte {
		recorded[at] = bytes.Clone(msg)
		return msg
	})
	if err := s.connectTo("tcp+plain://" + addr); err != nil {
		t.Fatalf("a middle that changes nothing: %v", err)
	}
	c, err := net.Dial("tcp", s.hostPort())
	s.must(err)
	defer c.Close()
	s.must(writeMessage(c, recorded[0]))
	hello := must1[[]byte](t)(readMessage(c))
	if bytes.Equal(hello, recorded[1]) {
		t.Fatal("the server repeats its hello")
	}
	s.must(writeMessage(c, recorded[2]))
	if answer, err := readMessage(c); err != nil || !bytes.Equal(answer, []byte{0}) {
		t.Fatalf("the answer to a replayed client is %x, %v; want a refusal", answer, err)
	}
	again := s.middle(nil, func(at int, msg []byte) []byte {
		if at%2 == 1 {
			return recorded[at]
		}
		return msg
	})
	is(t, "a client that meets a replayed server", s.connectTo("tcp+plain://"+again), proxy.ErrAuthentication)
}

// TestReflectedHandshake: a client that is shown its own messages does not take
// them for a server's.
func TestReflectedHandshake(t *testing.T) {
	s := serve(t, plain, quick())
	var proof []byte
	addr := s.middle(nil, func(at int, msg []byte) []byte {
		switch at {
		case 2:
			proof = bytes.Clone(msg)
		case 3:
			return proof // the client's own
		}
		return msg
	})
	is(t, "a client that gets its own proof", s.connectTo("tcp+plain://"+addr), proxy.ErrAuthentication)

	// And the client's hello in place of the server's.
	var hello []byte
	addr = s.middle(nil, func(at int, msg []byte) []byte {
		switch at {
		case 0:
			hello = bytes.Clone(msg)
		case 1:
			return hello
		}
		return msg
	})
	if err := s.connectTo("tcp+plain://" + addr); err == nil {
		t.Error("a client took its own hello for a server's")
	}
}

// TestDowngrade: whoever changes the versions that are offered, or the kind of
// transport, breaks the handshake.
func TestDowngrade(t *testing.T) {
	s := serve(t, plain, quick())
	for what, change := range map[string]func(at int, msg []byte) []byte{
		"a lower version": func(at int, msg []byte) []byte {
			if at == 0 {
				binary.BigEndian.PutUint16(msg[8:], 0)
			}
			return msg
		},
		"a wider range": func(at int, msg []byte) []byte {
			if at == 0 {
				binary.BigEndian.PutUint16(msg[10:], 9)
			}
			return msg
		},
		"another transport": func(at int, msg []byte) []byte {
			if at == 0 {
				return bytes.Replace(msg, []byte("\x03tcp"), []byte("\x04unix"), 1)
			}
			return msg
		},
		"another version chosen": func(at int, msg []byte) []byte {
			if at == 1 {
				binary.BigEndian.PutUint16(msg[9:], 2)
			}
			return msg
		},
		"cheap argon2id": func(at int, msg []byte) []byte {
			if at == 1 {
				binary.BigEndian.PutUint32(msg[8+1+2+32+16:], 1)
			}
			return msg
		},
		"another key name": func(at int, msg []byte) []byte {
			if at == 0 {
				return bytes.Replace(msg, []byte("\x07default"), []byte("\x07defaulu"), 1)
			}
			return msg
		},
	} {
		t.Run(what, func(t *testing.T) {
			if err := s.connectTo("tcp+plain://" + s.middle(nil, change)); err == nil {
				t.Error("the client noticed nothing")
			}
		})
	}
	if err := s.connectTo(s.addr.String()); err != nil {
		t.Errorf("without anybody in the middle: %v", err)
	}
}

// certificate makes the TLS certificate of a man in the middle.
func certificate(t testing.TB) tls.Certificate {
	t.Helper()
	key := must1[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der := must1[[]byte](t)(x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestManInTheMiddle: somebody with a TLS certificate of his own, who relays the
// handshake word by word, gets nowhere: the proofs are bound to the connection.
func TestManInTheMiddle(t *testing.T) {
	s := serve(t, tcp, quick())
	cert := certificate(t)
	addr := s.middle(func(c net.Conn) net.Conn {
		return tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13})
	}, unchanged)
	is(t, "a client with somebody in the middle", s.connectTo("tcp://"+addr), proxy.ErrAuthentication)
	until(t, "the server logs it", func() bool { return s.log.find("authentication failed") != "" })
	if err := s.connectTo(s.addr.String()); err != nil {
		t.Errorf("without anybody in the middle: %v", err)
	}
}

// TestStrippedTLS: a client that wants TLS does not talk to a server without,
// and the other way round.
func TestStrippedTLS(t *testing.T) {
	s := serve(t, plain, quick())
	if err := s.connectTo("tcp://" + s.hostPort()); err == nil {
		t.Error("a client that wants TLS connected without")
	}
	s = serve(t, tcp, quick())
	if err := s.connectTo("tcp+plain://" + s.hostPort()); err == nil {
		t.Error("a client without TLS connected to a server with it")
	}
}

// TestSlowlorisBeforeAuthentication: whoever says his hello byte by byte is cut
// off after the handshake's time, however busy he looks.
func TestSlowlorisBeforeAuthentication(t *testing.T) {
	s := serve(t, plain, managers.Config{HandshakeTimeout: 500 * time.Millisecond})
	g := beside(t, s.client())
	start := time.Now()
	ended := make(chan time.Duration)
	for range 20 {
		c, err := net.Dial("tcp", s.hostPort())
		s.must(err)
		defer c.Close()
		go func() {
			for _, b := range append([]byte{0, 60}, "syncmgr\n\x00\x01\x00\x01"...) {
				c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
				if _, err := c.Read(make([]byte, 1)); err != nil && !isTimeout(err) {
					break
				}
				if _, err := c.Write([]byte{b}); err != nil {
					break
				}
			}
			ended <- time.Since(start)
		}()
	}
	for range 20 {
		if d := soon(t, "a slow stranger is cut off", ended); d > 1200*time.Millisecond {
			t.Errorf("a slow stranger was cut off after %v; the handshake may take 500ms", d)
		}
	}
	g.end()
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// TestFloodOfStrangers: strangers who say nothing are bounded in number; the
// busiest address loses its oldest first; others get in.
func TestFloodOfStrangers(t *testing.T) {
	s := serve(t, plain, managers.Config{MaxStrangers: 16})
	s.otherLoopback()
	g := beside(t, s.client())
	quiet, err := s.from("127.0.0.3")
	s.must(err)
	time.Sleep(50 * time.Millisecond) // it is the oldest of all
	var flood []net.Conn
	for range 200 {
		c, err := s.from("127.0.0.2")
		s.must(err)
		flood = append(flood, c)
	}
	open := func(c net.Conn) bool {
		c.SetReadDeadline(time.Now().Add(time.Millisecond))
		_, err := c.Read(make([]byte, 1))
		return isTimeout(err)
	}
	until(t, "the flood is bounded", func() bool {
		n := 0
		for _, c := range flood {
			if open(c) {
				n++
			}
		}
		return n > 0 && n < 16
	})
	if !open(quiet) {
		t.Error("the only stranger of a quiet address lost his place to a flood from another")
	}
	if !open(flood[len(flood)-1]) || open(flood[0]) {
		t.Error("of the busiest address it was not the oldest that lost his place")
	}
	for range 5 {
		if err := s.connectTo(s.addr.String()); err != nil {
			t.Errorf("a client with the key does not get in: %v", err)
		}
	}
	g.end()
}

// TestFloodOfGuesses: wrong keys from one address wait longer each time, within
// bounds, and cost nobody else anything.
func TestFloodOfGuesses(t *testing.T) {
	s := serve(t, plain, managers.Config{MaxStrangers: 16})
	s.otherLoopback()
	g := beside(t, s.client())
	guess := func() time.Duration {
		c, err := s.from("127.0.0.2")
		s.must(err)
		defer c.Close()
		start := time.Now()
		_, err = auth.Client(s.ctx, c, auth.ClientConfig{Credential: auth.Generate(), Channel: auth.Channel{Kind: auth.TransportTCP}})
		is(t, "a guess", err, proxy.ErrAuthentication)
		return time.Since(start)
	}
	first, second, third := guess(), guess(), guess()
	const ms = time.Millisecond
	if first < 100*ms || second < 200*ms || third < 400*ms {
		t.Errorf("the refusals took %v, %v and %v; they should take 100, 200 and 400 ms at least", first, second, third)
	}
	start := time.Now()
	if err := s.connectTo(s.addr.String()); err != nil || time.Since(start) > 5*time.Second {
		t.Errorf("somebody else with the key: %v after %v", err, time.Since(start))
	}
	if s.log.find("authentication failed", "127.0.0.2", "delay=") == "" {
		t.Error("failed attempts are not logged with their address")
	}
	g.end()
}

// TestTooManyGuesses: after too many attempts from an address wrong keys from it
// are turned away, with a word; a right key gets in, and a session whose connection
// breaks goes on.
func TestTooManyGuesses(t *testing.T) {
	s := serve(t, plain, managers.Config{Limits: managers.Limits{Failures: 3}})
	s.otherLoopback()
	g := beside(t, s.client())
	attempt := func(key auth.Key) error {
		c, err := s.from("127.0.0.2")
		s.must(err)
		defer c.Close()
		_, err = auth.Client(s.ctx, c, auth.ClientConfig{Credential: key, Channel: auth.Channel{Kind: auth.TransportTCP}})
		return err
	}
	for range 3 {
		is(t, "a guess", attempt(auth.Generate()), proxy.ErrAuthentication)
	}
	err := attempt(auth.Generate())
	if e, ok := errors.AsType[*auth.ShutOutError](err); !ok || e.For < 9*time.Minute || e.For > 10*time.Minute {
		t.Errorf("one guess too many: %v, want a word that says for how long", err)
	}
	s.must(attempt(s.key))
	if s.log.find("an address are turned away", "host=127.0.0.2", "limit=3") == "" {
		t.Error("the log does not say that the address is turned away")
	}
	s.must(s.connectTo(s.addr.String()))
	g.end()
}
