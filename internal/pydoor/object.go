package pydoor

import (
	"errors"
	"fmt"
	"time"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/pickle"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// invocation is one call of a method by a client. It may take several calls of
// the engine; the reply of the last is the client's, and is given back if it
// does not reach it.
type invocation struct {
	conn   *conn
	ref    wire.Ref
	family *family
	method string
	kwds   *pickle.Dict
	size   int // of the message

	iterates  bool // arguments are iterables
	handsOver bool // arguments go to one receiver, once

	then pickle.Node // what a dict that was created is updated with

	main Call
	gone error // the client is gone
}

// objectRequest handles one request on an object. Its error ends the
// connection.
func (c *conn) objectRequest(req *request) error {
	ident := textOf(req.ident)
	ref, ok := parseIdent(ident)
	if !ok {
		if it := c.session.refs.iterator(ident); it != nil {
			return c.send(c.iterate(it, req))
		}
		return c.send(traceback("KeyError", quote(ident)))
	}
	if !c.session.refs.known(ref) {
		// It was dropped here, and lives: named, or inside a container.
		if err := c.attach(ref); err != nil {
			return c.send(tracebackOf(err))
		}
	}
	k := &invocation{conn: c, ref: ref, family: c.door.familyOf(c, ref.TypeID), method: req.method, kwds: req.kwds, size: req.size}
	r := k.run(req.args)
	if k.gone != nil {
		return k.gone
	}
	complete, err := c.deliver(r)
	if k.main != nil {
		if complete {
			k.main.Accept()
		} else {
			k.main.Abandon()
		}
	}
	return err
}

// attach makes the session hold an object for a while.
func (c *conn) attach(ref wire.Ref) error {
	args := wire.AppendRef(wire.AppendArrayHeader(nil, 1), ref)
	call := c.session.Start(&engine.Command{Method: engine.MethodAttach, Args: args})
	<-call.Ready()
	_, err := call.Result()
	call.Accept()
	if err == nil {
		c.session.refs.handOut([]wire.Ref{ref})
	}
	return err
}

// run finds the method and runs it.
func (k *invocation) run(args []pickle.Node) reply {
	m, ok := k.family.methods[k.method]
	if !ok {
		switch k.method {
		case "__str__", "__repr__":
			if k.family.repr != nil {
				return k.family.repr(k)
			}
			return k.result(k.call("repr"))
		case "#GETVALUE":
			return k.family.getvalue(k)
		}
		return k.notExposed()
	}
	if m.raw {
		return m.run(k, args)
	}
	bound, err := bind(k.method, m.params, args, k.kwds)
	if err != nil {
		return raised(err)
	}
	return m.run(k, bound)
}

func (k *invocation) notExposed() reply {
	return traceback("AttributeError", fmt.Sprintf("method %s of a %s is not exposed; there are %s",
		quote(k.method), k.ref.TypeID, quoteAll(k.family.exposed)))
}

// call makes a call of the engine that does not wait.
func (k *invocation) call(method string, args ...pickle.Node) (wire.Raw, error) {
	return k.wait(method, 0, args...)
}

// wait makes a call of the engine that waits for as long as timeout. Trailing
// nil arguments are left out; a nil between others is None.
func (k *invocation) wait(method string, timeout time.Duration, args ...pickle.Node) (wire.Raw, error) {
	if err := k.mayCall(method); err != nil {
		return "", err
	}
	b, err := k.encode(args)
	if err != nil {
		return "", err
	}
	v, err := k.start(method, timeout, b)
	if len(args) > 0 && (errors.Is(err, wire.ErrKey) || err == nil && method == "contains" && !success(v)) {
		k.missed(args[0])
	}
	return v, err
}

// mayCall refuses what the client's role forbids, before its arguments are written
// out. The engine checks again.
func (k *invocation) mayCall(method string) error {
	e := k.conn.session.entry
	if e.Role.Allows(auth.RoleWrite) || k.conn.door.config.Reads == nil || k.conn.door.config.Reads(k.ref.TypeID, method) {
		return nil
	}
	return wire.Errorf(wire.CodeDenied, "%s.%s changes state; key %q may only read", k.ref.TypeID, method, e.Name)
}

// maxMissed bounds the classes that are remembered for having been logged.
const maxMissed = 1000

// missed tells the log, once for each class, of an instance that was not found:
// its class may compare in a way that the server cannot know.
func (k *invocation) missed(key pickle.Node) {
	o, ok := key.(*pickle.Object)
	if !ok || standsFor(o) != nil || (&inward{depth: 2}).plain(o) {
		return
	}
	d, class := k.conn.door, clipped(knownAs(o))
	d.mu.Lock()
	_, told := d.missed[class]
	if !told && len(d.missed) < maxMissed {
		d.missed[class] = struct{}{}
	} else {
		told = true
	}
	d.mu.Unlock()
	if !told {
		d.log.Info("an instance of a Python class was not found; it is compared by class and attributes, without its __eq__: docs/python.md, Equality",
			"class", class, "object", k.ref.ID, "typeid", k.ref.TypeID, "remote", k.conn.remote)
	}
}

// encode encodes arguments.
func (k *invocation) encode(args []pickle.Node) ([]byte, error) {
	for len(args) > 0 && args[len(args)-1] == nil {
		args = args[:len(args)-1]
	}
	w := k.writer()
	w.b = wire.AppendArrayHeader(w.b, len(args))
	for _, a := range args {
		if a == nil {
			a = pickle.None{}
		}
		if err := w.value(a); err != nil {
			return nil, err
		}
	}
	return w.b, nil
}

// writer returns a writer of arguments, in the connection's memory.
func (k *invocation) writer() *inward {
	w := k.conn.writer(k.size)
	w.entries, w.most = k.iterates, k.conn.door.config.MaxMessage
	w.handsOver = k.handsOver
	return w
}

func (c *conn) writer(size int) *inward {
	if size >= ownedArgs && cap(c.args) < size {
		c.args = make([]byte, 0, size) // the engine will take it over
	}
	return &inward{session: c.session, depth: c.door.config.Depth - 2, limit: treeLimit(size, c.door.config.MaxMessage), b: c.args[:0]}
}

// ownedArgs is the size from which the engine takes arguments over instead of
// copying what it keeps.
const ownedArgs = 8 << 10

// start makes a call of the engine with encoded arguments.
func (k *invocation) start(method string, timeout time.Duration, args []byte) (wire.Raw, error) {
	cmd := engine.Command{Object: k.ref.ID, Name: []byte(method), Args: args}
	return k.apply(&cmd, timeout)
}

func (k *invocation) apply(cmd *engine.Command, timeout time.Duration) (wire.Raw, error) {
	c := k.conn
	if timeout != forever {
		cmd.HasTimeout, cmd.Timeout = true, int64(timeout)
	}
	switch {
	case len(cmd.Args) >= ownedArgs:
		cmd.Owned, c.args = true, nil
	case cap(cmd.Args) <= keepBuffer:
		c.args = cmd.Args[:0]
	}
	if k.main != nil {
		k.main.Accept()
	}
	k.main = c.session.Start(cmd)
	if err := c.await(k.main); err != nil {
		k.main.Abandon()
		k.main, k.gone = nil, err
		return "", err
	}
	return k.main.Result()
}

// result makes the reply of a call's result.
func (k *invocation) result(v wire.Raw, err error) reply {
	if err != nil {
		return raised(err)
	}
	return returnedValue(v)
}

// emitted makes a reply whose value a function writes.
func emitted(write func(e *encoder)) reply { return reply{kind: kindReturn, emit: write} }

// done makes the reply of a call whose result does not matter.
func (k *invocation) done(_ wire.Raw, err error) reply {
	if err != nil {
		return raised(err)
	}
	return returned(pickle.None{})
}

// success makes the reply of an acquire: a token, or False.
func success(v wire.Raw) bool { return wire.Truth(v.Bytes()) }

// quote returns what Python's repr prints for a text.
func quote(s string) string { return string(wire.AppendRepr(nil, wire.AppendStr(nil, s), nil)) }

func quoteAll(names []string) string {
	out := "("
	for i, n := range names {
		if i > 0 {
			out += ", "
		}
		out += quote(n)
	}
	return out + ")"
}
