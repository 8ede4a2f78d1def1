// Package connection carries messages between programs, in the manner of
// Python's multiprocessing.connection.
//
// A Listener accepts connections on an address and Dial makes one. Both ends
// are a Conn, which sends and receives whole messages: values (Send, Recv) or
// bytes (SendBytes, RecvBytes). Pipe makes two connected ends in memory, and
// Wait watches many connections at once.
//
//	l, err := connection.Listen(ctx, "tcp://127.0.0.1:0", connection.ListenConfig{AuthKey: key})
//	c, err := connection.Dial(ctx, l.Addr().String(), connection.DialConfig{AuthKey: key})
//	err = c.Send(map[string]int{"a": 1})
//
// # Addresses
//
//	tcp://host:port         TLS 1.3 over TCP, with a certificate that the listener makes itself
//	tcp+plain://host:port   TCP that anybody on the way can read and change
//	unix:///path            a unix socket; who may reach it is up to the file system
//	pipe://name             in the memory of this process
//
// An IPv6 address stands in brackets. Port 0 and the bare word "pipe" have the
// listener pick a free port or name; Listener.Addr says which.
//
// # Who is on the other end
//
// With an authkey, both sides prove to hold it before the first message, and
// the proof covers the TLS connection under it (see package auth). Nobody needs
// certificates or host names for that: a man in the middle cannot prove the key
// on either of his two TLS connections. Without an authkey everybody is let in,
// and TLS hides what is said from those who merely listen.
//
// A listener does all this in the background, for a bounded number of strangers
// and a bounded time each, and Accept returns only those who passed. A host
// that shows wrong keys is answered more and more slowly.
//
// # Messages
//
// A message is a big-endian u32 with its length in bytes, and the bytes. It may
// be empty. Send encodes a value as msgpack. This is also what Python's
// Connection.send_bytes and recv_bytes put on a stream, up to 2 GiB a message,
// so that bytes can be exchanged with Python over a unix socket or plain TCP.
// Where Python closes a connection on which a message was longer than the
// maximum of recv_bytes, RecvBytes leaves the message to be received with a
// larger one.
//
// A message of any length costs memory only as its bytes arrive. A stream that
// ends between two messages is io.EOF; one that ends inside a message is
// io.ErrUnexpectedEOF.
//
// A Conn is a plain stream of messages, with no heartbeat of its own. That the
// other machine is gone without a word shows over TCP after 15 seconds, the
// default lease of a session: the kernel asks, and ends the connection.
//
// # Streams
//
// ListenStream and DialStream are the transports alone, for programs that speak
// something else than messages on them. They authenticate nobody, and hand over
// the auth.Channel that auth.Server and auth.Client need.
package connection
