package client

import (
	"errors"

	"github.com/syncmanager/syncmanager/internal/wire"
)

// maxBatch is how many replies are taken under one lock.
const maxBatch = 32

// batch is the replies of one read that nobody has taken yet. The bodies stand
// in the reader's buffer.
type batch struct {
	replies []reply
	ready   []*Call // their callers wait
	over    []*Call // nobody waits; to be given back
}

type reply struct {
	wire.Reply
	owned bool // the body's memory is ours
}

// add takes one more reply.
func (b *batch) add(body []byte, owned bool) error {
	r, err := wire.ParseReply(body)
	if err != nil {
		return err
	}
	b.replies = append(b.replies, reply{r, owned})
	return nil
}

// deliver hands the replies of the batch to their callers, all under one lock:
// with many callers, taking it for each would cost more than the rest.
func (s *Session) deliver(b *batch) error {
	var err error
	s.mu.Lock()
	for i := range b.replies {
		if err = s.replyLocked(b, &b.replies[i]); err != nil {
			break
		}
	}
	cn := s.ackDueLocked()
	s.mu.Unlock()
	if cn != nil {
		cn.out.Flush()
	}
	for i, c := range b.ready {
		b.ready[i] = nil
		c.ready <- struct{}{}
	}
	for i, c := range b.over {
		b.over[i] = nil
		c.recycle()
	}
	clear(b.replies)
	b.replies, b.ready, b.over = b.replies[:0], b.ready[:0], b.over[:0]
	return err
}

func (s *Session) replyLocked(b *batch, r *reply) error {
	c := s.calls.Get(r.Serial)
	if c == nil {
		if r.Serial <= s.settled {
			return nil
		}
		return wire.Errorf(wire.CodeProtocol, "the server answered call %d, which is not under way", r.Serial)
	}
	switch c.state {
	case stateWaiting:
		if err := s.answerCallLocked(c, r); err != nil {
			return err
		}
		b.ready = append(b.ready, c)
		return nil
	case stateAbandoned:
		// It crossed the CANCEL, which takes it back.
		return nil
	}
	s.calls.Remove(r.Serial)
	s.doneLocked(r.Serial)
	b.over = append(b.over, c)
	if r.Status&wire.ReplyError != 0 {
		return nil
	}
	_, found, err := wire.Scan(r.Body, wire.Limits{})
	if err != nil {
		return wire.Errorf(wire.CodeProtocol, "the reply to call %d is malformed: %v", r.Serial, err)
	}
	if found {
		_ = wire.ForEachRefView(r.Body, func(v wire.RefView) error { // scanned
			s.refs.refuse(v.ID)
			return nil
		})
		s.flushSoon()
	}
	return nil
}

// answerCallLocked puts the reply into the record of a call whose caller waits.
func (s *Session) answerCallLocked(c *Call, r *reply) error {
	if r.Status&wire.ReplyError != 0 {
		e, err := wire.ParseError(r.Body)
		if err != nil {
			return err
		}
		if e.Code == wire.CodeRemote && s.config.Errors != nil {
			e.SetLocal(s.config.Errors[e.Type])
		}
		c.answered = e
		if c.asked && e.Code == wire.CodeCancelled {
			if c.answered = errCancelled; !e.Safe {
				c.answered = &halfWay{e.Message}
			}
		}
		s.doneLocked(r.Serial)
	} else {
		c.redone = r.Status&wire.ReplyRedelivered != 0
		if r.owned {
			c.reply = r.Body
		} else {
			c.buf = append(c.buf[:0], r.Body...)
			c.reply = c.buf
		}
		// An event about the hold may be next.
		if c.watcher != nil {
			if over := s.holds.granted(c.reply, c.watcher); over != nil {
				return over
			}
		}
		// Where nothing can be given back, the reply is acknowledged as it
		// comes: its caller need not take the lock for it.
		if c.acked = c.plain || c.method.Flags&Reads != 0; c.acked {
			s.doneLocked(r.Serial)
		}
	}
	c.state = stateAnswered
	s.calls.Remove(r.Serial)
	return nil
}

// halfWay stands for the server's word that a call was cancelled when it had
// done a part, such as a method of a user's type.
type halfWay struct{ verdict string }

func (h *halfWay) Error() string { return h.verdict }

// errCancelled stands for the server's word that a call was cancelled in time.
var errCancelled = errors.New("cancelled in time")

// answerLocked ends a waiting call without a reply.
func (c *Call) answerLocked(err error) {
	c.state, c.answered = stateAnswered, err
	c.ready <- struct{}{}
}
