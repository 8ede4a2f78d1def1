// Managerd is the manager server.
//
// Without flags it makes an authkey, listens on a socket in the user's runtime
// directory and on loopback TCP, and says how to connect.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/syncmanager/syncmanager/internal/defaults"
)

// version is set by the linker for a release.
var version = ""

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal ends the server in good order; a second one, at once.
	context.AfterFunc(ctx, stop)
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "managerd:", err)
		os.Exit(1)
	}
}

func command() *cobra.Command {
	var (
		file  string
		check bool
		flags = new(Config)
	)
	cmd := &cobra.Command{
		Use:   "managerd",
		Short: "Serve shared objects to programs on other machines",
		Long: `Managerd holds shared objects (dict, list, Queue, Lock, ...) that programs on
other machines call through proxies.

Without flags it makes an authkey if there is none, listens on a socket in the
user's runtime directory and on ` + defaults.TCPAddress + `, and says how to connect.

Each flag can be given as an environment variable: ` + defaults.Prefix + ` and the flag's name
in capitals, e.g. ` + defaults.Prefix + `LISTEN (several addresses with commas between them).
` + defaults.AuthKeyEnv + ` holds the authkey itself. A flag goes before the environment,
and that before the configuration file.`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       buildVersion(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := fromEnvironment(cmd.Flags()); err != nil {
				return err
			}
			config, err := load(file, flags, cmd.Flags())
			if err != nil {
				return err
			}
			if check {
				if err := config.rehearse(cmd.Context()); err != nil {
					return err
				}
				fmt.Fprintln(cmd.OutOrStdout(), "the configuration is fine")
				return nil
			}
			config.again = func() (*Config, error) {
				next, err := load(file, flags, cmd.Flags())
				if err == nil {
					next.keysExist = true
				}
				return next, err
			}
			return run(cmd.Context(), config, cmd.ErrOrStderr())
		},
	}
	cmd.SetVersionTemplate("managerd {{.Version}}\n")
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&file, "config", "", "configuration `file` (YAML)")
	f.BoolVar(&check, "check-config", false, "read the configuration, say what is wrong with it, and end")
	flags.register(f)
	return cmd
}

// fromEnvironment sets the flags that were not given from their variables.
func fromEnvironment(f *pflag.FlagSet) error {
	var err error
	f.VisitAll(func(flag *pflag.Flag) {
		name := defaults.Prefix + strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))
		value, ok := os.LookupEnv(name)
		if !ok || flag.Changed || err != nil || flag.Name == "help" || flag.Name == "version" {
			return
		}
		if e := f.Set(flag.Name, value); e != nil {
			err = fmt.Errorf("%s=%q: %w", name, value, e)
		}
	})
	return err
}

// buildVersion returns the version that the program was built as.
func buildVersion() string {
	if version != "" {
		return version
	}
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" {
		return b.Main.Version
	}
	return "(devel)"
}
