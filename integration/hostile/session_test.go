package hostile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/integration/long"
	"github.com/syncmanager/syncmanager/internal/link"
	"github.com/syncmanager/syncmanager/internal/wire"
	"github.com/syncmanager/syncmanager/managers"
	"github.com/syncmanager/syncmanager/proxy"
)

// TestSlowlorisAfterAuthentication: a client that never ends its first message,
// or a later one, is cut off, and its session expires.
func TestSlowlorisAfterAuthentication(t *testing.T) {
	s := serve(t, plain, managers.Config{HandshakeTimeout: 500 * time.Millisecond})
	m := s.client()
	g := beside(t, m)
	dribble := func(p *peer, b []byte) time.Duration {
		start := time.Now()
		for i := 0; ; i++ {
			p.nc.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
			if _, _, err := p.in.Next(); err != nil && !isTimeout(err) {
				return time.Since(start)
			}
			if !p.send(b[i%len(b) : i%len(b)+1]) {
				return time.Since(start)
			}
			if time.Since(start) > limit {
				return limit
			}
		}
	}
	open := wire.AppendOpen(nil, &wire.Open{Version: wire.Version, Program: strings.Repeat("x", 1000)})
	if d := dribble(s.peer(), open); d > 2*time.Second {
		t.Errorf("an OPEN byte by byte was cut off after %v; it may take 500ms", d)
	}
	p, _ := s.session(time.Second)
	p.send([]byte{0, 0x10, 0, 0, wire.KindPing}) // a message of a mebibyte
	if d := dribble(p, make([]byte, 1)); d > 3*time.Second {
		t.Errorf("a message byte by byte was cut off after %v; the lease is 1s", d)
	}
	until(t, "the slow session expires", func() bool { return info(t, m, "sessions") == 1 })
	g.end()
}

// TestSizesThatLie: lengths and counts that promise more than comes cost the
// server no memory, and at most their sender his connection.
func TestSizesThatLie(t *testing.T) {
	s := serve(t, plain, managers.Config{})
	m := s.client()
	g := beside(t, m)
	ref := must1[*proxy.Ref](t)(m.Open(s.ctx, "lie", "list"))
	before := heap()
	frame := func(kind byte, body ...byte) []byte { return link.AppendFrame(nil, kind, body) }
	head := func(n uint32, rest ...byte) []byte { return append(binary.BigEndian.AppendUint32(nil, n), rest...) }
	first := func(id byte, n uint32) []byte {
		return frame(wire.KindFragment, append(binary.BigEndian.AppendUint32([]byte{id, 1}, n), wire.KindCall, 1, 1)...)
	}
	for what, b := range map[string][]byte{
		"a frame of 4 GiB":       head(0xffffffff, wire.KindCall),
		"a frame of 250 MiB":     head(250<<20, wire.KindCall, 1, 1, 0, 16),
		"a frame of nothing":     head(0),
		"a whole of 4 GiB":       first(1, 0xffffffff),
		"a whole of nothing":     first(1, 0),
		"a name of 2^63":         frame(wire.KindCall, append([]byte{1, 1, 0, 0}, binary.AppendUvarint(nil, 1<<63)...)...),
		"2^40 ranges":            frame(wire.KindAck, append([]byte{0}, binary.AppendUvarint(nil, 1<<40)...)...),
		"4096 ranges of nothing": frame(wire.KindAck, append([]byte{0}, binary.AppendUvarint(nil, 4096)...)...),
		"a stream of 4 GiB":      frame(wire.KindMux, 0, 0, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff),
		"an endless uvarint":     frame(wire.KindPing, bytes.Repeat([]byte{0xff}, 30)...),
	} {
		for range 8 {
			p, _ := s.session(time.Second)
			p.send(b)
		}
		if grown := heap() - before; grown > 64<<20 {
			t.Errorf("%s: the heap grew by %d bytes", what, grown)
		}
	}
	// Wholes that are announced and never come: as many as may be under way.
	p, _ := s.session(time.Second)
	for id := range byte(16) {
		p.send(first(id, 4<<20))
	}
	p.send(wire.AppendPing(nil, wire.KindPing, 7))
	if kind, body, err := p.next(); kind != wire.KindPong || err != nil {
		t.Errorf("a ping among wholes that do not come: message %d %q, %v", kind, body, err)
	}
	if grown := heap() - before; grown > 64<<20 {
		t.Errorf("16 wholes of 4 MiB that do not come: the heap grew by %d bytes", grown)
	}
	p.send(first(99, 1<<10)) // one more than may be
	is(t, "too many wholes", p.bye(), proxy.ErrProtocol)
	// Counts inside of values.
	p, _ = s.session(time.Second)
	for what, args := range map[string]string{
		"an array of 4G":    "\xdd\xff\xff\xff\xff\x01",
		"arguments of 4G":   "\xdd\xff\xff\xff\xff",
		"a map of 4G":       "\x91\xdf\xff\xff\xff\xff\x01\x01",
		"a str of 4G":       "\x91\xdb\xff\xff\xff\xffx",
		"a bin of 4G":       "\x91\xc6\xff\xff\xff\xffx",
		"an ext of 4G":      "\x91\xc9\xff\xff\xff\xff\x01x",
		"a tuple of 4G":     "\x91\xc7\x06\x01\xdd\xff\xff\xff\xff\x01",
		"a typed array cut": "\x91\xc7\x04\x0aqab",
	} {
		p.serial++
		p.send(wire.AppendCall(nil, &wire.Call{Serial: p.serial, Name: []byte("create"), Args: []byte(args)}))
		_, err := p.reply(p.serial)
		is(t, what, err, proxy.ErrProtocol)
	}
	// Sizes that are arguments.
	l := must1[*proxy.List[int]](t)(proxy.OpenList[int](s.ctx, m, "lie"))
	s.must(l.Append(s.ctx, 1))
	for what, call := range map[string]func() error{
		"list * 2^60":    func() error { return errOf(proxy.Call[any](s.ctx, ref, "repeat", int64(1)<<60)) },
		"list *= 2^60":   func() error { return errOf(proxy.Call[any](s.ctx, ref, "imul", int64(1)<<60)) },
		"a page of 2^60": func() error { return errOf(m.NamesPage(s.ctx, proxy.NamesQuery{Limit: 1 << 60})) },
	} {
		if err := call(); err == nil {
			t.Errorf("%s was accepted", what)
		}
		if grown := heap() - before; grown > 64<<20 {
			t.Errorf("%s: the heap grew by %d bytes", what, grown)
		}
	}
	g.end()
}

// TestDeepNesting: values that nest without end are refused before anything
// walks them, whatever they are made of.
func TestDeepNesting(t *testing.T) {
	s := serve(t, plain, managers.Config{})
	g := beside(t, s.client())
	p, _ := s.session(time.Second)
	nested := func(open string, n int) []byte { return []byte("\x91" + strings.Repeat(open, n) + "\xc0") }
	tuples := []byte{0xc0}
	for range 1000 {
		tuples = append(wire.AppendTupleHeader(nil, 1, len(tuples)), tuples...)
	}
	for what, args := range map[string][]byte{
		"arrays":            nested("\x91", 1000),
		"very many arrays":  nested("\x91", 1_000_000),
		"maps as values":    nested("\x81\x01", 1_000_000),
		"maps as keys":      nested("\x81", 100_000),
		"tuples":            append([]byte{0x91}, tuples...),
		"just too many":     nested("\x91", 128),
		"a tuple in arrays": append(nested("\x91", 126)[:127], append(wire.AppendTupleHeader(nil, 1, 2), 0x91, 0x90)...),
	} {
		p.serial++
		if !p.send(wire.AppendCall(nil, &wire.Call{Serial: p.serial, Name: []byte("create"), Args: args})) {
			t.Fatalf("%s: the connection is gone", what)
		}
		_, err := p.reply(p.serial)
		is(t, what, err, proxy.ErrProtocol)
	}
	// As deep as is allowed works, and can be read, printed and compared.
	deep := any("bottom")
	for range 120 {
		deep = []any{deep}
	}
	l := must1[*wire.Ref](t)(func() (*wire.Ref, error) {
		v, err := p.call(0, "create", "list", []any{deep})
		r, _ := v.(wire.Ref)
		return &r, err
	}())
	for _, call := range []string{"repr", "value", "copy"} {
		if _, err := p.call(l.ID, call); err != nil {
			t.Errorf("%s of a deep list: %v", call, err)
		}
	}
	if v, err := p.call(l.ID, "contains", deep); v != true || err != nil {
		t.Errorf("contains of a deep value: %v, %v", v, err)
	}
	g.end()
}

// TestStolenSession: who has a key of the server's and knows the number of
// another's session cannot take it over, end it, or disturb it.
func TestStolenSession(t *testing.T) {
	s := serve(t, tcp, managers.Config{})
	victim, w := s.session(time.Minute)
	lock, err := victim.call(0, "create", "Lock")
	s.must(err)
	id := lock.(wire.Ref).ID
	if _, err := victim.call(id, "acquire"); err != nil {
		t.Fatal(err)
	}
	steal := func(what string, proof [32]byte) {
		t.Helper()
		thief := s.peer()
		thief.send(wire.AppendResume(nil, &wire.Resume{Version: wire.Version, Session: w.Session, Generation: w.Generation, Proof: proof}))
		is(t, what, thief.bye(), proxy.ErrSessionExpired)
	}
	steal("no secret", [32]byte{})
	for range 20 {
		var guess [32]byte
		for i := range guess {
			guess[i] = byte(rand.Uint32())
		}
		steal("a guess", guess)
	}
	// What proved the session on one connection proves nothing on another.
	steal("a replayed proof", auth.ResumeProof(victim.who.SessionKey, w.Session, victim.who.Binding))
	thief := s.peer()
	steal("the thief's own secret", auth.ResumeProof(thief.who.SessionKey, w.Session, thief.who.Binding))
	// The number in a frame of another session means nothing either.
	other, _ := s.session(time.Minute)
	if _, err := other.call(id, "release"); !errors.Is(err, proxy.ErrUnknownObject) {
		t.Errorf("the lock of another session: %v", err)
	}
	if v, err := victim.call(id, "locked"); v != true || err != nil {
		t.Errorf("the victim's lock: %v, %v", v, err)
	}
}

// TestGuessedIdent: a session calls only what it was given. Numbers can be
// guessed; they are of no use without the reference, and its secret cannot.
func TestGuessedIdent(t *testing.T) {
	s := serve(t, plain, managers.Config{})
	m := s.client()
	secret := must1[*proxy.Dict[string, string]](t)(proxy.NewDict[string, string](s.ctx, m))
	s.must(secret.Set(s.ctx, "k", "secret"))
	p, _ := s.session(time.Minute)
	own, err := p.call(0, "create", "list")
	s.must(err)
	mine := own.(wire.Ref)
	for id := uint64(1); id < 300; id++ {
		if id == mine.ID {
			continue
		}
		for _, method := range []string{"repr", "value", "get", "describe"} {
			if v, err := p.call(id, method, "k"); !errors.Is(err, proxy.ErrUnknownObject) {
				t.Fatalf("%s of object %d: %v, %v", method, id, v, err)
			}
		}
		for _, guess := range []uint64{0, 1, mine.Secret, mine.Secret + 1, ^uint64(0), rand.Uint64(), rand.Uint64()} {
			forged := wire.Ref{ID: id, Secret: guess, TypeID: "dict"}
			if v, err := p.call(0, "attach", forged); !errors.Is(err, proxy.ErrUnknownObject) {
				t.Fatalf("attach %v: %v, %v", forged, v, err)
			}
			if v, err := p.call(mine.ID, "append", []any{forged}); !errors.Is(err, proxy.ErrUnknownObject) {
				t.Fatalf("append %v: %v, %v", forged, v, err)
			}
		}
	}
	if _, err := p.call(0, "attach", wire.Ref{ID: mine.ID, Secret: mine.Secret, TypeID: "dict"}); err == nil {
		t.Error("a reference with another typeid was accepted")
	}
	if v, err := p.call(0, "release", []any{int64(1), int64(1 << 40), int64(2), int64(1 << 40)}); err != nil {
		t.Errorf("release of what is not held: %v, %v", v, err)
	}
	if v, err := secret.Get(s.ctx, "k"); v != "secret" || err != nil {
		t.Errorf("the secret dict: %q, %v", v, err)
	}
}

// TestKeysMadeToCollide: keys that have one hash in Python, or that fall
// together in usual hash functions, cost no more than others.
func TestKeysMadeToCollide(t *testing.T) {
	s := serve(t, plain, managers.Config{})
	m := s.client()
	g := beside(t, m)
	const n = 20_000
	fill := func(key func(i int) any) time.Duration {
		d := must1[*proxy.Ref](t)(m.Create(s.ctx, "dict"))
		defer d.Drop()
		pairs := make([]any, n)
		for i := range pairs {
			pairs[i] = []any{key(i), i}
		}
		start := time.Now()
		if got, err := proxy.Call[int](s.ctx, d, "set_many", pairs); err != nil {
			t.Fatalf("set_many: %d, %v", got, err)
		}
		for i := 0; i < n; i += 100 {
			if got, err := proxy.Call[int](s.ctx, d, "get", key(i)); got != i || err != nil {
				t.Fatalf("get %v = %d, %v; want %d", key(i), got, err, i)
			}
		}
		if got, err := proxy.Call[int](s.ctx, d, "len"); got != n || err != nil {
			t.Fatalf("%d keys, %v; want %d", got, err, n)
		}
		return time.Since(start)
	}
	plainTime := fill(func(i int) any { return i })
	for what, key := range map[string]func(i int) any{
		"multiples of 2^61-1":    func(i int) any { return uint64(i%8)*(1<<61-1) + uint64(i/8)<<32 },
		"multiples of 2^48":      func(i int) any { return int64(i) << 48 >> 1 },
		"powers as floats":       func(i int) any { return float64(i) * 0x1p300 },
		"texts of equal letters": func(i int) any { return strings.Repeat("Aa", i%512) + strings.Repeat("BB", i/512) + fmt.Sprint(i) },
		"tuples":                 func(i int) any { return wire.Tuple{i, 0, 0, 0} },
	} {
		if d := fill(key); d > 20*plainTime+2*time.Second {
			t.Errorf("%s: %d keys took %v; ordinary ones took %v", what, n, d, plainTime)
		}
	}
	g.end()
}

// TestClientThatDoesNotRead: what waits for a client that does not read is
// bounded; then it is cut off, and its session lives on to the end of its lease.
func TestClientThatDoesNotRead(t *testing.T) {
	long.Test(t)
	s := serve(t, plain, managers.Config{MaxUnsent: 1 << 20})
	m := s.client()
	g := beside(t, m)
	d := must1[*proxy.Dict[string, []byte]](t)(proxy.OpenDict[string, []byte](s.ctx, m, "large"))
	s.must(d.Set(s.ctx, "k", make([]byte, 20_000)))
	before := heap()
	for what, frame := range map[string]func(p *peer, id uint64) []byte{
		"replies": func(p *peer, id uint64) []byte {
			p.serial++
			return wire.AppendCall(nil, &wire.Call{Serial: p.serial, Acked: p.serial - 1, Object: id, Name: []byte("get"), Args: arguments(p, "k")})
		},
		"pongs": func(p *peer, id uint64) []byte {
			return bytes.Repeat(wire.AppendPing(nil, wire.KindPing, 1<<60), 1000)
		},
		"large replies": func(p *peer, id uint64) []byte {
			p.serial++
			return wire.AppendCall(nil, &wire.Call{Serial: p.serial, Acked: p.serial - 1, Object: id, Name: []byte("value"), Args: arguments(p)})
		},
	} {
		p, _ := s.session(time.Second)
		p.nc.(interface{ SetReadBuffer(int) error }).SetReadBuffer(4096)
		v, err := p.call(0, "open", "large", "dict")
		s.must(err)
		until(t, what+": the client is cut off", func() bool { return !p.send(frame(p, v.(wire.Ref).ID)) })
		if grown := heap() - before; grown > 32<<20 {
			t.Errorf("%s: the heap grew by %d bytes", what, grown)
		}
	}
	until(t, "the sessions are gone", func() bool { return info(t, m, "sessions") == 1 })
	g.end()
}

// TestFloodOfCancels: cancels of calls that never come, asked for or abandoned,
// take a bounded amount of memory.
func TestFloodOfCancels(t *testing.T) {
	s := serve(t, plain, managers.Config{})
	m := s.client()
	g := beside(t, m)
	p, _ := s.session(time.Second)
	before := heap()
	for mode := range byte(2) {
		for from := uint64(1000); from < 200_000; from += 1000 {
			var b []byte
			for n := range uint64(1000) {
				b = wire.AppendCancel(b, from+n, mode)
			}
			if !p.send(b) {
				t.Fatal("the connection is gone")
			}
		}
	}
	if v, err := p.call(0, "types"); err != nil {
		t.Errorf("a call after 400,000 cancels: %v, %v", v, err)
	}
	if grown := heap() - before; grown > 16<<20 {
		t.Errorf("400,000 cancels made the heap grow by %d bytes", grown)
	}
	g.end()
}

// TestFloodOfAcknowledgements: ranges that lie apart without end are refused,
// and those that are allowed cost little.
func TestFloodOfAcknowledgements(t *testing.T) {
	s := serve(t, plain, managers.Config{})
	m := s.client()
	g := beside(t, m)
	before := heap()
	for range 4 {
		p, _ := s.session(time.Second)
		var last error
		go func() { last = p.bye() }()
		next := uint64(10)
		for range 1000 {
			a := wire.Ack{}
			for range 1000 {
				a.Ranges = append(a.Ranges, wire.Range{From: next, To: next})
				next += 2
			}
			if !p.send(wire.AppendAck(nil, &a)) {
				break
			}
		}
		until(t, "the connection ends", func() bool { return !p.send(wire.AppendPing(nil, wire.KindPing, 1)) })
		_ = last // the reset may overtake the BYE
	}
	if grown := heap() - before; grown > 16<<20 {
		t.Errorf("acknowledgements made the heap grow by %d bytes", grown)
	}
	g.end()
}

// TestFloodOfStreams: raw connections are bounded for each client.
func TestFloodOfStreams(t *testing.T) {
	s := serve(t, plain, managers.Config{})
	m := s.client()
	g := beside(t, m)
	before := runtime.NumGoroutine()
	p, _ := s.session(time.Second)
	for id := uint32(1); id < 4000; id += 2 {
		// A yamux header: version, window update, SYN, the stream, no window.
		h := append([]byte{0, 1, 0, 1}, binary.BigEndian.AppendUint32(nil, id)...)
		if !p.send(link.AppendFrame(nil, wire.KindMux, binary.BigEndian.AppendUint32(h, 0))) {
			break
		}
	}
	p.send(wire.AppendPing(nil, wire.KindPing, 1))
	time.Sleep(100 * time.Millisecond)
	if grown := runtime.NumGoroutine() - before; grown > 400 {
		t.Errorf("2000 streams made %d goroutines", grown)
	}
	p.nc.Close()
	until(t, "the goroutines end", func() bool { return runtime.NumGoroutine() <= before+2 })
	g.end()
}

// TestSecondSession: who says OPEN or RESUME in the middle of a session is cut
// off.
func TestSecondSession(t *testing.T) {
	s := serve(t, plain, managers.Config{})
	for what, b := range map[string][]byte{
		"OPEN":    wire.AppendOpen(nil, &wire.Open{Version: wire.Version}),
		"RESUME":  wire.AppendResume(nil, &wire.Resume{Version: wire.Version}),
		"WELCOME": wire.AppendWelcome(nil, &wire.Welcome{}),
		"REPLY":   wire.AppendReply(nil, 1, 0, "\xc0"),
		"BYE":     wire.AppendBye(nil, wire.ErrProtocol),
	} {
		p, _ := s.session(time.Second)
		p.send(b)
		is(t, what, p.bye(), proxy.ErrProtocol)
	}
}

// TestHalfOpenClients: sockets that are reset in the middle of everything leave
// nothing behind.
func TestHalfOpenClients(t *testing.T) {
	s := serve(t, plain, managers.Config{})
	m := s.client()
	g := beside(t, m)
	for i := range 100 {
		p, _ := s.session(time.Second)
		v, err := p.call(0, "create", "Queue")
		s.must(err)
		p.start(v.(wire.Ref).ID, "get")
		b := wire.AppendCall(nil, &wire.Call{Serial: p.serial + 1, Name: []byte("types"), Args: []byte{0x90}})
		p.send(b[:i%len(b)])
		p.nc.(*net.TCPConn).SetLinger(0)
		p.nc.Close()
	}
	until(t, "the sessions are gone", func() bool { return info(t, m, "sessions") == 1 && info(t, m, "objects") == 3 })
	g.end()
}
