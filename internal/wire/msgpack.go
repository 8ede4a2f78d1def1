package wire

import (
	"bytes"
	"fmt"
	"io"
	"reflect"

	"github.com/vmihailenco/msgpack/v5"
)

// This file joins the package to github.com/vmihailenco/msgpack, in both
// directions: types that encode themselves with that library travel through
// Marshal and Unmarshal, and the types of this package can be encoded and
// decoded inside such types. Nothing is registered with the library: its table
// of extensions belongs to the whole process, and its decoder would give `any`
// other types than Decode does and cut integers short without a word. So
// Marshal and Unmarshal walk structs, slices and maps on their own, and call the
// library only for types with its methods.

// byteWriter collects what an encoder writes.
type byteWriter struct{ b []byte }

func (w *byteWriter) Write(p []byte) (int, error) {
	w.b = append(w.b, p...)
	return len(p), nil
}

func (w *byteWriter) WriteByte(c byte) error {
	w.b = append(w.b, c)
	return nil
}

// custom lets v encode itself with the library's encoder.
func (e *encoder) custom(v msgpack.CustomEncoder) error {
	enc := msgpack.GetEncoder()
	w := &byteWriter{b: e.b}
	enc.Reset(w)
	enc.UseCompactInts(true)
	err := v.EncodeMsgpack(enc)
	msgpack.PutEncoder(enc)
	e.b, e.foreign = w.b, true
	return err
}

// contextReader is what a custom decoder reads from. It carries Unmarshal's ctx.
type contextReader struct {
	bytes.Reader
	ctx any
}

// ContextOf returns the ctx that the Unmarshal was given for which dec decodes,
// nil if dec is not one of Unmarshal's. It is for DecodeMsgpack methods.
func ContextOf(dec *msgpack.Decoder) any {
	if r, ok := dec.Buffered().(*contextReader); ok {
		return r.ctx
	}
	return nil
}

// customDecode lets into decode itself from v with the library's decoder.
func customDecode(v []byte, into msgpack.CustomDecoder, ctx any) error {
	r := &contextReader{ctx: ctx}
	r.Reset(v)
	dec := msgpack.GetDecoder()
	dec.Reset(r)
	err := into.DecodeMsgpack(dec)
	msgpack.PutDecoder(dec)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = undecodable("DecodeMsgpack of %T wants more than the %s that came", into, TypeName(v))
	}
	return err
}

// DecodeAny decodes the next value of dec as DecodeWith does, with the
// RefResolver that is the decoder's context, if it is one. It is for
// DecodeMsgpack methods: dec.DecodeInterface knows no extension of ours.
func DecodeAny(dec *msgpack.Decoder) (any, error) {
	raw, err := dec.DecodeRaw()
	if err != nil {
		return nil, err
	}
	return DecodeWith(raw, Options{Ref: resolver(ContextOf(dec))})
}

// EncodeAny encodes v with enc as Marshal does. It is for EncodeMsgpack methods.
func EncodeAny(enc *msgpack.Encoder, v any) error {
	b, err := Marshal(nil, v)
	if err == nil {
		_, err = enc.Writer().Write(b)
	}
	return err
}

// decodeAs decodes the next value of dec into a type of this package.
func decodeAs[T any](dec *msgpack.Decoder, into *T) error {
	raw, err := dec.DecodeRaw()
	if err != nil {
		return err
	}
	return Unmarshal(raw, into, ContextOf(dec))
}

// The methods below let the library encode and decode this package's types.

func (v Tuple) EncodeMsgpack(enc *msgpack.Encoder) error      { return EncodeAny(enc, v) }
func (v Set) EncodeMsgpack(enc *msgpack.Encoder) error        { return EncodeAny(enc, v) }
func (v FrozenSet) EncodeMsgpack(enc *msgpack.Encoder) error  { return EncodeAny(enc, v) }
func (v ByteArray) EncodeMsgpack(enc *msgpack.Encoder) error  { return EncodeAny(enc, v) }
func (v Pairs) EncodeMsgpack(enc *msgpack.Encoder) error      { return EncodeAny(enc, v) }
func (v LocalTime) EncodeMsgpack(enc *msgpack.Encoder) error  { return EncodeAny(enc, v) }
func (v TypedArray) EncodeMsgpack(enc *msgpack.Encoder) error { return EncodeAny(enc, v) }
func (v Opaque) EncodeMsgpack(enc *msgpack.Encoder) error     { return EncodeAny(enc, v) }
func (v Ref) EncodeMsgpack(enc *msgpack.Encoder) error        { return EncodeAny(enc, v) }
func (r Raw) EncodeMsgpack(enc *msgpack.Encoder) error        { return EncodeAny(enc, r) }

func (v *Tuple) DecodeMsgpack(dec *msgpack.Decoder) error      { return decodeAs(dec, v) }
func (v *Set) DecodeMsgpack(dec *msgpack.Decoder) error        { return decodeAs(dec, v) }
func (v *FrozenSet) DecodeMsgpack(dec *msgpack.Decoder) error  { return decodeAs(dec, v) }
func (v *ByteArray) DecodeMsgpack(dec *msgpack.Decoder) error  { return decodeAs(dec, v) }
func (v *Pairs) DecodeMsgpack(dec *msgpack.Decoder) error      { return decodeAs(dec, v) }
func (v *LocalTime) DecodeMsgpack(dec *msgpack.Decoder) error  { return decodeAs(dec, v) }
func (v *TypedArray) DecodeMsgpack(dec *msgpack.Decoder) error { return decodeAs(dec, v) }
func (v *Opaque) DecodeMsgpack(dec *msgpack.Decoder) error     { return decodeAs(dec, v) }
func (v *Ref) DecodeMsgpack(dec *msgpack.Decoder) error        { return decodeAs(dec, v) }
func (r *Raw) DecodeMsgpack(dec *msgpack.Decoder) error        { return decodeAs(dec, r) }

// RefResolver turns object references into what Go code gets for them, such as
// proxies. It is asked for each reference that is decoded into an interface.
type RefResolver interface {
	ResolveRef(Ref) (any, error)
}

func resolver(ctx any) func(Ref) (any, error) {
	if r, ok := ctx.(RefResolver); ok {
		return r.ResolveRef
	}
	return nil
}

// misfit is the error for a value that does not go into a Go type.
func misfit(v []byte, t reflect.Type) error {
	h, ok := parse(v)
	if !ok {
		return explain(v, 0, len(v))
	}
	got := h.name(v)
	if h.typ.IsInt() {
		got = fmt.Sprintf("int %s", clip(v))
	}
	return undecodable("cannot decode %s into the Go type %s", got, t)
}
