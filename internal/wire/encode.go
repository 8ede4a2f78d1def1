package wire

import (
	"encoding/binary"
	"math"
	"math/big"
	"math/bits"
	"time"
)

// The Append functions add one encoded value, or a header that its elements
// must follow, to dst and return it. They write the shortest encoding.

// AppendNil appends None.
func AppendNil(dst []byte) []byte { return append(dst, 0xc0) }

// AppendBool appends a bool.
func AppendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, 0xc3)
	}
	return append(dst, 0xc2)
}

// AppendInt appends an integer.
func AppendInt(dst []byte, v int64) []byte {
	switch {
	case v >= 0:
		return AppendUint(dst, uint64(v))
	case v >= -32:
		return append(dst, byte(v))
	case v >= math.MinInt8:
		return append(dst, 0xd0, byte(v))
	case v >= math.MinInt16:
		return append(dst, 0xd1, byte(v>>8), byte(v))
	case v >= math.MinInt32:
		return binary.BigEndian.AppendUint32(append(dst, 0xd2), uint32(v))
	}
	return binary.BigEndian.AppendUint64(append(dst, 0xd3), uint64(v))
}

// AppendUint appends an integer.
func AppendUint(dst []byte, v uint64) []byte {
	switch {
	case v < 0x80:
		return append(dst, byte(v))
	case v <= math.MaxUint8:
		return append(dst, 0xcc, byte(v))
	case v <= math.MaxUint16:
		return append(dst, 0xcd, byte(v>>8), byte(v))
	case v <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, 0xce), uint32(v))
	}
	return binary.BigEndian.AppendUint64(append(dst, 0xcf), v)
}

// AppendFloat appends a float, always as 64 bits: an integral float stays a float,
// and every NaN is one.
func AppendFloat(dst []byte, v float64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, 0xcb), floatBits(v))
}

// floatBits returns the bits of a float. Which NaN a sum or a conversion gives
// depends on the processor, so there is one for all.
func floatBits(v float64) uint64 {
	if v != v {
		return 0x7ff8_0000_0000_0000
	}
	return math.Float64bits(v)
}

// AppendStr appends a str. s must be UTF-8, in which lone surrogates may stand
// in their three-byte form (see ValidStr); Scan refuses what is not.
func AppendStr(dst []byte, s string) []byte {
	dst = AppendStrHeader(dst, len(s))
	if len(s) > longPiece {
		return AppendLong(dst, s)
	}
	return append(dst, s...)
}

// AppendStrBytes is AppendStr for bytes.
func AppendStrBytes(dst, s []byte) []byte {
	return AppendLong(AppendStrHeader(dst, len(s)), s)
}

// AppendStrHeader appends the header of a str of n bytes, at most 2^32-1.
func AppendStrHeader(dst []byte, n int) []byte {
	switch {
	case n < 32:
		return append(dst, 0xa0|byte(n))
	case n <= math.MaxUint8:
		return append(dst, 0xd9, byte(n))
	case n <= math.MaxUint16:
		return append(dst, 0xda, byte(n>>8), byte(n))
	}
	return binary.BigEndian.AppendUint32(append(dst, 0xdb), uint32(n))
}

// AppendBin appends a bytes value.
func AppendBin(dst, v []byte) []byte { return AppendLong(AppendBinHeader(dst, len(v)), v) }

// AppendBinHeader appends the header of a bytes value of n bytes, at most 2^32-1.
func AppendBinHeader(dst []byte, n int) []byte {
	switch {
	case n <= math.MaxUint8:
		return append(dst, 0xc4, byte(n))
	case n <= math.MaxUint16:
		return append(dst, 0xc5, byte(n>>8), byte(n))
	}
	return binary.BigEndian.AppendUint32(append(dst, 0xc6), uint32(n))
}

// AppendArrayHeader appends the header of a list of n elements, at most 2^32-1.
func AppendArrayHeader(dst []byte, n int) []byte {
	switch {
	case n < 16:
		return append(dst, 0x90|byte(n))
	case n <= math.MaxUint16:
		return append(dst, 0xdc, byte(n>>8), byte(n))
	}
	return binary.BigEndian.AppendUint32(append(dst, 0xdd), uint32(n))
}

// AppendMapHeader appends the header of a dict of n pairs, at most 2^32-1.
// Each pair follows as key and value.
func AppendMapHeader(dst []byte, n int) []byte {
	switch {
	case n < 16:
		return append(dst, 0x80|byte(n))
	case n <= math.MaxUint16:
		return append(dst, 0xde, byte(n>>8), byte(n))
	}
	return binary.BigEndian.AppendUint32(append(dst, 0xdf), uint32(n))
}

// AppendExtHeader appends the header of an extension with a payload of n
// bytes, at most 2^32-1.
func AppendExtHeader(dst []byte, id int8, n int) []byte {
	switch n {
	case 1, 2, 4, 8, 16:
		return append(dst, 0xd4+byte(bits.TrailingZeros8(uint8(n))), byte(id))
	}
	switch {
	case n <= math.MaxUint8:
		return append(dst, 0xc7, byte(n), byte(id))
	case n <= math.MaxUint16:
		return append(dst, 0xc8, byte(n>>8), byte(n), byte(id))
	}
	return append(binary.BigEndian.AppendUint32(append(dst, 0xc9), uint32(n)), byte(id))
}

// AppendTupleHeader appends the header of a tuple of n elements whose
// encodings take size bytes together; the elements must follow.
func AppendTupleHeader(dst []byte, n, size int) []byte {
	return appendSeqHeader(dst, ExtTuple, n, size)
}

// AppendSetHeader is AppendTupleHeader for a set.
func AppendSetHeader(dst []byte, n, size int) []byte { return appendSeqHeader(dst, ExtSet, n, size) }

// AppendFrozenSetHeader is AppendTupleHeader for a frozenset.
func AppendFrozenSetHeader(dst []byte, n, size int) []byte {
	return appendSeqHeader(dst, ExtFrozenSet, n, size)
}

// TupleSize returns how many bytes a tuple of n elements takes whose encodings
// take size bytes together.
func TupleSize(n, size int) int {
	var buf [16]byte
	return len(appendSeqHeader(buf[:0], ExtTuple, n, size)) + size
}

func appendSeqHeader(dst []byte, id int8, n, size int) []byte {
	return AppendArrayHeader(AppendExtHeader(dst, id, arrayHeaderSize(n)+size), n)
}

func arrayHeaderSize(n int) int {
	switch {
	case n < 16:
		return 1
	case n <= math.MaxUint16:
		return 3
	}
	return 5
}

// EndTuple turns the n encoded elements dst[start:] into one tuple, for a
// writer that does not know their size beforehand.
func EndTuple(dst []byte, start, n int) []byte { return endSeq(dst, start, ExtTuple, n) }

// EndSet is EndTuple for a set.
func EndSet(dst []byte, start, n int) []byte { return endSeq(dst, start, ExtSet, n) }

// EndFrozenSet is EndTuple for a frozenset.
func EndFrozenSet(dst []byte, start, n int) []byte { return endSeq(dst, start, ExtFrozenSet, n) }

func endSeq(dst []byte, start int, id int8, n int) []byte {
	var buf [11]byte
	hdr := appendSeqHeader(buf[:0], id, n, len(dst)-start)
	return insert(dst, start, hdr)
}

// insert puts hdr before dst[start:].
func insert(dst []byte, start int, hdr []byte) []byte {
	end := len(dst)
	dst = append(dst, hdr...)
	copy(dst[start+len(hdr):], dst[start:end])
	copy(dst[start:], hdr)
	return dst
}

// AppendComplex appends a complex.
func AppendComplex(dst []byte, v complex128) []byte {
	dst = AppendExtHeader(dst, ExtComplex, 16)
	dst = binary.BigEndian.AppendUint64(dst, floatBits(real(v)))
	return binary.BigEndian.AppendUint64(dst, floatBits(imag(v)))
}

// AppendByteArray appends a bytearray.
func AppendByteArray(dst, v []byte) []byte {
	return AppendLong(AppendExtHeader(dst, ExtByteArray, len(v)), v)
}

// AppendRef appends an object reference. A typeid that is empty or longer than
// MaxTypeIDBytes makes a value that Scan refuses.
func AppendRef(dst []byte, r Ref) []byte {
	dst = AppendExtHeader(dst, ExtRef, 16+len(r.TypeID))
	dst = binary.BigEndian.AppendUint64(dst, r.ID)
	dst = binary.BigEndian.AppendUint64(dst, r.Secret)
	return append(dst, r.TypeID...)
}

// AppendArray appends a typed array: data holds its elements packed, little-endian.
func AppendArray(dst []byte, code byte, data []byte) []byte {
	dst = append(AppendExtHeader(dst, ExtArray, 1+len(data)), code)
	return AppendLong(dst, data)
}

// AppendTimestamp appends an instant as msgpack's timestamp, which is an aware
// datetime in UTC. nsec must be below 1e9, sec within MaxSeconds either way.
func AppendTimestamp(dst []byte, sec int64, nsec uint32) []byte {
	switch {
	case sec>>34 != 0:
		dst = binary.BigEndian.AppendUint32(AppendExtHeader(dst, ExtTime, 12), nsec)
		return binary.BigEndian.AppendUint64(dst, uint64(sec))
	case nsec == 0 && sec <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(AppendExtHeader(dst, ExtTime, 4), uint32(sec))
	}
	return binary.BigEndian.AppendUint64(AppendExtHeader(dst, ExtTime, 8), uint64(nsec)<<34|uint64(sec))
}

// AppendDateTime appends a datetime by its wall clock read as UTC and its
// offset in seconds east of UTC, less than a day either way, or NaiveOffset.
// An offset of 0 is written as a timestamp.
func AppendDateTime(dst []byte, sec int64, nsec uint32, offset int32) []byte {
	if offset == 0 {
		return AppendTimestamp(dst, sec, nsec)
	}
	dst = binary.BigEndian.AppendUint64(AppendExtHeader(dst, ExtDateTime, 16), uint64(sec))
	dst = binary.BigEndian.AppendUint32(dst, nsec)
	return binary.BigEndian.AppendUint32(dst, uint32(offset))
}

// AppendTime appends t. A zone other than UTC is kept as its offset, but for
// the machine's own zone (time.Local) and offsets of a day or more: there only
// the instant travels, as UTC.
func AppendTime(dst []byte, t time.Time) []byte {
	if t.Location() != time.Local {
		if _, off := t.Zone(); off != 0 && off > -86400 && off < 86400 {
			return AppendDateTime(dst, t.Unix()+int64(off), uint32(t.Nanosecond()), int32(off))
		}
	}
	return AppendTimestamp(dst, t.Unix(), uint32(t.Nanosecond()))
}

// AppendBigInt appends an integer of any size: a plain one when it fits into
// 64 bits, else extension 4. One of more than MaxBigIntBytes makes a value that
// Scan refuses.
func AppendBigInt(dst []byte, v *big.Int) []byte {
	switch {
	case v.IsInt64():
		return AppendInt(dst, v.Int64())
	case v.IsUint64():
		return AppendUint(dst, v.Uint64())
	}
	n := bigIntSize(v)
	dst = AppendExtHeader(dst, ExtBigInt, n)
	at := len(dst)
	dst = append(dst, make([]byte, n)...)
	p := dst[at:]
	if v.Sign() >= 0 {
		v.FillBytes(p)
		return dst
	}
	// Two's complement of -m is the inverse of m-1.
	new(big.Int).Not(v).FillBytes(p)
	for i := range p {
		p[i] = ^p[i]
	}
	return dst
}

// bigIntSize returns the bytes that v takes as minimal two's complement.
func bigIntSize(v *big.Int) int {
	n := v.BitLen()
	if v.Sign() < 0 {
		n = new(big.Int).Not(v).BitLen()
	}
	return n/8 + 1
}

// setTwosComplement sets z to the big-endian two's complement in p.
func setTwosComplement(z *big.Int, p []byte) *big.Int {
	z.SetBytes(p)
	if len(p) > 0 && p[0]&0x80 != 0 {
		z.Sub(z, new(big.Int).Lsh(big.NewInt(1), uint(len(p))*8))
	}
	return z
}
