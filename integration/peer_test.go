package integration

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/connection"
	"github.com/syncmanager/syncmanager/internal/link"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// peer is a client that speaks the protocol frame by frame, and may break its
// rules.
type peer struct {
	testing.TB
	nc     net.Conn
	in     *link.Reader
	serial uint64
}

// dialPeer connects and authenticates.
func dialPeer(t testing.TB, ctx context.Context, addr string, key auth.Key) *peer {
	t.Helper()
	a, err := connection.ParseAddress(addr)
	if err != nil {
		t.Fatal(err)
	}
	s, err := connection.DialStream(ctx, a, connection.StreamConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if _, err := auth.Client(ctx, s.Conn, auth.ClientConfig{Credential: key, Channel: s.Channel}); err != nil {
		t.Fatal(err)
	}
	s.Conn.SetReadDeadline(time.Now().Add(limit))
	return &peer{TB: t, nc: s.Conn, in: link.NewReader(s.Conn, 0)}
}

// open begins a session.
func (p *peer) open() {
	p.Helper()
	p.send(wire.AppendOpen(nil, &wire.Open{Version: wire.Version, Program: "peer"}))
	if kind, body := p.next(); kind != wire.KindWelcome {
		p.Fatalf("message %d in place of WELCOME: %q", kind, body)
	}
}

func (p *peer) send(frame []byte) {
	p.Helper()
	if _, err := p.nc.Write(frame); err != nil {
		p.Fatalf("write: %v", err)
	}
}

// next returns the next message.
func (p *peer) next() (wire.Kind, []byte) {
	p.Helper()
	kind, body, err := p.in.Next()
	if err != nil {
		p.Fatalf("read: %v", err)
	}
	return kind, body
}

// call returns a call by name.
func (p *peer) call(object uint64, method string, args ...any) *wire.Call {
	p.Helper()
	b := wire.AppendArrayHeader(nil, len(args))
	for _, a := range args {
		var err error
		if b, err = wire.Marshal(b, a); err != nil {
			p.Fatal(err)
		}
	}
	p.serial++
	return &wire.Call{Serial: p.serial, Object: object, Name: []byte(method), Args: b}
}

// ref returns the reference that a reply carries.
func (p *peer) ref(body []byte) (ref wire.Ref) {
	p.Helper()
	r, err := wire.ParseReply(body)
	if err == nil && r.Status&wire.ReplyError == 0 {
		err = wire.ForEachRef(r.Body, func(found wire.Ref) error { ref = found; return nil })
	}
	if err != nil || ref.ID == 0 {
		p.Fatalf("no reference in %q: %v", body, err)
	}
	return ref
}
