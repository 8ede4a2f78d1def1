package link

import (
	"crypto/tls"
	"net"
	"sync"
)

// TLSConn is a tls.Conn whose writes an Outbox can make without blocking.
// Until an outbox is attached (NewOutbox) it behaves as any tls.Conn.
type TLSConn struct {
	*tls.Conn
	under *sealedConn
}

// TLSServer returns the server side of a TLS connection over raw. The
// configuration is copied. The handshake has not run yet.
func TLSServer(raw net.Conn, cfg *tls.Config) *TLSConn {
	u := &sealedConn{Conn: raw}
	return &TLSConn{Conn: tls.Server(u, tuned(cfg)), under: u}
}

// TLSClient returns the client side of a TLS connection over raw. The
// configuration is copied. The handshake has not run yet.
func TLSClient(raw net.Conn, cfg *tls.Config) *TLSConn {
	u := &sealedConn{Conn: raw}
	return &TLSConn{Conn: tls.Client(u, tuned(cfg)), under: u}
}

// readHeld reads what the TLS connection holds of the socket's bytes already: Read
// stops at the end of a record, and many may have come at once. It returns 0 and
// no error if no whole record is there.
func (c *TLSConn) readHeld(p []byte) (int, error) {
	c.under.try = nothing{}
	n, err := c.Read(p)
	c.under.try = nil
	if err == ErrWouldBlock {
		err = nil
	}
	return n, err
}

// nothing is a socket that has nothing to read.
type nothing struct{}

func (nothing) TryRead([]byte) (int, error) { return 0, ErrWouldBlock }

// tuned returns the configuration with full-size records from the first byte:
// frames are coalesced already, and small records only cost.
func tuned(cfg *tls.Config) *tls.Config {
	cfg = cfg.Clone()
	cfg.DynamicRecordSizingDisabled = true
	return cfg
}

// sealedConn stands between a tls.Conn and its socket. Without an outbox it
// passes writes on; with one it collects the ciphertext for it.
type sealedConn struct {
	net.Conn // the socket

	// try is set while a read of the tls.Conn that does not block is under way. It
	// is owned by whoever reads.
	try TryReader
	hot *hot // reads the socket; nil: as it does itself

	mu  sync.Mutex // held while a write is passed on, so that attach waits for it
	ob  *Outbox
	buf *buffer // ciphertext that the outbox has not taken
}

func (s *sealedConn) Read(p []byte) (int, error) {
	if s.try != nil {
		return s.try.TryRead(p)
	}
	if s.hot != nil {
		return s.hot.Read(p)
	}
	return s.Conn.Read(p)
}

func (s *sealedConn) Write(p []byte) (int, error) {
	s.mu.Lock()
	ob := s.ob
	if ob == nil {
		n, err := s.Conn.Write(p)
		s.mu.Unlock()
		return n, err
	}
	if s.buf == nil {
		s.buf = getBuffer(classOf(len(p)))
	}
	s.buf.b = append(s.buf.b, p...)
	s.mu.Unlock()
	// Inside the outbox's own writes this does nothing. For all others, such
	// as the answer to a key update, it starts a goroutine: this one may hold
	// the lock of the tls.Conn that writing frames needs.
	ob.kick()
	return len(p), nil
}

// Close is called by the tls.Conn after its last alert. What is collected is
// offered to the socket once if nobody else writes to it.
func (s *sealedConn) Close() error {
	s.mu.Lock()
	ob := s.ob
	s.mu.Unlock()
	if ob != nil {
		ob.lastWords()
	}
	return s.Conn.Close()
}

func (s *sealedConn) attach(o *Outbox) {
	s.mu.Lock()
	s.ob = o
	s.mu.Unlock()
}

func (s *sealedConn) pending() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf != nil && len(s.buf.b) > 0
}

// take returns what is collected, which may be nil, and gives spare back.
func (s *sealedConn) take(spare *buffer) *buffer {
	if spare != nil && cap(spare.b) > busyKeep {
		spare = nil
	}
	if spare != nil {
		spare.b = spare.b[:0]
	}
	s.mu.Lock()
	b := s.buf
	s.buf = spare
	s.mu.Unlock()
	return b
}

// takeEmpty returns the buffer if nothing is collected in it.
func (s *sealedConn) takeEmpty() *buffer {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buf
	if b == nil || len(b.b) > 0 {
		return nil
	}
	s.buf = nil
	return b
}
