package faults

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/syncmanager/syncmanager/connection"
)

// RelayConfig says how bad a Relay is.
type RelayConfig struct {
	// Seed decides what goes wrong.
	Seed uint64
	// Lease is that of the session, the measure of all pauses. It is required.
	Lease time.Duration
	// Latency bounds what a piece of data takes on its way. Each takes at least
	// a tenth of it.
	Latency time.Duration
	// Mean is how many bytes pass in one direction between two faults, on
	// average. 0 means 1500.
	Mean int
	// Silent is how many of a hundred faults are such that nobody is told:
	// stalls and connections that are half open. They take time to find out.
	Silent int
	// Log, when set, hears of every fault.
	Log func(format string, args ...any)
}

// Relay passes the connections of one client on to a server.
type Relay struct {
	// Fixed at creation.
	config   RelayConfig
	target   connection.Address
	address  connection.Address
	listener *connection.StreamListener
	done     chan struct{}
	running  sync.WaitGroup

	mu     sync.Mutex // guards what follows
	n      int        // connections so far
	links  map[*link]struct{}
	calm   bool
	dead   bool
	closed bool
}

// Listen starts a relay to the server at the address. Bytes are passed on as
// they are: over tcp:// the TLS connection is the client's and the server's.
func Listen(ctx context.Context, target string, config RelayConfig) (*Relay, error) {
	to, err := connection.ParseAddress(target)
	if err != nil {
		return nil, err
	}
	if config.Lease <= 0 {
		return nil, errors.New("faults: RelayConfig.Lease is missing")
	}
	if config.Mean <= 0 {
		config.Mean = 1500
	}
	at := connection.Address{Transport: to.Transport}
	if to.Transport != connection.Memory {
		at.Host = "127.0.0.1"
	}
	reported := at
	if to.Transport == connection.TCP {
		to.Transport, at.Transport = connection.TCPPlain, connection.TCPPlain
	}
	l, err := connection.ListenStream(ctx, at, connection.StreamConfig{})
	if err != nil {
		return nil, err
	}
	reported.Name, reported.Port = l.Addr().Name, l.Addr().Port
	r := &Relay{config: config, target: to, address: reported, listener: l, done: make(chan struct{}), links: make(map[*link]struct{})}
	r.running.Add(1)
	go r.accept()
	return r, nil
}

// Addr returns the address that the client connects to.
func (r *Relay) Addr() string { return r.address.String() }

// Kill cuts the client off for good, without a word to either side.
func (r *Relay) Kill() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dead = true
	for l := range r.links {
		l.silence(toServer)
		l.silence(toClient)
	}
}

// Calm ends the faults: connections that are spoilt are cut, those that come
// are good.
func (r *Relay) Calm() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calm = true
	for l := range r.links {
		l.cut()
	}
}

// Close ends the relay and waits for its goroutines.
func (r *Relay) Close() {
	r.mu.Lock()
	if !r.closed {
		r.closed = true
		close(r.done)
	}
	r.listener.Close()
	for l := range r.links {
		l.cut()
	}
	r.mu.Unlock()
	r.running.Wait()
}

func (r *Relay) accept() {
	defer r.running.Done()
	for {
		s, err := r.listener.Accept(context.Background())
		if err != nil {
			return
		}
		r.running.Add(1)
		go func() {
			defer r.running.Done()
			r.pass(s.Conn)
		}()
	}
}

// pass carries one connection until it ends.
func (r *Relay) pass(client net.Conn) {
	server, err := connection.DialStream(context.Background(), r.target, connection.StreamConfig{})
	if err != nil {
		client.Close()
		return
	}
	l := &link{relay: r, gone: make(chan struct{})}
	l.ends[toServer], l.ends[toClient] = server.Conn, client
	r.mu.Lock()
	if r.closed || r.dead {
		r.mu.Unlock()
		l.cut()
		return
	}
	l.number = r.n
	r.n++
	for d := range l.plans {
		l.plans[d] = newPlan(r, l.number, direction(d))
	}
	r.links[l] = struct{}{}
	r.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { l.pump(toServer) })
	both.Go(func() { l.pump(toClient) })
	both.Wait()
	l.cut()
	r.mu.Lock()
	delete(r.links, l)
	r.mu.Unlock()
}

// direction is where bytes go.
type direction int

const (
	toServer direction = iota
	toClient
)

func (d direction) String() string { return [...]string{"to the server", "to the client"}[d] }

// link is one connection through a relay.
type link struct {
	// Fixed at creation.
	relay  *Relay
	number int
	ends   [2]net.Conn // by the direction of what is written to it
	gone   chan struct{}
	plans  [2]*plan // each owned by its pump

	mu     sync.Mutex // guards what follows
	silent [2]bool    // nothing is passed on in that direction any more
	cutOff bool
}

// cut closes both ends.
func (l *link) cut() {
	l.mu.Lock()
	if !l.cutOff {
		l.cutOff = true
		close(l.gone)
	}
	l.mu.Unlock()
	l.ends[toServer].Close()
	l.ends[toClient].Close()
}

func (l *link) silence(d direction) {
	l.mu.Lock()
	l.silent[d] = true
	l.mu.Unlock()
}

func (l *link) isSilent(d direction) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.silent[d]
}

// sleep waits that long, or until the connection is cut. It reports whether the
// connection is still there.
func (l *link) sleep(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-l.gone:
		return false
	}
}

// pump passes on the bytes of one direction. What a side wrote before it closed
// its end still arrives, late if this direction is stalled.
func (l *link) pump(d direction) {
	src, dst, p := l.ends[1-d], l.ends[d], l.plans[d]
	buf := make([]byte, 2048)
	for {
		n, err := src.Read(buf)
		if n > 0 && !l.sleep(p.latency()) {
			return
		}
		for b := buf[:n]; len(b) > 0; {
			now := b
			if p.left >= 0 && p.left < len(b) {
				now = b[:p.left]
			}
			if len(now) > 0 && !l.isSilent(d) {
				if _, err := dst.Write(now); err != nil {
					l.ended(d)
					return
				}
			}
			b = b[len(now):]
			if p.left >= 0 {
				p.left -= len(now)
			}
			if p.left == 0 && !l.spoil(d, p) {
				return
			}
		}
		if err != nil {
			l.ended(d)
			return
		}
	}
}

// ended notes that no more is passed on in a direction. The other side hears of
// it unless the link hides it.
func (l *link) ended(d direction) {
	if !l.isSilent(d) {
		l.ends[d].Close()
	}
	l.ends[1-d].Close()
}

// spoil carries out the fault that is due. It reports whether the pump goes on.
func (l *link) spoil(d direction, p *plan) bool {
	l.relay.mu.Lock()
	calm := l.relay.calm
	l.relay.mu.Unlock()
	kind, pause := p.kind, p.pause
	p.next()
	if calm {
		return true
	}
	if log := l.relay.config.Log; log != nil {
		log("connection %d %v: %v %v", l.number, d, kind, pause)
	}
	switch kind {
	case cut:
		l.cut()
		return false
	case stall:
		return l.sleep(pause)
	case halfOpenClient:
		// The client believes in it.
		l.silence(toServer)
		l.silence(toClient)
		l.ends[toServer].Close()
	case halfOpenServer:
		l.silence(toServer)
		l.silence(toClient)
		l.ends[toClient].Close()
	case hole:
		l.silence(toServer)
		l.silence(toClient)
	}
	return true
}

type faultKind int

const (
	cut            faultKind = iota
	stall                    // one direction stands still for a while
	halfOpenClient           // the server's end is closed, the client is not told
	halfOpenServer           // the other way round
	hole                     // both sides believe in it, nothing arrives
)

func (k faultKind) String() string {
	return [...]string{"cut", "stall", "half open for the client", "half open for the server", "hole"}[k]
}

// plan is what goes wrong in one direction of one connection.
type plan struct {
	config *RelayConfig
	rng    *rand.Rand
	left   int // bytes until the next fault; -1: none comes
	kind   faultKind
	pause  time.Duration
}

// spared is how many bytes pass at least on every third connection, so that a
// client that does all it can keeps its session.
const spared = 6000

func newPlan(r *Relay, number int, d direction) *plan {
	p := &plan{config: &r.config, rng: rand.New(rand.NewPCG(r.config.Seed, uint64(number)<<1|uint64(d)))}
	p.next()
	switch {
	case r.calm:
		p.left = -1
	case number%3 == 2:
		p.left += spared
	case p.rng.IntN(4) == 0:
		p.left = 1 + p.rng.IntN(250) // in the handshakes
	}
	return p
}

// next draws the next fault.
func (p *plan) next() {
	p.left = 1 + int(p.rng.ExpFloat64()*float64(p.config.Mean))
	p.kind, p.pause = cut, 0
	if p.rng.IntN(100) >= p.config.Silent {
		return
	}
	switch p.rng.IntN(6) {
	case 0, 1:
		p.kind, p.pause = stall, upTo(p.rng, p.config.Lease/8)
	case 2:
		// Long enough for the client to have given the connection up.
		p.kind, p.pause = stall, p.config.Lease/2+upTo(p.rng, p.config.Lease)
	case 3:
		p.kind = halfOpenClient
	case 4:
		p.kind = halfOpenServer
	case 5:
		p.kind = hole
	}
}

func upTo(r *rand.Rand, d time.Duration) time.Duration {
	return time.Duration(r.Int64N(int64(max(d, 1))))
}

func (p *plan) latency() time.Duration {
	l := p.config.Latency
	return l/10 + upTo(p.rng, l-l/10)
}
