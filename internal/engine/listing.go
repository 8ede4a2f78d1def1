package engine

import (
	"slices"
	"strings"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// maxPage bounds how much one listing returns, and maxScan and maxNames how many
// ids and names it tries.
const (
	maxPage  = 1000
	maxScan  = 20_000
	maxNames = 5_000
)

// Stater is implemented by the State of an object of which listings say more than
// of any: who holds a lock, how much a queue takes. What it appends is one map, of a
// bounded size.
type Stater interface{ AppendState(b []byte) []byte }

// selection is what a listing is asked for, beside the page.
type selection struct {
	types []*Type // nil: all
	only  bool    // types alone
	state bool
}

// selects takes the arguments types and state of a listing.
func selects(e *Engine, c *Call) (sel selection, ok bool) {
	if !c.Args.More() {
		return sel, true
	}
	list, err := c.Args.Value()
	if err != nil {
		c.Fail(err)
		return sel, false
	}
	r, rerr := wire.NewReader(list)
	if rerr != nil {
		c.Fail(wire.Errorf(wire.CodeType, "types is a list of typeids"))
		return sel, false
	}
	for r.More() {
		name, err := r.Str()
		if err != nil {
			c.Fail(err)
			return sel, false
		}
		t := e.types[string(name)]
		if t == nil {
			c.Fail(wire.Errorf(wire.CodeUnknownType, "typeid %q is not registered", name))
			return sel, false
		}
		sel.types, sel.only = append(sel.types, t), true
	}
	if c.Args.More() {
		if sel.state, err = c.Args.Bool(); err != nil {
			c.Fail(err)
			return sel, false
		}
	}
	return sel, true
}

func (s *selection) takes(o *Object) bool { return !s.only || slices.Contains(s.types, o.Type) }

// page takes the limit of a listing.
func page(c *Call) (int, bool) {
	n := c.Int()
	if n < 1 || n > maxPage {
		c.Fail(wire.Errorf(wire.CodeValue, "a limit of %d; it lies between 1 and %d", n, maxPage))
		return 0, false
	}
	return int(n), true
}

// rootNames lists named objects in the order of their names.
func rootNames(o *Object, c *Call) {
	e := o.engine
	prefix, ok := text(c, "prefix", maxName)
	if !ok {
		return
	}
	after, ok := text(c, "cursor", maxName)
	if !ok {
		return
	}
	limit, ok := page(c)
	if !ok {
		return
	}
	sel, ok := selects(e, c)
	if !ok {
		return
	}
	var rows []byte
	n, tried, last, next := 0, 0, "", ""
	for from, more := max(prefix, after), true; more; {
		more = false
		e.names.Ascend(from, func(name string, named *Object) bool {
			if !strings.HasPrefix(name, prefix) {
				return false
			}
			if from, more = skipTo(c.Session, name); more || from != name {
				return false
			}
			if name == after {
				return true
			}
			if n == limit || tried == maxNames {
				next = last
				return false
			}
			last = name
			if tried++; sel.takes(named) {
				rows = appendObject(rows, named, sel.state)
				n++
			}
			return true
		})
	}
	c.plain = true
	b := wire.AppendStr(wire.AppendArrayHeader(nil, 2), next)
	c.ReturnBytes(append(wire.AppendArrayHeader(b, n), rows...))
}

// skipTo returns the name itself if the session may see it, and else where the
// next that it may see can be, so that no listing walks over those of others.
func skipTo(s *Session, name string) (next string, skips bool) {
	if len(s.Info.Prefixes) == 0 {
		return name, false
	}
	for _, p := range s.Info.Prefixes {
		switch {
		case strings.HasPrefix(name, p):
			return name, false
		case p > name && (!skips || p < next):
			next, skips = p, true
		}
	}
	return next, skips
}

// rootWaiting lists the calls that wait on an object, the first come first: who
// waits for what, to be put beside who holds what.
func rootWaiting(o *Object, c *Call) {
	id := c.Uint()
	target := o.engine.objects[id]
	if target == nil {
		c.Fail(wire.Errorf(wire.CodeUnknownObject, "no object %d", id))
		return
	}
	var rows []byte
	n := 0
	for p := target.parked.First(); p != nil && n < maxPage; p = p.inObject.Next() {
		rows = wire.AppendMapHeader(rows, 4)
		rows = wire.AppendStr(rows, "session")
		rows = wire.AppendUint(rows, p.Session.ID)
		rows = wire.AppendStr(rows, "owner")
		rows = wire.AppendUint(rows, p.Owner)
		rows = wire.AppendStr(rows, "method")
		rows = wire.AppendStr(rows, p.Method.Name)
		rows = wire.AppendStr(rows, "connected")
		rows = wire.AppendBool(rows, p.Session.connected)
		n++
	}
	c.plain = true
	c.ReturnBytes(append(wire.AppendArrayHeader(nil, n), rows...))
}

// appendObject appends what a listing says of an object.
func appendObject(b []byte, o *Object, state bool) []byte {
	fields := 9
	if state {
		fields++
	}
	b = wire.AppendMapHeader(b, fields)
	b = wire.AppendStr(b, "id")
	b = wire.AppendUint(b, o.ID)
	b = wire.AppendStr(b, "name")
	b = wire.AppendStr(b, o.Name)
	b = wire.AppendStr(b, "typeid")
	b = wire.AppendStr(b, o.Type.Name)
	b = wire.AppendStr(b, "bytes")
	b = wire.AppendInt(b, o.bytes)
	b = wire.AppendStr(b, "len")
	if s, ok := o.State.(Sizer); ok {
		b = wire.AppendInt(b, int64(s.Len()))
	} else {
		b = wire.AppendNil(b)
	}
	b = wire.AppendStr(b, "sessions")
	b = wire.AppendInt(b, int64(o.refs))
	b = wire.AppendStr(b, "references")
	b = wire.AppendInt(b, int64(o.kept))
	b = wire.AppendStr(b, "waiting")
	n := 0
	for c := o.parked.First(); c != nil && n < maxPage; c = c.inObject.Next() {
		n++
	}
	b = wire.AppendInt(b, int64(n))
	b = wire.AppendStr(b, "created")
	b = wire.AppendInt(b, o.Created)
	if state {
		b = wire.AppendStr(b, "state")
		if s, ok := o.State.(Stater); ok {
			return s.AppendState(b)
		}
		return wire.AppendNil(b)
	}
	return b
}

// rootObjects lists objects in the order of their creation: [next, rows], with
// next 0 at the end. With a session it lists those that the session refers to,
// and a page ends after maxScan objects, also without a row.
func rootObjects(o *Object, c *Call) {
	e := o.engine
	after := c.Uint()
	limit, ok := page(c)
	if !ok {
		return
	}
	var only *Session
	if id := c.Uint(); id != 0 {
		if only = e.sessions[id]; only == nil {
			c.Fail(wire.Errorf(wire.CodeNotFound, "no session %d", id))
			return
		}
	}
	sel, ok := selects(e, c)
	if !ok {
		return
	}
	var from *Object
	switch at := e.objects[after]; {
	case after == 0:
		from = e.all.First()
	case at != nil:
		from = at.inAll.Next()
	default:
		// The object of the cursor is gone: look for the next id.
		for n := 0; from == nil && after < e.lastID; n++ {
			if n == maxScan {
				c.plain = true
				c.ReturnBytes(wire.AppendArrayHeader(wire.AppendUint(wire.AppendArrayHeader(nil, 2), after), 0))
				return
			}
			after = (after>>e.config.IDBits+1)<<e.config.IDBits | e.config.Slot
			from = e.objects[after]
		}
	}
	var rows []byte
	n, last := 0, uint64(0)
	for tried := 0; from != nil && n < limit && tried < maxScan; from = from.inAll.Next() {
		tried++
		last = from.ID
		if only != nil {
			if _, ok := only.refs[from.ID]; !ok {
				continue
			}
		}
		if !sel.takes(from) {
			continue
		}
		rows = appendObject(rows, from, sel.state)
		n++
	}
	if from == nil {
		last = 0
	}
	b := wire.AppendArrayHeader(nil, 2)
	b = wire.AppendUint(b, last)
	b = wire.AppendArrayHeader(b, n)
	c.plain = true
	c.ReturnBytes(append(b, rows...))
}

// rootSessions lists sessions in the order in which they were opened, like
// rootObjects.
func rootSessions(o *Object, c *Call) {
	e := o.engine
	after := c.Uint()
	limit, ok := page(c)
	if !ok {
		return
	}
	ids := make([]uint64, 0, len(e.sessions))
	for id := range e.sessions {
		if id > after {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	next := uint64(0)
	if len(ids) > limit {
		ids = ids[:limit]
		next = ids[limit-1]
	}
	b := wire.AppendArrayHeader(nil, 2)
	b = wire.AppendUint(b, next)
	b = wire.AppendArrayHeader(b, len(ids))
	for _, id := range ids {
		b = appendSession(b, e.sessions[id])
	}
	c.plain = true
	c.ReturnBytes(b)
}

func appendSession(b []byte, s *Session) []byte {
	row := []struct {
		key string
		n   int64
		s   string
	}{
		{key: "id", n: int64(s.ID)}, {key: "program", s: s.Info.Program}, {key: "host", s: s.Info.Host},
		{key: "pid", n: int64(s.Info.PID)}, {key: "remote", s: s.Info.Remote}, {key: "key", s: s.Info.KeyName},
		{key: "role", s: s.Info.Role.String()}, {key: "opened", n: s.opened}, {key: "objects", n: int64(s.objects)},
		{key: "references", n: int64(len(s.refs))}, {key: "parked", n: int64(s.parked.Len())},
		{key: "running", n: int64(s.running.Len())}, {key: "kept", n: int64(s.kept.Len())}, {key: "kept_bytes", n: s.keptBytes},
	}
	b = wire.AppendMapHeader(b, len(row)+1)
	for _, f := range row {
		b = wire.AppendStr(b, f.key)
		switch f.key {
		case "program", "host", "remote", "key", "role":
			b = wire.AppendStr(b, f.s)
		default:
			b = wire.AppendInt(b, f.n)
		}
	}
	b = wire.AppendStr(b, "connected")
	return wire.AppendBool(b, s.connected)
}

// Label names what a call asks for, for a log: the typeid and the method.
func (e *Engine) Label(c *Command) (typeid, method string) {
	o := &e.root
	if c.Object != 0 {
		if o = e.objects[c.Object]; o == nil {
			return "", string(c.Name)
		}
	}
	if m := o.Type.method(c.Method, c.Name); m != nil {
		return o.Type.Name, m.Name
	}
	return o.Type.Name, string(c.Name)
}
