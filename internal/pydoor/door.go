package pydoor

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// Session is the door's session with the engine for one authkey. Its methods
// are safe for concurrent use.
type Session interface {
	// ID returns the session's number.
	ID() uint64
	// Start makes a call of the command's Object, Method or Name, Timeout and
	// Args, and keeps nothing of it. It does not wait.
	Start(cmd *engine.Command) Call
	// Close ends the session: what it holds is given back.
	Close()
}

// Call is one call of a Session. It is used by one goroutine, and ends with
// Accept or Abandon; it must not be used afterwards.
type Call interface {
	// Ready gets one value when the reply has come.
	Ready() <-chan struct{}
	// Result returns the reply, once it has come.
	Result() (wire.Raw, error)
	// Accept says that the reply has reached its receiver.
	Accept()
	// Abandon says that nobody wants the reply: what the call took is given
	// back.
	Abandon()
}

// Config configures a Door. Its functions must be safe for concurrent use.
type Config struct {
	// Keys returns the keys that are accepted now. Passphrases among them are
	// passed over: Python proves the key itself.
	Keys func() []auth.Entry
	// Open opens the door's session for a key.
	Open func(e auth.Entry) (Session, error)
	// Refused is called before a stranger is told that its proof is wrong; it
	// may block for as long as the stranger is to wait.
	Refused func(ctx context.Context, remote string)
	// Reads reports whether a method of a type changes nothing, or is not known.
	// Nil: the engine alone says what a role may do.
	Reads func(typeid, method string) bool
	// Shutdown ends the server, as a client with the role admin asked.
	Shutdown func(key, remote string)
	// Logger gets the log. It must not be nil.
	Logger *slog.Logger

	// MaxMessage bounds one message in bytes, either way.
	MaxMessage int
	// MaxMemory bounds the bytes that messages which arrive, and what they are
	// decoded into, take at a time in all. 0: no bound.
	MaxMemory int64
	// Depth bounds the nesting of a value.
	Depth int
	// HandshakeTimeout bounds the time until the first request.
	HandshakeTimeout time.Duration

	Options
}

// Options are what operators choose. The zero value is Python's behaviour.
type Options struct {
	// RefuseMD5 turns away clients before Python 3.12, which prove the key
	// with HMAC-MD5.
	RefuseMD5 bool
	// Advertise is the address that tokens carry: "host:port" for clients that
	// came over TCP, a path for those of a unix socket. Empty: the address that
	// the client used.
	Advertise string
	// IdleReferences drops the references that Python programs hold to an
	// object which none of them has used for so long. 0: never.
	IdleReferences time.Duration
	// DropDeadProcesses drops the references of a process on this machine that
	// came over a unix socket, when the process is gone. Linux only.
	DropDeadProcesses bool
	// ReleaseHolds releases the locks that a connection holds so long after it
	// was closed. Negative: at once. 0: never, as in Python.
	ReleaseHolds time.Duration
}

// Door serves Python clients. Its methods are safe for concurrent use.
type Door struct {
	// Fixed at creation.
	config Config
	log    *slog.Logger
	large  chan struct{} // a place for each large message under way
	holds  *holds
	seat   *seat
	done   chan struct{} // closed by Close

	lastConn atomic.Uint64
	lastIter atomic.Uint64
	memory   atomic.Int64 // of Config.MaxMemory, in use

	mu       sync.Mutex          // guards what follows
	sessions map[string]*session // by rightsOf
	conns    map[*conn]struct{}
	custom   map[string]*family  // of types registered in Go
	missed   map[string]struct{} // classes whose instances were not found, that the log knows of
	closed   bool
}

// largeMessage is the size from which messages are decoded a few at a time.
const largeMessage = 1 << 20

// New returns a Door.
func New(config Config) *Door {
	d := &Door{
		config: config, log: config.Logger, large: make(chan struct{}, 4), done: make(chan struct{}), seat: newSeat(),
		sessions: make(map[string]*session), conns: make(map[*conn]struct{}), custom: make(map[string]*family), missed: make(map[string]struct{}),
	}
	d.holds = newHolds(d)
	if config.IdleReferences > 0 || config.DropDeadProcesses {
		go d.sweep()
	}
	return d
}

// session is the engine session of one key, and what its clients refer to.
type session struct {
	Session
	door  *Door
	entry auth.Entry
	refs  refTable
}

// enter lists a connection that proved the key of an entry, and gives it the
// session of that key, which is opened at first use.
//
// The key may have been removed or replaced since it was proved. Either that is
// seen here, or DropKeys, which is called after the keys have changed, finds the
// connection in the list: both hold the lock for all that they do.
func (d *Door) enter(c *conn, proved auth.Entry) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return wire.ErrShuttingDown
	}
	e, ok := d.current(proved)
	if !ok {
		return wire.Errorf(wire.CodeDenied, "key %q was removed", proved.Name)
	}
	rights := rightsOf(e)
	s := d.sessions[rights]
	if s == nil {
		es, err := d.config.Open(e)
		if err != nil {
			return err
		}
		s = &session{Session: es, door: d, entry: e}
		s.refs.init(s)
		d.sessions[rights] = s
	}
	c.session = s
	d.conns[c] = struct{}{}
	return nil
}

// current returns the entry as it is now, if its key is still the same.
func (d *Door) current(proved auth.Entry) (auth.Entry, bool) {
	was, ok := proved.Credential.(auth.Key)
	if !ok {
		return auth.Entry{}, false
	}
	for _, e := range d.config.Keys() {
		if is, ok := e.Credential.(auth.Key); ok && e.Name == proved.Name && is.Equal(was) {
			return e, true
		}
	}
	return auth.Entry{}, false
}

// Conns returns how many authenticated connections there are.
func (d *Door) Conns() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.conns)
}

// rightsOf tells sessions apart: a key that was given other rights gets another
// session.
func rightsOf(e auth.Entry) string {
	return e.Name + "\x00" + e.Role.String() + "\x00" + strings.Join(e.Prefixes, "\x00")
}

// owns reports whether the engine session is one of the door's.
func (d *Door) owns(id uint64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.sessions {
		if s.ID() == id {
			return true
		}
	}
	return false
}

// DropKeys ends the sessions and connections of keys that are no longer
// accepted.
func (d *Door) DropKeys(names []string) {
	d.mu.Lock()
	var out []*session
	for rights, s := range d.sessions {
		if slices.Contains(names, s.entry.Name) {
			delete(d.sessions, rights)
			out = append(out, s)
		}
	}
	var conns []*conn
	for c := range d.conns {
		if slices.Contains(out, c.session) {
			conns = append(conns, c)
		}
	}
	d.mu.Unlock()
	for _, c := range conns {
		c.net.Close()
	}
	for _, s := range out {
		s.refs.stop()
		s.Close()
	}
}

// Close closes all connections and ends the door's sessions. ServeConn refuses
// newcomers from then on.
func (d *Door) Close() {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return
	}
	d.closed = true
	close(d.done)
	conns := make([]*conn, 0, len(d.conns))
	for c := range d.conns {
		conns = append(conns, c)
	}
	sessions := d.sessions
	d.sessions = make(map[string]*session)
	d.mu.Unlock()
	for _, c := range conns {
		c.net.Close()
	}
	d.holds.stop()
	for _, s := range sessions {
		s.refs.stop()
		s.Close()
	}
}
