package objects

import (
	"fmt"
	"math/rand"
	"slices"
	"testing"

	"github.com/syncmanager/syncmanager/internal/engine"
)

// modelHold is a lock or a permit.
type modelHold struct {
	c     *client
	owner int
	token uint64
	count int
}

// lockModel is a Lock or an RLock.
type lockModel struct {
	reentrant bool
	hold      *modelHold
}

func (l *lockModel) give(h *waitRun, m *modelCall) {
	h.token++
	l.hold = &modelHold{c: m.c, owner: m.args[0].(int), token: h.token, count: 1}
	m.hold = l.hold
	m.end(h, "%d", h.token)
}

func (l *lockModel) serve(h *waitRun) {
	if m := h.first("acquire"); m != nil && l.hold == nil {
		l.give(h, m)
	}
}

func (l *lockModel) call(h *waitRun, m *modelCall) {
	switch m.method {
	case "acquire":
		x := l.hold
		switch {
		case x == nil:
			l.give(h, m)
		case l.reentrant && x.c == m.c && x.owner == m.args[0].(int):
			x.count++
			m.hold = x
			m.end(h, "%d", x.token)
		default:
			m.park(h)
		}
	case "release":
		x := l.hold
		var token uint64
		owner := 0
		if l.reentrant {
			owner = m.args[0].(int)
		}
		if n := len(m.args); n > 0 {
			if v, ok := m.args[n-1].(uint64); ok {
				token = v
			}
		}
		mine := x != nil && x.c == m.c
		switch {
		case token != 0 && (x == nil || x.token != token):
			m.end(h, "error lock_lost: hold %d of %s \"shared\" is over", token, h.typeid)
			return
		case l.reentrant && (token == 0 || mine) && !(mine && x.owner == owner):
			m.end(h, "error not_held: cannot release un-acquired lock")
			return
		case x == nil:
			m.end(h, "error not_held: release unlocked lock")
			return
		}
		if x.count--; x.count == 0 || !mine {
			l.hold = nil
			l.serve(h)
		}
		m.end(h, "None")
	case "locked":
		m.end(h, "%s", map[bool]string{false: "False", true: "True"}[l.hold != nil])
	}
}

func (l *lockModel) leave(h *waitRun, m *modelCall, why engine.Leaving) {
	if why == engine.LeaveTimeout {
		m.end(h, "False")
	}
}

func (l *lockModel) undo(h *waitRun, m *modelCall) {
	if m.hold == nil || m.hold != l.hold {
		return
	}
	if l.hold.count--; l.hold.count == 0 {
		l.hold = nil
		l.serve(h)
	}
}

func (l *lockModel) gone(h *waitRun, c *client) {
	if l.hold != nil && l.hold.c == c {
		l.hold = nil
		l.serve(h)
	}
}

func (l *lockModel) check(h *waitRun) string {
	if l.hold == nil && h.first("acquire") != nil {
		return "somebody waits for a free lock"
	}
	return ""
}

func (l *lockModel) pick(h *waitRun, rng *rand.Rand) (string, []any) {
	owner := rng.Intn(2)
	switch n := rng.Intn(10); {
	case n < 4:
		return "acquire", []any{owner}
	case n < 8 && l.hold != nil && rng.Intn(3) > 0:
		if l.reentrant {
			return "release", []any{l.hold.owner, l.hold.token}
		}
		return "release", []any{0, l.hold.token}
	case n < 9:
		token := uint64(rng.Intn(int(h.token + 2)))
		switch {
		case l.reentrant && token%2 == 0:
			return "release", []any{owner}
		case l.reentrant:
			return "release", []any{owner, token}
		case token%2 == 0:
			return "release", nil
		}
		return "release", []any{0, token}
	}
	return "locked", nil
}

func TestLockHistories(t *testing.T) {
	for _, typeid := range []string{"Lock", "RLock"} {
		for seed := range int64(60) {
			h := runWaits(t, seed, 250, typeid, nil, &lockModel{reentrant: typeid == "RLock"})
			h.settle(t)
			h.w.close()
		}
	}
}

// semaphoreModel is a Semaphore or a BoundedSemaphore.
type semaphoreModel struct {
	bounded        bool
	initial, value int
	holds          []*modelHold
}

func (s *semaphoreModel) give(h *waitRun, m *modelCall) {
	h.token++
	s.value--
	m.hold = &modelHold{c: m.c, token: h.token}
	s.holds = append(s.holds, m.hold)
	m.end(h, "%d", h.token)
}

func (s *semaphoreModel) serve(h *waitRun) {
	for m := h.first("acquire"); m != nil && s.value > 0; m = h.first("acquire") {
		s.give(h, m)
	}
}

func (s *semaphoreModel) back(h *waitRun, which func(x *modelHold) bool) bool {
	i := slices.IndexFunc(s.holds, which)
	if i < 0 {
		return false
	}
	s.holds = slices.Delete(s.holds, i, i+1)
	s.value++
	s.serve(h)
	return true
}

func (s *semaphoreModel) call(h *waitRun, m *modelCall) {
	switch m.method {
	case "acquire":
		if s.value > 0 {
			s.give(h, m)
		} else {
			m.park(h)
		}
	case "release":
		n := m.args[0].(int)
		if s.bounded && s.value+n > s.initial {
			m.end(h, "error value: Semaphore released too many times")
			return
		}
		for range n {
			i := slices.IndexFunc(s.holds, func(x *modelHold) bool { return x.c == m.c })
			if i = max(i, 0); i < len(s.holds) {
				s.holds = slices.Delete(s.holds, i, i+1)
			}
		}
		s.value += n
		s.serve(h)
		m.end(h, "None")
	case "release_permit":
		token := m.args[0].(uint64)
		if s.back(h, func(x *modelHold) bool { return x.token == token }) {
			m.end(h, "None")
		} else {
			m.end(h, "error lock_lost: permit %d of %s \"shared\" is over", token, h.typeid)
		}
	case "get_value":
		m.end(h, "%d", s.value)
	}
}

func (s *semaphoreModel) leave(h *waitRun, m *modelCall, why engine.Leaving) {
	if why == engine.LeaveTimeout {
		m.end(h, "False")
	}
}

func (s *semaphoreModel) undo(h *waitRun, m *modelCall) {
	if m.hold != nil {
		s.back(h, func(x *modelHold) bool { return x == m.hold })
	}
}

func (s *semaphoreModel) gone(h *waitRun, c *client) {
	for s.back(h, func(x *modelHold) bool { return x.c == c }) {
	}
}

func (s *semaphoreModel) check(h *waitRun) string {
	switch {
	case s.value > 0 && h.first("acquire") != nil:
		return "somebody waits though there are permits"
	case s.bounded && s.value+len(s.holds) != s.initial:
		return fmt.Sprintf("%d permits and %d holds of %d", s.value, len(s.holds), s.initial)
	}
	return ""
}

func (s *semaphoreModel) pick(h *waitRun, rng *rand.Rand) (string, []any) {
	switch n := rng.Intn(10); {
	case n < 5:
		return "acquire", nil
	case n < 7:
		return "release", []any{1 + rng.Intn(2)}
	case n < 9:
		return "release_permit", []any{1 + uint64(rng.Intn(int(h.token+1)))}
	}
	return "get_value", nil
}

func TestSemaphoreHistories(t *testing.T) {
	for _, typeid := range []string{"Semaphore", "BoundedSemaphore"} {
		for seed := range int64(60) {
			n := int(seed % 4)
			h := runWaits(t, seed, 250, typeid, []any{n}, &semaphoreModel{bounded: typeid[0] == 'B', initial: n, value: n})
			h.settle(t)
			h.w.close()
		}
	}
}

// barrierModel is a Barrier.
type barrierModel struct {
	parties int
	broken  bool
}

func (b *barrierModel) serve(h *waitRun) {}

func (b *barrierModel) fail(h *waitRun) {
	for _, m := range slices.Clone(h.waiting) {
		m.end(h, "error broken_barrier: *")
	}
}

func (b *barrierModel) call(h *waitRun, m *modelCall) {
	switch m.method {
	case "wait":
		switch {
		case b.broken:
			m.end(h, "error broken_barrier: *")
		case len(h.waiting)+1 < b.parties:
			m.index = len(h.waiting)
			m.park(h)
		default:
			n := len(h.waiting)
			for _, x := range slices.Clone(h.waiting) {
				x.end(h, "%d", x.index)
			}
			m.end(h, "%d", n)
		}
	case "reset":
		b.broken = false
		b.fail(h)
		m.end(h, "None")
	case "abort":
		b.broken = true
		b.fail(h)
		m.end(h, "None")
	case "n_waiting":
		m.end(h, "%d", len(h.waiting))
	}
}

func (b *barrierModel) leave(h *waitRun, m *modelCall, why engine.Leaving) {
	b.broken = true
	if why == engine.LeaveTimeout {
		m.end(h, "error broken_barrier: *")
	}
	b.fail(h)
}

func (b *barrierModel) undo(h *waitRun, m *modelCall) {}

func (b *barrierModel) gone(h *waitRun, c *client) {}

func (b *barrierModel) check(h *waitRun) string {
	if len(h.waiting) >= b.parties || b.broken && len(h.waiting) > 0 {
		return "parties wait in vain"
	}
	return ""
}

func (b *barrierModel) pick(h *waitRun, rng *rand.Rand) (string, []any) {
	switch n := rng.Intn(20); {
	case n < 14:
		return "wait", nil
	case n < 18 && b.broken:
		return "reset", nil
	case n < 15:
		return "reset", nil
	case n < 16:
		return "abort", nil
	}
	return "n_waiting", nil
}

func TestBarrierHistories(t *testing.T) {
	for seed := range int64(60) {
		n := 1 + int(seed%4)
		h := runWaits(t, seed, 250, "Barrier", []any{n}, &barrierModel{parties: n})
		h.settle(t)
		h.w.close()
	}
}
