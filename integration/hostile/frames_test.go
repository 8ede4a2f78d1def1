package hostile

import (
	"encoding/binary"
	"flag"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/internal/link"
	"github.com/syncmanager/syncmanager/internal/wire"
	"github.com/syncmanager/syncmanager/managers"
	"github.com/syncmanager/syncmanager/proxy"
)

var (
	frames = flag.Int("frames", 20_000, "random and mutated frames that TestRandomFrames sends")
	seed   = flag.Uint64("seed", 1, "where the random frames begin")
)

// TestRandomFrames sends random and mutated frames to a live server: no crash,
// no leak of goroutines, objects or memory, no effect on a good client.
func TestRandomFrames(t *testing.T) {
	goodKey, badKey := auth.Generate(), auth.Generate()
	ring, err := auth.NewKeyring(
		auth.Entry{Name: "good", Credential: goodKey, Role: auth.RoleAdmin},
		// The role admin could rightly shut the server down.
		auth.Entry{Name: "bad", Credential: badKey, Role: auth.RoleWrite, Prefixes: []string{"bad/"}},
	)
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, plain, managers.Config{Keyring: ring, Limits: managers.Limits{Bytes: 256 << 20}})
	s.key = goodKey
	m := s.client(proxy.Config{KeyName: "good"})
	g := beside(t, m)
	var sent, answered atomic.Int64
	round := func(n int, from uint64) {
		var wg sync.WaitGroup
		for w := range uint64(4) {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(from, w))
				for mine := 0; mine < n/4; {
					k, replies := s.spray(r, badKey)
					answered.Add(int64(replies))
					mine += k
					sent.Add(int64(k))
				}
			})
		}
		wg.Wait()
		until(t, "the hostile sessions are gone", func() bool { return info(t, m, "sessions") == 1 })
	}
	round(*frames/10, *seed) // what grows once does not count
	clean := func() {
		for _, o := range must1[[]proxy.ObjectInfo](t)(m.Names(s.ctx, "bad/")) {
			s.must(m.Remove(s.ctx, o.Name))
		}
		_ = must1[int](t)(m.Collect(s.ctx))
		until(t, "the hostile objects are gone", func() bool { return info(t, m, "objects") == 3 && info(t, m, "parked") <= 1 })
	}
	clean()
	memory, goroutines := heap(), runtime.NumGoroutine()
	round(*frames, *seed+1)
	clean()
	until(t, "the goroutines end", func() bool { return runtime.NumGoroutine() <= goroutines+3 })
	g.end()
	if grown := heap() - memory; grown > 16<<20 {
		t.Errorf("%d frames made the heap grow by %d bytes", sent.Load(), grown)
	}
	// Most frames must have been looked at: a bad one ends its connection.
	if n := sent.Load(); answered.Load() < n/3 {
		t.Errorf("%d frames brought %d answers", n, answered.Load())
	}
	t.Logf("%d frames, %d answers", sent.Load(), answered.Load())
}

// spray opens a session and sends frames until the server has had enough. It
// returns how many, and how many messages came back.
func (s *server) spray(r *rand.Rand, key auth.Key) (n, replies int) {
	p, err := s.tryPeer(auth.ClientConfig{KeyName: "bad", Credential: key})
	if err != nil {
		s.Errorf("the hostile client was not let in: %v", err)
		return 1 << 30, 0
	}
	defer p.nc.Close()
	if _, err := p.open(time.Second); err != nil {
		s.Errorf("the hostile client got no session: %v", err)
		return 1 << 30, 0
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for {
			if _, _, err := p.next(); err != nil {
				return
			}
			replies++
		}
	}()
	f := fuzzer{r: r}
	for range 1 + r.IntN(8) {
		var batch []byte
		k := 1 + r.IntN(64)
		for range k {
			batch = f.frame(batch)
		}
		n += k
		if !p.send(batch) {
			break
		}
	}
	// A length that lies would make the server wait for the rest.
	if !f.lied && r.IntN(8) != 0 {
		p.send(wire.AppendClose(nil))
	} else {
		p.nc.Close()
	}
	soon(s, "the end of a hostile connection", gone)
	return n, replies
}

// fuzzer makes frames.
type fuzzer struct {
	r      *rand.Rand
	serial uint64
	lied   bool
}

var hostileMethods = []string{
	"create", "open", "lookup", "attach", "remove", "release", "describe_type", "types", "names", "objects", "sessions", "info",
	"kick", "collect", "shutdown", "repr", "value", "describe", "get", "set", "getitem", "add", "pop", "put", "put_nowait",
	"get_nowait", "get_many", "put_many", "acquire", "release", "wait", "notify", "clear", "append", "extend", "sort", "insert",
	"getslice", "setslice", "delslice", "imul", "repeat", "update", "union", "scan", "page", "next", "join", "task_done", "reset",
	"abort", "items", "copy", "put_priority", "is_set", "locked", "holder", "", "\xff\xfe",
}

var hostileTypes = []string{
	"dict", "list", "set", "Queue", "LifoQueue", "PriorityQueue", "SimpleQueue", "JoinableQueue", "Lock", "RLock", "Semaphore",
	"BoundedSemaphore", "Condition", "Event", "Barrier", "Namespace", "Value", "Array", "Iterator", "server", "nothing", "",
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// number is small, large, or on an edge.
func (f *fuzzer) number() uint64 {
	switch f.r.IntN(4) {
	case 0:
		return f.r.Uint64()
	case 1:
		return uint64(1)<<f.r.IntN(64) - uint64(f.r.IntN(2))
	}
	return uint64(f.r.IntN(40))
}

func (f *fuzzer) bytes(most int) []byte {
	b := make([]byte, f.r.IntN(most+1))
	for i := range b {
		b[i] = byte(f.r.Uint32())
	}
	return b
}

// value appends a value that is well formed.
func (f *fuzzer) value(b []byte, depth int) []byte {
	kind := f.r.IntN(16)
	if depth <= 0 && kind >= 9 {
		kind -= 9
	}
	switch kind {
	case 0:
		return wire.AppendNil(b)
	case 1:
		return wire.AppendBool(b, f.r.IntN(2) == 0)
	case 2:
		return wire.AppendInt(b, int64(f.number()))
	case 3:
		return wire.AppendFloat(b, f.r.NormFloat64())
	case 4:
		return wire.AppendStr(b, pick(f.r, hostileTypes))
	case 5:
		return wire.AppendStr(b, "bad/"+pick(f.r, hostileTypes))
	case 6:
		return wire.AppendStr(b, string(f.bytes(20)))
	case 7:
		return wire.AppendBin(b, f.bytes(20))
	case 8:
		return wire.AppendRef(b, wire.Ref{ID: f.number(), Secret: f.r.Uint64(), TypeID: pick(f.r, hostileTypes[:20])})
	case 9, 10, 11, 12:
		n := f.r.IntN(4)
		b = wire.AppendArrayHeader(b, n)
		for range n {
			b = f.value(b, depth-1)
		}
		return b
	case 13:
		n := f.r.IntN(4)
		b = wire.AppendMapHeader(b, n)
		for range 2 * n {
			b = f.value(b, depth-1)
		}
		return b
	case 14:
		v := f.value(nil, depth-1)
		return append(wire.AppendTupleHeader(b, 1, len(v)), v...)
	default:
		return append(b, f.bytes(8)...) // not well formed
	}
}

// call appends a call that may be right: the ids of what the session made are
// small.
func (f *fuzzer) call(b []byte) []byte {
	f.serial++
	c := wire.Call{Serial: f.serial, Object: uint64(f.r.IntN(3)) * uint64(f.r.IntN(200))}
	if f.r.IntN(2) == 0 {
		c.Name = []byte(pick(f.r, hostileMethods))
	} else {
		c.Method = uint64(1 + f.r.IntN(45))
	}
	if f.r.IntN(3) == 0 {
		c.Flags, c.Timeout = wire.CallTimeout, f.number()
	}
	if f.r.IntN(8) == 0 {
		c.Flags |= wire.CallGuard
		c.Guard, c.Token = uint64(f.r.IntN(200)), f.number()
	}
	if f.r.IntN(4) == 0 {
		c.Acked = f.serial - 1
	}
	n := f.r.IntN(5)
	c.Args = wire.AppendArrayHeader(nil, n)
	if c.Object == 0 && n > 0 && f.r.IntN(2) == 0 {
		c.Args = wire.AppendStr(c.Args, pick(f.r, hostileTypes))
		n--
	}
	for range n {
		c.Args = f.value(c.Args, 4)
	}
	return wire.AppendCall(b, &c)
}

// right appends a message of an honest client.
func (f *fuzzer) right(b []byte) []byte {
	switch f.r.IntN(12) {
	case 0:
		return wire.AppendCancel(b, uint64(f.r.IntN(int(f.serial)+3)), byte(f.r.IntN(2)))
	case 1:
		return wire.AppendAck(b, &wire.Ack{Watermark: uint64(f.r.IntN(int(f.serial) + 1))})
	case 2:
		return wire.AppendPing(b, wire.KindPing, f.number())
	case 3:
		last := f.serial + 1
		f.serial += 12 // an acknowledged serial is no good for a call
		return wire.AppendAck(b, &wire.Ack{Ranges: []wire.Range{{From: last + 2, To: last + 5}, {From: last + 9, To: last + 9}}})
	}
	return f.call(b)
}

// frame appends one frame, good or bad.
func (f *fuzzer) frame(b []byte) []byte {
	switch n := f.r.IntN(2000); {
	case n < 2: // anything at all
		return link.AppendFrame(b, byte(f.r.IntN(20)), f.bytes(64))
	case n < 3:
		return link.AppendFrame(b, wire.KindFragment, append(binary.AppendUvarint(nil, f.number()), f.bytes(40)...))
	case n < 4:
		return link.AppendFrame(b, wire.KindMux, f.bytes(40))
	case n < 5: // a length that lies
		f.lied = true
		b = binary.BigEndian.AppendUint32(b, uint32(f.number()))
		return append(b, f.bytes(40)...)
	case n < 25: // a message with some bytes changed
		at := len(b)
		b = f.right(b)
		for range 1 + f.r.IntN(3) {
			// Not the length: the frame's end must stay where it is.
			b[at+4+f.r.IntN(len(b)-at-4)] ^= 1 << f.r.IntN(8)
		}
		return b
	}
	return f.right(b)
}
