package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/syncmanager/syncmanager/internal/wire"
	"github.com/syncmanager/syncmanager/proxy"
)

// valueKind says how a value is printed raw.
type valueKind uint8

const (
	kindOther  valueKind = iota // as JSON
	kindString                  // as it is
	kindBytes                   // as they are
)

// value is any value of an object, on its way in or out. The zero value is
// None.
type value struct {
	// What is sent: a value that proxy encodes.
	arg any

	// What came: as JSON, and the text or bytes if it is such.
	json  []byte
	plain string
	kind  valueKind
	raw   []byte      // as it came, to be sent back
	refs  []proxy.Ref // keep the objects that it names
}

// AppendWire appends the value that is sent.
func (v value) AppendWire(b []byte) ([]byte, error) {
	if v.raw != nil {
		return append(b, v.raw...), nil
	}
	return wire.Marshal(b, v.arg)
}

// UnmarshalWire takes a value that came.
func (v *value) UnmarshalWire(b []byte, ctx any) error {
	*v = value{raw: bytes.Clone(b)}
	switch wire.TypeOf(b) {
	case wire.TypeStr:
		v.kind = kindString
	case wire.TypeBytes, wire.TypeByteArray:
		v.kind = kindBytes
	}
	if v.kind != kindOther {
		x, err := wire.Decode(b)
		if err != nil {
			return err
		}
		switch x := x.(type) {
		case string:
			v.plain = x
		case []byte:
			v.plain = string(x)
		case proxy.ByteArray:
			v.plain = string(x)
		}
	}
	r, err := wire.NewReader(append(wire.AppendArrayHeader(make([]byte, 0, len(b)+1), 1), b...))
	if err != nil {
		return err
	}
	if err := v.append(&r, ctx); err != nil {
		return err
	}
	if t := wire.TypeOf(b); t == wire.TypeTime || t == wire.TypeDateTime {
		v.kind, v.plain = kindString, string(v.json[1:len(v.json)-1])
	}
	return nil
}

// asJSON returns what came.
func (v value) asJSON() []byte {
	if v.json == nil {
		return []byte("null")
	}
	return v.json
}

// asText returns a string as it is and all else as JSON.
func (v value) asText() string {
	if v.kind == kindString {
		return v.plain
	}
	return string(v.asJSON())
}

// asLine returns what reads back as this value, alone on a line or in a field: a
// string as it is, unless that would read as another value.
func (v value) asLine() string {
	if v.kind != kindString || strings.ContainsFunc(v.plain, unsafe) || strings.HasPrefix(v.plain, `"`) || json.Valid([]byte(v.plain)) {
		return string(v.asJSON())
	}
	return v.plain
}

// append appends the reader's next value as JSON. Containers are walked in
// their own order.
func (v *value) append(r *wire.Reader, ctx any) error {
	switch t := r.Type(); t {
	case wire.TypeList, wire.TypeTuple:
		return v.sequence(r, ctx)
	case wire.TypeSet:
		return v.marked("$set", func() error { return v.sequence(r, ctx) })
	case wire.TypeFrozenSet:
		return v.marked("$frozenset", func() error { return v.sequence(r, ctx) })
	case wire.TypeDict:
		return v.dict(r, ctx)
	case wire.TypeRef:
		var ref proxy.Ref
		if err := ref.UnmarshalWire(r.Next(), ctx); err != nil {
			return err
		}
		v.refs = append(v.refs, ref)
		return v.marked("$ref", func() error { return v.text(ref.Token()) })
	}
	x, err := wire.Decode(r.Next())
	if err != nil {
		return err
	}
	return v.leaf(x)
}

func (v *value) leaf(x any) error {
	switch x := x.(type) {
	case nil:
		v.json = append(v.json, "null"...)
	case bool:
		v.json = strconv.AppendBool(v.json, x)
	case int64:
		v.json = strconv.AppendInt(v.json, x, 10)
	case uint64:
		v.json = strconv.AppendUint(v.json, x, 10)
	case *big.Int:
		v.json = x.Append(v.json, 10)
	case float64:
		return v.float(x)
	case complex128:
		return v.marked("$complex", func() error {
			v.json = append(v.json, '[')
			_ = v.float(real(x))
			v.json = append(v.json, ',')
			_ = v.float(imag(x))
			v.json = append(v.json, ']')
			return nil
		})
	case string:
		return v.text(x)
	case []byte:
		return v.marked("$bytes", func() error { return v.base64(x) })
	case proxy.ByteArray:
		return v.marked("$bytearray", func() error { return v.base64(x) })
	case time.Time:
		return v.text(x.Format(time.RFC3339Nano))
	case proxy.LocalTime:
		return v.text(x.Format("2006-01-02T15:04:05.999999999"))
	case proxy.TypedArray:
		v.json = append(v.json, '[')
		for i := range x.Len() {
			if i > 0 {
				v.json = append(v.json, ',')
			}
			if err := v.leaf(x.At(i)); err != nil {
				return err
			}
		}
		v.json = append(v.json, ']')
	case proxy.Opaque:
		return v.marked("$opaque", func() error {
			v.json = append(appendString(append(v.json, `{"lang":`...), x.Lang), `,"data":`...)
			_ = v.base64(x.Data)
			if len(x.Head) > 0 {
				v.json = append(v.json, `,"head":`...)
				_ = v.base64(x.Head)
			}
			v.json = append(v.json, '}')
			return nil
		})
	default:
		return fmt.Errorf("a value of Go type %T has no form in JSON", x)
	}
	return nil
}

// marked appends an object of one key.
func (v *value) marked(key string, content func() error) error {
	v.json = append(append(append(v.json, '{'), appendString(nil, key)...), ':')
	err := content()
	v.json = append(v.json, '}')
	return err
}

func (v *value) text(s string) error {
	v.json = appendString(v.json, s)
	return nil
}

func (v *value) base64(b []byte) error {
	v.json = append(base64.StdEncoding.AppendEncode(append(v.json, '"'), b), '"')
	return nil
}

// float appends a number that reads as a float again.
func (v *value) float(f float64) error {
	switch {
	case math.IsNaN(f):
		return v.marked("$float", func() error { return v.text("nan") })
	case math.IsInf(f, 1):
		return v.marked("$float", func() error { return v.text("inf") })
	case math.IsInf(f, -1):
		return v.marked("$float", func() error { return v.text("-inf") })
	}
	start := len(v.json)
	v.json = strconv.AppendFloat(v.json, f, 'g', -1, 64)
	for _, c := range v.json[start:] {
		if c == '.' || c == 'e' {
			return nil
		}
	}
	v.json = append(v.json, ".0"...)
	return nil
}

func (v *value) sequence(r *wire.Reader, ctx any) error {
	items, err := r.Elements(true)
	if err != nil {
		return err
	}
	v.json = append(v.json, '[')
	for first := true; items.More(); first = false {
		if !first {
			v.json = append(v.json, ',')
		}
		if err := v.append(&items, ctx); err != nil {
			return err
		}
	}
	v.json = append(v.json, ']')
	return nil
}

// dict appends an object if that says the same, and a list of pairs if not.
func (v *value) dict(r *wire.Reader, ctx any) error {
	pairs, err := r.Pairs()
	if err != nil {
		return err
	}
	natural := true
	for look := pairs; look.More(); {
		if look.Type() != wire.TypeStr {
			natural = false
			break
		}
		key, err := look.Str()
		if err != nil {
			return err
		}
		if len(key) > 0 && key[0] == '$' && pairs.NArgs() == 2 {
			natural = false // it would be read as a mark
		}
		look.Next()
	}
	if !natural {
		return v.marked("$dict", func() error { return v.pairs(&pairs, ctx) })
	}
	v.json = append(v.json, '{')
	for first := true; pairs.More(); first = false {
		if !first {
			v.json = append(v.json, ',')
		}
		if err := v.append(&pairs, ctx); err != nil {
			return err
		}
		v.json = append(v.json, ':')
		if err := v.append(&pairs, ctx); err != nil {
			return err
		}
	}
	v.json = append(v.json, '}')
	return nil
}

func (v *value) pairs(pairs *wire.Reader, ctx any) error {
	v.json = append(v.json, '[')
	for first := true; pairs.More(); first = false {
		if !first {
			v.json = append(v.json, ',')
		}
		v.json = append(v.json, '[')
		if err := v.append(pairs, ctx); err != nil {
			return err
		}
		v.json = append(v.json, ',')
		if err := v.append(pairs, ctx); err != nil {
			return err
		}
		v.json = append(v.json, ']')
	}
	v.json = append(v.json, ']')
	return nil
}

const hexDigits = "0123456789abcdef"

// appendString appends a JSON string. A lone surrogate, three bytes in s, is
// written as an escape.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			if len(s) >= 3 && s[0] == 0xed && s[1] >= 0xa0 && s[1] <= 0xbf && s[2]&0xc0 == 0x80 {
				r, n = 0xd000|rune(s[1]&0x3f)<<6|rune(s[2]&0x3f), 3
			}
			b = fmt.Appendf(b, `\u%04x`, r)
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r == '\t':
			b = append(b, `\t`...)
		case r > 0x7f && unsafe(r):
			b = fmt.Appendf(b, `\u%04x`, r)
		case r < ' ' || r == 0x7f:
			b = append(b, `\u00`...)
			b = append(b, hexDigits[r>>4], hexDigits[r&15])
		default:
			b = append(b, s[:n]...)
		}
		s = s[n:]
	}
	return append(b, '"')
}
