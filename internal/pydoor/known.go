package pydoor

import (
	"encoding/binary"
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/syncmanager/syncmanager/internal/pickle"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// What is known of Python's classes: which instances are equal to a plain value,
// which are ordered, which cannot be hashed. It is known from the way in which
// they are pickled; no class is looked up.

// standsFor returns the plain value that an object is equal to in Python, or nil.
//
// Instances of classes derived from int, float, str, bytes and tuple, and named
// tuples, are pickled as their class and what __new__ takes: for a number or a
// text that alone, for a tuple the tuple, for a named tuple its fields. So they
// are told by the shape of the pickle. Three shapes are the same: a named tuple
// with one field is taken for its field, as one that is derived from the field's
// type would be.
func standsFor(n pickle.Node) pickle.Node {
	switch n := n.(type) {
	case *pickle.Global:
		if v, ok := constants[*n]; ok {
			return v
		}
	case *pickle.Object:
		if v, ok := numpyScalar(n); ok {
			return v
		}
		if intEnums[knownAs(n)] && n.Op == pickle.OpReduce && len(n.Args.Items) == 1 && len(n.Steps) == 0 {
			if v, ok := n.Args.Items[0].(pickle.Int); ok {
				return v
			}
		}
		if n.Op != pickle.OpNewObj || len(n.Steps) > 0 || len(n.Args.Items) == 0 {
			return nil
		}
		if _, ok := n.Callable.(*pickle.Global); !ok {
			return nil
		}
		if len(n.Args.Items) > 1 {
			return n.Args
		}
		switch v := n.Args.Items[0].(type) {
		case pickle.Bool, pickle.Int, *pickle.BigInt, pickle.Float, *pickle.Str, *pickle.Bytes, *pickle.Tuple:
			return v
		}
	}
	return nil
}

// intEnums are the enumerations of Python's library whose members are ints. One
// of a program's own cannot be told from an Enum, whose members are not.
var intEnums = map[string]bool{
	"signal.Signals": true, "signal.Handlers": true, "signal.Sigmasks": true,
	"socket.AddressFamily": true, "socket.SocketKind": true, "socket.MsgFlag": true, "socket.AddressInfo": true,
	"http.HTTPStatus": true, "re.RegexFlag": true, "inspect._ParameterKind": true,
	"ssl.TLSVersion": true, "ssl.VerifyMode": true, "ssl.VerifyFlags": true, "ssl.Options": true, "ssl.AlertDescription": true, "ssl.SSLErrorNumber": true,
}

// constants are members of these that Python up to 3.10 pickles by name, and that
// are the same on all systems.
var constants = func() map[pickle.Global]pickle.Node {
	m := make(map[pickle.Global]pickle.Node)
	for module, names := range map[string]map[string]pickle.Int{
		"signal": {
			"SIGHUP": 1, "SIGINT": 2, "SIGQUIT": 3, "SIGILL": 4, "SIGTRAP": 5, "SIGABRT": 6, "SIGFPE": 8, "SIGKILL": 9,
			"SIGSEGV": 11, "SIGPIPE": 13, "SIGALRM": 14, "SIGTERM": 15,
		},
		"socket": {"AF_UNSPEC": 0, "AF_UNIX": 1, "AF_INET": 2, "SOCK_STREAM": 1, "SOCK_DGRAM": 2, "SOCK_RAW": 3},
	} {
		for name, n := range names {
			m[pickle.Global{Module: module, Name: name}] = n
		}
	}
	return m
}()

// ordering returns what orders a value among those of its class, as a value, or
// nothing.
func ordering(n pickle.Node) []byte {
	o, ok := n.(*pickle.Object)
	if !ok || o.Op != pickle.OpReduce || len(o.Steps) > 0 {
		return nil
	}
	args := o.Args.Items
	switch knownAs(o) {
	case "datetime.date", "datetime.time":
		if len(args) == 1 {
			if b, ok := args[0].(*pickle.Bytes); ok {
				return wire.AppendBin(nil, []byte(b.B))
			}
		}
	case "datetime.timedelta":
		if len(args) == 3 {
			b := wire.AppendArrayHeader(nil, 3)
			for _, a := range args {
				i, ok := a.(pickle.Int)
				if !ok {
					return nil
				}
				b = wire.AppendInt(b, int64(i))
			}
			return b
		}
	case "decimal.Decimal":
		if v, ok := decimalOf(o); ok {
			return v.order()
		}
	}
	return nil
}

// className returns the name of a value's class as Python's errors print it: with
// its module for the classes that are written in C.
func className(n pickle.Node) string {
	o, ok := n.(*pickle.Object)
	if !ok {
		return typeName(n)
	}
	switch name := knownAs(o); name {
	case "datetime.date", "datetime.time", "datetime.timedelta", "datetime.datetime", "decimal.Decimal",
		"collections.deque", "collections.defaultdict", "collections.OrderedDict":
		return name
	}
	return clipped(typeName(o))
}

// clipped shortens a name that a client made up.
func clipped(name string) string {
	if len(name) > 100 {
		return strings.ToValidUTF8(name[:100], "")
	}
	return name
}

// pathParts returns the parts of a path of POSIX, from how Python pickles it: as
// its parts, or as the texts that it was made of.
func pathParts(args []pickle.Node) ([]string, bool) {
	path := ""
	for _, a := range args {
		s, ok := a.(*pickle.Str)
		switch {
		case !ok:
			return nil, false
		case strings.HasPrefix(s.S, "/"):
			path = s.S
		default:
			path += "/" + s.S
			if len(path) == len(s.S)+1 {
				path = s.S
			}
		}
	}
	var parts []string
	if root := len(path) - len(strings.TrimLeft(path, "/")); root == 2 {
		parts = append(parts, "//")
	} else if root > 0 {
		parts = append(parts, "/")
	}
	for _, p := range strings.Split(path, "/") {
		if p != "" && p != "." {
			parts = append(parts, p)
		}
	}
	return parts, true
}

// unhashable returns the name of the type for which Python refuses a value as a
// key, as far as that is known, or nothing.
func unhashable(n pickle.Node, seen map[pickle.Node]struct{}) string {
	items := []pickle.Node(nil)
	switch n := n.(type) {
	case *pickle.List, *pickle.Dict, *pickle.Set, *pickle.ByteArray:
		return typeName(n)
	case *pickle.Tuple:
		items = n.Items
	case *pickle.FrozenSet:
		items = n.Items
	case *pickle.Object:
		if plain, ok := standsFor(n).(*pickle.Tuple); ok {
			items = plain.Items
			break
		}
		switch class := knownAs(n); class {
		case "collections.deque", "collections.defaultdict", "collections.OrderedDict", "array.array":
			return class
		case "array._array_reconstructor":
			return "array.array"
		case "collections.Counter", "collections.UserDict", "collections.UserList", "collections.ChainMap":
			return typeName(n)
		case "numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct", "numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer":
			return "numpy.ndarray"
		}
	}
	if _, again := seen[n]; again || len(items) == 0 || len(seen) > maxFollow {
		return ""
	}
	seen[n] = struct{}{}
	for _, n := range items {
		if name := unhashable(n, seen); name != "" {
			return name
		}
	}
	return ""
}

// decimal is a finite Decimal: the digits, without zeros at their ends, stand
// behind the point and are multiplied by ten to the exponent.
type decimal struct {
	negative bool
	digits   string // empty for zero
	exponent int64
}

func decimalOf(o *pickle.Object) (decimal, bool) {
	if len(o.Args.Items) != 1 {
		return decimal{}, false
	}
	text := textOf(o.Args.Items[0])
	var d decimal
	text, d.negative = strings.CutPrefix(text, "-")
	mantissa, exponent, has := strings.Cut(text, "E")
	if has {
		var err error
		if d.exponent, err = strconv.ParseInt(exponent, 10, 48); err != nil {
			return decimal{}, false
		}
	}
	whole, part, _ := strings.Cut(mantissa, ".")
	digits := whole + part
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return decimal{}, false // NaN, Infinity
	}
	d.exponent += int64(len(whole))
	stripped := strings.TrimLeft(digits, "0")
	d.exponent -= int64(len(digits) - len(stripped))
	if d.digits = strings.TrimRight(stripped, "0"); d.digits == "" {
		return decimal{}, true
	}
	return d, true
}

// decimalKey returns a text that equal Decimals have in common.
func decimalKey(o *pickle.Object) (string, bool) {
	d, ok := decimalOf(o)
	if !ok {
		return "", false
	}
	sign := ""
	if d.negative {
		sign = "-"
	}
	return sign + d.digits + "E" + strconv.FormatInt(d.exponent, 10), true
}

// order returns a list that is ordered as Decimals are: sign, exponent and digits,
// where those of a negative number count down.
func (d decimal) order() []byte {
	b := wire.AppendArrayHeader(nil, 3)
	switch {
	case d.digits == "":
		return wire.AppendStr(wire.AppendInt(wire.AppendInt(b, 0), 0), "")
	case !d.negative:
		return wire.AppendStr(wire.AppendInt(wire.AppendInt(b, 1), d.exponent), d.digits)
	}
	down := []byte(d.digits)
	for i, c := range down {
		down[i] = '0' + '9' - c
	}
	return wire.AppendStr(wire.AppendInt(wire.AppendInt(b, -1), -d.exponent), string(append(down, ':')))
}

// numpyScalar returns the number that a scalar of numpy holds.
func numpyScalar(o *pickle.Object) (pickle.Node, bool) {
	switch knownAs(o) {
	case "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar":
	default:
		return nil, false
	}
	if len(o.Args.Items) != 2 {
		return nil, false
	}
	t, ok := numpyType(o.Args.Items[0])
	raw, isBytes := o.Args.Items[1].(*pickle.Bytes)
	if !ok || !isBytes || len(raw.B) != t.size {
		return nil, false
	}
	return t.number(raw.B), true
}

// dtype is a numpy dtype of plain numbers.
type dtype struct {
	kind byte // b, i, u or f
	size int
	big  bool // most significant byte first
}

// numpyType reads a dtype: dtype('f8', False, True) with the state (3, '<', ...).
func numpyType(n pickle.Node) (dtype, bool) {
	o, ok := n.(*pickle.Object)
	if !ok || knownAs(o) != "numpy.dtype" || len(o.Args.Items) == 0 {
		return dtype{}, false
	}
	code := textOf(o.Args.Items[0])
	if len(code) != 2 {
		return dtype{}, false
	}
	t := dtype{kind: code[0], size: int(code[1] - '0')}
	if state, ok := o.State().(*pickle.Tuple); ok && len(state.Items) > 1 {
		t.big = textOf(state.Items[1]) == ">"
	}
	switch code {
	case "b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8":
		return t, true
	}
	return dtype{}, false
}

// number reads one element.
func (t dtype) number(raw string) pickle.Node {
	be := []byte(raw)
	if !t.big {
		for i, j := 0, len(be)-1; i < j; i, j = i+1, j-1 {
			be[i], be[j] = be[j], be[i]
		}
	}
	switch t.kind {
	case 'b':
		return pickle.Bool(be[0] != 0)
	case 'i':
		return pickle.NewIntBytes(string(be))
	case 'u':
		return pickle.NewBigInt(new(big.Int).SetBytes(be))
	}
	if t.size == 4 {
		return pickle.Float(math.Float32frombits(binary.BigEndian.Uint32(be)))
	}
	return pickle.Float(math.Float64frombits(binary.BigEndian.Uint64(be)))
}
