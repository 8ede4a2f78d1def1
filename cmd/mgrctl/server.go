package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/proxy"
)

func (a *app) pingCommand() *cobra.Command {
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "ping",
		Short: "Ask the server for a sign of life",
		Long: `Ping connects, asks the server for a sign of life, and says how long that took,
which server it is, and what the key allows.

With --wait it tries again until the server is there: for scripts that have just
started one.`,
		Args: nargs(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			m, err := a.await(cmd.Context(), wait)
			if err != nil {
				return err
			}
			defer m.Close()
			ctx, cancel := a.within(cmd.Context())
			defer cancel()
			d, err := m.Ping(ctx)
			if err != nil {
				return err
			}
			return a.record(m.Server(), fieldOf{"server", text(m.Server())}, fieldOf{"address", text(m.Address())},
				fieldOf{"role", text(m.Role())}, fieldOf{"round_trip_seconds", seconds(d)})
		},
	}
	cmd.Flags().Var((*secondsFlag)(&wait), "wait", "how long to wait for the server to be there")
	return cmd
}

// retryPause is the time between attempts to connect.
const retryPause = 20 * time.Millisecond

// await connects, and tries again until the time is over.
func (a *app) await(ctx context.Context, wait time.Duration) (*proxy.Manager, error) {
	deadline := time.Now().Add(wait)
	for {
		m, err := a.connect(ctx, proxy.Config{})
		if err == nil || classify(err).exit != exitUnreachable || !time.Now().Before(deadline) {
			return m, err
		}
		pause := time.NewTimer(min(retryPause, time.Until(deadline)))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return nil, ctx.Err()
		}
	}
}

func (a *app) infoCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "info",
		Short: "Show what the server says of itself",
		Args:  nargs(0, 0),
		RunE: a.on(func(ctx context.Context, m *proxy.Manager, _ []string) error {
			info, err := m.Info(ctx)
			if err != nil {
				return err
			}
			keys := make([]string, 0, len(info))
			for k := range info {
				keys = append(keys, k)
			}
			slices.SortFunc(keys, compareInfo)
			fields := make([]fieldOf, len(keys))
			for i, k := range keys {
				fields[i] = fieldOf{k, infoCell(k, info[k])}
			}
			return a.record(m.Server(), fields...)
		}),
	}
}

// infoOrder is what comes first; the rest goes by name.
var infoOrder = []string{"server", "version", "protocol", "host", "pid", "addresses", "uptime_seconds", "connections", "python_connections", "sessions", "objects", "names", "parked", "running", "bytes"}

func compareInfo(x, y string) int {
	rank := func(k string) int {
		if i := slices.Index(infoOrder, k); i >= 0 {
			return i
		}
		return len(infoOrder)
	}
	if d := rank(x) - rank(y); d != 0 {
		return d
	}
	return strings.Compare(x, y)
}

// infoCell makes a cell of a value whose key may name its unit.
func infoCell(key string, x any) cell {
	switch x := x.(type) {
	case string:
		return text(x)
	case int64:
		if key == "bytes" || strings.HasSuffix(key, "_bytes") {
			return size(x)
		}
		return number(x)
	case uint64:
		return ident(x)
	case float64:
		if strings.HasSuffix(key, "_seconds") {
			return seconds(time.Duration(math.Round(x*1e3)) * time.Millisecond)
		}
		var v value
		if v.leaf(x) != nil {
			return text(fmt.Sprint(x))
		}
		return cell{string(v.json), string(v.json), string(v.json)}
	case bool:
		return boolean(x)
	case []any:
		parts := make([]string, len(x))
		json := make([]string, len(x))
		for i, y := range x {
			c := infoCell(key, y)
			parts[i], json[i] = c.plain, c.json
		}
		s := strings.Join(parts, " ")
		return cell{s, s, "[" + strings.Join(json, ",") + "]"}
	case nil:
		return cell{"-", "", "null"}
	}
	return text(fmt.Sprint(x))
}

func (a *app) typesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "types [TYPEID]",
		Short: "List the object types, or the methods of one",
		Args:  nargs(0, 1),
		ValidArgsFunction: a.complete(func(ctx context.Context, m *proxy.Manager, args []string, _ string) ([]string, error) {
			if len(args) > 0 {
				return nil, nil
			}
			return m.Types(ctx)
		}),
		RunE: a.on(func(ctx context.Context, m *proxy.Manager, args []string) error {
			if len(args) == 1 {
				a.object = args[0]
				info, err := m.Describe(ctx, args[0])
				if err != nil {
					return err
				}
				return a.methods(info.Methods)
			}
			types, err := m.Types(ctx)
			if err != nil {
				return err
			}
			rows := a.rows(column{key: "typeid", head: "TYPEID", name: true}, column{key: "arguments", head: "ARGUMENTS"}, column{key: "methods", head: "METHODS"})
			for _, t := range types {
				info, err := m.Describe(ctx, t)
				if err != nil {
					return err
				}
				if err := rows.add(text(t), text("("+info.Params+")"), number(int64(len(info.Methods)))); err != nil {
					return err
				}
			}
			return rows.end()
		}),
	}
}

func (a *app) shutdownCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "shutdown",
		Short: "End the server in good order",
		Long:  "Shutdown ends the server in good order. All objects are gone then. It needs the role admin.",
		Args:  nargs(0, 0),
	}
	ch := a.destroys(cmd)
	needsAdmin(cmd)
	cmd.RunE = a.stream(func(ctx context.Context, m *proxy.Manager, _ []string) error {
		ok, err := ch.confirm("shut down the server at %s", m.Address())
		if !ok {
			return err
		}
		ctx, cancel := a.within(ctx)
		defer cancel()
		return m.Shutdown(ctx)
	})
	return cmd
}

func (a *app) keygenCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keygen [FILE]",
		Short: "Make an authkey, in a new file or on standard output",
		Long: `Keygen makes an authkey of 256 random bits. A FILE is made so that its owner
alone can read it; one that exists is never replaced. Without FILE the key goes
to standard output.`,
		Args: nargs(0, 1),
	}
	ch := a.changes(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			if ch.skip("print a new authkey") {
				return nil
			}
			return a.line(string(auth.Generate().Bytes()))
		}
		file := args[0]
		a.object = file
		if _, err := os.Lstat(file); err == nil {
			return fileExists(fmt.Errorf("key file %s exists", file))
		}
		if ch.skip("make an authkey in %s", file) {
			return nil
		}
		key := auth.Generate()
		if err := key.WriteFile(file); err != nil {
			if errors.Is(err, os.ErrExist) {
				return fileExists(err)
			}
			return err
		}
		return a.record(file, fieldOf{"file", text(file)}, fieldOf{"fingerprint", text(key.Fingerprint())})
	}
	return cmd
}

func fileExists(err error) error {
	return &failure{err: err, exit: exitConflict, code: "exists", hint: "give another FILE, or remove this one first"}
}
