package engine

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// frame returns a CALL as it travels.
func frame(serial, object uint64, method string, args ...any) []byte {
	return wire.AppendCall(nil, &wire.Call{Serial: serial, Acked: serial - 1, Object: object, Name: []byte(method), Args: list(args...)})
}

// logged is an engine whose commands all come from log entries.
type logged struct {
	t    *testing.T
	e    *Engine
	fx   Effects
	errs []error
}

func (l *logged) apply(items ...[]byte) {
	l.t.Helper()
	entry := AppendEntry(nil, 3, 100)
	for _, item := range items {
		entry = append(entry, item...)
	}
	l.fx.Reset()
	l.errs = nil
	was := bytes.Clone(entry)
	err := l.e.ApplyEntry(entry, &l.fx, func(item int, c *Command, err error) {
		if l.fx.Opened != 0 {
			l.e.Session(l.fx.Opened).Peer = peer
		}
		l.errs = append(l.errs, err)
	})
	if err != nil || !bytes.Equal(entry, was) {
		l.t.Fatalf("entry: %v", err)
	}
	clear(entry) // its memory may be used again
}

func (l *logged) command(c *Command) []byte {
	b, err := AppendCommand(nil, c)
	if err != nil {
		l.t.Fatal(err)
	}
	return b
}

// TestEntries: frames apply as they came, in the session's epoch alone, and large
// ones in parts.
func TestEntries(t *testing.T) {
	l := &logged{t: t, e: New(toyTypes()...)}
	cfg := DefaultConfig()
	l.apply(l.command(&Command{Op: OpConfigure, Config: &cfg}), l.command(&Command{Op: OpTypes, Types: l.e.Tables()}),
		l.command(&Command{Op: OpOpen, Open: &SessionInfo{Role: RoleAdmin}}))
	s := l.e.Session(l.fx.Opened)
	frames := append(frame(1, 0, "create", "box"), frame(2, 2, "add", "x")...)
	l.apply(AppendFrames(nil, s.ID, s.Epoch, frames), AppendFrames(nil, s.ID, s.Epoch, frame(3, 2, "len")))
	if len(l.fx.Replies) != 3 || l.fx.Replies[2].Value != "\x01" {
		t.Fatalf("replies: %+v", l.fx.Replies)
	}
	// A frame that is none ends its item, and no other.
	bad := append(frame(4, 2, "len"), 0, 0, 0, 1, wire.KindPing)
	l.apply(AppendFrames(nil, s.ID, s.Epoch, append(bad, frame(5, 2, "len")...)), AppendFrames(nil, s.ID, s.Epoch, frame(6, 2, "len")))
	if len(l.fx.Replies) != 2 || len(l.errs) != 3 || l.errs[1] == nil {
		t.Fatalf("replies: %+v, errors %v", l.fx.Replies, l.errs)
	}
	// What an earlier connection brought is refused, whatever it is.
	l.apply(l.command(&Command{Op: OpLose, Session: s.ID, Epoch: s.Epoch}))
	s.Peer = peer
	l.apply(l.command(&Command{Op: OpResume, Session: s.ID}))
	for _, old := range [][]byte{frame(7, 2, "len"), wire.AppendCancel(nil, 7, wire.CancelAbandon), wire.AppendAck(nil, &wire.Ack{Watermark: 6}), wire.AppendClose(nil)} {
		was := l.e.Dump(nil)
		l.apply(AppendFrames(nil, s.ID, 1, old), AppendPart(nil, s.ID, 1, true, old))
		if len(l.errs) != 2 || l.errs[0] == nil || l.errs[1] == nil || !bytes.Equal(l.e.Dump(nil), was) {
			t.Fatalf("errors %v", l.errs)
		}
	}
	// Parts are state, and end with the epoch.
	large := frame(8, 2, "add", bytes.Repeat([]byte("y"), 1000))
	l.apply(AppendPart(nil, s.ID, s.Epoch, false, large[:400]))
	twin := New(toyTypes()...)
	if err := twin.LoadBytes(l.e.Dump(nil)); err != nil {
		t.Fatal(err)
	}
	l.e = twin
	s = l.e.Session(s.ID)
	s.Peer = peer
	l.apply(AppendPart(nil, s.ID, s.Epoch, true, large[400:]), AppendFrames(nil, s.ID, s.Epoch, frame(9, 2, "len")))
	if len(l.fx.Replies) != 2 || l.fx.Replies[1].Value != "\x02" {
		t.Fatalf("replies: %+v", l.fx.Replies)
	}
	l.apply(AppendPart(nil, s.ID, s.Epoch, false, large[:400]), l.command(&Command{Op: OpTakeover, Term: 4}))
	if s.part != nil {
		t.Fatal("a part outlived its epoch")
	}
	if _, err := AppendCommand(nil, &Command{Op: OpShutdown}); err == nil {
		t.Fatal("the end of a server was taken into a log")
	}
	if term, now, err := EntryHead(AppendEntry(nil, 7, 5)); term != 7 || now != 5 || err != nil {
		t.Fatalf("head: %d %d %v", term, now, err)
	}
}

// FuzzEntry applies any bytes as a log entry. None may panic, one that is damaged
// changes nothing, and the state stays one that can be written down.
func FuzzEntry(f *testing.F) {
	rng := rand.New(rand.NewPCG(4, 4))
	in := make([]byte, 2000)
	for i := range in {
		in[i] = byte(rng.Uint32())
	}
	w := play(f, in, 200, true)
	state := w.e.Dump(nil)
	var sample []byte
	s := w.e.allSessions()[0]
	sample = AppendEntry(sample, 1, w.now)
	sample = AppendFrames(sample, s.ID, s.Epoch, append(frame(900, 0, "create", "box"), frame(901, 0, "names")...))
	sample = AppendPart(sample, s.ID, s.Epoch, false, frame(902, 0, "names"))
	for _, c := range []Command{{Op: OpTick}, {Op: OpTakeover, Term: 9}, {Op: OpTypes, Types: w.e.Tables()}, {Op: OpOpen, Open: &SessionInfo{Program: "p"}},
		{Op: OpAck, Session: s.ID, Acked: 3, Ranges: []wire.Range{{From: 5, To: 6}}}, {Op: OpComplete, Work: 9, Value: []byte{1}}} {
		sample, _ = AppendCommand(sample, &c)
	}
	f.Add(sample)
	f.Add(sample[:len(sample)/2])
	f.Fuzz(func(t *testing.T, entry []byte) {
		e := New(toyTypes()...)
		if err := e.LoadBytes(state); err != nil {
			t.Fatal(err)
		}
		var fx Effects
		if err := e.ApplyEntry(entry, &fx, nil); err != nil {
			if !bytes.Equal(e.Dump(nil), state) {
				t.Fatal("a damaged entry changed the state")
			}
			return
		}
		if e.Runs() > 0 {
			return
		}
		again := New(toyTypes()...)
		if err := again.LoadBytes(e.Dump(nil)); err != nil {
			t.Fatal(err)
		}
	})
}
