package engine

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// forbidden are the imports that would bring in a clock, randomness,
// concurrency or I/O.
// The package time serves to print durations alone.
var forbidden = []string{
	"math/rand", "math/rand/v2", "crypto/rand", "sync", "sync/atomic", "os", "io", "net", "context", "syscall", "runtime", "log", "log/slog",
}

// mapRanges are the functions that may range over a map, and why no order
// shows. The key is the package's directory and the function.
var mapRanges = map[string]string{
	"engine Engine.allSessions": "the sessions are sorted",
	"engine Session.records":    "the serials are sorted",
	"engine Session.refsRecord": "the ids are sorted",
	"engine loader.linkObjects": "the objects are sorted; else an order shows in the texts of errors alone",
	"engine loader.check":       "an order shows in the texts of errors alone",
	"engine Engine.endSession":  "the ids are sorted",
	"engine Session.settle":     "it only takes out of the map",
	"engine Engine.Tables":      "the tables are sorted",
	"engine Engine.pending":     "the numbers are sorted",
	"engine rootTypes":          "the names are sorted",
	"engine rootSessions":       "the ids are sorted",
}

// TestDeterminism parses the engine and the objects: no clock, no randomness,
// no goroutine, no channel, no lock, no order of a map.
func TestDeterminism(t *testing.T) {
	used := make(map[string]bool)
	for _, dir := range []string{".", "../objects"} {
		files := parseDir(t, dir)
		if len(files) == 0 {
			t.Fatalf("%s: no files", dir)
		}
		isMap := mapsOf(files)
		for _, f := range files {
			for _, im := range f.file.Imports {
				path, _ := strconv.Unquote(im.Path.Value)
				if slices.Contains(forbidden, path) || strings.HasPrefix(path, "net/") || strings.HasPrefix(path, "os/") {
					t.Errorf("%s imports %s", f.name, path)
				}
			}
			for _, decl := range f.file.Decls {
				where := filepath.Base(dir)
				if dir == "." {
					where = "engine"
				}
				if fn, ok := decl.(*ast.FuncDecl); ok {
					where += " " + funcName(fn)
				}
				ast.Inspect(decl, func(n ast.Node) bool {
					at := func() string { return fmt.Sprintf("%s:%d", f.name, f.set.Position(n.Pos()).Line) }
					switch n := n.(type) {
					case *ast.GoStmt:
						t.Errorf("%s: a go statement", at())
					case *ast.ChanType, *ast.SendStmt, *ast.SelectStmt:
						t.Errorf("%s: a channel", at())
					case *ast.RangeStmt:
						if isMap(n.X) {
							if mapRanges[where] == "" {
								t.Errorf("%s: %s ranges over the map %s", at(), where, types.ExprString(n.X))
							}
							used[where] = true
						}
					case *ast.SelectorExpr:
						switch x, _ := n.X.(*ast.Ident); {
						case x == nil:
						case x.Name == "maps":
							t.Errorf("%s: maps.%s has no order", at(), n.Sel.Name)
						case x.Name == "time" && n.Sel.Name != "Duration":
							t.Errorf("%s: time.%s", at(), n.Sel.Name)
						}
					}
					return true
				})
			}
		}
	}
	for where := range mapRanges {
		if !used[where] {
			t.Errorf("%s no longer ranges over a map: take it off the list", where)
		}
	}
}

type parsed struct {
	name string
	set  *token.FileSet
	file *ast.File
}

// parseDir parses the sources of a directory, without tests.
func parseDir(t *testing.T, dir string) []parsed {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	set := token.NewFileSet()
	var files []parsed
	for _, entry := range entries {
		name := filepath.Join(dir, entry.Name())
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, parsed{name, set, file})
	}
	return files
}

func funcName(fn *ast.FuncDecl) string {
	if fn.Recv == nil {
		return fn.Name.Name
	}
	recv := fn.Recv.List[0].Type
	for {
		switch x := recv.(type) {
		case *ast.StarExpr:
			recv = x.X
		case *ast.IndexExpr:
			recv = x.X
		case *ast.Ident:
			return x.Name + "." + fn.Name.Name
		default:
			return fn.Name.Name
		}
	}
}

// mapsOf type-checks a package by itself and returns a test whether an
// expression is a map. Other packages are left out, so what has a type of
// theirs counts as none.
func mapsOf(files []parsed) func(ast.Expr) bool {
	info := &types.Info{Types: make(map[ast.Expr]types.TypeAndValue)}
	config := types.Config{Importer: noImports{}, Error: func(error) {}}
	var all []*ast.File
	for _, f := range files {
		all = append(all, f.file)
	}
	_, _ = config.Check("x", files[0].set, all, info)
	return func(x ast.Expr) bool {
		t := info.TypeOf(x)
		if t == nil {
			return false
		}
		_, ok := t.Underlying().(*types.Map)
		return ok
	}
}

// noImports gives every import an empty package.
type noImports struct{}

func (noImports) Import(path string) (*types.Package, error) {
	p := types.NewPackage(path, filepath.Base(path))
	p.MarkComplete()
	return p, nil
}

// TestMapRangeIsSeen shows that the test above sees what it looks for.
func TestMapRangeIsSeen(t *testing.T) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, "x.go", `package x
type set map[string]bool
type s struct { a map[int]int; b set; c []int }
func f(v s, d map[int]int) {
	e := make(map[int]int)
	for range v.a {}
	for range v.b {}
	for range v.c {}
	for range d {}
	for range e {}
	for range 3 {}
}`, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	isMap := mapsOf([]parsed{{"x.go", set, file}})
	seen := make(map[string]bool)
	ast.Inspect(file, func(n ast.Node) bool {
		if r, ok := n.(*ast.RangeStmt); ok && isMap(r.X) {
			seen[types.ExprString(r.X)] = true
		}
		return true
	})
	if got := strings.Join(slices.Sorted(maps.Keys(seen)), " "); got != "d e v.a v.b" {
		t.Fatalf("saw %s", got)
	}
}
