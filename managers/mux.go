package managers

import (
	"net"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/connection"
	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/link"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// HandleConn makes fn serve the raw connections that clients open under the
// name (Manager.OpenConn in package proxy). It is called on a goroutine of its
// own for each; the connection is closed when it returns or panics. Receiving
// ends with io.EOF when the client has closed it, and with an error that wraps
// io.ErrUnexpectedEOF when the client's network connection ended before. Clients
// need the role write, and a key whose prefixes, if it has any, allow the name. A
// later call with the same name replaces the earlier one.
func (s *Server) HandleConn(name string, fn func(*connection.Conn)) {
	s.handlers.mu.Lock()
	defer s.handlers.mu.Unlock()
	if s.handlers.byName == nil {
		s.handlers.byName = make(map[string]func(*connection.Conn))
	}
	s.handlers.byName[name] = fn
}

// connHandlers are the handlers of raw connections.
type connHandlers struct {
	mu     sync.Mutex
	byName map[string]func(*connection.Conn)
}

// maxConnName bounds the first message of a raw connection: its name.
const maxConnName = 1024

// feedMux takes bytes of the connection's mux, which begins with the first.
func (c *conn) feedMux(body []byte) error {
	if c.mux == nil {
		c.mux = link.NewMux(c.out, link.MuxConfig{Handle: c.serveStream})
	}
	return c.mux.Feed(body)
}

// serveStream serves one raw connection. Its first message is the name of what
// it wants; the answer is empty, or an error that says why not.
func (c *conn) serveStream(nc net.Conn) {
	raw := connection.NewConn(nc)
	defer raw.Close()
	raw.SetReadDeadline(time.Now().Add(c.server.config.HandshakeTimeout))
	name, err := raw.RecvBytes(maxConnName)
	if err != nil {
		return
	}
	raw.SetReadDeadline(time.Time{})
	c.server.handlers.mu.Lock()
	fn := c.server.handlers.byName[string(name)]
	c.server.handlers.mu.Unlock()
	var refusal *wire.Error
	switch role, prefixes := c.server.core.rights(c.session.id); {
	case role < engine.RoleWrite:
		refusal = wire.Errorf(wire.CodeDenied, "raw connections need the role write")
	case !(auth.Entry{Prefixes: prefixes}).MayOpen(string(name)):
		refusal = wire.Errorf(wire.CodeDenied, "key %q may open names that begin with %s, not %q",
			c.who.KeyName, strings.Join(prefixes, ", "), name)
	case fn == nil:
		refusal = wire.Errorf(wire.CodeNotFound, "nobody serves raw connections of that name")
	}
	if refusal != nil {
		_ = raw.SendBytes(wire.AppendError(nil, refusal))
		return
	}
	if err := raw.SendBytes(nil); err != nil {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			c.server.log.Error("a handler of raw connections panicked", "name", string(name), "remote", c.remote, "panic", p, "stack", string(debug.Stack()))
		}
	}()
	fn(raw)
}
