package connection

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/syncmanager/syncmanager/internal/link"
)

// memoryBacklog is how many connections wait for Accept before Dial does.
const memoryBacklog = 128

// names are the in-memory listeners of this process. They are to the process
// what ports are to the machine, which is why they are not in a value.
var names = struct {
	mu   sync.Mutex
	m    map[string]*memoryListener
	next int
}{m: make(map[string]*memoryListener)}

// memoryListener is a net.Listener of link.Pipe ends.
type memoryListener struct {
	name  string
	queue chan net.Conn
	once  sync.Once
	done  chan struct{}

	mu   sync.Mutex    // guards what follows
	late chan struct{} // closed while the deadline is over
}

func listenMemory(name string) (*memoryListener, error) {
	names.mu.Lock()
	defer names.mu.Unlock()
	for name == "" || name[0] == '#' && names.m[name] != nil {
		names.next++
		name = "#" + strconv.Itoa(names.next)
	}
	if names.m[name] != nil {
		return nil, fmt.Errorf("%w: this process listens on it already", ErrInUse)
	}
	l := &memoryListener{name: name, queue: make(chan net.Conn, memoryBacklog), done: make(chan struct{}), late: make(chan struct{})}
	names.m[name] = l
	return l, nil
}

func dialMemory(ctx context.Context, name string) (net.Conn, error) {
	if name == "" {
		return nil, errors.New("no name; the listener's Addr says which one it got")
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	names.mu.Lock()
	l := names.m[name]
	names.mu.Unlock()
	if l == nil {
		return nil, errors.New("nothing in this process listens on it")
	}
	ours, theirs := link.Pipe()
	select {
	case l.queue <- theirs:
	case <-l.done:
		return nil, errors.New("the listener was closed")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case <-l.done:
		l.drain() // it may have looked before ours came
	default:
	}
	return ours, nil
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case <-l.done:
		return nil, net.ErrClosed
	default:
	}
	l.mu.Lock()
	late := l.late
	l.mu.Unlock()
	select {
	case c := <-l.queue:
		return c, nil
	case <-late:
		return nil, os.ErrDeadlineExceeded
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// SetDeadline interrupts Accept if the time is not the zero time: deadlines in
// the future are not in use here.
func (l *memoryListener) SetDeadline(t time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	over := false
	select {
	case <-l.late:
		over = true
	default:
	}
	switch {
	case t.IsZero() && over:
		l.late = make(chan struct{})
	case !t.IsZero() && !over:
		close(l.late)
	}
	return nil
}

func (l *memoryListener) Close() error {
	l.once.Do(func() {
		names.mu.Lock()
		delete(names.m, l.name)
		names.mu.Unlock()
		close(l.done)
		l.drain()
	})
	return nil
}

// drain closes connections that nobody will accept.
func (l *memoryListener) drain() {
	for {
		select {
		case c := <-l.queue:
			c.Close()
		default:
			return
		}
	}
}

func (l *memoryListener) Addr() net.Addr { return Address{Transport: Memory, Name: l.name} }
