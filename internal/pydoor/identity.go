package pydoor

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"math"
	"slices"
	"strings"

	"github.com/syncmanager/syncmanager/internal/pickle"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// identifier works out how opaque values are compared: by structure, without
// running anything. Two values have the same identity if Python would call them
// equal as far as that can be told from what their pickles say: whatever is shared
// in one and not in the other, in whichever order sets and attributes come, 1 as
// 1.0. What a class says of its own equality cannot be told.
//
// A value that can be confused with nothing is written out; a longer one is its
// SHA-256, so that an identity costs little beside its value. Each container is
// seen once, however often it is referred to.
type identifier struct {
	known      map[pickle.Node][]byte // identities of containers; nil while one is worked out
	refs       []wire.Ref             // the proxies of this server that were met
	leaf       []byte                 // memory of the last leaf's identity
	depth      int
	descriptor bool // a descriptor of the sender's process was met
	tangled    bool // there is a cycle, or the nesting is too deep to follow
}

const (
	// maxIdentity is the longest identity that is written out.
	maxIdentity = 32
	// maxFollow bounds recursion. What nests deeper is compared in another way.
	maxFollow = 5000
	// maxStands bounds the plain value that an opaque one stands for: it is kept
	// beside it.
	maxStands = 4 << 10
)

// The kinds of identities.
const (
	idNone = iota + 'a'
	idNumber
	idNaN
	idStr
	idBytes
	idGlobal
	idExt
	idTuple
	idList
	idSet
	idDict
	idOrderedDict
	idDeque
	idDecimal
	idPath
	idRef
	idTime
	idObject
	idTangled
	idHash
)

func newIdentifier() *identifier { return &identifier{known: make(map[pickle.Node][]byte)} }

// of returns the identity of a value.
func (d *identifier) of(n pickle.Node) []byte {
	id := d.identity(n)
	if d.tangled {
		return d.ofTangled(n)
	}
	return id
}

// identity returns the identity of a value, unless d is tangled. It is valid until
// the next one is asked for.
func (d *identifier) identity(n pickle.Node) []byte {
	if b, ok := appendLeaf(d.leaf[:0], n); ok {
		d.leaf = b
		return short(b)
	}
	if id, ok := d.known[n]; ok {
		d.tangled = d.tangled || id == nil
		return id
	}
	if d.depth++; d.depth > maxFollow {
		d.tangled = true
	}
	if d.tangled {
		return nil
	}
	d.known[n] = nil
	id := short(d.container(n))
	d.known[n] = id
	d.depth--
	return id
}

// short hashes what is long.
func short(b []byte) []byte {
	if len(b) <= maxIdentity {
		return b
	}
	sum := sha256.Sum256(b)
	return append([]byte{idHash}, sum[:]...)
}

// appendLeaf appends what identifies a value that contains no others.
func appendLeaf(b []byte, n pickle.Node) ([]byte, bool) {
	switch n := n.(type) {
	case pickle.None:
		return append(b, idNone), true
	case *pickle.Str:
		return append(append(b, idStr), n.S...), true
	case *pickle.Bytes:
		return append(append(b, idBytes), n.B...), true
	case *pickle.ByteArray:
		return append(append(b, idBytes), n.B...), true
	case *pickle.Global:
		if v := standsFor(n); v != nil {
			return appendLeaf(b, v)
		}
		return append(append(append(append(b, idGlobal), n.Module...), 0), n.Name...), true
	case pickle.Ext:
		return binary.BigEndian.AppendUint32(append(b, idExt), uint32(n)), true
	case pickle.Bool:
		if n {
			return append(b, idNumber, 1), true
		}
		return append(b, idNumber, 0), true
	case pickle.Int:
		return wire.AppendInt(append(b, idNumber), int64(n)), true
	case *pickle.BigInt:
		if len(n.LE) > wire.MaxBigIntBytes {
			return append(append(b, idNumber), n.LE...), true
		}
		return appendKey(b, idNumber, wire.AppendBigInt(nil, n.Big()))
	case pickle.Float:
		if math.IsNaN(float64(n)) {
			return binary.BigEndian.AppendUint64(append(b, idNaN), math.Float64bits(float64(n))), true
		}
		var v [9]byte
		return appendKey(b, idNumber, wire.AppendFloat(v[:0], float64(n)))
	}
	return nil, false
}

// appendKey identifies a plain value by its key.
func appendKey(b []byte, kind byte, v []byte) ([]byte, bool) {
	var buf [16]byte
	key, _, err := wire.AppendKey(buf[:0], v)
	return append(append(b, kind), key...), err == nil
}

// container identifies a value by the values in it.
func (d *identifier) container(n pickle.Node) []byte {
	switch n := n.(type) {
	case *pickle.Tuple:
		return d.sequence(idTuple, n.Items)
	case *pickle.List:
		return d.sequence(idList, n.Items)
	case *pickle.Set:
		return d.unordered(idSet, n.Items, 1)
	case *pickle.FrozenSet:
		return d.unordered(idSet, n.Items, 1)
	case *pickle.Dict:
		return d.unordered(idDict, n.Items, 2)
	case *pickle.Object:
		return d.object(n)
	}
	return []byte{idObject}
}

// item appends the identity of a value in another.
func (d *identifier) item(b []byte, n pickle.Node) []byte {
	id := d.identity(n)
	return append(binary.AppendUvarint(b, uint64(len(id))), id...)
}

func (d *identifier) sequence(kind byte, items []pickle.Node) []byte {
	b := []byte{kind}
	for _, n := range items {
		b = d.item(b, n)
	}
	return b
}

// unordered identifies a set of items, or of pairs with size 2, in which nothing
// counts twice.
func (d *identifier) unordered(kind byte, items []pickle.Node, size int) []byte {
	parts := make([][]byte, 0, len(items)/size)
	for i := 0; i+size <= len(items); i += size {
		var b []byte
		for _, n := range items[i : i+size] {
			b = d.item(b, n)
		}
		parts = append(parts, b)
	}
	slices.SortFunc(parts, bytes.Compare)
	parts = slices.CompactFunc(parts, bytes.Equal)
	return append([]byte{kind}, bytes.Join(parts, nil)...)
}

// object identifies what Python makes by a call.
func (d *identifier) object(o *pickle.Object) []byte {
	switch pickle.FormOf(o) {
	case pickle.FormProxy:
		if r, ok := proxyRef(o); ok {
			d.met(r)
			return binary.BigEndian.AppendUint64([]byte{idRef}, r.ID)
		}
	case pickle.FormComplex, pickle.FormDatetime:
		w := inward{depth: 2, limit: math.MaxInt}
		if w.plain(o) {
			kind := byte(idTime)
			if pickle.FormOf(o) == pickle.FormComplex {
				kind = idNumber
			}
			if b, ok := appendKey(nil, kind, w.b); ok {
				return b
			}
		}
	}
	if n := standsFor(o); n != nil {
		if b, ok := appendLeaf(nil, n); ok {
			return b
		}
		return d.container(n)
	}
	if knownAs(o) == "multiprocessing.resource_sharer.DupFd" {
		d.descriptor = true
	}
	switch items, pairs := stepItems(o, pickle.StepAppend), stepItems(o, pickle.StepSetItems); knownAs(o) {
	case "collections.deque":
		return d.sequence(idDeque, items) // its maxlen does not count
	case "collections.OrderedDict":
		return d.sequence(idOrderedDict, pairs)
	case "collections.defaultdict":
		return d.unordered(idDict, pairs, 2)
	case "collections.Counter":
		if args := o.Args.Items; len(args) == 1 {
			return d.item([]byte{idObject}, args[0])
		}
	case "pathlib.PurePosixPath", "pathlib.PosixPath", "pathlib._local.PurePosixPath", "pathlib._local.PosixPath":
		if parts, ok := pathParts(o.Args.Items); ok {
			return append([]byte{idPath}, strings.Join(parts, "/")...)
		}
	case "decimal.Decimal":
		if text, ok := decimalKey(o); ok {
			return append([]byte{idDecimal}, text...)
		}
	}
	b := []byte{idObject, byte(o.Op)}
	b = d.item(b, o.Callable)
	b = d.item(b, o.Args)
	if o.Kwargs != nil {
		b = d.item(b, o.Kwargs)
	}
	for i := 0; i < len(o.Steps); {
		// What Python wrote in batches belongs together.
		op := o.Steps[i].Op
		var items []pickle.Node
		for first := true; i < len(o.Steps) && o.Steps[i].Op == op && (first || op <= pickle.StepAddItems); i++ {
			items, first = append(items, o.Steps[i].Items...), false
		}
		var part []byte
		switch op {
		case pickle.StepSetItems:
			part = d.unordered(idDict, items, 2)
		case pickle.StepAddItems:
			part = d.unordered(idSet, items, 1)
		default:
			part = d.sequence(idList, items)
		}
		b = append(b, byte(op))
		b = append(binary.AppendUvarint(b, uint64(len(part))), part...)
	}
	return b
}

// headOf returns the head of the opaque value that n becomes at the given depth of
// containers.
func (w *inward) headOf(n pickle.Node, depth int) wire.OpaqueHead {
	if w.ids == nil {
		w.ids = newIdentifier()
	}
	// What was met before is in the heads of others.
	d := w.ids
	d.refs, d.depth, d.tangled, d.descriptor = nil, 0, false, false
	if len(d.known) > 0 {
		clear(d.known)
	}
	h := wire.OpaqueHead{Same: slices.Clone(d.of(n)), Refs: d.refs}
	h.Class, h.Order = className(n), ordering(n)
	h.Unhashable = unhashable(n, make(map[pickle.Node]struct{}))
	if plain := standsFor(n); plain != nil && !d.tangled {
		in := inward{depth: w.depth, limit: maxStands, heads: true}
		if in.tree(plain, depth+2) == nil && len(in.b) <= maxStands {
			h.Stands = in.b
		}
	}
	return h
}

// met notes a proxy.
func (d *identifier) met(r wire.Ref) {
	if !slices.Contains(d.refs, r) {
		d.refs = append(d.refs, r)
	}
}

// ofTangled identifies a value with cycles: by its nodes in the order in which
// they are met, each with its number, and by what is shared.
func (d *identifier) ofTangled(n pickle.Node) []byte {
	d.refs = nil
	w := walk{d: d, sum: sha256.New(), numbers: make(map[pickle.Node]uint64)}
	stack := []pickle.Node{n}
	for len(stack) > 0 {
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		first := len(stack)
		if w.enter(n) {
			pickle.Children(n, func(c pickle.Node) { stack = append(stack, c) })
		}
		slices.Reverse(stack[first:])
	}
	return w.sum.Sum([]byte{idTangled})
}

// walk writes the nodes of a value into a hash.
type walk struct {
	d       *identifier
	sum     hash.Hash
	numbers map[pickle.Node]uint64
	b       []byte
}

// enter writes a node, and reports whether what it contains is to be written too.
func (w *walk) enter(n pickle.Node) bool {
	w.b = w.b[:0]
	defer func() { w.sum.Write(w.b) }()
	if b, ok := appendLeaf(nil, n); ok {
		w.b = append(binary.AppendUvarint(w.b, uint64(len(b))), b...)
		return false
	}
	if at, ok := w.numbers[n]; ok {
		w.b = binary.AppendUvarint(append(w.b, 0, 'r'), at)
		return false
	}
	w.numbers[n] = uint64(len(w.numbers))
	size, kind := 0, byte(0)
	switch n := n.(type) {
	case *pickle.Tuple:
		size, kind = len(n.Items), idTuple
	case *pickle.List:
		size, kind = len(n.Items), idList
	case *pickle.Set:
		size, kind = len(n.Items), idSet
	case *pickle.FrozenSet:
		size, kind = len(n.Items), idSet
	case *pickle.Dict:
		size, kind = len(n.Items), idDict
	case *pickle.Object:
		if r, ok := proxyRef(n); ok {
			w.d.met(r)
			w.b = binary.BigEndian.AppendUint64(append(w.b, 0, idRef), r.ID)
			return false
		}
		size, kind = len(n.Steps), idObject
		for i := range n.Steps {
			w.b = binary.AppendUvarint(append(w.b, 0, byte(n.Steps[i].Op)), uint64(len(n.Steps[i].Items)))
		}
		if n.Kwargs != nil {
			w.b = append(w.b, 0, 'k')
		}
	}
	w.b = binary.AppendUvarint(append(w.b, 0, kind), uint64(size))
	return true
}

// proxyRef returns the object of this server, or of one like it, that a proxy
// stands for.
func proxyRef(n pickle.Node) (wire.Ref, bool) {
	if p, ok := pickle.AsProxy(n); ok {
		return parseIdent(p.Token.ID)
	}
	return wire.Ref{}, false
}

// stepItems returns what all steps of a kind give to an object.
func stepItems(o *pickle.Object, op pickle.StepOp) []pickle.Node {
	var items []pickle.Node
	for i := range o.Steps {
		if o.Steps[i].Op == op {
			items = append(items, o.Steps[i].Items...)
		}
	}
	return items
}

// knownAs returns the name of the class or function that makes an object.
func knownAs(n pickle.Node) string {
	if o, ok := n.(*pickle.Object); ok {
		if g, ok := o.Callable.(*pickle.Global); ok {
			return g.Module + "." + g.Name
		}
	}
	return ""
}
