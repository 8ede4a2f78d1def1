package engine

import (
	"math"
	"testing"

	"github.com/syncmanager/syncmanager/internal/wire"
)

func TestSignature(t *testing.T) {
	for _, c := range []struct {
		text, people string
		least, most  int
	}{
		{"", "", 0, 0},
		{"key", "key", 1, 1},
		{"key, default=None", "key, default=None", 1, 2},
		{"key, delta, [default]", "key, delta[, default]", 2, 3},
		{"[default]", "[default]", 0, 1},
		{"typeid: str, *args", "typeid, *args", 1, math.MaxInt},
		{"*args", "*args", 0, math.MaxInt},
		{"n: int = -1, what: str|None = 'items', all=False", "n=-1, what='items', all=False", 0, 3},
	} {
		s, people, err := parseSignature(c.text)
		if err != nil || people != c.people || s.Least != c.least || s.Most != c.most {
			t.Errorf("%q: %q, %d to %d, %v", c.text, people, s.Least, s.Most, err)
		}
	}
	for _, text := range []string{"a: complex", "a=1, b", "*a, b", "a=[1]"} {
		if _, people, err := parseSignature(text); err == nil {
			t.Errorf("%q is taken as %q", text, people)
		}
	}
}

// TestArguments runs a handler that takes each argument, with all that may be
// left out.
func TestArguments(t *testing.T) {
	w := newWorld(t, 1)
	o := w.create(1, "takes")
	w.want("[1, -7, 'x', True, 'none']", 1, o.ID, "all", 1)
	w.want("[1, 2, 'x', True, 'none']", 1, o.ID, "all", 1, 2)
	w.want("[1, -7, 'y', True, 'none']", 1, o.ID, "all", 1, nil, "y")
	w.want("[1, -7, 'y', False, 5]", 1, o.ID, "all", 1, nil, "y", 0, 5)
	for _, c := range []struct {
		args []any
		text string
	}{
		{nil, "takes.all(a, b=-7, c='x', d=True[, e]) takes 1 to 5 arguments, got 0"},
		{[]any{1, 2, "x", 4, 5, 6}, "takes.all(a, b=-7, c='x', d=True[, e]) takes 1 to 5 arguments, got 6"},
		{[]any{-1}, "takes.all(a, b=-7, c='x', d=True[, e]): argument 1: got int -1, want an int from 0 to 2^64-1"},
		{[]any{1, 2, 3}, "takes.all(a, b=-7, c='x', d=True[, e]): argument 3: got int, want str"},
		{[]any{nil}, "takes.all(a, b=-7, c='x', d=True[, e]): argument 1: got NoneType, want int"},
	} {
		w.do(1, o.ID, "all", c.args...)
		if err := w.fx.Replies[0].Err; err == nil || err.Code != wire.CodeType || err.Message != c.text {
			t.Errorf("%v: %v, want %s", c.args, err, c.text)
		}
	}
}

// takesType has a method that returns all its arguments.
func takesType() *Type {
	return &Type{Name: "takes", New: newBox, Load: loadBox, Methods: []Method{
		{Name: "all", Params: "a: uint, b: int|None = -7, c: str = 'x', d=True, [e]", Flags: Reads, Fn: func(o *Object, c *Call) {
			b := wire.AppendUint(wire.AppendArrayHeader(nil, 5), c.Uint())
			b = wire.AppendInt(b, c.Int())
			b = wire.AppendStrBytes(b, c.Str())
			b = wire.AppendBool(b, c.Truth())
			if e := c.Value(); e != nil {
				b = append(b, e...)
			} else {
				b = wire.AppendStr(b, "none")
			}
			c.ReturnBytes(b)
		}},
	}}
}
