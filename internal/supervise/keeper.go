package supervise

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Keeper keeps a number of children running.
type Keeper struct {
	// N is how many children there are.
	N int
	// Run starts one child, works with it, and returns when it has ended, or
	// returns an error if it could not be started. It must end its child when the
	// context ends. It is called by N goroutines; slot, from 0 to N-1, tells them
	// apart.
	Run func(ctx context.Context, slot int) (*Child, error)
	// Logger hears of ends that were not asked for. Nil: nobody does.
	Logger *slog.Logger
}

// The pause before a child that ended is started again: none if it ran for
// longer than steady, else it doubles from the first to the last.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 30 * time.Second
	steady     = 10 * time.Second
)

// Keep runs until the context ends and all children have ended. A child that
// ends well, with code 0, was recycled: the next one starts at once.
func (k *Keeper) Keep(ctx context.Context) {
	var all sync.WaitGroup
	for slot := range k.N {
		all.Go(func() { k.keep(ctx, slot) })
	}
	all.Wait()
}

func (k *Keeper) keep(ctx context.Context, slot int) {
	pause := firstPause
	for ctx.Err() == nil {
		began := time.Now()
		child, err := k.Run(ctx, slot)
		if ctx.Err() != nil {
			return
		}
		lived := time.Since(began)
		if lived >= steady {
			pause = firstPause
		}
		switch {
		case err != nil:
			k.log("a worker process could not be started", "slot", slot, "error", err, "pause", pause)
		case child.Exit().Success():
			pause = firstPause
			if lived > firstPause {
				continue
			}
		default:
			k.log("a worker process has ended", "slot", slot, "pid", child.Pid(), "exit", child.Exit(), "after", lived.Round(time.Millisecond), "pause", pause)
		}
		if lived < steady || err != nil {
			select {
			case <-ctx.Done():
				return
			case <-time.After(pause):
			}
			pause = min(2*pause, lastPause)
		}
	}
}

func (k *Keeper) log(msg string, args ...any) {
	if k.Logger != nil {
		k.Logger.Warn(msg, args...)
	}
}
