package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/syncmanager/syncmanager/internal/defaults"
	"github.com/syncmanager/syncmanager/proxy"
)

// app is one run of the program.
type app struct {
	// Fixed at creation.
	stdin          io.Reader
	stdout, stderr io.Writer

	flags  flags
	format string // of the output: one of formats
	object string // the object that the verb works on, for errors
	named  bool   // --context is on the command line
}

// flags are those of every verb.
type flags struct {
	context, address, keyFile, keyName, passphraseFile, output string

	timeout time.Duration
}

const defaultTimeout = 5 * time.Second

func (f *flags) register(set *pflag.FlagSet) {
	set.SortFlags = false
	set.StringVarP(&f.output, "output", "o", "", "`format`: "+strings.Join(formats, ", ")+" (default: table on a terminal, raw elsewhere)")
	f.timeout = defaultTimeout
	set.Var((*secondsFlag)(&f.timeout), "timeout", "how long to wait for an item, a lock, or the server (for that at least 2s); seconds, or 1m30s; 0: without end")
	set.StringVar(&f.context, "context", "", "`name` of the context to use (default: the current one)")
	set.StringVar(&f.address, "address", "", "server's `address`: tcp://host:port, tcp+plain://host:port or unix:///path")
	set.StringVar(&f.keyFile, "authkey-file", "", "`file` that holds the authkey")
	set.StringVar(&f.passphraseFile, "passphrase-file", "", "`file` that holds a passphrase, in place of an authkey")
	set.StringVar(&f.keyName, "key-name", "", "which of the server's keys it is (default \"default\")")
}

// prepare completes and checks the flags of every verb.
func (a *app) prepare(set *pflag.FlagSet) error {
	given := set.Changed
	named := given("context")
	address, key, passphrase, keyName := given("address"), given("authkey-file"), given("passphrase-file"), given("key-name")
	if err := defaults.FromEnvironment(set); err != nil {
		return usage(nil, "%v", err)
	}
	f := &a.flags
	// What the command line says outdoes the environment, also where that says it
	// in another way.
	drop := func(value *string, given, other bool) {
		if !given && (named || other) {
			*value = ""
		}
	}
	drop(&f.address, address, false)
	drop(&f.keyName, keyName, false)
	drop(&f.keyFile, key, passphrase)
	drop(&f.passphraseFile, passphrase, key)
	a.named = named
	if a.flags.timeout < 0 {
		return usage(nil, "--timeout %v: it is 0 or more", a.flags.timeout)
	}
	if a.flags.keyFile != "" && a.flags.passphraseFile != "" {
		return usage(nil, "--authkey-file and --passphrase-file are both set: use one of them")
	}
	a.format = a.flags.output
	if a.format == "" {
		a.format = formatRaw
		if isTerminal(a.stdout) {
			a.format = formatTable
		}
	}
	return checkFormat(a.format)
}

// verb is what a command does on a server.
type verb func(ctx context.Context, m *proxy.Manager, args []string) error

// on returns the RunE of a command that connects and is done within --timeout.
func (a *app) on(v verb) func(*cobra.Command, []string) error {
	return a.onServer(func(ctx context.Context, m *proxy.Manager, args []string) error {
		ctx, cancel := a.within(ctx)
		defer cancel()
		return v(ctx, m, args)
	})
}

// stream returns the RunE of a command that may go on for longer than
// --timeout, as long as the server answers.
func (a *app) stream(v verb) func(*cobra.Command, []string) error { return a.onServer(v) }

func (a *app) onServer(v verb) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		m, err := a.connect(cmd.Context(), proxy.Config{})
		if err != nil {
			return err
		}
		defer m.Close()
		if err := mayDo(cmd, m.Role()); err != nil {
			return err
		}
		return v(cmd.Context(), m, args)
	}
}

// answerTime is what a server needs to answer at the very least: a --timeout
// that is shorter is for waiting in it, and it has this long to say that it is
// over.
const answerTime = 2 * time.Second

// answers returns how long to wait for an answer; 0 is without end.
func (a *app) answers() time.Duration {
	if a.flags.timeout == 0 {
		return 0
	}
	return max(a.flags.timeout, answerTime)
}

// within bounds a context by the time for an answer.
func (a *app) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return withTimeout(ctx, a.answers())
}

// withTimeout is context.WithTimeout to which 0 is without end.
func withTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, d)
}

// patience returns the context of a call that waits in the server for up to
// --timeout, and that timeout; bounded is false if it waits without end.
func (a *app) patience(ctx context.Context) (_ context.Context, _ context.CancelFunc, wait time.Duration, bounded bool) {
	if a.flags.timeout == 0 {
		ctx, cancel := context.WithCancel(ctx)
		return ctx, cancel, 0, false
	}
	ctx, cancel := context.WithTimeout(ctx, a.flags.timeout+answerTime)
	return ctx, cancel, a.flags.timeout, true
}

// objectID reads #ID, an object's number in the listings.
func objectID(name string) (uint64, bool) {
	digits, ok := strings.CutPrefix(name, "#")
	id, err := strconv.ParseUint(digits, 10, 64)
	return id, ok && err == nil
}

// nameOf is what names an object in every verb: its name, or #ID.
func nameOf(o *proxy.ObjectInfo) string {
	if o.Name == "" {
		return fmt.Sprintf("#%d", o.ID)
	}
	return o.Name
}

// find returns the object of a name, a token, or, for admins, of #ID.
func (a *app) find(ctx context.Context, m *proxy.Manager, name string) (*proxy.Ref, error) {
	a.object = name
	if isToken(name) {
		return m.Attach(ctx, name)
	}
	if id, ok := objectID(name); ok {
		r, err := m.LookupID(ctx, id)
		if errors.Is(err, proxy.ErrNotFound) {
			return nil, &failure{err: err, hint: "mgrctl object ls lists all objects"}
		}
		return r, err
	}
	r, err := m.Lookup(ctx, name)
	if errors.Is(err, proxy.ErrNotFound) {
		return nil, &failure{err: err, hint: "mgrctl ls lists the names; mgrctl create NAME TYPEID makes an object"}
	}
	return r, err
}

// isToken reports whether the name has the form of a token,
// typeid@address#ident.
func isToken(name string) bool {
	at := strings.LastIndexByte(name, '#')
	if at < 0 || len(name)-at-1 != 32 || strings.Trim(name[at+1:], "0123456789abcdef") != "" {
		return false
	}
	return strings.IndexByte(name[:at], '@') > 0
}

// say tells a person at a terminal what was done.
func (a *app) say(format string, args ...any) {
	if isTerminal(a.stderr) {
		fmt.Fprintf(a.stderr, format+"\n", args...)
	}
}

// The marks of help.
const (
	changesMark  = " [changes]"
	destroysMark = " [destroys]"
)

// change is what commands that change something have in common.
type change struct {
	app *app
	dry bool
	yes bool
}

// changes marks the command as one that changes something.
func (a *app) changes(cmd *cobra.Command) *change {
	c := &change{app: a}
	cmd.Short += changesMark
	if cmd.Long != "" {
		cmd.Long += "\n\n" + strings.TrimSpace(changesMark)
	}
	cmd.Flags().BoolVar(&c.dry, "dry-run", false, "check, say what would be done, and do nothing")
	return c
}

// destroys marks the command as one that cannot be taken back.
func (a *app) destroys(cmd *cobra.Command) *change {
	c := a.changes(cmd)
	cmd.Short = strings.TrimSuffix(cmd.Short, changesMark) + destroysMark
	if cmd.Long != "" {
		cmd.Long = strings.TrimSuffix(cmd.Long, strings.TrimSpace(changesMark)) + strings.TrimSpace(destroysMark)
	}
	cmd.Flags().BoolVarP(&c.yes, "yes", "y", false, "do not ask")
	return c
}

// needsAdmin marks a command that only admins may run.
func needsAdmin(cmd *cobra.Command) { cmd.Annotations = map[string]string{"role": "admin"} }

// mayDo checks, for --dry-run, whether the role of the key allows the change.
func mayDo(cmd *cobra.Command, role string) error {
	if dry, _ := cmd.Flags().GetBool("dry-run"); !dry || role == "admin" || role == "write" && cmd.Annotations["role"] == "" {
		return nil
	}
	need := "write"
	if cmd.Annotations["role"] != "" {
		need = "admin"
	}
	return &failure{exit: exitDenied, code: "denied", err: fmt.Errorf("%s needs the role %s; this key has %s", verbName(cmd), need, role), hint: "mgrctl ping shows the role of the key in use"}
}

// skip reports whether the change is only to be told; what says it in words,
// such as "remove dict x".
func (c *change) skip(format string, args ...any) bool {
	if c.dry {
		fmt.Fprintf(c.app.stderr, "would "+format+"\n", args...)
	}
	return c.dry
}

// confirm asks before something that cannot be taken back. It returns false if
// it is not to be done, with an error unless that was only asked for.
func (c *change) confirm(format string, args ...any) (bool, error) {
	what := fmt.Sprintf(format, args...)
	switch {
	case c.skip("%s", what):
		return false, nil
	case c.yes:
		return true, nil
	case !isTerminal(c.app.stdin) || !isTerminal(c.app.stderr):
		return false, &failure{exit: exitUsage, code: "usage", err: fmt.Errorf("to %s needs a confirmation", what), hint: "add --yes"}
	}
	fmt.Fprintf(c.app.stderr, "%s%s? [y/N] ", strings.ToUpper(what[:1]), what[1:])
	line, _ := bufio.NewReader(c.app.stdin).ReadString('\n')
	if answer := strings.ToLower(strings.TrimSpace(line)); answer == "y" || answer == "yes" {
		return true, nil
	}
	return false, &failure{code: "aborted", err: errors.New("aborted: nothing was done")}
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
