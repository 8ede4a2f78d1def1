package managers_test

import (
	"context"
	"testing"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/managers"
	"github.com/syncmanager/syncmanager/proxy"
)

// BenchmarkRegistered measures a registered Go type through a connection in
// memory, client and server together.
func BenchmarkRegistered(b *testing.B) {
	key := auth.Generate()
	srv := managers.NewServer(managers.Config{AuthKey: key})
	if err := srv.Register("Maths", NewMaths, managers.TypeOptions{Exposed: []string{"Add"}}); err != nil {
		b.Fatal(err)
	}
	m, stop := serve(srv, key)
	defer stop()
	ctx := context.Background()
	maths, err := m.Create(ctx, "Maths")
	if err != nil {
		b.Fatal(err)
	}
	for _, bench := range []struct {
		name string
		step func() error
	}{
		{"call", func() error {
			_, err := proxy.Call[int](ctx, maths, "Add", 4, 3)
			return err
		}},
		// The client gathers releases: many travel in one call.
		{"create and release", func() error {
			o, err := m.Create(ctx, "Maths")
			if err == nil {
				o.Drop()
			}
			return err
		}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := bench.step(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
