package integration

import (
	"strings"
	"testing"

	"github.com/syncmanager/syncmanager/proxy"
)

// TestUnreachableServer: what Connect says of a server that is not there, or
// speaks something else, names the address once and says what would be right.
func TestUnreachableServer(t *testing.T) {
	secure, open := newEnv(t, "tcp"), newEnv(t, "tcp+plain")
	for _, c := range []struct{ addr, hint string }{
		{"tcp+plain" + strings.TrimPrefix(secure.addr, "tcp"), "its address is a tcp:// one then, not tcp+plain://"},
		{"tcp" + strings.TrimPrefix(open.addr, "tcp+plain"), "its address is a tcp+plain:// one then, not tcp://"},
		{"tcp://127.0.0.1:1", "refused"},
		{"pipe://nobody", ""},
		{"unix:///does/not/exist", ""},
	} {
		_, err := proxy.Connect(t.Context(), c.addr, proxy.Config{AuthKey: secure.key})
		if err == nil {
			t.Errorf("connected to %s", c.addr)
			continue
		}
		_, rest, _ := strings.Cut(c.addr, "://")
		if text := err.Error(); strings.Count(text, rest) != 1 || strings.Count(text, "connect to") != 1 || strings.Contains(text, "connecting") || !strings.Contains(text, c.hint) {
			t.Errorf("%s: %v", c.addr, err)
		}
	}
}
