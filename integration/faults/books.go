package faults

import (
	"errors"
	"fmt"
	"sync"

	"github.com/syncmanager/syncmanager/proxy"
)

// books is what the clients of a Trial did and saw. What does not balance is
// kept as a failure.
type books struct {
	mu       sync.Mutex // guards what follows
	failures []error

	died       map[int]bool       // clients that are cut off for good
	puts       map[int]bool       // by item; false: it may not have been put
	deliveries map[int][]delivery // by item, in the order in which clients saw them
	adds       map[string]*sum    // by key
	locks      map[string]*holders
	rounds     map[int]map[int]bool // of the barrier: numbers that were given out
}

// delivery is one receipt of an item.
type delivery struct {
	client int
	again  bool // marked as delivered before
	final  bool // acknowledged by a session that survived
}

// sum counts the additions to one key.
type sum struct {
	known, maybe int
	results      map[int]bool
}

// holders are those who believe that they have a lock or permit.
type holders struct {
	limit int
	last  uint64 // the largest fencing token
	holds map[*proxy.Hold]int
}

func newBooks() *books {
	return &books{
		died: make(map[int]bool),
		puts: make(map[int]bool), deliveries: make(map[int][]delivery), adds: make(map[string]*sum),
		locks: make(map[string]*holders), rounds: make(map[int]map[int]bool),
	}
}

func (b *books) fail(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failLocked(format, args...)
}

func (b *books) failLocked(format string, args ...any) {
	if len(b.failures) < 20 {
		b.failures = append(b.failures, fmt.Errorf(format, args...))
	}
}

func (b *books) put(item int, sure bool) {
	b.mu.Lock()
	b.puts[item] = sure
	b.mu.Unlock()
}

// received enters a receipt and returns its place among those of the item.
func (b *books) received(client, item int, again bool) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := b.deliveries[item]
	if len(before) > 0 && !again {
		b.failLocked("client %d received item %d, which client %d had received, and it is not marked as redelivered", client, item, before[len(before)-1].client)
	}
	for _, d := range before {
		if d.final {
			b.failLocked("client %d received item %d, which client %d had acknowledged", client, item, d.client)
		}
	}
	b.deliveries[item] = append(before, delivery{client: client, again: again})
	return len(before)
}

// final notes that a receipt was acknowledged by a session that lives to tell
// the server.
func (b *books) final(item, place int) {
	b.mu.Lock()
	b.deliveries[item][place].final = true
	b.mu.Unlock()
}

// added enters an addition of 1. A result of 0 is an unknown outcome.
func (b *books) added(key string, result int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.adds[key]
	if s == nil {
		s = &sum{results: make(map[int]bool)}
		b.adds[key] = s
	}
	if result == 0 {
		s.maybe++
		return
	}
	s.known++
	if s.results[result] {
		b.failLocked("two additions to %q gave %d", key, result)
	}
	s.results[result] = true
}

// acquired enters a hold. Whoever else still believes in one is too many.
func (b *books) acquired(client int, lock string, limit int, h *proxy.Hold) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.locks[lock]
	if l == nil {
		l = &holders{limit: limit, holds: make(map[*proxy.Hold]int)}
		b.locks[lock] = l
	}
	if h.Err() != nil {
		return
	}
	if limit == 1 && h.Token() <= l.last {
		b.failLocked("client %d got %s with token %d after token %d", client, lock, h.Token(), l.last)
	}
	l.last = max(l.last, h.Token())
	l.holds[h] = client
	var now []int
	for other, who := range l.holds {
		if other.Err() != nil {
			delete(l.holds, other)
			continue
		}
		now = append(now, who)
	}
	if len(now) > limit {
		b.failLocked("clients %v hold %s at a time, which has room for %d", now, lock, limit)
	}
}

// releasing takes a hold out, before its release is sent.
func (b *books) releasing(lock string, h *proxy.Hold) {
	b.mu.Lock()
	delete(b.locks[lock].holds, h)
	b.mu.Unlock()
}

// passed enters a number that the barrier gave in a round.
func (b *books) passed(client, round, number, parties int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rounds[round] == nil {
		b.rounds[round] = make(map[int]bool)
	}
	if number < 0 || number >= parties || b.rounds[round][number] {
		b.failLocked("client %d passed the barrier's round %d as number %d of %d, which is wrong or taken", client, round, number, parties)
	}
	b.rounds[round][number] = true
}

// balance compares the books with what is left on the server.
func (b *books) balance(drained map[int]bool, values map[string]int, parties, rounds int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for item, sure := range b.puts {
		finals, dead := 0, 0
		for _, d := range b.deliveries[item] {
			if d.final {
				finals++
			} else if b.died[d.client] {
				dead++
			}
		}
		if drained[item] {
			finals++
		}
		switch {
		case finals > 1:
			b.failLocked("item %d was delivered for good %d times: %+v", item, finals, b.deliveries[item])
		case finals == 0 && sure && dead == 0:
			b.failLocked("item %d is lost: %+v", item, b.deliveries[item])
		}
	}
	for item := range b.deliveries {
		if _, ok := b.puts[item]; !ok {
			b.failLocked("item %d was received and never put", item)
		}
	}
	for key, s := range b.adds {
		if n := values[key]; n < s.known || n > s.known+s.maybe {
			b.failLocked("%q is %d after %d additions and %d whose outcome is unknown", key, n, s.known, s.maybe)
		}
	}
	for round := range rounds {
		if n := len(b.rounds[round]); n != parties {
			b.failLocked("%d of %d parties passed the barrier's round %d", n, parties, round)
		}
	}
	return errors.Join(b.failures...)
}
