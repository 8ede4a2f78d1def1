package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/syncmanager/syncmanager/proxy"
)

var queueTypes = []string{"Queue", "JoinableQueue", "LifoQueue", "PriorityQueue", "SimpleQueue"}

func (a *app) queueCommand() *cobra.Command {
	return group("queue", "Work on a queue of any kind",
		a.queuePutCommand(), a.queueGetCommand(), a.queueDoneCommand(), a.queuePeekCommand(), a.queueLsCommand(), a.queuePurgeCommand())
}

// receiver is a queue of any kind, as far as getting goes.
type receiver interface {
	Receive(ctx context.Context) (*proxy.Delivery[value], error)
}

// openQueue returns the queue as what all kinds have in common.
func openQueue(ref *proxy.Ref) (receiver, error) {
	switch ref.TypeID() {
	case "Queue":
		return proxy.As[proxy.Queue[value]](ref)
	case "JoinableQueue":
		return proxy.As[proxy.JoinableQueue[value]](ref)
	case "LifoQueue":
		return proxy.As[proxy.LifoQueue[value]](ref)
	case "PriorityQueue":
		return proxy.As[proxy.PriorityQueue[value, value]](ref)
	}
	return proxy.As[proxy.SimpleQueue[value]](ref)
}

func (a *app) queuePutCommand() *cobra.Command {
	var priority string
	cmd := &cobra.Command{
		Use:   "put NAME VALUE...",
		Short: "Put items, in their order",
		Long: `Put puts items in their order. It waits for room for up to --timeout; when it
gives up half-way, the error says how many were put.

An item of a PriorityQueue is its own priority, unless --priority gives one.`,
		Args:              nargs(2, -1),
		ValidArgsFunction: a.completeNames(queueTypes...),
	}
	ch := a.changes(cmd)
	in := a.takesValues(cmd)
	cmd.Flags().StringVar(&priority, "priority", "", "`value` that orders the items in a PriorityQueue; the least comes first")
	from := takesLines(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		values, err := in.values(args[1:])
		if err != nil {
			return err
		}
		var order *value
		if cmd.Flags().Changed("priority") {
			v, err := in.value(priority)
			if err != nil {
				return err
			}
			order = &v
		}
		return a.stream(func(ctx context.Context, m *proxy.Manager, args []string) error {
			ref, err := a.findTyped(ctx, m, args[0], queueTypes...)
			if err != nil {
				return err
			}
			total := len(values)
			return from.each(ctx, m, in, values, func(done int, values []value) error {
				if ch.skip("put %s into %s %q", count(len(values), "item"), ref.TypeID(), args[0]) {
					return nil
				}
				n, method, err := a.put(ctx, ref, order, values)
				if err == nil {
					return nil
				}
				if done += n; from.given() {
					err = fmt.Errorf("%w; %s before were put", err, count(done, "item"))
				} else if n > 0 || total > 1 && method != "put_many" {
					err = fmt.Errorf("%w; %d of %d items were put", err, done, total)
				}
				return a.refused(ctx, ref, args[0], method, err)
			})
		})(cmd, args)
	}
	return cmd
}

// put puts the values, and returns by which method, and how many were put before an
// error if that does not say so itself.
func (a *app) put(ctx context.Context, ref *proxy.Ref, order *value, values []value) (n int, method string, err error) {
	if order == nil && len(values) > 1 && ref.TypeID() != "SimpleQueue" {
		_, err := a.call(ctx, ref, "put_many", []value{{arg: anys(values)}})
		return 0, "put_many", err
	}
	for i, v := range values {
		put := []value{v}
		if method = "put"; order != nil {
			method, put = "put_priority", []value{*order, v}
		}
		if _, err := a.call(ctx, ref, method, put); err != nil {
			return i, method, err
		}
	}
	return len(values), method, nil
}

func (a *app) queueGetCommand() *cobra.Command {
	var (
		number       int
		follow, done bool
	)
	cmd := &cobra.Command{
		Use:   "get NAME",
		Short: "Get items and print them",
		Long: `Get removes the next item and prints it. It waits for one for up to --timeout.

An item is gone from the queue only when it was written out: if that fails, or
the command is killed before, the item goes back to its old place.

The join of a JoinableQueue waits until each item that was got is done: with --done
when it is written out, or by "mgrctl queue done".`,
		Args:              nargs(1, 1),
		ValidArgsFunction: a.completeNames(queueTypes...),
	}
	ch := a.changes(cmd)
	cmd.Flags().IntVarP(&number, "count", "n", 1, "how many items to get, one line each")
	cmd.Flags().BoolVar(&done, "done", false, "tell a JoinableQueue that each item is done once it is written out")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "get items until the queue is shut down; wait without end unless --timeout is given")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if number < 1 {
			return usage(cmd, "--count %d: it is 1 or more", number)
		}
		return a.stream(func(ctx context.Context, m *proxy.Manager, args []string) error {
			ref, err := a.findTyped(ctx, m, args[0], queueTypes...)
			if err != nil {
				return err
			}
			q, err := openQueue(ref)
			if err != nil {
				return err
			}
			if done && ref.TypeID() != "JoinableQueue" {
				return usage(cmd, "--done: %q is a %s; a JoinableQueue counts what is done", args[0], ref.TypeID())
			}
			receive := func(write func(value) error) error {
				err := a.receive(ctx, q, args[0], write)
				if err == nil && done {
					_, err = a.call(ctx, ref, "task_done", nil)
				}
				return err
			}
			if ch.skip("get %s from %s %q", count(number, "item"), ref.TypeID(), args[0]) {
				return nil
			}
			if follow && !cmd.Flags().Changed("timeout") {
				a.flags.timeout = 0
			}
			if number == 1 && !follow {
				return receive(a.value)
			}
			if a.format == formatJSON || a.format == formatYAML {
				return usage(cmd, "several items are no single document: use -o jsonl")
			}
			for n := 0; follow || n < number; n++ {
				err := receive(a.itemLine)
				if follow && errors.Is(err, proxy.ErrShutDown) {
					return nil
				}
				if err != nil {
					return err
				}
			}
			return nil
		})(cmd, args)
	}
	return cmd
}

// itemLine prints one item as one line.
func (a *app) itemLine(v value) error {
	if a.format == formatJSONL {
		return a.line(string(v.asJSON()))
	}
	return a.line(v.asLine())
}

func (a *app) queueDoneCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "done NAME [COUNT]", Short: "Tell a JoinableQueue that items are done, by default one", Args: nargs(1, 2),
		Long:              "Done tells a JoinableQueue that items which were got are done, by default one: join\nwaits for that. More than were got is an error.",
		ValidArgsFunction: a.completeNames("JoinableQueue"),
	}
	ch := a.changes(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		n := 1
		if len(args) == 2 {
			var err error
			if n, err = strconv.Atoi(args[1]); err != nil || n < 1 {
				return usage(cmd, "COUNT %q is not a number above 0", args[1])
			}
		}
		return a.stream(func(ctx context.Context, m *proxy.Manager, args []string) error {
			ref, err := a.findTyped(ctx, m, args[0], "JoinableQueue")
			if err != nil || ch.skip("tell JoinableQueue %q that %s done", args[0], count(n, "item")) {
				return err
			}
			for i := range n {
				if _, err := a.call(ctx, ref, "task_done", nil); err != nil {
					return fmt.Errorf("JoinableQueue %q: %w; %d of %d were told", args[0], err, i, n)
				}
			}
			return nil
		})(cmd, args)
	}
	return cmd
}

// receive gets one item, writes it out, and only then confirms its receipt.
func (a *app) receive(ctx context.Context, q receiver, name string, write func(value) error) error {
	bounded, cancel := withTimeout(ctx, a.flags.timeout)
	defer cancel()
	d, err := q.Receive(bounded)
	if errors.Is(err, context.DeadlineExceeded) {
		return &failure{err: fmt.Errorf("queue %q: nothing came within %v", name, a.flags.timeout), cause: err, code: "empty", hint: "--timeout waits longer"}
	}
	if err != nil {
		return err
	}
	if err := write(d.Value); err != nil {
		return errors.Join(err, d.Nack(ctx, proxy.NackOptions{Uncounted: true}))
	}
	return d.Take(ctx)
}

func (a *app) queuePeekCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "peek NAME",
		Short:             "Print the next item and leave it in the queue",
		Args:              nargs(1, 1),
		ValidArgsFunction: a.completeNames(queueTypes...),
		RunE: a.on(func(ctx context.Context, m *proxy.Manager, args []string) error {
			ref, err := a.findTyped(ctx, m, args[0], queueTypes...)
			if err != nil {
				return err
			}
			v, err := proxy.Call[value](ctx, ref, "peek")
			if errors.Is(err, proxy.ErrEmpty) {
				return &failure{err: fmt.Errorf("queue %q is empty", args[0]), cause: err}
			}
			if err != nil {
				return err
			}
			return a.value(v)
		}),
	}
}

func (a *app) queueLsCommand() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "ls [PATTERN]",
		Short: "List the named queues",
		Args:  nargs(0, 1),
	}
	cmd.RunE = a.stream(func(ctx context.Context, m *proxy.Manager, args []string) error {
		rows := a.rows(
			column{key: "name", head: "NAME", name: true}, column{key: "typeid", head: "TYPE"}, column{key: "items", head: "ITEMS"}, column{key: "maxsize", head: "MAX"},
			column{key: "unfinished", head: "UNFINISHED"}, column{key: "waiting", head: "WAITING"}, column{key: "bytes", head: "SIZE"}, column{key: "created", head: "CREATED", wide: true},
			column{key: "id", head: "ID", wide: true},
		)
		err := a.eachObject(ctx, m, choice{pattern: strings.Join(args, ""), types: queueTypes, all: all, state: true}, func(o *proxy.ObjectInfo) error {
			var most, unfinished *int64
			if s := o.State; s != nil && o.TypeID != "SimpleQueue" {
				unfinished = &s.Unfinished
				if s.MaxSize > 0 {
					most = &s.MaxSize
				}
			}
			return rows.add(text(nameOf(o)), text(o.TypeID), optional(o.Len), optional(most), optional(unfinished), number(o.Waiting), size(o.Bytes), instant(o.CreatedAt()), ident(o.ID))
		})
		if err != nil {
			return err
		}
		return rows.end()
	})
	cmd.Flags().BoolVar(&all, "all", false, allUsage)
	return cmd
}

func (a *app) queuePurgeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "purge NAME",
		Short:             "Drop all items, and print how many they were",
		Args:              nargs(1, 1),
		ValidArgsFunction: a.completeNames(queueTypes...),
	}
	ch := a.destroys(cmd)
	cmd.RunE = a.stream(func(ctx context.Context, m *proxy.Manager, args []string) error {
		ref, err := a.findTyped(ctx, m, args[0], queueTypes...)
		if err != nil {
			return err
		}
		ok, err := ch.confirm("drop all items of %s %q", ref.TypeID(), args[0])
		if !ok {
			return err
		}
		bounded, cancel := a.within(ctx)
		defer cancel()
		n, err := proxy.Call[int64](bounded, ref, "purge")
		if err != nil {
			return err
		}
		return a.line(fmt.Sprint(n))
	})
	return cmd
}
