package proxy

import (
	"context"
	"time"

	"github.com/syncmanager/syncmanager/internal/client"
)

// ObjectInfo is what listings say of an object.
type ObjectInfo struct {
	ID         uint64 `msgpack:"id"`
	Name       string `msgpack:"name"` // "" for an anonymous object
	TypeID     string `msgpack:"typeid"`
	Bytes      int64  `msgpack:"bytes"`      // by the server's own count
	Len        *int64 `msgpack:"len"`        // entries; nil for what has none
	Sessions   int64  `msgpack:"sessions"`   // that hold a reference
	References int64  `msgpack:"references"` // to it in values that objects keep: containers, and a Condition's lock
	Waiting    int64  `msgpack:"waiting"`    // calls that wait on it, up to 1000
	Created    int64  `msgpack:"created"`    // nanoseconds since 1970, by the server's clock

	State *ObjectState `msgpack:"state"` // if it was asked for, of locks, semaphores, Conditions and queues
}

// ObjectState is what a listing says of a lock or a queue.
type ObjectState struct {
	Held       int64      `msgpack:"held"`       // holds or permits that somebody has
	Permits    *int64     `msgpack:"permits"`    // of a semaphore: those that are left
	Holders    []LockInfo `msgpack:"holders"`    // the oldest first, up to 4; without Waiting and Owned
	MaxSize    int64      `msgpack:"maxsize"`    // of a queue; 0 or less: no limit
	Unfinished int64      `msgpack:"unfinished"` // of a queue: items without a TaskDone
}

// CreatedAt returns Created as a time.
func (o ObjectInfo) CreatedAt() time.Time { return time.Unix(0, o.Created) }

// SessionInfo is what listings say of a session.
type SessionInfo struct {
	ID         uint64 `msgpack:"id"`
	Program    string `msgpack:"program"`
	Host       string `msgpack:"host"`
	PID        int64  `msgpack:"pid"`
	Remote     string `msgpack:"remote"` // the address it connected from
	Key        string `msgpack:"key"`    // the name of its key
	Role       string `msgpack:"role"`
	Opened     int64  `msgpack:"opened"` // nanoseconds since 1970, by the server's clock
	Objects    int64  `msgpack:"objects"`
	References int64  `msgpack:"references"`
	Parked     int64  `msgpack:"parked"`  // calls that wait
	Running    int64  `msgpack:"running"` // calls of user methods under way
	Kept       int64  `msgpack:"kept"`    // replies that were not acknowledged
	KeptBytes  int64  `msgpack:"kept_bytes"`
	Connected  bool   `msgpack:"connected"`
}

// OpenedAt returns Opened as a time.
func (s SessionInfo) OpenedAt() time.Time { return time.Unix(0, s.Opened) }

// Page is one page of a listing. Next is the cursor of the next page, 0 at the
// end.
type Page[T any] struct {
	Next uint64
	Rows []T
}

// listPage is the largest page that servers give.
const pageRows = 1000

// Names returns the named objects whose names begin with the prefix, in the
// order of their names.
func (m *Manager) Names(ctx context.Context, prefix string) ([]ObjectInfo, error) {
	var all []ObjectInfo
	after := ""
	for {
		page, err := m.NamesPage(ctx, NamesQuery{Prefix: prefix, After: after, Limit: pageRows})
		if err != nil {
			return nil, err
		}
		all = append(all, page.Rows...)
		if after = page.Next; after == "" {
			return all, nil
		}
	}
}

// NamesQuery says which named objects NamesPage returns.
type NamesQuery struct {
	Prefix string   // of their names
	After  string   // they come after this name
	Limit  int      // 1 to 1000
	Types  []string // their typeids; none: all
	State  bool     // with ObjectInfo.State
}

// NamesPage is one page of a listing by name. Next is the name that the next page
// comes after, "" at the end.
type NamesPage struct {
	Next string
	Rows []ObjectInfo
}

// NamesPage returns one page of named objects, in the order of their names. With
// Types it may have fewer rows than Limit, or none, and not be the last: Next tells.
// ErrUnknownType if one of the types is not registered.
func (m *Manager) NamesPage(ctx context.Context, q NamesQuery) (NamesPage, error) {
	c := m.s.NewServerCall(&client.ServerNames, 5)
	client.Arg(c, q.Prefix)
	client.Arg(c, q.After)
	client.Arg(c, q.Limit)
	client.Arg(c, append([]string{}, q.Types...))
	client.Arg(c, q.State)
	return client.Invoke[NamesPage](ctx, c)
}

// Objects returns up to limit (1 to 1000) objects, named and anonymous, that
// were created after the one with the id after, in the order of their creation.
// It needs the role admin.
func (m *Manager) Objects(ctx context.Context, after uint64, limit int) (Page[ObjectInfo], error) {
	return listing[ObjectInfo](ctx, m, &client.ServerObjects, after, limit)
}

// ObjectsQuery says which objects ObjectsPage returns.
type ObjectsQuery struct {
	Session uint64   // those that this session refers to; 0: all
	After   uint64   // that were created after the one with this id
	Limit   int      // 1 to 1000
	Types   []string // their typeids; none: all
	State   bool     // with ObjectInfo.State
}

// ObjectsPage is Objects with a choice. A page may have fewer rows than Limit, or
// none, and not be the last: Next tells. ErrNotFound if there is no such session,
// ErrUnknownType if one of the types is not registered. It needs the role admin.
func (m *Manager) ObjectsPage(ctx context.Context, q ObjectsQuery) (Page[ObjectInfo], error) {
	c := m.s.NewServerCall(&client.ServerObjects, 5)
	client.Arg(c, q.After)
	client.Arg(c, q.Limit)
	client.Arg(c, q.Session)
	client.Arg(c, append([]string{}, q.Types...))
	client.Arg(c, q.State)
	return client.Invoke[Page[ObjectInfo]](ctx, c)
}

// Sessions returns up to limit (1 to 1000) sessions that were opened after the
// one with the id after, in that order. It needs the role admin.
func (m *Manager) Sessions(ctx context.Context, after uint64, limit int) (Page[SessionInfo], error) {
	return listing[SessionInfo](ctx, m, &client.ServerSessions, after, limit)
}

// ConnectionInfo is what listings say of a connection of a Python program, which
// stands for one thread of it. All Python programs that prove one key are one
// session; the connection is the owner (LockInfo.Owner) of what its thread holds
// and waits for.
type ConnectionInfo struct {
	ID        uint64 `msgpack:"id"`
	Session   uint64 `msgpack:"session"`
	Key       string `msgpack:"key"`
	Role      string `msgpack:"role"`
	Remote    string `msgpack:"remote"` // address of the peer; "unix" on a unix socket
	PID       int    `msgpack:"pid"`    // on a unix socket, where the system tells it; else 0
	Thread    string `msgpack:"thread"` // as Python names it: "MainProcess|MainThread"
	Opened    int64  `msgpack:"opened"` // nanoseconds of Unix time
	Idle      int64  `msgpack:"idle"`   // nanoseconds since its last request
	Calls     uint64 `msgpack:"calls"`  // requests that were answered
	Waiting   bool   `msgpack:"waiting"`
	Connected bool   `msgpack:"connected"` // false: it has ended, and its locks and permits were not released
	Holds     int    `msgpack:"holds"`     // locks and permits that it holds
}

// OpenedAt returns Opened as a time.
func (c ConnectionInfo) OpenedAt() time.Time { return time.Unix(0, c.Opened) }

// IdleFor returns Idle as a duration.
func (c ConnectionInfo) IdleFor() time.Duration { return time.Duration(c.Idle) }

// Connections returns up to limit (1 to 1000) connections of Python programs with
// numbers above after, in the order in which they came. One that has ended is
// listed as long as it holds locks or permits that nobody has released. A page
// may have fewer rows than limit, and not be the last: Next tells. It needs the
// role admin.
func (m *Manager) Connections(ctx context.Context, after uint64, limit int) (Page[ConnectionInfo], error) {
	return listing[ConnectionInfo](ctx, m, &client.ServerConnections, after, limit)
}

// Disconnect ends one connection of a Python program and releases what it holds,
// also of one that has ended already. ErrNotFound if there is none with that
// number. It needs the role admin.
func (m *Manager) Disconnect(ctx context.Context, connection uint64) error {
	c := m.s.NewServerCall(&client.ServerDisconnect, 1)
	client.Arg(c, connection)
	return client.Exec(ctx, c)
}

func listing[T any](ctx context.Context, m *Manager, method *client.Method, after uint64, limit int) (Page[T], error) {
	c := m.s.NewServerCall(method, 2)
	client.Arg(c, after)
	client.Arg(c, limit)
	return client.Invoke[Page[T]](ctx, c)
}

// WaiterInfo is what listings say of a call that waits on an object.
type WaiterInfo struct {
	Session   uint64 `msgpack:"session"`
	Owner     uint64 `msgpack:"owner"` // as LockInfo.Owner; 0 for a call without one
	Method    string `msgpack:"method"`
	Connected bool   `msgpack:"connected"` // its session; while it is not, the call is passed over
}

// Waiting returns the calls that wait on the object with that id, the first come
// first, up to 1000. With Lock.Holder it tells who waits for whom. It needs the
// role admin. ErrUnknownObject if there is no such object.
func (m *Manager) Waiting(ctx context.Context, id uint64) ([]WaiterInfo, error) {
	c := m.s.NewServerCall(&client.ServerWaiting, 1)
	client.Arg(c, id)
	return client.Invoke[[]WaiterInfo](ctx, c)
}

// Info returns what the server says of itself: versions, addresses, counts of
// objects and sessions, memory.
func (m *Manager) Info(ctx context.Context) (map[string]any, error) {
	return client.Invoke[map[string]any](ctx, m.s.NewServerCall(&client.ServerInfo, 0))
}

// Kick ends another session, with all that it holds. It needs the role admin.
func (m *Manager) Kick(ctx context.Context, session uint64) error {
	c := m.s.NewServerCall(&client.ServerKick, 1)
	client.Arg(c, session)
	return client.Exec(ctx, c)
}

// Collect has the server look for cycles of containers that nothing else refers
// to, and returns how many objects went. It needs the role admin.
func (m *Manager) Collect(ctx context.Context) (int, error) {
	return client.Invoke[int](ctx, m.s.NewServerCall(&client.ServerCollect, 0))
}

// Shutdown ends the server in good order. It needs the role admin.
func (m *Manager) Shutdown(ctx context.Context) error {
	return client.Exec(ctx, m.s.NewServerCall(&client.ServerShutdown, 0))
}

// Snapshot has a server with a data directory write its state down there, and
// returns when that is safe on disk. The session needs the role admin. A server
// without a data directory fails with ErrValue.
func (m *Manager) Snapshot(ctx context.Context) error {
	return client.Exec(ctx, m.s.NewServerCall(&client.ServerSnapshot, 0))
}
