// Package load generates the load of a benchmark. It runs in a process of its
// own for each peer and transport: the parent sends requests, one JSON object a
// line, and gets a sample of figures back for each.
//
// Load is a closed loop: a caller starts its next operation when the last one
// has ended, so throughput and latency belong to a number of callers. Every
// peer runs the same loop with the same number of callers, the same values and
// the same timing.
package load

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/syncmanager/syncmanager/integration/bench/internal/profile"
)

// Spec says what to connect to. It travels on standard input, so that keys
// never stand on a command line.
type Spec struct {
	Peer    string `json:"peer"`    // a name of connectors
	Network string `json:"network"` // "tcp", "tls" or "unix"
	Addr    string `json:"addr"`    // host:port or a path
	Key     string `json:"key,omitempty"`
	Profile bool   `json:"profile,omitempty"` // profiles will be asked for
}

// Request is one measurement. Numbers that a workload does not use are ignored.
type Request struct {
	Op      string `json:"op"`
	Callers int    `json:"callers,omitempty"` // goroutines
	Clients int    `json:"clients,omitempty"` // connections or sessions; 0 is one
	Millis  int    `json:"millis,omitempty"`  // how long to measure
	Warm    int    `json:"warm,omitempty"`    // how long to run before that
	Count   int    `json:"count,omitempty"`   // operations in total, in place of Millis
	Every   int    `json:"every,omitempty"`   // each Every-th operation is timed; 0 is each
	Size    int    `json:"size,omitempty"`    // bytes of a value
	Keys    int    `json:"keys,omitempty"`    // entries of the dict
	Table   int    `json:"table,omitempty"`   // strings that name them, some by turns if more than Keys; 0 is Keys
	Batch   int    `json:"batch,omitempty"`   // keys in one call; operations are counted in these
	Name    string `json:"name,omitempty"`    // of the shared object
	Profile string `json:"profile,omitempty"` // prefix of the files for profiles of the measured part

	Hold  bool         `json:"hold,omitempty"` // wait for the parent's word before and after the measured part
	pause func() error // how, set by Run
	names []string     // of the entries, set by Run once for all callers
}

// window runs f as the measured part of r: with profiles if r asks for them,
// and with r.Hold between two words of the parent, who counts meanwhile what
// both sides use.
func (r Request) window(f func() error) error {
	stop, err := profile.Start(r.Profile)
	if err != nil {
		return err
	}
	for _, step := range []func() error{r.hold, f, r.hold} {
		if err = step(); err != nil {
			break
		}
	}
	return errors.Join(err, stop())
}

func (r Request) hold() error {
	if !r.Hold || r.pause == nil {
		return nil
	}
	return r.pause()
}

// Sample is what one measurement gives: figures by name. Times are in
// microseconds, "ops" is operations per second, "calls" how many operations the
// measured part had.
type Sample map[string]float64

// Op is one operation of one caller. It is called by one goroutine at a time.
type Op func() error

// Driver is a connected peer.
type Driver interface {
	// Prepare brings the server into the state that r starts from. It is
	// called before the callers of r ask for their operations.
	Prepare(ctx context.Context, r Request) error
	// Op returns the operation that caller number i of r repeats. An unknown
	// r.Op is an *UnknownOpError.
	Op(ctx context.Context, r Request, i int) (Op, error)
	// Close ends all connections.
	Close() error
}

// Measurer is a driver with measurements that are no closed loop.
type Measurer interface {
	// Measure runs r and reports true, or false if r is an ordinary loop.
	Measure(ctx context.Context, r Request) (Sample, bool, error)
}

// Settler is a driver whose operations leave something to be done.
type Settler interface {
	// Settle waits until the server has done all that the callers of r asked
	// for. The time counts as theirs.
	Settle(ctx context.Context, r Request) error
}

// UnknownOpError says that a peer has no such workload.
type UnknownOpError struct{ Peer, Op string }

func (e *UnknownOpError) Error() string {
	return fmt.Sprintf("%s has no workload %q", e.Peer, e.Op)
}

// Workloads that several peers know. One operation of each is:
const (
	OpEcho    = "echo"     // 64 bytes there and back
	OpGet     = "get"      // read one of Keys entries, Size bytes each
	OpSet     = "set"      // overwrite one of them
	OpQueue   = "queue"    // put one value, get one value
	OpLock    = "lock"     // acquire and release a lock of the caller's own
	OpGetMany = "get-many" // read Batch entries in one call; counted in keys
	OpSetMany = "set-many" // overwrite Batch entries in one call; counted in keys
	OpCreate  = "create"   // create an anonymous object and release it; at the end the server has forgotten all
	OpAdd     = "add"      // call Add(int, int) of a registered type
	OpCopy    = "copy"     // store Size bytes, then read them back
	OpCount   = "count"    // add 1 to one of Keys counters, which begin at 0
	OpFill    = "fill"     // not measured: fill a dict with Keys entries
)

// Workloads of the sweep over sizes: one of Keys values of Size bytes, in memory
// of its own when it is read.
const (
	OpValueGet = "value get"
	OpValueSet = "value set"
)

// connectWait bounds how long a peer may take to connect.
const connectWait = 30 * time.Second

// connectors are the drivers by the name of the peer.
var connectors = map[string]func(context.Context, Spec) (Driver, error){
	"echo":        connectEcho,
	"framed":      connectFramed,
	"net/rpc":     connectRPC,
	"rueidis":     connectRueidis,
	"go-redis":    connectGoRedis,
	"syncmanager": connectManager,
}

// Connect returns a driver for the peer that s names.
func Connect(ctx context.Context, s Spec) (Driver, error) {
	connect, ok := connectors[s.Peer]
	if !ok {
		return nil, fmt.Errorf("no peer %q", s.Peer)
	}
	ctx, cancel := context.WithTimeout(ctx, connectWait)
	defer cancel()
	d, err := connect(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("%s at %s %s: %w", s.Peer, s.Network, s.Addr, err)
	}
	return d, nil
}
