package proxy_test

import (
	"strings"
	"testing"

	"github.com/syncmanager/syncmanager/internal/client"
	"github.com/syncmanager/syncmanager/proxy"
)

// TestMethodNumbers compares the numbers and flags that the proxies call with
// against what the server says of its types.
func TestMethodNumbers(t *testing.T) {
	ctx, m := manager(t)
	for typeids, methods := range proxy.MethodTables {
		for typeid := range strings.FieldsSeq(typeids) {
			info, err := m.Describe(ctx, typeid)
			must(t, err)
			byName := make(map[string]proxy.MethodInfo)
			for _, have := range info.Methods {
				byName[have.Name] = have
			}
			for _, method := range methods {
				have, ok := byName[method.Name]
				switch {
				case !ok:
					t.Errorf("%s has no method %s", typeid, method.Name)
				case have.Number != method.Number:
					t.Errorf("%s.%s has number %d, the proxy calls %d", typeid, method.Name, have.Number, method.Number)
				case have.Reads != (method.Flags&client.Reads != 0):
					t.Errorf("%s.%s: the server says reads=%v, the proxy another thing", typeid, method.Name, have.Reads)
				}
			}
		}
	}
}
