package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/syncmanager/syncmanager/proxy"
)

const listType = "list"

func (a *app) listCommand() *cobra.Command {
	return group("list", "Work on a list",
		a.listGetCommand(), a.listSetCommand(), a.listAppendCommand(), a.listInsertCommand(), a.listPopCommand(), a.listDelCommand(),
		a.listItemsCommand(), a.listLenCommand(), a.listClearCommand())
}

func (a *app) openList(ctx context.Context, m *proxy.Manager, name string) (*proxy.List[value], error) {
	ref, err := a.findTyped(ctx, m, name, listType)
	if err != nil {
		return nil, err
	}
	return proxy.As[proxy.List[value]](ref)
}

// onList runs f on the list that the first argument names.
func (a *app) onList(f func(ctx context.Context, m *proxy.Manager, l *proxy.List[value], args []string) error) func(*cobra.Command, []string) error {
	return a.on(a.listVerb(f))
}

// streamList is onList for what may go on for longer than --timeout.
func (a *app) streamList(f func(ctx context.Context, m *proxy.Manager, l *proxy.List[value], args []string) error) func(*cobra.Command, []string) error {
	return a.stream(a.listVerb(f))
}

func (a *app) listVerb(f func(ctx context.Context, m *proxy.Manager, l *proxy.List[value], args []string) error) verb {
	return func(ctx context.Context, m *proxy.Manager, args []string) error {
		l, err := a.openList(ctx, m, args[0])
		if err != nil {
			return err
		}
		err = f(ctx, m, l, args)
		if errors.Is(err, proxy.ErrIndex) {
			return &failure{err: fmt.Errorf("list %q: %w", args[0], err), hint: "mgrctl list len " + args[0] + " prints its length"}
		}
		return err
	}
}

// index reads an index; below 0 it counts from the end.
func index(cmd *cobra.Command, arg string) (int, error) {
	i, err := strconv.Atoi(arg)
	if err != nil {
		return 0, usage(cmd, "INDEX %q is not a whole number", arg)
	}
	return i, nil
}

const fromEnd = "An INDEX below 0 counts from the end."

func (a *app) listGetCommand() *cobra.Command {
	return &cobra.Command{
		Use: "get NAME INDEX", Short: "Print an element", Long: "Get prints an element. " + fromEnd,
		Args: nargs(2, 2), ValidArgsFunction: a.completeNames(listType),
		RunE: func(cmd *cobra.Command, args []string) error {
			i, err := index(cmd, args[1])
			if err != nil {
				return err
			}
			return a.onList(func(ctx context.Context, _ *proxy.Manager, l *proxy.List[value], _ []string) error {
				v, err := l.Get(ctx, i)
				if err != nil {
					return err
				}
				return a.value(v)
			})(cmd, args)
		},
	}
}

func (a *app) listSetCommand() *cobra.Command {
	return a.listPlace("set NAME INDEX VALUE", "Replace an element", "replace element %d of list %q",
		func(ctx context.Context, l *proxy.List[value], i int, v value) error { return l.Set(ctx, i, v) })
}

func (a *app) listInsertCommand() *cobra.Command {
	return a.listPlace("insert NAME INDEX VALUE", "Insert an element before another", "insert before element %d of list %q",
		func(ctx context.Context, l *proxy.List[value], i int, v value) error { return l.Insert(ctx, i, v) })
}

// listPlace makes a command that puts a value at an index.
func (a *app) listPlace(use, short, what string, put func(ctx context.Context, l *proxy.List[value], i int, v value) error) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Long: short + ". " + fromEnd, Args: nargs(3, 3), ValidArgsFunction: a.completeNames(listType)}
	ch := a.changes(cmd)
	in := a.takesValues(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		i, err := index(cmd, args[1])
		if err != nil {
			return err
		}
		values, err := in.values(args[2:])
		if err != nil {
			return err
		}
		return a.onList(func(ctx context.Context, m *proxy.Manager, l *proxy.List[value], args []string) error {
			if err := attach(ctx, m, values); err != nil || ch.skip(what, i, args[0]) {
				return err
			}
			return put(ctx, l, i, values[0])
		})(cmd, args)
	}
	return cmd
}

func (a *app) listAppendCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "append NAME VALUE...", Short: "Add elements at the end, all at once", Args: nargs(2, -1), ValidArgsFunction: a.completeNames(listType)}
	ch := a.changes(cmd)
	in := a.takesValues(cmd)
	from := takesLines(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		values, err := in.values(args[1:])
		if err != nil {
			return err
		}
		return a.streamList(func(ctx context.Context, m *proxy.Manager, l *proxy.List[value], args []string) error {
			return from.each(ctx, m, in, values, func(_ int, values []value) error {
				if ch.skip("append %s to list %q", count(len(values), "element"), args[0]) {
					return nil
				}
				bounded, cancel := a.within(ctx)
				defer cancel()
				return l.Extend(bounded, values...)
			})
		})(cmd, args)
	}
	return cmd
}

func (a *app) listPopCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "pop NAME [INDEX]", Short: "Remove an element, by default the last, and print it", Long: "Pop removes an element, by default the last, and prints it. " + fromEnd,
		Args: nargs(1, 2), ValidArgsFunction: a.completeNames(listType),
	}
	ch := a.changes(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		i := -1
		if len(args) == 2 {
			var err error
			if i, err = index(cmd, args[1]); err != nil {
				return err
			}
		}
		return a.onList(func(ctx context.Context, _ *proxy.Manager, l *proxy.List[value], args []string) error {
			if err := a.has(ctx, ch, l, i); err != nil || ch.skip("pop element %d of list %q", i, args[0]) {
				return err
			}
			v, err := l.PopAt(ctx, i)
			if err != nil {
				return err
			}
			if err := a.value(v); err != nil {
				return errors.Join(err, putBack(ctx, l, i, v))
			}
			return nil
		})(cmd, args)
	}
	return cmd
}

// putBack puts an element that could not be written out where it was.
func putBack(ctx context.Context, l *proxy.List[value], i int, v value) error {
	if i == -1 {
		return l.Append(ctx, v)
	}
	if i < 0 {
		i++ // counted from the end, which is nearer by one now
	}
	return l.Insert(ctx, i, v)
}

// has checks, for --dry-run, that there is an element.
func (a *app) has(ctx context.Context, ch *change, l *proxy.List[value], i int) error {
	if !ch.dry {
		return nil
	}
	_, err := l.Get(ctx, i)
	return err
}

func (a *app) listDelCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "del NAME INDEX", Short: "Delete an element", Long: "Del deletes an element. " + fromEnd,
		Args: nargs(2, 2), ValidArgsFunction: a.completeNames(listType),
	}
	ch := a.changes(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		i, err := index(cmd, args[1])
		if err != nil {
			return err
		}
		return a.onList(func(ctx context.Context, _ *proxy.Manager, l *proxy.List[value], args []string) error {
			if err := a.has(ctx, ch, l, i); err != nil || ch.skip("delete element %d of list %q", i, args[0]) {
				return err
			}
			return l.Delete(ctx, i)
		})(cmd, args)
	}
	return cmd
}

func (a *app) listItemsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "items NAME", Short: "Print all elements",
		Args: nargs(1, 1), ValidArgsFunction: a.completeNames(listType),
		RunE: a.stream(func(ctx context.Context, m *proxy.Manager, args []string) error {
			ref, err := a.findTyped(ctx, m, args[0], listType)
			if err != nil {
				return err
			}
			rows := a.rows(column{key: "index", head: "INDEX"}, column{key: "value", head: "VALUE", name: true})
			err = a.eachPage(ctx, ref, "page", func(from uint64, page []value) error {
				for i, v := range page {
					if err := rows.add(number(int64(from)+int64(i)), valueCell(v)); err != nil {
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

func (a *app) listLenCommand() *cobra.Command {
	return &cobra.Command{
		Use: "len NAME", Short: "Print the number of elements",
		Args: nargs(1, 1), ValidArgsFunction: a.completeNames(listType),
		RunE: a.onList(func(ctx context.Context, _ *proxy.Manager, l *proxy.List[value], _ []string) error {
			n, err := l.Len(ctx)
			if err != nil {
				return err
			}
			return a.line(strconv.Itoa(n))
		}),
	}
}

func (a *app) listClearCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "clear NAME", Short: "Delete all elements", Args: nargs(1, 1), ValidArgsFunction: a.completeNames(listType)}
	ch := a.destroys(cmd)
	cmd.RunE = a.clear(ch, listType)
	return cmd
}
