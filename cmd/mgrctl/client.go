package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/syncmanager/syncmanager/proxy"
)

func (a *app) clientCommand() *cobra.Command {
	return group("client", "The server's clients", a.clientLsCommand(), a.clientKickCommand())
}

func (a *app) clientLsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "ls",
		Short: "List the sessions of clients, and the connections of Python programs",
		Long: `List the sessions of clients, also of those without a connection whose lease has
not run out. All Python programs with one key are one session; below it stands each
of their connections, which is a thread of one of them, as SESSION.CONNECTION. One
that has ended is listed as long as it holds a lock. It needs the role admin.`,
		Args: nargs(0, 0),
		RunE: a.stream(func(ctx context.Context, m *proxy.Manager, _ []string) error {
			rows := a.rows(
				column{key: "client", head: "CLIENT", name: true}, column{key: "program", head: "PROGRAM"}, column{key: "host", head: "HOST"}, column{key: "pid", head: "PID"},
				column{key: "remote", head: "FROM"}, column{key: "key", head: "KEY", wide: true}, column{key: "role", head: "ROLE"}, column{key: "opened", head: "SINCE"},
				column{key: "connected", head: "CONNECTED"}, column{key: "idle_seconds", head: "IDLE"}, column{key: "calls", head: "CALLS", wide: true}, column{key: "holds", head: "HOLDS", wide: true}, column{key: "references", head: "OBJECTS"}, column{key: "objects", head: "CREATED", wide: true},
				column{key: "parked", head: "WAITING"}, column{key: "running", head: "RUNNING", wide: true}, column{key: "kept", head: "KEPT", wide: true}, column{key: "kept_bytes", head: "KEPT SIZE", wide: true},
				column{key: "id", head: "SESSION", wide: true}, column{key: "connection", head: "CONNECTION", wide: true},
			)
			python, err := a.pythonConnections(ctx, m)
			if err != nil {
				return err
			}
			for after := uint64(0); ; {
				bounded, cancel := a.within(ctx)
				page, err := m.Sessions(bounded, after, listPage)
				cancel()
				if err != nil {
					return err
				}
				for i := range page.Rows {
					s := &page.Rows[i]
					err := rows.add(text(strconv.FormatUint(s.ID, 10)), text(s.Program), text(s.Host), number(s.PID), text(s.Remote), text(s.Key), text(s.Role), instant(s.OpenedAt()),
						boolean(s.Connected), none, none, none, number(s.References), number(s.Objects), number(s.Parked), number(s.Running), number(s.Kept), size(s.KeptBytes), ident(s.ID), none)
					if err != nil {
						return err
					}
					for _, c := range python {
						if c.Session != s.ID {
							continue
						}
						pid := none // only a unix socket tells
						if c.PID != 0 {
							pid = number(int64(c.PID))
						}
						waits := number(0)
						if c.Waiting {
							waits = number(1)
						}
						err := rows.add(text(clientID(c)), text(orDash(c.Thread)), none, pid, text(c.Remote), text(c.Key), text(c.Role), instant(c.OpenedAt()),
							boolean(c.Connected), seconds(c.IdleFor()), ident(c.Calls), number(int64(c.Holds)), none, none, waits, none, none, none, ident(s.ID), ident(c.ID))
						if err != nil {
							return err
						}
					}
				}
				if after = page.Next; after == 0 {
					return rows.end()
				}
			}
		}),
	}
}

// none is the cell of what there is not.
var none = cell{"-", "", "null"}

// clientID is what client ls and kick call a connection of a Python program.
func clientID(c *proxy.ConnectionInfo) string { return fmt.Sprintf("%d.%d", c.Session, c.ID) }

// pythonConnections returns the connections of Python programs, by their numbers, in
// the order of the numbers.
func (a *app) pythonConnections(ctx context.Context, m *proxy.Manager) ([]*proxy.ConnectionInfo, error) {
	var all []*proxy.ConnectionInfo
	for after := uint64(0); ; {
		bounded, cancel := a.within(ctx)
		page, err := m.Connections(bounded, after, 1000)
		cancel()
		if err != nil {
			return nil, err
		}
		for i := range page.Rows {
			all = append(all, &page.Rows[i])
		}
		if after = page.Next; after == 0 {
			return all, nil
		}
	}
}

// noSession adds to an error where sessions are to be found.
func noSession(err error) error {
	return &failure{err: err, hint: "mgrctl client ls lists the sessions"}
}

func noClient(format string, args ...any) error {
	return &failure{exit: exitNotFound, code: "not_found", err: fmt.Errorf(format, args...), hint: "mgrctl client ls lists the clients"}
}

func (a *app) clientKickCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "kick CLIENT...",
		Short: "End sessions of clients, or connections of Python programs, with all that they hold",
		Long: `Kick ends sessions: their locks and permits are released, items that they have
not confirmed go back, and objects without a name that only they refer to are
gone. Of a CLIENT of the form SESSION.CONNECTION, as "mgrctl client ls" prints it for
Python programs, it ends that connection and what its thread holds. It needs the role
admin.`,
		Args: nargs(1, -1),
		ValidArgsFunction: a.complete(func(ctx context.Context, m *proxy.Manager, _ []string, _ string) ([]string, error) {
			page, err := m.Sessions(ctx, 0, 1000)
			var list []string
			for _, s := range page.Rows {
				if s.ID != m.SessionID() {
					list = append(list, strconv.FormatUint(s.ID, 10)+"\t"+s.Program+" on "+s.Host)
				}
			}
			return list, err
		}),
	}
	ch := a.destroys(cmd)
	needsAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		who := make([]client, len(args))
		for i, arg := range args {
			session, connection, isConnection := strings.Cut(arg, ".")
			var err, err2 error
			who[i].session, err = strconv.ParseUint(session, 10, 64)
			if isConnection {
				who[i].connection, err2 = strconv.ParseUint(connection, 10, 64)
			}
			if err != nil || err2 != nil {
				return usage(cmd, "client %q is not a number, nor two with a dot", arg)
			}
		}
		return a.stream(func(ctx context.Context, m *proxy.Manager, args []string) error {
			if err := a.kickable(ctx, m, who, args); err != nil {
				return err
			}
			a.object = args[0]
			ok, err := ch.confirm("end %s with all that they hold", count(len(who), "client"))
			if !ok {
				return err
			}
			for i, c := range who {
				a.object = args[i]
				bounded, cancel := a.within(ctx)
				if c.connection != 0 {
					err = m.Disconnect(bounded, c.connection)
				} else {
					err = m.Kick(bounded, c.session)
				}
				cancel()
				if errors.Is(err, proxy.ErrNotFound) {
					return noSession(err)
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

// client is a session, or a connection of one that Python programs share.
type client struct{ session, connection uint64 }

// kickable checks that all are there, and can be ended, before the first is.
func (a *app) kickable(ctx context.Context, m *proxy.Manager, who []client, args []string) error {
	python, err := a.pythonConnections(ctx, m)
	if err != nil {
		return err
	}
	for i, c := range who {
		a.object = args[i]
		if c.connection != 0 {
			if !slices.ContainsFunc(python, func(p *proxy.ConnectionInfo) bool { return p.ID == c.connection && p.Session == c.session }) {
				return noClient("no connection %s of a Python program", args[i])
			}
			continue
		}
		bounded, cancel := a.within(ctx)
		page, err := m.Sessions(bounded, c.session-1, 1)
		cancel()
		switch {
		case err != nil:
			return err
		case len(page.Rows) == 0 || page.Rows[0].ID != c.session:
			return noClient("no session %d", c.session)
		case c.session == m.SessionID():
			return &failure{code: "value", err: fmt.Errorf("session %d is this command's own", c.session)}
		case page.Rows[0].Program == "Python clients":
			return &failure{
				exit: exitDenied, code: "denied", err: fmt.Errorf("session %d is shared by all Python programs with key %q", c.session, page.Rows[0].Key),
				hint: "mgrctl client ls lists their connections, which can be ended one by one",
			}
		}
	}
	return nil
}
