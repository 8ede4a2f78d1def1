package proxy

import (
	"context"
	"time"

	"github.com/syncmanager/syncmanager/internal/client"
)

// Event is a proxy of a shared event: a flag that can be waited for.
type Event struct{ base[eventKind] }

// NewEvent makes an event without a name. It is not set.
func NewEvent(ctx context.Context, m *Manager) (*Event, error) {
	return create[Event](ctx, m)
}

// OpenEvent opens the event of that name, and makes one that is not set if
// there is none.
func OpenEvent(ctx context.Context, m *Manager, name string) (*Event, error) {
	return open[Event](ctx, m, name)
}

// Set sets the event. All who wait for it go on, also those whose connection is
// broken at the moment.
func (e *Event) Set(ctx context.Context) error { return exec0(ctx, e.object, &eventSet) }

// Clear makes the event one that is not set.
func (e *Event) Clear(ctx context.Context) error { return exec0(ctx, e.object, &eventClear) }

// IsSet reports whether the event is set.
func (e *Event) IsSet(ctx context.Context) (bool, error) {
	return call0[bool](ctx, e.object, &eventIsSet)
}

// Wait waits until the event is set or the context ends.
func (e *Event) Wait(ctx context.Context) error { return exec0(ctx, e.object, &eventWait) }

// WaitTimeout waits until the event is set, for that long at most, and reports
// whether it is.
func (e *Event) WaitTimeout(ctx context.Context, d time.Duration) (bool, error) {
	c := e.begin(ctx, &eventWait, 0)
	c.Timeout(d)
	return client.Invoke[bool](ctx, c)
}
