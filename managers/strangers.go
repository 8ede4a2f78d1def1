package managers

import (
	"container/list"
	"io"
	"sync"
)

// strangers bounds the connections that have not authenticated yet. When all
// places are taken, the oldest stranger of the busiest host makes room: a
// flood from one host costs that host.
type strangers struct {
	limit int

	mu     sync.Mutex
	all    *list.List // of *stranger, oldest first
	hosts  map[string]*list.List
	closed bool
}

type stranger struct {
	host   string
	conn   io.Closer
	inAll  *list.Element
	inHost *list.Element
}

func newStrangers(limit int) *strangers {
	return &strangers{limit: limit, all: list.New(), hosts: make(map[string]*list.List)}
}

// enter gives the connection a place. It fails only once the server closes.
func (s *strangers) enter(host string, conn io.Closer) (*stranger, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, false
	}
	if s.all.Len() >= s.limit {
		if out := s.oldestOfBusiest(); out != nil {
			s.removeLocked(out)
			out.conn.Close() // its handshake fails and returns
		}
	}
	p := &stranger{host: host, conn: conn}
	p.inAll = s.all.PushBack(p)
	l := s.hosts[host]
	if l == nil {
		l = list.New()
		s.hosts[host] = l
	}
	p.inHost = l.PushBack(p)
	return p, true
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
