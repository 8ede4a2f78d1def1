package wire

import "encoding/binary"

// Ref is a reference to a shared object as it travels inside values.
type Ref struct {
	ID     uint64 // the object's ident
	Secret uint64 // the unguessable part of the ident
	TypeID string // 1 to MaxTypeIDBytes bytes of UTF-8
}

// RefView is a Ref whose typeid lies in the buffer that it was read from.
type RefView struct {
	ID, Secret uint64
	TypeID     []byte
}

// Ref returns r with a typeid of its own. Names of the built-in types cost no allocation.
func (r RefView) Ref() Ref { return Ref{ID: r.ID, Secret: r.Secret, TypeID: internTypeID(r.TypeID)} }

// ParseRef reads v as exactly one object reference, without allocating.
func ParseRef(v []byte) (RefView, bool) {
	h, ok := parse(v)
	if !ok || h.typ != TypeRef || h.end != len(v) {
		return RefView{}, false
	}
	return refAt(v, &h)
}

func refAt(v []byte, h *head) (RefView, bool) {
	p := h.payload(v)
	if len(p) <= 16 {
		return RefView{}, false
	}
	return RefView{binary.BigEndian.Uint64(p), binary.BigEndian.Uint64(p[8:]), p[16:]}, true
}

// internTypeID returns b as a string, without allocation for the common typeids.
func internTypeID(b []byte) string {
	switch string(b) {
	case "dict":
		return "dict"
	case "list":
		return "list"
	case "Queue":
		return "Queue"
	case "JoinableQueue":
		return "JoinableQueue"
	case "PriorityQueue":
		return "PriorityQueue"
	case "LifoQueue":
		return "LifoQueue"
	case "Lock":
		return "Lock"
	case "RLock":
		return "RLock"
	case "Semaphore":
		return "Semaphore"
	case "BoundedSemaphore":
		return "BoundedSemaphore"
	case "Condition":
		return "Condition"
	case "Event":
		return "Event"
	case "Barrier":
		return "Barrier"
	case "Namespace":
		return "Namespace"
	case "Value":
		return "Value"
	case "Array":
		return "Array"
	case "set":
		return "set"
	case "Pool":
		return "Pool"
	}
	return string(b)
}

// ForEachRef calls f for every object reference inside the value b: in lists,
// tuples, sets and the values of dicts, at any depth, in the order of the
// bytes. It stops at f's first error and returns it. A reference inside a
// dict's key is an error, as it is for Scan. It allocates nothing but typeids that
// are not built in.
func ForEachRef(b []byte, f func(Ref) error) error {
	return ForEachRefView(b, func(r RefView) error { return f(r.Ref()) })
}

// ForEachRefView is ForEachRef without copying typeids: a view is valid as
// long as b is unchanged.
func ForEachRefView(b []byte, f func(RefView) error) error {
	_, err := eachRef(b, 0, len(b), 0, false, f)
	return err
}

func eachRef(b []byte, at, end, depth int, inKey bool, f func(RefView) error) (int, error) {
	h, ok := parse(b[at:end])
	if !ok {
		return at, explain(b, at, end)
	}
	switch h.typ {
	case TypeRef:
		if inKey {
			return at, refInKey(at)
		}
		r, _ := refAt(b[at:end], &h)
		return at + h.end, f(r)
	case TypeOpaque:
		o, err := opaqueAt(h.payload(b[at:end]))
		if err != nil {
			return at, err
		}
		return at + h.end, o.ForEachRef(func(r RefView) error {
			if inKey {
				return refInKey(at)
			}
			return f(r)
		})
	case TypeList, TypeTuple, TypeSet, TypeFrozenSet, TypeDict:
	default:
		return at + h.end, nil
	}
	if depth >= DefaultDepth {
		return at, tooDeep(at, DefaultDepth)
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
		if pos, err = eachRef(b, pos, stop, depth+1, inKey || dict && i&1 == 0, f); err != nil {
			return pos, err
		}
	}
	return pos, nil
}
