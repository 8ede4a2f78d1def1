package pydoor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/internal/pickle"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// conn is one connection of a Python client. One goroutine serves it.
type conn struct {
	// Fixed at creation.
	door   *Door
	net    net.Conn
	id     uint64 // the owner of what is held and waited for
	remote string
	peer   int // the process at the other end of a unix socket, or 0
	pid    int // peer, when references of processes are told apart
	opened time.Time

	reserving func(n int) error // c.reserve, made once

	// Read by listings.
	name   atomic.Value // a string: the client's thread
	used   atomic.Int64 // Unix time of the last request, in nanoseconds
	calls  atomic.Uint64
	waits  atomic.Bool
	kicked atomic.Bool

	// Owned by the serving goroutine.
	session  *session // set once, before the conn is listed
	in       *bufio.Reader
	message  []byte // memory of requests: what stays of one must be copied
	out      []byte // memory of replies
	reserved int64  // of the door's memory, for the request
	args     []byte // memory of arguments
	address  pickle.Node
	thread   bool      // accept_connection came
	wrote    time.Time // when the write deadline was set
}

const (
	// readBuffer holds a whole small request.
	readBuffer = 4 << 10
	// keepBuffer is up to how much memory a connection keeps between requests.
	keepBuffer = 64 << 10
	// writeTimeout bounds how long a client may take to read a reply; it may be
	// a quarter shorter.
	writeTimeout = 5 * time.Minute
)

// maxPassed is the longest message that is read past. A length above it is a lie.
const maxPassed = 1 << 34

func newReader(r io.Reader) *bufio.Reader { return bufio.NewReaderSize(r, readBuffer) }

// ServeConn serves one connection until it ends. It closes it. The function
// authenticated is called once, after the handshake, also when that failed.
func (d *Door) ServeConn(ctx context.Context, nc net.Conn, authenticated func()) error {
	defer nc.Close()
	c := &conn{door: d, net: wrap(nc, d.seat), id: d.lastConn.Add(1), remote: remoteText(nc.RemoteAddr()), opened: time.Now()}
	c.used.Store(c.opened.UnixNano())
	c.in, c.reserving = newReader(c.net), c.reserve
	c.net.SetDeadline(time.Now().Add(d.config.HandshakeTimeout))
	stop := context.AfterFunc(ctx, func() { nc.Close() })
	defer stop()
	entry, err := c.authenticate(ctx)
	authenticated()
	if err != nil {
		return err
	}
	c.peer = peerPID(nc)
	if d.config.DropDeadProcesses {
		c.pid = c.peer
	}
	c.address = d.addressFor(nc)
	if err := d.enter(c, entry); err != nil {
		return err
	}
	defer d.leave(c)
	defer forget(c.net)
	err = c.serve()
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (d *Door) leave(c *conn) {
	d.mu.Lock()
	delete(d.conns, c)
	d.mu.Unlock()
	d.holds.connClosed(c)
}

// authenticate runs Python's challenge, both ways.
func (c *conn) authenticate(ctx context.Context) (auth.Entry, error) {
	var keys []auth.Key
	var entries []auth.Entry
	for _, e := range c.door.config.Keys() {
		if k, ok := e.Credential.(auth.Key); ok {
			keys = append(keys, k)
			entries = append(entries, e)
		}
	}
	if len(keys) == 0 {
		return auth.Entry{}, errors.New("pydoor: there is no authkey that a Python client can prove; passphrases do not serve")
	}
	challenge := auth.Challenge{RefuseMD5: c.door.config.RefuseMD5}
	m := &messages{c: c, ctx: ctx}
	at, err := challenge.DeliverAny(m, keys...)
	if err != nil {
		return auth.Entry{}, err
	}
	if err := challenge.Answer(m, keys[at]); err != nil {
		return auth.Entry{}, err
	}
	return entries[at], nil
}

// messages carries the handshake.
type messages struct {
	c   *conn
	ctx context.Context
}

const failure = "#FAILURE#"

func (m *messages) SendBytes(b []byte) error {
	if string(b) == failure {
		m.c.door.config.Refused(m.ctx, m.c.remote)
	}
	_, err := m.c.net.Write(frame(append(make([]byte, headRoom, headRoom+len(b)), b...)))
	return err
}

func (m *messages) RecvBytes(most int) ([]byte, error) {
	return readMessage(m.c.in, most)
}

// serve handles the first request, which is one to the server, and after
// accept_connection all others.
func (c *conn) serve() error {
	defer c.release()
	req, err := c.receive()
	if err != nil {
		return c.refuse(err)
	}
	c.net.SetDeadline(time.Time{})
	if req.method != "accept_connection" {
		return c.serverRequest(req)
	}
	if a, err := bind("accept_connection", params("name"), req.args, req.kwds); err == nil {
		c.name.Store(strings.Clone(textOf(a[0])))
	}
	if err := c.send(returned(pickle.None{})); err != nil {
		return err
	}
	c.thread = true
	ackAtOnce(c.net, false)
	for {
		err := c.answer()
		c.release()
		if err != nil {
			return err
		}
		warm(c.net)
	}
}

// answer answers one request. What is wrong with a message that was read to its end
// is said, and the connection goes on.
func (c *conn) answer() error {
	req, err := c.receive()
	if err == nil {
		return c.objectRequest(req)
	}
	var bad badRequest
	if errors.As(err, &bad) {
		return c.send(bad.reply())
	}
	return c.refuse(err)
}

// reply tells what is wrong with the message: an exception where it is the size,
// else what Python's server would have printed.
func (b badRequest) reply() reply {
	var we *wire.Error
	if errors.As(b.error, &we) {
		return raised(we)
	}
	return traceback("ValueError", b.Error())
}

// request is one message of a client. What is in it lies in the connection's
// memory, and is valid until the next one is read.
type request struct {
	size   int         // of the message, in bytes
	ident  pickle.Node // a str, or None for the server
	method string
	args   []pickle.Node
	kwds   *pickle.Dict
}

// badRequest is an error of a message that was read to its end: the client is
// told, and the connection goes on to its end.
type badRequest struct{ error }

// Unwrap returns the error.
func (b badRequest) Unwrap() error { return b.error }

// receive reads the next request.
func (c *conn) receive() (*request, error) {
	n, err := readLength(c.in)
	if err != nil {
		return nil, err
	}
	if n > uint64(c.in.Buffered()) {
		ackAtOnce(c.net, true) // the body follows
	}
	if limit := c.door.config.MaxMessage; n > uint64(limit) && n <= maxPassed && c.thread {
		// Read past it: the client waits for an answer behind it, and gets one.
		if _, err := io.CopyN(io.Discard, c.in, int64(n)); err != nil {
			return nil, noEOF(err)
		}
		return nil, badRequest{wire.Errorf(wire.CodeTooLarge, "a message of %d bytes; the limit is %d (python.max_message)", n, limit)}
	}
	b, err := readBody(c.in, n, c.door.config.MaxMessage, c.message, c.reserving)
	ackAtOnce(c.net, !c.thread)
	if errors.Is(err, errNoMemory) && c.thread {
		left := n - uint64(len(b))
		c.release()
		if _, e := io.CopyN(io.Discard, c.in, int64(left)); e != nil {
			return nil, noEOF(e)
		}
		return nil, badRequest{c.door.overloaded(n)}
	}
	if err != nil {
		return nil, err
	}
	c.message = nil
	if len(b) <= keepBuffer {
		c.message = b[:0]
	}
	s := view(b)
	if len(s) >= largeMessage {
		c.door.large <- struct{}{}
		defer func() { <-c.door.large }()
	}
	node, err := pickle.DecodeString(s, c.limits(len(s)))
	if errors.Is(err, errNoMemory) {
		return nil, badRequest{c.door.overloaded(uint64(len(s)))}
	}
	if err != nil {
		return nil, badRequest{err}
	}
	t, ok := node.(*pickle.Tuple)
	if !ok || len(t.Items) != 4 {
		return nil, badRequest{errors.New("a request is a tuple of ident, method, args and kwds")}
	}
	req := &request{size: len(s), ident: t.Items[0]}
	name, ok := t.Items[1].(*pickle.Str)
	if !ok {
		return nil, badRequest{errors.New("a request's method is a str")}
	}
	req.method = name.S
	switch args := t.Items[2].(type) {
	case *pickle.Tuple:
		req.args = args.Items
	case *pickle.List:
		req.args = args.Items
	default:
		return nil, badRequest{errors.New("a request's args are a tuple")}
	}
	if req.kwds, ok = t.Items[3].(*pickle.Dict); !ok {
		return nil, badRequest{errors.New("a request's kwds are a dict")}
	}
	return req, nil
}

// limits are those for a pickle of n bytes. Its values are bounded by its length,
// and by the memory that the door may use.
func (c *conn) limits(n int) pickle.Limits {
	l := unlimited(n)
	l.Reserve = c.reserving
	return l
}

// errNoMemory says that the door uses all the memory that it may use.
var errNoMemory = errors.New("pydoor: no memory for the message")

// reserve counts memory that the request takes, before it is taken.
func (c *conn) reserve(n int) error {
	d := c.door
	if most := d.config.MaxMemory; d.memory.Add(int64(n)) > most && most > 0 {
		d.memory.Add(int64(-n))
		return errNoMemory
	}
	c.reserved += int64(n)
	return nil
}

// release gives the memory of the request back.
func (c *conn) release() {
	if c.reserved != 0 {
		c.door.memory.Add(-c.reserved)
		c.reserved = 0
	}
}

// overloaded is the error for a message of n bytes that there is no memory for.
func (d *Door) overloaded(n uint64) error {
	return wire.Errorf(wire.CodeOverloaded, "a message of %d bytes: it and what other Python clients send now take more than %d bytes of memory (python.max_memory); send it in parts, or later",
		n, d.config.MaxMemory)
}

// refuse tells the client what is wrong with its message, if the stream can
// still be trusted, and ends the connection.
func (c *conn) refuse(err error) error {
	var bad badRequest
	if errors.As(err, &bad) {
		_ = c.send(traceback("ValueError", bad.Error()))
		return fmt.Errorf("pydoor: %w", err)
	}
	if errors.Is(err, errTooLong) {
		_ = c.send(traceback("ValueError", err.Error()))
	}
	return err
}

// send writes a reply. When its value cannot be written, the client is told
// so.
func (c *conn) send(r reply) error {
	_, err := c.deliver(r)
	return err
}

// deliver writes a reply and reports whether the client got what the reply
// carries: not an error in its place.
func (c *conn) deliver(r reply) (complete bool, err error) {
	e := encoder{conn: c}
	b, err := e.encode(c.buffer(), &r)
	complete = err == nil
	if err != nil {
		e.forget()
		e = encoder{conn: c}
		sub := unserializable(err)
		if b, err = e.encode(c.buffer(), &sub); err != nil {
			return false, err
		}
	}
	e.commit()
	now := time.Now()
	c.calls.Add(1)
	c.used.Store(now.UnixNano())
	if now.Sub(c.wrote) > writeTimeout/4 {
		c.net.SetWriteDeadline(now.Add(writeTimeout))
		c.wrote = now
	}
	_, err = c.net.Write(frame(b))
	if cap(b) <= keepBuffer {
		c.out = b[:0]
	} else {
		c.out = nil
	}
	if err != nil {
		e.revert()
		return false, err
	}
	return complete, nil
}

// buffer returns memory for a reply, with room for its head.
func (c *conn) buffer() []byte {
	if cap(c.out) < headRoom {
		c.out = make([]byte, 0, 512)
	}
	return c.out[:headRoom]
}

// await waits for the reply of a call. It returns an error when the client is
// gone before.
func (c *conn) await(call Call) error {
	select {
	case <-call.Ready():
		return nil
	default:
	}
	cool(c.net)
	c.waits.Store(true)
	defer c.waits.Store(false)
	gone := make(chan error, 1)
	go func() { gone <- c.watch() }()
	select {
	case <-call.Ready():
		c.net.SetReadDeadline(time.Unix(1, 0))
		err := <-gone
		c.net.SetReadDeadline(time.Time{})
		_ = err // if the client is gone, the write will tell
		return nil
	case err := <-gone:
		return err
	}
}

var errAhead = errors.New("pydoor: the client sends requests without waiting for replies")

// watch waits until the client closes the connection, and returns an error
// then. It returns nil when its deadline is set to the past. A client that
// sends requests without waiting for replies, which none of Python's does, is
// cut off when the buffer is full: its end could not be seen any more.
func (c *conn) watch() error {
	for {
		n := c.in.Buffered() + 1
		if n > c.in.Size() {
			return errAhead
		}
		if _, err := c.in.Peek(n); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return nil
			}
			return err
		}
	}
}
