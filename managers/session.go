package managers

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/syncmanager/syncmanager/auth"
	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// session is the server's side of one engine session: its lease and its
// present connection.
type session struct {
	// Fixed at creation.
	server *Server
	id     uint64
	who    auth.Peer // as it was when the session was opened
	host   string    // what it counts for in the limit of sessions per address
	lease  time.Duration

	mu      sync.Mutex    // guards what follows; taken alone
	last    time.Time     // when the client was last heard, as of the last break
	stalled time.Duration // the server's stalls until then
	expiry  *time.Timer
	over    bool
}

// openSession begins a session on the connection.
func (s *Server) openSession(c *conn, m *wire.Open) (*session, error) {
	lease := s.config.Lease
	if m.Lease != 0 {
		lease = min(max(time.Duration(min(m.Lease, 1<<40))*time.Millisecond, MinLease), MaxLease)
	}
	if err := s.enterHost(c.host); err != nil {
		return nil, err
	}
	k := s.core
	info := &engine.SessionInfo{
		Program: m.Program, Host: m.Host, PID: m.PID, Remote: c.remote, KeyName: c.who.KeyName,
		Role: engine.Role(c.who.Role), Prefixes: c.who.Prefixes, Trusted: c.trusted(),
		Secret: c.who.SessionKey, KeyPrint: c.who.KeyID(), Lease: int64(lease), MaxMessage: s.frameLimit(m),
	}
	var id uint64
	err := k.command(&engine.Command{Op: engine.OpOpen, Open: info}, nil, func(e *engine.Engine, fx *engine.Effects) {
		id = fx.Opened
		es := e.Session(id)
		es.Peer, c.epoch = c, es.Epoch
	})
	if err != nil {
		s.leaveHost(c.host)
		return nil, err
	}
	ss := &session{server: s, id: id, who: c.who, host: c.host, lease: lease, last: time.Now(), stalled: s.stall.total()}
	s.mu.Lock()
	s.sessions[ss.id] = ss
	rekeyed := s.rekeyed != c.rekeyed
	s.mu.Unlock()
	if rekeyed && !c.trusted() {
		s.checkKey(ss)
	}
	s.log.Info("session opened", "session", ss.id, "remote", c.remote, "key", c.who.KeyName, "program", m.Program, "pid", m.PID)
	ss.welcome(c, k.role(ss.id))
	return ss, nil
}

// recallSession makes the server's side of a session that an earlier life of the
// server left. Its lease counts from now: the client could not reach anybody.
func (s *Server) recallSession(es *engine.Session) {
	ss := &session{
		server: s, id: es.ID, who: auth.RecallPeer(es.Info.KeyName, es.Info.Secret, es.Info.KeyPrint), lease: time.Duration(es.Info.Lease),
		last: time.Now(), stalled: s.stall.total(),
	}
	s.mu.Lock()
	s.sessions[ss.id] = ss
	s.mu.Unlock()
	ss.countDown(es.Epoch)
	if entry, ok := s.keys.Current(ss.who); !ok || engine.Role(entry.Role) != es.Info.Role || !slices.Equal(entry.Prefixes, es.Info.Prefixes) {
		s.checkKey(ss) // the keys were changed while no server ran
	}
}

// leastFrame is the least that a client can ask for as its largest frame: errors
// must fit.
const leastFrame = 4 << 10

// frameLimit returns how large a frame to a new client may be.
func (s *Server) frameLimit(m *wire.Open) int {
	if m.MaxMessage == 0 {
		return s.config.MaxMessage
	}
	return int(min(max(m.MaxMessage, leastFrame), uint64(s.config.MaxMessage)))
}

// enterHost counts a session for its address.
func (s *Server) enterHost(host string) error {
	if host == "" {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n, limit := s.hosts[host], s.config.Limits.PerAddress; n >= limit {
		return wire.Errorf(wire.CodeOverloaded, "%d sessions are open from %s; the limit for one address is %d", n, host, limit)
	}
	s.hosts[host]++
	return nil
}

// leaveHost takes a session out of the count.
func (s *Server) leaveHost(host string) {
	if host == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hosts[host]--; s.hosts[host] <= 0 {
		delete(s.hosts, host)
	}
}

// resumeSession gives a session a new connection, which ends the old one.
func (s *Server) resumeSession(c *conn, m *wire.Resume) (*session, error) {
	if m.Generation != s.generation {
		return nil, wire.Errorf(wire.CodeSessionExpired, "%s", wire.Restarted)
	}
	s.mu.Lock()
	ss := s.sessions[m.Session]
	s.mu.Unlock()
	refused := wire.Errorf(wire.CodeSessionExpired, "session %d is unknown or has expired", m.Session)
	if ss == nil || ss.who.KeyName != c.who.KeyName || !auth.VerifyResume(ss.who.SessionKey, m.Session, c.who.Binding, m.Proof) {
		return nil, refused
	}
	var old *conn
	err := s.core.command(&engine.Command{Op: engine.OpResume, Session: ss.id}, func(e *engine.Engine) {
		if es := e.Session(ss.id); es != nil {
			old, _ = es.Peer.(*conn)
			es.Peer = c
			// WELCOME comes before the replies that resuming may cause.
			ss.welcome(c, es.Info.Role)
		}
	}, func(e *engine.Engine, _ *engine.Effects) { c.epoch = e.Session(ss.id).Epoch })
	if err != nil {
		return nil, refused
	}
	ss.back()
	if old != nil && old != c {
		// Not the session's end: a RESUME may have been held up on its way, and
		// the client be on a connection that it made since. It resumes again.
		old.bye(wire.Errorf(wire.CodeUnavailable, "session %d was resumed on another connection", ss.id))
	}
	s.log.Info("session resumed", "session", ss.id, "remote", c.remote)
	return ss, nil
}

// welcome sends WELCOME. The role is the one that the session has now.
func (ss *session) welcome(c *conn, role engine.Role) {
	cfg := &ss.server.config
	m := wire.Welcome{
		Version: wire.Version, Session: ss.id, Generation: ss.server.generation, Lease: uint64(ss.lease / time.Millisecond),
		MaxMessage: uint64(cfg.MaxMessage), Role: role.String(), Server: cfg.Version,
	}
	_ = c.out.UnlockFlush(wire.AppendWelcome(c.out.Lock(), &m))
}

// lost notes that the connection is gone, and begins to count down the lease.
func (ss *session) lost(c *conn) {
	epoch := c.epoch
	if ss.server.core.command(&engine.Command{Op: engine.OpLose, Session: ss.id, Epoch: epoch}, nil, func(e *engine.Engine, _ *engine.Effects) {
		epoch = e.Session(ss.id).Epoch
	}) != nil {
		return // over, or resumed elsewhere
	}
	ss.server.log.Info("session lost its connection", "session", ss.id, "remote", c.remote)
	ss.mu.Lock()
	if c.heard.After(ss.last) {
		ss.last, ss.stalled = c.heard, c.stalled
	}
	ss.mu.Unlock()
	ss.countDown(epoch)
}

// countDown proposes to expire the session when its lease has run out. The times
// since the client was last heard in which this process did not run do not
// count: the client may have been trying to come back.
func (ss *session) countDown(epoch uint64) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.over {
		return
	}
	ss.expiry = time.AfterFunc(max(ss.leftLocked(), 0), func() { ss.expire(epoch) })
}

// leftLocked returns how much of the lease is left.
func (ss *session) leftLocked() time.Duration {
	return time.Until(ss.last.Add(ss.lease + ss.server.stall.total() - ss.stalled))
}

// expire proposes the end of the session, unless the lease was extended
// meanwhile.
func (ss *session) expire(epoch uint64) {
	ss.mu.Lock()
	left := ss.leftLocked()
	ss.mu.Unlock()
	if left > 0 {
		ss.countDown(epoch)
		return
	}
	_ = ss.server.core.apply(&engine.Command{Op: engine.OpExpire, Session: ss.id, Epoch: epoch})
}

// back notes that the session has a connection again.
func (ss *session) back() {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.last, ss.stalled = time.Now(), ss.server.stall.total()
	if ss.expiry != nil {
		ss.expiry.Stop()
		ss.expiry = nil
	}
}

// closed notes that the client closes the session.
func (ss *session) closed() { ss.stop() }

// stop ends the countdown.
func (ss *session) stop() {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.over = true
	if ss.expiry != nil {
		ss.expiry.Stop()
	}
}

// sessionEnded forgets a session that the engine has ended.
func (s *Server) sessionEnded(id uint64, err *wire.Error) {
	s.mu.Lock()
	ss := s.sessions[id]
	delete(s.sessions, id)
	s.mu.Unlock()
	if ss == nil {
		return
	}
	s.leaveHost(ss.host)
	ss.stop()
	if err != nil {
		s.log.Info("session ended", "session", id, "err", err)
	} else {
		s.log.Info("session closed", "session", id)
	}
}

// endSession ends a session for a reason of the server's.
func (s *Server) endSession(id uint64, why *wire.Error) {
	k := s.core
	k.mu.Lock()
	var c *conn
	if es := k.engine.Session(id); es != nil {
		c, _ = es.Peer.(*conn)
	}
	k.mu.Unlock()
	if c != nil {
		c.bye(why)
	}
	_ = k.apply(&engine.Command{Op: engine.OpClose, Session: id})
}

// stallClock adds up the times in which this process did not run: stopped, or
// starved. A beat that comes late by more than stallLeast tells.
type stallClock struct {
	mu   sync.Mutex // guards what follows; taken alone
	last time.Time  // the beat before
	sum  time.Duration
	seen atomic.Int64 // sum, for those who must not wait
}

const (
	stallBeat  = 250 * time.Millisecond
	stallLeast = time.Second
)

// total returns the sum so far. When the process continues after a stop, it may
// be asked before the beat is: then it sees the stall by itself.
func (c *stallClock) total() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.beatLocked(time.Now())
	return c.sum
}

// known returns the sum up to the last beat. It costs next to nothing.
func (c *stallClock) known() time.Duration { return time.Duration(c.seen.Load()) }

func (c *stallClock) beatLocked(now time.Time) {
	if c.last.IsZero() {
		return // nobody watches
	}
	if late := now.Sub(c.last) - stallBeat; late > stallLeast {
		c.sum += late
		c.seen.Store(int64(c.sum))
		c.last = now
	}
}

// start begins to count. It is not left to the goroutine that watches: a stop
// that comes before that has run would be missed.
func (c *stallClock) start() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = time.Now()
}

// watch beats until the channel is closed. The clock was started.
func (c *stallClock) watch(done <-chan struct{}) {
	t := time.NewTicker(stallBeat)
	defer t.Stop()
	for {
		c.mu.Lock()
		now := time.Now()
		c.beatLocked(now)
		c.last = now
		c.mu.Unlock()
		select {
		case <-done:
			c.mu.Lock()
			c.last = time.Time{}
			c.mu.Unlock()
			return
		case <-t.C:
		}
	}
}
