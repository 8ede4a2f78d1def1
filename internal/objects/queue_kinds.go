package objects

import (
	"github.com/syncmanager/syncmanager/internal/engine"
)

// lifoQueueType is Python's queue.LifoQueue: a Queue whose get returns what was
// put last.
func lifoQueueType() *engine.Type {
	return &engine.Type{Name: "LifoQueue", Params: "maxsize: int = 0", New: newQueue("queue.LifoQueue", lifo, true), Load: loadQueue("queue.LifoQueue", lifo), Methods: queueMethods()}
}

// priorityQueueType is Python's queue.PriorityQueue: get returns the least item
// as Python compares, of equal ones the first. put orders by the item itself,
// put_priority by a priority beside it. An item that cannot be compared with
// those that are there is refused, also when it has waited for room.
func priorityQueueType() *engine.Type {
	methods := append(queueMethods(),
		engine.Method{Name: "put_priority", Params: "priority, item", Result: "None", Flags: engine.Parks | engine.Grows, Fn: on(queuePutPriority), Leave: queueLeavePut},
		engine.Method{Name: "get_priority", Result: "tuple", Flags: engine.Parks, Fn: on(queueGetPriority), Leave: queueLeaveGet, Undo: queueUndo},
	)
	return &engine.Type{Name: "PriorityQueue", Params: "maxsize: int = 0", New: newQueue("queue.PriorityQueue", priority, true), Load: loadQueue("queue.PriorityQueue", priority), Methods: methods}
}

// simpleQueueType is Python's queue.SimpleQueue: without bound, tasks or end.
func simpleQueueType() *engine.Type {
	return &engine.Type{Name: "SimpleQueue", New: newQueue("_queue.SimpleQueue", fifo, false), Load: loadQueue("_queue.SimpleQueue", fifo), Methods: simpleQueueMethods()}
}

func queuePutPriority(q *queue, o *engine.Object, c *engine.Call) error {
	key := c.Value()
	return q.add(o, c, c.Value(), key, 0, true)
}

// queueGetPriority returns (priority, item); an item that was put without a
// priority is its own.
func queueGetPriority(q *queue, o *engine.Object, c *engine.Call) error {
	return q.fetch(o, c, getPair, true)
}

// returnInt replies to a method without arguments.
func returnInt(c *engine.Call, n int64) error {
	c.ReturnInt(n)
	return nil
}

// returnBool replies to a method without arguments.
func returnBool(c *engine.Call, v bool) error {
	c.ReturnBool(v)
	return nil
}
