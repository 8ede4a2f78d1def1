package managers

import (
	"github.com/syncmanager/syncmanager/internal/wire"
)

// feedMux takes bytes of the connection's mux.
func (c *conn) feedMux([]byte) error {
	return wire.Errorf(wire.CodeProtocol, "this server takes no raw connections")
}
