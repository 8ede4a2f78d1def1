package objects

import (
	"container/heap"
	"encoding/binary"
	"math"
	"slices"

	"github.com/syncmanager/syncmanager/internal/engine"
	"github.com/syncmanager/syncmanager/internal/wire"
)

// outstanding are the items of a queue that do not wait to be handed out: leased to
// a session, delayed until a time, or dead. What waits is its owner's, in its
// owner's order.
//
// A lease is a hold: it belongs to a session, its token can guard a call, and it
// ends by ack, by nack, when its time is up, with its session, or with its
// object. An item whose lease ends in any other way than by ack comes back to
// its place, after a delay if one was asked for. One that has failed as often as
// the owner allows is dead: it is kept, with what is known of each attempt,
// until it is put back or purged, or until the list of the dead is full.
type outstanding struct {
	// Set by limit_attempts.
	attempts int64 // that an item has; 0: any number
	keepDead int   // how many of the dead are kept

	leased  map[uint64]*away  // by token
	inHand  engine.List[away] // the leased, by token
	due     awayHeap          // the delayed, and the leased whose lease has an end
	delayed int
	dead    []queued // oldest first
	dropped int64    // of the dead, because the list was full
}

// away is an item that is leased or delayed.
type away struct {
	queued
	hold   *engine.Hold      // nil: it is delayed
	until  int64             // when that ends; 0: with the session
	index  int               // in due, if until is set
	inList engine.Link[away] // of those in hand
}

// past is what is known of the attempts at an item. It is not changed once an
// item has it.
type past struct {
	again    bool // it was handed out before
	attempts int64
	failures []failure // the last maxFailures, with those that were not counted
}

// failure is one attempt that came to nothing.
type failure struct {
	reason string
	worker string
	at     int64
}

const (
	maxFailures = 16
	maxReason   = 1 << 10
	// defaultKeepDead is how many dead items are kept unless the owner is told.
	defaultKeepDead = 1000
	maxKeepDead     = 1_000_000
	// leaseCost is what a lease or a delay counts for, failureCost what a failure
	// does beyond its texts.
	leaseCost   = 256
	failureCost = 64
)

// seen is the past of an item that was handed out and has not failed.
var seen = &past{again: true}

func (p *past) cost() int64 {
	if p == nil || len(p.failures) == 0 {
		return 0
	}
	n := int64(failureCost)
	for _, f := range p.failures {
		n += failureCost + int64(len(f.reason)+len(f.worker))
	}
	return n
}

// with returns the past with one failure more.
func (p *past) with(f failure, counted bool) *past {
	next := &past{again: true}
	if p != nil {
		next.attempts = p.attempts
		next.failures = slices.Clone(p.failures)
	}
	if counted {
		next.attempts++
	}
	if len(next.failures) == maxFailures {
		next.failures = slices.Delete(next.failures, 0, 1)
	}
	next.failures = append(next.failures, f)
	return next
}

// attempt returns the number of the attempt that begins with the next lease.
func (p *past) attempt() int64 {
	if p == nil {
		return 1
	}
	return p.attempts + 1
}

func (p *past) appendFailures(b []byte) []byte {
	if p == nil {
		return wire.AppendArrayHeader(b, 0)
	}
	b = wire.AppendArrayHeader(b, len(p.failures))
	for _, f := range p.failures {
		b = wire.AppendMapHeader(b, 3)
		b = wire.AppendStr(b, "reason")
		b = wire.AppendStr(b, f.reason)
		b = wire.AppendStr(b, "worker")
		b = wire.AppendStr(b, f.worker)
		b = wire.AppendStr(b, "at")
		b = wire.AppendInt(b, f.at)
	}
	return b
}

// awayHeap orders by time, and by place where times are equal.
type awayHeap []*away

func (h awayHeap) Len() int { return len(h) }
func (h awayHeap) Less(i, j int) bool {
	if h[i].until != h[j].until {
		return h[i].until < h[j].until
	}
	return h[i].seq < h[j].seq
}
func (h awayHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}
func (h *awayHeap) Push(x any) {
	a := x.(*away)
	a.index = len(*h)
	*h = append(*h, a)
}
func (h *awayHeap) Pop() any {
	old := *h
	a := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return a
}

// out returns how many items are leased or delayed.
func (s *outstanding) out() int { return len(s.leased) + s.delayed }

// len returns how many items there are.
func (s *outstanding) len() int { return s.out() + len(s.dead) }

// enter makes an item one that is away until a time, or without an end.
func (s *outstanding) enter(o *engine.Object, a *away) {
	o.Charge(leaseCost)
	s.link(a)
	if a.until != 0 {
		s.arm(o)
	}
}

// link enters an item into the lists.
func (s *outstanding) link(a *away) {
	if a.hold == nil {
		s.delayed++
	} else {
		if s.leased == nil {
			s.leased = make(map[uint64]*away)
		}
		s.leased[a.hold.Token] = a
		s.inHand.Push(&a.inList, a)
	}
	if a.until != 0 {
		heap.Push(&s.due, a)
	}
}

// leave takes an item out of those that are away, and ends its hold.
func (s *outstanding) leave(o *engine.Object, a *away) queued {
	o.Charge(-leaseCost)
	if a.hold == nil {
		s.delayed--
	} else {
		delete(s.leased, a.hold.Token)
		a.inList.Remove()
		a.hold.Unlink()
	}
	if a.until != 0 {
		heap.Remove(&s.due, a.index)
		s.arm(o)
	}
	return a.queued
}

// arm sets when the object is woken.
func (s *outstanding) arm(o *engine.Object) {
	if len(s.due) == 0 {
		o.WakeAt(0)
	} else {
		o.WakeAt(s.due[0].until)
	}
}

// lease gives the session of a call a lease of an item. A duration of 0 has no
// end.
func (s *outstanding) lease(o *engine.Object, c *engine.Call, e queued, d int64) *away {
	a := &away{queued: e, hold: o.NewHold(c.Session, 0)}
	if d > 0 {
		a.until = o.Engine().Now() + d
	}
	s.enter(o, a)
	return a
}

// delay keeps an item from being handed out for a while.
func (s *outstanding) delay(o *engine.Object, e queued, d int64) {
	s.enter(o, &away{queued: e, until: o.Engine().Now() + d})
}

// extend moves the end of a lease to d from now; 0: it has no end.
func (s *outstanding) extend(o *engine.Object, a *away, d int64) {
	if a.until != 0 {
		heap.Remove(&s.due, a.index)
	}
	a.until = 0
	if d > 0 {
		a.until = o.Engine().Now() + d
		heap.Push(&s.due, a)
	}
	s.arm(o)
}

// held returns the item that the session of the call has under that token.
func (s *outstanding) held(c *engine.Call, token uint64) (*away, error) {
	a := s.leased[token]
	if a == nil || a.hold.Session != c.Session {
		return nil, wire.Errorf(wire.CodeLockLost, "lease %d is over: the item was acknowledged, given back, or its time was up", token)
	}
	return a, nil
}

// failed notes an attempt that came to nothing, and reports whether the item has
// another one. If not, it is dead; it stays the object's.
func (s *outstanding) failed(o *engine.Object, e *queued, f failure, counted bool) bool {
	before := e.past.cost()
	if len(f.reason) > maxReason {
		f.reason = f.reason[:maxReason]
	}
	f.at = o.Engine().Now()
	e.past = e.past.with(f, counted)
	o.Charge(e.past.cost() - before)
	if s.attempts <= 0 || e.past.attempts < s.attempts {
		return true
	}
	s.dead = append(s.dead, *e)
	s.trim(o)
	return false
}

// trim drops the oldest of the dead that are too many.
func (s *outstanding) trim(o *engine.Object) {
	n := max(len(s.dead)-s.keepDead, 0)
	for i := range n {
		dropItem(o, &s.dead[i])
		s.dead[i] = queued{}
	}
	s.dead = s.dead[n:]
	s.dropped += int64(n)
	if n > 0 {
		o.Note("the list of dead items is full: %d were dropped, %d since the queue was made; it keeps %d", n, s.dropped, s.keepDead)
	}
}

// dropItem lets go of an item.
func dropItem(o *engine.Object, e *queued) {
	o.Drop(e.raw)
	if e.key != "" {
		o.Drop(e.key)
	}
	o.Charge(-e.past.cost())
}

// dropOut lets go of all items that are leased or delayed, and returns how many
// they were. Their holders hear that the lease is lost.
func (s *outstanding) dropOut(o *engine.Object) int {
	n := s.out()
	for _, a := range s.inOrder() {
		if a.hold != nil {
			a.hold.Lose()
		}
		e := s.leave(o, a)
		dropItem(o, &e)
	}
	return n
}

// dropDelayed lets go of all items that are delayed, and returns how many they
// were.
func (s *outstanding) dropDelayed(o *engine.Object) int {
	n := s.delayed
	for _, a := range s.inOrder() {
		if a.hold == nil {
			e := s.leave(o, a)
			dropItem(o, &e)
		}
	}
	return n
}

// inOrder returns what is away: the leased by token, then the delayed by time.
func (s *outstanding) inOrder() []*away {
	all := make([]*away, 0, s.out())
	for a := s.inHand.First(); a != nil; a = a.inList.Next() {
		all = append(all, a)
	}
	due := slices.Clone(s.due)
	slices.SortFunc(due, func(a, b *away) int {
		if awayHeap([]*away{a, b}).Less(0, 1) {
			return -1
		}
		return 1
	})
	for _, a := range due {
		if a.hold == nil {
			all = append(all, a)
		}
	}
	return all
}

// dump appends all of it but the dead: what is away, by token and then by time.
func (s *outstanding) dump(b []byte) []byte {
	b = binary.AppendVarint(b, s.attempts)
	b = binary.AppendVarint(b, int64(s.keepDead))
	b = binary.AppendVarint(b, s.dropped)
	b = binary.AppendUvarint(b, uint64(s.out()))
	for _, a := range s.inOrder() {
		b = engine.AppendHold(a.queued.dump(b), a.hold)
		b = binary.AppendVarint(b, a.until)
	}
	return b
}

// load is the inverse of dump.
func (s *outstanding) load(d *engine.Decoder) {
	s.attempts, s.keepDead, s.dropped = d.Int(), int(d.Int()), d.Int()
	last := uint64(0)
	for n := d.Uint(); n > 0 && !d.Failed(); n-- {
		a := &away{queued: readQueued(d), hold: d.Hold(), until: d.Int()}
		switch {
		case d.Failed():
			return
		case a.hold == nil && a.until == 0, a.hold != nil && a.hold.Token <= last:
			d.Fail("an item that is away without end, or in the wrong order")
			return
		case a.hold != nil:
			last = a.hold.Token
		}
		s.link(a)
	}
}

// shift moves all ends.
func (s *outstanding) shift(o *engine.Object, by int64) {
	for _, a := range s.due { // all move alike: their order stays
		a.until += by
	}
	s.arm(o)
}

// each calls yield with each value.
func (s *outstanding) each(yield func(wire.Raw) bool) bool {
	give := func(e *queued) bool { return yield(e.raw) && (e.key == "" || yield(e.key)) }
	for _, a := range s.inOrder() {
		if !give(&a.queued) {
			return false
		}
	}
	for i := range s.dead {
		if !give(&s.dead[i]) {
			return false
		}
	}
	return true
}

// maxDuration bounds leases and delays: 100 years.
const maxDuration = 100 * 365 * 24 * 3600 * 1e9

// secondsArg takes a duration in seconds, and returns it in nanoseconds. None is
// 0.
func secondsArg(c *engine.Call, name string) (int64, error) {
	if !c.Args.More() || c.Args.Nil() {
		return 0, nil
	}
	seconds, err := c.Args.Float()
	if err != nil {
		return 0, err
	}
	if math.IsNaN(seconds) || seconds < 0 {
		return 0, wire.Errorf(wire.CodeValue, "%s is %v seconds; give 0 or more", name, seconds)
	}
	return int64(min(seconds*1e9, maxDuration)), nil
}

// tokensArg takes a list of tokens.
func tokensArg(c *engine.Call) ([]uint64, error) {
	list, err := c.Args.Elements(false)
	if err != nil {
		return nil, err
	}
	tokens := make([]uint64, 0, min(list.Len(), maxBatch))
	for list.More() {
		token, err := list.Uint()
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, token)
	}
	return tokens, nil
}
