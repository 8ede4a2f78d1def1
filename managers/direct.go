package managers

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/link"
	"github.com/syncmanager/syncmanager/internal/pydoor"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// direct is a session of the server's own whose calls go straight to the
// engine: named objects made at the start, and the doors for other protocols.
// Its methods are safe for concurrent use.
type direct struct {
	// Fixed at creation.
	core  *core
	id    uint64
	flush *time.Timer // tells the engine what was answered

	serial uint64 // guarded by core.mu; with a log, by mu

	mu       sync.Mutex // guards what follows; may be taken with core.mu held
	pending  map[uint64]*directCall
	dead     *wire.Error
	acked    []uint64 // answered, and not told to the engine yet
	flushing bool     // flush is running down
	free     []*directCall
}

// maxFree is how many calls a session keeps for later ones.
const maxFree = 64

// ackDelay is how long the engine may keep a reply that was delivered.
const ackDelay = 50 * time.Millisecond

// newDirect opens a session. It ends with the server.
func (s *Server) newDirect(info engine.SessionInfo) (*direct, error) {
	info.Trusted, info.MaxMessage = true, s.config.MaxMessage
	d := &direct{core: s.core, pending: make(map[uint64]*directCall)}
	d.flush = time.AfterFunc(time.Hour, d.acknowledge)
	d.flush.Stop()
	err := s.core.command(&engine.Command{Op: engine.OpOpen, Open: &info}, nil, func(e *engine.Engine, fx *engine.Effects) {
		d.id = fx.Opened
		e.Session(d.id).Peer = d
	})
	if err != nil {
		return nil, err
	}
	return d, nil
}

// ID returns the session's number.
func (d *direct) ID() uint64 { return d.id }

func (d *direct) outbox() *link.Outbox { return nil }

// take hands a reply to its caller.
func (d *direct) take(r *engine.Reply) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c := d.pending[r.Serial]; c != nil {
		delete(d.pending, r.Serial)
		c.reply = *r
		c.ready <- struct{}{}
	}
}

// ended tells all callers that the session is over.
func (d *direct) ended(err *wire.Error) {
	if err == nil {
		err = wire.ErrSessionExpired
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dead = err
	for serial, c := range d.pending {
		c.reply = engine.Reply{Serial: serial, Err: err}
		c.ready <- struct{}{}
	}
	clear(d.pending)
	d.acked = nil
	d.flush.Stop()
}

// directCall is one call. It is used by one goroutine.
type directCall struct {
	direct *direct
	serial uint64
	ready  chan struct{} // gets one value with the reply
	reply  engine.Reply  // valid after ready
}

// Start makes a call of the command's object, method and arguments, which it
// does not keep. It does not wait.
func (d *direct) Start(cmd *engine.Command) pydoor.Call { return d.start(cmd) }

func (d *direct) start(cmd *engine.Command) *directCall {
	if d.core.logged != nil {
		return d.startLogged(cmd)
	}
	c := d.unused()
	fx := takeEffects()
	k := d.core
	k.mu.Lock()
	d.serial++
	c.serial = d.serial
	now := k.now()
	ranges, alive := d.enter(c)
	if alive {
		if ranges != nil {
			_ = k.do(&engine.Command{Op: engine.OpAck, Now: now, Session: d.id, Ranges: ranges}, fx)
		}
		cmd.Op, cmd.Now, cmd.Session, cmd.Serial = engine.OpCall, now, d.id, c.serial
		if err := k.do(cmd, fx); err != nil {
			d.take(&engine.Reply{Serial: c.serial, Err: wire.AsError(err)})
		}
		k.settle(fx)
	}
	k.mu.Unlock()
	k.deliver(fx)
	giveEffects(fx)
	return c
}

// unused returns a call that nobody uses.
func (d *direct) unused() *directCall {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := len(d.free); n > 0 {
		c := d.free[n-1]
		d.free = d.free[:n-1]
		return c
	}
	return &directCall{direct: d, ready: make(chan struct{}, 1)}
}

// enter enters a call and takes what is to be acknowledged. When the session
// is over, the call is answered.
func (d *direct) enter(c *directCall) (ranges []wire.Range, alive bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dead != nil {
		c.reply = engine.Reply{Serial: c.serial, Err: d.dead}
		c.ready <- struct{}{}
		return nil, false
	}
	d.pending[c.serial] = c
	return d.takeAckedLocked(), true
}

// takeAckedLocked returns the answered serials as ranges that ascend and lie
// apart.
func (d *direct) takeAckedLocked() []wire.Range {
	if len(d.acked) == 0 {
		return nil
	}
	slices.SortFunc(d.acked, cmp.Compare[uint64])
	ranges := make(wire.SerialSet, 0, 4)
	for _, n := range d.acked {
		ranges.Add(n)
	}
	d.acked = d.acked[:0]
	return ranges
}

// acknowledge tells the engine what was answered.
func (d *direct) acknowledge() {
	d.mu.Lock()
	d.flushing = false
	ranges := d.takeAckedLocked()
	d.mu.Unlock()
	if ranges != nil {
		_ = d.core.apply(&engine.Command{Op: engine.OpAck, Session: d.id, Ranges: ranges})
	}
}

// Ready gets one value when the reply has come.
func (c *directCall) Ready() <-chan struct{} { return c.ready }

// Result returns the reply, once it has come: a value that nobody changes, or
// an error. A large value is encoded here, a few at a time.
func (c *directCall) Result() (wire.Raw, error) {
	switch r := &c.reply; {
	case r.Err != nil:
		return "", r.Err
	case r.View != nil:
		return c.direct.core.encode(r)
	default:
		return r.Value, nil
	}
}

// encode encodes a view, when its session has a place unless it is small.
func (k *core) encode(r *engine.Reply) (wire.Raw, error) {
	most := k.most(r)
	if small(r) {
		return wire.OwnedRaw(r.View.Append(nil, nil)), nil
	}
	var b []byte
	var err error
	ready := make(chan struct{})
	t := &task{run: func(pause engine.Pause) {
		defer close(ready)
		if v, ok := r.View.(engine.Sized); ok {
			if n := v.Size(); n > most {
				err = tooLarge(n, most)
				return
			}
		}
		if b = r.View.Append(nil, pause); len(b) > most {
			b, err = nil, tooLarge(len(b), most)
		}
	}}
	if !k.server.places.add(r.Session, t) {
		return "", errTasks
	}
	<-ready
	return wire.OwnedRaw(b), err
}

// Accept ends the call: its reply has reached its receiver.
func (c *directCall) Accept() {
	d := c.direct
	serial := c.serial
	c.reply = engine.Reply{}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.free) < maxFree {
		d.free = append(d.free, c)
	}
	if d.dead != nil {
		return
	}
	d.acked = append(d.acked, serial)
	if !d.flushing {
		d.flushing = true
		d.flush.Reset(ackDelay)
	}
}

// Abandon ends the call: nobody wants its reply. What it took, or will have
// taken, is given back.
func (c *directCall) Abandon() {
	d := c.direct
	d.mu.Lock()
	delete(d.pending, c.serial)
	dead := d.dead != nil
	d.mu.Unlock()
	if !dead {
		_ = d.core.apply(&engine.Command{Op: engine.OpCancel, Session: d.id, Serial: c.serial, Abandon: true})
	}
	select {
	case <-c.ready: // it came meanwhile
	default:
	}
	c.Accept()
}

// Call makes one call and waits for its reply. When the context ends first the
// call is abandoned: what it took is given back.
func (d *direct) Call(ctx context.Context, cmd engine.Command) (wire.Raw, error) {
	c := d.start(&cmd)
	select {
	case <-c.ready:
	case <-ctx.Done():
		c.Abandon()
		return "", ctx.Err()
	}
	v, err := c.Result()
	c.Accept()
	return v, err
}

// close ends the session.
func (d *direct) close() { _ = d.core.apply(&engine.Command{Op: engine.OpClose, Session: d.id}) }

// Close ends the session: what it holds is given back.
func (d *direct) Close() { d.close() }
