// Package proxy is the client of a manager server: typed proxies of objects
// that live in the server and are shared by programs on any number of machines.
//
//	m, err := proxy.Connect(ctx, "tcp://host:21600", proxy.Config{AuthKey: key})
//	if err != nil {
//		return err
//	}
//	defer m.Close()
//	jobs, err := proxy.OpenQueue[Job](ctx, m, "jobs", 0)
//	...
//	job, err := jobs.Get(ctx)
//
// # Proxies
//
// Each type X has two constructors: NewX makes an object without a name, which
// lives as long as something refers to it; OpenX opens the object of a name and
// makes it if need be, which is how programs meet. Attach takes a token that
// another program got from Token, and As makes a typed proxy of a Ref.
// Manager.Create, Open and Attach return Refs: of objects of custom types,
// whose methods Call calls by name.
//
// A proxy can be stored in any container, be part of any struct, slice or map,
// and be an argument of any method: what arrives is a proxy of the same object.
// Decoded into any, it is a *Ref. A proxy ends with Drop, or when the garbage
// collector finds that nobody has it. That is not the end of the object: a named
// one stays until it is removed, one without a name until nothing refers to it.
//
// # Values
//
// Keys and values are of the Go types that the type parameters name. The server
// does not know these types: to open a queue of strings as a Queue[int] is no
// error, but to get a string from it is one, ErrType, and the string goes back to
// the queue.
//
// Structs are dicts of their exported fields, under the names in their msgpack
// tags:
//
//	type Job struct {
//		URL string `msgpack:"url"`
//	}
//
// A key that the struct has no field for is skipped, unless Config.StrictFields
// is set. A dict of which no key is a field is ErrType in any case, so is None for
// a Go type that has no value for it (a *int has, an int has not), and a struct
// without an exported field cannot be sent.
//
// time.Time, []byte, maps, slices, arrays (tuples where they are keys) and big.Int
// travel as such. Types that Python has and Go has not are Tuple, SetValue,
// FrozenSet and so on. Numbers are never cut or rounded on the way: one that does
// not fit into the Go type is ErrType.
//
// # Contexts and timeouts
//
// Every method that asks the server takes a context. When it ends, a call that
// only reads returns at once. One that can take something, such as Get, Acquire
// or Wait, is cancelled in the server, and returns its result after all if it
// was too late; if the server does not say within a second, or is out of reach,
// the error says that the outcome is unknown, and whatever the call took is given
// back. Methods with Timeout in their names have the timeout of Python's
// methods, with its answer: ErrEmpty, ErrFull, ErrTimeout or false. One of 0 or
// less does not wait; Python refuses those below 0. That timeout is the server's:
// when the network is broken, only the context bounds a call. Without a deadline,
// a call ends when the session does.
//
// # When the network breaks
//
// A Manager connects again by itself. Calls wait for that within their
// contexts, and each call takes effect once, however often the connection
// breaks. A server keeps the session for a lease; after that it lets go of
// locks, references and items that were not acknowledged, and the Manager is
// over: every call fails with ErrSessionExpired, Config.OnExpired is called, and
// the contexts of its holds are cancelled. The Manager's clock starts before the
// server's, so it gives its locks up no later than the server does.
//
// An item whose receiver died before it had it goes to the next one. Receive
// lets a program say itself when it has an item.
//
// # Errors
//
// What the server answers is compared with errors.Is: ErrKey, ErrEmpty,
// ErrTimeout, ErrRemoved and so on. An error of a user's own method is a
// *RemoteError with its Go type and text. SafeToRetry says whether a call that
// failed had no effect for certain.
//
// All types of this package are safe for concurrent use by any number of
// goroutines, which share one connection.
package proxy
