package managers

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/objects"
	"github.com/syncmanager/syncmanager/internal/wire"
)

var update = flag.Bool("update", false, "write the tables of docs/protocol.md")

// TestProtocolTables holds the tables of docs/protocol.md against the code.
func TestProtocolTables(t *testing.T) {
	const path = "../docs/protocol.md"
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	e := engine.New(objects.Types()...)
	var types strings.Builder
	for _, typ := range append(objects.Types(), iteratorEngineType()) {
		params := ""
		if known := e.Type(typ.Name); known != nil {
			typ = known
		} else if err := e.AddType(typ); err != nil {
			t.Fatal(err)
		}
		params = typ.Params
		fmt.Fprintf(&types, "### %s(%s)\n\n", typ.Name, params)
		types.WriteString(methodTable(typ))
		types.WriteString("\n")
	}
	text := section(t, old, "server methods", methodTable(engine.ServerType()))
	text = section(t, text, "object types", strings.TrimSuffix(types.String(), "\n"))
	text = section(t, text, "errors", errorTable())
	if *update {
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(text, old) {
		t.Error("docs/protocol.md is not what the code says; run: go test ./managers -run TestProtocolTables -update")
	}
}

// section replaces what stands between the marker and its end.
func section(t *testing.T, text []byte, name, content string) []byte {
	t.Helper()
	from := bytes.Index(text, []byte("<!-- "+name+":"))
	if from < 0 {
		t.Fatalf("no marker for %s", name)
	}
	from += bytes.IndexByte(text[from:], '\n') + 1
	to := bytes.Index(text[from:], []byte("<!-- end -->"))
	if to < 0 {
		t.Fatalf("the section %s has no end", name)
	}
	return []byte(string(text[:from]) + "\n" + content + "\n" + string(text[from+to:]))
}

func methodTable(typ *engine.Type) string {
	var b strings.Builder
	b.WriteString("| number | method | result | |\n|---|---|---|---|\n")
	for i := range typ.Methods {
		m := &typ.Methods[i]
		var notes []string
		for flag, note := range map[engine.Flags]string{engine.Reads: "reads", engine.Parks: "waits", engine.Admin: "admin"} {
			if m.Flags&flag != 0 {
				notes = append(notes, note)
			}
		}
		slices.Sort(notes)
		fmt.Fprintf(&b, "| %d | `%s(%s)` | %s | %s |\n", engine.FirstMethod+i, m.Name, m.Params, m.Result, strings.Join(notes, ", "))
	}
	return b.String()
}

func errorTable() string {
	var b strings.Builder
	b.WriteString("| code | name | Python's exception |\n|---|---|---|\n")
	for code := wire.Code(1); code < 1000; code++ {
		if strings.HasPrefix(code.String(), "code ") {
			continue
		}
		fmt.Fprintf(&b, "| %d | `%s` | `%s` |\n", code, code, code.Python())
	}
	return b.String()
}
