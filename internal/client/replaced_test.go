package client

import (
	"testing"
	"testing/synctest"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// TestReplacedConnection checks that a session whose connection the server has
// replaced takes itself up again: an earlier RESUME was held up on its way and
// came after the one of this connection.
func TestReplacedConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t)
		s, c := open(t, p, Config{})
		defer end(s)
		c.send(wire.AppendBye(nil, wire.Errorf(wire.CodeUnavailable, "session 7 was resumed on another connection")))
		c.out.Close()
		c = <-p.conns
		c.expect(wire.KindResume)
		synctest.Wait()
		if err := s.Err(); err != nil {
			t.Errorf("Err() = %v, want nil", err)
		}
		c.out.Close()
	})
}
