package pydoor

import (
	"net"
	"strconv"

	"github.com/syncmanager/syncmanager/internal/pickle"
)

// addressFor returns the address that tokens for a client carry: the one that
// is advertised, or the one that the client used.
func (d *Door) addressFor(nc net.Conn) pickle.Node {
	if a := d.config.Advertise; a != "" {
		return parseAddress(a)
	}
	switch a := nc.LocalAddr().(type) {
	case *net.TCPAddr:
		return pickle.NewTuple(pickle.NewStr(a.IP.String()), pickle.Int(a.Port))
	case *net.UnixAddr:
		return pickle.NewStr(a.Name)
	default:
		return pickle.NewStr(a.String())
	}
}

// parseAddress reads "host:port" as Python's pair, and anything else as a path.
func parseAddress(s string) pickle.Node {
	host, port, err := net.SplitHostPort(s)
	if err == nil {
		if n, err := strconv.ParseUint(port, 10, 16); err == nil {
			return pickle.NewTuple(pickle.NewStr(host), pickle.Int(n))
		}
	}
	return pickle.NewStr(s)
}
