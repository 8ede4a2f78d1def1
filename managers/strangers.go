package managers

import (
	"container/list"
	"io"
	"log/slog"
	"sync"
	"time"
)

// strangers bounds the connections that have not authenticated yet. When all
// places are taken, the oldest stranger of the busiest host makes room: a
// flood from one host costs that host. So does the oldest of a host that has all
// the places which one host may have.
type strangers struct {
	// Fixed at creation.
	limit   int
	perHost int
	log     *slog.Logger

	mu     sync.Mutex // guards what follows
	all    *list.List // of *stranger, oldest first
	hosts  map[string]*list.List
	closed bool
	cut    int       // strangers that made room since warned
	warned time.Time // when the log was told of that last
}

// warnEvery is how often the log is told of strangers that make room.
const warnEvery = 10 * time.Second

type stranger struct {
	host   string
	conn   io.Closer
	inAll  *list.Element
	inHost *list.Element
}

func newStrangers(limit, perHost int, log *slog.Logger) *strangers {
	return &strangers{limit: limit, perHost: perHost, log: log, all: list.New(), hosts: make(map[string]*list.List)}
}

// enter gives the connection a place. It fails only once the server closes.
func (s *strangers) enter(host string, conn io.Closer) (*stranger, bool) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, false
	}
	p := &stranger{host: host, conn: conn}
	out, limit := s.whoMakesRoomLocked(host)
	cut := 0 // to be logged
	if out != nil {
		s.removeLocked(out)
		out.conn.Close() // its handshake fails and returns
		s.cut++
		if now := time.Now(); now.Sub(s.warned) >= warnEvery {
			cut, s.cut, s.warned = s.cut, 0, now
		}
	}
	p.inAll = s.all.PushBack(p)
	l := s.hosts[host]
	if l == nil {
		l = list.New()
		s.hosts[host] = l
	}
	p.inHost = l.PushBack(p)
	s.mu.Unlock()
	if cut > 0 {
		s.log.Warn("strangers are cut off: too many connections that have not authenticated", "host", out.host, "limit", limit, "cut", cut)
	}
	return p, true
}

// whoMakesRoomLocked returns the stranger that goes when one more comes from the
// host, and because of which limit; nil if there is room.
func (s *strangers) whoMakesRoomLocked(host string) (*stranger, int) {
	if l := s.hosts[host]; l != nil && l.Len() >= s.perHost {
		return l.Front().Value.(*stranger), s.perHost
	}
	if s.all.Len() >= s.limit {
		return s.oldestOfBusiest(), s.limit
	}
	return nil, 0
}

// oldestOfBusiest finds who makes room. Equally busy hosts lose their oldest
// in the order of arrival.
func (s *strangers) oldestOfBusiest() *stranger {
	var busiest *list.List
	for _, l := range s.hosts {
		switch {
		case busiest == nil || l.Len() > busiest.Len():
			busiest = l
		case l.Len() == busiest.Len() && s.before(l, busiest):
			busiest = l
		}
	}
	if busiest == nil {
		return nil
	}
	return busiest.Front().Value.(*stranger)
}

// before reports whether the oldest of a came before the oldest of b.
func (s *strangers) before(a, b *list.List) bool {
	for e := s.all.Front(); e != nil; e = e.Next() {
		switch e {
		case a.Front().Value.(*stranger).inAll:
			return true
		case b.Front().Value.(*stranger).inAll:
			return false
		}
	}
	return false
}

// leave gives the place back. It may be called for one that made room.
func (s *strangers) leave(p *stranger) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.removeLocked(p)
}

func (s *strangers) removeLocked(p *stranger) {
	if p.inAll == nil {
		return
	}
	s.all.Remove(p.inAll)
	l := s.hosts[p.host]
	l.Remove(p.inHost)
	if l.Len() == 0 {
		delete(s.hosts, p.host)
	}
	p.inAll, p.inHost = nil, nil
}

// close cuts all strangers off.
func (s *strangers) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for e := s.all.Front(); e != nil; e = e.Next() {
		e.Value.(*stranger).conn.Close()
	}
}
