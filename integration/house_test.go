// Package integration holds the tests that run across packages and processes.
package integration

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/syncmanager/syncmanager"

// floors is the house: a package may import those of lower floors alone.
var floors = map[string]int{
	"auth": 0, "internal/wire": 0, "internal/pickle": 0, "internal/defaults": 0, "internal/supervise": 0, "internal/journal": 0,
	"internal/link": 1, "internal/engine": 1, "internal/group": 1, "internal/pickle/pickletest": 1,
	"connection": 2, "internal/objects": 2,
	"internal/client": 3, "internal/pydoor": 3,
	"proxy": 4, "managers": 4,
	"managers/durable": 5,
	"cmd/managerd":     6, "cmd/mgrctl": 6,
}

// alone are the packages that may import no others of ours than these.
var alone = map[string][]string{
	"auth":             {},
	"internal/wire":    {},
	"internal/engine":  {"internal/wire"},
	"internal/journal": {},
	"internal/group":   {"internal/journal"},
}

// apart are the packages that no way of imports may lead between.
var apart = [][2]string{
	{"proxy", "managers"}, {"managers", "proxy"}, {"proxy", "internal/engine"}, {"proxy", "internal/objects"},
	{"proxy", "internal/group"}, {"proxy", "internal/journal"}, {"managers", "internal/group"}, {"managers", "internal/journal"},
	{"connection", "internal/engine"}, {"internal/client", "internal/engine"}, {"internal/client", "proxy"},
}

// TestHouse holds the import rules, on every system that is built for.
func TestHouse(t *testing.T) {
	for _, system := range []string{"linux", "darwin", "windows"} {
		t.Run(system, func(t *testing.T) {
			imports := listImports(t, system)
			for p, list := range imports {
				floor, ok := floors[p]
				switch {
				case strings.HasPrefix(p, "examples"), strings.HasPrefix(p, "integration"), p == "":
					continue // programs and tests that nobody imports
				case !ok:
					t.Errorf("%s stands on no floor of the house", p)
				}
				only, isAlone := alone[p]
				for _, q := range list {
					if below, ok := floors[q]; !ok || below >= floor {
						t.Errorf("%s imports %s, which does not stand below it", p, q)
					}
					if isAlone && !slices.Contains(only, q) {
						t.Errorf("%s imports %s; of ours it may import %q", p, q, only)
					}
				}
			}
			for _, pair := range apart {
				if way := wayBetween(imports, pair[0], pair[1]); way != nil {
					t.Errorf("%s reaches %s by way of %s", pair[0], pair[1], strings.Join(way, ", "))
				}
			}
			for _, p := range []string{"auth", "internal/wire", "internal/engine", "proxy", "managers"} {
				if _, ok := imports[p]; !ok {
					t.Errorf("there is no package %s: the test looks in the wrong place", p)
				}
			}
		})
	}
}

// listImports returns which packages of ours each package of ours imports,
// tests left out. Names are without the module's path.
func listImports(t *testing.T, system string) map[string][]string {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Imports", "./...")
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "GOOS="+system, "CGO_ENABLED=0")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	ours := func(path string) (string, bool) {
		rest, ok := strings.CutPrefix(path, module)
		return strings.TrimPrefix(rest, "/"), ok
	}
	imports := make(map[string][]string)
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return imports
		} else if err != nil {
			t.Fatal(err)
		}
		name, _ := ours(p.ImportPath)
		list := []string{}
		for _, path := range p.Imports {
			if q, ok := ours(path); ok {
				list = append(list, q)
			}
		}
		imports[name] = list
	}
}

// wayBetween returns the imports that lead from one package to another, or nil.
func wayBetween(imports map[string][]string, from, to string) []string {
	seen := make(map[string]bool)
	var walk func(p string) []string
	walk = func(p string) []string {
		if seen[p] {
			return nil
		}
		seen[p] = true
		for _, q := range imports[p] {
			if q == to {
				return []string{p}
			}
			if way := walk(q); way != nil {
				return append([]string{p}, way...)
			}
		}
		return nil
	}
	return walk(from)
}

// TestLinksNoRaft holds that a client, and a program that embeds a server without a
// data directory, do not carry the log and its libraries.
func TestLinksNoRaft(t *testing.T) {
	for _, p := range []string{"proxy", "managers", "examples/customtype", "examples/wordcount", "cmd/mgrctl"} {
		cmd := exec.Command("go", "list", "-deps", "./"+p)
		cmd.Dir = ".."
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		for dep := range strings.Lines(string(out)) {
			dep = strings.TrimSpace(dep)
			if strings.HasPrefix(dep, "go.etcd.io/") || p != "cmd/mgrctl" && (dep == module+"/internal/journal" || dep == module+"/internal/group") {
				t.Errorf("%s links %s", p, dep)
			}
		}
	}
}
