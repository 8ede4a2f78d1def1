package connection

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/syncmanager/syncmanager/auth"
)

// TestWrongPort holds that the error of a client which speaks TLS to a port
// that does not, or the other way round, says so, and names the address once.
func TestWrongPort(t *testing.T) {
	key := auth.Generate()
	for server, client := range map[string]string{"tcp": "tcp+plain", "tcp+plain": "tcp"} {
		l, err := Listen(t.Context(), server+"://127.0.0.1:0", ListenConfig{AuthKey: key})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		go func() {
			for {
				if c, err := l.Accept(t.Context()); err == nil {
					c.Close()
				} else if errors.Is(err, net.ErrClosed) || t.Context().Err() != nil {
					return
				}
			}
		}()
		addr := strings.Replace(l.Addr().String(), server+"://", client+"://", 1)
		_, err = Dial(t.Context(), addr, DialConfig{AuthKey: key})
		if err == nil {
			t.Fatalf("%s reached a %s port", client, server)
		}
		text := err.Error()
		if !strings.Contains(text, "its address is a "+server+":// one then") || strings.Count(text, "127.0.0.1") != 1 {
			t.Errorf("%s on a %s port: %v", client, server, err)
		}
	}
}

// TestSilentPort covers what hangs up without a word, and what answers with
// something else.
func TestSilentPort(t *testing.T) {
	for _, answer := range []string{"", "HTTP/1.1 400 Bad Request\r\n\r\n"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		go func() {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 4096))
			_, _ = io.WriteString(c, answer)
			c.Close()
		}()
		_, err = Dial(t.Context(), "tcp://"+l.Addr().String(), DialConfig{AuthKey: auth.Generate()})
		if err == nil || !strings.Contains(err.Error(), "its address is a tcp+plain:// one then") {
			t.Errorf("after %q: %v", answer, err)
		}
	}
}

// TestUnreachable holds that the error names the address once, and keeps what it
// wraps.
func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	_, err = Dial(context.Background(), "tcp+plain://"+addr, DialConfig{AuthKey: auth.Generate()})
	var op *net.OpError
	if err == nil || strings.Count(err.Error(), addr) != 1 || !errors.As(err, &op) {
		t.Errorf("%v, want one that names %s once and wraps a *net.OpError", err, addr)
	}
}
