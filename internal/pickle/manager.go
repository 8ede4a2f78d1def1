package pickle

// managersModule is where Python's manager classes live.
const managersModule = "multiprocessing.managers"

// Token is a multiprocessing.managers.Token: what a proxy stands for.
type Token struct {
	TypeID string
	// Address is a *Str, or a *Tuple of host and port, or whatever else the
	// sender uses as the address of a manager.
	Address Node
	// ID is the ident of the referent.
	ID string
}

// AsToken returns the contents of a Token.
func AsToken(n Node) (Token, bool) {
	if FormOf(n) != FormToken {
		return Token{}, false
	}
	o := n.(*Object)
	if o.Op != OpNewObj || o.Args == nil || len(o.Args.Items) != 0 || len(o.Steps) != 1 {
		return Token{}, false
	}
	state, ok := o.State().(*Tuple)
	if !ok || len(state.Items) != 3 {
		return Token{}, false
	}
	typeID, ok1 := state.Items[0].(*Str)
	id, ok2 := state.Items[2].(*Str)
	if !ok1 || !ok2 {
		return Token{}, false
	}
	return Token{TypeID: typeID.S, Address: state.Items[1], ID: id.S}, true
}

// NewToken returns a Token.
func NewToken(t Token) *Object {
	return NewInstance(managersModule, "Token", NewTuple(NewStr(t.TypeID), t.Address, NewStr(t.ID)))
}

// Proxy is a call of multiprocessing.managers.RebuildProxy: how proxies travel.
type Proxy struct {
	// Class is the proxy's class, or the function AutoProxy.
	Class *Global
	Token Token
	// Serializer is "pickle" or "xmlrpclib".
	Serializer string
	// Kwds holds further arguments, such as exposed.
	Kwds *Dict
}

// AsProxy returns the contents of a proxy.
func AsProxy(n Node) (Proxy, bool) {
	args, ok := asForm(n, FormProxy)
	if !ok || len(args) != 4 {
		return Proxy{}, false
	}
	class, ok1 := args[0].(*Global)
	token, ok2 := AsToken(args[1])
	serializer, ok3 := args[2].(*Str)
	kwds, ok4 := args[3].(*Dict)
	if !ok1 || !ok2 || !ok3 || !ok4 {
		return Proxy{}, false
	}
	return Proxy{Class: class, Token: token, Serializer: serializer.S, Kwds: kwds}, true
}

// NewProxy returns a proxy. A nil Kwds is written as an empty dict.
func NewProxy(p Proxy) *Object {
	kwds := p.Kwds
	if kwds == nil {
		kwds = NewDict()
	}
	return NewCall(managersModule, "RebuildProxy", p.Class, NewToken(p.Token), NewStr(p.Serializer), kwds)
}

// NewInstance returns an instance of a class, made without its initialiser and
// then given its state: a dict of attributes, or what its __setstate__ takes.
// With a nil state it is given none.
func NewInstance(module, class string, state Node) *Object {
	o := &Object{Op: OpNewObj, Callable: &Global{Module: module, Name: class}, Args: &Tuple{}}
	if state != nil {
		o.Steps = []Step{{Op: StepBuild, Items: []Node{state}}}
	}
	return o
}

// NewNamespace returns a multiprocessing.managers.Namespace with the
// attributes, or with none if they are nil.
func NewNamespace(attributes *Dict) *Object {
	if attributes == nil {
		attributes = NewDict()
	}
	return NewInstance(managersModule, "Namespace", attributes)
}

// NewException returns an exception, such as builtins.KeyError or queue.Empty.
func NewException(module, class string, args ...Node) *Object {
	return NewCall(module, class, args...)
}
