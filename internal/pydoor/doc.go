// Package pydoor serves unmodified Python programs: multiprocessing.managers of
// CPython 3.8 and later, whose clients connect, create and call as they would
// at a server of Python's own.
//
// # The protocol
//
// A message is a length and a pickle ([readMessage], [frame]); package pickle
// reads and writes them and runs nothing. Every connection begins with Python's
// mutual challenge (package auth). Its first message is a request to the server
// (create, incref, decref, ...), which ends the connection, unless it is
// accept_connection: then the connection stands for one thread of the client
// and carries its calls, one at a time ([conn], [invocation]).
//
// # Sessions, owners, references
//
// Python's protocol has no sessions, and the connections that count references
// say nothing of who counts. So all clients that prove the same key are one
// [Session] of the engine. It holds an object as long as the clients' increments
// exceed their decrements, and for a minute after the object was handed out
// inside a value, until the receiver has counted itself ([refTable]).
//
// A connection is an owner: RLocks and Conditions belong to it, and a call that
// waits ends with it. Locks and semaphores may be released by any Python
// client, as in Python; what another program holds they cannot release
// ([holds]). A reply that could not be written is abandoned: its item goes back
// to the queue.
//
// # Values
//
// What a pickle and a wire value both know is translated ([inward], [encoder]):
// so Go programs see what Python put, and the other way round. Everything else
// stays a pickle inside an opaque value and comes out as it went in.
//
// # Types
//
// A [family] is how Python sees a typeid: which methods it has, under which
// names, with which arguments, and what they are in the engine. There is a table
// for each in a file of its own. Registered types are described by the engine.
//
// # Bounds
//
// A message is read as it comes and at most MaxMessage long; a few large ones
// are decoded at a time; a value may grow 16-fold when it is written as a tree,
// and becomes opaque beyond that. A client that does not read its reply is cut
// off after minutes, and one that sends ahead of its replies when the buffer is
// full.
package pydoor
