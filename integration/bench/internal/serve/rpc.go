package serve

import (
	"errors"
	"net"
	"net/rpc"
	"sync"
)

// Entry is one entry of a Store's dict.
type Entry struct{ Key, Value string }

// Pair is the argument of Store.Add.
type Pair struct{ A, B int }

// Store is the least that someone would write on net/rpc for a shared dict and
// a shared queue: a map and a slice behind one mutex.
type Store struct {
	mu    sync.Mutex
	dict  map[string]string
	queue []string
}

// Get answers the value of a key.
func (s *Store) Get(key string, value *string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.dict[key]
	if !ok {
		return errors.New("no key " + key)
	}
	*value = v
	return nil
}

// Set stores an entry.
func (s *Store) Set(e Entry, ok *bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dict == nil {
		s.dict = make(map[string]string)
	}
	s.dict[e.Key] = e.Value
	*ok = true
	return nil
}

// Put appends to the queue.
func (s *Store) Put(v string, ok *bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(s.queue, v)
	*ok = true
	return nil
}

// Take removes the queue's head. Its argument is not used.
func (s *Store) Take(_ bool, v *string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return errors.New("the queue is empty")
	}
	*v = s.queue[0]
	s.queue = s.queue[1:]
	return nil
}

// Add answers the sum of its argument.
func (s *Store) Add(p Pair, sum *int) error {
	*sum = p.A + p.B
	return nil
}

// RPC serves a Store on the connections of l until l is closed.
func RPC(l net.Listener) error {
	srv := rpc.NewServer()
	if err := srv.Register(&Store{}); err != nil {
		return err
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go srv.ServeConn(conn)
	}
}
