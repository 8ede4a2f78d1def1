package defaults

import (
	"fmt"
	"strings"
	"testing"
)

// TestPorts holds what the default ports are for, and that they are not ones that
// Linux gives to outgoing connections.
func TestPorts(t *testing.T) {
	if !strings.HasSuffix(TCPAddress, fmt.Sprintf(":%d", Port)) {
		t.Errorf("the default address is %s, its port %d", TCPAddress, Port)
	}
	for i, port := range []int{Port, PythonPort, AdminPort, PeerPort} {
		if port != Port+i || port >= 30000 {
			t.Errorf("port %d is %d", i, port)
		}
	}
}
