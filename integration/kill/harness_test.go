//go:build unix

// Package kill holds the tests in which processes are killed, stopped and cut
// off: the server is managerd, the clients are this test program.
package kill

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/proxy"
)

// limit is how long a test waits for what must happen.
const limit = 30 * time.Second

// childEnv names what the process is to do, when it is a client.
const childEnv = "SYNCMANAGER_TEST_CHILD"

var managerd string // the path of the program

func TestMain(m *testing.M) {
	if job := os.Getenv(childEnv); job != "" {
		child(job)
		return
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "kill")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	managerd = filepath.Join(dir, "managerd")
	build := exec.Command("go", "build", "-o", managerd, "../../cmd/managerd")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build managerd: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// server is a managerd.
type server struct {
	testing.TB
	ctx  context.Context
	key  auth.Key
	dir  string
	args []string
	via  []string // a command to run it with

	cmd  *exec.Cmd
	addr string // of TCP, without TLS
	log  *lines
	done chan error
}

// serve starts a managerd that ends with the test.
func serve(t testing.TB, args ...string) *server {
	t.Helper()
	s := newServer(t, args...)
	s.start()
	return s
}

func newServer(t testing.TB, args ...string) *server {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Second)
	t.Cleanup(cancel)
	s := &server{TB: t, ctx: ctx, key: auth.Generate(), dir: t.TempDir()}
	s.must(s.key.WriteFile(s.keyFile()))
	s.args = append([]string{"--listen", "tcp+plain://127.0.0.1:0", "--authkey-file", s.keyFile()}, args...)
	return s
}

func (s *server) keyFile() string { return filepath.Join(s.dir, "authkey") }

// start runs the program and waits until it listens.
func (s *server) start() {
	s.Helper()
	argv := append(append(append([]string{}, s.via...), managerd, "--log-format", "json"), s.args...)
	s.cmd = exec.Command(argv[0], argv[1:]...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "SYNCMANAGER_") && !strings.HasPrefix(v, "NOTIFY_SOCKET=") {
			s.cmd.Env = append(s.cmd.Env, v)
		}
	}
	stderr, err := s.cmd.StderrPipe()
	s.must(err)
	s.must(s.cmd.Start())
	s.log = read(stderr)
	done := make(chan error, 1)
	s.done = done
	cmd, log := s.cmd, s.log
	go func() {
		<-log.over
		done <- cmd.Wait()
	}()
	s.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGCONT)
		_ = cmd.Process.Kill()
		if s.Failed() {
			s.Logf("the server's log:\n%s", strings.Join(log.list(), "\n"))
		}
	})
	var said struct{ Addresses []string }
	line := s.log.wait(s, `"msg":"listening"`)
	s.must(json.Unmarshal([]byte(line), &said))
	for _, a := range said.Addresses {
		if strings.HasPrefix(a, "tcp+plain://") {
			s.addr = a
		}
	}
}

// signal sends a signal to the server.
func (s *server) signal(sig syscall.Signal) {
	s.Helper()
	s.must(s.cmd.Process.Signal(sig))
}

// kill ends the server without a chance to do anything.
func (s *server) kill() {
	s.Helper()
	s.signal(syscall.SIGKILL)
	soon(s, "the killed server is gone", s.done)
}

func (s *server) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// client connects a client in this process.
func (s *server) client(cfg ...proxy.Config) *proxy.Manager {
	s.Helper()
	c := append(cfg, proxy.Config{})[0]
	if c.AuthKey == nil {
		c.AuthKey = s.key
	}
	m, err := proxy.Connect(s.ctx, s.addr, c)
	s.must(err)
	s.Cleanup(func() { m.Close() })
	return m
}

// lines are what a process says.
type lines struct {
	over chan struct{} // closed at its end

	mu   sync.Mutex
	all  []string
	more chan struct{} // closed when something was added
}

func read(r io.Reader) *lines {
	l := &lines{over: make(chan struct{}), more: make(chan struct{})}
	go func() {
		in := bufio.NewScanner(r)
		in.Buffer(nil, 1<<20)
		for in.Scan() {
			l.mu.Lock()
			l.all = append(l.all, in.Text())
			close(l.more)
			l.more = make(chan struct{})
			l.mu.Unlock()
		}
		close(l.over)
	}()
	return l
}

// find returns the first line that holds the text.
func (l *lines) find(text string) (string, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.all {
		if strings.Contains(line, text) {
			return line, nil
		}
	}
	return "", l.more
}

// list returns all lines so far.
func (l *lines) list() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all[:len(l.all):len(l.all)]
}

// wait waits for a line that holds the text.
func (l *lines) wait(t testing.TB, text string) string {
	t.Helper()
	late := time.After(limit)
	for {
		line, more := l.find(text)
		if more == nil {
			return line
		}
		select {
		case <-more:
		case <-l.over:
			if line, more := l.find(text); more == nil {
				return line
			}
			t.Fatalf("the process ended without %q:\n%s", text, strings.Join(l.list(), "\n"))
		case <-late:
			t.Fatalf("no %q within %v:\n%s", text, limit, strings.Join(l.list(), "\n"))
		}
	}
}

// program is a client in a process of its own.
type program struct {
	testing.TB
	cmd *exec.Cmd
	out *lines
}

// program starts a client that does the job; see child.
func (s *server) program(job string, lease time.Duration) *program {
	s.Helper()
	p := &program{TB: s.TB, cmd: exec.Command(os.Args[0])}
	p.cmd.Env = append(os.Environ(), childEnv+"="+job, "ADDR="+s.addr, "KEY="+s.keyFile(), "LEASE="+lease.String())
	p.cmd.Stderr = os.Stderr
	stdout, err := p.cmd.StdoutPipe()
	s.must(err)
	s.must(p.cmd.Start())
	p.out = read(stdout)
	s.Cleanup(func() {
		_ = p.cmd.Process.Signal(syscall.SIGCONT)
		_ = p.cmd.Process.Kill()
		<-p.out.over
		_ = p.cmd.Wait()
	})
	return p
}

func (p *program) signal(sig syscall.Signal) {
	p.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.Fatal(err)
	}
}

// kill ends the program without a chance to do anything.
func (p *program) kill() {
	p.Helper()
	p.signal(syscall.SIGKILL)
	soon(p, "the killed client is gone", p.out.over)
}

// must1 returns the result of a call that must succeed.
func must1[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func is(t testing.TB, what string, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("%s: error %v, want %v", what, err, target)
	}
}

func errOf[T any](_ T, err error) error { return err }

// soon receives what must come.
func soon[T any](t testing.TB, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(limit):
		t.Fatalf("did not come within %v: %s", limit, what)
		panic("unreachable")
	}
}

func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("did not happen within %v: %s", limit, what)
		}
	}
}

// info returns a count that the server says of itself.
func info(t testing.TB, m *proxy.Manager, name string) int {
	t.Helper()
	all, err := m.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n, _ := all[name].(int64)
	return int(n)
}
