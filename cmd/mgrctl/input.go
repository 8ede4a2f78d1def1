package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/syncmanager/syncmanager/internal/wire"
	"github.com/syncmanager/syncmanager/proxy"
)

// input reads values from a command line.
type input struct {
	app    *app
	string bool // --string
	read   bool // standard input has been read
}

// takesValues gives the command the flag --string.
func (a *app) takesValues(cmd *cobra.Command) *input {
	in := &input{app: a}
	cmd.Flags().BoolVarP(&in.string, "string", "s", false, "values are strings, also those that parse as JSON")
	return in
}

// values reads arguments: JSON if it parses and a string if not; - is standard
// input.
func (in *input) values(args []string) ([]value, error) {
	values := make([]value, len(args))
	for i, arg := range args {
		v, err := in.value(arg)
		if err != nil {
			return nil, err
		}
		values[i] = v
	}
	return values, nil
}

// together reports whether the arguments look like KEY=VALUE, all of them.
func (in *input) together(args []string) bool {
	return !in.string && !slices.ContainsFunc(args, func(arg string) bool { return !keyword.MatchString(arg) })
}

func (in *input) value(arg string) (value, error) {
	if arg != "-" {
		return in.parse(arg)
	}
	if in.read {
		return value{}, usage(nil, "- stands for standard input, which can be read once")
	}
	in.read = true
	b, err := io.ReadAll(in.app.stdin)
	if err != nil {
		return value{}, fmt.Errorf("standard input: %w", err)
	}
	if !utf8.Valid(b) {
		if in.string {
			return value{}, usage(nil, "standard input is not UTF-8, so it is no string; without --string it is sent as bytes")
		}
		return value{arg: b}, nil
	}
	return in.parse(strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r"))
}

func (in *input) parse(s string) (value, error) {
	if !in.string {
		x, err := parseJSON(s)
		var bad *markError
		if errors.As(err, &bad) {
			return value{}, usage(nil, "value %s: %v; --string sends it as a string", clip(s, 60), err)
		}
		if err == nil {
			return value{arg: x}, nil
		}
	}
	if !utf8.ValidString(s) {
		return value{}, usage(nil, "value %q is not UTF-8; give bytes as {\"$bytes\": BASE64}", clip(s, 60))
	}
	return value{arg: s}, nil
}

// markError says that an object with a mark does not hold what the mark wants.
type markError struct{ text string }

func (e *markError) Error() string { return e.text }

// token stands for an object until a session can attach to it.
type token string

// maxInputDepth bounds the nesting of a value, as the server does.
const maxInputDepth = 128

// parseJSON parses exactly one JSON text. An object keeps the order of its keys.
func parseJSON(s string) (any, error) {
	if !utf8.ValidString(s) || !json.Valid([]byte(s)) {
		return nil, errors.New("not JSON")
	}
	dec := json.NewDecoder(strings.NewReader(s))
	dec.UseNumber()
	return (&jsonText{dec, s}).next(0)
}

// jsonText is a JSON text that is being parsed.
type jsonText struct {
	*json.Decoder
	text string
}

// string returns the string that the decoder has just read: the halves of a surrogate
// pair that stand alone are kept, as Python keeps them.
func (dec *jsonText) string(s string) string {
	if !strings.ContainsRune(s, utf8.RuneError) {
		return s
	}
	end := int(dec.InputOffset())
	start := end - 1 // of the text in quotes
	for start--; dec.text[start] != '"' || escaped(dec.text[:start]); start-- {
	}
	var b []byte
	for rest := dec.text[start+1 : end-1]; rest != ""; {
		switch {
		case rest[0] != '\\':
			b, rest = append(b, rest[0]), rest[1:]
		case rest[1] != 'u':
			b, rest = append(b, plainEscapes[rest[1]]), rest[2:]
		default:
			r := hex4(rest[2:])
			rest = rest[6:]
			if utf16.IsSurrogate(r) && strings.HasPrefix(rest, `\u`) {
				if both := utf16.DecodeRune(r, hex4(rest[2:])); both != utf8.RuneError {
					r, rest = both, rest[6:]
				}
			}
			if utf16.IsSurrogate(r) {
				b = append(b, 0xe0|byte(r>>12), 0x80|byte(r>>6)&0x3f, 0x80|byte(r)&0x3f)
			} else {
				b = utf8.AppendRune(b, r)
			}
		}
	}
	return string(b)
}

var plainEscapes = map[byte]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// hex4 reads four hexadecimal digits, which were checked.
func hex4(s string) rune {
	n, _ := strconv.ParseUint(s[:4], 16, 16)
	return rune(n)
}

// escaped reports whether what follows the text is behind an odd number of
// backslashes.
func escaped(s string) bool { return (len(s)-len(strings.TrimRight(s, `\`)))%2 == 1 }

func (dec *jsonText) next(depth int) (any, error) {
	if depth > maxInputDepth {
		return nil, &markError{fmt.Sprintf("it nests deeper than %d", maxInputDepth)}
	}
	t, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case json.Delim:
		if t == '[' {
			return dec.array(depth)
		}
		return dec.object(depth)
	case json.Number:
		return parseNumber(t.String())
	case string:
		return dec.string(t), nil
	}
	return t, nil // nil, bool
}

func parseNumber(s string) (any, error) {
	if !strings.ContainsAny(s, ".eE") {
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return n, nil
		}
		if n, ok := new(big.Int).SetString(s, 10); ok {
			return n, nil
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return nil, &markError{fmt.Sprintf("the number %s is beyond the floats", clip(s, 40))}
	}
	return f, nil
}

func (dec *jsonText) array(depth int) (any, error) {
	items := []any{}
	for dec.More() {
		x, err := dec.next(depth + 1)
		if err != nil {
			return nil, err
		}
		items = append(items, x)
	}
	_, err := dec.Token()
	return items, err
}

func (dec *jsonText) object(depth int) (any, error) {
	pairs := proxy.Pairs{}
	at := map[string]int{}
	for dec.More() {
		k, err := dec.Token()
		if err != nil {
			return nil, err
		}
		key, _ := k.(string)
		key = dec.string(key)
		x, err := dec.next(depth + 1)
		if err != nil {
			return nil, err
		}
		if i, ok := at[key]; ok {
			pairs[i].Value = x // the last one counts, as everywhere
			continue
		}
		at[key] = len(pairs)
		pairs = append(pairs, proxy.Pair{Key: key, Value: x})
	}
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	if len(pairs) == 1 {
		key := pairs[0].Key.(string)
		if read, ok := marks[key]; ok {
			x, err := read(pairs[0].Value)
			if err != nil {
				return nil, &markError{fmt.Sprintf("{%q: ...}: %v", key, err)}
			}
			return x, nil
		}
	}
	return pairs, nil
}

// marks reads the objects of one key that stand for what JSON lacks.
var marks = map[string]func(any) (any, error){
	"$bytes":     readBytes,
	"$bytearray": func(x any) (any, error) { b, err := readBytes(x); return proxy.ByteArray(b.([]byte)), err },
	"$set":       func(x any) (any, error) { l, err := readMembers(x); return proxy.SetValue(l), err },
	"$frozenset": func(x any) (any, error) { l, err := readMembers(x); return proxy.FrozenSet(l), err },
	"$tuple":     func(x any) (any, error) { l, err := readList(x); return proxy.Tuple(l), err },
	"$time":      readTime,
	"$ref":       readToken,
	"$dict":      readDict,
	"$complex":   readComplex,
	"$float":     readFloat,
	"$opaque":    readOpaque,
}

func readBytes(x any) (any, error) {
	s, ok := x.(string)
	if !ok {
		return []byte{}, errors.New("want a string in base64")
	}
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return []byte{}, fmt.Errorf("not base64: %v", err)
	}
	return b, nil
}

func readList(x any) ([]any, error) {
	l, ok := x.([]any)
	if !ok {
		return nil, errors.New("want an array")
	}
	return l, nil
}

// readMembers reads the members of a set. Of those that are equal, as 1 and 1.0 are,
// the first stays.
func readMembers(x any) ([]any, error) {
	l, err := readList(x)
	seen := map[string]bool{}
	members := l[:0]
	for _, m := range l {
		m = asKey(m)
		if b, e := wire.Marshal(nil, m); e == nil { // a token is not to be had yet
			key, _, e := wire.AppendKey(nil, b)
			if e != nil {
				return nil, e
			}
			if seen[string(key)] {
				continue
			}
			seen[string(key)] = true
		}
		members = append(members, m)
	}
	return members, err
}

// asKey makes tuples of arrays: among keys and members of sets they can be
// nothing else.
func asKey(x any) any {
	l, ok := x.([]any)
	if !ok {
		return x
	}
	for i := range l {
		l[i] = asKey(l[i])
	}
	return proxy.Tuple(l)
}

func readTime(x any) (any, error) {
	s, ok := x.(string)
	if !ok {
		return nil, errors.New("want a string")
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t, nil
	}
	t, err := time.Parse("2006-01-02T15:04:05.999999999", s)
	if err != nil {
		return nil, fmt.Errorf("%q is not a time as 2026-01-02T15:04:05Z, or without a zone", s)
	}
	return proxy.LocalTime{Time: t}, nil
}

func readToken(x any) (any, error) {
	s, ok := x.(string)
	if !ok || !isToken(s) {
		return nil, errors.New("want a token, typeid@address#ident")
	}
	return token(s), nil
}

func readDict(x any) (any, error) {
	l, err := readList(x)
	if err != nil {
		return nil, errors.New("want an array of pairs")
	}
	pairs := make(proxy.Pairs, 0, len(l))
	for _, p := range l {
		kv, ok := p.([]any)
		if !ok || len(kv) != 2 {
			return nil, errors.New("want an array of arrays of two, key and value")
		}
		pairs = append(pairs, proxy.Pair{Key: asKey(kv[0]), Value: kv[1]})
	}
	return pairs, nil
}

func readComplex(x any) (any, error) {
	l, err := readList(x)
	if err != nil || len(l) != 2 {
		return nil, errors.New("want an array of two numbers")
	}
	var parts [2]float64
	for i, p := range l {
		switch p := p.(type) {
		case int64:
			parts[i] = float64(p)
		case float64:
			parts[i] = p
		default:
			return nil, errors.New("want an array of two numbers")
		}
	}
	return complex(parts[0], parts[1]), nil
}

func readFloat(x any) (any, error) {
	switch x {
	case "nan":
		return math.NaN(), nil
	case "inf":
		return math.Inf(1), nil
	case "-inf":
		return math.Inf(-1), nil
	}
	return nil, errors.New(`want "nan", "inf" or "-inf"`)
}

func readOpaque(x any) (any, error) {
	pairs, _ := x.(proxy.Pairs)
	var o proxy.Opaque
	for _, p := range pairs {
		switch s, _ := p.Value.(string); p.Key {
		case "lang":
			o.Lang = s
		case "data":
			b, err := readBytes(p.Value)
			if err != nil {
				return nil, err
			}
			o.Data = b.([]byte)
		case "head":
			b, err := readBytes(p.Value)
			if err != nil {
				return nil, err
			}
			o.Head = b.([]byte)
		}
	}
	if o.Lang == "" || o.Data == nil {
		return nil, errors.New(`want {"lang": ..., "data": base64}, and "head" as it was printed`)
	}
	return o, nil
}

// attach replaces the tokens in the values by the objects that they name.
func attach(ctx context.Context, m *proxy.Manager, values []value) error {
	for i := range values {
		x, err := attachAny(ctx, m, values[i].arg)
		if err != nil {
			return err
		}
		values[i].arg = x
	}
	return nil
}

func attachAny(ctx context.Context, m *proxy.Manager, x any) (any, error) {
	var err error
	list := func(l []any) {
		for i := range l {
			if err == nil {
				l[i], err = attachAny(ctx, m, l[i])
			}
		}
	}
	switch x := x.(type) {
	case token:
		return m.Attach(ctx, string(x))
	case []any:
		list(x)
	case proxy.Tuple:
		list(x)
	case proxy.SetValue:
		list(x)
	case proxy.FrozenSet:
		list(x)
	case proxy.Pairs:
		for i := range x {
			if err == nil {
				x[i].Value, err = attachAny(ctx, m, x[i].Value)
			}
		}
	}
	return x, err
}

// anys returns the values as arguments of a call.
func anys(values []value) []any {
	args := make([]any, len(values))
	for i, v := range values {
		args[i] = v
	}
	return args
}
