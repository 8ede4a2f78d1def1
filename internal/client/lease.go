package client

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// ping is a PING without its PONG.
type ping struct {
	sent   time.Time
	conn   *conn
	answer func(error) // of a caller who waits; nil: nobody does
}

// maxBeat is the longest time between two beats, so that releases which the
// garbage collector left do not wait longer.
const maxBeat = time.Second

// beatEvery is the time between two beats. A third of the lease is a multiple
// of it.
func (s *Session) beatEvery() time.Duration {
	third := s.lease / 3
	n := (third + maxBeat - 1) / maxBeat
	return max(third/max(n, 1), time.Millisecond)
}

// onBeat sends what waits, renews the lease every third of it, and finds a peer
// that is gone: one that says nothing for a third of a lease while a renewal
// waits for its answer, or does not answer it by two thirds of the lease.
func (s *Session) onBeat() {
	s.mu.Lock()
	if s.finished {
		s.mu.Unlock()
		return
	}
	defer s.beat.Reset(s.beatEvery())
	c := s.conn
	if c == nil || s.closing {
		s.mu.Unlock()
		return
	}
	now := time.Now()
	// A third of the lease, to the nearest beat: the time to resume in is what is
	// left, and a whole beat is much of it.
	third := s.lease/3 - s.beatEvery()/2
	var last time.Time // when the last PING on this connection was sent
	waits := false     // one of them has no answer for a third of a lease
	for _, p := range s.pings {
		if p.conn == c && p.sent.After(last) {
			last = p.sent
		}
		if p.conn == c && now.Sub(p.sent) >= third {
			waits = true
		}
	}
	if waits && now.Sub(s.renewed) >= s.lease/3+third {
		// Whatever is heard: another third of waiting would be the lease's end.
		s.mu.Unlock()
		s.giveUp(c)
		return
	}
	if last.IsZero() {
		last = s.renewed
	}
	if now.Sub(last) < third {
		s.mu.Unlock()
		s.flushSoon()
		return
	}
	if waits && !s.heard.Swap(false) {
		s.mu.Unlock()
		s.giveUp(c)
		return
	}
	s.heard.Store(false)
	s.pingLocked(c, nil)
	s.mu.Unlock()
	c.out.Flush()
	s.flushSoon()
}

// giveUp closes a connection whose peer does not answer.
func (s *Session) giveUp(c *conn) {
	s.log.Warn("server does not answer", "session", s.id, "server", s.config.Address, "for", s.lease/3)
	c.close()
}

// pingLocked appends a PING and returns its token.
func (s *Session) pingLocked(c *conn, answer func(error)) uint64 {
	s.token++
	token := s.token
	if s.pings == nil {
		s.pings = make(map[uint64]*ping)
	}
	s.pings[token] = &ping{sent: time.Now(), conn: c, answer: answer}
	if c != nil {
		c.append(func(b []byte) []byte { return wire.AppendPing(b, wire.KindPing, token) })
		c.nudge()
	}
	return token
}

// pong renews the lease from when its PING was sent, and confirms what was sent
// before that.
func (s *Session) pong(token uint64) error {
	s.mu.Lock()
	p := s.pings[token]
	if p == nil {
		s.mu.Unlock()
		return wire.Errorf(wire.CodeProtocol, "the server answered a ping %d that was not sent", token)
	}
	delete(s.pings, token)
	s.renewLocked(p.sent)
	s.confirmLocked(token)
	answer := p.answer
	s.mu.Unlock()
	if answer != nil {
		answer(nil)
	}
	return nil
}

// renewLocked notes that the server knew of this client at that time.
func (s *Session) renewLocked(sent time.Time) {
	if !sent.After(s.renewed) || s.finished {
		return
	}
	s.renewed = sent
	s.expiry.Reset(time.Until(s.endsLocked()))
}

// endsLocked returns when this side ends the session: a sixteenth before its
// lease has run out from when the last renewal was sent. Timers are late and
// goroutines wait for a processor; the holds must be over here before the
// server hands them on.
func (s *Session) endsLocked() time.Time { return s.renewed.Add(s.lease - s.lease/16) }

// onExpiry ends the session when its lease is about to have run out by this
// side's clock.
func (s *Session) onExpiry() {
	s.mu.Lock()
	left := time.Until(s.endsLocked())
	if left > 0 && !s.finished {
		s.expiry.Reset(left)
		s.mu.Unlock()
		return
	}
	s.mu.Unlock()
	s.die(expired(s.id, fmt.Sprintf("the server was not heard for its lease of %v", s.lease)))
}

// Ping measures the way to the server and back. It waits through a break of
// the connection.
func (s *Session) Ping(ctx context.Context) (time.Duration, error) {
	start := time.Now()
	answered := make(chan error, 1)
	s.mu.Lock()
	if s.dead != nil {
		err := s.dead
		s.mu.Unlock()
		return 0, err
	}
	c := s.conn
	token := s.pingLocked(c, func(err error) {
		select {
		case answered <- err:
		default:
		}
	})
	s.mu.Unlock()
	if c != nil {
		c.out.Flush()
	}
	select {
	case err := <-answered:
		return time.Since(start), err
	case <-ctx.Done():
		s.mu.Lock()
		if p := s.pings[token]; p != nil {
			p.answer = nil
		}
		s.mu.Unlock()
		return 0, ctxError(ctx, "ping", false)
	}
}

// repeatPingsLocked sends the pings that somebody waits for on the new
// connection. Their times start afresh: only this connection proves anything.
func (s *Session) repeatPingsLocked(c *conn) {
	tokens := make([]uint64, 0, len(s.pings))
	for token, p := range s.pings {
		if p.answer == nil {
			delete(s.pings, token)
			continue
		}
		tokens = append(tokens, token)
	}
	slices.Sort(tokens)
	for _, token := range tokens {
		p := s.pings[token]
		p.conn, p.sent = c, time.Now()
		c.append(func(b []byte) []byte { return wire.AppendPing(b, wire.KindPing, token) })
		c.nudge()
	}
}
