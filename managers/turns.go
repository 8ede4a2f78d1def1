package managers

import (
	"slices"

	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// command applies one command of the server's own, and waits until that is done.
// before and after, if not nil, run under core.mu around it; after runs only if the
// command was not refused.
func (k *core) command(c *engine.Command, before func(e *engine.Engine), after func(e *engine.Engine, fx *engine.Effects)) error {
	if k.logged != nil {
		t := &waiting{onBefore: before, onAfter: after, over: make(chan error, 1)}
		k.logged.log.Propose(k.logged.record(c), t)
		return <-t.over
	}
	fx := takeEffects()
	defer giveEffects(fx)
	c.Now = k.now()
	k.mu.Lock()
	if before != nil {
		before(k.engine)
	}
	err := k.do(c, fx)
	if err == nil && after != nil {
		after(k.engine, fx)
	}
	k.settle(fx)
	k.mu.Unlock()
	k.deliver(fx)
	return err
}

// waiting is the turn of a command that somebody waits for.
type waiting struct {
	onBefore func(e *engine.Engine)
	onAfter  func(e *engine.Engine, fx *engine.Effects)
	err      error
	over     chan error
}

func (t *waiting) before(e *engine.Engine) {
	if t.onBefore != nil {
		t.onBefore(e)
	}
}

func (t *waiting) after(e *engine.Engine, fx *engine.Effects, err error) {
	if t.err = err; err == nil && t.onAfter != nil {
		t.onAfter(e, fx)
	}
}

func (t *waiting) done(err error) {
	if err == nil {
		err = t.err
	}
	t.over <- err
}

// ticked is the turn of an OpTick: the timer may be set again.
type ticked core

func (t *ticked) before(*engine.Engine) {}
func (t *ticked) after(*engine.Engine, *engine.Effects, error) {
	t.armed = 0
}
func (t *ticked) done(error) {}

// completed is the turn of results that come back into the engine.
type completed struct {
	outside *outside
	all     []done
}

func (t *completed) before(*engine.Engine)                        {}
func (t *completed) after(*engine.Engine, *engine.Effects, error) {}
func (t *completed) done(error)                                   { t.outside.finished(t.all) }

// finish logs results. The list is its caller's.
func (l *logged) finish(all []done) {
	all = slices.Clone(all)
	for i := range all {
		d := &all[i]
		if w := &d.job.work; w.Run != nil {
			l.core.mu.Lock()
			l.core.engine.Provide(w.ID, d.result)
			l.core.mu.Unlock()
		}
		// Each is a record of its own, so that one that is refused, since its caller is
		// gone, does not keep the others back.
		l.log.Propose(l.record(&engine.Command{
			Op: engine.OpComplete, Work: d.job.work.ID, Value: d.value, NewType: d.newType, Error: d.err,
		}), &completed{l.core.server.outside, all[i : i+1]})
	}
}

// called is the turn of a direct session's call.
type called struct {
	direct *direct
	serial uint64
}

func (t *called) before(*engine.Engine) {}
func (t *called) after(_ *engine.Engine, _ *engine.Effects, err error) {
	if err != nil {
		t.direct.take(&engine.Reply{Serial: t.serial, Err: wire.AsError(err)})
	}
}

func (t *called) done(err error) {
	if err != nil {
		t.direct.take(&engine.Reply{Serial: t.serial, Err: wire.AsError(err)})
	}
}

// startLogged is start by way of the log, unless the call only reads.
func (d *direct) startLogged(cmd *engine.Command) *directCall {
	k := d.core
	c := d.unused()
	d.mu.Lock()
	d.serial++
	c.serial = d.serial
	d.mu.Unlock()
	ranges, alive := d.enter(c)
	if !alive {
		return c
	}
	cmd.Op, cmd.Session, cmd.Serial = engine.OpCall, d.id, c.serial
	fx := takeEffects()
	k.mu.Lock()
	answered := k.engine.Query(cmd, fx)
	k.mu.Unlock()
	k.deliver(fx)
	giveEffects(fx)
	if ranges == nil && answered {
		return c
	}
	var commands []*engine.Command
	if ranges != nil {
		commands = append(commands, &engine.Command{Op: engine.OpAck, Session: d.id, Ranges: ranges})
	}
	if answered {
		k.logged.log.Propose(k.logged.record(commands...), nil)
	} else {
		k.logged.log.Propose(k.logged.record(append(commands, cmd)...), &called{d, c.serial})
	}
	return c
}
