// Workerfarm is what Python's Pool is used for: jobs go out through one queue,
// results come back through another. Workers can join and leave at any time, on
// any machine. A job whose worker died goes back to the queue.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"sync"

	"github.com/syncmanager/syncmanager/examples/internal/demo"
	"github.com/syncmanager/syncmanager/proxy"
)

// Job and Result travel as maps with these fields.
type Job struct {
	ID int
	N  int
}

type Result struct {
	Job     int
	Factors []int
}

func main() {
	log.SetFlags(0)
	if err := run(context.Background()); err != nil {
		log.Fatal("workerfarm: ", err)
	}
}

func run(ctx context.Context) error {
	m, done, err := demo.Connect(ctx)
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
	for range numbers {
		r, err := results.Get(ctx)
		if err != nil {
			return err
		}
		factors[r.Job] = r.Factors
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
