package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"time"
)

const (
	// DefaultLimit is how many bytes may wait for a peer before it is cut off.
	DefaultLimit = 64 << 20

	// inlineBudget is how much one Flush writes itself before it leaves the
	// rest to a goroutine, so that a read loop is not kept writing for others.
	inlineBudget = 256 << 10

	// yieldUpTo is how much waits when a writer stops waiting for more.
	yieldUpTo = 8 << 10

	// After a yield that took longer than maxYield, hurryFor flushes do not.
	maxYield = time.Millisecond
	hurryFor = 100

	// busyKeep is the largest buffer that a busy outbox goes on using.
	busyKeep = 1 << 20

	// Bytes handed to the socket at once.
	plainChunk = 256 << 10
	tlsChunk   = 64 << 10
)

var (
	// ErrOutboxFull is the error of an outbox whose peer does not read.
	ErrOutboxFull = errors.New("the peer does not read: outbox is full")

	// ErrStalled is the error of an outbox whose peer reads nothing any more.
	ErrStalled = errors.New("the peer reads nothing")

	// ErrClosed is the error of an outbox or a mux that was closed on this side.
	ErrClosed = errors.New("connection is closed")
)

// TryWriter is implemented by connections that can write without blocking.
type TryWriter interface {
	// TryWrite writes what fits at once and returns how many bytes that was,
	// with no error if it was fewer than len(p). One goroutine calls it at a
	// time, and never beside Write.
	TryWrite(p []byte) (int, error)
}

// OutboxConfig adjusts an Outbox. The zero value works.
type OutboxConfig struct {
	// Limit is how many bytes of small frames may wait before the outbox fails
	// with ErrOutboxFull; 0 means DefaultLimit. Large frames are counted apart
	// against the same limit, and one may begin while they are below it.
	Limit int

	// OnError is called once, on a goroutine of its own, with the first error.
	// Closing from this side is not an error.
	OnError func(error)
}

// Outbox collects frames for one connection and writes them. All its methods
// are safe for concurrent use, and none but Wait blocks.
//
// The first error sticks: the connection is closed, what waits is dropped, and
// every later append returns that error.
type Outbox struct {
	// Fixed at creation.
	raw     net.Conn                  // what bytes are written to
	sealed  *sealedConn               // with TLS: where tls writes its records
	tls     *TLSConn                  // with TLS, else nil
	try     TryWriter                 // nil if raw can only block
	write   func([]byte) (int, error) // writes all, and waits for the socket
	chunk   int
	limit   int
	onError func(error)
	run     func() // the writer goroutine, as a value so that starting it allocates nothing

	// Owned by the writer: the goroutine that set writing.
	out    *buffer // frames taken from pend, or fragments
	off    int     // how much of out was handed on
	cipher *buffer // with TLS: the records of a part of out
	rest   []byte  // bytes for the socket, part of out or cipher

	mu       sync.Mutex // guards what follows; never held across I/O
	pend     *buffer    // small frames that nobody has taken
	mark     int        // length of pend at Lock
	hint     int        // pool of the next buffer
	inflight int        // bytes of out not handed on yet
	low      lowQueue   // large frames and mux bytes
	writing  bool       // somebody is the writer
	hurry    int        // flushes that do not yield; owned by the writer
	held     bool       // Hold was called: nobody begins to write
	closing  bool       // Shutdown was called
	silenced bool       // Close was called: the last alert may go out
	err      error
	changed  chan struct{} // closed when something was written; nil if nobody waits
	promised int           // bytes of Promise
	below    int           // onBelow is called when no more than that waits
	onBelow  func()        // once; nil: nobody wants to know
	stall    time.Duration // how long the peer may read nothing; 0: for ever
	timer    *time.Timer   // of Shutdown
}

// NewOutbox returns the outbox of a connection. Nothing else may write to it
// from now on. The handshake of a *TLSConn must be over; other connections
// that encrypt or wrap are written to by a goroutine. The kernel's buffers of a
// loopback connection are made short.
func NewOutbox(conn net.Conn, cfg OutboxConfig) *Outbox {
	o := &Outbox{raw: conn, chunk: plainChunk, limit: cfg.Limit, onError: cfg.OnError}
	if o.limit <= 0 {
		o.limit = DefaultLimit
	}
	if t, ok := conn.(*TLSConn); ok {
		o.tls, o.sealed, o.raw, o.chunk = t, t.under, t.under.Conn, tlsChunk
	}
	bound(o.raw)
	o.write = o.raw.Write
	if o.try = tryWriterOf(o.raw); o.try != nil {
		if w, ok := o.try.(io.Writer); ok {
			o.write = w.Write
		}
	}
	o.run = func() { o.drain(false) }
	if o.sealed != nil {
		o.sealed.attach(o)
	}
	return o
}

// Lock returns the buffer of waiting frames. The caller appends whole frames
// and passes the result to Unlock; it must not do anything else in between.
func (o *Outbox) Lock() []byte {
	o.mu.Lock()
	if o.pend == nil {
		o.pend = getBuffer(o.hint)
	}
	o.mark = len(o.pend.b)
	return o.pend.b
}

// Unlock takes the buffer that Lock returned with frames appended. Frames
// above MaxSmall are set aside to travel as fragments. Nothing is written
// before Flush, unless somebody is writing already.
func (o *Outbox) Unlock(b []byte) error {
	err := o.appendLocked(b)
	o.mu.Unlock()
	return o.refused(err)
}

// UnlockFlush is Unlock and Flush in one.
func (o *Outbox) UnlockFlush(b []byte) error {
	if err := o.appendLocked(b); err != nil {
		o.mu.Unlock()
		return o.refused(err)
	}
	o.flushLocked()
	return nil
}

// refused ends the outbox if an append failed because the peer does not read.
func (o *Outbox) refused(err error) error {
	if err != ErrOutboxFull {
		return err
	}
	o.fail(err)
	return o.Err()
}

// appendLocked accounts for the frames appended to b since Lock.
func (o *Outbox) appendLocked(b []byte) error {
	before := o.mark
	o.pend.b = b
	if o.err != nil || o.closing {
		o.pend.b = b[:before]
		return o.errLocked()
	}
	if len(b)-before > MaxSmall {
		return o.splitLocked(before)
	}
	if len(b)+o.inflight > o.limit {
		o.pend.b = b[:before]
		return ErrOutboxFull
	}
	return nil
}

func (o *Outbox) errLocked() error {
	if o.err == nil && o.closing {
		return ErrClosed
	}
	return o.err
}

// Err returns the error that ended the outbox, or nil.
func (o *Outbox) Err() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.errLocked()
}

// Pending returns how many bytes wait to be written.
func (o *Outbox) Pending() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.pendingLocked()
}

func (o *Outbox) pendingLocked() int {
	n := o.inflight + o.low.bytes
	if o.pend != nil {
		n += len(o.pend.b)
	}
	return n
}

// Backlog returns how many bytes wait, or are promised, beside the large frame
// that is on its way: what a caller that comes now waits for behind others.
func (o *Outbox) Backlog() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.backlogLocked()
}

func (o *Outbox) backlogLocked() int {
	most := 0
	for _, f := range o.low.active {
		most = max(most, f.left)
	}
	return o.pendingLocked() + o.promised - most
}

// Promise counts n bytes in Backlog that will be sent when they are ready; -n takes
// them out.
func (o *Outbox) Promise(n int) {
	o.mu.Lock()
	o.promised += n
	o.wakeLocked()
	o.mu.Unlock()
}

// WhenBelow calls f once, on a goroutine of its own, when Backlog is n or less, or
// the outbox has ended. A later call takes the place of one that waits.
func (o *Outbox) WhenBelow(n int, f func()) {
	o.mu.Lock()
	o.below, o.onBelow = n, f
	o.wakeLocked()
	o.mu.Unlock()
}

// SetStall ends the outbox with ErrStalled when something waits and the peer has
// read nothing of it for so long; 0 means never. It holds from the next write on.
func (o *Outbox) SetStall(d time.Duration) {
	o.mu.Lock()
	o.stall = d
	o.mu.Unlock()
}

// writeAll writes all of p, which may take as long as the peer likes, as long as it
// reads.
func (o *Outbox) writeAll(p []byte) error {
	for len(p) > 0 {
		o.mu.Lock()
		stall := o.stall
		o.mu.Unlock()
		if stall > 0 {
			_ = o.raw.SetWriteDeadline(time.Now().Add(stall)) // an error is the connection's end
		}
		n, err := o.write(p)
		p = p[n:]
		if err == nil || n > 0 && errors.Is(err, os.ErrDeadlineExceeded) {
			continue
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("%w for %v", ErrStalled, stall)
		}
		return err
	}
	return nil
}

// Send appends one frame and flushes. A large body is copied; SendLarge keeps
// it by reference.
func (o *Outbox) Send(kind byte, body []byte) error {
	if len(body) > MaxSmall-headSize {
		return o.SendLarge(kind, append([]byte(nil), body...))
	}
	return o.UnlockFlush(AppendFrame(o.Lock(), kind, body))
}

// Flush sees to it that what waits is written. It never blocks.
func (o *Outbox) Flush() {
	o.mu.Lock()
	o.flushLocked()
}

// UnlockFlushAfterYield is UnlockFlush for a caller that knows of others who are
// about to append: it lets the goroutines that are ready run first, so that their
// frames go out with the same write, and once more if they did append. Under load
// that saves most system calls, which cost far more than a frame.
func (o *Outbox) UnlockFlushAfterYield(b []byte) error {
	if err := o.appendLocked(b); err != nil {
		o.mu.Unlock()
		return o.refused(err)
	}
	if o.writing || o.held || o.err != nil || !o.waitingLocked() {
		o.mu.Unlock()
		return nil
	}
	o.writing = true
	o.yieldLocked()
	o.mu.Unlock()
	if o.try == nil {
		go o.run()
		return nil
	}
	o.drain(true)
	return nil
}

// Hold keeps all others from beginning to write until Resume, which follows soon:
// the caller is about to let goroutines run that will append, and writes for all of
// them.
func (o *Outbox) Hold() {
	o.mu.Lock()
	o.held = true
	o.mu.Unlock()
}

// Resume ends Hold and flushes.
func (o *Outbox) Resume() {
	o.mu.Lock()
	o.held = false
	o.flushLocked()
}

// yieldLocked yields, at most twice. Beside goroutines that compute, a yield can
// take many milliseconds: then the next flushes do without.
func (o *Outbox) yieldLocked() {
	if o.hurry > 0 {
		o.hurry--
		return
	}
	began := time.Now()
	for range 2 {
		before := o.pendingLocked()
		o.mu.Unlock()
		runtime.Gosched()
		o.mu.Lock()
		if n := o.pendingLocked(); n == before || n > yieldUpTo {
			break
		}
	}
	if time.Since(began) > maxYield {
		o.hurry = hurryFor
	}
}

// waitingLocked tells whether takeLocked would find anything.
func (o *Outbox) waitingLocked() bool {
	return o.pend != nil && len(o.pend.b) > 0 || o.low.ready()
}

// flushLocked is Flush with the lock held; it releases it.
func (o *Outbox) flushLocked() {
	if o.writing || o.held || o.err != nil || !o.takeLocked() {
		o.mu.Unlock()
		return
	}
	o.writing = true
	o.mu.Unlock()
	if o.try == nil {
		go o.run()
		return
	}
	o.drain(true)
}

// kick makes sure that a writer takes what is pending, without being it.
func (o *Outbox) kick() {
	o.mu.Lock()
	start := !o.writing && !o.closing && o.err == nil
	if start {
		o.writing = true
	}
	o.mu.Unlock()
	if start {
		go o.run()
	}
}

// drain writes until nothing waits. The caller is the writer and gives that up
// here, to nobody or to a goroutine. Inline, it does not block.
func (o *Outbox) drain(inline bool) {
	budget := inlineBudget
	for o.refill() {
		if !inline {
			if err := o.writeAll(o.rest); err != nil {
				o.fail(err)
			}
			o.rest = nil
			continue
		}
		n, err := o.try.TryWrite(o.rest)
		if err != nil {
			o.fail(err)
			o.rest = nil
			continue
		}
		o.rest = o.rest[n:]
		if budget -= n; len(o.rest) > 0 || budget <= 0 {
			go o.run()
			return
		}
	}
}

// refill sees to it that rest holds bytes for the socket. It returns false,
// and the caller is the writer no more, if there are none or after an error.
func (o *Outbox) refill() bool {
	for len(o.rest) == 0 {
		if o.out == nil || o.off == len(o.out.b) || o.off > 0 {
			o.mu.Lock()
			ok := o.err == nil && (o.accountLocked() || o.takeLocked() || o.sealed != nil && o.sealed.pending())
			if !ok {
				last := o.idleLocked()
				o.mu.Unlock()
				if last {
					o.linger()
				}
				return false
			}
			o.mu.Unlock()
		}
		if err := o.seal(); err != nil {
			o.fail(err)
		}
	}
	return true
}

// accountLocked notes how far out was written and tells whether more is left.
func (o *Outbox) accountLocked() bool {
	if o.out == nil {
		return false
	}
	o.inflight = len(o.out.b) - o.off
	o.wakeLocked()
	return o.inflight > 0
}

// seal turns the next part of out into bytes for the socket.
func (o *Outbox) seal() error {
	var part []byte
	if o.out != nil {
		part = o.out.b[o.off:min(o.off+o.chunk, len(o.out.b))]
		o.off += len(part)
	}
	if o.tls == nil {
		o.rest = part
		return nil
	}
	if len(part) > 0 {
		if _, err := o.tls.Write(part); err != nil {
			return err
		}
	}
	o.cipher = o.sealed.take(o.cipher)
	if o.cipher != nil {
		o.rest = o.cipher.b
	}
	return nil
}

// takeLocked moves what waits into out, small frames first. It returns false
// if nothing does. The caller is the writer, or becomes it.
func (o *Outbox) takeLocked() bool {
	if o.pend != nil && len(o.pend.b) > 0 {
		o.pend, o.out = o.out, o.pend
		o.hint = classOf(len(o.out.b))
		o.low.quiet = 0
		if p := o.pend; p != nil {
			if cap(p.b) > busyKeep {
				o.pend = nil
			} else {
				p.b = p.b[:0]
			}
		}
	} else if o.low.ready() {
		if o.out == nil {
			o.out = getBuffer(2)
		}
		o.out.b = o.low.append(o.out.b[:0])
	} else {
		return false
	}
	o.off, o.inflight = 0, len(o.out.b)
	o.wakeLocked()
	return true
}

// idleLocked ends the writer's time: buffers go back to the pool. It tells
// whether the connection is to be closed now that all is written.
func (o *Outbox) idleLocked() bool {
	putBuffer(o.out)
	putBuffer(o.cipher)
	o.out, o.cipher, o.rest, o.off, o.inflight = nil, nil, nil, 0, 0
	o.writing = false
	if o.pend != nil && (len(o.pend.b) == 0 || o.err != nil) {
		putBuffer(o.pend)
		o.pend = nil
	}
	if o.sealed != nil {
		putBuffer(o.sealed.takeEmpty())
	}
	o.wakeLocked()
	return o.closing && o.err == nil
}

func (o *Outbox) wakeLocked() {
	if o.onBelow != nil && (o.backlogLocked() <= o.below || o.err != nil) {
		f := o.onBelow
		o.onBelow = nil
		go f()
	}
	if o.changed != nil {
		close(o.changed)
		o.changed = nil
	}
}

// changedLocked returns a channel that is closed when something was written.
func (o *Outbox) changedLocked() <-chan struct{} {
	if o.changed == nil {
		o.changed = make(chan struct{})
	}
	return o.changed
}

// Wait flushes and blocks until at most n bytes wait, until the outbox fails
// (its error) or until the context ends (its error). With n = 0 all has been
// handed to the socket when it returns nil. It is how a sender that may block
// keeps below the limit.
func (o *Outbox) Wait(ctx context.Context, n int) error {
	return o.wait(ctx, func() bool { return o.pendingLocked() <= n && (n > 0 || !o.writing) })
}

// SmallPending returns how many bytes of small frames wait, which nothing but the
// peer's reading makes fewer.
func (o *Outbox) SmallPending() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.smallLocked()
}

func (o *Outbox) smallLocked() int {
	if o.pend == nil {
		return 0
	}
	return len(o.pend.b)
}

// WaitSmall is Wait for SmallPending.
func (o *Outbox) WaitSmall(ctx context.Context, n int) error {
	return o.wait(ctx, func() bool { return o.smallLocked() <= n })
}

// WaitBacklog is Wait for Backlog.
func (o *Outbox) WaitBacklog(ctx context.Context, n int) error {
	return o.wait(ctx, func() bool { return o.backlogLocked() <= n })
}

// wait flushes and blocks until done reports true under the lock.
func (o *Outbox) wait(ctx context.Context, done func() bool) error {
	o.Flush()
	for {
		o.mu.Lock()
		if o.err != nil {
			err := o.err
			o.mu.Unlock()
			return err
		}
		if done() {
			o.mu.Unlock()
			return nil
		}
		changed := o.changedLocked()
		o.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// fail ends the outbox with the error, unless it has ended already.
func (o *Outbox) fail(err error) {
	o.mu.Lock()
	first := o.err == nil
	if first {
		o.endLocked(fmt.Errorf("write to %s: %w", peerOf(o.raw), err))
		err = o.err
	}
	o.mu.Unlock()
	if !first {
		return
	}
	o.raw.Close()
	if o.onError != nil {
		go o.onError(err)
	}
}

// endLocked makes the error stick and drops what waits.
func (o *Outbox) endLocked(err error) {
	o.err = err
	o.low.drop()
	putBuffer(o.pend)
	o.pend = nil
	if o.timer != nil {
		o.timer.Stop()
	}
	o.wakeLocked()
}

// Close closes the connection at once. What waits is dropped; Shutdown lets it
// go out first. OnError is not called.
func (o *Outbox) Close() error {
	o.mu.Lock()
	if o.err != nil {
		o.mu.Unlock()
		return nil
	}
	o.endLocked(ErrClosed)
	if !o.writing {
		o.writing, o.silenced = true, true
	}
	o.mu.Unlock()
	if o.tls != nil {
		return o.tls.Close()
	}
	return o.raw.Close()
}

// lastWords offers to the socket what TLS has to say at the end, if Close has
// made sure that nobody else writes. Closing the TLS connection itself closes
// the outbox too.
func (o *Outbox) lastWords() {
	o.mu.Lock()
	mine := o.silenced
	o.silenced = false
	if o.err == nil {
		o.endLocked(ErrClosed)
	}
	o.mu.Unlock()
	if !mine || o.try == nil {
		return
	}
	if b := o.sealed.take(nil); b != nil {
		_, _ = o.try.TryWrite(b.b) // the connection ends in any case
		putBuffer(b)
	}
}

// Shutdown refuses further frames, lets those that wait go out, and closes the
// connection when the peer has closed its side, or after the timeout in any
// case. It does not block. What still comes in is thrown away, so that the
// kernel does not answer it with a reset that overtakes the last frames: the
// caller reads no more, or takes whatever error its read loop gets as the end.
func (o *Outbox) Shutdown(timeout time.Duration) {
	o.mu.Lock()
	if o.err != nil || o.closing {
		o.mu.Unlock()
		return
	}
	o.closing = true
	o.timer = time.AfterFunc(timeout, func() { o.Close() })
	if o.writing {
		o.mu.Unlock() // the writer sees to it
		return
	}
	o.writing = true
	o.mu.Unlock()
	go o.run()
}

// linger says that nothing more comes from this side and waits, on a goroutine,
// for the peer's end. The timer of Shutdown bounds it.
func (o *Outbox) linger() {
	half, ok := o.raw.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		o.Close()
		return
	}
	go func() {
		_, _ = io.Copy(io.Discard, o.raw)
		o.Close()
	}()
}

// peerOf names the other end for an error.
func peerOf(c net.Conn) string {
	if a := c.RemoteAddr(); a != nil && a.String() != "" {
		return a.String()
	}
	return "the peer"
}
