// Rendezvous shows a condition and a barrier: runners wait at a barrier until
// all are there, and a starter fires when a condition says that they are set.
package main

import (
	"context"
	"fmt"
	"log"
	"sync"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/managers"
	"github.com/syncmanager/syncmanager/proxy"
)

const runners = 3

func main() {
	log.SetFlags(0)
	if err := run(context.Background()); err != nil {
		log.Fatal("rendezvous: ", err)
	}
}

func run(ctx context.Context) error {
	key := auth.Generate()
	srv := managers.NewServer(managers.Config{AuthKey: key})
	defer srv.Close()
	if err := srv.Listen(ctx, "tcp://127.0.0.1:0"); err != nil {
		return err
	}
	go srv.Serve(ctx)
	m, err := proxy.Connect(ctx, srv.Addrs()[0], proxy.Config{AuthKey: key})
	if err != nil {
		return err
	}
	defer m.Close()
	set, err := proxy.OpenValue(ctx, m, "agreed", "i", 0)
	if err != nil {
		return err
	}
	ready, err := proxy.OpenCondition(ctx, m, "ready")
	if err != nil {
		return err
	}

	var race sync.WaitGroup
	for range runners {
		race.Go(func() {
			if err := runner(ctx, m); err != nil {
				log.Print("rendezvous: runner: ", err)
			}
		})
	}

	// Wait until the runners are set: the predicate is looked at while the
	// condition's lock is held.
	hold, err := ready.Acquire(ctx, m.NewOwner())
	if err != nil {
		return err
	}
	err = ready.WaitFor(ctx, hold, func(ctx context.Context) (bool, error) {
		n, err := set.Get(ctx)
		return n == runners, err
	})
	if err != nil {
		return err
	}
	fmt.Println("set:", runners)
	if err := hold.Release(ctx); err != nil {
		return err
	}
	race.Wait()
	fmt.Println("finished")
	return nil
}

func runner(ctx context.Context, m *proxy.Manager) error {
	set, err := proxy.OpenValue(ctx, m, "agreed", "i", 0)
	if err != nil {
		return err
	}
	ready, err := proxy.OpenCondition(ctx, m, "ready")
	if err != nil {
		return err
	}
	start, err := proxy.OpenBarrier(ctx, m, "start", runners, 0)
	if err != nil {
		return err
	}
	hold, err := ready.Acquire(ctx, m.NewOwner())
	if err != nil {
		return err
	}
	if _, err := set.Add(ctx, 1); err != nil {
		return err
	}
	if err := ready.Notify(ctx, hold, 1); err != nil {
		return err
	}
	if err := hold.Release(ctx); err != nil {
		return err
	}
	index, err := start.Wait(ctx) // until all are here
	if err != nil {
		return err
	}
	if index == 0 {
		fmt.Println("go!") // exactly one has index 0
	}
	return nil
}
