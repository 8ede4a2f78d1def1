package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/syncmanager/syncmanager/internal/defaults"
	"github.com/syncmanager/syncmanager/proxy"
)

// The exit codes.
const (
	exitOK          = 0
	exitError       = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitConflict    = 4
	exitTimeout     = 5
	exitDenied      = 6
	exitUnreachable = 7
)

// failure is an error that says more than its text. What is empty is found out
// from err.
type failure struct {
	err   error  // what is printed
	cause error  // the error behind it, if err does not wrap it
	exit  int    // the exit code
	code  string // the error's name in JSON
	hint  string // what to do about it
}

func (f *failure) Error() string { return f.err.Error() }

func (f *failure) Unwrap() []error {
	if f.cause == nil {
		return []error{f.err}
	}
	return []error{f.err, f.cause}
}

// usage returns the error of a wrong command line.
func usage(cmd *cobra.Command, format string, args ...any) error {
	f := &failure{exit: exitUsage, code: "usage", err: fmt.Errorf(format, args...), hint: "mgrctl --help"}
	if cmd != nil {
		f.hint = cmd.CommandPath() + " --help"
		if cmd.HasParent() && !cmd.HasAvailableSubCommands() {
			f.hint = "usage: " + cmd.UseLine()
		}
	}
	return f
}

// nargs checks the number of arguments; most below 0 is any number.
func nargs(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch n := len(args); {
		case n < least:
			return usage(cmd, "%s: too few arguments", verbName(cmd))
		case most >= 0 && n > most:
			return usage(cmd, "%s: surplus argument %q", verbName(cmd), args[most])
		}
		return nil
	}
}

// verbName is the command as errors name it, without the program.
func verbName(cmd *cobra.Command) string {
	if !cmd.HasParent() {
		return "mgrctl"
	}
	return strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")
}

// group returns a command that only has verbs below it.
func group(use, short string, verbs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: unknownVerb, RunE: missingVerb, DisableSuggestions: true}
	cmd.AddCommand(verbs...)
	return cmd
}

func unknownVerb(cmd *cobra.Command, args []string) error {
	if len(args) == 0 || args[0] == "help" {
		return nil
	}
	err := usage(cmd, "%s has no verb %q", verbName(cmd), args[0])
	cmd.SuggestionsMinimumDistance = 2
	var there []string // the same word elsewhere: get, of dict, list and queue
	for _, g := range cmd.Root().Commands() {
		for _, c := range g.Commands() {
			if c.Name() == args[0] || c.HasAlias(args[0]) {
				there = append(there, verbName(c))
			}
		}
	}
	if len(there) == 0 {
		there = cmd.SuggestionsFor(args[0])
	}
	if len(there) > 0 {
		err.(*failure).hint = "did you mean " + strings.Join(there, " or ") + "?"
	}
	return err
}

// missingVerb shows the help of a command that only has verbs below it.
func missingVerb(cmd *cobra.Command, _ []string) error { return cmd.Help() }

// unreachable is the error of a server that cannot be connected to.
type unreachable struct {
	address string
	err     error
}

// Error names the address once.
func (u *unreachable) Error() string {
	why := strings.TrimPrefix(oneLine(u.err.Error()), "proxy: ")
	why = strings.TrimPrefix(why, "connect to "+u.address+": ")
	return fmt.Sprintf("cannot reach %s: %s", u.address, why)
}

func (u *unreachable) Unwrap() error { return u.err }

// kinds says, for each error of the server or the client, how the program ends
// and what to do about it. The first that matches counts.
var kinds = []struct {
	err  error
	exit int
	code string // "": the name that the error has on the wire
	hint string
}{
	{proxy.ErrAuthentication, exitDenied, "authentication", "--authkey-file, " + defaults.AuthKeyEnv + " or a context must give the server's key, --key-name its name"},
	{proxy.ErrDenied, exitDenied, "", "mgrctl ping shows the role of the key in use"},
	{proxy.ErrNotFound, exitNotFound, "", "mgrctl ls lists the names"},
	{proxy.ErrUnknownType, exitNotFound, "", "mgrctl types lists the typeids"},
	{proxy.ErrNotExposed, exitNotFound, "", "mgrctl call NAME lists the methods"},
	{proxy.ErrKey, exitNotFound, "", ""},
	{proxy.ErrIndex, exitNotFound, "", ""},
	{proxy.ErrAttribute, exitNotFound, "", ""},
	{proxy.ErrUnknownObject, exitNotFound, "", "the object lives no more; mgrctl object ls lists those that do"},
	{proxy.ErrEmpty, exitNotFound, "", ""},
	{proxy.ErrRemoved, exitNotFound, "", ""},
	{proxy.ErrExists, exitConflict, "", ""},
	{proxy.ErrFull, exitConflict, "", ""},
	{proxy.ErrShutDown, exitConflict, "", ""},
	{proxy.ErrChanged, exitConflict, "", ""},
	{proxy.ErrNotHeld, exitConflict, "", ""},
	{proxy.ErrLockLost, exitConflict, "", ""},
	{proxy.ErrDeadlock, exitConflict, "", ""},
	{proxy.ErrBrokenBarrier, exitConflict, "", ""},
	{proxy.ErrTimeout, exitTimeout, "", ""},
	{proxy.ErrUnavailable, exitUnreachable, "", ""},
	{proxy.ErrSessionExpired, exitUnreachable, "", ""},
	{proxy.ErrShuttingDown, exitUnreachable, "", "the server is ending; try again later"},
	{context.DeadlineExceeded, exitTimeout, "timeout", "--timeout waits longer"},
	{context.Canceled, exitError, "interrupted", ""},
}

// classify completes what is known of an error.
func classify(err error) failure {
	f := failure{err: err, exit: exitError, code: "error"}
	var remote *proxy.RemoteError
	if errors.As(err, &remote) {
		f.code = remote.Code.String()
	}
	var lost *unreachable
	if errors.As(err, &lost) {
		f.exit, f.code = exitUnreachable, "unreachable"
	}
	for _, k := range kinds {
		// What went wrong while connecting is unreachable, but for a refusal.
		if !errors.Is(err, k.err) || lost != nil && k.exit != exitDenied {
			continue
		}
		f.exit, f.hint = k.exit, k.hint
		if k.code != "" {
			f.code = k.code
		}
		break
	}
	var known *failure
	if errors.As(err, &known) {
		if known.exit != 0 {
			f.exit = known.exit
		}
		if known.code != "" {
			f.code = known.code
		}
		if known.hint != "" {
			f.hint = known.hint
		}
	}
	return f
}

// report prints the error and returns the exit code.
func (a *app) report(err error, args []string) int {
	var ended *exec.ExitError
	if errors.As(err, &ended) && ended.ExitCode() > 0 {
		return ended.ExitCode() // of the program that lock run ran, which has said why
	}
	if ended != nil {
		if status, ok := ended.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return 128 + int(status.Signal()) // as shells say it
		}
	}
	if errors.Is(err, syscall.EPIPE) {
		return exitError // the reader of the output has seen enough
	}
	f := classify(err)
	format := a.format
	if format == "" {
		format = wantedFormat(args) // the flags could not be parsed
	}
	message := oneLine(err.Error())
	if format == formatJSON || format == formatJSONL {
		var e struct {
			Error struct {
				Code      string `json:"code"`
				Message   string `json:"message"`
				Object    string `json:"object"`
				Retryable bool   `json:"retryable"`
			} `json:"error"`
		}
		e.Error.Code, e.Error.Message, e.Error.Object = f.code, message, a.object
		e.Error.Retryable = proxy.SafeToRetry(err) || f.exit == exitUnreachable && f.code == "unreachable"
		enc := json.NewEncoder(a.stderr)
		enc.SetEscapeHTML(false)
		_ = enc.Encode(e) // there is nobody else to tell
		return f.exit
	}
	fmt.Fprintln(a.stderr, "mgrctl:", message)
	if f.hint != "" {
		fmt.Fprintln(a.stderr, "hint:", f.hint)
	}
	return f.exit
}

// wantedFormat finds --output in a command line that does not parse.
func wantedFormat(args []string) string {
	for i, arg := range args {
		switch {
		case arg == "--":
			return ""
		case (arg == "-o" || arg == "--output") && i+1 < len(args):
			return args[i+1]
		case strings.HasPrefix(arg, "--output="):
			return strings.TrimPrefix(arg, "--output=")
		case strings.HasPrefix(arg, "-o") && len(arg) > 2:
			return strings.TrimPrefix(strings.TrimPrefix(arg, "-o"), "=")
		}
	}
	return os.Getenv(defaults.Prefix + "OUTPUT")
}

// oneLine puts a text on one line.
func oneLine(s string) string {
	return strings.NewReplacer("\r\n", " ", "\n", " ", "\r", " ").Replace(strings.TrimSpace(s))
}

// count says how many there are of something.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
