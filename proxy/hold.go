package proxy

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/syncmanager/syncmanager/internal/client"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// Owner is who holds an RLock, or a Lock that was acquired with AcquireOwned: in
// Python a thread, in Go whatever the program makes one, such as a goroutine or
// a request. Two Owners are two parties, also in one program. The zero Owner is
// the program itself.
type Owner struct{ id uint64 }

// NewOwner returns an Owner that is no other one of this Manager.
func (m *Manager) NewOwner() Owner { return Owner{m.s.NewOwner()} }

// ID returns the number that listings and deadlock reports show.
func (o Owner) ID() uint64 { return o.id }

// Hold is a lock that this program has, or a permit of a semaphore. It ends with
// Release, or when it is lost: the session is over, an administrator or somebody
// else released the lock, or the lock was removed. Its methods are safe for
// concurrent use.
//
// A Hold that is forgotten keeps its lock held: the garbage collector does not
// release it, since a program that has only the lock itself in mind, such as one
// that passes its token on, is right to drop the Hold. When it finds one that was
// not released, Config.Logger hears of it once, as a warning. The lock then stays
// held until Manager.Close, the end of the session, or a release by its token.
type Hold struct{ *hold }

// hold is what the session knows of a Hold.
type hold struct {
	// Fixed at creation.
	lock    Ref
	owner   Owner
	by      releaser        // the proxy that it was acquired with
	session *client.Session // nil: the proxy was dropped before the call
	cleanup runtime.Cleanup // of the Hold

	token atomic.Uint64 // changes when a Condition's wait ends

	mu      sync.Mutex // guards what follows; nothing of this package is taken below it
	watched uint64     // the token that the session watches; 0: none
	cause   error      // why the hold is over
	ctx     context.Context
	cancel  context.CancelCauseFunc // of ctx; nil until somebody asks for it
}

// releaser is a proxy that has holds.
type releaser interface {
	// end tells the server that the hold is over. It reaches the server also
	// when the context is over.
	end(ctx context.Context, h *hold) error
}

// acquire makes the call and returns the Hold that it gives. The answer False is
// ErrTimeout.
func acquire(ctx context.Context, o object, c *client.Call, owner Owner, by releaser) (*Hold, error) {
	h := &hold{lock: o.r, owner: owner, by: by, session: client.SessionOf(o.r)}
	token, err := client.InvokeAcquire(ctx, c, (*watcher)(h))
	if err != nil {
		return nil, err
	}
	if token == 0 {
		return nil, notToBeHad(ctx, o, by)
	}
	h.has(token)
	return h.outer(), nil
}

// outer returns the Hold that the program gets.
func (h *hold) outer() *Hold {
	outer := &Hold{h}
	h.cleanup = runtime.AddCleanup(outer, (*hold).forgotten, h)
	return outer
}

// notToBeHad returns the error of a lock or permit that somebody else has,
// with the holder of a lock if the server tells.
func notToBeHad(ctx context.Context, o object, by releaser) error {
	l, ok := by.(interface {
		Holder(context.Context) (*LockInfo, error)
	})
	if !ok {
		return fmt.Errorf("all permits of %s are taken: %w", o, wire.ErrTimeout)
	}
	holder := ""
	if info, err := l.Holder(ctx); err == nil && info != nil {
		holder = " by " + info.String()
	}
	return fmt.Errorf("%s is held%s: %w", o, holder, wire.ErrTimeout)
}

// forgotten hears that nobody has the Hold any more.
func (h *hold) forgotten() {
	h.mu.Lock()
	over := h.cause != nil
	h.mu.Unlock()
	if !over && h.session != nil {
		h.session.Logger().Warn("a Hold was forgotten without Release: it stays held until the session ends or somebody releases its token",
			"object", h.lock.String(), "token", h.token.Load())
	}
}

// watcher is the hold as the session sees it.
type watcher hold

// Lost ends the hold.
func (w *watcher) Lost(err error) { (*hold)(w).stop(lost(err)) }

// has makes the token, which the session watches already, that of the hold.
func (h *hold) has(token uint64) {
	h.token.Store(token)
	h.mu.Lock()
	h.watched = token
	over := h.cause != nil
	h.mu.Unlock()
	if over {
		h.unwatch()
	}
}

// lost returns the cause of a hold that was lost by err: it matches ErrLockLost.
func lost(err error) error {
	if errors.Is(err, ErrLockLost) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrLockLost, err)
}

// unwatch ends the watch.
func (h *hold) unwatch() {
	h.mu.Lock()
	token := h.watched
	h.watched = 0
	h.mu.Unlock()
	if token != 0 && h.session != nil {
		h.session.Unwatch(token, (*watcher)(h))
	}
}

// over ends the hold on this side.
func (h *hold) over(cause error) {
	h.unwatch()
	h.stop(cause)
}

// stop notes why the hold is over. The first cause stays.
func (h *hold) stop(cause error) {
	h.mu.Lock()
	if h.cause == nil {
		h.cause = cause
	}
	cause, cancel := h.cause, h.cancel
	h.mu.Unlock()
	if cancel != nil {
		cancel(cause)
	}
}

// Token returns the fencing token: a number above that of every hold before, of
// this lock or any other. Show it to whatever the lock protects, so that it can
// refuse those who come late.
func (h *Hold) Token() uint64 { return h.token.Load() }

// Owner returns who holds it.
func (h *Hold) Owner() Owner { return h.owner }

// Context returns a context that ends when the hold does. Its cause matches
// ErrLockLost if the hold was lost. The session's own clock counts: the context
// ends no later than the server lets go of the lock.
func (h *Hold) Context() context.Context {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ctx == nil {
		h.ctx, h.cancel = context.WithCancelCause(context.Background())
		if h.cause != nil {
			h.cancel(h.cause)
		}
	}
	return h.ctx
}

// Err returns nil while the hold is on, as far as this program knows, and then
// why it ended.
func (h *Hold) Err() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.cause
}

// errHoldOver is the cause of a hold that its holder ended.
var errHoldOver = errors.New("the hold was released")

// Release ends the hold. It frees this hold and never somebody else's:
// ErrLockLost if it was over, also by the end of the session.
//
// The hold ends also when the context is over, before or meanwhile: giving up is
// not cancelling. The context bounds how long Release waits for the server's
// word, but for the second that it waits in any case while there is a connection.
// Without that word the error is a *CallError that is Unknown: the server hears
// of the release once there is a connection again.
func (h *Hold) Release(ctx context.Context) error {
	return h.ended(h.by.end(ctx, h.hold))
}

// ended notes what came of the holder's wish to end the hold.
func (h *hold) ended(err error) error {
	var gaveUp *CallError
	switch {
	case err == nil, errors.As(err, &gaveUp):
		h.cleanup.Stop()
		h.over(errHoldOver)
	case errors.Is(err, ErrLockLost), errors.Is(err, ErrRemoved), errors.Is((&Hold{h}).Err(), ErrLockLost):
		err = lost(err)
		h.over(err)
	}
	return err
}

type guardKey struct{}

// WithHold returns a context whose calls are made on the condition that the hold
// is on: the server refuses what changes anything with ErrLockLost once it is
// over, in one step with the check. Calls that merely read are not guarded. The
// hold and the object must be of one Manager.
func WithHold(ctx context.Context, h *Hold) context.Context {
	return context.WithValue(ctx, guardKey{}, h)
}

// LockInfo says who holds a lock, or a permit of a semaphore.
type LockInfo struct {
	Session uint64 `msgpack:"session"`
	Program string `msgpack:"program"`
	Host    string `msgpack:"host"`
	PID     int64  `msgpack:"pid"`
	Remote  string `msgpack:"remote"`
	Owner   uint64 `msgpack:"owner"`
	Token   uint64 `msgpack:"token"`
	Since   int64  `msgpack:"since"` // nanoseconds since 1970, by the server's clock
	Count   int64  `msgpack:"count"` // how often its owner has it
	Owned   bool   `msgpack:"owned"` // only its owner may release it
	Waiting int64  `msgpack:"waiting"`
}

// String says who holds the lock, for errors.
func (l *LockInfo) String() string {
	s := fmt.Sprintf("session %d (%s, pid %d on %s)", l.Session, l.Program, l.PID, l.Host)
	if l.Owner != 0 {
		s += fmt.Sprintf(", owner %d", l.Owner)
	}
	return s
}
