package managers

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/link"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// direct is a session of the server's own whose calls go straight to the
// engine: named objects made at the start, and the doors for other protocols.
// Its methods are safe for concurrent use.
type direct struct {
	core *core
	id   uint64

	serial atomic.Uint64

	mu      sync.Mutex // guards what follows
	pending map[uint64]chan engine.Reply
	dead    *wire.Error
	acked   []uint64 // answered, and not told to the engine yet
}

// newDirect opens a session. It ends with the server.
func (s *Server) newDirect(info engine.SessionInfo) (*direct, error) {
	info.Trusted = true
	d := &direct{core: s.core, pending: make(map[uint64]chan engine.Reply)}
	var fx engine.Effects
	k := s.core
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.do(&engine.Command{Op: engine.OpOpen, Now: k.now(), Open: &info}, &fx); err != nil {
		return nil, err
	}
	d.id = fx.Opened
	k.engine.Session(d.id).Peer = d
	return d, nil
}

func (d *direct) outbox() *link.Outbox { return nil }

// take hands a reply to its caller. A large view is encoded by the caller.
func (d *direct) take(r *engine.Reply) {
	d.mu.Lock()
	reply := d.pending[r.Serial]
	delete(d.pending, r.Serial)
	d.mu.Unlock()
	if reply != nil {
		reply <- *r
	}
}

func (d *direct) ended(err *wire.Error) {
	if err == nil {
		err = wire.ErrSessionExpired
	}
	d.mu.Lock()
	d.dead = err
	pending := d.pending
	d.pending = nil
	d.mu.Unlock()
	for _, reply := range pending {
		reply <- engine.Reply{Err: err}
	}
}

// Call makes one call and waits for its reply. When the context ends first the
// call is abandoned: what it took is given back. The result is owned.
func (d *direct) Call(ctx context.Context, cmd engine.Command) ([]byte, error) {
	reply := make(chan engine.Reply, 1)
	serial := d.serial.Add(1)
	d.mu.Lock()
	if d.dead != nil {
		d.mu.Unlock()
		return nil, d.dead
	}
	d.pending[serial] = reply
	d.mu.Unlock()
	cmd.Op, cmd.Session, cmd.Serial = engine.OpCall, d.id, serial
	if err := d.core.apply(&cmd); err != nil {
		d.forget(serial)
		return nil, err
	}
	select {
	case r := <-reply:
		return d.result(&r)
	case <-ctx.Done():
		_ = d.core.apply(&engine.Command{Op: engine.OpCancel, Session: d.id, Serial: serial, Abandon: true})
		d.forget(serial)
		return nil, ctx.Err()
	}
}

func (d *direct) forget(serial uint64) {
	d.mu.Lock()
	delete(d.pending, serial)
	d.mu.Unlock()
	d.acknowledge(serial)
}

func (d *direct) result(r *engine.Reply) ([]byte, error) {
	d.acknowledge(r.Serial)
	switch {
	case r.Err != nil:
		return nil, r.Err
	case r.View != nil:
		return r.View.Append(nil), nil
	}
	return []byte(r.Value), nil
}

// ackBatch is how many answered serials are told to the engine at once.
const ackBatch = 64

// acknowledge lets the engine forget the kept reply.
func (d *direct) acknowledge(serial uint64) {
	d.mu.Lock()
	d.acked = append(d.acked, serial)
	if len(d.acked) < ackBatch {
		d.mu.Unlock()
		return
	}
	ranges := make([]wire.Range, len(d.acked))
	for i, n := range d.acked {
		ranges[i] = wire.Range{From: n, To: n}
	}
	d.acked = d.acked[:0]
	d.mu.Unlock()
	_ = d.core.apply(&engine.Command{Op: engine.OpAck, Session: d.id, Ranges: ranges})
}

// close ends the session.
func (d *direct) close() { _ = d.core.apply(&engine.Command{Op: engine.OpClose, Session: d.id}) }
