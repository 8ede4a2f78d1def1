package durable_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/managers"
	"github.com/syncmanager/syncmanager/managers/durable"
	"github.com/syncmanager/syncmanager/proxy"
)

// life is one life of a server with a data directory.
type life struct {
	server *managers.Server
	served chan error
}

func begin(t *testing.T, dir string, key auth.Key, addr string, o durable.Options) *life {
	t.Helper()
	store, err := durable.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	s := managers.NewServer(managers.Config{AuthKey: key, Durability: store, Fatal: func(err error) { t.Error(err) }})
	if err := s.Listen(t.Context(), addr); err != nil {
		t.Fatal(err)
	}
	l := &life{s, make(chan error, 1)}
	go func() { l.served <- s.Serve(context.Background()) }()
	return l
}

func (l *life) end() {
	l.server.Close()
	<-l.served
}

// TestLives stops and starts a server many times under clients that go on, with
// snapshots of small logs in between: every addition counts once, and a waiter gets
// what it waits for.
func TestLives(t *testing.T) {
	for _, level := range []durable.Level{durable.Disk, durable.OS} {
		t.Run(string(level), func(t *testing.T) {
			dir, key := filepath.Join(t.TempDir(), "data"), auth.Generate()
			addr := "unix://" + filepath.Join(t.TempDir(), "s")
			o := durable.Options{Level: level, SnapshotRecords: 40, SegmentBytes: 64 << 10}
			l := begin(t, dir, key, addr, o)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			var all sync.WaitGroup
			const clients, each = 4, 60
			for i := range clients {
				m, err := proxy.Connect(ctx, addr, proxy.Config{AuthKey: key})
				if err != nil {
					t.Fatal(err)
				}
				defer m.Close()
				all.Go(func() {
					d, err := proxy.OpenDict[string, int](ctx, m, "d")
					if err != nil {
						t.Error(err)
						return
					}
					for n := range each {
						if got, err := d.AddDefault(ctx, fmt.Sprint(i), 1, 0); err != nil || got != n+1 {
							t.Errorf("client %d: addition %d gives %d, %v", i, n, got, err)
							return
						}
						if n%10 == 0 {
							time.Sleep(10 * time.Millisecond) // so that some life ends between two
						}
					}
				})
			}
			m, err := proxy.Connect(ctx, addr, proxy.Config{AuthKey: key})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			q, err := proxy.OpenQueue[int](ctx, m, "q", 0)
			if err != nil {
				t.Fatal(err)
			}
			got := make(chan int, 1)
			go func() {
				n, err := q.Get(ctx)
				if err != nil {
					t.Error(err)
				}
				got <- n
			}()
			for range 5 {
				time.Sleep(20 * time.Millisecond)
				l.end()
				l = begin(t, dir, key, addr, o)
			}
			defer func() { l.end() }()
			all.Wait()
			if err := m.Snapshot(ctx); err != nil {
				t.Error(err)
			}
			l.end()
			l = begin(t, dir, key, addr, o)
			if err := q.Put(ctx, 7); err != nil {
				t.Error(err)
			}
			if n := <-got; n != 7 {
				t.Errorf("the waiter got %d", n)
			}
			info, err := m.Info(ctx)
			if err != nil || info["durability"] != string(level) || info["snapshot_index"].(int64) < 40 {
				t.Errorf("info says %v, %v", info, err)
			}
		})
	}
}

// TestOtherKey ends the sessions of a key that was replaced while no server ran.
func TestOtherKey(t *testing.T) {
	dir, addr := filepath.Join(t.TempDir(), "data"), "unix://"+filepath.Join(t.TempDir(), "s")
	o := durable.Options{SegmentBytes: 64 << 10}
	old, next := auth.Generate(), auth.Generate()
	l := begin(t, dir, old, addr, o)
	m, err := proxy.Connect(t.Context(), addr, proxy.Config{AuthKey: old})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	l.end()
	l = begin(t, dir, next, addr, o)
	defer l.end()
	other, err := proxy.Connect(t.Context(), addr, proxy.Config{AuthKey: next})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for {
		page, err := other.Sessions(t.Context(), 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Rows) == 1 {
			break
		}
		time.Sleep(time.Millisecond)
	}
}

// TestRefusals holds what Open refuses.
func TestRefusals(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	store, err := durable.Open(dir, durable.Options{SegmentBytes: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if _, err := durable.Open(dir, durable.Options{}); err == nil || !strings.Contains(err.Error(), "another server") {
		t.Errorf("a second one: %v", err)
	}
	if _, err := durable.Open(dir, durable.Options{Level: "tape"}); err == nil || !strings.Contains(err.Error(), "tape") {
		t.Errorf("a level that there is not: %v", err)
	}
}
