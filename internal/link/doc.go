// Package link carries frames over one byte stream: TLS, TCP, a unix socket or
// an in-memory pair.
//
// A frame is a big-endian u32 with the length of what follows, one byte that
// says the kind, and a body. Three types share the work, and none of them has
// a goroutine while the connection is idle, apart from the reader's own:
//
//   - Outbox is the way out. Any number of goroutines append whole frames and
//     flush. Whoever finds the outbox idle becomes the writer and the others
//     only append, so that under load many frames share one system call. Flush
//     never blocks: the writer asks the socket for what it takes at once and
//     leaves the rest to a goroutine that ends when it has caught up. A read
//     loop can therefore answer without ever waiting for a peer. A peer that
//     reads nothing at all for a while (SetStall) is cut off; how much may wait
//     for one that reads slowly is up to the owner (Backlog, WhenBelow), or bounded
//     by a limit.
//   - Reader is the way in. It reads as much as there is and hands out frames
//     in place, so that a caller handles all that has come and flushes once.
//     On Linux the one connection of a process that is busy is read in blocking
//     mode, past the runtime's poller (hot).
//   - Mux is a yamux session inside the same stream, for byte streams that
//     belong to neither side's calls. It starts when it is first used.
//
// # Small frames pass large ones
//
// A frame above MaxSmall travels as FRAGMENT frames of at most FragmentSize
// bytes each. The writer sends a fragment only when no small frame waits, makes
// it shorter if some came lately, and takes turns between the large messages
// and the mux. So the order of a small
// frame and a large one is not kept; that of small frames among themselves is.
// Whatever needs an order across the two carries numbers of its own.
//
// What the kernel has taken is out of reach. A loopback connection gets short
// buffers there, because it fills whatever it is given.
//
// The body of a FRAGMENT is a uvarint message id, one byte of flags (1: first,
// 2: last), on the first one a u32 with the length of the whole frame (kind
// byte and body), and then 1 to 256 KiB of it. The pieces of one message come in
// order. In each direction at most MaxMessages messages are under way, and
// together they declare at most MaxUnderWay bytes, unless there is only one.
// Reader holds a peer to that. It reads a large message straight into the memory
// that its receiver gets, and reserves that memory in few steps, each at most
// sixty-four times as long as what has arrived, and none above the limit.
//
// # TLS
//
// crypto/tls writes to its connection and waits. TLSServer and TLSClient put a
// buffer under the tls.Conn: once an Outbox is attached, ciphertext goes to the
// buffer and the outbox writes it as it writes plain bytes. What a TLS read
// causes to be written (a key update, an alert) takes the same way.
package link
