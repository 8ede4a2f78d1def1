package proxy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"

	"github.com/syncmanager/syncmanager/internal/client"
)

// TestMethodTablesAreWhole holds that methods.go has nothing but the tables:
// each of its variables is in one of the lists that TestMethodNumbers compares
// with the server.
func TestMethodTablesAreWhole(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "methods.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.VAR {
			continue
		}
		for _, spec := range g.Specs {
			n += len(spec.(*ast.ValueSpec).Names)
		}
	}
	listed := 0
	for _, list := range MethodTables {
		listed += len(list)
	}
	if n != listed {
		t.Errorf("methods.go has %d methods, the lists %d", n, listed)
	}
}

// MethodTables are the client's methods, by the typeids that they are for.
var MethodTables = map[string][]client.Method{
	"dict": {dictGet, dictGetitem, dictSet, dictDelete, dictContains, dictLen, dictKeys, dictValues, dictItems, dictPop,
		dictPopitem, dictSetdefault, dictUpdate, dictClear, dictCopy, dictMerge, dictAdd, dictSwap, dictCompareAndSwap,
		dictCompareAndDelete, dictGetMany, dictSetMany, dictDeleteMany, dictScan},
	"list": {listGetitem, listSetitem, listDelitem, listGetslice, listSetslice, listDelslice, listAppend, listExtend,
		listInsert, listPop, listRemove, listIndex, listCount, listContains, listReverse, listSort, listConcat, listRepeat,
		listImul, listLen, listClear, listCopy, listPage},
	"set": {setAdd, setDiscard, setRemove, setPop, setContains, setLen, setUnion, setIntersection, setDifference,
		setSymmetricDifference, setUpdate, setIntersectionUpdate, setDifferenceUpdate, setSymmetricDifferenceUpdate,
		setIssubset, setIssuperset, setIsdisjoint, setClear, setCopy, setScan},
	"Queue JoinableQueue LifoQueue PriorityQueue": {queueFull, queueTaskDone, queueJoin, queueShutdown, queuePutMany,
		queueGetMany, queuePeek, queuePurge, queueMaxsize, queueUnfinished},
	"PriorityQueue": {priorityQueuePutPriority, priorityQueueGetPriority},
	"Queue JoinableQueue LifoQueue PriorityQueue SimpleQueue": {queuePut, queueGet, queueQsize, queueEmpty, queueReceive, queueAck,
		queueNack, queueExtend, queueCounts, queueDead, queueRequeue, queuePurgeDead, queueLimitAttempts},
	"Event":     {eventSet, eventClear, eventIsSet, eventWait},
	"Namespace": {namespaceGetattr, namespaceSetattr, namespaceDelattr, namespaceList},
	"Value":     {valueGet, valueSet, valueAdd, valueCompareAndSwap, valueTypecode},
	"Array":     {arrayGetitem, arraySetitem, arrayGetslice, arraySetslice, arrayLen, arrayTypecode},
	"Lock":      {lockAcquire, lockRelease, lockLocked, lockHolder},
	"RLock":     {rlockAcquire, rlockRelease, rlockLocked, rlockHolder},
	"Semaphore BoundedSemaphore": {semaphoreAcquire, semaphoreRelease, semaphoreReleasePermit, semaphoreGetValue,
		semaphoreHolders, semaphoreWaiting, semaphoreLocked},
	"Condition": {conditionAcquire, conditionRelease, conditionWait, conditionNotify, conditionNotifyAll, conditionLocked,
		conditionHolder, conditionToken},
	"Barrier":  {barrierWait, barrierReset, barrierAbort, barrierParties, barrierNWaiting, barrierBroken},
	"Iterator": {iteratorNext, iteratorClose},
}

// Typeids returns the typeids that a list is for.
func Typeids(list string) []string { return strings.Fields(list) }
