// Mgrctl looks into a manager server and works on its objects.
//
// It finds managerd's default server by itself; contexts name others.
package main

import (
	"context"
	"io"
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
	// With a handler, a write to a pipe that nobody reads is an error and not
	// the end: what was not written out goes back to its queue.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run runs one command line and returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr}
	cmd := a.command()
	cmd.SetArgs(maskNegative(args))
	cmd.SetIn(stdin)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	err := cmd.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	return a.report(err, args)
}

const about = `Mgrctl looks into a manager server and works on its objects.

Without --address or a context it uses the server that managerd starts without
flags, with that server's authkey.

NAME is an object's name, a token as "show" prints it, or, for admins, #ID with
the ID that "object ls" prints, for objects with and without a name. VALUE and ARG are JSON
if they parse as JSON and strings if not; --string forces a string, and - reads
the value from standard input. KEY is always a string. JSON has no word for some
values; they are objects of one key, in arguments and in the output:

  {"$bytes": "aGk="}           bytes, in base64; {"$bytearray": ...} likewise
  {"$set": [1, 2]}             a set; {"$frozenset": ...} likewise
  {"$tuple": [1, 2]}           a tuple; the output has it as an array
  {"$time": "2026-01-02T..."}  a time; the output has it as a string
  {"$ref": "dict@..."}         an object, by its token
  {"$dict": [[1, "a"]]}        a dict whose keys are not all strings, or whose
                               only key begins with $
  {"$complex": [1.0, 2.0]}     a complex number
  {"$float": "nan"}            nan, inf or -inf
  {"$opaque": {"lang": "python", "data": "..."}}  what only that language reads

Integers of any size are JSON numbers.

Output is a table on a terminal. Elsewhere it is raw: fields with tabs between
them, times as RFC 3339, sizes in bytes, a string as it is, bytes as they are. Where
values stand in lines, each line reads back as that value: a string that would
read as something else is written as JSON.
-o chooses: table, wide, raw, json, jsonl, yaml or name. Data goes to standard
output, all else to standard error. With -o json or jsonl, an error is
{"error": {"code", "message", "object", "retryable"}}.

Each flag can be given as an environment variable: ` + defaults.Prefix + ` and the flag's name
in capitals, e.g. ` + defaults.Prefix + `OUTPUT. ` + defaults.AuthKeyEnv + ` holds the authkey itself.
A flag goes before the environment, and that before the current context. With
--context on the command line, the environment says nothing of server and key.

[changes] marks verbs that change something; --dry-run says what they would do.
[destroys] marks those that cannot be taken back: they ask on a terminal, and
need --yes elsewhere.

Exit codes: 0 ok, 1 error, 2 usage, 3 not found, 4 conflict, 5 timeout,
6 denied, 7 unreachable.`

func (a *app) command() *cobra.Command {
	cmd := &cobra.Command{
		Use:                "mgrctl",
		Short:              "Look into a manager server and work on its objects",
		Long:               about,
		Version:            buildVersion(),
		SilenceUsage:       true,
		SilenceErrors:      true,
		Args:               unknownVerb,
		RunE:               missingVerb,
		DisableSuggestions: true, // unknownVerb makes them
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return a.prepare(cmd.Flags())
		},
	}
	cmd.SetVersionTemplate("mgrctl {{.Version}}\n")
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		err = usage(cmd, "%v", err)
		if strings.Contains(err.Error(), "shorthand flag: '") {
			err.(*failure).hint = "put -- before arguments that begin with -"
		}
		return err
	})
	a.flags.register(cmd.PersistentFlags())
	must(cmd.RegisterFlagCompletionFunc("output", words(formats...)))
	must(cmd.RegisterFlagCompletionFunc("context", a.completeContexts))
	cmd.AddGroup(
		&cobra.Group{ID: groupServer, Title: "Server:"},
		&cobra.Group{ID: groupObjects, Title: "Objects of any type:"},
		&cobra.Group{ID: groupTypes, Title: "Objects by type:"},
		&cobra.Group{ID: groupLocal, Title: "This machine:"},
	)
	cmd.SetHelpCommandGroupID(groupLocal)
	cmd.SetCompletionCommandGroupID(groupLocal)
	add := func(group string, subs ...*cobra.Command) {
		for _, c := range subs {
			c.GroupID = group
			cmd.AddCommand(c)
		}
	}
	add(groupServer, a.pingCommand(), a.infoCommand(), a.clientCommand(), a.shutdownCommand())
	add(groupObjects, a.lsCommand(), a.showCommand(), a.createCommand(), a.rmCommand(), a.callCommand(), a.objectCommand(), a.typesCommand())
	add(groupTypes, a.dictCommand(), a.listCommand(), a.setCommand(), a.queueCommand(), a.lockCommand(), a.eventCommand(), a.barrierCommand())
	add(groupLocal, a.contextCommand(), a.keygenCommand(), a.snapshotCommand(), a.journalCommand(), versionCommand())
	cmd.InitDefaultHelpCmd()
	for _, c := range cmd.Commands() {
		if c.Name() == "help" {
			c.Args = helpTopic
		}
	}
	document(cmd)
	unmask(cmd)
	return cmd
}

func versionCommand() *cobra.Command {
	return &cobra.Command{Use: "version", Short: "Print the version of this program", Args: nargs(0, 0), Run: func(cmd *cobra.Command, _ []string) {
		cmd.Printf("mgrctl %s\n", buildVersion())
	}}
}

// helpTopic checks that what help is asked about exists.
func helpTopic(cmd *cobra.Command, args []string) error {
	topic, rest, err := cmd.Root().Find(args)
	if err == nil && topic.HasAvailableSubCommands() {
		err = unknownVerb(topic, rest)
	}
	return err
}

const (
	groupServer  = "server"
	groupObjects = "objects"
	groupTypes   = "types"
	groupLocal   = "local"
)

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

// must is for what only a mistake in this program makes fail.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
