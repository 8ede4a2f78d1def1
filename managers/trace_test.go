package managers

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// TestDirectCallsAreTraced checks that calls which come through a door, or from
// the server itself, are logged at debug level as those of connections are.
func TestDirectCallsAreTraced(t *testing.T) {
	for level, want := range map[slog.Level]bool{slog.LevelDebug: true, slog.LevelInfo: false} {
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			s := newTestServer(t, func(c *Config) {
				c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: level}))
			})
			if err := s.CreateNamed(context.Background(), "jobs", "Queue"); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if got := strings.Contains(log.String(), "msg=call") && strings.Contains(log.String(), "method=open"); got != want {
				t.Errorf("at %v the log says of a call: %v\n%s", level, got, log.String())
			}
		})
	}
}

// TestTraceOutcome holds that each call is logged once, when it is over, with its
// outcome and with how long it took, however it ended; and that nothing is kept
// of it then.
func TestTraceOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := newTestServer(t, func(c *Config) {
			c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		})
		a, b := open(t, s), open(t, s)
		e := a.must(0, "open", "start", "Event").(wire.Ref)
		b.must(0, "open", "start", "Event")

		waits := b.call(e.ID, "wait") // ok after 3s
		synctest.Wait()
		if strings.Contains(log.String(), "method=wait") {
			t.Error("a call that waits is logged as if it was over")
		}
		time.Sleep(3 * time.Second)
		a.must(e.ID, "set")
		if _, err := b.reply(waits); err != nil {
			t.Fatal(err)
		}
		a.must(e.ID, "clear")
		if _, err := a.reply(a.call(e.ID, "explode")); err == nil {
			t.Fatal("explode worked")
		}
		left := a.call(e.ID, "wait")
		time.Sleep(2 * time.Second)
		a.send(wire.AppendCancel(nil, left, wire.CancelAbandon))
		synctest.Wait()
		a.must(0, "names")
		b.call(e.ID, "wait")
		synctest.Wait()
		time.Sleep(time.Second)
		b.send(wire.AppendClose(nil))
		b.refused()
		synctest.Wait()

		for _, want := range []string{
			"typeid=Event method=wait outcome=ok duration=3s",
			"typeid=Event method=set outcome=ok duration=0s",
			"typeid=Event method=explode outcome=not_exposed duration=0s",
			"typeid=Event method=wait outcome=abandoned duration=2s",
			"typeid=Event method=wait outcome=dropped duration=1s",
		} {
			if n := strings.Count(log.String(), want+"\n"); n != 1 {
				t.Errorf("%d lines end with %q, want one", n, want)
			}
		}
		if n := strings.Count(log.String(), "method=wait"); n != 3 {
			t.Errorf("%d lines of wait, want 3", n)
		}
		if t.Failed() {
			t.Log(log.String())
		}
		if tr := s.core.tracer; len(tr.calls) != 0 || len(tr.lines) != 0 {
			t.Errorf("kept after all calls are over: %v, %v", tr.calls, tr.lines)
		}
	})
}

// TestTraceOfAnsweredCall holds that a call which was answered is logged so, when its
// session ends before the answer is delivered.
func TestTraceOfAnsweredCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := newTestServer(t, func(c *Config) {
			c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		})
		_, id := openSession(t, s)
		k := s.core
		var fx engine.Effects
		k.mu.Lock()
		err := k.do(&engine.Command{Op: engine.OpCall, Now: k.now(), Session: id, Serial: 1, Name: []byte("types"), Args: wire.AppendArrayHeader(nil, 0)}, &fx)
		k.settle(&fx)
		k.mu.Unlock()
		if err != nil {
			t.Fatal(err)
		}
		if err := k.apply(&engine.Command{Op: engine.OpClose, Session: id}); err != nil {
			t.Fatal(err)
		}
		k.deliver(&fx)
		if text := log.String(); strings.Count(text, "method=types outcome=ok") != 1 || strings.Contains(text, "dropped") {
			t.Error(text)
		}
	})
}

// TestTraceIsFree holds that calls which are not logged cost nothing for it.
func TestTraceIsFree(t *testing.T) {
	s := NewServer(Config{AuthKey: auth.Generate(), Logger: slog.New(slog.NewTextHandler(&bytes.Buffer{}, nil))})
	defer s.Close()
	if s.core.tracer != nil {
		t.Fatal("calls are traced at level info")
	}
	fx := takeEffects()
	defer giveEffects(fx)
	k := s.core
	if err := k.do(&engine.Command{Op: engine.OpOpen, Now: k.now(), Open: &engine.SessionInfo{Role: engine.RoleAdmin}}, fx); err != nil {
		t.Fatal(err)
	}
	id, serial := fx.Opened, uint64(0)
	args := wire.AppendArrayHeader(nil, 0)
	name := []byte("names")
	// The engine alone, without what stands around it, sets the budget.
	measure := func(apply func(*engine.Command, *engine.Effects) error) float64 {
		return testing.AllocsPerRun(100, func() {
			serial++
			cmd := engine.Command{Op: engine.OpCall, Now: int64(serial) << 40, Session: id, Serial: serial, Acked: serial - 1, Name: name, Args: args}
			fx.Reset()
			if err := apply(&cmd, fx); err != nil {
				t.Fatal(err)
			}
		})
	}
	budget := measure(k.engine.Apply)
	if n := measure(k.do); n > budget {
		t.Errorf("a call takes %v allocations, the engine %v of them", n, budget)
	}
}
