package engine

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// Kind is what an argument must be, as far as the table of methods says it.
type Kind uint8

// The kinds.
const (
	KindAny  Kind = iota
	KindInt       // an int of 64 bits
	KindUint      // an int of 64 bits that is not negative
	KindBool
	KindStr
	KindRef
)

var kindNames = map[string]Kind{"int": KindInt, "uint": KindUint, "bool": KindBool, "str": KindStr, "ref": KindRef}

// Param is one parameter.
type Param struct {
	Name     string
	Kind     Kind
	None     bool     // None stands for the default
	Optional bool     // the argument may be left out
	Default  wire.Raw // what then stands for it, or empty
	number   int64    // Default, if it is an int or a bool
}

// Signature says which arguments a method or constructor takes.
type Signature struct {
	Params      []Param
	Least, Most int // how many arguments come
	checked     int // how many of the first parameters are looked at
}

// parseSignature reads the text of a table: parameters as Python writes them,
// "name", "name=default", "*names" for any number, and "[name]" for one that may
// be left out and has no default. A kind stands behind a colon: "limit: int|None
// = 10". It returns the text without the kinds, for people.
func parseSignature(text string) (Signature, string, error) {
	var s Signature
	var people strings.Builder
	for p := range strings.SplitSeq(text, ",") {
		p = strings.TrimSpace(p)
		switch {
		case text == "":
			return s, "", nil
		case s.Most == math.MaxInt:
			return s, "", fmt.Errorf("nothing may follow the rest of the arguments in %q", text)
		case people.Len() > 0:
			people.WriteString(", ")
		}
		if name, ok := strings.CutPrefix(p, "*"); ok {
			s.Most = math.MaxInt
			people.WriteString("*" + name)
			continue
		}
		bare, bracket := strings.CutPrefix(p, "[")
		if bracket {
			bare = strings.TrimSuffix(bare, "]")
		}
		left, value, optional := strings.Cut(bare, "=")
		name, kind, _ := strings.Cut(left, ":")
		m := Param{Name: strings.TrimSpace(name), Optional: optional || bracket}
		kind, m.None = strings.CutSuffix(strings.TrimSpace(kind), "|None")
		if kind != "" {
			if m.Kind = kindNames[kind]; m.Kind == KindAny {
				return s, "", fmt.Errorf("no kind %q in %q", kind, text)
			}
			s.checked = len(s.Params) + 1
		}
		if !m.Optional && s.Least < len(s.Params) {
			return s, "", fmt.Errorf("%s must have a default, as those before it do, in %q", m.Name, text)
		}
		people.WriteString(m.Name)
		if optional {
			value = strings.TrimSpace(value)
			var err error
			if m.Default, err = literal(value); err != nil {
				return s, "", fmt.Errorf("%w in %q", err, text)
			}
			r := wire.ReaderOf(m.Default)
			m.number, _ = r.Int()
			people.WriteString("=" + value)
		}
		if !m.Optional {
			s.Least++
		}
		s.Params = append(s.Params, m)
		s.Most = len(s.Params)
		if bracket {
			t := people.String()
			cut := max(strings.LastIndex(t, ", "), 0)
			people.Reset()
			people.WriteString(t[:cut] + "[" + t[cut:] + "]")
		}
	}
	return s, people.String(), nil
}

// literal encodes a default.
func literal(text string) (wire.Raw, error) {
	switch text {
	case "None":
		return rawNil, nil
	case "False":
		return rawFalse, nil
	case "True":
		return rawTrue, nil
	case "[]", "()", "{}":
		return "", nil // an empty container; nothing to put in
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return wire.Raw(wire.AppendInt(nil, n)), nil
	}
	if n := len(text); n >= 2 && text[0] == '\'' && text[n-1] == '\'' {
		return wire.Raw(wire.AppendStr(nil, text[1:n-1])), nil
	}
	return "", fmt.Errorf("no literal: %s", text)
}

// check looks whether the arguments are what the signature says.
func (s *Signature) check(args *wire.Reader) error {
	if n := args.NArgs(); n < s.Least || n > s.Most {
		return &miscount{s, n}
	}
	if s.checked == 0 || args.NArgs() == 0 {
		return nil
	}
	return s.checkKinds(*args)
}

func (s *Signature) checkKinds(args wire.Reader) error {
	for i := 0; i < s.checked && args.More(); i++ {
		if err := s.Params[i].take(&args); err != nil {
			return err
		}
	}
	return nil
}

func (p *Param) take(args *wire.Reader) (err error) {
	if p.None && args.Nil() {
		return nil
	}
	switch p.Kind {
	case KindInt:
		_, err = args.Int()
	case KindUint:
		_, err = args.Uint()
	case KindBool:
		_, err = args.Bool()
	case KindStr:
		_, err = args.Str()
	case KindRef:
		_, err = args.Ref()
	default:
		args.Next()
	}
	return err
}

// miscount is the error for too few or too many arguments.
type miscount struct {
	s   *Signature
	got int
}

func (e *miscount) Error() string {
	s := e.s
	takes, last := strconv.Itoa(s.Least), s.Least
	switch {
	case s.Most == 0:
		takes = "no"
	case s.Most == math.MaxInt:
		takes = "at least " + takes
	case s.Most > s.Least && s.Least == 0:
		takes, last = "at most "+strconv.Itoa(s.Most), s.Most
	case s.Most > s.Least:
		takes, last = takes+" to "+strconv.Itoa(s.Most), s.Most
	}
	if last == 1 {
		return fmt.Sprintf("takes %s argument, got %d", takes, e.got)
	}
	return fmt.Sprintf("takes %s arguments, got %d", takes, e.got)
}

// The arguments of a call are taken one after the other. That they are there,
// and of their kinds, was checked before the handler ran; where one was left
// out, or is None that stands for its default, the default is returned.

// Value takes an argument; nil if it was left out and has no default. It is
// borrowed.
func (c *Call) Value() []byte {
	if c.Args.More() {
		return c.Args.Next()
	}
	return c.left().Default.Bytes()
}

// noParam stands for those that are beyond the table: more of "*args".
var noParam Param

// left passes over an argument that was left out, or is None that stands for its
// default.
func (c *Call) left() *Param {
	at := c.Args.Taken()
	if c.Args.Next() == nil {
		c.Args.Omit()
	}
	if at < len(c.sig.Params) {
		return &c.sig.Params[at]
	}
	return &noParam
}

// Given reports whether a further argument came and is not None that stands for
// its default.
func (c *Call) Given() bool {
	return c.Args.More() && !(c.Args.Type() == wire.TypeNil && c.sig.Params[c.Args.Taken()].None)
}

// Int takes an argument of KindInt.
func (c *Call) Int() int64 {
	if !c.Given() {
		return c.left().number
	}
	n, _ := c.Args.Int()
	return n
}

// Uint takes an argument of KindUint.
func (c *Call) Uint() uint64 {
	if !c.Given() {
		return uint64(c.left().number)
	}
	n, _ := c.Args.Uint()
	return n
}

// Truth takes any argument and returns its truth as Python's bool() does.
func (c *Call) Truth() bool {
	if !c.Args.More() {
		return c.left().number != 0
	}
	return wire.Truth(c.Args.Next())
}

// Str takes an argument of KindStr and returns its text, which is borrowed.
func (c *Call) Str() []byte {
	if !c.Given() {
		r := wire.ReaderOf(c.left().Default)
		s, _ := r.Str()
		return s
	}
	s, _ := c.Args.Str()
	return s
}

// Ref takes an argument of KindRef and returns its object.
func (c *Call) Ref() *Object {
	v, _ := c.Args.Ref()
	return c.Object.engine.objects[v.ID] // that it exists was checked when the call arrived
}
