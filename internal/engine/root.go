package engine

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// root is the State of object 0, the server itself: the methods that make,
// find and release objects.
type root struct{ engine *Engine }

func (r root) Dump(b []byte) ([]byte, Rows)   { return b, nil }
func (r root) Repr() View                     { return Text("<manager server>") }
func (r root) Value() (wire.Raw, View)        { return rawNil, nil }
func (r root) Each(yield func(wire.Raw) bool) {}

// stageConstruct marks a call whose outside work makes the object c.N.
const stageConstruct = 255

// The numbers of the server's own methods; docs/protocol.md lists them.
const (
	MethodCreate = FirstMethod + iota
	MethodOpen
	MethodLookup
	MethodAttach
	MethodRemove
	MethodRelease
	MethodDescribeType
	MethodTypes
	MethodNames
	MethodObjects
	MethodSessions
	MethodInfo
	MethodKick
	MethodCollect
	MethodShutdown
	MethodWaiting
	MethodConnections
	MethodDisconnect
)

// ServerType returns the table of the server's own methods.
func ServerType() *Type {
	t := &Type{Name: "server", NoCreate: true, Methods: []Method{
		{Name: "create", Params: "typeid: str, *args", Result: "object", Flags: Grows, Fn: rootCreate},
		{Name: "open", Params: "name: str, typeid: str, *args", Result: "object", Flags: Parks | Anyone, Fn: rootOpen},
		{Name: "lookup", Params: "name", Result: "object", Flags: Reads, Fn: rootLookup},
		{Name: "attach", Params: "reference: ref", Result: "object", Flags: Reads, Fn: rootAttach},
		{Name: "remove", Params: "name", Result: "bool", Fn: rootRemove},
		{Name: "release", Params: "counts", Result: "None", Flags: Anyone, Fn: rootRelease},
		{Name: "describe_type", Params: "typeid: str", Result: "dict", Flags: Reads, Fn: rootDescribeType},
		{Name: "types", Result: "list", Flags: Reads, Fn: rootTypes},
		{Name: "names", Params: "prefix: str = '', after: str = '', limit: int = 1000, types=[], state=False", Result: "list", Flags: Reads, Fn: rootNames},
		{Name: "objects", Params: "after: uint = 0, limit: int = 1000, session: uint = 0, types=[], state=False", Result: "list", Flags: Reads | Admin, Fn: rootObjects},
		{Name: "sessions", Params: "after: uint = 0, limit: int = 1000", Result: "list", Flags: Reads | Admin, Fn: rootSessions},
		{Name: "info", Result: "dict", Flags: Reads, Fn: toServer},
		{Name: "kick", Params: "session: uint", Result: "bool", Flags: Admin, Fn: rootKick},
		{Name: "collect", Result: "int", Flags: Admin, Fn: rootCollect},
		{Name: "shutdown", Result: "None", Flags: Admin, Fn: toServer},
		{Name: "waiting", Params: "ident: uint", Result: "list", Flags: Reads | Admin, Fn: rootWaiting},
		{Name: "connections", Params: "after: uint = 0, limit: int = 1000", Result: "list", Flags: Reads | Admin, Fn: rootConnections},
		{Name: "disconnect", Params: "connection: uint", Result: "bool", Flags: Admin, Fn: rootDisconnect},
		{Name: "snapshot", Result: "None", Flags: Admin, Fn: toServer},
	}}
	if err := t.prepare(); err != nil {
		panic(err) // a bug that every test finds
	}
	return t
}

// act notes what the caller does to others or to the server, for the log.
func (c *Call) act(subject string) {
	fx, s := c.Object.engine.fx, c.Session
	fx.Acts = append(fx.Acts, Act{
		Session: s.ID, Key: s.Info.KeyName, Remote: s.Info.Remote, Program: s.Info.Program, Method: c.Method.Name, Subject: subject,
	})
}

// toServer hands a call to the program around the engine.
func toServer(o *Object, c *Call) {
	if c.Method.Flags&Admin != 0 {
		c.act("")
	}
	o.engine.startWork(c, Work{Method: c.Method, Args: c.Args.Rest()})
}

// rootConnections hands the listing of connections that are no sessions, those
// of other protocols' clients, to the program around the engine.
func rootConnections(o *Object, c *Call) {
	args := c.Args.Rest()
	c.Uint()
	if _, ok := page(c); !ok {
		return
	}
	o.engine.startWork(c, Work{Method: c.Method, Args: args})
}

func rootDisconnect(o *Object, c *Call) {
	args := c.Args.Rest()
	id := c.Uint()
	c.act(fmt.Sprintf("connection %d", id))
	o.engine.startWork(c, Work{Method: c.Method, Args: args})
}

// text takes a str argument and bounds it.
func text(c *Call, what string, most int) (string, bool) {
	s := c.Str()
	if len(s) > most {
		c.Fail(wire.Errorf(wire.CodeValue, "%s of %d bytes; at most %d", what, len(s), most))
		return "", false
	}
	return string(s), true
}

const (
	maxName   = 1024
	maxTypeID = 128
)

func rootCreate(o *Object, c *Call) {
	typeid, ok := text(c, "typeid", maxTypeID)
	if !ok {
		return
	}
	if t := o.engine.types[typeid]; t != nil && t.Singleton {
		if mayOpen(c, typeid) {
			o.engine.open(c, typeid, typeid)
		}
		return
	}
	t, err := o.engine.creatable(c, typeid)
	if err != nil {
		c.Fail(err)
		return
	}
	o.engine.construct(c, t, "")
}

// creatable finds the type and checks that the session may create one more.
func (e *Engine) creatable(c *Call, typeid string) (*Type, *wire.Error) {
	t := e.types[typeid]
	switch s := c.Session; {
	case t == nil:
		return nil, wire.Errorf(wire.CodeUnknownType, "typeid %q is not registered", typeid)
	case t.NoCreate:
		return nil, wire.Errorf(wire.CodeDenied, "typeid %q cannot be created by clients", typeid)
	case s.Info.Role < RoleWrite:
		return nil, wire.Errorf(wire.CodeDenied, "creating a %s changes state; key %q may only read", typeid, s.Info.KeyName)
	case e.config.MaxObjects > 0 && s.objects >= e.config.MaxObjects && s.limited():
		return nil, wire.Errorf(wire.CodeOverloaded, "this session has created %d objects that still live; the limit is %d", s.objects, e.config.MaxObjects)
	case e.config.MaxBytes > 0 && e.bytes >= e.config.MaxBytes:
		return nil, wire.Errorf(wire.CodeOverloaded, "the server holds %d bytes; the limit is %d; nothing may be created", e.bytes, e.config.MaxBytes)
	}
	if err := e.room(c.Session, 0); err != nil {
		return nil, err
	}
	return t, nil
}

// room checks that the session may hold one more object, unless it holds that
// one already.
func (e *Engine) room(s *Session, id uint64) *wire.Error {
	if _, ok := s.refs[id]; ok || e.config.MaxRefs <= 0 || len(s.refs) < e.config.MaxRefs || !s.limited() {
		return nil
	}
	return wire.Errorf(wire.CodeOverloaded, "this session holds %d objects; the limit is %d", len(s.refs), e.config.MaxRefs)
}

// giveRef replies with a reference to an object that is there.
func (e *Engine) giveRef(c *Call, o *Object) {
	if err := e.room(c.Session, o.ID); err != nil {
		c.Fail(err)
		return
	}
	c.ReturnBytes(o.AppendRef(nil))
}

// construct makes an object from the call's remaining arguments and replies
// with a reference to it. With a name, the object is entered under it.
func (e *Engine) construct(c *Call, t *Type, name string) {
	c.Args.Restart()
	c.sig = t.Takes
	if err := t.Takes.check(&c.Args); err != nil {
		c.Fail(wrongArgs(t.Name, t.Params, err))
		return
	}
	o := e.newObject(t, c.Session)
	if name != "" {
		e.addName(name, o)
	}
	o.pin() // until the reply has granted the reference
	if t.Outside {
		o.State = outside{o}
		o.busy = c
		c.Stage, c.N = stageConstruct, int64(o.ID)
		e.startWork(c, Work{Type: t, Object: o.ID, Construct: true, Args: c.Args.Rest()})
		return
	}
	if err := e.make(o, c); err != nil {
		e.unmake(o)
		if we, ok := err.(*wire.Error); ok {
			c.Fail(we)
		} else {
			c.Fail(wrongArgs(t.Name, t.Params, err))
		}
		return
	}
	c.ReturnBytes(o.AppendRef(nil))
	e.unpin(o)
}

// unmake takes back an object whose construction failed.
func (e *Engine) unmake(o *Object) {
	if o.Name != "" && !o.removed {
		e.names.Delete(o.Name)
		o.removed = true // somebody may have looked it up meanwhile
		e.unpin(o)
	}
	e.unpin(o)
}

// constructed is the end of construct for an outside type.
func (e *Engine) constructed(c *Call, o *Object, err *wire.Error) {
	if err != nil {
		e.unmake(o)
		c.Fail(err)
		return
	}
	c.Stage = 0
	c.ReturnBytes(o.AppendRef(nil))
	e.unpin(o)
}

func rootOpen(o *Object, c *Call) {
	name, ok := text(c, "name", maxName)
	if !ok {
		return
	}
	typeid, ok := text(c, "typeid", maxTypeID)
	if !ok {
		return
	}
	if name == "" {
		c.Fail(wire.Errorf(wire.CodeValue, "an empty name; a named object needs one"))
		return
	}
	if mayOpen(c, name) {
		o.engine.open(c, name, typeid)
	}
}

// open replies with the named object, which is made if there is none.
func (e *Engine) open(c *Call, name, typeid string) {
	named := e.named(name)
	if named == nil {
		if t := e.types[name]; t != nil && !t.Singleton {
			c.Fail(wire.Errorf(wire.CodeValue, "the name %q is a typeid: a Python program that asks for %s() gets an object of its own, not this one; choose another name", name, name))
			return
		}
		t, err := e.creatable(c, typeid)
		if err != nil {
			c.Fail(err)
			return
		}
		e.construct(c, t, name)
		return
	}
	if named.Type.Name != typeid {
		c.Fail(wire.Errorf(wire.CodeType, "object %q is a %s, not a %s", name, named.Type.Name, typeid))
		return
	}
	if named.busy != nil && named.busy.Stage == stageConstruct {
		// Somebody else is making it: wait, and look again.
		if c.Method.number == MethodOpen {
			c.args = reopenArgs(c, name, typeid)
		} else {
			c.args = reopenArgs(c, typeid)
		}
		c.queue(named)
		return
	}
	e.giveRef(c, named)
}

// reopenArgs builds the arguments of a call again, for when it is run later.
func reopenArgs(c *Call, taken ...string) []byte {
	rest := c.Args.Rest()
	r, _ := wire.NewReader(rest)
	b := wire.AppendArrayHeader(nil, r.NArgs()+len(taken))
	for _, s := range taken {
		b = wire.AppendStr(b, s)
	}
	for r.More() {
		b = append(b, r.Next()...)
	}
	return b
}

// mayOpen checks the name against the key's prefixes.
func mayOpen(c *Call, name string) bool {
	prefixes := c.Session.Info.Prefixes
	if len(prefixes) == 0 {
		return true
	}
	for _, p := range prefixes {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	c.Fail(wire.Errorf(wire.CodeDenied, "key %q may open names that begin with %s, not %q", c.Session.Info.KeyName, strings.Join(prefixes, ", "), name))
	return false
}

func rootLookup(o *Object, c *Call) {
	if found := o.engine.find(c); found != nil {
		o.engine.giveRef(c, found)
	}
}

// find takes the name of an object, or, from an admin, the id of any. It fails the
// call if there is none.
func (e *Engine) find(c *Call) *Object {
	if c.Args.Type() == wire.TypeInt {
		id, err := c.Args.Uint()
		switch o := e.objects[id]; {
		case err != nil:
			c.Fail(err)
		case c.Session.Info.Role < RoleAdmin:
			c.Fail(wire.Errorf(wire.CodeDenied, "objects are found by id by admins; key %q is none", c.Session.Info.KeyName))
		case o == nil || o.removed:
			c.Fail(wire.Errorf(wire.CodeNotFound, "no object %d", id))
		default:
			return o
		}
		return nil
	}
	peek := c.Args
	if _, err := peek.Str(); err != nil {
		c.Fail(err)
		return nil
	}
	name, ok := text(c, "name", maxName)
	if !ok || !mayOpen(c, name) {
		return nil
	}
	named := e.named(name)
	if named == nil {
		c.Fail(wire.Errorf(wire.CodeNotFound, "no object named %q", name))
	}
	return named
}

func rootAttach(o *Object, c *Call) {
	o.engine.giveRef(c, c.Ref())
}

func rootRemove(o *Object, c *Call) {
	found := o.engine.find(c)
	if found == nil {
		return
	}
	if found.Name == "" {
		c.act(fmt.Sprintf("%s %d", found.Type.Name, found.ID))
	} else {
		c.act(found.Type.Name + " " + strconv.Quote(found.Name))
	}
	o.engine.dropName(found)
	c.ReturnBool(true)
}

// rootRelease takes [id, count, id, count, ...].
func rootRelease(o *Object, c *Call) {
	r, err := wire.NewReader(c.Value())
	if err != nil || r.NArgs()%2 != 0 {
		c.Fail(wire.Errorf(wire.CodeType, "release: the counts are a list of ident, count, ident, count"))
		return
	}
	check := r
	for check.More() {
		if _, err := check.Uint(); err != nil {
			c.Fail(err)
			return
		}
	}
	for r.More() {
		id, _ := r.Uint()
		n, _ := r.Uint()
		c.Session.release(o.engine, id, int64(min(n, 1<<62)))
	}
	c.ReturnNil()
}

func rootDescribeType(o *Object, c *Call) {
	typeid, ok := text(c, "typeid", maxTypeID)
	if !ok {
		return
	}
	t := o.engine.types[typeid]
	if typeid == "server" {
		t = o.Type
	}
	if t == nil {
		c.Fail(wire.Errorf(wire.CodeUnknownType, "typeid %q is not registered", typeid))
		return
	}
	c.ReturnBytes(describe(nil, t))
}

func rootTypes(o *Object, c *Call) {
	names := make([]string, 0, len(o.engine.types))
	for name := range o.engine.types {
		names = append(names, name)
	}
	slices.Sort(names)
	b := wire.AppendArrayHeader(nil, len(names))
	for _, name := range names {
		b = wire.AppendStr(b, name)
	}
	c.ReturnBytes(b)
}

func rootKick(o *Object, c *Call) {
	id := c.Uint()
	s := o.engine.sessions[id]
	switch {
	case s == nil:
		c.Fail(wire.Errorf(wire.CodeNotFound, "no session %d", id))
	case s == c.Session:
		c.Fail(wire.Errorf(wire.CodeValue, "session %d is your own; close it instead", id))
	case s.Info.Trusted:
		c.Fail(wire.Errorf(wire.CodeDenied, "session %d is the server's own", id))
	default:
		c.act(fmt.Sprintf("session %d (key %q, program %q, remote %s)", s.ID, s.Info.KeyName, s.Info.Program, s.Info.Remote))
		o.engine.endSession(s, wire.Errorf(wire.CodeSessionExpired, "session %d was ended by an administrator (session %d)", id, c.Session.ID))
		c.ReturnBool(true)
	}
}

func rootCollect(o *Object, c *Call) {
	c.act("")
	before := len(o.engine.objects)
	o.engine.collect()
	o.engine.bury()
	c.ReturnInt(int64(before - len(o.engine.objects)))
}

// Stats counts what the engine holds.
type Stats struct {
	Sessions, Objects, Names, Parked, Running int
	Bytes                                     int64
	Now                                       int64
}

// Stats returns the counts.
func (e *Engine) Stats() Stats {
	return Stats{
		Sessions: len(e.sessions), Objects: len(e.objects), Names: e.names.Len(), Parked: e.parked,
		Running: len(e.work), Bytes: e.bytes, Now: e.now,
	}
}

// AppendProxyName appends what Python prints for a proxy inside a container.
func AppendProxyName(b []byte, r wire.Ref) []byte {
	b = append(b, '<')
	b = append(b, proxyClass(r.TypeID)...)
	b = append(b, " object, typeid '"...)
	b = append(b, r.TypeID...)
	b = append(b, "' at 0x"...)
	b = strconv.AppendUint(b, r.ID, 16)
	return append(b, '>')
}

// proxyClass returns the name of Python's proxy class for the typeid
// (Lib/multiprocessing/managers.py, the SyncManager.register calls).
func proxyClass(typeid string) string {
	switch typeid {
	case "dict":
		return "DictProxy"
	case "list":
		return "ListProxy"
	case "set":
		return "SetProxy"
	case "Lock", "RLock", "Semaphore", "BoundedSemaphore":
		return "AcquirerProxy"
	case "Condition":
		return "ConditionProxy"
	case "Event":
		return "EventProxy"
	case "Barrier":
		return "BarrierProxy"
	case "Namespace":
		return "NamespaceProxy"
	case "Value":
		return "ValueProxy"
	case "Array":
		return "ArrayProxy"
	case "Iterator":
		return "IteratorProxy"
	}
	return "AutoProxy[" + typeid + "]"
}
