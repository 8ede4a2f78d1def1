package pydoor

import (
	"time"

	"github.com/syncmanager/syncmanager/internal/pickle"
	"github.com/syncmanager/syncmanager/internal/wire"
)

var queueFamily = makeFamily(family{
	methods: table(
		"empty()", "empty",
		"full()", "full",
		"get(block=True, timeout=None)", queueGet,
		"get_nowait()", "get_nowait",
		"join()", waiting("join"),
		"put(item, block=True, timeout=None)", queuePut,
		"put_nowait(item)", "put_nowait",
		"qsize()", "qsize",
		"shutdown(immediate=False)", "shutdown",
		"task_done()", "task_done",
	),
	create:   construct("Queue", "maxsize: int=0"),
	getvalue: unpicklable("_thread.lock"),
})

var simpleQueueFamily = makeFamily(family{
	methods: table(
		"empty()", "empty",
		"get(block=True, timeout=None)", queueGet,
		"get_nowait()", "get_nowait",
		"put(item, block=True, timeout=None)", queuePut,
		"put_nowait(item)", "put_nowait",
		"qsize()", "qsize",
	),
	create:   construct("SimpleQueue", ""),
	getvalue: unpicklable("_queue.SimpleQueue"),
})

// waiting passes a call on that waits for ever.
func waiting(name string) func(k *invocation, args []pickle.Node) reply {
	return func(k *invocation, args []pickle.Node) reply { return k.result(k.wait(name, forever, args...)) }
}

// queueTimeout reads what put and get take.
func queueTimeout(block, timeout pickle.Node) (time.Duration, error) {
	switch {
	case !truth(block, true):
		return 0, nil
	case isNone(timeout):
		return forever, nil
	}
	s, err := seconds(timeout)
	if err == nil && s < 0 {
		err = valueError("'timeout' must be a non-negative number")
	}
	return duration(s), err
}

func queueGet(k *invocation, args []pickle.Node) reply {
	timeout, err := queueTimeout(args[0], args[1])
	if err != nil {
		return raised(err)
	}
	return k.result(k.wait("get", timeout))
}

func queuePut(k *invocation, args []pickle.Node) reply {
	timeout, err := queueTimeout(args[1], args[2])
	if err != nil {
		// A queue without a bound never waits, and Python does not look at the
		// timeout then.
		size, e := k.call("maxsize")
		if n := int64(uintOf(size)); e != nil || n > 0 {
			return raised(err)
		}
		timeout = forever
	}
	k.handsOver = true
	if k.ref.TypeID == "SimpleQueue" {
		timeout = 0
	}
	var v wire.Raw
	if v, err = k.wait("put", timeout, args[0]); err != nil {
		return raised(err)
	}
	return returnedValue(v)
}
