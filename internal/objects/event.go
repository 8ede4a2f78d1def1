package objects

import (
	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// event is Python's threading.Event.
type event struct {
	on      bool
	waiters engine.Waiters
}

func eventType() *engine.Type {
	return &engine.Type{
		Name: "Event",
		New: func(o *engine.Object, c *engine.Call) error {
			o.State = new(event)
			return nil
		},
		Load: loadEvent,
		Methods: []engine.Method{
			{Name: "set", Result: "None", Fn: eventSet},
			{Name: "clear", Result: "None", Fn: eventClear},
			{Name: "is_set", Result: "bool", Flags: engine.Reads, Fn: eventIsSet},
			{Name: "wait", Result: "bool", Flags: engine.Reads | engine.Parks, Fn: eventWait, Leave: eventLeave},
		},
	}
}

func eventSet(o *engine.Object, c *engine.Call) {
	e := o.State.(*event)
	e.on = true
	e.Serve(o)
	c.ReturnNil()
}

func eventClear(o *engine.Object, c *engine.Call) {
	o.State.(*event).on = false
	c.ReturnNil()
}

func eventIsSet(o *engine.Object, c *engine.Call) { c.ReturnBool(o.State.(*event).on) }

func eventWait(o *engine.Object, c *engine.Call) {
	e := o.State.(*event)
	if e.on {
		c.ReturnBool(true)
		return
	}
	c.Park(&e.waiters)
}

// eventLeave answers a wait that timed out with False, as Python does.
func eventLeave(o *engine.Object, c *engine.Call, why engine.Leaving) {
	if why == engine.LeaveTimeout {
		c.ReturnBool(o.State.(*event).on)
	}
}

// Serve wakes all who wait, also those whose sessions have no connection now:
// their replies are kept for them, so a set that is cleared again is not lost.
func (e *event) Serve(o *engine.Object) {
	for e.on && e.waiters.Any() != nil {
		e.waiters.Any().ReturnBool(true)
	}
}

// Lists returns the only list.
func (e *event) Lists() []*engine.Waiters { return []*engine.Waiters{&e.waiters} }

func (e *event) Dump(b []byte) ([]byte, engine.Rows) { return engine.AppendBool(b, e.on), nil }

func loadEvent(o *engine.Object, d *engine.Decoder) { o.State = &event{on: d.Bool()} }

func (e *event) Repr() engine.View {
	if e.on {
		return engine.Text("<threading.Event: set>")
	}
	return engine.Text("<threading.Event: unset>")
}

func (e *event) Value() (wire.Raw, engine.View) { return wire.Raw(wire.AppendBool(nil, e.on)), nil }

func (e *event) Each(yield func(wire.Raw) bool) {}
