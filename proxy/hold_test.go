package proxy_test

import (
	"context"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/syncmanager/syncmanager/proxy"
)

// lockables are all kinds of objects that are acquired, as functions that
// acquire, release without a Hold, and tell whether it is held.
type lockable struct {
	acquire func(context.Context) (*proxy.Hold, error)
	release func(context.Context) error
	locked  func(context.Context) (bool, error)
}

func lockables(t *testing.T, ctx context.Context, m *proxy.Manager) map[string]lockable {
	t.Helper()
	owner := m.NewOwner()
	lock, err := proxy.NewLock(ctx, m)
	must(t, err)
	rlock, err := proxy.NewRLock(ctx, m)
	must(t, err)
	sem, err := proxy.NewSemaphore(ctx, m, 1)
	must(t, err)
	bounded, err := proxy.NewBoundedSemaphore(ctx, m, 1)
	must(t, err)
	all := map[string]lockable{
		"Lock":             {lock.Acquire, lock.Release, lock.Locked},
		"Semaphore":        {sem.Acquire, sem.Release, sem.Locked},
		"BoundedSemaphore": {bounded.Acquire, bounded.Release, bounded.Locked},
		"RLock": {
			func(ctx context.Context) (*proxy.Hold, error) { return rlock.Acquire(ctx, owner) },
			func(ctx context.Context) error { return rlock.Release(ctx, owner) }, rlock.Locked,
		},
	}
	for name, over := range map[string]proxy.Proxy{"Condition": nil, "Condition over a Lock": lock, "Condition over an RLock": rlock} {
		k, err := proxy.NewCondition(ctx, m, over)
		must(t, err)
		// As another program has it, which does not know the lock.
		k, err = proxy.Attach[proxy.Condition](ctx, m, k.Token())
		must(t, err)
		all[name] = lockable{
			func(ctx context.Context) (*proxy.Hold, error) { return k.Acquire(ctx, owner) },
			func(ctx context.Context) error { return k.Release(ctx, owner) }, k.Locked,
		}
	}
	return all
}

// A release takes effect although its context is over: giving up is not
// cancelling.
func TestReleaseWithAContextThatIsOver(t *testing.T) {
	ctx, m := manager(t)
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	late, stop := context.WithDeadline(ctx, time.Now())
	defer stop()
	for name, l := range lockables(t, ctx, m) {
		for _, over := range []context.Context{cancelled, late} {
			h, err := l.acquire(ctx)
			must(t, err)
			if err := h.Release(over); err != nil || h.Err() == nil {
				t.Errorf("%s: Hold.Release: %v; the hold's error is %v", name, err, h.Err())
			}
			want[bool](t, name+": held after Hold.Release")(l.locked(ctx))(false)
			_, err = l.acquire(ctx)
			must(t, err)
			if err := l.release(over); err != nil {
				t.Errorf("%s: Release: %v", name, err)
			}
			want[bool](t, name+": held after Release")(l.locked(ctx))(false)
		}
	}
}

// A hold is lost with its session, and says so.
func TestReleaseAfterTheSession(t *testing.T) {
	for _, end := range []string{"kicked", "closed"} {
		ctx := context.Background()
		addr, key := serve(t)
		m, admin := connect(t, addr, key), connect(t, addr, key)
		for name, l := range lockables(t, ctx, m) {
			if strings.HasPrefix(name, "Condition over") {
				continue // its lock is one of the others
			}
			h, err := l.acquire(ctx)
			must(t, err)
			defer func() { wantErr(t, end+": "+name, h.Release(ctx), proxy.ErrLockLost) }()
		}
		if end == "kicked" {
			must(t, admin.Kick(ctx, m.SessionID()))
			<-m.Done()
		} else {
			must(t, m.Close())
		}
	}
}

// What cannot be had is named, and its holder.
func TestTryAcquireNamesTheHolder(t *testing.T) {
	ctx := context.Background()
	addr, key := serve(t)
	m, other := connect(t, addr, key), connect(t, addr, key)
	theirs, err := proxy.OpenLock(ctx, other, "deploy")
	must(t, err)
	_, err = theirs.Acquire(ctx)
	must(t, err)
	l, err := proxy.OpenLock(ctx, m, "deploy")
	must(t, err)
	_, err = l.TryAcquire(ctx)
	wantErr(t, "TryAcquire", err, proxy.ErrTimeout)
	if text := err.Error(); !strings.Contains(text, `"deploy"`) || !strings.Contains(text, "session 2 (proxy.test, pid ") {
		t.Errorf("the error is %q", text)
	}
	s, err := proxy.OpenSemaphore(ctx, m, "places", 0)
	must(t, err)
	_, err = s.AcquireTimeout(ctx, time.Millisecond)
	wantErr(t, "AcquireTimeout", err, proxy.ErrTimeout)
	if text := err.Error(); !strings.Contains(text, `all permits of <Semaphore "places"`) {
		t.Errorf("the error is %q", text)
	}
}

// A Hold that nobody has any more is told of once; one that was released is not.
func TestForgottenHold(t *testing.T) {
	ctx := context.Background()
	addr, key := serve(t)
	var log records
	m, err := proxy.Connect(ctx, addr, proxy.Config{AuthKey: key, Logger: slog.New(slog.NewJSONHandler(&log, nil))})
	must(t, err)
	defer m.Close()
	l, err := proxy.OpenLock(ctx, m, "forgotten")
	must(t, err)
	sem, err := proxy.NewSemaphore(ctx, m, 2)
	must(t, err)
	for range 3 {
		h, err := sem.Acquire(ctx)
		must(t, err)
		must(t, h.Release(ctx))
	}
	_, err = l.Acquire(ctx)
	must(t, err)
	for deadline := time.Now().Add(20 * time.Second); ; {
		runtime.GC()
		log.mu.Lock()
		text := log.buf.String()
		log.mu.Unlock()
		if n := strings.Count(text, "forgotten without Release"); n == 1 && strings.Contains(text, `\"forgotten\"`) {
			break
		} else if n > 1 || time.Now().After(deadline) {
			t.Fatalf("the log is %q", text)
		}
		runtime.Gosched()
	}
	want[bool](t, "Locked")(l.Locked(ctx))(true)
}
