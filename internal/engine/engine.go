package engine

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"runtime/debug"

	"github.com/tidwall/btree"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// Engine is the state machine. Only Apply changes it. It is not safe for
// concurrent use.
type Engine struct {
	// Fixed after configuration.
	config Config
	types  map[string]*Type
	idents cipher.Block

	// The state.
	now       int64
	sessions  map[uint64]*Session
	lastID    uint64 // of sessions, objects and work
	lastPlace uint64 // see nextPlace
	fence     uint64
	objects   map[uint64]*Object
	all       List[Object] // in the order of their creation
	refer     List[Object] // those that keep references
	names     btree.Map[string, *Object]
	work      map[uint64]*Call
	computing List[Call]   // of work, those whose replies are made outside, oldest first
	frozen    List[Object] // pinned by nothing; such work may refer to them
	timers    timers
	parked    int
	runs      int // of work
	term      uint64
	tables    []TypeTable // as OpTypes said, or nil
	bytes     int64
	root      Object // object 0: the server itself

	notState
}

// notState is what the engine needs, and no dump shows.
type notState struct {
	ending bool // OpShutdown came

	// Scratch.
	gap       int64 // of the OpTakeover at hand
	fx        *Effects
	dead      []*Object // to be destroyed at the end of the command
	free      *Call     // unused calls
	freeAwait *Await    // unused ones
}

// New returns an empty engine that knows the types. It must be configured
// before it is used.
func New(types ...*Type) *Engine {
	e := &Engine{
		types:    make(map[string]*Type),
		sessions: make(map[uint64]*Session),
		objects:  make(map[uint64]*Object),
		work:     make(map[uint64]*Call),
	}
	e.root = Object{engine: e, Type: ServerType(), State: root{e}, pins: 1}
	for _, t := range types {
		if err := e.AddType(t); err != nil {
			panic(err) // the built-in table is wrong: a bug found by every test
		}
	}
	return e
}

// AddType makes a type known. Types belong to the program, not to the state:
// they must be added in the same way before a log is replayed.
func (e *Engine) AddType(t *Type) error {
	if t.Name == "" || len(t.Name) > 128 {
		return wire.Errorf(wire.CodeValue, "typeid %q: a typeid has 1 to 128 bytes", t.Name)
	}
	if _, ok := e.types[t.Name]; ok {
		return wire.Errorf(wire.CodeExists, "typeid %q is registered already", t.Name)
	}
	if err := t.prepare(); err != nil {
		return wire.Errorf(wire.CodeValue, "%v", err)
	}
	e.types[t.Name] = t
	return nil
}

// Type returns the type of that name, or nil.
func (e *Engine) Type(name string) *Type { return e.types[name] }

// Session returns the session of that id, or nil.
func (e *Engine) Session(id uint64) *Session { return e.sessions[id] }

// Apply applies one command and appends to fx what it asks for. An error means
// that the command was refused as a whole and changed nothing: an unknown
// session, an epoch that is past, a message that no honest client sends.
func (e *Engine) Apply(c *Command, fx *Effects) error {
	if c.Op == OpTakeover {
		e.gap = max(c.Now-e.now, 0)
	}
	e.now = max(e.now, c.Now)
	e.fx = fx
	err := e.apply(c)
	if len(e.dead) > 0 {
		e.bury()
	}
	e.fx = nil
	return err
}

func (e *Engine) apply(c *Command) error {
	switch c.Op {
	case OpCall:
		return e.call(c)
	case OpConfigure:
		return e.configure(c.Config)
	case OpOpen:
		return e.openSession(c.Open)
	case OpTick:
		e.tick()
		return nil
	case OpComplete:
		return e.complete(c)
	case OpCollect:
		e.collect()
		return nil
	case OpShutdown:
		e.shutdown()
		return nil
	case OpTakeover:
		e.takeover(c)
		return nil
	case OpTypes:
		return e.setTables(c.Types)
	}
	s := e.sessions[c.Session]
	if s == nil {
		return wire.Errorf(wire.CodeSessionExpired, "session %d is unknown or has expired", c.Session)
	}
	switch c.Op {
	case OpResume:
		e.resume(s)
	case OpLose:
		if s.Epoch != c.Epoch {
			return errEpoch
		}
		e.lose(s)
	case OpExpire:
		if s.Epoch != c.Epoch {
			return errEpoch
		}
		e.endSession(s, wire.Errorf(wire.CodeSessionExpired, "session %d has expired: nothing was heard of it for its whole lease", s.ID))
	case OpClose, OpCancel, OpAck:
		if c.Epoch != 0 && c.Epoch != s.Epoch {
			return errEpoch
		}
		switch c.Op {
		case OpClose:
			e.endSession(s, nil)
		case OpCancel:
			e.cancel(s, c.Serial, c.Abandon)
		case OpAck:
			return s.ack(e, c.Acked, c.Ranges)
		}
	case OpRegrant:
		e.regrant(s, c.Open)
	default:
		return wire.Errorf(wire.CodeInternal, "unknown command %d", c.Op)
	}
	return nil
}

var errEpoch = wire.Errorf(wire.CodeRuntime, "the session was resumed or lost since")

func (e *Engine) configure(cfg *Config) error {
	was := e.config
	if e.idents == nil {
		if cfg.IDBits > 16 || cfg.Slot>>cfg.IDBits != 0 {
			return wire.Errorf(wire.CodeValue, "slot %d in %d bits of ids", cfg.Slot, cfg.IDBits)
		}
		block, err := aes.NewCipher(cfg.Seed[:])
		if err != nil {
			return err
		}
		e.idents = block
		e.fence = cfg.FenceBase
		e.lastID = cfg.Slot
		was = *cfg
	}
	e.config = *cfg
	e.config.Seed, e.config.FenceBase, e.config.IDBits, e.config.Slot = was.Seed, was.FenceBase, was.IDBits, was.Slot
	return nil
}

// id returns the next id.
func (e *Engine) id() uint64 {
	e.lastID += 1 << e.config.IDBits
	return e.lastID
}

// nextPlace returns the next number of an order: of parked calls and kept
// replies, and of the objects that hold references.
func (e *Engine) nextPlace() uint64 {
	e.lastPlace++
	return e.lastPlace
}

// secret returns the unguessable part of an object's ident: the id, enciphered
// under the seed.
func (e *Engine) secret(id uint64) uint64 {
	var block [aes.BlockSize]byte
	binary.BigEndian.PutUint64(block[:], id)
	e.idents.Encrypt(block[:], block[:])
	return binary.BigEndian.Uint64(block[:])
}

// Fence returns the next fencing token. Tokens only grow.
func (e *Engine) Fence() uint64 {
	e.fence++
	return e.fence
}

// Now returns the time of the command that is being applied, in nanoseconds.
func (e *Engine) Now() int64 { return e.now }

// MaxItems returns the limit on the entries of one container, or 0.
func (e *Engine) MaxItems() int { return e.config.MaxItems }

// guarded runs a handler. A panic poisons the object and fails the call.
func (e *Engine) guarded(o *Object, c *Call, fn func(o *Object, c *Call)) {
	method := c.Method.Name // c may be recycled by the time of a panic
	defer func() {
		if p := recover(); p != nil {
			e.poison(o, method, p)
			switch {
			case c.Method == nil: // answered, and forgotten
			case c.state == callRunning:
				c.Fail(poisonedError(o))
			case c.state == callParked:
				e.depart(c, LeaveRemoved)
			}
		}
	}()
	fn(o, c)
}

// safely runs what a type does outside of a call.
func (e *Engine) safely(o *Object, what string, fn func()) {
	if o.poisoned {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			e.poison(o, what, p)
		}
	}()
	fn()
}

// serve gives the object's waiters what is there.
func (e *Engine) serve(o *Object) {
	if w, ok := o.State.(Waitable); ok {
		e.safely(o, "Serve", func() { w.Serve(o) })
	}
}

// make runs the type's constructor. A panic in it is an error of the call: no
// object but the new one, which the caller gives up, can have been damaged.
func (e *Engine) make(o *Object, c *Call) (err error) {
	defer func() {
		if p := recover(); p != nil {
			e.panicked(o, "New", p)
			o.State = nil
			// Not the panic's text, which may have addresses in it.
			err = wire.Errorf(wire.CodeInternal, "%s(): a bug in the server; its log has more", o.Type.Name)
		}
	}()
	return o.Type.New(o, c)
}

func (e *Engine) panicked(o *Object, method string, p any) {
	e.fx.Panics = append(e.fx.Panics, Panic{
		Object: o.ID, Type: o.Type.Name, Method: method, Value: fmt.Sprint(p), Stack: debug.Stack(),
	})
}

// poison marks an object whose state cannot be trusted: whoever waits for it or
// holds it hears of it. The server itself has no state to damage.
func (e *Engine) poison(o *Object, method string, p any) {
	e.panicked(o, method, p)
	if o == &e.root || o.poisoned {
		return
	}
	o.poisoned = true
	o.dismiss(LeaveRemoved)
	o.loseHolds()
	o.WakeAt(0)
}

func poisonedError(o *Object) *wire.Error {
	return wire.Errorf(wire.CodeInternal, "a bug in the server has damaged object %d (%s); it can only be released or removed", o.ID, o.Type.Name)
}

// named returns the object of that name, or nil.
func (e *Engine) named(name string) *Object {
	o, _ := e.names.Get(name)
	return o
}

// addName enters a name; the caller has made sure that it is free.
func (e *Engine) addName(name string, o *Object) {
	e.names.Set(name, o)
	o.Name = name
	o.pin()
}

// dropName takes a name away; parked calls of the object fail.
func (e *Engine) dropName(o *Object) {
	o.removed = true
	if o.Name != "" {
		e.names.Delete(o.Name)
		defer e.unpin(o)
	}
	o.dismiss(LeaveRemoved)
	o.loseHolds()
	o.WakeAt(0)
}
