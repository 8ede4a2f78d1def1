package proxy

// A kind names the typeid of the objects that a typed proxy is of.
type kind interface{ typeid() string }

type (
	valueKind            struct{}
	lockKind             struct{}
	rlockKind            struct{}
	listKind             struct{}
	namespaceKind        struct{}
	eventKind            struct{}
	conditionKind        struct{}
	dictKind             struct{}
	semaphoreKind        struct{}
	boundedSemaphoreKind struct{}
	queueKind            struct{}
	joinableQueueKind    struct{}
	lifoQueueKind        struct{}
	priorityQueueKind    struct{}
	simpleQueueKind      struct{}
	setKind              struct{}
	barrierKind          struct{}
	iteratorKind         struct{}
	arrayKind            struct{}
)

func (valueKind) typeid() string            { return "Value" }
func (lockKind) typeid() string             { return "Lock" }
func (rlockKind) typeid() string            { return "RLock" }
func (listKind) typeid() string             { return "list" }
func (namespaceKind) typeid() string        { return "Namespace" }
func (eventKind) typeid() string            { return "Event" }
func (conditionKind) typeid() string        { return "Condition" }
func (dictKind) typeid() string             { return "dict" }
func (semaphoreKind) typeid() string        { return "Semaphore" }
func (boundedSemaphoreKind) typeid() string { return "BoundedSemaphore" }
func (queueKind) typeid() string            { return "Queue" }
func (joinableQueueKind) typeid() string    { return "JoinableQueue" }
func (lifoQueueKind) typeid() string        { return "LifoQueue" }
func (priorityQueueKind) typeid() string    { return "PriorityQueue" }
func (simpleQueueKind) typeid() string      { return "SimpleQueue" }
func (setKind) typeid() string              { return "set" }
func (barrierKind) typeid() string          { return "Barrier" }
func (iteratorKind) typeid() string         { return "Iterator" }
func (arrayKind) typeid() string            { return "Array" }

// Staticcheck does not see a type that only stands between the brackets of an
// embedded generic one.
var _ = [...]kind{queueKind{}, joinableQueueKind{}, lifoQueueKind{}, priorityQueueKind{}, simpleQueueKind{}}
