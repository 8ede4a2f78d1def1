package proxy

import (
	"context"
	"fmt"
	"time"

	"github.com/syncmanager/syncmanager/internal/client"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// Manager is a connection to a manager server. It survives breaks of the
// network: it connects again by itself, and calls wait for that within their
// contexts. When the server has not heard of it for a lease, it is over, and a
// new Connect starts afresh.
//
// One Manager serves any number of goroutines and objects; a program rarely
// needs two.
type Manager struct{ s *client.Session }

// Close ends the session in good order. What was received is acknowledged, and
// all that this Manager holds is let go: references, locks, permits. Calls under
// way fail with ErrClosed. It waits for the server's word for a moment at most.
func (m *Manager) Close() error { return m.s.Close() }

// Done returns a channel that is closed when the Manager is over: closed,
// expired, or refused by the server.
func (m *Manager) Done() <-chan struct{} { return m.s.Done() }

// Err returns nil while calls can be made, and then why they cannot.
func (m *Manager) Err() error { return m.s.Err() }

// Address returns the server's address as given to Connect.
func (m *Manager) Address() string { return m.s.Address() }

// SessionID returns the number of the session in the server's listings.
func (m *Manager) SessionID() uint64 { return m.s.ID() }

// Generation returns a number that is another one for a server that was
// restarted without its state.
func (m *Manager) Generation() uint64 { return m.s.Generation() }

// Lease returns how long the server keeps the session without a connection.
func (m *Manager) Lease() time.Duration { return m.s.Lease() }

// Role returns what the key allows: admin, write or read.
func (m *Manager) Role() string { return m.s.Role() }

// Server returns the server's program and version.
func (m *Manager) Server() string { return m.s.Server() }

// Ping asks the server for a sign of life and returns how long it took.
func (m *Manager) Ping(ctx context.Context) (time.Duration, error) { return m.s.Ping(ctx) }

// Create makes a new object without a name. It lives while something refers to
// it. ErrUnknownType if the typeid is not registered.
func (m *Manager) Create(ctx context.Context, typeid string, args ...any) (*Ref, error) {
	c := m.s.NewServerCall(&client.ServerCreate, 1+len(args))
	client.Arg(c, typeid)
	c.Args(args)
	return result(ctx, c)
}

// Open returns the object of that name, and makes it if there is none; the
// arguments count only then. It is how programs on different machines meet. The
// object stays until it is removed. ErrType if the name belongs to an object of
// another type.
func (m *Manager) Open(ctx context.Context, name, typeid string, args ...any) (*Ref, error) {
	c := m.s.NewServerCall(&client.ServerOpen, 2+len(args))
	client.Arg(c, name)
	client.Arg(c, typeid)
	c.Args(args)
	return named(ctx, c, name)
}

// Lookup returns the object of that name, or ErrNotFound.
func (m *Manager) Lookup(ctx context.Context, name string) (*Ref, error) {
	c := m.s.NewServerCall(&client.ServerLookup, 1)
	client.Arg(c, name)
	return named(ctx, c, name)
}

// LookupID returns the object with the id that listings give it, with or without a
// name, or ErrNotFound. It needs the role admin.
func (m *Manager) LookupID(ctx context.Context, id uint64) (*Ref, error) {
	c := m.s.NewServerCall(&client.ServerLookup, 1)
	client.Arg(c, id)
	return named(ctx, c, fmt.Sprintf("#%d", id))
}

// RemoveID is Remove for the object with that id. It needs the role admin.
func (m *Manager) RemoveID(ctx context.Context, id uint64) error {
	c := m.s.NewServerCall(&client.ServerRemove, 1)
	client.Arg(c, id)
	return client.Exec(ctx, c)
}

// Attach returns the object that a token names. The token may come from any
// client of the same server. ErrUnknownObject if the object is gone.
func (m *Manager) Attach(ctx context.Context, token string) (*Ref, error) {
	r, _, err := client.ParseToken(token)
	if err != nil {
		return nil, err
	}
	c := m.s.NewServerCall(&client.ServerAttach, 1)
	c.ArgRef(r)
	return result(ctx, c)
}

func named(ctx context.Context, c *client.Call, name string) (*Ref, error) {
	r, err := result(ctx, c)
	if err == nil {
		client.SetName(*r, name)
	}
	return r, err
}

func result(ctx context.Context, c *client.Call) (*Ref, error) {
	r, err := client.Invoke[Ref](ctx, c)
	if err != nil {
		return nil, err
	}
	if r.IsZero() {
		return nil, wire.Errorf(wire.CodeProtocol, "the server answered None where an object is due")
	}
	return &r, nil
}

// Remove removes a named object: calls that wait on it fail with ErrRemoved, as
// do later ones. ErrNotFound if there is no object of that name.
func (m *Manager) Remove(ctx context.Context, name string) error {
	c := m.s.NewServerCall(&client.ServerRemove, 1)
	client.Arg(c, name)
	return client.Exec(ctx, c)
}

// Types returns the typeids that are registered, sorted.
func (m *Manager) Types(ctx context.Context) ([]string, error) {
	return client.Invoke[[]string](ctx, m.s.NewServerCall(&client.ServerTypes, 0))
}

// Describe returns what a type exposes.
func (m *Manager) Describe(ctx context.Context, typeid string) (TypeInfo, error) {
	c := m.s.NewServerCall(&client.ServerDescribeType, 1)
	client.Arg(c, typeid)
	return client.Invoke[TypeInfo](ctx, c)
}
