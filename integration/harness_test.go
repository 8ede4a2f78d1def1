package integration

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/managers"
	"github.com/syncmanager/syncmanager/proxy"
)

// transports are the kinds of connections that the suite runs over.
var transports = []string{"tcp", "tcp+plain", "unix", "pipe"}

// address returns an address to listen on.
func address(t testing.TB, transport string) string {
	t.Helper()
	switch transport {
	case "unix":
		return "unix://" + filepath.Join(t.TempDir(), "s.sock")
	case "pipe":
		return "pipe"
	}
	return transport + "://127.0.0.1:0"
}

// limit is how long a test waits for what must happen.
const limit = 30 * time.Second

// env is a server and two clients of it.
type env struct {
	testing.TB
	ctx  context.Context
	addr string
	key  auth.Key
	srv  *managers.Server
	log  *record
	m    *proxy.Manager
	m2   *proxy.Manager
}

// newEnv runs a server in this process with two clients. All ends with the
// test.
func newEnv(t testing.TB, transport string, setup ...func(*managers.Server)) *env {
	t.Helper()
	return newEnvOf(t, transport, managers.Config{}, setup...)
}

func newEnvOf(t testing.TB, transport string, cfg managers.Config, setup ...func(*managers.Server)) *env {
	t.Helper()
	e := &env{TB: t, key: auth.Generate(), log: newRecord()}
	ctx, cancel := context.WithTimeout(context.Background(), 4*limit+2**soak)
	e.ctx = ctx
	cfg.AuthKey = e.key
	if cfg.Logger == nil {
		cfg.Logger = slog.New(e.log)
	}
	e.srv = managers.NewServer(cfg)
	for _, f := range setup {
		f(e.srv)
	}
	e.must(e.srv.Listen(ctx, address(t, transport)))
	e.addr = e.srv.Addrs()[0]
	done := make(chan error, 1)
	go func() { done <- e.srv.Serve(ctx) }()
	t.Cleanup(func() {
		e.srv.Close()
		if err := <-done; !errors.Is(err, managers.ErrServerClosed) {
			t.Errorf("server: %v", err)
		}
		cancel()
	})
	e.m, e.m2 = e.connect(), e.connect()
	return e
}

// connect connects one more client.
func (e *env) connect() *proxy.Manager {
	e.Helper()
	m, err := proxy.Connect(e.ctx, e.addr, proxy.Config{AuthKey: e.key, Logger: slog.New(e.log)})
	if err != nil {
		e.Fatal(err)
	}
	e.Cleanup(func() { m.Close() })
	return m
}

func (e *env) must(err error) {
	e.Helper()
	if err != nil {
		e.Fatal(err)
	}
}

// info returns a count that the server says of itself.
func (e *env) info(name string) int {
	e.Helper()
	all, err := e.m.Info(e.ctx)
	e.must(err)
	n, ok := all[name].(int64)
	if !ok {
		e.Fatalf("info has no count %q: %v", name, all)
	}
	return int(n)
}

// parked waits until that many calls wait in the server.
func (e *env) parked(n int) {
	e.Helper()
	e.until(fmt.Sprintf("%d calls wait", n), func() bool { return e.info("parked") == n })
}

// until polls until the condition holds.
func (e *env) until(what string, ok func() bool) {
	e.Helper()
	until(e, what, ok)
}

func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			buf := make([]byte, 1<<20)
			t.Fatalf("did not happen within %v: %s\n%s", limit, what, buf[:runtime.Stack(buf, true)])
		}
	}
}

// must1 returns the result of a call that must succeed.
func must1[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// eq checks the result of a call.
func eq[T any](t testing.TB, what string, want T) func(T, error) {
	return func(got T, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		} else if !reflect.DeepEqual(got, want) {
			t.Errorf("%s = %v, want %v", what, got, want)
		}
	}
}

// is checks that an error matches.
func is(t testing.TB, what string, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("%s: error %v, want %v", what, err, target)
	}
}

// says checks that an error matches and names what it should.
func says(t testing.TB, what string, err, target error, words ...string) {
	t.Helper()
	is(t, what, err, target)
	for _, w := range words {
		if err != nil && !strings.Contains(err.Error(), w) {
			t.Errorf("%s: error %q does not say %q", what, err, w)
		}
	}
}

// errOf returns the error of a call.
func errOf[T any](_ T, err error) error { return err }

// later runs a call that waits, and returns where its error comes.
func later(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	return done
}

// soon receives what must come.
func soon[T any](t testing.TB, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(limit):
		buf := make([]byte, 1<<20)
		t.Fatalf("did not come within %v: %s\n%s", limit, what, buf[:runtime.Stack(buf, true)])
		panic("unreachable")
	}
}

// record is a log that is kept: the methods that were called, and the records
// from level warn on.
type record struct {
	attrs []slog.Attr
	*recorded
}

type recorded struct {
	mu      sync.Mutex
	methods map[string]int
	lines   []string
}

func newRecord() *record { return &record{recorded: &recorded{methods: make(map[string]int)}} }

func (r *record) Enabled(context.Context, slog.Level) bool { return true }

func (r *record) WithGroup(string) slog.Handler { return r }

func (r *record) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &record{append(r.attrs[:len(r.attrs):len(r.attrs)], attrs...), r.recorded}
}

func (r *record) Handle(_ context.Context, rec slog.Record) error {
	line := rec.Level.String() + " " + rec.Message
	method := ""
	for _, a := range r.attrs {
		line += " " + a.String()
	}
	rec.Attrs(func(a slog.Attr) bool {
		if a.Key == "method" {
			method = a.Value.String()
		}
		line += " " + a.String()
		return true
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	if rec.Message == "call" && method != "" {
		r.methods[method]++
	}
	if rec.Level >= slog.LevelWarn && len(r.lines) < 1000 {
		r.lines = append(r.lines, line)
	}
	return nil
}

// called returns how often each method was called by the clients.
func (r *record) called() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make(map[string]int, len(r.methods))
	for k, v := range r.methods {
		all[k] = v
	}
	return all
}

// has reports whether a record from level warn on has all the words.
func (r *record) has(words ...string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
next:
	for _, line := range r.lines {
		for _, w := range words {
			if !strings.Contains(line, w) {
				continue next
			}
		}
		return true
	}
	return false
}
