package pydoor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"time"

	"github.com/syncmanager/syncmanager/internal/pickle"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// language is the tag of values that only Python can open.
const language = "python"

// inward turns the values of one request into wire values, which are appended
// to b. A pickle is a graph and a wire value a tree: what is shared becomes
// several copies. What has no counterpart (an instance of a class, a function)
// stays a pickle of its own: an opaque value. So does, as a whole, a value that
// contains itself or is too deep or too large as a tree.
type inward struct {
	session *session
	depth   int // how deep containers may nest
	limit   int // bytes of b
	b       []byte
	heads   bool // opaque values are to be compared only: they have heads and no data
	ids     *identifier

	handsOver bool // a queue's item: whoever gets it is the only one

	// Where arguments are iterables, each entry is a value of its own, with the
	// limit for itself.
	entries bool
	most    int // bytes of b with all entries
}

// errGrows says that a value passes the limit when it is written as a tree.
var errGrows = valueError("the arguments share so much that they are many times larger when they are written out")

// errDeep says that a value nests deeper than wire values do, or contains
// itself.
var errDeep = errors.New("it nests too deep")

// value appends one value. What cannot be written as a tree becomes opaque as a
// whole.
func (w *inward) value(n pickle.Node) error {
	if s, ok := n.(*sequence); ok {
		return w.sequence(s)
	}
	at := len(w.b)
	err := w.tree(n, 1)
	if errors.Is(err, errGrows) || errors.Is(err, errDeep) {
		w.b = w.b[:at]
		if w.entries {
			if items, ok := entriesOf(n); ok {
				return w.spread(n, items)
			}
		}
		err = w.opaque(n, w.limit, 1)
	}
	return err
}

// entriesOf returns what Python iterates over, with a dict the keys and values.
func entriesOf(n pickle.Node) ([]pickle.Node, bool) {
	switch n := n.(type) {
	case *pickle.List:
		return n.Items, true
	case *pickle.Tuple:
		return n.Items, true
	case *pickle.Set:
		return n.Items, true
	case *pickle.FrozenSet:
		return n.Items, true
	case *pickle.Dict:
		return n.Items, true
	}
	return nil, false
}

// spread appends an iterable whose entries are values of their own.
func (w *inward) spread(n pickle.Node, items []pickle.Node) error {
	limit := w.limit
	defer func() { w.entries, w.limit = true, limit }()
	w.entries = false
	if _, ok := n.(*pickle.Dict); ok {
		w.b = wire.AppendMapHeader(w.b, len(items)/2)
	} else {
		w.b = wire.AppendArrayHeader(w.b, len(items))
	}
	for _, n := range items {
		if len(w.b) > w.most {
			return tooManyBytes(w.most)
		}
		w.limit = min(len(w.b)+limit, w.most)
		if err := w.value(n); err != nil {
			return err
		}
	}
	return nil
}

// sequence appends a list of what is gone over, each a value of its own.
func (w *inward) sequence(s *sequence) error {
	limit, entries := w.limit, w.entries
	defer func() { w.entries, w.limit = entries, limit }()
	w.entries = false
	at, n := len(w.b), 0
	w.b = append(w.b, 0xdd, 0, 0, 0, 0) // a list whose length is filled in
	err := s.each(func(item pickle.Node) error {
		if len(w.b) > w.most {
			return tooManyBytes(w.most)
		}
		n++
		w.limit = min(len(w.b)+limit, w.most)
		return w.value(item)
	})
	if err != nil {
		return err
	}
	if uint64(n) > math.MaxUint32 {
		return tooManyBytes(w.most)
	}
	binary.BigEndian.PutUint32(w.b[at+1:], uint32(n))
	return nil
}

// tooManyBytes says that arguments pass the limit once they are written out.
func tooManyBytes(most int) error {
	return wire.Errorf(wire.CodeTooLarge, "the arguments have more than %d bytes when they are written out; the limit is that of a message (python.max_message)", most)
}

func (w *inward) tree(n pickle.Node, depth int) error {
	if len(w.b) > w.limit {
		return errGrows
	}
	switch n := n.(type) {
	case pickle.None:
		w.b = wire.AppendNil(w.b)
	case pickle.Bool:
		w.b = wire.AppendBool(w.b, bool(n))
	case pickle.Int:
		w.b = wire.AppendInt(w.b, int64(n))
	case *pickle.BigInt:
		if len(n.LE) > wire.MaxBigIntBytes {
			return w.opaque(n, w.limit-len(w.b), depth)
		}
		if u, ok := n.Uint64(); ok {
			w.b = wire.AppendUint(w.b, u)
		} else {
			w.b = wire.AppendBigInt(w.b, n.Big())
		}
	case pickle.Float:
		w.b = wire.AppendFloat(w.b, float64(n))
	case *pickle.Str:
		w.b = wire.AppendStr(w.b, n.S)
	case *pickle.Bytes:
		w.b = wire.AppendLong(wire.AppendBinHeader(w.b, len(n.B)), n.B)
	case *pickle.ByteArray:
		w.b = wire.AppendLong(wire.AppendExtHeader(w.b, wire.ExtByteArray, len(n.B)), n.B)
	case *pickle.List, *pickle.Tuple, *pickle.Dict, *pickle.Set, *pickle.FrozenSet:
		if depth >= w.depth {
			return errDeep
		}
		return w.container(n, depth+1)
	case *pickle.Object:
		return w.object(n, depth)
	default:
		return w.opaque(n, w.limit-len(w.b), depth)
	}
	return nil
}

func (w *inward) container(n pickle.Node, depth int) error {
	switch n := n.(type) {
	case *pickle.List:
		w.b = wire.AppendArrayHeader(w.b, len(n.Items))
		return w.all(n.Items, depth)
	case *pickle.Dict:
		w.b = wire.AppendMapHeader(w.b, n.Len())
		return w.all(n.Items, depth)
	case *pickle.Tuple:
		at := len(w.b)
		if err := w.all(n.Items, depth); err != nil {
			return err
		}
		w.b = wire.EndTuple(w.b, at, len(n.Items))
	case *pickle.Set:
		at := len(w.b)
		if err := w.all(n.Items, depth); err != nil {
			return err
		}
		w.b = wire.EndSet(w.b, at, len(n.Items))
	case *pickle.FrozenSet:
		at := len(w.b)
		if err := w.all(n.Items, depth); err != nil {
			return err
		}
		w.b = wire.EndFrozenSet(w.b, at, len(n.Items))
	}
	return nil
}

func (w *inward) all(items []pickle.Node, depth int) error {
	for _, n := range items {
		if err := w.tree(n, depth); err != nil {
			return err
		}
	}
	return nil
}

// object appends what Python would make by a call: a plain value that the wire
// knows, a proxy of this server, or an opaque value.
func (w *inward) object(o *pickle.Object, depth int) error {
	if w.plain(o) {
		return nil
	}
	return w.opaque(o, w.limit-len(w.b), depth)
}

// plain appends an object that has a counterpart, or reports that it has none.
func (w *inward) plain(o *pickle.Object) bool {
	switch pickle.FormOf(o) {
	case pickle.FormComplex:
		if v, ok := pickle.AsComplex(o); ok {
			w.b = wire.AppendComplex(w.b, v)
			return true
		}
	case pickle.FormArray:
		if a, ok := pickle.AsArray(o); ok {
			w.b = append(wire.AppendExtHeader(w.b, wire.ExtArray, 1+len(a.Data)), a.Typecode)
			w.b = wire.AppendLong(w.b, a.Data)
			return true
		}
	case pickle.FormDatetime:
		if d, ok := pickle.AsDatetime(o); ok && w.datetime(d) {
			return true
		}
	case pickle.FormProxy:
		if r, ok := proxyRef(o); ok {
			w.b = wire.AppendRef(w.b, r)
			return true
		}
	}
	return false
}

// datetime appends a datetime unless something of it would be lost.
func (w *inward) datetime(d pickle.Datetime) bool {
	if d.Fold || d.Name != "" || d.Offset%time.Second != 0 {
		return false
	}
	wall := d.Wall()
	switch {
	case !d.Aware:
		w.b = wire.AppendDateTime(w.b, wall.Unix(), uint32(wall.Nanosecond()), wire.NaiveOffset)
	default:
		w.b = wire.AppendDateTime(w.b, wall.Unix(), uint32(wall.Nanosecond()), int32(d.Offset/time.Second))
	}
	return true
}

// opaque appends a pickle of the value, of at most limit bytes, with the head by
// which the engine finds the references inside it and compares it. The head nests
// like two containers.
func (w *inward) opaque(n pickle.Node, limit, depth int) error {
	if limit <= 0 {
		return errGrows
	}
	if depth+1 >= w.depth {
		return errDeep
	}
	h := w.headOf(n, depth)
	if w.ids.descriptor && !w.handsOver && !w.heads {
		return typeError("a Connection, a socket or another descriptor of a process can be handed over once and not be kept: put it into a queue, or keep the address")
	}
	if w.heads {
		w.b = wire.AppendOpaque(w.b, language, h.Append(nil), nil)
		return nil
	}
	p, err := pickle.EncodeMax(nil, n, limit)
	switch {
	case errors.Is(err, pickle.ErrTooLarge):
		return errGrows
	case err != nil:
		return valueError("a value cannot be kept: %v", err)
	}
	w.b = wire.AppendOpaque(w.b, language, h.Append(nil), p)
	return nil
}

// treeLimit is how large the arguments of a message may become as a tree.
func treeLimit(size, most int) int { return min(64<<10+16*size, most) }

func bigOf(n pickle.Node) *big.Int {
	switch n := n.(type) {
	case pickle.Int:
		return big.NewInt(int64(n))
	case *pickle.BigInt:
		return n.Big()
	}
	return new(big.Int)
}

// textOf returns the text of a str, or "".
func textOf(n pickle.Node) string {
	if s, ok := n.(*pickle.Str); ok {
		return s.S
	}
	return ""
}

// typeName returns Python's name for the type of a node, for errors.
func typeName(n pickle.Node) string {
	switch n := n.(type) {
	case pickle.None:
		return "NoneType"
	case pickle.Bool:
		return "bool"
	case pickle.Int, *pickle.BigInt:
		return "int"
	case pickle.Float:
		return "float"
	case *pickle.Str:
		return "str"
	case *pickle.Bytes:
		return "bytes"
	case *pickle.ByteArray:
		return "bytearray"
	case *pickle.List:
		return "list"
	case *pickle.Tuple:
		return "tuple"
	case *pickle.Dict:
		return "dict"
	case *pickle.Set:
		return "set"
	case *pickle.FrozenSet:
		return "frozenset"
	case *pickle.Object:
		if g, ok := n.Callable.(*pickle.Global); ok {
			return g.Name
		}
	case *pickle.Global:
		return fmt.Sprintf("type or function %s", n.Name)
	}
	return "object"
}
