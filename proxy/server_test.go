package proxy_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/managers"
	"github.com/syncmanager/syncmanager/proxy"
)

// serve runs a server in this process and returns its address and key. It ends
// with the test.
func serve(t testing.TB, setup ...func(*managers.Server)) (string, auth.Key) {
	t.Helper()
	return serveOn(t, "pipe", setup...)
}

func serveOn(t testing.TB, addr string, setup ...func(*managers.Server)) (string, auth.Key) {
	t.Helper()
	key := auth.Generate()
	srv := managers.NewServer(managers.Config{AuthKey: key})
	for _, f := range setup {
		f(srv)
	}
	ctx, cancel := context.WithCancel(context.Background())
	if err := srv.Listen(ctx, addr); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, managers.ErrServerClosed) {
			t.Errorf("server: %v", err)
		}
	})
	return srv.Addrs()[0], key
}

// connect connects to the server. The Manager is closed with the test.
func connect(t testing.TB, addr string, key auth.Key) *proxy.Manager {
	t.Helper()
	m, err := proxy.Connect(context.Background(), addr, proxy.Config{AuthKey: key})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// manager is a Manager of a server of its own, and a context for the test.
func manager(t testing.TB) (context.Context, *proxy.Manager) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	addr, key := serve(t)
	return ctx, connect(t, addr, key)
}

// must fails the test on an error.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// want compares the result of a call.
func want[T comparable](t testing.TB, what string) func(got T, err error) func(T) {
	return func(got T, err error) func(T) {
		return func(w T) {
			t.Helper()
			if err != nil {
				t.Errorf("%s: %v", what, err)
			} else if got != w {
				t.Errorf("%s = %v, want %v", what, got, w)
			}
		}
	}
}

// wantErr checks that the error matches.
func wantErr(t testing.TB, what string, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("%s: error %v, want %v", what, err, target)
	}
}
