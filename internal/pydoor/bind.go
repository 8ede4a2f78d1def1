package pydoor

import (
	"math"
	"strings"
	"time"

	"github.com/syncmanager/syncmanager/internal/pickle"
)

// signature says which arguments a method takes.
type signature struct {
	names    []string
	kinds    []func(pickle.Node) (pickle.Node, error) // what an argument is made into, or nil
	required int
	keyword  int  // how many of the last are keyword-only
	rest     bool // any number of further positional ones
}

// kinds are the annotations of signatures.
var kinds = map[string]func(pickle.Node) (pickle.Node, error){
	"":      nil,
	"int":   integer,
	"ssize": ssize, // an int that C must be able to hold
	"number": func(n pickle.Node) (pickle.Node, error) {
		if v, ok := numberOf(n); ok {
			return v, nil
		}
		return n, nil
	},
}

// params reads a signature as Python writes it: "key, default=None", "*,
// key=None", "index: int". Defaults are for people: what is omitted is nil.
func params(text string) signature {
	var s signature
	keyword := false
	for _, p := range strings.Split(text, ",") {
		p = strings.TrimSpace(p)
		switch {
		case p == "":
			continue
		case p == "*":
			keyword = true
			continue
		case p[0] == '*':
			s.rest = true
			continue
		}
		name, _, optional := strings.Cut(p, "=")
		name, kind, _ := strings.Cut(name, ":")
		s.names = append(s.names, name)
		s.kinds = append(s.kinds, kinds[strings.TrimSpace(kind)])
		if keyword {
			s.keyword++
		} else if !optional {
			s.required++
		}
	}
	return s
}

// bind puts arguments into the places of a signature; what is omitted is nil.
// With rest, further ones follow.
func bind(method string, s signature, args []pickle.Node, kwds *pickle.Dict) ([]pickle.Node, error) {
	places := len(s.names) - s.keyword
	if len(args) > places && !s.rest {
		return nil, typeError("%s() takes %d positional argument%s but %d %s given", method, places, plural(places),
			len(args), map[bool]string{true: "was", false: "were"}[len(args) == 1])
	}
	out := make([]pickle.Node, len(s.names), len(s.names)+max(len(args)-places, 0))
	n := copy(out[:places], args)
	if kwds != nil {
		for k, v := range kwds.All() {
			name := textOf(k)
			at := -1
			for i := range s.names {
				if s.names[i] == name {
					at = i
				}
			}
			switch {
			case at < 0:
				return nil, typeError("%s() got an unexpected keyword argument '%s'", method, name)
			case at < n:
				return nil, typeError("%s() got multiple values for argument '%s'", method, name)
			}
			out[at] = v
		}
	}
	for i := range s.required {
		if out[i] == nil {
			return nil, typeError("%s() missing required argument '%s' (pos %d)", method, s.names[i], i+1)
		}
	}
	for i, kind := range s.kinds {
		if kind == nil || out[i] == nil {
			continue
		}
		var err error
		if out[i], err = kind(out[i]); err != nil {
			return nil, err
		}
	}
	if s.rest && len(args) > places {
		out = append(out, args[places:]...)
	}
	return out, nil
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

// isNone reports whether an argument was omitted or None.
func isNone(n pickle.Node) bool {
	if n == nil {
		return true
	}
	_, ok := n.(pickle.None)
	return ok
}

// truth returns the truth of an argument as Python's bool() does, def if it
// was omitted. What Python alone can judge is true.
func truth(n pickle.Node, def bool) bool {
	switch n := n.(type) {
	case nil:
		return def
	case pickle.None:
		return false
	case pickle.Bool:
		return bool(n)
	case pickle.Int:
		return n != 0
	case pickle.Float:
		return n != 0
	case *pickle.Str:
		return n.S != ""
	case *pickle.Bytes:
		return n.B != ""
	case *pickle.List:
		return len(n.Items) > 0
	case *pickle.Tuple:
		return len(n.Items) > 0
	case *pickle.Dict:
		return len(n.Items) > 0
	}
	return true
}

// forever is a timeout that never ends.
const forever = time.Duration(-1)

// seconds reads a number of seconds.
func seconds(n pickle.Node) (float64, error) {
	if v, ok := numberOf(n); ok {
		n = v
	}
	switch n := n.(type) {
	case pickle.Int:
		return float64(n), nil
	case pickle.Bool:
		if n {
			return 1, nil
		}
		return 0, nil
	case pickle.Float:
		if math.IsNaN(float64(n)) {
			return 0, valueError("Invalid value NaN (not a number)")
		}
		return float64(n), nil
	case *pickle.BigInt:
		if n.Big().Sign() < 0 {
			return math.Inf(-1), nil
		}
		return math.Inf(1), nil
	}
	return 0, typeError("'%s' object cannot be interpreted as an integer or float", typeName(n))
}

// duration turns seconds into a timeout; what is not positive does not wait,
// and what is beyond 292 years never ends.
func duration(s float64) time.Duration {
	switch ns := s * 1e9; {
	case ns <= 0:
		return 0
	case ns >= math.MaxInt64:
		return forever
	default:
		return time.Duration(ns)
	}
}
