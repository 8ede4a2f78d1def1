package wire

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
)

func TestReader(t *testing.T) {
	args := list(vint(5), AppendUint(nil, math.MaxUint64), vfloat(1.5), vbool(true), vstr("text"), vbin("bin"), vnil(), AppendRef(nil, Ref{7, 8, "list"}), list(vint(1)), dict(vint(1), vint(2)), vint(9))
	r, err := NewReader(args)
	if err != nil {
		t.Fatal(err)
	}
	check := func(got any, err error, want any) {
		t.Helper()
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got %v, %v, want %v", got, err, want)
		}
	}
	i, err := r.Int()
	check(i, err, 5)
	u, err := r.Uint()
	check(u, err, uint64(math.MaxUint64))
	f, err := r.Float()
	check(f, err, 1.5)
	b, err := r.Bool()
	check(b, err, true)
	if r.Type() != TypeStr || r.Nil() || !r.More() || r.NArgs() != 11 || r.Len() != 7 {
		t.Errorf("type %v, %d of %d arguments left", r.Type(), r.Len(), r.NArgs())
	}
	s, err := r.Str()
	check(string(s), err, "text")
	s, err = r.Bin()
	check(string(s), err, "bin")
	if !r.Nil() {
		t.Error("None was not taken")
	}
	ref, err := r.Ref()
	check(ref.Ref(), err, Ref{7, 8, "list"})
	e, err := r.Elements(false)
	check(e.NArgs(), err, 1)
	p, err := r.Pairs()
	check(p.NArgs(), err, 2)
	if err := r.Done(); err == nil || err.Error() != "argument 11: got 11 arguments, want at most 10" {
		t.Errorf("Done: %v", err)
	}
	check(fmt.Sprintf("%x", r.Next()), nil, "09")
	if err := r.Done(); err != nil || r.Next() != nil || r.Peek() != nil || !r.Nil() || r.Type() != TypeInvalid {
		t.Errorf("after the end: %v", err)
	}
}

func TestReaderErrors(t *testing.T) {
	take := map[string]func(*Reader) error{
		"int":   func(r *Reader) error { _, err := r.Int(); return err },
		"uint":  func(r *Reader) error { _, err := r.Uint(); return err },
		"float": func(r *Reader) error { _, err := r.Float(); return err },
		"bool":  func(r *Reader) error { _, err := r.Bool(); return err },
		"str":   func(r *Reader) error { _, err := r.Str(); return err },
		"bin":   func(r *Reader) error { _, err := r.Bin(); return err },
		"ref":   func(r *Reader) error { _, err := r.Ref(); return err },
		"list":  func(r *Reader) error { _, err := r.Elements(false); return err },
		"dict":  func(r *Reader) error { _, err := r.Pairs(); return err },
		"value": func(r *Reader) error { _, err := r.Value(); return err },
		"truth": func(r *Reader) error { _, err := r.Truth(); return err },
	}
	for _, c := range []struct {
		args []byte
		how  string
		want string // "" for no error
	}{
		{list(vstr("x")), "int", "argument 1: got str, want int"}, {list(vfloat(1)), "int", "argument 1: got float, want int"}, {list(vbool(true)), "int", ""},
		{list(AppendUint(nil, 1<<63)), "int", "argument 1: got int 9223372036854775808, want an int from -2^63 to 2^63-1"}, {list(unhex(t, "d4 04 01")), "int", ""},
		{list(vint(-1)), "uint", "argument 1: got int -1, want an int from 0 to 2^64-1"}, {list(unhex(t, "d4 04 01")), "uint", ""}, {list(vnil()), "uint", "argument 1: got NoneType, want int"},
		{list(vint(1)), "float", ""}, {list(vstr("x")), "float", "argument 1: got str, want float"}, {list(vbig("0x1" + strings.Repeat("0", 300))), "float", "argument 1: got int 17218479456385750618...13511141036261376, want an int that fits into a float"},
		{list(vint(1)), "bool", "argument 1: got int, want bool"}, {list(vbin("x")), "str", "argument 1: got bytes, want str"}, {list(vbytearray("x")), "bin", ""}, {list(vstr("x")), "bin", "argument 1: got str, want bytes"},
		{list(vint(1)), "ref", "argument 1: got int, want object reference"}, {list(set()), "list", "argument 1: got set, want list or tuple"}, {list(tuple()), "list", ""}, {list(list()), "dict", "argument 1: got list, want dict"},
		{list(), "int", "argument 1: got no argument, want int"}, {list(), "value", "argument 1: got no argument, want a value"}, {list(list()), "truth", ""},
	} {
		r, err := NewReader(c.args)
		if err != nil {
			t.Fatal(err)
		}
		err = take[c.how](&r)
		var typeErr *TypeError
		if c.want == "" && err != nil || c.want != "" && (!errors.As(err, &typeErr) || err.Error() != c.want) {
			t.Errorf("%s of %x: %v, want %s", c.how, c.args, err, c.want)
		}
	}
	if _, err := NewReader(dict()); err == nil {
		t.Error("a dict was taken for arguments")
	}
}

func TestReaderAllocations(t *testing.T) {
	args := list(vint(5), vfloat(1.5), vstr("text"), vbin("bin"), vnil(), AppendRef(nil, Ref{7, 8, "list"}), list(vint(1)))
	if n := testing.AllocsPerRun(100, func() {
		r, _ := NewReader(args)
		_, _ = r.Int()
		_, _ = r.Float()
		_, _ = r.Str()
		_, _ = r.Bin()
		_ = r.Nil()
		_, _ = r.Ref()
		e, _ := r.Elements(true)
		_, _ = e.Int()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
