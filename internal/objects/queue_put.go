package objects

import (
	"fmt"

	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

func queuePut(q *queue, o *engine.Object, c *engine.Call) error { return q.put(o, c, true) }

func queuePutNoWait(q *queue, o *engine.Object, c *engine.Call) error { return q.put(o, c, false) }

func (q *queue) put(o *engine.Object, c *engine.Call, wait bool) error {
	v := c.Value()
	delay, err := secondsArg(c, "delay")
	if err != nil {
		return err
	}
	return q.add(o, c, v, nil, delay, wait)
}

// add puts one item, ordered by key unless that is nil.
func (q *queue) add(o *engine.Object, c *engine.Call, v, key []byte, delay int64, wait bool) error {
	if err := q.cost(o, 1); err != nil {
		return err
	}
	if q.kind == priority {
		by := v
		if key != nil {
			by = key
		}
		if _, _, err := q.placeBy(by, q.seq+1); err != nil {
			return err
		}
	}
	if q.room() > 0 {
		e := queued{raw: o.Keep(c, v)}
		if key != nil {
			e.key = o.Keep(c, key)
		}
		if err := q.push(o, e, delay); err != nil {
			q.let(o, &e)
			return err
		}
		q.Serve(o)
		c.ReturnNil()
		return nil
	}
	if !wait {
		return wire.ErrFull
	}
	c.Stage, c.Owner = putOne, uint64(delay)
	if c.Park(&q.putters) {
		c.Item = o.Keep(c, v)
		if key != nil {
			c.Items = []wire.Raw{o.Keep(c, key)}
		}
	}
	return nil
}

// let drops an item.
func (q *queue) let(o *engine.Object, e *queued) { dropItem(o, e) }

// queuePutMany puts all items, at once if they fit. If they do not, they enter
// in order as room comes, behind whoever waited before; a caller who does not
// wait then gets ErrFull and nothing was put.
func queuePutMany(q *queue, o *engine.Object, c *engine.Call) error {
	list, err := c.Args.Elements(false)
	if err != nil {
		return err
	}
	delay, err := secondsArg(c, "delay")
	if err != nil {
		return err
	}
	n := list.Len()
	if err := q.cost(o, n); err != nil {
		return err
	}
	if n > 0 && int64(n) > q.room() {
		c.Stage, c.Owner = putMany, uint64(delay)
		if c.Park(&q.putters) {
			c.Items = make([]wire.Raw, 0, n)
			for list.More() {
				c.Items = append(c.Items, o.Keep(c, list.Next()))
			}
			q.Serve(o)
		}
		return nil
	}
	first := q.seq
	var pushed []queued
	for list.More() {
		e := queued{raw: o.Keep(c, list.Next()), seq: q.seq + 1}
		if err := q.push(o, e, delay); err != nil {
			q.let(o, &e)
			q.takeBack(o, first, pushed)
			return err
		}
		if q.kind == priority {
			pushed = append(pushed, e)
		}
	}
	q.Serve(o)
	c.ReturnNil()
	return nil
}

// takeBack takes out what a put_many put before one of its items was refused.
func (q *queue) takeBack(o *engine.Object, first uint64, pushed []queued) {
	for i := range pushed {
		e := &pushed[i]
		block, at, err := q.place(e)
		if err != nil || at == 0 || q.items.blocks[block].items[at-1].seq != e.seq {
			// Values without an order of their own (NaN) stand where no search
			// finds them.
			q.items.cutAfter(first, func(e *queued) { q.let(o, e) })
			break
		}
		out := q.items.cut(block, at-1)
		q.let(o, &out)
	}
	q.unfinished -= int64(q.seq - first)
	q.seq = first
}

// queueLeavePut ends a put that waited in vain.
func queueLeavePut(o *engine.Object, c *engine.Call, why engine.Leaving) {
	q := o.State.(*queue)
	put, total := c.N, len(c.Items)
	many := c.Stage == putMany
	q.forgetPut(o, c)
	switch {
	case many && put > 0:
		failPartly(c, why, put, total)
	case why == engine.LeaveTimeout:
		c.Fail(wire.ErrFull)
	}
}

// forgetPut drops what a parked put still had to put.
func (q *queue) forgetPut(o *engine.Object, c *engine.Call) {
	if c.Item != "" {
		o.Drop(c.Item)
		c.Item = ""
	}
	for _, raw := range c.Items {
		if raw != "" {
			o.Drop(raw)
		}
	}
	c.Items = nil
}

// failPartly says how many items of a put_many went in before it ended.
func failPartly(c *engine.Call, why engine.Leaving, put int64, total int) {
	err := *wire.ErrCancelled
	switch why {
	case engine.LeaveTimeout:
		err = *wire.ErrFull
	case engine.LeaveRemoved:
		err = *wire.ErrRemoved
	case engine.LeaveShutdown:
		err = *wire.ErrShuttingDown
	case 0:
		err = *wire.ErrShutDown
	}
	partly(&err, put, total)
	c.Fail(&err)
}

// partly adds to an error of put_many how many items are in the queue.
func partly(err *wire.Error, put int64, total int) {
	err.Message = fmt.Sprintf("%s; %d of %d items were put", err.Message, put, total)
	err.Detail = wire.Raw(wire.AppendInt(nil, put))
	err.Safe = false
}

// admit lets the first parked put go on; there is room for one item.
func (q *queue) admit(o *engine.Object, c *engine.Call) {
	if c.Stage == putOne {
		e := queued{raw: c.Item}
		if len(c.Items) > 0 {
			e.key = c.Items[0]
		}
		if err := q.push(o, e, int64(c.Owner)); err != nil {
			q.forgetPut(o, c)
			c.Fail(err)
			return
		}
		c.Item, c.Items = "", nil
		c.ReturnNil()
		return
	}
	if c.N < int64(len(c.Items)) {
		if err := q.push(o, queued{raw: c.Items[c.N]}, int64(c.Owner)); err != nil {
			total := len(c.Items)
			for _, raw := range c.Items[c.N:] {
				o.Drop(raw)
			}
			c.Items = nil
			if c.N > 0 {
				partly(err.(*wire.Error), c.N, total)
			}
			c.Fail(err)
			return
		}
		c.Items[c.N] = ""
		c.N++
	}
	if c.N == int64(len(c.Items)) {
		c.Items = nil
		c.ReturnNil()
	}
}
