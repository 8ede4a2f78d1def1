package wire

// Rest returns the arguments that are left as an array of their own.
func (r *Reader) Rest() []byte {
	b := AppendArrayHeader(make([]byte, 0, 5+len(r.b)), r.n-r.next)
	return append(b, r.b...)
}
