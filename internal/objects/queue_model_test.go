package objects

import (
	"cmp"
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"github.com/syncmanager/syncmanager/internal/engine"
)

type modelItem struct {
	v, seq int
	again  bool
}

// queueModel is a queue whose items are unique numbers.
type queueModel struct {
	kind       queueKind
	simple     bool // has put, get and qsize alone
	max        int
	items      []modelItem
	seq        int
	unfinished int
	made       int
	out        map[int]int // how often each item came out to somebody who lives
	in         map[int]bool
}

func (q *queueModel) add(e modelItem) {
	q.items = append(q.items, e)
	slices.SortFunc(q.items, func(a, b modelItem) int {
		switch q.kind {
		case lifo:
			return b.seq - a.seq
		case priority:
			return cmp.Or((a.v%10)-(b.v%10), a.seq-b.seq)
		}
		return a.seq - b.seq
	})
}

func (q *queueModel) put(v int) {
	q.seq++
	q.unfinished++
	q.in[v] = true
	q.add(modelItem{v: v, seq: q.seq})
}

// finish counts n items as done. Who joins need not be present.
func (q *queueModel) finish(h *waitRun, n int) {
	q.unfinished = max(q.unfinished-n, 0)
	for _, m := range slices.Clone(h.waiting) {
		if q.unfinished == 0 && m.method == "join" {
			m.end(h, "None")
		}
	}
}

func (q *queueModel) room() int {
	if q.max == 0 {
		return 1 << 30
	}
	return q.max - len(q.items)
}

func (q *queueModel) serve(h *waitRun) {
	for moved := true; moved; {
		moved = false
		for len(q.items) > 0 {
			m := h.first("get", "get_many")
			if m == nil {
				break
			}
			q.give(h, m)
			moved = true
		}
		for q.room() > 0 {
			m := h.first("put", "put_many", "put_priority")
			if m == nil {
				break
			}
			list := values(m)
			q.put(list[m.index])
			if m.index++; m.index == len(list) {
				m.end(h, "None")
			}
			moved = true
		}
	}
}

// values returns the items of a put.
func values(m *modelCall) []int {
	switch m.method {
	case "put":
		return []int{m.args[0].(int)}
	case "put_priority":
		return []int{m.args[1].(int)}
	}
	var list []int
	for _, v := range m.args[0].([]any) {
		switch v := v.(type) {
		case int:
			list = append(list, v)
		}
	}
	return list
}

func (q *queueModel) give(h *waitRun, m *modelCall) {
	n := 1
	if m.method == "get_many" {
		n = min(m.args[0].(int), len(q.items))
	}
	m.items = slices.Clone(q.items[:n])
	q.items = slices.Delete(q.items, 0, n)
	var texts []string
	for _, e := range m.items {
		m.again = m.again || e.again
		q.out[e.v]++
		texts = append(texts, fmt.Sprint(e.v))
	}
	if m.method == "get_many" {
		m.end(h, "[%s]", strings.Join(texts, ", "))
	} else {
		m.end(h, "%s", texts[0])
	}
}

func (q *queueModel) call(h *waitRun, m *modelCall) {
	switch m.method {
	case "get", "get_many":
		if len(q.items) > 0 {
			q.give(h, m)
			q.serve(h)
		} else {
			m.park(h)
		}
	case "put", "put_priority", "put_many":
		list := values(m)
		switch {
		case len(list) == 0 || len(list) <= q.room():
			for _, v := range list {
				q.put(v)
			}
			q.serve(h)
			m.end(h, "None")
		case m.park(h):
			q.serve(h)
		}
	case "qsize":
		m.end(h, "%d", len(q.items))
	case "purge":
		n := len(q.items)
		for _, e := range q.items {
			q.out[e.v]++
		}
		q.items = nil
		q.finish(h, n)
		q.serve(h)
		m.end(h, "%d", n)
	case "task_done":
		if q.unfinished == 0 {
			m.end(h, "error value: task_done() called too many times")
			return
		}
		q.finish(h, 1)
		m.end(h, "None")
	case "join":
		if q.unfinished == 0 {
			m.end(h, "None")
		} else {
			m.park(h)
		}
	}
}

func (q *queueModel) leave(h *waitRun, m *modelCall, why engine.Leaving) {
	text := "error cancelled: call was cancelled"
	if why == engine.LeaveTimeout {
		text = "error full: queue is full"
		switch {
		case m.method == "join":
			text = "error timeout: timed out"
		case strings.HasPrefix(m.method, "get"):
			text = "error empty: queue is empty"
		}
	}
	if m.method == "put_many" && m.index > 0 {
		text += fmt.Sprintf("; %d of %d items were put", m.index, len(values(m)))
	}
	m.end(h, "%s", text)
}

func (q *queueModel) undo(h *waitRun, m *modelCall) {
	for _, e := range m.items {
		q.out[e.v]--
		e.again = true
		q.add(e)
	}
	m.items = nil
	q.serve(h)
}

func (q *queueModel) gone(h *waitRun, c *client) {}

func (q *queueModel) check(h *waitRun) string {
	if m := h.first("get", "get_many"); m != nil && len(q.items) > 0 {
		return "a getter waits while something is there"
	}
	if m := h.first("put", "put_many", "put_priority"); m != nil && q.room() > 0 {
		return "a putter waits while there is room"
	}
	if slices.ContainsFunc(h.waiting, func(m *modelCall) bool { return m.method == "join" }) && q.unfinished == 0 {
		return "somebody waits for tasks that are done"
	}
	var texts []string
	for _, e := range q.items {
		texts = append(texts, fmt.Sprint(e.v))
	}
	if got, want := h.watch.do(h.o, "value"), "["+strings.Join(texts, ", ")+"]"; got != want {
		return fmt.Sprintf("the items are %s, not %s", got, want)
	}
	for v, n := range q.out {
		if n < 0 || n > 1 {
			return fmt.Sprintf("item %d was got %d times", v, n)
		}
	}
	return ""
}

func (q *queueModel) pick(h *waitRun, rng *rand.Rand) (string, []any) {
	item := func() int { q.made++; return q.made }
	if q.simple {
		switch n := rng.Intn(20); {
		case n < 9:
			return "get", nil
		case n < 18:
			return "put", []any{item()}
		}
		return "qsize", nil
	}
	switch n := rng.Intn(22); {
	case n < 6:
		return "get", nil
	case n < 8:
		return "get_many", []any{1 + rng.Intn(4)}
	case n < 13:
		if q.kind == priority {
			v := item()
			return "put_priority", []any{v % 10, v}
		}
		return "put", []any{item()}
	case n < 16 && q.kind != priority:
		var list []any
		for range rng.Intn(5) {
			list = append(list, item())
		}
		return "put_many", []any{list}
	case n < 17:
		return "qsize", nil
	case n < 19:
		return "task_done", nil
	case n < 20:
		return "join", nil
	case n < 21:
		// Few enough are left that somebody sees all done.
		if q.unfinished > 8 {
			return "purge", nil
		}
		return "task_done", nil
	}
	if rng.Intn(10) > 0 {
		return "qsize", nil
	}
	return "purge", nil
}

// Every history's replies are those of the model, every item put is got once,
// or again only where its receiver died, and nobody waits for what is there.
func TestQueueHistories(t *testing.T) {
	for _, x := range []struct {
		typeid string
		kind   queueKind
	}{{"Queue", fifo}, {"JoinableQueue", fifo}, {"LifoQueue", lifo}, {"PriorityQueue", priority}, {"SimpleQueue", fifo}} {
		for seed := range int64(40) {
			most, args := int(seed%4), []any{int(seed % 4)}
			if x.typeid == "SimpleQueue" {
				most, args = 0, nil
			}
			q := &queueModel{kind: x.kind, simple: args == nil, max: most, out: make(map[int]int), in: make(map[int]bool)}
			h := runWaits(t, seed, 250, x.typeid, args, q)
			h.settle(t)
			for len(h.waiting) > 0 {
				h.cancel(h.waiting[0], false)
			}
			h.compare(t, "the last cancel")
			c := h.live[0]
			c.keep = false
			for {
				g := c.startIn(0, h.o, "get")
				if g.err != nil {
					break
				}
				var v int
				fmt.Sscan(show(g.value), &v)
				q.out[v]++
			}
			for v := range q.in {
				if q.out[v] != 1 {
					t.Fatalf("%s, seed %d: item %d was got %d times", x.typeid, seed, v, q.out[v])
				}
			}
			for v := range q.out {
				if !q.in[v] {
					t.Fatalf("%s, seed %d: item %d came from nowhere", x.typeid, seed, v)
				}
			}
			h.w.close()
		}
	}
}
