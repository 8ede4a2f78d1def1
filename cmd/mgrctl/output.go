package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// The formats of the output.
const (
	formatTable = "table"
	formatWide  = "wide"
	formatRaw   = "raw"
	formatJSON  = "json"
	formatJSONL = "jsonl"
	formatYAML  = "yaml"
	formatName  = "name"
)

var formats = []string{formatTable, formatWide, formatRaw, formatJSON, formatJSONL, formatYAML, formatName}

func checkFormat(format string) error {
	if !slices.Contains(formats, format) {
		return usage(nil, "--output %q: it is one of %s", format, strings.Join(formats, ", "))
	}
	return nil
}

// column is one of a listing's.
type column struct {
	key  string // in JSON
	head string
	wide bool // not in tables and raw output, unless they are wide
	name bool // what -o name prints
}

// listing prints rows as they come.
type listing struct {
	app     *app
	columns []column
	rows    int
	paged   bool       // JSON says where the next page begins
	widths  []int      // of the columns of a table, so far
	pending [][]string // rows of a table that are not printed yet
}

// tableBatch is how many rows of a table are lined up with one another.
const tableBatch = 1000

func (a *app) rows(columns ...column) *listing { return &listing{app: a, columns: columns} }

// add prints one row, with a cell for each column.
func (l *listing) add(cells ...cell) error {
	l.rows++
	switch l.app.format {
	case formatJSON, formatJSONL:
		return l.json(cells)
	case formatYAML:
		return l.app.yaml(append(append([]byte{'['}, l.object(cells)...), ']'))
	case formatName:
		for i, c := range l.columns {
			if c.name {
				return l.app.line(cells[i].plain)
			}
		}
		return l.app.line(cells[0].plain)
	case formatRaw:
		var row []string
		for i, c := range l.columns {
			if !c.wide {
				row = append(row, field(cells[i].plain))
			}
		}
		return l.app.line(strings.Join(row, "\t"))
	}
	row := make([]string, 0, len(cells))
	for i, c := range l.columns {
		if !c.wide || l.app.format == formatWide {
			row = append(row, field(cells[i].human))
		}
	}
	if l.pending = append(l.pending, row); len(l.pending) < tableBatch {
		return nil
	}
	return l.flush()
}

// json prints a row within an array, or as a line of its own.
func (l *listing) json(cells []cell) error {
	object := l.object(cells)
	switch {
	case l.app.format == formatJSONL:
		return l.app.line(string(object))
	case l.rows == 1:
		return l.app.print(l.open() + "\n" + string(object))
	}
	return l.app.print(",\n" + string(object))
}

func (l *listing) object(cells []cell) []byte {
	b := []byte{'{'}
	for i, c := range l.columns {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(appendString(b, c.key), ':'), cells[i].json...)
	}
	return append(b, '}')
}

// open begins the array.
func (l *listing) open() string {
	if l.paged {
		return `{"rows":[`
	}
	return "["
}

// end prints what remains of a listing that is complete.
func (l *listing) end() error { return l.endAt(0) }

// endAt prints what remains, and where the next page begins unless that is 0.
func (l *listing) endAt(next uint64) error {
	if err := l.close(next); err != nil || next == 0 || l.app.format == formatJSON {
		return err
	}
	fmt.Fprintf(l.app.stderr, "more: --after %d\n", next)
	return nil
}

func (l *listing) close(next uint64) error {
	switch l.app.format {
	case formatJSON:
		end := "]"
		if l.paged {
			end = fmt.Sprintf(`],"next":%d}`, next)
		}
		if l.rows == 0 {
			return l.app.line(l.open() + end)
		}
		return l.app.line("\n" + end)
	case formatYAML:
		if l.rows == 0 {
			return l.app.line("[]")
		}
	case formatTable, formatWide:
		return l.flush()
	}
	return nil
}

// flush prints the pending rows of a table, and its head before the first.
func (l *listing) flush() error {
	if l.widths == nil {
		var head []string
		for _, c := range l.columns {
			if !c.wide || l.app.format == formatWide {
				head = append(head, c.head)
			}
		}
		l.widths = make([]int, len(head))
		l.pending = append([][]string{head}, l.pending...)
	}
	for _, row := range l.pending {
		for i, s := range row {
			l.widths[i] = max(l.widths[i], width(s))
		}
	}
	var b strings.Builder
	for _, row := range l.pending {
		for i, s := range row {
			if i == len(row)-1 {
				b.WriteString(s)
				continue
			}
			b.WriteString(pad(s, l.widths[i]) + "  ")
		}
		line := strings.TrimRight(b.String(), " ")
		b.Reset()
		if most := l.app.columns(); most > 0 && l.app.format == formatTable {
			line = cut(line, most)
		}
		if err := l.app.line(line); err != nil {
			return err
		}
	}
	l.pending = l.pending[:0]
	return nil
}

// fieldOf is one line of a record.
type fieldOf struct {
	key  string
	cell cell
}

// record prints one thing with its fields; name is what -o name prints.
func (a *app) record(name string, fields ...fieldOf) error {
	switch a.format {
	case formatName:
		return a.line(name)
	case formatJSON, formatJSONL, formatYAML:
		b := []byte{'{'}
		for i, f := range fields {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(append(appendString(b, f.key), ':'), f.cell.json...)
		}
		return a.document(append(b, '}'))
	case formatRaw:
		for _, f := range fields {
			if err := a.line(f.key + "\t" + field(f.cell.plain)); err != nil {
				return err
			}
		}
		return nil
	}
	widest := 0
	for _, f := range fields {
		widest = max(widest, len(label(f.key)))
	}
	for _, f := range fields {
		line := strings.TrimRight(pad(label(f.key), widest)+"  "+field(f.cell.human), " ")
		if most := a.columns(); most > 0 && a.format == formatTable && f.key == "repr" {
			line = cut(line, most)
		}
		if err := a.line(line); err != nil {
			return err
		}
	}
	return nil
}

// label is a field's name for people: units show in the value.
func label(key string) string {
	key = strings.TrimSuffix(strings.TrimSuffix(key, "_seconds"), "_bytes")
	return strings.ReplaceAll(key, "_", " ") + ":"
}

// value prints one value of an object.
func (a *app) value(v value) error {
	switch a.format {
	case formatJSON, formatJSONL, formatYAML:
		return a.document(v.asJSON())
	}
	tty := isTerminal(a.stdout)
	switch {
	case v.kind == kindString && tty && strings.ContainsFunc(strings.ReplaceAll(v.plain, "\n", ""), unsafe):
		return a.line(string(v.asJSON())) // a terminal would obey it
	case v.kind == kindString:
		return a.line(v.plain)
	case v.kind == kindBytes && !tty:
		return a.print(v.plain) // bytes as they are, with nothing added
	case tty:
		return a.indented(v.asJSON())
	}
	return a.line(string(v.asJSON()))
}

// document prints one whole JSON text in the format.
func (a *app) document(text []byte) error {
	switch {
	case a.format == formatYAML:
		return a.yaml(text)
	case a.format == formatJSON && isTerminal(a.stdout):
		return a.indented(text)
	}
	return a.line(string(text))
}

func (a *app) indented(text []byte) error {
	var b bytes.Buffer
	if err := json.Indent(&b, text, "", "  "); err != nil {
		return err
	}
	return a.line(b.String())
}

// yaml prints a JSON text as YAML.
func (a *app) yaml(text []byte) error {
	y, err := yamlOf(text)
	if err != nil {
		return err
	}
	return a.print(string(y))
}

func (a *app) line(s string) error { return a.print(s + "\n") }

// print writes at once: a stream's reader sees each line when it comes.
func (a *app) print(s string) error {
	if _, err := io.WriteString(a.stdout, s); err != nil {
		return fmt.Errorf("writing the output: %w", err)
	}
	return nil
}

// field returns a text that fits into one field of a line: one that would not is
// written as JSON.
func field(s string) string {
	if strings.ContainsFunc(s, unsafe) {
		return string(appendString(nil, s))
	}
	return s
}
