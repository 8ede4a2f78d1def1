package client

import (
	"context"
	"errors"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// ErrClosed is the error of calls on a session that was closed on this side.
var ErrClosed = errors.New("manager is closed")

// CallError is the error of a call that its own context ended. It matches the
// context's error and its cause with errors.Is.
type CallError struct {
	Method string // "Queue.get"
	// Unknown tells that the call was sent and may have taken effect: no verdict
	// came, or the server cancelled it half-way. What it took is given back by
	// the server.
	Unknown bool
	// Verdict is what the server says of a call that it cancelled half-way, such
	// as how many of several items were put. Empty: it has not said anything.
	Verdict string
	Err     error // context.Canceled or context.DeadlineExceeded
	Cause   error // context.Cause, when it differs from Err; else nil
}

// Error names the method, and says when the outcome is not known or when the
// call was cancelled half-way.
func (e *CallError) Error() string {
	s := e.Method + ": " + e.Err.Error()
	if e.Cause != nil {
		s += " (" + e.Cause.Error() + ")"
	}
	switch {
	case e.Verdict != "":
		s += "; cancelled half-way: " + e.Verdict
	case e.Unknown:
		s += "; outcome unknown"
	}
	return s
}

// Unwrap returns the context's error and its cause.
func (e *CallError) Unwrap() []error {
	if e.Cause != nil {
		return []error{e.Err, e.Cause}
	}
	return []error{e.Err}
}

// SafeToRetry reports whether the call that failed with err had no effect for
// certain, so that the same call may be made again. It is false for nil.
func SafeToRetry(err error) bool {
	var ce *CallError
	if errors.As(err, &ce) {
		return !ce.Unknown
	}
	var we *wire.Error
	if errors.As(err, &we) {
		return we.Safe
	}
	return false
}

func ctxError(ctx context.Context, method string, unknown bool) *CallError {
	e := &CallError{Method: method, Unknown: unknown, Err: ctx.Err()}
	if cause := context.Cause(ctx); cause != e.Err {
		e.Cause = cause
	}
	return e
}

// expired returns the error of a session that is over, for the reason why.
func expired(id uint64, why string) error {
	return wire.Errorf(wire.CodeSessionExpired, "session %d has expired: %s", id, why)
}
