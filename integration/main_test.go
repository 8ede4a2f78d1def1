package integration

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/proxy"
)

// childEnv names the part that a process of this test program plays.
const childEnv = "SYNCMANAGER_TEST_CHILD"

func TestMain(m *testing.M) {
	if part := os.Getenv(childEnv); part != "" {
		if err := child(part, os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	code := m.Run()
	if built.dir != "" {
		os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// built are the programs, built once for all tests.
var built struct {
	once sync.Once
	dir  string
	err  error
}

// program returns the path of managerd or mgrctl.
func program(t testing.TB, name string) string {
	t.Helper()
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "syncmanager-programs-"); built.err != nil {
			return
		}
		cmd := exec.Command("go", "build", "-o", built.dir, "./cmd/managerd", "./cmd/mgrctl")
		cmd.Dir = ".."
		if out, err := cmd.CombinedOutput(); err != nil {
			built.err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return filepath.Join(built.dir, name)
}

// clean is the environment without what would lead the programs astray, and
// with a home of its own.
func clean(home string, more ...string) []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "SYNCMANAGER_") || strings.HasPrefix(v, "XDG_") || strings.HasPrefix(v, "HOME=") ||
			strings.HasPrefix(v, "NOTIFY_SOCKET=")
	})
	env = append(env, "HOME="+home, "XDG_CONFIG_HOME="+filepath.Join(home, "config"), "XDG_RUNTIME_DIR="+filepath.Join(home, "run"))
	return append(env, more...)
}

// process is a program that runs. What it prints is kept.
type process struct {
	testing.TB
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	lines  chan string // of standard output
	stderr *logged
	exited chan struct{}
	err    error // once exited is closed
}

// logged keeps what a process writes to standard error.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start starts a program. It is killed at the end of the test, if it still
// runs.
func start(t testing.TB, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{TB: t, cmd: cmd, lines: make(chan string, 10_000), stderr: new(logged), exited: make(chan struct{})}
	cmd.Stderr = p.stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if p.stdin, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			p.lines <- lines.Text()
		}
		close(p.lines)
		p.err = cmd.Wait()
		close(p.exited)
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-p.exited
		if t.Failed() && p.stderr.String() != "" {
			t.Logf("standard error of %s:\n%s", filepath.Base(cmd.Path), p.stderr)
		}
	})
	return p
}

// line returns the next line that the process prints.
func (p *process) line() string {
	p.Helper()
	line, ok := soonOK(p, "a line of "+filepath.Base(p.cmd.Path), p.lines)
	if !ok {
		p.Fatalf("%s ended: %v\n%s", filepath.Base(p.cmd.Path), p.err, p.stderr)
	}
	return line
}

// wait waits until the process has ended, and returns how.
func (p *process) wait() error {
	p.Helper()
	soonOK(p, filepath.Base(p.cmd.Path)+" ends", p.exited)
	return p.err
}

func soonOK[T any](t testing.TB, what string, from <-chan T) (T, bool) {
	t.Helper()
	select {
	case v, ok := <-from:
		return v, ok
	case <-time.After(limit):
		t.Fatalf("did not come within %v: %s", limit, what)
		panic("unreachable")
	}
}

// daemon is a managerd that runs.
type daemon struct {
	*process
	addrs []string
	key   string // the key file
}

// managerd starts a server on the addresses and waits until it listens.
func managerd(t testing.TB, args ...string) *daemon {
	t.Helper()
	home := t.TempDir()
	d := &daemon{key: filepath.Join(home, "authkey")}
	cmd := exec.Command(program(t, "managerd"), append([]string{"--authkey-file", d.key}, args...)...)
	cmd.Env = clean(home)
	d.process = start(t, cmd)
	until(t, "managerd listens", func() bool {
		select {
		case <-d.exited:
			t.Fatalf("managerd %q ended: %v\n%s", args, d.err, d.stderr)
		default:
		}
		rec, ok := d.record("listening")
		for _, a := range asList(rec["addresses"]) {
			d.addrs = append(d.addrs, fmt.Sprint(a))
		}
		return ok
	})
	return d
}

func asList(v any) []any {
	l, _ := v.([]any)
	return l
}

// record returns the first record of the daemon's log with the message.
func (d *daemon) record(msg string) (map[string]any, bool) {
	for line := range strings.Lines(d.stderr.String()) {
		var rec map[string]any
		if json.Unmarshal([]byte(line), &rec) == nil && rec["msg"] == msg {
			return rec, true
		}
	}
	return nil, false
}

// connect connects to the daemon's first address.
func (d *daemon) connect(ctx context.Context) *proxy.Manager {
	d.Helper()
	m, err := connect(ctx, d.addrs[0], d.key, 0)
	if err != nil {
		d.Fatal(err)
	}
	d.Cleanup(func() { m.Close() })
	return m
}

// client starts another process of this test program, which plays a part with
// the daemon at one of its addresses.
func (d *daemon) client(part string, at int, args ...string) *process {
	d.Helper()
	exe, err := os.Executable()
	if err != nil {
		d.Fatal(err)
	}
	cmd := exec.Command(exe, append([]string{d.addrs[at%len(d.addrs)], d.key}, args...)...)
	cmd.Env = append(os.Environ(), childEnv+"="+part)
	return start(d, cmd)
}

// connect connects with the key in a file. A lease of 0 is the server's.
func connect(ctx context.Context, addr, keyFile string, lease time.Duration) (*proxy.Manager, error) {
	key, err := auth.LoadFile(keyFile)
	if err != nil {
		return nil, err
	}
	return proxy.Connect(ctx, addr, proxy.Config{AuthKey: key, Lease: lease})
}

// child is what the client processes do.
func child(part string, args []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*limit)
	defer cancel()
	lease := time.Duration(0)
	if part == "holder" {
		lease = time.Second // it is killed, and others wait for its end
	}
	m, err := connect(ctx, args[0], args[1], lease)
	if err != nil {
		return err
	}
	defer m.Close()
	switch part {
	case "worker":
		return childWorker(ctx, m)
	case "waiter": // waits, and says how that ended
		q, err := proxy.OpenQueue[int](ctx, m, "nothing", 0)
		if err != nil {
			return err
		}
		_, err = q.Get(ctx)
		fmt.Println(errors.Is(err, proxy.ErrShuttingDown), errors.Is(err, proxy.ErrSessionExpired), err)
		return nil
	case "holder": // takes a lock and an item, and keeps them until it dies
		l, err := proxy.OpenLock(ctx, m, "lock")
		if err != nil {
			return err
		}
		h, err := l.Acquire(ctx)
		if err != nil {
			return err
		}
		q, err := proxy.OpenQueue[string](ctx, m, "items", 0)
		if err != nil {
			return err
		}
		d, err := q.Receive(ctx)
		if err != nil {
			return err
		}
		fmt.Println(h.Token(), d.Value)
		_, err = io.Copy(io.Discard, os.Stdin)
		return err
	}
	return fmt.Errorf("no part %q", part)
}

// childWorker takes jobs until the queue is shut down, and counts them in two
// ways.
func childWorker(ctx context.Context, m *proxy.Manager) error {
	jobs, err := proxy.OpenJoinableQueue[int](ctx, m, "jobs", 0)
	if err != nil {
		return err
	}
	counts, err := proxy.OpenDict[string, int](ctx, m, "counts")
	if err != nil {
		return err
	}
	lock, err := proxy.OpenLock(ctx, m, "lock")
	if err != nil {
		return err
	}
	n := 0
	items, end := jobs.All(ctx)
	for job := range items {
		n++
		if _, err := counts.Add(ctx, "sum", job); err != nil {
			return err
		}
		h, err := lock.Acquire(ctx)
		if err != nil {
			return err
		}
		v, err := counts.GetDefault(ctx, "locked", 0)
		if err == nil {
			err = counts.Set(ctx, "locked", v+job)
		}
		if err := errors.Join(err, h.Release(ctx), jobs.TaskDone(ctx)); err != nil {
			return err
		}
	}
	fmt.Println(n)
	return end()
}

// signalled returns the signal that ended the process, or -1.
func (p *process) signalled() syscall.Signal {
	if s, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && s.Signaled() {
		return s.Signal()
	}
	return -1
}
