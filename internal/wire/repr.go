package wire

import (
	"bytes"
	"math"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"
)

const malformed = "<malformed value>"

func appendRune(dst []byte, c uint32) []byte { return utf8.AppendRune(dst, rune(c)) }

// AppendRepr appends the value v as Python's repr() writes it. For object
// references it calls ref, which appends what stands for the object; if ref is
// nil they appear as <list object, ident 7>. Opaque values appear as
// <opaque python value, N bytes>. The text is UTF-8 and at most about six times
// as long as v, beside what ref adds. Malformed input appears as <malformed value>,
// what nests deeper than DefaultDepth as "...".
func AppendRepr(dst, v []byte, ref func(dst []byte, r Ref) []byte) []byte {
	dst, _ = appendRepr(dst, v, ref, 0, math.MaxInt)
	return dst
}

// AppendReprMax is AppendRepr for a message: of a text of more than max bytes it
// appends the beginning and "...", and makes no more than that, however large the
// value is.
func AppendReprMax(dst, v []byte, ref func(dst []byte, r Ref) []byte, max int) []byte {
	limit := len(dst) + max
	dst, _ = appendRepr(dst, v, ref, 0, limit)
	if len(dst) <= limit {
		return dst
	}
	for limit > 0 && !utf8.RuneStart(dst[limit]) {
		limit--
	}
	return append(dst[:limit], "..."...)
}

// appendRepr appends the value at the start of v and returns its length. Once
// the text is longer than limit, what follows in it is not looked at.
func appendRepr(dst, v []byte, ref func([]byte, Ref) []byte, depth, limit int) ([]byte, int) {
	h, ok := parse(v)
	if !ok {
		return append(dst, malformed...), len(v)
	}
	switch h.typ {
	case TypeNil:
		return append(dst, "None"...), h.end
	case TypeBool:
		if h.num != 0 {
			return append(dst, "True"...), h.end
		}
		return append(dst, "False"...), h.end
	case TypeInt:
		return strconv.AppendInt(dst, int64(h.num), 10), h.end
	case TypeUint:
		return strconv.AppendUint(dst, h.num, 10), h.end
	case TypeBigInt:
		i, _ := bigAt(v, &h)
		return i.Append(dst, 10), h.end
	case TypeFloat:
		return appendFloatRepr(dst, math.Float64frombits(h.num), true), h.end
	case TypeComplex:
		re, im := complexAt(v, &h)
		return appendComplexRepr(dst, re, im), h.end
	case TypeStr:
		return appendStrRepr(dst, upTo(h.payload(v), limit-len(dst))), h.end
	case TypeBytes:
		return appendBytesRepr(dst, upTo(h.payload(v), limit-len(dst)), false), h.end
	case TypeByteArray:
		dst = append(dst, "bytearray("...)
		dst = appendBytesRepr(dst, upTo(h.payload(v), limit-len(dst)), true)
		return append(dst, ')'), h.end
	case TypeTime, TypeDateTime:
		t, ok := instantAt(v, &h)
		if !ok {
			return append(dst, malformed...), h.end
		}
		return appendTimeRepr(dst, t), h.end
	case TypeArray:
		return appendArrayRepr(dst, h.payload(v), limit), h.end
	case TypeOpaque:
		return appendOpaqueRepr(dst, h.payload(v)), h.end
	case TypeRef:
		view, _ := refAt(v, &h)
		if ref != nil {
			return ref(dst, view.Ref()), h.end
		}
		dst = append(append(dst, '<'), view.TypeID...)
		dst = strconv.AppendUint(append(dst, " object, ident "...), view.ID, 10)
		return append(dst, '>'), h.end
	}
	if len(dst) > limit {
		return dst, len(v)
	}
	if depth >= DefaultDepth {
		n, err := Skip(v)
		if err != nil {
			n = len(v)
		}
		return append(dst, "..."...), n
	}
	open, shut := "[", "]"
	switch h.typ {
	case TypeDict:
		open, shut = "{", "}"
	case TypeTuple:
		open, shut = "(", ")"
		if h.n == 1 {
			shut = ",)"
		}
	case TypeSet:
		open, shut = "{", "}"
		if h.n == 0 {
			open, shut = "set(", ")"
		}
	case TypeFrozenSet:
		open, shut = "frozenset({", "})"
		if h.n == 0 {
			open, shut = "frozenset(", ")"
		}
	}
	dst = append(dst, open...)
	pos, stop := h.off, len(v)
	if h.ext {
		stop = h.end
	}
	for i := 0; i < h.n; i++ {
		if len(dst) > limit {
			return dst, len(v)
		}
		if i > 0 {
			dst = append(dst, ", "...)
		}
		if pos >= stop {
			dst = append(dst, malformed...)
			break
		}
		var n int
		dst, n = appendRepr(dst, v[pos:stop], ref, depth+1, limit)
		pos += n
		if h.typ == TypeDict {
			if len(dst) > limit {
				return dst, len(v)
			}
			dst = append(dst, ": "...)
			dst, n = appendRepr(dst, v[pos:stop], ref, depth+1, limit)
			pos += n
		}
	}
	if h.ext {
		pos = stop
	}
	return append(dst, shut...), pos
}

// upTo returns the beginning of p that is enough for a text of more than n bytes.
func upTo(p []byte, n int) []byte {
	if n = max(n, 0); n < len(p)-4 {
		return p[:n+4]
	}
	return p
}

// appendFloatRepr appends f with the fewest digits that read back as f; point
// asks for ".0" after an integral one.
func appendFloatRepr(dst []byte, f float64, point bool) []byte {
	switch {
	case f != f:
		return append(dst, "nan"...)
	case math.IsInf(f, 1):
		return append(dst, "inf"...)
	case math.IsInf(f, -1):
		return append(dst, "-inf"...)
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.AppendFloat(dst, f, 'e', -1, 64)
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
	if point && bytes.IndexByte(dst[start:], '.') < 0 {
		dst = append(dst, ".0"...)
	}
	return dst
}

func appendComplexRepr(dst []byte, re, im float64) []byte {
	if re == 0 && !math.Signbit(re) {
		return append(appendFloatRepr(dst, im, false), 'j')
	}
	dst = appendFloatRepr(append(dst, '('), re, false)
	if im != im || !math.Signbit(im) {
		dst = append(dst, '+')
	}
	return append(appendFloatRepr(dst, im, false), "j)"...)
}

// quote returns the quote that Python chooses for the text.
func quote(p []byte) byte {
	if bytes.IndexByte(p, '\'') >= 0 && bytes.IndexByte(p, '"') < 0 {
		return '"'
	}
	return '\''
}

const hexDigits = "0123456789abcdef"

func appendHex(dst []byte, c uint32, digits int) []byte {
	for i := digits - 1; i >= 0; i-- {
		dst = append(dst, hexDigits[c>>(4*i)&15])
	}
	return dst
}

// appendASCIIRepr appends a character below 0x80, escaped where it must be.
func appendASCIIRepr(dst []byte, c, q byte) []byte {
	switch {
	case c == q || c == '\\':
		return append(dst, '\\', c)
	case c == '\n':
		return append(dst, `\n`...)
	case c == '\r':
		return append(dst, `\r`...)
	case c == '\t':
		return append(dst, `\t`...)
	case c < 0x20 || c == 0x7f:
		return appendHex(append(dst, `\x`...), uint32(c), 2)
	}
	return append(dst, c)
}

func appendStrRepr(dst, p []byte) []byte {
	q := quote(p)
	dst = append(dst, q)
	for i := 0; i < len(p); {
		c := p[i]
		if c < utf8.RuneSelf {
			dst = appendASCIIRepr(dst, c, q)
			i++
			continue
		}
		r, n := utf8.DecodeRune(p[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			if i+2 < len(p) && isSurrogate(p[i:]) {
				r, n = 0xd000|rune(p[i+1]&0x3f)<<6|rune(p[i+2]&0x3f), 3
				dst = appendHex(append(dst, `\u`...), uint32(r), 4)
				break
			}
			dst = appendHex(append(dst, `\x`...), uint32(c), 2)
		case unicode.IsPrint(r):
			dst = append(dst, p[i:i+n]...)
		case r < 0x100:
			dst = appendHex(append(dst, `\x`...), uint32(r), 2)
		case r < 0x10000:
			dst = appendHex(append(dst, `\u`...), uint32(r), 4)
		default:
			dst = appendHex(append(dst, `\U`...), uint32(r), 8)
		}
		i += n
	}
	return append(dst, q)
}

// appendBytesRepr appends b'...'. Inside a bytearray, Python escapes single
// quotes even between double ones.
func appendBytesRepr(dst, p []byte, inArray bool) []byte {
	q := quote(p)
	escaped := q
	if inArray {
		escaped = '\''
	}
	dst = append(dst, 'b', q)
	for _, c := range p {
		if c < utf8.RuneSelf {
			dst = appendASCIIRepr(dst, c, escaped)
		} else {
			dst = appendHex(append(dst, `\x`...), uint32(c), 2)
		}
	}
	return append(dst, q)
}

// appendTimeRepr cuts nanoseconds to the microseconds that Python has.
func appendTimeRepr(dst []byte, t instant) []byte {
	w := time.Unix(t.sec, 0).UTC()
	year, month, day := w.Date()
	hour, minute, sec := w.Clock()
	micro := int(t.nsec / 1000)
	fields := []int{year, int(month), day, hour, minute, sec, micro}
	if micro == 0 {
		fields = fields[:6]
		if sec == 0 {
			fields = fields[:5]
		}
	}
	dst = append(dst, "datetime.datetime("...)
	for i, f := range fields {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = strconv.AppendInt(dst, int64(f), 10)
	}
	switch {
	case t.naive():
	case t.offset == 0:
		dst = append(dst, ", tzinfo=datetime.timezone.utc"...)
	default:
		dst = append(dst, ", tzinfo=datetime.timezone(datetime.timedelta("...)
		off := int64(t.offset)
		if off < 0 {
			dst, off = append(dst, "days=-1, "...), off+86400
		}
		dst = append(strconv.AppendInt(append(dst, "seconds="...), off, 10), "))"...)
	}
	return append(dst, ')')
}

func appendArrayRepr(dst, p []byte, limit int) []byte {
	dst = append(append(dst, "array('"...), p[0], '\'')
	n := (len(p) - 1) / ElementSize(p[0])
	if n == 0 {
		return append(dst, ')')
	}
	var buf [9]byte
	if p[0] == 'u' || p[0] == 'w' {
		text := make([]byte, 0, min(n, max(limit-len(dst), 0)))
		for i := range n {
			if len(text) > limit-len(dst) {
				break
			}
			v := appendElement(buf[:0], p, i)
			text = append(text, v[1:]...)
		}
		return append(appendStrRepr(append(dst, ", "...), text), ')')
	}
	dst = append(dst, ", ["...)
	for i := range n {
		if len(dst) > limit {
			break
		}
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst, _ = appendRepr(dst, appendElement(buf[:0], p, i), nil, 0, limit)
	}
	return append(dst, "])"...)
}
