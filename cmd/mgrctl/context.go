package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

func (a *app) contextCommand() *cobra.Command {
	cmd := group("context", "Servers by name, with their keys",
		a.contextAddCommand(), a.contextLsCommand(), a.contextUseCommand(), a.contextRmCommand())
	cmd.Long = `Contexts are servers by name, each with where its authkey lies.

They are kept in syncmanager/contexts.yaml in the user's directory for
configuration. Without a current one, the default server of managerd is used.`
	return cmd
}

func (a *app) contextAddCommand() *cobra.Command {
	var replace, use bool
	cmd := &cobra.Command{
		Use:   "add NAME --address ADDRESS [--authkey-file FILE | --passphrase-file FILE] [--key-name NAME]",
		Short: "Add a context",
		Args:  nargs(1, 1),
	}
	ch := a.changes(cmd)
	cmd.Flags().BoolVar(&replace, "replace", false, "replace a context of that name")
	cmd.Flags().BoolVar(&use, "use", false, "make it the current one")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c := contextEntry{Name: args[0], Address: a.flags.address, KeyName: a.flags.keyName}
		a.object = c.Name
		if c.Name == "" || strings.ContainsAny(c.Name, " \t\r\n") {
			return usage(cmd, "context %q: a name has no spaces and is not empty", c.Name)
		}
		if c.Address == "" {
			return usage(cmd, "context %q needs an --address", c.Name)
		}
		if err := checkAddress(c.Address); err != nil {
			return usage(cmd, "context %q: %v", c.Name, err)
		}
		var err error
		if c.AuthKeyFile, err = absolute(a.flags.keyFile); err != nil {
			return err
		}
		if c.PassphraseFile, err = absolute(a.flags.passphraseFile); err != nil {
			return err
		}
		f, err := loadContexts()
		if err != nil {
			return err
		}
		i := f.index(c.Name)
		switch {
		case i >= 0 && !replace:
			return &failure{exit: exitConflict, code: "exists", err: fmt.Errorf("context %q exists", c.Name), hint: "--replace replaces it"}
		case i >= 0:
			f.Contexts[i] = c
		default:
			f.Contexts = append(f.Contexts, c)
			slices.SortFunc(f.Contexts, func(a, b contextEntry) int { return strings.Compare(a.Name, b.Name) })
		}
		if use {
			f.Current = c.Name
		}
		if ch.skip("add context %q for %s", c.Name, c.Address) {
			return nil
		}
		return f.save()
	}
	return cmd
}

// absolute returns the path as it is seen from everywhere.
func absolute(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	return filepath.Abs(path)
}

func (a *app) contextLsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "ls",
		Short: "List the contexts",
		Args:  nargs(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := loadContexts()
			if err != nil {
				return err
			}
			rows := a.rows(
				column{key: "current", head: "CURRENT"}, column{key: "name", head: "NAME", name: true}, column{key: "address", head: "ADDRESS"},
				column{key: "authkey_file", head: "AUTHKEY FILE"}, column{key: "passphrase_file", head: "PASSPHRASE FILE", wide: true},
				column{key: "key_name", head: "KEY NAME", wide: true},
			)
			for _, c := range f.Contexts {
				if err := rows.add(mark(c.Name == f.Current), text(c.Name), text(c.Address), text(c.AuthKeyFile), text(c.PassphraseFile), text(c.KeyName)); err != nil {
					return err
				}
			}
			return rows.end()
		},
	}
}

func (a *app) contextUseCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "use NAME",
		Short: "Make a context the current one",
		Long: `Use makes a context the current one: verbs without --context and --address go to
its server. With an empty name there is none, and they go to the default server.`,
		Args:              nargs(1, 1),
		ValidArgsFunction: a.completeContexts,
	}
	ch := a.changes(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		a.object = args[0]
		f, err := loadContexts()
		if err != nil {
			return err
		}
		if args[0] != "" {
			if _, err := f.find(args[0]); err != nil {
				return err
			}
		}
		if ch.skip("use context %q", args[0]) {
			return nil
		}
		f.Current = args[0]
		return f.save()
	}
	return cmd
}

func (a *app) contextRmCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "rm NAME",
		Short:             "Remove a context; its server and key file stay",
		Args:              nargs(1, 1),
		ValidArgsFunction: a.completeContexts,
	}
	ch := a.changes(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		a.object = args[0]
		f, err := loadContexts()
		if err != nil {
			return err
		}
		if _, err := f.find(args[0]); err != nil {
			return err
		}
		if ch.skip("remove context %q", args[0]) {
			return nil
		}
		i := f.index(args[0])
		f.Contexts = slices.Delete(f.Contexts, i, i+1)
		if f.Current == args[0] {
			f.Current = ""
		}
		return f.save()
	}
	return cmd
}
