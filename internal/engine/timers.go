package engine

import "container/heap"

// timers is a heap of the parked calls that have a deadline; equal deadlines
// leave in the order in which the calls were parked.
type timers []*Call

func (t timers) Len() int { return len(t) }
func (t timers) Less(i, j int) bool {
	if t[i].deadline != t[j].deadline {
		return t[i].deadline < t[j].deadline
	}
	return t[i].place < t[j].place
}
func (t timers) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].timer, t[j].timer = i, j
}
func (t *timers) Push(x any) {
	c := x.(*Call)
	c.timer = len(*t)
	*t = append(*t, c)
}
func (t *timers) Pop() any {
	old := *t
	c := old[len(old)-1]
	old[len(old)-1] = nil
	*t = old[:len(old)-1]
	c.timer = -1
	return c
}

func (t *timers) add(c *Call)    { heap.Push(t, c) }
func (t *timers) remove(c *Call) { heap.Remove(t, c.timer) }

// NextDeadline returns when OpTick is due, or 0 when no parked call has a
// deadline.
func (e *Engine) NextDeadline() int64 {
	if len(e.timers) == 0 {
		return 0
	}
	return e.timers[0].deadline
}

// maxTick bounds how many calls one OpTick ends, so that the lock is not held
// for long; NextDeadline then still lies in the past.
const maxTick = 1024

func (e *Engine) tick() {
	for n := 0; n < maxTick && len(e.timers) > 0 && e.timers[0].deadline <= e.now; n++ {
		e.depart(e.timers[0], LeaveTimeout)
	}
}
