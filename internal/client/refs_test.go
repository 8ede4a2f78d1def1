package client

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// expectRelease returns the counts that a release call gives back.
func (c *peerConn) expectRelease() []uint64 {
	c.t.Helper()
	m := c.expectCall()
	if m.Object != 0 || m.Method != uint64(ServerRelease.Number) {
		c.t.Fatalf("call %+v, want a release", m)
	}
	var args [][]uint64
	if err := wire.Unmarshal(m.Args, &args, nil); err != nil || len(args) != 1 {
		c.t.Fatalf("arguments of release: %v, %v", args, err)
	}
	c.reply(m.Serial, nil)
	return args[0]
}

// replyRef answers a call with a list of references to the objects.
func (c *peerConn) replyRefs(serial uint64, ids ...uint64) {
	var v []any
	for _, id := range ids {
		v = append(v, wire.Ref{ID: id, Secret: 1, TypeID: "list"})
	}
	c.reply(serial, v)
}

func TestCountsOfReferences(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := open(t, newPeer(t), Config{})
		defer end(s)
		d := testRef(s, 5, "dict")
		fetch := func(ids ...uint64) []Ref {
			ch := make(chan []Ref, 1)
			go func() {
				refs, err := call[[]Ref](context.Background(), d, &get)
				if err != nil {
					t.Error(err)
				}
				ch <- refs
			}()
			m := c.expectCall()
			c.replyRefs(m.Serial, ids...)
			return <-ch
		}
		refs := fetch(8, 9, 8)
		if refs[0].ID() != 8 || refs[1].ID() != 9 || refs[2].ID() != 8 {
			t.Fatalf("refs %v", refs)
		}
		refs = append(refs, fetch(8)...)
		// Four proxies of two objects: 8 was granted three times, 9 once.
		refs[0].Drop()
		refs[1].Drop()
		refs[1].Drop()
		if got := c.expectRelease(); !slices.Equal(got, []uint64{9, 1}) {
			t.Errorf("released %v, want 9 once", got)
		}
		refs[2].Drop()
		again, err := refs[3].Again()
		if err != nil {
			t.Fatal(err)
		}
		refs[3].Drop()
		if _, err := refs[3].Again(); !errors.Is(err, wire.ErrDropped) {
			t.Errorf("Again of a released proxy: %v", err)
		}
		again.Drop()
		if got := c.expectRelease(); !slices.Equal(got, []uint64{8, 3}) {
			t.Errorf("released %v, want 8 three times", got)
		}
		// Many releases go in one call.
		var ids []uint64
		for id := range uint64(100) {
			ids = append(ids, 100+id)
		}
		for _, r := range fetch(ids...) {
			r.Drop()
		}
		if got := c.expectRelease(); len(got) != 200 {
			t.Errorf("%d objects in one release", len(got)/2)
		}
	})
}

func TestWhatNobodyTakesIsReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := open(t, newPeer(t), Config{})
		defer end(s)
		d := testRef(s, 5, "dict")
		done := make(chan error, 1)
		go func() {
			_, err := call[struct{}](context.Background(), d, &get)
			done <- err
		}()
		m := c.expectCall()
		c.replyRefs(m.Serial, 8, 9)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if got := c.expectRelease(); len(got) != 4 {
			t.Errorf("released %v", got)
		}
	})
}

func TestReleaseWaitsForCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := open(t, newPeer(t), Config{})
		defer end(s)
		q, arg := testRef(s, 5, "Queue"), testRef(s, 6, "list")
		r := goCall(context.Background(), q, &put, arg)
		m := c.expectCall()
		q.Drop()
		arg.Drop()
		time.Sleep(time.Second)
		c.reply(m.Serial, nil)
		if got := <-r; got.err != nil {
			t.Error(got.err)
		}
		if got := c.expectRelease(); len(got) != 4 {
			t.Errorf("released %v, want both", got)
		}
	})
}

// TestReleaseIsRepeated has a release whose reply was lost come again under its
// serial.
func TestReleaseIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t)
		s, c := open(t, p, Config{})
		defer end(s)
		testRef(s, 5, "list").Drop()
		m := c.expectCall()
		c.out.Close()
		c = <-p.conns
		c.welcome(wire.KindResume)
		if again := c.expectCall(); again.Serial != m.Serial || string(again.Args) != string(m.Args) {
			t.Errorf("repeated %+v, want %+v", again, m)
		}
	})
}

// TestCollectedReferences runs outside of a bubble, since the collector does.
func TestCollectedReferences(t *testing.T) {
	s, c := open(t, newPeer(t), Config{})
	defer end(s)
	var kept Ref
	func() {
		for id := range uint64(20) {
			r := looseRef(s, 100+id, "list")
			if id == 7 {
				kept = r
			}
		}
	}()
	seen := make(map[uint64]bool)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for len(seen) < 19 {
			pairs := c.expectRelease()
			for i := 0; i < len(pairs); i += 2 {
				seen[pairs[i]] = true
			}
		}
	}()
	for waiting := true; waiting; {
		runtime.GC()
		s.flushSoon()
		select {
		case <-done:
			waiting = false
		case <-time.After(time.Millisecond):
		}
	}
	if seen[107] {
		t.Error("a proxy that is in use was released")
	}
	runtime.KeepAlive(kept)
}

func TestDecodeRef(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := open(t, newPeer(t), Config{})
		defer end(s)
		testRef(s, 5, "dict")
		v := wire.AppendRef(nil, wire.Ref{ID: 5, Secret: 1, TypeID: "dict"})
		for _, test := range []struct {
			v       []byte
			ctx     any
			typeids []string
			want    error
		}{
			{v, s, nil, nil},
			{v, s, []string{"list", "dict"}, nil},
			{v, s, []string{"list"}, wire.ErrType},
			{v, nil, nil, wire.ErrValue},
			{wire.AppendInt(nil, 1), s, nil, wire.ErrType},
			{wire.AppendRef(nil, wire.Ref{ID: 5, Secret: 2, TypeID: "dict"}), s, nil, wire.ErrValue},
			{wire.AppendRef(nil, wire.Ref{ID: 6, Secret: 1, TypeID: "dict"}), s, nil, wire.ErrValue},
		} {
			r, err := DecodeRef(test.v, test.ctx, test.typeids...)
			if test.want == nil && (err != nil || r.ID() != 5) || test.want != nil && !errors.Is(err, test.want) {
				t.Errorf("DecodeRef(%x, %v): %v, %v, want %v", test.v, test.typeids, r, err, test.want)
			}
		}
		if r, err := DecodeRef(wire.AppendNil(nil), s); err != nil || !r.IsZero() {
			t.Errorf("None: %v, %v", r, err)
		}
	})
}

func FuzzParseToken(f *testing.F) {
	f.Add("dict@tcp://h:1#00000000000000010000000000000002")
	f.Add("dict@unix:///a#b@c#00000000000000010000000000000002")
	f.Add("@#")
	f.Fuzz(func(t *testing.T, token string) {
		r, addr, err := ParseToken(token)
		if err != nil {
			if !errors.Is(err, wire.ErrValue) {
				t.Errorf("error %v", err)
			}
			return
		}
		if again, addr2, err := ParseToken(formatToken(r, addr)); err != nil || again != r || addr2 != addr {
			t.Errorf("%q: %v at %q, and then %v at %q, %v", token, r, addr, again, addr2, err)
		}
	})
}

// panics has methods that do.
type panics struct{}

func (panics) AppendWire([]byte) ([]byte, error)      { panic("append") }
func (panics) MarshalText() ([]byte, error)           { panic("text") }
func (*panics) UnmarshalWire(v []byte, ctx any) error { panic("unmarshal") }

// A panic in a user's method ends the call: what it named is released like all
// else, and what the reply handed over goes back.
func TestPanicEndsTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := open(t, newPeer(t), Config{})
		defer end(s)
		caught := func(f func()) (what any) {
			defer func() { what = recover() }()
			f()
			return nil
		}
		d := testRef(s, 5, "dict")
		if got := caught(func() { Arg(NewCall(d, &put, 1), panics{}) }); got != "append" {
			t.Errorf("Arg: panic %v", got)
		}
		if got := caught(func() { ArgKey(NewCall(d, &put, 1), panics{}) }); got == nil {
			t.Error("ArgKey: no panic")
		}
		done := make(chan any, 1)
		go func() { done <- caught(func() { _, _ = call[panics](context.Background(), d, &take) }) }()
		m := c.expectCall()
		c.reply(m.Serial, 1)
		if got := <-done; got != "unmarshal" {
			t.Errorf("result: panic %v", got)
		}
		c.expectCancel(m.Serial, wire.CancelAbandon)
		d.Drop()
		if got := c.expectRelease(); !slices.Equal(got, []uint64{5, 1}) {
			t.Errorf("released %v, want 5 once", got)
		}
	})
}
