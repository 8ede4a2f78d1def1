package pickle

import (
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

func validUTF8(s string) bool { return utf8.ValidString(s) }

// clip shortens what an error quotes.
func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "..."
	}
	return s
}

// line returns what comes before the next newline.
func (d *decoder) line() (string, error) {
	i := strings.IndexByte(d.s[d.pos:], '\n')
	if i < 0 {
		return "", d.fail(ErrSyntax, "its line does not end")
	}
	b := d.s[d.pos : d.pos+i]
	d.pos += i + 1
	return b, nil
}

// ascii pushes a str of Python 2, which Python 3 reads if it is ASCII.
func (d *decoder) ascii(s string, err error) error {
	if err != nil {
		return err
	}
	for i := range len(s) {
		if s[i] >= 0x80 {
			return d.fail(ErrSyntax, "a str of Python 2 holds byte 0x%02x, which is not ASCII", s[i])
		}
	}
	return d.str(s, nil)
}

// text executes the instructions of protocol 0 whose argument is a line of
// text.
func (d *decoder) text() error {
	line, err := d.line()
	if err != nil {
		return err
	}
	switch d.op {
	case opInt, opLong:
		switch {
		case d.op == opInt && line == "00":
			return d.push(Bool(false))
		case d.op == opInt && line == "01":
			return d.push(Bool(true))
		case d.op == opLong:
			line = strings.TrimSuffix(line, "L")
		}
		return d.decimal(line)
	case opFloat:
		v, err := strconv.ParseFloat(line, 64)
		if strings.ContainsAny(line, "xXpP_") || err != nil && err.(*strconv.NumError).Err != strconv.ErrRange {
			return d.fail(ErrSyntax, "%q is not a float", clip(line))
		}
		return d.push(Float(v))
	case opString:
		n := len(line)
		if n < 2 || line[0] != line[n-1] || line[0] != '\'' && line[0] != '"' {
			return d.fail(ErrSyntax, "the str is not in quotes")
		}
		s, ok := unescape(line[1 : n-1])
		if !ok {
			return d.fail(ErrSyntax, "the str has an incomplete escape")
		}
		return d.ascii(s, nil)
	}
	s, ok := rawUnicode(line)
	if !ok {
		return d.fail(ErrSyntax, "the text has an incomplete escape")
	}
	return d.str(s, nil)
}

func (d *decoder) decimal(s string) error {
	if v, err := strconv.ParseInt(s, 10, 64); err == nil {
		return d.push(Int(v))
	}
	if len(s) > maxDecimalInt {
		return d.fail(ErrLimit, "an int of %d digits, at most %d are read", len(s), maxDecimalInt)
	}
	v, ok := new(big.Int).SetString(s, 10)
	if !ok {
		return d.fail(ErrSyntax, "%q is not an int", clip(s))
	}
	n := NewBigInt(v)
	if b, ok := n.(*BigInt); ok && len(b.LE) > d.lim.BigInt {
		return d.fail(ErrLimit, "an int of %d bytes, the limit (BigInt) is %d", len(b.LE), d.lim.BigInt)
	}
	return d.push(n)
}

// unescape undoes what repr does to a str of Python 2.
func unescape(s string) (string, bool) {
	if strings.IndexByte(s, '\\') < 0 {
		return s, true
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b = append(b, s[i])
			continue
		}
		if i++; i == len(s) {
			return "", false
		}
		c := s[i]
		if j := strings.IndexByte(`\'"abfnrtv`, c); j >= 0 {
			b = append(b, "\\'\"\a\b\f\n\r\t\v"[j])
			continue
		}
		switch {
		case c == 'x':
			if i+3 > len(s) {
				return "", false
			}
			v, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
			if err != nil {
				return "", false
			}
			b = append(b, byte(v))
			i += 2
		case c >= '0' && c <= '7':
			v, n := 0, 0
			for n < 3 && i+n < len(s) && s[i+n] >= '0' && s[i+n] <= '7' {
				v = v<<3 | int(s[i+n]-'0')
				n++
			}
			b = append(b, byte(v))
			i += n - 1
		default:
			b = append(b, '\\', c)
		}
	}
	return string(b), true
}

// rawUnicode decodes Python's raw-unicode-escape: Latin-1 with \uXXXX and
// \UXXXXXXXX.
func rawUnicode(s string) (string, bool) {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c != '\\' || i+1 == len(s) {
			b = utf8.AppendRune(b, rune(c))
			continue
		}
		i++
		n := 4
		switch s[i] {
		case 'U':
			n = 8
		case 'u':
		default:
			b = append(b, '\\')
			b = utf8.AppendRune(b, rune(s[i]))
			continue
		}
		if i+1+n > len(s) {
			return "", false
		}
		v, err := strconv.ParseUint(s[i+1:i+1+n], 16, 32)
		if err != nil || v > utf8.MaxRune {
			return "", false
		}
		b = appendCodePoint(b, rune(v))
		i += n
	}
	return string(b), true
}

// appendCodePoint appends r as UTF-8, surrogates too.
func appendCodePoint(b []byte, r rune) []byte {
	if r >= 0xd800 && r <= 0xdfff {
		return append(b, 0xe0|byte(r>>12), 0x80|byte(r>>6)&0xbf, 0x80|byte(r)&0xbf)
	}
	return utf8.AppendRune(b, r)
}
