// Package client is the client's side of a session: one authenticated client
// of a server, across its connections. Package proxy builds on it, and package
// managers for the sessions that it opens within its own process.
//
// # The way of a call
//
// A call is a record from a pool. NewCall takes it, Arg encodes the arguments
// into it, once, and Do sends it: under the session's mutex it gets its serial
// and its place in the table of calls, and the mutex of the outbox is taken, so
// that serials and frames are in one order; the frame is appended under that
// second one alone. Nobody waits for a write. The read loop copies the reply
// into the record (a large one it hands over) and wakes the caller, who decodes
// it. There is no goroutine per call.
//
// # Exactly once
//
// A call stays in the table until its reply has come. When the connection
// breaks, the run loop dials again, resumes the session and repeats what is in
// the table under the same serials; the server answers a repeated serial from
// what it kept. A serial is acknowledged when the caller has decoded the reply
// and registered the references in it; at once, when the reply comes, where there
// is nothing that the server could take back, or where it takes that back with the
// session, such as a lock. Acknowledgements are a watermark, which
// travels with each call, and ranges above it, which travel in frames of their
// own: when many are collected, and within Config.AckDelay.
//
// # Giving up
//
// A caller whose context ends leaves the table to a record of its own:
//
//   - retired: the call only reads, and its reply will be dropped;
//   - abandoned: the server has been told to undo the call. The serial may not
//     be acknowledged before the server has seen that, since an acknowledged
//     call is one whose reply was used. A PING sent after it, and its PONG,
//     prove it.
//
// Before a call is abandoned the server is asked to cancel it, and has
// Config.Verdict to say what became of it.
//
// # References
//
// Each reference in a reply is a count that the server has granted. They are
// registered before the value is decoded. An object is what the session holds of
// one ident; Refs are handles of it, and what nobody took is given back when
// decoding is over. A handle that the garbage collector finds gives up its part of
// the object, and the last one queues the counts, without any I/O. Releases are
// calls with serials like any other, so they happen once, and a count cannot be
// released before it was granted. What a call names, as its target or within its
// arguments, is held until the server is done with the call.
//
// # The lease
//
// A PING goes out every third of a lease, and its PONG renews the lease from
// when the PING was sent. A server that says nothing for a third of a lease
// while a PING waits is taken for gone, and the connection is made anew. A
// sixteenth before the lease has run out by this side's clock, the session is
// over: every call fails with ErrSessionExpired, and every hold is lost. The
// margin is for timers that are late: a hold ends here before it begins elsewhere.
//
// # Locks
//
// Session.mu guards calls, acknowledgements, pings and the present connection.
// Under it, the mutex of an outbox, refs.mu or holds.mu may be taken; nothing is
// taken under these. No lock is held across I/O or while a caller's function runs.
package client
