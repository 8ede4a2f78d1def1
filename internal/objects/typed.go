package objects

import (
	"encoding/binary"
	"math"
	"unicode/utf8"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// Elements of typed arrays, by the typecodes of Python's array module.

// parseArray returns the parts of a typed array.
func parseArray(v []byte) (code byte, data []byte, ok bool) {
	if len(v) < 3 || wire.TypeOf(v) != wire.TypeArray {
		return 0, nil, false
	}
	// The header is that of any extension; the payload ends with the value.
	at := 0
	switch v[0] {
	case 0xc7:
		at = 3
	case 0xc8:
		at = 4
	case 0xc9:
		at = 6
	default:
		at = 2
	}
	if at >= len(v) {
		return 0, nil, false
	}
	code, data = v[at], v[at+1:]
	size := wire.ElementSize(code)
	return code, data, size > 0 && len(data)%size == 0
}

// appendElement appends the element at the start of data as a value.
func appendElement(b []byte, code byte, data []byte) []byte {
	switch code {
	case 'b':
		return wire.AppendInt(b, int64(int8(data[0])))
	case 'B':
		return wire.AppendUint(b, uint64(data[0]))
	case 'h':
		return wire.AppendInt(b, int64(int16(binary.LittleEndian.Uint16(data))))
	case 'H':
		return wire.AppendUint(b, uint64(binary.LittleEndian.Uint16(data)))
	case 'i':
		return wire.AppendInt(b, int64(int32(binary.LittleEndian.Uint32(data))))
	case 'I':
		return wire.AppendUint(b, uint64(binary.LittleEndian.Uint32(data)))
	case 'l', 'q':
		return wire.AppendInt(b, int64(binary.LittleEndian.Uint64(data)))
	case 'L', 'Q':
		return wire.AppendUint(b, binary.LittleEndian.Uint64(data))
	case 'f':
		return wire.AppendFloat(b, float64(math.Float32frombits(binary.LittleEndian.Uint32(data))))
	case 'd':
		return wire.AppendFloat(b, math.Float64frombits(binary.LittleEndian.Uint64(data)))
	}
	return wire.AppendStrBytes(b, appendChar(nil, binary.LittleEndian.Uint32(data)))
}

// appendChar appends a character; what is none becomes U+FFFD.
func appendChar(b []byte, r uint32) []byte {
	if r >= 0xd800 && r <= 0xdfff {
		return append(b, 0xed, 0x80|byte(r>>6)&0x3f, 0x80|byte(r)&0x3f)
	}
	return utf8.AppendRune(b, rune(min(r, math.MaxInt32)))
}

// charOf returns the character that s, a str's text, consists of.
func charOf(s []byte) (uint32, bool) {
	if len(s) == 0 || runeLen(s) != len(s) {
		return 0, false
	}
	if r, size := utf8.DecodeRune(s); r != utf8.RuneError || size > 1 {
		return uint32(r), true
	}
	if len(s) == 3 {
		return uint32(s[0]&0x0f)<<12 | uint32(s[1]&0x3f)<<6 | uint32(s[2]&0x3f), true
	}
	return 0, false
}

// intCode is what an integer typecode holds, and how Python names it.
type intCode struct {
	min  int64
	max  uint64
	name string
}

func intCodeOf(code byte) (intCode, bool) {
	switch code {
	case 'b':
		return intCode{math.MinInt8, math.MaxInt8, "signed char"}, true
	case 'B':
		return intCode{0, math.MaxUint8, "unsigned byte integer"}, true
	case 'h':
		return intCode{math.MinInt16, math.MaxInt16, "signed short integer"}, true
	case 'H':
		return intCode{0, math.MaxUint16, "unsigned short"}, true
	case 'i':
		return intCode{math.MinInt32, math.MaxInt32, "signed integer"}, true
	case 'I':
		return intCode{0, math.MaxUint32, "unsigned int"}, true
	case 'l', 'q':
		return intCode{math.MinInt64, math.MaxInt64, "signed long"}, true
	case 'L', 'Q':
		return intCode{0, math.MaxUint64, "unsigned long"}, true
	}
	return intCode{}, false
}

// appendPacked takes the next value and appends it as an element. With strict,
// a float that is too large for 'f' is an error instead of an infinity.
func appendPacked(b []byte, code byte, r *wire.Reader, strict bool) ([]byte, error) {
	typ := r.Type()
	if typ == wire.TypeInvalid {
		_, err := r.Value()
		return nil, err
	}
	if ic, ok := intCodeOf(code); ok {
		return appendPackedInt(b, code, ic, r)
	}
	peek := r.Peek()
	switch code {
	case 'f', 'd':
		if typ != wire.TypeFloat && typ != wire.TypeBool && !typ.IsInt() {
			return nil, wire.Errorf(wire.CodeType, "must be real number, not %s", wire.TypeName(peek))
		}
		v, err := r.Float()
		if err != nil {
			return nil, wire.Errorf(wire.CodeOverflow, "int too large to convert to float")
		}
		if code == 'd' {
			return binary.LittleEndian.AppendUint64(b, math.Float64bits(v)), nil
		}
		small := float32(v)
		if strict && math.IsInf(float64(small), 0) && !math.IsInf(v, 0) {
			return nil, wire.Errorf(wire.CodeOverflow, "%g is too large for typecode 'f'", v)
		}
		if small != small {
			return binary.LittleEndian.AppendUint32(b, 0x7fc0_0000), nil // one NaN on every processor
		}
		return binary.LittleEndian.AppendUint32(b, math.Float32bits(small)), nil
	}
	if typ == wire.TypeStr {
		s, err := r.Str()
		if err != nil {
			return nil, err
		}
		if ch, ok := charOf(s); ok {
			return binary.LittleEndian.AppendUint32(b, ch), nil
		}
	}
	return nil, wire.Errorf(wire.CodeType, "array item must be unicode character")
}

func appendPackedInt(b []byte, code byte, ic intCode, r *wire.Reader) ([]byte, error) {
	typ, v := r.Type(), r.Peek()
	if typ != wire.TypeBool && !typ.IsInt() {
		return nil, wire.Errorf(wire.CodeType, "'%s' object cannot be interpreted as an integer", wire.TypeName(v))
	}
	var n uint64
	signed := *r
	if i, err := signed.Int(); err == nil {
		*r = signed
		if i < ic.min {
			return nil, wire.Errorf(wire.CodeOverflow, "%s is less than minimum", ic.name)
		}
		n = uint64(i)
		if i > 0 && n > ic.max {
			return nil, wire.Errorf(wire.CodeOverflow, "%s is greater than maximum", ic.name)
		}
	} else {
		u, err := r.Uint()
		if err != nil || u > ic.max {
			if less, err := wire.Compare(v, []byte{0}); err == nil && less < 0 {
				return nil, wire.Errorf(wire.CodeOverflow, "%s is less than minimum", ic.name)
			}
			return nil, wire.Errorf(wire.CodeOverflow, "%s is greater than maximum", ic.name)
		}
		n = u
	}
	switch wire.ElementSize(code) {
	case 1:
		return append(b, byte(n)), nil
	case 2:
		return binary.LittleEndian.AppendUint16(b, uint16(n)), nil
	case 4:
		return binary.LittleEndian.AppendUint32(b, uint32(n)), nil
	}
	return binary.LittleEndian.AppendUint64(b, n), nil
}
