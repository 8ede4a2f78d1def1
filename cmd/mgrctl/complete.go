package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/syncmanager/syncmanager/internal/defaults"
	"github.com/syncmanager/syncmanager/proxy"
)

// completion returns what the next argument may be.
type completion = func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective)

// words completes from a fixed list.
func words(list ...string) completion {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return list, cobra.ShellCompDirectiveNoFileComp
	}
}

// completionTime bounds what a person at a shell waits for.
const completionTime = time.Second

// complete completes by asking the server. Without an answer there is nothing to
// choose from.
func (a *app) complete(ask func(ctx context.Context, m *proxy.Manager, args []string, prefix string) ([]string, error)) completion {
	return func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		const none = cobra.ShellCompDirectiveNoFileComp
		if defaults.FromEnvironment(cmd.Flags()) != nil {
			return nil, none
		}
		ctx, cancel := withTimeout(cmd.Context(), completionTime)
		defer cancel()
		m, err := a.connect(ctx, proxy.Config{})
		if err != nil {
			return nil, none
		}
		defer m.Close()
		list, err := ask(ctx, m, args, prefix)
		if err != nil {
			return nil, none
		}
		return slices.DeleteFunc(list, func(s string) bool { return !strings.HasPrefix(s, prefix) }), none
	}
}

// names returns up to 1000 names that begin with the prefix.
func names(ctx context.Context, m *proxy.Manager, prefix string, typeids ...string) ([]string, error) {
	page, err := m.NamesPage(ctx, proxy.NamesQuery{Prefix: prefix, Limit: 1000, Types: typeids})
	var list []string
	for _, o := range page.Rows {
		list = append(list, o.Name)
	}
	return list, err
}

// completeNames completes the first argument with names of objects of those
// types, of all if none is given.
func (a *app) completeNames(typeids ...string) completion {
	return a.complete(func(ctx context.Context, m *proxy.Manager, args []string, prefix string) ([]string, error) {
		if len(args) > 0 {
			return nil, nil
		}
		return names(ctx, m, prefix, typeids...)
	})
}

func (a *app) completeContexts(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	const none = cobra.ShellCompDirectiveNoFileComp
	f, err := loadContexts()
	if err != nil || len(args) > 0 {
		return nil, none
	}
	list := make([]string, len(f.Contexts))
	for i, c := range f.Contexts {
		list[i] = c.Name + "\t" + c.Address
	}
	return list, none
}
