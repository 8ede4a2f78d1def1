package managers

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/connection"
)

// serving runs the server until the test ends.
func serving(t *testing.T, s *Server) {
	t.Helper()
	if err := s.Listen(t.Context(), "pipe"); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(context.Background()) }()
	for !s.serves() {
		select {
		case err := <-done:
			t.Fatal(err)
		default:
		}
	}
	t.Cleanup(func() {
		s.Close()
		if err := <-done; !errors.Is(err, ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
	})
}

// An address that is added while the server runs is served.
func TestListenWhileServing(t *testing.T) {
	key := auth.Generate()
	s := NewServer(Config{AuthKey: key})
	serving(t, s)
	unix := "unix://" + filepath.Join(t.TempDir(), "s")
	if err := s.Listen(t.Context(), unix, "pipe://late"); err != nil {
		t.Fatal(err)
	}
	for _, addr := range []string{unix, "pipe://late"} {
		a, err := connection.ParseAddress(addr)
		if err != nil {
			t.Fatal(err)
		}
		c, err := connection.DialStream(t.Context(), a, connection.StreamConfig{})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := auth.Client(t.Context(), c, auth.ClientConfig{Credential: key, Channel: c.Channel}); err != nil {
			t.Errorf("%s: %v", addr, err)
		}
	}
	socket := filepath.Join(t.TempDir(), "p")
	if err := s.ListenPython(t.Context(), "unix://"+socket); err != nil {
		t.Fatal(err)
	}
	nc, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	c := connection.NewConn(nc)
	if err := auth.AnswerChallenge(c, key); err != nil {
		t.Errorf("Python: %v", err)
	}
	if err := s.Serve(t.Context()); err == nil || !strings.Contains(err.Error(), "served already") {
		t.Errorf("a second Serve: %v", err)
	}
}

func TestListenAfterClose(t *testing.T) {
	s := NewServer(Config{AuthKey: auth.Generate()})
	s.Close()
	for name, err := range map[string]error{
		"Listen":       s.Listen(t.Context(), "pipe"),
		"ListenPython": s.ListenPython(t.Context(), "unix://"+filepath.Join(t.TempDir(), "p")),
		"Serve":        s.Serve(t.Context()),
	} {
		if !errors.Is(err, ErrServerClosed) {
			t.Errorf("%s: %v, want ErrServerClosed", name, err)
		}
	}
}

func TestRegisterWhileServing(t *testing.T) {
	s := NewServer(Config{AuthKey: auth.Generate()})
	serving(t, s)
	child := TypeOptions{MethodToTypeid: map[string]string{"Child": "Mahts"}}
	if err := s.Register("Maths", func() *maths { return new(maths) }, child); err == nil || !strings.Contains(err.Error(), "Mahts") {
		t.Errorf("a typeid that is not there: %v", err)
	}
	child.MethodToTypeid["Child"] = "Maths"
	if err := s.Register("Maths", func() *maths { return new(maths) }, child); err != nil {
		t.Error(err)
	}
	if err := s.CreateNamed(t.Context(), "m", "Maths"); err != nil {
		t.Error(err)
	}
}

// A mistake in the configuration is told by the first call, whichever it is.
func TestMistakesInTheKeys(t *testing.T) {
	ring, err := auth.SingleKey(auth.Generate())
	if err != nil {
		t.Fatal(err)
	}
	for want, config := range map[string]Config{
		"no key":      {},
		"both set":    {AuthKey: auth.Generate(), Keyring: ring},
		"zero value;": {AuthKey: auth.Key{}},
		"zero value":  {Keyring: new(auth.Keyring)},
	} {
		s := NewServer(config)
		for name, err := range map[string]error{
			"Err":            s.Err(),
			"Register":       s.Register("Maths", func() *maths { return new(maths) }, TypeOptions{}),
			"RegisterValue":  s.RegisterValue("maths", new(maths), TypeOptions{}),
			"CreateNamed":    s.CreateNamed(t.Context(), "d", "dict"),
			"Listen":         s.Listen(t.Context(), "pipe"),
			"ListenPython":   s.ListenPython(t.Context(), "unix://"+filepath.Join(t.TempDir(), "p")),
			"Serve":          s.Serve(t.Context()),
			"ListenAndServe": s.ListenAndServe(t.Context(), "pipe"),
			"ReplaceKeys":    s.ReplaceKeys(),
		} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s with %q: %v", name, want, err)
			}
		}
		s.Close()
	}
}
