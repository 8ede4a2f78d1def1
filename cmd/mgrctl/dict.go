package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/syncmanager/syncmanager/proxy"
)

// dict is a shared dict as this program sees it: its keys are strings.
type dict = proxy.Dict[string, value]

const dictType = "dict"

func (a *app) dictCommand() *cobra.Command {
	return group("dict", "Work on a dict",
		a.dictGetCommand(), a.dictSetCommand(), a.dictDelCommand(), a.dictIncrCommand(), a.dictItemsCommand(), a.dictScanCommand(),
		a.dictLenCommand(), a.dictClearCommand())
}

func (a *app) openDict(ctx context.Context, m *proxy.Manager, name string) (*dict, error) {
	ref, err := a.findTyped(ctx, m, name, dictType)
	if err != nil {
		return nil, err
	}
	return proxy.As[dict](ref)
}

// noKey completes the error of a key that is not there.
func noKey(err error, name, key string) error {
	if errors.Is(err, proxy.ErrKey) {
		return &failure{err: fmt.Errorf("dict %q has no key %q", name, key), cause: err, hint: "mgrctl dict items " + name + " lists what it has"}
	}
	return err
}

func (a *app) dictGetCommand() *cobra.Command {
	var def string
	cmd := &cobra.Command{
		Use:               "get NAME KEY",
		Short:             "Print a key's value",
		Args:              nargs(2, 2),
		ValidArgsFunction: a.completeNames(dictType),
	}
	in := a.takesValues(cmd)
	cmd.Flags().StringVar(&def, "default", "", "`value` to print if there is no such key")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		fallback, err := in.value(def)
		if err != nil {
			return err
		}
		return a.on(func(ctx context.Context, m *proxy.Manager, args []string) error {
			d, err := a.openDict(ctx, m, args[0])
			if err != nil {
				return err
			}
			v, err := d.Get(ctx, args[1])
			if errors.Is(err, proxy.ErrKey) && cmd.Flags().Changed("default") {
				v, err = d.GetDefault(ctx, args[1], fallback)
			}
			if err != nil {
				return noKey(err, args[0], args[1])
			}
			return a.value(v)
		})(cmd, args)
	}
	return cmd
}

func (a *app) dictSetCommand() *cobra.Command {
	var ifMissing bool
	cmd := &cobra.Command{
		Use:   "set NAME KEY VALUE [KEY VALUE...]",
		Short: "Set the values of keys, all at once",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 && strings.Contains(args[1], "=") {
				return usage(cmd, "%s: KEY and VALUE are arguments of their own: write %s", args[1], strings.Replace(args[1], "=", " ", 1))
			}
			if len(args) < 3 || len(args)%2 == 0 {
				return usage(cmd, "%s takes a name, and then keys and values in turn", verbName(cmd))
			}
			return nil
		},
		ValidArgsFunction: a.completeNames(dictType),
	}
	ch := a.changes(cmd)
	in := a.takesValues(cmd)
	cmd.Flags().BoolVar(&ifMissing, "if-missing", false, "only if there is no such key; else it is a conflict")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if ifMissing && len(args) != 3 {
			return usage(cmd, "--if-missing takes one key and its value")
		}
		if in.together(args[1:]) {
			return usage(cmd, "%s: KEY and VALUE are arguments of their own: write %s; --string takes %q for a key", strings.Join(args[1:], " "), strings.Replace(args[1], "=", " ", 1), args[1])
		}
		var values []value
		for i := 1; i < len(args); i += 2 {
			v, err := in.value(args[i+1])
			if err != nil {
				return err
			}
			values = append(values, v)
		}
		return a.on(func(ctx context.Context, m *proxy.Manager, args []string) error {
			d, err := a.openDict(ctx, m, args[0])
			if err != nil {
				return err
			}
			if err := attach(ctx, m, values); err != nil {
				return err
			}
			if ch.dry && ifMissing {
				if _, err := d.Get(ctx, args[1]); err == nil {
					return &failure{exit: exitConflict, code: "exists", err: fmt.Errorf("dict %q has a key %q", args[0], args[1])}
				}
			}
			switch {
			case ch.skip("set %s of dict %q", count(len(values), "key"), args[0]):
				return nil
			case len(values) == 1 && ifMissing:
				set, err := d.SetIfAbsent(ctx, args[1], values[0])
				if err == nil && !set {
					return &failure{exit: exitConflict, code: "exists", err: fmt.Errorf("dict %q has a key %q", args[0], args[1])}
				}
				return err
			case len(values) == 1:
				return d.Set(ctx, args[1], values[0])
			}
			pairs := make(proxy.Pairs, len(values)) // in the order of the arguments
			for i, v := range values {
				pairs[i] = proxy.Pair{Key: args[1+2*i], Value: v}
			}
			_, err = proxy.Call[int](ctx, d, "set_many", pairs)
			return err
		})(cmd, args)
	}
	return cmd
}

func (a *app) dictDelCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "del NAME KEY...",
		Short:             "Delete keys, all at once",
		Long:              "Del deletes keys, all at once. A single key that is not there is an error; of several, those that are there go.",
		Args:              nargs(2, -1),
		ValidArgsFunction: a.completeNames(dictType),
	}
	ch := a.changes(cmd)
	cmd.RunE = a.on(func(ctx context.Context, m *proxy.Manager, args []string) error {
		d, err := a.openDict(ctx, m, args[0])
		if err != nil {
			return err
		}
		if ch.dry && len(args) == 2 {
			if _, err := d.Get(ctx, args[1]); err != nil {
				return noKey(err, args[0], args[1])
			}
		}
		if ch.skip("delete %s of dict %q", count(len(args)-1, "key"), args[0]) {
			return nil
		}
		if len(args) == 2 {
			return noKey(d.Delete(ctx, args[1]), args[0], args[1])
		}
		n, err := d.DeleteMany(ctx, args[1:]...)
		if err == nil {
			a.say("deleted %s", count(n, "key"))
		}
		return err
	})
	return cmd
}

func (a *app) dictIncrCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "incr NAME KEY [DELTA]",
		Short: "Add to a key's number in one step, and print the sum",
		Long: `Incr adds DELTA, by default 1, to a key's value in one step, and prints the sum.
A key that is not there counts as 0.`,
		Args:              nargs(2, 3),
		ValidArgsFunction: a.completeNames(dictType),
	}
	ch := a.changes(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		delta := any(int64(1))
		if len(args) == 3 {
			x, err := parseNumber(args[2])
			if err != nil {
				return usage(cmd, "DELTA %q is not a number", args[2])
			}
			delta = x
		}
		return a.on(func(ctx context.Context, m *proxy.Manager, args []string) error {
			d, err := a.openDict(ctx, m, args[0])
			if err != nil || ch.skip("add %v to key %q of dict %q", delta, args[1], args[0]) {
				return err
			}
			sum, err := d.AddDefault(ctx, args[1], value{arg: delta}, value{arg: int64(0)})
			if errors.Is(err, proxy.ErrType) {
				return &failure{
					err: fmt.Errorf("the value of key %q in dict %q is no number", args[1], args[0]), cause: err, code: "type",
					hint: fmt.Sprintf("mgrctl dict get %s %s prints it; mgrctl dict set %s %s 0 makes it one", args[0], args[1], args[0], args[1]),
				}
			}
			if err != nil {
				return err
			}
			return a.value(sum)
		})(cmd, args)
	}
	return cmd
}

var pairColumns = []column{{key: "key", head: "KEY", name: true}, {key: "value", head: "VALUE"}}

func (a *app) dictItemsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "items NAME",
		Short: "Print all keys with their values",
		Long: `Items prints all keys with their values, in the order of their insertion. It
reads page by page, while others may change the dict: no key comes twice, and
none that is there throughout is left out.`,
		Args:              nargs(1, 1),
		ValidArgsFunction: a.completeNames(dictType),
		RunE: a.stream(func(ctx context.Context, m *proxy.Manager, args []string) error {
			ref, err := a.findTyped(ctx, m, args[0], dictType)
			if err != nil {
				return err
			}
			rows := a.rows(pairColumns...)
			err = a.eachPage(ctx, ref, "scan", func(_ uint64, page []value) error { return addPairs(rows, page, "") })
			if err != nil {
				return err
			}
			return rows.end()
		}),
	}
}

// addPairs prints keys and values, which come in turn.
func addPairs(rows *listing, page []value, prefix string) error {
	for i := 0; i+1 < len(page); i += 2 {
		if !strings.HasPrefix(page[i].asText(), prefix) {
			continue
		}
		if err := rows.add(keyCell(page[i]), valueCell(page[i+1])); err != nil {
			return err
		}
	}
	return nil
}

// keyCell is a key, which tables show whole.
func keyCell(v value) cell { return cell{v.asText(), v.asLine(), string(v.asJSON())} }

func (a *app) dictScanCommand() *cobra.Command {
	var (
		after  uint64
		limit  int
		prefix string
	)
	cmd := &cobra.Command{
		Use:   "scan NAME",
		Short: "Print one page of keys and values, and where the next begins",
		Long: `Scan prints one page of a dict. When there is more, it says from where to go on:
on standard error, or as "next" of the JSON object {"rows", "next"}; "next" is 0
at the end. Keys without the --prefix count for the page, but are not printed.`,
		Args:              nargs(1, 1),
		ValidArgsFunction: a.completeNames(dictType),
		PreRunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 || limit > pageRows {
				return usage(cmd, "--limit %d: it lies between 1 and %d", limit, pageRows)
			}
			return nil
		},
		RunE: a.stream(func(ctx context.Context, m *proxy.Manager, args []string) error {
			ref, err := a.findTyped(ctx, m, args[0], dictType)
			if err != nil {
				return err
			}
			p, err := a.page(ctx, ref, "scan", after, limit)
			if err != nil {
				return err
			}
			rows := a.rows(pairColumns...)
			rows.paged = true
			if err := addPairs(rows, p.Rows, prefix); err != nil {
				return err
			}
			return rows.endAt(p.Next)
		}),
	}
	cmd.Flags().Uint64Var(&after, "after", 0, "`cursor` to go on after; 0: the beginning")
	cmd.Flags().IntVar(&limit, "limit", 100, "keys of a page: 1 to 1000")
	cmd.Flags().StringVar(&prefix, "prefix", "", "only keys that begin so")
	return cmd
}

func (a *app) dictLenCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "len NAME",
		Short:             "Print the number of keys",
		Args:              nargs(1, 1),
		ValidArgsFunction: a.completeNames(dictType),
		RunE: a.on(func(ctx context.Context, m *proxy.Manager, args []string) error {
			d, err := a.openDict(ctx, m, args[0])
			if err != nil {
				return err
			}
			n, err := d.Len(ctx)
			if err != nil {
				return err
			}
			return a.line(fmt.Sprint(n))
		}),
	}
}

func (a *app) dictClearCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "clear NAME",
		Short:             "Delete all keys",
		Args:              nargs(1, 1),
		ValidArgsFunction: a.completeNames(dictType),
	}
	ch := a.destroys(cmd)
	cmd.RunE = a.clear(ch, dictType)
	return cmd
}

// clear empties a container, once that was confirmed.
func (a *app) clear(ch *change, typeid string) func(*cobra.Command, []string) error {
	return a.stream(func(ctx context.Context, m *proxy.Manager, args []string) error {
		ref, err := a.findTyped(ctx, m, args[0], typeid)
		if err != nil {
			return err
		}
		ok, err := ch.confirm("delete all that %s %q holds", typeid, args[0])
		if !ok {
			return err
		}
		bounded, cancel := a.within(ctx)
		defer cancel()
		_, err = proxy.Call[struct{}](bounded, ref, "clear")
		return err
	})
}
