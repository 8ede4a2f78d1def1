package main

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/syncmanager/syncmanager/integration/bench/internal/proc"
	"github.com/syncmanager/syncmanager/integration/bench/internal/report"
	"github.com/syncmanager/syncmanager/integration/bench/internal/serve"
)

//go:embed peers/*.py
var scripts embed.FS

// findPeers looks for the programs that users would pick instead. What is not
// installed is named as missing, with the reason.
func (e *env) findPeers(ctx context.Context) ([]report.Peer, error) {
	peers := []report.Peer{e.findRedis(ctx), e.findPython(ctx)}
	for _, module := range []string{"github.com/redis/rueidis", "github.com/redis/go-redis/v9"} {
		peers = append(peers, report.Peer{Name: filepath.Base(strings.TrimSuffix(module, "/v9")), Version: moduleVersion(module)})
	}
	peers = append(peers, report.Peer{Name: "net/rpc", Version: runtime.Version()})
	return peers, e.writeScripts()
}

func (e *env) findRedis(ctx context.Context) report.Peer {
	p := report.Peer{Name: peerRedis}
	path, err := exec.LookPath("redis-server")
	if err != nil {
		p.Missing = "no redis-server in PATH (Debian: apt-get install redis-server)"
		return p
	}
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		p.Missing = fmt.Sprintf("%s --version: %v", path, err)
		return p
	}
	p.Version = strings.TrimSpace(string(out))
	if _, rest, ok := strings.Cut(p.Version, "v="); ok {
		p.Version, _, _ = strings.Cut(rest, " ")
	}
	e.redis = path
	return p
}

// minPython is the oldest Python that counts: 3.11.
const minPython = 11

func (e *env) findPython(ctx context.Context) report.Peer {
	p := report.Peer{Name: peerPython, Missing: "no python3 of version 3.11 or newer in PATH"}
	path, err := exec.LookPath("python3")
	if err != nil {
		return p
	}
	// sys.executable: a version manager's shim would start a shell each time.
	out, err := exec.CommandContext(ctx, path, "-c", "import sys, multiprocessing.managers; print(sys.executable, *sys.version_info[:3])").Output()
	if err != nil {
		p.Missing = fmt.Sprintf("%s: %v", path, err)
		return p
	}
	fields := strings.Fields(string(out))
	if len(fields) != 4 {
		p.Missing = fmt.Sprintf("%s: printed %q in place of its version", path, out)
		return p
	}
	version := strings.Join(fields[1:], ".")
	if minor, err := strconv.Atoi(fields[2]); fields[1] != "3" || err != nil || minor < minPython {
		p.Missing += fmt.Sprintf(" (%s is %s)", path, version)
		return p
	}
	e.python = fields[0]
	return report.Peer{Name: peerPython, Version: version}
}

// writeScripts puts the Python side into the working directory.
func (e *env) writeScripts() error {
	files, err := fs.Glob(scripts, "peers/*.py")
	if err != nil {
		return fmt.Errorf("scripts: %w", err)
	}
	for _, name := range files {
		text, err := scripts.ReadFile(name)
		if err != nil {
			return fmt.Errorf("scripts: %w", err)
		}
		if err := os.WriteFile(filepath.Join(e.dir, filepath.Base(name)), text, 0o600); err != nil {
			return fmt.Errorf("scripts: %w", err)
		}
	}
	return nil
}

// startRedis starts a Redis of our own on a free port and a unix socket, that
// saves nothing.
func (e *env) startRedis(ctx context.Context) (*proc.Child, error) {
	port, err := proc.FreePort()
	if err != nil {
		return nil, err
	}
	tcp := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	unix := filepath.Join(e.dir, fmt.Sprintf("redis-%d.sock", port))
	return e.guard(ctx, "redis-server", proc.Guarded{
		Argv: []string{
			e.redis, "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--unixsocket", unix, "--dir", e.dir,
			"--save", "", "--appendonly", "no", "--daemonize", "no", "--loglevel", "warning",
		},
		Addrs: map[string]string{"tcp": tcp, "unix": unix},
	})
}

func (e *env) startPython(ctx context.Context, name string) (*proc.Child, error) {
	config := map[string]string{"network": "tcp", "key": e.key}
	if name == "python-unix" {
		config["network"], config["addr"] = "unix", filepath.Join(e.dir, "python.sock")
	}
	return e.start(ctx, "Python's manager", config, e.python, "-B", filepath.Join(e.dir, "server.py"))
}

// startManagerd builds the server program and starts it on plain TCP, TLS and a
// unix socket, and for Python clients on TCP and a unix socket.
func (e *env) startManagerd(ctx context.Context, other bool) (*proc.Child, error) {
	program, root := filepath.Join(e.dir, "managerd"), e.root
	if other {
		program, root = program+"-other", e.other.root
	}
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	if _, err := os.Stat(program); err != nil {
		if err := goBuild(ctx, root, program, "./cmd/managerd"); err != nil {
			return nil, err
		}
	}
	var ports [3]string
	for i := range ports {
		port, err := proc.FreePort()
		if err != nil {
			return nil, err
		}
		ports[i] = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	}
	_, own, _ := strings.Cut(ports[0], ":") // there may be several
	unix := filepath.Join(e.dir, "managerd-"+own+".sock")
	python := filepath.Join(e.dir, "managerd-"+own+"-python.sock")
	addrs := map[string]string{"tcp": ports[0], "tls": ports[1], "unix": unix, serve.PythonTCP: ports[2], serve.PythonUnix: python}
	return e.guard(ctx, "managerd", proc.Guarded{
		Argv: []string{
			program, "--log-level", "error",
			"--listen", "tcp+plain://" + ports[0], "--listen", "tcp://" + ports[1], "--listen", "unix://" + unix,
			"--python-listen", "tcp://" + ports[2], "--python-listen", "unix://" + python,
			"--create", serve.PythonDict + "=dict",
		},
		Env:   []string{"SYNCMANAGER_AUTHKEY=" + e.key},
		Addrs: addrs,
	})
}

// goBuild builds a program out of a package of the module in dir.
func goBuild(ctx context.Context, dir, program, pkg string) error {
	build := exec.CommandContext(ctx, "go", "build", "-o", program, pkg)
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s in %s: %w: %.300s", pkg, dir, err, out)
	}
	return nil
}

// guard starts a program that knows nothing of this benchmark.
func (e *env) guard(ctx context.Context, name string, g proc.Guarded) (*proc.Child, error) {
	c, err := e.start(ctx, name, g, e.self, childArg, roleGuard)
	if err != nil {
		return nil, err
	}
	c.Addrs = g.Addrs
	return c, nil
}

// moduleVersion is the version of a module that this program was built with.
func moduleVersion(path string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, m := range info.Deps {
		if m.Path == path {
			return m.Version
		}
	}
	return "unknown"
}
