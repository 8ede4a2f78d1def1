//go:build unix

package kill

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/proxy"
)

// child is a client in a process of its own. It says on its standard output what
// has happened to it, line by line, and works until it is killed.
func child(job string) {
	ctx := context.Background()
	check := func(err error) {
		if err != nil {
			fmt.Println("failed:", err)
			os.Exit(1)
		}
	}
	key, err := auth.LoadFile(os.Getenv("KEY"))
	check(err)
	lease, err := time.ParseDuration(os.Getenv("LEASE"))
	check(err)
	m, err := proxy.Connect(ctx, os.Getenv("ADDR"), proxy.Config{
		AuthKey: key, Lease: lease, Program: "child-" + job,
		OnExpired: func(err error) { fmt.Println("expired:", err) },
	})
	check(err)
	pid := os.Getpid()
	switch job {
	case "hold":
		// All that can be held. What it is worth is told after every pause.
		l, err := proxy.OpenLock(ctx, m, "lock")
		check(err)
		h, err := l.Acquire(ctx)
		check(err)
		r, err := proxy.OpenRLock(ctx, m, "rlock")
		check(err)
		_, err = r.Acquire(ctx, m.NewOwner())
		check(err)
		s, err := proxy.OpenSemaphore(ctx, m, "semaphore", 1)
		check(err)
		_, err = s.Acquire(ctx)
		check(err)
		d, err := proxy.OpenDict[string, int](ctx, m, "shared")
		check(err)
		fmt.Println("held", h.Token())
		<-h.Context().Done()
		fmt.Println("lost:", h.Err())
		fmt.Println("guarded write:", d.Set(proxy.WithHold(ctx, h), "k", pid))
	case "wait":
		q, err := proxy.OpenQueue[int](ctx, m, "queue", 0)
		check(err)
		l, err := proxy.OpenLock(ctx, m, "lock")
		check(err)
		go func() { l.Acquire(ctx) }()
		_, err = q.Get(ctx)
		check(err)
	case "barrier":
		b, err := proxy.OpenBarrier(ctx, m, "barrier", 3, 0)
		check(err)
		_, err = b.Wait(ctx)
		check(err)
	case "put":
		q, err := proxy.OpenQueue[[2]int](ctx, m, "queue", 0)
		check(err)
		for i := 0; ; i++ {
			check(q.Put(ctx, [2]int{pid, i}))
			fmt.Println("put", pid, i)
		}
	case "get":
		q, err := proxy.OpenQueue[int](ctx, m, "queue", 0)
		check(err)
		for {
			d, err := q.Receive(ctx)
			check(err)
			fmt.Println("got", d.Value, d.Attempt > 1)
			check(d.Ack(ctx))
		}
	case "add":
		d, err := proxy.OpenDict[string, int](ctx, m, "shared")
		check(err)
		for i := 1; ; i++ {
			_, err := d.AddDefault(ctx, "n", 1, 0)
			check(err)
			fmt.Println("added", i)
		}
	default:
		check(fmt.Errorf("unknown job %q", job))
	}
	for {
		time.Sleep(time.Hour)
	}
}
