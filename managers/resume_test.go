package managers

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// openSession begins a session and returns its connection and number.
func openSession(t *testing.T, s *Server) (*script, uint64) {
	c := dial(t, s, someone)
	c.send(wire.AppendOpen(nil, &wire.Open{Version: wire.Version}))
	return c, c.welcome().Session
}

// resume takes a session up on a new connection.
func resume(t *testing.T, s *Server, session uint64, binding byte) *script {
	who := someone
	who.Binding = [32]byte{binding}
	c := dial(t, s, who)
	proof := auth.ResumeProof(someone.SessionKey, session, who.Binding)
	c.send(wire.AppendResume(nil, &wire.Resume{Version: wire.Version, Session: session, Generation: s.generation, Proof: proof}))
	if again := c.welcome(); again.Session != session {
		t.Fatalf("resumed session %d, want %d", again.Session, session)
	}
	return c
}

// TestReplacedConnectionIsNotHeard checks that nothing is applied that comes on
// a connection after its session was resumed on another one.
func TestReplacedConnectionIsNotHeard(t *testing.T) {
	for what, frame := range map[string][]byte{
		"CLOSE":  wire.AppendClose(nil),
		"CALL":   wire.AppendCall(nil, &wire.Call{Serial: 9, Name: []byte("open"), Args: []byte("\x92\xa4late\xa5Event")}),
		"CANCEL": wire.AppendCancel(nil, 2, wire.CancelAbandon),
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newTestServer(t)
				old, session := openSession(t, s)
				e := old.must(0, "open", "e", "Event").(wire.Ref)
				old.call(e.ID, "wait")
				synctest.Wait()

				// The moment in which the session has its new connection and the
				// old one is not closed yet.
				next, other := openSession(t, s)
				s.core.mu.Lock()
				mine := s.core.engine.Session(session)
				mine.Peer = s.core.engine.Session(other).Peer
				s.core.mu.Unlock()
				old.send(frame)
				synctest.Wait()

				if st := s.stats(); st.Sessions != 2 || st.Parked != 1 {
					t.Errorf("after a late %s: %d sessions and %d waiting calls, want 2 and 1", what, st.Sessions, st.Parked)
				}
				if names := next.must(0, "names").([]any)[1].([]any); len(names) != 1 {
					t.Errorf("after a late %s: names %v", what, names)
				}
			})
		})
	}
}

// TestReplacedConnectionIsTold checks that the end of a replaced connection is
// not the end of the session: its client may be on it, if an older RESUME of its
// own was held up.
func TestReplacedConnectionIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t)
		a, session := openSession(t, s)
		b := resume(t, s, session, 8)
		if e := a.refused(); e.Code != wire.CodeUnavailable {
			t.Errorf("the replaced connection hears %v: %q, want unavailable", e.Code, e.Message)
		}
		c := resume(t, s, session, 9)
		if e := b.refused(); e.Code != wire.CodeUnavailable {
			t.Errorf("the second hears %v: %q, want unavailable", e.Code, e.Message)
		}
		c.must(0, "types")
	})
}

// TestLeaseCountsFromTheLastFrame checks that a session whose connection breaks
// lives a whole lease from when its client was heard, not from an earlier
// renewal: the client counts from there too.
func TestLeaseCountsFromTheLastFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t)
		a, _ := openSession(t, s)
		a.must(0, "create", "Event")
		time.Sleep(DefaultLease/3 - time.Millisecond)
		a.must(0, "types")
		a.nc.Close()
		synctest.Wait()
		time.Sleep(DefaultLease - time.Millisecond)
		synctest.Wait()
		if n := s.stats().Sessions; n != 1 {
			t.Fatal("the session ended before its lease had run out")
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if n := s.stats().Sessions; n != 0 {
			t.Fatal("the session outlived its lease")
		}
	})
}

// TestTokensGrowAcrossRestarts checks that the fencing tokens of a server that
// was started later are above those of the one before.
func TestTokensGrowAcrossRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last uint64
		for range 3 {
			s := newTestServer(t)
			c := open(t, s)
			l := c.must(0, "create", "Lock").(wire.Ref)
			for range 100 {
				token := uint64(c.must(l.ID, "acquire").(int64))
				if token <= last {
					t.Fatalf("token %d after %d", token, last)
				}
				last = token
				c.must(l.ID, "release")
			}
			s.Close()
			time.Sleep(time.Millisecond)
		}
	})
}
