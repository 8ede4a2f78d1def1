package managers

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/link"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// core is the engine under its lock, and what carries out its effects.
type core struct {
	// Fixed at creation.
	server *Server
	start  time.Time
	base   int64        // nanoseconds since 1970 at start
	ahead  atomic.Int64 // by how much the log's time is ahead of that; set once

	tracer *tracer // nil unless calls are logged
	logged *logged // nil unless the server has a data directory

	mu     sync.Mutex
	engine *engine.Engine // guarded by mu
	timer  *time.Timer    // guarded by mu; fires when OpTick is due
	armed  int64          // guarded by mu; the deadline that timer is set to, or 0
}

func newCore(s *Server) *core {
	now := time.Now()
	k := &core{
		server: s, start: now, base: now.UnixNano(),
	}
	if s.log.Enabled(context.Background(), slog.LevelDebug) {
		k.tracer = newTracer(s.log)
	}
	return k
}

// now returns the time of a command: nanoseconds since 1970, counted by the
// monotonic clock.
func (k *core) now() int64 { return k.base + int64(time.Since(k.start)) + k.ahead.Load() }

// configure gives the engine its limits and secrets.
func (k *core) configure(limits Limits) error {
	cfg := limits.engineConfig()
	rand.Read(cfg.Seed[:])
	// Fencing tokens grow across restarts, since the clock does: they count
	// from the microsecond in which the server started.
	cfg.FenceBase = uint64(k.base / 1000)
	return k.apply(&engine.Command{Op: engine.OpConfigure, Config: &cfg})
}

// newGeneration draws the number that tells one server's life from another's.
func newGeneration() uint64 {
	var b [8]byte
	rand.Read(b[:])
	return binary.BigEndian.Uint64(b[:])
}

// do applies one command; the caller holds mu.
func (k *core) do(c *engine.Command, fx *engine.Effects) error {
	if k.tracer == nil {
		return k.run(c, fx)
	}
	k.tracer.begin(k.engine, c)
	err := k.run(c, fx)
	if err != nil {
		k.tracer.refused(c)
	}
	return err
}

func (k *core) run(c *engine.Command, fx *engine.Effects) error {
	if observe := k.server.config.observe; observe != nil {
		return observe(k.engine, c, fx)
	}
	return k.engine.Apply(c, fx)
}

// effectsPool holds the memory of effects between batches.
var effectsPool = sync.Pool{New: func() any { return new(engine.Effects) }}

func takeEffects() *engine.Effects { return effectsPool.Get().(*engine.Effects) }

func giveEffects(fx *engine.Effects) {
	fx.Reset()
	effectsPool.Put(fx)
}

// apply takes the lock for one command and carries out its effects. With a log it
// lets that be done, and does not wait.
func (k *core) apply(c *engine.Command) error {
	if k.logged != nil {
		k.logged.propose(c)
		return nil
	}
	fx := takeEffects()
	defer giveEffects(fx)
	c.Now = k.now()
	k.mu.Lock()
	err := k.do(c, fx)
	k.settle(fx)
	k.mu.Unlock()
	k.deliver(fx)
	return err
}

// role returns what the session may do now.
func (k *core) role(session uint64) engine.Role {
	role, _ := k.rights(session)
	return role
}

// rights returns what the session may do now, and the prefixes of the names that
// it may open, none for every name.
func (k *core) rights(session uint64) (engine.Role, []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if s := k.engine.Session(session); s != nil {
		return s.Info.Role, slices.Clone(s.Info.Prefixes)
	}
	return 0, nil
}

// settle does what must happen before the lock is given up. The caller holds
// mu.
func (k *core) settle(fx *engine.Effects) {
	for _, c := range fx.Created {
		k.server.outside.adopt(c.Work, c.Object)
	}
	if k.tracer != nil {
		k.tracer.answered(fx)
	}
	if due := k.engine.NextDeadline(); due != 0 && (k.armed == 0 || due < k.armed) {
		k.arm(due)
	}
}

// arm sets the timer for the deadline. The caller holds mu.
func (k *core) arm(due int64) {
	k.armed = due
	wait := time.Duration(max(due-k.now(), 0))
	if k.timer == nil {
		k.timer = time.AfterFunc(wait, k.tick)
	} else {
		k.timer.Reset(wait)
	}
}

func (k *core) tick() {
	if k.logged != nil {
		k.logged.log.Propose(k.logged.record(&engine.Command{Op: engine.OpTick}), (*ticked)(k))
		return
	}
	var fx engine.Effects
	k.mu.Lock()
	k.armed = 0
	_ = k.do(&engine.Command{Op: engine.OpTick, Now: k.now()}, &fx)
	k.settle(&fx)
	k.mu.Unlock()
	k.deliver(&fx)
}

// stop ends the timer.
func (k *core) stop() {
	k.mu.Lock()
	if k.timer != nil {
		k.timer.Stop()
	}
	k.armed = -1 << 62 // nothing is due earlier
	k.mu.Unlock()
}

// peer is where replies of a session go.
type peer interface {
	// outbox returns the outbox that replies are appended to; nil: take takes
	// them.
	outbox() *link.Outbox
	take(r *engine.Reply)
	// ended tells that the session is over; err is nil when the client
	// closed it.
	ended(err *wire.Error)
}

// deliver carries out effects. It holds no lock, and does not block: outboxes
// take what is appended, and flushing does not wait.
func (k *core) deliver(fx *engine.Effects) {
	var current *link.Outbox
	var b []byte
	var dirty [16]*link.Outbox // appended to and not flushed yet
	n := 0
	swap := func(next *link.Outbox) {
		if current == next {
			return
		}
		if current != nil {
			_ = current.Unlock(b) // its error ends that connection's read loop
		}
		if current = next; next == nil {
			return
		}
		b = next.Lock()
		for _, o := range dirty[:n] {
			if o == next {
				return
			}
		}
		if n == len(dirty) {
			dirty[0].Flush()
			dirty[0] = next
			return
		}
		dirty[n] = next
		n++
	}
	for i := range fx.Replies {
		r := &fx.Replies[i]
		p := r.Peer.(peer)
		out := p.outbox()
		switch {
		case out == nil:
			p.take(r)
		case r.View != nil && !small(r), len(r.Value) > link.MaxSmall/2:
			swap(nil)
			k.sendLarge(out, *r)
		default:
			swap(out)
			at := len(b)
			if b = r.Append(b, nil); len(b)-at > k.most(r) {
				b = wire.AppendErrorReply(b[:at], r.Serial, tooLarge(len(b)-at, k.most(r)))
			}
		}
	}
	for i := range fx.Lost {
		l := &fx.Lost[i]
		out := l.Peer.(peer).outbox()
		if out == nil {
			continue
		}
		swap(out)
		b = wire.AppendEvent(b, &wire.Event{Event: wire.EventLockLost, Object: l.Object, Token: l.Token})
	}
	swap(nil)
	for _, o := range dirty[:n] {
		o.Flush()
	}
	if len(fx.Work)+len(fx.Cancels)+len(fx.Closed)+len(fx.Ended)+len(fx.Panics)+len(fx.Acts)+len(fx.Notes) > 0 {
		k.rest(fx)
	}
	if k.tracer != nil {
		k.tracer.flush(k.now())
	}
}

// rest carries out the effects that are rare.
func (k *core) rest(fx *engine.Effects) {
	for i := range fx.Panics {
		p := &fx.Panics[i]
		k.server.log.Error("bug: a method panicked; its object is damaged", "object", p.Object, "typeid", p.Type,
			"method", p.Method, "panic", p.Value, "stack", string(p.Stack))
	}
	for i := range fx.Acts {
		a := &fx.Acts[i]
		k.server.log.Info("administration", "act", a.Method, "subject", a.Subject, "session", a.Session, "key", a.Key,
			"remote", a.Remote, "program", a.Program)
	}
	for i := range fx.Notes {
		n := &fx.Notes[i]
		k.server.log.Warn(n.Text, "object", n.Object, "typeid", n.Type, "name", n.Name)
	}
	if len(fx.Work) > 0 {
		k.server.outside.start(fx.Work)
	}
	for _, id := range fx.Cancels {
		k.server.outside.cancel(id)
	}
	for _, id := range fx.Closed {
		k.server.outside.release(id)
	}
	for i := range fx.Ended {
		e := &fx.Ended[i]
		k.server.sessionEnded(e.Session, e.Err)
		if p, ok := e.Peer.(peer); ok {
			p.ended(e.Err)
		}
	}
}

// small reports whether a view is encoded at once: a short one of an object that
// takes little memory.
func small(r *engine.Reply) bool {
	switch v := r.View.(type) {
	case engine.Text:
		return len(v) <= link.MaxSmall/2
	case engine.Sized:
		return !r.Large && v.Size() <= link.MaxSmall/2
	}
	return false
}

// most returns how many bytes the receiver of a reply takes in one message.
func (k *core) most(r *engine.Reply) int {
	if r.Max > 0 {
		return r.Max
	}
	return k.server.config.MaxMessage
}

// tooLarge is the answer in place of one that is above the limit.
func tooLarge(n, most int) *wire.Error {
	return wire.Errorf(wire.CodeTooLarge, "the reply has %d bytes; the limit of its receiver is %d; ask for a part of it", n, most)
}

// sendLarge sends a large reply. A value exists already, and goes out by reference;
// a view is encoded when its session has a place, so that neither the reader of
// this session nor any other waits for it.
func (k *core) sendLarge(out *link.Outbox, r engine.Reply) {
	if r.View == nil {
		head, _ := wire.BeginReply(make([]byte, 0, 16), r.Serial, r.Status)
		k.sent(&r, out.SendLarge(wire.KindReply, head[wire.HeadSize:], r.Value.Bytes()))
		return
	}
	promised := sizeOf(&r)
	out.Promise(promised)
	t := &task{owner: out}
	t.run = func(pause engine.Pause) {
		defer out.Promise(-promised)
		if pause.Over() {
			return
		}
		most := k.most(&r)
		if v, ok := r.View.(engine.Sized); ok {
			if n := v.Size(); n > most {
				r.View, r.Err = nil, tooLarge(n, most)
			}
		}
		b := r.Append(nil, pause)
		if t.off.Load() {
			return
		}
		if n := len(b) - wire.HeadSize + 1; n > most {
			b = wire.AppendErrorReply(nil, r.Serial, tooLarge(n, most))
		}
		k.sent(&r, out.SendLarge(wire.KindReply, b[wire.HeadSize:]))
	}
	if !k.server.places.add(r.Session, t) {
		out.Promise(-promised)
		k.sent(&r, out.UnlockFlush(wire.AppendErrorReply(out.Lock(), r.Serial, errTasks)))
	}
}

// sent notes a large reply that could not be sent.
func (k *core) sent(r *engine.Reply, err error) {
	if err != nil {
		k.server.log.Debug("large reply was not sent", "session", r.Session, "serial", r.Serial, "err", err)
	}
}
