package objects

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// The values that tests write: nil, bool, int, int64, uint64, float64, string,
// []byte, []any (a list), wire.Raw (an encoded value), wire.Ref, and these.
type (
	vtuple  []any
	vset    []any
	vfrozen []any
	vdict   []any // key, value, key, value
)

// enc encodes a value.
func enc(v any) []byte { return appendAny(nil, v) }

// raw encodes a value.
func raw(v any) wire.Raw { return wire.Raw(enc(v)) }

func encList(v []any) []byte { return appendAny(nil, v) }

func appendAny(b []byte, v any) []byte {
	all := func(list []any) []byte {
		for _, e := range list {
			b = appendAny(b, e)
		}
		return b
	}
	at := len(b)
	switch v := v.(type) {
	case nil:
		return wire.AppendNil(b)
	case bool:
		return wire.AppendBool(b, v)
	case int:
		return wire.AppendInt(b, int64(v))
	case int64:
		return wire.AppendInt(b, v)
	case uint64:
		return wire.AppendUint(b, v)
	case float64:
		return wire.AppendFloat(b, v)
	case string:
		return wire.AppendStr(b, v)
	case []byte:
		return wire.AppendBin(b, v)
	case wire.Raw:
		return append(b, v...)
	case wire.Ref:
		return wire.AppendRef(b, v)
	case []any:
		b = wire.AppendArrayHeader(b, len(v))
		return all(v)
	case vdict:
		b = wire.AppendMapHeader(b, len(v)/2)
		return all(v)
	case vtuple:
		return wire.EndTuple(all(v), at, len(v))
	case vset:
		return wire.EndSet(all(v), at, len(v))
	case vfrozen:
		return wire.EndFrozenSet(all(v), at, len(v))
	}
	panic(fmt.Sprintf("no value: %T", v))
}

// show prints a value much as Python's repr does, references as their typeid
// and ident: "<dict 7>".
func show(v wire.Raw) string {
	r, err := wire.NewReader(append(wire.AppendArrayHeader(nil, 1), v...))
	if err != nil {
		return "malformed"
	}
	var b strings.Builder
	showNext(&b, &r)
	return b.String()
}

func showNext(b *strings.Builder, r *wire.Reader) {
	list := func(open, end string, items wire.Reader, pairs bool) {
		b.WriteString(open)
		for i := 0; items.More(); i++ {
			switch {
			case pairs && i%2 == 1:
				b.WriteString(": ")
			case i > 0:
				b.WriteString(", ")
			}
			showNext(b, &items)
		}
		b.WriteString(end)
	}
	switch t := r.Type(); t {
	case wire.TypeNil:
		r.Next()
		b.WriteString("None")
	case wire.TypeBool:
		if v, _ := r.Bool(); v {
			b.WriteString("True")
		} else {
			b.WriteString("False")
		}
	case wire.TypeInt:
		v, _ := r.Int()
		b.WriteString(strconv.FormatInt(v, 10))
	case wire.TypeUint:
		v, _ := r.Uint()
		b.WriteString(strconv.FormatUint(v, 10))
	case wire.TypeFloat:
		v, _ := r.Float()
		if v == math.Trunc(v) && math.Abs(v) < 1e15 {
			b.WriteString(strconv.FormatFloat(v, 'f', 1, 64))
		} else {
			b.WriteString(strconv.FormatFloat(v, 'g', -1, 64))
		}
	case wire.TypeStr:
		v, _ := r.Str()
		b.WriteString("'" + string(v) + "'")
	case wire.TypeBytes:
		v, _ := r.Bin()
		b.WriteString("b'" + string(v) + "'")
	case wire.TypeList:
		items, _ := r.Elements(true)
		list("[", "]", items, false)
	case wire.TypeTuple:
		items, _ := r.Elements(true)
		end := ")"
		if items.NArgs() == 1 {
			end = ",)"
		}
		list("(", end, items, false)
	case wire.TypeSet:
		items, _ := r.Elements(true)
		if items.NArgs() == 0 {
			b.WriteString("set()")
			return
		}
		list("{", "}", items, false)
	case wire.TypeFrozenSet:
		items, _ := r.Elements(true)
		list("frozenset({", "})", items, false)
	case wire.TypeDict:
		items, _ := r.Pairs()
		list("{", "}", items, true)
	case wire.TypeRef:
		v, _ := r.Ref()
		fmt.Fprintf(b, "<%s %d>", v.TypeID, v.ID)
	default:
		fmt.Fprintf(b, "<%s %x>", t, r.Next())
	}
}
