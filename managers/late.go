package managers

import (
	"sync"

	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// A client may ask for more than it reads. While more than Config.MaxUnsent waits
// for it, its calls wait too, as they came, until it has read half of that; what
// else it sends is handled at once, so that its lease goes on and a CANCEL finds its
// call. Above maxLate bytes of calls, or that and twice MaxUnsent of small replies and
// PONGs, the connection is not read.
// Nobody is cut off for reading slowly: the outbox ends a connection whose peer
// reads nothing at all for a lease.

// maxLate is how many bytes of calls wait before their connection is not read.
const maxLate = 1 << 20

// lateCalls are the calls that wait. They are guarded by core.mu.
type lateCalls struct {
	list    []lateCall // from head on
	head    int
	bytes   int
	waiting bool       // the outbox will tell when there is room
	room    *sync.Cond // on core.mu: there are fewer, or the connection has ended
	ended   bool
}

type lateCall struct {
	serial uint64
	body   []byte // nil: it was taken out
	owned  bool
}

func (l *lateCalls) empty() bool { return l.head == len(l.list) }

// put keeps a call for later. The body is copied unless it is ours to keep.
func (l *lateCalls) put(serial uint64, body []byte, owned bool) {
	if !owned {
		body = append([]byte(nil), body...)
	}
	l.list = append(l.list, lateCall{serial, body, owned})
	l.bytes += len(body)
}

// take returns the call that waits longest.
func (l *lateCalls) take() lateCall {
	for {
		c := l.list[l.head]
		l.list[l.head] = lateCall{}
		if l.head++; l.empty() {
			l.list, l.head = l.list[:0], 0
		}
		if c.body != nil || l.empty() {
			l.bytes -= len(c.body)
			return c
		}
	}
}

// pull returns the call of that serial out of its turn; its body is nil if it does
// not wait.
func (l *lateCalls) pull(serial uint64) lateCall {
	for i := l.head; i < len(l.list); i++ {
		if c := l.list[i]; c.serial == serial && c.body != nil {
			l.list[i] = lateCall{serial: serial}
			l.bytes -= len(c.body)
			return c
		}
	}
	return lateCall{}
}

// full reports whether the replies that wait, and those that were made since, are
// more than the client may leave unread.
func (c *conn) full() bool { return c.backlog+c.made > c.server.config.MaxUnsent }

// count adds the replies among fx from the offset on to what was made.
func (c *conn) count(fx *engine.Effects, from int) {
	for i := from; i < len(fx.Replies); i++ {
		if r := &fx.Replies[i]; r.Peer == any(c) {
			c.made += sizeOf(r)
		}
	}
}

// unknownSize stands for a view that does not know how long it will be.
const unknownSize = 1 << 20

// sizeOf is about how many bytes a reply will have.
func sizeOf(r *engine.Reply) int {
	switch v := r.View.(type) {
	case nil:
		return len(r.Value)
	case engine.Text:
		return len(v)
	case engine.Sized:
		return v.Size()
	}
	return unknownSize
}

// later lets calls wait that came while the client had too much unread. The caller
// holds core.mu and tells the outbox after it has given that up.
func (c *conn) later() bool {
	if c.late.empty() || c.late.waiting {
		return false
	}
	c.late.waiting = true
	return true
}

// awaitRoom has applyLate called when the client has read half of what it may leave
// unread.
func (c *conn) awaitRoom() { c.out.WhenBelow(c.server.config.MaxUnsent/2, c.applyLate) }

// applyLate applies calls that waited, until there is too much unread again.
func (c *conn) applyLate() {
	k := c.server.core
	fx := takeEffects()
	defer giveEffects(fx)
	backlog := c.out.Backlog()
	k.mu.Lock()
	c.late.waiting = false
	var err error
	es := k.engine.Session(c.session.id)
	if c.late.ended || es == nil || es.Peer != any(c) || c.out.Err() != nil {
		c.late = lateCalls{room: c.late.room, ended: true}
		c.late.room.Broadcast()
		k.mu.Unlock()
		return
	}
	now := k.now()
	c.backlog, c.made = backlog, 0
	for n := 0; n < maxBatch && err == nil && !c.late.empty() && !c.full(); n++ {
		if l := c.late.take(); l.body != nil {
			err = c.apply(l, now, fx)
		}
	}
	again := c.later()
	c.late.room.Broadcast()
	k.settle(fx)
	k.mu.Unlock()
	k.deliver(fx)
	if err != nil {
		c.late.room.L.Lock()
		c.late.ended = true
		c.late.room.L.Unlock()
		c.bye(wire.AsError(err))
		return
	}
	if again {
		c.awaitRoom()
	}
}

// apply applies a call. The caller holds core.mu.
func (c *conn) apply(l lateCall, now int64, fx *engine.Effects) error {
	var m wire.Call
	if err := wire.ParseCall(l.body, &m); err != nil {
		return err
	}
	cmd := c.command(&m, now, l.owned)
	from := len(fx.Replies)
	err := c.server.core.do(&cmd, fx)
	c.count(fx, from)
	return err
}

// readable waits until the connection may be read on. It reports whether it waited.
func (c *conn) readable() bool {
	limit := 2*c.server.config.MaxUnsent + maxLate
	waited := false
	if c.out.SmallPending() > limit {
		waited = true
		if c.out.WaitSmall(c.server.context, limit) != nil {
			return true // the read that follows meets the end
		}
	}
	k := c.server.core
	k.mu.Lock()
	defer k.mu.Unlock()
	for c.late.bytes > maxLate && !c.late.ended {
		waited = true
		c.late.room.Wait()
	}
	return waited
}
