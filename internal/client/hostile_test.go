package client

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/syncmanager/syncmanager/internal/link"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// TestHostileServer sends what no server may send. Each ends the session with
// an error that says what was wrong.
func TestHostileServer(t *testing.T) {
	for _, test := range []struct {
		name, want string
		frame      []byte
	}{
		{"unknown serial", "answered call 77, which is not under way", wire.AppendReply(nil, 77, 0, "\xc0")},
		{"reply cut short", "REPLY: field serial", link.AppendFrame(nil, wire.KindReply, nil)},
		{"unknown status", "unknown status", wire.AppendReply(nil, 1, 0x80, "\xc0")},
		{"malformed value", "the reply to dict.get is malformed", wire.AppendReply(nil, 1, 0, "\xc1")},
		{"two values", "1 bytes after the value", wire.AppendReply(nil, 1, 0, "\xc0\xc0")},
		{"no value", "malformed", wire.AppendReply(nil, 1, 0, "")},
		{"malformed error", "not an array of five", wire.AppendReply(nil, 1, wire.ReplyError, "\x01")},
		{"unknown kind", "unknown message kind 99", link.AppendFrame(nil, 99, nil)},
		{"call", "unknown message kind 4", link.AppendFrame(nil, wire.KindCall, nil)},
		{"pong of nothing", "a ping 5 that was not sent", wire.AppendPing(nil, wire.KindPong, 5)},
		{"event cut short", "EVENT: field", link.AppendFrame(nil, wire.KindEvent, []byte{1})},
		{"frame of length 0", "bad frame", []byte{0, 0, 0, 0}},
		{"frame too long", "bad frame", []byte{0xff, 0xff, 0xff, 0xff}},
		{"bye without an error", "error:", link.AppendFrame(nil, wire.KindBye, []byte{0xc0})},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, c := open(t, newPeer(t), Config{})
				r := goCall(context.Background(), testRef(s, 5, "dict"), &get, 1)
				c.expectCall()
				if _, err := c.nc.Write(test.frame); err != nil {
					t.Fatal(err)
				}
				got := <-r
				if !errors.Is(got.err, wire.ErrProtocol) || !strings.Contains(got.err.Error(), test.want) {
					t.Errorf("got %v, want a protocol error with %q", got.err, test.want)
				}
				<-s.Done()
			})
		})
	}
}

func TestTooLargeToSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := open(t, newPeer(t), Config{})
		defer end(s)
		d := testRef(s, 5, "dict")
		_, err := call[any](context.Background(), d, &get, strings.Repeat("x", 1<<20))
		if !errors.Is(err, wire.ErrTooLarge) {
			t.Errorf("got %v, want ErrTooLarge", err)
		}
		// The session goes on.
		r := goCall(context.Background(), d, &get, strings.Repeat("x", 1<<19))
		m := c.expectCall()
		c.reply(m.Serial, strings.Repeat("y", 1<<19))
		if got := <-r; got.err != nil || len(got.v.(string)) != 1<<19 {
			t.Errorf("large call: %v", got.err)
		}
	})
}

func TestArguments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := open(t, newPeer(t), Config{})
		defer end(s)
		other, _ := open(t, newPeer(t), Config{})
		defer end(other)
		ctx := context.Background()
		d := testRef(s, 5, "dict")
		if _, err := call[any](ctx, d, &get, func() {}); !errors.Is(err, wire.ErrUnserializable) {
			t.Errorf("a function: %v", err)
		}
		if _, err := call[any](ctx, d, &get, "\xff"); !errors.Is(err, wire.ErrUnserializable) {
			t.Errorf("a string that is not UTF-8: %v", err)
		}
		if _, err := call[any](ctx, d, &get, testRef(other, 6, "list")); !errors.Is(err, wire.ErrValue) {
			t.Errorf("a proxy of another session: %v", err)
		}
		released := testRef(s, 7, "list")
		released.Drop()
		released.Drop()
		if _, err := call[any](ctx, d, &get, released); !errors.Is(err, wire.ErrDropped) {
			t.Errorf("a released proxy among the arguments: %v", err)
		}
		if _, err := call[any](ctx, released, &get, 1); !errors.Is(err, wire.ErrDropped) {
			t.Errorf("a released proxy: %v", err)
		}
		if _, err := call[any](ctx, Ref{}, &get, 1); !errors.Is(err, wire.ErrValue) {
			t.Errorf("the zero proxy: %v", err)
		}
	})
}
