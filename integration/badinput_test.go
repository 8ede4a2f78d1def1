package integration

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/syncmanager/syncmanager/connection"
	"github.com/syncmanager/syncmanager/internal/wire"
	"github.com/syncmanager/syncmanager/managers"
	"github.com/syncmanager/syncmanager/proxy"
)

// badFrames are what breaks a stream, and a word of what the server says of it.
func badFrames() map[string]struct {
	frame []byte
	says  string
} {
	head := func(n uint32, kind byte, body ...byte) []byte {
		return append(append(binary.BigEndian.AppendUint32(nil, n), kind), body...)
	}
	whole := func(kind byte, body ...byte) []byte { return head(uint32(len(body)+1), kind, body...) }
	return map[string]struct {
		frame []byte
		says  string
	}{
		"a length of 0":                {binary.BigEndian.AppendUint32(nil, 0), "0"},
		"a length above the limit":     {head(1<<32-1, wire.KindCall), "4294967295"},
		"an unknown kind":              {whole(99), "99"},
		"a second OPEN":                {wire.AppendOpen(nil, &wire.Open{Version: wire.Version}), "kind"},
		"a WELCOME":                    {whole(wire.KindWelcome), "kind"},
		"a CALL that ends early":       {whole(wire.KindCall, 1), "CALL"},
		"a CALL with serial 0":         {whole(wire.KindCall, 0, 1, 0, 24, 0, 0x90), "serial"},
		"a CALL with unknown flags":    {whole(wire.KindCall, 1, 1, 0, 24, 0x80, 0x90), "flags"},
		"an ACK of too many ranges":    {whole(wire.KindAck, 0, 0xff, 0xff, 0x7f), "ACK"},
		"a CANCEL of unknown mode":     {whole(wire.KindCancel, 1, 9), "mode"},
		"a PING that ends early":       {whole(wire.KindPing), "PING"},
		"a FRAGMENT of nothing":        {whole(wire.KindFragment, 1, 1, 0, 0, 0, 9), "fragment"},
		"a FRAGMENT without a first":   {whole(wire.KindFragment, 1, 0, 1), "fragment"},
		"a FRAGMENT above the limit":   {whole(wire.KindFragment, 1, 1, 0xff, 0xff, 0xff, 0xff, 1), "4294967295"},
		"arguments that are no array":  {whole(wire.KindCall, 1, 1, 0, 24, 0, 0xc0), ""},
		"arguments that end early":     {whole(wire.KindCall, 1, 1, 0, 24, 0, 0x92, 1), ""},
		"arguments of a reserved type": {whole(wire.KindCall, 1, 1, 0, 24, 0, 0x91, 0xc1), ""},
		"arguments nested too deeply": {wire.AppendCall(nil, &wire.Call{Serial: 1, Method: 16,
			Args: append(bytes.Repeat([]byte{0x91}, 100_000), 0xc0)}), ""},
		"arguments that promise 4 GiB": {whole(wire.KindCall, 1, 1, 0, 24, 0, 0xdd, 0xff, 0xff, 0xff, 0xff), ""},
	}
}

// TestBadFrames sends what breaks the rules, over each transport, on one
// connection after the other, beside a good client that notices nothing.
func TestBadFrames(t *testing.T) {
	overAll(t, func(e *env) {
		stop := beside(e)
		for name, bad := range badFrames() {
			p := dialPeer(e, e.ctx, e.addr, e.key)
			p.open()
			p.send(bad.frame)
			kind, body, err := p.in.Next()
			switch {
			case err == nil && kind == wire.KindBye:
				said, err := wire.ParseError(body)
				if err != nil {
					e.Errorf("%s: BYE with %q: %v", name, body, err)
					break
				}
				says(e, name, said, proxy.ErrProtocol, bad.says)
				if _, _, err := p.in.Next(); !errors.Is(err, io.EOF) {
					e.Errorf("%s: after BYE the server sends more: %v", name, err)
				}
			case err == nil && kind == wire.KindReply && bad.says == "":
				// The stream can be trusted: the call alone fails.
				r, err := wire.ParseReply(body)
				if err != nil || r.Status&wire.ReplyError == 0 {
					e.Errorf("%s: reply %v, %v, want an error", name, r, err)
				}
			default:
				e.Errorf("%s: message %d, %v, want BYE", name, kind, err)
			}
			p.nc.Close()
		}
		stop()
	})
}

// beside runs a good client whose calls must all succeed, in good time. The
// returned function ends it and checks.
func beside(e *env) (stop func()) {
	e.Helper()
	ctx := e.ctx
	m := e.connect()
	d := must1[*proxy.Dict[string, int]](e)(proxy.NewDict[string, int](ctx, m))
	e.must(d.Set(ctx, "stored", 42))
	ended, over := context.WithCancel(context.Background())
	var slowest time.Duration
	n := 0
	done := later(func() error {
		for ; n == 0 || ended.Err() == nil; n++ {
			start := time.Now()
			if got, err := d.Add(ctx, "n", 1); err != nil || got != n+1 {
				return errors.Join(errors.New("a call of the good client"), err)
			}
			slowest = max(slowest, time.Since(start))
		}
		return nil
	})
	return func() {
		e.Helper()
		over()
		e.must(soon(e, "the good client ends", done))
		eq(e, "what the good client stored", 42)(d.Get(ctx, "stored"))
		if n == 0 || slowest > 5*time.Second {
			e.Errorf("the good client made %d calls, the slowest took %v", n, slowest)
		}
		if err := m.Err(); err != nil {
			e.Errorf("the good client: %v", err)
		}
	}
}

// TestBadCalls makes calls that fail, each with an error that names the thing,
// on a connection that stays.
func TestBadCalls(t *testing.T) {
	overAll(t, func(e *env) {
		p := dialPeer(e, e.ctx, e.addr, e.key)
		p.open()
		stop := beside(e)
		call := func(object uint64, method string, args ...any) (*wire.Error, wire.Ref) {
			c := p.call(object, method, args...)
			p.send(wire.AppendCall(nil, c))
			kind, body := p.next()
			r, err := wire.ParseReply(body)
			if kind != wire.KindReply || err != nil || r.Serial != c.Serial {
				e.Fatalf("%s: message %d, %v", method, kind, err)
			}
			var ref wire.Ref
			if r.Status&wire.ReplyError == 0 {
				wire.ForEachRef(r.Body, func(found wire.Ref) error { ref = found; return nil })
				return nil, ref
			}
			failure, err := wire.ParseError(r.Body)
			e.must(err)
			return failure, ref
		}
		_, d := call(0, "create", "dict")
		foreign := must1[*proxy.Dict[string, int]](e)(proxy.NewDict[string, int](e.ctx, e.m))
		forged := d
		forged.Secret++
		for _, c := range []struct {
			what   string
			object uint64
			method string
			args   []any
			is     error
			says   string
		}{
			{"an unknown object", 1 << 40, "len", nil, proxy.ErrUnknownObject, "1099511627776"},
			{"an object of another session", foreign.Reference().ID(), "len", nil, proxy.ErrUnknownObject, ""},
			{"a forged reference", 0, "attach", []any{forged}, proxy.ErrUnknownObject, ""},
			{"a forged reference as argument", d.ID, "set", []any{"k", forged}, proxy.ErrUnknownObject, ""},
			{"a method that is not there", d.ID, "nope", nil, proxy.ErrNotExposed, "nope"},
			{"a method of the server that is not there", 0, "nope", nil, proxy.ErrNotExposed, "nope"},
			{"too few arguments", d.ID, "set", []any{"k"}, proxy.ErrType, "set"},
			{"too many arguments", d.ID, "len", []any{1}, proxy.ErrType, "len"},
			{"an argument of the wrong type", d.ID, "update", []any{7}, proxy.ErrType, "int"},
			{"an unhashable key", d.ID, "set", []any{[]any{1}, 1}, proxy.ErrType, "list"},
			{"an unknown typeid", 0, "create", []any{"Nope"}, proxy.ErrUnknownType, "Nope"},
			{"a name that is too long", 0, "open", []any{strings.Repeat("x", 1025), "dict"}, proxy.ErrValue, "1025"},
			{"an empty name", 0, "open", []any{"", "dict"}, proxy.ErrValue, "name"},
			{"a release of what is not held", 0, "release", []any{[]any{1 << 40, 1}}, nil, ""},
			{"a list of an unbounded page", 0, "names", []any{"", "", 1 << 40}, proxy.ErrValue, ""},
		} {
			err, _ := call(c.object, c.method, c.args...)
			switch {
			case c.is != nil && err == nil:
				e.Errorf("%s: no error", c.what)
			case c.is != nil:
				says(e, c.what, err, c.is, c.says)
			}
		}
		if err, _ := call(d.ID, "set", "k", 1); err != nil {
			e.Errorf("a good call after the bad ones: %v", err)
		}
		// Once it is released, the object is unknown.
		if err, _ := call(0, "release", []any{d.ID, 1}); err != nil {
			e.Errorf("release: %v", err)
		}
		err, _ := call(d.ID, "len")
		is(e, "a call on a released object", err, proxy.ErrUnknownObject)
		stop()
	})
}

// TestStrangers connects without knowing how to: rubbish, silence, a
// connection that is dropped, TLS where there is none and the other way round.
func TestStrangers(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			e := newEnvOf(t, transport, managers.Config{HandshakeTimeout: 3 * time.Second})
			a, err := connection.ParseAddress(e.addr)
			e.must(err)
			if a.Transport == connection.TCP {
				a.Transport = connection.TCPPlain
			}
			stop := beside(e)
			var wg sync.WaitGroup
			for _, text := range []string{
				"", "GET / HTTP/1.1\r\n\r\n", strings.Repeat("\xff", 10_000), "\x16\x03\x01\x00\x05hello", "\x00\x20syncmgr\n\x00\x09\x00\x09",
			} {
				wg.Go(func() {
					s, err := connection.DialStream(e.ctx, a, connection.StreamConfig{})
					if err != nil {
						t.Error(err)
						return
					}
					defer s.Close()
					_, _ = s.Write([]byte(text))
					if text == "" {
						return
					}
					s.SetReadDeadline(time.Now().Add(limit))
					n, err := io.Copy(io.Discard, s)
					var timeout net.Error
					if n > 4096 || errors.As(err, &timeout) && timeout.Timeout() {
						t.Errorf("a stranger who says %q: %d bytes, %v; want few and the end", text, n, err)
					}
				})
			}
			wg.Wait()
			stop()
		})
	}
}
