package wire

import "reflect"

// A struct has the methods of what it embeds. Through an embedded pointer that
// is nil they fail, so decoding fills it first.

// nilEmbedded returns the name of an embedded pointer or interface of v, a
// struct or a pointer to one, that is nil.
func nilEmbedded(v reflect.Value) (name string, ok bool) {
	if v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		return "", false
	}
	for f, x := range v.Fields() {
		if k := f.Type.Kind(); f.Anonymous && (k == reflect.Pointer || k == reflect.Interface) && x.IsNil() {
			return f.Name, true
		}
	}
	return "", false
}

// fillEmbedded makes embedded pointers of a struct that are nil point to zero
// values, as far as they have methods.
func fillEmbedded(v reflect.Value) error {
	if v.Kind() != reflect.Struct {
		return nil
	}
	for f, x := range v.Fields() {
		if !f.Anonymous || f.Type.Kind() != reflect.Pointer || f.Type.NumMethod() == 0 || !x.IsNil() {
			continue
		}
		if !x.CanSet() {
			return undecodable("cannot decode into the Go type %s: it embeds the unexported pointer %s, which is nil; embed the value", v.Type(), f.Name)
		}
		x.Set(reflect.New(f.Type.Elem()))
	}
	return nil
}
