// Package objects holds the built-in object types, one file each, written
// against the contract of package engine: no clock, no randomness, no
// goroutine, no order taken from a Go map. Methods have the names and meanings
// of Python's types.
package objects

import "github.com/syncmanager/syncmanager/internal/engine"

// Types returns the built-in types. Each call makes them anew, since an engine
// numbers the methods of the types that it is given.
func Types() []*engine.Type {
	return []*engine.Type{
		dictType(),
		listType(),
		setType(),
		namespaceType(),
		valueType(),
		arrayType(),
		eventType(),
		queueType("Queue"),
		queueType("JoinableQueue"),
		lifoQueueType(),
		priorityQueueType(),
		simpleQueueType(),
		lockType(),
		rlockType(),
		semaphoreType(),
		boundedSemaphoreType(),
		conditionType(),
		barrierType(),
	}
}
