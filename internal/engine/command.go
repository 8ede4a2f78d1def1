package engine

import "github.com/syncmanager/syncmanager/internal/wire"

// CommandVersion is the version of the commands in a log.
const CommandVersion = 1

// Op tells commands apart.
type Op uint8

// The commands.
const (
	OpConfigure Op = iota + 1 // set limits and secrets: Config
	OpOpen                    // begin a session: Open; Session is given out in Effects.Opened
	OpResume                  // a session's new connection: Session
	OpLose                    // a session's connection is gone: Session, Epoch
	OpExpire                  // a session's lease has run out: Session, Epoch
	OpClose                   // a session ends in good order: Session
	OpCall                    // Session, Serial, Acked, Object, Method or Name, Timeout, Guard, Args
	OpCancel                  // Session, Serial, Abandon
	OpAck                     // Session, Acked, Ranges
	OpTick                    // parked calls whose deadline has passed leave
	OpComplete                // work outside is done: Work, and Value, Error or Result
	OpCollect                 // look for containers that hold nothing but each other
	OpShutdown                // parked calls leave with ErrShuttingDown; no more calls and sessions. Not part of a log
	OpRegrant                 // a session's key allows something else: Session, and Open with role and prefixes
	OpTakeover                // another leader, or the server after its restart: Term
	OpTypes                   // the types that the leader has: Types
)

// Command is one input of the engine. Which fields count depends on Op.
type Command struct {
	Version uint8
	Op      Op
	Now     int64 // nanoseconds since an epoch of the server's choice
	Session uint64
	Serial  uint64

	// A call.
	Acked      uint64
	Object     uint64
	Method     uint32
	Name       []byte // borrowed
	HasTimeout bool
	Timeout    int64 // nanoseconds
	Guard      uint64
	Token      uint64
	Args       []byte // one array; borrowed
	Owned      bool   // Args are the engine's for good

	// The rest.
	Abandon bool
	// Epoch is the session's when the command was made; another one since, and
	// the command is refused. 0 for OpCall, OpAck, OpCancel and OpClose: not
	// compared.
	Epoch   uint64
	Term    uint64
	Types   []TypeTable
	Ranges  []wire.Range // borrowed
	Open    *SessionInfo
	Config  *Config
	Work    uint64
	Value   []byte // the result, one value; with NewType: the arguments of its constructor
	NewType string // the result becomes a new object of this typeid
	Error   *wire.Error
	Result  any // what Work.Run returned; not part of a log, which runs it again
}

// Role is what a session may do.
type Role uint8

// The roles, each with all rights of the ones before it.
const (
	RoleRead  Role = iota + 1 // methods that only read
	RoleWrite                 // everything but administration
	RoleAdmin
)

// String returns read, write or admin.
func (r Role) String() string {
	switch r {
	case RoleRead:
		return "read"
	case RoleWrite:
		return "write"
	case RoleAdmin:
		return "admin"
	}
	return "none"
}

// SessionInfo is what is known of a session from its start.
type SessionInfo struct {
	Program    string
	Host       string
	PID        uint64
	Remote     string // the peer's address
	KeyName    string
	Role       Role
	Prefixes   []string // names that it may open; empty: all
	Secret     [32]byte // proves the session when it is resumed
	Trusted    bool     // a door or the server's own: it goes on while the server ends
	Shared     bool     // a door: the limits of a session hold for its clients together
	Lease      int64    // nanoseconds
	KeyPrint   [32]byte // a digest of the authkey: when the key is another one, the session ends
	MaxMessage int      // bytes of the largest message that the client takes; 0: any
}

// Config holds the limits and secrets of an engine. A zero limit is none.
type Config struct {
	// What the first OpConfigure says stays.
	Seed      [16]byte // makes idents unguessable
	FenceBase uint64   // fencing tokens begin above it
	IDBits    uint8    // how many low bits of ids are Slot, at most 16
	Slot      uint64   // the same in all ids; see docs/architecture.md

	MaxDepth       int // nesting of a value
	MaxSessions    int
	MaxOutstanding int   // calls of a session without a reply
	MaxParked      int   // parked calls of a session
	MaxKept        int   // bytes of a session's kept replies
	MaxObjects     int   // objects that a session created
	MaxRefs        int   // objects that a session holds
	MaxItems       int   // entries of one container
	MaxBytes       int64 // by the engine's own count
}

// The default limits.
const (
	DefaultMaxDepth       = 128
	DefaultMaxSessions    = 100_000
	DefaultMaxOutstanding = 1 << 20
	DefaultMaxParked      = 1 << 20
	DefaultMaxKept        = 64 << 20
	DefaultMaxObjects     = 4 << 20
	DefaultMaxRefs        = 8 << 20
	DefaultMaxItems       = 64 << 20
	DefaultMaxBytes       = 8 << 30
)

// DefaultConfig returns the default limits, without secrets.
func DefaultConfig() Config {
	return Config{
		MaxDepth: DefaultMaxDepth, MaxSessions: DefaultMaxSessions, MaxOutstanding: DefaultMaxOutstanding,
		MaxParked: DefaultMaxParked, MaxKept: DefaultMaxKept, MaxObjects: DefaultMaxObjects,
		MaxRefs: DefaultMaxRefs, MaxItems: DefaultMaxItems, MaxBytes: DefaultMaxBytes,
	}
}
