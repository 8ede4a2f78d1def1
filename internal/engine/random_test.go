package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/syncmanager/syncmanager/integration/long"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// script turns bytes into commands, so that a fuzzer and a seeded generator
// drive the engine alike. At the end of the bytes all choices are 0.
type script struct {
	*world
	in     []byte
	known  []wire.Ref // every reference that a reply brought
	sent   []Command
	opened []uint64
}

func (s *script) next() int {
	if len(s.in) == 0 {
		return 0
	}
	b := s.in[0]
	s.in = s.in[1:]
	return int(b)
}

func (s *script) pick(n int) int { return s.next() % n }

// session picks one of the last four sessions, which may be over.
func (s *script) session() uint64 {
	return s.opened[max(0, len(s.opened)-1-s.pick(4))]
}

// ref picks a reference, sometimes a forged one.
func (s *script) ref() wire.Ref {
	if len(s.known) == 0 {
		return wire.Ref{ID: 99, Secret: 1, TypeID: "box"}
	}
	r := s.known[s.pick(len(s.known))]
	switch s.pick(16) {
	case 0:
		r.Secret++
	case 1:
		r.TypeID = "crate"
	}
	return r
}

func (s *script) value() any {
	switch s.pick(6) {
	case 0:
		return s.ref()
	case 1:
		return []any{s.ref(), 1, []any{s.ref()}}
	case 2:
		return make([]byte, s.next())
	case 3:
		return "text"
	}
	return s.next()
}

var scriptMethods = []string{
	"add", "take", "add", "take", "peek", "all", "wait", "drop", "reverse", "linger", "repr", "value", "describe", "unfinished",
	"acquire", "release", "acquire", "release", "go", "here", "len", "add", "take", "nothing",
}

var scriptBugs = []string{
	"silent", "boom", "boom_read", "boom_kept", "boom_parked", "boom_outside", "boom_finish", "boom_leave", "boom_undo", "twice",
	"twice_read", "break",
}

var scriptTypes = []string{"box", "crate", "latch", "ext", "single", "closed", "fails", "explodes", "unknown", "box", "box", "latch"}

var scriptNames = []string{"a", "b", "c", "single", ""}

// step applies one command.
func (s *script) step() {
	var c *Command
	switch op := s.pick(32); op {
	case 0:
		c = &Command{Op: OpLose, Session: s.session()}
	case 1, 2:
		c = &Command{Op: OpResume, Session: s.session()}
	case 3:
		c = &Command{Op: OpExpire, Session: s.session()}
		if s.pick(4) != 0 {
			c.Op = OpResume
		}
	case 4:
		c = &Command{Op: OpClose, Session: s.session()}
		if s.pick(8) != 0 {
			c = &Command{Op: OpTick}
		}
	case 5, 6:
		s.now += int64(s.next())
		c = &Command{Op: OpTick}
	case 7, 8, 9:
		if len(s.work) == 0 {
			return
		}
		i := s.pick(len(s.work))
		c = s.result(s.work[i])
		s.work = append(s.work[:i:i], s.work[i+1:]...)
	case 10:
		c = &Command{Op: OpCollect}
		if s.pick(4) == 0 {
			c = &Command{Op: OpRegrant, Session: s.session(), Open: &SessionInfo{Role: Role(1 + s.pick(3))}}
		}
	case 11:
		id := s.session()
		c = &Command{Op: OpAck, Session: id, Acked: uint64(s.pick(int(s.serials[id]) + 2))}
		for last := c.Acked; s.pick(3) != 0; last = c.Ranges[len(c.Ranges)-1].To {
			from := last + uint64(s.pick(5))
			c.Ranges = append(c.Ranges, wire.Range{From: from, To: from + uint64(s.pick(4))})
		}
	case 12, 13:
		id := s.session()
		c = &Command{Op: OpCancel, Session: id, Serial: uint64(s.pick(int(s.serials[id]) + 3)), Abandon: s.pick(2) == 0}
	case 14:
		if len(s.sent) == 0 {
			return
		}
		again := s.sent[s.pick(len(s.sent))]
		c = &again
	case 15:
		switch n := s.pick(64); {
		case n == 63:
			c = &Command{Op: OpShutdown}
		case n > 48:
			s.now += int64(s.next())
			c = &Command{Op: OpTakeover, Term: s.e.term + 1}
			s.work = slices.DeleteFunc(s.work, func(w Work) bool { return w.Run == nil })
		case n > 32:
			c = &Command{Op: OpTypes, Types: s.e.Tables()}
			if t := &c.Types[s.pick(len(c.Types))]; !t.Outside && s.pick(4) == 0 {
				*t = s.e.types[t.Name].table(s.pick(t.Methods + 1))
			}
		default:
			c = &Command{Op: OpCollect}
		}
	case 16, 17, 18:
		c = s.call(s.session(), 0, "create", scriptTypes[s.pick(len(scriptTypes))], s.value())
		if s.pick(3) == 0 {
			c.Args = list(scriptTypes[s.pick(len(scriptTypes))])
		}
	case 19, 20:
		c = s.call(s.session(), 0, "open", scriptNames[s.pick(len(scriptNames))], scriptTypes[s.pick(len(scriptTypes))])
	case 21:
		c = s.call(s.session(), 0, []string{"lookup", "remove"}[s.pick(2)], scriptNames[s.pick(len(scriptNames))])
	case 22:
		c = s.call(s.session(), 0, "attach", s.ref())
	case 23, 24:
		c = s.call(s.session(), 0, "release", []any{s.ref().ID, s.pick(4), s.ref().ID, s.pick(4)})
	case 25:
		c = s.call(s.session(), 0, []string{"types", "names", "objects", "sessions", "info", "collect", "kick", "waiting"}[s.pick(8)])
		if s.pick(2) == 0 {
			c.Args = list(s.next())
		}
	default:
		method := scriptMethods[s.pick(len(scriptMethods))]
		if s.pick(40) == 39 {
			method = scriptBugs[s.pick(len(scriptBugs))]
		}
		c = s.call(s.session(), s.ref().ID, method, s.value())
		if s.pick(16) == 0 {
			c.Guard, c.Token = s.ref().ID, uint64(s.pick(8))
		}
		if s.pick(16) == 0 {
			c.Args = c.Args[:s.pick(len(c.Args))]
		}
	}
	if c.Op == OpCall {
		if c.HasTimeout = s.pick(3) == 0; c.HasTimeout {
			c.Timeout = int64(s.pick(64)) - 1
		}
		if again := c.Serial <= s.serials[c.Session]-1; !again {
			c.Acked = uint64(max(0, int(c.Serial)-1-s.next()/8))
			s.sent = append(s.sent, *c)
		}
	}
	if es := s.e.sessions[c.Session]; es != nil && s.pick(16) != 0 {
		c.Epoch = es.Epoch
	}
	_ = s.apply(c)
	for i := range s.fx.Replies {
		if r := &s.fx.Replies[i]; r.Err == nil && r.View == nil {
			_ = wire.ForEachRef(r.Value.Bytes(), func(r wire.Ref) error {
				if len(s.known) < 200 {
					s.known = append(s.known, r)
				}
				return nil
			})
		}
	}
	for len(s.e.sessions) < 3 && !s.e.ending {
		if n := s.pick(16); n < 2 {
			s.must(&Command{Op: OpOpen, Open: &SessionInfo{Role: RoleAdmin, Trusted: true, Shared: n == 0}})
			s.e.sessions[s.fx.Opened].Peer = peer
			s.opened = append(s.opened, s.fx.Opened)
			continue
		}
		s.opened = append(s.opened, s.open(Role(1+s.pick(3))))
	}
}

func (s *script) result(w Work) *Command {
	c := &Command{Op: OpComplete, Work: w.ID, Value: appendValue(nil, s.value())}
	switch {
	case s.pick(8) == 0:
		c.Error = wire.Errorf(wire.CodeRemote, "it failed")
	case w.Run != nil:
		c.Result = w.Run(nil)
	case s.pick(8) == 0:
		c.NewType, c.Value = []string{"box", "ext", "explodes", "none", "fails"}[s.pick(5)], list(s.value())
	case s.pick(16) == 0:
		c.Value = []byte{0xc1}
	}
	return c
}

func play(t testing.TB, in []byte, steps int, quick bool) *world {
	s := &script{world: newWorld(t, 3, func(c *Config) {
		c.MaxParked, c.MaxOutstanding, c.MaxKept, c.MaxObjects, c.MaxRefs = 20, 30, 60_000, 40, 40
		c.MaxBytes = 60_000
	}), in: in, opened: []uint64{1, 2, 3}}
	s.quick = quick
	for i := 0; i < steps && (len(s.in) > 0 || i == 0); i++ {
		s.step()
	}
	s.close()
	return s.world
}

// TestRandomHistories plays histories of fixed seeds, checks the whole state
// after each command, and replays every one.
func TestRandomHistories(t *testing.T) {
	seeds := 300
	if !long.Enabled() {
		seeds = 30
	}
	panics, calls := 0, 0
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(uint64(seed), 5))
			in := make([]byte, 6000)
			for i := range in {
				in[i] = byte(rng.Uint32())
			}
			w := play(t, in, 400, false)
			panics += w.panics
			calls += len(w.replies)
		})
	}
	if panics == 0 || calls < seeds*50 {
		t.Fatalf("%d panics and %d answers: the histories have become dull", panics, calls)
	}
}

// FuzzEngine plays whatever commands the bytes say.
func FuzzEngine(f *testing.F) {
	for seed := range uint64(8) {
		rng := rand.New(rand.NewPCG(seed, 7))
		in := make([]byte, 1000)
		for i := range in {
			in[i] = byte(rng.Uint32())
		}
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		play(t, in, 300, false)
	})
}
