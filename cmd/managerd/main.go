// Managerd is the manager server.
//
// Without flags it makes an authkey, listens on a socket in the user's runtime
// directory and on loopback TCP, and says how to connect.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/syncmanager/syncmanager/internal/defaults"
)

// version is set by the linker for a release.
var version = ""

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal ends the server in good order; a second one, at once.
	context.AfterFunc(ctx, stop)
	if err := command().ExecuteContext(ctx); err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") { // a mistake of the configuration each
			fmt.Fprintln(os.Stderr, "managerd:", line)
		}
		os.Exit(exitCode(err))
	}
}

// The exit codes of a failure.
const (
	exitError = 1
	exitUsage = 2 // of flags, environment or configuration: starting again does not help
)

// usageError is what is wrong with the flags, the environment or the
// configuration.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// usage marks an error, if it is one, as a usageError.
func usage(err error) error {
	if err == nil {
		return nil
	}
	return usageError{err}
}

// exitCode returns how the program ends after the error.
func exitCode(err error) int {
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	return exitError
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
in capitals, e.g. ` + defaults.Prefix + `LISTEN. For a flag that may be repeated it
holds a list, with commas or line breaks between the entries; those inside
brackets or quotes belong to the entry:
` + defaults.Prefix + `CREATE='jobs=Queue:[100],config=dict'.
` + defaults.AuthKeyEnv + ` holds the authkey itself. A flag goes before the environment,
and that before the configuration file.

Exit codes: 0 ok, 1 error, 2 wrong flags, environment or configuration.`,
		Args:          func(cmd *cobra.Command, args []string) error { return usage(cobra.NoArgs(cmd, args)) },
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       buildVersion(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := defaults.FromEnvironment(cmd.Flags()); err != nil {
				return usage(err)
			}
			config, err := load(file, flags, cmd.Flags())
			if check && config != nil {
				config.rehearse(cmd.Context())
				err = config.source.err()
			}
			if err != nil {
				return usage(err)
			}
			if check {
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
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage(err) })
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&file, "config", "", "configuration `file` (YAML)")
	f.BoolVar(&check, "check-config", false, "read the configuration, say what is wrong with it, and end")
	flags.register(f)
	return cmd
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
