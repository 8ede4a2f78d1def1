package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"sync"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/managers"
	"github.com/syncmanager/syncmanager/proxy"
)

// start runs a server in this process for the examples, and connects to it. A
// program would connect to the address of its managerd.
func start(setup ...func(*managers.Server)) (m *proxy.Manager, stop func()) {
	key := auth.Generate()
	srv := managers.NewServer(managers.Config{AuthKey: key})
	for _, f := range setup {
		f(srv)
	}
	ctx, cancel := context.WithCancel(context.Background())
	if err := srv.Listen(ctx, "pipe"); err != nil {
		log.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx) }()
	m, err := proxy.Connect(ctx, srv.Addrs()[0], proxy.Config{AuthKey: key})
	if err != nil {
		log.Fatal(err)
	}
	return m, func() {
		m.Close()
		cancel()
		<-done
	}
}

func Example() {
	m, stop := start()
	defer stop()
	ctx := context.Background()

	type Job struct{ N int }
	jobs, err := proxy.OpenQueue[Job](ctx, m, "jobs", 0)
	if err != nil {
		log.Fatal(err)
	}
	squares, err := proxy.OpenDict[int, int](ctx, m, "squares")
	if err != nil {
		log.Fatal(err)
	}
	var workers sync.WaitGroup
	for range 3 {
		workers.Go(func() {
			items, end := jobs.All(ctx)
			for job := range items {
				if err := squares.Set(ctx, job.N, job.N*job.N); err != nil {
					log.Fatal(err)
				}
			}
			if err := end(); err != nil {
				log.Fatal(err)
			}
		})
	}
	for n := range 5 {
		if err := jobs.Put(ctx, Job{n}); err != nil {
			log.Fatal(err)
		}
	}
	if err := jobs.Shutdown(ctx, false); err != nil { // the workers end
		log.Fatal(err)
	}
	workers.Wait()
	all, err := squares.Copy(ctx)
	fmt.Println(all, err)
	// Output: map[0:0 1:1 2:4 3:9 4:16] <nil>
}

// Maths is a type of the program's own.
type Maths struct{}

func (Maths) Add(a, b int) int { return a + b }

func ExampleCall() {
	m, stop := start(func(srv *managers.Server) {
		err := srv.Register("Maths", func() *Maths { return &Maths{} }, managers.TypeOptions{Exposed: []string{"Add"}})
		if err != nil {
			log.Fatal(err)
		}
	})
	defer stop()
	ctx := context.Background()

	maths, err := m.Create(ctx, "Maths")
	if err != nil {
		log.Fatal(err)
	}
	sum, err := proxy.Call[int](ctx, maths, "Add", 4, 3)
	fmt.Println(sum, err)
	_, err = proxy.Call[int](ctx, maths, "Subtract", 4, 3)
	fmt.Println(errors.Is(err, proxy.ErrNotExposed))
	// Output:
	// 7 <nil>
	// true
}

func ExampleDict_All() {
	m, stop := start()
	defer stop()
	ctx := context.Background()

	d, err := proxy.NewDict[string, int](ctx, m)
	if err != nil {
		log.Fatal(err)
	}
	for i, k := range []string{"one", "two", "three"} {
		if err := d.Set(ctx, k, i+1); err != nil {
			log.Fatal(err)
		}
	}
	pairs, end := d.All(ctx)
	for k, v := range pairs {
		fmt.Println(k, v)
	}
	if err := end(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// one 1
	// two 2
	// three 3
}

func ExampleWithHold() {
	m, stop := start()
	defer stop()
	ctx := context.Background()

	leader, err := proxy.OpenLock(ctx, m, "leader")
	if err != nil {
		log.Fatal(err)
	}
	state, err := proxy.OpenDict[string, string](ctx, m, "state")
	if err != nil {
		log.Fatal(err)
	}
	hold, err := leader.Acquire(ctx)
	if err != nil {
		log.Fatal(err)
	}
	asLeader := proxy.WithHold(ctx, hold)
	fmt.Println(state.Set(asLeader, "leader", "me"))
	if err := leader.Release(ctx); err != nil { // somebody takes the lock away
		log.Fatal(err)
	}
	err = state.Set(asLeader, "leader", "still me")
	fmt.Println(errors.Is(err, proxy.ErrLockLost))
	// Output:
	// <nil>
	// true
}

func ExampleQueue_receive() {
	m, stop := start()
	defer stop()
	ctx := context.Background()

	q, err := proxy.NewQueue[string](ctx, m, 0)
	if err != nil {
		log.Fatal(err)
	}
	if err := q.Put(ctx, "letter"); err != nil {
		log.Fatal(err)
	}
	d, err := q.Receive(ctx)
	if err != nil {
		log.Fatal(err)
	}
	// No time: somebody else may have it.
	if err := d.Nack(ctx, proxy.NackOptions{Reason: "no time"}); err != nil {
		log.Fatal(err)
	}
	d, err = q.Receive(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(d.Value, d.Attempt)
	if err := d.Ack(ctx); err != nil {
		log.Fatal(err)
	}
	// Output: letter 2
}

func ExampleCondition() {
	m, stop := start()
	defer stop()
	ctx := context.Background()

	cond, err := proxy.NewCondition(ctx, m, nil)
	if err != nil {
		log.Fatal(err)
	}
	ready, err := proxy.NewValue(ctx, m, "b", 0)
	if err != nil {
		log.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		h, err := cond.Acquire(ctx, m.NewOwner())
		if err != nil {
			log.Fatal(err)
		}
		if err := ready.Set(ctx, 1); err != nil {
			log.Fatal(err)
		}
		if err := errors.Join(cond.NotifyAll(ctx, h), h.Release(ctx)); err != nil {
			log.Fatal(err)
		}
	}()
	h, err := cond.Acquire(ctx, m.NewOwner())
	if err != nil {
		log.Fatal(err)
	}
	err = cond.WaitFor(ctx, h, func(ctx context.Context) (bool, error) {
		v, err := ready.Get(ctx)
		return v == 1, err
	})
	fmt.Println("ready", err, h.Release(ctx))
	<-done
	// Output: ready <nil> <nil>
}
