package wire

import (
	"fmt"
	"math"
	"math/big"
)

// OverflowError is the error for a result that is too large. It stands for
// Python's OverflowError.
type OverflowError struct {
	Message string
}

func (e *OverflowError) Error() string { return e.Message }

// MaxConcat is the most bytes that the result of adding two sequences may take.
const MaxConcat = 1<<31 - 1

// Add returns a + b as Python does for numbers, and for two str, bytes (with
// bytearray or a typed array's memory, the result having the left one's type), lists, tuples and typed
// arrays of one typecode. Ints grow as they need, to at most MaxBigIntBytes;
// beyond it, for an int that fits into no float, and for a sequence of more than
// MaxConcat bytes the error is an *OverflowError. Other operands are an
// *OperandError with Python's text. Neither a nor b is kept or changed.
func Add(a, b []byte) (Raw, error) {
	ha, err := whole(a)
	if err != nil {
		return "", err
	}
	hb, err := whole(b)
	if err != nil {
		return "", err
	}
	switch {
	case ha.typ.isNumber() && hb.typ.isNumber():
		return addNumbers(a, b, &ha, &hb)
	case ha.typ == TypeStr:
		if hb.typ != TypeStr {
			return "", operand(`can only concatenate str (not "%s") to str`, hb.name(b))
		}
	case ha.typ.isBytes():
		if !hb.typ.isBytes() && hb.typ != TypeArray {
			return "", operand("can't concat %s to %s", hb.name(b), ha.name(a))
		}
	case ha.typ == TypeList || ha.typ == TypeTuple:
		if hb.typ != ha.typ {
			return "", operand(`can only concatenate %s (not "%s") to %[1]s`, ha.name(a), hb.name(b))
		}
	case ha.typ == TypeArray:
		if hb.typ != TypeArray {
			return "", operand(`can only append array (not "%s") to array`, hb.name(b))
		}
		if a[ha.off] != b[hb.off] {
			return "", operand("bad argument type for built-in operation")
		}
	default:
		return "", operand("unsupported operand type(s) for +: '%s' and '%s'", ha.name(a), hb.name(b))
	}
	return concat(a, b, &ha, &hb)
}

func operand(format string, args ...any) error {
	return &OperandError{fmt.Sprintf(format, args...)}
}

// whole parses v as exactly one value.
func whole(v []byte) (head, error) {
	h, ok := parse(v)
	if !ok {
		return h, explain(v, 0, len(v))
	}
	n, err := Skip(v)
	if err == nil && n != len(v) {
		err = &SyntaxError{n, fmt.Sprintf("%d bytes after the value", len(v)-n), "one value"}
	}
	return h, err
}

func concat(a, b []byte, ha, hb *head) (Raw, error) {
	if len(a)+len(b) > MaxConcat {
		return "", &OverflowError{fmt.Sprintf("a %s of %d bytes is too large: at most %d", ha.typ, len(a)+len(b), MaxConcat)}
	}
	x, y := a[ha.off:], b[hb.off:]
	dst := make([]byte, 0, len(a)+len(b)+11)
	if hb.typ == TypeArray {
		y = y[1:] // its typecode
	}
	n := len(x) + len(y)
	switch ha.typ {
	case TypeStr:
		dst = AppendStrHeader(dst, n)
	case TypeBytes:
		dst = AppendBinHeader(dst, n)
	case TypeByteArray:
		dst = AppendExtHeader(dst, ExtByteArray, n)
	case TypeList:
		dst = AppendArrayHeader(dst, ha.n+hb.n)
	case TypeTuple:
		dst = AppendTupleHeader(dst, ha.n+hb.n, n)
	case TypeArray:
		dst = AppendExtHeader(dst, ExtArray, n)
	}
	return OwnedRaw(append(append(dst, x...), y...)), nil
}

func addNumbers(a, b []byte, ha, hb *head) (Raw, error) {
	var buf [24]byte
	switch {
	case ha.typ <= TypeInt && hb.typ <= TypeInt:
		x, y := int64(ha.num), int64(hb.num)
		if sum := x + y; (sum > x) == (y > 0) {
			return Raw(AppendInt(buf[:0], sum)), nil
		}
		fallthrough
	case ha.typ < TypeFloat && hb.typ < TypeFloat:
		x, _ := bigAt(a, ha)
		y, _ := bigAt(b, hb)
		sum := new(big.Int).Add(x, y)
		if bigIntSize(sum) > MaxBigIntBytes {
			return "", &OverflowError{fmt.Sprintf("int too large: at most %d bits", MaxBigIntBytes*8)}
		}
		return OwnedRaw(AppendBigInt(nil, sum)), nil
	}
	xr, xi, ok := complexOf(a, ha)
	if !ok {
		return "", &OverflowError{"int too large to convert to float"}
	}
	yr, yi, ok := complexOf(b, hb)
	if !ok {
		return "", &OverflowError{"int too large to convert to float"}
	}
	if ha.typ == TypeFloat && hb.typ != TypeComplex || hb.typ == TypeFloat && ha.typ != TypeComplex {
		return Raw(AppendFloat(buf[:0], xr+yr)), nil
	}
	return Raw(AppendComplex(buf[:0], complex(xr+yr, xi+yi))), nil
}

// complexOf converts any number; ok is false for an int beyond the floats.
func complexOf(v []byte, h *head) (re, im float64, ok bool) {
	if h.typ == TypeComplex {
		re, im = complexAt(v, h)
		return re, im, true
	}
	re, ok = floatOf(v, h)
	return re, math.Copysign(0, 1), ok
}
