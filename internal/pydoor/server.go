package pydoor

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/pickle"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// serverRequest handles the one request of a connection that is not for a
// proxy. Errors are tracebacks, as in Python.
func (c *conn) serverRequest(req *request) error {
	if !isNone(req.ident) {
		return c.send(traceback("AssertionError", "the first request of a connection is one to the server: its ident is None"))
	}
	switch req.method {
	case "create":
		return c.create(req)
	case "shutdown":
		return c.shutdown()
	}
	return c.send(c.serverReply(req))
}

func (c *conn) serverReply(req *request) reply {
	one := func() (pickle.Node, error) {
		a, err := bind(req.method, params("argument"), req.args, req.kwds)
		if err != nil {
			return nil, err
		}
		return a[0], nil
	}
	switch req.method {
	case "dummy":
		return returned(pickle.None{})
	case "incref", "decref":
		a, err := one()
		if err == nil {
			err = c.count(textOf(a), req.method == "incref")
		}
		if err != nil {
			return tracebackOf(err)
		}
		return returned(pickle.None{})
	case "get_methods":
		a, err := one()
		if err != nil {
			return tracebackOf(err)
		}
		return c.getMethods(a)
	case "number_of_objects":
		n := 0
		for _, s := range c.door.allSessions() {
			n += s.refs.count()
		}
		return returned(pickle.Int(n))
	case "debug_info":
		if err := c.needAdmin("debug_info"); err != nil {
			return tracebackOf(err)
		}
		return returned(pickle.NewStr(c.door.debugInfo()))
	}
	return traceback("AssertionError", quote(req.method)+" unrecognized")
}

// needAdmin refuses what is for administrators.
func (c *conn) needAdmin(what string) error {
	if c.session.entry.Role.Allows(auth.RoleAdmin) {
		return nil
	}
	return wire.Errorf(wire.CodeDenied, "%s needs the role admin; key %q has %s", what, c.session.entry.Name, c.session.entry.Role)
}

func (c *conn) shutdown() error {
	if err := c.needAdmin("shutdown"); err != nil {
		return c.send(tracebackOf(err))
	}
	err := c.send(returned(pickle.None{}))
	c.door.config.Shutdown(c.session.entry.Name, c.remote)
	return err
}

// count changes the number of claims on an object.
func (c *conn) count(ident string, up bool) error {
	t := &c.session.refs
	ref, ok := parseIdent(ident)
	if !ok {
		if it := t.iterator(ident); it != nil {
			n := int64(1)
			if !up {
				n = -1
			}
			t.claimIterator(it, n)
			return nil
		}
		return &pyError{"KeyError", quote(ident)}
	}
	switch {
	case !up && !t.unclaim(ref, c.pid):
		return &pyError{"KeyError", quote(ident)}
	case up && !t.claim(ref, c.pid):
		if err := c.attach(ref); err != nil {
			return err
		}
		if !t.claim(ref, c.pid) {
			return &pyError{"KeyError", quote(ident)}
		}
	}
	return nil
}

func (c *conn) getMethods(n pickle.Node) reply {
	token, ok := pickle.AsToken(n)
	if !ok {
		return tracebackOf(typeError("get_methods() takes a Token, not %s", typeName(n)))
	}
	if ref, ok := parseIdent(token.ID); ok {
		return emitted(func(e *encoder) { e.names(c.door.familyOf(c, ref.TypeID).exposed) })
	}
	if c.session.refs.iterator(token.ID) != nil {
		return emitted(func(e *encoder) { e.names(iteratorExposed) })
	}
	return traceback("KeyError", quote(token.ID))
}

// create makes an object, or finds a named one, and answers (ident, exposed).
// The client has one claim on it, which it takes away itself.
func (c *conn) create(req *request) error {
	if len(req.args) == 0 {
		return c.send(tracebackOf(typeError("create() missing 1 required positional argument: 'typeid'")))
	}
	typeid, ok := req.args[0].(*pickle.Str)
	if !ok {
		return c.send(tracebackOf(typeError("a typeid is a str, not %s", typeName(req.args[0]))))
	}
	k := &invocation{conn: c, method: typeid.S, kwds: req.kwds, size: req.size}
	ref, err := k.make(typeid.S, req.args[1:])
	if k.gone != nil {
		return k.gone
	}
	if err != nil {
		if k.main != nil {
			k.main.Abandon() // an object that was found and is not wanted
		}
		return c.send(tracebackOf(err))
	}
	c.session.refs.granted(ref, 1, c.pid)
	exposed := c.door.familyOf(c, ref.TypeID).exposed
	_, err = c.deliver(emitted(func(e *encoder) {
		e.w.Str(formatIdent(ref))
		e.names(exposed)
		e.w.OpenTuple(2)
		e.w.CloseTuple(2)
	}))
	k.main.Accept()
	if err != nil {
		c.session.refs.unclaim(ref, c.pid)
	}
	return err
}

// needsPython are the types of Python's SyncManager that run the client's
// code in the server.
var needsPython = map[string]string{
	"Pool":        "a Pool runs Python functions, and this server runs no Python: use multiprocessing.Pool() in the client, or workers around a Queue",
	"AsyncResult": "AsyncResult belongs to Pool, which this server does not have",
}

// make finds what a typeid stands for: a registered type; else the object of
// that name; else, for get_NAME, the object NAME.
func (k *invocation) make(typeid string, args []pickle.Node) (wire.Ref, error) {
	if text, ok := needsPython[typeid]; ok {
		return wire.Ref{}, typeError("%s", text)
	}
	f := k.conn.door.familyOf(k.conn, typeid)
	known := k.conn.door.registered(typeid)
	var v wire.Raw
	var err error
	if e := k.conn.session.entry; known && !e.Role.Allows(auth.RoleWrite) {
		return wire.Ref{}, wire.Errorf(wire.CodeDenied, "creating a %s changes state; key %q may only read", typeid, e.Name)
	}
	if args, err = f.create(k, args, k.kwds); err != nil {
		return wire.Ref{}, err
	}
	v, err = k.create(typeid, args)
	// A key that may only read is not told which types there are.
	if errors.Is(err, wire.ErrUnknownType) || errors.Is(err, wire.ErrDenied) && !known {
		v, err = k.named(typeid)
		if errors.Is(err, wire.ErrNotFound) {
			err = &pyError{"KeyError", fmt.Sprintf("%s: no type and no object of that name on the server. A class that only Python has does not run there: docs/python.md, Classes of your own. A named object is made by mgrctl create NAME TYPEID, or managerd --create NAME=TYPEID", quote(typeid))}
		} else if err == nil && (len(args) > 0 || k.kwds.Len() > 0) {
			err = typeError("%s() is an object that exists; it takes no arguments", typeid)
		}
	}
	if err != nil {
		return wire.Ref{}, err
	}
	r, ok := wire.ParseRef(v.Bytes())
	if !ok {
		return wire.Ref{}, wire.Errorf(wire.CodeInternal, "create of %q gave no reference", typeid)
	}
	ref := r.Ref()
	if k.then != nil {
		// The keywords of dict(proxy, b=2) come after what is in the proxy.
		update := &invocation{conn: k.conn, ref: ref, family: f, method: "update", size: k.size, iterates: true}
		_, err = update.call("update", k.then)
		if update.main != nil {
			update.main.Accept()
		}
		if k.gone = update.gone; err != nil {
			return wire.Ref{}, err
		}
	}
	return ref, nil
}

func (k *invocation) create(typeid string, args []pickle.Node) (wire.Raw, error) {
	for len(args) > 0 && args[len(args)-1] == nil {
		args = args[:len(args)-1]
	}
	w := k.writer()
	w.b = wire.AppendStr(wire.AppendArrayHeader(w.b, 1+len(args)), typeid)
	for _, a := range args {
		if a == nil {
			a = pickle.None{}
		}
		if err := w.value(a); err != nil {
			return "", err
		}
	}
	return k.apply(&engine.Command{Method: engine.MethodCreate, Args: w.b}, forever)
}

// named looks an object up by its name, else by what follows get_ in it. A key
// with prefixes may open the second where it may not open the first.
func (k *invocation) named(name string) (wire.Raw, error) {
	v, err := k.lookup(name)
	short, ok := strings.CutPrefix(name, "get_")
	if ok && (errors.Is(err, wire.ErrNotFound) || errors.Is(err, wire.ErrDenied)) {
		return k.lookup(short)
	}
	return v, err
}

func (k *invocation) lookup(name string) (wire.Raw, error) {
	b := wire.AppendStr(wire.AppendArrayHeader(nil, 1), name)
	return k.apply(&engine.Command{Method: engine.MethodLookup, Args: b}, 0)
}

func (d *Door) allSessions() []*session {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]*session, 0, len(d.sessions))
	for _, s := range d.sessions {
		all = append(all, s)
	}
	return all
}

// debugInfo lists the objects as Python's server does.
func (d *Door) debugInfo() string {
	var lines []string
	for _, s := range d.allSessions() {
		rows := s.refs.rows()
		slices.SortFunc(rows, func(a, b refRow) int { return cmp.Or(cmp.Compare(a.ref.ID, b.ref.ID), cmp.Compare(a.ident, b.ident)) })
		for _, row := range rows {
			text := "<iterator>"
			if row.ref.ID != 0 {
				v, err := s.call(row.ref.ID, "repr", appendUints())
				if err != nil {
					text = "<" + err.Error() + ">"
				} else if t, err := wire.Decode(v.Bytes()); err == nil {
					text, _ = t.(string)
				}
			}
			if r := []rune(text); len(r) > 75 {
				text = string(r[:75])
			}
			lines = append(lines, fmt.Sprintf("  %s:       refcount=%d\n    %s", row.ident, row.claims, text))
		}
	}
	return strings.Join(lines, "\n")
}
