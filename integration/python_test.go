package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/integration/long"
	"github.com/syncmanager/syncmanager/managers"
	"github.com/syncmanager/syncmanager/proxy"
)

// pythonKey is the authkey of these tests, as text for Python's programs.
const pythonKey = "abracadabra"

// interpreter is a Python of this machine.
type interpreter struct {
	path    string
	version string // "3.11"
	minor   int
}

// pythons returns the interpreters that SYNCMANAGER_TEST_PYTHONS lists,
// separated as in PATH, one of each version from 3.8 on, the newest last; else
// the one in PATH. Without any the test is skipped, or fails if they are
// required.
func pythons(t *testing.T) []interpreter {
	t.Helper()
	paths := []string{"python3", "python"}
	if list := os.Getenv("SYNCMANAGER_TEST_PYTHONS"); list != "" {
		paths = filepath.SplitList(list)
	}
	var found []interpreter
	for _, p := range paths {
		out, err := exec.Command(p, "-c", "import sys; print(*sys.version_info[:2])").Output()
		var major, minor int
		if _, scanErr := fmt.Sscan(string(out), &major, &minor); err != nil || scanErr != nil || major != 3 || minor < 8 {
			continue
		}
		version := fmt.Sprintf("3.%d", minor)
		if !slices.ContainsFunc(found, func(i interpreter) bool { return i.version == version }) {
			found = append(found, interpreter{p, version, minor})
		}
	}
	if len(found) == 0 {
		missing(t, "no Python from 3.8 on: no python3 in PATH")
	}
	slices.SortFunc(found, func(a, b interpreter) int { return a.minor - b.minor })
	return found
}

// missing skips the test, or fails it when Python is required.
func missing(t *testing.T, what string) {
	t.Helper()
	if strings.Contains(os.Getenv("SYNCMANAGER_TEST_REQUIRE"), "python") {
		t.Fatal(what)
	}
	t.Skip(what)
}

// pythonServer is a server in this process that Go and Python programs use.
type pythonServer struct {
	*managers.Server
	host, port string // for Python, over TCP
	socket     string // for Python, over a unix socket
	native     string // for Go
	key        auth.Key
}

func newPythonServer(t *testing.T, config managers.PythonConfig, setup ...func(*managers.Server)) *pythonServer {
	t.Helper()
	key, err := auth.FromBytes([]byte(pythonKey))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	p := &pythonServer{key: key, socket: filepath.Join(dir, "py.sock"), native: "unix://" + filepath.Join(dir, "go.sock")}
	p.Server = managers.NewServer(managers.Config{AuthKey: key, Python: config, Logger: slog.New(slog.DiscardHandler)})
	for _, f := range setup {
		f(p.Server)
	}
	ctx := context.Background()
	if err := errors.Join(p.Listen(ctx, p.native), p.ListenPython(ctx, "tcp://127.0.0.1:0", "unix://"+p.socket)); err != nil {
		t.Fatal(err)
	}
	for _, a := range p.Addrs() {
		if rest, ok := strings.CutPrefix(a, "python+tcp://"); ok {
			p.host, p.port, _ = net.SplitHostPort(rest)
		}
	}
	done := make(chan error, 1)
	go func() { done <- p.Serve(ctx) }()
	t.Cleanup(func() {
		p.Close()
		if err := <-done; !errors.Is(err, managers.ErrServerClosed) {
			t.Errorf("server: %v", err)
		}
	})
	return p
}

// connect connects a Go client.
func (p *pythonServer) connect(t *testing.T) *proxy.Manager {
	t.Helper()
	m, err := proxy.Connect(t.Context(), p.native, proxy.Config{AuthKey: p.key})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// tcp is the server's address for the programs of testdata.
func (p *pythonServer) tcp() string { return p.host + ":" + p.port }

// command returns a Python program of testdata, ready to run.
func (i interpreter) command(ctx context.Context, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, i.path, args...)
	c.Env = append(os.Environ(), "SYNCMANAGER_AUTHKEY="+pythonKey, "PYTHONDONTWRITEBYTECODE=1")
	return c
}

// script runs a Python program from its text and returns what it prints.
func (i interpreter) script(t *testing.T, text string, args ...string) string {
	t.Helper()
	return i.run(t, append([]string{"-c", text}, args...)...)
}

// run runs a Python program and returns what it prints.
func (i interpreter) run(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	c := i.command(ctx, args...)
	var errs bytes.Buffer
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		t.Errorf("Python %s: %v\n%s%s", i.version, err, out, errs.Bytes())
	}
	return string(out)
}

// The programs for remote managers of Python's manual: a queue on a server, one
// client that puts, one that gets. Only the address was filled in.
const (
	manualPut = `
from multiprocessing.managers import BaseManager
class QueueManager(BaseManager): pass
QueueManager.register('get_queue')
m = QueueManager(address=('HOST', PORT), authkey=b'abracadabra')
m.connect()
queue = m.get_queue()
queue.put('hello')
`
	manualGet = `
from multiprocessing.managers import BaseManager
class QueueManager(BaseManager): pass
QueueManager.register('get_queue')
m = QueueManager(address=('HOST', PORT), authkey=b'abracadabra')
m.connect()
queue = m.get_queue()
print(queue.get())
`
)

func TestPythonManual(t *testing.T) {
	p := newPythonServer(t, managers.PythonConfig{})
	if err := p.CreateNamed(t.Context(), "queue", "Queue"); err != nil {
		t.Fatal(err)
	}
	address := strings.NewReplacer("HOST", p.host, "PORT", p.port)
	all := pythons(t)
	for n, i := range all {
		other := all[(n+1)%len(all)] // versions mix
		i.script(t, address.Replace(manualPut))
		if got := other.script(t, address.Replace(manualGet)); got != "hello\n" {
			t.Errorf("put by Python %s, got by %s: %q", i.version, other.version, got)
		}
	}
}

// Every type, compared with what Python's own server answers.
func TestPythonEveryType(t *testing.T) {
	p := newPythonServer(t, managers.PythonConfig{})
	for _, i := range pythons(t) {
		if i.minor < 11 {
			continue // some texts of exceptions were others then
		}
		t.Run(i.version, func(t *testing.T) {
			program := filepath.Join("testdata", "python", "every_type.py")
			want, got := i.run(t, program, "own"), i.run(t, program, p.tcp())
			w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
			for n := range max(len(w), len(g)) {
				if n >= len(w) || n >= len(g) || w[n] != g[n] {
					t.Fatalf("line %d differs.\nPython's own:\n%s\nhere:\n%s", n+1, strings.Join(w[n:min(n+1, len(w))], ""), strings.Join(g[n:min(n+1, len(g))], ""))
				}
			}
			if len(w) < 50 {
				t.Errorf("only %d lines were compared", len(w))
			}
		})
	}
}

// Programs that print the same against Python's own server.
func TestPythonJudges(t *testing.T) {
	p := newPythonServer(t, managers.PythonConfig{})
	for _, program := range []string{"inside.py", "equal.py", "arguments.py"} {
		for n, i := range pythons(t) {
			t.Run(strings.TrimSuffix(program, ".py")+"/"+i.version, func(t *testing.T) {
				path, address := filepath.Join("testdata", "python", program), p.tcp()
				if n%2 == 1 {
					address = p.socket
				}
				want, got := strings.Split(i.run(t, path, "own"), "\n"), strings.Split(i.run(t, path, address), "\n")
				for n := range max(len(want), len(got)) {
					w, g := "nothing", "nothing"
					if n < len(want) {
						w = want[n]
					}
					if n < len(got) {
						g = got[n]
					}
					if w != g {
						t.Errorf("line %d:\n\tPython: %s\n\there:   %s", n+1, w, g)
					}
				}
				if len(want) < 20 {
					t.Errorf("only %d lines were compared", len(want))
				}
			})
		}
	}
}

// Random values, judged by Python.
func TestPythonValues(t *testing.T) {
	p := newPythonServer(t, managers.PythonConfig{})
	for n, i := range pythons(t) {
		t.Run(i.version, func(t *testing.T) {
			if got := i.run(t, filepath.Join("testdata", "python", "values.py"), p.socket, strconv.Itoa(n), "200"); got != "ok\n" {
				t.Errorf("it printed %q", got)
			}
		})
	}
}

const workers = `
import sys, threading
from multiprocessing.managers import SyncManager
class M(SyncManager): pass
M.register('jobs'); M.register('results')
m = M(address=sys.argv[1], authkey=b'abracadabra')
m.connect()
def work(jobs, results):
    while True:
        job = jobs.get()
        if job is None:
            return
        results.put({'n': job['n'], 'square': job['n'] ** 2, 'tags': (job['name'], b'x')})
threads = [threading.Thread(target=work, args=(m.jobs(), m.results())) for _ in range(4)]
for t in threads: t.start()
for t in threads: t.join()
`

// A Go producer with Python workers.
func TestPythonWorkers(t *testing.T) {
	p := newPythonServer(t, managers.PythonConfig{})
	m := p.connect(t)
	type job struct {
		N    int    `msgpack:"n"`
		Name string `msgpack:"name"`
	}
	type result struct {
		N      int   `msgpack:"n"`
		Square int   `msgpack:"square"`
		Tags   []any `msgpack:"tags"`
	}
	jobs := must1[*proxy.Queue[*job]](t)(proxy.OpenQueue[*job](t.Context(), m, "jobs", 0))
	results := must1[*proxy.Queue[result]](t)(proxy.OpenQueue[result](t.Context(), m, "results", 0))
	i := newest(t)
	done := make(chan string, 1)
	go func() { done <- i.script(t, workers, p.socket) }()
	const n = 200
	for k := range n {
		if err := jobs.Put(t.Context(), &job{k, fmt.Sprint("job ", k)}); err != nil {
			t.Fatal(err)
		}
	}
	sum := 0
	for range n {
		r, err := results.Get(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if r.Square != r.N*r.N || len(r.Tags) != 2 || r.Tags[0] != fmt.Sprint("job ", r.N) {
			t.Errorf("result %+v", r)
		}
		sum += r.N
	}
	if want := n * (n - 1) / 2; sum != want {
		t.Errorf("the results add up to %d, want %d", sum, want)
	}
	for range 4 {
		if err := jobs.Put(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	<-done
}

// newest returns the newest interpreter.
func newest(t *testing.T) interpreter {
	t.Helper()
	all := pythons(t)
	return all[len(all)-1]
}

// What the server says of itself counts the connections of Python clients.
func TestPythonConnectionsAreCounted(t *testing.T) {
	p := newPythonServer(t, managers.PythonConfig{})
	m := p.connect(t)
	q := must1[*proxy.Queue[int]](t)(proxy.OpenQueue[int](t.Context(), m, "queue", 0))
	counts := func() (all, python int64) {
		info := must1[map[string]any](t)(m.Info(t.Context()))
		all, _ = info["connections"].(int64)
		python, _ = info["python_connections"].(int64)
		return all, python
	}
	if all, python := counts(); all != 1 || python != 0 {
		t.Errorf("%d connections, %d of them from Python; want 1 and 0", all, python)
	}
	address := strings.NewReplacer("HOST", p.host, "PORT", p.port, "get_queue", "queue")
	i := newest(t)
	done := make(chan string, 1)
	go func() { done <- i.script(t, address.Replace(manualGet)) }()
	until(t, "a Python client waits for an item", func() bool {
		return must1[map[string]any](t)(m.Info(t.Context()))["parked"] == int64(1)
	})
	if all, python := counts(); python < 1 || all != python+1 {
		t.Errorf("%d connections, %d of them from Python, while a Python client waits", all, python)
	}
	if err := q.Put(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	<-done
	until(t, "the Python client's connections are gone", func() bool { _, python := counts(); return python == 0 })
}

// A Python producer with Go workers: a Python class travels through Go
// untouched.
func TestPythonProducer(t *testing.T) {
	p := newPythonServer(t, managers.PythonConfig{})
	m := p.connect(t)
	in := must1[*proxy.Queue[any]](t)(proxy.OpenQueue[any](t.Context(), m, "in", 0))
	out := must1[*proxy.Queue[any]](t)(proxy.OpenQueue[any](t.Context(), m, "out", 0))
	i := newest(t)
	done := make(chan string, 1)
	go func() {
		done <- i.script(t, `
import sys, decimal, datetime
from multiprocessing.managers import SyncManager
class M(SyncManager): pass
M.register('in'); M.register('out')
m = M(address=sys.argv[1], authkey=b'abracadabra'); m.connect()
class Point:
    def __init__(self, x): self.x = x
i, o = getattr(m, 'in')(), m.out()
for v in [Point([1, 2]), decimal.Decimal('1.5'), {1, 2}, 2**100, datetime.datetime(2024, 1, 2), ('a', None)]:
    i.put(v)
    w = o.get()
    assert type(w) is type(v), (v, w)
    assert w == v or w.x == v.x, (v, w)
print('fine')
`, p.socket)
	}()
	for range 6 {
		v, err := in.Get(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := out.Put(t.Context(), v); err != nil {
			t.Fatal(err)
		}
	}
	if got := <-done; got != "fine\n" {
		t.Errorf("it printed %q", got)
	}
}

// A proxy inside an instance of a Python class keeps its object alive while a Go
// program has it, which cannot look inside.
func TestPythonProxyThroughGo(t *testing.T) {
	p := newPythonServer(t, managers.PythonConfig{})
	m := p.connect(t)
	in := must1[*proxy.Queue[any]](t)(proxy.OpenQueue[any](t.Context(), m, "in", 0))
	out := must1[*proxy.Queue[any]](t)(proxy.OpenQueue[any](t.Context(), m, "out", 0))
	done := make(chan string, 1)
	go func() {
		done <- newest(t).script(t, `
import sys, gc, multiprocessing
from multiprocessing.managers import SyncManager
class M(SyncManager): pass
M.register('in'); M.register('out')
multiprocessing.current_process().authkey = b'abracadabra'
m = M(address=sys.argv[1], authkey=b'abracadabra'); m.connect()
class Task:
    def __init__(self, x): self.x = x
i, o = getattr(m, 'in')(), m.out()
i.put(Task(m.list(['here'])))
gc.collect()
task = o.get()
print(task.x._getvalue())
`, p.socket)
	}()
	v := must1[any](t)(in.Get(t.Context()))
	if o, ok := v.(proxy.Opaque); !ok || len(o.Head) == 0 {
		t.Fatalf("Go got %#v", v)
	}
	// What Python had is given up within moments; only v keeps the list.
	for range 3 {
		runtime.GC()
		must1[map[string]any](t)(m.Info(t.Context()))
	}
	if err := out.Put(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	if got := <-done; got != "['here']\n" {
		t.Errorf("it printed %q", got)
	}
}

// pyMaths is a Go type that Python calls.
type pyMaths struct{ calls int }

func (m *pyMaths) Add(a, b int) int          { m.calls++; return a + b }
func (m *pyMaths) Names() map[string][]int   { return map[string][]int{"a": {1, 2}} }
func (m *pyMaths) Fail() error               { return errors.New("it cannot be done") }
func (m *pyMaths) Child(n int) *pyMaths      { return &pyMaths{n} }
func (m *pyMaths) Calls() int                { return m.calls }
func (m *pyMaths) Length(xs []any) int       { return len(xs) }
func (m *pyMaths) Both(s string) (int, bool) { return len(s), true }

func TestPythonCallsGo(t *testing.T) {
	p := newPythonServer(t, managers.PythonConfig{}, func(s *managers.Server) {
		if err := s.Register("Maths", func(start int) *pyMaths { return &pyMaths{start} }, managers.TypeOptions{
			MethodToTypeid: map[string]string{"Child": "Maths"},
		}); err != nil {
			t.Fatal(err)
		}
	})
	for _, i := range pythons(t) {
		got := i.script(t, `
import sys, multiprocessing
from multiprocessing.managers import BaseManager, RemoteError
class M(BaseManager): pass
M.register('Maths')
multiprocessing.current_process().authkey = b'abracadabra'
m = M(address=(sys.argv[1], int(sys.argv[2])), authkey=b'abracadabra'); m.connect()
maths = m.Maths(10)
print(maths.Add(4, 3), maths.Names(), maths.Calls(), maths.Length((1, 2)), maths.Both('abc'))
try: maths.Fail()
except RemoteError as e: print('it cannot be done' in str(e))
try: maths.Add('x', 3)
except TypeError as e: print(e)
child = maths.Child(5)
print(child.Calls(), type(child).__name__)
`, p.host, p.port)
		want := "7 {'a': [1, 2]} 11 2 (3, True)\nTrue\nMaths.Add(int, int): argument 1: got str, want int: a str does not fit into a int\n5 AutoProxy[Maths]\n"
		if !strings.HasPrefix(got, want[:strings.Index(want, " a str")]) || !strings.HasSuffix(got, "5 AutoProxy[Maths]\n") {
			t.Errorf("Python %s: %q, want %q", i.version, got, want)
		}
	}
}

// One dict, updated by Go and Python at once, under a lock that both take.
func TestPythonSharedDict(t *testing.T) {
	p := newPythonServer(t, managers.PythonConfig{})
	m := p.connect(t)
	d := must1[*proxy.Dict[string, int]](t)(proxy.OpenDict[string, int](t.Context(), m, "shared"))
	lock := must1[*proxy.Lock](t)(proxy.OpenLock(t.Context(), m, "guard"))
	if err := d.Set(t.Context(), "n", 0); err != nil {
		t.Fatal(err)
	}
	i := newest(t)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			i.script(t, `
import sys
from multiprocessing.managers import SyncManager, DictProxy, AcquirerProxy
class M(SyncManager): pass
M.register('shared', proxytype=DictProxy); M.register('guard', proxytype=AcquirerProxy)
m = M(address=sys.argv[1], authkey=b'abracadabra'); m.connect()
d, lock = m.shared(), m.guard()
for _ in range(100):
    with lock:
        d['n'] = d['n'] + 1
`, p.socket)
		})
		wg.Go(func() {
			for range 100 {
				hold, err := lock.Acquire(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				n, err := d.Get(t.Context(), "n")
				if err == nil {
					err = d.Set(t.Context(), "n", n+1)
				}
				if err = errors.Join(err, hold.Release(t.Context())); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n, err := d.Get(t.Context(), "n"); err != nil || n != 400 {
		t.Errorf("the dict counts %d, %v; want 400", n, err)
	}
}

// A Python client that is killed while it waits leaves nothing behind.
func TestPythonKilledWhileWaiting(t *testing.T) {
	p := newPythonServer(t, managers.PythonConfig{})
	m := p.connect(t)
	q := must1[*proxy.Queue[string]](t)(proxy.OpenQueue[string](t.Context(), m, "jobs", 0))
	parked := func() int64 {
		info, err := m.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n, _ := info["parked"].(int64)
		return n
	}
	c := newest(t).command(t.Context(), "-c", `
import sys
from multiprocessing.managers import SyncManager
class M(SyncManager): pass
M.register('jobs')
m = M(address=sys.argv[1], authkey=b'abracadabra'); m.connect()
m.jobs().get()
`, p.socket)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "the client waits", func() bool { return parked() == 1 })
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait()
	until(t, "its call has left", func() bool { return parked() == 0 })
	if err := q.Put(t.Context(), "item"); err != nil {
		t.Fatal(err)
	}
	if got, err := q.Get(t.Context()); err != nil || got != "item" {
		t.Errorf("got %q, %v", got, err)
	}
}

// The references of a process that was killed are dropped, if operators want.
func TestPythonDeadProcess(t *testing.T) {
	long.Test(t)
	i := newest(t)
	p := newPythonServer(t, managers.PythonConfig{DropDeadProcesses: true})
	m := p.connect(t)
	c := i.command(t.Context(), "-c", `
import sys, os
from multiprocessing.managers import SyncManager
m = SyncManager(address=sys.argv[1], authkey=b'abracadabra'); m.connect()
d = m.dict(a=1); l = m.list()
i = iter(d); next(i)
os.kill(os.getpid(), 9)
`, p.socket)
	if err := c.Run(); err == nil {
		t.Fatal("the client was not killed")
	}
	until(t, "its objects are gone", func() bool {
		info, err := m.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return info["objects"] == int64(0)
	})
}
