package objects

import (
	"encoding/binary"

	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// leaseMethods are what a queue has for those who confirm that the work on an
// item is done.
var leaseMethods = []engine.Method{
	{Name: "receive", Params: "n: int = 1, lease=None, acks=[]", Result: "list of [token, attempt, item]", Flags: engine.Parks, Fn: on(queueReceive), Leave: queueLeaveGet, Undo: queueUndoReceive},
	{Name: "ack", Params: "tokens, done=True", Result: "None", Fn: on(queueAck)},
	{Name: "nack", Params: "token: uint, delay=None, reason: str = '', count=True", Result: "None", Fn: on(queueNack)},
	{Name: "extend", Params: "token: uint, lease=None", Result: "None", Fn: on(queueExtend)},
	{Name: "counts", Result: "dict", Flags: engine.Reads, Fn: on(queueCounts)},
	{Name: "dead", Params: "after: uint = 0, limit: int = 100", Result: "list", Flags: engine.Reads, Fn: on(queueDead)},
	{Name: "requeue", Params: "ids=None, into: ref|None = None", Result: "int", Fn: on(queueRequeue)},
	{Name: "purge_dead", Params: "ids=None", Result: "int", Fn: on(queuePurgeDead)},
	{Name: "limit_attempts", Params: "attempts: int, keep_dead: int|None = None", Result: "None", Fn: on(queueLimitAttempts)},
}

// queueReceive hands out up to n items under leases of so many seconds each, or
// without an end of their own. Before that it acknowledges.
func queueReceive(q *queue, o *engine.Object, c *engine.Call) error {
	n := c.Int()
	if n < 1 {
		return wire.Errorf(wire.CodeValue, "receive of %d items; ask for 1 or more", n)
	}
	d, err := secondsArg(c, "lease")
	if err != nil {
		return err
	}
	var acks []uint64
	if c.Args.More() {
		if acks, err = tokensArg(c); err != nil {
			return err
		}
	}
	if err := q.ack(o, c, acks, true); err != nil {
		return err
	}
	c.N, c.Owner = n, uint64(d)
	return q.fetch(o, c, getLeases, true)
}

// deliverLeases replies with up to c.N items, each as [token, attempt, item]. For
// the undoing it leaves the tokens in c.Item.
func (q *queue) deliverLeases(o *engine.Object, c *engine.Call, serve bool) {
	n := int(min(c.N, int64(q.items.n), maxBatch))
	tokens := make([]byte, 0, 8*n)
	b := make([]byte, 0, 64*n)
	size := 0
	given := 0
	for ; given < n && (given == 0 || size+len(q.items.at(q.kind == lifo).raw) <= maxBatchBytes); given++ {
		e := q.items.pop(q.kind == lifo)
		a := q.away.lease(o, c, e, int64(c.Owner))
		if e.past != nil {
			c.Redelivered()
		}
		b = wire.AppendArrayHeader(b, 3)
		b = wire.AppendUint(b, a.hold.Token)
		b = wire.AppendInt(b, e.past.attempt())
		b = append(b, e.raw...)
		tokens = binary.BigEndian.AppendUint64(tokens, a.hold.Token)
		size += len(e.raw)
	}
	c.Item = rawOf(tokens)
	if serve {
		q.Serve(o)
	}
	head := wire.AppendArrayHeader(make([]byte, 0, len(b)+5), given)
	c.Return(rawOf(append(head, b...)))
}

// queueUndoReceive puts the items of a reply that nobody got back to their
// places. No attempt is counted. When the session has ended, its worker may have
// had them: then their leases end with it, as others do.
func queueUndoReceive(o *engine.Object, c *engine.Call) {
	if c.Session.Over() {
		return
	}
	q := o.State.(*queue)
	for tokens := c.Item.Bytes(); len(tokens) >= 8; tokens = tokens[8:] {
		if a := q.away.leased[binary.BigEndian.Uint64(tokens)]; a != nil {
			e := q.away.leave(o, a)
			if e.past == nil {
				e.past = seen
			}
			q.back(o, e)
		}
	}
	q.Serve(o)
}

// back puts an item that is still the object's to its place.
func (q *queue) back(o *engine.Object, e queued) {
	if q.dropped {
		dropItem(o, &e)
		q.finish(1)
		return
	}
	block, at, err := q.place(&e)
	if err != nil {
		// What came since cannot be compared with it. It must not be lost: it is
		// the next to go.
		block, at = 0, 0
	}
	q.items.insert(block, at, e)
}

// fail ends a lease without success: the item comes back, now or later, or is
// dead, which counts as done.
func (q *queue) fail(o *engine.Object, a *away, reason string, counted bool, delay int64) {
	worker := partyText(a.hold.Session)
	e := q.away.leave(o, a)
	switch {
	case q.dropped:
		dropItem(o, &e)
		q.finish(1)
	case !q.away.failed(o, &e, failure{reason: reason, worker: worker}, counted):
		q.finish(1)
	case delay > 0:
		q.away.delay(o, e, delay)
	default:
		q.back(o, e)
	}
}

// ack ends leases: their items are done. Of several tokens those that are good
// count, also when others are not.
// With done they count as done, else that is left to task_done, as after a get.
func (q *queue) ack(o *engine.Object, c *engine.Call, tokens []uint64, done bool) error {
	var lost []uint64
	var first error
	for _, token := range tokens {
		a, err := q.away.held(c, token)
		if err != nil {
			lost = append(lost, token)
			if first == nil {
				first = err
			}
			continue
		}
		e := q.away.leave(o, a)
		dropItem(o, &e)
		if done {
			q.finish(1)
		}
	}
	if first == nil {
		return nil
	}
	if len(tokens) > 1 {
		err := wire.Errorf(wire.CodeLockLost, "%d of %d leases are over; the other items were acknowledged", len(lost), len(tokens))
		b := wire.AppendArrayHeader(nil, len(lost))
		for _, token := range lost {
			b = wire.AppendUint(b, token)
		}
		err.Detail = rawOf(b)
		return err
	}
	return first
}

func queueAck(q *queue, o *engine.Object, c *engine.Call) error {
	tokens, err := tokensArg(c)
	if err != nil {
		return err
	}
	if err := q.ack(o, c, tokens, c.Truth()); err != nil {
		return err
	}
	q.Serve(o) // those who wait for the end of a queue that was shut down
	c.ReturnNil()
	return nil
}

// queueNack gives an item back: at once or after a delay, with a reason that is
// kept. With count=False the attempt does not count.
func queueNack(q *queue, o *engine.Object, c *engine.Call) error {
	token := c.Uint()
	delay, err := secondsArg(c, "delay")
	if err != nil {
		return err
	}
	reason, counted := string(c.Str()), c.Truth()
	a, err := q.away.held(c, token)
	if err != nil {
		return err
	}
	q.fail(o, a, reason, counted, delay)
	q.Serve(o)
	c.ReturnNil()
	return nil
}

// queueExtend has a lease last for so many seconds from now, or without an end
// of its own.
func queueExtend(q *queue, o *engine.Object, c *engine.Call) error {
	token := c.Uint()
	d, err := secondsArg(c, "lease")
	if err != nil {
		return err
	}
	a, err := q.away.held(c, token)
	if err != nil {
		return err
	}
	q.away.extend(o, a, d)
	c.ReturnNil()
	return nil
}

// Wake ends delays and leases whose time is up.
func (q *queue) Wake(o *engine.Object, n int) int {
	ended := 0
	for ; ended < n && len(q.away.due) > 0 && q.away.due[0].until <= o.Engine().Now(); ended++ {
		a := q.away.due[0]
		if a.hold == nil {
			q.back(o, q.away.leave(o, a))
			continue
		}
		a.hold.Lose()
		q.fail(o, a, "the time of the lease was up", true, 0)
	}
	q.away.arm(o)
	q.Serve(o)
	return ended
}

// Shift moves the ends of delays and leases.
func (q *queue) Shift(o *engine.Object, by int64) { q.away.shift(o, by) }

// DropHold ends a lease whose session is over, or whose object was removed.
func (q *queue) DropHold(o *engine.Object, h *engine.Hold) {
	if a := q.away.leased[h.Token]; a != nil {
		q.fail(o, a, "the session of the worker ended", true, 0)
		q.Serve(o)
	}
}

// HeldBy reports whether the lease with that token is on.
func (q *queue) HeldBy(token uint64) bool { return q.away.leased[token] != nil }

// queueCounts returns how many items there are of each kind.
func queueCounts(q *queue, o *engine.Object, c *engine.Call) error {
	counts := []struct {
		name string
		n    int64
	}{
		{"waiting", int64(q.items.n)}, {"delayed", int64(q.away.delayed)}, {"leased", int64(len(q.away.leased))},
		{"dead", int64(len(q.away.dead))}, {"dropped", q.away.dropped},
	}
	b := wire.AppendMapHeader(nil, len(counts))
	for _, x := range counts {
		b = wire.AppendInt(wire.AppendStr(b, x.name), x.n)
	}
	c.Return(rawOf(b))
	return nil
}

// queueDead returns dead items, oldest first, as dicts with id, item, attempts
// and failures; those behind the one with the id after.
func queueDead(q *queue, o *engine.Object, c *engine.Call) error {
	after, limit := c.Uint(), c.Int()
	if limit < 1 || limit > defaultPage {
		return wire.Errorf(wire.CodeValue, "a limit of %d items; it lies between 1 and %d", limit, defaultPage)
	}
	list := q.away.dead
	if after != 0 {
		list = nil
		for i := range q.away.dead {
			if q.away.dead[i].seq == after {
				list = q.away.dead[i+1:]
				break
			}
		}
	}
	var b []byte
	n := 0
	for ; n < len(list) && n < int(limit) && (n == 0 || len(b)+len(list[n].raw) < maxPageBytes); n++ {
		e := &list[n]
		b = wire.AppendMapHeader(b, 4)
		b = wire.AppendUint(wire.AppendStr(b, "id"), e.seq)
		b = append(wire.AppendStr(b, "item"), e.raw...)
		b = wire.AppendInt(wire.AppendStr(b, "attempts"), e.past.attempts)
		b = e.past.appendFailures(wire.AppendStr(b, "failures"))
	}
	c.Return(rawOf(append(wire.AppendArrayHeader(make([]byte, 0, len(b)+5), n), b...)))
	return nil
}

// pickDead takes the ids of dead items: nil and all of them, if it is None.
func (q *queue) pickDead(c *engine.Call) (map[uint64]bool, error) {
	if !c.Args.More() || c.Args.Nil() {
		return nil, nil
	}
	ids, err := tokensArg(c)
	if err != nil {
		return nil, err
	}
	pick := make(map[uint64]bool, len(ids))
	for _, id := range ids {
		pick[id] = true
	}
	return pick, nil
}

// takeDead takes the picked items out of the dead.
func (q *queue) takeDead(pick map[uint64]bool) []queued {
	var taken, left []queued
	for _, e := range q.away.dead {
		if pick == nil || pick[e.seq] {
			taken = append(taken, e)
		} else {
			left = append(left, e)
		}
	}
	q.away.dead = left
	return taken
}

// queueRequeue puts dead items back to their places, with all their attempts
// before them, or into another queue, as new items of that.
func queueRequeue(q *queue, o *engine.Object, c *engine.Call) error {
	pick, err := q.pickDead(c)
	if err != nil {
		return err
	}
	target, into := o, q
	if c.Given() {
		other := c.Ref()
		var ok bool
		if into, ok = other.State.(*queue); !ok {
			return wire.Errorf(wire.CodeType, "requeue into %s: it is no queue", objectText(other))
		}
		target = other
	}
	n := 0
	for i := range q.away.dead {
		if pick == nil || pick[q.away.dead[i].seq] {
			n++
		}
	}
	if into.shut {
		return wire.ErrShutDown
	}
	if into != q {
		if err := into.cost(target, n); err != nil {
			return err
		}
		if int64(n) > into.room() {
			return wire.ErrFull
		}
	}
	moved := 0
	for _, e := range q.takeDead(pick) {
		o.Charge(-e.past.cost())
		e.past = nil
		if into == q {
			q.unfinished++
			q.back(o, e)
			moved++
			continue
		}
		target.KeepRaw(e.raw, true)
		fresh := queued{raw: e.raw, key: e.key}
		if e.key != "" {
			target.KeepRaw(e.key, true)
		}
		if into.push(target, fresh, 0) != nil {
			// It cannot be compared with what is there: it stays where it was.
			dropItem(target, &fresh)
			q.away.dead = append(q.away.dead, queued{raw: e.raw, key: e.key, seq: e.seq, past: seen})
			continue
		}
		dropItem(o, &e)
		moved++
	}
	into.Serve(target)
	c.ReturnInt(int64(moved))
	return nil
}

// queuePurgeDead drops dead items.
func queuePurgeDead(q *queue, o *engine.Object, c *engine.Call) error {
	pick, err := q.pickDead(c)
	if err != nil {
		return err
	}
	taken := q.takeDead(pick)
	for i := range taken {
		dropItem(o, &taken[i])
	}
	c.ReturnInt(int64(len(taken)))
	return nil
}

// queueLimitAttempts sets how often an item is handed out under a lease before
// it is dead, 0 for any number, and how many of the dead are kept. Items that
// have failed more often already are dead when they fail the next time.
func queueLimitAttempts(q *queue, o *engine.Object, c *engine.Call) error {
	attempts, keep := c.Int(), int64(q.away.keepDead)
	if c.Given() {
		keep = c.Int()
	}
	if attempts < 0 {
		return wire.Errorf(wire.CodeValue, "a limit of %d attempts; give 1 or more, or 0 for none", attempts)
	}
	if keep < 0 || keep > maxKeepDead {
		return wire.Errorf(wire.CodeValue, "%d dead items to keep; the number lies between 0 and %d", keep, maxKeepDead)
	}
	q.away.attempts, q.away.keepDead = attempts, int(keep)
	q.away.trim(o)
	c.ReturnNil()
	return nil
}
