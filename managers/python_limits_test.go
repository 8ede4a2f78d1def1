package managers

import (
	"errors"
	"testing"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// TestPythonLimits holds that the limits of a session are those of the Python
// clients of a key.
func TestPythonLimits(t *testing.T) {
	s := NewServer(Config{AuthKey: auth.Generate(), Limits: Limits{Objects: 1}})
	t.Cleanup(func() { s.Close() })
	e, ok := s.keys.Lookup("default")
	if !ok {
		t.Fatal("no key")
	}
	p, err := s.openPythonSession(e)
	if err != nil {
		t.Fatal(err)
	}
	d := p.(*direct)
	d.must(t, 0, "create", "dict")
	b := wire.AppendStr(wire.AppendArrayHeader(nil, 1), "dict")
	if _, err := d.Call(t.Context(), engine.Command{Method: engine.MethodCreate, Args: b}); !errors.Is(err, wire.ErrOverloaded) {
		t.Errorf("the second object: %v", err)
	}
}
