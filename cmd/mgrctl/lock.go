package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/syncmanager/syncmanager/internal/defaults"
	"github.com/syncmanager/syncmanager/proxy"
)

var lockTypes = []string{"Lock", "RLock", "Semaphore", "BoundedSemaphore"}

func (a *app) lockCommand() *cobra.Command {
	cmd := group("lock", "Work on a lock or a semaphore",
		a.lockRunCommand(), a.lockLsCommand(), a.lockInfoCommand(), a.lockAcquireCommand(), a.lockReleaseCommand())
	cmd.Long = `Locks are Lock, RLock, and the permits of Semaphore and BoundedSemaphore. A hold
of one has a fencing token: a number above that of every hold before.`
	return cmd
}

// openLock returns the lock. With create, a name that is not taken becomes a Lock.
func (a *app) openLock(ctx context.Context, m *proxy.Manager, name string, create bool) (*proxy.Ref, error) {
	ref, err := a.findTyped(ctx, m, name, lockTypes...)
	if errors.Is(err, proxy.ErrNotFound) && !create {
		return nil, &failure{err: fmt.Errorf("there is no lock %q", name), cause: err, code: "not_found", hint: "mgrctl lock ls lists the locks; --create makes a Lock of that name"}
	}
	if errors.Is(err, proxy.ErrNotFound) {
		bounded, cancel := a.within(ctx)
		defer cancel()
		return m.Open(bounded, name, "Lock")
	}
	return ref, err
}

// acquirer takes a lock, or a permit.
type acquirer interface {
	Acquire(ctx context.Context) (*proxy.Hold, error)
	AcquireTimeout(ctx context.Context, d time.Duration) (*proxy.Hold, error)
}

// rlock is an RLock of the program as its owner.
type rlock struct{ *proxy.RLock }

func (l rlock) Acquire(ctx context.Context) (*proxy.Hold, error) {
	return l.RLock.Acquire(ctx, proxy.Owner{})
}

func (l rlock) AcquireTimeout(ctx context.Context, d time.Duration) (*proxy.Hold, error) {
	return l.RLock.AcquireTimeout(ctx, proxy.Owner{}, d)
}

// acquire waits for the lock for up to --timeout and takes it.
func (a *app) acquire(ctx context.Context, ref *proxy.Ref, name string) (*proxy.Hold, error) {
	var l acquirer
	var err error
	switch ref.TypeID() {
	case "Lock":
		l, err = proxy.As[proxy.Lock](ref)
	case "RLock":
		r, e := proxy.As[proxy.RLock](ref)
		l, err = rlock{r}, e
	case "Semaphore":
		l, err = proxy.As[proxy.Semaphore](ref)
	default:
		l, err = proxy.As[proxy.BoundedSemaphore](ref)
	}
	if err != nil {
		return nil, err
	}
	ctx, cancel, wait, bounded := a.patience(ctx)
	defer cancel()
	if !bounded {
		return l.Acquire(ctx)
	}
	h, err := l.AcquireTimeout(ctx, wait)
	if errors.Is(err, proxy.ErrTimeout) {
		return nil, &failure{
			err: fmt.Errorf("%s %q: not to be had within %v", ref.TypeID(), name, wait), cause: err,
			hint: "mgrctl lock info " + name + " says who has it; --timeout waits longer",
		}
	}
	return h, err
}

func (a *app) lockRunCommand() *cobra.Command {
	var (
		create bool
		fail   int
	)
	cmd := &cobra.Command{
		Use:   "run NAME -- CMD [ARG...]",
		Short: "Run a command while holding a lock",
		Long: `Run waits for the lock for up to --timeout, runs the command, and releases the
lock. The exit code is the command's; when the lock is not to be had, or lost, it is
one of mgrctl's, or that of --fail-code, which tells it from the command's own. A name
that is not taken is an error; with --create it becomes a Lock.

The command finds the fencing token in ` + tokenEnv + `. If the hold is
lost while it runs, because the server was out of reach for too long or somebody
released the lock, the command gets SIGTERM, and is killed 5 s later.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if cmd.ArgsLenAtDash() != 1 || len(args) < 2 {
				return usage(cmd, "%s takes a name, --, and a command", verbName(cmd))
			}
			return nil
		},
		ValidArgsFunction: a.completeNames(lockTypes...),
	}
	ch := a.changes(cmd)
	cmd.Flags().BoolVar(&create, "create", false, "make a Lock if there is no lock of that name")
	cmd.Flags().IntVar(&fail, "fail-code", 0, "exit `code` when the command did not run, or was stopped: 1 to 255")
	run := a.stream(func(ctx context.Context, m *proxy.Manager, args []string) error {
		name := args[0]
		a.object = name
		path, err := exec.LookPath(args[1])
		if err != nil {
			return err
		}
		if ch.dry {
			return a.rehearse(ctx, ch, m, name, create, fmt.Sprintf("run %q while holding %q", path, name))
		}
		ref, err := a.openLock(ctx, m, name, create)
		if err != nil {
			return err
		}
		hold, err := a.acquire(ctx, ref, name)
		if err != nil {
			return err
		}
		err = a.runHolding(hold, path, args[1:])
		bounded, cancel := a.within(context.WithoutCancel(ctx))
		defer cancel()
		if e := hold.Release(bounded); err == nil && e != nil {
			err = fmt.Errorf("releasing the lock: %w", e)
		}
		return err
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if fail < 0 || fail > 255 {
			return usage(cmd, "--fail-code %d: it lies between 1 and 255", fail)
		}
		err := run(cmd, args)
		if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended && fail != 0 {
			f := classify(err)
			f.cause, f.exit = err, fail
			return &f
		}
		return err
	}
	return cmd
}

// rehearse is --dry-run of what takes a lock: it checks that there is one, and says
// who has it.
func (a *app) rehearse(ctx context.Context, ch *change, m *proxy.Manager, name string, create bool, what string) error {
	ref, err := a.findTyped(ctx, m, name, lockTypes...)
	if errors.Is(err, proxy.ErrNotFound) && create {
		ch.skip("create Lock %q, and %s", name, what)
		return nil
	}
	if err != nil {
		return err
	}
	bounded, cancel := a.within(ctx)
	defer cancel()
	s, err := lockState(bounded, ref)
	if err != nil {
		return err
	}
	if s.locked && len(s.holders) > 0 {
		what = fmt.Sprintf("wait for %s, and %s", holderName(&s.holders[0], len(s.holders), nil), what)
	}
	ch.skip("%s", what)
	return nil
}

// tokenEnv is where the command of lock run finds the fencing token.
const tokenEnv = defaults.Prefix + "FENCING_TOKEN"

// killAfter is how long a command may take to end whose hold was lost.
const killAfter = 5 * time.Second

// runHolding runs the command and passes signals on to it.
func (a *app) runHolding(hold *proxy.Hold, path string, argv []string) error {
	// Signals end the command, and by that us: the lock is released after it.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	cmd := exec.CommandContext(hold.Context(), path, argv[1:]...)
	cmd.Args = argv
	cmd.Stdin, cmd.Stdout, cmd.Stderr = a.stdin, a.stdout, a.stderr
	cmd.Env = append(os.Environ(), tokenEnv+"="+strconv.FormatUint(hold.Token(), 10))
	cmd.Cancel = func() error {
		if err := cmd.Process.Signal(syscall.SIGTERM); err == nil || errors.Is(err, os.ErrProcessDone) {
			return err
		}
		return cmd.Process.Kill() // where there is no such signal
	}
	cmd.WaitDelay = killAfter
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	defer close(done)
	go func() {
		for {
			select {
			case <-done:
				return
			case s := <-signals:
				// A terminal has sent its interrupt to the command as well.
				if s != os.Interrupt || !isTerminal(a.stdin) {
					_ = cmd.Process.Signal(s) // it may have ended
				}
			}
		}
	}()
	err := cmd.Wait()
	if lost := hold.Err(); lost != nil {
		return &failure{err: fmt.Errorf("lock %q was lost, and the command was stopped", a.object), cause: lost}
	}
	return err
}

func (a *app) lockLsCommand() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "ls [PATTERN]",
		Short: "List the named locks and who has them",
		Long: `List the named locks, who has them since when, and how many calls wait for them.

CYCLE marks locks that may be part of a deadlock: "suspected: client 3 -> b ->
client 4 -> a" says that client 3 waits for b, which client 4 has, who waits for a,
which client 3 has. It is a suspicion, since anybody may release a Lock or a
semaphore, and since the threads of a client are told apart by their owners alone:
if SINCE shows the holds to be old it is most likely a deadlock, if not it may be a
moment's coincidence. A semaphore counts if all who have its permits are stuck. Conditions
count as well, though they have no rows. Cycles through locks
without a name are not looked for, and of the calls that wait for one lock only the first 1000. For cycles it needs the
role admin.

HOLDER is the program, host and process; of a Python program the thread and the peer,
which is told to the role admin.`,
		Args: nargs(0, 1),
	}
	cmd.RunE = a.stream(func(ctx context.Context, m *proxy.Manager, args []string) error {
		rows := a.rows(
			column{key: "name", head: "NAME", name: true}, column{key: "typeid", head: "TYPE"}, column{key: "locked", head: "LOCKED"}, column{key: "holder", head: "HOLDER"},
			column{key: "since", head: "SINCE"}, column{key: "waiting", head: "WAITING"}, column{key: "token", head: "TOKEN"}, column{key: "session", head: "SESSION", wide: true},
			column{key: "cycle", head: "CYCLE"}, column{key: "id", head: "ID", wide: true},
		)
		cycles, err := a.cycles(ctx, m)
		if err != nil {
			return err
		}
		python, err := a.pythonOwners(ctx, m)
		if err != nil {
			return err
		}
		err = a.eachObject(ctx, m, choice{pattern: strings.Join(args, ""), types: lockTypes, all: all, state: true}, func(o *proxy.ObjectInfo) error {
			s := o.State
			if s == nil {
				s = new(proxy.ObjectState)
			}
			locked := s.Held > 0
			if s.Permits != nil {
				locked = *s.Permits == 0
			}
			cells := []cell{text(nameOf(o)), text(o.TypeID), boolean(locked), none, none, number(o.Waiting), none, none, none, ident(o.ID)}
			if len(s.Holders) > 0 {
				h := &s.Holders[0]
				cells[3], cells[4], cells[6], cells[7] = text(holderName(h, int(s.Held), python)), instant(time.Unix(0, h.Since)), ident(h.Token), ident(h.Session)
			}
			for i := range s.Holders {
				if words := cycles[s.Holders[i].Token]; words != "" {
					cells[8] = text(words)
					break
				}
			}
			return rows.add(cells...)
		})
		if err != nil {
			return err
		}
		return rows.end()
	})
	cmd.Flags().BoolVar(&all, "all", false, allUsage)
	return cmd
}

// pythonOwners returns the connections of Python programs by their numbers, which are
// the owners of what their threads hold. Others than admins get none.
func (a *app) pythonOwners(ctx context.Context, m *proxy.Manager) (map[uint64]*proxy.ConnectionInfo, error) {
	if m.Role() != "admin" {
		return nil, nil
	}
	list, err := a.pythonConnections(ctx, m)
	owners := make(map[uint64]*proxy.ConnectionInfo, len(list))
	for _, c := range list {
		owners[c.ID] = c
	}
	return owners, err
}

// holderName says who holds a lock, and how many more hold permits.
func holderName(h *proxy.LockInfo, n int, python map[uint64]*proxy.ConnectionInfo) string {
	s := fmt.Sprintf("%s@%s:%d", h.Program, h.Host, h.PID)
	if c := python[h.Owner]; c != nil && c.Session == h.Session {
		s = fmt.Sprintf("client %s, Python %s from %s", clientID(c), orDash(c.Thread), orDash(c.Remote))
		if c.PID != 0 {
			s += fmt.Sprintf(" pid %d", c.PID)
		}
		if !c.Connected {
			s += ", which is gone"
		}
	}
	if n > 1 {
		s += fmt.Sprintf(" and %d more", n-1)
	}
	return s
}

// state is what there is to know of a lock.
type state struct {
	locked  bool
	permits *int64 // that are left
	waiting *int64
	holders []proxy.LockInfo // the oldest first, up to 1000
}

func lockState(ctx context.Context, ref *proxy.Ref) (*state, error) {
	s := new(state)
	if ref.TypeID() == "Lock" || ref.TypeID() == "RLock" {
		h, err := proxy.Call[*proxy.LockInfo](ctx, ref, "holder")
		if h != nil {
			s.locked, s.waiting, s.holders = true, &h.Waiting, []proxy.LockInfo{*h}
		}
		return s, err
	}
	var left, waiting int64
	var err error
	if left, err = proxy.Call[int64](ctx, ref, "get_value"); err != nil {
		return nil, err
	}
	if waiting, err = proxy.Call[int64](ctx, ref, "waiting"); err != nil {
		return nil, err
	}
	s.locked, s.permits, s.waiting = left == 0, &left, &waiting
	s.holders, err = proxy.Call[[]proxy.LockInfo](ctx, ref, "holders")
	return s, err
}

func (a *app) lockInfoCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "info NAME",
		Short:             "Show who has a lock, from where, since when, and how many wait",
		Args:              nargs(1, 1),
		ValidArgsFunction: a.completeNames(lockTypes...),
		RunE: a.on(func(ctx context.Context, m *proxy.Manager, args []string) error {
			ref, err := a.findTyped(ctx, m, args[0], lockTypes...)
			if err != nil {
				return err
			}
			s, err := lockState(ctx, ref)
			if err != nil {
				return err
			}
			python, err := a.pythonOwners(ctx, m)
			if err != nil {
				return err
			}
			fields := []fieldOf{{"name", text(args[0])}, {"typeid", text(ref.TypeID())}, {"locked", boolean(s.locked)}}
			if s.permits != nil {
				fields = append(fields, fieldOf{"permits_left", number(*s.permits)})
			}
			waiting := int64(0)
			if s.waiting != nil {
				waiting = *s.waiting
			}
			fields = append(fields, fieldOf{"waiting", number(waiting)}, holdersField(s.holders, python))
			return a.record(args[0], fields...)
		}),
	}
}

// holdersField says who holds a lock, in words or as a list of objects.
func holdersField(holders []proxy.LockInfo, python map[uint64]*proxy.ConnectionInfo) fieldOf {
	var c cell
	json := []byte{'['}
	for i := range holders {
		h := &holders[i]
		since := instant(time.Unix(0, h.Since))
		if i > 0 {
			c.human += "; "
			c.plain += "; "
			json = append(json, ',')
		}
		words := fmt.Sprintf("%s (session %d, from %s, token %d, ", holderName(h, 1, python), h.Session, orDash(h.Remote), h.Token)
		c.human += words + "since " + since.human + ")"
		c.plain += words + "since " + since.plain + ")"
		row := listing{columns: holderColumns}
		json = append(json, row.object([]cell{
			ident(h.Session), text(h.Program), text(h.Host), number(h.PID), text(h.Remote), ident(h.Owner), ident(h.Token), since, number(h.Count), boolean(h.Owned),
		})...)
	}
	if len(holders) == 0 {
		c.human = "-"
	}
	c.json = string(append(json, ']'))
	return fieldOf{"holders", c}
}

var holderColumns = []column{
	{key: "session"}, {key: "program"}, {key: "host"}, {key: "pid"}, {key: "remote"}, {key: "owner"}, {key: "token"}, {key: "since"}, {key: "count"}, {key: "owned"},
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func (a *app) lockAcquireCommand() *cobra.Command {
	var (
		hold   time.Duration
		create bool
	)
	cmd := &cobra.Command{
		Use:   "acquire NAME --for DURATION",
		Short: "Take a lock for a time, also beyond the end of this command",
		Long: `Acquire waits for the lock for up to --timeout, takes it, prints the fencing
token, and ends. A name that is not taken is an error; with --create it becomes a Lock.

The hold outlives the command. It ends after DURATION, with "mgrctl lock release
NAME --token TOKEN", or with "mgrctl client kick" of its session, and at once when
the server ends. It is a session without a connection, whose lease is DURATION; so
a hold lasts for 10 minutes at most, the longest lease that servers give. Waiters
stay in line meanwhile.`,
		Args:              nargs(1, 1),
		ValidArgsFunction: a.completeNames(lockTypes...),
	}
	ch := a.changes(cmd)
	cmd.Flags().Var((*secondsFlag)(&hold), "for", "how `long` to hold it: 1s to 10m")
	cmd.Flags().BoolVar(&create, "create", false, "make a Lock if there is no lock of that name")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if hold < time.Second || hold > maxHold {
			return usage(cmd, "--for %v: it lies between 1s and %v", hold, maxHold)
		}
		return a.acquireDetached(cmd, ch, args[0], hold, create)
	}
	return cmd
}

// maxHold is the longest lease that servers give.
const maxHold = 10 * time.Minute

// acquireDetached takes the lock in a session of its own and drops its
// connection without closing it: then it lives, and holds the lock, until its
// lease has run out.
func (a *app) acquireDetached(cmd *cobra.Command, ch *change, name string, d time.Duration, create bool) error {
	ctx := cmd.Context()
	m, err := a.connect(ctx, proxy.Config{Lease: d})
	if err != nil {
		return err
	}
	detached := false
	defer func() {
		// The end of the process drops the connection.
		if !detached {
			m.Close()
		}
	}()
	a.object = name
	if ch.dry {
		if err := mayDo(cmd, m.Role()); err != nil {
			return err
		}
		return a.rehearse(ctx, ch, m, name, create, fmt.Sprintf("take lock %q for %v", name, d))
	}
	if m.Lease() != d {
		return fmt.Errorf("the server would hold it for %v, not for %v", m.Lease(), d)
	}
	ref, err := a.openLock(ctx, m, name, create)
	if err != nil {
		return err
	}
	h, err := a.acquire(ctx, ref, name)
	if err != nil {
		return err
	}
	until := time.Now().Add(d)
	token := strconv.FormatUint(h.Token(), 10)
	if a.format == formatRaw {
		err = a.line(token)
	} else {
		end := instant(until)
		end.human = until.Local().Format(time.DateTime)
		err = a.record(token, fieldOf{"name", text(name)}, fieldOf{"token", ident(h.Token())}, fieldOf{"session", ident(m.SessionID())}, fieldOf{"until", end})
	}
	detached = err == nil // whom nobody knows about, nobody can release
	return err
}

func (a *app) lockReleaseCommand() *cobra.Command {
	var token uint64
	cmd := &cobra.Command{
		Use:   "release NAME --token TOKEN",
		Short: "End the hold with a fencing token, whoever has it",
		Long: `Release ends the hold with that fencing token, and no other: one that is over is a
conflict. Its holder is told that it has lost the lock.`,
		Args:              nargs(1, 1),
		ValidArgsFunction: a.completeNames(lockTypes...),
	}
	ch := a.changes(cmd)
	cmd.Flags().Uint64Var(&token, "token", 0, "the hold's fencing token")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if token == 0 {
			return usage(cmd, "%s needs the --token of a hold", verbName(cmd))
		}
		return a.on(func(ctx context.Context, m *proxy.Manager, args []string) error {
			ref, err := a.findTyped(ctx, m, args[0], lockTypes...)
			if err != nil {
				return err
			}
			if ch.dry {
				holders, err := allHolders(ctx, ref)
				if err != nil {
					return err
				}
				if !slices.ContainsFunc(holders, func(h proxy.LockInfo) bool { return h.Token == token }) {
					return &failure{exit: exitConflict, code: "not_held", err: fmt.Errorf("%s %q: hold %d is over, or was never", ref.TypeID(), args[0], token)}
				}
			}
			if ch.skip("end hold %d of %s %q", token, ref.TypeID(), args[0]) {
				return nil
			}
			switch ref.TypeID() {
			case "Lock", "RLock":
				_, err = proxy.Call[struct{}](ctx, ref, "release", 0, token)
			default:
				_, err = proxy.Call[struct{}](ctx, ref, "release_permit", token)
			}
			return err
		})(cmd, args)
	}
	return cmd
}
