package engine

import (
	"encoding/binary"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// The fields of a state as they are written down: unsigned numbers as uvarints
// (binary.AppendUvarint), signed ones as zigzag varints (binary.AppendVarint),
// values as they are, since they say where they end, and what follows here.

// AppendBool appends a bool.
func AppendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

// AppendText appends a string by its length.
func AppendText[T string | []byte](b []byte, s T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// noValue stands where a value may be and is none. No value begins with it.
const noValue = 0xc1

// AppendOptional appends a value, or that there is none ("").
func AppendOptional(b []byte, v wire.Raw) []byte {
	if v == "" {
		return append(b, noValue)
	}
	return append(b, v...)
}

// Decoder reads the fields of a record one after the other. The first failure
// sticks: from then on every method returns zero values, and Failed reports
// true. What it returns is the caller's.
type Decoder struct {
	b    []byte
	err  *wire.Error
	what string // of a failure: the record
	// more returns the next piece of the record, or nil at its end. No field lies
	// in two pieces.
	more func() []byte
	load *loader
	hold map[uint64]*Hold // of the object at hand, by token
}

// Failed reports whether a field was not what it must be. A loop over a count
// that was read must ask it.
func (d *Decoder) Failed() bool { return d.err != nil }

// Fail says that what was read is not a state.
func (d *Decoder) Fail(format string, args ...any) {
	if d.err == nil {
		d.err = wire.Errorf(wire.CodeValue, "%s: "+format, append([]any{d.what}, args...)...)
	}
	d.b, d.more = nil, nil
}

// fill makes sure that there is a byte to read.
func (d *Decoder) fill() bool {
	for len(d.b) == 0 {
		if d.more == nil {
			return false
		}
		if d.b = d.more(); d.b == nil {
			d.more = nil
		}
	}
	return true
}

// Byte reads a byte.
func (d *Decoder) Byte() byte {
	if !d.fill() {
		d.Fail("cut short")
		return 0
	}
	v := d.b[0]
	d.b = d.b[1:]
	return v
}

// Bool reads a bool.
func (d *Decoder) Bool() bool {
	v := d.Byte()
	if v > 1 {
		d.Fail("%d is no bool", v)
	}
	return v == 1
}

// Uint reads an unsigned number.
func (d *Decoder) Uint() uint64 {
	d.fill()
	v, n := binary.Uvarint(d.b)
	if n <= 0 || n > 1 && d.b[n-1] == 0 {
		d.Fail("a number is cut short, too large, or longer than it must be")
		return 0
	}
	d.b = d.b[n:]
	return v
}

// Int reads a signed number.
func (d *Decoder) Int() int64 {
	v := d.Uint()
	return int64(v>>1) ^ -int64(v&1)
}

// bytes reads a length and as many bytes, which are valid until the next read.
func (d *Decoder) bytes() []byte {
	n := d.Uint()
	if n > uint64(len(d.b)) {
		d.Fail("%d bytes where %d are left", n, len(d.b))
		return nil
	}
	v := d.b[:n]
	d.b = d.b[n:]
	return v
}

// fixed reads as many bytes as v has.
func (d *Decoder) fixed(v []byte) {
	d.fill()
	if len(d.b) < len(v) {
		d.Fail("%d bytes where %d are left", len(v), len(d.b))
		return
	}
	d.b = d.b[copy(v, d.b):]
}

// Text reads a string.
func (d *Decoder) Text() string { return string(d.bytes()) }

// Optional reads a value, or "" where there is none.
func (d *Decoder) Optional() wire.Raw {
	if d.fill() && d.b[0] == noValue {
		d.b = d.b[1:]
		return ""
	}
	return d.Value()
}

// Value reads a value.
func (d *Decoder) Value() wire.Raw {
	d.fill()
	n, _, err := wire.Scan(d.b, wire.Limits{})
	if err != nil {
		d.Fail("a value: %v", err)
		return ""
	}
	v := wire.Raw(d.b[:n])
	d.b = d.b[n:]
	return v
}

// AppendFailure appends an error, or that there is none. Its texts may be any
// bytes.
func AppendFailure(b []byte, err *wire.Error) []byte {
	if err == nil {
		return append(b, 0)
	}
	b = binary.AppendUvarint(b, uint64(err.Code))
	b = AppendText(b, err.Type)
	b = AppendText(b, err.Message)
	b = AppendText(b, string(err.Detail))
	return AppendBool(b, err.Safe)
}

// Failure reads an error, or nil where there is none.
func (d *Decoder) Failure() *wire.Error {
	code := d.Uint()
	if code == 0 {
		return nil
	}
	if code > 0xffff {
		d.Fail("error code %d", code)
	}
	return &wire.Error{Code: wire.Code(code), Type: d.Text(), Message: d.Text(), Detail: wire.Raw(d.bytes()), Safe: d.Bool()}
}

// end fails if something is left.
func (d *Decoder) end() {
	if d.err == nil && d.fill() {
		d.Fail("%d bytes after the last field", len(d.b))
	}
}

// AppendHold appends a hold of the object whose state is written down. One that
// is over is none.
func AppendHold(b []byte, h *Hold) []byte {
	if h == nil || !h.inObject.In() {
		return append(b, 0)
	}
	return binary.AppendUvarint(b, h.Token)
}

// Hold reads a hold of the object, or nil.
func (d *Decoder) Hold() *Hold {
	token := d.Uint()
	if token == 0 {
		return nil
	}
	h := d.hold[token]
	if h == nil {
		d.Fail("hold %d is none of the object's", token)
	}
	return h
}

// Object calls fn with the object of that id once all are loaded; fn says
// whether it is what it must be.
func (d *Decoder) Object(id uint64, fn func(o *Object) bool) {
	what := d.what
	d.load.later = append(d.load.later, func() *wire.Error {
		if o := d.load.e.objects[id]; o == nil || !fn(o) {
			return wire.Errorf(wire.CodeValue, "%s: object %d is not there, or not what it must be", what, id)
		}
		return nil
	})
}
