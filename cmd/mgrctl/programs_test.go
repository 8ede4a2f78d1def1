package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/spf13/pflag"

	"github.com/syncmanager/syncmanager/proxy"
)

// deadlock is a command of the transcripts: deadlock FIRST SECOND. Two clients
// take a lock each, or a semaphore's permit, and wait for that of the other. Then
// the event "ready" is set, and the command stays until a wait ends, which is an
// error.
func deadlock() {
	if err := runDeadlock(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func runDeadlock(ctx context.Context, names []string) error {
	var managers [2]*proxy.Manager
	var acquire [2][2]func(context.Context) (*proxy.Hold, error) // of each manager
	for i := range managers {
		m, err := fromEnv(ctx)
		if err != nil {
			return err
		}
		managers[i] = m
		for j, name := range names {
			if acquire[i][j], err = acquireOf(ctx, m, name); err != nil {
				return err
			}
		}
	}
	for i := range managers {
		if _, err := acquire[i][i](ctx); err != nil {
			return err
		}
	}
	ended := make(chan error, 2)
	for i := range managers {
		go func() {
			_, err := acquire[i][1-i](ctx)
			ended <- fmt.Errorf("a wait for %s ended: %v", names[1-i], err)
		}()
	}
	for waiting := int64(0); waiting < 2; {
		rows, err := managers[0].Names(ctx, "")
		if err != nil {
			return err
		}
		waiting = 0
		for _, o := range rows {
			if slices.Contains(names, o.Name) {
				waiting += o.Waiting
			}
		}
	}
	ready, err := proxy.OpenEvent(ctx, managers[0], "ready")
	if err != nil {
		return err
	}
	if err := ready.Set(ctx); err != nil {
		return err
	}
	select {
	case err := <-ended:
		return err
	case <-time.After(5 * time.Minute):
		return errors.New("nobody has killed it")
	}
}

// fromEnv connects to the server that mgrctl would go to.
func fromEnv(ctx context.Context) (*proxy.Manager, error) {
	a := &app{stderr: os.Stderr}
	set := pflag.NewFlagSet("", pflag.ContinueOnError)
	a.flags.register(set)
	if err := a.prepare(set); err != nil {
		return nil, err
	}
	return a.connect(ctx, proxy.Config{})
}

// acquireOf returns what acquires the lock of that name, of whatever type it is.
func acquireOf(ctx context.Context, m *proxy.Manager, name string) (func(context.Context) (*proxy.Hold, error), error) {
	ref, err := m.Lookup(ctx, name)
	if err != nil {
		return nil, err
	}
	switch ref.TypeID() {
	case "Lock":
		l, err := proxy.As[proxy.Lock](ref)
		return l.Acquire, err
	case "Semaphore":
		s, err := proxy.As[proxy.Semaphore](ref)
		return s.Acquire, err
	case "Condition":
		k, err := proxy.As[proxy.Condition](ref)
		return func(ctx context.Context) (*proxy.Hold, error) { return k.Acquire(ctx, m.NewOwner()) }, err
	}
	return nil, fmt.Errorf("%q is a %s", name, ref.TypeID())
}

// nest is a command of the transcripts: nest LIST. It puts a new list without a
// name into the list of that name, twice.
func nest() {
	if err := runNest(context.Background(), os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func runNest(ctx context.Context, name string) error {
	m, err := fromEnv(ctx)
	if err != nil {
		return err
	}
	defer m.Close()
	outer, err := m.Lookup(ctx, name)
	if err != nil {
		return err
	}
	inner, err := m.Create(ctx, "list")
	if err != nil {
		return err
	}
	_, err = proxy.Call[struct{}](ctx, outer, "extend", []any{inner, inner})
	return err
}

// anonlock is a command of the transcripts: it holds a lock without a name until it is
// killed.
func anonlock() {
	ctx := context.Background()
	m, err := fromEnv(ctx)
	if err == nil {
		var l *proxy.Lock
		if l, err = proxy.NewLock(ctx, m); err == nil {
			_, err = l.Acquire(ctx)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	time.Sleep(5 * time.Minute)
}
