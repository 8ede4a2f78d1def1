// Workerfarm is what Python's Pool is used for: jobs go out through one queue,
// results come back through another. Workers can join and leave at any time, on
// any machine. A job whose worker died goes back to the queue. Some jobs may then be
// done twice: the main program keeps the first result of each.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"sync"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/managers"
	"github.com/syncmanager/syncmanager/proxy"
)

// Job and Result travel as dicts. The tags are the keys, for programs in other
// languages and for mgrctl.
type Job struct {
	ID int `msgpack:"id"`
	N  int `msgpack:"n"`
}

type Result struct {
	Job     int   `msgpack:"job"`
	Factors []int `msgpack:"factors"`
}

func main() {
	log.SetFlags(0)
	if err := run(context.Background()); err != nil {
		log.Fatal("workerfarm: ", err)
	}
}

func run(ctx context.Context) error {
	m, done, err := connect(ctx)
	if err != nil {
		return err
	}
	defer done()
	jobs, err := proxy.OpenJoinableQueue[Job](ctx, m, "jobs", 10) // at most 10 wait
	if err != nil {
		return err
	}
	results, err := proxy.OpenQueue[Result](ctx, m, "results", 0)
	if err != nil {
		return err
	}

	// Here the workers are goroutines; as processes they would do the same.
	var farm sync.WaitGroup
	for range 4 {
		farm.Go(func() {
			if err := worker(ctx, m); err != nil {
				log.Print("workerfarm: worker: ", err)
			}
		})
	}

	numbers := []int{360, 97, 1001, 65536, 999983}
	for i, n := range numbers {
		if err := jobs.Put(ctx, Job{ID: i, N: n}); err != nil {
			return err
		}
	}
	if err := jobs.Join(ctx); err != nil { // all jobs are done
		return err
	}
	if err := jobs.Shutdown(ctx, false); err != nil { // workers go home
		return err
	}
	farm.Wait()

	factors := make([][]int, len(numbers))
	for found := 0; found < len(numbers); {
		r, err := results.Get(ctx)
		if err != nil {
			return err
		}
		if factors[r.Job] == nil {
			factors[r.Job] = r.Factors
			found++
		}
	}
	for i, n := range numbers {
		fmt.Println(n, "=", factors[i])
	}
	return nil
}

func worker(ctx context.Context, m *proxy.Manager) error {
	jobs, err := proxy.OpenJoinableQueue[Job](ctx, m, "jobs", 0)
	if err != nil {
		return err
	}
	results, err := proxy.OpenQueue[Result](ctx, m, "results", 0)
	if err != nil {
		return err
	}
	for {
		// The queue keeps the job until Ack: if this worker dies before, another
		// one gets it.
		d, err := jobs.Receive(ctx)
		if errors.Is(err, proxy.ErrShutDown) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := results.Put(ctx, Result{d.Value.ID, factor(d.Value.N)}); err != nil {
			return err
		}
		if err := d.Ack(ctx); err != nil {
			return err
		}
	}
}

func factor(n int) (fs []int) {
	for f := 2; f*f <= n; f++ {
		for n%f == 0 {
			fs = append(fs, f)
			n /= f
		}
	}
	if n > 1 {
		fs = append(fs, n)
	}
	return fs
}

// connect connects to the server that SYNCMANAGER_ADDRESS names, with the key in
// SYNCMANAGER_AUTHKEY. Without an address it starts a server in this process. The
// function that it returns ends both.
func connect(ctx context.Context) (*proxy.Manager, func(), error) {
	if addr := os.Getenv("SYNCMANAGER_ADDRESS"); addr != "" {
		key, err := auth.FromEnv("SYNCMANAGER_AUTHKEY")
		if err != nil {
			return nil, nil, err
		}
		m, err := proxy.Connect(ctx, addr, proxy.Config{AuthKey: key})
		return m, func() { m.Close() }, err
	}
	key := auth.Generate()
	srv := managers.NewServer(managers.Config{AuthKey: key})
	if err := srv.Listen(ctx, "tcp://127.0.0.1:0"); err != nil {
		return nil, nil, err
	}
	go srv.Serve(ctx)
	m, err := proxy.Connect(ctx, srv.Addrs()[0], proxy.Config{AuthKey: key})
	return m, func() { m.Close(); srv.Close() }, err
}
