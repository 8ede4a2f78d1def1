package pydoor

import (
	"cmp"
	"net"
	"slices"
	"time"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// Client is what a listing says of a Python connection, which stands for one
// thread of a client.
type Client struct {
	ID        uint64 // the owner of what it holds and waits for
	Session   uint64 // the engine session of its key
	Key, Role string
	Remote    string // the peer's address; "unix" for a unix socket
	PID       int    // on a unix socket, where the system tells it; else 0
	Thread    string // as Python names it, "MainProcess|MainThread"; empty until it says so
	Opened    time.Time
	Idle      time.Duration // since its last request
	Calls     uint64        // requests that were answered
	Waits     bool          // a request is under way
	Connected bool          // false: it has ended, and holds what it did not release
	Holds     int           // locks and permits that it took and nobody gave back
}

// maxDeparted bounds the ended connections that are remembered for what they
// hold.
const maxDeparted = 1024

// describe returns what is known of a connection.
func (c *conn) describe(now time.Time) Client {
	e := c.session.entry
	used := time.Unix(0, c.used.Load())
	thread, _ := c.name.Load().(string)
	return Client{
		ID: c.id, Session: c.session.ID(), Key: e.Name, Role: e.Role.String(), Remote: c.remote, PID: c.peer, Thread: thread,
		Opened: c.opened, Idle: max(now.Sub(used), 0), Calls: c.calls.Load(), Waits: c.waits.Load(), Connected: true,
	}
}

// Clients returns up to limit connections with numbers above after, in the
// order of their numbers, and the number to go on after, 0 at the end. Those
// that have ended are among them as long as they hold something.
func (d *Door) Clients(after uint64, limit int) (rows []Client, next uint64) {
	now := time.Now()
	d.mu.Lock()
	for c := range d.conns {
		if c.id > after {
			rows = append(rows, c.describe(now))
		}
	}
	d.mu.Unlock()
	for _, c := range d.holds.departedAfter(after) {
		c.Idle, c.Connected = max(now.Sub(c.Opened.Add(c.Idle)), 0), false
		rows = append(rows, c)
	}
	slices.SortFunc(rows, func(a, b Client) int { return cmp.Compare(a.ID, b.ID) })
	if len(rows) > limit {
		rows = rows[:limit]
		next = rows[limit-1].ID
	}
	// What they hold is asked of the engine, outside the lock: a lock may have
	// been released by another client.
	out := rows[:0]
	for _, c := range rows {
		if c.Holds = d.holds.count(c.ID); c.Connected || c.Holds > 0 {
			out = append(out, c)
		}
	}
	return out, next
}

// Disconnect ends one connection, and releases what it holds: a connection that
// has ended already is asked for by the number under which it is listed. It
// reports whether there is one.
func (d *Door) Disconnect(id uint64) bool {
	d.mu.Lock()
	var found *conn
	for c := range d.conns {
		if c.id == id {
			found = c
		}
	}
	d.mu.Unlock()
	if found != nil {
		found.kicked.Store(true)
		found.net.Close() // its goroutine releases what it holds
		return true
	}
	return d.holds.release(id)
}

// AppendClient appends a row of a listing.
func AppendClient(b []byte, c *Client) []byte {
	b = wire.AppendMapHeader(b, 13)
	text := func(key, v string) { b = wire.AppendStr(wire.AppendStr(b, key), v) }
	number := func(key string, v int64) { b = wire.AppendInt(wire.AppendStr(b, key), v) }
	flag := func(key string, v bool) { b = wire.AppendBool(wire.AppendStr(b, key), v) }
	number("id", int64(c.ID))
	number("session", int64(c.Session))
	text("key", c.Key)
	text("role", c.Role)
	text("remote", c.Remote)
	number("pid", int64(c.PID))
	text("thread", c.Thread)
	number("opened", c.Opened.UnixNano())
	number("idle", int64(c.Idle))
	number("calls", int64(c.Calls))
	flag("waiting", c.Waits)
	flag("connected", c.Connected)
	number("holds", int64(c.Holds))
	return b
}

// remoteText says where a connection comes from. The client's end of a unix
// socket has no address.
func remoteText(a net.Addr) string {
	if s := a.String(); a.Network() != "unix" || s != "" && s != "@" {
		return s
	}
	return "unix"
}
