package wire

import (
	"errors"
	"fmt"
	"strconv"
)

// Code numbers an error on the wire. The numbers are part of the protocol
// (docs/protocol.md) and never change their meaning.
type Code uint16

// The error codes. Each stands for the Python exception that a Python client
// sees in its place.
const (
	CodeInternal       Code = 1  // a bug in the server; RuntimeError
	CodeRemote         Code = 2  // an error that a user's method returned; RemoteError
	CodePanic          Code = 3  // a user's method panicked; RemoteError
	CodeKey            Code = 10 // KeyError
	CodeIndex          Code = 11 // IndexError
	CodeValue          Code = 12 // ValueError
	CodeType           Code = 13 // TypeError
	CodeAttribute      Code = 14 // AttributeError
	CodeEmpty          Code = 15 // queue.Empty
	CodeFull           Code = 16 // queue.Full
	CodeShutDown       Code = 17 // queue.ShutDown
	CodeTimeout        Code = 18 // TimeoutError
	CodeStop           Code = 19 // StopIteration
	CodeBrokenBarrier  Code = 20 // threading.BrokenBarrierError
	CodeOverflow       Code = 21 // OverflowError
	CodeRuntime        Code = 22 // RuntimeError
	CodeNotHeld        Code = 23 // RuntimeError
	CodeChanged        Code = 24 // RuntimeError
	CodeNotExposed     Code = 30 // AttributeError
	CodeUnknownObject  Code = 31 // KeyError
	CodeUnknownType    Code = 32 // ValueError
	CodeNotFound       Code = 33 // KeyError
	CodeExists         Code = 34 // ValueError
	CodeRemoved        Code = 35 // ReferenceError
	CodeDropped        Code = 36 // ReferenceError; never sent, a client's own
	CodeCancelled      Code = 40 // RuntimeError
	CodeDeadlock       Code = 41 // RuntimeError
	CodeLockLost       Code = 42 // RuntimeError
	CodeSessionExpired Code = 43 // ConnectionError
	CodeDenied         Code = 44 // PermissionError
	CodeOverloaded     Code = 45 // MemoryError
	CodeShuttingDown   Code = 46 // ConnectionError
	CodeTooLarge       Code = 47 // ValueError
	CodeProtocol       Code = 48 // ConnectionError
	CodeUnserializable Code = 49 // TypeError
	CodeUnavailable    Code = 50 // ConnectionError; of a connection, not of its session
)

// codeNames holds, for each code, its short name and its Python exception.
var codeNames = map[Code]struct{ name, python string }{
	CodeInternal:       {"internal", "RuntimeError"},
	CodeRemote:         {"remote", "RemoteError"},
	CodePanic:          {"panic", "RemoteError"},
	CodeKey:            {"key", "KeyError"},
	CodeIndex:          {"index", "IndexError"},
	CodeValue:          {"value", "ValueError"},
	CodeType:           {"type", "TypeError"},
	CodeAttribute:      {"attribute", "AttributeError"},
	CodeEmpty:          {"empty", "queue.Empty"},
	CodeFull:           {"full", "queue.Full"},
	CodeShutDown:       {"shut_down", "queue.ShutDown"},
	CodeTimeout:        {"timeout", "TimeoutError"},
	CodeStop:           {"stop", "StopIteration"},
	CodeBrokenBarrier:  {"broken_barrier", "threading.BrokenBarrierError"},
	CodeOverflow:       {"overflow", "OverflowError"},
	CodeRuntime:        {"runtime", "RuntimeError"},
	CodeNotHeld:        {"not_held", "RuntimeError"},
	CodeChanged:        {"changed", "RuntimeError"},
	CodeNotExposed:     {"not_exposed", "AttributeError"},
	CodeUnknownObject:  {"unknown_object", "KeyError"},
	CodeUnknownType:    {"unknown_type", "ValueError"},
	CodeNotFound:       {"not_found", "KeyError"},
	CodeExists:         {"exists", "ValueError"},
	CodeRemoved:        {"removed", "ReferenceError"},
	CodeDropped:        {"dropped", "ReferenceError"},
	CodeCancelled:      {"cancelled", "RuntimeError"},
	CodeDeadlock:       {"deadlock", "RuntimeError"},
	CodeLockLost:       {"lock_lost", "RuntimeError"},
	CodeSessionExpired: {"session_expired", "ConnectionError"},
	CodeDenied:         {"denied", "PermissionError"},
	CodeOverloaded:     {"overloaded", "MemoryError"},
	CodeShuttingDown:   {"shutting_down", "ConnectionError"},
	CodeTooLarge:       {"too_large", "ValueError"},
	CodeProtocol:       {"protocol", "ConnectionError"},
	CodeUnserializable: {"unserializable", "TypeError"},
	CodeUnavailable:    {"unavailable", "ConnectionError"},
}

// String returns the code's short name, as mgrctl prints it.
func (c Code) String() string {
	if n, ok := codeNames[c]; ok {
		return n.name
	}
	return "code " + strconv.Itoa(int(c))
}

// Python returns the Python exception that the code stands for, with its
// module unless it is a builtin.
func (c Code) Python() string {
	if n, ok := codeNames[c]; ok {
		return n.python
	}
	return "RuntimeError"
}

// Error is an error that crosses the wire. Two Errors are the same to
// errors.Is when their codes are equal and the target says no more than that.
type Error struct {
	Code    Code
	Type    string // of a user's own error the code that it was registered with, or its Go type; else empty
	Message string
	Detail  Raw  // one encoded value with particulars, or empty
	Safe    bool // the call had no effect and may be repeated

	local error // what Type stands for in this program, or nil; does not travel
}

// SetLocal makes the error match, with errors.Is and errors.As, the one that its
// Type stands for in this program.
func (e *Error) SetLocal(err error) { e.local = err }

// Unwrap returns what the error stands for in this program, or nil.
func (e *Error) Unwrap() error { return e.local }

// The sentinels. Compare with errors.Is.
var (
	ErrInternal       = sentinel(CodeInternal, "internal error")
	ErrRemote         = sentinel(CodeRemote, "remote error")
	ErrPanic          = sentinel(CodePanic, "panic in a method")
	ErrKey            = sentinel(CodeKey, "key not found")
	ErrIndex          = sentinel(CodeIndex, "index out of range")
	ErrValue          = sentinel(CodeValue, "invalid value")
	ErrType           = sentinel(CodeType, "wrong type")
	ErrAttribute      = sentinel(CodeAttribute, "no such attribute")
	ErrEmpty          = sentinel(CodeEmpty, "queue is empty")
	ErrFull           = sentinel(CodeFull, "queue is full")
	ErrShutDown       = sentinel(CodeShutDown, "queue is shut down")
	ErrTimeout        = sentinel(CodeTimeout, "timed out")
	ErrStop           = sentinel(CodeStop, "iterator is exhausted")
	ErrBrokenBarrier  = sentinel(CodeBrokenBarrier, "barrier is broken")
	ErrOverflow       = sentinel(CodeOverflow, "number out of range")
	ErrRuntime        = sentinel(CodeRuntime, "operation not allowed in this state")
	ErrNotHeld        = sentinel(CodeNotHeld, "lock is not held")
	ErrChanged        = sentinel(CodeChanged, "container changed during iteration")
	ErrNotExposed     = sentinel(CodeNotExposed, "method is not exposed")
	ErrUnknownObject  = sentinel(CodeUnknownObject, "unknown or released object")
	ErrUnknownType    = sentinel(CodeUnknownType, "unknown typeid")
	ErrNotFound       = sentinel(CodeNotFound, "no object of that name")
	ErrExists         = sentinel(CodeExists, "name is taken")
	ErrRemoved        = sentinel(CodeRemoved, "object was removed")
	ErrDropped        = sentinel(CodeDropped, "proxy was dropped")
	ErrCancelled      = sentinel(CodeCancelled, "call was cancelled")
	ErrDeadlock       = sentinel(CodeDeadlock, "deadlock")
	ErrLockLost       = sentinel(CodeLockLost, "lock is no longer held")
	ErrSessionExpired = sentinel(CodeSessionExpired, "session has expired")
	ErrDenied         = sentinel(CodeDenied, "not permitted")
	ErrOverloaded     = sentinel(CodeOverloaded, "a limit is reached")
	ErrShuttingDown   = sentinel(CodeShuttingDown, "server is shutting down")
	ErrTooLarge       = sentinel(CodeTooLarge, "message too large")
	ErrProtocol       = sentinel(CodeProtocol, "protocol error")
	ErrUnserializable = sentinel(CodeUnserializable, "value cannot be encoded")
	ErrUnavailable    = sentinel(CodeUnavailable, "no connection to the server")
)

// Restarted is the text of a CodeSessionExpired for a session of a server that
// runs no more: another one answers at its address.
const Restarted = "the server was restarted; what it held in memory is gone"

func sentinel(c Code, msg string) *Error { return &Error{Code: c, Message: msg, Safe: safeCodes[c]} }

// safeCodes are the codes of calls that were refused before they did
// anything, so that the same call may be sent again as it is.
var safeCodes = map[Code]bool{
	CodeEmpty: true, CodeFull: true, CodeTimeout: true, CodeOverloaded: true,
	CodeShuttingDown: true, CodeCancelled: true, CodeDeadlock: true,
}

// Errorf returns an Error with the code and a formatted message.
func Errorf(c Code, format string, args ...any) *Error {
	return &Error{Code: c, Message: fmt.Sprintf(format, args...), Safe: safeCodes[c]}
}

// Error returns the message. That of a KeyError is the key alone, as in Python,
// and is preceded by the fault.
func (e *Error) Error() string {
	if e.Code == CodeKey && e != ErrKey {
		return ErrKey.Message + ": " + e.Message
	}
	return e.Message
}

// Is reports whether target is an Error of the same code. It makes errors.Is
// work on the sentinels across the network.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// AsError returns err as an Error; one that is not is wrapped with CodeRemote
// and its Go type.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Code: CodeRemote, Type: fmt.Sprintf("%T", err), Message: err.Error()}
}

const flagSafe = 1

// AppendError appends the error as one value: an array of five.
func AppendError(b []byte, e *Error) []byte {
	b = AppendArrayHeader(b, 5)
	b = AppendUint(b, uint64(e.Code))
	b = AppendStr(b, e.Type)
	b = AppendStr(b, e.Message)
	if e.Detail == "" {
		b = AppendNil(b)
	} else {
		b = append(b, e.Detail...)
	}
	var flags uint64
	if e.Safe {
		flags |= flagSafe
	}
	return AppendUint(b, flags)
}
