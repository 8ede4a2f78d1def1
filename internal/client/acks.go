package client

import (
	"sort"

	"github.com/syncmanager/syncmanager/internal/wire"
)

const (
	// maxAckRun is how many serials one range of an ACK frame covers at most.
	maxAckRun = 1 << 20
	// maxAckRanges is how many ranges one ACK frame holds at most.
	maxAckRanges = 1024
	// ackEvery is how many acknowledgements above the watermark are collected
	// before a frame is spent on them.
	ackEvery = 64
)

// ranges is a set of serials as ascending runs that do not touch.
type ranges []wire.Range

// add puts the serial into the set.
func (r *ranges) add(n uint64) {
	s := *r
	// New serials come near the end.
	i := len(s)
	if i > 0 && s[i-1].From > n {
		i = sort.Search(len(s), func(i int) bool { return s[i].From > n })
	}
	joinsLeft := i > 0 && s[i-1].To+1 >= n
	joinsRight := i < len(s) && s[i].From == n+1
	switch {
	case joinsLeft && s[i-1].To >= n:
	case joinsLeft && joinsRight:
		s[i-1].To = s[i].To
		*r = append(s[:i], s[i+1:]...)
	case joinsLeft:
		s[i-1].To = n
	case joinsRight:
		s[i].From = n
	default:
		s = append(s, wire.Range{})
		copy(s[i+1:], s[i:])
		s[i] = wire.Range{From: n, To: n}
		*r = s
	}
}

// dropTo takes all serials up to n out of the set.
func (r *ranges) dropTo(n uint64) {
	s := *r
	i := 0
	for i < len(s) && s[i].To <= n {
		i++
	}
	if i > 0 {
		s = s[:copy(s, s[i:])]
	}
	if len(s) > 0 && s[0].From <= n {
		s[0].From = n + 1
	}
	*r = s
}

// count returns how many serials the set has.
func (r ranges) count() uint64 {
	var n uint64
	for _, x := range r {
		n += x.To - x.From + 1
	}
	return n
}

// acks keeps which serials are done with. All up to the watermark are; above
// it, those in done. It is guarded by the session's mutex.
type acks struct {
	watermark uint64
	done      ranges // above the watermark
	fresh     ranges // the part of done that no ACK frame of this connection said
	pending   int    // added to fresh since the last frame
	sent      uint64 // the watermark that a frame of this connection carried last
}

// add notes that the session is done with the serial.
func (a *acks) add(n uint64) {
	if n != a.watermark+1 {
		a.done.add(n)
		a.fresh.add(n)
		a.pending++
		return
	}
	a.watermark = n
	if len(a.done) > 0 && a.done[0].From == n+1 {
		a.watermark = a.done[0].To
		a.done = a.done[:copy(a.done, a.done[1:])]
	}
}

// due reports whether enough is collected above the watermark for a frame.
func (a *acks) due() bool {
	if a.pending < ackEvery {
		return false
	}
	a.fresh.dropTo(a.watermark)
	a.pending = int(a.fresh.count())
	return a.pending >= ackEvery
}

// dirty reports whether the server does not know all yet.
func (a *acks) dirty() bool {
	if a.watermark > a.sent {
		return true
	}
	a.fresh.dropTo(a.watermark)
	return len(a.fresh) > 0
}

// append appends the frames that say what the server does not know.
func (a *acks) append(b []byte) []byte {
	a.fresh.dropTo(a.watermark)
	m := wire.Ack{Watermark: a.watermark}
	for _, r := range a.fresh {
		for {
			part := r
			part.To = min(r.To, r.From+maxAckRun-1)
			m.Ranges = append(m.Ranges, part)
			if len(m.Ranges) == maxAckRanges {
				b = wire.AppendAck(b, &m)
				m.Ranges = m.Ranges[:0]
			}
			if part.To == r.To {
				break
			}
			r.From = part.To + 1
		}
	}
	if len(m.Ranges) > 0 || a.watermark > a.sent {
		b = wire.AppendAck(b, &m)
	}
	a.sent = a.watermark
	a.fresh, a.pending = a.fresh[:0], 0
	return b
}

// restart forgets what was said on the last connection: it may not have
// arrived.
func (a *acks) restart() {
	a.sent = 0
	a.fresh = append(a.fresh[:0], a.done...)
	a.pending = 0
}
