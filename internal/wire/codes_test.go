package wire

import (
	"errors"
	"testing"
)

func TestErrorsHaveCodes(t *testing.T) {
	r, _ := NewReader(list(vstr("x")))
	_, typeErr := r.Int()
	_, _, syntax := Scan(nil, Limits{})
	_, _, unhashable := AppendKey(nil, list())
	_, _, nanKey := AppendKey(nil, vfloat(nan()))
	_, operand := Compare(vstr("x"), vint(1))
	_, overflow := Add(vbig("0x1"+"00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"), vfloat(1))
	_, encode := Marshal(nil, make(chan int))
	decode := Unmarshal(vint(1), new(string), nil)
	for _, c := range []struct {
		err  error
		is   error
		code Code
	}{
		{typeErr, ErrType, CodeType}, {syntax, ErrProtocol, CodeProtocol}, {unhashable, ErrType, CodeType}, {nanKey, ErrValue, CodeValue}, {operand, ErrType, CodeType},
		{overflow, ErrOverflow, CodeOverflow}, {encode, ErrUnserializable, CodeUnserializable}, {decode, ErrType, CodeType}, {atPlace("somewhere", decode), ErrType, CodeType},
	} {
		if e := AsError(c.err); e.Code != c.code || e.Message == "" {
			t.Errorf("%v has code %v, want %v", c.err, e.Code, c.code)
		}
		if !errors.Is(c.err, c.is) || errors.Is(c.err, ErrEmpty) {
			t.Errorf("%v is not %v alone", c.err, c.is)
		}
	}
}
