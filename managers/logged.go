package managers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/objects"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// logged is what a core has whose commands go into a log before they are applied.
// It is the Machine of the server's Durability: one goroutine, the applier, applies
// what is logged, in this life of the server and again in the next.
type logged struct {
	// Fixed at creation.
	core  *core
	log   Durability
	ready chan struct{} // closed when the server may listen
	term  uint64        // set by Lead, before anything is proposed

	// Owned by the applier.
	fx    engine.Effects
	turns []turn // of the records that are being applied

	// Guarded by core.mu.
	begun bool // start was called
	leads bool // the log's end was reached, and the takeover is applied
}

// turn is what this server does when a record of its own is applied.
type turn interface {
	// before is called before the record's commands, under core.mu.
	before(e *engine.Engine)
	// after is called behind them, under core.mu. An error says that one of them was
	// refused, and that those behind it were not applied.
	after(e *engine.Engine, fx *engine.Effects, err error)
	// done is called when the effects are carried out, without a lock. err: the
	// record will not be applied, and before and after were not called.
	done(err error)
}

func newLogged(k *core, log Durability) *logged {
	return &logged{core: k, log: log, ready: make(chan struct{})}
}

// propose lets one command be logged and applied. Nobody waits for it.
func (l *logged) propose(c *engine.Command) {
	l.log.Propose(l.record(c), nil)
}

// claimTime is how long objects that Python clients referred to when the server
// ended can be claimed again.
const claimTime = 60 * time.Second

// maxSlice is how many commands are applied under one hold of the engine's lock.
const maxSlice = 128

// Apply implements Machine.
func (l *logged) Apply(_ uint64, records [][]byte, tags []any) {
	k := l.core
	k.mu.Lock()
	n := 0
	for i, record := range records {
		var t turn
		if tags != nil {
			t, _ = tags[i].(turn)
		}
		count, err := l.apply(record, t)
		if err != nil {
			k.mu.Unlock()
			l.Failed(fmt.Errorf("a record of the log cannot be applied: %w", err))
			return
		}
		if n += count; n >= maxSlice {
			l.deliverLocked()
			n = 0
		}
	}
	l.deliverLocked()
	k.mu.Unlock()
}

// apply applies one record and returns how many commands it had.
func (l *logged) apply(record []byte, t turn) (n int, err error) {
	k := l.core
	if t != nil {
		l.turns = append(l.turns, t)
		t.before(k.engine)
	}
	var refused, fatal error
	err = k.engine.ApplyEntry(record, &l.fx, func(_ int, c *engine.Command, err error) {
		n++
		if k.tracer != nil {
			k.tracer.begin(k.engine, c)
			if err != nil {
				k.tracer.refused(c)
			}
		}
		if err == nil {
			return
		}
		if c.Op == engine.OpTypes {
			fatal = err
		}
		if es := k.engine.Session(c.Session); c.Epoch != 0 && (es == nil || es.Epoch != c.Epoch) {
			err = errReplaced
		}
		if refused == nil {
			refused = err
		}
	})
	if t != nil {
		t.after(k.engine, &l.fx, refused)
	}
	return n, errors.Join(err, fatal)
}

// record returns a record of the server's own commands.
func (l *logged) record(commands ...*engine.Command) []byte {
	b := engine.AppendEntry(nil, l.term, l.core.now())
	for _, c := range commands {
		var err error
		if b, err = engine.AppendCommand(b, c); err != nil {
			panic(err) // a command that is not for a log
		}
	}
	return b
}

// deliverLocked carries out what was asked for so far. It gives core.mu up
// meanwhile.
func (l *logged) deliverLocked() {
	k := l.core
	if l.leads {
		k.settle(&l.fx)
		k.mu.Unlock()
		k.deliver(&l.fx)
		for _, t := range l.turns {
			t.done(nil)
		}
		k.mu.Lock()
	} else if len(l.turns) > 0 {
		k.mu.Unlock()
		for _, t := range l.turns {
			t.done(nil)
		}
		k.mu.Lock()
	}
	l.fx.Reset()
	clear(l.turns)
	l.turns = l.turns[:0]
}

// Dropped implements Machine.
func (l *logged) Dropped(tags []any) {
	for _, tag := range tags {
		if t, _ := tag.(turn); t != nil {
			t.done(errNotLogged)
		}
	}
}

var errNotLogged = wire.Errorf(wire.CodeUnavailable, "the server ends before this was logged; it may be tried again")

// Failed implements Machine.
func (l *logged) Failed(err error) {
	s := l.core.server
	s.log.Error("the log has failed; the server ends at once, and acknowledges nothing more", "err", err)
	if s.config.Fatal != nil {
		s.config.Fatal(err)
		return
	}
	panic(fmt.Sprintf("managers: the log has failed: %v", err))
}

// Full implements Machine. While the disk is full nothing may grow, and nobody else
// may come: what is left of the log is for what lets go.
func (l *logged) Full(full bool) {
	cfg := l.core.server.config.Limits.engineConfig()
	if full {
		cfg.MaxBytes, cfg.MaxSessions = 1, 1
		l.core.server.log.Error("the disk is full: calls that make something larger, calls that would wait, and new sessions are refused until there is room")
	} else {
		l.core.server.log.Info("there is room on the disk again: all calls are taken")
	}
	l.propose(&engine.Command{Op: engine.OpConfigure, Config: &cfg})
}

// Restore implements Machine.
func (l *logged) Restore(r io.Reader) error {
	k := l.core
	k.mu.Lock()
	defer k.mu.Unlock()
	e := engine.New(objects.Types()...)
	k.engine = e
	for _, t := range k.server.outside.allTypes() {
		if err := e.AddType(t); err != nil {
			return err
		}
	}
	if r == nil {
		return nil
	}
	return loadEngine(e, r)
}

// Snapshot implements Machine.
func (l *logged) Snapshot() (write func(w io.Writer) error, err error) {
	return snapshotEngine(l.core)
}

// ErrBusy tells that the state cannot be written down now, since work outside of it
// is under way.
var ErrBusy = errors.New("managers: work outside the state is under way")

// Lead implements Machine. Nothing that this server proposes is applied before it
// returns, and the takeover is the first.
func (l *logged) Lead(term uint64) {
	k := l.core
	k.mu.Lock()
	l.term = term
	record := l.takeoverLocked()
	k.mu.Unlock()
	l.log.Propose(record, &takeover{logged: l})
}

// takeover is the turn of the first record of this life.
type takeover struct {
	logged *logged
	left   []*engine.Session // sessions that may be resumed
	doors  []uint64          // sessions of doors, which keep references
	works  []engine.Work
}

func (t *takeover) before(*engine.Engine) {}

func (t *takeover) after(e *engine.Engine, _ *engine.Effects, err error) {
	l := t.logged
	l.leads = true
	e.Sessions(func(s *engine.Session) bool {
		switch {
		case !s.Info.Trusted:
			t.left = append(t.left, s)
		case s.Info.Shared:
			t.doors = append(t.doors, s.ID)
		}
		return true
	})
	t.works = e.PendingRuns()
}

func (t *takeover) done(err error) {
	l := t.logged
	if err == nil {
		s := l.core.server
		for _, es := range t.left {
			s.recallSession(es)
		}
		for _, id := range t.doors {
			time.AfterFunc(claimTime, func() { l.propose(&engine.Command{Op: engine.OpClose, Session: id}) })
		}
		s.outside.start(t.works)
	}
	close(l.ready)
}

// start brings the state to where the log ends.
func (l *logged) start(ctx context.Context) error {
	began := time.Now()
	l.core.mu.Lock()
	l.begun = true
	l.core.mu.Unlock()
	if err := l.log.Start(ctx, l); err != nil {
		return fmt.Errorf("the data directory cannot be used: %w", err)
	}
	select {
	case <-l.ready:
	case <-ctx.Done():
		return ctx.Err()
	}
	l.core.server.log.Info("the state is there", "took", time.Since(began).Round(time.Millisecond))
	return nil
}
