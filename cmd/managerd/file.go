package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// source says on which line of which file each setting stands, and collects what is
// wrong. A setting that is not in it came from a flag.
type source struct {
	file  string
	lines map[string]int // by path: lease, limits.items, keys[0].role
	wrong []mistake
}

// mistake is what is wrong with one setting.
type mistake struct {
	line int
	path string
	err  error
	form bool // the value could not be read, so that what else is wrong with it is not known
}

// mistake notes what is wrong with a value: its setting's file, line and key, or its
// flag.
func (s *source) mistake(path, format string, args ...any) {
	if slices.ContainsFunc(s.wrong, func(m mistake) bool { return m.form && (within(m.path, path) || within(path, m.path)) }) {
		return // it was not read
	}
	for at := path; at != ""; at = at[:max(strings.LastIndexAny(at, ".["), 0)] { // one that is missing is told by what it belongs to
		if line, ok := s.lines[at]; ok {
			s.add(line, path, false, format, args...)
			return
		}
	}
	flag, _, _ := strings.Cut(path, "[")
	if flag == "objects" {
		flag = "create"
	}
	s.other(path, fmt.Errorf("--%s: %w", strings.NewReplacer("_", "-", ".", "-").Replace(flag), fmt.Errorf(format, args...)))
}

// other notes what is wrong with something that is in no file.
func (s *source) other(path string, err error) {
	s.wrong = append(s.wrong, mistake{path: path, err: err})
}

// add notes what is wrong on a line of the file.
func (s *source) add(line int, path string, form bool, format string, args ...any) {
	what := fmt.Errorf(format, args...)
	if path != "" {
		what = fmt.Errorf("%s: %w", path, what)
	}
	s.wrong = append(s.wrong, mistake{line, path, fmt.Errorf("%s:%d: %w", s.file, line, what), form})
}

// isWrong reports whether something is wrong with the setting, or with one that is
// part of it.
func (s *source) isWrong(path string) bool {
	return slices.ContainsFunc(s.wrong, func(m mistake) bool { return within(m.path, path) })
}

// err returns all that is wrong, a line each, in the order of the file.
func (s *source) err() error {
	slices.SortStableFunc(s.wrong, func(a, b mistake) int { return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.path, b.path)) })
	var list []error
	for _, m := range s.wrong {
		list = append(list, m.err)
	}
	return errors.Join(list...)
}

// drop forgets a setting of the file that a flag has replaced.
func (s *source) drop(path string) {
	maps.DeleteFunc(s.lines, func(p string, _ int) bool { return within(p, path) })
	s.wrong = slices.DeleteFunc(s.wrong, func(m mistake) bool { return within(m.path, path) })
}

// within reports whether a path is the other or below it.
func within(path, above string) bool {
	rest, ok := strings.CutPrefix(path, above)
	return ok && (rest == "" || above == "" || rest[0] == '[' || rest[0] == '.')
}

// readFile reads a configuration file, and notes what is wrong with its settings in
// c.source. An error is of a file that cannot be read, or is no YAML.
func readFile(file string, c *Config) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	c.source = source{file: file, lines: make(map[string]int)}
	tree, err := parser.ParseBytes(text, 0)
	if err != nil {
		return syntaxError(file, err)
	}
	s := &schema{source: &c.source, anchors: make(map[string]*anchor)}
	docs := slices.DeleteFunc(tree.Docs, func(d *ast.DocumentNode) bool { return d.Body == nil })
	if len(docs) > 1 {
		return fmt.Errorf("%s:%d: a second document: the file holds one", file, docs[1].Body.GetToken().Position.Line)
	}
	for _, d := range docs {
		s.check(d.Body, reflect.TypeFor[Config](), "")
	}
	if s.nodes >= maxNodes {
		return nil // it would unfold to more
	}
	if len(s.wrong) > 0 {
		for _, d := range docs {
			_ = yaml.NodeToValue(d.Body, c) // the rest is checked as well
		}
		return nil
	}
	// The form was checked; what is left is what the parser thinks of it.
	if err := yaml.UnmarshalWithOptions(text, c, yaml.Strict()); err != nil {
		return syntaxError(file, err)
	}
	return nil
}

func syntaxError(file string, err error) error {
	var syntax yaml.Error
	if errors.As(err, &syntax) && syntax.GetToken() != nil {
		return fmt.Errorf("%s:%d: %s", file, syntax.GetToken().Position.Line, syntax.GetMessage())
	}
	return fmt.Errorf("%s: %w", file, err)
}

// schema checks a file against the type of its configuration.
type schema struct {
	*source
	anchors map[string]*anchor
	nodes   int // visited so far
}

// anchor is a node that aliases stand for.
type anchor struct {
	node ast.Node
	open bool // being checked: an alias in it would stand for itself
}

// maxNodes bounds the nodes of a file, with those of an anchor counted for each
// alias: anchors of aliases of anchors would unfold to any number.
const maxNodes = 100_000

var durationType = reflect.TypeFor[time.Duration]()

// check checks that the node fits the type, and notes where each setting is.
func (s *schema) check(n ast.Node, t reflect.Type, path string) {
	line := n.GetToken().Position.Line
	if s.nodes++; s.nodes >= maxNodes {
		if s.nodes == maxNodes {
			s.add(line, path, true, "the file has more than %d values, counting what its aliases stand for", maxNodes)
		}
		return
	}
	if _, ok := s.lines[path]; !ok && path != "" {
		s.lines[path] = line
	}
	wrong := func(want string) { s.add(line, path, true, "%s is not %s", describe(n), want) }
	switch n := n.(type) {
	case *ast.AnchorNode:
		a := &anchor{node: n.Value, open: true}
		s.anchors[n.Name.String()] = a
		s.check(n.Value, t, path)
		a.open = false
		return
	case *ast.AliasNode:
		a, ok := s.anchors[n.Value.String()]
		switch {
		case !ok:
			s.add(line, path, true, "alias *%s stands for nothing above it", n.Value)
		case a.open:
			s.add(line, path, true, "alias *%s stands for what it is a part of", n.Value)
		default:
			s.check(a.node, t, path)
		}
		return
	case *ast.NullNode:
		return // the default
	}
	switch {
	case t == durationType:
		text, ok := n.(*ast.StringNode)
		if !ok {
			wrong("a duration such as 15s or 2m")
			return
		}
		if _, err := time.ParseDuration(text.Value); err != nil {
			wrong("a duration such as 15s or 2m")
		}
	case t.Kind() == reflect.Struct:
		s.mapping(n, t, path)
	case t.Kind() == reflect.Slice:
		list, ok := n.(*ast.SequenceNode)
		if !ok {
			wrong("a list")
			return
		}
		for i, v := range list.Values {
			list.Values[i] = s.checked(v, t.Elem(), path+"["+strconv.Itoa(i)+"]")
		}
	case t.Kind() == reflect.Interface:
		s.walk(n, path)
	case t.Kind() == reflect.String:
		switch n.(type) {
		case *ast.StringNode, *ast.LiteralNode:
		default:
			wrong("a string")
		}
	case t.Kind() == reflect.Bool:
		if _, ok := n.(*ast.BoolNode); !ok {
			wrong("true or false")
		}
	case t.Kind() == reflect.Int || t.Kind() == reflect.Int64:
		whole, ok := n.(*ast.IntegerNode)
		if !ok {
			wrong("a whole number")
			return
		}
		text := fmt.Sprint(whole.Value)
		if v, err := strconv.ParseInt(text, 10, 64); err != nil || reflect.Zero(t).OverflowInt(v) {
			wrong(fmt.Sprintf("a whole number of %d bits", t.Bits()))
		}
	}
}

// checked checks a node and returns it, or null if it does not fit, so that the rest
// can be read.
func (s *schema) checked(n ast.Node, t reflect.Type, path string) ast.Node {
	before := len(s.wrong)
	s.check(n, t, path)
	if after := len(s.wrong); after == before || s.wrong[after-1].path != path {
		return n
	}
	return ast.Null(n.GetToken())
}

// walk counts the nodes of a value that may have any form.
func (s *schema) walk(n ast.Node, path string) {
	below := func(n ast.Node) { s.check(n, reflect.TypeFor[any](), path) }
	switch n := n.(type) {
	case *ast.SequenceNode:
		for _, v := range n.Values {
			below(v)
		}
	case *ast.MappingNode:
		for _, p := range n.Values {
			below(p.Value)
		}
	case *ast.MappingValueNode:
		below(n.Value)
	}
}

// mapping checks the keys of a mapping against the fields of a struct.
func (s *schema) mapping(n ast.Node, t reflect.Type, path string) {
	var pairs []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	default:
		s.add(n.GetToken().Position.Line, path, true, "%s is not a mapping of keys to values", describe(n))
		return
	}
	fields := make(map[string]reflect.Type)
	for i := range t.NumField() {
		if key := t.Field(i).Tag.Get("yaml"); key != "" {
			fields[key] = t.Field(i).Type
		}
	}
	for _, p := range pairs {
		if p.Key.IsMergeKey() {
			s.check(p.Value, t, path)
			continue
		}
		line, key := p.Key.GetToken().Position.Line, p.Key.GetToken().Value
		at := key
		if path != "" {
			at = path + "." + key
		}
		field, ok := fields[key]
		if !ok {
			s.add(line, at, true, "unknown key; there are %s", strings.Join(slices.Sorted(maps.Keys(fields)), ", "))
			continue
		}
		s.lines[at] = line
		p.Value = s.checked(p.Value, field, at)
	}
}

// describe names a node for an error.
func describe(n ast.Node) string {
	switch n := n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.StringNode:
		return strconv.Quote(n.Value)
	default:
		return strconv.Quote(n.GetToken().Value)
	}
}
