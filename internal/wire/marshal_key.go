package wire

// MarshalKey is Marshal for a value that is to be a key of a dict or an element
// of a set: an array becomes a tuple, and what Python cannot hash is a
// *ValueError.
func MarshalKey(dst []byte, v any) ([]byte, error) {
	e := &encoder{b: dst, reflect: true}
	if err := e.key(v, 0); err != nil {
		return dst, err
	}
	if e.foreign {
		if err := checkWhole(e.b[len(dst):]); err != nil {
			return dst, unencodable("the encoding that a %T made of itself: %v", v, err)
		}
	}
	return e.b, nil
}
