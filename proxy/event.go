package proxy

import (
	"context"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/syncmanager/syncmanager/internal/client"
)

// Event is a proxy of a shared event: a flag that can be waited for.
type Event struct{ object }

const eventType = "Event"

// NewEvent makes an event without a name. It is not set.
func NewEvent(ctx context.Context, m *Manager) (*Event, error) {
	return create[Event](ctx, m, eventType)
}

// OpenEvent opens the event of that name, and makes one that is not set if
// there is none.
func OpenEvent(ctx context.Context, m *Manager, name string) (*Event, error) {
	return open[Event](ctx, m, name, eventType)
}

// AttachEvent returns the event that the token names.
func AttachEvent(ctx context.Context, m *Manager, token string) (*Event, error) {
	return attach[Event](ctx, m, token)
}

func (e *Event) from(r Ref) error { return e.adopt(r, eventType) }

// UnmarshalWire decodes a reference to an event.
func (e *Event) UnmarshalWire(v []byte, ctx any) error { return e.decode(v, ctx, eventType) }

// DecodeMsgpack decodes a reference inside of a type that decodes itself.
func (e *Event) DecodeMsgpack(dec *msgpack.Decoder) error { return client.DecodeMsgpack(dec, e) }

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
