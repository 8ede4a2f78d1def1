package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/syncmanager/syncmanager/proxy"
)

// simple is a verb that calls one method without arguments and prints its result,
// unless that is None.
type simple struct {
	use, short, long string
	method           string
	types            []string
	changes          string // what --dry-run says: "set %s %q"; "": it only reads
	waits            string // "": it does not; else the error of a time that is up
}

func (a *app) simpleCommand(s simple) *cobra.Command {
	cmd := &cobra.Command{Use: s.use, Short: s.short, Long: s.long, Args: nargs(1, 1), ValidArgsFunction: a.completeNames(s.types...)}
	var ch *change
	if s.changes != "" {
		ch = a.changes(cmd)
	}
	cmd.RunE = a.stream(func(ctx context.Context, m *proxy.Manager, args []string) error {
		ref, err := a.findTyped(ctx, m, args[0], s.types...)
		if err != nil || ch != nil && ch.skip(s.changes, ref.TypeID(), args[0]) {
			return err
		}
		v, err := a.waitCall(ctx, ref, args[0], s.method, s.waits, nil)
		if err != nil || string(v.asJSON()) == "null" || s.waits != "" && string(v.asJSON()) == "true" {
			return err
		}
		return a.value(v)
	})
	return cmd
}

// waitCall calls a method. One that has waited for --timeout ends with the exit code
// for that, also where the method says so by its result, as an Event's wait does, or
// by breaking, as a Barrier's does.
func (a *app) waitCall(ctx context.Context, ref *proxy.Ref, name, method, why string, values []value) (value, error) {
	began := time.Now()
	v, err := a.call(ctx, ref, method, values)
	if wait := a.flags.timeout; wait > 0 && time.Since(began) >= wait {
		if err != nil || string(v.asJSON()) == "false" {
			if why == "" {
				why = method + " has not ended"
			}
			return v, &failure{err: fmt.Errorf("%s %q: %s within %v", ref.TypeID(), name, why, wait), cause: err, exit: exitTimeout, code: "timeout", hint: "--timeout waits longer"}
		}
	}
	return v, err
}

func (a *app) eventCommand() *cobra.Command {
	types := []string{"Event"}
	return group("event", "Work on an event",
		a.simpleCommand(simple{use: "wait NAME", short: "Wait until an event is set", types: types, method: "wait", waits: "it was not set",
			long: "Wait returns at once if the event is set, and else when somebody sets it. After\n--timeout the exit code is 5."}),
		a.simpleCommand(simple{use: "set NAME", short: "Set an event, and wake all who wait for it", types: types, method: "set", changes: "set %s %q"}),
		a.simpleCommand(simple{use: "clear NAME", short: "Clear an event, so that wait waits", types: types, method: "clear", changes: "clear %s %q"}),
		a.simpleCommand(simple{use: "get NAME", short: "Print whether an event is set", types: types, method: "is_set"}))
}

func (a *app) barrierCommand() *cobra.Command {
	types := []string{"Barrier"}
	return group("barrier", "Work on a barrier",
		a.simpleCommand(simple{use: "wait NAME", short: "Wait until all parties of a barrier wait, and print which came as this one", types: types, method: "wait", waits: "the others did not come", changes: "wait at %s %q",
			long: "Wait counts as one party. When all are there, it prints the number of this one, from\n0. After --timeout the exit code is 5, and the barrier is broken: all who wait at it\nfail, as in Python, until somebody resets it. --timeout 0 waits without end."}),
		a.simpleCommand(simple{use: "reset NAME", short: "Mend a barrier that is broken; whoever waits fails", types: types, method: "reset", changes: "reset %s %q"}),
		a.simpleCommand(simple{use: "get NAME", short: "Print how many wait at a barrier", types: types, method: "n_waiting"}))
}
