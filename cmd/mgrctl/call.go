package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/syncmanager/syncmanager/proxy"
)

func (a *app) callCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "call NAME [METHOD [ARG...]]",
		Short: "Call any method of an object",
		Long: `Call calls an exposed method and prints its result. Without METHOD it lists the
methods with their arguments, and marks those that change something.

An ARG may have the form NAME=VALUE, with the name of a parameter. A method that can
wait, such as get of a queue, waits for up to --timeout; then the exit code is 5. A
Barrier's wait that is given up breaks it for everybody: see "mgrctl barrier wait".
What it hands over belongs to this command, which ends at once: a lock that it
acquired is released.`,
		Args: nargs(1, -1),
		ValidArgsFunction: a.complete(func(ctx context.Context, m *proxy.Manager, args []string, prefix string) ([]string, error) {
			switch len(args) {
			case 0:
				return names(ctx, m, prefix)
			case 1:
				ref, err := a.find(ctx, m, args[0])
				if err != nil {
					return nil, err
				}
				methods, err := ref.Methods(ctx)
				words := make([]string, len(methods))
				for i, m := range methods {
					words[i] = m.Name + "\t" + m.String()
				}
				return words, err
			}
			return nil, nil
		}),
	}
	ch := a.changes(cmd)
	in := a.takesValues(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		for _, arg := range args[min(2, len(args)):] { // before the server is asked
			if _, err := in.parse(arg); err != nil {
				return err
			}
		}
		return a.stream(func(ctx context.Context, m *proxy.Manager, args []string) error {
			bounded, cancel := a.within(ctx)
			defer cancel()
			ref, err := a.find(bounded, m, args[0])
			if err != nil {
				return err
			}
			methods, err := ref.Methods(bounded)
			if err != nil {
				return err
			}
			if len(args) == 1 {
				return a.methods(methods)
			}
			method, err := findMethod(ref, methods, args[1])
			if err != nil {
				return err
			}
			values, err := in.place(method.Params, args[2:])
			if err != nil {
				return err
			}
			if err := attach(bounded, m, values); err != nil {
				return err
			}
			if !method.Reads && ch.skip("call %s of %s %q", method.Name, ref.TypeID(), args[0]) {
				return nil
			}
			result, err := a.waitCall(ctx, ref, args[0], method.Name, "", values)
			if err != nil {
				return misfit(err, method.String())
			}
			return a.value(result)
		})(cmd, args)
	}
	return cmd
}

// call calls a method, which may wait in the server for up to --timeout.
func (a *app) call(ctx context.Context, ref *proxy.Ref, method string, values []value) (value, error) {
	ctx, cancel, wait, bounded := a.patience(ctx)
	defer cancel()
	if !bounded {
		return proxy.Call[value](ctx, ref, method, anys(values)...)
	}
	v, err := proxy.CallTimeout[value](ctx, ref, wait, method, anys(values)...)
	return v, waited(err)
}

// waited gives an error of a call that has waited for --timeout its exit code.
func waited(err error) error {
	if errors.Is(err, proxy.ErrEmpty) || errors.Is(err, proxy.ErrFull) {
		return &failure{err: err, exit: exitTimeout, hint: "--timeout waits longer"}
	}
	return err
}

// builtin are the methods of every object, which are not listed.
var builtin = []proxy.MethodInfo{{Name: "repr", Result: "str", Reads: true}, {Name: "value", Result: "value", Reads: true}, {Name: "describe", Result: "dict", Reads: true}}

func findMethod(ref *proxy.Ref, methods []proxy.MethodInfo, name string) (*proxy.MethodInfo, error) {
	for _, list := range [][]proxy.MethodInfo{methods, builtin} {
		for i := range list {
			if list[i].Name == name {
				return &list[i], nil
			}
		}
	}
	var known []string
	for _, m := range methods {
		known = append(known, m.Name)
	}
	return nil, &failure{
		exit: exitNotFound, code: "not_exposed",
		err:  fmt.Errorf("%s has no exposed method %q", ref.TypeID(), name),
		hint: "it has " + strings.Join(known, ", "),
	}
}

// methods lists methods with their signatures.
func (a *app) methods(methods []proxy.MethodInfo) error {
	rows := a.rows(column{key: "method", head: "METHOD", name: true}, column{key: "signature", head: "SIGNATURE"}, column{key: "changes", head: "CHANGES"})
	for _, m := range methods {
		if err := rows.add(text(m.Name), text(m.String()), mark(!m.Reads)); err != nil {
			return err
		}
	}
	return rows.end()
}
