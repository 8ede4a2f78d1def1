package pickle

import "strings"

// recast returns the plain node that a call stands for, or nil. Protocols that
// have no instruction for bytes, bytearray, set or frozenset write
//
//	_codecs.encode(text, 'latin1')   bytes()
//	bytearray(bytes)   bytearray(text, 'latin-1')   bytearray()
//	set(list)   frozenset(list)
//
// Python writes each argument once and refers to the result afterwards (a
// bytearray in protocol 2 is two calls, one in the other). A hostile pickle
// could refer to one large argument from many calls; so what is taken over in
// all may not exceed twice the length of the pickle.
func (d *decoder) recast(op ObjectOp, callable Node, args *Tuple) (Node, error) {
	g, ok := callable.(*Global)
	if !ok || op != OpReduce {
		return nil, nil
	}
	a := args.Items
	switch *g {
	case Global{"_codecs", "encode"}:
		if text, ok := latin1Call(a); ok {
			if err := d.takeOver(len(text)); err != nil {
				return nil, err
			}
			if b, ok := latin1(text); ok {
				return &Bytes{B: b}, nil
			}
		}
	case Global{"builtins", "bytes"}:
		if len(a) == 0 {
			return &Bytes{}, nil
		}
	case Global{"builtins", "bytearray"}:
		if len(a) == 0 {
			return &ByteArray{}, nil
		}
		if b, ok := a[0].(*Bytes); ok && len(a) == 1 {
			return &ByteArray{B: b.B}, d.takeOver(len(b.B))
		}
		if text, ok := latin1Call(a); ok {
			if err := d.takeOver(len(text)); err != nil {
				return nil, err
			}
			if b, ok := latin1(text); ok {
				return &ByteArray{B: b}, nil
			}
		}
	case Global{"builtins", "set"}, Global{"builtins", "frozenset"}:
		if len(a) != 1 {
			return nil, nil
		}
		l, ok := a[0].(*List)
		if !ok {
			return nil, nil
		}
		// The list may grow afterwards, but not into these items.
		n := len(l.Items)
		items := l.Items[:n:n]
		if g.Name == "set" {
			return &Set{Items: items, h: l.h}, d.takeOver(n)
		}
		return &FrozenSet{Items: items, h: l.h}, d.takeOver(n)
	}
	return nil, nil
}

func (d *decoder) takeOver(n int) error {
	if d.recasts += n; d.recasts > 2*len(d.s) {
		return d.fail(ErrLimit, "calls copy more than twice the %d bytes of the pickle", len(d.s))
	}
	return nil
}

// latin1Call returns the text of arguments that ask for it in Latin-1.
func latin1Call(args []Node) (string, bool) {
	if len(args) != 2 {
		return "", false
	}
	text, ok1 := args[0].(*Str)
	encoding, ok2 := args[1].(*Str)
	if !ok1 || !ok2 || encoding.S != "latin1" && encoding.S != "latin-1" {
		return "", false
	}
	return text.S, true
}

// latin1 encodes s, if it has no other characters.
func latin1(s string) (string, bool) {
	var b strings.Builder
	b.Grow(len(s))
	for _, r := range s {
		if r > 0xff {
			return "", false
		}
		b.WriteByte(byte(r))
	}
	return b.String(), true
}
