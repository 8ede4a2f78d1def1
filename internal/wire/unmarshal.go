package wire

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"strconv"
	"strings"

	"github.com/vmihailenco/msgpack/v5"
)

// Unmarshal decodes v, exactly one value, into the Go value that into points
// to. Nothing is rounded away or cut off:
//
//   - An int goes into every integer type that holds it, and into floats and
//     complex types (rounded to nearest, an error beyond them). A bool goes into
//     bool alone, a float into floats and complex types, into a float32 only
//     within its range; never into an integer, even if it is integral.
//   - A str goes into strings, bytes and bytearrays into []byte and [N]byte.
//   - Lists, tuples, sets and typed arrays go into slices, and into arrays of
//     just their length; sets also into map[T]struct{}.
//   - A dict goes into maps and structs. Keys that a struct has no field for are
//     skipped, unless ctx is a StrictFielder; fields without a key stay as they
//     are. But a dict with keys of which none is a field does not fit. A list or
//     tuple goes into a struct with as many fields.
//   - A datetime goes into time.Time; one without a zone into LocalTime only.
//   - None goes into pointers, interfaces, slices and maps, which become nil, and
//     into types that decode themselves, which become their zero value. It does
//     not go into numbers, bools, strings, arrays and other structs: there, it
//     could not be told from a zero value.
//   - An interface takes what DecodeWith returns, if it implements it. Object
//     references become what ctx resolves them to, if ctx is a RefResolver.
//   - Raw takes the encoding of any value as it is.
//   - Types with Unmarshaler, msgpack.CustomDecoder, msgpack.Unmarshaler,
//     encoding.BinaryUnmarshaler (from bytes) or encoding.TextUnmarshaler (from
//     str) decode themselves, but for None. ctx reaches them; see ContextOf.
//
// Slices and maps are replaced, not filled up. The result shares no memory
// with v. What does not fit is a *ValueError that names the value, the type and
// the field; into is then partly set. Malformed input is a *SyntaxError. Errors of
// a type's own methods are wrapped. Unmarshal is safe for concurrent use.
func Unmarshal(v []byte, into any, ctx any) error {
	if err := checkWhole(v); err != nil {
		return err
	}
	h, ok := parse(v)
	if !ok {
		return explain(v, 0, len(v))
	}
	switch p := into.(type) {
	case *string:
		if h.typ == TypeStr && p != nil {
			*p = string(h.payload(v))
			return nil
		}
	case *[]byte:
		if h.typ == TypeBytes && p != nil {
			*p = AppendLong(make([]byte, 0, h.n), h.payload(v))
			return nil
		}
	case *int64:
		if h.typ == TypeInt && p != nil {
			*p = int64(h.num)
			return nil
		}
	case *int:
		if h.typ == TypeInt && p != nil && int64(int(h.num)) == int64(h.num) {
			*p = int(h.num)
			return nil
		}
	case *uint64:
		if p != nil && (h.typ == TypeUint || h.typ == TypeInt && int64(h.num) >= 0) {
			*p = h.num
			return nil
		}
	case *float64:
		if h.typ == TypeFloat && p != nil {
			*p = math.Float64frombits(h.num)
			return nil
		}
	case *bool:
		if h.typ == TypeBool && p != nil {
			*p = h.num != 0
			return nil
		}
	case *any:
		if p != nil {
			x, err := DecodeWith(v, Options{Ref: resolver(ctx)})
			if err == nil {
				*p = x
			}
			return err
		}
	}
	rv := reflect.ValueOf(into)
	if rv.Kind() != reflect.Pointer || rv.IsNil() {
		return undecodable("cannot decode into %T: want a pointer that is not nil", into)
	}
	d := decoder{ctx: ctx, natural: naturalDecoder{ref: resolver(ctx)}}
	if s, ok := ctx.(StrictFielder); ok {
		d.strict = s.StrictFields()
	}
	_, err := d.value(v, rv.Elem())
	return err
}

// A StrictFielder says whether a key of a dict for which a struct has no field is
// an error. It is a context for Unmarshal.
type StrictFielder interface{ StrictFields() bool }

// decoder decodes values that Scan has accepted into Go values.
type decoder struct {
	ctx     any
	strict  bool
	natural naturalDecoder
}

// value decodes the value at the start of v into rv and returns its length.
func (d *decoder) value(v []byte, rv reflect.Value) (int, error) {
	h, ok := parse(v)
	if !ok {
		return 0, explain(v, 0, len(v))
	}
	t := rv.Type()
	if t == rawType {
		n, err := Skip(v)
		if err == nil {
			rv.SetString(string(v[:n]))
		}
		return n, err
	}
	if h.typ == TypeNil {
		if !takesNone(t) {
			return 0, undecodable("cannot decode None into the Go type %s, which has no value for it: a pointer has, *%s", t, t)
		}
		rv.SetZero()
		return h.end, nil
	}
	for hops := 0; t.Kind() == reflect.Pointer; hops++ {
		if hops == maxHops {
			return 0, undecodable("cannot decode into %s: more than %d pointers", t, maxHops)
		}
		if rv.IsNil() {
			rv.Set(reflect.New(t.Elem()))
		}
		rv = rv.Elem()
		t = rv.Type()
	}
	if t == rawType {
		return d.value(v, rv)
	}
	info := infoOf(t)
	switch info.dec {
	case byAny:
		return d.own(v, &h, rv)
	case byKind:
	default:
		n, err := Skip(v)
		if err != nil {
			return 0, err
		}
		if err = d.byMethod(v[:n], &h, rv, info.dec); err != nil {
			err = fmt.Errorf("%s: %w", t, err)
		}
		return n, err
	}
	switch t.Kind() {
	case reflect.Interface:
		return d.iface(v, rv)
	case reflect.Slice:
		return d.slice(v, &h, rv)
	case reflect.Array:
		return d.array(v, &h, rv)
	case reflect.Map:
		return d.mapping(v, &h, rv)
	case reflect.Struct:
		return d.record(v, &h, rv, info.record)
	}
	if !scalar(v, &h, rv) {
		return 0, misfit(v, t)
	}
	return h.end, nil
}

// takesNone reports whether None can be told from other values in the type.
func takesNone(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Interface, reflect.Slice, reflect.Map:
		return true
	}
	switch infoOf(t).dec {
	case byWire, byCustom, byMsgpack:
		return true
	}
	return false
}

// scalar decodes into a number, bool or string and reports whether it fits.
func scalar(v []byte, h *head, rv reflect.Value) bool {
	switch rv.Kind() {
	case reflect.Bool:
		if h.typ == TypeBool {
			rv.SetBool(h.num != 0)
			return true
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		i := int64(h.num)
		if h.typ == TypeBigInt {
			b, _ := bigAt(v, h)
			if !b.IsInt64() {
				return false
			}
			i = b.Int64()
		} else if h.typ != TypeInt {
			return false
		}
		if !rv.OverflowInt(i) {
			rv.SetInt(i)
			return true
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		u := h.num
		switch {
		case h.typ == TypeBigInt:
			b, _ := bigAt(v, h)
			if !b.IsUint64() {
				return false
			}
			u = b.Uint64()
		case h.typ == TypeUint, h.typ == TypeInt && int64(u) >= 0:
		default:
			return false
		}
		if !rv.OverflowUint(u) {
			rv.SetUint(u)
			return true
		}
	case reflect.Float32, reflect.Float64:
		f, ok := floatOf(v, h)
		if ok && h.typ != TypeBool && (math.IsInf(f, 0) || !rv.OverflowFloat(f)) {
			rv.SetFloat(f)
			return true
		}
	case reflect.Complex64, reflect.Complex128:
		re, im, ok := complexOf(v, h)
		c := complex(re, im)
		if ok && h.typ.isNumber() && h.typ != TypeBool && !rv.OverflowComplex(c) {
			rv.SetComplex(c)
			return true
		}
	case reflect.String:
		if h.typ == TypeStr {
			rv.SetString(string(h.payload(v)))
			return true
		}
	}
	return false
}

// byMethod lets the value decode itself from exactly v.
func (d *decoder) byMethod(v []byte, h *head, rv reflect.Value, m method) error {
	if err := fillEmbedded(rv); err != nil {
		return err
	}
	p := rv.Addr().Interface()
	switch m {
	case byWire:
		return p.(Unmarshaler).UnmarshalWire(v, d.ctx)
	case byCustom:
		return customDecode(v, p.(msgpack.CustomDecoder), d.ctx)
	case byMsgpack:
		return p.(msgpack.Unmarshaler).UnmarshalMsgpack(append([]byte(nil), v...))
	case byBinary:
		if h.typ != TypeBytes && h.typ != TypeByteArray {
			return misfit(v, rv.Type())
		}
		return p.(encoding.BinaryUnmarshaler).UnmarshalBinary(append([]byte(nil), h.payload(v)...))
	}
	if h.typ != TypeStr {
		return misfit(v, rv.Type())
	}
	return p.(encoding.TextUnmarshaler).UnmarshalText(append([]byte(nil), h.payload(v)...))
}

// own decodes into one of naturalTypes.
func (d *decoder) own(v []byte, h *head, rv reflect.Value) (int, error) {
	t := rv.Type()
	if t == bigIntType {
		i, ok := bigAt(v, h)
		if !ok || h.typ == TypeBool {
			return 0, misfit(v, t)
		}
		rv.Addr().Interface().(*big.Int).Set(i)
		return h.end, nil
	}
	if t == refType {
		// Not through the resolver: the reference itself is asked for.
		if h.typ != TypeRef {
			return 0, misfit(v, t)
		}
		view, _ := refAt(v, h)
		rv.Set(reflect.ValueOf(view.Ref()))
		return h.end, nil
	}
	if t == pairsType {
		return d.pairs(v, h, rv)
	}
	x, n, err := d.natural.value(v)
	if err != nil {
		return 0, err
	}
	xv := reflect.ValueOf(x)
	if xv.Type() == t {
		rv.Set(xv)
		return n, nil
	}
	if seq, ok := elementsOf(x); ok && t == reflect.TypeFor[[]any]() {
		rv.Set(reflect.ValueOf(seq))
		return n, nil
	}
	if t == timeType && xv.Type() == localType {
		return 0, undecodable("cannot decode a datetime without a time zone into the Go type %s: want LocalTime", t)
	}
	return 0, misfit(v, t)
}

func (d *decoder) pairs(v []byte, h *head, rv reflect.Value) (int, error) {
	if h.typ != TypeDict {
		return 0, misfit(v, pairsType)
	}
	p, pos := make(Pairs, h.n), h.off
	for i := range p {
		for _, into := range []*any{&p[i].Key, &p[i].Value} {
			x, n, err := d.natural.value(v[pos:])
			if err != nil {
				return 0, err
			}
			*into = x
			pos += n
		}
	}
	rv.Set(reflect.ValueOf(p))
	return pos, nil
}

// elementsOf returns the elements of a tuple, set or typed array.
func elementsOf(x any) ([]any, bool) {
	switch x := x.(type) {
	case Tuple:
		return x, true
	case Set:
		return x, true
	case FrozenSet:
		return x, true
	case TypedArray:
		s := make([]any, x.Len())
		for i := range s {
			s[i] = x.At(i)
		}
		return s, true
	}
	return nil, false
}

func (d *decoder) iface(v []byte, rv reflect.Value) (int, error) {
	x, n, err := d.natural.value(v)
	if err != nil {
		return 0, err
	}
	t := rv.Type()
	if s, ok := x.(string); ok && t == errorType {
		x = errors.New(s)
	}
	if x == nil {
		rv.SetZero()
		return n, nil
	}
	xv := reflect.ValueOf(x)
	if !xv.Type().AssignableTo(t) {
		return 0, undecodable("cannot decode %s into the Go type %s: %T does not implement it", TypeName(v), t, x)
	}
	rv.Set(xv)
	return n, nil
}

// sequence steps through the elements of a list, tuple, set or typed array.
type sequence struct {
	v     []byte
	pos   int
	n     int
	array []byte // a typed array's payload
	buf   [9]byte
	i     int
}

func sequenceOf(v []byte, h *head) (s sequence, ok bool) {
	switch h.typ {
	case TypeList, TypeTuple, TypeSet, TypeFrozenSet:
		return sequence{v: v, pos: h.off, n: h.n}, true
	case TypeArray:
		p := h.payload(v)
		return sequence{pos: h.end, n: (len(p) - 1) / ElementSize(p[0]), array: p}, true
	}
	return s, false
}

// next decodes the next element into rv.
func (s *sequence) next(d *decoder, rv reflect.Value) error {
	if s.array != nil {
		_, err := d.value(appendElement(s.buf[:0], s.array, s.i), rv)
		s.i++
		return err
	}
	n, err := d.value(s.v[s.pos:], rv)
	s.pos += n
	return err
}

func (d *decoder) slice(v []byte, h *head, rv reflect.Value) (int, error) {
	t := rv.Type()
	if t.Elem().Kind() == reflect.Uint8 && h.typ.isBytes() {
		b := reflect.MakeSlice(t, h.n, h.n)
		copy(b.Bytes(), h.payload(v))
		rv.Set(b)
		return h.end, nil
	}
	seq, ok := sequenceOf(v, h)
	if !ok {
		return 0, misfit(v, t)
	}
	s := reflect.MakeSlice(t, seq.n, seq.n)
	for i := range seq.n {
		if err := seq.next(d, s.Index(i)); err != nil {
			return 0, atPlace(fmt.Sprintf("element %d", i), err)
		}
	}
	rv.Set(s)
	return seq.pos, nil
}

func (d *decoder) array(v []byte, h *head, rv reflect.Value) (int, error) {
	t := rv.Type()
	if t.Elem().Kind() == reflect.Uint8 && h.typ.isBytes() {
		if h.n != t.Len() {
			return 0, undecodable("cannot decode %d bytes into the Go type %s", h.n, t)
		}
		for i, c := range h.payload(v) {
			rv.Index(i).SetUint(uint64(c))
		}
		return h.end, nil
	}
	seq, ok := sequenceOf(v, h)
	if !ok {
		return 0, misfit(v, t)
	}
	if seq.n != t.Len() {
		return 0, undecodable("cannot decode a %s of %d into the Go type %s", h.typ, seq.n, t)
	}
	for i := range seq.n {
		if err := seq.next(d, rv.Index(i)); err != nil {
			return 0, atPlace(fmt.Sprintf("element %d", i), err)
		}
	}
	return seq.pos, nil
}

func (d *decoder) mapping(v []byte, h *head, rv reflect.Value) (int, error) {
	t := rv.Type()
	asSet := h.typ.isSet() && isSetType(t)
	if h.typ != TypeDict && !asSet {
		return 0, misfit(v, t)
	}
	m := reflect.MakeMapWithSize(t, h.n)
	pos := h.off
	for range h.n {
		key, val := reflect.New(t.Key()).Elem(), reflect.New(t.Elem()).Elem()
		n, err := d.value(v[pos:], key)
		if err != nil {
			return 0, atPlace("a key", err)
		}
		if !key.Comparable() {
			return 0, undecodable("cannot decode a %s into a key of the Go type %s: use Pairs", TypeName(v[pos:]), t)
		}
		pos += n
		if !asSet {
			if n, err = d.value(v[pos:], val); err != nil {
				return 0, atPlace("a value", err)
			}
			pos += n
		}
		m.SetMapIndex(key, val)
	}
	rv.Set(m)
	return pos, nil
}

func (d *decoder) record(v []byte, h *head, rv reflect.Value, r *record) (int, error) {
	t := rv.Type()
	pos := h.off
	switch h.typ {
	case TypeDict:
	case TypeList, TypeTuple:
		if h.n != len(r.fields) {
			return 0, undecodable("cannot decode a %s of %d into the %d fields of the Go type %s", h.typ, h.n, len(r.fields), t)
		}
		for i := range r.fields {
			n, err := d.field(v[pos:], rv, &r.fields[i])
			if err != nil {
				return 0, err
			}
			pos += n
		}
		return pos, nil
	default:
		return 0, misfit(v, t)
	}
	some := false
	for range h.n {
		k, ok := parse(v[pos:])
		if !ok {
			return 0, explain(v, pos, len(v))
		}
		place, found := 0, false
		if k.typ == TypeStr {
			place, found = r.byName[string(k.payload(v[pos:]))]
		}
		n, err := Skip(v[pos:])
		if err != nil {
			return 0, err
		}
		pos += n
		if found {
			some = true
			n, err = d.field(v[pos:], rv, &r.fields[place])
		} else if d.strict && t.NumField() > 0 {
			return 0, undecodable("cannot decode a dict with the key %s into the Go type %s, whose fields are %s",
				keyText(v[pos-n:pos]), t, r.names())
		} else {
			n, err = Skip(v[pos:])
		}
		if err != nil {
			return 0, err
		}
		pos += n
	}
	if h.n > 0 && !some && (len(r.fields) > 0 || r.blind) {
		return 0, undecodable("cannot decode a dict into the Go type %s, which has a field for none of its keys: the keys are %s, the fields %s; msgpack tags name fields",
			t, keysText(v, h), r.names())
	}
	return pos, nil
}

// maxNames is how many names an error lists.
const maxNames = 16

// names returns the names of the fields for a text.
func (r *record) names() string {
	names := make([]string, 0, maxNames)
	for i := range r.fields {
		if i == maxNames {
			names = append(names, "...")
			break
		}
		names = append(names, strconv.Quote(r.fields[i].name))
	}
	if len(names) == 0 {
		return "none that is exported"
	}
	return strings.Join(names, ", ")
}

// keyText returns a key for a text.
func keyText(v []byte) string {
	b := AppendRepr(nil, v, nil)
	if h, _ := parse(v); h.typ == TypeStr {
		b = strconv.AppendQuote(nil, string(h.payload(v)))
	}
	if len(b) > 80 {
		b = append(b[:77], "..."...)
	}
	return string(b)
}

// keysText returns the keys of a dict for a text.
func keysText(v []byte, h *head) string {
	names := make([]string, 0, maxNames)
	for i, pos := 0, h.off; i < h.n; i++ {
		if i == maxNames {
			names = append(names, "...")
			break
		}
		_, _, end, ok := pair(v, pos)
		n, err := Skip(v[pos:])
		if !ok || err != nil {
			break
		}
		names = append(names, keyText(v[pos:pos+n]))
		pos = end
	}
	return strings.Join(names, ", ")
}

// field decodes into a field of the struct rv, through embedded pointers.
func (d *decoder) field(v []byte, rv reflect.Value, f *recordField) (int, error) {
	t := rv.Type()
	for _, i := range f.index {
		if rv.Kind() == reflect.Pointer {
			if rv.IsNil() {
				if TypeOf(v) == TypeNil { // as Marshal writes the fields of one that is nil
					return Skip(v)
				}
				rv.Set(reflect.New(rv.Type().Elem()))
			}
			rv = rv.Elem()
		}
		rv = rv.Field(i)
	}
	n, err := d.value(v, rv)
	if err != nil {
		err = atPlace(fmt.Sprintf("field %s of %s", f.name, t), err)
	}
	return n, err
}

// atPlace says where in a value an error came up.
func atPlace(place string, err error) error { return fmt.Errorf("%s: %w", place, err) }
