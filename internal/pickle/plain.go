package pickle

import "unicode/utf8"

// Form is what an object is, judged by the names in it. The As functions look
// at the rest.
type Form uint8

// The forms.
const (
	FormOther Form = iota
	FormComplex
	FormRange
	FormSlice
	FormArray
	FormDatetime
	FormTimedelta
	FormToken
	FormProxy
)

// forms maps what is called to the form that it may yield. It is read only.
var forms = map[Global]Form{
	{"builtins", "complex"}:                      FormComplex,
	{"builtins", "range"}:                        FormRange,
	{"builtins", "slice"}:                        FormSlice,
	{"array", "array"}:                           FormArray,
	{"array", "_array_reconstructor"}:            FormArray,
	{"datetime", "datetime"}:                     FormDatetime,
	{"datetime", "timedelta"}:                    FormTimedelta,
	{"multiprocessing.managers", "Token"}:        FormToken,
	{"multiprocessing.managers", "RebuildProxy"}: FormProxy,
}

// FormOf returns the form of an object, or FormOther for any other node. An
// object with a form need not have it: the As function of the form decides.
func FormOf(n Node) Form {
	o, ok := n.(*Object)
	if !ok {
		return FormOther
	}
	g, ok := o.Callable.(*Global)
	if !ok {
		return FormOther
	}
	return forms[*g]
}

// AsCall returns what an object calls and with what, if it is made by a plain
// call of a class or function and by nothing after that.
func AsCall(n Node) (callable *Global, args []Node, ok bool) {
	o, ok := n.(*Object)
	if !ok || o.Op != OpReduce || len(o.Steps) != 0 || o.Args == nil {
		return nil, nil, false
	}
	g, ok := o.Callable.(*Global)
	if !ok {
		return nil, nil, false
	}
	return g, o.Args.Items, true
}

// asForm is AsCall for an object of form f.
func asForm(n Node, f Form) (args []Node, ok bool) {
	if FormOf(n) != f {
		return nil, false
	}
	_, args, ok = AsCall(n)
	return args, ok
}

// NewCall returns the object that the class or function would make of args.
func NewCall(module, name string, args ...Node) *Object {
	return &Object{Callable: &Global{Module: module, Name: name}, Args: &Tuple{Items: args}}
}

// AsComplex returns the value of a complex.
func AsComplex(n Node) (complex128, bool) {
	args, ok := asForm(n, FormComplex)
	if !ok || len(args) != 2 {
		return 0, false
	}
	re, ok1 := args[0].(Float)
	im, ok2 := args[1].(Float)
	return complex(float64(re), float64(im)), ok1 && ok2
}

// NewComplex returns a complex.
func NewComplex(v complex128) *Object {
	return NewCall("builtins", "complex", Float(real(v)), Float(imag(v)))
}

// AsRange returns the three ints of a range.
func AsRange(n Node) (start, stop, step Node, ok bool) {
	args, ok := asForm(n, FormRange)
	if !ok || len(args) != 3 {
		return nil, nil, nil, false
	}
	for _, a := range args {
		switch a.(type) {
		case Int, *BigInt:
		default:
			return nil, nil, nil, false
		}
	}
	return args[0], args[1], args[2], true
}

// AsSlice returns the three parts of a slice, which may be None or anything
// else.
func AsSlice(n Node) (start, stop, step Node, ok bool) {
	args, ok := asForm(n, FormSlice)
	if !ok || len(args) != 3 {
		return nil, nil, nil, false
	}
	return args[0], args[1], args[2], true
}

// appendUTF32 appends the code points of a Str's text, four bytes each, least
// significant first.
func appendUTF32(b []byte, s string) []byte {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 && i+2 < len(s) {
			// A surrogate.
			r, n = rune(s[i]&0x0f)<<12|rune(s[i+1]&0x3f)<<6|rune(s[i+2]&0x3f), 3
		}
		b = append(b, byte(r), byte(r>>8), byte(r>>16), byte(r>>24))
		i += n
	}
	return b
}
