package engine

import (
	"slices"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// Dump appends the whole state as one value: names, objects, sessions, parked
// calls and kept replies. Two engines in the same state give the same bytes.
func (e *Engine) Dump(b []byte) []byte {
	b = wire.AppendArrayHeader(b, 8)
	b = wire.AppendInt(b, e.now)
	b = wire.AppendUint(b, e.lastID)
	b = wire.AppendUint(b, e.lastPlace)
	b = wire.AppendUint(b, e.fence)
	b = wire.AppendInt(b, e.bytes)
	b = wire.AppendArrayHeader(b, e.names.Len())
	e.names.Scan(func(name string, _ *Object) bool {
		b = wire.AppendStr(b, name) // the name's object follows from the object's row
		return true
	})
	b = wire.AppendArrayHeader(b, len(e.objects))
	for o := e.all.First(); o != nil; o = o.inAll.Next() {
		b = o.dump(b)
	}
	ids := make([]uint64, 0, len(e.sessions))
	for id := range e.sessions {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	b = wire.AppendArrayHeader(b, len(ids))
	for _, id := range ids {
		b = e.sessions[id].dump(b)
	}
	return b
}

func (o *Object) dump(b []byte) []byte {
	b = wire.AppendArrayHeader(b, 8)
	b = wire.AppendUint(b, o.ID)
	b = wire.AppendStr(b, o.Type.Name)
	b = wire.AppendStr(b, o.Name)
	b = wire.AppendInt(b, int64(o.pins))
	b = wire.AppendInt(b, o.bytes)
	b = wire.AppendBool(b, o.busy != nil)
	n := 0
	for c := o.parked.First(); c != nil; c = c.inObject.Next() {
		n++
	}
	b = wire.AppendArrayHeader(b, n)
	for c := o.parked.First(); c != nil; c = c.inObject.Next() {
		b = c.dump(b)
	}
	if o.State == nil {
		return wire.AppendNil(b)
	}
	return o.State.Dump(b)
}

func (s *Session) dump(b []byte) []byte {
	b = wire.AppendArrayHeader(b, 8)
	b = wire.AppendUint(b, s.ID)
	b = wire.AppendUint(b, uint64(s.Info.Role))
	b = wire.AppendUint(b, s.Epoch)
	b = wire.AppendBool(b, s.connected)
	b = wire.AppendUint(b, s.watermark)
	b = wire.AppendInt(b, s.keptBytes)
	ids := make([]uint64, 0, len(s.refs))
	for id := range s.refs {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	b = wire.AppendArrayHeader(b, 2*len(ids))
	for _, id := range ids {
		b = wire.AppendUint(b, id)
		b = wire.AppendInt(b, s.refs[id].count)
	}
	b = wire.AppendArrayHeader(b, s.kept.Len())
	for c := s.kept.First(); c != nil; c = c.inSession.Next() {
		b = c.dump(b)
	}
	return b
}

func (c *Call) dump(b []byte) []byte {
	b = wire.AppendArrayHeader(b, 8)
	b = wire.AppendUint(b, c.Session.ID)
	b = wire.AppendUint(b, c.Serial)
	b = wire.AppendUint(b, c.Object.ID)
	b = wire.AppendStr(b, c.Method.Name)
	b = wire.AppendUint(b, c.place)
	b = wire.AppendInt(b, c.deadline)
	switch {
	case c.state != callDone:
		b = wire.AppendNil(b)
	case c.err != nil:
		b = wire.AppendError(b, c.err)
	case c.view != nil:
		b = c.view.Append(b)
	default:
		b = append(b, c.value...)
	}
	return wire.AppendUint(b, uint64(c.status()))
}
