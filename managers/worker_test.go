package managers

import (
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// sleeper is quick unless it is told to sleep.
type sleeper struct{ running, most atomic.Int32 }

func (s *sleeper) Sleep(ms int) int {
	s.most.Store(max(s.most.Load(), s.running.Add(1)))
	defer s.running.Add(-1)
	if ms > 0 {
		time.Sleep(time.Duration(ms) * time.Millisecond)
	}
	return ms
}
func (s *sleeper) Most() int { return int(s.most.Load()) }
func (s *sleeper) Exit()     { runtime.Goexit() }

// sleepers opens a connection to a server with two objects, whose methods were
// quick when they were called last.
func sleepers(t *testing.T, concurrent bool) (s *Server, c *script, one, two uint64) {
	s = newTestServer(t)
	if err := s.Register("Sleeper", func() *sleeper { return new(sleeper) }, TypeOptions{Concurrent: concurrent}); err != nil {
		t.Fatal(err)
	}
	c = open(t, s)
	one = c.must(0, "create", "Sleeper").(wire.Ref).ID
	two = c.must(0, "create", "Sleeper").(wire.Ref).ID
	for _, object := range []uint64{one, two, one, two} {
		c.must(object, "Sleep", 0)
		c.must(object, "Most")
	}
	return s, c, one, two
}

// answered returns the serial of the next reply.
func (c *script) answered() uint64 {
	c.t.Helper()
	kind, body := c.next()
	if kind != wire.KindReply {
		c.t.Fatalf("message %d in place of a reply", kind)
	}
	r, err := wire.ParseReply(body)
	if err != nil {
		c.t.Fatal(err)
	}
	return r.Serial
}

// A method that was quick and is not any more holds up neither the connection
// nor, if its type is concurrent, the calls of its object.
func TestSlowAfterQuick(t *testing.T) {
	for _, concurrent := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			_, c, one, two := sleepers(t, concurrent)
			began := time.Now()
			slow := c.call(one, "Sleep", 1000)
			behind := c.call(one, "Sleep", 0)
			other := c.call(two, "Sleep", 0)
			got := []uint64{c.answered(), c.answered(), c.answered()}
			want := []uint64{other, slow, behind}
			if concurrent {
				want = []uint64{behind, other, slow}
			}
			if concurrent && got[0] == other {
				got[0], got[1] = got[1], got[0] // both at once
			}
			if got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
				t.Errorf("concurrent %v: answers in the order %v, want %v", concurrent, got, want)
			}
			if took := time.Since(began); took != time.Second {
				t.Errorf("concurrent %v: it took %v", concurrent, took)
			}
			if most := c.must(one, "Most"); concurrent != (most.(int64) > 1) {
				t.Errorf("concurrent %v: %v calls at once", concurrent, most)
			}
		})
	}
}

// Results that stand in front of a call that takes long go back before it ends.
func TestResultsBeforeSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c, one, two := sleepers(t, false)
		frames := c.frames(one, "Sleep", 0)
		frames = append(frames, c.frames(two, "Sleep", 0)...)
		frames = append(frames, c.frames(one, "Sleep", 1000)...)
		began := time.Now()
		c.send(frames)
		for range 2 {
			c.answered()
		}
		if took := time.Since(began); took > 2*watchTime {
			t.Errorf("the first results came after %v", took)
		}
		c.answered()
		if took := time.Since(began); took < time.Second {
			t.Errorf("the last result came after %v", took)
		}
	})
}

// frames returns a call without sending it.
func (c *script) frames(object uint64, method string, args ...int) []byte {
	c.serial++
	b := wire.AppendArrayHeader(nil, len(args))
	for _, a := range args {
		b = wire.AppendInt(b, int64(a))
	}
	return wire.AppendCall(nil, &wire.Call{Serial: c.serial, Object: object, Name: []byte(method), Args: b})
}

// A method that ends its goroutine ends neither the object nor the connection,
// whoever ran it.
func TestMethodEndsGoroutine(t *testing.T) {
	for _, concurrent := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s, c, one, _ := sleepers(t, concurrent)
			for range 3 {
				exits(c, one)
			}
			// As if it had been quick: on the connection's own goroutine.
			s.outside.types["Sleeper"].methods["Exit"].pace.state.Store(paceQuick)
			exits(c, one)
		})
	}
}

func exits(c *script, object uint64) {
	c.t.Helper()
	if _, err := c.reply(c.call(object, "Exit")); wire.AsError(err).Code != wire.CodePanic {
		c.t.Fatalf("Exit: %v", err)
	}
	c.must(object, "Sleep", 0)
}
