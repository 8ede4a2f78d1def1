package proxy_test

import (
	"context"
	"testing"

	"github.com/syncmanager/syncmanager/proxy"
)

func BenchmarkDictGet(b *testing.B) {
	addr, key := serve(b)
	m := connect(b, addr, key)
	ctx := context.Background()
	d, err := proxy.NewDict[string, int](ctx, m, map[string]int{"key": 1})
	must(b, err)
	b.Run("one", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := d.Get(ctx, "key"); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("many", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(50)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := d.Get(ctx, "key"); err != nil {
					b.Error(err)
				}
			}
		})
	})
}

func BenchmarkLock(b *testing.B) {
	addr, key := serve(b)
	m := connect(b, addr, key)
	ctx := context.Background()
	l, err := proxy.NewLock(ctx, m)
	must(b, err)
	b.ReportAllocs()
	for b.Loop() {
		h, err := l.Acquire(ctx)
		if err != nil {
			b.Fatal(err)
		}
		if err := h.Release(ctx); err != nil {
			b.Fatal(err)
		}
	}
}
