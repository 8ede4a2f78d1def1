package objects

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// queueKind says in which order a queue hands out its items.
type queueKind uint8

const (
	fifo queueKind = iota
	lifo
	priority
)

// queue is Python's queue.Queue, LifoQueue, PriorityQueue or SimpleQueue.
//
// An item has a sequence number, its place. It leaves with the reply that
// carries it. When the receiver dies before it acknowledged that reply, the
// item comes back to its old place and the next reply says that it is delivered
// again. That does not change the count of unfinished items, and may exceed
// maxsize. After an immediate shutdown such an item is dropped, and counts as
// finished like the others that the shutdown dropped.
type queue struct {
	id         uint64
	class      string // Python's
	kind       queueKind
	maxsize    int64 // 0 or less: none
	unfinished int64
	seq        uint64
	shut       bool // no more puts
	dropped    bool // shut down at once: nothing comes back
	items      queueItems
	away       outstanding
	getters    engine.Waiters
	putters    engine.Waiters
	joiners    engine.Waiters
}

// What a parked call of a queue waits to do: Call.Stage.
const (
	putOne uint8 = iota + 1
	putMany
	getOne
	getMany
	getPair
	getLeases
)

const (
	// maxBatch is the most that one get_many returns, and maxBatchBytes the
	// bytes after which it stops.
	maxBatch      = 4096
	maxBatchBytes = 4 << 20
)

// newQueue returns the constructor of a queue type.
func newQueue(class string, kind queueKind, bounded bool) func(o *engine.Object, c *engine.Call) error {
	return func(o *engine.Object, c *engine.Call) error {
		q := &queue{id: o.ID, class: class, kind: kind}
		q.away.keepDead = defaultKeepDead
		if bounded {
			q.maxsize = c.Int()
		}
		o.State = q
		return nil
	}
}

// simpleQueueMethods is the table of SimpleQueue, with which those of the other
// queues begin.
func simpleQueueMethods() []engine.Method {
	return append([]engine.Method{
		{Name: "put", Params: "item, delay=None", Result: "None", Flags: engine.Parks | engine.Grows, Fn: on(queuePut), Leave: queueLeavePut},
		{Name: "get", Result: "item", Flags: engine.Parks, Fn: on(queueGet), Leave: queueLeaveGet, Undo: queueUndo},
		{Name: "put_nowait", Params: "item", Result: "None", Flags: engine.Grows, Fn: on(queuePutNoWait)},
		{Name: "get_nowait", Result: "item", Fn: on(queueGetNoWait), Undo: queueUndo},
		{Name: "qsize", Result: "int", Flags: engine.Reads, Fn: on(queueSize)},
		{Name: "empty", Result: "bool", Flags: engine.Reads, Fn: on(queueEmpty)},
	}, leaseMethods...)
}

// queueMethods is the table of Queue and those like it.
func queueMethods() []engine.Method {
	return append(simpleQueueMethods(), []engine.Method{
		{Name: "full", Result: "bool", Flags: engine.Reads, Fn: on(queueFull)},
		{Name: "task_done", Result: "None", Fn: on(queueTaskDone)},
		{Name: "join", Result: "None", Flags: engine.Reads | engine.Parks, Fn: on(queueJoin)},
		{Name: "shutdown", Params: "immediate=False", Result: "None", Fn: on(queueShutdown)},
		{Name: "put_many", Params: "items, delay=None", Result: "None", Flags: engine.Parks | engine.Grows, Fn: on(queuePutMany), Leave: queueLeavePut},
		{Name: "get_many", Params: "n: int", Result: "list", Flags: engine.Parks, Fn: on(queueGetMany), Leave: queueLeaveGet, Undo: queueUndoMany},
		{Name: "peek", Result: "item", Flags: engine.Reads, Fn: on(queuePeek)},
		{Name: "purge", Result: "int", Fn: on(queuePurge)},
		{Name: "maxsize", Result: "int", Flags: engine.Reads, Fn: on(queueMaxsize)},
		{Name: "unfinished", Result: "int", Flags: engine.Reads, Fn: on(queueUnfinished)},
	}...)
}

func queueType(name string) *engine.Type {
	return &engine.Type{Name: name, Params: "maxsize: int = 0", New: newQueue("queue.Queue", fifo, true), Load: loadQueue("queue.Queue", fifo), Methods: queueMethods()}
}

// cost checks the limits of the container before n items are added.
func (q *queue) cost(o *engine.Object, n int) error {
	if q.shut {
		return wire.ErrShutDown
	}
	return checkRoom(o, q.items.n+q.away.len()+n)
}

// room returns how many more items may be put now. What is delayed will come
// back, and takes room; what is leased does not, as if it had been got.
func (q *queue) room() int64 {
	if q.maxsize <= 0 {
		return 1 << 62
	}
	return q.maxsize - int64(q.items.n+q.away.delayed)
}

// push adds a new item that the object keeps already, to be handed out now or
// after a delay. Only a PriorityQueue
// refuses one, and then nothing has changed.
func (q *queue) push(o *engine.Object, e queued, delay int64) error {
	e.seq = q.seq + 1
	if delay > 0 {
		q.away.delay(o, e, delay)
	} else if q.kind == priority {
		block, at, err := q.place(&e)
		if err != nil {
			return err
		}
		q.items.insert(block, at, e)
	} else {
		q.items.pushBack(e)
	}
	q.seq++
	q.unfinished++
	return nil
}

// place finds an item's place by what the queue orders by.
func (q *queue) place(e *queued) (block, at int, err error) {
	if q.kind != priority {
		return q.items.place(func(other *queued) (int, error) { return cmp.Compare(e.seq, other.seq), nil })
	}
	return q.placeBy(e.order().Bytes(), e.seq)
}

// placeBy finds a place in a PriorityQueue.
func (q *queue) placeBy(key []byte, seq uint64) (block, at int, err error) {
	block, at, err = q.items.place(func(other *queued) (int, error) {
		n, err := wire.Compare(key, other.order().Bytes())
		if n == 0 {
			n = cmp.Compare(seq, other.seq)
		}
		return n, err
	})
	if err != nil {
		return 0, 0, wire.AsError(err)
	}
	return block, at, nil
}

func queueGet(q *queue, o *engine.Object, c *engine.Call) error {
	return q.fetch(o, c, getOne, true)
}

func queueGetNoWait(q *queue, o *engine.Object, c *engine.Call) error {
	return q.fetch(o, c, getOne, false)
}

func queueGetMany(q *queue, o *engine.Object, c *engine.Call) error {
	n := c.Int()
	if n < 1 {
		return wire.Errorf(wire.CodeValue, "get_many of %d items; ask for 1 or more", n)
	}
	c.N = n
	return q.fetch(o, c, getMany, true)
}

// fetch hands out an item or lets the call wait for one. Whoever waits has
// found the queue empty, so a new call overtakes nobody who could be served.
func (q *queue) fetch(o *engine.Object, c *engine.Call, stage uint8, wait bool) error {
	c.Stage = stage
	switch {
	case q.items.n > 0:
		q.deliver(o, c, true)
	case q.over():
		return wire.ErrShutDown
	case !wait:
		return wire.ErrEmpty
	default:
		c.Park(&q.getters)
	}
	return nil
}

func queueLeaveGet(o *engine.Object, c *engine.Call, why engine.Leaving) {
	if why == engine.LeaveTimeout {
		c.Fail(wire.ErrEmpty)
	}
}

// take takes the next item out.
func (q *queue) take(o *engine.Object, c *engine.Call) queued {
	e := q.items.pop(q.kind == lifo)
	q.let(o, &e)
	if e.past != nil {
		c.Redelivered()
	}
	return e
}

// deliver replies with the next item, or items. There is one at least. With
// serve, those who wait for room are served before the reply.
func (q *queue) deliver(o *engine.Object, c *engine.Call, serve bool) {
	switch c.Stage {
	case getMany:
		q.deliverMany(o, c, serve)
		return
	case getLeases:
		q.deliverLeases(o, c, serve)
		return
	}
	next := q.items.at(q.kind == lifo)
	size := len(next.raw)
	if c.Stage == getPair {
		size += len(next.order())
	}
	if err := c.Session.Fits(size); err != nil {
		c.Fail(err) // the item is for somebody who can take it
		return
	}
	e := q.take(o, c)
	c.Item, c.N = e.raw, int64(e.seq)
	if e.key != "" {
		c.Items = []wire.Raw{e.key}
	}
	if serve {
		q.Serve(o)
	}
	if c.Stage == getPair {
		b := append(append(make([]byte, 0, len(e.raw)+len(e.order())+11), e.order()...), e.raw...)
		c.Return(wire.OwnedRaw(wire.EndTuple(b, 0, 2)))
		return
	}
	c.Return(e.raw)
}

// deliverMany replies with up to c.N items. For queueUndoMany it leaves in
// c.Items each item with its key, and in c.Item their sequence numbers.
func (q *queue) deliverMany(o *engine.Object, c *engine.Call, serve bool) {
	n := int(min(c.N, int64(q.items.n), maxBatch))
	c.Items = make([]wire.Raw, 0, 2*n)
	places := make([]byte, 0, 8*n)
	size := 0
	for i := 0; i < n; i++ {
		more := len(q.items.at(q.kind == lifo).raw)
		if err := c.Session.Fits(size + more); err != nil && i == 0 {
			c.Items = nil
			c.Fail(err)
			return
		} else if err != nil || i > 0 && size+more > maxBatchBytes {
			break
		}
		e := q.take(o, c)
		c.Items = append(c.Items, e.raw, e.key)
		places = binary.BigEndian.AppendUint64(places, e.seq)
		size += len(e.raw)
	}
	b := wire.AppendArrayHeader(make([]byte, 0, size+5), len(c.Items)/2)
	for i := 0; i < len(c.Items); i += 2 {
		b = append(b, c.Items[i]...)
	}
	c.Item = wire.OwnedRaw(places)
	if serve {
		q.Serve(o)
	}
	c.Return(wire.OwnedRaw(b))
}

// queueUndo puts the item of a reply that nobody got back to its place.
func queueUndo(o *engine.Object, c *engine.Call) {
	q := o.State.(*queue)
	e := queued{raw: c.Item, seq: uint64(c.N)}
	if len(c.Items) > 0 {
		e.key = c.Items[0]
	}
	q.comeBack(o, e)
	q.Serve(o)
}

func queueUndoMany(o *engine.Object, c *engine.Call) {
	q := o.State.(*queue)
	places := c.Item.Bytes()
	for i := 0; i+1 < len(c.Items); i += 2 {
		q.comeBack(o, queued{raw: c.Items[i], key: c.Items[i+1], seq: binary.BigEndian.Uint64(places[4*i:])})
	}
	q.Serve(o)
}

// comeBack puts an item back to its place.
func (q *queue) comeBack(o *engine.Object, e queued) {
	if q.dropped {
		q.finish(1)
		return
	}
	e.past = seen
	block, at, err := q.place(&e)
	if err != nil {
		// What came since cannot be compared with it. It must not be lost: it is
		// the next to go.
		block, at = 0, 0
	}
	o.KeepRaw(e.raw, true)
	if e.key != "" {
		o.KeepRaw(e.key, true)
	}
	q.items.insert(block, at, e)
}

// finish counts n items as done.
func (q *queue) finish(n int64) {
	q.unfinished = max(q.unfinished-n, 0)
	for q.unfinished == 0 && q.joiners.Any() != nil {
		q.joiners.Any().ReturnNil()
	}
}

func queueTaskDone(q *queue, o *engine.Object, c *engine.Call) error {
	if q.unfinished-int64(len(q.away.leased)) <= 0 {
		// What is leased is done by ack.
		return wire.Errorf(wire.CodeValue, "task_done() called too many times")
	}
	q.finish(1)
	c.ReturnNil()
	return nil
}

func queueJoin(q *queue, o *engine.Object, c *engine.Call) error {
	if q.unfinished == 0 {
		c.ReturnNil()
		return nil
	}
	c.Park(&q.joiners)
	return nil
}

// queueShutdown ends the queue as Python 3.13 does: puts fail from now on,
// those that wait too; gets fail once nothing is left, or with immediate at
// once, since that drops what is there and counts it as done.
func queueShutdown(q *queue, o *engine.Object, c *engine.Call) error {
	q.shut = true
	if c.Truth() {
		q.dropped = true
		q.finish(int64(q.empty(o) + q.away.dropOut(o)))
	}
	for p := q.putters.Any(); p != nil; p = q.putters.Any() {
		put, total, many := p.N, len(p.Items), p.Stage == putMany
		q.forgetPut(o, p)
		if many && put > 0 {
			failPartly(p, 0, put, total)
		} else {
			p.Fail(wire.ErrShutDown)
		}
	}
	q.Serve(o)
	c.ReturnNil()
	return nil
}

// empty drops all items that wait.
func (q *queue) empty(o *engine.Object) int {
	old := q.items
	q.items = queueItems{}
	o.DropAll(old.values, old.size, old.each)
	o.Charge(-old.past)
	return old.n
}

// queuePurge drops what waits and what is delayed. What is leased is another's.
func queuePurge(q *queue, o *engine.Object, c *engine.Call) error {
	n := q.empty(o) + q.away.dropDelayed(o)
	q.finish(int64(n))
	q.Serve(o)
	c.ReturnInt(int64(n))
	return nil
}

func queueSize(q *queue, o *engine.Object, c *engine.Call) error {
	return returnInt(c, int64(q.items.n))
}

// AppendState says how much the queue takes, and what join waits for, for listings.
func (q *queue) AppendState(b []byte) []byte {
	b = wire.AppendMapHeader(b, 2)
	b = wire.AppendInt(wire.AppendStr(b, "maxsize"), q.maxsize)
	return wire.AppendInt(wire.AppendStr(b, "unfinished"), q.unfinished)
}

func queueMaxsize(q *queue, o *engine.Object, c *engine.Call) error { return returnInt(c, q.maxsize) }

func queueUnfinished(q *queue, o *engine.Object, c *engine.Call) error {
	return returnInt(c, q.unfinished)
}

func queueEmpty(q *queue, o *engine.Object, c *engine.Call) error {
	return returnBool(c, q.items.n == 0)
}

func queueFull(q *queue, o *engine.Object, c *engine.Call) error {
	return returnBool(c, q.room() <= 0)
}

// queuePeek returns the item that the next get would return.
func queuePeek(q *queue, o *engine.Object, c *engine.Call) error {
	e := q.items.at(q.kind == lifo)
	switch {
	case e != nil:
		c.Return(e.raw)
		return nil
	case q.over():
		return wire.ErrShutDown
	}
	return wire.ErrEmpty
}

// over reports whether nothing will ever be handed out again.
func (q *queue) over() bool { return q.shut && q.items.n == 0 && q.away.out() == 0 }

// Serve hands items to those who wait for one and room to those who wait for
// room, until neither changes anything.
func (q *queue) Serve(o *engine.Object) {
	for moved := true; moved; {
		moved = false
		for q.items.n > 0 && q.getters.First() != nil {
			q.deliver(o, q.getters.First(), false)
			moved = true
		}
		for !q.shut && q.room() > 0 && q.putters.First() != nil {
			q.admit(o, q.putters.First())
			moved = true
		}
	}
	for q.over() && q.getters.Any() != nil {
		q.getters.Any().Fail(wire.ErrShutDown)
	}
}

// Len returns how many items there are.
func (q *queue) Len() int { return q.items.n }

// Lists returns the three lists.
func (q *queue) Lists() []*engine.Waiters {
	return []*engine.Waiters{&q.getters, &q.putters, &q.joiners}
}

// Dump appends the counters and what is away, and as rows the items and then the
// dead.
func (q *queue) Dump(b []byte) ([]byte, engine.Rows) {
	b = binary.AppendVarint(b, q.maxsize)
	b = binary.AppendVarint(b, q.unfinished)
	b = binary.AppendUvarint(b, q.seq)
	b = engine.AppendBool(b, q.shut)
	b = engine.AppendBool(b, q.dropped)
	b = q.away.dump(b)
	b = binary.AppendUvarint(b, uint64(q.items.n))
	b = binary.AppendUvarint(b, uint64(len(q.away.dead)))
	if q.items.n <= smallView && q.items.size+q.items.past <= smallBytes && len(q.away.dead) == 0 {
		b, _ = queueRows(q.items.view(false, false).blocks).AppendRows(b, 0, maxInt)
		return b, nil
	}
	return b, queueRows(append(q.items.view(false, true).blocks, slices.Clone(q.away.dead)))
}

// loadQueue is newQueue for a state.
func loadQueue(class string, kind queueKind) func(o *engine.Object, d *engine.Decoder) {
	return func(o *engine.Object, d *engine.Decoder) {
		q := &queue{id: o.ID, class: class, kind: kind, maxsize: d.Int(), unfinished: d.Int(), seq: d.Uint(), shut: d.Bool(), dropped: d.Bool()}
		q.away.load(d)
		items, dead := d.Uint(), d.Uint()
		for ; items > 0 && !d.Failed(); items-- {
			q.items.pushBack(readQueued(d))
		}
		for ; dead > 0 && !d.Failed(); dead-- {
			q.away.dead = append(q.away.dead, readQueued(d))
		}
		if !d.Failed() {
			q.away.arm(o)
		}
		o.State = q
	}
}

// Repr prints what Python does; the object's ident stands for the address.
func (q *queue) Repr() engine.View {
	return engine.Text(fmt.Sprintf("<%s object at 0x%x>", q.class, q.id))
}

// Value returns the list of the items, in the order in which get returns them.
func (q *queue) Value() (wire.Raw, engine.View) {
	if q.items.n <= smallView {
		return wire.OwnedRaw(q.items.view(q.kind == lifo, false).Append(nil, nil)), nil
	}
	return "", q.items.view(q.kind == lifo, true)
}

// Each calls yield with each item and key, wherever it is.
func (q *queue) Each(yield func(wire.Raw) bool) {
	if q.away.each(yield) {
		q.items.each(yield)
	}
}
