package wire

import (
	"encoding"
	"math/big"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/vmihailenco/msgpack/v5"
)

// Marshaler is a type that appends its own encoding: exactly one value.
type Marshaler interface {
	AppendWire(dst []byte) ([]byte, error)
}

// Unmarshaler is a type that decodes itself from exactly one value, which it
// must not keep. ctx is what Unmarshal was given.
type Unmarshaler interface {
	UnmarshalWire(v []byte, ctx any) error
}

// method is how values of a type are encoded or decoded.
type method uint8

const (
	byKind    method = iota // by the type's kind
	byAny                   // as AppendAny and Decode do
	byWire                  // Marshaler, Unmarshaler
	byCustom                // msgpack.CustomEncoder, CustomDecoder
	byMsgpack               // msgpack.Marshaler, Unmarshaler
	byBinary                // encoding.BinaryMarshaler and its opposite: bytes
	byText                  // encoding.TextMarshaler and its opposite: str
)

// typeInfo is what reflection knows of a type. It is never changed.
type typeInfo struct {
	enc    method
	encPtr bool // the pointer has the method
	dec    method
	record *record // of a struct
}

// types caches typeInfo by reflect.Type. An entry depends on its key alone, so
// the cache cannot be observed but by the time it saves.
var types sync.Map

func infoOf(t reflect.Type) *typeInfo {
	if v, ok := types.Load(t); ok {
		return v.(*typeInfo)
	}
	info := &typeInfo{}
	info.enc, info.encPtr = encodingOf(t)
	info.dec = decodingOf(t)
	if t.Kind() == reflect.Struct && (info.enc == byKind || info.dec == byKind) {
		info.record = recordOf(t, nil)
	}
	v, _ := types.LoadOrStore(t, info)
	return v.(*typeInfo)
}

var (
	errorType    = reflect.TypeFor[error]()
	timeType     = reflect.TypeFor[time.Time]()
	bigIntType   = reflect.TypeFor[big.Int]()
	localType    = reflect.TypeFor[LocalTime]()
	refType      = reflect.TypeFor[Ref]()
	opaqueType   = reflect.TypeFor[Opaque]()
	arrayType    = reflect.TypeFor[TypedArray]()
	pairsType    = reflect.TypeFor[Pairs]()
	rawType      = reflect.TypeFor[Raw]()
	naturalTypes = map[reflect.Type]bool{
		timeType: true, bigIntType: true, localType: true, refType: true, opaqueType: true, arrayType: true, pairsType: true, rawType: true,
		reflect.TypeFor[Tuple](): true, reflect.TypeFor[Set](): true, reflect.TypeFor[FrozenSet](): true, reflect.TypeFor[ByteArray](): true,
		reflect.TypeFor[[]any](): true, reflect.TypeFor[map[string]any](): true,
	}
	wireMarshaler     = reflect.TypeFor[Marshaler]()
	wireUnmarshaler   = reflect.TypeFor[Unmarshaler]()
	customEncoder     = reflect.TypeFor[msgpack.CustomEncoder]()
	customDecoder     = reflect.TypeFor[msgpack.CustomDecoder]()
	msgpackMarshal    = reflect.TypeFor[msgpack.Marshaler]()
	msgpackUnmarshal  = reflect.TypeFor[msgpack.Unmarshaler]()
	binaryMarshaler   = reflect.TypeFor[encoding.BinaryMarshaler]()
	binaryUnmarshaler = reflect.TypeFor[encoding.BinaryUnmarshaler]()
	textMarshaler     = reflect.TypeFor[encoding.TextMarshaler]()
	textUnmarshaler   = reflect.TypeFor[encoding.TextUnmarshaler]()
)

func encodingOf(t reflect.Type) (m method, ptr bool) {
	if naturalTypes[t] {
		return byAny, false
	}
	// A pointer to a natural type has that type's methods too: not those.
	if t.Kind() == reflect.Interface || t.Kind() == reflect.Pointer && naturalTypes[t.Elem()] {
		return byKind, false
	}
	for _, c := range []struct {
		iface reflect.Type
		m     method
	}{{wireMarshaler, byWire}, {customEncoder, byCustom}, {msgpackMarshal, byMsgpack}, {binaryMarshaler, byBinary}, {textMarshaler, byText}} {
		if t.Implements(c.iface) {
			return c.m, false
		}
		if t.Kind() != reflect.Pointer && reflect.PointerTo(t).Implements(c.iface) {
			return c.m, true
		}
	}
	return byKind, false
}

// decodingOf looks at the pointer's methods: a value is decoded in place.
func decodingOf(t reflect.Type) method {
	if naturalTypes[t] {
		return byAny
	}
	if t.Kind() == reflect.Interface || t.Kind() == reflect.Pointer {
		return byKind
	}
	p := reflect.PointerTo(t)
	switch {
	case p.Implements(wireUnmarshaler):
		return byWire
	case p.Implements(customDecoder):
		return byCustom
	case p.Implements(msgpackUnmarshal):
		return byMsgpack
	case p.Implements(binaryUnmarshaler):
		return byBinary
	case p.Implements(textUnmarshaler):
		return byText
	}
	return byKind
}

// record is the layout of a struct's encoding.
type record struct {
	fields  []recordField
	byName  map[string]int // names and aliases to places in fields
	asArray bool           // a list of the fields instead of a dict
	blind   bool           // it has fields, and none that is exported
	omits   bool           // some field may be left out
}

type recordField struct {
	name      string
	index     []int
	omitEmpty bool
}

// recordOf reads the msgpack tags of a struct as vmihailenco/msgpack does: a
// name, "-", omitempty, inline, noinline, alias:name, and a field _msgpack
// with as_array or omitempty for the whole struct. Embedded structs are
// inlined unless a name would be hidden; what then cannot be reached because
// the embedded type is unexported is left out. Outer ones are given against types
// that embed themselves.
func recordOf(t reflect.Type, outer []reflect.Type) *record {
	r := &record{byName: map[string]int{}, blind: t.NumField() > 0}
	omitAll := false
	add := func(f recordField) {
		r.byName[f.name] = len(r.fields)
		r.fields = append(r.fields, f)
		r.omits = r.omits || f.omitEmpty || len(f.index) > 1
	}
	for i := range t.NumField() {
		f := t.Field(i)
		r.blind = r.blind && !f.IsExported()
		name, options, _ := strings.Cut(f.Tag.Get("msgpack"), ",")
		has := func(o string) bool { return strings.Contains(","+options+",", ","+o+",") }
		if name == "-" {
			continue
		}
		if f.Name == "_msgpack" {
			r.asArray = has("as_array") || has("asArray")
			omitAll = has("omitempty")
		}
		if !f.IsExported() && !f.Anonymous {
			continue
		}
		elem := f.Type
		if elem.Kind() == reflect.Pointer {
			elem = elem.Elem()
		}
		if !f.IsExported() && (elem != f.Type || elem.Kind() != reflect.Struct) {
			continue // what an unexported embedded field holds cannot be set
		}
		if f.Anonymous && elem.Kind() == reflect.Struct && !has("noinline") && inlines(r, elem, append(outer, t), has("inline") || !f.IsExported()) {
			for _, in := range recordOf(elem, append(outer, t)).fields {
				if _, hidden := r.byName[in.name]; !hidden {
					in.index = append([]int{i}, in.index...)
					in.omitEmpty = in.omitEmpty || omitAll
					add(in)
				}
			}
			continue
		}
		if !f.IsExported() {
			continue
		}
		if name == "" {
			name = f.Name
		}
		add(recordField{name: name, index: []int{i}, omitEmpty: omitAll || has("omitempty")})
		for o := range strings.SplitSeq(options, ",") {
			if alias, ok := strings.CutPrefix(o, "alias:"); ok {
				r.byName[alias] = len(r.fields) - 1
			}
		}
	}
	r.blind = r.blind && len(r.fields) == 0
	return r
}

// inlines reports whether the fields of the embedded struct t join r.
func inlines(r *record, t reflect.Type, outer []reflect.Type, always bool) bool {
	for _, o := range outer {
		if o == t {
			return false
		}
	}
	if enc, _ := encodingOf(t); enc != byKind || decodingOf(t) != byKind {
		return false
	}
	if always {
		return true
	}
	for _, f := range recordOf(t, outer).fields {
		if _, hidden := r.byName[f.name]; hidden {
			return false
		}
	}
	return true
}
