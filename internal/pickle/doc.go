// Package pickle reads and writes Python's pickle format without Python.
//
// A pickle is a program for a small stack machine: its instructions push
// values, collect them into containers, name classes, and ask for calls. This
// package runs the part that arranges data and only records the rest. [Decode]
// turns a pickle into a graph of nodes; [Encode] turns a graph into a pickle.
// Nothing that a pickle names is looked up, imported, built or called, so a
// pickle that would run code in Python is here an [Object] node and no more.
//
// # The graph
//
// Plain values are nodes of their own: [None], [Bool], [Int], [*BigInt],
// [Float], [*Str], [*Bytes], [*ByteArray], [*List], [*Tuple], [*Dict], [*Set]
// and [*FrozenSet]. That holds in every protocol: bytes, bytearrays and sets,
// which older ones write as calls, become the same nodes. A class or a function is a [*Global]: two names. All that
// Python would make by a call is an [*Object]: what to call, with what, and the
// steps that fill the result afterwards. Complex numbers, ranges, arrays,
// datetimes, exceptions and instances of user classes all arrive as objects;
// [FormOf] and the As functions recognise those that have a plain meaning.
//
// Identity is pointer identity. What one Python object was is one node, however
// often it is referred to, so shared references and cycles survive both ways.
// Strings, bytes, integers and globals cannot be told apart by identity in any
// way that matters, and equal ones may be merged.
//
// A graph can contain cycles, and it can be exponentially larger when written
// as a tree. Whoever walks one as a tree must bound depth and output.
//
// # Values kept for Python
//
// Any node can be encoded by itself. The result is a complete pickle, which may
// be stored as an opaque value and decoded later to be placed in another graph.
// References that led out of the subtree are copied with it: what was shared
// with the rest of the first graph is not shared in the second.
//
// # Versions
//
// Decode reads protocols 2 to 5, which Python 2.3 and later write. It knows the
// instructions of protocols 0 and 1 as well, since legal pickles of later
// protocols use some of them, but refuses a pickle that announces no protocol.
// Below protocol 3, Python writes the module names of Python 2; they are
// translated here as Python 3 does when it reads such a pickle, because a
// pickle of protocol 4 must have the new ones. From protocol 3 on, names are
// kept as they came. Encode writes protocol 4, which Python 3.4 and later read.
//
// Persistent ids and out-of-band buffers refer to things that are not in the
// pickle and are refused. Extension codes are kept ([Ext]).
//
// # Bounds
//
// Every length and count is compared with what is left of the input and with
// [Limits] before memory is reserved. Decode does not recurse, and neither does
// Encode. Memory is at most about 150 bytes for each unit of Limits.Nodes,
// beside the input itself, which the nodes refer to.
package pickle
