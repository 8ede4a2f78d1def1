package pydoor

import (
	"slices"
	"strings"

	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/pickle"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// family is how Python sees the objects of a typeid.
type family struct {
	class   string   // the proxy class in multiprocessing.managers; "": AutoProxy
	exposed []string // what create answers, in Python's order
	methods map[string]method
	// create turns the constructor's arguments into the engine's.
	create func(k *invocation, args []pickle.Node, kwds *pickle.Dict) ([]pickle.Node, error)
	// getvalue answers #GETVALUE.
	getvalue func(k *invocation) reply
	// repr answers __str__ and __repr__. Nil: the engine's repr does.
	repr func(k *invocation) reply
}

// method is one of Python's methods.
type method struct {
	params signature
	raw    bool // run binds the arguments itself
	run    func(k *invocation, args []pickle.Node) reply
}

// families are the built-in types. The map is filled once, since their methods
// lead back to it.
var families map[string]*family

// typeids are the names of the built-in types.
var typeids = make(map[string]string)

func init() {
	families = map[string]*family{
		"dict":             dictFamily,
		"list":             listFamily,
		"set":              setFamily,
		"Namespace":        namespaceFamily,
		"Value":            valueFamily,
		"Array":            arrayFamily,
		"Queue":            queueFamily,
		"JoinableQueue":    queueFamily,
		"LifoQueue":        queueFamily,
		"PriorityQueue":    queueFamily,
		"SimpleQueue":      simpleQueueFamily,
		"Lock":             lockFamily,
		"RLock":            rlockFamily,
		"Semaphore":        semaphoreFamily,
		"BoundedSemaphore": semaphoreFamily,
		"Condition":        conditionFamily,
		"Event":            eventFamily,
		"Barrier":          barrierFamily,
		"Iterator":         iteratorFamily,
	}
	for typeid := range families {
		typeids[typeid] = typeid
	}
}

// familyOf returns the family of a typeid: a built-in one, or that of a type
// registered in Go, made from its description.
func (d *Door) familyOf(c *conn, typeid string) *family {
	if f := families[typeid]; f != nil {
		return f
	}
	d.mu.Lock()
	f := d.custom[typeid]
	d.mu.Unlock()
	if f != nil {
		return f
	}
	args := wire.AppendStr(wire.AppendArrayHeader(nil, 1), typeid)
	call := c.session.Start(&engine.Command{Method: engine.MethodDescribeType, Args: args})
	<-call.Ready()
	v, err := call.Result()
	call.Accept()
	if err != nil {
		return customFamily(nil)
	}
	f = customFamily(methodNames(v))
	d.mu.Lock()
	d.custom[strings.Clone(typeid)] = f
	d.mu.Unlock()
	return f
}

// registered reports whether a typeid that familyOf was asked for is one of the
// server's.
func (d *Door) registered(typeid string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return families[typeid] != nil || d.custom[typeid] != nil
}

// methodNames reads the names of the methods out of a type's description.
func methodNames(v wire.Raw) []string {
	d, err := wire.Decode(v.Bytes())
	if err != nil {
		return nil
	}
	m, _ := d.(map[string]any)
	list, _ := m["methods"].([]any)
	var names []string
	for _, row := range list {
		row, _ := row.(map[string]any)
		if name, ok := row["name"].(string); ok {
			names = append(names, name)
		}
	}
	return names
}

// table makes a method table of lines "name(params)", each followed by what it
// does.
func table(rows ...any) map[string]method {
	t := make(map[string]method, len(rows)/2)
	for i := 0; i < len(rows); i += 2 {
		name, rest, _ := strings.Cut(rows[i].(string), "(")
		m := method{params: params(strings.TrimSuffix(rest, ")"))}
		switch do := rows[i+1].(type) {
		case string:
			m.run = plain(do)
		case func(k *invocation, args []pickle.Node) reply:
			m.run = do
		}
		t[name] = m
	}
	return t
}

// plain passes arguments and result on as they are.
func plain(name string) func(k *invocation, args []pickle.Node) reply {
	return func(k *invocation, args []pickle.Node) reply { return k.result(k.call(name, args...)) }
}

// nothing passes arguments on and answers None.
func nothing(name string) func(k *invocation, args []pickle.Node) reply {
	return func(k *invocation, args []pickle.Node) reply { return k.done(k.call(name, args...)) }
}

// hidden are the methods that clients may call and are not told of: an
// AutoProxy, which makes methods of all that it is told of, would break.
var hidden = map[string]bool{"__getattribute__": true, "__setattr__": true, "__delattr__": true, "__eq__": true}

// names returns the methods of a table that are exposed, sorted.
func (f *family) names() []string {
	names := make([]string, 0, len(f.methods))
	for name := range f.methods {
		if !hidden[name] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// makeFamily fills in what most families have in common.
func makeFamily(f family) *family {
	if f.exposed == nil {
		f.exposed = f.names()
	}
	if f.getvalue == nil {
		f.getvalue = func(k *invocation) reply { return k.result(k.call("value")) }
	}
	return &f
}

// unpicklable answers #GETVALUE of an object that Python cannot pickle.
func unpicklable(class string) func(k *invocation) reply {
	return func(*invocation) reply {
		return reply{kind: kindUnserializable, node: pickle.NewStr(
			"Traceback (most recent call last):\n  (on the manager server)\nTypeError: cannot pickle '" + class + "' object\n")}
	}
}

// noKwds refuses keyword arguments.
func noKwds(name string, kwds *pickle.Dict) error {
	if kwds != nil && kwds.Len() > 0 {
		return typeError("%s() got an unexpected keyword argument '%s'", name, textOf(kwds.Items[0]))
	}
	return nil
}

// construct returns a create that takes the arguments of a signature.
func construct(name, text string) func(k *invocation, args []pickle.Node, kwds *pickle.Dict) ([]pickle.Node, error) {
	s := params(text)
	return func(_ *invocation, args []pickle.Node, kwds *pickle.Dict) ([]pickle.Node, error) {
		return bind(name, s, args, kwds)
	}
}
