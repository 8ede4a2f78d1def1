package client

// The numbers of the methods that every object has, and of the server's own.
// docs/protocol.md lists them.
const (
	numberRepr     = 1
	numberValue    = 2
	numberDescribe = 3

	firstMethod = 16
)

// The methods that every object has.
var (
	MethodRepr     = Method{Name: "repr", Number: numberRepr, Flags: Reads}
	MethodValue    = Method{Name: "value", Number: numberValue, Flags: Reads}
	MethodDescribe = Method{Name: "describe", Number: numberDescribe, Flags: Reads}
)

// The server's own methods, in the order of their numbers.
var (
	MethodCreate       = Method{Type: "server", Name: "create", Number: firstMethod + 0}
	MethodOpen         = Method{Type: "server", Name: "open", Number: firstMethod + 1}
	MethodLookup       = Method{Type: "server", Name: "lookup", Number: firstMethod + 2, Flags: Reads}
	MethodAttach       = Method{Type: "server", Name: "attach", Number: firstMethod + 3, Flags: Reads}
	MethodRemove       = Method{Type: "server", Name: "remove", Number: firstMethod + 4}
	methodRelease      = Method{Type: "server", Name: "release", Number: firstMethod + 5}
	MethodDescribeType = Method{Type: "server", Name: "describe_type", Number: firstMethod + 6, Flags: Reads}
	MethodTypes        = Method{Type: "server", Name: "types", Number: firstMethod + 7, Flags: Reads}
	MethodNames        = Method{Type: "server", Name: "names", Number: firstMethod + 8, Flags: Reads}
	MethodObjects      = Method{Type: "server", Name: "objects", Number: firstMethod + 9, Flags: Reads}
	MethodSessions     = Method{Type: "server", Name: "sessions", Number: firstMethod + 10, Flags: Reads}
	MethodInfo         = Method{Type: "server", Name: "info", Number: firstMethod + 11, Flags: Reads}
	MethodKick         = Method{Type: "server", Name: "kick", Number: firstMethod + 12}
	MethodCollect      = Method{Type: "server", Name: "collect", Number: firstMethod + 13}
	MethodShutdown     = Method{Type: "server", Name: "shutdown", Number: firstMethod + 14}
)
