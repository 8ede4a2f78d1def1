package proxy

import (
	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/internal/client"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// RemoteError is an error that came from the server. Compare it with the
// sentinels by errors.Is. One that a user's own method returned matches ErrRemote,
// and the error that Config.Errors has for its code; a panic matches ErrPanic.
//
//	Type    string // the code, or the Go type "*main.NoAccountError"; "" unless a user's method returned it
//	Message string // its text
//	Safe    bool   // see SafeToRetry
//
// The texts of the built-in types are Python's, so they do not always name the
// object: that of ErrKey is the key alone. A program that prints an error adds
// what it was about.
type RemoteError = wire.Error

// CallError is the error of a call that its own context ended. It matches
// context.Canceled or context.DeadlineExceeded with errors.Is, and says whether
// the outcome is unknown.
//
//	Method  string // "Queue.get"
//	Unknown bool   // the call may have taken effect; what it took is given back
//	Err     error  // context.Canceled or context.DeadlineExceeded
//	Cause   error  // context.Cause, when it differs from Err; else nil
type CallError = client.CallError

// The sentinels of what a server answers. Each is compared with errors.Is and
// stands for the Python exception in brackets.
var (
	ErrInternal       = wire.ErrInternal       // a bug in the server (RuntimeError)
	ErrRemote         = wire.ErrRemote         // a user's method returned an error (RemoteError)
	ErrPanic          = wire.ErrPanic          // a user's method panicked (RemoteError)
	ErrKey            = wire.ErrKey            // no such key (KeyError)
	ErrIndex          = wire.ErrIndex          // index out of range (IndexError)
	ErrValue          = wire.ErrValue          // a value that is not allowed (ValueError)
	ErrType           = wire.ErrType           // a value of the wrong type (TypeError)
	ErrAttribute      = wire.ErrAttribute      // no such attribute (AttributeError)
	ErrEmpty          = wire.ErrEmpty          // the queue is empty (queue.Empty)
	ErrFull           = wire.ErrFull           // the queue is full (queue.Full)
	ErrShutDown       = wire.ErrShutDown       // the queue was shut down (queue.ShutDown)
	ErrTimeout        = wire.ErrTimeout        // the method's own timeout has passed (TimeoutError)
	ErrStop           = wire.ErrStop           // the iterator is exhausted (StopIteration)
	ErrBrokenBarrier  = wire.ErrBrokenBarrier  // the barrier is broken (threading.BrokenBarrierError)
	ErrOverflow       = wire.ErrOverflow       // a number is out of range (OverflowError)
	ErrRuntime        = wire.ErrRuntime        // not allowed in this state (RuntimeError)
	ErrNotHeld        = wire.ErrNotHeld        // the lock is not held (RuntimeError)
	ErrChanged        = wire.ErrChanged        // the container changed during iteration (RuntimeError)
	ErrNotExposed     = wire.ErrNotExposed     // no such exposed method (AttributeError)
	ErrUnknownObject  = wire.ErrUnknownObject  // no such object, or not held (KeyError)
	ErrUnknownType    = wire.ErrUnknownType    // no such typeid (ValueError)
	ErrNotFound       = wire.ErrNotFound       // no object of that name (KeyError)
	ErrExists         = wire.ErrExists         // the name is taken (ValueError)
	ErrRemoved        = wire.ErrRemoved        // the object was removed (ReferenceError)
	ErrDropped        = wire.ErrDropped        // this proxy was dropped (ReferenceError)
	ErrCancelled      = wire.ErrCancelled      // the call was cancelled in the server (RuntimeError)
	ErrDeadlock       = wire.ErrDeadlock       // waiting would close a cycle (RuntimeError)
	ErrLockLost       = wire.ErrLockLost       // the hold is over (RuntimeError)
	ErrSessionExpired = wire.ErrSessionExpired // the session is over (ConnectionError)
	ErrDenied         = wire.ErrDenied         // the key's role does not allow it (PermissionError)
	ErrOverloaded     = wire.ErrOverloaded     // a limit is reached (MemoryError)
	ErrShuttingDown   = wire.ErrShuttingDown   // the server is ending (ConnectionError)
	ErrTooLarge       = wire.ErrTooLarge       // the message is too large (ValueError)
	ErrProtocol       = wire.ErrProtocol       // what came is not the protocol (ConnectionError)
	ErrUnserializable = wire.ErrUnserializable // the value cannot be encoded (TypeError)
	ErrUnavailable    = wire.ErrUnavailable    // no connection to the server (ConnectionError)
)

// ErrClosed is the error of calls on a Manager that was closed.
var ErrClosed = client.ErrClosed

// ErrAuthentication says that client and server do not hold the same key.
var ErrAuthentication = auth.ErrAuthentication

// SafeToRetry reports whether the call that failed with err had no effect for
// certain, and the same call may succeed later: it waited in vain (ErrEmpty,
// ErrFull, ErrTimeout, a context that ended), or was refused for the moment
// (ErrOverloaded, ErrShuttingDown, ErrCancelled, ErrDeadlock). It is false for nil
// and for all other errors. Some of those had no effect either, such as
// ErrNotExposed, but the same call would only fail again.
func SafeToRetry(err error) bool { return client.SafeToRetry(err) }
