package proxy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"
)

// methodTables returns the tables in methods.go: variable name to method name
// and number.
func methodTables(t *testing.T) map[string]struct {
	Name   string
	Number uint32
} {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "methods.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]struct {
		Name   string
		Number uint32
	})
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		lit, ok := spec.Values[0].(*ast.CompositeLit)
		if !ok {
			return true
		}
		m := all[spec.Names[0].Name]
		for _, e := range lit.Elts {
			kv := e.(*ast.KeyValueExpr)
			switch v := kv.Value.(type) {
			case *ast.BasicLit:
				if v.Kind == token.STRING {
					m.Name = strings.Trim(v.Value, `"`)
				} else {
					n, err := strconv.Atoi(v.Value)
					if err != nil {
						t.Fatal(err)
					}
					m.Number = uint32(n)
				}
			}
		}
		all[spec.Names[0].Name] = m
		return true
	})
	return all
}

// MethodsForTest gives the tables to the tests outside of the package.
var MethodsForTest = methodTables
