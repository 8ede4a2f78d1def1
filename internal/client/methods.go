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
	ObjectRepr     = Method{Name: "repr", Number: numberRepr, Flags: Reads}
	ObjectValue    = Method{Name: "value", Number: numberValue, Flags: Reads}
	ObjectDescribe = Method{Name: "describe", Number: numberDescribe, Flags: Reads}
)

// The server's own methods, in the order of their numbers.
var (
	ServerCreate       = Method{Type: "server", Name: "create", Number: firstMethod + 0}
	ServerOpen         = Method{Type: "server", Name: "open", Number: firstMethod + 1}
	ServerLookup       = Method{Type: "server", Name: "lookup", Number: firstMethod + 2, Flags: Reads}
	ServerAttach       = Method{Type: "server", Name: "attach", Number: firstMethod + 3, Flags: Reads}
	ServerRemove       = Method{Type: "server", Name: "remove", Number: firstMethod + 4}
	serverRelease      = Method{Type: "server", Name: "release", Number: firstMethod + 5}
	ServerDescribeType = Method{Type: "server", Name: "describe_type", Number: firstMethod + 6, Flags: Reads}
	ServerTypes        = Method{Type: "server", Name: "types", Number: firstMethod + 7, Flags: Reads}
	ServerNames        = Method{Type: "server", Name: "names", Number: firstMethod + 8, Flags: Reads}
	ServerObjects      = Method{Type: "server", Name: "objects", Number: firstMethod + 9, Flags: Reads}
	ServerSessions     = Method{Type: "server", Name: "sessions", Number: firstMethod + 10, Flags: Reads}
	ServerInfo         = Method{Type: "server", Name: "info", Number: firstMethod + 11, Flags: Reads}
	ServerKick         = Method{Type: "server", Name: "kick", Number: firstMethod + 12}
	ServerCollect      = Method{Type: "server", Name: "collect", Number: firstMethod + 13}
	ServerShutdown     = Method{Type: "server", Name: "shutdown", Number: firstMethod + 14}
	ServerWaiting      = Method{Type: "server", Name: "waiting", Number: firstMethod + 15, Flags: Reads}
	ServerConnections  = Method{Type: "server", Name: "connections", Number: firstMethod + 16, Flags: Reads}
	ServerDisconnect   = Method{Type: "server", Name: "disconnect", Number: firstMethod + 17}
	ServerSnapshot     = Method{Type: "server", Name: "snapshot", Number: firstMethod + 18}
)
