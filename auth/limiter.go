package auth

import (
	"cmp"
	"container/list"
	"net"
	"net/netip"
	"sync"
	"time"
)

// The defaults of LimiterConfig.
const (
	DefaultFirstDelay = 100 * time.Millisecond
	DefaultMaxDelay   = 5 * time.Second
	DefaultForget     = 10 * time.Minute
	DefaultMaxHosts   = 4096
	DefaultFailures   = 1000
)

// LimiterConfig configures a Limiter. Zeros mean the defaults; what is negative
// in Failures, no limit.
type LimiterConfig struct {
	FirstDelay time.Duration // after one failure; each further one doubles it
	MaxDelay   time.Duration // the greatest delay
	Forget     time.Duration // without a failure, after which a host starts afresh
	MaxHosts   int           // remembered; the one that failed longest ago goes first
	Failures   int           // of one host, after which it is shut out until it starts afresh
}

// Limiter decides how long a server keeps a host waiting that failed to
// authenticate. It neither sleeps nor reads a clock. A success does not clear a
// host's failures: whoever holds one key could otherwise guess at another
// without delay. It is safe for concurrent use, and its size is bounded.
type Limiter struct {
	config LimiterConfig // fixed at creation

	lk struct {
		sync.Mutex
		hosts  map[string]*list.Element
		recent *list.List // of *failures, the latest in front
	}
}

// failures is what a Limiter knows of one host.
type failures struct {
	host  string
	last  time.Time
	delay time.Duration
	count int
}

// NewLimiter returns a Limiter that knows no host.
func NewLimiter(config LimiterConfig) *Limiter {
	if config.FirstDelay <= 0 {
		config.FirstDelay = DefaultFirstDelay
	}
	if config.MaxDelay <= 0 {
		config.MaxDelay = DefaultMaxDelay
	}
	if config.Forget <= 0 {
		config.Forget = DefaultForget
	}
	if config.MaxHosts <= 0 {
		config.MaxHosts = DefaultMaxHosts
	}
	if config.Failures == 0 {
		config.Failures = DefaultFailures
	}
	config.FirstDelay = min(config.FirstDelay, config.MaxDelay)
	l := &Limiter{config: config}
	l.lk.hosts = make(map[string]*list.Element)
	l.lk.recent = list.New()
	return l
}

// Failed records a failure of host and returns how long to keep it waiting for
// the answer.
func (l *Limiter) Failed(host string, now time.Time) time.Duration {
	l.lk.Lock()
	defer l.lk.Unlock()
	l.forgetLocked(now)
	if e, ok := l.lk.hosts[host]; ok {
		f := e.Value.(*failures)
		f.last = now
		f.count++
		if f.delay > l.config.MaxDelay/2 {
			f.delay = l.config.MaxDelay
		} else {
			f.delay *= 2
		}
		l.lk.recent.MoveToFront(e)
		return f.delay
	}
	if l.lk.recent.Len() >= l.config.MaxHosts {
		l.removeLocked(l.lk.recent.Back())
	}
	f := &failures{host: host, last: now, delay: l.config.FirstDelay, count: 1}
	l.lk.hosts[host] = l.lk.recent.PushFront(f)
	return f.delay
}

// Delay returns how long a server that limits new handshakes, instead of
// answers, should wait before it talks to host: what is left at now of the delay
// that its last failure brought, and 0 for a host without failures.
func (l *Limiter) Delay(host string, now time.Time) time.Duration {
	l.lk.Lock()
	defer l.lk.Unlock()
	e, ok := l.lk.hosts[host]
	if !ok {
		return 0
	}
	f := e.Value.(*failures)
	return min(max(f.delay-now.Sub(f.last), 0), f.delay) // now may run backwards
}

// ShutOut returns for how long from now a server turns wrong keys of the host away,
// since too many of its attempts failed: until it starts afresh. 0 for any other
// host. A right key is never turned away.
func (l *Limiter) ShutOut(host string, now time.Time) time.Duration {
	l.lk.Lock()
	defer l.lk.Unlock()
	e, ok := l.lk.hosts[host]
	if !ok {
		return 0
	}
	f := e.Value.(*failures)
	if l.config.Failures < 0 || f.count < l.config.Failures {
		return 0
	}
	return min(max(l.config.Forget-now.Sub(f.last), 0), l.config.Forget) // now may run backwards
}

// Len returns how many hosts are remembered.
func (l *Limiter) Len() int {
	l.lk.Lock()
	defer l.lk.Unlock()
	return l.lk.recent.Len()
}

func (l *Limiter) forgetLocked(now time.Time) {
	for {
		e := l.lk.recent.Back()
		if e == nil || now.Sub(e.Value.(*failures).last) < l.config.Forget {
			return
		}
		l.removeLocked(e)
	}
}

func (l *Limiter) removeLocked(e *list.Element) {
	f := l.lk.recent.Remove(e).(*failures)
	delete(l.lk.hosts, f.host)
}

// LimiterHost returns the name under which a Limiter counts a remote address:
// an IPv4 address, the /64 network of an IPv6 address (one machine has them
// all), "unix", or the network's name for anything else.
func LimiterHost(addr net.Addr) string {
	if addr == nil {
		return "unknown"
	}
	var ip netip.Addr
	switch a := addr.(type) {
	case *net.TCPAddr:
		ip = a.AddrPort().Addr()
	default:
		if p, err := netip.ParseAddrPort(addr.String()); err == nil {
			ip = p.Addr()
		}
	}
	if !ip.IsValid() {
		return cmp.Or(addr.Network(), "unknown")
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is4() {
		return ip.String()
	}
	return netip.PrefixFrom(ip, 64).Masked().String()
}
