package managers

import (
	"log/slog"
	"math"
	"time"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/internal/engine"
)

// Config configures a server. The zero value of every field but the keys
// works. It must not be changed once NewServer has it.
type Config struct {
	// AuthKey is the key of a server with one key; it has the name "default" and
	// the role admin. Either AuthKey or Keyring is set, not both.
	AuthKey auth.Credential
	// Keyring holds several keys with names, roles and prefixes.
	Keyring *auth.Keyring

	// Lease is how long a session outlives its connection, and how long a
	// silent peer is believed to be alive. 0 means DefaultLease. A client may
	// ask for a shorter one, down to MinLease, or for a longer one, up to
	// MaxLease.
	Lease time.Duration

	// MaxMessage bounds one message in bytes, either way. 0 means
	// DefaultMaxMessage.
	MaxMessage int
	// MaxUnsent is how many bytes may wait for a client: above it, its calls wait
	// until it has read half of that. A client that reads nothing for its lease is
	// cut off. 0 means DefaultMaxUnsent.
	MaxUnsent int
	// MaxStrangers bounds the connections that have not authenticated yet. 0
	// means DefaultMaxStrangers.
	MaxStrangers int
	// HandshakeTimeout bounds how long a stranger may take. 0 means
	// DefaultHandshakeTimeout.
	HandshakeTimeout time.Duration
	// Limits bounds what sessions may use. A zero field means its default; a
	// negative one means no limit.
	Limits Limits

	// Python says how Python clients are served, after ListenPython.
	Python PythonConfig

	// Durability keeps the state beyond the life of the process; see package
	// managers/durable. Nil: the state is in memory alone, and ends with the server.
	// The server closes it when it ends.
	Durability Durability
	// Fatal is called when the log has failed: what is on disk is not known then,
	// nothing more is acknowledged, and the process must end at once. Nil: the server
	// panics.
	Fatal func(error)

	// ShutdownGrace is how long methods that run may take to finish when the
	// server ends. 0 means DefaultShutdownGrace.
	ShutdownGrace time.Duration

	// HeapReserve is memory, in bytes, that is reserved and never touched, so that
	// it costs addresses and no memory. The garbage collector counts it as live: a
	// server that holds little would otherwise be collected many times a second
	// under load. It is for programs that are a server and nothing else.
	HeapReserve int

	// Errors are errors that methods of registered types return, by codes. The
	// code travels in the place of the Go type of an error that is or wraps one
	// of them (the first by the alphabet if it is several), so that a client with
	// the same codes in proxy.Config.Errors can tell it with errors.Is:
	//
	//	var errs = map[string]error{"no_account": ErrNoAccount} // in a package that both import
	Errors map[string]error

	// Logger gets the server's log. Nil: nothing is logged. Calls are traced
	// at slog.LevelDebug.
	Logger *slog.Logger

	// Version is what clients are told, e.g. "managerd 1.0". Empty: the
	// library's name.
	Version string

	// observe, when set, sees each command. For tests.
	observe func(e *engine.Engine, c *engine.Command, fx *engine.Effects) error
}

// Limits bounds what sessions may use.
type Limits struct {
	Sessions    int   // sessions at a time
	PerAddress  int   // of them from one address: an IPv4 address, an IPv6 /64 network, or all local sockets
	Strangers   int   // connections from one address that have not authenticated yet; the oldest makes room
	Failures    int   // failed attempts to authenticate from one address, until none has failed for 10 minutes; then it is turned away
	Depth       int   // nesting of a value
	Outstanding int   // calls of a session without a reply
	Parked      int   // calls of a session that wait
	Kept        int   // bytes of a session's replies that are not acknowledged
	Objects     int   // objects that a session created and that still live
	References  int   // objects that a session holds
	Items       int   // entries of one container
	Bytes       int64 // what all objects and calls take, by the engine's count
}

// The defaults of Config.
const (
	DefaultLease            = 15 * time.Second
	MinLease                = time.Second
	MaxLease                = 10 * time.Minute
	DefaultMaxMessage       = 256 << 20
	DefaultMaxUnsent        = 64 << 20
	DefaultMaxStrangers     = 1024
	DefaultHandshakeTimeout = 10 * time.Second
	DefaultShutdownGrace    = 5 * time.Second
	DefaultPerAddress       = engine.DefaultMaxSessions / 2
	DefaultStrangers        = DefaultMaxStrangers / 2
	DefaultFailures         = auth.DefaultFailures
)

// maxLibrary is what clients are told when Config.Version is empty.
const libraryVersion = "syncmanager"

func (c *Config) setDefaults() {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&c.Lease, DefaultLease)
	def(&c.HandshakeTimeout, DefaultHandshakeTimeout)
	def(&c.ShutdownGrace, DefaultShutdownGrace)
	num := func(n *int, v int) {
		if *n <= 0 {
			*n = v
		}
	}
	num(&c.MaxMessage, DefaultMaxMessage)
	num(&c.MaxUnsent, DefaultMaxUnsent)
	num(&c.MaxStrangers, DefaultMaxStrangers)
	bound := func(n *int, v int) {
		switch {
		case *n == 0:
			*n = v
		case *n < 0:
			*n = math.MaxInt
		}
	}
	bound(&c.Limits.PerAddress, DefaultPerAddress)
	bound(&c.Limits.Strangers, DefaultStrangers)
	bound(&c.Limits.Failures, DefaultFailures)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Version == "" {
		c.Version = libraryVersion
	}
}

// engineConfig returns the engine's limits. There, 0 is no limit.
func (l Limits) engineConfig() engine.Config {
	cfg := engine.DefaultConfig()
	set := func(into *int, v int) {
		switch {
		case v > 0:
			*into = v
		case v < 0:
			*into = 0
		}
	}
	set(&cfg.MaxSessions, l.Sessions)
	set(&cfg.MaxDepth, l.Depth)
	set(&cfg.MaxOutstanding, l.Outstanding)
	set(&cfg.MaxParked, l.Parked)
	set(&cfg.MaxKept, l.Kept)
	set(&cfg.MaxObjects, l.Objects)
	set(&cfg.MaxRefs, l.References)
	set(&cfg.MaxItems, l.Items)
	switch {
	case l.Bytes > 0:
		cfg.MaxBytes = l.Bytes
	case l.Bytes < 0:
		cfg.MaxBytes = 0
	}
	return cfg
}
