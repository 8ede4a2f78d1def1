package client

import "github.com/syncmanager/syncmanager/internal/wire"

const (
	// maxAckRanges is how many ranges one ACK frame holds at most.
	maxAckRanges = 1024
	// ackEvery is how many acknowledgements above the watermark are collected
	// before a frame is spent on them.
	ackEvery = 64
)

// acks keeps which serials are done with. All up to the watermark are; above
// it, those in done. It is guarded by the session's mutex.
type acks struct {
	watermark uint64
	done      wire.SerialSet // above the watermark
	fresh     wire.SerialSet // the part of done that no ACK frame of this connection said
	pending   int            // added to fresh since the last frame
	sent      uint64         // the watermark that a frame of this connection carried last
}

// add notes that the session is done with the serial.
func (a *acks) add(n uint64) {
	if n != a.watermark+1 {
		a.done.Add(n)
		a.fresh.Add(n)
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
	a.fresh.DropTo(a.watermark)
	a.pending = int(a.fresh.Len())
	return a.pending >= ackEvery
}

// dirty reports whether the server does not know all yet.
func (a *acks) dirty() bool {
	if a.watermark > a.sent {
		return true
	}
	a.fresh.DropTo(a.watermark)
	return len(a.fresh) > 0
}

// append appends the frames that say what the server does not know.
func (a *acks) append(b []byte) []byte {
	a.fresh.DropTo(a.watermark)
	m := wire.Ack{Watermark: a.watermark}
	for _, r := range a.fresh {
		for {
			part := r
			part.To = min(r.To, r.From+wire.MaxAckRun-1)
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
