package pydoor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"time"
	"unsafe"

	"github.com/syncmanager/syncmanager/internal/pickle"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// managersModule is where Python's manager classes live.
const managersModule = "multiprocessing.managers"

// encoder writes one reply as a pickle. References inside it become proxies,
// and are handed out to the client when the reply goes.
type encoder struct {
	conn   *conn
	w      *pickle.Writer
	err    error
	handed []wire.Ref
}

// encode appends the reply to b. On an error it returns nothing.
func (e *encoder) encode(b []byte, r *reply) ([]byte, error) {
	// Most values take up to half as much again in a pickle.
	e.w = pickle.NewWriter(wire.Grow(b, min(len(r.value)/2*3, e.conn.door.config.MaxMessage)), e.conn.door.config.MaxMessage)
	e.w.OpenTuple(2)
	e.w.Str(r.kind)
	switch {
	case r.emit != nil:
		r.emit(e)
	case r.node != nil:
		e.w.Node(r.node)
	default:
		e.value(r.value)
	}
	e.w.CloseTuple(2)
	b, err := e.w.Finish()
	if e.err != nil {
		err = e.err
	}
	if errors.Is(err, pickle.ErrTooLarge) {
		err = fmt.Errorf("the reply has more than %d bytes, which is the limit of this server; ask for a part of it", e.conn.door.config.MaxMessage)
	}
	return b, err
}

// commit notes the references that the client is about to get.
func (e *encoder) commit() {
	if len(e.handed) > 0 {
		e.conn.session.refs.handOut(e.handed)
	}
}

// revert takes back what commit noted: the client did not get it, and the call
// is about to be abandoned.
func (e *encoder) revert() {
	if len(e.handed) > 0 {
		e.conn.session.refs.takeBack(e.handed)
	}
}

// forget drops what was collected.
func (e *encoder) forget() { e.handed = nil }

func (e *encoder) fail(format string, args ...any) {
	if e.err == nil {
		e.err = fmt.Errorf(format, args...)
	}
}

// value writes one wire value.
func (e *encoder) value(raw wire.Raw) {
	rest := e.one(raw.Bytes(), 0)
	if e.err == nil && len(rest) > 0 {
		e.fail("%d bytes behind the value", len(rest))
	}
}

// maxDepth bounds recursion on values, which were checked when they arrived.
const maxDepth = wire.DefaultDepth + 2

// one writes the value at the start of b and returns what follows it.
func (e *encoder) one(b []byte, depth int) []byte {
	if e.err != nil {
		return nil
	}
	if len(b) == 0 || depth > maxDepth {
		e.fail("a malformed value")
		return nil
	}
	w, c, p := e.w, b[0], b[1:]
	switch {
	case c <= 0x7f:
		w.Int(int64(c))
		return p
	case c >= 0xe0:
		w.Int(int64(int8(c)))
		return p
	case c <= 0x8f:
		return e.dict(p, int(c&0x0f), depth)
	case c <= 0x9f:
		return e.list(p, int(c&0x0f), depth)
	case c <= 0xbf:
		return e.str(p, int(c&0x1f))
	}
	switch c {
	case 0xc0:
		w.None()
		return p
	case 0xc2, 0xc3:
		w.Bool(c == 0xc3)
		return p
	case 0xc4, 0xc5, 0xc6:
		n, p := e.size(p, 1<<(c-0xc4))
		data, rest := e.cut(p, n)
		w.Bytes(view(data))
		return rest
	case 0xca:
		data, rest := e.cut(p, 4)
		if data != nil {
			w.Float(float64(math.Float32frombits(binary.BigEndian.Uint32(data))))
		}
		return rest
	case 0xcb:
		data, rest := e.cut(p, 8)
		if data != nil {
			w.Float(math.Float64frombits(binary.BigEndian.Uint64(data)))
		}
		return rest
	case 0xcc, 0xcd, 0xce, 0xcf:
		v, p := e.uint(p, 1<<(c-0xcc))
		w.Uint(v)
		return p
	case 0xd0, 0xd1, 0xd2, 0xd3:
		size := 1 << (c - 0xd0)
		v, p := e.uint(p, size)
		shift := 64 - 8*size
		w.Int(int64(v<<shift) >> shift)
		return p
	case 0xd9, 0xda, 0xdb:
		n, p := e.size(p, 1<<(c-0xd9))
		return e.str(p, n)
	case 0xdc, 0xdd:
		n, p := e.size(p, 2<<(c-0xdc))
		return e.list(p, n, depth)
	case 0xde, 0xdf:
		n, p := e.size(p, 2<<(c-0xde))
		return e.dict(p, n, depth)
	case 0xd4, 0xd5, 0xd6, 0xd7, 0xd8:
		return e.ext(b, p, 1<<(c-0xd4), depth)
	case 0xc7, 0xc8, 0xc9:
		n, p := e.size(p, 1<<(c-0xc7))
		return e.ext(b, p, n, depth)
	}
	e.fail("a malformed value")
	return nil
}

// view returns b as a string without copying; the writer copies it.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// uint reads a big-endian number.
func (e *encoder) uint(b []byte, size int) (uint64, []byte) {
	if len(b) < size {
		e.fail("a malformed value")
		return 0, nil
	}
	var v uint64
	for _, x := range b[:size] {
		v = v<<8 | uint64(x)
	}
	return v, b[size:]
}

func (e *encoder) size(b []byte, size int) (int, []byte) {
	v, rest := e.uint(b, size)
	return int(v), rest
}

// cut splits b behind n bytes.
func (e *encoder) cut(b []byte, n int) (data, rest []byte) {
	if e.err != nil || n < 0 || n > len(b) {
		e.fail("a malformed value")
		return nil, nil
	}
	return b[:n], b[n:]
}

func (e *encoder) str(b []byte, n int) []byte {
	data, rest := e.cut(b, n)
	e.w.Str(view(data))
	return rest
}

func (e *encoder) list(b []byte, n, depth int) []byte {
	e.w.OpenList()
	b = e.items(b, n, depth)
	e.w.CloseList()
	return b
}

func (e *encoder) items(b []byte, n, depth int) []byte {
	for ; n > 0 && e.err == nil; n-- {
		b = e.one(b, depth+1)
	}
	return b
}

func (e *encoder) dict(b []byte, n, depth int) []byte {
	e.w.OpenDict()
	b = e.pairs(b, n, depth)
	e.w.CloseDict()
	return b
}

func (e *encoder) pairs(b []byte, n, depth int) []byte {
	for ; n > 0 && e.err == nil; n-- {
		b = e.key(b, depth)
		b = e.one(b, depth+1)
	}
	return b
}

// key writes a key; a str that comes again is written once.
func (e *encoder) key(b []byte, depth int) []byte {
	if len(b) > 0 && b[0] >= 0xa0 && b[0] <= 0xbf {
		data, rest := e.cut(b[1:], int(b[0]&0x1f))
		e.w.Key(string(data))
		return rest
	}
	return e.one(b, depth+1)
}

// ext writes an extension: whole is the value with its header, b begins with
// the extension's type.
func (e *encoder) ext(whole, b []byte, n, depth int) []byte {
	if len(b) == 0 {
		e.fail("a malformed value")
		return nil
	}
	id := int8(b[0])
	data, rest := e.cut(b[1:], n)
	if e.err != nil {
		return nil
	}
	w := e.w
	switch id {
	case wire.ExtTuple:
		n, p := e.elements(data)
		w.OpenTuple(n)
		e.items(p, n, depth)
		w.CloseTuple(n)
	case wire.ExtSet:
		n, p := e.elements(data)
		w.OpenSet()
		e.items(p, n, depth)
		w.CloseSet()
	case wire.ExtFrozenSet:
		n, p := e.elements(data)
		w.OpenFrozenSet()
		e.items(p, n, depth)
		w.CloseFrozenSet()
	case wire.ExtByteArray:
		w.ByteArray(view(data))
	case wire.ExtRef:
		if r, ok := wire.ParseRef(whole[:len(whole)-len(rest)]); ok {
			e.ref(r.Ref())
		} else {
			e.fail("a malformed reference")
		}
	case wire.ExtOpaque:
		e.opaque(whole[:len(whole)-len(rest)])
	default:
		e.rare(whole[:len(whole)-len(rest)])
	}
	return rest
}

// elements reads the header of the array inside a tuple or set.
func (e *encoder) elements(b []byte) (int, []byte) {
	switch {
	case len(b) == 0:
	case b[0] >= 0x90 && b[0] <= 0x9f:
		return int(b[0] & 0x0f), b[1:]
	case b[0] == 0xdc:
		return e.size(b[1:], 2)
	case b[0] == 0xdd:
		return e.size(b[1:], 4)
	}
	e.fail("a malformed value")
	return 0, nil
}

// opaque writes a value that came from Python. It is what it was, but for the
// addresses of the proxies inside it: they are this client's.
func (e *encoder) opaque(b []byte) {
	o, ok := wire.ParseOpaque(b)
	if !ok {
		e.fail("a malformed opaque value")
		return
	}
	if string(o.Lang) != language {
		e.fail("a value that only %q can open", o.Lang)
		return
	}
	node, err := pickle.Decode(o.Data, unlimited(len(o.Data)))
	if err != nil {
		e.fail("an opaque value that is no pickle: %v", err)
		return
	}
	refs := len(e.handed)
	_ = o.ForEachRef(func(r wire.RefView) error {
		e.handed = append(e.handed, r.Ref())
		return nil
	})
	if len(e.handed) > refs {
		e.readdress(node)
	}
	e.w.Node(node)
}

// readdress gives all proxies of this server inside a value the address that the
// client uses.
func (e *encoder) readdress(n pickle.Node) {
	seen := make(map[pickle.Node]struct{})
	stack := []pickle.Node{n}
	for len(stack) > 0 {
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if _, again := seen[n]; again {
			continue
		}
		if o, ok := n.(*pickle.Object); ok {
			if p, ok := pickle.AsProxy(o); ok {
				if _, ok := parseIdent(p.Token.ID); ok {
					p.Token.Address = e.conn.address
					o.Args.Items[1] = pickle.NewToken(p.Token)
				}
			}
		}
		switch n.(type) {
		case *pickle.List, *pickle.Tuple, *pickle.Dict, *pickle.Set, *pickle.FrozenSet, *pickle.Object:
			seen[n] = struct{}{}
			pickle.Children(n, func(c pickle.Node) { stack = append(stack, c) })
		}
	}
}

// unlimited are the limits for a pickle of n bytes that the door has taken before.
func unlimited(n int) pickle.Limits {
	return pickle.Limits{Size: n + 1, Nodes: math.MaxInt, Stack: math.MaxInt, Memo: math.MaxInt, BigInt: n + 1}
}

// rare writes the types that are worth no code of their own.
func (e *encoder) rare(b []byte) {
	v, err := wire.Decode(b)
	if err != nil {
		e.fail("a malformed value: %v", err)
		return
	}
	switch v := v.(type) {
	case int64:
		e.w.Int(v)
	case uint64:
		e.w.Uint(v)
	case *big.Int:
		e.w.Node(pickle.NewBigInt(v))
	case complex128:
		e.w.Node(pickle.NewComplex(v))
	case time.Time:
		_, offset := v.Zone()
		e.datetime(v, true, time.Duration(offset)*time.Second)
	case wire.LocalTime:
		e.datetime(v.Time, false, 0)
	case wire.TypedArray:
		if a, ok := pickle.NewArray(pickle.Array{Typecode: v.Code, Data: string(v.Data)}); ok {
			e.w.Node(a)
		} else {
			e.fail("an array of typecode %q", v.Code)
		}
	default:
		e.fail("a value of type %T", v)
	}
}

func (e *encoder) datetime(t time.Time, aware bool, offset time.Duration) {
	d, ok := pickle.NewDatetime(pickle.Datetime{
		Year: t.Year(), Month: int(t.Month()), Day: t.Day(), Hour: t.Hour(), Minute: t.Minute(), Second: t.Second(),
		Microsecond: t.Nanosecond() / 1000, Aware: aware, Offset: offset,
	})
	if !ok {
		e.fail("the time %v, which Python's datetime cannot hold", t)
		return
	}
	e.w.Node(d)
}

// ref writes a proxy, as Python's own server does.
func (e *encoder) ref(r wire.Ref) {
	e.handed = append(e.handed, r)
	w := e.w
	f := e.conn.door.familyOf(e.conn, r.TypeID)
	w.Global(managersModule, "RebuildProxy")
	w.OpenTuple(4)
	if f.class != "" {
		w.Global(managersModule, f.class)
	} else {
		w.Global(managersModule, "AutoProxy")
	}
	e.token(r.TypeID, formatIdent(r))
	w.Key("pickle")
	w.OpenDict()
	if f.class == "" {
		w.Key("exposed")
		e.names(f.exposed)
	}
	w.CloseDict()
	w.CloseTuple(4)
	w.Reduce()
}

// token writes a Token.
func (e *encoder) token(typeid, ident string) {
	w := e.w
	w.Global(managersModule, "Token")
	w.OpenTuple(0)
	w.CloseTuple(0)
	w.NewObj()
	w.OpenTuple(3)
	w.Key(typeid)
	w.Node(e.conn.address)
	w.Str(ident)
	w.CloseTuple(3)
	w.Build()
}

// names writes a tuple of str.
func (e *encoder) names(names []string) {
	e.w.OpenTuple(len(names))
	for _, name := range names {
		e.w.Key(name)
	}
	e.w.CloseTuple(len(names))
}

// call writes the result of a call of a class or function with args, each of
// which is written by a function.
func (e *encoder) call(module, name string, args ...func()) {
	e.w.Global(module, name)
	e.w.OpenTuple(len(args))
	for _, arg := range args {
		arg()
	}
	e.w.CloseTuple(len(args))
	e.w.Reduce()
}
