package wire

// longPiece is how much is copied at once of what may be long.
const longPiece = 128 << 10

// Grow returns dst with room for n bytes more, if that is much; short appends
// need no help. What will be long must not grow by appending alone: Go copies it
// again at each step, and the garbage collector, and with it every goroutine
// of the process, waits for the end of a copy.
func Grow(dst []byte, n int) []byte {
	if n < longPiece || cap(dst)-len(dst) >= n {
		return dst
	}
	const heads = 64 // of the message and the value
	return appendPieces(make([]byte, 0, max(len(dst)+n+heads, 2*len(dst))), dst)
}

// AppendLong appends a part that may be long. See Grow.
func AppendLong[T string | []byte](dst []byte, part T) []byte {
	if len(part) <= longPiece {
		return append(dst, part...)
	}
	return appendPieces(Grow(dst, len(part)), part)
}

func appendPieces[T string | []byte](dst []byte, part T) []byte {
	for len(part) > longPiece {
		dst = append(dst, part[:longPiece]...)
		part = part[longPiece:]
	}
	return append(dst, part...)
}
