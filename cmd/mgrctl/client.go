package main

import (
	"context"
	"errors"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/syncmanager/syncmanager/proxy"
)

func (a *app) clientCommand() *cobra.Command {
	return group("client", "The server's clients", a.clientLsCommand(), a.clientKickCommand())
}

func (a *app) clientLsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "ls",
		Short: "List the sessions of clients",
		Long: `List the sessions of clients, also of those without a connection whose lease has
not run out. It needs the role admin.`,
		Args: nargs(0, 0),
		RunE: a.stream(func(ctx context.Context, m *proxy.Manager, _ []string) error {
			rows := a.rows(
				column{key: "id", head: "SESSION", name: true}, column{key: "program", head: "PROGRAM"}, column{key: "host", head: "HOST"}, column{key: "pid", head: "PID"},
				column{key: "remote", head: "FROM", wide: true}, column{key: "key", head: "KEY", wide: true}, column{key: "role", head: "ROLE"}, column{key: "opened", head: "SINCE"},
				column{key: "connected", head: "CONNECTED"}, column{key: "references", head: "OBJECTS"}, column{key: "objects", head: "CREATED", wide: true},
				column{key: "parked", head: "WAITING"}, column{key: "running", head: "RUNNING", wide: true}, column{key: "kept", head: "KEPT", wide: true}, column{key: "kept_bytes", head: "KEPT SIZE", wide: true},
			)
			for after := uint64(0); ; {
				bounded, cancel := a.within(ctx)
				page, err := m.Sessions(bounded, after, 1000)
				cancel()
				if err != nil {
					return err
				}
				for i := range page.Rows {
					s := &page.Rows[i]
					err := rows.add(ident(s.ID), text(s.Program), text(s.Host), number(s.PID), text(s.Remote), text(s.Key), text(s.Role), instant(s.OpenedAt()),
						boolean(s.Connected), number(s.References), number(s.Objects), number(s.Parked), number(s.Running), number(s.Kept), size(s.KeptBytes))
					if err != nil {
						return err
					}
				}
				if after = page.Next; after == 0 {
					return rows.end()
				}
			}
		}),
	}
}

// noSession adds to an error where sessions are to be found.
func noSession(err error) error {
	return &failure{err: err, hint: "mgrctl client ls lists the sessions"}
}

func (a *app) clientKickCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "kick SESSION...",
		Short: "End sessions of clients, with all that they hold",
		Long: `Kick ends sessions: their locks and permits are released, items that they have
not confirmed go back, and objects without a name that only they refer to are
gone. It needs the role admin.`,
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
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ids := make([]uint64, len(args))
		for i, arg := range args {
			id, err := strconv.ParseUint(arg, 10, 64)
			if err != nil {
				return usage(cmd, "session %q is not a number", arg)
			}
			ids[i] = id
		}
		return a.stream(func(ctx context.Context, m *proxy.Manager, args []string) error {
			a.object = args[0]
			ok, err := ch.confirm("end %s with all that they hold", count(len(ids), "session"))
			if !ok {
				return err
			}
			for i, id := range ids {
				a.object = args[i]
				bounded, cancel := a.within(ctx)
				err := m.Kick(bounded, id)
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
