//go:build unix

package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/internal/wire"
	"github.com/syncmanager/syncmanager/proxy"
)

// TestProcesses shares a queue, a dict and a lock between processes that reach
// one server over all its transports.
func TestProcesses(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*limit)
	defer cancel()
	d := managerd(t, "--listen", "tcp://127.0.0.1:0", "--listen", "tcp+plain://127.0.0.1:0", "--listen", "unix://"+filepath.Join(t.TempDir(), "s"))
	if len(d.addrs) != 3 {
		t.Fatalf("managerd listens on %v", d.addrs)
	}
	m := d.connect(ctx)
	var workers []*process
	for i := range 6 {
		workers = append(workers, d.client("worker", i))
	}
	jobs := must1[*proxy.JoinableQueue[int]](t)(proxy.OpenJoinableQueue[int](ctx, m, "jobs", 0))
	const n = 300
	for i := range n {
		if err := jobs.Put(ctx, i); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(jobs.Join(ctx), jobs.Shutdown(ctx, false)); err != nil {
		t.Fatal(err)
	}
	done := 0
	for _, w := range workers {
		k, err := strconv.Atoi(w.line())
		if err := errors.Join(err, w.wait()); err != nil {
			t.Error(err)
		}
		done += k
	}
	counts := must1[*proxy.Dict[string, int]](t)(proxy.OpenDict[string, int](ctx, m, "counts"))
	if done != n {
		t.Errorf("the workers did %d jobs of %d", done, n)
	}
	eq(t, "the sum by atomic adds", n*(n-1)/2)(counts.Get(ctx, "sum"))
	eq(t, "the sum under the lock", n*(n-1)/2)(counts.Get(ctx, "locked"))
}

// TestKilledClient kills a process that has a lock and an item: both come back
// once its lease is over.
func TestKilledClient(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*limit)
	defer cancel()
	d := managerd(t, "--listen", "tcp://127.0.0.1:0")
	m := d.connect(ctx)
	q := must1[*proxy.Queue[string]](t)(proxy.OpenQueue[string](ctx, m, "items", 0))
	if err := q.Put(ctx, "precious"); err != nil {
		t.Fatal(err)
	}
	holder := d.client("holder", 0)
	said := holder.line()
	l := must1[*proxy.Lock](t)(proxy.OpenLock(ctx, m, "lock"))
	is(t, "the lock while the holder lives", errOf(l.TryAcquire(ctx)), proxy.ErrTimeout)
	start := time.Now()
	holder.cmd.Process.Kill()
	holder.wait()
	h := must1[*proxy.Hold](t)(l.Acquire(ctx))
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("the lock came back after %v; the lease was 1s", took)
	}
	var token uint64
	if _, err := fmt.Sscan(said, &token); err != nil || token >= h.Token() {
		t.Errorf("the fencing token %d does not follow %d, %v", h.Token(), token, err)
	}
	item := must1[*proxy.Delivery[string]](t)(q.Receive(ctx))
	if item.Value != "precious" || item.Attempt != 2 {
		t.Errorf("the item came back as %+v", item)
	}
	if err := item.Ack(ctx); err != nil {
		t.Error(err)
	}
}

// TestSIGTERM ends a server in good order while processes wait.
func TestSIGTERM(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*limit)
	defer cancel()
	d := managerd(t, "--listen", "tcp://127.0.0.1:0", "--listen", "unix://"+filepath.Join(t.TempDir(), "s"))
	m := d.connect(ctx)
	var waiters []*process
	for i := range 3 {
		waiters = append(waiters, d.client("waiter", i))
	}
	until(t, "the processes wait", func() bool {
		info, err := m.Info(ctx)
		return err == nil && info["parked"] == int64(len(waiters))
	})
	start := time.Now()
	d.cmd.Process.Signal(syscall.SIGTERM)
	for _, w := range waiters {
		if said := w.line(); !strings.HasPrefix(said, "true ") {
			t.Errorf("a call that waited ended with %q, want shutting_down", said)
		}
	}
	if err := d.wait(); err != nil {
		t.Errorf("managerd ended with %v, want status 0", err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("the end took %v", took)
	}
	if _, ok := d.record("stopped"); !ok {
		t.Error("the log does not say that the server stopped")
	}
	for _, a := range d.addrs {
		if path, ok := strings.CutPrefix(a, "unix://"); ok {
			if _, err := os.Stat(path); err == nil {
				t.Errorf("the socket %s was left behind", path)
			}
		}
	}
	if _, err := m.Ping(ctx); err == nil {
		t.Error("a call of a server that ended succeeds")
	}
}

// TestSecondSIGTERM ends a server at once that is busy ending in good order: a
// client that does not read keeps it for a second.
func TestSecondSIGTERM(t *testing.T) {
	for range 5 {
		if secondSIGTERM(t) {
			return
		}
	}
	t.Error("the server never waited for a client that does not read")
}

// secondSIGTERM reports whether the second signal came in time.
func secondSIGTERM(t *testing.T) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 2*limit)
	defer cancel()
	d := managerd(t, "--listen", "tcp+plain://127.0.0.1:0")
	m := d.connect(ctx)
	v := must1[*proxy.Dict[string, []byte]](t)(proxy.OpenDict[string, []byte](ctx, m, "large"))
	if err := v.Set(ctx, "k", make([]byte, 32<<20)); err != nil {
		t.Fatal(err)
	}
	key, err := auth.LoadFile(d.key)
	if err != nil {
		t.Fatal(err)
	}
	p := dialPeer(t, ctx, d.addrs[0], key)
	p.open()
	p.send(wire.AppendCall(nil, p.call(0, "lookup", "large")))
	kind, body := p.next()
	if kind != wire.KindReply {
		t.Fatalf("message %d for lookup", kind)
	}
	ref := p.ref(body)
	p.send(wire.AppendCall(nil, p.call(ref.ID, "getitem", "k"))) // and does not read
	p.send(wire.AppendCall(nil, p.call(0, "create", "dict")))
	until(t, "the server has the calls", func() bool {
		info, err := m.Info(ctx)
		return err == nil && info["objects"].(int64) == 2
	})
	d.cmd.Process.Signal(syscall.SIGTERM)
	soon(t, "the first signal is heard", m.Done())
	d.cmd.Process.Signal(syscall.SIGTERM)
	d.wait()
	return d.signalled() == syscall.SIGTERM
}

// fails runs managerd with arguments that it refuses.
func fails(t *testing.T, env []string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	home := t.TempDir()
	cmd := exec.CommandContext(ctx, program(t, "managerd"), args...)
	cmd.Env = clean(home, env...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() <= 0 {
		t.Errorf("managerd %q %q: %v, want a status above 0\n%s", env, args, err, out)
	}
	return string(out)
}

func TestPortInUse(t *testing.T) {
	d := managerd(t, "--listen", "tcp://127.0.0.1:0")
	said := fails(t, nil, "--listen", d.addrs[0])
	if !strings.Contains(said, d.addrs[0]) || !strings.Contains(said, "in use") {
		t.Errorf("it says %q", said)
	}
}

func TestBadFlags(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "broken.yaml")
	if err := os.WriteFile(broken, []byte("listen: [tcp://127.0.0.1:0]\nleese: 5s\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	open := filepath.Join(t.TempDir(), "open.key")
	if err := os.WriteFile(open, []byte("a key that others may read"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		env   []string
		args  []string
		words []string
	}{
		{nil, []string{"--nope"}, []string{"--nope"}},
		{nil, []string{"argument"}, []string{"argument"}},
		{nil, []string{"--listen", "localhost:1"}, []string{"localhost:1", "tcp://"}},
		{nil, []string{"--listen", "tcp://127.0.0.1:99999"}, []string{"99999"}},
		{nil, []string{"--lease", "soon"}, []string{"lease", "soon"}},
		{nil, []string{"--lease", "1ms"}, []string{"lease", "1ms"}},
		{nil, []string{"--log-level", "loud"}, []string{"loud", "debug"}},
		{nil, []string{"--create", "jobs"}, []string{"jobs", "NAME=TYPEID"}},
		{nil, []string{"--create", "jobs=Nope", "--listen", "tcp://127.0.0.1:0"}, []string{"jobs", "Nope"}},
		{nil, []string{"--config", "/does/not/exist.yaml"}, []string{"/does/not/exist.yaml"}},
		{nil, []string{"--config", broken}, []string{"broken.yaml", "2", "leese"}},
		{nil, []string{"--config", broken, "--check-config"}, []string{"broken.yaml", "2", "leese"}},
		{nil, []string{"--listen", "tcp://127.0.0.1:0", "--authkey-file", open}, []string{"open.key"}},
		{[]string{"SYNCMANAGER_LEASE=soon"}, nil, []string{"SYNCMANAGER_LEASE", "soon"}},
		{[]string{"SYNCMANAGER_LISTEN=nowhere"}, nil, []string{"nowhere"}},
		{[]string{"SYNCMANAGER_AUTHKEY="}, []string{"--listen", "tcp://127.0.0.1:0"}, []string{"SYNCMANAGER_AUTHKEY"}},
	} {
		said := fails(t, c.env, c.args...)
		for _, w := range c.words {
			if !strings.Contains(said, w) {
				t.Errorf("managerd %q %q says %q, without %q", c.env, c.args, said, w)
			}
		}
		if strings.Count(strings.TrimSpace(said), "\n") > 3 {
			t.Errorf("managerd %q %q says too much: %q", c.env, c.args, said)
		}
	}
}

// TestTwoStarters starts servers on one unix socket at once: one wins, the
// others say why not; one that was killed is replaced.
func TestTwoStarters(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*limit)
	defer cancel()
	path := filepath.Join(t.TempDir(), "run", "s.sock")
	home := t.TempDir()
	key := filepath.Join(home, "authkey")
	var ps []*process
	for range 4 {
		cmd := exec.Command(program(t, "managerd"), "--listen", "unix://"+path, "--authkey-file", key)
		cmd.Env = clean(home)
		ps = append(ps, start(t, cmd))
	}
	var winner *process
	until(t, "all but one have ended", func() bool {
		left := 0
		for _, p := range ps {
			select {
			case <-p.exited:
			default:
				left, winner = left+1, p
			}
		}
		if left == 0 {
			t.Fatal("no server is left")
		}
		return left == 1
	})
	for _, p := range ps {
		if p != winner && (p.err == nil || !strings.Contains(p.stderr.String(), path) || !strings.Contains(p.stderr.String(), "in use")) {
			t.Errorf("a server that came too late: %v, it says %q", p.err, p.stderr)
		}
	}
	m, err := connect(ctx, "unix://"+path, key, 0)
	if err != nil {
		t.Fatal(err)
	}
	m.Close()
	for _, file := range []string{path, filepath.Dir(path), key} {
		if st, err := os.Stat(file); err != nil {
			t.Error(err)
		} else if st.Mode().Perm()&0o077 != 0 {
			t.Errorf("others may reach %s: %v", file, st.Mode())
		}
	}
	winner.cmd.Process.Kill()
	winner.wait()
	d := managerd(t, "--listen", "unix://"+path)
	d.connect(ctx)
}

// TestWrongKey shows a wrong key over each transport: both sides know, the
// stranger waits longer each time, and a good client notices nothing.
func TestWrongKey(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*limit)
	defer cancel()
	d := managerd(t, "--listen", "tcp://127.0.0.1:0", "--listen", "tcp+plain://127.0.0.1:0", "--listen", "unix://"+filepath.Join(t.TempDir(), "s"))
	good := d.connect(ctx)
	var total time.Duration
	for i, addr := range d.addrs {
		start := time.Now()
		_, err := proxy.Connect(ctx, addr, proxy.Config{AuthKey: auth.Generate()})
		took := time.Since(start)
		is(t, "a wrong key at "+addr, err, proxy.ErrAuthentication)
		if took < 90*time.Millisecond {
			t.Errorf("the answer to a wrong key at %s took %v, want a delay", addr, took)
		}
		total += took
		if i == 0 {
			start = time.Now()
			key, err := auth.LoadFile(d.key)
			if err != nil {
				t.Fatal(err)
			}
			_, err = proxy.Connect(ctx, addr, proxy.Config{AuthKey: key, KeyName: "nobody"})
			is(t, "an unknown key name", err, proxy.ErrAuthentication)
			if second := time.Since(start); second < 190*time.Millisecond {
				t.Errorf("the second answer took %v, want twice the first delay of 100 ms", second)
			}
		}
	}
	rec, ok := d.record("authentication failed")
	if remote := fmt.Sprint(rec["remote"]); !ok || !strings.Contains(remote, "127.0.0.1") || rec["level"] != "WARN" {
		t.Errorf("the log says %v", rec)
	}
	if strings.Contains(d.stderr.String(), string(must1[[]byte](t)(os.ReadFile(d.key)))) {
		t.Error("the log has the authkey in it")
	}
	if took, err := good.Ping(ctx); err != nil || took > 2*time.Second {
		t.Errorf("a good client: %v, %v", took, err)
	}
}
