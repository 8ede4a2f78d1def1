package wire

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"
)

// Limits bounds what Scan accepts. The zero value sets the defaults.
type Limits struct {
	Depth int // how deep containers may nest; 0 means DefaultDepth, which is also the most
}

// SyntaxError says where bytes stop being a value.
type SyntaxError struct {
	Offset int    // in bytes from the start of what was scanned
	Got    string // what stands there
	Want   string // what would be right
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("malformed value at byte %d: got %s, want %s", e.Offset, e.Got, e.Want)
}

// Scan validates the value at the start of b and returns its length and
// whether any object reference is inside. It checks everything that the other
// functions of this package rely on: headers, lengths, nesting, the payloads of
// extensions, the text of strings. It does not check that the keys of a dict or
// the elements of a set are hashable or distinct. It reserves no memory, and
// for scalars it costs a few nanoseconds. Errors are *SyntaxError.
func Scan(b []byte, lim Limits) (n int, refs bool, err error) {
	if n := short(b); n == 1 || n > 1 && ValidStr(b[1:n]) {
		return n, false, nil
	}
	s := scanner{b: b, depth: lim.Depth}
	if s.depth <= 0 || s.depth > DefaultDepth {
		s.depth = DefaultDepth
	}
	n, err = s.value(0, len(b), 0, false)
	if err != nil {
		return 0, false, err
	}
	return n, s.refs, nil
}

// short returns the length of the value at the start of b if it is one of the
// commonest, and whole: an int of one byte, or a str of up to 31. Otherwise it
// returns 0.
func short(b []byte) int {
	if len(b) == 0 {
		return 0
	}
	c := b[0]
	if c < 0x80 || c >= 0xe0 {
		return 1
	}
	if n := 1 + int(c&0x1f); c&0xe0 == 0xa0 && n <= len(b) {
		return n
	}
	return 0
}

type scanner struct {
	b     []byte
	depth int
	refs  bool
}

// value checks the value at b[at:end] and returns where it ends.
func (s *scanner) value(at, end, depth int, inKey bool) (int, error) {
	h, ok := parse(s.b[at:end])
	if !ok {
		return 0, explain(s.b, at, end)
	}
	v := s.b[at:end]
	switch h.typ {
	case TypeStr:
		if p := h.payload(v); !ValidStr(p) {
			return 0, &SyntaxError{at, "a str that is not UTF-8", "UTF-8 (lone surrogates allowed), or bytes"}
		}
		return at + h.end, nil
	case TypeList, TypeDict, TypeTuple, TypeSet, TypeFrozenSet:
	case TypeTime, TypeDateTime:
		if _, ok := instantAt(v, &h); !ok {
			return 0, &SyntaxError{at, "a datetime out of range",
				"nanoseconds below 1e9, seconds within 2^60 of 1970, an offset of less than a day"}
		}
		return at + h.end, nil
	case TypeRef:
		if inKey {
			return 0, refInKey(at)
		}
		if r, _ := refAt(v, &h); !utf8.Valid(r.TypeID) {
			return 0, &SyntaxError{at, "a reference whose typeid is not UTF-8", "UTF-8"}
		}
		s.refs = true
		return at + h.end, nil
	case TypeOpaque:
		if p := h.payload(v); !utf8.Valid(p[1 : 1+int(p[0])]) {
			return 0, &SyntaxError{at, "an opaque value whose language tag is not UTF-8", "UTF-8"}
		}
		if err := s.opaque(at, h.payload(v), depth, inKey); err != nil {
			return 0, err
		}
		return at + h.end, nil
	case TypeArray:
		if p := h.payload(v); p[0] == 'u' || p[0] == 'w' {
			for i := 1; i < len(p); i += 4 {
				if c := binary.LittleEndian.Uint32(p[i:]); c > utf8.MaxRune {
					return 0, &SyntaxError{at, fmt.Sprintf("a typed array with the character %#x", c), "code points up to 0x10ffff"}
				}
			}
		}
		return at + h.end, nil
	default:
		return at + h.end, nil
	}
	if depth >= s.depth {
		return 0, tooDeep(at, s.depth)
	}
	stop, pos, n, dict := end, at+h.off, h.n, h.typ == TypeDict
	if h.ext {
		stop = at + h.end
	}
	if dict {
		n *= 2
	}
	var err error
	for i := 0; i < n; i++ {
		if n := short(s.b[pos:stop]); n == 1 || n > 1 && ValidStr(s.b[pos+1:pos+n]) {
			pos += n
			continue
		}
		if pos, err = s.value(pos, stop, depth+1, inKey || dict && i&1 == 0); err != nil {
			return 0, err
		}
	}
	if h.ext && pos != stop {
		return 0, &SyntaxError{pos, fmt.Sprintf("%d more bytes inside the %s", stop-pos, h.typ), "its end after the last element"}
	}
	return pos, nil
}

// Skip returns the length of the value at the start of b. It checks no more
// than it needs to find the end, neither recurses nor allocates.
func Skip(b []byte) (int, error) {
	at := 0
	for left := uint64(1); left > 0; left-- {
		if n := short(b[at:]); n > 0 {
			at += n
			continue
		}
		h, ok := parse(b[at:])
		if !ok {
			return 0, explain(b, at, len(b))
		}
		switch h.typ {
		case TypeList:
			left += uint64(h.n)
			at += h.off
		case TypeDict:
			left += 2 * uint64(h.n)
			at += h.off
		default:
			at += h.end
		}
	}
	return at, nil
}

// ValidStr reports whether p may be the text of a str: UTF-8 in which lone
// surrogates may stand as three bytes each, as Python's "surrogatepass" writes them.
func ValidStr(p []byte) bool {
	for !utf8.Valid(p) {
		i := 0
		for i < len(p) {
			if p[i] < utf8.RuneSelf {
				i++
				continue
			}
			r, n := utf8.DecodeRune(p[i:])
			if r == utf8.RuneError && n == 1 {
				break
			}
			i += n
		}
		// The byte that is no UTF-8 must begin one or more surrogates.
		from := i
		for i+2 < len(p) && isSurrogate(p[i:]) {
			i += 3
		}
		if i == from {
			return false
		}
		p = p[i:]
	}
	return true
}

// isSurrogate reports whether three bytes of p encode a surrogate.
func isSurrogate(p []byte) bool {
	return p[0] == 0xed && p[1] >= 0xa0 && p[1] <= 0xbf && p[2] >= 0x80 && p[2] <= 0xbf
}

func refInKey(at int) error {
	return &SyntaxError{at, "an object reference inside a dict's key", "a key that refers to no object, such as its name"}
}

func tooDeep(at, depth int) error {
	return &SyntaxError{at, fmt.Sprintf("a container at depth %d", depth+1), fmt.Sprintf("at most %d", depth)}
}

// explain says why parse refused b[at:end].
func explain(b []byte, at, end int) error {
	v := b[at:end]
	if len(v) == 0 {
		return &SyntaxError{at, "the end of the bytes", "a value"}
	}
	c := v[0]
	fail := func(got, want string, args ...any) error {
		return &SyntaxError{at, got, fmt.Sprintf(want, args...)}
	}
	if c == 0xc1 {
		return fail("byte 0xc1", "a msgpack value: 0xc1 is never used")
	}
	var n uint64
	hdr, ok, what, unit := 1, true, "", uint64(1)
	switch {
	case c < 0x90:
		n, what, unit = uint64(c&0x0f), "dict", 2
	case c < 0xa0:
		n, what = uint64(c&0x0f), "list"
	case c < 0xc0:
		n, what = uint64(c&0x1f), "str"
	case c >= 0xc4 && c <= 0xc6:
		n, hdr, ok = length(v, c-0xc4)
		what = "bytes"
	case c >= 0xc7 && c <= 0xc9:
		n, hdr, ok = length(v, c-0xc7)
		hdr, what = hdr+1, "extension"
	case c >= 0xca && c <= 0xd3:
		return fail(fmt.Sprintf("a number cut off after %d bytes", len(v)), "%d bytes", [...]int{5, 9, 2, 3, 5, 9, 2, 3, 5, 9}[c-0xca])
	case c >= 0xd4 && c <= 0xd8:
		n, hdr, what = 1<<(c-0xd4), 2, "extension"
	case c >= 0xd9 && c <= 0xdb:
		n, hdr, ok = length(v, c-0xd9)
		what = "str"
	case c <= 0xdd:
		n, hdr, ok = length(v, c-0xdc+1)
		what = "list"
	default:
		n, hdr, ok = length(v, c-0xde+1)
		what, unit = "dict", 2
	}
	switch {
	case !ok || hdr > len(v):
		return fail(fmt.Sprintf("the header of a %s cut off after %d bytes", what, len(v)), "%d bytes", hdr)
	case n*unit > uint64(len(v)-hdr) && (what == "list" || what == "dict"):
		return fail(fmt.Sprintf("a %s of %d with %d bytes left", what, n, len(v)-hdr), "at least %d bytes", n*unit)
	case n > uint64(len(v)-hdr):
		return fail(fmt.Sprintf("a %s of %d bytes with %d left", what, n, len(v)-hdr), "all of its bytes")
	}
	return explainExt(at, int8(v[hdr-1]), v[hdr:hdr+int(n)])
}

// explainExt says why parse refused the payload p of an extension at b[at].
func explainExt(at int, id int8, p []byte) error {
	name, want := "", ""
	switch id {
	case ExtTuple, ExtSet, ExtFrozenSet:
		name, want = [...]string{ExtTuple: "tuple", ExtSet: "set", ExtFrozenSet: "frozenset"}[id], "one msgpack array that fits"
	case ExtBigInt:
		name, want = "big integer", fmt.Sprintf("1 to %d bytes", MaxBigIntBytes)
	case ExtComplex:
		name, want = "complex", "16 bytes"
	case ExtRef:
		name, want = "object reference", fmt.Sprintf("16 bytes and a typeid of 1 to %d", MaxTypeIDBytes)
	case ExtOpaque:
		name, want = "opaque value", fmt.Sprintf("a language tag of 1 to %d bytes, a head and the bytes", MaxLangBytes)
	case ExtDateTime:
		name, want = "datetime", "16 bytes"
	case ExtArray:
		name, want = "typed array", "a typecode of bBuwhHiIlLqQfd and whole elements"
	case ExtTime:
		name, want = "timestamp", "4, 8 or 12 bytes"
	default:
		return &SyntaxError{at, fmt.Sprintf("extension %d", id), "one of -1 and 1 to 10"}
	}
	return &SyntaxError{at, fmt.Sprintf("a %s with a payload of %d bytes", name, len(p)), want}
}
