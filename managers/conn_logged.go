package managers

import (
	"encoding/binary"
	"errors"
	"sync/atomic"
	"time"

	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// batch is the turn of what a connection brought at once.
type batch struct {
	conn  *conn
	pongs []uint64 // of PINGs that came behind frames which are not applied yet
}

func (t *batch) before(*engine.Engine) {}

func (t *batch) after(_ *engine.Engine, _ *engine.Effects, err error) {
	if err != nil {
		t.conn.refused.CompareAndSwap(nil, &refusal{err})
	}
}

// done gives the promises that PONG stands for: all that came before is applied,
// and the server is one that may apply.
func (t *batch) done(err error) {
	c := t.conn
	if err != nil {
		c.refused.CompareAndSwap(nil, &refusal{err})
	}
	for _, token := range t.pongs {
		c.pong(token)
	}
	c.under.Add(-1)
	if r := c.refused.Load(); r != nil {
		c.breakOff(r.err)
	}
}

type refusal struct{ err error }

// way is what a connection has whose commands are logged.
type way struct {
	frames  []byte // owned by the read loop, as is record
	record  []byte
	acked   atomic.Uint64           // by calls that only read
	wrote   atomic.Bool             // a call was logged since the engine was told of acked
	telling atomic.Bool             // a timer runs that will tell it
	under   atomic.Int64            // batches that are not applied yet
	refused atomic.Pointer[refusal] // ends the connection
}

// readLogged is read by way of the log: the frames that have arrived go there as one
// record, as they came. What only reads is answered at once.
func (c *conn) readLogged() error {
	k := c.server.core
	l := k.logged
	for {
		kind, body, err := c.next()
		if err != nil {
			return err
		}
		c.fx.Reset()
		frames := c.frames[:0]
		var pongs []uint64
		locked, n := false, 0
		for {
			switch kind {
			case wire.KindPing:
				var token uint64
				if token, err = wire.ParsePing(body); err != nil {
					break
				}
				if len(frames) == 0 && c.under.Load() == 0 {
					c.pong(token)
				} else {
					pongs = append(pongs, token)
				}
			case wire.KindMux:
				err = c.feedMux(body)
			case wire.KindCall:
				if err = c.parse(kind, body, 0); err != nil {
					break
				}
				if !locked {
					k.mu.Lock()
					locked = true
				}
				if k.engine.Query(&c.cmd, &c.fx) {
					c.acknowledged(c.cmd.Acked)
					break
				}
				frames = appendFrame(frames, kind, body)
				c.wrote.Store(true)
			case wire.KindAck, wire.KindCancel, wire.KindClose:
				if err = c.parse(kind, body, 0); err == nil {
					frames = appendFrame(frames, kind, body)
				}
			default:
				err = wire.Errorf(wire.CodeProtocol, "unknown message kind %d", kind)
			}
			if err != nil || c.closed {
				break
			}
			if n++; n == maxBatch || !c.in.Buffered() {
				break
			}
			if kind, body, err = c.in.Next(); err != nil {
				break
			}
		}
		if locked {
			k.mu.Unlock()
			k.deliver(&c.fx)
		}
		if len(frames) > 0 || len(pongs) > 0 {
			c.under.Add(1)
			record := engine.AppendEntry(c.record[:0], l.term, k.now())
			if len(frames) > 0 {
				record = engine.AppendFrames(record, c.session.id, c.epoch, frames)
			}
			l.log.Propose(record, &batch{c, pongs})
			c.frames, c.record = frames, record
			if cap(record) > maxSpare {
				c.frames, c.record = nil, nil
			}
		}
		if err != nil {
			return err
		}
		for c.closed { // until the end of the session has closed the connection
			if _, _, err := c.next(); err != nil {
				return nil
			}
		}
		l.log.Throttle()
		if c.out.Backlog() > c.server.config.MaxUnsent/8 {
			// The log has its calls in one order with all else: none of them can wait,
			// so the connection does.
			_ = c.out.WaitBacklog(c.server.context, c.server.config.MaxUnsent/8) // the read that follows meets the end
			c.renewed = time.Time{}
		}
		c.renew()
	}
}

// appendFrame appends a frame as it came.
func appendFrame(b []byte, kind wire.Kind, body []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(body)+1))
	b = append(b, byte(kind))
	return append(b, body...)
}

// acknowledged notes what a call acknowledges that needed no log. The next one that does
// need it says so as well; if none comes, the engine is told a little later.
func (c *conn) acknowledged(acked uint64) {
	if !c.wrote.Load() || acked <= c.acked.Load() {
		return
	}
	c.acked.Store(acked)
	if c.telling.CompareAndSwap(false, true) {
		time.AfterFunc(ackDelay, func() {
			c.telling.Store(false)
			c.wrote.Store(false)
			c.server.core.logged.propose(&engine.Command{Op: engine.OpAck, Session: c.session.id, Epoch: c.epoch, Acked: c.acked.Load()})
		})
	}
}

// maxSpare is how much memory a connection keeps for its next batch.
const maxSpare = 64 << 10

// breakOff ends the connection from outside its read loop.
func (c *conn) breakOff(err error) {
	var refused *wire.Error
	if errors.As(err, &refused) {
		c.server.log.Warn("connection refused", "remote", c.remote, "err", err)
		c.bye(refused)
		return
	}
	c.out.Shutdown(byeTimeout) // the client was told
}
