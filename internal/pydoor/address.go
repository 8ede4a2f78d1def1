package pydoor

import (
	"net"
	"strconv"

	"github.com/syncmanager/syncmanager/internal/pickle"
)

// addressFor returns the address that tokens for a client carry: the one that
// is advertised, if it is of the client's kind, or the one that the client used.
func (d *Door) addressFor(nc net.Conn) pickle.Node {
	advertised := parseAddress(d.config.Advertise)
	_, isPair := advertised.(*pickle.Tuple)
	switch a := nc.LocalAddr().(type) {
	case *net.TCPAddr:
		if isPair {
			return advertised
		}
		return pickle.NewTuple(pickle.NewStr(a.IP.String()), pickle.Int(a.Port))
	case *net.UnixAddr:
		if d.config.Advertise != "" && !isPair {
			return advertised
		}
		return pickle.NewStr(a.Name)
	default:
		return advertised
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
