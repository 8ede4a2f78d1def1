package managers

import (
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/syncmanager/syncmanager/internal/engine"
)

// tracer logs every call at debug level, once it is over: with its outcome and
// with how long it took from the command to the reply. A core has none unless
// the log takes debug records, so that calls which are not traced cost a
// comparison with nil.
type tracer struct {
	log *slog.Logger

	mu    sync.Mutex                  // guards what follows; may be taken with core.mu held, and nothing is taken below it
	calls map[uint64]map[uint64]trace // that are not over, by session and serial
	lines []line                      // of calls that have ended, to be logged once core.mu is given up
}

// trace is what is known of a call that is not over.
type trace struct {
	since          int64 // in the time of commands
	object         uint64
	typeid, method string
}

// line is a call that is over.
type line struct {
	trace
	session, serial uint64
	outcome         string
}

// The outcomes of a call, beside the names of error codes.
const (
	outcomeOK        = "ok"
	outcomeAbandoned = "abandoned" // its caller gave it up, and gets no reply
	outcomeDropped   = "dropped"   // its session ended before the reply
)

// maxTraced bounds the calls of one session that are traced at a time. Those
// beyond it are not logged.
const maxTraced = 1 << 16

func newTracer(log *slog.Logger) *tracer {
	return &tracer{log: log, calls: make(map[uint64]map[uint64]trace)}
}

// begin notes what a command does to calls. The caller holds core.mu, and
// applies the command next.
func (t *tracer) begin(e *engine.Engine, c *engine.Command) {
	switch {
	case c.Op == engine.OpCall:
		now := trace{since: c.Now, object: c.Object}
		now.typeid, now.method = e.Label(c)
		t.mu.Lock()
		defer t.mu.Unlock()
		calls := t.calls[c.Session]
		if calls == nil {
			calls = make(map[uint64]trace)
			t.calls[c.Session] = calls
		}
		// One that is made again after a break goes on.
		if _, again := calls[c.Serial]; !again && len(calls) < maxTraced {
			calls[c.Serial] = now
		}
	case c.Op == engine.OpCancel && c.Abandon:
		t.mu.Lock()
		defer t.mu.Unlock()
		t.endLocked(c.Session, c.Serial, outcomeAbandoned)
	}
}

// refused forgets a call that the engine did not take. The caller holds core.mu.
func (t *tracer) refused(c *engine.Command) {
	if c.Op != engine.OpCall {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if calls := t.calls[c.Session]; calls != nil {
		delete(calls, c.Serial)
		t.tidyLocked(c.Session, calls)
	}
}

// answered notes the calls that the effects ended. The caller holds core.mu: once
// it is given up, another command may end a session whose calls are answered.
func (t *tracer) answered(fx *engine.Effects) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range fx.Replies {
		r := &fx.Replies[i]
		outcome := outcomeOK
		if r.Err != nil {
			outcome = r.Err.Code.String()
		}
		t.endLocked(r.Session, r.Serial, outcome)
	}
	for i := range fx.Ended {
		session := fx.Ended[i].Session
		for _, serial := range slices.Sorted(maps.Keys(t.calls[session])) {
			t.endLocked(session, serial, outcomeDropped)
		}
	}
}

// flush logs the calls that have ended.
func (t *tracer) flush(now int64) {
	t.mu.Lock()
	lines := t.lines
	t.lines = nil
	t.mu.Unlock()
	for _, l := range lines {
		t.log.Debug("call", "session", l.session, "serial", l.serial, "object", l.object, "typeid", l.typeid, "method", l.method,
			"outcome", l.outcome, "duration", time.Duration(max(now-l.since, 0)))
	}
}

func (t *tracer) endLocked(session, serial uint64, outcome string) {
	calls := t.calls[session]
	c, ok := calls[serial]
	if !ok {
		return
	}
	delete(calls, serial)
	t.tidyLocked(session, calls)
	t.lines = append(t.lines, line{trace: c, session: session, serial: serial, outcome: outcome})
}

func (t *tracer) tidyLocked(session uint64, calls map[uint64]trace) {
	if len(calls) == 0 {
		delete(t.calls, session)
	}
}
