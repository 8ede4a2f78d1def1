package proxy_test

import (
	"strings"
	"testing"

	"github.com/syncmanager/syncmanager/proxy"
)

// TestMethodNumbers compares the numbers that the proxies call by with those
// that the server describes.
func TestMethodNumbers(t *testing.T) {
	ctx, m := manager(t)
	types := map[string][]string{
		"dict": {"dict"}, "list": {"list"}, "set": {"set"}, "queue": {"Queue", "JoinableQueue", "LifoQueue", "PriorityQueue"},
		"priorityQueue": {"PriorityQueue"}, "simpleQueue": {"SimpleQueue"}, "event": {"Event"}, "namespace": {"Namespace"},
		"value": {"Value"}, "array": {"Array"}, "lock": {"Lock"}, "rlock": {"RLock"}, "semaphore": {"Semaphore", "BoundedSemaphore"},
		"condition": {"Condition"}, "barrier": {"Barrier"}, "iterator": {"Iterator"},
	}
	tables := proxy.MethodsForTest(t)
	if len(tables) < 100 {
		t.Fatalf("methods.go has %d methods: it was not understood", len(tables))
	}
	for variable, method := range tables {
		table := ""
		for prefix := range types {
			rest, ok := strings.CutPrefix(variable, prefix)
			if ok && len(prefix) > len(table) && rest != "" && rest[0] >= 'A' && rest[0] <= 'Z' {
				table = prefix
			}
		}
		if table == "" {
			t.Errorf("%s belongs to no type", variable)
		}
		for _, typeid := range types[table] {
			info, err := m.Describe(ctx, typeid)
			if err != nil {
				t.Fatalf("describe %s: %v", typeid, err)
			}
			found := false
			for _, have := range info.Methods {
				if have.Name == method.Name {
					found = true
					if have.Number != method.Number {
						t.Errorf("%s.%s has number %d, %s says %d", typeid, have.Name, have.Number, variable, method.Number)
					}
				}
			}
			if !found {
				t.Errorf("%s has no method %s", typeid, method.Name)
			}
		}
	}
}
