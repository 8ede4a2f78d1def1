package integration

import (
	"sort"
	"strings"
	"testing"

	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/objects"
)

// methodCases call every method of every type through a client. Each is run
// over each transport.
var methodCases = []struct {
	name string
	run  func(*env)
}{
	{"dict", dictMethods},
	{"dict keys", dictKeys},
	{"list", listMethods},
	{"list slices", listSlices},
	{"set", setMethods},
	{"Namespace", namespaceMethods},
	{"Value", valueMethods},
	{"Array", arrayMethods},
	{"Queue", queueMethods},
	{"JoinableQueue", joinableQueueMethods},
	{"LifoQueue", lifoQueueMethods},
	{"PriorityQueue", priorityQueueMethods},
	{"SimpleQueue", simpleQueueMethods},
	{"queue shutdown", queueShutdown},
	{"queue by the methods of Python", queuePython},
	{"Lock", lockMethods},
	{"RLock", rlockMethods},
	{"Semaphore", semaphoreMethods},
	{"BoundedSemaphore", boundedSemaphoreMethods},
	{"Event", eventMethods},
	{"Condition", conditionMethods},
	{"Condition over a Lock", conditionOverLock},
	{"Barrier", barrierMethods},
	{"Iterator", iteratorMethods},
	{"every object", commonMethods},
	{"server", serverMethods},
}

// TestMethods calls every method of every type over every transport, and holds
// that none was left out.
func TestMethods(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			e := newEnv(t, transport, registerCounter)
			e.callAllMethods(t, func() {})
		})
	}
}

// TestMethodsBesideRawConnections does the same while both clients have raw
// connections under load on the connections of their calls.
func TestMethodsBesideRawConnections(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			e := newEnv(t, transport, registerCounter, registerEcho)
			both := []*traffic{e.startTraffic(e.m), e.startTraffic(e.m2)}
			e.callAllMethods(t, func() {
				for _, r := range both {
					e.flows(r)
				}
			})
			for _, r := range both {
				e.end(r)
			}
		})
	}
}

// callAllMethods runs all cases, and after each what is given.
func (e *env) callAllMethods(t *testing.T, after func()) {
	for _, c := range methodCases {
		t.Run(c.name, func(t *testing.T) {
			sub := *e
			sub.TB = t
			c.run(&sub)
		})
		after()
	}
	called := e.log.called()
	var missing []string
	for _, name := range allMethods() {
		if called[name] == 0 {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		t.Errorf("no case called %s", strings.Join(missing, ", "))
	}
}

// allMethods lists the methods of all types, as "dict.get".
func allMethods() []string {
	var all []string
	add := func(typeid string, methods []engine.Method) {
		for _, m := range methods {
			all = append(all, typeid+"."+m.Name)
		}
	}
	for _, typ := range objects.Types() {
		add(typ.Name, typ.Methods)
		for _, common := range []string{"repr", "value", "describe"} {
			all = append(all, typ.Name+"."+common)
		}
	}
	add("Iterator", []engine.Method{{Name: "next"}, {Name: "close"}})
	for _, m := range engine.ServerType().Methods {
		// Release is what proxies do by themselves, and is no call of its own
		// in a client's log; the case "server" sees that it works. Shutdown has
		// a test of its own.
		if m.Name != "release" && m.Name != "shutdown" {
			all = append(all, "server."+m.Name)
		}
	}
	sort.Strings(all)
	return all
}
