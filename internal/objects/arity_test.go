package objects

import (
	"bytes"
	"math"
	"testing"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// TestArity calls each method of each type, and each constructor, with one
// argument too many and one too few: ErrType with the signature, and nothing
// happened.
func TestArity(t *testing.T) {
	needs := map[string][]any{"Value": {"i", 1}, "Array": {"i", []any{1}}, "Barrier": {2}}
	w := newWorld(t, 1)
	c := w.clients[0]
	for _, typ := range Types() {
		typ = w.e.Type(typ.Name)
		o := c.create(typ.Name, needs[typ.Name]...)
		try := func(o wire.Ref, method, signature string, before []any, n int) {
			t.Helper()
			args := before
			for range n {
				args = append(args, 1)
			}
			a := c.start(o, method, args...)
			a.within(wire.CodeType, signature+" takes ", " got ")
			if method != "create" && a.err.Detail != "" {
				t.Errorf("%s: a detail", signature)
			}
		}
		create := []any{typ.Name}
		if typ.Takes.Most < math.MaxInt {
			try(server, "create", typ.Name+"("+typ.Params+")", create, typ.Takes.Most+1)
		}
		if typ.Takes.Least > 0 {
			try(server, "create", typ.Name+"("+typ.Params+")", create, typ.Takes.Least-1)
		}
		object, _ := w.e.Resolve(o)
		was, _ := object.State.Dump(nil)
		for i := range typ.Methods {
			m := &typ.Methods[i]
			signature := typ.Name + "." + m.Name + "(" + m.Params + ")"
			if m.Takes.Most < math.MaxInt {
				try(o, m.Name, signature, nil, m.Takes.Most+1)
			}
			if m.Takes.Least > 0 {
				try(o, m.Name, signature, nil, m.Takes.Least-1)
			}
		}
		for _, method := range []string{"repr", "value", "describe"} {
			try(o, method, typ.Name+"."+method+"()", nil, 1)
		}
		if is, _ := object.State.Dump(nil); !bytes.Equal(is, was) {
			t.Errorf("%s: refused calls changed it", typ.Name)
		}
	}
}
