package wire

import (
	"encoding"
	"math"
	"math/big"
	"reflect"
	"unsafe"

	"github.com/vmihailenco/msgpack/v5"
)

// Marshal appends the encoding of any Go value to dst: what AppendAny takes,
// and beyond it structs, pointers, arrays, and slices and maps of every type.
//
// A struct is a dict of its exported fields under their names or the names in
// their msgpack tags (see github.com/vmihailenco/msgpack; omitempty, inline,
// noinline, alias and as_array have their meaning there). map[T]struct{} is a
// set, an array a list, or a tuple where it is a key. Types that implement
// Marshaler, msgpack.CustomEncoder, msgpack.Marshaler, encoding.BinaryMarshaler
// (bytes) or encoding.TextMarshaler (str), with a value or a pointer receiver,
// encode themselves; what they write must be one value of this package's domain.
// Integers take their shortest form. A float32 or float64 stays a float.
//
// Structs with fields of which none is exported, channels, functions, unsafe pointers, strings that are not UTF-8, keys that
// Python cannot hash and what nests deeper than DefaultDepth are a *ValueError;
// errors of a type's own methods come back as they are. On an error dst is
// returned as it was. Marshal is safe for concurrent use.
func Marshal(dst []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return AppendNil(dst), nil
	case string:
		if uint64(len(v)) <= math.MaxUint32 && ValidStr(unsafe.Slice(unsafe.StringData(v), len(v))) {
			return AppendStr(dst, v), nil
		}
	case []byte:
		if v != nil && uint64(len(v)) <= math.MaxUint32 {
			return AppendBin(dst, v), nil
		}
	case int:
		return AppendInt(dst, int64(v)), nil
	case int64:
		return AppendInt(dst, v), nil
	case uint64:
		return AppendUint(dst, v), nil
	case bool:
		return AppendBool(dst, v), nil
	case float64:
		return AppendFloat(dst, v), nil
	}
	return (&encoder{b: dst, reflect: true}).encode(v)
}

// maxHops is how many pointers in a row may lie inside each other.
const maxHops = 1000

// value appends a value by its type's methods or its kind.
func (e *encoder) value(v reflect.Value, depth int) error {
	t := v.Type()
	switch t.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			e.b = AppendNil(e.b)
			return nil
		}
	}
	info := infoOf(t)
	if info.enc == byAny {
		return e.any(v.Interface(), depth)
	}
	if info.enc != byKind {
		if k := t.Kind(); (k == reflect.Map || k == reflect.Slice) && v.IsNil() && !info.encPtr {
			e.b = AppendNil(e.b)
			return nil
		}
		return e.byMethod(v, info)
	}
	switch t.Kind() {
	case reflect.Bool:
		e.b = AppendBool(e.b, v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		e.b = AppendInt(e.b, v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		e.b = AppendUint(e.b, v.Uint())
	case reflect.Float32, reflect.Float64:
		e.b = AppendFloat(e.b, v.Float())
	case reflect.Complex64, reflect.Complex128:
		e.b = AppendComplex(e.b, v.Complex())
	case reflect.String:
		return e.str(v.String())
	case reflect.Pointer, reflect.Interface:
		if e.hops++; e.hops > maxHops {
			return unencodable("a %s of %d pointers inside each other, or one that points to itself", t, maxHops)
		}
		err := e.pointee(v, depth)
		e.hops--
		return err
	case reflect.Slice:
		if v.IsNil() {
			e.b = AppendNil(e.b)
			return nil
		}
		fallthrough
	case reflect.Array:
		return e.elements(v, depth)
	case reflect.Map:
		return e.mapping(v, depth)
	case reflect.Struct:
		return e.record(v, info.record, depth)
	default:
		return unencodable("cannot encode the Go type %s", t)
	}
	return nil
}

// pointee appends what a pointer or interface holds.
func (e *encoder) pointee(v reflect.Value, depth int) error {
	if v.Kind() == reflect.Interface && v.Type() == errorType {
		if info := infoOf(v.Elem().Type()); info.enc == byKind {
			return e.str(v.Interface().(error).Error())
		}
	}
	if v.Kind() == reflect.Pointer && v.Type().Elem() == bigIntType {
		return e.bigInt(v.Interface().(*big.Int))
	}
	return e.value(v.Elem(), depth)
}

// byMethod lets v encode itself.
func (e *encoder) byMethod(v reflect.Value, info *typeInfo) (err error) {
	if info.encPtr {
		if !v.CanAddr() {
			c := reflect.New(v.Type()).Elem()
			c.Set(v)
			v = c
		}
		v = v.Addr()
	}
	if name, ok := nilEmbedded(v); ok {
		// A method of the embedded value fails then, one of v itself may not.
		defer func() {
			if r := recover(); r != nil {
				err = unencodable("%s cannot be encoded: its embedded %s is nil", v.Type(), name)
			}
		}()
	}
	start := len(e.b)
	switch x := v.Interface(); info.enc {
	case byWire:
		e.b, err = x.(Marshaler).AppendWire(e.b)
		e.foreign = true
		if len(e.b) < start {
			return unencodable("AppendWire of %T returned %d bytes, fewer than it was given", x, len(e.b))
		}
	case byCustom:
		err = e.custom(x.(msgpack.CustomEncoder))
	case byMsgpack:
		var p []byte
		p, err = x.(msgpack.Marshaler).MarshalMsgpack()
		e.b, e.foreign = append(e.b, p...), true
	case byBinary:
		var p []byte
		if p, err = x.(encoding.BinaryMarshaler).MarshalBinary(); err == nil {
			if err = fits(len(p)); err == nil {
				e.b = AppendBin(e.b, p)
			}
		}
	case byText:
		var p []byte
		if p, err = x.(encoding.TextMarshaler).MarshalText(); err == nil {
			err = e.str(string(p))
		}
	}
	return err
}

func (e *encoder) elements(v reflect.Value, depth int) error {
	t, n := v.Type(), v.Len()
	if t.Elem().Kind() == reflect.Uint8 && infoOf(t.Elem()).enc == byKind {
		if err := fits(n); err != nil {
			return err
		}
		e.b = AppendBinHeader(e.b, n)
		if t.Kind() == reflect.Slice || v.CanAddr() {
			e.b = AppendLong(e.b, v.Bytes())
			return nil
		}
		for i := range n {
			e.b = append(e.b, byte(v.Index(i).Uint()))
		}
		return nil
	}
	if err := e.open(n, depth); err != nil {
		return err
	}
	asTuple, start := e.keys > 0 && t.Kind() == reflect.Array, len(e.b)
	if !asTuple {
		e.b = AppendArrayHeader(e.b, n)
	}
	for i := range n {
		if err := e.value(v.Index(i), depth+1); err != nil {
			return err
		}
	}
	if asTuple {
		return e.end(start, ExtTuple, n)
	}
	return nil
}

func (e *encoder) mapping(v reflect.Value, depth int) error {
	if v.IsNil() {
		e.b = AppendNil(e.b)
		return nil
	}
	n := v.Len()
	if err := e.open(n, depth); err != nil {
		return err
	}
	isSet, start := isSetType(v.Type()), len(e.b)
	if !isSet {
		e.b = AppendMapHeader(e.b, n)
	}
	for it := v.MapRange(); it.Next(); {
		at := len(e.b)
		e.keys++
		err := e.value(it.Key(), depth+1)
		e.keys--
		if err == nil {
			err = e.hashable(at)
		}
		if err == nil && !isSet {
			err = e.value(it.Value(), depth+1)
		}
		if err != nil {
			return err
		}
	}
	if isSet {
		return e.end(start, ExtSet, n)
	}
	return nil
}

// isSetType reports whether t is a map[T]struct{}, which stands for a set.
func isSetType(t reflect.Type) bool {
	return t.Elem().Kind() == reflect.Struct && t.Elem().NumField() == 0 && infoOf(t.Elem()).enc == byKind
}

func (e *encoder) record(v reflect.Value, r *record, depth int) error {
	if r.blind {
		return unencodable("the Go type %s has no exported field: nothing of it would travel", v.Type())
	}
	if err := e.open(len(r.fields), depth); err != nil {
		return err
	}
	n := len(r.fields)
	if r.omits && !r.asArray {
		n = 0
		for i := range r.fields {
			if !r.fields[i].omit(v) {
				n++
			}
		}
	}
	if r.asArray {
		e.b = AppendArrayHeader(e.b, n)
	} else {
		e.b = AppendMapHeader(e.b, n)
	}
	for i := range r.fields {
		f := &r.fields[i]
		if !r.asArray {
			if f.omit(v) {
				continue
			}
			if err := e.str(f.name); err != nil {
				return err
			}
		}
		fv, ok := f.get(v)
		if !ok {
			e.b = AppendNil(e.b)
			continue
		}
		if err := e.value(fv, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// get returns the field of the struct v, not ok if an embedded pointer is nil.
func (f *recordField) get(v reflect.Value) (reflect.Value, bool) {
	for _, i := range f.index {
		if v.Kind() == reflect.Pointer {
			if v.IsNil() {
				return v, false
			}
			v = v.Elem()
		}
		v = v.Field(i)
	}
	return v, true
}

func (f *recordField) omit(v reflect.Value) bool {
	fv, ok := f.get(v)
	if !ok {
		return len(f.index) > 1
	}
	return f.omitEmpty && isEmpty(fv)
}

// isEmpty is what omitempty leaves out: zero values, and slices and maps of length 0.
func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Map, reflect.Slice:
		return v.Len() == 0
	}
	if z, ok := v.Interface().(interface{ IsZero() bool }); ok && v.Kind() != reflect.Pointer {
		return z.IsZero()
	}
	return v.IsZero()
}
