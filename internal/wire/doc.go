// Package wire is what travels between clients and servers: frames with calls
// and replies, error codes, and the values inside them. It is pure: bytes in,
// values out. It does no I/O, keeps no state but what reflection says of types, and
// never panics on input.
//
// # Values
//
// A value is msgpack (nil, bool, int, float, str, bin, array, map) with the
// extension types of docs/protocol.md for what Python has and msgpack lacks:
// tuple, set, frozenset, integers of any size, complex, bytearray, datetimes,
// typed arrays, references to shared objects, and opaque values of one
// language. Servers keep values encoded, as [Raw], and compute on the bytes:
// [AppendKey] is Python's hash, [Equal] its ==, [Compare] its <, [Add] its +,
// [AppendRepr] its repr.
//
// Whatever comes from outside goes through [Scan] first, once. Scan bounds
// depth, counts and lengths and looks into every payload. The other functions
// rely on it for meaning, not for safety: given bytes that Scan refuses they
// return an error or some result, within the same bounds on depth and memory.
//
// Arguments that are []byte are only read and not kept, unless a function
// says that its result lies in them.
//
// # Go values
//
// [Decode] and [AppendAny] turn values into the Go types that are natural for
// them and back. [Marshal] and [Unmarshal] do so for every Go type, structs
// included, and lose nothing on the way: an integer that does not fit is an
// error. [Reader] steps through the arguments of a call without decoding them.
//
// # Cost
//
// Scanning, looking up a key, reading arguments and encoding into a buffer
// with room allocate nothing for the common types; tests hold that.
package wire
