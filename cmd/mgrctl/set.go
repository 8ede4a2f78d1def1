package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"github.com/spf13/cobra"

	"github.com/syncmanager/syncmanager/proxy"
)

const setType = "set"

func (a *app) setCommand() *cobra.Command {
	return group("set", "Work on a set",
		a.setAddCommand(), a.setRemoveCommand(), a.setHasCommand(), a.setItemsCommand(), a.setLenCommand(), a.setClearCommand())
}

// setEach makes a command that calls a method, which returns a bool, for each
// value.
func (a *app) setEach(use, short, what, method string) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: nargs(2, -1), ValidArgsFunction: a.completeNames(setType)}
	ch := a.changes(cmd)
	in := a.takesValues(cmd)
	from := takesLines(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		values, err := in.values(args[1:])
		if err != nil {
			return err
		}
		return a.stream(func(ctx context.Context, m *proxy.Manager, args []string) error {
			ref, err := a.findTyped(ctx, m, args[0], setType)
			if err != nil {
				return err
			}
			n := 0
			err = from.each(ctx, m, in, values, func(_ int, values []value) error {
				if ch.skip(what, count(len(values), "value"), args[0]) {
					return nil
				}
				did, err := a.eachValue(ctx, ref, method, values)
				n += did
				if err != nil {
					return a.refused(ctx, ref, args[0], method, err)
				}
				return nil
			})
			if err != nil || ch.dry {
				return err
			}
			return a.line(strconv.Itoa(n))
		})(cmd, args)
	}
	return cmd
}

// eachValue calls the method for each value, several at a time, and returns how often
// it said true.
func (a *app) eachValue(ctx context.Context, ref *proxy.Ref, method string, values []value) (int, error) {
	ctx, cancel := a.within(ctx)
	defer cancel()
	var mu sync.Mutex // guards what follows
	did, failed := 0, error(nil)
	var calls sync.WaitGroup
	for part := range slices.Chunk(values, max(len(values)/64, 64)) {
		calls.Go(func() {
			for _, v := range part {
				ok, err := proxy.Call[bool](ctx, ref, method, v)
				mu.Lock()
				if ok {
					did++
				}
				if err != nil && failed == nil {
					failed = err
				}
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	calls.Wait()
	return did, failed
}

func (a *app) setAddCommand() *cobra.Command {
	return a.setEach("add NAME VALUE...", "Add values, and print how many are new", "add %s to set %q", "add")
}

func (a *app) setRemoveCommand() *cobra.Command {
	return a.setEach("rm NAME VALUE...", "Remove values, and print how many were there", "remove %s from set %q", "discard")
}

func (a *app) setHasCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "has NAME VALUE", Short: "Print whether a value is in the set", Long: "Has prints whether a value is in the set. If it is not, the exit code is 3.",
		Args: nargs(2, 2), ValidArgsFunction: a.completeNames(setType),
	}
	in := a.takesValues(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		values, err := in.values(args[1:])
		if err != nil {
			return err
		}
		return a.on(func(ctx context.Context, m *proxy.Manager, args []string) error {
			ref, err := a.findTyped(ctx, m, args[0], setType)
			if err != nil {
				return err
			}
			if err := attach(ctx, m, values); err != nil {
				return err
			}
			there, err := proxy.Call[bool](ctx, ref, "contains", values[0])
			if err != nil {
				return a.refused(ctx, ref, args[0], "contains", err)
			}
			if err := a.line(strconv.FormatBool(there)); err != nil || there {
				return err
			}
			return &failure{err: fmt.Errorf("set %q does not have it", args[0]), exit: exitNotFound, code: "not_found"}
		})(cmd, args)
	}
	return cmd
}

func (a *app) setItemsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "items NAME", Short: "Print all values, one a line",
		Args: nargs(1, 1), ValidArgsFunction: a.completeNames(setType),
		RunE: a.stream(func(ctx context.Context, m *proxy.Manager, args []string) error {
			ref, err := a.findTyped(ctx, m, args[0], setType)
			if err != nil {
				return err
			}
			rows := a.rows(column{key: "value", head: "VALUE", name: true})
			err = a.eachPage(ctx, ref, "scan", func(_ uint64, page []value) error {
				for _, v := range page {
					if err := rows.add(valueCell(v)); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
			return rows.end()
		}),
	}
}

func (a *app) setLenCommand() *cobra.Command {
	return &cobra.Command{
		Use: "len NAME", Short: "Print the number of values",
		Args: nargs(1, 1), ValidArgsFunction: a.completeNames(setType),
		RunE: a.on(func(ctx context.Context, m *proxy.Manager, args []string) error {
			ref, err := a.findTyped(ctx, m, args[0], setType)
			if err != nil {
				return err
			}
			n, err := proxy.Call[int](ctx, ref, "len")
			if err != nil {
				return err
			}
			return a.line(strconv.Itoa(n))
		}),
	}
}

func (a *app) setClearCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "clear NAME", Short: "Remove all values", Args: nargs(1, 1), ValidArgsFunction: a.completeNames(setType)}
	ch := a.destroys(cmd)
	cmd.RunE = a.clear(ch, setType)
	return cmd
}
