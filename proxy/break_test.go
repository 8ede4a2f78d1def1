package proxy_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/syncmanager/syncmanager/proxy"
)

// relay stands between clients and a server, and cuts connections.
type relay struct {
	listener net.Listener
	target   string

	mu    sync.Mutex
	conns []net.Conn
	down  bool // newcomers are cut at once
}

func newRelay(t *testing.T, target string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	r := &relay{listener: l, target: strings.TrimPrefix(target, "tcp+plain://")}
	t.Cleanup(func() { l.Close(); r.cut(true) })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go r.pass(c)
		}
	}()
	return r
}

func (r *relay) addr() string { return "tcp+plain://" + r.listener.Addr().String() }

func (r *relay) pass(c net.Conn) {
	s, err := net.Dial("tcp", r.target)
	if err != nil {
		c.Close()
		return
	}
	r.mu.Lock()
	if r.down {
		r.mu.Unlock()
		c.Close()
		s.Close()
		return
	}
	r.conns = append(r.conns, c, s)
	r.mu.Unlock()
	go func() { io.Copy(s, c); s.Close() }()
	io.Copy(c, s)
	c.Close()
}

// cut closes all connections, and with down those to come.
func (r *relay) cut(down bool) {
	r.mu.Lock()
	conns := r.conns
	r.conns, r.down = nil, down
	r.mu.Unlock()
	for _, c := range conns {
		c.Close()
	}
}

// TestBreaks cuts the connection again and again under load: every call takes
// effect once.
func TestBreaks(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	addr, key := serveOn(t, "tcp+plain://127.0.0.1:0")
	r := newRelay(t, addr)
	m := connect(t, r.addr(), key)
	d, err := proxy.NewDict[string, int](ctx, m)
	must(t, err)
	q, err := proxy.NewQueue[int](ctx, m, 0)
	must(t, err)
	const callers, each, cuts = 4, 150, 8
	got := make(chan int, callers*each)
	var work sync.WaitGroup
	for i := range callers {
		work.Go(func() {
			for j := range each {
				if _, err := d.Add(ctx, "n", 1); err != nil {
					t.Error(err)
					return
				}
				if err := q.Put(ctx, i*each+j); err != nil {
					t.Error(err)
					return
				}
				n, err := q.Get(ctx)
				if err != nil {
					t.Error(err)
					return
				}
				got <- n
			}
		})
	}
	stop := make(chan struct{})
	cutter := make(chan struct{})
	go func() {
		defer close(cutter)
		for range cuts {
			select {
			case <-time.After(5 * time.Millisecond):
				r.cut(false)
			case <-stop:
				return
			}
		}
	}()
	work.Wait()
	close(stop)
	<-cutter
	close(got)
	seen := make(map[int]bool)
	for n := range got {
		if seen[n] {
			t.Errorf("item %d came twice", n)
		}
		seen[n] = true
	}
	if len(seen) != callers*each {
		t.Errorf("%d items came, want %d", len(seen), callers*each)
	}
	want[int](t, "n")(d.Get(ctx, "n"))(callers * each)
	want[int](t, "QSize")(q.QSize(ctx))(0)
}

// TestWaitSurvivesABreak has a parked call keep its place while its client has
// no connection.
func TestWaitSurvivesABreak(t *testing.T) {
	ctx := context.Background()
	addr, key := serveOn(t, "tcp+plain://127.0.0.1:0")
	r := newRelay(t, addr)
	m, other := connect(t, r.addr(), key), connect(t, addr, key)
	q, err := proxy.OpenQueue[string](ctx, m, "q", 0)
	must(t, err)
	theirs, err := proxy.OpenQueue[string](ctx, other, "q", 0)
	must(t, err)
	got := make(chan string, 1)
	go func() {
		item, err := q.Get(ctx)
		if err != nil {
			t.Error(err)
		}
		got <- item
	}()
	for waiting := false; !waiting; {
		names, err := other.Names(ctx, "q")
		must(t, err)
		waiting = names[0].Waiting == 1
	}
	r.cut(true)
	must(t, theirs.Put(ctx, "item"))
	r.cut(false)
	if item := <-got; item != "item" {
		t.Errorf("got %q", item)
	}
}

// TestLeaseEnds has a client that cannot come back lose its lock, and hear of
// it.
func TestLeaseEnds(t *testing.T) {
	ctx := context.Background()
	addr, key := serveOn(t, "tcp+plain://127.0.0.1:0")
	r := newRelay(t, addr)
	gone := make(chan error, 1)
	m, err := proxy.Connect(ctx, r.addr(), proxy.Config{AuthKey: key, Lease: time.Second, OnExpired: func(err error) { gone <- err }})
	must(t, err)
	defer m.Close()
	if m.Lease() != time.Second {
		t.Errorf("lease %v", m.Lease())
	}
	l, err := proxy.OpenLock(ctx, m, "l")
	must(t, err)
	h, err := l.Acquire(ctx)
	must(t, err)
	other := connect(t, addr, key)
	theirs, err := proxy.OpenLock(ctx, other, "l")
	must(t, err)
	r.cut(true)
	h2, err := theirs.Acquire(ctx)
	must(t, err)
	select {
	case <-h.Context().Done():
	default:
		t.Error("the lock was handed on before its holder knew")
	}
	wantErr(t, "the hold", h.Err(), proxy.ErrLockLost)
	wantErr(t, "OnExpired", <-gone, proxy.ErrSessionExpired)
	_, err = l.Locked(ctx)
	wantErr(t, "a call", err, proxy.ErrSessionExpired)
	if h2.Token() <= h.Token() {
		t.Errorf("tokens %d and then %d", h.Token(), h2.Token())
	}
	if errors.Is(h2.Err(), proxy.ErrLockLost) {
		t.Error("the new hold is lost")
	}
}
