package connection_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/syncmanager/syncmanager/connection"
)

// Accept ends with its context, and the listener goes on.
func TestAcceptEndsWithItsContext(t *testing.T) {
	for _, addr := range []string{"tcp://127.0.0.1:0", "tcp+plain://127.0.0.1:0", "unix://" + filepath.Join(t.TempDir(), "s"), "pipe"} {
		a, err := connection.ParseAddress(addr)
		if err != nil {
			t.Fatal(err)
		}
		l, err := connection.ListenStream(t.Context(), a, connection.StreamConfig{})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		for range 3 {
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() {
				_, err := l.Accept(ctx)
				done <- err
			}()
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", addr, err)
			}
		}
		dialled := make(chan error, 1)
		go func() {
			c, err := connection.DialStream(t.Context(), l.Addr(), connection.StreamConfig{})
			if err == nil {
				defer c.Close()
			}
			dialled <- err
		}()
		s, err := l.Accept(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", addr, err)
		}
		defer s.Close()
		if err := s.Handshake(t.Context()); err != nil {
			t.Errorf("%s: %v", addr, err)
		}
		if err := <-dialled; err != nil {
			t.Errorf("%s: %v", addr, err)
		}
	}
}
