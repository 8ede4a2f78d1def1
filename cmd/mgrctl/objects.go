package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/spf13/cobra"

	"github.com/syncmanager/syncmanager/proxy"
)

var objectColumns = []column{
	{key: "name", head: "NAME", name: true}, {key: "typeid", head: "TYPE"}, {key: "len", head: "LEN"}, {key: "bytes", head: "SIZE"},
	{key: "sessions", head: "SESSIONS"}, {key: "waiting", head: "WAITING"}, {key: "created", head: "CREATED"},
	{key: "references", head: "REFERENCES", wide: true}, {key: "id", head: "ID", wide: true},
}

func objectCells(o *proxy.ObjectInfo) []cell {
	return []cell{
		text(nameOf(o)), text(o.TypeID), optional(o.Len), size(o.Bytes), number(o.Sessions), number(o.Waiting), instant(o.CreatedAt()), number(o.References), ident(o.ID),
	}
}

// choice says which objects a verb lists.
type choice struct {
	pattern string   // of their names: a prefix, or with * ? [ a pattern for all of it
	types   []string // none: all
	all     bool     // those without a name as well, which needs the role admin
	state   bool     // with ObjectInfo.State
}

const allUsage = "also those without a name, by #ID, in the order of their creation; it needs the role admin"

// listPage is how many rows are asked for at a time: the server holds up others
// for no longer than these take.
const listPage = 100

// eachObject calls f for the objects, page by page.
func (a *app) eachObject(ctx context.Context, m *proxy.Manager, c choice, f func(*proxy.ObjectInfo) error) error {
	prefix, glob := c.pattern, false
	if i := strings.IndexAny(c.pattern, "*?["); i >= 0 {
		if _, err := path.Match(c.pattern, ""); err != nil {
			return usage(nil, "pattern %q: a [ without its ]", c.pattern)
		}
		prefix, glob = c.pattern[:i], true
	}
	each := func(rows []proxy.ObjectInfo) error {
		for i := range rows {
			o := &rows[i]
			if !strings.HasPrefix(o.Name, prefix) || glob && !matches(c.pattern, o.Name) {
				continue
			}
			if err := f(o); err != nil {
				return err
			}
		}
		return nil
	}
	if c.all {
		q := proxy.ObjectsQuery{Limit: listPage, Types: c.types, State: c.state}
		for {
			bounded, cancel := a.within(ctx)
			page, err := m.ObjectsPage(bounded, q)
			cancel()
			if err == nil {
				err = each(page.Rows)
			}
			if q.After = page.Next; err != nil || q.After == 0 {
				return err
			}
		}
	}
	q := proxy.NamesQuery{Prefix: prefix, Limit: listPage, Types: c.types, State: c.state}
	for {
		bounded, cancel := a.within(ctx)
		page, err := m.NamesPage(bounded, q)
		cancel()
		if err == nil {
			err = each(page.Rows)
		}
		if q.After = page.Next; err != nil || q.After == "" {
			return err
		}
	}
}

// matches is path.Match in which / is a letter like others.
func matches(pattern, name string) bool {
	ok, _ := path.Match(strings.ReplaceAll(pattern, "/", "\x01"), strings.ReplaceAll(name, "/", "\x01"))
	return ok
}

func (a *app) lsCommand() *cobra.Command {
	var (
		types []string
		all   bool
	)
	cmd := &cobra.Command{
		Use:               "ls [PATTERN]",
		Short:             "List the named objects",
		Long:              "List the named objects, in the order of their names. A PATTERN is a prefix of the\nnames, or, with * ? or [, a pattern for all of the name.",
		Args:              nargs(0, 1),
		ValidArgsFunction: a.completeNames(),
		RunE: a.stream(func(ctx context.Context, m *proxy.Manager, args []string) error {
			rows := a.rows(objectColumns...)
			err := a.eachObject(ctx, m, choice{pattern: strings.Join(args, ""), types: types, all: all}, func(o *proxy.ObjectInfo) error {
				return rows.add(objectCells(o)...)
			})
			if err != nil {
				return err
			}
			return rows.end()
		}),
	}
	cmd.Flags().StringSliceVar(&types, "type", nil, "only objects of this `typeid` (may be repeated)")
	cmd.Flags().BoolVar(&all, "all", false, allUsage)
	return cmd
}

func (a *app) showCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show NAME",
		Short: "Show one object: what it is, its token, what it holds",
		Long: `Show prints what the server knows of an object, its token, and its value as
Python's repr prints it, if it has no more than 1000 entries.

Whoever has the token, and a key of the server, can reach the object.`,
		Args:              nargs(1, 1),
		ValidArgsFunction: a.completeNames(),
		RunE: a.on(func(ctx context.Context, m *proxy.Manager, args []string) error {
			ref, err := a.find(ctx, m, args[0])
			if err != nil {
				return err
			}
			info, err := objectInfo(ctx, m, args[0], ref)
			if err != nil {
				return err
			}
			fields := []fieldOf{{"name", text(args[0])}, {"typeid", text(ref.TypeID())}, {"id", ident(ref.ID())}}
			small := true
			if info != nil {
				fields[0].cell = text(info.Name)
				fields = append(fields, fieldOf{"len", optional(info.Len)}, fieldOf{"bytes", size(info.Bytes)},
					fieldOf{"sessions", number(info.Sessions)}, fieldOf{"references", number(info.References)}, fieldOf{"waiting", number(info.Waiting)}, fieldOf{"created", instant(info.CreatedAt())})
				small = info.Len == nil || *info.Len <= maxShown
			}
			fields = append(fields, fieldOf{"token", text(ref.Token())})
			if small {
				repr, err := ref.Repr(ctx)
				if err != nil {
					return err
				}
				fields = append(fields, fieldOf{"repr", text(repr)})
			}
			return a.record(fields[0].cell.plain, fields...)
		}),
	}
}

// maxShown is how many entries an object may have whose value is shown.
const maxShown = 1000

// objectInfo returns the server's listing of the object, nil if it cannot be had: an
// object without a name is listed for admins alone.
func objectInfo(ctx context.Context, m *proxy.Manager, name string, ref *proxy.Ref) (*proxy.ObjectInfo, error) {
	if m.Role() == "admin" {
		page, err := m.ObjectsPage(ctx, proxy.ObjectsQuery{After: ref.ID() - 1, Limit: 1})
		if err != nil || len(page.Rows) == 0 || page.Rows[0].ID != ref.ID() {
			return nil, err
		}
		return &page.Rows[0], nil
	}
	page, err := m.NamesPage(ctx, proxy.NamesQuery{Prefix: name, Limit: 1})
	if err != nil || len(page.Rows) == 0 || page.Rows[0].ID != ref.ID() {
		return nil, err
	}
	return &page.Rows[0], nil
}

func (a *app) createCommand() *cobra.Command {
	var ifMissing bool
	cmd := &cobra.Command{
		Use:   "create NAME TYPEID [ARG...]",
		Short: "Create a named object",
		Long: `Create makes an object of the type under the name. It stays until it is removed.
A name that is taken is a conflict; with --if-missing an object of that type is
left as it is. An ARG may have the form NAME=VALUE, with the name of a parameter as
"mgrctl types" prints it.`,
		Args: nargs(2, -1),
		ValidArgsFunction: a.complete(func(ctx context.Context, m *proxy.Manager, args []string, _ string) ([]string, error) {
			if len(args) != 1 {
				return nil, nil
			}
			return m.Types(ctx)
		}),
	}
	ch := a.changes(cmd)
	in := a.takesValues(cmd)
	cmd.Flags().BoolVar(&ifMissing, "if-missing", false, "accept an object of that name and type")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if args[0] == "" {
			return usage(cmd, "an empty name: an object that others find needs one")
		}
		for _, arg := range args[2:] { // before the server is asked
			if _, err := in.parse(arg); err != nil {
				return err
			}
		}
		return a.on(func(ctx context.Context, m *proxy.Manager, args []string) error {
			name, typeid := args[0], args[1]
			a.object = name
			ref, err := m.Lookup(ctx, name)
			switch {
			case err == nil && ref.TypeID() != typeid:
				return &failure{exit: exitConflict, code: "exists", err: fmt.Errorf("%q exists and is a %s, not a %s", name, ref.TypeID(), typeid)}
			case err == nil && !ifMissing:
				return &failure{exit: exitConflict, code: "exists", err: fmt.Errorf("%s %q exists", typeid, name), hint: "--if-missing accepts that"}
			case err == nil:
				return nil
			case !errors.Is(err, proxy.ErrNotFound):
				return err
			}
			info, err := m.Describe(ctx, typeid)
			if err != nil {
				return err
			}
			values, err := in.place(info.Params, args[2:])
			if err != nil {
				return err
			}
			if err := attach(ctx, m, values); err != nil {
				return err
			}
			if ch.skip("create %s %q", typeid, name) {
				return nil
			}
			init := anys(values)
			if (typeid == "Value" || typeid == "Array") && len(init) == 2 {
				init = append(init, true) // what the typecode cannot hold is an error, as in package proxy
			}
			if _, err := m.Open(ctx, name, typeid, init...); err != nil {
				return misfit(fmt.Errorf("%s %q: %w", typeid, name, err), typeid+"("+info.Params+")")
			}
			a.say("created %s %q", typeid, name)
			return nil
		})(cmd, args)
	}
	return cmd
}

// refused adds the object to an error of one of its methods, and the method's
// signature if what the method took does not fit.
func (a *app) refused(ctx context.Context, ref *proxy.Ref, name, method string, err error) error {
	err = fmt.Errorf("%s %q: %w", ref.TypeID(), name, err)
	if !doesNotFit(err) {
		return err
	}
	ctx, cancel := a.within(ctx)
	defer cancel()
	methods, failed := ref.Methods(ctx)
	if failed != nil {
		return err
	}
	m, failed := findMethod(ref, methods, method)
	if failed != nil {
		return err
	}
	return misfit(err, m.String())
}

func doesNotFit(err error) bool {
	return errors.Is(err, proxy.ErrType) || errors.Is(err, proxy.ErrValue) || errors.Is(err, proxy.ErrOverflow)
}

// misfit adds the signature to an error of arguments that do not fit.
func misfit(err error, signature string) error {
	if doesNotFit(err) {
		f := &failure{err: err, hint: "it takes " + signature}
		if errors.Is(err, proxy.ErrType) {
			f.exit = exitUsage
		}
		return f
	}
	return err
}

func (a *app) rmCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rm NAME...",
		Short: "Remove named objects",
		Long: `Remove removes objects by name: calls that wait on them fail, as do later ones.
All the names are looked up before the first is removed.`,
		Args:              nargs(1, -1),
		ValidArgsFunction: a.completeNames(),
	}
	ch := a.destroys(cmd)
	cmd.RunE = a.stream(func(ctx context.Context, m *proxy.Manager, args []string) error {
		what := make([]string, len(args))
		for i, name := range args {
			bounded, cancel := a.within(ctx)
			ref, err := a.find(bounded, m, name)
			cancel()
			if err != nil {
				return err
			}
			what[i] = fmt.Sprintf("%s %q", ref.TypeID(), name)
		}
		ok, err := ch.confirm("remove %s", strings.Join(what, ", "))
		if !ok {
			return err
		}
		for i, name := range args {
			a.object = name
			bounded, cancel := a.within(ctx)
			err := a.remove(bounded, m, name)
			cancel()
			if err != nil {
				return err
			}
			a.say("removed %s", what[i])
		}
		return nil
	})
	return cmd
}

// remove removes the object of a name, or of #ID.
func (a *app) remove(ctx context.Context, m *proxy.Manager, name string) error {
	if id, ok := objectID(name); ok {
		return m.RemoveID(ctx, id)
	}
	return m.Remove(ctx, name)
}

func (a *app) objectCommand() *cobra.Command {
	return group("object", "All objects, also those without a name", a.objectLsCommand())
}

func (a *app) objectLsCommand() *cobra.Command {
	var (
		types            []string
		prefix           string
		anonymous, named bool
		unreferenced     bool
		session          uint64
		minBytes         int64
		after            uint64
		limit            int
	)
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "List all objects with sizes and references",
		Long: `List all objects, in the order of their creation, with their sizes by the
server's count, the number of sessions that refer to them (SESSIONS), and of
references to them that objects keep in their values (REFERENCES): a list that has
an object twice counts twice. An object that neither refers to lives by its name
alone. It needs the role admin.

With --limit it stops after so many and says from where to go on: --after.`,
		Args: nargs(0, 0),
		PreRunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 0 {
				return usage(cmd, "--limit %d: it is 0 or more", limit)
			}
			if anonymous && named {
				return usage(cmd, "--anonymous and --named leave nothing")
			}
			return nil
		},
		RunE: a.stream(func(ctx context.Context, m *proxy.Manager, _ []string) error {
			rows := a.rows(
				column{key: "id", head: "ID", name: true}, column{key: "name", head: "NAME"}, column{key: "typeid", head: "TYPE"}, column{key: "len", head: "LEN"},
				column{key: "bytes", head: "SIZE"}, column{key: "sessions", head: "SESSIONS"}, column{key: "references", head: "REFERENCES"},
				column{key: "waiting", head: "WAITING"}, column{key: "created", head: "CREATED"},
			)
			rows.paged = limit > 0
			for next := after; ; {
				bounded, cancel := a.within(ctx)
				page, err := m.ObjectsPage(bounded, proxy.ObjectsQuery{Session: session, After: next, Limit: listPage, Types: types})
				cancel()
				if errors.Is(err, proxy.ErrNotFound) {
					return noSession(err)
				}
				if err != nil {
					return err
				}
				for i := range page.Rows {
					o := &page.Rows[i]
					if !strings.HasPrefix(o.Name, prefix) ||
						anonymous && o.Name != "" || named && o.Name == "" || o.Bytes < minBytes ||
						unreferenced && o.Sessions+o.References > 0 {
						continue
					}
					err := rows.add(ident(o.ID), text(o.Name), text(o.TypeID), optional(o.Len), size(o.Bytes), number(o.Sessions), number(o.References),
						number(o.Waiting), instant(o.CreatedAt()))
					if err != nil {
						return err
					}
					if rows.rows == limit && (page.Next != 0 || i+1 < len(page.Rows)) {
						return rows.endAt(o.ID)
					}
				}
				if next = page.Next; next == 0 {
					return rows.end()
				}
			}
		}),
	}
	f := cmd.Flags()
	f.StringSliceVar(&types, "type", nil, "only objects of this `typeid` (may be repeated)")
	f.StringVar(&prefix, "prefix", "", "only objects whose names begin so")
	f.BoolVar(&anonymous, "anonymous", false, "only objects without a name")
	f.BoolVar(&named, "named", false, "only objects with a name")
	f.BoolVar(&unreferenced, "unreferenced", false, "only objects that no session and no object refers to")
	f.Uint64Var(&session, "session", 0, "only objects that this `session` refers to")
	f.Int64Var(&minBytes, "min-bytes", 0, "only objects of at least this size, in `bytes`")
	f.Uint64Var(&after, "after", 0, "begin after the object with this `id`")
	f.IntVar(&limit, "limit", 0, "list so many at most; 0: all")
	return cmd
}
