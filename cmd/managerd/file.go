package main

import (
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

// source says on which line of which file each setting stands. A setting that
// is not in it came from a flag.
type source struct {
	file  string
	lines map[string]int // by path: lease, limits.items, keys[0].role
}

// errorf names what is wrong: the setting's file, line and key, or its flag.
func (s source) errorf(path, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	if line, ok := s.lines[path]; ok {
		return fmt.Errorf("%s:%d: %s: %w", s.file, line, path, err)
	}
	flag, _, _ := strings.Cut(path, "[")
	if flag == "objects" {
		flag = "create"
	}
	return fmt.Errorf("--%s: %w", strings.NewReplacer("_", "-", ".", "-").Replace(flag), err)
}

// drop forgets a setting of the file that a flag has replaced.
func (s source) drop(path string) {
	maps.DeleteFunc(s.lines, func(p string, _ int) bool {
		rest, ok := strings.CutPrefix(p, path)
		return ok && (rest == "" || rest[0] == '[' || rest[0] == '.')
	})
}

// readFile reads a configuration file. Its errors name file, line and key.
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
	s := &schema{source: c.source, anchors: make(map[string]ast.Node)}
	docs := slices.DeleteFunc(tree.Docs, func(d *ast.DocumentNode) bool { return d.Body == nil })
	if len(docs) > 1 {
		return fmt.Errorf("%s:%d: a second document: the file holds one", file, docs[1].Body.GetToken().Position.Line)
	}
	for _, d := range docs {
		if err := s.check(d.Body, reflect.TypeFor[Config](), ""); err != nil {
			return err
		}
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
	source
	anchors map[string]ast.Node
}

var durationType = reflect.TypeFor[time.Duration]()

// check checks that the node fits the type, and notes where each setting is.
func (s *schema) check(n ast.Node, t reflect.Type, path string) error {
	line := n.GetToken().Position.Line
	if _, ok := s.lines[path]; !ok && path != "" {
		s.lines[path] = line
	}
	wrong := func(want string) error {
		return s.at(line, path, "%s is not %s", describe(n), want)
	}
	switch n := n.(type) {
	case *ast.AnchorNode:
		s.anchors[n.Name.String()] = n.Value
		return s.check(n.Value, t, path)
	case *ast.AliasNode:
		v, ok := s.anchors[n.Value.String()]
		if !ok {
			return s.at(line, path, "alias *%s stands for nothing above it", n.Value)
		}
		return s.check(v, t, path)
	case *ast.NullNode:
		return nil // the default
	}
	switch {
	case t == durationType:
		text, ok := n.(*ast.StringNode)
		if !ok {
			return wrong("a duration such as 15s or 2m")
		}
		if _, err := time.ParseDuration(text.Value); err != nil {
			return wrong("a duration such as 15s or 2m")
		}
	case t.Kind() == reflect.Struct:
		return s.mapping(n, t, path)
	case t.Kind() == reflect.Slice:
		list, ok := n.(*ast.SequenceNode)
		if !ok {
			return wrong("a list")
		}
		for i, v := range list.Values {
			if err := s.check(v, t.Elem(), path+"["+strconv.Itoa(i)+"]"); err != nil {
				return err
			}
		}
	case t.Kind() == reflect.String:
		switch n.(type) {
		case *ast.StringNode, *ast.LiteralNode:
		default:
			return wrong("a string")
		}
	case t.Kind() == reflect.Bool:
		if _, ok := n.(*ast.BoolNode); !ok {
			return wrong("true or false")
		}
	case t.Kind() == reflect.Int || t.Kind() == reflect.Int64:
		whole, ok := n.(*ast.IntegerNode)
		if !ok {
			return wrong("a whole number")
		}
		text := fmt.Sprint(whole.Value)
		if v, err := strconv.ParseInt(text, 10, 64); err != nil || reflect.Zero(t).OverflowInt(v) {
			return wrong(fmt.Sprintf("a whole number of %d bits", t.Bits()))
		}
	}
	return nil
}

// mapping checks the keys of a mapping against the fields of a struct.
func (s *schema) mapping(n ast.Node, t reflect.Type, path string) error {
	var pairs []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	default:
		return s.at(n.GetToken().Position.Line, path, "%s is not a mapping of keys to values", describe(n))
	}
	fields := make(map[string]reflect.Type)
	for i := range t.NumField() {
		if key := t.Field(i).Tag.Get("yaml"); key != "" {
			fields[key] = t.Field(i).Type
		}
	}
	for _, p := range pairs {
		line := p.Key.GetToken().Position.Line
		if p.Key.IsMergeKey() {
			if err := s.check(p.Value, t, path); err != nil {
				return err
			}
			continue
		}
		key := p.Key.GetToken().Value
		at := key
		if path != "" {
			at = path + "." + key
		}
		field, ok := fields[key]
		if !ok {
			return s.at(line, at, "unknown key; there are %s", strings.Join(slices.Sorted(maps.Keys(fields)), ", "))
		}
		s.lines[at] = line
		if err := s.check(p.Value, field, at); err != nil {
			return err
		}
	}
	return nil
}

func (s *schema) at(line int, path, format string, args ...any) error {
	what := fmt.Sprintf(format, args...)
	if path != "" {
		what = path + ": " + what
	}
	return fmt.Errorf("%s:%d: %s", s.file, line, what)
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
