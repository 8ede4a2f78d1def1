package wire

import "unsafe"

// OwnedRaw returns b as a Raw without copying it. Nobody may change b from now
// on: the reader of a large message gives its memory away, and this takes it.
func OwnedRaw(b []byte) Raw { return Raw(unsafe.String(unsafe.SliceData(b), len(b))) }

// Rest returns the arguments that are left as an array of their own.
func (r *Reader) Rest() []byte {
	b := AppendArrayHeader(make([]byte, 0, 5+len(r.b)), r.n-r.next)
	return append(b, r.b...)
}

// Restart makes the next argument the first: errors count from here, as for the
// arguments of a constructor that follow its typeid.
func (r *Reader) Restart() { r.n, r.next = r.n-r.next, 0 }

// ReaderOf returns a Reader over one value.
func ReaderOf(v Raw) Reader { return Reader{b: v.Bytes(), n: 1} }

// Taken returns how many arguments were taken.
func (r *Reader) Taken() int { return r.next }

// Omit counts an argument that was left out as taken, and returns its place.
func (r *Reader) Omit() int {
	r.next++
	return r.next - 1
}
