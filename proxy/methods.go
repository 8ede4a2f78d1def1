package proxy

import "github.com/syncmanager/syncmanager/internal/client"

// The methods of the built-in types, with their numbers: 16 and the place in
// the type's table in the server. docs/protocol.md lists them; a test compares
// them with the server's own.

const (
	reads = client.Reads
	parks = client.Parks
)

var (
	dictGet              = client.Method{Name: "get", Number: 16, Flags: reads}
	dictGetitem          = client.Method{Name: "getitem", Number: 17, Flags: reads}
	dictSet              = client.Method{Name: "set", Number: 18}
	dictDelete           = client.Method{Name: "delete", Number: 19}
	dictContains         = client.Method{Name: "contains", Number: 20, Flags: reads}
	dictLen              = client.Method{Name: "len", Number: 21, Flags: reads}
	dictKeys             = client.Method{Name: "keys", Number: 22, Flags: reads}
	dictValues           = client.Method{Name: "values", Number: 23, Flags: reads}
	dictItems            = client.Method{Name: "items", Number: 24, Flags: reads}
	dictPop              = client.Method{Name: "pop", Number: 25}
	dictPopitem          = client.Method{Name: "popitem", Number: 26}
	dictSetdefault       = client.Method{Name: "setdefault", Number: 27}
	dictUpdate           = client.Method{Name: "update", Number: 28}
	dictClear            = client.Method{Name: "clear", Number: 29}
	dictCopy             = client.Method{Name: "copy", Number: 30, Flags: reads}
	dictMerge            = client.Method{Name: "merge", Number: 31, Flags: reads}
	dictAdd              = client.Method{Name: "add", Number: 32}
	dictSwap             = client.Method{Name: "swap", Number: 33}
	dictCompareAndSwap   = client.Method{Name: "compare_and_swap", Number: 34}
	dictCompareAndDelete = client.Method{Name: "compare_and_delete", Number: 35}
	dictGetMany          = client.Method{Name: "get_many", Number: 36, Flags: reads}
	dictSetMany          = client.Method{Name: "set_many", Number: 37}
	dictDeleteMany       = client.Method{Name: "delete_many", Number: 38}
	dictScan             = client.Method{Name: "scan", Number: 39, Flags: reads}
)

var (
	listGetitem  = client.Method{Name: "getitem", Number: 16, Flags: reads}
	listSetitem  = client.Method{Name: "setitem", Number: 17}
	listDelitem  = client.Method{Name: "delitem", Number: 18}
	listGetslice = client.Method{Name: "getslice", Number: 19, Flags: reads}
	listSetslice = client.Method{Name: "setslice", Number: 20}
	listDelslice = client.Method{Name: "delslice", Number: 21}
	listAppend   = client.Method{Name: "append", Number: 22}
	listExtend   = client.Method{Name: "extend", Number: 23}
	listInsert   = client.Method{Name: "insert", Number: 24}
	listPop      = client.Method{Name: "pop", Number: 25}
	listRemove   = client.Method{Name: "remove", Number: 26}
	listIndex    = client.Method{Name: "index", Number: 27, Flags: reads}
	listCount    = client.Method{Name: "count", Number: 28, Flags: reads}
	listContains = client.Method{Name: "contains", Number: 29, Flags: reads}
	listReverse  = client.Method{Name: "reverse", Number: 30}
	listSort     = client.Method{Name: "sort", Number: 31}
	listConcat   = client.Method{Name: "concat", Number: 32, Flags: reads}
	listRepeat   = client.Method{Name: "repeat", Number: 33, Flags: reads}
	listImul     = client.Method{Name: "imul", Number: 35}
	listLen      = client.Method{Name: "len", Number: 36, Flags: reads}
	listClear    = client.Method{Name: "clear", Number: 37}
	listCopy     = client.Method{Name: "copy", Number: 38, Flags: reads}
	listPage     = client.Method{Name: "page", Number: 39, Flags: reads}
)

var (
	setAdd                       = client.Method{Name: "add", Number: 16}
	setDiscard                   = client.Method{Name: "discard", Number: 17}
	setRemove                    = client.Method{Name: "remove", Number: 18}
	setPop                       = client.Method{Name: "pop", Number: 19}
	setContains                  = client.Method{Name: "contains", Number: 20, Flags: reads}
	setLen                       = client.Method{Name: "len", Number: 21, Flags: reads}
	setUnion                     = client.Method{Name: "union", Number: 22, Flags: reads}
	setIntersection              = client.Method{Name: "intersection", Number: 23, Flags: reads}
	setDifference                = client.Method{Name: "difference", Number: 24, Flags: reads}
	setSymmetricDifference       = client.Method{Name: "symmetric_difference", Number: 25, Flags: reads}
	setUpdate                    = client.Method{Name: "update", Number: 26}
	setIntersectionUpdate        = client.Method{Name: "intersection_update", Number: 27}
	setDifferenceUpdate          = client.Method{Name: "difference_update", Number: 28}
	setSymmetricDifferenceUpdate = client.Method{Name: "symmetric_difference_update", Number: 29}
	setIssubset                  = client.Method{Name: "issubset", Number: 30, Flags: reads}
	setIssuperset                = client.Method{Name: "issuperset", Number: 31, Flags: reads}
	setIsdisjoint                = client.Method{Name: "isdisjoint", Number: 32, Flags: reads}
	setClear                     = client.Method{Name: "clear", Number: 34}
	setCopy                      = client.Method{Name: "copy", Number: 35, Flags: reads}
	setScan                      = client.Method{Name: "scan", Number: 36, Flags: reads}
)

var (
	queuePut           = client.Method{Name: "put", Number: 16, Flags: parks}
	queueGet           = client.Method{Name: "get", Number: 17, Flags: parks}
	queueQsize         = client.Method{Name: "qsize", Number: 20, Flags: reads}
	queueEmpty         = client.Method{Name: "empty", Number: 21, Flags: reads}
	queueReceive       = client.Method{Name: "receive", Number: 22, Flags: parks}
	queueAck           = client.Method{Name: "ack", Number: 23}
	queueNack          = client.Method{Name: "nack", Number: 24}
	queueExtend        = client.Method{Name: "extend", Number: 25}
	queueCounts        = client.Method{Name: "counts", Number: 26, Flags: reads}
	queueDead          = client.Method{Name: "dead", Number: 27, Flags: reads}
	queueRequeue       = client.Method{Name: "requeue", Number: 28}
	queuePurgeDead     = client.Method{Name: "purge_dead", Number: 29}
	queueLimitAttempts = client.Method{Name: "limit_attempts", Number: 30}
	queueFull          = client.Method{Name: "full", Number: 31, Flags: reads}
	queueTaskDone      = client.Method{Name: "task_done", Number: 32}
	queueJoin          = client.Method{Name: "join", Number: 33, Flags: reads | parks}
	queueShutdown      = client.Method{Name: "shutdown", Number: 34}
	queuePutMany       = client.Method{Name: "put_many", Number: 35, Flags: parks}
	queueGetMany       = client.Method{Name: "get_many", Number: 36, Flags: parks}
	queuePeek          = client.Method{Name: "peek", Number: 37, Flags: reads}
	queuePurge         = client.Method{Name: "purge", Number: 38}
	queueMaxsize       = client.Method{Name: "maxsize", Number: 39, Flags: reads}
	queueUnfinished    = client.Method{Name: "unfinished", Number: 40, Flags: reads}
)

var (
	priorityQueuePutPriority = client.Method{Name: "put_priority", Number: 41, Flags: parks}
	priorityQueueGetPriority = client.Method{Name: "get_priority", Number: 42, Flags: parks}
)

var (
	eventSet   = client.Method{Name: "set", Number: 16}
	eventClear = client.Method{Name: "clear", Number: 17}
	eventIsSet = client.Method{Name: "is_set", Number: 18, Flags: reads}
	eventWait  = client.Method{Name: "wait", Number: 19, Flags: reads | parks}
)

var (
	namespaceGetattr = client.Method{Name: "getattr", Number: 16, Flags: reads}
	namespaceSetattr = client.Method{Name: "setattr", Number: 17}
	namespaceDelattr = client.Method{Name: "delattr", Number: 18}
	namespaceList    = client.Method{Name: "list", Number: 19, Flags: reads}
)

var (
	valueGet            = client.Method{Name: "get", Number: 16, Flags: reads}
	valueSet            = client.Method{Name: "set", Number: 17}
	valueAdd            = client.Method{Name: "add", Number: 18}
	valueCompareAndSwap = client.Method{Name: "compare_and_swap", Number: 19}
	valueTypecode       = client.Method{Name: "typecode", Number: 20, Flags: reads}
)

var (
	arrayGetitem  = client.Method{Name: "getitem", Number: 16, Flags: reads}
	arraySetitem  = client.Method{Name: "setitem", Number: 17}
	arrayGetslice = client.Method{Name: "getslice", Number: 18, Flags: reads}
	arraySetslice = client.Method{Name: "setslice", Number: 19}
	arrayLen      = client.Method{Name: "len", Number: 20, Flags: reads}
	arrayTypecode = client.Method{Name: "typecode", Number: 22, Flags: reads}
)

var (
	lockAcquire = client.Method{Name: "acquire", Number: 16, Flags: parks}
	lockRelease = client.Method{Name: "release", Number: 17}
	lockLocked  = client.Method{Name: "locked", Number: 18, Flags: reads}
	lockHolder  = client.Method{Name: "holder", Number: 19, Flags: reads}
)

var (
	rlockAcquire = client.Method{Name: "acquire", Number: 16, Flags: parks}
	rlockRelease = client.Method{Name: "release", Number: 17}
	rlockLocked  = client.Method{Name: "locked", Number: 18, Flags: reads}
	rlockHolder  = client.Method{Name: "holder", Number: 19, Flags: reads}
)

var (
	semaphoreAcquire       = client.Method{Name: "acquire", Number: 16, Flags: parks}
	semaphoreRelease       = client.Method{Name: "release", Number: 17}
	semaphoreReleasePermit = client.Method{Name: "release_permit", Number: 18}
	semaphoreGetValue      = client.Method{Name: "get_value", Number: 19, Flags: reads}
	semaphoreHolders       = client.Method{Name: "holders", Number: 20, Flags: reads}
	semaphoreWaiting       = client.Method{Name: "waiting", Number: 21, Flags: reads}
	semaphoreLocked        = client.Method{Name: "locked", Number: 22, Flags: reads}
)

var (
	conditionAcquire   = client.Method{Name: "acquire", Number: 16, Flags: parks}
	conditionRelease   = client.Method{Name: "release", Number: 17}
	conditionWait      = client.Method{Name: "wait", Number: 18, Flags: parks}
	conditionNotify    = client.Method{Name: "notify", Number: 19}
	conditionNotifyAll = client.Method{Name: "notify_all", Number: 20}
	conditionLocked    = client.Method{Name: "locked", Number: 21, Flags: reads}
	conditionHolder    = client.Method{Name: "holder", Number: 22, Flags: reads}
	conditionToken     = client.Method{Name: "token", Number: 23, Flags: reads}
)

var (
	barrierWait     = client.Method{Name: "wait", Number: 16, Flags: parks}
	barrierReset    = client.Method{Name: "reset", Number: 17}
	barrierAbort    = client.Method{Name: "abort", Number: 18}
	barrierParties  = client.Method{Name: "parties", Number: 19, Flags: reads}
	barrierNWaiting = client.Method{Name: "n_waiting", Number: 20, Flags: reads}
	barrierBroken   = client.Method{Name: "broken", Number: 21, Flags: reads}
)
var (
	iteratorNext  = client.Method{Name: "next", Number: 16}
	iteratorClose = client.Method{Name: "close", Number: 17}
)
