package objects

import (
	"math/rand"
	"slices"
	"testing"

	"github.com/syncmanager/syncmanager/internal/engine"
)

// waitStage is how far a Condition's wait has come.
type waitStage int

const (
	stageWaits waitStage = iota
	stageWoken           // by a notification that is its own
	stageWokenAll
	stageLate
)

// conditionModel is a Condition over an RLock of its own.
type conditionModel struct {
	hold *modelHold
}

func (k *conditionModel) holder() *client {
	if k.hold == nil {
		return nil
	}
	return k.hold.c
}

func (k *conditionModel) held(c *client, owner int) bool {
	return k.hold != nil && k.hold.c == c && k.hold.owner == owner
}

func (k *conditionModel) give(h *waitRun, m *modelCall) {
	h.token++
	count := 1
	if m.method == "wait" {
		count = m.hold.count
	}
	k.hold = &modelHold{c: m.c, owner: m.args[0].(int), token: h.token, count: count}
	m.hold = k.hold
	switch {
	case m.method == "acquire":
		m.end(h, "%d", h.token)
	case m.stage == stageLate:
		m.end(h, "False")
	default:
		m.end(h, "True")
	}
}

func (k *conditionModel) serve(h *waitRun) {
	for k.hold == nil {
		i := slices.IndexFunc(h.waiting, func(m *modelCall) bool {
			return h.present[m.c] && (m.method == "acquire" || m.stage != stageWaits)
		})
		if i < 0 {
			return
		}
		k.give(h, h.waiting[i])
	}
}

func (k *conditionModel) free(h *waitRun) {
	k.hold = nil
	k.serve(h)
}

// move lets a wait stand behind those who wait for the lock.
func (k *conditionModel) move(h *waitRun, m *modelCall, stage waitStage) {
	m.stage, m.deadline, m.parked = stage, 0, true
	h.waiting = slices.DeleteFunc(h.waiting, func(o *modelCall) bool { return o == m })
	h.waiting = append(h.waiting, m)
}

func (k *conditionModel) notify(h *waitRun, stage waitStage, absentToo bool) bool {
	for _, any := range []bool{absentToo, true} {
		for _, m := range h.waiting {
			if m.method == "wait" && m.stage == stageWaits && (any || h.present[m.c]) {
				k.move(h, m, stage)
				return true
			}
		}
	}
	return false
}

func (k *conditionModel) call(h *waitRun, m *modelCall) {
	owner := m.args[len(m.args)-1].(int)
	switch m.method {
	case "acquire":
		switch {
		case k.held(m.c, owner):
			k.hold.count++
			m.hold = k.hold
			m.end(h, "%d", k.hold.token)
		case k.hold == nil:
			k.give(h, m)
		default:
			m.park(h)
		}
		return
	case "wait":
		if !k.held(m.c, owner) {
			m.end(h, "error not_held: cannot wait on un-acquired lock")
			return
		}
		m.hold = k.hold
		if m.noWait {
			m.noWait = false
			k.free(h)
			k.reacquire(h, m)
			return
		}
		m.park(h)
		k.free(h)
		return
	}
	switch {
	case m.method == "release" && !k.held(m.c, owner):
		m.end(h, "error not_held: cannot release un-acquired lock")
		return
	case !k.held(m.c, owner):
		m.end(h, "error not_held: cannot notify on un-acquired lock")
		return
	}
	switch m.method {
	case "release":
		if k.hold.count--; k.hold.count == 0 {
			k.free(h)
		}
	case "notify":
		for range m.args[0].(int) {
			k.notify(h, stageWoken, false)
		}
	case "notify_all":
		for k.notify(h, stageWokenAll, true) {
		}
	}
	m.end(h, "None")
}

func (k *conditionModel) reacquire(h *waitRun, m *modelCall) {
	m.stage = stageLate
	switch {
	case k.hold == nil && h.present[m.c]:
		k.give(h, m)
	case k.held(m.c, m.args[0].(int)):
		// The owner used its handle twice: it would wait for itself.
		m.hold = nil
		m.end(h, "error deadlock: the wait gave up the lock*")
	default:
		k.move(h, m, stageLate)
	}
}

func (k *conditionModel) leave(h *waitRun, m *modelCall, why engine.Leaving) {
	switch {
	case m.method == "acquire" && why == engine.LeaveTimeout:
		m.end(h, "False")
	case m.method == "wait" && why == engine.LeaveTimeout:
		k.reacquire(h, m)
	case m.method == "wait":
		if m.stage == stageWoken {
			k.notify(h, stageWoken, false)
			k.serve(h)
		}
		m.hold = nil
		m.end(h, "error cancelled: the wait was cancelled; its lock is not held")
	}
}

func (k *conditionModel) undo(h *waitRun, m *modelCall) {
	if m.hold == nil || m.hold != k.hold {
		return
	}
	if m.method == "wait" {
		if m.stage == stageWoken {
			k.notify(h, stageWoken, false)
		}
		k.free(h)
		return
	}
	if k.hold.count--; k.hold.count == 0 {
		k.free(h)
	}
}

func (k *conditionModel) gone(h *waitRun, c *client) {
	if k.hold != nil && k.hold.c == c {
		k.free(h)
	}
}

func (k *conditionModel) check(h *waitRun) string {
	if k.hold != nil {
		return ""
	}
	for _, m := range h.waiting {
		if h.present[m.c] && (m.method == "acquire" || m.stage != stageWaits) {
			return "somebody waits for a free lock"
		}
	}
	return ""
}

func (k *conditionModel) pick(h *waitRun, rng *rand.Rand) (string, []any) {
	owner := rng.Intn(2)
	if k.hold != nil && rng.Intn(4) > 0 {
		owner = k.hold.owner
	}
	waits := 0
	for _, m := range h.waiting {
		if m.method == "wait" && m.stage == stageWaits {
			waits++
		}
	}
	switch n := rng.Intn(16); {
	case n < 4 || k.hold == nil:
		return "acquire", []any{owner}
	case n < 8 || waits < 2:
		return "wait", []any{owner}
	case n < 11:
		return "notify", []any{rng.Intn(3), owner}
	case n < 13:
		return "notify_all", []any{owner}
	}
	return "release", []any{owner}
}

func TestConditionHistories(t *testing.T) {
	for seed := range int64(80) {
		h := runWaits(t, seed, 300, "Condition", nil, new(conditionModel))
		h.settle(t)
		h.w.close()
	}
}

// eventModel is an Event.
type eventModel struct{ on bool }

func (e *eventModel) serve(h *waitRun) {}

func (e *eventModel) call(h *waitRun, m *modelCall) {
	switch m.method {
	case "set":
		e.on = true
		for _, x := range slices.Clone(h.waiting) {
			x.end(h, "True")
		}
		m.end(h, "None")
	case "clear":
		e.on = false
		m.end(h, "None")
	case "wait":
		if e.on {
			m.end(h, "True")
		} else {
			m.park(h)
		}
	}
}

func (e *eventModel) leave(h *waitRun, m *modelCall, why engine.Leaving) {
	if why == engine.LeaveTimeout {
		m.end(h, "False")
	}
}

func (e *eventModel) undo(h *waitRun, m *modelCall) {}

func (e *eventModel) gone(h *waitRun, c *client) {}

func (e *eventModel) check(h *waitRun) string {
	if e.on && len(h.waiting) > 0 {
		return "somebody waits for an event that is set"
	}
	return ""
}

func (e *eventModel) pick(h *waitRun, rng *rand.Rand) (string, []any) {
	switch rng.Intn(6) {
	case 0:
		return "set", nil
	case 1, 2:
		return "clear", nil
	}
	return "wait", nil
}

func TestEventHistories(t *testing.T) {
	for seed := range int64(40) {
		h := runWaits(t, seed, 250, "Event", nil, new(eventModel))
		h.settle(t)
		h.w.close()
	}
}
