// Package engine is the state machine behind a manager server: the objects,
// their names and references, the sessions, the replies that are kept for
// them, and the calls that wait.
//
// # Contract
//
// Everything that changes shared state is a Command, and Apply is the only
// way in. Apply turns one command into Effects: replies to send, work to do
// outside, a timer to arm. A log of commands applied to a fresh engine gives
// the same state and the same replies, byte for byte. So the engine has no
// clock (a command says what time it is, and time is clamped to grow), no
// randomness (ids count up; secrets come with the Configure and Open
// commands), no goroutine and no I/O, and takes no order or choice from a Go
// map: maps only look things up.
//
// Apply is not safe for concurrent use. The server calls it under one lock,
// once per batch of commands that a connection delivered.
//
// # Exactly once
//
// A session numbers its calls: serials. The engine keeps the reply of each
// call that changed something until the client acknowledges it. A serial that
// comes again gets the kept reply, joins its waiter, or joins the work that
// still runs outside. Calls that only read, cannot wait and hand out no
// reference keep nothing and are simply repeated.
//
// # Waiting
//
// A call that cannot finish is parked: it is appended to a Waiters list of the
// object and costs no goroutine. It is served in order, or leaves by timeout,
// cancel, the removal of its object or the end of its session, whichever
// command is applied first. The waiters of a session that has no connection
// keep their place and are passed over until it is back.
//
// # The state, written down
//
// Dump appends the whole state as records: a head, each session, the references
// that it holds, each object with its holds, each call that waits, is outside, or
// whose reply is kept, and an end. Load reads them, in any order, into a new
// engine that cannot be told from the first one: the same dump, and the same
// replies from then on. Two engines in the same state have the same dump, so
// what is written has one form (codec.go) and one order. Orders are numbers of
// the things themselves: objects and sessions by id, holds by token, calls by
// when they came into their list (Call.order) or by their place in it.
//
// A type takes part with three things. State.Dump appends its fields with the
// functions of codec.go and of encoding/binary, and returns what is large as
// Rows: a view that stays as it is, encoded outside the lock, a piece at a time.
// Type.Load reads the same fields from a Decoder, in the same order, and makes
// o.State; it counts, keeps and pins nothing, since all counts are written down
// with the object. And Waitable.Lists names the lists that calls of the object
// may stand in, in a fixed order. A hold is written as its token and read with
// Decoder.Hold; another object as its id, which Decoder.Object resolves when all
// objects are there. A new type needs no more: the tests' harness (Twin) loads
// the state after every command of every test, and a test that flips each field
// of each struct demands that the dump shows it. Fields that are no state, such
// as caches and counters, stand in a struct named notState, or on that test's list
// with the reason.
//
// # Objects
//
// An object type is a Type: a table of methods, each a handler that validates
// first, then changes the state, and then replies, parks, or hands work
// outside. A panic in a handler is a bug: it poisons that object alone.
//
// Values are kept as encoded bytes. What a handler stores goes through
// Object.Keep, what it lets go through Object.Drop; that is where bytes are
// counted and the references inside values are held and let go.
//
// An object lives while something holds it: a session's reference, a value in
// another object, its name, or a call under way. Collect finds containers that
// hold nothing but each other.
package engine
